//! The commands that ask a running node over its API.
//!
//! Each file has the arguments of one command and what it does; `connection` speaks HTTP, `follow` reads streams
//! of events, `table` shows rows.

pub(super) mod cluster;
mod connection;
mod follow;
pub(super) mod health;
pub(super) mod keys;
pub(super) mod kv;
pub(super) mod members;
pub(super) mod msg;
pub(super) mod origin;
mod origin_fields;
mod table;

use super::{Exit, complain, refuse, say};
use clap::ValueEnum;
use connection::{Connection, Failure};
use serde_json::Value;
use std::io::{self, Read as _};
use std::path::PathBuf;
use tokio::runtime::Builder;

/// How results are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// For programs: the answers of the API. One object on each line where rows come one by one.
    Json,
}

/// Which node to ask, and how.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct ClientArgs {
    /// Where the node's API is.
    #[arg(
        long,
        value_name = "URL",
        env = "HECK_ADDR",
        default_value = "http://127.0.0.1:7401",
        global = true
    )]
    addr: String,
    /// The token of the API. Unset, the one in the data folder is used for a node on this machine.
    #[arg(long, value_name = "TOKEN", env = "HECK_TOKEN", hide_env_values = true, global = true)]
    token: Option<String>,
    /// The data folder of the node on this machine, where its token is.
    #[arg(long, value_name = "FOLDER", env = "HECK_DATA_DIR", default_value = "heck-data", global = true)]
    data_dir: PathBuf,
    /// The authorities of the API's certificate, in PEM; those of the system unless set.
    #[arg(long, value_name = "FILE", global = true)]
    server_ca: Option<PathBuf>,
    /// A certificate to show to the API, with its key, in PEM.
    #[arg(long, value_name = "FILE", global = true)]
    client_certificate: Option<PathBuf>,
    /// For writes of origins, keys and messages: waits until so many other nodes have it on disk too.
    #[arg(long, value_name = "NUMBER", global = true)]
    wait_peers: Option<u16>,
    /// The trace that the command belongs to, as W3C Trace Context has it: the node goes on with it.
    #[arg(long, value_name = "TRACEPARENT", env = "TRACEPARENT", hide_env_values = true, global = true)]
    traceparent: Option<String>,
    /// How results are shown.
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "table", global = true)]
    output: Output,
}

/// Connects, carries a command out, and says what went wrong.
fn with(args: &ClientArgs, command: impl AsyncFnOnce(&Connection) -> Result<Exit, Failure>) -> Exit {
    let connection = match Connection::new(args) {
        Ok(connection) => connection,
        Err(failure) => return fail(&failure),
    };
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(format_args!("the system gives no sockets: {error}")),
    };
    runtime.block_on(command(&connection)).unwrap_or_else(|failure| fail(&failure))
}

fn fail(failure: &Failure) -> Exit {
    complain(failure);
    failure.exit()
}

/// A value of the command line: `-` stands for standard input.
fn text_or_stdin(text: &str) -> Result<Vec<u8>, Failure> {
    if text != "-" {
        return Ok(text.as_bytes().to_vec());
    }
    let mut bytes = Vec::new();
    let read = io::stdin().lock().read_to_end(&mut bytes);
    read.map_err(|error| Failure::Usage(format!("standard input cannot be read: {error}")))?;
    Ok(bytes)
}

/// Shows an answer as the API gave it.
fn say_json(value: &Value) {
    say(serde_json::to_string_pretty(value).unwrap_or_default());
}

/// A key of an answer, as a cell of a table: `-` where there is nothing.
fn cell(row: &Value, key: &str) -> String {
    match row.get(key) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let texts =
                items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
            texts.collect::<Vec<_>>().join(",")
        }
        Some(other) => other.to_string(),
    }
}

/// The rows of an answer.
fn rows<'a>(answer: &'a Value, key: &str) -> &'a [Value] {
    answer[key].as_array().map_or(&[], Vec::as_slice)
}
