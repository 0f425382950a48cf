//! Health checks: when this node probes which origin, what it makes of the answers, whom it asks before it calls an
//! origin down, and when it has to admit that it is late. Pure: time and outcomes come in, [`Action`]s go out.
//!
//! # How to drive it
//!
//! One [`Checker`] belongs to one node in one life. Whoever composes the node
//!
//! 1. calls [`Checker::set_view`] when membership changes (members known, members alive, confirmers that could be
//!    asked), *before* the gains and losses that follow from it;
//! 2. calls [`Checker::gain`] for each origin that it now owns or whose entry was edited, with the state of the claim
//!    that stands, and [`Checker::lose`] for each that it does not own any more or that was removed. All at once is
//!    fine: first checks spread over one interval by a hash, and claims of release are paced. To lose an origin only
//!    when its new owner's claim arrives, or some intervals later, leaves no gap in its checks;
//! 3. calls [`Checker::tick`] at [`Checker::next_wake`], and after any of the calls above. Earlier does no harm. Later
//!    than [`Limits::grace`](crate::limits::Limits::grace) makes it distrust the failures of that time;
//! 4. carries out [`Action::Probe`] with the origin's own settings and hands the end to [`Checker::outcome`], failures
//!    to connect and timeouts included. One that never ends is given up;
//! 5. sends [`Action::Ask`] to the first `count` confirmers in the order of ownership, again while no answer comes,
//!    says with [`Checker::asked_only`] where there are fewer, and hands their answers to [`Checker::answer`]: only of those that were asked, about the generation that they were asked
//!    about. What other members ask of the generation that counts here goes to [`Checker::asked`], what counts from now
//!    on to [`Checker::edited`], and [`Action::Answer`] back to them;
//! 6. turns [`Action::Claim`] into a claim: a release only where the standing claim is its own;
//! 7. says a heartbeat only while [`Checker::vouches`] after a tick at the same time; otherwise the heartbeat would
//!    vouch for what was not checked.
//!
//! A claim is made after the first check of an origin that was gained, when the state changes, and when this node
//! falls behind or catches up; never for a check that found what is known. What was gained is claimed only once it
//! was checked, so that takeovers come with the schedule instead of as a herd, and nobody vouches for hearsay.
//!
//! # What keeps it honest
//!
//! An outcome tells nothing when it comes later than the timeout and the grace, or when its probe is said to have
//! taken longer than the timeout and a quarter of the grace, as a timer on time would have ended it. A bad or slow one
//! tells nothing when this node was woken late while the probe was under way. The checker's fault is never the
//! origin's: where nothing was told for two intervals, a timeout and the grace, the origin is claimed to be
//! [`Late`](crate::entry::Hold::Late), and held again once two checks running were in time.
//!
//! Starts are paced by a token bucket of 1.25 times the planned rate with a burst of half of what falls on 100 ms,
//! so that no 100 ms see more than 1.75 times the mean (where that is at least 20), whatever hashes and pauses do. Probes for
//! others do not wait for that pace: they start at once, in turns with own ones where the node's budget does not suffice.
//!
//! Nobody is called down by the silence of confirmers that are there. An owner has no more rounds open than confirmers can
//! answer; a round that ends without an answer while others have one decides nothing, and the next check asks again. Only
//! where nobody answers anything, or nobody answered eight such rounds running, does the owner decide alone.

mod checker;
mod favour;
mod findings;
mod judge;
mod origin;
mod pacer;
mod round;
mod schedule;
mod timers;

pub use checker::{Action, Checker, Finding, Status};
pub use favour::Inquiry;
