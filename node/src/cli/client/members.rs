//! `heck members`: who is in the cluster, as one node sees it.

use super::{ClientArgs, Output, cell, rows, say_json, table, with};
use crate::cli::Exit;
use serde_json::Value;

/// Shows the members of the cluster, as the node that is asked knows them.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    client: ClientArgs,
}

pub(in crate::cli) fn run(args: &Args) -> Exit {
    with(&args.client, async |node| {
        let answer = node.get(&["v1", "members"], &[]).await?;
        match node.output {
            Output::Json => say_json(&answer),
            Output::Table => {
                let row = |member: &Value| {
                    let note = match (member["standing"].as_str(), &member["counted"], &member["agrees"]) {
                        (Some("alive" | "suspect"), Value::Bool(false), _) => "in quarantine",
                        (Some("alive" | "suspect"), _, Value::Bool(false)) => "other settings of ownership",
                        _ => "",
                    };
                    let cells =
                        ["name", "address", "standing", "weight", "zone"].map(|key| cell(member, key));
                    cells.into_iter().chain([note.to_owned()]).collect()
                };
                let rows: Vec<Vec<String>> = rows(&answer, "members").iter().map(row).collect();
                table::show(&["NAME", "ADDRESS", "STANDING", "WEIGHT", "ZONE", "NOTE"], &rows);
            }
        }
        Ok(Exit::Success)
    })
}
