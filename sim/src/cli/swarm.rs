//! `heck-sim swarm`: random scenarios under all checkers.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use heck_core::mutant::Planted;

use super::shard::refuse;
use super::{Exit, Output, pool};
use crate::report::met::{MetRow, csv_of};
use crate::report::raster::png_of;
use crate::shard::Shard;
use crate::shard::job::{Header, Job, SwarmJob};
use crate::shard::part::Writer;
use crate::swarm::coverage::Seen;
use crate::swarm::hunt::{Broken, Fallen};
use crate::swarm::{Find, Tally, draw, hunt};

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
    /// Pass over seeds whose scenario has fewer nodes.
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "shard")]
    #[arg(value_parser = clap::value_parser!(i64).range(1..=100))]
    least_nodes: i64,
    /// Runs at the same time; as many as there are processors if not given. Results do not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Folder for the small scenarios of seeds that fail, and for the table of what was met; with `--shard` for the part.
    #[arg(long, value_name = "DIR", default_value = "swarm-out")]
    #[arg(default_value_if("shard", clap::builder::ArgPredicate::IsPresent, "parts"))]
    out: PathBuf,
    /// Most runs that making one scenario small may take; 0 leaves it as it was drawn.
    #[arg(long, value_name = "N", default_value_t = 600)]
    shrink_runs: u32,
    /// Print the drawn scenario of the first seed, and run nothing.
    #[arg(long)]
    print: bool,
    /// Run part K of N of the seeds alone, and write what came of them for `heck-sim merge`.
    #[arg(long, value_name = "K/N", conflicts_with_all = ["minutes", "print"])]
    shard: Option<Shard>,
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
    if let Some(shard) = args.shard {
        return run_part(args, shard, &pool, output);
    }
    let began = Instant::now();
    let mut tally = Tally::default();
    let how = (Planted::NONE, args.shrink_runs);
    let is_large = |seed: &u64| args.least_nodes == 1 || nodes_of(*seed) >= args.least_nodes;
    let mut all = (0..).map(|number| args.seed.wrapping_add(number)).filter(is_large);
    loop {
        let left = match args.minutes {
            Some(minutes) if began.elapsed() >= Duration::from_secs(60 * minutes) => 0,
            Some(_) => BATCH,
            None => BATCH.min(args.seeds - tally.tried),
        };
        if left == 0 {
            break;
        }
        let seeds: Vec<u64> = all.by_ref().take(left as usize).collect();
        hunt(&pool, &seeds, how, &mut tally, |find| tell(&args.out, &find, output))?;
    }
    let rate = tally.tried as f64 * 60.0 / began.elapsed().as_secs_f64().max(1e-9);
    let pace = format!("{rate:.0} scenarios a minute on {} threads", pool.current_num_threads());
    sum_up(&args.out, &tally, &pace, output)
}

fn nodes_of(seed: u64) -> i64 {
    draw(seed).get("cluster").and_then(|cluster| cluster.get("nodes")?.as_integer()).unwrap_or(0)
}

/// Runs a part of the seeds, and writes what came of them.
fn run_part(
    args: &Args,
    shard: Shard,
    pool: &rayon::ThreadPool,
    output: &mut Output<'_>,
) -> io::Result<Exit> {
    let Args { seed, seeds, shrink_runs, .. } = *args;
    let header = Header::new(shard, Job::Swarm(SwarmJob { seed, seeds, shrink_runs }))?;
    let mut writer = match Writer::create(&args.out, &header) {
        Ok(writer) => writer,
        Err(error) => return refuse(&error, output),
    };
    let mut tally = Tally::default();
    let mut numbers = shard.numbers(seeds);
    loop {
        let batch: Vec<u64> =
            numbers.by_ref().take(BATCH as usize).map(|number| seed.wrapping_add(number)).collect();
        if batch.is_empty() {
            break;
        }
        hunt(pool, &batch, (Planted::NONE, shrink_runs), &mut tally, |find| {
            writer.record(&find).map_err(io::Error::other)?;
            say(&find, output)
        })?;
    }
    let path = match writer.finish(&tally) {
        Ok(path) => path,
        Err(error) => return refuse(&error, output),
    };
    let Tally { tried, failed, .. } = tally;
    writeln!(
        output.out,
        "part {shard}: {tried} of {seeds} scenarios, {failed} failed: {}; `heck-sim merge` joins all parts",
        path.display()
    )?;
    Ok(if failed == 0 { Exit::Success } else { Exit::Failed })
}

/// Says what fell, in a line.
fn say(Find { seed, what }: &Find, output: &mut Output<'_>) -> io::Result<()> {
    match what {
        Fallen::Refused(report) => {
            writeln!(output.out, "seed {seed}: the drawn scenario is refused: {report}")
        }
        Fallen::Broken(broken) => {
            let failure = &broken.failure;
            writeln!(output.out, "seed {seed}: {}: {}", failure.check, failure.detail)
        }
    }
}

/// Says what fell, and writes the small scenario and its picture into a folder.
pub(super) fn tell(out: &Path, find: &Find, output: &mut Output<'_>) -> io::Result<()> {
    say(find, output)?;
    let Fallen::Broken(broken) = &find.what else { return Ok(()) };
    let path = out.join(format!("seed-{}.toml", find.seed));
    std::fs::create_dir_all(out)?;
    std::fs::write(&path, text(find.seed, broken, &path))?;
    writeln!(output.out, "  small after {} runs: {}", broken.runs, path.display())?;
    if let Some(picture) = &broken.picture {
        let path = path.with_extension("svg");
        std::fs::write(&path, picture)?;
        let pixels = png_of(picture, 2.0).map_err(io::Error::other)?;
        std::fs::write(path.with_extension("png"), pixels)?;
        writeln!(output.out, "  the last moments: {}", path.display())?;
    }
    writeln!(output.out, "  heck-sim run {} --out replays", path.display())
}

/// Writes what was met to a table, says the rest, and how it ended.
pub(super) fn sum_up(out: &Path, tally: &Tally, pace: &str, output: &mut Output<'_>) -> io::Result<Exit> {
    if let Err(error) = write_coverage(out, tally, pace, output) {
        writeln!(output.err, "{}: {error}", out.display())?;
        return Ok(Exit::Io);
    }
    Ok(if tally.failed == 0 { Exit::Success } else { Exit::Failed })
}

fn write_coverage(out: &Path, tally: &Tally, pace: &str, output: &mut Output<'_>) -> io::Result<()> {
    let Tally { tried, failed, events, coverage } = tally;
    let path = out.join("coverage.csv");
    std::fs::create_dir_all(out)?;
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
    writeln!(output.out, "{tried} scenarios, {failed} failed; {events} events; {pace}")
}

/// The small scenario as a file, with what breaks in it and how to see it.
fn text(seed: u64, broken: &Broken, path: &Path) -> String {
    let Broken { file, small, runs, .. } = broken;
    let detail = small.detail.replace('\n', " ");
    format!(
        "# Seed {seed} of the swarm, made small in {runs} runs.\n# Broken: {}: {detail}\n# Trace hash: {:016x}\n\
         # Replay: heck-sim run {} --out replays\n{file}",
        small.check,
        small.trace_hash,
        path.display()
    )
}
