//! `heck-sim check`: validates scenario files and runs nothing.

use std::io;

use super::{Exit, Files, Output, load};

/// Check scenario files without running them.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    files: Files,
    /// Print each scenario with all its options, defaults included.
    #[arg(long)]
    resolved: bool,
    /// Say nothing about files that are right.
    #[arg(long)]
    quiet: bool,
}

/// Checks every file, and returns the worst outcome.
pub(super) fn run(args: &Args, output: &mut Output<'_>) -> io::Result<Exit> {
    let mut worst = Exit::Success;
    for given in &args.files.files {
        match load(given, &args.files.sets, output)? {
            Ok((_, file)) if args.resolved => write!(output.out, "{}", file.scenario.resolved_toml())?,
            Ok(_) if args.quiet => {}
            Ok((path, file)) => {
                let curves = if file.points.len() == 1 { "curve" } else { "curves" };
                writeln!(output.out, "{}: ok, {} {curves}", path.display(), file.points.len())?;
            }
            Err(refused) => worst = worst.max(refused),
        }
    }
    Ok(worst)
}
