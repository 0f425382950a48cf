//! What nodes are seen to hold, and when: by the event streams of their APIs, and of members, for which there is no
//! stream, by asking again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use heck_core::entry::HealthState;
use heck_core::member::Standing;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::client::{Ask, Client};
use super::process::{Program, api_of};

/// How often members are asked for.
pub const MEMBERS_EVERY: Duration = Duration::from_millis(100);
/// How long to wait before a stream that has ended is opened again.
const AGAIN: Duration = Duration::from_millis(50);

/// Something that a node came to hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// A row of this list, in the version of this tag.
    Set(List, String, String),
    /// A row that is there no more.
    Removed(List, String),
    /// A message of this topic.
    Message(String),
    /// The health of an origin.
    Health(String, HealthState),
    /// What it holds of a member.
    Standing(String, Standing),
}

/// A list of rows that have versions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum List {
    /// The registry of origins.
    Origins,
    /// The keys.
    Keys,
}

/// A node came to hold something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// When it was seen.
    pub at: Instant,
    /// At which node.
    pub node: u32,
    /// What.
    pub what: What,
}

/// Everything that was seen so far, and what nodes hold now.
#[derive(Debug, Default)]
pub struct Book {
    /// What was seen, in the order in which it was.
    pub seen: Vec<Seen>,
    held: BTreeMap<u32, Held>,
}

/// What a node holds now.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Rows of lists with their versions.
    pub rows: BTreeMap<(List, String), String>,
    /// The health of origins.
    pub health: BTreeMap<String, HealthState>,
    /// What it holds of members.
    pub members: BTreeMap<String, Standing>,
}

impl Book {
    fn see(&mut self, node: u32, what: What) {
        let held = self.held.entry(node).or_default();
        match &what {
            What::Set(list, name, tag) => _ = held.rows.insert((*list, name.clone()), tag.clone()),
            What::Removed(list, name) => _ = held.rows.remove(&(*list, name.clone())),
            What::Message(_) => {}
            What::Health(origin, state) => _ = held.health.insert(origin.clone(), *state),
            What::Standing(member, standing) => _ = held.members.insert(member.clone(), *standing),
        }
        self.seen.push(Seen { at: Instant::now(), node, what });
    }

    /// What a node holds now.
    #[must_use]
    pub fn held(&self, node: u32) -> Held {
        self.held.get(&node).cloned().unwrap_or_default()
    }
}

/// The book, as it is shared.
#[derive(Clone, Debug, Default)]
pub struct Observer {
    book: Arc<Mutex<Book>>,
}

/// What is being watched of one node; ends when this is dropped.
#[derive(Debug)]
pub struct Watching(Vec<JoinHandle<()>>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl Observer {
    /// The book.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches a node from now on, through restarts.
    #[must_use]
    pub fn watch(&self, node: u32, program: &Arc<Program>) -> Watching {
        let follow = |path: &'static str, list| {
            let (observer, program) = (self.clone(), program.clone());
            tokio::spawn(async move {
                let mut names = BTreeSet::new();
                loop {
                    if let Some(token) = program.token(node) {
                        let client = Client { addr: api_of(node), token };
                        let mut rows =
                            Rows { observer: &observer, node, list, names: &mut names, fresh: None };
                        // It ends with each life of the node, and begins again with the next.
                        let _ = client.follow(path, |event, data| rows.on(event, data)).await;
                    }
                    sleep(AGAIN).await;
                }
            })
        };
        Watching(vec![
            follow("/v1/origins", Some(List::Origins)),
            follow("/v1/kv", Some(List::Keys)),
            follow("/v1/health", None),
            follow("/v1/messages?from=start", None),
            tokio::spawn(members(self.clone(), node, program.clone())),
        ])
    }
}

/// One stream of rows of a node.
struct Rows<'a> {
    observer: &'a Observer,
    node: u32,
    list: Option<List>,
    /// The rows that the node had when it was last heard of.
    names: &'a mut BTreeSet<String>,
    /// Those that a stream which has just begun has named so far.
    fresh: Option<BTreeSet<String>>,
}

impl Rows<'_> {
    fn on(&mut self, event: &str, data: &str) {
        let row: Value = serde_json::from_str(data).unwrap_or_default();
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        match (event, self.list) {
            ("reset", _) => self.fresh = Some(BTreeSet::new()),
            ("ready", Some(list)) => {
                // What was there before the stream broke off and is there no more went meanwhile.
                let Some(fresh) = self.fresh.take() else { return };
                for gone in self.names.difference(&fresh) {
                    self.see(What::Removed(list, gone.clone()));
                }
                *self.names = fresh;
            }
            ("set", Some(list)) => {
                self.fresh.as_mut().unwrap_or(self.names).insert(text("name"));
                self.see(What::Set(list, text("name"), text("etag")));
            }
            ("removed", Some(list)) => {
                self.names.remove(&text("name"));
                self.see(What::Removed(list, text("name")));
            }
            ("set", None) => {
                if let Some(state) = state_of(&text("state")) {
                    self.see(What::Health(text("name"), state));
                }
            }
            ("message", None) => self.see(What::Message(text("topic"))),
            _ => {}
        }
    }

    fn see(&self, what: What) {
        self.observer.book().see(self.node, what);
    }
}

fn state_of(word: &str) -> Option<HealthState> {
    match word {
        "healthy" => Some(HealthState::Healthy),
        "unhealthy" => Some(HealthState::Unhealthy),
        "degraded" => Some(HealthState::Degraded),
        _ => None,
    }
}

fn standing_of(word: &str) -> Option<Standing> {
    match word {
        "alive" => Some(Standing::Alive),
        "suspect" => Some(Standing::Suspect),
        "dead" => Some(Standing::Dead),
        "left" => Some(Standing::Left),
        _ => None,
    }
}

/// Asks a node for its members again and again, and notes what has changed.
async fn members(observer: Observer, node: u32, program: Arc<Program>) {
    let (mut kept, mut tag) = (None, None::<String>);
    let mut clock = interval(MEMBERS_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let Some(token) = program.token(node) else { continue };
        let client = Client { addr: api_of(node), token };
        let answer = client.ask_over(&mut kept, &Ask::get("/v1/members"), tag.as_deref()).await;
        let Ok(answer) = answer else {
            kept = None;
            continue;
        };
        if !answer.status.is_success() {
            continue;
        }
        tag = answer.etag;
        let list: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let mut book = observer.book();
        let before = book.held(node).members;
        for row in list["members"].as_array().into_iter().flatten() {
            let (name, standing) = (row["name"].as_str(), row["standing"].as_str().and_then(standing_of));
            let Some((name, standing)) = name.zip(standing) else { continue };
            if before.get(name) != Some(&standing) {
                book.see(node, What::Standing(name.to_owned(), standing));
            }
        }
    }
}
