//! `heck msg`: messages to everybody who listens.

use super::connection::{Connection, Failure};
use super::follow::{Event, follow};
use super::{ClientArgs, Output, cell, table, text_or_stdin, with};
use crate::cli::{Exit, say};
use clap::{Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::Value;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Messages to everybody who listens.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum From {
    /// With the oldest message that is kept.
    Start,
    /// With the next one.
    Now,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Publishes a message.
    Publish {
        /// What it is about.
        topic: String,
        /// Its content, up to 64 KiB; `-` is standard input.
        payload: String,
    },
    /// Shows messages as they come, for ever.
    Tail {
        /// Those of this topic.
        #[arg(long)]
        topic: Option<String>,
        /// Where to begin.
        #[arg(long, value_enum, default_value = "now")]
        from: From,
        /// Goes on where it was left, on whichever node: the file holds the position, and is kept up to date.
        #[arg(long, value_name = "FILE")]
        position: Option<PathBuf>,
        /// Ends after so many messages.
        #[arg(long, value_name = "NUMBER")]
        count: Option<u64>,
    },
}

pub(in crate::cli) fn run(args: &Args) -> Exit {
    with(&args.client, async |node| match &args.verb {
        Verb::Publish { topic, payload } => {
            let request = node.request(Method::POST, &["v1", "messages", topic], &[])?;
            let published = node.json(request.body(text_or_stdin(payload)?)).await?;
            if node.output == Output::Json {
                say(published);
            }
            Ok(Exit::Success)
        }
        Verb::Tail { topic, from, position, count } => {
            tail(node, topic.as_deref(), *from, position.as_deref(), *count).await
        }
    })
}

async fn tail(
    node: &Connection,
    topic: Option<&str>,
    from: From,
    position: Option<&Path>,
    count: Option<u64>,
) -> Result<Exit, Failure> {
    let begin = position.map(read_position).transpose()?.flatten();
    let from = if from == From::Start { "start" } else { "now" };
    let query: Vec<(&str, &str)> =
        [("from", from)].into_iter().chain(topic.map(|topic| ("topic", topic))).collect();
    let (mut left, is_json) = (count, node.output == Output::Json);
    if left == Some(0) {
        return Ok(Exit::Success);
    }
    let shown = follow(node, &["v1", "messages"], &query, begin, |event| {
        let is_message = show(&event, is_json);
        if let Some(path) = position.filter(|_| !event.id.is_empty()) {
            write_position(path, &event.id)?;
        }
        left = left.map(|left| left - u64::from(is_message));
        Ok(left != Some(0))
    });
    shown.await?;
    Ok(Exit::Success)
}

/// Shows an event; true when it is a message.
fn show(event: &Event, is_json: bool) -> bool {
    let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
    match event.kind.as_str() {
        "message" if is_json => say(&event.data),
        "message" => {
            let content = data["value"]
                .as_str()
                .map_or_else(|| format!("{} (base64)", cell(&data, "value_base64")), table::plain);
            say(format_args!(
                "{}  {}  {content}",
                table::plain(&cell(&data, "topic")),
                table::plain(&cell(&data, "from"))
            ));
        }
        "gap" if is_json => say(serde_json::json!({ "gap": data })),
        "gap" => {
            let from = table::plain(&cell(&data, "from"));
            say(format_args!(
                "-- messages of {from} expired unread: {} to {}",
                cell(&data, "first"),
                cell(&data, "last")
            ));
        }
        _ => {}
    }
    event.kind == "message"
}

fn read_position(path: &Path) -> Result<Option<String>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::Usage(format!("{}: {error}", path.display()))),
    }
}

/// Replaces the file whole, so that a crash leaves one position or the other.
fn write_position(path: &Path, position: &str) -> Result<(), Failure> {
    let beside = path.with_extension("new");
    let written = fs::write(&beside, position).and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}
