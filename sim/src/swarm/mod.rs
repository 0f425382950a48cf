//! Swarm testing: random scenarios under all checkers, and every one that fails made small enough to read.
//!
//! A scenario is drawn from a seed as the file that a person would write ([`mod@draw`]), with each feature switched on or
//! off for the whole run, as what never happens together is what hides bugs (Groce et al. 2012, "Swarm Testing"). Its
//! faults end, and a quiet time follows that is long enough, by its settings, for all to agree. It is run by the same
//! runner as every other scenario ([`mod@judge`]), and made small as a file ([`mod@shrink`]), so that the result replays.

pub mod coverage;
pub mod draw;
mod faults;
pub mod hunt;
pub mod judge;
pub mod shrink;
mod table;

pub use coverage::Coverage;
pub use draw::draw;
pub use hunt::{Find, Tally, hunt};
pub use judge::{Failure, judge, last_moments};
pub use shrink::shrink;
