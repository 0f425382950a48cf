//! A node on a machine whose clock is set back by an hour while it runs.

use super::*;
use crate::clock::machine_us;
use crate::counters::Count;
use heck_core::entry::{HealthState, OriginSpec, Scope};
use heck_core::id::Name;
use heck_core::member::Standing;
use heck_core::node::View;
use heck_core::rng::Seed;
use heck_core::time::{Span, Time};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(30);
const KEYS: &[&str] = &["before", "after", "again"];
const HOUR_US: u64 = 3_600_000_000;
/// By how much the clock of the one machine of this test has been set back.
static BACK_US: AtomicU64 = AtomicU64::new(0);

fn stepping_us() -> u64 {
    machine_us() - BACK_US.load(Ordering::SeqCst)
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// What is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One of two nodes of a cluster that stands; `b` answers for everything and checks nothing.
fn settings(dir: &Path, node: &str, sockets: [SocketAddr; 2]) -> NodeConfig {
    let weight = |node: &str| if node == "b" { 0 } else { 100 };
    let members = ["a", "b"].into_iter().zip(sockets).map(|(node, addr)| {
        let weight = weight(node);
        Member { weight, ..Member::new(name(node), to_core(addr)) }
    });
    let members = members.collect();
    let mut config = NodeConfig::new(name(node), dir.join(node), Seed(1));
    (config.members, config.start, config.weight) = (members, Start::Formed, weight(node));
    config.probes.guard.loopback = true;
    config
}

async fn put(node: &NodeHandle, key: &str) {
    let put = Command::PutKey { name: name(key), value: key.as_bytes().into() };
    timeout(PATIENCE, node.command(put)).await.expect("a write is answered").unwrap();
}

async fn look<T: Send + 'static>(
    node: &NodeHandle,
    look: impl FnOnce(View<'_>, Time) -> T + Send + 'static,
) -> T {
    timeout(PATIENCE, node.view(look)).await.expect("the node can be looked at").unwrap()
}

/// Whether the node shows the origin as it is, and how old it says that answer is.
async fn health(node: &NodeHandle) -> Option<(HealthState, bool, Option<Span>)> {
    let health = |view: View<'_>, now| view.health(Scope::CLUSTER, &name("web"), now);
    look(node, health).await.map(|health| (health.state, health.is_stale, health.age))
}

async fn until_fresh(node: &NodeHandle) {
    let begun = Instant::now();
    loop {
        let health = health(node).await;
        if matches!(health, Some((HealthState::Healthy, false, Some(_)))) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{health:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Which of these keys the node has.
async fn held(node: &NodeHandle, keys: &'static [&'static str]) -> Vec<&'static str> {
    let held =
        |view: View<'_>, _| keys.iter().copied().filter(|key| view.key(&name(key)).is_some()).collect();
    look(node, held).await
}

#[tokio::test]
async fn nobody_dies_no_age_is_wrong_and_no_write_is_lost_and_the_jump_is_told() {
    let log = Log::default();
    let lines = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || lines.clone()).finish();
    let _logged = tracing::subscriber::set_default(subscriber);
    let dir = tempfile::tempdir().unwrap();
    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sockets = [(); 2].map(|()| Sockets::bind("127.0.0.1:0".parse().unwrap()).unwrap());
    let addrs = [sockets[0].addr(), sockets[1].addr()];
    let [for_a, for_b] = sockets;
    let a = start_on(Clock::start_on(stepping_us), for_a, settings(dir.path(), "a", addrs)).await.unwrap();
    let b = start(for_b, settings(dir.path(), "b", addrs)).await.unwrap();
    let spec = OriginSpec::new(&format!("tcp://{}", web.local_addr().unwrap())).with(|policy| {
        (policy.interval, policy.fast_interval) = (Span::from_ms(200), Span::from_ms(200));
    });
    let add = Command::PutOrigin { name: name("web"), spec, source: name("test") };
    a.command(add).await.unwrap();
    put(&a, "before").await;
    until_fresh(&a).await;
    until_fresh(&b).await;
    let before = look(&a, |_, now| now).await;

    BACK_US.store(HOUR_US, Ordering::SeqCst);
    let begun = Instant::now();
    while a.counters().get(Count::ClockSteps) == 0 || begun.elapsed() < Duration::from_secs(4) {
        for node in [&a, &b] {
            let seen = health(node).await.expect("the origin is known");
            // Heartbeats come every ten seconds; a machine that pauses adds some. An hour would be 3,600.
            let is_right = seen.2.is_none_or(|age| age < Span::from_secs(40));
            assert!(seen.0 == HealthState::Healthy && is_right, "{seen:?}");
            let dead = |view: View<'_>, _| {
                let gone = |standing| matches!(standing, Standing::Dead | Standing::Left);
                view.members().all().filter(|member| gone(member.standing)).count()
            };
            assert_eq!(look(node, dead).await, 0);
        }
        assert!(begun.elapsed() < PATIENCE, "the jump was not noticed");
        sleep(Duration::from_millis(50)).await;
    }
    assert!(look(&a, |_, now| now).await > before, "the node's own clock goes on");
    assert_eq!((a.counters().get(Count::ClockSteps), b.counters().get(Count::ClockSteps)), (1, 0));
    let told = log.text();
    let line = told.lines().find(|line| line.contains("the machine's clock jumped")).expect("it is logged");
    let ms = line.split("ms=-").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    assert!(ms.is_some_and(|ms| ms.abs_diff(3_600_000) < 1_000), "{line}");
    put(&a, "after").await;
    until_fresh(&a).await;
    until_fresh(&b).await;

    // It stops and starts again while the clock is still behind: a later life all the same, with all that it was given.
    let boot = a.boot();
    timeout(PATIENCE, a.shutdown()).await.unwrap().unwrap();
    let for_a = Sockets::bind(addrs[0]).unwrap();
    let a = start_on(Clock::start_on(stepping_us), for_a, settings(dir.path(), "a", addrs)).await.unwrap();
    assert!(a.boot() > boot);
    put(&a, "again").await;
    for node in [&a, &b] {
        let begun = Instant::now();
        while held(node, KEYS).await != KEYS {
            assert!(begun.elapsed() < PATIENCE, "{:?}", held(node, KEYS).await);
            sleep(Duration::from_millis(20)).await;
        }
        until_fresh(node).await;
    }
    timeout(PATIENCE, a.shutdown()).await.unwrap().unwrap();
    timeout(PATIENCE, b.shutdown()).await.unwrap().unwrap();
}
