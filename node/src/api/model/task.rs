//! The task that keeps the read model: it alone writes the tables.

use super::ages::Ages;
use super::health::HealthRow;
use super::history::{History, Standings, What};
use super::table::Table;
use super::{Heard, OriginRow, pages};
use crate::error::NodeError;
use crate::handle::{Events, Missed, NodeHandle};
use heck_core::effects::Event;
use heck_core::entry::{Body, Entry};
use heck_core::id::{Name, SHARDS};
use heck_core::state::Change;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

/// How long changes gather before they are read: what a burst touches is read once.
const GATHER: Duration = Duration::from_millis(10);
/// Time between two samples of ages: an age is that of so long ago at most, and has gone on since.
const TICK: Duration = Duration::from_secs(1);
/// Least time between two readings of everything, unless somebody waits for one.
const SPACING: Duration = Duration::from_secs(1);
/// Everything is read at least so often: a quarantine that ends moves owners without an event.
const SWEEP: Duration = Duration::from_secs(15);

/// The tables that the task writes.
pub(super) struct Tables {
    pub origins: watch::Sender<Arc<Table<OriginRow>>>,
    pub health: watch::Sender<Arc<Table<HealthRow>>>,
    pub keys: watch::Sender<Arc<Table<Arc<Entry>>>>,
    pub ages: watch::Sender<Arc<Ages>>,
}

pub(super) struct Task {
    node: NodeHandle,
    events: Events,
    tables: Tables,
    history: History,
    standings: Standings,
    /// Whether everything was read once: what was there before is no change.
    is_filled: bool,
    messages: broadcast::Sender<Heard>,
    origins: BTreeSet<Name>,
    keys: BTreeSet<Name>,
    /// Entries of traced changes that readers will see once what was touched is read.
    traced: Vec<Arc<Entry>>,
    /// When to read what was touched.
    read_at: Option<Instant>,
    /// When to read everything.
    sweep_at: Instant,
    swept: Instant,
    tick_at: Instant,
}

enum Happening {
    Event(Result<Option<Event>, Missed>),
    Barrier(Option<oneshot::Sender<()>>),
    Read,
    Sweep,
    Tick,
}

/// Applies `change` to the table that readers see next, and wakes them when it says that something changed.
fn modify<T: Clone>(table: &watch::Sender<Arc<Table<T>>>, change: impl FnOnce(&mut Table<T>) -> bool) {
    table.send_if_modified(|held| change(Arc::make_mut(held)));
}

impl Task {
    pub(super) fn new(
        node: NodeHandle,
        tables: Tables,
        history: History,
        messages: broadcast::Sender<Heard>,
    ) -> Self {
        let (events, now) = (node.subscribe(), Instant::now());
        Self {
            node,
            events,
            tables,
            history,
            standings: Standings::default(),
            is_filled: false,
            messages,
            origins: BTreeSet::new(),
            keys: BTreeSet::new(),
            traced: Vec::new(),
            read_at: None,
            sweep_at: now,
            swept: now,
            tick_at: now + TICK,
        }
    }

    /// Keeps the tables until the node stops, or nobody reads them any more.
    pub(super) async fn run(mut self, mut barriers: mpsc::Receiver<oneshot::Sender<()>>) {
        // What the node held before it was listened to comes first, so that no barrier is passed without it.
        if self.sweep().await.is_err() {
            return;
        }
        loop {
            let read_at = self.read_at.unwrap_or(self.sweep_at);
            let happening = tokio::select! {
                biased;
                barrier = barriers.recv() => Happening::Barrier(barrier),
                () = sleep_until(self.tick_at) => Happening::Tick,
                () = sleep_until(self.sweep_at) => Happening::Sweep,
                () = sleep_until(read_at) => Happening::Read,
                event = self.events.next() => Happening::Event(event),
            };
            let done = match happening {
                Happening::Event(Ok(None)) | Happening::Barrier(None) => return,
                Happening::Event(event) => {
                    self.hear(event);
                    Ok(())
                }
                Happening::Barrier(Some(shown)) => self.catch_up(shown).await,
                Happening::Sweep => self.sweep().await,
                Happening::Read => self.read().await,
                Happening::Tick => self.tick().await,
            };
            if done.is_err() {
                return;
            }
        }
    }

    fn hear(&mut self, event: Result<Option<Event>, Missed>) {
        match event {
            Ok(Some(Event::Changed(change))) => self.changed(change),
            Ok(Some(
                Event::Member { .. }
                | Event::NewBoot(_)
                | Event::Renamed(_)
                | Event::Phase(_)
                | Event::Disagrees { .. },
            )) => self.sweep_soon(),
            Err(Missed(_)) => {
                let _ = self.messages.send(Heard::Missed);
                self.sweep_soon();
            }
            Ok(
                Some(Event::Done { .. } | Event::Failed { .. } | Event::Refuted(_) | Event::Rejected(_))
                | None,
            ) => {}
        }
    }

    fn sweep_soon(&mut self) {
        self.sweep_at = self.sweep_at.min((self.swept + SPACING).max(Instant::now() + GATHER));
    }

    fn changed(&mut self, change: Change) {
        match change {
            Change::Gap { .. } => {
                // Nobody listening is no error.
                let _ = self.messages.send(Heard::Missed);
            }
            Change::Learned(entry) if matches!(entry.body, Body::Message { .. }) => {
                let _ = self.messages.send(Heard::Message(entry.clone()));
                if let Some(tracer) = self.node.tracer() {
                    tracer.delivered(&entry);
                }
            }
            Change::Learned(entry) | Change::Dropped(entry) => {
                let touched = match &entry.body {
                    Body::Origin { name, .. } | Body::OriginRemoved { name } => {
                        self.origins.insert(name.clone())
                    }
                    Body::Claim(claim) => self.origins.insert(claim.origin.clone()),
                    Body::Key { name, .. } | Body::KeyDeleted { name } => self.keys.insert(name.clone()),
                    Body::Message { .. } | Body::Fence(_) => false,
                };
                if self.node.tracer().is_some() && !entry.note().is_empty() {
                    self.traced.push(entry);
                }
                if touched && self.read_at.is_none() {
                    self.read_at = Some(Instant::now() + GATHER);
                }
            }
        }
    }

    /// Shows all that the node had said when this was asked for.
    async fn catch_up(&mut self, shown: oneshot::Sender<()>) -> Result<(), NodeError> {
        let mut missed = false;
        while let Some(event) = self.events.try_next() {
            if event == Ok(None) {
                return Err(NodeError::Gone);
            }
            missed |= event.is_err();
            self.hear(event);
        }
        if missed {
            self.sweep().await?;
        }
        self.read().await?;
        // Whoever asked may have stopped waiting.
        let _ = shown.send(());
        Ok(())
    }

    /// Reads what was touched.
    async fn read(&mut self) -> Result<(), NodeError> {
        self.read_at = None;
        let (origins, keys) = (std::mem::take(&mut self.origins), std::mem::take(&mut self.keys));
        let traced = std::mem::take(&mut self.traced);
        self.read_origins(origins.into_iter().collect()).await?;
        self.read_keys(keys.into_iter().collect()).await?;
        if let Some(tracer) = self.node.tracer() {
            traced.iter().for_each(|entry| tracer.delivered(entry));
        }
        Ok(())
    }

    async fn read_origins(&mut self, names: Vec<Name>) -> Result<(), NodeError> {
        let ages = self.tables.ages.borrow().clone();
        let mut witnesses = BTreeMap::new();
        for page in names.chunks(pages::PAGE) {
            let page = page.to_vec();
            let (read, now) =
                self.node.view(move |view, now| (pages::origins(view, now, &page), now)).await?;
            let (mut rows, mut happened) = (Vec::with_capacity(read.len()), Vec::new());
            modify(&self.tables.origins, |table| {
                let mut changed = false;
                for (name, found) in read {
                    let before = table.get(&name).map(|row| &row.value);
                    let what = What::of_origin(before, found.as_ref().map(|(entry, _)| &**entry));
                    happened.extend(what.map(|what| (name.clone(), what)));
                    changed |= match &found {
                        Some((entry, _)) => set_origin(table, &name, entry),
                        None => table.remove(&name),
                    };
                    rows.push((name, found.map(|(_, health)| health)));
                }
                changed
            });
            modify(&self.tables.health, |table| {
                let mut changed = false;
                for (name, found) in rows {
                    changed |= match found {
                        Some(health) => {
                            let what = What::of_health(table.get(&name).map(|row| &row.value), &health);
                            happened.extend(what.map(|what| (name.clone(), what)));
                            let unsampled =
                                health.group.as_ref().filter(|group| ages.is_stale(group).is_none());
                            witnesses.extend(unsampled.map(|group| (group.clone(), name.clone())));
                            let print = health.print();
                            table.set(name, health, print)
                        }
                        None => table.remove(&name),
                    };
                }
                changed
            });
            if self.is_filled {
                self.history.note(now, happened);
            }
        }
        // Otherwise the next change would copy them all.
        drop(ages);
        // A writer not heard of before has no age yet.
        self.sample(witnesses.into_iter().collect()).await
    }

    async fn read_keys(&mut self, names: Vec<Name>) -> Result<(), NodeError> {
        for page in names.chunks(pages::PAGE) {
            let page = page.to_vec();
            let read = self.node.view(move |view, _| pages::keys(view, &page)).await?;
            modify(&self.tables.keys, |table| {
                read.into_iter().fold(false, |changed, (name, found)| {
                    changed
                        | match found {
                            Some(entry) => {
                                let print = print(&entry);
                                table.set(name, entry, print)
                            }
                            None => table.remove(&name),
                        }
                })
            });
        }
        Ok(())
    }

    /// Reads everything.
    async fn sweep(&mut self) -> Result<(), NodeError> {
        self.swept = Instant::now();
        self.sweep_at = self.swept + SWEEP;
        let (mut origins, mut keys, mut shard) = (BTreeSet::new(), BTreeSet::new(), 0);
        while shard < SHARDS {
            let found = self.node.view(move |view, _| pages::names(view, shard)).await?;
            origins.extend(found.0);
            keys.extend(found.1);
            shard = found.2;
        }
        // What is in a table and was not found is gone, or came back meanwhile: reading it tells.
        origins.extend(self.tables.origins.borrow().after(None).map(|(name, _)| name.clone()));
        keys.extend(self.tables.keys.borrow().after(None).map(|(name, _)| name.clone()));
        self.read_origins(origins.into_iter().collect()).await?;
        self.read_keys(keys.into_iter().collect()).await?;
        self.read_members().await?;
        self.is_filled = true;
        Ok(())
    }

    async fn read_members(&mut self) -> Result<(), NodeError> {
        let (read, now) = self.node.view(|view, now| (Standings::read(view), now)).await?;
        self.history.note(now, self.standings.take(read));
        Ok(())
    }

    /// Samples ages, and finds out what has become stale.
    async fn tick(&mut self) -> Result<(), NodeError> {
        self.tick_at = Instant::now() + TICK;
        let witnesses = Ages::witnesses(&self.tables.health.borrow());
        self.tables.ages.send_modify(|ages| Arc::make_mut(ages).keep(&witnesses));
        self.sample(witnesses).await?;
        let ages = self.tables.ages.borrow().clone();
        modify(&self.tables.health, |table| {
            let is_wrong = |row: &HealthRow| row.is_stale != is_stale(&ages, row);
            let wrong = table.after(None).filter(|(_, row)| is_wrong(&row.value));
            let wrong: Vec<_> = wrong.map(|(name, row)| (name.clone(), row.value.clone())).collect();
            let changed = !wrong.is_empty();
            for (name, mut row) in wrong {
                row.is_stale = is_stale(&ages, &row);
                let print = row.print();
                table.set(name, row, print);
            }
            changed
        });
        Ok(())
    }

    async fn sample(&mut self, witnesses: Vec<super::ages::Witness>) -> Result<(), NodeError> {
        for page in witnesses.chunks(pages::PAGE) {
            let page = page.to_vec();
            let (read, taken) =
                self.node.view(move |view, now| (Ages::read(view, now, &page), Instant::now())).await?;
            self.tables.ages.send_modify(|ages| Arc::make_mut(ages).put(taken, read));
        }
        Ok(())
    }
}

/// Where nobody vouches, and where no heartbeat has come, an answer is stale.
fn is_stale(ages: &Ages, row: &HealthRow) -> bool {
    row.group.as_ref().is_none_or(|group| ages.is_stale(group).unwrap_or(true))
}

/// Sets an origin, unless its entry is the one that is there.
fn set_origin(table: &mut Table<OriginRow>, name: &Name, entry: &Arc<Entry>) -> bool {
    let print = print(entry);
    let is_held = table.get(name).is_some_and(|row| row.print == print);
    !is_held && table.set(name.clone(), OriginRow::new(entry.clone()), print)
}

/// The fingerprint of an entry: one dot never stands for two contents.
fn print(entry: &Entry) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    entry.dot.hash(&mut hasher);
    hasher.finish()
}
