//! `heck completions`: what a shell has to know to complete commands and flags.

use super::{Cli, Exit};
use clap::CommandFactory as _;
use clap_complete::{Shell, generate};
use std::io::{self, Write as _};

/// Prints the completions of a shell: `source <(heck completions bash)`.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(super) struct Args {
    /// The shell.
    shell: Shell,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "all verbs take their arguments alike")]
pub(super) fn run(args: &Args) -> Exit {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "heck", &mut script);
    // Whoever closed the pipe has seen enough.
    let _ = io::stdout().write_all(&script);
    Exit::Success
}
