//! What `heck-sim run --shard` does: a part of all runs, written down for `heck-sim merge`. It judges and draws nothing, as
//! that is about all runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::run::{Args, broken_off, progress, violation_line};
use super::{Exit, Output};
use crate::report::outcome::RunOutcome;
use crate::run::{Options, RunError};
use crate::scenario::ScenarioFile;
use crate::shard::Shard;
use crate::shard::job::{Header, Job, RunJob, ScenarioJob, runs_of};
use crate::shard::order::in_order;
use crate::shard::part::{PartError, Writer};
use crate::{compare, run as simulate};

/// Why a part is not written.
enum Broken {
    Run(RunError),
    Part(PartError),
}

/// Makes the part's runs of every file, in their order, and writes them. With the first that breaks off no part is written.
pub(super) fn run(
    args: &Args,
    shard: Shard,
    files: &[(PathBuf, ScenarioFile)],
    pool: &rayon::ThreadPool,
    output: &mut Output<'_>,
) -> io::Result<Exit> {
    let sets = args.changes();
    let mut scenarios = Vec::new();
    for (path, file) in files {
        match scenario(path, file, &sets) {
            Ok(scenario) => scenarios.push(scenario),
            Err(error) => {
                writeln!(output.err, "{}: {error}", path.display())?;
                return Ok(Exit::Io);
            }
        }
    }
    let job = RunJob { sets, wire: args.wire, scenarios };
    let mut writer =
        match Header::new(shard, Job::Run(job)).map(|header| Writer::create(&args.out, &header))? {
            Ok(writer) => writer,
            Err(error) => return refuse(&error, output),
        };
    let mut violations = Vec::new();
    for (path, file) in files {
        let options = args.options(path);
        let how = How { args, shard, pool, file };
        let done = if file.scenario.compare.is_some() {
            compare::Runs::of(file).map_err(Broken::Run).and_then(|runs| {
                // Results of a comparison tell of no single run how it is made again.
                let options = Options { replay: String::new(), ..options };
                how.make(|number| runs.run(number, &options), |_| (), &mut writer)
            })
        } else {
            simulate::Runs::of(file).map_err(Broken::Run).and_then(|runs| {
                let note = |run: &RunOutcome| {
                    let lines = run.violations.iter();
                    violations.extend(lines.map(|violation| violation_line(&file.name, run, violation)));
                };
                how.make(|number| runs.run(number, &options), note, &mut writer)
            })
        };
        match done {
            Ok(()) => {}
            Err(Broken::Run(error)) => return broken_off(path, &error, output),
            Err(Broken::Part(error)) => return refuse(&error, output),
        }
    }
    let path = match writer.finish(&()) {
        Ok(path) => path,
        Err(error) => return refuse(&error, output),
    };
    for line in &violations {
        writeln!(output.err, "{line}")?;
    }
    if !args.quiet {
        say(shard, files, &path, output)?;
    }
    Ok(if violations.is_empty() { Exit::Success } else { Exit::Failed })
}

/// A scenario with the text of its file, which has to be the one that was read before.
fn scenario(path: &Path, file: &ScenarioFile, sets: &[String]) -> io::Result<ScenarioJob> {
    let text = fs::read_to_string(path)?;
    let shown = path.to_string_lossy();
    if ScenarioFile::parse(&shown, &text, sets).is_ok_and(|read| read == *file) {
        return Ok(ScenarioJob::of(&shown, text, file));
    }
    Err(io::Error::other("was changed while it was read"))
}

/// What the runs of one file have in common.
struct How<'a> {
    args: &'a Args,
    shard: Shard,
    pool: &'a rayon::ThreadPool,
    file: &'a ScenarioFile,
}

impl How<'_> {
    /// Makes the part's runs of a file, notes each and writes it.
    fn make<R: Send + Serialize>(
        &self,
        run: impl Fn(u64) -> Result<R, RunError> + Sync,
        mut note: impl FnMut(&R) + Send,
        writer: &mut Writer,
    ) -> Result<(), Broken> {
        let numbers = self.shard.numbers(runs_of(self.file));
        let mine = self.shard.numbers(runs_of(self.file)).count() as u64;
        let progress = progress(self.args, self.file, mine);
        let done = self.pool.install(|| {
            let make = |number| {
                let made = run(number).map_err(Broken::Run);
                progress.inc(1);
                made
            };
            in_order(numbers, make, |run| {
                note(&run);
                writer.record(&run).map_err(Broken::Part)
            })
        });
        progress.finish_and_clear();
        done
    }
}

fn say(
    shard: Shard,
    files: &[(PathBuf, ScenarioFile)],
    path: &Path,
    output: &mut Output<'_>,
) -> io::Result<()> {
    for (_, file) in files {
        let all = runs_of(file);
        let mine = shard.numbers(all).count();
        writeln!(output.out, "{}: part {shard}, {mine} of {all} runs", file.name)?;
    }
    writeln!(output.out, "{}: `heck-sim merge` joins, judges and draws all parts", path.display())
}

/// Says why there is no part, and how bad that is.
pub(super) fn refuse(error: &PartError, output: &mut Output<'_>) -> io::Result<Exit> {
    writeln!(output.err, "{error}")?;
    Ok(if error.is_io() { Exit::Io } else { Exit::BadInput })
}
