//! What is held of members: it never goes back, and in the end it is right.

use std::collections::BTreeMap;

use heck_core::effects::Event;
use heck_core::id::NodeId;
use heck_core::member::{Life, Member, Members, Standing};
use heck_core::node::Node;

use super::words::{Names, opinion};

/// The greatest opinion that each node has held of others, of those about whom it has reported anything.
#[derive(Debug)]
pub struct Standings {
    held: Vec<BTreeMap<NodeId, (Life, Standing)>>,
}

impl Standings {
    /// Nobody has reported anything.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self { held: vec![BTreeMap::new(); nodes] }
    }

    /// A node begins with what its disk holds: it may have heard more before.
    pub fn restarted(&mut self, index: u32) {
        self.held[index as usize].clear();
    }

    /// Looks at what a node has come to hold.
    pub fn after_step(&mut self, names: &Names, index: u32, node: &Node, events: &[Event]) -> Option<String> {
        let members = node.view().members();
        let mut broken = None;
        for event in events {
            let Event::Member { node: subject, .. } = event else { continue };
            let Some(now) = members.get(*subject).map(Member::opinion) else { continue };
            let before = self.held[index as usize].insert(*subject, now);
            if let Some(before) = before.filter(|before| *before > now) {
                broken.get_or_insert_with(|| {
                    let (now, before) = (opinion(now), opinion(before));
                    format!("holds {} {now}, and has held it {before}", names.node(*subject))
                });
            }
        }
        broken
    }
}

/// Whether a list does not hold exactly the nodes that are up, `staying` of them, or not the same lives as the first
/// list; and whose it is. How often someone refuted others may differ: where much is lost that never rests.
#[must_use]
pub fn lists_differ(lists: &[(u32, &Members)], staying: usize) -> Option<(u32, String)> {
    let (_, first) = lists.first()?;
    lists.iter().find_map(|(index, members)| {
        let differs = |held: &&Member| {
            first.get(held.node).is_none_or(|other| {
                (other.life.boot, other.addr, other.standing.is_live()) != (held.life.boot, held.addr, true)
            })
        };
        let wrong = if members.len() != staying {
            Some(format!("lists {} live members, but {staying} are up", members.len()))
        } else if members.hash() == first.hash() {
            None
        } else {
            let shown = |held: &Member| format!("{} at port {}", opinion(held.opinion()), held.addr.port);
            members.iter().find(differs).map(|held| {
                let other = first.get(held.node).map_or_else(|| "not at all".to_owned(), shown);
                format!("lists {} {}, the first node lists it {other}", held.name, shown(held))
            })
        };
        wrong.map(|wrong| (*index, wrong))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use heck_core::id::{Addr, Boot, Name};

    fn list(boots: &[u64]) -> Members {
        let member = |(at, &boot): (usize, &u64)| {
            let name = Name::new(&format!("n{at}")).expect("a name");
            Member::new(name, Addr::default()).in_life(Boot(boot))
        };
        Members::new(boots.iter().enumerate().map(member).collect())
    }

    #[test]
    fn lists_are_right_when_they_are_equal_and_hold_who_is_up() {
        let (one, same, other, short) = (list(&[1, 1]), list(&[1, 1]), list(&[1, 2]), list(&[1]));
        let differ = |second: &Members| lists_differ(&[(0, &one), (1, second)], 2).map(|(index, _)| index);
        assert_eq!([differ(&same), differ(&other), differ(&short)], [None, Some(1), Some(1)]);
        assert_eq!(lists_differ(&[(0, &one), (1, &same)], 3).map(|(index, _)| index), Some(0));
    }
}
