//! Forgetting those who are gone for long: they leave the list, and are still looked for.

use super::{Gone, Local, Membership, REAPED_LIMIT};
use crate::id::NodeId;
use crate::member::Standing;
use crate::time::Time;
use alloc::vec::Vec;

impl Membership {
    /// Takes those from the list who were gone for long. What was last held of them stays, so that old news does not
    /// bring them back.
    pub(super) fn reap(&mut self, local: &mut Local<'_>) {
        if local.now < self.next_reap {
            return;
        }
        let reap_after = local.config.reap_after;
        self.next_reap = Time::NEVER;
        for (node, gone) in &mut self.gone {
            let Some(member) = local.members.get(*node).filter(|member| !member.standing.is_live()) else {
                continue;
            };
            let due = gone.since + reap_after;
            if due > local.now {
                self.next_reap = self.next_reap.min(due);
                continue;
            }
            gone.reaped = Some((member.life, member.standing, member.addr));
            local.members.remove(*node);
        }
        self.forget_some();
    }

    fn forget_some(&mut self) {
        let mut reaped: Vec<(Time, NodeId)> = self
            .gone
            .iter()
            .filter(|(_, gone)| gone.reaped.is_some())
            .map(|(node, gone)| (gone.since, *node))
            .collect();
        if reaped.len() > REAPED_LIMIT {
            reaped.sort_unstable();
            let surplus = reaped.len() - REAPED_LIMIT;
            reaped.drain(..surplus).for_each(|(_, node)| _ = self.gone.remove(&node));
        }
    }

    /// The dead that are still looked for.
    pub(super) fn lost<'a>(&'a self, local: &'a Local<'_>) -> impl Iterator<Item = (NodeId, &'a Gone)> {
        self.gone.iter().map(|(node, gone)| (*node, gone)).filter(|(node, gone)| match gone.reaped {
            Some((_, standing, _)) => standing == Standing::Dead,
            None => local.members.get(*node).is_some_and(|held| held.standing == Standing::Dead),
        })
    }
}
