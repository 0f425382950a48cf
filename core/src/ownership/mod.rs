//! Who checks an origin. Every node finds out for itself from the names, weights and zones of the members; nobody
//! asks. All of it is pure functions of the list of candidates, in whatever order they are listed.
//!
//! [`owner`], [`confirmers`] and [`priority`] are what heck uses: weighted rendezvous hashing, in the cluster or in
//! each zone. [`modulo`] and [`Ring`] are beside it to compare with. `VECTORS.md` beside this file lists values by
//! which another implementation can check itself.

mod assignment;
mod candidate;
pub mod logarithm;
pub mod modulo;
mod rendezvous;
mod ring;

pub use assignment::{Assignment, Eligible, Moved, Owners};
pub use candidate::Candidate;
pub use rendezvous::{Places, confirmers, owner, precedes, priority, rendezvous_hash};
pub use ring::Ring;
