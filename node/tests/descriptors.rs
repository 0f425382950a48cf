//! A node whose process has no file descriptor left. The one test here takes them all, so it has a process of its own.

mod common;

use common::{Process, config, name, sockets, until, wait};
use heck_core::entry::{HealthState, OriginSpec, Scope};
use heck_core::input::Command;
use heck_core::time::Span;
use heck_node::{Count, Start};
use std::fs::File;
use tokio::net::TcpSocket;

#[test]
fn a_node_without_descriptors_goes_on_and_blames_no_origin() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Connections stand without being taken, as long as the backlog has room: the server needs no descriptor.
    let listener = runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        socket.listen(4_096).unwrap()
    });
    let mut settings = config("a", dir.path(), 1);
    settings.probes.guard.loopback = true;
    settings.start = Start::Bootstrap;
    let node = Process::start(sockets(), settings);
    let spec = OriginSpec::new(&format!("tcp://{}", listener.local_addr().unwrap())).with(|policy| {
        (policy.interval, policy.fast_interval) = (Span::from_ms(100), Span::from_ms(100));
        policy.timeout = Span::from_secs(1);
    });
    node.command(Command::PutOrigin { name: name("db"), spec, source: name("test") });
    let health = || {
        let look = |view: heck_core::node::View<'_>, now| {
            let health = view.health(Scope::CLUSTER, &name("db"), now)?;
            Some((health.state, view.check(&name("db"))?.told))
        };
        // A look needs no descriptor of its own, but a runtime to wait in does.
        runtime.block_on(node.handle.view(look)).expect("the node runs")
    };
    until("the origin is healthy", health, |seen| {
        seen.is_some_and(|(state, _)| state == HealthState::Healthy)
    });

    rlimit::setrlimit(rlimit::Resource::NOFILE, 256, 256).unwrap();
    let mut taken = Vec::new();
    let hindered = || {
        while let Ok(file) = File::open("/dev/null") {
            taken.push(file);
        }
        node.handle.counters().get(Count::ProbesHinderedBySystem)
    };
    until("three probes without a descriptor", hindered, |count| *count >= 3);
    let (state, told) = health().unwrap();
    assert_eq!(state, HealthState::Healthy);
    assert_eq!(node.handle.counters().get(Count::ProbesFailed), 0);

    taken.clear();
    let again = until("a check again", health, |seen| seen.is_some_and(|(_, at)| at > told));
    assert_eq!(again.map(|(state, _)| state), Some(HealthState::Healthy));
    assert_eq!(node.handle.counters().get(Count::ProbesFailed), 0);
    wait("a shutdown", node.handle.shutdown()).unwrap();
}
