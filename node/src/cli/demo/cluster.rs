//! The nodes of the demo, in a folder that goes with them.

use super::super::api;
use super::origins::Origins;
use crate::api::ApiServer;
use crate::config::Start;
use crate::data_dir::DataDir;
use crate::files::write_private;
use crate::handle::NodeHandle;
use crate::loss::{InjectedLoss, Ratio};
use crate::origin::{OriginDocument, Period};
use crate::seal::{Key, Keyring, Keys, Sealing};
use crate::settings::Settings;
use crate::sockets::Sockets;
use crate::start::start;
use heck_core::effects::Phase;
use heck_core::id::Name;
use heck_core::input::Command;
use heck_core::rng::Seed;
use heck_core::time::Span;
use std::fmt::Display;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How many ports are tried for an API before the system chooses one.
const PORTS: u16 = 200;
/// How often it is looked whether the nodes have found each other.
const LOOK: Duration = Duration::from_millis(50);

/// One node of the demo.
struct Member {
    name: Name,
    node: NodeHandle,
    api: ApiServer,
    url: String,
}

/// The nodes of the demo. Their folder is removed when this is dropped.
pub(super) struct Cluster {
    members: Vec<Member>,
    token: String,
    folder: TempDir,
}

impl Cluster {
    /// Starts so many nodes, which lose this share of what they send. The first serves its API at `http`.
    pub(super) async fn start(count: u8, loss: Ratio, http: SocketAddr) -> Result<Self, String> {
        let folder =
            tempfile::Builder::new().prefix("heck-demo-").tempdir().map_err(|error| error.to_string())?;
        let key = Key::generate().map_err(|error| error.to_string())?;
        let mut cluster = Self { members: Vec::new(), token: String::new(), folder };
        let mut port = http.port();
        for number in 1..=count {
            let listener = listen(http, &mut port)?;
            cluster
                .add_node(number, listener, &key, loss)
                .await
                .map_err(|error| format!("node {number}: {error}"))?;
        }
        Ok(cluster)
    }

    async fn add_node(
        &mut self,
        number: u8,
        listener: TcpListener,
        key: &Key,
        loss: Ratio,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let name = Name::new(&format!("node-{number}"))?;
        let mut settings =
            Settings { data_dir: self.folder.path().join(name.as_str()), ..Settings::default() };
        settings.bind.set_port(0);
        // Answers are as fresh as people expect who look at them for a minute.
        settings.protocol.heartbeat = Some(Span::from_secs(2));
        settings.http = listener.local_addr()?;
        let data = DataDir::open(&settings.data_dir)?;
        if self.token.is_empty() {
            self.token = data.api_token()?;
        } else {
            write_private(&data.api_token_path(), self.token.as_bytes())?;
        }
        let keyring = Keyring::new(Keys::new(key.clone()), &settings.cluster, None);
        let seed = Seed(getrandom::u64()?);
        let mut config = settings.node_config(name.clone(), Sealing::Sealed(keyring.clone()), seed);
        config.loss = InjectedLoss { outgoing: loss, incoming: Ratio::ZERO, seed };
        if let Some(first) = self.members.first() {
            config.start = Start::Join(vec![first.node.addr()]);
        }
        let node = start(Sockets::bind(settings.bind)?, config).await?;
        let api = api::open(listener, node.clone(), &settings, &data, Some(keyring))?;
        let url = api::url(&settings, api.addr());
        self.members.push(Member { name, node, api, url });
        Ok(())
    }

    /// Waits until all nodes serve and know each other.
    pub(super) async fn formed(&self) {
        let count = self.members.len();
        for member in &self.members {
            loop {
                let look = member.node.view(|view, _| {
                    let live = view.members().iter().filter(|member| member.standing.is_live()).count();
                    (view.phase(), live)
                });
                match look.await {
                    Ok((Phase::Serving, live)) if live >= count => break,
                    Ok(_) => sleep(LOOK).await,
                    // It has stopped, and its end will be told.
                    Err(_) => return,
                }
            }
        }
    }

    /// Tells the cluster of the origins.
    pub(super) async fn add(&self, origins: &Origins) -> Result<(), String> {
        let Some(first) = self.members.first() else { return Ok(()) };
        let source = Name::new("demo").map_err(|error| error.to_string())?;
        for (name, addr) in origins.addrs() {
            let period = |ms| Some(Period(Span::from_ms(ms)));
            let document = OriginDocument {
                interval: period(1_000),
                timeout: period(800),
                slow: period(250),
                fall: Some(2),
                ..OriginDocument::new(name, &format!("http://{addr}/"))
            };
            let (name, spec) = document.to_spec().map_err(|error| error.to_string())?;
            let command = Command::PutOrigin { name, spec, source: source.clone() };
            first
                .node
                .command(command)
                .await
                .map_err(|error: crate::error::CommandError| error.to_string())?;
        }
        Ok(())
    }

    /// All nodes with their names.
    pub(super) fn nodes(&self) -> Vec<(Name, NodeHandle)> {
        self.members.iter().map(|member| (member.name.clone(), member.node.clone())).collect()
    }

    /// The names of all nodes, and where their APIs are.
    pub(super) fn urls(&self) -> impl Iterator<Item = (&str, &str)> {
        self.members.iter().map(|member| (member.name.as_str(), member.url.as_str()))
    }

    /// What all APIs want of who changes something.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Lets all nodes leave and stop.
    pub(super) async fn stop(self) {
        let mut leaving = JoinSet::new();
        for Member { node, api, .. } in self.members {
            leaving.spawn(async move {
                // How a node of the demo ended matters to nobody any more.
                let _ = node.leave(Duration::ZERO).await;
                api.close().await;
            });
        }
        while leaving.join_next().await.is_some() {}
    }
}

/// Listens at the next free port; at one of the system's choice when there is none, or when that was asked for.
fn listen(http: SocketAddr, port: &mut u16) -> Result<TcpListener, String> {
    let refused = |error: &dyn Display| format!("no API can be served at {}: {error}", http.ip());
    for _ in 0..PORTS {
        if *port == 0 {
            break;
        }
        let addr = SocketAddr::new(http.ip(), *port);
        *port = port.wrapping_add(1);
        match TcpListener::bind(addr) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            other => return other.map_err(|error| refused(&error)),
        }
    }
    TcpListener::bind(SocketAddr::new(http.ip(), 0)).map_err(|error| refused(&error))
}
