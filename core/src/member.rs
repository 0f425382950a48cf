//! The members of the cluster as one node knows them: a shared immutable base and what differs from it.

use crate::codec::NUMBER_LIMIT;
use crate::entry::Scope;
use crate::hash::mix;
use crate::id::{Addr, Boot, Name, NodeId};
use crate::packet::{GROUPS, Relay};
use crate::rng::Stream;
use crate::settings::{Settings, Weight};
use crate::spread::place_of;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Range as DiffRange;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::iter::Peekable;

/// How often a random draw may meet someone who is gone before the list is searched instead.
const DRAWS: u32 = 64;

/// No member refutes more often in one life; it takes another then.
pub const INCARNATION_LIMIT: u32 = 1 << 24;

/// What is held of a member. Of two opinions about one life the greater wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub enum Standing {
    /// It answers.
    #[default]
    Alive = 0,
    /// Someone doubts it. It counts as alive until it is buried.
    Suspect = 1,
    /// It was buried: it did not answer several others.
    Dead = 2,
    /// It said that it leaves.
    Left = 3,
}

impl Standing {
    /// The standing with this number, if there is one.
    #[must_use]
    pub const fn from_u8(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Alive),
            1 => Some(Self::Suspect),
            2 => Some(Self::Dead),
            3 => Some(Self::Left),
            _ => None,
        }
    }

    /// Whether such a member takes part.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Alive | Self::Suspect)
    }
}

/// Which word of a member about itself is the latest: its life, and within it how often it refuted others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Life {
    /// The life.
    pub boot: Boot,
    /// The refutation counter of SWIM (Das et al. 2002, 4.2), from 0 in each life.
    pub incarnation: u32,
}

/// One member.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Member {
    /// Its identity.
    pub node: NodeId,
    /// Its name.
    pub name: Name,
    /// Where it can be reached.
    pub addr: Addr,
    /// Its zone; the default is none.
    pub zone: Scope,
    /// Its share of the work; 100 is usual.
    pub weight: u16,
    /// The latest that it said of itself.
    pub life: Life,
    /// What is held of it.
    pub standing: Standing,
    /// The fingerprint of its settings of ownership.
    pub settings: u64,
}

impl Member {
    /// A live member by its name and address, of which no life is known yet.
    #[must_use]
    pub fn new(name: Name, addr: Addr) -> Self {
        let (life, standing) = (Life::default(), Standing::Alive);
        Self {
            node: NodeId::of(&name),
            name,
            addr,
            zone: Scope::default(),
            weight: Weight::DEFAULT.0,
            life,
            standing,
            settings: Settings::USUAL,
        }
    }

    /// The same in this life.
    #[must_use]
    pub fn in_life(self, boot: Boot) -> Self {
        Self { life: Life { boot, incarnation: 0 }, ..self }
    }

    /// What there is to know of it for whoever finds owners.
    const fn work(&self) -> (bool, Scope, u16) {
        (self.standing.is_live(), self.zone, self.weight)
    }

    /// What two opinions are compared by.
    #[must_use]
    pub const fn opinion(&self) -> (Life, Standing) {
        (self.life, self.standing)
    }

    /// A short fingerprint of what is held of it, salted so that two that collide do not do so again.
    #[must_use]
    pub fn short_print(&self, salt: u32) -> u16 {
        (mix(self.print(), u64::from(salt)) >> 48) as u16
    }

    /// Its part in the fingerprint of its group. A suspicion is news and not knowledge: whoever missed it misses
    /// nothing that lasts.
    fn print(&self) -> u64 {
        let standing = if self.standing.is_live() { Standing::Alive } else { self.standing };
        let number = (u64::from(self.life.incarnation) << 2) | standing as u64;
        // Two nodes under one name differ in nothing but the address, and have to find out about each other.
        let [high, low] = [0, 8].map(|at| {
            self.addr.ip[at..at + 8]
                .iter()
                .fold(u64::from(self.addr.port), |sum, &byte| sum << 8 ^ u64::from(byte))
        });
        mix(mix(mix(mix(0x6d65_6d62, self.node.0), self.life.boot.0), number), mix(high, low))
    }
}

/// The group of a node in digests of the member list.
#[must_use]
pub const fn member_group(node: NodeId) -> usize {
    (node.0 >> 58) as usize
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
struct Prints(#[cfg_attr(feature = "recording", serde(with = "crate::words"))] [u64; GROUPS]);

impl Default for Prints {
    fn default() -> Self {
        Self([0; GROUPS])
    }
}

/// All members in the order of their identities, those that are gone included until they are forgotten.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct Members {
    /// Sorted, and shared by many nodes.
    base: Arc<Vec<Member>>,
    /// `None` hides a member of the base.
    diff: BTreeMap<NodeId, Option<Member>>,
    /// Those in `diff` that are not in the base, to draw from.
    added: Vec<NodeId>,
    /// How many of the base are hidden.
    hidden: usize,
    live: usize,
    dead: usize,
    prints: Prints,
    /// Whose part in the work has changed, once somebody wants to know.
    touched: Option<Vec<NodeId>>,
}

impl Members {
    /// Sorts a list of members; of two with one name, the first stays.
    #[must_use]
    pub fn new(mut sorted: Vec<Member>) -> Self {
        sorted.sort_by_key(|member| member.node);
        sorted.dedup_by_key(|member| member.node);
        let live = sorted.iter().filter(|member| member.standing.is_live()).count();
        let dead = sorted.iter().filter(|member| member.standing == Standing::Dead).count();
        let mut prints = Prints::default();
        for member in &sorted {
            let group = &mut prints.0[member_group(member.node)];
            *group = group.wrapping_add(member.print());
        }
        Self {
            base: Arc::new(sorted),
            diff: BTreeMap::new(),
            added: Vec::new(),
            hidden: 0,
            live,
            dead,
            prints,
            touched: None,
        }
    }

    /// How many take part.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.live
    }

    /// How many were buried and are not forgotten.
    #[must_use]
    pub const fn dead(&self) -> usize {
        self.dead
    }

    /// Notes from now on who comes, goes, or gets another weight or zone.
    pub fn note_touched(&mut self) {
        self.touched.get_or_insert_default();
    }

    /// Who has come, gone, or got another weight or zone since this was last asked.
    pub fn take_touched(&mut self) -> Vec<NodeId> {
        self.touched.as_mut().map(core::mem::take).unwrap_or_default()
    }

    /// Whether nobody takes part.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// How many places there are to [draw](Self::at) from.
    #[must_use]
    pub fn places(&self) -> usize {
        self.base.len() + self.added.len()
    }

    /// How many differ from the base: the private memory of this list.
    #[must_use]
    pub fn diff_len(&self) -> usize {
        self.diff.len()
    }

    /// Fingerprint of the whole list.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.prints.0.iter().fold(0, |sum, &print| sum.wrapping_add(print))
    }

    /// Fingerprint of one group, for digests.
    #[must_use]
    pub const fn group_hash(&self, group: usize) -> u64 {
        self.prints.0[group]
    }

    /// Everyone who is known, in the order of their identities.
    pub fn all(&self) -> impl Iterator<Item = &Member> {
        self.within(0, self.base.len(), self.diff.range(..))
    }

    fn within<'a>(
        &'a self,
        from: usize,
        to: usize,
        diff: DiffRange<'a, NodeId, Option<Member>>,
    ) -> impl Iterator<Item = &'a Member> {
        Merged { base: self.base[from..to].iter().peekable(), diff: diff.peekable() }
    }

    /// Everyone who takes part, in the order of their identities.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.all().filter(|member| member.standing.is_live())
    }

    /// The member with this identity, gone or not.
    #[must_use]
    pub fn get(&self, node: NodeId) -> Option<&Member> {
        match self.diff.get(&node) {
            Some(held) => held.as_ref(),
            None => self.in_base(node),
        }
    }

    fn in_base(&self, node: NodeId) -> Option<&Member> {
        let at = place_of(&self.base, node, |member| member.node).ok()?;
        self.base.get(at)
    }

    /// Everyone who takes part but `me`.
    pub fn others(&self, me: NodeId) -> impl Iterator<Item = &Member> {
        self.iter().filter(move |member| member.node != me)
    }

    /// Who is at a place below [`places`](Self::places): a numbering for draws, in no order that means anything.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<&Member> {
        match self.base.get(place) {
            Some(based) if self.diff.is_empty() => Some(based),
            Some(based) => self.get(based.node),
            None => self.get(*self.added.get(place - self.base.len())?),
        }
    }

    /// A random one of those that take part, other than `me`; none when there is no other.
    #[must_use]
    pub fn random_peer(&self, me: NodeId, rng: &mut Stream) -> Option<&Member> {
        let is_peer = |member: &&Member| member.node != me && member.standing.is_live();
        self.random(is_peer, rng)
    }

    /// A random one of those that `is_wanted`.
    pub fn random(&self, is_wanted: impl Fn(&&Member) -> bool, rng: &mut Stream) -> Option<&Member> {
        let places = self.places();
        let mut start = 0;
        for _ in 0..DRAWS.min(places as u32) {
            start = rng.below(places as u32) as usize;
            if let Some(member) = self.at(start).filter(&is_wanted) {
                return Some(member);
            }
        }
        (0..places).filter_map(|step| self.at((start + step) % places)).find(is_wanted)
    }

    /// Those that take part and whose identity lies in one of `of` equal parts of all identities: a choice that
    /// does not depend on who else is a member.
    pub fn slice(&self, relay: Relay) -> impl Iterator<Item = &Member> {
        let edge = |part: u16| ((u128::from(part) << 64) / u128::from(relay.of)) as u64;
        let first = NodeId(edge(relay.slice));
        let last = if relay.slice + 1 == relay.of { u64::MAX } else { edge(relay.slice + 1) - 1 };
        self.between(first, NodeId(last)).filter(|member| member.standing.is_live())
    }

    /// Everyone known whose identity lies within these bounds.
    pub fn between(&self, first: NodeId, last: NodeId) -> impl Iterator<Item = &Member> {
        let place = |node| place_of(&self.base, node, |member| member.node);
        let from = place(first).unwrap_or_else(|place| place);
        let to = place(last).map_or_else(|place| place, |place| place + 1);
        self.within(from, to.max(from), self.diff.range(first..=last))
    }

    /// Everyone known of a group of digests.
    pub fn group(&self, group: usize) -> impl Iterator<Item = &Member> {
        let first = (group as u64) << 58;
        self.between(NodeId(first), NodeId(first | (u64::MAX >> 6)))
    }

    /// Puts a member in the place of what was known of it.
    pub fn put(&mut self, member: Member) {
        debug_assert!(member.life.boot.0 <= NUMBER_LIMIT, "boots have a limit");
        let group = member_group(member.node);
        let (mut minus, mut was_live, mut was_dead, mut work) = (0, false, false, None);
        match self.get(member.node) {
            Some(held) => {
                (minus, was_live) = (held.print(), held.standing.is_live());
                (was_dead, work) = (held.standing == Standing::Dead, Some(held.work()));
            }
            None if self.in_base(member.node).is_none() => self.added.push(member.node),
            None => self.hidden -= 1,
        }
        let print = &mut self.prints.0[group];
        *print = print.wrapping_add(member.print()).wrapping_sub(minus);
        self.live = self.live + usize::from(member.standing.is_live()) - usize::from(was_live);
        self.dead = self.dead + usize::from(member.standing == Standing::Dead) - usize::from(was_dead);
        if let Some(touched) = &mut self.touched
            && work != Some(member.work())
        {
            touched.push(member.node);
        }
        if self.in_base(member.node) == Some(&member) {
            self.diff.remove(&member.node);
        } else {
            self.diff.insert(member.node, Some(member));
        }
    }

    /// Forgets a member.
    pub fn remove(&mut self, node: NodeId) {
        let Some(held) = self.get(node) else { return };
        let (print, was_live) = (held.print(), held.standing.is_live());
        self.dead -= usize::from(held.standing == Standing::Dead);
        let group = &mut self.prints.0[member_group(node)];
        *group = group.wrapping_sub(print);
        self.live -= usize::from(was_live);
        if was_live && let Some(touched) = &mut self.touched {
            touched.push(node);
        }
        if self.in_base(node).is_some() {
            self.hidden += 1;
            self.diff.insert(node, None);
        } else {
            self.diff.remove(&node);
            self.added.retain(|added| *added != node);
        }
    }

    /// How many are known, those that are gone included.
    #[must_use]
    pub fn known(&self) -> usize {
        self.places() - self.hidden
    }

    /// Keeps what is visible and changes what it is a difference of.
    pub fn rebase(&mut self, base: &Self) {
        let diff = base.base.iter().map(|member| (member.node, None)).collect();
        let hidden = base.base.len();
        let mut rebased = Self { base: base.base.clone(), diff, hidden, ..Self::default() };
        self.all().for_each(|member| rebased.put(member.clone()));
        rebased.touched = self.touched.take();
        *self = rebased;
    }

    /// The list as a base for others.
    #[must_use]
    pub fn to_base(&self) -> Self {
        if self.diff.is_empty() {
            Self { touched: None, ..self.clone() }
        } else {
            Self::new(self.all().cloned().collect())
        }
    }
}

/// Base and difference in one order.
struct Merged<'a> {
    base: Peekable<core::slice::Iter<'a, Member>>,
    diff: Peekable<DiffRange<'a, NodeId, Option<Member>>>,
}

impl<'a> Iterator for Merged<'a> {
    type Item = &'a Member;

    fn next(&mut self) -> Option<&'a Member> {
        loop {
            let Some((node, _)) = self.diff.peek() else { return self.base.next() };
            match self.base.peek() {
                Some(based) if based.node < **node => return self.base.next(),
                Some(based) if based.node == **node => _ = self.base.next(),
                _ => {}
            }
            if let Some((_, Some(member))) = self.diff.next() {
                return Some(member);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;
    use alloc::format;
    use proptest::prelude::*;

    fn member(n: usize) -> Member {
        Member::new(Name::new(&format!("n{n}")).unwrap(), Addr::default())
    }

    fn members(count: usize) -> Members {
        Members::new((0..count).map(member).collect())
    }

    #[test]
    fn slices_part_all_members() {
        let members = members(100);
        for of in [1, 2, 7, 10] {
            let parts = (0..of).map(|slice| members.slice(Relay { slice, of }).count());
            assert_eq!(parts.sum::<usize>(), 100);
        }
    }

    #[test]
    fn groups_part_all_members() {
        let members = members(300);
        let in_group = |group| members.group(group).inspect(move |m| assert_eq!(member_group(m.node), group));
        assert_eq!((0..GROUPS).map(|group| in_group(group).count()).sum::<usize>(), 300);
    }

    #[test]
    fn a_random_peer_is_any_live_member_but_the_node_itself() {
        let mut members = members(6);
        let me = members.iter().nth(2).unwrap().node;
        let mut gone = members.iter().nth(4).unwrap().clone();
        gone.standing = Standing::Dead;
        members.put(gone.clone());
        let mut rng = Stream::new(Seed(3), 0);
        let mut drawn: Vec<NodeId> =
            (0..200).map(|_| members.random_peer(me, &mut rng).unwrap().node).collect();
        drawn.sort();
        drawn.dedup();
        assert_eq!(drawn, members.others(me).map(|member| member.node).collect::<Vec<_>>());
        assert!(!drawn.contains(&gone.node) && drawn.len() == 4);
        assert!(Members::new(Vec::new()).random_peer(me, &mut rng).is_none());
    }

    proptest! {
        #[test]
        fn a_list_over_a_base_behaves_as_a_plain_one_and_rebasing_changes_nothing_visible(
            base in 0_usize..12,
            other in 0_usize..12,
            changes in proptest::collection::vec((0_usize..20, 0_u64..3, 0_u8..4), 0..40),
        ) {
            let mut list = members(base);
            let mut plain: BTreeMap<NodeId, Member> = list.all().map(|m| (m.node, m.clone())).collect();
            for (n, boot, standing) in changes {
                if boot == 2 {
                    plain.remove(&member(n).node);
                    list.remove(member(n).node);
                    continue;
                }
                let mut changed = member(n).in_life(Boot(boot));
                changed.standing = Standing::from_u8(standing).unwrap();
                plain.insert(changed.node, changed.clone());
                list.put(changed);
            }
            for rebased in [false, true] {
                if rebased {
                    list.rebase(&members(other));
                }
                let fresh = Members::new(plain.values().cloned().collect());
                prop_assert_eq!(list.all().cloned().collect::<Vec<_>>(), fresh.all().cloned().collect::<Vec<_>>());
                prop_assert_eq!((list.len(), list.hash()), (fresh.len(), fresh.hash()));
                prop_assert_eq!(list.known(), plain.len());
                let mut places: Vec<NodeId> = (0..list.places()).filter_map(|at| list.at(at)).map(|m| m.node).collect();
                places.sort();
                prop_assert_eq!(places, plain.keys().copied().collect::<Vec<_>>());
            }
            let own = list.to_base();
            list.rebase(&own);
            prop_assert_eq!(list.diff_len(), 0);
        }
    }
}
