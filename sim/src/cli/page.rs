//! `heck-sim page`: a page that quotes results, from its template.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::{Exit, Output};
use crate::report::compare::page::{PageError, fill};

/// Write a page that quotes results of comparisons: fill in a template.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The template.
    template: PathBuf,
    /// The folder of all results, whose scenarios the template names.
    #[arg(long, value_name = "DIR", default_value = "results")]
    results: PathBuf,
    /// Where the page goes; standard output if not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Fills in the template.
pub(super) fn run(args: &Args, output: &mut Output<'_>) -> io::Result<Exit> {
    let template = match fs::read_to_string(&args.template) {
        Ok(template) => template,
        Err(error) => {
            writeln!(output.err, "cannot read {}: {error}", args.template.display())?;
            return Ok(Exit::Io);
        }
    };
    let page = match fill(&template, &args.results) {
        Ok(page) => page,
        Err(error) => {
            writeln!(output.err, "{}: {error}", args.template.display())?;
            return Ok(if matches!(error, PageError::Read { .. }) { Exit::Io } else { Exit::BadInput });
        }
    };
    match &args.out {
        None => write!(output.out, "{page}")?,
        Some(path) => {
            if let Err(error) = fs::write(path, page) {
                writeln!(output.err, "cannot write {}: {error}", path.display())?;
                return Ok(Exit::Io);
            }
        }
    }
    Ok(Exit::Success)
}
