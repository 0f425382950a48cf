//! `heck join` and `heck leave`.

use super::{ClientArgs, with};
use crate::cli::{Exit, say};
use reqwest::Method;

/// Makes a running node join a cluster; two clusters become one.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct JoinArgs {
    /// Gossip addresses of members, `host:port`. Both clusters need a key in common.
    #[arg(required = true)]
    peers: Vec<String>,
    #[command(flatten)]
    client: ClientArgs,
}

pub(in crate::cli) fn join(args: &JoinArgs) -> Exit {
    with(&args.client, async |node| {
        let body = serde_json::json!({ "peers": args.peers }).to_string();
        let request = node.request(Method::POST, &["v1", "join"], &[])?;
        node.send(request.header("content-type", "application/json").body(body)).await?;
        say("joining; `heck members` shows who is there");
        Ok(Exit::Success)
    })
}

/// Makes a running node hand over what it checks, leave its cluster, and end.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct LeaveArgs {
    #[command(flatten)]
    client: ClientArgs,
}

pub(in crate::cli) fn leave(args: &LeaveArgs) -> Exit {
    with(&args.client, async |node| {
        node.send(node.request(Method::POST, &["v1", "leave"], &[])?).await?;
        say("the node has said goodbye, and ends");
        Ok(Exit::Success)
    })
}
