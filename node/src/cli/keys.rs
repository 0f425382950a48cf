//! `heck keys`: the keys that seal the cluster's gossip.

use super::{Exit, refuse, say};
use crate::seal::Key;
use clap::Subcommand;

/// The keys that seal the cluster's gossip.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Prints a new key: whoever has it can take part in a cluster that uses it.
    Generate,
}

pub(super) fn run(args: &Args) -> Exit {
    match args.verb {
        Verb::Generate => match Key::generate() {
            Ok(key) => {
                say(&*key.to_text());
                Exit::Success
            }
            Err(error) => refuse(error),
        },
    }
}
