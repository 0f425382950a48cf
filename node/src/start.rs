//! Bringing a node to life: what was stored, a new life's name, the state machine, its task.

use crate::addr::to_core;
use crate::clock::{Clock, tell_jumps};
use crate::config::{NodeConfig, Start};
use crate::counters::Counters;
use crate::driver::{Driver, Parts};
use crate::error::StartError;
use crate::handle::{NodeHandle, Observed, Wishes};
use crate::journal::{JournalError, JournalFile, Recovery, Store};
use crate::probe::Runner;
use crate::recording::{Recorder, RecordingFile};
use crate::sockets::Sockets;
use crate::tcp::Streams;
use crate::trace::{Steps, Tracer};
use crate::udp::Udp;
use heck_core::effects::{Phase, Record};
use heck_core::id::{Addr, Boot};
use heck_core::input::Command;
use heck_core::journal::Snapshot;
use heck_core::member::{Member, Members};
use heck_core::node::{Base, Identity, Node};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc, watch};

/// Starts a node on `sockets`, in a life that it never had before. It runs in the current tokio runtime, until
/// it is stopped or the last handle to it is gone.
///
/// The journal is read here, on the calling task: for a long one that takes a moment.
///
/// # Errors
/// When a setting is outside its range, when the data folder is in use or cannot be used, and when the sockets
/// cannot be.
pub async fn start(sockets: Sockets, config: NodeConfig) -> Result<NodeHandle, StartError> {
    start_on(Clock::start(), sockets, config).await
}

/// The same by this clock.
async fn start_on(clock: Clock, sockets: Sockets, config: NodeConfig) -> Result<NodeHandle, StartError> {
    config.validate()?;
    let advertised = to_core(advertised(sockets.addr(), &config)?);
    let (mut journal, mut snapshot, recovery) = JournalFile::open(&config.data_dir)?;
    let recording = match &config.recorded {
        Some(recorded) => Some(RecordingFile::create(&recorded.file)?),
        None => None,
    };
    let boot = next_boot(&snapshot, clock);
    journal
        .append_record(&Record::Boot(boot))
        .map_err(|source| JournalError::Io { path: config.data_dir.clone(), source })?;
    snapshot.records.push(Record::Boot(boot));

    let life = Life { clock, boot, advertised };
    let stored = Stored { journal, snapshot, recovery, recording };
    let counters = Arc::new(Counters::default());
    let name = config.name.as_str();
    let tracer = config.traces.clone().map(|traces| Tracer::start(traces, name, clock, counters.clone()));
    let tracer = tracer.transpose().map_err(StartError::Traces)?;
    let told = Told { counters, tracer };
    let handle = run(sockets, &config, life, stored, told).map_err(StartError::Sockets)?;
    join(&handle, &config.start).await;
    Ok(handle)
}

/// What a node begins a life with.
#[derive(Clone, Copy)]
struct Life {
    clock: Clock,
    boot: Boot,
    advertised: Addr,
}

/// What a node finds on disk, and what it writes to.
struct Stored {
    journal: JournalFile,
    snapshot: Snapshot,
    recovery: Recovery,
    recording: Option<RecordingFile>,
}

/// Whom a node tells what it does.
#[derive(Default)]
struct Told {
    counters: Arc<Counters>,
    tracer: Option<Tracer>,
}

/// Puts the node together and sets its task going.
fn run(
    sockets: Sockets,
    config: &NodeConfig,
    life: Life,
    stored: Stored,
    told: Told,
) -> io::Result<NodeHandle> {
    let Stored { journal, snapshot, recovery, recording } = stored;
    let Told { counters, tracer } = told;
    let bound = sockets.addr();
    let udp = Udp::new(sockets.udp, &config.sealing, &config.loss, counters.clone())?;
    let streams =
        Streams::new(sockets.tcp, life.advertised, config.sealing.clone(), &config.limits, counters.clone())?;
    let (request_sender, requests) = mpsc::channel(config.limits.requests);
    let (look_sender, looks) = mpsc::channel(config.limits.requests);
    let wishes = Wishes { requests: request_sender, looks: look_sender };
    let (events, _) = broadcast::channel(config.limits.events);
    let (ended_sender, ended) = watch::channel(None);
    let probes = Runner::new(&config.probes, counters.clone(), life.clock, tracer.clone());
    let store = Store::new(journal, config.limits.compact_above_bytes, counters.clone());
    let observed = Observed {
        counters: counters.clone(),
        probes: probes.places(),
        disk: store.watch(),
        is_mute: Arc::default(),
        tracer: tracer.clone(),
    };
    let node = new_node(config, life, snapshot);
    let recorder = match recording.zip(config.recorded.as_ref()) {
        Some((file, recorded)) => {
            Some(Recorder::start(file, recorded, counters.clone(), &node, life.clock.now())?)
        }
        None => None,
    };
    let driver = Driver::new(Parts {
        node,
        clock: life.clock,
        udp,
        streams,
        store,
        probes,
        recorder,
        steps: tracer.map(|tracer| Steps::new(tracer, life.advertised)),
        requests,
        looks,
        events: events.clone(),
        counters,
        is_mute: observed.is_mute.clone(),
        journal_backlog_bytes: config.limits.journal_backlog_bytes,
    });
    let jumps = tokio::spawn(tell_jumps(life.clock, observed.counters.clone()));
    tokio::spawn(async move {
        driver.run(ended_sender).await;
        jumps.abort();
    });
    let handle = NodeHandle::new(bound, life.boot, recovery, wishes, &events, ended, observed);
    Ok(handle)
}

fn advertised(bound: SocketAddr, config: &NodeConfig) -> Result<SocketAddr, StartError> {
    match config.advertise {
        Some(addr) => Ok(addr),
        None if bound.ip().is_unspecified() => Err(StartError::NoAddress(bound)),
        None => Ok(bound),
    }
}

/// A life that was never used before, even when the clock went back or the disk was lost.
fn next_boot(snapshot: &Snapshot, clock: Clock) -> Boot {
    let after_stored = snapshot.boot().map_or(0, |boot| boot.0.saturating_add(1));
    Boot(after_stored.max(clock.start_ms()))
}

fn new_node(config: &NodeConfig, life: Life, snapshot: Snapshot) -> Node {
    let Life { clock, boot, advertised: addr } = life;
    let (zone, weight) = (config.zone, config.weight);
    let identity = Identity { zone, weight, ..Identity::new(config.name.clone(), boot, addr) };
    let mut members = vec![Member { zone, weight, ..Member::new(config.name.clone(), addr) }];
    members.extend(config.members.iter().filter(|member| member.name != config.name).cloned());
    let base =
        Base { members: Members::new(members), formed: config.start == Start::Formed, ..Base::default() };
    Node::new(
        identity,
        Arc::new(config.protocol.clone()),
        &Arc::new(base),
        Some(snapshot),
        config.seed,
        clock.now(),
    )
}

/// Begins to join, unless the node takes part already.
async fn join(handle: &NodeHandle, start: &Start) {
    let peers: Arc<[Addr]> = match start {
        Start::Formed | Start::Later => return,
        Start::Bootstrap => [].into(),
        Start::Join(peers) => peers.iter().copied().map(to_core).collect(),
    };
    let is_joining = handle.view(|view, _| view.phase() == Phase::Joining).await;
    if is_joining.unwrap_or(false) {
        // A node that stopped meanwhile says so to whoever asks the handle.
        let _ = handle.command(Command::Join { peers }).await;
    }
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod clock_tests;

#[cfg(test)]
#[path = "disk_tests/mod.rs"]
mod disk_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{CommandError, NodeError};
    use heck_core::id::Name;
    use heck_core::rng::Seed;

    fn settings(dir: &std::path::Path) -> NodeConfig {
        NodeConfig::new(Name::new("n").unwrap(), dir.to_path_buf(), Seed(1))
    }

    #[test]
    fn a_life_is_later_than_the_stored_one_even_when_the_clock_went_back() {
        let clock = Clock::start();
        assert_eq!(next_boot(&Snapshot::default(), clock), Boot(clock.start_ms()));
        let ahead = Boot(clock.start_ms() + 1_000_000);
        let snapshot = Snapshot { records: vec![Record::Boot(ahead), Record::Boot(Boot(7))] };
        assert_eq!(next_boot(&snapshot, clock), Boot(ahead.0 + 1));
    }

    #[test]
    fn a_node_bound_to_all_interfaces_has_to_be_told_its_address() {
        let mut config = settings(std::path::Path::new("unused"));
        let bound = "0.0.0.0:7400".parse().unwrap();
        assert!(matches!(advertised(bound, &config), Err(StartError::NoAddress(_))));
        config.advertise = Some("192.0.2.1:7400".parse().unwrap());
        assert_eq!(advertised(bound, &config).ok(), config.advertise);
    }

    #[tokio::test]
    async fn a_node_whose_disk_refuses_a_record_stops_instead_of_answering() {
        let dir = tempfile::tempdir().unwrap();
        let config = settings(dir.path());
        let sockets = Sockets::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let clock = Clock::start();
        let life = Life { clock, boot: Boot(clock.start_ms()), advertised: to_core(sockets.addr()) };
        let (mut journal, snapshot, recovery) = JournalFile::open(dir.path()).unwrap();
        journal.refuse_writes();
        let stored = Stored { journal, snapshot, recovery, recording: None };
        let handle = run(sockets, &config, life, stored, Told::default()).unwrap();
        join(&handle, &Start::Bootstrap).await;
        let key = Command::PutKey { name: Name::new("k").unwrap(), value: [1].as_slice().into() };
        assert!(matches!(handle.command(key).await, Err(CommandError::Stopped)));
        assert!(matches!(handle.stopped().await, Err(NodeError::Journal(_))));
    }
}
