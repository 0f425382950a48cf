//! The command line of `heck-sim`.
//!
//! One file per verb: its arguments, and a function that carries it out and says how it ended. Results go to
//! standard output, complaints to standard error.

mod check;
mod compare;
mod find;
mod list;
mod merge;
mod owners;
mod page;
mod plot;
mod real;
mod replay;
mod run;
mod shard;
mod swarm;
mod theory;
mod twice;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::scenario::{LoadError, ScenarioFile};

/// How a command ended; the number is the exit code of the process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Exit {
    /// As hoped.
    Success = 0,
    /// An expectation was not met or an invariant was violated.
    Failed = 1,
    /// The arguments or a file are wrong; nothing was done.
    BadInput = 2,
    /// A file could not be read or written, or a run on real processes broke off.
    Io = 3,
    /// A run on real processes was interrupted by a signal.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Runs scenarios of a heck fleet under loss and faults, and shows how fast it agrees.
///
/// Exit codes: 0 as hoped, 1 an expectation or invariant failed, 2 bad input, 3 a file could not be read or
/// written or a run on real processes broke off, 130 it was interrupted.
#[derive(Parser, Debug)]
#[command(name = "heck-sim", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Run(run::Args),
    Merge(merge::Args),
    Check(check::Args),
    List(list::Args),
    Plot(plot::Args),
    Page(page::Args),
    Owners(owners::Args),
    Theory(theory::Args),
    Swarm(swarm::Args),
    Twice(twice::Args),
    Replay(replay::Args),
}

/// Where a command writes to.
pub struct Output<'a> {
    /// Results.
    pub out: &'a mut dyn Write,
    /// Complaints.
    pub err: &'a mut dyn Write,
    /// Whether complaints go to a terminal that shows colours.
    pub color: bool,
}

/// Carries out the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let color = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    run(std::env::args_os(), &mut Output { out: &mut out, err: &mut err, color }).into()
}

/// Carries out the command line `args`, the name of the program first.
pub fn run<I: IntoIterator<Item = T>, T: Into<OsString> + Clone>(args: I, output: &mut Output<'_>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let (stream, exit) = if error.use_stderr() {
                (&mut *output.err, Exit::BadInput)
            } else {
                (&mut *output.out, Exit::Success)
            };
            return if write!(stream, "{error}").is_ok() { exit } else { Exit::Io };
        }
    };
    let done = match cli.command {
        Command::Run(args) => run::run(&args, output),
        Command::Merge(args) => merge::run(&args, output),
        Command::Check(args) => check::run(&args, output),
        Command::List(args) => list::run(&args, output),
        Command::Twice(args) => twice::run(&args, output),
        Command::Replay(args) => replay::run(&args, output),
        Command::Swarm(args) => swarm::run(&args, output),
        Command::Plot(args) => plot::run(&args, output),
        Command::Page(args) => page::run(&args, output),
        Command::Owners(args) => owners::run(&args, output),
        Command::Theory(args) => theory::run(&args, output),
    };
    // Whoever closes the pipe early, as `head` does, has seen enough; there is nobody left to tell.
    done.unwrap_or(Exit::Io)
}

/// Which scenarios, and what of them is changed.
#[derive(clap::Args, Debug)]
struct Files {
    /// Scenarios: files, or names as in `partition/split-and-heal`, looked up in `scenarios/` here.
    #[arg(required = true, value_name = "FILE or NAME")]
    files: Vec<PathBuf>,
    /// Change a key first, as in `network.loss=50%`; may be given several times.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    sets: Vec<String>,
}

/// So many threads, or as many as there are processors; or how bad it is that there are none, after saying why.
fn pool(jobs: Option<u16>, output: &mut Output<'_>) -> io::Result<Result<rayon::ThreadPool, Exit>> {
    let threads = jobs.map_or(0, usize::from);
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => Ok(Ok(pool)),
        Err(error) => {
            writeln!(output.err, "cannot start threads: {error}")?;
            Ok(Err(Exit::Io))
        }
    }
}

/// The scenario that is meant, or how bad it is that there is none, after saying why.
fn load(
    given: &Path,
    sets: &[String],
    output: &mut Output<'_>,
) -> io::Result<Result<(PathBuf, ScenarioFile), Exit>> {
    let path = match find::find(given) {
        Ok(path) => path,
        Err(unknown) => {
            writeln!(output.err, "{unknown}")?;
            let is_file = given.extension().is_some() || given.is_absolute();
            return Ok(Err(if is_file { Exit::Io } else { Exit::BadInput }));
        }
    };
    Ok(load_file(&path, sets, output)?.map(|file| (path, file)))
}

/// The scenario of a file, or how bad it is that it cannot be used, after saying why.
fn load_file(
    path: &Path,
    sets: &[String],
    output: &mut Output<'_>,
) -> io::Result<Result<ScenarioFile, Exit>> {
    match ScenarioFile::load(path, sets) {
        Ok(file) => Ok(Ok(file)),
        Err(error @ LoadError::Io { .. }) => {
            writeln!(output.err, "{error}")?;
            Ok(Err(Exit::Io))
        }
        Err(LoadError::Invalid(report)) => {
            write!(output.err, "{}", report.render(output.color, 100))?;
            let count = report.problems.len();
            let problems = if count == 1 { "problem" } else { "problems" };
            writeln!(output.err, "{}: {count} {problems}", path.display())?;
            Ok(Err(Exit::BadInput))
        }
    }
}
