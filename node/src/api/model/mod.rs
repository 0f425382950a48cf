//! The read model: what clients read, kept beside the node and fed by its events.
//!
//! Lists of ten thousand origins must not hold up the protocol, and a point read must not wait for it. So one task
//! listens to the node's events, notes which names they touch, and reads these again in views of some hundred
//! names. Where events were missed, and where owners may have changed, it reads everything again, page by page.
//! Readers get immutable snapshots. [`Model::catch_up`] lets a client read what it wrote.

mod ages;
mod health;
mod history;
mod pages;
mod table;
mod task;

pub(crate) use ages::{Age, Ages};
pub(crate) use health::{Group, HealthRow, reason, status_code};
pub(crate) use history::{Happened, History, What};
pub(crate) use table::{Change, Row, Table};

use super::etag::Tag;
use crate::handle::NodeHandle;
use crate::origin::{OriginDocument, Target};
use heck_core::entry::{Body, Entry};
use heck_core::id::Name;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// How many messages may wait for a slow reader of the log before it has to look again.
const MESSAGES: usize = 256;

/// An origin as its operator describes it.
#[derive(Clone, Debug)]
pub(crate) struct OriginRow {
    pub entry: Arc<Entry>,
    pub tags: BTreeSet<String>,
}

impl OriginRow {
    /// An origin by its entry.
    fn new(entry: Arc<Entry>) -> Self {
        let tags = match &entry.body {
            // Nearly all origins are but a URL.
            Body::Origin { spec, .. } if spec.target.starts_with('{') => Target::read(&spec.target).ok(),
            _ => None,
        };
        Self { tags: tags.map(|target| target.tags).unwrap_or_default(), entry }
    }

    /// What its operator says, where it comes from, and its tag.
    pub(crate) fn document(&self) -> Option<(OriginDocument, &Name, Tag)> {
        let Body::Origin { name, spec, source } = &self.entry.body else { return None };
        Some((OriginDocument::from_spec(name, spec), source, Tag::of_dot(&self.entry.dot)))
    }
}

/// Something that readers of the message log hear of.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    /// A message has arrived.
    Message(Arc<Entry>),
    /// Messages expired on their way here, or something was missed: look at the log.
    Missed,
}

/// What clients read. Clones are the same model.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub origins: watch::Receiver<Arc<Table<OriginRow>>>,
    pub health: watch::Receiver<Arc<Table<HealthRow>>>,
    pub keys: watch::Receiver<Arc<Table<Arc<Entry>>>>,
    /// What changed of late.
    pub history: History,
    ages: watch::Receiver<Arc<Ages>>,
    messages: broadcast::WeakSender<Heard>,
    barriers: mpsc::Sender<oneshot::Sender<()>>,
    /// A random number that tells this process's versions from those of another.
    pub instance: u64,
}

impl Model {
    /// Starts the model of a node. It ends with the node.
    pub(crate) fn start(node: NodeHandle) -> Self {
        let (barriers, barriers_receiver) = mpsc::channel(64);
        let (messages, _) = broadcast::channel(MESSAGES);
        let weak = messages.downgrade();
        let (origins, origins_receiver) = watch::channel(Arc::default());
        let (health, health_receiver) = watch::channel(Arc::default());
        let (keys, keys_receiver) = watch::channel(Arc::default());
        let (ages, ages_receiver) = watch::channel(Arc::default());
        let tables = task::Tables { origins, health, keys, ages };
        let history = History::default();
        tokio::spawn(task::Task::new(node, tables, history.clone(), messages).run(barriers_receiver));
        Self {
            origins: origins_receiver,
            health: health_receiver,
            keys: keys_receiver,
            history,
            ages: ages_receiver,
            messages: weak,
            barriers,
            instance: RandomState::new().hash_one(0),
        }
    }

    /// Waits until the model shows all that had happened to the node when this was called.
    pub(crate) async fn catch_up(&self) {
        let (shown, wait) = oneshot::channel();
        // When the model has ended, so has the node, and whoever asks it next is told so.
        if self.barriers.send(shown).await.is_ok() {
            let _ = wait.await;
        }
    }

    /// The ages of answers.
    pub(crate) fn ages(&self) -> Arc<Ages> {
        self.ages.borrow().clone()
    }

    /// What is heard of messages from now on.
    pub(crate) fn messages(&self) -> broadcast::Receiver<Heard> {
        // Without a sender the node has stopped: a channel without one says so.
        self.messages.upgrade().map_or_else(|| broadcast::channel(1).1, |sender| sender.subscribe())
    }
}
