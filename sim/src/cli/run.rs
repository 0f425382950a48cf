//! `heck-sim run`: runs scenario files, writes their results and says what came out.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use super::{Exit, Output, compare, load, pool, real, shard};
use crate::compare::run_comparison;
use crate::report::outcome::{Expectation, Outcome, RunOutcome, Verdict, Violation};
use crate::report::{json, store, table, write};
use crate::run::{Options, RunError, expectations, run_scenario};
use crate::scenario::ScenarioFile;
use crate::shard::Shard;
use crate::shard::job::runs_of;

/// Run scenario files: simulate every seed, write CSV, plots and manifest, print a summary.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Scenarios: files, or names as in `partition/split-and-heal`, looked up in `scenarios/` here.
    #[arg(required = true, value_name = "FILE or NAME")]
    files: Vec<PathBuf>,
    /// Seed of the first run; each further run counts up by one. Short for `--set run.seed=…`.
    #[arg(long)]
    seed: Option<u64>,
    /// Number of runs. Short for `--set run.runs=…`; with `--real` for `--set run.real_runs=…`.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    runs: Option<u32>,
    /// Runs at the same time; as many as there are processors if not given. Results do not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) jobs: Option<u16>,
    /// Folder for results: those of `scenarios/TOPIC/QUESTION.toml` go to `DIR/TOPIC/QUESTION/`, replaced whole; with
    /// `--shard` for the part.
    #[arg(long, value_name = "DIR", default_value = "results")]
    #[arg(default_value_if("shard", clap::builder::ArgPredicate::IsPresent, "parts"))]
    pub(super) out: PathBuf,
    /// Change a key, as in `network.loss=50%`; may be given several times.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    sets: Vec<String>,
    /// Encode and decode every packet on its way; results are the same, and each run takes longer.
    #[arg(long)]
    pub(super) wire: bool,
    /// Make part K of N of all runs alone, and write what they came to for `heck-sim merge`, which judges and draws.
    #[arg(long, value_name = "K/N", conflicts_with_all = ["real", "json"])]
    shard: Option<Shard>,
    /// Run on real processes of `heck` in network namespaces as well, and draw both curves (Linux, as root).
    #[arg(long, conflicts_with_all = ["wire", "json"])]
    pub(super) real: bool,
    /// The program that is run then; that beside this one if not given.
    #[arg(long, value_name = "FILE", requires = "real")]
    pub(super) heck: Option<PathBuf>,
    /// Print the summary as JSON instead of a table, one object a scenario.
    #[arg(long)]
    json: bool,
    /// Print nothing but complaints.
    #[arg(long)]
    pub(super) quiet: bool,
}

impl Args {
    /// All changes to keys, the short forms included.
    pub(super) fn changes(&self) -> Vec<String> {
        let seed = self.seed.map(|seed| format!("run.seed={seed}"));
        let key = if self.real { "run.real_runs" } else { "run.runs" };
        let runs = self.runs.map(|runs| format!("{key}={runs}"));
        self.sets.iter().cloned().chain(seed).chain(runs).collect()
    }

    /// How runs of a file are made.
    pub(super) fn options(&self, path: &Path) -> Options {
        Options { wire: self.wire, replay: self.replay(path), ..Options::default() }
    }

    /// How results are told.
    pub(super) fn report(&self) -> Report<'_> {
        Report { out: &self.out, json: self.json, quiet: self.quiet }
    }

    /// The command that makes the runs of a file again, up to the seed. Their results go to a folder of their
    /// own: those of all seeds stay.
    fn replay(&self, path: &Path) -> String {
        let sets: String = self.sets.iter().map(|set| format!(" --set {}", quoted(set))).collect();
        let wire = if self.wire { " --wire" } else { "" };
        format!("heck-sim run {}{sets}{wire} --out replays", quoted(&path.to_string_lossy()))
    }
}

/// Where results go and how they are told.
pub(super) struct Report<'a> {
    /// The folder of all results.
    pub out: &'a Path,
    /// As JSON instead of a table.
    pub json: bool,
    /// Not at all, but for complaints.
    pub quiet: bool,
}

/// A word of a command line, as a POSIX shell reads it.
fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "%+,-./:=@_".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', "'\\''")))
}

/// Runs every file, and returns the worst outcome. All files are read before the first is run.
pub(super) fn run(args: &Args, output: &mut Output<'_>) -> io::Result<Exit> {
    let sets = args.changes();
    let mut files = Vec::new();
    let mut worst = Exit::Success;
    for given in &args.files {
        match load(given, &sets, output)? {
            Ok(read) => files.push(read),
            Err(refused) => worst = worst.max(refused),
        }
    }
    if args.shard.is_none() {
        let files: Vec<_> = files.iter().map(|(path, file)| (path.as_path(), file)).collect();
        worst = worst.max(ready(&args.report(), args.real, &files, output)?);
    }
    let machine = match real::ready(args, &files, output)? {
        Ok(machine) => machine,
        Err(refused) => return Ok(worst.max(refused)),
    };
    if worst != Exit::Success {
        return Ok(worst);
    }
    let pool = match pool(args.jobs, output)? {
        Ok(pool) => pool,
        Err(refused) => return Ok(refused),
    };
    if let Some(shard) = args.shard {
        return shard::run(args, shard, &files, &pool, output);
    }
    let mut outcomes = Vec::new();
    for (path, file) in &files {
        if file.scenario.compare.is_some() {
            worst = worst.max(run_compared(args, path, file, &pool, output)?);
            continue;
        }
        match simulate(args, path, file, &pool, output)? {
            Ok(outcome) => outcomes.push((file, outcome)),
            Err(refused) => worst = worst.max(refused),
        }
        // Only those that real processes are to run as well wait for each other.
        if machine.is_none() {
            for (file, outcome) in outcomes.drain(..) {
                worst = worst.max(finish(&args.report(), file, &outcome, output)?);
            }
        }
    }
    let Some(machine) = machine else { return Ok(worst) };
    Ok(worst.max(real::run(args, &machine, outcomes, output)?))
}

/// Whether results of these files can be written and told as they should be; what cannot is said.
pub(super) fn ready(
    how: &Report<'_>,
    is_real: bool,
    files: &[(&Path, &ScenarioFile)],
    output: &mut Output<'_>,
) -> io::Result<Exit> {
    let mut worst = Exit::Success;
    for (_, file) in files {
        let checked = write::directory_of(how.out, &file.name).and_then(|directory| write::check(&directory));
        if let Err(error) = checked {
            writeln!(output.err, "{error}")?;
            let is_io = matches!(error, write::WriteError::Io { .. });
            worst = worst.max(if is_io { Exit::Io } else { Exit::BadInput });
        }
    }
    if is_real || how.json {
        for (path, _) in files.iter().filter(|(_, file)| file.scenario.compare.is_some()) {
            let allowed = "run it without --real and --json";
            writeln!(
                output.err,
                "{}: compares systems, of which heck alone is real: {allowed}",
                path.display()
            )?;
            worst = worst.max(Exit::BadInput);
        }
    }
    Ok(worst)
}

/// What the simulator comes to, or how bad it is that it comes to nothing, after saying why.
fn simulate(
    args: &Args,
    path: &Path,
    file: &ScenarioFile,
    pool: &rayon::ThreadPool,
    output: &mut Output<'_>,
) -> io::Result<Result<Outcome, Exit>> {
    let progress = progress(args, file, runs_of(file));
    let result = pool.install(|| run_scenario(file, &args.options(path), &|| progress.inc(1)));
    progress.finish_and_clear();
    match result {
        Ok(outcome) => Ok(Ok(outcome)),
        Err(error) => Ok(Err(broken_off(path, &error, output)?)),
    }
}

/// Runs all systems of a comparison, writes the results and says what came out.
fn run_compared(
    args: &Args,
    path: &Path,
    file: &ScenarioFile,
    pool: &rayon::ThreadPool,
    output: &mut Output<'_>,
) -> io::Result<Exit> {
    let progress = progress(args, file, runs_of(file));
    let options = Options { wire: args.wire, ..Options::default() };
    let result = pool.install(|| run_comparison(file, &options, &|| progress.inc(1)));
    progress.finish_and_clear();
    match result {
        Ok(comparison) => compare::finish(&args.report(), path, (file, &comparison), output),
        Err(error) => broken_off(path, &error, output),
    }
}

/// Says why the runs of a file broke off, and how bad that is.
pub(super) fn broken_off(path: &Path, error: &RunError, output: &mut Output<'_>) -> io::Result<Exit> {
    writeln!(output.err, "{}: {error}", path.display())?;
    Ok(match error {
        RunError::Impossible(_) => Exit::BadInput,
        RunError::Wire(_) => Exit::Failed,
    })
}

/// Writes the results and says what came out. The limits of a scenario are about what was simulated, which is the first
/// point where real processes have run it as well.
pub(super) fn finish(
    how: &Report<'_>,
    file: &ScenarioFile,
    outcome: &Outcome,
    output: &mut Output<'_>,
) -> io::Result<Exit> {
    let judged = expectations::judge(file, outcome);
    let directory = match store::save(outcome, how.out) {
        Ok(directory) => directory,
        Err(error) => {
            writeln!(output.err, "{error}")?;
            return Ok(if error.is_io() { Exit::Io } else { Exit::BadInput });
        }
    };
    report(how, outcome, &judged, &directory, output)?;
    let failed = judged.iter().any(|expectation| expectation.verdict == Verdict::Failed);
    let violated = outcome.violations().next().is_some();
    Ok(if failed || violated { Exit::Failed } else { Exit::Success })
}

fn report(
    how: &Report<'_>,
    outcome: &Outcome,
    judged: &[Expectation],
    directory: &Path,
    output: &mut Output<'_>,
) -> io::Result<()> {
    if how.json {
        writeln!(output.out, "{}", json::summary(outcome, judged))?;
    } else if !how.quiet {
        write!(output.out, "{}", table::summary(outcome, judged))?;
        writeln!(output.out, "\nresults: {}", directory.display())?;
    }
    if how.quiet || how.json {
        let failed = judged.iter().filter(|expectation| expectation.verdict == Verdict::Failed);
        for Expectation { limit, measured, .. } in failed {
            writeln!(output.err, "{}: expected {limit}, measured {measured}", outcome.scenario)?;
        }
        for (run, violation) in outcome.violations() {
            writeln!(output.err, "{}", violation_line(&outcome.scenario, run, violation))?;
        }
        for line in table::cut_short(outcome) {
            writeln!(output.err, "{}: {line}", outcome.scenario)?;
        }
    }
    Ok(())
}

/// What broke in a run, in a line.
pub(super) fn violation_line(scenario: &str, run: &RunOutcome, violation: &Violation) -> String {
    let Violation { check, time_us, node, detail, replay } = violation;
    let node = node.map(|node| format!(" at node {node}")).unwrap_or_default();
    format!("{scenario}: seed {}: {check}{node} after {time_us} us: {detail}; replay: {replay}", run.seed)
}

/// A bar that shows how many of so many runs of a file are done, where there is a terminal.
pub(super) fn progress(args: &Args, file: &ScenarioFile, runs: u64) -> ProgressBar {
    if args.quiet || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} runs, {elapsed} elapsed, {eta} left");
    let bar = ProgressBar::new(runs).with_message(file.name.clone());
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}
