//! `heck-sim replay`: recordings of real nodes, run over the same core.

use std::io;
use std::path::{Path, PathBuf};

use heck_core::recording::Difference;

use super::{Exit, Output};
use crate::replay::{
    End, LoadError, Played, Recording, Until, describe_effects, describe_input, inspect, play, show_at,
};

/// Run the core over recordings of nodes (`heck node --record FILE`), and name the first step whose effects differ.
///
/// Each file is a recording of its own, one node each. FILE.1 is replayed before FILE where FILE goes on from it.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Recordings.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Stop after the last step at this time: since the beginning of the recording, as in `90s`, or of the node's clock in
    /// UTC, as in `2026-01-31T12:00:00Z`.
    #[arg(long, value_name = "TIME")]
    until: Option<Until>,
    /// Print what the node knows at the end: members, owners, health, contexts.
    #[arg(long)]
    inspect: bool,
}

/// Replays every recording, and returns the worst outcome.
pub(super) fn run(args: &Args, output: &mut Output<'_>) -> io::Result<Exit> {
    let mut worst = Exit::Success;
    for path in &args.files {
        worst = worst.max(replay(path, args, output)?);
    }
    Ok(worst)
}

fn replay(path: &Path, args: &Args, output: &mut Output<'_>) -> io::Result<Exit> {
    let (recording, played) = match Recording::load(path).and_then(|recording| {
        let played = play(&recording, args.until)?;
        Ok((recording, played))
    }) {
        Ok(done) => done,
        Err(error) => {
            writeln!(output.err, "{error}")?;
            return Ok(match error {
                LoadError::Io { source, .. } => {
                    if source.kind() == io::ErrorKind::NotFound {
                        writeln!(output.err, "  help: `heck node --record FILE` writes recordings")?;
                    }
                    Exit::Io
                }
                LoadError::Unreadable { .. } => Exit::BadInput,
            });
        }
    };
    let what = path.display();
    if let Some(stranger) = &recording.stranger {
        writeln!(
            output.out,
            "{what}: {} is no earlier part of it; to replay that, name it",
            stranger.display()
        )?;
    }
    if played.core != env!("CARGO_PKG_VERSION") {
        let (core, here) = (&played.core, env!("CARGO_PKG_VERSION"));
        writeln!(output.out, "{what}: recorded by heck {core}, replayed by {here}")?;
    }
    for gap in &played.gaps {
        let (missing, at) = (gap.missing, show_at(gap.at, played.began));
        writeln!(output.out, "{what}: {missing} steps are missing before {at}: the disk did not keep up")?;
    }
    let exit = tell_end(path, &played, output)?;
    // A node that panicked is nothing whole.
    if args.inspect
        && !matches!(played.end, End::Panicked(..))
        && let Some(node) = played.replay.node()
    {
        let now = args.until.filter(|_| played.end == End::Until);
        let now = now.map_or(played.replay.now(), |until| until.in_recording(played.began));
        writeln!(output.out, "{what}: at {}", show_at(now, played.began))?;
        write!(output.out, "{}", inspect(node.view(), now))?;
    }
    Ok(exit)
}

/// Says how far it went and how it ended.
fn tell_end(path: &Path, played: &Played, output: &mut Output<'_>) -> io::Result<Exit> {
    let what = path.display();
    let Played { replay, began, same, confirmed, .. } = played;
    let until = show_at(replay.now(), *began);
    let so_far = format!("{same} steps the same up to {until}; checkpoints confirmed: {confirmed}");
    match &played.end {
        End::Whole | End::Until => writeln!(output.out, "{what}: {so_far}")?,
        End::CameBack => {
            writeln!(output.out, "{what}: {so_far}")?;
            writeln!(
                output.out,
                "{what}: the recorded node did not come back from the last step, this one does"
            )?;
            tell_step(played, output)?;
            return Ok(Exit::Failed);
        }
        End::Torn(file, damage) => {
            writeln!(output.out, "{what}: {so_far}")?;
            writeln!(output.out, "{}: {damage}: the node was stopped there", file.display())?;
        }
        End::Broken(file, damage) => {
            writeln!(output.out, "{what}: {so_far}")?;
            writeln!(output.err, "{}: {damage}; nothing behind it was replayed", file.display())?;
            return Ok(Exit::BadInput);
        }
        End::Panicked(file, offset) => {
            writeln!(output.out, "{}: the core panics in the step at byte {offset}", file.display())?;
            tell_step(played, output)?;
            return Ok(Exit::Failed);
        }
        End::Differs(file, offset, difference) => {
            writeln!(output.out, "{}: differs at byte {offset}: {difference}", file.display())?;
            tell_step(played, output)?;
            return Ok(match difference {
                Difference::Effects | Difference::State => Exit::Failed,
                Difference::Input(_) | Difference::Checkpoint(_) | Difference::Order => Exit::BadInput,
            });
        }
    }
    Ok(Exit::Success)
}

/// Says what the last step was about, and what the node wanted in it.
fn tell_step(played: &Played, output: &mut Output<'_>) -> io::Result<()> {
    let replay = &played.replay;
    let (number, at) = (replay.steps(), show_at(replay.now(), played.began));
    let input = replay.input().map_or_else(|| "no step yet".to_owned(), describe_input);
    writeln!(output.out, "  step {number} at {at}: {input}")?;
    let wants = describe_effects(replay.effects());
    if wants.is_empty() {
        writeln!(output.out, "  the node wants nothing now")?;
    }
    for effect in wants {
        writeln!(output.out, "  wants now: {effect}")?;
    }
    Ok(())
}
