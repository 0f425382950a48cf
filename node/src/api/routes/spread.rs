//! Waiting until a write is on the disks of other nodes too.

use crate::api::App;
use crate::api::problem::Problem;
use heck_core::id::Dot;
use heck_core::input::Command;
use serde::Deserialize;
use utoipa::IntoParams;

/// What a client may ask of any write.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Spread {
    /// Answers once so many other nodes have the write on disk too: 504 when they are fewer after 30 s, and the write
    /// stays and goes on spreading. The answer comes from this node's disk alone unless set.
    wait_peers: Option<u16>,
}

impl Spread {
    /// What a client asks of a write whose query has more to say.
    pub(crate) const fn to(wait_peers: Option<u16>) -> Self {
        Self { wait_peers }
    }

    /// Whether anybody is to be waited for.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.wait_peers.is_some_and(|count| count > 0)
    }

    /// Waits for the write of this dot; one that changed nothing has none.
    pub(crate) async fn wait(&self, app: &App, dot: Option<Dot>) -> Result<(), Problem> {
        if let (Some(dot), Some(count @ 1..)) = (dot, self.wait_peers) {
            app.node.command(Command::AwaitPeers { dot, count }).await?;
        }
        Ok(())
    }
}
