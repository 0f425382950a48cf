//! `heck-sim plot`: draws the plots of some results again.

use std::io;
use std::path::PathBuf;

use super::{Exit, Output};
use crate::report::compare::store::SYSTEMS;
use crate::report::store;

/// Draw the plots of some results again, from their CSV files and manifest alone.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Folder with the results of a scenario, as in `results/convergence/loss-50`.
    #[arg(required = true, value_name = "DIR")]
    directories: Vec<PathBuf>,
    /// Say nothing about what was drawn.
    #[arg(long)]
    quiet: bool,
}

/// Draws the plots of every folder, and returns the worst outcome.
pub(super) fn run(args: &Args, output: &mut Output<'_>) -> io::Result<Exit> {
    let mut worst = Exit::Success;
    for directory in &args.directories {
        if directory.join(SYSTEMS).is_file() {
            let what = "are those of a comparison, whose plots come with its runs alone";
            writeln!(output.err, "{}: the results {what}: `heck-sim run`", directory.display())?;
            worst = worst.max(Exit::BadInput);
            continue;
        }
        match store::redraw(directory) {
            Ok(names) => {
                for name in names.iter().filter(|_| !args.quiet) {
                    writeln!(output.out, "{}", directory.join(name).display())?;
                }
            }
            Err(error) => {
                writeln!(output.err, "{error}")?;
                worst = worst.max(if error.is_io() { Exit::Io } else { Exit::BadInput });
            }
        }
    }
    Ok(worst)
}
