//! Carries out the probes that the protocol asks for, so many at once, and keeps what the last of each origin told.

use super::guard::GuardConfig;
use super::plan::Plan;
use super::prober::{Kept, Prober};
use super::report::{Hindrance, Report};
use super::resolve::{Resolver, ResolverConfig, ResolverStatus};
use super::traced;
use crate::clock::Clock;
use crate::counters::{Count, Counters};
use crate::trace::{Tracer, current};
use heck_core::id::Name;
use heck_core::probe::{Failure, Probe, ProbeOutcome, Reply};
use heck_core::time::{Span, Time};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Origins of which something is kept.
const PLACES_LIMIT: usize = 65_536;
/// How long that is, without a probe: longer than the longest interval.
const PLACES_KEPT: Span = Span::from_secs(90_000);
/// How long a connection may wait for the next probe, and how often those that waited longer are looked for.
const CONNECTIONS_KEPT: Span = Span::from_secs(120);
const SWEEP: Duration = Duration::from_secs(30);

/// How a node probes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProbeConfig {
    /// Where probes may connect to.
    pub guard: GuardConfig,
    /// How names are resolved.
    pub resolver: ResolverConfig,
    /// The folder of the files that headers name as secrets; without it no check has any.
    pub secrets_dir: Option<PathBuf>,
    /// Probes under way at once; more are not started, which tells nothing of their origins. Half of the places are
    /// kept free of origins that did not answer the last time. 1 to 1,000,000; 4,096 unless set.
    pub at_once: usize,
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self {
            guard: GuardConfig::default(),
            resolver: ResolverConfig::default(),
            secrets_dir: None,
            at_once: 4_096,
        }
    }
}

/// What this node last found of an origin.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LastProbe {
    /// The last probe that told something, and when it ended by the node's clock.
    pub report: Option<(Time, Report)>,
    /// The last one that was hindered, since then.
    pub hindered: Option<(Time, Hindrance, Box<str>)>,
}

/// How the probes of a node do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProbeStatus {
    /// Origins of which the last probe is kept.
    pub origins: usize,
    /// Connections that wait for the next probe.
    pub connections: usize,
    /// How the resolver does.
    pub resolver: ResolverStatus,
}

/// What is kept of an origin between two probes.
struct Place {
    target: Arc<str>,
    plan: Arc<Plan>,
    kept: Option<Kept>,
    /// Whether it did not answer the last time.
    is_silent: bool,
    used: Time,
    last: LastProbe,
}

/// What is kept of all origins; the rest of the program reads it while probes go on.
pub(crate) struct Places {
    prober: Prober,
    places: Mutex<HashMap<Name, Place>>,
    counters: Arc<Counters>,
    clock: Clock,
    tracer: Option<Tracer>,
}

/// All probes of a node. Dropping it ends them.
pub(crate) struct Runner {
    shared: Arc<Places>,
    at_once: usize,
    /// Places for origins that did not answer the last time.
    for_silent: Arc<Semaphore>,
    tasks: JoinSet<Option<ProbeOutcome>>,
    sweep: Interval,
}

impl Runner {
    pub(crate) fn new(
        config: &ProbeConfig,
        counters: Arc<Counters>,
        clock: Clock,
        tracer: Option<Tracer>,
    ) -> Self {
        let resolver = Resolver::system(config.resolver.clone());
        let prober = Prober::new(config.guard.clone(), resolver, config.secrets_dir.clone());
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            shared: Arc::new(Places { prober, places: Mutex::default(), counters, clock, tracer }),
            at_once: config.at_once,
            for_silent: Arc::new(Semaphore::new(config.at_once.div_ceil(2))),
            tasks: JoinSet::new(),
            sweep,
        }
    }

    /// What is kept of origins.
    pub(crate) fn places(&self) -> Arc<Places> {
        self.shared.clone()
    }

    /// Starts a probe. One that cannot be started has no outcome: to the protocol it is late.
    pub(crate) fn start(&mut self, probe: &Probe) {
        let is_full = self.tasks.len() >= self.at_once;
        let begun = self.shared.begin(probe, is_full, &self.for_silent);
        if let Some(begun) = begun {
            self.shared.counters.bump(Count::ProbesStarted);
            self.tasks.spawn(carry_out(self.shared.clone(), probe.clone(), begun));
        }
    }

    /// Waits for the next outcome. Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> ProbeOutcome {
        loop {
            tokio::select! {
                Some(ended) = self.tasks.join_next() => {
                    if let Ok(Some(outcome)) = ended {
                        return outcome;
                    }
                }
                _ = self.sweep.tick() => self.shared.sweep(),
            }
        }
    }
}

/// A probe that may start.
struct Begun {
    plan: Arc<Plan>,
    kept: Option<Kept>,
    /// Taken while under way by an origin that did not answer the last time.
    _place: Option<OwnedSemaphorePermit>,
}

async fn carry_out(shared: Arc<Places>, probe: Probe, mut begun: Begun) -> Option<ProbeOutcome> {
    let timeout = Duration::from_micros(probe.timeout.as_us());
    let traced = shared.tracer.as_ref().and_then(|tracer| Some((tracer, tracer.probe()?, tracer.now_us())));
    let carried_out = shared.prober.carry_out(&begun.plan, &mut begun.kept, timeout);
    let ended = match traced {
        Some((tracer, context, _)) if tracer.tells_origins() => {
            // In a box, as few probes are.
            Box::pin(current::telling(context, carried_out)).await
        }
        _ => carried_out.await,
    };
    if let Some((tracer, context, begun_us)) = traced {
        tracer.end(traced::span(context, begun_us, &probe, &begun.plan, &ended));
    }
    shared.end(&probe, begun.kept, ended)
}

impl Places {
    /// Probes a target once, and keeps nothing.
    pub(crate) async fn once(
        &self,
        target: &str,
        timeout: Duration,
    ) -> Result<Report, (Hindrance, Box<str>)> {
        self.prober.probe(target, timeout).await
    }

    /// The resolver that probes ask.
    pub(crate) const fn resolver(&self) -> &Resolver {
        self.prober.resolver()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Place>> {
        // Nothing panics while the lock is held, and what it guards is whole at any time.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, probe: &Probe, is_full: bool, for_silent: &Arc<Semaphore>) -> Option<Begun> {
        let now = self.clock.now();
        let mut places = self.lock();
        make_room(&mut places);
        let place = match places.get_mut(&probe.origin) {
            Some(place) if place.target == probe.target => place,
            old => {
                let plan = match Plan::read(&probe.target) {
                    Ok(plan) => Arc::new(plan),
                    Err(text) => {
                        self.counters.bump(Count::ProbesHinderedBySettings);
                        if let Some(old) = old {
                            old.last.hindered = Some((now, Hindrance::Settings, text.into()));
                        }
                        return None;
                    }
                };
                let target = probe.target.clone();
                let new = Place {
                    target,
                    plan,
                    kept: None,
                    is_silent: false,
                    used: now,
                    last: LastProbe::default(),
                };
                places.entry(probe.origin.clone()).insert_entry(new).into_mut()
            }
        };
        place.used = now;
        let silent = place.is_silent.then(|| for_silent.clone().try_acquire_owned());
        if is_full || matches!(silent, Some(Err(_))) {
            self.counters.bump(Count::ProbesNotStarted);
            place.last.hindered =
                Some((now, Hindrance::Busy, "as many probes are under way as may be".into()));
            return None;
        }
        Some(Begun { plan: place.plan.clone(), kept: place.kept.take(), _place: silent.and_then(Result::ok) })
    }

    fn end(
        &self,
        probe: &Probe,
        kept: Option<Kept>,
        ended: Result<Report, (Hindrance, Box<str>)>,
    ) -> Option<ProbeOutcome> {
        let now = self.clock.now();
        self.counters.bump(count_of(&ended));
        let mut places = self.lock();
        let place = places.get_mut(&probe.origin).filter(|place| place.target == probe.target);
        match ended {
            Ok(report) => {
                let outcome = ProbeOutcome { probe: probe.probe, reply: report.reply, took: report.took };
                if let Some(place) = place {
                    place.kept = kept;
                    place.is_silent = report.reply == Reply::Failed(Failure::Timeout);
                    place.last = LastProbe { report: Some((now, report)), hindered: None };
                }
                Some(outcome)
            }
            Err((hindrance, text)) => {
                if let Some(place) = place {
                    place.last.hindered = Some((now, hindrance, text));
                }
                None
            }
        }
    }

    fn sweep(&self) {
        let now = self.clock.now();
        self.lock().retain(|_, place| {
            if now.since(place.used) > CONNECTIONS_KEPT {
                place.kept = None;
            }
            now.since(place.used) <= PLACES_KEPT
        });
    }

    /// What the last probe of an origin by this node told.
    pub(crate) fn last(&self, origin: &Name) -> Option<LastProbe> {
        self.lock().get(origin).map(|place| place.last.clone())
    }

    /// How the probes do.
    pub(crate) fn status(&self) -> ProbeStatus {
        let places = self.lock();
        ProbeStatus {
            origins: places.len(),
            connections: places.values().filter(|place| place.kept.is_some()).count(),
            resolver: self.prober.resolver().status(),
        }
    }
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// Forgets the half that was not probed for longest, when there are too many.
fn make_room(places: &mut HashMap<Name, Place>) {
    if places.len() < PLACES_LIMIT {
        return;
    }
    let mut used: Vec<Time> = places.values().map(|place| place.used).collect();
    let middle = used.len() / 2;
    let (_, median, _) = used.select_nth_unstable(middle);
    let median = *median;
    places.retain(|_, place| place.used > median);
}

fn count_of(ended: &Result<Report, (Hindrance, Box<str>)>) -> Count {
    match ended {
        Ok(report) => match report.reply {
            Reply::Status(_) | Reply::Connected => Count::ProbesAnswered,
            Reply::Failed(Failure::Forbidden) => Count::ProbesForbidden,
            Reply::Failed(_) => Count::ProbesFailed,
        },
        Err((Hindrance::Busy, _)) => Count::ProbesNotStarted,
        Err((Hindrance::System, _)) => Count::ProbesHinderedBySystem,
        Err((Hindrance::Resolver, _)) => Count::ProbesHinderedByResolver,
        Err((Hindrance::Settings, _)) => Count::ProbesHinderedBySettings,
    }
}

#[cfg(test)]
#[path = "runner_tests.rs"]
mod tests;
