//! The command line of `heck`.
//!
//! One file per verb: its arguments, and a function that carries it out and says how it ended. Results go to
//! standard output, complaints and the log to standard error.

mod api;
mod backup;
mod client;
mod completions;
mod config;
mod demo;
mod descriptors;
mod events;
mod join;
mod keys;
mod node;
mod settings;
mod stop;

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// How a command ended; the number is the exit code of the process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Exit {
    /// As hoped: what was asked about is healthy, what was to be done is done.
    Success = 0,
    /// What was asked about is unhealthy, or a node had to stop.
    Unhealthy = 1,
    /// The arguments, settings or files are wrong; nothing was done.
    Usage = 2,
    /// The node that was to be asked cannot be reached.
    Unreachable = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Checks the health of origins from a fleet of nodes, each origin by one of them, and answers for all from any.
///
/// Exit codes: 0 as hoped or healthy; 1 unhealthy, or a node had to stop; 2 wrong arguments, settings or files;
/// 3 the node cannot be reached.
#[derive(Parser, Debug)]
#[command(name = "heck", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Node(node::Args),
    Demo(demo::Args),
    Config(config::Args),
    Keys(keys::Args),
    Origin(client::origin::Args),
    Health(client::health::Args),
    Owner(client::health::OwnerArgs),
    Members(client::members::Args),
    Kv(client::kv::Args),
    Msg(client::msg::Args),
    Join(client::cluster::JoinArgs),
    Leave(client::cluster::LeaveArgs),
    Completions(completions::Args),
    Export(backup::ExportArgs),
    Import(backup::ImportArgs),
}

/// Carries out the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    run(std::env::args_os()).into()
}

/// Carries out the command line `args`, the name of the program first.
pub fn run<I: IntoIterator<Item = T>, T: Into<OsString> + Clone>(args: I) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Whoever closed the pipe has seen enough; there is nobody left to tell.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Success };
        }
    };
    match cli.command {
        Command::Node(args) => node::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Keys(args) => keys::run(&args),
        Command::Origin(args) => client::origin::run(&args),
        Command::Health(args) => client::health::run(&args),
        Command::Owner(args) => client::health::owner(&args),
        Command::Members(args) => client::members::run(&args),
        Command::Kv(args) => client::kv::run(&args),
        Command::Msg(args) => client::msg::run(&args),
        Command::Join(args) => client::cluster::join(&args),
        Command::Leave(args) => client::cluster::leave(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Export(args) => backup::export(&args),
        Command::Import(args) => backup::import(&args),
    }
}

/// Complains on standard error, and says that the operator has to change something.
fn refuse(what: impl std::fmt::Display) -> Exit {
    complain(what);
    Exit::Usage
}

fn complain(what: impl std::fmt::Display) {
    // There is no other place to say it.
    let _ = writeln!(io::stderr(), "heck: {what}");
}

/// Writes to standard output; whoever closed it has seen enough.
fn say(what: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{what}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_and_versions_are_no_errors_and_wrong_arguments_are() {
        assert_eq!(run(["heck", "--version"]), Exit::Success);
        assert_eq!(run(["heck"]), Exit::Usage);
        assert_eq!(run(["heck", "keys"]), Exit::Usage);
    }
}
