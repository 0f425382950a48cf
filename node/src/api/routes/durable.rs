//! A refusal that rests on an earlier write is said once that write is on disk: whoever repeats a write that got no answer
//! would otherwise take it for done, and a crash could undo it.

use crate::api::App;
use crate::api::problem::Problem;

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
