//! `heck-sim merge`: joins the parts of a job into what one machine would have written.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::run::{Report, finish, ready};
use super::shard::refuse;
use super::{Exit, Output, compare, swarm};
use crate::compare::comparison_of;
use crate::run::outcome_of;
use crate::scenario::ScenarioFile;
use crate::shard::job::{Header, Job, RunJob, ScenarioJob, runs_of};
use crate::shard::part::PartError;
use crate::shard::read::{Part, Parts};
use crate::swarm::{Find, Tally};

/// Join the parts that `run --shard` or `swarm --shard` wrote: the same files, judgement and exit code as one run of all.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// All parts of one job, in any order; of a folder all files that end in `.part`.
    #[arg(required = true, value_name = "PART or DIR")]
    parts: Vec<PathBuf>,
    /// Folder for results, as that of `run` or `swarm`, whose default it has.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the summary as JSON instead of a table, one object a scenario.
    #[arg(long)]
    json: bool,
    /// Print nothing but complaints.
    #[arg(long)]
    quiet: bool,
    /// Also join what other builds of the same version wrote. Whether they do the same is up to you.
    #[arg(long)]
    other_builds: bool,
}

impl Args {
    fn out(&self, default: &'static str) -> &Path {
        self.out.as_deref().unwrap_or(Path::new(default))
    }
}

/// Joins the parts. Nothing is written before all of them were read once.
pub(super) fn run(args: &Args, output: &mut Output<'_>) -> io::Result<Exit> {
    let mut worst = Exit::Success;
    let mut parts = Vec::new();
    for given in &args.parts {
        match files_of(given).and_then(|files| files.iter().map(|file| Part::open(file)).collect()) {
            Ok::<Vec<Part>, _>(found) => parts.extend(found),
            Err(error) => worst = worst.max(refuse(&error, output)?),
        }
    }
    if worst != Exit::Success {
        return Ok(worst);
    }
    let Some(of) = parts.first().map(|part| part.header.shard) else {
        writeln!(output.err, "there is no part of a job: no file ends in `.part`")?;
        return Ok(Exit::BadInput);
    };
    // The head of this program's own parts: version and build.
    let this = Header::new(of, Job::Run(RunJob { sets: Vec::new(), wire: false, scenarios: Vec::new() }))?;
    let parts = match Parts::of_one_job(parts, (&this.heck_sim, this.build), args.other_builds) {
        Ok(parts) => parts,
        Err(complaints) => {
            for complaint in complaints {
                writeln!(output.err, "{complaint}")?;
            }
            return Ok(Exit::BadInput);
        }
    };
    match parts.header().job.clone() {
        Job::Run(job) => merge_runs(args, &job, parts, output),
        Job::Swarm(job) => {
            if args.json {
                writeln!(output.err, "these are parts of a swarm, which has no summary as JSON")?;
                return Ok(Exit::BadInput);
            }
            match merge_swarm(args, job.seed, parts, output) {
                Err(Stopped::Part(error)) => refuse(&error, output),
                Err(Stopped::Output(error)) => Err(error),
                Ok(exit) => Ok(exit),
            }
        }
    }
}

/// The file that is given, or those of a folder, in the order of their names.
fn files_of(given: &Path) -> Result<Vec<PathBuf>, PartError> {
    if !given.is_dir() {
        return Ok(vec![given.to_owned()]);
    }
    let failed = |source| PartError::Io { action: "read", path: given.to_owned(), source };
    let entries = fs::read_dir(given).map_err(failed)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>();
    let mut paths = paths.map_err(failed)?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "part"));
    paths.sort();
    Ok(paths)
}

/// Judges, writes and tells one scenario after the other, each from the runs of all parts.
fn merge_runs(args: &Args, job: &RunJob, mut parts: Parts, output: &mut Output<'_>) -> io::Result<Exit> {
    let mut files = Vec::new();
    for scenario in &job.scenarios {
        match read_scenario(scenario, &job.sets) {
            Ok(file) => files.push((Path::new(&scenario.path), file)),
            Err(complaint) => {
                writeln!(output.err, "{complaint}")?;
                return Ok(Exit::BadInput);
            }
        }
    }
    let how = Report { out: args.out("results"), json: args.json, quiet: args.quiet };
    let all: Vec<_> = files.iter().map(|(path, file)| (*path, file)).collect();
    let mut worst = ready(&how, false, &all, output)?;
    if worst != Exit::Success {
        return Ok(worst);
    }
    for (path, file) in &files {
        let count = runs_of(file);
        let done = if file.scenario.compare.is_some() {
            parts.runs(count).map(|runs| {
                let comparison = comparison_of(file, runs);
                compare::finish(&how, path, (file, &comparison), output)
            })
        } else {
            parts.runs(count).map(|runs| finish(&how, file, &outcome_of(file, runs), output))
        };
        match done {
            Ok(exit) => worst = worst.max(exit?),
            Err(error) => return Ok(worst.max(refuse(&error, output)?)),
        }
    }
    Ok(worst)
}

/// The scenario as the parts had it, which this program has to understand in the same way.
fn read_scenario(job: &ScenarioJob, sets: &[String]) -> Result<ScenarioFile, String> {
    let file = ScenarioFile::parse(&job.path, &job.text, sets);
    let file = file.map_err(|report| format!("{}: its scenario is refused: {report}", job.path))?;
    if ScenarioJob::of(&job.path, job.text.clone(), &file) == *job {
        return Ok(file);
    }
    Err(format!("{}: this program reads its scenario otherwise than the one that ran it", job.path))
}

/// Why joining finds of the swarm stopped.
enum Stopped {
    Part(PartError),
    Output(io::Error),
}

impl From<PartError> for Stopped {
    fn from(error: PartError) -> Self {
        Self::Part(error)
    }
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Tells all finds in the order of their seeds, from the `first` on, and counts what all parts met.
fn merge_swarm(args: &Args, first: u64, parts: Parts, output: &mut Output<'_>) -> Result<Exit, Stopped> {
    let out = args.out("swarm-out");
    let mut nowhere = io::sink();
    let said: &mut dyn io::Write = if args.quiet { &mut nowhere } else { &mut *output.out };
    let output = &mut Output { out: said, err: &mut *output.err, color: output.color };
    let mut parts = parts.into_parts();
    let of = parts.len();
    // The next find of each part, by how many seeds come before it.
    let mut next: BTreeMap<u64, (usize, Find)> = BTreeMap::new();
    let place = |find: &Find| find.seed.wrapping_sub(first);
    for (index, part) in parts.iter_mut().enumerate() {
        if let Some(find) = part.record::<Find>()? {
            next.insert(place(&find), (index, find));
        }
    }
    while let Some((_, (index, find))) = next.pop_first() {
        swarm::tell(out, &find, output)?;
        if let Some(find) = parts[index].record::<Find>()? {
            next.insert(place(&find), (index, find));
        }
    }
    let mut tally = Tally::default();
    for part in parts {
        tally.add(&part.end::<Tally>()?);
    }
    Ok(swarm::sum_up(out, &tally, &format!("joined from {of} parts"), output)?)
}
