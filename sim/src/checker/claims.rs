//! No regress: at each node, the claim for an origin's generation only ever rises in the order of ballots.

use std::collections::BTreeMap;
use std::sync::Arc;

use heck_core::entry::{Ballot, Entry, Minted, Scope};
use heck_core::id::Name;

type Subject = (u32, Scope, Name, Minted);

/// The greatest ballot that each node took for each origin's generation, of those claimed in this run.
#[derive(Debug, Default)]
pub struct Claims {
    taken: BTreeMap<Subject, Ballot>,
}

impl Claims {
    /// A node took a claim in.
    pub fn learned(&mut self, node: u32, entry: &Arc<Entry>) -> Option<String> {
        let claim = entry.claim()?;
        let subject = (node, claim.scope, claim.origin.clone(), claim.generation);
        let before = self.taken.insert(subject, claim.ballot)?;
        (before >= claim.ballot)
            .then(|| format!("took {:?} for {} after it had taken {before:?}", claim.ballot, claim.origin))
    }

    /// What was not on disk is forgotten with the old life.
    pub fn restarted(&mut self, node: u32) {
        self.taken.retain(|(of, ..), _| *of != node);
    }
}
