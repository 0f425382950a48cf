//! Recordings of real nodes, run again: `files.rs` finds what belongs together, `play.rs` runs the core over it,
//! `words.rs` tells what a step was about, `inspect.rs` shows what a node knows.

mod files;
mod inspect;
mod play;
mod until;
mod words;

pub use files::{LoadError, Part, Recording};
pub use inspect::inspect;
pub use play::{End, Gap, Played, play};
pub use until::Until;
pub use words::{describe_effects, describe_input, show_at};
