//! `heck config`: the documented sample of a settings file.

use super::{Exit, say};
use crate::settings::sample;

/// Prints a documented file of all settings at their defaults.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(super) struct Args {}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "all verbs take their arguments alike")]
pub(super) fn run(_: &Args) -> Exit {
    say(sample().trim_end());
    Exit::Success
}
