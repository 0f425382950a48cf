//! `heck keys list`, `install`, `use` and `remove`: the keys of a running node.

use super::{ClientArgs, Output, cell, rows, say_json, table, text_or_stdin, with};
use crate::cli::{Exit, say};
use reqwest::Method;
use serde_json::Value;

/// What to do with the keys of a running node.
#[derive(Debug)]
pub(in crate::cli) enum Verb<'a> {
    List,
    Install { key: &'a str },
    Use { id: &'a str },
    Remove { id: &'a str },
}

pub(in crate::cli) fn run(verb: &Verb<'_>, client: &ClientArgs) -> Exit {
    with(client, async |node| {
        match verb {
            Verb::List => {
                let answer = node.get(&["v1", "keys"], &[]).await?;
                if node.output == Output::Json {
                    say_json(&answer);
                } else {
                    let row = |key: &Value| {
                        let role = if key["seals"] == true { "seals and opens" } else { "opens" };
                        vec![cell(key, "id"), role.to_owned()]
                    };
                    table::show(&["KEY", "USE"], &rows(&answer, "keys").iter().map(row).collect::<Vec<_>>());
                }
            }
            Verb::Install { key } => {
                let text = String::from_utf8_lossy(&text_or_stdin(key)?).trim().to_owned();
                let body = serde_json::json!({ "key": text }).to_string();
                let request = node.request(Method::POST, &["v1", "keys"], &[])?;
                let answer = node.json(request.header("content-type", "application/json").body(body)).await?;
                say(cell(&answer, "id"));
            }
            Verb::Use { id } => {
                node.send(node.request(Method::POST, &["v1", "keys", id, "use"], &[])?).await?;
            }
            Verb::Remove { id } => {
                node.send(node.request(Method::DELETE, &["v1", "keys", id], &[])?).await?;
            }
        }
        Ok(Exit::Success)
    })
}
