//! `heck node`: runs a node until it is told to stop.

use super::descriptors::raise_limit;
use super::events::log_events;
use super::join::{join, resolve};
use super::settings::SettingFlags;
use super::stop::StopSignals;
use super::{Exit, api, refuse, say};
use crate::api::ApiServer;
use crate::data_dir::{DataDir, DataDirError};
use crate::handle::NodeHandle;
use crate::logs;
use crate::origin::watch;
use crate::output;
use crate::report::Problems;
use crate::seal::{Keyring, KeysError, Sealing};
use crate::settings::{Given, Settings};
use crate::sockets::Sockets;
use crate::start::start;
use crate::trace::{Standard, TraceConfig};
use heck_core::id::Name;
use heck_core::rng::Seed;
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::time::timeout;
use tracing::{error, info, warn};

/// Runs a node until it is told to stop.
///
/// Without arguments it is a cluster of its own on loopback, with everything that outlives a restart in `heck-data`.
/// SIGTERM and SIGINT let it leave the cluster and end; a second one ends it at once.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    settings: SettingFlags,
}

/// How long what the collector of traces has not been told yet may take when the node ends.
const TRACES_PATIENCE: Duration = Duration::from_secs(2);

/// What a node listens at, and whom it tells of traces.
struct Doors {
    sockets: Sockets,
    listener: TcpListener,
    outputs: output::Prepared,
    /// The address to tell peers, when it is another than the one that the node is bound to.
    advertised: Option<SocketAddr>,
    /// None where nobody is told of traces.
    traces: Option<TraceConfig>,
}

/// What the data folder of a node holds.
struct Held {
    data: DataDir,
    name: Name,
    /// None where gossip is not sealed.
    keyring: Option<Keyring>,
}

pub(super) fn run(args: &Args) -> Exit {
    let (settings, given) = match args.settings.read() {
        Ok(read) => read,
        Err(problems) => return refuse(problems),
    };
    logs::start(settings.log);
    raise_limit(settings.probes.at_once);
    if let Err(what) = look(&settings, &given) {
        return refuse(what);
    }
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(format_args!("the system gives no threads: {error}")),
    };
    let exit = runtime.block_on(serve(settings));
    // A resolver that hangs must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    exit
}

/// Looks at what can be wrong with settings before anything is done.
fn look(settings: &Settings, given: &Given) -> Result<(), String> {
    if settings.advertise.is_none() && settings.bind.ip().is_unspecified() {
        let what = format!("`bind` is {}, at which no peer can reach this node", settings.bind);
        let help = "say with `advertise` at which address they can: `--advertise HOST:PORT`";
        return Err(Problems(vec![given.problem("bind", what, help)]).to_string());
    }
    Ok(())
}

/// Opens everything that others may have taken, or that is not there. The data folder is left as it was.
async fn open_doors(settings: &Settings) -> Result<Doors, String> {
    let bind = settings.bind;
    let sockets = Sockets::bind(bind).map_err(|error| {
        format!("cannot listen at {bind}: {error}\n  help: `--bind IP:PORT` takes another address")
    })?;
    let listener = api::listen(settings)?;
    let outputs = output::Prepared::new(&settings.outputs).map_err(|error| error.to_string())?;
    let advertised = advertised(settings, sockets.addr()).await?;
    let traces = traces(settings)?;
    Ok(Doors { sockets, listener, outputs, advertised, traces })
}

/// Whom the node tells of traces, and what it says of itself.
fn traces(settings: &Settings) -> Result<Option<TraceConfig>, String> {
    let mut traces = TraceConfig::read(&settings.tracing, &Standard::of_process())?;
    if let Some(traces) = &mut traces {
        let zone = settings.zone.as_ref().map(|zone| ("heck.zone".to_owned(), zone.to_string()));
        traces.resource.extend(zone);
        traces.resource.push(("heck.cluster".to_owned(), settings.cluster.to_string()));
    }
    Ok(traces)
}

/// Takes possession of the data folder. It comes after all else that may keep a node from starting: a key that was made
/// up for a start that failed would be the folder's from then on, and a node that joins with it is heard by nobody.
fn take_possession(settings: &Settings) -> Result<Held, String> {
    let data = DataDir::open(&settings.data_dir).map_err(|error| error.to_string())?;
    data.accepts(settings.name.as_ref()).map_err(|error| with_advice(&error, &data))?;
    let path = data.keyring_path();
    let keyring = if settings.seal {
        if !settings.join.is_empty() && settings.key_file.is_none() && !path.exists() {
            return Err(no_shared_key(&data));
        }
        let keys = data.keys(settings.key_file.as_deref()).map_err(|error| with_advice(&error, &data))?;
        Some(Keyring::new(keys.0, &settings.cluster, Some(path)))
    } else {
        warn!("gossip is not sealed: whoever can reach this node can change what it knows");
        None
    };
    let name = data.name(settings.name.as_ref()).map_err(|error| with_advice(&error, &data))?;
    data.api_token().map_err(|error| error.to_string())?;
    Ok(Held { data, name, keyring })
}

fn no_shared_key(data: &DataDir) -> String {
    let path = data.keyring_path();
    let path = path.display();
    format!(
        "--join needs the key of the cluster, and {path} is not there\n  help: copy it from the data folder of a node \
         of the cluster:\n    scp that-node:heck-data/keyring {path}\n  or hand it over with `--key-file FILE`"
    )
}

fn with_advice(error: &DataDirError, data: &DataDir) -> String {
    let path = data.keyring_path();
    let path = path.display();
    match error {
        DataDirError::NoKeyring(_) | DataDirError::Keys(KeysError::Lost(_)) => format!(
            "{error}\n  help: copy {path} from another node of the cluster, or hand a key over with `--key-file FILE` \
             (`heck keys generate` prints a fresh one, for a cluster that has no other node)"
        ),
        DataDirError::OtherNode { .. } => {
            format!(
                "{error}\n  help: leave `name` out, or use a data folder for each node (`--data-dir FOLDER`)"
            )
        }
        _ => error.to_string(),
    }
}

fn random_seed() -> Result<Seed, getrandom::Error> {
    getrandom::u64().map(Seed)
}

/// Starts the node and everything around it, and waits for its end.
async fn serve(settings: Settings) -> Exit {
    let signals = match StopSignals::listen() {
        Ok(signals) => signals,
        Err(error) => return refuse(format_args!("the system lends no signals: {error}")),
    };
    let asked = Arc::new(Notify::new());
    let notify = asked.clone();
    if let Err(error) = StopSignals::at_hangup(move || notify.notify_one()) {
        return refuse(format_args!("the system lends no signals: {error}"));
    }
    let seed = match random_seed() {
        Ok(seed) => seed,
        Err(error) => return refuse(error),
    };
    let Doors { sockets, listener, outputs, advertised, traces } = match open_doors(&settings).await {
        Ok(doors) => doors,
        Err(what) => return refuse(what),
    };
    let Held { data, name, keyring } = match take_possession(&settings) {
        Ok(held) => held,
        Err(what) => return refuse(what),
    };
    let sealing = keyring.clone().map_or(Sealing::Unsealed, Sealing::Sealed);
    let mut config = settings.node_config(name.clone(), sealing, seed);
    config.advertise = advertised;
    config.traces.clone_from(&traces);
    let node = match start(sockets, config).await {
        Ok(node) => node,
        Err(error) => return refuse(error),
    };
    let api = match api::open(listener, node.clone(), &settings, &data, keyring.clone()) {
        Ok(api) => api,
        Err(what) => {
            // What is wrong is said; how the node stops that never ran adds nothing.
            let _ = node.shutdown().await;
            return refuse(what);
        }
    };
    let outputs = outputs.open(api.outlook());
    let told = traces.map(|traces| ("traces", traces.place()));
    let open: Vec<_> = outputs.list().iter().cloned().chain(told).collect();
    tell_recovery(&node);
    say(greeting(&node, &name, &settings, &data, keyring.as_ref(), &api, &open));
    info!(%name, boot = node.boot().0, gossip = %node.addr(), "the node runs");
    tokio::spawn(log_events(node.clone(), node.subscribe()));
    follow_origins(&node, &settings, asked);
    if !settings.join.is_empty() {
        let alone_after = Duration::from_micros(settings.protocol.join_timeout.as_us());
        tokio::spawn(join(node.clone(), settings.join.clone(), seed, alone_after));
    }
    let exit = until_end(&node, &api, &settings, signals).await;
    outputs.close().await;
    api.close().await;
    if let Some(tracer) = node.tracer() {
        tracer.flush(TRACES_PATIENCE).await;
    }
    exit
}

/// Waits until the node stops, or is told to, and says how that went.
async fn until_end(
    node: &NodeHandle,
    api: &ApiServer,
    settings: &Settings,
    mut signals: StopSignals,
) -> Exit {
    tokio::select! {
        end = node.stopped() => {
            let why = end.err().map_or_else(String::new, |error| error.to_string());
            error!(why, "the node stopped by itself");
            Exit::Unhealthy
        }
        name = signals.next() => {
            info!(signal = name, "the node leaves the cluster");
            signals.end_at_next();
            stop(node, settings).await
        }
        () = api.left() => {
            info!("a client has made the node leave the cluster");
            signals.end_at_next();
            stop(node, settings).await
        }
    }
}

/// Keeps the origins those of the file, if there is one. Without one a SIGHUP asks for nothing.
fn follow_origins(node: &NodeHandle, settings: &Settings, asked: Arc<Notify>) {
    if let Some(watched) = settings.origins.watched() {
        tokio::spawn(watch(node.clone(), watched, asked));
    }
}

/// The address to tell peers, when it is another than the one that the node is bound to.
async fn advertised(settings: &Settings, bound: SocketAddr) -> Result<Option<SocketAddr>, String> {
    let Some(host) = &settings.advertise else { return Ok(None) };
    let found = resolve(host).await;
    let same_family = found.iter().find(|addr| addr.is_ipv4() == bound.is_ipv4());
    let addr = same_family.or(found.first()).copied();
    addr.map(Some).ok_or_else(|| format!("--advertise: `{}` does not resolve", host.as_str()))
}

fn tell_recovery(node: &NodeHandle) {
    let recovery = node.recovery();
    let records = recovery.records;
    if let Some(aside) = &recovery.set_aside {
        let (damaged_bytes, aside) = (recovery.damaged_bytes, aside.display());
        warn!(damaged_bytes, records, %aside, "the journal was damaged: it was set aside, and its whole records are used");
    } else if recovery.torn_bytes > 0 {
        let torn_bytes = recovery.torn_bytes;
        info!(torn_bytes, records, "the journal ended in half a record, which nobody was promised");
    }
}

/// What an operator wants to know at the start.
fn greeting(
    node: &NodeHandle,
    name: &Name,
    settings: &Settings,
    data: &DataDir,
    keyring: Option<&Keyring>,
    api: &ApiServer,
    outputs: &[(&str, String)],
) -> String {
    let mut text = String::new();
    let folder = data.path().display();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "heck node {name}");
    let _ = writeln!(text, "  gossip  {}", node.addr());
    let url = api::url(settings, api.addr());
    let _ = writeln!(text, "  api     {url}");
    if settings.api.dashboard {
        let _ = writeln!(text, "  page    {url}/ui/");
    }
    let _ = writeln!(text, "  data    {folder}");
    let _ = match keyring.and_then(|keyring| keyring.ids().first().copied()) {
        Some(id) => writeln!(text, "  key     {id} in {}", data.keyring_path().display()),
        None => writeln!(text, "  key     none: gossip is not sealed"),
    };
    for (what, place) in outputs {
        let _ = writeln!(text, "  {what}  {place}");
    }
    if settings.join.is_empty() {
        let copy = if keyring.is_some() { "copy the keyring into its data folder, then" } else { "run" };
        let _ = write!(text, "To add a node, {copy}: heck node --join {}", node.addr());
    } else {
        let hosts: Vec<&str> = settings.join.iter().map(crate::settings::HostPort::as_str).collect();
        let _ = write!(text, "joining through {}", hosts.join(", "));
    }
    text
}

/// Lets the node leave and stop, within the time that the settings give it.
async fn stop(node: &NodeHandle, settings: &Settings) -> Exit {
    let has_peers = node.view(|view, _| {
        let me = view.writer().node;
        view.members().all().any(|member| member.node != me && member.standing.is_live())
    });
    let leave = async {
        let grace = if has_peers.await.unwrap_or(false) { settings.leave_grace } else { Duration::ZERO };
        node.leave(grace).await
    };
    match timeout(settings.stop_timeout, leave).await {
        Ok(Ok(())) => {
            info!("the node left and stopped");
            Exit::Success
        }
        Ok(Err(error)) => {
            error!(%error, "the node stopped with an error");
            Exit::Unhealthy
        }
        Err(_) => {
            warn!(limit = ?settings.stop_timeout, "stopping took too long: ending without the rest");
            Exit::Unhealthy
        }
    }
}
