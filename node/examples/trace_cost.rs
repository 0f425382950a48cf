//! What traces cost a node: `cargo run --release -p heck-node --example trace_cost -- [SECONDS]`.
//!
//! One client asks a node for a key over one connection, for so many seconds (5 unless set) with each of: nobody told of
//! traces, a collector of which no request is to be told, and one that is told of all. Printed are the time of an answer as the client
//! sees it, and processor time for each request, of node, client and collector together, as they are one process.

use heck_core::id::Name;
use heck_core::input::Command;
use heck_core::rng::Seed;
use heck_node::api::{ApiConfig, ApiLimits, serve};
use heck_node::trace::{Share, TraceConfig};
use heck_node::{Count, NodeConfig, Sockets, start};
use std::error::Error;
use std::net::TcpListener as StdListener;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let span = Duration::from_secs(std::env::args().nth(1).map_or(Ok(5), |text| text.parse())?);
    let collector = take_all().await?;
    let told = |requests| {
        let url = format!("http://{collector}/v1/traces").parse();
        url.map(|url| TraceConfig { requests, ..TraceConfig::new(url) })
    };
    // What comes first warms up.
    measure("warming up", None, span / 5).await?;
    measure("nobody is told", None, span).await?;
    measure("of no request", Some(told(Share::NONE)?), span).await?;
    measure("of all requests", Some(told(Share::ALL)?), span).await?;
    Ok(())
}

/// A collector that takes everything and looks at nothing.
async fn take_all() -> Outcome<std::net::SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_all(stream));
        }
    });
    Ok(addr)
}

async fn answer_all(mut stream: TcpStream) {
    let mut read = Vec::new();
    loop {
        let head = read.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4);
        let length = head.and_then(|head| length(&read[..head])).unwrap_or(usize::MAX);
        if let Some(head) = head
            && read.len() - head >= length
        {
            read.clear();
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
                return;
            }
        }
        if !matches!(stream.read_buf(&mut read).await, Ok(1..)) {
            return;
        }
    }
}

/// The length of the body that this head says.
fn length(head: &[u8]) -> Option<usize> {
    let head = String::from_utf8_lossy(head).to_lowercase();
    head.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()
}

async fn measure(what: &str, traces: Option<TraceConfig>, span: Duration) -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let config = NodeConfig { traces, ..NodeConfig::new(Name::new("n")?, dir.path().join("n"), Seed(1)) };
    let node = start(Sockets::bind("127.0.0.1:0".parse()?)?, config).await?;
    let key = Command::PutKey { name: Name::new("k")?, value: b"value".as_slice().into() };
    node.command(key).await?;
    let limits = ApiLimits { rate: None, ..ApiLimits::default() };
    let settings = ApiConfig { open_reads: true, limits, ..ApiConfig::default() };
    let api = serve(StdListener::bind("127.0.0.1:0")?, node.clone(), settings)?;
    sleep(Duration::from_millis(200)).await;
    let mut stream = TcpStream::connect(api.addr()).await?;
    stream.set_nodelay(true)?;
    let (begun, used, mut took) = (Instant::now(), processor_us()?, Vec::new());
    let mut answer = [0; 4_096];
    while begun.elapsed() < span {
        let asked = Instant::now();
        stream.write_all(b"GET /v1/kv/k HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
        let read = stream.read(&mut answer).await?;
        if !answer[..read].starts_with(b"HTTP/1.1 200") {
            return Err("the node does not answer as it should".into());
        }
        took.push(asked.elapsed());
    }
    let used = processor_us()? - used;
    took.sort_unstable();
    let (half, most) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    let each = used as f64 / took.len() as f64;
    println!("{what}: p50 {half:?}, p99 {most:?}, {each:.1} us of processor time for each of {}", took.len());
    let count = |count| node.counters().get(count);
    println!("  spans: {} told, {} dropped", count(Count::SpansExported), count(Count::SpansDropped));
    api.close().await;
    node.shutdown().await?;
    Ok(())
}

/// Processor time of this process so far, in microseconds (Linux).
fn processor_us() -> Outcome<u64> {
    let stat = std::fs::read_to_string("/proc/self/schedstat")?;
    let tasks = std::fs::read_dir("/proc/self/task")?;
    let of_task = |task: std::io::Result<std::fs::DirEntry>| -> Option<u64> {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok()
    };
    let all: u64 = tasks.filter_map(of_task).sum();
    let own: u64 = stat.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default();
    Ok(all.max(own) / 1_000)
}
