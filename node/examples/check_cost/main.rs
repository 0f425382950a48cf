//! What checks cost: see `node/REFERENCE.md`, "Cost of checks".

mod cpu;
mod server;

use heck_node::probe::Prober;
use heck_node::probe::guard::GuardConfig;
use heck_node::probe::resolve::{Resolver, ResolverConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == server::SERVE) {
        return Ok(server::serve().await?);
    }
    let origin = server::Origin::start()?;
    let port = origin.addr.port();
    let prober = Arc::new(Prober::new(
        GuardConfig { loopback: true, ..GuardConfig::default() },
        Resolver::system(ResolverConfig::default()),
        None,
    ));
    rustls::crypto::ring::default_provider().install_default().map_err(|_| "a provider is installed")?;
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).tls_certs_only([]).build();
    let rate = 4_000;
    let seconds = 5;
    for kind in ["tcp", "http", "reqwest", "idle"] {
        let me = std::process::id();
        let before = cpu::cpu_s(me).ok_or("no /proc")?;
        let good = Arc::new(AtomicU64::new(0));
        let mut ticks = interval(Duration::from_millis(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let start = Instant::now();
        let mut n = 0_u64;
        while start.elapsed() < Duration::from_secs(seconds) {
            ticks.tick().await;
            if kind == "idle" {
                continue;
            }
            for _ in 0..rate / 1_000 {
                n += 1;
                let ip = format!("127.0.{}.{}", n / 200 % 200, n % 200 + 1);
                let good = good.clone();
                if kind == "reqwest" {
                    let client = client.as_ref().unwrap().clone();
                    tokio::spawn(async move {
                        if client.get(format!("http://{ip}:{port}/health")).send().await.is_ok() {
                            good.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                } else {
                    let url = match kind {
                        "tcp" => format!("tcp://{ip}:{port}"),
                        _ => format!("http://{ip}:{port}/health"),
                    };
                    let prober = prober.clone();
                    tokio::spawn(async move {
                        let report = prober.probe(&url, Duration::from_secs(2)).await;
                        if report.is_ok_and(|report| report.failure.is_none()) {
                            good.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
            }
        }
        let used = cpu::cpu_s(me).ok_or("no /proc")? - before;
        let good = good.load(Ordering::Relaxed);
        println!("{kind}: {good} of {n}, {used:.2} CPU-s, {:.3} per 10k", used * 1e4 / good.max(1) as f64);
    }
    println!("{:?}", cpu::resident_mb(std::process::id()));
    Ok(())
}
