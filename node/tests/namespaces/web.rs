//! A web server on a host of its own: the origins that the nodes check, each with a path of its own.

use crate::network::{Host, Network};
use crate::origin::{Origin, answer};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// What the server knows of its origins.
#[derive(Default)]
struct Paths {
    ill: BTreeSet<String>,
    /// When each was asked for.
    asked: BTreeMap<String, Vec<Instant>>,
}

/// The server; ends when this is dropped.
pub struct Web {
    pub host: Host,
    paths: Arc<Mutex<Paths>>,
    _server: Origin,
    _runtime: Runtime,
}

impl Web {
    pub fn start(network: &mut Network) -> Self {
        let host = network.host("web");
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let (paths, addr) = (Arc::<Mutex<Paths>>::default(), format!("{}:80", host.addr));
        let known = paths.clone();
        let says = move |request: &str| {
            let path = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
            let mut paths = known.lock().expect("no test dies with it");
            let status = if paths.ill.contains(&path) { 503 } else { 200 };
            paths.asked.entry(path).or_default().push(Instant::now());
            Some(answer(status, "", ""))
        };
        let server = host.inside(|| runtime.block_on(Origin::start_at(&addr, None, Arc::new(says))));
        Self { host, paths, _server: server, _runtime: runtime }
    }

    fn paths(&self) -> std::sync::MutexGuard<'_, Paths> {
        self.paths.lock().expect("no test dies with it")
    }

    /// Lets an origin be well or ill from now on.
    pub fn set(&self, origin: &str, is_well: bool) {
        let mut paths = self.paths();
        if is_well {
            paths.ill.remove(origin)
        } else {
            paths.ill.insert(origin.to_owned())
        };
    }

    /// The longest time since `from` in which nobody checked this origin, the time since the last check included.
    pub fn longest_unchecked(&self, origin: &str, from: Instant) -> Duration {
        let paths = self.paths();
        let asked = paths.asked.get(origin).map_or(&[][..], Vec::as_slice);
        let before = asked.iter().copied().rfind(|at| *at <= from);
        let since = asked.iter().copied().filter(|at| *at > from);
        let times: Vec<Instant> = before.into_iter().chain(since).chain([Instant::now()]).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }
}
