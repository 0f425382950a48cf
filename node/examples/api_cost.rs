//! What the API costs with many origins: `cargo run --release -p heck-node --example api_cost -- [ORIGINS] [SECONDS]`.
//!
//! One node checks that many origins (10,000 unless set) over TCP every ten seconds, all at a listener of its own, and
//! a client asks over one connection for so many seconds (10 unless set) each: all health at once, the same again when
//! nothing has changed, and one origin. Printed are latencies as the client sees them, and the size of the answer.

use heck_core::id::Name;
use heck_core::rng::Seed;
use heck_node::api::{ApiConfig, ApiLimits, Token, TokenScope, serve};
use heck_node::{NodeConfig, Sockets, start};
use reqwest::{Client, RequestBuilder};
use std::error::Error;
use std::net::TcpListener as StdListener;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

type Outcome<T> = Result<T, Box<dyn Error>>;

const TOKEN: &str = "0123456789abcdef";
const ORIGINS: usize = 10_000;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    let origins = args.next().map_or(Ok(ORIGINS), |text| text.parse())?;
    let span = Duration::from_secs(args.next().map_or(Ok(10), |text| text.parse())?);
    let dir = tempfile::tempdir()?;
    let target = accept_all().await?;
    let mut config = NodeConfig::new(Name::new("n")?, dir.path().join("n"), Seed(1));
    config.probes.guard.loopback = true;
    let node = start(Sockets::bind("127.0.0.1:0".parse()?)?, config).await?;
    let settings = ApiConfig {
        tokens: vec![Token::new(TOKEN, TokenScope::Write)?],
        open_reads: true,
        limits: ApiLimits { rate: None, ..ApiLimits::default() },
        ..ApiConfig::default()
    };
    let api = serve(StdListener::bind("127.0.0.1:0")?, node.clone(), settings)?;
    let base = format!("http://{}/v1", api.addr());
    // Another library may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().tls_certs_only([]).no_proxy().build()?;

    import(&client, &base, origins, &target).await?;
    until_healthy(&client, &base, origins).await?;
    let all = format!("{base}/health");
    let once = client.get(&all).send().await?;
    let tag = once.headers().get("etag").ok_or("an answer has a tag")?.clone();
    println!("{origins} origins, one answer: {} bytes", once.bytes().await?.len());
    measure("all health", span, || client.get(&all)).await?;
    measure("all health, unchanged (304)", span, || client.get(&all).header("if-none-match", tag.clone()))
        .await?;
    let one = format!("{base}/health/origin-{:05}", origins / 2);
    measure("one origin", span, || client.get(&one)).await?;
    api.close().await;
    node.shutdown().await?;
    Ok(())
}

/// A listener that accepts whoever comes.
async fn accept_all() -> Outcome<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let target = format!("tcp://{}", listener.local_addr()?);
    tokio::spawn(async move {
        loop {
            // Connections are closed at once: that they came about is what is checked.
            let _ = listener.accept().await;
        }
    });
    Ok(target)
}

async fn import(client: &Client, base: &str, origins: usize, target: &str) -> Outcome<()> {
    let line =
        |n: usize| format!("{{\"name\":\"origin-{n:05}\",\"url\":\"{target}\",\"interval\":\"10s\"}}\n");
    let body: String = (0..origins).map(line).collect();
    let begun = Instant::now();
    let request = client.post(format!("{base}/origins:import")).bearer_auth(TOKEN);
    let answer =
        request.header("content-type", "application/x-ndjson").body(body).send().await?.text().await?;
    let created = answer.lines().filter(|line| line.contains("\"created\"")).count();
    println!("{created} origins imported in {:?}", begun.elapsed());
    Ok(())
}

async fn until_healthy(client: &Client, base: &str, origins: usize) -> Outcome<()> {
    loop {
        let answer = client.get(format!("{base}/health?state=healthy")).send().await?.text().await?;
        if answer.matches("\"healthy\"").count() >= origins {
            return Ok(());
        }
        sleep(Duration::from_millis(500)).await;
    }
}

async fn measure(what: &str, span: Duration, request: impl Fn() -> RequestBuilder) -> Outcome<()> {
    let (begun, mut took) = (Instant::now(), Vec::new());
    while begun.elapsed() < span {
        let asked = Instant::now();
        request().send().await?.bytes().await?;
        took.push(asked.elapsed());
    }
    took.sort_unstable();
    let quantile = |parts: usize| {
        took.get((took.len() * parts / 1_000).min(took.len() - 1)).copied().unwrap_or_default()
    };
    let [half, most, worst] = [500, 990, 1_000].map(quantile);
    println!("{what}: p50 {half:?}, p99 {most:?}, worst {worst:?} of {}", took.len());
    Ok(())
}
