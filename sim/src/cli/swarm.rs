//! `heck-sim swarm`: random scenarios under all checkers.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use heck_core::mutant::Planted;
use rayon::prelude::*;
use toml::Table;

use super::{Exit, Output, pool};
use crate::report::met::{MetRow, csv_of};
use crate::report::raster::png_of;
use crate::report::sequence::{Sequence, svg_of};
use crate::swarm::coverage::Seen;
use crate::swarm::judge::Verdict;
use crate::swarm::shrink::Small;
use crate::swarm::{Coverage, Failure, draw, judge, last_moments, shrink};

/// Seeds that are tried between two looks at the clock.
const BATCH: u64 = 64;
/// A panic is caught and told with its seed; its own words on standard error would drown all others.
const QUIET_PANICS: fn(&std::panic::PanicHookInfo<'_>) = |_| {};

/// Run random scenarios with all checkers on, and make each that fails as small as it goes.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// How many scenarios.
    #[arg(long, value_name = "N", default_value_t = 256, conflicts_with = "minutes")]
    seeds: u64,
    /// Go on for so many minutes instead.
    #[arg(long, value_name = "M")]
    minutes: Option<u64>,
    /// Seed of the first scenario; each further one counts up by one.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs at the same time; as many as there are processors if not given. Results do not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Folder for the small scenarios of seeds that fail, and for the table of what was met.
    #[arg(long, value_name = "DIR", default_value = "swarm-out")]
    out: PathBuf,
    /// Most runs that making one scenario small may take; 0 leaves it as it was drawn.
    #[arg(long, value_name = "N", default_value_t = 600)]
    shrink_runs: u32,
    /// Print the drawn scenario of the first seed, and run nothing.
    #[arg(long)]
    print: bool,
}

/// What came of all scenarios so far.
#[derive(Default)]
struct Tally {
    tried: u64,
    failed: u64,
    events: u64,
    coverage: Coverage,
}

/// Runs the swarm and says what fell.
pub(super) fn run(args: &Args, output: &mut Output<'_>) -> io::Result<Exit> {
    if args.print {
        write!(output.out, "{}", draw(args.seed))?;
        return Ok(Exit::Success);
    }
    let pool = match pool(args.jobs, output)? {
        Ok(pool) => pool,
        Err(refused) => return Ok(refused),
    };
    std::panic::set_hook(Box::new(QUIET_PANICS));
    let began = Instant::now();
    let mut tally = Tally::default();
    loop {
        let left = match args.minutes {
            Some(minutes) if began.elapsed() >= Duration::from_secs(60 * minutes) => 0,
            Some(_) => BATCH,
            None => BATCH.min(args.seeds - tally.tried),
        };
        if left == 0 {
            break;
        }
        let first = args.seed.wrapping_add(tally.tried);
        let judged: Vec<(u64, Table, Verdict)> = pool.install(|| {
            let seeds = (0..left).into_par_iter().map(|number| first.wrapping_add(number));
            let judged = seeds.map(|seed| {
                let file = draw(seed);
                let verdict = judge(&file, Planted::NONE);
                (seed, file, verdict)
            });
            judged.collect()
        });
        tally.tried += left;
        for (seed, file, verdict) in judged {
            tell(args, seed, &file, verdict, &mut tally, output)?;
        }
    }
    if let Err(error) = sum_up(args, &tally, began.elapsed(), &pool, output) {
        writeln!(output.err, "{}: {error}", args.out.display())?;
        return Ok(Exit::Io);
    }
    Ok(if tally.failed == 0 { Exit::Success } else { Exit::Failed })
}

/// Counts what came of a scenario, and makes it small if it failed.
fn tell(
    args: &Args,
    seed: u64,
    file: &Table,
    verdict: Verdict,
    tally: &mut Tally,
    output: &mut Output<'_>,
) -> io::Result<()> {
    tally.coverage.add_file(file);
    match verdict {
        Verdict::Passed { events, met, .. } => {
            tally.events += events;
            tally.coverage.add_met(&met);
            return Ok(());
        }
        Verdict::Failed(failure) => {
            writeln!(output.out, "seed {seed}: {}: {}", failure.check, failure.detail)?;
            tell_small(args, seed, file, &failure, output)?;
        }
        Verdict::Invalid(report) => {
            writeln!(output.out, "seed {seed}: the drawn scenario is refused: {report}")?;
        }
    }
    tally.failed += 1;
    Ok(())
}

/// Writes what was met to a table, and says the rest.
fn sum_up(
    args: &Args,
    tally: &Tally,
    took: Duration,
    pool: &rayon::ThreadPool,
    output: &mut Output<'_>,
) -> io::Result<()> {
    let Tally { tried, failed, events, coverage } = tally;
    let path = args.out.join("coverage.csv");
    std::fs::create_dir_all(&args.out)?;
    let row = |(kind, name, seen): (_, _, Seen)| MetRow {
        kind,
        name,
        scenarios: seen.scenarios,
        times: seen.times,
    };
    std::fs::write(&path, csv_of(coverage.rows().map(row)).map_err(io::Error::other)?)?;
    let never: Vec<String> = coverage.never().map(|(kind, name)| format!("{kind} {name:?}")).collect();
    let never = if never.is_empty() { "nothing".to_owned() } else { never.join(", ") };
    writeln!(
        output.out,
        "{} things counted in {}; never met: {never}",
        coverage.rows().count(),
        path.display()
    )?;
    let threads = pool.current_num_threads();
    let rate = *tried as f64 * 60.0 / took.as_secs_f64().max(1e-9);
    writeln!(
        output.out,
        "{tried} scenarios, {failed} failed; {events} events; {rate:.0} scenarios a minute on {threads} threads"
    )
}

fn tell_small(
    args: &Args,
    seed: u64,
    file: &Table,
    failure: &Failure,
    output: &mut Output<'_>,
) -> io::Result<()> {
    let small = shrink(file, failure, Planted::NONE, args.shrink_runs);
    let path = args.out.join(format!("seed-{seed}.toml"));
    std::fs::create_dir_all(&args.out)?;
    std::fs::write(&path, text(seed, &small, &path))?;
    writeln!(output.out, "  small after {} runs: {}", small.runs, path.display())?;
    let seen = last_moments(&small.file, Planted::NONE);
    if let Some(run) = seen
        && let Some(violation) = run.violations.first()
    {
        let picture = svg_of(&Sequence { moments: &run.last, violation }).map_err(io::Error::other)?;
        let path = path.with_extension("svg");
        std::fs::write(&path, &picture)?;
        let pixels = png_of(&picture, 2.0).map_err(io::Error::other)?;
        std::fs::write(path.with_extension("png"), pixels)?;
        writeln!(output.out, "  the last moments: {}", path.display())?;
    }
    writeln!(output.out, "  heck-sim run {} --out replays", path.display())
}

/// The small scenario as a file, with what breaks in it and how to see it.
fn text(seed: u64, small: &Small, path: &Path) -> String {
    let Small { file, failure, runs } = small;
    let detail = failure.detail.replace('\n', " ");
    format!(
        "# Seed {seed} of the swarm, made small in {runs} runs.\n# Broken: {}: {detail}\n# Trace hash: {:016x}\n\
         # Replay: heck-sim run {} --out replays\n{file}",
        failure.check,
        failure.trace_hash,
        path.display()
    )
}
