//! `heck keys`: the keys that seal the cluster's gossip.

use super::client::{ClientArgs, keys};
use super::{Exit, refuse, say};
use crate::seal::Key;
use clap::Subcommand;

/// The keys that seal the cluster's gossip.
///
/// To change keys without a break: `generate` one, `install` it on every node, `use` it on every node, then `remove`
/// the old one from every node.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Prints a new key: whoever has it can take part in a cluster that uses it.
    Generate,
    /// Shows the keys of a running node by their identities.
    List,
    /// Adds a key to a running node, which opens with it from then on.
    Install {
        /// The key; `-` is standard input, which no list of processes shows.
        #[arg(default_value = "-")]
        key: String,
    },
    /// Makes a running node seal with one of its keys.
    Use {
        /// The key's identity.
        id: String,
    },
    /// Removes a key from a running node.
    Remove {
        /// The key's identity.
        id: String,
    },
}

pub(super) fn run(args: &Args) -> Exit {
    let verb = match &args.verb {
        Verb::Generate => {
            return match Key::generate() {
                Ok(key) => {
                    say(&*key.to_text());
                    Exit::Success
                }
                Err(error) => refuse(error),
            };
        }
        Verb::List => keys::Verb::List,
        Verb::Install { key } => keys::Verb::Install { key },
        Verb::Use { id } => keys::Verb::Use { id },
        Verb::Remove { id } => keys::Verb::Remove { id },
    };
    keys::run(&verb, &args.client)
}
