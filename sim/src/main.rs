//! `heck-sim`: runs scenario files.

use std::process::ExitCode;

fn main() -> ExitCode {
    heck_sim::cli::main()
}
