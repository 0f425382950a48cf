//! `heck health`: is it healthy, who says so, and how old is that answer? And `heck owner`: who is to say.

use super::connection::{Connection, Failure};
use super::follow::follow;
use super::origin::Filter;
use super::{ClientArgs, Output, cell, rows, say_json, table, with};
use crate::cli::{Exit, say};
use serde_json::Value;

/// Shows the health of all origins or of one; exits with 1 when one that is shown is `unhealthy` or `unknown`.
///
/// `degraded` and `draining` origins answer, and count as healthy here; those in maintenance are left out. STALE says that
/// the answer is older than it should be, which is no fault of the origin and does not change the exit code. With `--watch`
/// it is 0.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Args {
    /// The origin; all unless given.
    name: Option<String>,
    /// Goes on to show each change.
    #[arg(long, conflicts_with = "name")]
    watch: bool,
    /// What this zone says of the origin, where each zone has an owner; that of the node unless given.
    #[arg(long, value_name = "ZONE", requires = "name")]
    zone: Option<String>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    client: ClientArgs,
}

pub(in crate::cli) fn run(args: &Args) -> Exit {
    with(&args.client, async |node| match &args.name {
        Some(name) => one(node, name, args.zone.as_deref()).await,
        None if args.watch => watch(node, &args.filter).await,
        None => all(node, &args.filter).await,
    })
}

fn exit<'a>(rows: impl IntoIterator<Item = &'a Value>) -> Exit {
    let is_bad = |row: &Value| matches!(row["state"].as_str(), Some("unhealthy" | "unknown") | None);
    // What is out of use on purpose is no reason for alarm.
    let mut counted = rows.into_iter().filter(|row| row["admin"] != "maintenance");
    if counted.any(is_bad) { Exit::Unhealthy } else { Exit::Success }
}

async fn one(node: &Connection, name: &str, zone: Option<&str>) -> Result<Exit, Failure> {
    let query = zone.map(|zone| ("zone", zone));
    let health = node.get(&["v1", "health", name], query.as_slice()).await?;
    match node.output {
        Output::Json => say_json(&health),
        Output::Table => {
            table::show(&["KEY", "VALUE"], &told(&health));
        }
    }
    Ok(exit([&health]))
}

/// What is known of an origin, what matters most first; what has parts, a line for each of them.
fn told(health: &Value) -> Vec<Vec<String>> {
    const FIRST: [&str; 6] = ["name", "state", "stale", "age_ms", "owner", "since"];
    let all = health.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    let keys = FIRST.into_iter().chain(all.filter(|key| !FIRST.contains(key)));
    let known = keys.filter(|key| !health[*key].is_null());
    let lines = known.flat_map(|key| match &health[key] {
        Value::Object(parts) => {
            let parts = parts.keys().map(|part| vec![format!("{key}.{part}"), cell(&health[key], part)]);
            parts.collect()
        }
        _ => vec![vec![key.to_owned(), cell(health, key)]],
    });
    lines.collect()
}

fn row(health: &Value) -> Vec<String> {
    let age = table::age(health["age_ms"].as_u64());
    let stale = if health["stale"] == true { "stale" } else { "" };
    vec![
        cell(health, "name"),
        cell(health, "state"),
        age,
        stale.to_owned(),
        cell(health, "owner"),
        cell(health, "since"),
    ]
}

async fn all(node: &Connection, filter: &Filter) -> Result<Exit, Failure> {
    let answer = node.get(&["v1", "health"], &filter.query()).await?;
    let health = rows(&answer, "health");
    match node.output {
        Output::Json => say_json(&answer["health"]),
        Output::Table => {
            let rows: Vec<Vec<String>> = health.iter().map(row).collect();
            table::show(&["NAME", "STATE", "AGE", "STALE", "OWNER", "SINCE"], &rows);
        }
    }
    Ok(exit(health))
}

async fn watch(node: &Connection, filter: &Filter) -> Result<Exit, Failure> {
    let is_json = node.output == Output::Json;
    let query = filter.query();
    let shown = follow(node, &["v1", "health"], &query, None, |event| {
        let health: Value = serde_json::from_str(&event.data).unwrap_or_default();
        match event.kind.as_str() {
            "set" | "removed" if is_json => say(serde_json::json!({ "event": event.kind, "health": health })),
            "set" => say(row(&health).iter().map(|cell| table::plain(cell)).collect::<Vec<_>>().join("  ")),
            "removed" => say(format_args!("{}  removed", table::plain(&cell(&health, "name")))),
            _ => {}
        }
        Ok(true)
    });
    shown.await?;
    Ok(Exit::Success)
}

/// Shows who checks an origin, and who takes over when it goes.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct OwnerArgs {
    /// The origin.
    name: String,
    /// Who checks it for this zone, where each zone has an owner; that of the node unless given.
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
}

pub(in crate::cli) fn owner(args: &OwnerArgs) -> Exit {
    with(&args.client, async |node| {
        let query = args.zone.as_deref().map(|zone| ("zone", zone));
        let owner = node.get(&["v1", "owner", &args.name], query.as_slice()).await?;
        match node.output {
            Output::Json => say_json(&owner),
            Output::Table => {
                let rank = |at: usize| if at == 0 { "owner".to_owned() } else { format!("{}.", at + 1) };
                let order = rows(&owner, "priority").iter().enumerate();
                let rows: Vec<Vec<String>> = order
                    .map(|(at, name)| vec![rank(at), name.as_str().unwrap_or_default().to_owned()])
                    .collect();
                table::show(&["RANK", "NODE"], &rows);
            }
        }
        Ok(Exit::Success)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_matters_most_comes_first_and_parts_have_a_line_each() {
        let health = json!({
            "admin": "active", "age_ms": 12, "confirmation": { "agreed": 1, "asked": 2 }, "name": "web",
            "owner": "n1", "reason": null, "stale": false, "state": "unhealthy"
        });
        let lines: Vec<String> = told(&health).iter().map(|line| line.join(" ")).collect();
        let shown = ["name web", "state unhealthy", "stale false", "age_ms 12", "owner n1", "admin active"];
        assert_eq!(lines[..6], shown);
        assert_eq!(lines[6..], ["confirmation.agreed 1", "confirmation.asked 2"]);
    }
}
