//! What was ever written in a run: every entry by its dot, what replaces it, and when its writer made it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use heck_core::entry::{Ballot, Claim, Entry, Minted, Scope};
use heck_core::id::{Dot, Name, Shard, Writer};
use heck_core::state::State;
use heck_core::time::Time;

use super::words::Names;

/// The number under which a dot is known here; they count up from 0.
pub type Number = u32;

/// A dot that someone wrote or replaced.
#[derive(Debug)]
struct Known {
    dot: Dot,
    /// Unknown where a node names a dot as replaced that nobody has shown yet.
    entry: Option<Arc<Entry>>,
    superseded_by: Vec<Number>,
}

/// A claim, by what tells it from its writer's other ones for the origin, and when it was made.
#[derive(Debug)]
struct Said {
    generation: Minted,
    ballot: Ballot,
    time: Time,
}

/// Every entry of a run.
#[derive(Debug)]
pub struct History {
    /// What the cluster held before the run.
    start: State,
    /// The names of all nodes.
    names: Names,
    numbers: BTreeMap<Dot, Number>,
    known: Vec<Known>,
    /// The numbers of what was minted in the run, in the order in which it was first seen.
    minted: Vec<Number>,
    /// The shards that something was minted in.
    touched: Vec<Shard>,
    claims: BTreeMap<(Writer, Scope, Name), Vec<Said>>,
    claimed: Vec<(Scope, Name)>,
    rivals: BTreeMap<(Scope, Name, Minted), Vec<(Ballot, Dot)>>,
}

impl History {
    /// A run that begins with this state, of nodes with these names.
    #[must_use]
    pub fn new(start: State, names: Names) -> Self {
        Self {
            start,
            names,
            numbers: BTreeMap::new(),
            known: Vec::new(),
            minted: Vec::new(),
            touched: Vec::new(),
            claims: BTreeMap::new(),
            claimed: Vec::new(),
            rivals: BTreeMap::new(),
        }
    }

    /// The names of all nodes.
    #[must_use]
    pub const fn names(&self) -> &Names {
        &self.names
    }

    /// What stands under a dot, in words, as far as anyone has shown it.
    #[must_use]
    pub fn say(&self, dot: &Dot) -> String {
        let shown = self.numbers.get(dot).and_then(|&number| self.entry(number));
        let entry = shown.or_else(|| self.start.entry(dot));
        entry.map_or_else(|| self.names.dot(dot), |entry| self.names.entry(entry))
    }

    /// The numbers of what was minted in the run.
    #[must_use]
    pub fn minted(&self) -> &[Number] {
        &self.minted
    }

    /// The shards that something was minted in, in the order of the first time.
    #[must_use]
    pub fn touched(&self) -> &[Shard] {
        &self.touched
    }

    /// The origins whose health was claimed in the run.
    #[must_use]
    pub fn claimed(&self) -> &[(Scope, Name)] {
        &self.claimed
    }

    /// The number of a dot; it gets one now if it has none.
    pub fn number(&mut self, dot: Dot) -> Number {
        *self.numbers.entry(dot).or_insert_with(|| {
            self.known.push(Known { dot, entry: None, superseded_by: Vec::new() });
            self.known.len() as Number - 1
        })
    }

    /// The dot with this number.
    #[must_use]
    pub fn dot(&self, number: Number) -> Dot {
        self.known[number as usize].dot
    }

    /// The entry of this dot, as far as anyone has shown it.
    #[must_use]
    pub fn entry(&self, number: Number) -> Option<&Arc<Entry>> {
        self.known[number as usize].entry.as_ref()
    }

    /// The dots that replace this one.
    pub fn superseded_by(&self, number: Number) -> impl Iterator<Item = Dot> + '_ {
        self.known[number as usize].superseded_by.iter().map(|&number| self.dot(number))
    }

    /// Whether something that replaces this dot fulfils `is_known`: directly, or at the end of a chain of
    /// replacements. A node that was cut off may hear of the last of a chain alone, when what stood in between is
    /// behind a fence by then.
    pub fn is_replaced_by(&self, number: Number, is_known: impl Fn(&Dot) -> bool) -> bool {
        let mut seen = BTreeSet::from([number]);
        let mut ahead = vec![number];
        while let Some(next) = ahead.pop() {
            for &end in &self.known[next as usize].superseded_by {
                if seen.insert(end) {
                    if is_known(&self.dot(end)) {
                        return true;
                    }
                    ahead.push(end);
                }
            }
        }
        false
    }

    /// A node has shown an entry at `time`; `by_writer` when it is the one that wrote it. Gives its number.
    ///
    /// # Errors
    /// When another entry was shown under the same dot before.
    pub fn shown(&mut self, entry: &Arc<Entry>, time: Time, by_writer: bool) -> Result<Number, String> {
        let number = self.number(entry.dot);
        match &self.known[number as usize].entry {
            // Entries are shared, so that comparing the very same one costs nothing.
            Some(known) if Arc::ptr_eq(known, entry) => return Ok(number),
            Some(known) if known != entry => {
                let (new, old) = (self.names.entry(entry), self.names.entry(known));
                return Err(format!("took in {new}, whose number stands for another elsewhere: {old}"));
            }
            Some(_) => return Ok(number),
            None => {}
        }
        self.known[number as usize].entry = Some(entry.clone());
        for superseded in entry.superseded_dots() {
            let superseded = self.number(superseded) as usize;
            self.known[superseded].superseded_by.push(number);
        }
        if !self.start.context().has_seen(&entry.dot) {
            self.minted.push(number);
            let shard = entry.dot.lane.shard;
            if !self.touched.contains(&shard) {
                self.touched.push(shard);
            }
        }
        if let Some(claim) = entry.claim() {
            let subject = (claim.scope, claim.origin.clone(), claim.generation);
            self.rivals.entry(subject).or_default().push((claim.ballot, entry.dot));
        }
        if by_writer && let Some(claim) = entry.claim() {
            let key = (claim.ballot.writer, claim.scope, claim.origin.clone());
            self.claims.entry(key).or_default().push(Said {
                generation: claim.generation,
                ballot: claim.ballot,
                time,
            });
            let subject = (claim.scope, claim.origin.clone());
            if !self.claimed.contains(&subject) {
                self.claimed.push(subject);
            }
        }
        Ok(number)
    }

    /// The greater claims for the same generation of the origin.
    pub fn greater_than(&self, claim: &Claim) -> impl Iterator<Item = Dot> + '_ {
        let rivals = self.rivals.get(&(claim.scope, claim.origin.clone(), claim.generation));
        let ballot = claim.ballot;
        rivals.into_iter().flatten().filter(move |(rival, _)| *rival > ballot).map(|(_, dot)| *dot)
    }

    /// When the writer of a claim made another one for the same generation of the origin, if it did.
    #[must_use]
    pub fn replaced_at(&self, claim: &Claim) -> Option<Time> {
        let said = self.claims.get(&(claim.ballot.writer, claim.scope, claim.origin.clone()))?;
        let mut later =
            said.iter().filter(|said| said.generation == claim.generation && said.ballot > claim.ballot);
        later.next().map(|said| said.time)
    }
}

#[cfg(test)]
mod tests {
    use heck_core::config::Config;
    use heck_core::id::{Boot, NodeId};
    use heck_core::mutant::Planted;
    use heck_core::state::{Change, StateBase};

    use super::*;

    #[test]
    fn a_chain_of_replacements_counts_as_one_and_a_chain_of_nothing_as_none() {
        let retention = Config::default().retention;
        let mut state = State::new(&StateBase::default(), retention, Planted::NONE);
        let name = Name::new("key").expect("short");
        let me = Writer { node: NodeId::of(&name), boot: Boot(1) };
        let mut changes = Vec::new();
        for value in 0..3_u8 {
            state.put_key(me, &name, vec![value].into(), Time::ZERO, &mut changes);
        }
        let entries: Vec<Arc<Entry>> = changes
            .iter()
            .filter_map(|change| if let Change::Learned(entry) = change { Some(entry.clone()) } else { None })
            .collect();
        let start = State::new(&StateBase::default(), retention, Planted::NONE);
        let mut history = History::new(start, Names::default());
        let numbers: Vec<Number> =
            entries.iter().map(|entry| history.shown(entry, Time::ZERO, true).expect("new")).collect();
        let [first, second, third] = [0, 1, 2].map(|index| entries[index].dot);
        assert!(history.is_replaced_by(numbers[0], |dot| *dot == second));
        assert!(history.is_replaced_by(numbers[0], |dot| *dot == third), "though the second was never seen");
        assert!(!history.is_replaced_by(numbers[0], |dot| *dot == first), "nothing replaces itself");
        assert!(!history.is_replaced_by(numbers[2], |_| true), "nothing replaces the last one");
    }
}
