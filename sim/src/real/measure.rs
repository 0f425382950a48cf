//! From what was seen at real nodes to the measures of a run, by the simulator's own rules.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use heck_core::effects::Event;
use heck_core::id::{Name, NodeId};
use heck_core::time::{Span, Time};

use super::observe::{List, Seen, What};
use super::traffic::Traffic;
use crate::report::outcome::{Opinions, UpdateOutcome};
use crate::run::deaths::Deaths;
use crate::run::origins::Origins;
use crate::run::plan::Followed;
use crate::run::turns::Turns;
use crate::scenario::{EventKind, Kind};

/// What happened in a run, and what was seen of it.
#[derive(Debug)]
pub struct Record {
    /// The moment 0 of the run.
    pub begin: Instant,
    /// How long it was watched.
    pub end: Time,
    /// Faults as they happened, with the nodes to which they did.
    pub faults: Vec<(Instant, EventKind)>,
    /// What nodes were seen to come to hold, from before the beginning on.
    pub seen: Vec<Seen>,
    /// The versions of rows that all nodes had in the beginning.
    pub at_start: BTreeMap<(List, String), String>,
    /// What nodes sent each other.
    pub traffic: Traffic,
}

/// What nodes sent in the window over which the simulator counts as well.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Counts {
    /// How long that is.
    pub window: Span,
    /// Datagrams.
    pub datagrams: f64,
    /// Bytes that they carried.
    pub bytes: f64,
}

/// What is known of a run beforehand.
#[derive(Debug)]
pub struct Beforehand<'a> {
    /// The names of all nodes.
    pub names: &'a [Name],
    /// How many of them are there in the beginning.
    pub present: u32,
    /// Which nodes some fault is about.
    pub touched: Vec<bool>,
    /// The updates that are followed.
    pub followed: &'a [Followed],
    /// What is true of origins when.
    pub origins: &'a Origins,
    /// Whether nodes can tell that an origin is slow.
    pub knows_slow: bool,
}

impl Record {
    fn time(&self, at: Instant) -> Time {
        let since = at.saturating_duration_since(self.begin).as_micros();
        Time(u64::try_from(since).unwrap_or(u64::MAX))
    }

    /// What became of all that is followed, and what nodes came to hold of each other.
    #[must_use]
    pub fn outcome(&self, beforehand: Beforehand<'_>) -> (Vec<UpdateOutcome>, Opinions) {
        let followed = beforehand.followed.iter().map(|followed| self.update(followed));
        let updates: Vec<UpdateOutcome> = followed.collect();
        let (names, present) = (beforehand.names, beforehand.present);
        let mut deaths = Deaths::new(names, present, beforehand.touched);
        let mut turns = Turns::new(beforehand.origins.spells(), beforehand.knows_slow);
        let mut faults = self.faults.iter().peekable();
        for seen in self.seen.iter().filter(|seen| self.time(seen.at) <= self.end) {
            while let Some((at, kind)) = faults.next_if(|(at, _)| *at <= seen.at) {
                happened(kind, self.time(*at), &mut deaths, &mut turns);
            }
            let now = self.time(seen.at);
            turns.begin(deaths.up(), now);
            match &seen.what {
                What::Standing(member, standing) => {
                    let Ok(member) = Name::new(member) else { continue };
                    let news = Event::Member { node: NodeId::of(&member), standing: *standing };
                    // What was so in the beginning is no news of the run.
                    if seen.at >= self.begin {
                        deaths.heard(seen.node, &[news], now);
                    }
                }
                What::Health(origin, state) => {
                    let number = Name::new(origin).ok().and_then(|name| beforehand.origins.number(&name));
                    if let Some(number) = number {
                        turns.heard(seen.node, number, *state, now);
                    }
                }
                _ => {}
            }
        }
        for (at, kind) in faults {
            happened(kind, self.time(*at), &mut deaths, &mut turns);
        }
        turns.begin(deaths.up(), self.end);
        let (crashes, opinions) = deaths.outcome(self.end);
        (updates.into_iter().chain(crashes).chain(turns.outcome(self.end)).collect(), opinions)
    }

    /// What was sent from the first update on until the last one was everywhere, or to the end if one never was; from the end
    /// of the warm-up where nothing is followed. The window of [`crate::run`]'s watch.
    #[must_use]
    pub fn counts(&self, followed: &[Followed], updates: &[UpdateOutcome], warmup: Time) -> Counts {
        let from = followed.iter().map(|followed| followed.at).min().unwrap_or(warmup);
        let mut until = if followed.is_empty() { self.end } else { from };
        for (followed, update) in followed.iter().zip(updates) {
            let is_everywhere = update.reached_us.len() as u64 >= u64::from(update.population);
            let last = followed.at + Span::from_us(update.reached_us.last().copied().unwrap_or_default());
            until = until.max(if is_everywhere { last } else { self.end });
        }
        let moment = |time: Time| self.begin + Duration::from_micros(time.0);
        let (datagrams, bytes) = self.traffic.sent(moment(from), moment(until));
        Counts { window: until.since(from), datagrams, bytes }
    }

    /// What became of an update. It happens when it is seen where it was made, so that what it takes to see something
    /// counts on neither end.
    fn update(&self, followed: &Followed) -> UpdateOutcome {
        let mut first = BTreeMap::new();
        let after = self.seen.iter().filter(|seen| seen.at >= self.begin && self.time(seen.at) <= self.end);
        for seen in after.filter(|seen| self.is_of(followed, &seen.what)) {
            first.entry(seen.node).or_insert(self.time(seen.at));
        }
        let happened = first.get(&followed.node).copied();
        let others = followed.to.iter().filter(|&&node| node != followed.node);
        let mut reached_us: Vec<u64> = match happened {
            Some(happened) => {
                others.clone().filter_map(|node| Some(first.get(node)?.since(happened).as_us())).collect()
            }
            None => Vec::new(),
        };
        reached_us.sort_unstable();
        UpdateOutcome {
            kind: followed.curve.clone(),
            node: followed.node,
            population: others.count() as u32,
            reached_us,
            observed_us: self.end.since(happened.unwrap_or(followed.at)).as_us(),
            delivery_ratio_p95: None,
        }
    }

    /// Whether what was seen is what the update writes: nothing else in the run writes it.
    fn is_of(&self, followed: &Followed, what: &What) -> bool {
        let name = followed.name.as_str();
        let is_new = |list, row: &String, tag: &String| {
            row == name && self.at_start.get(&(list, row.clone())) != Some(tag)
        };
        match (followed.kind, what) {
            (Kind::KeyWritten, What::Set(List::Keys, row, tag)) => is_new(List::Keys, row, tag),
            (Kind::OriginAdded, What::Set(List::Origins, row, tag)) => is_new(List::Origins, row, tag),
            (Kind::OriginRemoved, What::Removed(List::Origins, row)) => row == name,
            (Kind::MessagePublished, What::Message(topic)) => topic == name,
            _ => false,
        }
    }
}

fn happened(kind: &EventKind, now: Time, deaths: &mut Deaths, turns: &mut Turns) {
    turns.begin(deaths.up(), now);
    match kind {
        EventKind::Crash { nodes, .. } => {
            deaths.crashed(nodes, now);
            nodes.iter().for_each(|&node| turns.crashed(node));
        }
        EventKind::Stop { node } => {
            deaths.crashed(&[*node], now);
            turns.crashed(*node);
        }
        EventKind::Restart { nodes } => nodes.iter().for_each(|&node| deaths.started(node, false, now)),
        EventKind::Join { node, .. } => deaths.started(*node, true, now),
        EventKind::Leave { node } => deaths.leaves(*node, now),
        EventKind::Loss { .. } | EventKind::End { .. } => deaths.changed(now),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use heck_core::entry::HealthState;
    use heck_core::member::Standing;
    use heck_core::rng::Seed;

    use super::*;
    use crate::run::deaths::CRASH;
    use crate::run::setup::node_name;
    use crate::run::turns::DOWN;
    use crate::scenario::{Disk, ScenarioFile};

    const THREE: &str = r#"question = "q"
source = "s"
expectation = "e"
run.duration = "60s"
cluster = { nodes = 3, origins = 2, keys = 1 }
network.latency = "1ms"
checks = {}

[[fault]]
at = "20s"
origin_down = { origins = [1] }
"#;

    fn outcome(seen: &[(u64, u32, What)], faults: &[(u64, EventKind)]) -> Vec<UpdateOutcome> {
        let scenario = ScenarioFile::parse("q.toml", THREE, &[]).expect("a scenario").scenario;
        let origins = Origins::new(&scenario, Seed(1)).expect("origins");
        let begin = Instant::now();
        let at = |ms: &u64| begin + Duration::from_millis(*ms);
        let key = ("key-0".to_owned(), "old".to_owned());
        let record = Record {
            begin,
            end: Time(60_000_000),
            faults: faults.iter().map(|(ms, kind)| (at(ms), kind.clone())).collect(),
            seen: seen
                .iter()
                .map(|(ms, node, what)| Seen { at: at(ms), node: *node, what: what.clone() })
                .collect(),
            at_start: BTreeMap::from([((List::Keys, key.0), key.1)]),
            traffic: Traffic::default(),
        };
        let followed = Followed {
            curve: "key written".to_owned(),
            kind: Kind::KeyWritten,
            at: Time(1_000_000),
            node: 1,
            to: Arc::from([0, 1, 2]),
            name: Name::new("key-0").expect("a name"),
        };
        let beforehand = Beforehand {
            names: &[0, 1, 2].map(node_name),
            present: 3,
            touched: vec![false; 3],
            followed: &[followed],
            origins: &origins,
            knows_slow: false,
        };
        record.outcome(beforehand).0
    }

    fn key(tag: &str) -> What {
        What::Set(List::Keys, "key-0".to_owned(), tag.to_owned())
    }

    #[test]
    fn an_update_is_followed_from_where_it_is_made_by_its_version() {
        let seen =
            [(500, 2, key("old")), (1_010, 1, key("new")), (1_250, 0, key("new")), (1_900, 0, key("newer"))];
        let updates = outcome(&seen, &[]);
        assert_eq!((updates[0].population, &*updates[0].reached_us), (2, &[240_000][..]));
        assert_eq!(updates[0].observed_us, 58_990_000);
    }

    #[test]
    fn what_is_seen_elsewhere_first_was_there_at_once() {
        let updates = outcome(&[(1_000, 0, key("new")), (1_003, 1, key("new"))], &[]);
        assert_eq!(updates[0].reached_us, [0]);
    }

    #[test]
    fn a_crash_and_the_fall_of_an_origin_are_known_by_whoever_stays_up() {
        let dead = |node: u32| What::Standing(format!("node-{node}"), Standing::Dead);
        let ill = What::Health("origin-1".to_owned(), HealthState::Unhealthy);
        let seen = [(15_000, 0, dead(2)), (17_000, 1, dead(2)), (23_000, 1, ill.clone()), (23_500, 0, ill)];
        let crash = EventKind::Crash { nodes: vec![2], disk: Disk::Kept };
        let updates = outcome(&seen, &[(10_000, crash)]);
        let known: Vec<_> = updates[1..]
            .iter()
            .map(|update| (update.kind.as_str(), update.population, &*update.reached_us))
            .collect();
        assert_eq!(known, [(CRASH, 2, &[5_000_000, 7_000_000][..]), (DOWN, 2, &[3_000_000, 3_500_000][..])]);
    }
}
