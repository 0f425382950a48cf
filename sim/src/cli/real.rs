//! `heck-sim run --real`: the same scenarios on real processes.

use std::io;
use std::path::PathBuf;

use super::run::Args;
#[cfg(target_os = "linux")]
use super::run::finish;
use super::{Exit, Output};
use crate::report::outcome::Outcome;
use crate::scenario::ScenarioFile;

#[cfg(target_os = "linux")]
use crate::real::{Machine, Trouble, refuse::refusals, run_beside};

/// What can run scenarios for real: nothing, where there are no network namespaces.
#[cfg(not(target_os = "linux"))]
pub(super) enum Machine {}

/// Whether real processes are asked for, and can do what these files ask for; otherwise how bad that is, after saying
/// why.
#[cfg(not(target_os = "linux"))]
pub(super) fn ready(
    args: &Args,
    _: &[(PathBuf, ScenarioFile)],
    output: &mut Output<'_>,
) -> io::Result<Result<Option<Machine>, Exit>> {
    // A program to run is nothing that is asked for alone.
    if !args.real && args.heck.is_none() {
        return Ok(Ok(None));
    }
    writeln!(output.err, "--real needs Linux and its network namespaces")?;
    Ok(Err(Exit::BadInput))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn run(
    _: &Args,
    machine: &Machine,
    _: Vec<(&ScenarioFile, Outcome)>,
    _: &mut Output<'_>,
) -> io::Result<Exit> {
    match *machine {}
}

/// Whether real processes are asked for, and can do what these files ask for; otherwise how bad that is, after saying
/// why. Nothing has been started then.
#[cfg(target_os = "linux")]
pub(super) fn ready(
    args: &Args,
    files: &[(PathBuf, ScenarioFile)],
    output: &mut Output<'_>,
) -> io::Result<Result<Option<Machine>, Exit>> {
    if !args.real {
        return Ok(Ok(None));
    }
    let mut is_refused = false;
    for (path, file) in files {
        for line in refusals(&file.scenario) {
            is_refused = true;
            writeln!(output.err, "{}: cannot be run for real: {line}", path.display())?;
        }
    }
    if is_refused {
        return Ok(Err(Exit::BadInput));
    }
    match Machine::new(&program(args)) {
        Ok(machine) => Ok(Ok(Some(machine))),
        Err(trouble) => {
            writeln!(output.err, "{trouble}")?;
            Ok(Err(Exit::BadInput))
        }
    }
}

/// The program to run: the one that is said, or that beside this one.
#[cfg(target_os = "linux")]
fn program(args: &Args) -> PathBuf {
    let beside = || std::env::current_exe().ok().map(|this| this.with_file_name("heck"));
    args.heck.clone().or_else(beside).unwrap_or_else(|| PathBuf::from("heck"))
}

/// Runs these scenarios for real, beside what the simulator came to.
#[cfg(target_os = "linux")]
pub(super) fn run(
    args: &Args,
    machine: &Machine,
    outcomes: Vec<(&ScenarioFile, Outcome)>,
    output: &mut Output<'_>,
) -> io::Result<Exit> {
    let (stop, left) = match machine.prepare() {
        Ok(prepared) => prepared,
        Err(trouble) => return failed(&trouble, output),
    };
    if left > 0 {
        let what = if left == 1 { "namespace or folder" } else { "namespaces and folders" };
        writeln!(output.err, "removed {left} {what} that runs which were killed had left behind")?;
    }
    let mut worst = Exit::Success;
    for (file, simulated) in outcomes {
        let mut told = Ok(());
        let mut say = |line: &str| {
            if !args.quiet && told.is_ok() {
                told = writeln!(output.err, "{}: {line}", file.name);
            }
        };
        let ran = run_beside(file, simulated, (machine, &stop), &mut say);
        told?;
        match ran {
            Ok(outcome) => worst = worst.max(finish(&args.report(), file, &outcome, output)?),
            Err(trouble) => return failed(&trouble, output),
        }
    }
    Ok(worst)
}

#[cfg(target_os = "linux")]
fn failed(trouble: &Trouble, output: &mut Output<'_>) -> io::Result<Exit> {
    writeln!(output.err, "{trouble}")?;
    Ok(match trouble {
        Trouble::Unable(_) => Exit::BadInput,
        Trouble::Failed(_) => Exit::Io,
        Trouble::Interrupted => Exit::Interrupted,
    })
}
