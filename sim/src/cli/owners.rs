//! `heck-sim owners`: three ways to agree on an owner, side by side.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::PathBuf;

use super::{Exit, Output};
use crate::theory::owners::{ORIGINS, OwnersRow, table};

/// Compare modulo, ring and rendezvous hashing: how even they are, what moves, and what a lookup costs.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Where the table goes; standard output if not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Prints or writes the table.
pub(super) fn run(args: &Args, output: &mut Output<'_>) -> io::Result<Exit> {
    let text = markdown(&table());
    let Some(path) = &args.out else {
        write!(output.out, "{text}")?;
        return Ok(Exit::Success);
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Err(error) = folder.map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, text)) {
        writeln!(output.err, "cannot write {}: {error}", path.display())?;
        return Ok(Exit::Io);
    }
    Ok(Exit::Success)
}

fn markdown(rows: &[OwnersRow]) -> String {
    let mut text = String::from(
        "| nodes | way | most, of the mean | fewest, of the mean | moved when one leaves | moved when one joins | hashes a \
         lookup | hashes kept |\n|---:|---|---:|---:|---:|---:|---:|---:|\n",
    );
    for row in rows {
        let OwnersRow { nodes, way, greatest_over_mean, least_over_mean, .. } = row;
        let (leave, join) = (row.moved_on_leave_percent, row.moved_on_join_percent);
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "| {nodes} | {way} | {greatest_over_mean:.2} | {least_over_mean:.2} | {leave:.2} % | {join:.2} % | {} | {} |",
            row.hashes_per_lookup, row.hashes_kept
        );
    }
    let _ = writeln!(text, "\n{ORIGINS} origins; written by `heck-sim owners`.");
    text
}
