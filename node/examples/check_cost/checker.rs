//! What checks: a whole node, a bare loop of tokio's sockets, or reqwest.

use crate::server;
use heck_core::entry::{HealthState, OriginSpec, Scope};
use heck_core::id::Name;
use heck_core::input::Command as Input;
use heck_core::rng::Seed;
use heck_core::time::Span;
use heck_node::{NodeConfig, NodeHandle, Sockets, start};
use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, interval_at, sleep};

type Outcome<T> = Result<T, Box<dyn Error>>;

const FILL: &str = "--fill";
/// What checks so, with the port at which nobody answers behind it: one origin in five is there.
pub const HOLES: &str = "holes ";

/// How the origins of a node are, as it says it each second.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    pub down: u32,
    pub stale: u32,
}

impl Told {
    pub fn read(line: &str) -> Option<Self> {
        let (down, stale) = line.split_once(' ')?;
        Some(Self { down: down.parse().ok()?, stale: stale.parse().ok()? })
    }
}

/// What is checked how.
#[derive(Clone, Debug)]
pub struct Work {
    pub kind: String,
    pub origins: u32,
    pub interval: Duration,
    pub port: u16,
    /// Where the certificate of the origins' authority is.
    pub ca: String,
}

impl Work {
    pub fn to_arguments(&self) -> Vec<String> {
        self.as_arguments("--check")
    }

    fn as_arguments(&self, verb: &str) -> Vec<String> {
        let Self { kind, origins, interval, port, ca } = self;
        vec![
            verb.into(),
            kind.clone(),
            origins.to_string(),
            interval.as_millis().to_string(),
            port.to_string(),
            ca.clone(),
        ]
    }

    pub fn from_arguments(arguments: &[String]) -> Option<Self> {
        Self::read(arguments, "--check")
    }

    /// The work that a folder is to be filled for, and the folder.
    pub fn to_fill(arguments: &[String]) -> Option<(Self, &Path)> {
        let (dir, rest) = arguments.split_last()?;
        Some((Self::read(rest, FILL)?, Path::new(dir)))
    }

    fn read(arguments: &[String], verb: &str) -> Option<Self> {
        match arguments {
            [given, kind, origins, interval, port, ca] if given == verb => Some(Self {
                kind: kind.clone(),
                origins: origins.parse().ok()?,
                interval: Duration::from_millis(interval.parse().ok()?),
                port: port.parse().ok()?,
                ca: ca.clone(),
            }),
            _ => None,
        }
    }

    /// The address of an origin: each has its own, as real ones do.
    pub fn addr(&self, origin: u32) -> SocketAddr {
        let [_, _, high, low] = (origin + 257).to_be_bytes();
        SocketAddr::new([127, 1, high, low].into(), self.port)
    }

    fn target(&self, origin: u32) -> String {
        let mut addr = self.addr(origin);
        if let Some(hole) = self.kind.strip_prefix(HOLES).filter(|_| origin.is_multiple_of(5)) {
            addr.set_port(hole.parse().unwrap_or(0));
        }
        match self.kind.as_str() {
            "tcp" => format!("tcp://{addr}"),
            "keep-alive" => format!(r#"{{"url":"http://{addr}/health","keep_alive":true}}"#),
            "https" | "https keep-alive" => {
                let (name, ca, keeps) = (server::NAME, &self.ca, self.kind == "https keep-alive");
                format!(
                    r#"{{"url":"https://{addr}/health","host":"{name}","ca":"{ca}","keep_alive":{keeps}}}"#
                )
            }
            _ => format!("http://{addr}/health"),
        }
    }
}

/// Checks until it is killed, after it has said that it begins.
pub async fn run(work: &Work) -> Outcome<()> {
    match work.kind.as_str() {
        "bare-tcp" | "bare-http" | "reqwest" => run_loop(work).await,
        "bare-keep-alive" => run_kept(work).await,
        _ => run_node(work).await,
    }
}

/// A node that finds its origins on disk, as one that starts again does; every second it says how they are.
async fn run_node(work: &Work) -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    // In a process of its own: what filling takes of memory is not what the node takes.
    let fill =
        Command::new(std::env::current_exe()?).args(work.as_arguments(FILL)).arg(dir.path()).status()?;
    if !fill.success() {
        return Err("the data folder was not filled".into());
    }
    server::bins(SocketAddr::new([127, 0, 0, 1].into(), work.port)).await?;
    let node = node(dir.path(), true).await?;
    println!("begun");
    // Until its first heartbeat a node that starts again vouches for nothing.
    sleep(Duration::from_secs(20)).await;
    loop {
        sleep(Duration::from_secs(1)).await;
        tell(&node, work.origins).await?;
    }
}

/// Puts the origins into a data folder.
pub async fn fill(work: &Work, dir: &Path) -> Outcome<()> {
    let filled = node(dir, false).await?;
    let mut commands = JoinSet::new();
    for origin in 0..work.origins {
        let interval = Span(work.interval.as_micros() as u64);
        let spec = OriginSpec::new(&work.target(origin)).with(|policy| {
            (policy.interval, policy.fast_interval) = (interval, policy.fast_interval.min(interval));
        });
        let (name, source) = (Name::new(&format!("origin-{origin}"))?, Name::new("measured")?);
        let filled = filled.clone();
        let put = Input::PutOrigin { name, spec, source };
        commands.spawn(async move { filled.command(put).await });
    }
    while let Some(done) = commands.join_next().await {
        done??;
    }
    Ok(filled.shutdown().await?)
}

async fn node(dir: &Path, checks: bool) -> Outcome<NodeHandle> {
    let mut config = NodeConfig::new(Name::new("measured")?, dir.to_path_buf(), Seed(1));
    config.probes.guard.loopback = true;
    if !checks {
        config.protocol.checks = None;
    }
    Ok(start(Sockets::bind("127.0.0.1:0".parse()?)?, config).await?)
}

/// Says how many origins show as down and how many as stale.
async fn tell(node: &NodeHandle, origins: u32) -> Outcome<()> {
    let names: Vec<Name> =
        (0..origins).filter_map(|origin| Name::new(&format!("origin-{origin}")).ok()).collect();
    let [down, stale] = node
        .view(move |view, now| {
            let healths = names.iter().filter_map(|name| view.health(Scope::CLUSTER, name, now));
            healths.fold([0_u32; 2], |[down, stale], health| {
                [down + u32::from(health.state == HealthState::Unhealthy), stale + u32::from(health.is_stale)]
            })
        })
        .await?;
    println!("{down} {stale}");
    Ok(())
}

/// As many checks as a node would make, evenly spread and without anything else.
async fn run_loop(work: &Work) -> Outcome<()> {
    // Reqwest asks for a provider even where nothing is encrypted.
    rustls::crypto::ring::default_provider().install_default().map_err(|_| "a provider is installed")?;
    let client = reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(2))
        .tls_certs_only([])
        .build()?;
    println!("begun");
    let mut ticks = interval(Duration::from_millis(1));
    let (begun, mut started) = (Instant::now(), 0_u64);
    loop {
        ticks.tick().await;
        let due = begun.elapsed().as_secs_f64() / work.interval.as_secs_f64() * f64::from(work.origins);
        while (started as f64) < due {
            let addr = work.addr((started % u64::from(work.origins)) as u32);
            started += 1;
            if work.kind == "reqwest" {
                let request = client.get(format!("http://{addr}/health")).header("connection", "close");
                tokio::spawn(async move { request.send().await.map(drop) });
            } else {
                tokio::spawn(bare(addr, work.kind == "bare-http"));
            }
        }
    }
}

async fn bare(addr: SocketAddr, asks: bool) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_zero_linger()?;
    let mut stream = socket.connect(addr).await?;
    if asks {
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await?;
        let read = stream.read(&mut [0; 512]).await?;
        assert!(read > 0, "the origin always answers");
    }
    Ok(())
}

/// The same over connections that are kept: a task for each origin.
async fn run_kept(work: &Work) -> Outcome<()> {
    println!("begun");
    let mut tasks = JoinSet::new();
    for origin in 0..work.origins {
        let (addr, every) = (work.addr(origin), work.interval);
        let first = Instant::now() + every * origin / work.origins;
        tasks.spawn(async move { bare_kept(addr, first, every).await });
    }
    match tasks.join_next().await {
        Some(Ok(Err(error))) => Err(error.into()),
        _ => Err("a task has ended".into()),
    }
}

async fn bare_kept(addr: SocketAddr, first: Instant, every: Duration) -> std::io::Result<()> {
    let mut ticks = interval_at(first, every);
    let mut stream = TcpStream::connect(addr).await?;
    loop {
        ticks.tick().await;
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").await?;
        let read = stream.read(&mut [0; 512]).await?;
        assert!(read > 0, "the origin always answers");
    }
}
