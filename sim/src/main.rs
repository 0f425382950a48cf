//! `heck-sim`: runs scenario files.
fn main() {}
