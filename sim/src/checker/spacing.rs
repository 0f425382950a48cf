//! How often one node checks one origin: a node that sees few of the members it knows leaves most of the work to the
//! others that it does not see, so that an origin is not checked by all of them.

use std::collections::BTreeMap;

use heck_core::id::{Dot, Writer};
use heck_core::node::View;
use heck_core::probe::Probe;
use heck_core::time::{Span, Time};

use super::words::seconds;

/// Beside those that the spacing allows: the first, and one that was due for longer than the next.
const UNSPACED: u64 = 2;

/// Checks of one origin by one node for as long as nothing changes that they depend on.
#[derive(Clone, Copy, Debug)]
struct Streak {
    /// The life of the node, the version of the origin, and the fingerprint of the list of members.
    under: (Writer, Dot, u64),
    since: Time,
    count: u64,
}

/// Watches how far apart the checks of each origin are at each node.
#[derive(Debug)]
pub struct Spacing {
    /// The shortest time between two checks of an origin by a node that sees all members.
    fast_interval: Span,
    /// How many nodes may come to check one origin, each by its own view.
    checkers_per_origin: u32,
    streaks: BTreeMap<(u32, u32), Streak>,
}

impl Spacing {
    /// Nothing has been checked.
    #[must_use]
    pub const fn new(fast_interval: Span, checkers_per_origin: u32) -> Self {
        Self { fast_interval, checkers_per_origin, streaks: BTreeMap::new() }
    }

    /// A node starts a check of its own of an origin. Says if it checks that too often for how many members it sees.
    pub fn checked(
        &mut self,
        (index, view): (u32, View<'_>),
        origin: u32,
        probe: &Probe,
        now: Time,
    ) -> Option<String> {
        let members = view.members();
        let (alive, known) = (members.len() as u64, (members.len() + members.dead()) as u64);
        let under = (view.writer(), view.origin(&probe.origin)?.dot, members.hash());
        let fresh = Streak { under, since: now, count: 0 };
        let streak = self.streaks.entry((index, origin)).or_insert(fresh);
        if streak.under != under {
            *streak = fresh;
        }
        streak.count += 1;
        let apart = spacing(self.fast_interval, known, alive * u64::from(self.checkers_per_origin));
        let lasted = now.since(streak.since);
        (streak.count > lasted.as_us() / apart.as_us().max(1) + UNSPACED).then(|| {
            format!(
                "checks {} for the {}th time in {}, and sees {alive} of {known} members: one check in {} is allowed",
                probe.origin,
                streak.count,
                seconds(lasted),
                seconds(apart)
            )
        })
    }
}

/// The least time between two checks of one that knows so many members, of which so many may leave a check to it.
fn spacing(fast_interval: Span, known: u64, share: u64) -> Span {
    Span(fast_interval.as_us() * known.max(share) / share.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sees_few_of_many_has_to_leave_more_time_and_who_sees_enough_does_not() {
        let apart = |known, share| spacing(Span::from_secs(1), known, share).as_us();
        assert_eq!(apart(40, 4), 10_000_000, "one of forty at four checkers an origin");
        assert_eq!(apart(40, 80), 1_000_000, "half of forty");
        assert_eq!(apart(40, 40), 1_000_000);
    }
}
