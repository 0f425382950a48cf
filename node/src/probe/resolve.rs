//! Names to addresses: behind a deadline, remembered for seconds, and left alone for a while when nothing answers.
//!
//! Every name has one lookup under way at most. An answer is used as it is for a while, then used once more while it is
//! looked up again, so that checks wait only for names that are new. When the resolver fails, what it said before goes
//! on to be used.

use dns_lookup::{AddrInfoHints, LookupErrorKind, SockType};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout, timeout_at};

/// Names that are remembered.
const NAMES_LIMIT: usize = 65_536;
/// Addresses of one name that are remembered.
const ADDRESSES_LIMIT: usize = 16;
/// After so many failures in a row the resolver is left alone for a while.
const FAILURES: u32 = 5;
/// For how long, at first and at most; each failed attempt doubles it.
const REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(30);

/// The settings of a resolver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResolverConfig {
    /// How long an answer is used before it is looked up again. 5 s unless set.
    pub fresh: Duration,
    /// How long it is used while it is looked up again: a check of a name that was not asked for longer waits. 30 s
    /// unless set.
    pub usable: Duration,
    /// How long it is used while the resolver fails. 1 h unless set.
    pub last_resort: Duration,
    /// How long a lookup may take before it counts as failed. 2 s unless set.
    pub deadline: Duration,
    /// Lookups under way at once, those past their deadline included. 32 unless set.
    pub at_once: usize,
}

impl Default for ResolverConfig {
    fn default() -> Self {
        Self {
            fresh: Duration::from_secs(5),
            usable: Duration::from_secs(30),
            last_resort: Duration::from_secs(3_600),
            deadline: Duration::from_secs(2),
            at_once: 32,
        }
    }
}

/// Whether lookups are made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum BreakerState {
    /// Yes.
    Closed,
    /// One at a time, to see whether the resolver answers again.
    HalfOpen,
    /// No: too many failed in a row.
    Open,
}

/// How a resolver does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResolverStatus {
    /// Whether lookups are made.
    pub breaker: BreakerState,
    /// Lookups that failed since the last one that did not.
    pub failures: u32,
    /// Names that are remembered.
    pub names: usize,
    /// Lookups under way.
    pub under_way: usize,
}

/// Why a name has no address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LookupError {
    /// There is no such name, or it has no address.
    NoAddress(String),
    /// The resolver does not answer; whether the name has an address is unknown.
    Unanswered(String),
}

/// A lookup under way.
pub type Lookup = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, LookupError>> + Send>>;
/// Looks names up: the system's way, or a test's.
pub type LookUp = Arc<dyn Fn(&str) -> Lookup + Send + Sync>;

type Found = Result<Arc<[IpAddr]>, LookupError>;

/// Looks names up and remembers them. Clones share what they remember.
#[derive(Clone)]
pub struct Resolver {
    shared: Arc<Shared>,
}

struct Shared {
    config: ResolverConfig,
    look_up: LookUp,
    places: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    names: HashMap<Box<str>, Entry>,
    failures: u32,
    /// When the resolver is next tried, after too many failures.
    retry: Option<Instant>,
    rest: Duration,
}

struct Entry {
    found: Option<(Instant, Found)>,
    /// Where whoever waits for the lookup under way hears of its end.
    pending: Option<watch::Receiver<Option<Found>>>,
    asked: Instant,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl Resolver {
    /// A resolver that asks the system.
    #[must_use]
    pub fn system(config: ResolverConfig) -> Self {
        Self::new(config, Arc::new(|name: &str| Box::pin(system(name.to_owned()))))
    }

    /// A resolver that asks `look_up`.
    #[must_use]
    pub fn new(config: ResolverConfig, look_up: LookUp) -> Self {
        let places = Arc::new(Semaphore::new(config.at_once));
        let state = Mutex::new(State { rest: REST, ..State::default() });
        Self { shared: Arc::new(Shared { config, look_up, places, state }) }
    }

    /// The addresses of a name, in the order in which they are to be tried.
    ///
    /// # Errors
    /// When it has none, or when the resolver does not say by `deadline`.
    pub async fn resolve(&self, name: &str, deadline: Instant) -> Result<Arc<[IpAddr]>, LookupError> {
        let mut pending = match self.shared.at_hand(name) {
            AtHand::Found(found) => return found,
            AtHand::Pending(pending) => pending,
        };
        let answered = timeout_at(deadline, pending.wait_for(Option::is_some)).await;
        match answered {
            Ok(Ok(found)) => found.clone().unwrap_or_else(|| Err(unanswered("the lookup has ended"))),
            Ok(Err(_)) => Err(unanswered("the lookup has ended")),
            Err(_) => Err(unanswered("no answer in time")),
        }
    }

    /// How it does.
    #[must_use]
    pub fn status(&self) -> ResolverStatus {
        let state = self.shared.lock();
        ResolverStatus {
            breaker: match state.retry {
                None => BreakerState::Closed,
                Some(retry) if retry > Instant::now() => BreakerState::Open,
                Some(_) => BreakerState::HalfOpen,
            },
            failures: state.failures,
            names: state.names.len(),
            under_way: self.shared.config.at_once - self.shared.places.available_permits(),
        }
    }
}

enum AtHand {
    Found(Found),
    Pending(watch::Receiver<Option<Found>>),
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, and what it guards is whole at any time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a name; begins to look it up where that is old.
    fn at_hand(self: &Arc<Self>, name: &str) -> AtHand {
        let now = Instant::now();
        let mut state = self.lock();
        state.make_room(now);
        let may_try = state.may_try(now);
        let entry =
            state.names.entry(name.into()).or_insert(Entry { found: None, pending: None, asked: now });
        entry.asked = now;
        let age = entry.found.as_ref().map(|(at, _)| now.saturating_duration_since(*at));
        let is_younger = |limit: Duration| age.is_some_and(|age| age < limit);
        let found = entry.found.as_ref().map(|(_, found)| found.clone());
        if let Some(found) = found.clone().filter(|_| is_younger(self.config.fresh)) {
            return AtHand::Found(found);
        }
        if entry.pending.is_none() && may_try {
            let (sender, receiver) = watch::channel(None);
            entry.pending = Some(receiver);
            tokio::spawn(self.clone().look_up(name.into(), sender));
            // While the breaker is half open, this is the one attempt.
            if let Some(retry) = &mut state.retry {
                *retry = now + self.config.deadline;
            }
        }
        // Only an address is worth using while it is looked up again, and only it is a last resort.
        let known = found.filter(Result::is_ok);
        let pending = state.names.get(name).and_then(|entry| entry.pending.clone());
        match (known, pending) {
            (Some(known), Some(_)) if is_younger(self.config.usable) => AtHand::Found(known),
            (Some(known), None) if is_younger(self.config.last_resort) => AtHand::Found(known),
            (_, Some(pending)) => AtHand::Pending(pending),
            (_, None) => AtHand::Found(Err(unanswered("the resolver fails and is left alone for a while"))),
        }
    }

    /// Looks a name up, whoever waits for it or no longer does.
    async fn look_up(self: Arc<Self>, name: Box<str>, waiting: watch::Sender<Option<Found>>) {
        let answered = timeout(self.config.deadline, async {
            // The place stays taken until the lookup has ended, in time or not.
            let place = self.places.clone().acquire_owned().await;
            let lookup = (self.look_up)(&name);
            let lookup = tokio::spawn(async move {
                let _place = place;
                lookup.await
            });
            lookup.await.unwrap_or_else(|_| Err(unanswered("the lookup has ended")))
        });
        let found = answered.await.unwrap_or_else(|_| Err(unanswered("no answer in time")));
        let found = found.map(|mut addresses| {
            addresses.truncate(ADDRESSES_LIMIT);
            Arc::from(addresses)
        });
        let told = self.learn(&name, found);
        // Whoever asked may have stopped waiting.
        let _ = waiting.send(Some(told));
    }

    /// Keeps what a lookup found, and says what is to be made of it.
    fn learn(&self, name: &str, found: Found) -> Found {
        let now = Instant::now();
        let mut state = self.lock();
        state.count(&found, now);
        let Some(entry) = state.names.get_mut(name) else { return found };
        entry.pending = None;
        let known = entry.found.as_ref().filter(|(at, known)| {
            known.is_ok() && now.saturating_duration_since(*at) < self.config.last_resort
        });
        match (&found, known) {
            // What was known before is better than nothing, and grows no younger by that.
            (Err(LookupError::Unanswered(_)), Some((_, known))) => known.clone(),
            (Err(LookupError::Unanswered(_)), None) => found,
            _ => {
                entry.found = Some((now, found.clone()));
                found
            }
        }
    }
}

impl State {
    fn may_try(&self, now: Instant) -> bool {
        self.retry.is_none_or(|retry| retry <= now)
    }

    fn count(&mut self, found: &Found, now: Instant) {
        if !matches!(found, Err(LookupError::Unanswered(_))) {
            (self.failures, self.retry, self.rest) = (0, None, REST);
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            self.retry = Some(now + self.rest);
            self.rest = (self.rest * 2).min(LONGEST_REST);
        }
    }

    /// Forgets the half that was not asked for longest, when there are too many.
    fn make_room(&mut self, now: Instant) {
        if self.names.len() < NAMES_LIMIT {
            return;
        }
        let mut asked: Vec<Instant> = self.names.values().map(|entry| entry.asked).collect();
        let middle = asked.len() / 2;
        let (_, median, _) = asked.select_nth_unstable(middle);
        let median = (*median).min(now);
        self.names.retain(|_, entry| entry.asked > median);
    }
}

fn unanswered(text: &str) -> LookupError {
    LookupError::Unanswered(text.to_owned())
}

/// Asks the system, on a thread of its own since that blocks.
async fn system(name: String) -> Result<Vec<IpAddr>, LookupError> {
    let lookup = tokio::task::spawn_blocking(move || {
        let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
        let found =
            dns_lookup::getaddrinfo(Some(&name), None, Some(hints)).map_err(|error| match error.kind() {
                LookupErrorKind::NoName | LookupErrorKind::NoData => {
                    LookupError::NoAddress(format!("{name} has no address"))
                }
                kind => LookupError::Unanswered(format!("{name} cannot be looked up: {kind:?}")),
            })?;
        let addresses: Vec<IpAddr> = found.filter_map(Result::ok).map(|info| info.sockaddr.ip()).collect();
        if addresses.is_empty() {
            return Err(LookupError::NoAddress(format!("{name} has no address")));
        }
        Ok(addresses)
    });
    lookup.await.unwrap_or_else(|_| Err(unanswered("the lookup has ended")))
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
