//! What checks cost: see `node/REFERENCE.md`, "Cost of checks". Linux only; loopback only; ends by itself.

#[path = "../../tests/common/authority.rs"]
mod authority;
mod checker;
mod child;
mod cpu;
mod haproxy;
mod herd;
mod holes;
mod program;
mod server;

use checker::Work;
use child::Process;
use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::sleep;

type Outcome<T> = Result<T, Box<dyn Error>>;

const SERVE: &str = "--serve";
const HAPROXY: &str = "haproxy ";
/// Who checks how, in the order in which it is measured.
const KINDS: [&str; 11] = [
    "bare-tcp",
    "tcp",
    "haproxy tcp",
    "bare-http",
    "http",
    "haproxy http",
    "reqwest",
    "bare-keep-alive",
    "keep-alive",
    "https",
    "https keep-alive",
];
const PARTS: [&str; 7] = ["cost", "start", "load", "overload", "holes", "herd", "whole"];
const USAGE: &str = "usage: check_cost [PART]...  (all unless some are named)";
/// The most that a 100 ms bin may have of the mean.
const HERD: f64 = 2.0;
/// The most that a node with 10,000 origins may have resident.
const RESIDENT_MB: f64 = 50.0;

/// One thread: what is measured is a node on one core.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == [SERVE] {
        server::serve().await?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some((work, dir)) = Work::to_fill(&arguments) {
        checker::fill(&work, dir).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(work) = Work::from_arguments(&arguments) {
        // It ends with whoever measures it.
        std::thread::spawn(|| {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            std::process::exit(0);
        });
        checker::run(&work).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(unknown) = arguments.iter().find(|argument| !PARTS.contains(&argument.as_str())) {
        return Err(format!("`{unknown}` is no part; {USAGE}: {}", PARTS.join(", ")).into());
    }
    let (server, said) = Process::start_self(&[SERVE.to_owned()])?;
    let (addr, ca) = said.split_once(' ').ok_or("the origin did not say where it is")?;
    let origin = Origin { addr: addr.parse()?, ca: ca.to_owned(), _server: server };
    let mut is_met = true;
    for part in PARTS {
        if arguments.is_empty() || arguments.iter().any(|argument| argument == part) {
            is_met &= measure_part(part, &origin).await?;
        }
    }
    Ok(if is_met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether a part found what it should.
async fn measure_part(part: &str, origin: &Origin) -> Outcome<bool> {
    match part {
        "cost" => cost(origin).await.map(|()| true),
        "start" => cold_start(origin).await,
        "load" => load(origin, 20_000, true).await,
        "overload" => load(origin, 40_000, false).await,
        "holes" => holes::measure(origin).await,
        "herd" => herd::measure(origin).await,
        _ => program::whole(origin).await,
    }
}

/// Prints a bound beside what was found, and says whether that keeps to it.
fn verdict(what: &str, found: f64, most: f64) -> bool {
    let is_met = found <= most;
    println!("  {}: {what} {found:.2}, at most {most:.2}", if is_met { "met" } else { "MISSED" });
    is_met
}

/// Where the origins are, and the certificate of their authority.
struct Origin {
    addr: SocketAddr,
    ca: String,
    _server: Process,
}

impl Origin {
    fn work(&self, kind: &str, origins: u32, interval: Duration) -> Work {
        Work { kind: kind.to_owned(), origins, interval, port: self.addr.port(), ca: self.ca.clone() }
    }
}

/// What a process used while so many checks arrived.
struct Used {
    checks: f64,
    user_s: f64,
    system_s: f64,
    resident_mb: f64,
    wall_s: f64,
}

/// Lets a process settle, and says what it uses after that.
async fn measure(process: &Process, origin: &Origin, settle: u64, seconds: u64) -> Outcome<Used> {
    sleep(Duration::from_secs(settle)).await;
    server::bins(origin.addr).await?;
    let gone = "it has ended, or there is no /proc";
    let opened = cpu::opened().ok_or(gone)?;
    let before = cpu::cpu_s(process.id()).ok_or(gone)?;
    let begun = std::time::Instant::now();
    sleep(Duration::from_secs(seconds)).await;
    let after = cpu::cpu_s(process.id()).ok_or(gone)?;
    let wall_s = begun.elapsed().as_secs_f64();
    let opened = cpu::opened().ok_or(gone)? - opened;
    // A check that resets its connection before it stands is not seen by the origin, and one over a connection that
    // was kept opens none.
    let arrived: u32 = server::bins(origin.addr).await?.iter().sum();
    let checks = opened.max(arrived.into());
    let resident_mb = cpu::resident_mb(process.id()).ok_or(gone)?;
    Ok(Used {
        checks: checks as f64,
        user_s: after.0 - before.0,
        system_s: after.1 - before.1,
        resident_mb,
        wall_s,
    })
}

/// CPU seconds for 10,000 checks, by who makes them.
async fn cost(origin: &Origin) -> Outcome<()> {
    println!("CPU-s per 10,000 checks; 4,000 origins at 1 s (500 with TLS), for 10 s each, one thread");
    println!("{:24} {:>8} {:>8} {:>8} {:>10}", "", "user", "system", "sum", "checks");
    let dir = tempfile::tempdir()?;
    for kind in KINDS {
        let origins = if kind.starts_with("https") { 500 } else { 4_000 };
        let work = origin.work(kind.trim_start_matches(HAPROXY), origins, Duration::from_secs(1));
        let process = match kind.strip_prefix(HAPROXY) {
            Some(_) if !haproxy::is_there() => {
                println!("{kind:24} is not installed");
                continue;
            }
            Some(_) => {
                let arguments = haproxy::configure(&work, dir.path())?;
                Process::start("haproxy", &arguments, false)?.0
            }
            None => Process::start_self(&work.to_arguments())?.0,
        };
        let used = measure(&process, origin, 4, 10).await?;
        let per = |seconds: f64| seconds * 10_000.0 / used.checks.max(1.0);
        let (user, system) = (per(used.user_s), per(used.system_s));
        println!("{kind:24} {user:8.3} {system:8.3} {:8.3} {:10}", user + system, used.checks);
    }
    Ok(())
}

/// How first checks spread, and what a node with 10,000 origins takes of memory.
async fn cold_start(origin: &Origin) -> Outcome<bool> {
    let interval = Duration::from_secs(5);
    let work = origin.work("http", 10_000, interval);
    println!("start of a node that has 10,000 origins at 5 s, on its disk");
    let (node, _) = Process::start_self(&work.to_arguments())?;
    sleep(Duration::from_millis(5_500)).await;
    let busiest = herd::busiest(&server::bins(origin.addr).await?, 50, "first checks");
    let used = measure(&node, origin, 10, 10).await?;
    println!("  {:.3} CPU-s a second", (used.user_s + used.system_s) / used.wall_s);
    let is_spread = verdict("busiest 100 ms, times the mean", busiest, HERD);
    Ok(verdict("resident MB of the node without its API", used.resident_mb, RESIDENT_MB) && is_spread)
}

/// Whether one core checks so many origins at 5 s. None may show as down, as all are well; with more than the core can do
/// they may show as stale.
async fn load(origin: &Origin, origins: u32, keeps_up: bool) -> Outcome<bool> {
    let interval = Duration::from_secs(5);
    let work = origin.work("http", origins, interval);
    println!("{origins} origins at 5 s, one thread, 30 s");
    let (node, _) = Process::start_self(&work.to_arguments())?;
    let used = measure(&node, origin, 25, 30).await?;
    let (rate, wanted) = (used.checks / used.wall_s, f64::from(origins) / interval.as_secs_f64());
    println!(
        "  {rate:.0} checks a second of {wanted:.0}, {:.3} CPU-s a second",
        (used.user_s + used.system_s) / used.wall_s
    );
    println!("  resident {:.1} MB", used.resident_mb);
    let told = node.said().iter().filter_map(|line| checker::Told::read(line)).collect::<Vec<_>>();
    if told.len() < 10 {
        return Err("the node did not say how its origins are".into());
    }
    let most = |of: fn(&checker::Told) -> u32| f64::from(told.iter().map(of).max().unwrap_or(0));
    let is_fresh = if keeps_up {
        verdict("most that show as stale", most(|told| told.stale), 0.0)
    } else {
        println!("  most that show as stale {}", most(|told| told.stale));
        true
    };
    Ok(verdict("most that show as down", most(|told| told.down), 0.0) && is_fresh)
}
