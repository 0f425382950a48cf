//! Finding the cluster: names are resolved again and again, and the node is told to join what they stand for.

use crate::addr::to_core;
use crate::counters::{Count, Counters};
use crate::handle::NodeHandle;
use crate::probe::resolve::{LookupError, Resolver};
use crate::settings::HostPort;
use heck_core::effects::Phase;
use heck_core::id::Addr;
use heck_core::input::Command;
use heck_core::rng::{Seed, Stream};
use std::collections::{BTreeMap, BTreeSet};
use std::mem::{Discriminant, discriminant};
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

/// The hosts to join through, and what is wrong with the names of some.
struct Hosts {
    hosts: Vec<HostPort>,
    /// That of the probes: its memory helps here too, and its breaker tells of lookups from here.
    resolver: Resolver,
    failing: BTreeMap<HostPort, Discriminant<LookupError>>,
}

/// What is new about a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum News {
    /// It has no address, or has none for another reason than before.
    Fails,
    /// It has one again.
    Resolves,
    Nothing,
}

impl Hosts {
    /// Their addresses now. Names that have none are counted, and told of when that is new.
    async fn addresses(&mut self, counters: &Counters) -> BTreeSet<SocketAddr> {
        let mut all = BTreeSet::new();
        for host in self.hosts.clone() {
            let found = self.look_up(&host).await;
            match (self.note(&host, found.as_ref().err()), &found) {
                (News::Fails, Err(LookupError::NoAddress(text) | LookupError::Unanswered(text))) => {
                    warn!(
                        host = host.as_str(),
                        text, "a name to join through does not resolve: it is tried again and again"
                    );
                }
                (News::Resolves, _) => info!(host = host.as_str(), "a name to join through resolves again"),
                _ => {}
            }
            match found {
                Ok(found) => all.extend(found),
                Err(_) => counters.bump(Count::JoinResolveFailures),
            }
        }
        all
    }

    async fn look_up(&self, host: &HostPort) -> Result<Vec<SocketAddr>, LookupError> {
        let (name, port) = match host.parts() {
            Ok(parts) => parts,
            Err(addr) => return Ok(vec![addr]),
        };
        let ips = self.resolver.resolve(name, Instant::now() + RESOLVE).await?;
        Ok(ips.iter().map(|ip| SocketAddr::new(*ip, port)).collect())
    }

    fn note(&mut self, host: &HostPort, error: Option<&LookupError>) -> News {
        let before = match error {
            Some(error) => {
                let kind = discriminant(error);
                let before = self.failing.insert(host.clone(), kind);
                return if before == Some(kind) { News::Nothing } else { News::Fails };
            }
            None => self.failing.remove(host),
        };
        if before.is_some() { News::Resolves } else { News::Nothing }
    }
}

/// Joins through these hosts, and looks for them again for as long as the node knows nobody. Without any address the
/// node serves alone after `alone_after`, and goes on looking. Returns when the node stops.
pub(super) async fn join(node: NodeHandle, hosts: Vec<HostPort>, seed: Seed, alone_after: Duration) {
    let started = Instant::now();
    let mut random = Stream::new(seed, 0x6a6f_696e);
    let (resolver, failing) = (node.resolver(), BTreeMap::new());
    let mut hosts = Hosts { hosts, resolver, failing };
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
            let found = hosts.addresses(node.counters()).await;
            let found: BTreeSet<Addr> = found.into_iter().map(to_core).filter(|addr| *addr != own).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::resolve::{BreakerState, LookUp, Lookup, ResolverConfig};
    use std::net::IpAddr;
    use std::sync::{Arc, Mutex};

    type Says = Result<Vec<IpAddr>, LookupError>;

    /// Hosts to join through, and a resolver that says what is put here.
    fn hosts(list: &[&str]) -> (Hosts, Arc<Mutex<Says>>) {
        let says: Arc<Mutex<Says>> = Arc::new(Mutex::new(Ok(Vec::new())));
        let answer = says.clone();
        let look_up: LookUp = Arc::new(move |_: &str| -> Lookup {
            let answer = answer.lock().unwrap().clone();
            Box::pin(async move { answer })
        });
        // Nothing is remembered, so that each attempt asks.
        let never = Duration::ZERO;
        let config =
            ResolverConfig { fresh: never, usable: never, last_resort: never, ..ResolverConfig::default() };
        let hosts = list.iter().map(|host| HostPort::of(host)).collect();
        (Hosts { hosts, resolver: Resolver::new(config, look_up), failing: BTreeMap::new() }, says)
    }

    #[tokio::test(start_paused = true)]
    async fn names_without_an_address_are_counted_each_time_told_once_and_open_the_breaker_of_the_resolver() {
        let counters = Counters::default();
        let (mut hosts, says) = hosts(&["seed.example:7400", "127.0.0.1:7400"]);
        let literal = "127.0.0.1:7400".parse().unwrap();
        *says.lock().unwrap() = Ok(vec![[192, 0, 2, 7].into()]);
        let both = BTreeSet::from([literal, "192.0.2.7:7400".parse().unwrap()]);
        assert_eq!(hosts.addresses(&counters).await, both);
        assert_eq!(counters.get(Count::JoinResolveFailures), 0);
        *says.lock().unwrap() = Err(LookupError::Unanswered("SERVFAIL".to_owned()));
        for failures in 1..=6 {
            assert_eq!(hosts.addresses(&counters).await, BTreeSet::from([literal]));
            assert_eq!(counters.get(Count::JoinResolveFailures), failures);
        }
        assert_eq!(hosts.resolver.status().breaker, BreakerState::Open);
        *says.lock().unwrap() = Ok(vec![[192, 0, 2, 7].into()]);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(hosts.addresses(&counters).await, both);
        assert_eq!(hosts.resolver.status().breaker, BreakerState::Closed);
    }

    #[tokio::test]
    async fn what_is_new_about_a_name_is_told_once() {
        let (mut hosts, _) = hosts(&["seed.example:7400"]);
        let host = hosts.hosts[0].clone();
        let (none, silent) = (LookupError::NoAddress("a".into()), LookupError::Unanswered("b".into()));
        let told = [None, Some(&none), Some(&none), Some(&silent), Some(&silent), None, None];
        let news = told.map(|error| hosts.note(&host, error));
        let (same, fails) = (News::Nothing, News::Fails);
        assert_eq!(news, [same, fails, same, fails, same, News::Resolves, same]);
    }
}
