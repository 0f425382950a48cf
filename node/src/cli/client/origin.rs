//! `heck origin`: the origins that are checked.

use super::connection::{Connection, Failure};
use super::follow::follow;
use super::origin_fields::Fields;
use super::{ClientArgs, Output, cell, rows, say_json, table, text_or_stdin, with};
use crate::cli::{Exit, say};
use clap::Subcommand;
use reqwest::Method;
use serde_json::Value;
use std::fs;

/// The origins that are checked.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Args {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    client: ClientArgs,
}

/// Which origins.
#[derive(clap::Args, Debug)]
pub(super) struct Filter {
    /// With this tag.
    #[arg(long, value_name = "WORD")]
    tag: Option<String>,
    /// In one of these states, separated by commas.
    #[arg(long, value_name = "STATES")]
    state: Option<String>,
    /// That this node is to check.
    #[arg(long, value_name = "NODE")]
    owner: Option<String>,
    /// That came from this source.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
}

impl Filter {
    pub(super) fn query(&self) -> Vec<(&str, &str)> {
        let all =
            [("tag", &self.tag), ("state", &self.state), ("owner", &self.owner), ("source", &self.source)];
        all.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?))).collect()
    }
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Adds an origin.
    Add {
        /// Its name, unique in the cluster.
        name: String,
        /// Where it is checked: `http://`, `https://`, `tcp://host:port`, or `grpc://host:port/service` and `grpcs://` for gRPC's health protocol.
        url: String,
        /// Replaces one of that name, whole.
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        fields: Box<Fields>,
    },
    /// Removes origins.
    Rm {
        /// Their names.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Lists origins.
    Ls {
        #[command(flatten)]
        filter: Filter,
    },
    /// Shows all that is set of an origin.
    Get {
        /// Its name.
        name: String,
    },
    /// Shows origins, and each that is added, changed or removed from then on.
    Watch {
        #[command(flatten)]
        filter: Filter,
    },
    /// Adds or replaces the origins of a file with one JSON document on each line.
    Import {
        /// The file; `-` is standard input.
        file: String,
        /// Says only what would become of each.
        #[arg(long)]
        dry_run: bool,
        /// The source of origins that are new and name none; `api` unless set.
        #[arg(long, value_name = "NAME")]
        source: Option<String>,
    },
    /// Makes new traffic go elsewhere: they are checked on.
    Drain {
        /// Their names.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Takes origins out: they are neither checked nor used.
    Maintenance {
        /// Their names.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Has origins checked now, by whichever nodes own them.
    Check {
        /// Their names.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Puts origins back: they are checked and used.
    Enable {
        /// Their names.
        #[arg(required = true)]
        names: Vec<String>,
    },
}

pub(in crate::cli) fn run(args: &Args) -> Exit {
    with(&args.client, async |node| match &args.verb {
        Verb::Add { name, url, replace, fields } => add(node, name, fields.document(url)?, *replace).await,
        Verb::Rm { names } => each(node, names, Method::DELETE, None).await,
        Verb::Ls { filter } => list(node, filter).await,
        Verb::Get { name } => {
            let origin = node.get(&["v1", "origins", name], &[]).await?;
            match node.output {
                Output::Json => say_json(&origin),
                Output::Table => show_one(&origin),
            }
            Ok(Exit::Success)
        }
        Verb::Watch { filter } => watch(node, filter).await,
        Verb::Import { file, dry_run, source } => import(node, file, *dry_run, source.as_deref()).await,
        Verb::Drain { names } => each(node, names, Method::POST, Some("drain")).await,
        Verb::Maintenance { names } => each(node, names, Method::POST, Some("maintenance")).await,
        Verb::Check { names } => each(node, names, Method::POST, Some("check")).await,
        Verb::Enable { names } => each(node, names, Method::POST, Some("enable")).await,
    })
}

async fn add(node: &Connection, name: &str, document: Value, replace: bool) -> Result<Exit, Failure> {
    let mut request = node.request(Method::PUT, &["v1", "origins", name], &[])?;
    if !replace {
        request = request.header("if-none-match", "*");
    }
    let request = request.header("content-type", "application/json").body(document.to_string());
    match node.json(request).await {
        Ok(origin) if node.output == Output::Json => say_json(&origin),
        Ok(_) => say(format_args!("{name}: it is checked from now on; `heck health {name}` tells how it is")),
        Err(Failure::Refused { status: 412, .. }) => {
            let text = format!(
                "there is an origin `{name}` already\n  help: `--replace` puts this one in its place"
            );
            return Err(Failure::Refused { status: 412, text });
        }
        Err(failure) => return Err(failure),
    }
    Ok(Exit::Success)
}

/// Does something to each of these origins; the first that cannot be ends it.
async fn each(
    node: &Connection,
    names: &[String],
    method: Method,
    verb: Option<&str>,
) -> Result<Exit, Failure> {
    for name in names {
        let path: Vec<&str> = ["v1", "origins", name].into_iter().chain(verb).collect();
        node.send(node.request(method.clone(), &path, &[])?).await?;
        if node.output == Output::Table {
            say(format_args!("{name}: {}", verb.unwrap_or("removed")));
        }
    }
    Ok(Exit::Success)
}

/// All rows of a list that comes in pages.
pub(super) async fn all_pages(
    node: &Connection,
    path: &[&str],
    query: &[(&str, &str)],
    key: &str,
) -> Result<Vec<Value>, Failure> {
    let (mut all, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let next = cursor.as_deref().map(|cursor| ("cursor", cursor));
        let query: Vec<(&str, &str)> = query.iter().copied().chain([("limit", "1000")]).chain(next).collect();
        let page = node.get(path, &query).await?;
        all.extend_from_slice(rows(&page, key));
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(all),
        }
    }
}

async fn list(node: &Connection, filter: &Filter) -> Result<Exit, Failure> {
    let origins = all_pages(node, &["v1", "origins"], &filter.query(), "origins").await?;
    match node.output {
        Output::Json => say_json(&Value::Array(origins)),
        Output::Table => {
            let row = |origin: &Value| {
                let usual = |key: &str, usual: &str| match cell(origin, key).as_str() {
                    "-" => usual.to_owned(),
                    set => set.to_owned(),
                };
                let keys = [
                    cell(origin, "name"),
                    cell(origin, "url"),
                    usual("interval", "5s"),
                    usual("admin", "enabled"),
                ];
                keys.into_iter().chain([cell(origin, "source"), cell(origin, "tags")]).collect()
            };
            let rows: Vec<Vec<String>> = origins.iter().map(row).collect();
            table::show(&["NAME", "URL", "INTERVAL", "ADMIN", "SOURCE", "TAGS"], &rows);
        }
    }
    Ok(Exit::Success)
}

fn show_one(origin: &Value) {
    let keys = origin.as_object().into_iter().flatten();
    let rows: Vec<Vec<String>> = keys.map(|(key, _)| vec![key.clone(), cell(origin, key)]).collect();
    table::show(&["KEY", "VALUE"], &rows);
}

async fn watch(node: &Connection, filter: &Filter) -> Result<Exit, Failure> {
    let is_json = node.output == Output::Json;
    let query = filter.query();
    let shown = follow(node, &["v1", "origins"], &query, None, |event| {
        let row: Value = serde_json::from_str(&event.data).unwrap_or_default();
        match event.kind.as_str() {
            "set" | "removed" if is_json => say(serde_json::json!({ "event": event.kind, "origin": row })),
            "set" => say(format_args!(
                "{}  {}",
                table::plain(&cell(&row, "name")),
                table::plain(&cell(&row, "url"))
            )),
            "removed" => say(format_args!("{}  removed", table::plain(&cell(&row, "name")))),
            _ => {}
        }
        Ok(true)
    });
    shown.await?;
    Ok(Exit::Success)
}

async fn import(node: &Connection, file: &str, dry_run: bool, source: Option<&str>) -> Result<Exit, Failure> {
    let body = if file == "-" {
        text_or_stdin(file)?
    } else {
        fs::read(file).map_err(|error| Failure::Usage(format!("{file}: {error}")))?
    };
    let dry = dry_run.then_some(("dry_run", "true"));
    let query: Vec<(&str, &str)> = dry.into_iter().chain(source.map(|source| ("source", source))).collect();
    let request = node.request(Method::POST, &["v1", "origins:import"], &query)?;
    // Ten thousand origins take a while to reach the disk.
    let response = node.open(request.header("content-type", "application/x-ndjson").body(body)).await?;
    let answer = response.text().await.map_err(|error| node.unreachable(&error))?;
    let results: Vec<Value> = answer.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let count = |result: &str| results.iter().filter(|row| row["result"] == result).count();
    let is_behind = |row: &&Value| row["spread"] == false;
    let behind = results.iter().filter(is_behind).count();
    if node.output == Output::Json {
        say(answer.trim_end());
    } else {
        for row in results.iter().filter(|row| row["result"] == "refused" || is_behind(row)) {
            say(format_args!("{file}:{}: {}", row["line"], table::plain(&cell(row, "detail"))));
        }
        let [created, updated, unchanged, refused] =
            ["created", "updated", "unchanged", "refused"].map(count);
        let would = if dry_run { " (dry run: nothing was changed)" } else { "" };
        say(format_args!(
            "{created} created, {updated} updated, {unchanged} unchanged, {refused} refused{would}"
        ));
        if behind > 0 {
            say(format_args!(
                "{behind} are kept, but not yet by as many others as asked for; they go on spreading"
            ));
        }
    }
    Ok(match (count("refused"), behind) {
        (0, 0) => Exit::Success,
        (0, _) => Exit::Unreachable,
        _ => Exit::Usage,
    })
}
