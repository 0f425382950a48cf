//! A webhook: every change of an origin's state is told to one URL, by the node that found it.
//!
//! `watch` finds the changes that this node makes, `transition` says them in JSON, `queue` holds them, bounded, and
//! `sender` tells them one after another, signed (`signature`) and again until they are taken. Headers, signature and
//! the shape of the body follow Standard Webhooks (standardwebhooks.com), for which receivers have libraries.
//!
//! The URL comes from this node's own settings and from nowhere else: nobody who can write to the cluster or ask the API
//! chooses where a node connects to. Redirects are not followed, and addresses that are never a receiver's (link-local,
//! metadata services) are refused as for checks; loopback is not.

mod queue;
mod sender;
mod signature;
mod transition;
mod watch;

pub(crate) use queue::Queue;

use super::{Outlook, OutputError};
use crate::files;
use crate::origin::Target;
use crate::settings::Outputs as Settings;
use signature::Secret;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::warn;

/// Most bytes of the file of the secret.
const SECRET_LIMIT: u64 = 1_024;

/// Whom to tell, and with which secret.
#[derive(Debug)]
pub(super) struct Hook {
    /// The request without what differs from one to the next.
    target: Target,
    secret: Secret,
}

impl Hook {
    /// Reads the settings of a webhook; none where there is none.
    pub(super) fn read(settings: &Settings) -> Result<Option<Self>, OutputError> {
        let Some(url) = &settings.webhook else { return Ok(None) };
        let wrong = |key: &'static str, what: String| OutputError::Setting { key, what };
        let Some(path) = &settings.webhook_secret else {
            let what = "it has to name a file with the secret that signs what is told".to_owned();
            return Err(wrong("webhook_secret", what));
        };
        let text = files::read_small(path, SECRET_LIMIT)
            .and_then(|text| text.ok_or_else(|| std::io::ErrorKind::NotFound.into()))
            .map_err(|error| wrong("webhook_secret", format!("{}: {error}", path.display())))?;
        if files::is_open_to_others(path) {
            warn!(path = %path.display(), "the secret of the webhook can be read by others: chmod 600");
        }
        let secret = Secret::read(&text)
            .map_err(|what| wrong("webhook_secret", format!("{}: {what}", path.display())))?;
        let target = Target {
            url: url.clone(),
            method: Some("POST".to_owned()),
            ca: settings.webhook_ca.clone(),
            ..Target::default()
        };
        let endpoint = target.validate().map_err(|error| wrong("webhook", error.to_string()))?;
        if !endpoint.is_http() {
            return Err(wrong("webhook", "allowed are http://host[:port]/path and https://…".to_owned()));
        }
        Ok(Some(Self { target, secret }))
    }

    /// Whom it tells, for people. A path may be a secret of the receiver's.
    pub(super) fn place(&self) -> String {
        let url = url::Url::parse(&self.target.url).ok();
        url.map_or_else(String::new, |url| url.origin().ascii_serialization())
    }

    /// Begins to watch and to tell.
    pub(super) fn open(self, outlook: &Arc<Outlook>, tasks: &mut JoinSet<()>) {
        tasks.spawn(watch::watch(outlook.clone()));
        tasks.spawn(sender::send_all(self, outlook.clone()));
    }
}

/// Waits until all is told, for so long at most, and says what is not.
pub(super) async fn finish(queue: &Queue, patience: Duration) {
    if timeout(patience, queue.emptied()).await.is_err() {
        let count = queue.waiting();
        warn!(count, "the node ends before the webhook has taken these changes of state: they are not told");
    }
}
