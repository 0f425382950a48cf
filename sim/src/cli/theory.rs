//! `heck-sim theory`: the talk's recurrences and the lower bounds, as tables, JSON and plot.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Exit, Output};
use crate::report::plot::both;
use crate::report::store::StoreError;
use crate::report::table::aligned;
use crate::report::write::{self, WriteError};
use crate::theory::tables::{MonteCarlo, PROCESSES, SIZES, Tables};

/// Show what theory says: the talk's recurrences, large-N maps of gossip, and lower bounds.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Print one JSON document instead of tables.
    #[arg(long)]
    json: bool,
    /// Also run the processes node by node, under seeds.
    #[arg(long)]
    monte_carlo: bool,
    /// Seed of the node-by-node runs.
    #[arg(long, default_value_t = 1, requires = "monte_carlo")]
    seed: u64,
    /// How many node-by-node runs (a quarter of them at 10,000 nodes).
    #[arg(long, default_value_t = 200, requires = "monte_carlo", value_parser = clap::value_parser!(u32).range(2..))]
    runs: u32,
    /// Also draw `theory.svg` and `theory.png` into this folder.
    #[arg(long, value_name = "DIR")]
    plot: Option<PathBuf>,
}

/// Prints the numbers, and draws them if asked to.
pub(super) fn run(args: &Args, output: &mut Output<'_>) -> io::Result<Exit> {
    let tables =
        if args.monte_carlo { Tables::with_monte_carlo(args.seed, args.runs) } else { Tables::exact() };
    if args.json {
        serde_json::to_writer_pretty(&mut *output.out, &tables)?;
        writeln!(output.out)?;
    } else {
        output.out.write_all(text_of(&tables).as_bytes())?;
    }
    let Some(directory) = &args.plot else { return Ok(Exit::Success) };
    if let Err(error) = draw(directory) {
        writeln!(output.err, "{error}")?;
        return Ok(Exit::Io);
    }
    Ok(Exit::Success)
}

fn draw(directory: &Path) -> Result<(), StoreError> {
    let files = both("theory.svg", "theory.png", &crate::report::theory::figure())?;
    let create = |source| WriteError::Io { action: "create", path: directory.to_owned(), source };
    fs::create_dir_all(directory).map_err(create)?;
    Ok(write::put(directory, &files)?)
}

fn text_of(tables: &Tables) -> String {
    let mut text = talk(tables);
    text.push_str(&maps(tables));
    text.push_str(&bounds(tables));
    text.push_str(&head_of_line(tables));
    if let Some(monte_carlo) = &tables.monte_carlo {
        text.push_str(&runs(monte_carlo));
    }
    text
}

fn row<const N: usize>(cells: [String; N]) -> Vec<String> {
    cells.into()
}

fn head<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).into()
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

fn talk(tables: &Tables) -> String {
    let mut grid =
        vec![head(["The talk's recurrence", "start", "loss", "lossy messages", "rounds", "reached"])];
    grid.extend(tables.talk.iter().map(|talk| {
        row([
            format!("{} nodes", talk.nodes),
            talk.start_nodes.to_string(),
            percent(talk.loss),
            talk.lossy_messages.to_string(),
            talk.rounds.to_string(),
            format!("{:.13} %", talk.percent),
        ])
    }));
    let mut text = aligned(&grid);
    text.push('\n');
    let mut grid = vec![head([
        "100 nodes, 80,000 rounds, 99 % loss",
        "reached",
        "last change in",
        "missing, by logarithms",
    ])];
    grid.extend(tables.long_run.iter().map(|long| {
        row([
            format!("{} lossy message(s)", long.lossy_messages),
            format!("{:.13} %", long.percent),
            format!("round {}", long.last_moving_round),
            format!("10^{:.1}", long.log10_missing),
        ])
    }));
    text.push_str(&aligned(&grid));
    text.push_str(
        "The talk's twelve nines are where double precision stops moving, not a property of gossip. A real repair\n\
         loses two messages (pull) or three (push of digests): quote it with all of them.\n\n",
    );
    text
}

fn maps(tables: &Tables) -> String {
    let mut grid = vec![head([
        "Rounds to 99.9 %, large N",
        "push digest, cold",
        "warm",
        "pull, cold",
        "warm",
        "pull + push, warm",
    ])];
    let rounds = |rounds: Option<u32>| rounds.map_or_else(|| "never".to_owned(), |rounds| rounds.to_string());
    grid.extend(tables.rounds_to_99_9.iter().map(|map| {
        row([
            format!("{} loss", percent(map.loss)),
            rounds(map.push_digest_cold),
            rounds(map.push_digest_after_broadcast),
            rounds(map.pull_cold),
            rounds(map.pull_after_broadcast),
            rounds(map.pull_and_push_after_broadcast),
        ])
    }));
    aligned(&grid)
        + "cold: 1 % have it at the start; warm: all but the loss, after a broadcast; push: one payload a round\n\n"
}

fn bounds(tables: &Tables) -> String {
    let mut grid = vec![head([
        "Lower bounds",
        "loss",
        "rounds (log N, base 2 - p)",
        "blind copies, 1 % risk",
        "payload sends",
    ])];
    grid.extend(tables.bounds.iter().map(|bound| {
        row([
            format!("{} nodes", bound.nodes),
            percent(bound.loss),
            format!("{:.1}", bound.growth_rounds),
            bound.blind_copies.map_or_else(|| "never".to_owned(), |copies| copies.to_string()),
            format!("{:.0}", bound.least_payload_sends),
        ])
    }));
    aligned(&grid) + "\n"
}

fn head_of_line(tables: &Tables) -> String {
    let line = &tables.head_of_line;
    format!(
        "Head-of-line blocking: one loss on a {} ms link at 1,000 messages/s makes the others wait {} ms in all\n\
         ({} ms with the lost one, {} ms when the sender waits for three duplicate acks); the talk says {} ms.\n",
        line.latency_ms,
        line.total_wait_ms,
        line.total_wait_with_lost_ms,
        line.total_wait_three_duplicates_ms,
        line.talk_says_ms,
    )
}

fn runs(monte_carlo: &MonteCarlo) -> String {
    let mut grid =
        vec![head(["Node by node, 10 rounds from 1 %", "loss", "runs", "reached, mean", "deviation"])];
    grid.extend(monte_carlo.talk.iter().map(|band| {
        row([
            format!("{} nodes", band.nodes),
            percent(band.loss),
            band.runs.to_string(),
            format!("{:.1} %", band.mean_percent),
            format!("{:.1} %", band.deviation_percent),
        ])
    }));
    let mut text = String::from("\n") + &aligned(&grid);
    let mut title = head(["Rounds to everyone, 50 % loss"]);
    title.extend(SIZES.map(|nodes| format!("{nodes} nodes")));
    let mut grid = vec![title];
    for (name, ..) in PROCESSES {
        let rows = monte_carlo.rounds_to_everyone.iter().filter(|row| row.process == name);
        let cells = rows.map(|row| format!("{:.1} [{:.1}, {:.1}]", row.mean, row.mean_low, row.mean_high));
        grid.push(std::iter::once(name.to_owned()).chain(cells).collect());
    }
    let _ = write!(text, "\n{}(seed {}, mean with its 95 % interval)\n", aligned(&grid), monte_carlo.seed);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    fn heck_sim(args: &[&str]) -> (Exit, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let args = std::iter::once("heck-sim").chain(args.iter().copied());
        let exit = cli::run(args, &mut Output { out: &mut out, err: &mut err, color: false });
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (exit, text(out), text(err))
    }

    #[test]
    fn json_is_all_that_is_printed_and_holds_the_published_numbers() {
        let (exit, out, err) = heck_sim(&["theory", "--json"]);
        assert_eq!((exit, err.as_str()), (Exit::Success, ""));
        assert!(out.contains("96.5190856144421"), "{out}");
        let value: serde_json::Value = serde_json::from_str(&out).expect("one JSON document");
        let reached = |index: usize| value["talk"][index]["percent"].as_f64().expect("a number");
        assert!((reached(0) - 96.519_085_614_442_1).abs() < 1e-12);
        assert_eq!(format!("{:.2}", reached(1)), "38.95");
        assert_eq!(value["long_run"][0]["last_moving_round"], 3_719);
        assert!(value.get("monte_carlo").is_none());
    }

    #[test]
    fn tables_fit_a_terminal_and_say_what_the_nines_are() {
        let (exit, out, _) = heck_sim(&["theory"]);
        assert_eq!(exit, Exit::Success);
        assert!(out.contains("96.5190856144421 %") && out.contains("double precision stops moving"), "{out}");
        assert!(out.lines().all(|line| line.chars().count() <= 115), "{out}");
    }

    #[test]
    fn seeded_runs_are_shown_on_request_and_repeat() {
        let args = ["theory", "--monte-carlo", "--runs", "4", "--seed", "9"];
        let (exit, out, _) = heck_sim(&args);
        assert_eq!(exit, Exit::Success);
        assert!(out.contains("random push of the payload") && out.contains("(seed 9"), "{out}");
        assert_eq!(heck_sim(&args).1, out);
    }

    #[test]
    fn runs_without_monte_carlo_are_bad_input() {
        assert_eq!(heck_sim(&["theory", "--runs", "4"]).0, Exit::BadInput);
        assert_eq!(heck_sim(&["theory", "--monte-carlo", "--runs", "1"]).0, Exit::BadInput);
    }

    #[test]
    fn the_plot_goes_where_it_is_asked_for_or_the_path_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let inside = folder.path().join("a/b");
        let (exit, ..) = heck_sim(&["theory", "--plot", &inside.to_string_lossy()]);
        assert_eq!(exit, Exit::Success);
        assert!(inside.join("theory.svg").is_file() && inside.join("theory.png").is_file());
        let (exit, _, err) = heck_sim(&["theory", "--plot", &inside.join("theory.svg").to_string_lossy()]);
        assert_eq!(exit, Exit::Io);
        assert!(err.contains("theory.svg"), "{err}");
    }

    #[test]
    fn plotting_what_is_no_results_folder_is_an_error_with_its_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let (exit, out, err) = heck_sim(&["plot", &folder.path().to_string_lossy()]);
        assert_eq!((exit, out.as_str()), (Exit::Io, ""));
        assert!(err.contains("manifest.toml"), "{err}");
    }
}
