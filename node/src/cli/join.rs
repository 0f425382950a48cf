//! Finding the cluster: names are resolved again and again, and the node is told to join what they stand for.

use crate::addr::to_core;
use crate::handle::NodeHandle;
use crate::settings::HostPort;
use heck_core::effects::Phase;
use heck_core::id::Addr;
use heck_core::input::Command;
use heck_core::rng::{Seed, Stream};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

/// How long a name may take to resolve.
const RESOLVE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The addresses of a host; none when it has none, or when the resolver does not answer in time.
pub(super) async fn resolve(host: &HostPort) -> Vec<SocketAddr> {
    match timeout(RESOLVE, lookup_host(host.as_str())).await {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(error)) => {
            warn!(host = host.as_str(), %error, "the name does not resolve");
            Vec::new()
        }
        Err(_) => {
            warn!(host = host.as_str(), timeout = ?RESOLVE, "the resolver did not answer in time");
            Vec::new()
        }
    }
}

/// Joins through these hosts, and looks for them again for as long as the node knows nobody. Without any address the
/// node serves alone after `alone_after`, and goes on looking. Returns when the node stops.
pub(super) async fn join(node: NodeHandle, hosts: Vec<HostPort>, seed: Seed, alone_after: Duration) {
    let started = Instant::now();
    let mut random = Stream::new(seed, 0x6a6f_696e);
    let mut known = BTreeSet::new();
    let mut pause = FIRST_PAUSE;
    loop {
        let own = to_core(node.addr());
        let look = node.view(|view, _| {
            let me = view.writer().node;
            let has_peers = view.members().all().any(|member| member.node != me && member.standing.is_live());
            (view.phase(), has_peers)
        });
        let Ok((phase, has_peers)) = look.await else { return };
        if phase == Phase::Leaving {
            return;
        }
        if has_peers && phase == Phase::Serving {
            pause = LONGEST_PAUSE;
        } else {
            let mut found: BTreeSet<Addr> = BTreeSet::new();
            for host in &hosts {
                found.extend(resolve(host).await.into_iter().map(to_core).filter(|addr| *addr != own));
            }
            let is_late = phase == Phase::Joining && started.elapsed() >= alone_after;
            if (!found.is_empty() && found != known) || (found.is_empty() && known.is_empty() && is_late) {
                info!(addresses = found.len(), "joining");
                let peers = found.iter().copied().collect();
                if node.command(Command::Join { peers }).await.is_err() {
                    return;
                }
                known = found;
            }
        }
        // Nodes that start together should not ask the resolver together.
        let spread = pause.mul_f64(0.75 + f64::from(random.below(1_000)) / 2_000.0);
        sleep(spread).await;
        pause = if has_peers { LONGEST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
    }
}
