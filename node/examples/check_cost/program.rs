//! The program `heck` itself, as it is built beside this example.

use crate::child::Process;
use crate::{Origin, Outcome, RESIDENT_MB, cpu, verdict};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

/// Where it is built.
fn path() -> Outcome<PathBuf> {
    let own = std::env::current_exe()?;
    let beside = own.parent().and_then(Path::parent).ok_or("this program has no folder")?.join("heck");
    if !beside.exists() {
        return Err(format!("{} is not there: `cargo build --release -p heck-node`", beside.display()).into());
    }
    Ok(beside)
}

/// A `heck node` that runs. It is killed when this is dropped.
pub struct Node {
    process: Process,
    dir: PathBuf,
    /// Host and port.
    api: String,
    pub gossip: String,
}

impl Node {
    /// Starts a node on this folder, which joins a cluster if that is said, and waits until it is ready.
    pub async fn start(dir: &Path, join: Option<&Self>) -> Outcome<Self> {
        let mut arguments: Vec<String> =
            ["node", "--bind", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log-level", "error"]
                .map(String::from)
                .into();
        arguments.extend(["--data-dir".to_owned(), dir.display().to_string()]);
        if let Some(peer) = join {
            let keyring = peer.dir.join("keyring").display().to_string();
            arguments.extend(["--join".to_owned(), peer.gossip.clone(), "--key-file".to_owned(), keyring]);
        }
        let (process, _) = Process::start(&path()?.to_string_lossy(), &arguments, true)?;
        let begun = Instant::now();
        let (mut api, mut gossip) = (None, None);
        while begun.elapsed() < Duration::from_secs(30) {
            sleep(Duration::from_millis(20)).await;
            for line in process.said() {
                let words: Vec<&str> = line.split_whitespace().collect();
                match words.as_slice() {
                    ["api", url] => api = url.strip_prefix("http://").map(str::to_owned),
                    ["gossip", addr] => gossip = Some((*addr).to_owned()),
                    _ => {}
                }
            }
            let (Some(api), Some(gossip)) = (&api, &gossip) else { continue };
            if get(api, "/readyz").await?.starts_with("HTTP/1.1 200") {
                let (api, gossip) = (api.clone(), gossip.clone());
                return Ok(Self { process, dir: dir.to_path_buf(), api, gossip });
            }
        }
        Err("the node is not ready".into())
    }

    /// Adds so many origins over HTTP, all at once.
    pub fn import(&self, origin: &Origin, origins: u32, interval: Duration) -> Outcome<()> {
        let work = origin.work("http", origins, interval);
        let mut lines = String::new();
        for number in 0..origins {
            // Writing to a string cannot fail.
            let _ = writeln!(
                lines,
                r#"{{"name":"origin-{number}","url":"http://{}/health","interval":"{}ms"}}"#,
                work.addr(number),
                interval.as_millis()
            );
        }
        let file = self.dir.join("origins.ndjson");
        std::fs::write(&file, lines)?;
        let imported = Command::new(path()?)
            .args(["origin", "import"])
            .arg(&file)
            .args(["--addr", &format!("http://{}", self.api), "--data-dir"])
            .arg(&self.dir)
            .output()?;
        if imported.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&imported.stderr).into_owned().into())
        }
    }

    /// What a path of its API answers, head and body.
    pub async fn get(&self, path: &str) -> Outcome<String> {
        get(&self.api, path).await
    }

    fn anonymous_mb(&self) -> Outcome<f64> {
        cpu::anonymous_mb(self.process.id()).ok_or_else(|| "the node has ended".into())
    }

    fn resident_mb(&self) -> Outcome<f64> {
        cpu::resident_mb(self.process.id()).ok_or_else(|| "the node has ended".into())
    }
}

async fn get(api: &str, path: &str) -> Outcome<String> {
    let mut stream = TcpStream::connect(api).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {api}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// What a whole node with 10,000 origins at 5 s has resident: after it was given them, and after it has started again.
pub async fn whole(origin: &Origin) -> Outcome<bool> {
    println!("`heck node` with 10,000 origins at 5 s, its API included: resident memory");
    let dir = tempfile::tempdir()?;
    let node = Node::start(dir.path(), None).await?;
    node.import(origin, 10_000, Duration::from_secs(5))?;
    sleep(Duration::from_secs(30)).await;
    println!("  {:.1} MB 30 s after their import", node.resident_mb()?);
    drop(node);
    let node = Node::start(dir.path(), None).await?;
    sleep(Duration::from_secs(30)).await;
    let started = node.resident_mb()?;
    println!("  {:.1} MB of its own, 30 s after it started again", node.anonymous_mb()?);
    for _ in 0..10 {
        node.get("/v1/health").await?;
    }
    let is_small = verdict("resident MB, 30 s after it started again", started, RESIDENT_MB);
    Ok(verdict("resident MB, after ten requests for all", node.resident_mb()?, RESIDENT_MB) && is_small)
}
