//! `heck kv`: values that every node holds.

use super::connection::{Connection, Failure};
use super::follow::follow;
use super::origin::all_pages;
use super::{ClientArgs, Output, cell, say_json, table, text_or_stdin, with};
use crate::cli::{Exit, say};
use clap::Subcommand;
use reqwest::Method;
use serde_json::Value;
use std::io::{self, Write as _};

/// Values that every node holds, by their keys.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Writes the value of a key to standard output, as it is.
    Get {
        /// The key.
        key: String,
    },
    /// Writes a key.
    Put {
        /// The key.
        key: String,
        /// The value, up to 64 KiB; `-` is standard input.
        value: String,
        /// Only if there is no such key.
        #[arg(long)]
        new: bool,
    },
    /// Deletes keys.
    Rm {
        /// The keys.
        #[arg(required = true)]
        keys: Vec<String>,
    },
    /// Lists keys.
    Ls {
        /// Those that begin with this.
        #[arg(default_value = "")]
        prefix: String,
    },
    /// Shows keys, and each that is written or deleted from then on.
    Watch {
        /// Those that begin with this.
        #[arg(default_value = "")]
        prefix: String,
    },
}

pub(in crate::cli) fn run(args: &Args) -> Exit {
    with(&args.client, async |node| match &args.verb {
        Verb::Get { key } => get(node, key).await,
        Verb::Put { key, value, new } => {
            let mut request = node.request(Method::PUT, &["v1", "kv", key], &[])?.body(text_or_stdin(value)?);
            if *new {
                request = request.header("if-none-match", "*");
            }
            node.send(request).await?;
            Ok(Exit::Success)
        }
        Verb::Rm { keys } => {
            for key in keys {
                node.send(node.request(Method::DELETE, &["v1", "kv", key], &[])?).await?;
            }
            Ok(Exit::Success)
        }
        Verb::Ls { prefix } => list(node, prefix).await,
        Verb::Watch { prefix } => watch(node, prefix).await,
    })
}

async fn get(node: &Connection, key: &str) -> Result<Exit, Failure> {
    let response = node.send(node.request(Method::GET, &["v1", "kv", key], &[])?).await?;
    let value = response.bytes().await.map_err(|error| node.unreachable(&error))?;
    // Whoever closed the pipe has seen enough.
    let _ = io::stdout().write_all(&value).and_then(|()| io::stdout().flush());
    Ok(Exit::Success)
}

async fn list(node: &Connection, prefix: &str) -> Result<Exit, Failure> {
    let keys = all_pages(node, &["v1", "kv"], &[("prefix", prefix)], "keys").await?;
    match node.output {
        Output::Json => say_json(&Value::Array(keys)),
        Output::Table => {
            let rows: Vec<Vec<String>> =
                keys.iter().map(|key| vec![cell(key, "name"), cell(key, "bytes")]).collect();
            table::show(&["KEY", "BYTES"], &rows);
        }
    }
    Ok(Exit::Success)
}

async fn watch(node: &Connection, prefix: &str) -> Result<Exit, Failure> {
    let is_json = node.output == Output::Json;
    let query = [("prefix", prefix)];
    let shown = follow(node, &["v1", "kv"], &query, None, |event| {
        let key: Value = serde_json::from_str(&event.data).unwrap_or_default();
        let name = table::plain(&cell(&key, "name"));
        match event.kind.as_str() {
            "set" | "removed" if is_json => say(serde_json::json!({ "event": event.kind, "key": key })),
            "set" if key.get("value").is_some() => {
                say(format_args!("{name} = {}", table::plain(&cell(&key, "value"))));
            }
            "set" => say(format_args!("{name} = {} bytes", cell(&key, "bytes"))),
            "removed" => say(format_args!("{name} deleted")),
            _ => {}
        }
        Ok(true)
    });
    shown.await?;
    Ok(Exit::Success)
}
