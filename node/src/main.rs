//! The program `heck`: see [`heck_node::cli`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    heck_node::cli::main()
}
