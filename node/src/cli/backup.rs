//! `heck export` and `heck import`: a cluster as one node holds it, in a file.

use super::settings::SettingFlags;
use super::{Exit, complain, refuse, say};
use crate::backup::Backup;
use crate::clock::Clock;
use crate::data_dir::DataDir;
use crate::files::write_private;
use crate::journal;
use crate::seal::Keys;
use crate::settings::Settings;
use heck_core::effects::Record;
use heck_core::id::{Addr, Name};
use heck_core::journal::Snapshot;
use heck_core::node::{Base, Identity, Node};
use heck_core::rng::Seed;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Writes origins, keys, messages, health and the cluster's keys of a data folder to a file.
///
/// The node may run meanwhile: what it has acknowledged is in the backup. Whoever has the file can take part in the
/// cluster, unless the cluster's keys are left out.
#[derive(clap::Args, Debug)]
pub(super) struct ExportArgs {
    /// The file to write, for its owner alone; standard output unless given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Leaves the cluster's keys out.
    #[arg(long)]
    without_keys: bool,
    #[command(flatten)]
    settings: SettingFlags,
}

/// Makes a new data folder of a backup, from which a node starts as one of the same cluster.
///
/// A node that starts from it serves alone or joins; the members of the cluster that was exported are not in the backup.
#[derive(clap::Args, Debug)]
pub(super) struct ImportArgs {
    /// The file to read; standard input if it is `-`.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    settings: SettingFlags,
}

type Failed = Box<dyn Error>;

pub(super) fn export(args: &ExportArgs) -> Exit {
    let (settings, _) = match args.settings.read() {
        Ok(read) => read,
        Err(problems) => return refuse(problems),
    };
    let done = read_folder(&settings, args.without_keys).and_then(|(backup, damaged)| {
        match &args.out {
            Some(path) => {
                let mut bytes = Vec::new();
                backup.write(&mut bytes)?;
                write_private(path, &bytes)?;
            }
            None => backup.write(&mut BufWriter::new(io::stdout().lock()))?,
        }
        Ok((backup.content(), damaged))
    });
    match done {
        Ok((content, damaged)) => {
            let (origins, keys, messages) = (content.origins, content.keys, content.messages);
            complain(format_args!("exported {origins} origins, {keys} keys and {messages} messages"));
            if damaged > 0 {
                complain(format_args!("{damaged} bytes of the journal are damaged and were left out"));
                return Exit::Unhealthy;
            }
            Exit::Success
        }
        Err(error) => refuse(format_args!("nothing was exported: {error}")),
    }
}

/// What a data folder holds, and how many bytes of its journal are damaged.
fn read_folder(settings: &Settings, without_keys: bool) -> Result<(Backup, usize), Failed> {
    let data = DataDir::open_existing(&settings.data_dir)?;
    let (mut snapshot, damaged) = journal::read(data.path())?;
    let boot = snapshot.boot().ok_or("the journal holds no node")?;
    let name =
        data.held_name()?.or_else(|| settings.name.clone()).ok_or("the folder holds no name of a node")?;
    let keys = if without_keys { None } else { Keys::look(&data.keyring_path())? };
    // What the journal holds, put together: without what was replaced since.
    let now = Clock::start().now();
    snapshot.records.retain(|record| !matches!(record, Record::Member));
    let node = Node::new(
        Identity::new(name, boot, Addr::default()),
        Arc::new(settings.protocol()),
        &Arc::new(Base::default()),
        Some(snapshot),
        Seed(0),
        now,
    );
    let is_shared = |record: &Record| matches!(record, Record::Entry { .. } | Record::Joined(_));
    let mut records = node.snapshot(now).records;
    records.retain(is_shared);
    let (cluster, node) = (settings.cluster.clone(), node.view().name().clone());
    Ok((Backup { cluster, node, boot, keys, records }, damaged))
}

pub(super) fn import(args: &ImportArgs) -> Exit {
    let (settings, _) = match args.settings.read() {
        Ok(read) => read,
        Err(problems) => return refuse(problems),
    };
    match write_folder(&args.file, &settings) {
        Ok((backup, name)) => {
            let content = backup.content();
            let (origins, keys, messages) = (content.origins, content.keys, content.messages);
            let folder = settings.data_dir.display();
            say(format_args!(
                "imported {origins} origins, {keys} keys and {messages} messages into {folder} for the node {name}"
            ));
            if backup.cluster != settings.cluster {
                say(format_args!(
                    "the backup is of the cluster `{0}`: start the node with --cluster {0}",
                    backup.cluster
                ));
            }
            if backup.keys.is_none() {
                say(
                    "the backup holds no keys of the cluster: the node makes a fresh one, or takes `--key-file FILE`",
                );
            }
            Exit::Success
        }
        Err(error) => refuse(format_args!("nothing was imported: {error}")),
    }
}

fn write_folder(file: &Path, settings: &Settings) -> Result<(Backup, Name), Failed> {
    let backup = if file == Path::new("-") {
        Backup::read(io::stdin().lock())?
    } else {
        let opened = File::open(file).map_err(|error| format!("{}: {error}", file.display()))?;
        Backup::read(BufReader::new(opened))?
    };
    let data = DataDir::open(&settings.data_dir)?;
    if data.holds_a_node() {
        let folder = data.path().display();
        return Err(format!(
            "{folder} holds a node already: import into another folder (`--data-dir FOLDER`)"
        )
        .into());
    }
    let name = data.name(settings.name.as_ref())?;
    let mut records = backup.records.clone();
    if name == backup.node {
        // The same node again must not begin a life that it had.
        records.insert(0, Record::Boot(backup.boot));
    }
    match &backup.keys {
        Some(keys) => keys.store(&data.keyring_path())?,
        None => drop(data.keys(settings.key_file.as_deref())?),
    }
    // The journal comes last: with it the folder holds a node.
    journal::create(data.path(), &Snapshot { records })?;
    Ok((backup, name))
}
