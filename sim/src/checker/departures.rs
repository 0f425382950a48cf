//! Who says that it leaves is not taken for dead by anyone whom word of it can have reached.

use std::collections::BTreeMap;

use heck_core::effects::Event;
use heck_core::id::NodeId;
use heck_core::member::Standing;
use heck_core::time::{Span, Time};

use super::words::{Names, seconds};

/// Who leaves tells everyone so often.
const GOODBYES: i32 = 3;
/// The chance that none of them reaches anyone has to be less than this, or nobody can be blamed.
const NEGLIGIBLE: f64 = 1e-9;
/// What hindered datagrams may show in what is held of members for so long afterwards.
const AFTERMATH: Span = Span::from_secs(60);

/// What keeps words from getting through.
#[derive(Clone, Debug, Default)]
pub struct Hindrances {
    /// From when to when links lost more than usual, nodes stood still, or two shared a name.
    pub times: Vec<(Time, Time)>,
    /// The loss of a datagram on the worst link otherwise; 1 where it may last.
    pub loss: f64,
}

impl Hindrances {
    /// Whether one who left then can have been heard by some of so many others, and have been passed on until now.
    fn leave_a_word(&self, left: Time, others: u32, now: Time) -> bool {
        let from = Time(left.0.saturating_sub(AFTERMATH.as_us()));
        let all_lost = libm::pow(self.loss, f64::from(others) * f64::from(GOODBYES));
        all_lost < NEGLIGIBLE && !self.times.iter().any(|&(begin, end)| begin <= now && end >= from)
    }
}

/// One who has left.
#[derive(Clone, Copy, Debug)]
struct Departure {
    index: u32,
    at: Time,
    /// How many others were up.
    others: u32,
}

/// Who has left, and who can have heard of it.
#[derive(Debug)]
pub struct Departures {
    hindrances: Hindrances,
    left: BTreeMap<NodeId, Departure>,
    /// Since when each node has been up.
    since: Vec<Time>,
}

impl Departures {
    /// Nobody has left.
    #[must_use]
    pub fn new(hindrances: Hindrances, nodes: usize) -> Self {
        Self { hindrances, left: BTreeMap::new(), since: vec![Time::ZERO; nodes] }
    }

    /// A node says that it leaves, and so many others are up.
    pub fn leaves(&mut self, index: u32, node: NodeId, others: u32, at: Time) {
        self.left.entry(node).or_insert(Departure { index, at, others });
    }

    /// A node begins another life.
    pub fn started(&mut self, index: u32, now: Time) {
        self.left.retain(|_, departure| departure.index != index);
        self.since[index as usize] = now;
    }

    /// Looks at what a node says of others: whether any of it is about one who has left, and what is wrong with it.
    pub fn after_step(
        &self,
        names: &Names,
        index: u32,
        events: &[Event],
        now: Time,
    ) -> Option<Option<String>> {
        let about_the_left = events.iter().filter_map(|event| {
            let Event::Member { node, standing } = event else { return None };
            let departure = self.left.get(node)?;
            let can_know = self.since[index as usize] <= departure.at
                && self.hindrances.leave_a_word(departure.at, departure.others, now);
            can_know.then(|| {
                (*standing == Standing::Dead).then(|| {
                    let ago = seconds(now.since(departure.at));
                    format!("holds {} dead, who said {ago} ago that it leaves", names.node(*node))
                })
            })
        });
        about_the_left.reduce(Option::or)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heck_core::id::Name;

    fn at(secs: u64) -> Time {
        Time::ZERO + Span::from_secs(secs)
    }

    /// What is said of the death of one who left at 100 s in the words of another at 110 s.
    fn found(loss: f64, others: u32, hindered: &[(u64, u64)], started: Option<u64>) -> Option<bool> {
        let times = hindered.iter().map(|&(from, until)| (at(from), at(until))).collect();
        let mut departures = Departures::new(Hindrances { times, loss }, 4);
        let name = Name::new("n1").expect("a name");
        let node = NodeId::of(&name);
        departures.leaves(1, node, others, at(100));
        if let Some(started) = started {
            departures.started(2, at(started));
        }
        let events = [Event::Member { node, standing: Standing::Dead }];
        let found = departures.after_step(&Names::new(&[name]), 2, &events, at(110));
        found.map(|broken| broken.is_some())
    }

    #[test]
    fn the_death_of_one_who_left_is_found_wherever_word_of_it_can_have_come() {
        assert_eq!(found(0.5, 10, &[], None), Some(true));
        assert_eq!(found(0.5, 9, &[], None), None, "all of 27 copies may be lost");
        assert_eq!(found(1.0, 1_000, &[], None), None, "nothing gets through for a while");
        assert_eq!(found(0.0, 3, &[(105, 106)], None), None, "cut off since");
        assert_eq!(found(0.0, 3, &[(10, 39), (111, 120)], None), Some(true), "long before, and later");
        assert_eq!(found(0.0, 3, &[(10, 41)], None), None, "not long before");
        assert_eq!(found(0.0, 3, &[], Some(99)), Some(true));
        assert_eq!(found(0.0, 3, &[], Some(101)), None, "it was not there to hear it");
    }

    #[test]
    fn a_departure_is_no_death_and_one_who_is_back_may_die() {
        let name = Name::new("n1").expect("a name");
        let (node, names) = (NodeId::of(&name), Names::new(std::slice::from_ref(&name)));
        let mut departures = Departures::new(Hindrances::default(), 4);
        let said = |departures: &Departures, standing| {
            departures.after_step(&names, 2, &[Event::Member { node, standing }], at(9))
        };
        assert_eq!(said(&departures, Standing::Dead), None, "nobody has left");
        departures.leaves(1, node, 3, at(5));
        assert_eq!(said(&departures, Standing::Left), Some(None));
        assert!(said(&departures, Standing::Dead).flatten().is_some());
        departures.started(1, at(8));
        assert_eq!(said(&departures, Standing::Dead), None);
    }
}
