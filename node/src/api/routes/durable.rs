//! What is said of writes as long as the disk has not said anything.
//!
//! A refusal that rests on an earlier write is said once that write is on disk: whoever repeats a write that got no answer
//! would otherwise take it for done, and a crash could undo it. And no write is begun that would wait for a disk which has not
//! answered for long.

use crate::api::App;
use crate::api::problem::{Kind, Problem};
use std::time::Duration;

/// Refuses a write while the disk does not answer; nothing was changed then.
pub(crate) fn expect_disk(app: &App) -> Result<(), Problem> {
    let Some(busy) = app.node.disk().stalled() else { return Ok(()) };
    let secs = busy.as_secs();
    Err(Problem::new(
        Kind::DiskStalled,
        format!("the disk has not answered for {secs} s; nothing was changed"),
    )
    .next("Write to another node; reads are served on. The log says when the disk answers again.")
    .retry_after(Duration::from_secs(5)))
}

/// The problem, once everything that led to it is on this node's disk; another one when the node stops first.
pub(crate) async fn once_durable(app: &App, problem: Problem) -> Problem {
    app.node.synced().await.map_or_else(Problem::from, |()| problem)
}

/// What was done, or why it was not, as [`once_durable`] has it.
pub(crate) async fn or_once_durable<T>(app: &App, decided: Result<T, Problem>) -> Result<T, Problem> {
    match decided {
        Ok(done) => Ok(done),
        Err(problem) => Err(once_durable(app, problem).await),
    }
}
