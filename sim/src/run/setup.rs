//! From a scenario to a world: names, the state that a formed cluster shares, the network.

use std::sync::Arc;

use heck_core::config::Config;
use heck_core::entry::{Confirmation, HealthState, Hold, OriginSpec, Scope};
use heck_core::id::{Boot, Name, NodeId, Writer};
use heck_core::member::{Member, Members};
use heck_core::node::{Base, Identity};
use heck_core::ownership::{Candidate, owner, rendezvous_hash};
use heck_core::settings::Scoping;
use heck_core::state::{Finding, Fresh, Freshness, State};
use heck_core::time::{Span, Time};

use crate::engine::draw::Ratio;
use crate::engine::latency::Latency as EngineLatency;
use crate::engine::loss::{Change, GilbertElliott, Scope as BurstScope};
use crate::engine::network::{Network as EngineNetwork, Path as EnginePath};
use crate::engine::uplink::Uplink;
use crate::protocol::heck::addr_of;
use crate::scenario::{Burst, BurstAt, Cluster, Latency, Path, Scenario, Start};
use crate::units::Fraction;

/// What all runs of one point share, whatever their seed.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The settings of every node.
    pub config: Arc<Config>,
    /// What nodes with state start from.
    pub base: Arc<Base>,
    /// What nodes without state start from: the list of members alone.
    pub bare: Arc<Base>,
    /// What a node starts from that was never there: nothing.
    pub nothing: Arc<Base>,
    /// The names of all nodes, by index.
    pub names: Arc<Vec<Name>>,
    /// Their zones.
    pub zones: Arc<[Scope]>,
    /// The owner of each origin at the start, by number of the origin; in the first zone, where each has its own.
    pub owners: Arc<Vec<u32>>,
    /// The boot of every node's first life.
    pub first_boot: Boot,
}

/// The name of the node with this index.
#[must_use]
pub fn node_name(node: u32) -> Name {
    short_name("node", node)
}

/// The name of an origin of the start.
#[must_use]
pub fn origin_name(number: u32) -> Name {
    short_name("origin", number)
}

/// The name of a key of the start.
#[must_use]
pub fn key_name(number: u32) -> Name {
    short_name("key", number)
}

fn short_name(prefix: &str, number: u32) -> Name {
    Name::new(&format!("{prefix}-{number}")).expect("short and not empty")
}

impl Setup {
    /// The boot of a node's `life`-th life, counted from 1; life 0 is before all of them.
    #[must_use]
    pub const fn boot(&self, life: u64) -> Boot {
        Boot(self.first_boot.0 + life - 1)
    }

    /// Who a node is in a life, under the name of the one with index `named`.
    #[must_use]
    pub fn identity(&self, named: u32, node: u32, boot: Boot) -> Identity {
        let zone = self.zones[node as usize];
        Identity { zone, ..Identity::new(self.names[named as usize].clone(), boot, addr_of(node)) }
    }

    /// Builds what the scenario's runs share.
    #[must_use]
    pub fn new(scenario: &Scenario, config: Config) -> Self {
        let cluster = &scenario.cluster;
        let first_boot = first_boot(scenario);
        let config = match &scenario.checks {
            Some(checks) => checks.configure(config),
            None => Config { checks: None, ..config },
        };
        let (settings, zones) = (config.ownership.fingerprint([]), zone_scopes(scenario));
        let names: Vec<Name> = (0..cluster.nodes).map(node_name).collect();
        let present = &names[..cluster.present() as usize];
        let members = present.iter().zip(0..).map(|(name, node)| {
            let fresh = Member::new(name.clone(), addr_of(node)).in_life(first_boot);
            Member { settings, zone: zones[node as usize], ..fresh }
        });
        let members = Members::new(members.collect());
        let scopes = scopes(&config, &zones);
        let zone_of = |node: usize| if zones[node] == Scope::CLUSTER { Scope::NO_ZONE } else { zones[node] };
        let candidate = |(node, name)| Candidate { zone: zone_of(node), ..Candidate::new(name) };
        let candidates: Vec<Candidate<'_>> = present.iter().enumerate().map(candidate).collect();
        let owners_of = |number| {
            let owner_in = |scope| owner(&origin_name(number), scope, &candidates).unwrap_or(0) as u32;
            scopes.iter().map(|&scope| (scope, owner_in(scope))).collect()
        };
        let owners: Vec<Vec<(Scope, u32)>> = (0..cluster.origins).map(owners_of).collect();
        let bare = Base { members: members.clone(), ..Base::default() };
        let state = formed_state(scenario, &config, &names, &owners);
        let mut freshness = Freshness::default();
        for name in present {
            let writer = Writer { node: NodeId::of(name), boot: first_boot };
            let serial = state.context().progress(writer, heck_core::id::Store::Health).serial;
            let fresh = Fresh { boot: writer.boot, number: 0, serial, as_of: Time::ZERO, hops: 0 };
            freshness.assume(writer.node, fresh);
        }
        let mut base = Base {
            members,
            state: state.to_base(),
            freshness: freshness.to_shared(),
            formed: true,
            ..Base::default()
        };
        if config.checks.is_some() {
            base.assign(&config.ownership);
        }
        Self {
            config: Arc::new(config),
            base: Arc::new(base),
            bare: Arc::new(bare),
            nothing: Arc::default(),
            names: Arc::new(names),
            zones: zones.into(),
            owners: Arc::new(owners.iter().map(|owners| owners[0].1).collect()),
            first_boot,
        }
    }

    /// What a node has before its first step.
    #[must_use]
    pub fn base_of(&self, node: u32, cluster: &Cluster) -> &Arc<Base> {
        if node >= cluster.present() {
            &self.nothing
        } else if cluster.start == Start::Formed || node == 0 {
            &self.base
        } else {
            &self.bare
        }
    }
}

/// The zone of each node, as its members know it; none where the scenario has none.
fn zone_scopes(scenario: &Scenario) -> Vec<Scope> {
    let cluster = &scenario.cluster;
    let mut scopes = vec![Scope::default(); cluster.nodes as usize];
    for zone in cluster.zones().into_iter().filter(|_| !cluster.zone.is_empty()) {
        let scope = Name::new(zone.name).map_or(Scope::NO_ZONE, |name| Scope::of_zone(&name));
        zone.nodes.for_each(|node| scopes[node as usize] = scope);
    }
    scopes
}

/// The scopes in which origins have an owner.
fn scopes(config: &Config, zones: &[Scope]) -> Vec<Scope> {
    if config.ownership.scoping == Scoping::Cluster {
        return vec![Scope::CLUSTER];
    }
    let mut scopes: Vec<Scope> =
        zones.iter().map(|&zone| if zone == Scope::CLUSTER { Scope::NO_ZONE } else { zone }).collect();
    scopes.dedup();
    scopes
}

fn first_boot(scenario: &Scenario) -> Boot {
    Boot(scenario.cluster.first_boot.unwrap_or(1))
}

/// The state of a cluster that has run for long: origins and keys written by nodes in turn, each origin found
/// healthy by its owner.
fn formed_state(scenario: &Scenario, config: &Config, names: &[Name], owners: &[Vec<(Scope, u32)>]) -> State {
    let mut state = State::new(&heck_core::state::StateBase::default(), config.retention, config.planted);
    let mut changes = Vec::new();
    let cold = scenario.cluster.start == Start::Cold;
    let writer = |node: u32| {
        let node = if cold { 0 } else { node % scenario.cluster.present() };
        Writer { node: NodeId::of(&names[node as usize]), boot: first_boot(scenario) }
    };
    let source = short_name("start", 0);
    for (number, owners) in (0..).zip(owners) {
        let origin = origin_name(number);
        let spec = OriginSpec::new(&format!("http://{origin}.example/healthz"));
        let spec = match &scenario.checks {
            Some(checks) => spec.with(|policy| *policy = checks.policy()),
            None => spec,
        };
        // A stride that is coprime with most sizes spreads the writers of neighbouring numbers.
        let by = writer(number.wrapping_mul(7_919));
        state.put_origin(by, &origin, spec, source.clone(), Time::ZERO, &mut changes);
        for &(scope, owner) in owners {
            // Of a cold fleet node 0 alone has written, and vouches for what it checks itself.
            let hold = if cold && owner != 0 { Hold::Released } else { Hold::Held };
            let owner = if cold { 0 } else { owner };
            let finding = Finding {
                scope,
                origin: origin.clone(),
                rank: rendezvous_hash(&origin, &names[owner as usize]),
                state: HealthState::Healthy,
                hold,
                confirmation: Confirmation::default(),
                cause: None,
            };
            state.claim_health(writer(owner), &finding, Time::ZERO, &mut changes);
        }
        changes.clear();
    }
    let size = scenario.workload.value_size.as_u64() as usize;
    for number in 0..scenario.cluster.keys {
        let value = vec![(number % 251) as u8; size].into();
        state.put_key(
            writer(number.wrapping_mul(104_729)),
            &key_name(number),
            value,
            Time::ZERO,
            &mut changes,
        );
        changes.clear();
    }
    state
}

/// A fraction as the engine's probability.
#[must_use]
pub fn ratio(fraction: Fraction) -> Ratio {
    Ratio::from_parts(fraction.threshold())
}

/// The network of a scenario, and the zone of each node.
///
/// # Errors
/// When a latency distribution has no values.
pub fn network(scenario: &Scenario) -> Result<(EngineNetwork, Vec<u16>), String> {
    let zones = scenario.cluster.zones();
    let count = zones.len() as u16;
    let mut zone_of = vec![0; scenario.cluster.nodes as usize];
    for (number, zone) in (0..).zip(&zones) {
        for node in zone.nodes.clone() {
            zone_of[node as usize] = number;
        }
    }
    let anything = EnginePath::perfect(EngineLatency::Constant { us: 0 });
    let mut network = EngineNetwork::uniform(count, &anything);
    let bursts = scenario.network.burst.as_ref().map(|burst| network.add_bursts(gilbert_elliott(burst)));
    for (from, from_zone) in (0..).zip(&zones) {
        for (to, to_zone) in (0..).zip(&zones) {
            let path = scenario.network.path(from_zone.name, to_zone.name);
            *network.path_mut(from, to) = EnginePath { bursts, ..engine_path(&path)? };
        }
    }
    network.set_mtu(scenario.network.mtu.as_u64() as u32);
    if let Some(rate) = scenario.network.bandwidth {
        let queue_bytes = scenario.network.queue.as_u64();
        network.set_uplinks(Some(Uplink { rate_bps: rate.bits_per_second(), queue_bytes }));
    }
    Ok((network, zone_of))
}

fn gilbert_elliott(burst: &Burst) -> GilbertElliott {
    GilbertElliott {
        change: Change::OverTime { good_mean_us: burst.good.as_us(), bad_mean_us: burst.bad.as_us() },
        loss_good: ratio(burst.loss_good),
        loss_bad: ratio(burst.loss_bad),
        scope: match burst.at {
            BurstAt::Link => BurstScope::Link,
            BurstAt::Sender => BurstScope::Sender,
            BurstAt::Receiver => BurstScope::Receiver,
        },
    }
}

fn engine_path(path: &Path) -> Result<EnginePath, String> {
    let mut engine = EnginePath::perfect(latency(&path.latency)?).with_loss(ratio(path.loss));
    engine.duplicate = ratio(path.duplicate);
    if let Some(reorder) = &path.reorder {
        engine.reorder = ratio(reorder.fraction);
        engine.reorder_delay_us = reorder.by.as_us();
    }
    Ok(engine)
}

/// A latency distribution as the engine draws from it.
///
/// # Errors
/// When it has no values.
pub fn latency(latency: &Latency) -> Result<EngineLatency, String> {
    Ok(match latency {
        Latency::Constant(span) => EngineLatency::Constant { us: span.as_us() },
        Latency::Uniform(uniform) => {
            EngineLatency::Uniform { min_us: uniform.min.as_us(), max_us: uniform.max.as_us() }
        }
        Latency::Normal(normal) => EngineLatency::normal(
            normal.mean.as_us() as f64,
            normal.sd.as_us() as f64,
            normal.min.as_us(),
            normal.greatest().as_us(),
        )?,
        Latency::Lognormal(lognormal) => {
            let floor_us = lognormal.floor.as_us();
            EngineLatency::LogNormal {
                shift_us: floor_us,
                median_us: lognormal.median.as_us().saturating_sub(floor_us) as f64,
                sigma: lognormal.sigma(),
                min_us: floor_us,
                max_us: lognormal.greatest().as_us(),
            }
        }
        Latency::Quantiles(quantiles) => {
            EngineLatency::table(quantiles.iter().map(|span| span.as_us()).collect())?
        }
    })
}

/// The 95th percentile of the one-way latency from a node to others, in microseconds; only where all of them are in
/// one zone, so that there is one such distribution. Datagrams that are held back are not in it.
#[must_use]
pub fn latency_p95_us(scenario: &Scenario, from: u32, to: &[u32]) -> Option<u64> {
    const P95: u32 = (0.95 * 4_294_967_296.0) as u32;
    let zones = scenario.cluster.zones();
    let sender = zones.iter().find(|zone| zone.nodes.contains(&from))?;
    let receiver = zones.iter().find(|zone| to.first().is_some_and(|first| zone.nodes.contains(first)))?;
    if !to.iter().all(|node| receiver.nodes.contains(node)) {
        return None;
    }
    let path = scenario.network.path(sender.name, receiver.name);
    latency(&path.latency).ok().map(|latency| latency.sample_us(P95))
}

/// The longest that a datagram is on its way between any two nodes: its latency, the time that reordering holds
/// it back, and a full queue before it.
#[must_use]
pub fn greatest_transit(scenario: &Scenario) -> Span {
    let (zones, network) = (scenario.cluster.zones(), &scenario.network);
    let pairs = zones.iter().flat_map(|from| zones.iter().map(move |to| (from.name, to.name)));
    let greatest = pairs.map(|(from, to)| {
        let path = network.path(from, to);
        let held = path.reorder.as_ref().map_or(Span::ZERO, |reorder| reorder.by);
        Span(path.latency.greatest().as_us().saturating_add(held.as_us()))
    });
    let queued = network.bandwidth.map_or(0, |rate| {
        let bits = u128::from(network.queue.as_u64()) * 8 * 1_000_000;
        bits.div_ceil(u128::from(rate.bits_per_second().max(1))) as u64
    });
    Span(greatest.max().unwrap_or_default().as_us().saturating_add(queued))
}

/// The loss of one datagram in the long run, for the analytic curve; that of the first zone.
#[must_use]
pub fn mean_loss(scenario: &Scenario) -> f64 {
    let zones = scenario.cluster.zones();
    let even = scenario.network.path(zones[0].name, zones[0].name).loss.as_f64();
    let bursts = scenario.network.burst.as_ref().map_or(0.0, Burst::mean_loss);
    1.0 - (1.0 - even) * (1.0 - bursts)
}

/// The greatest loss of a datagram between any two nodes, the bad times of bursts included.
#[must_use]
pub fn worst_loss(scenario: &Scenario) -> f64 {
    let zones = scenario.cluster.zones();
    let pairs = zones.iter().flat_map(|from| zones.iter().map(move |to| (from.name, to.name)));
    let even = pairs.map(|(from, to)| scenario.network.path(from, to).loss.as_f64()).fold(0.0, f64::max);
    let bursts = scenario.network.burst.as_ref().map_or(0.0, |burst| burst.loss_bad.as_f64());
    1.0 - (1.0 - even) * (1.0 - bursts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::ScenarioFile;

    #[test]
    fn the_95th_percentile_of_latency_is_that_of_its_distribution_in_one_zone() {
        let nodes: Vec<u32> = (0..10).collect();
        let between = |sets: &[&str], from: u32, to: &[u32]| {
            let text = "question = \"q\"\nsource = \"s\"\nexpectation = \"e\"\nrun.duration = \"9s\"\n\
                        cluster.nodes = 10\nnetwork.latency = \"40ms\"\n";
            let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
            let scenario = ScenarioFile::parse("q.toml", text, &sets).expect("a scenario").scenario;
            latency_p95_us(&scenario, from, to)
        };
        let of = |sets: &[&str]| between(sets, 0, &nodes);
        assert_eq!(of(&[]), Some(40_000));
        let uniform = "network.latency={ uniform = { min = \"5ms\", max = \"40ms\" } }";
        assert_eq!(of(&[uniform]), Some(38_250));
        let lognormal = "network.latency={ lognormal = { median = \"40ms\", p95 = \"83ms\" } }";
        assert!(of(&[lognormal]).is_some_and(|us| us.abs_diff(83_000) < 10), "{:?}", of(&[lognormal]));
        let zones = "cluster.zone=[{ name = \"a\", nodes = 5 }, { name = \"b\", nodes = 5 }]";
        let link = "network.link=[{ from = \"a\", to = \"b\", both = false, latency = \"70ms\" }]";
        assert_eq!(of(&[zones]), None);
        assert_eq!(between(&[zones, link], 0, &nodes[5..]), Some(70_000));
        assert_eq!(between(&[zones, link], 9, &nodes[..5]), Some(40_000));
    }
}
