//! What checks cost: see `node/REFERENCE.md`, "Cost of checks". Linux only; loopback only; ends by itself.

#[path = "../../tests/common/authority.rs"]
mod authority;
mod checker;
mod child;
mod cpu;
mod haproxy;
mod server;

use checker::Work;
use child::Process;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::sleep;

type Outcome<T> = Result<T, Box<dyn Error>>;

const SERVE: &str = "--serve";
const HAPROXY: &str = "haproxy ";
/// Who checks how, in the order in which it is measured.
const KINDS: [&str; 10] = [
    "bare-tcp",
    "tcp",
    "haproxy tcp",
    "bare-http",
    "http",
    "haproxy http",
    "reqwest",
    "keep-alive",
    "https",
    "https keep-alive",
];
const USAGE: &str = "usage: check_cost [cost | start | load]...  (all unless some are named)";

/// One thread: what is measured is a node on one core.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == [SERVE] {
        return Ok(server::serve().await?);
    }
    if let Some((work, dir)) = Work::to_fill(&arguments) {
        return checker::fill(&work, dir).await;
    }
    if let Some(work) = Work::from_arguments(&arguments) {
        // It ends with whoever measures it.
        std::thread::spawn(|| {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            std::process::exit(0);
        });
        return checker::run(&work).await;
    }
    let parts = ["cost", "start", "load"];
    if arguments.iter().any(|argument| !parts.contains(&argument.as_str())) {
        return Err(USAGE.into());
    }
    let is_wanted = |part: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == part);
    let (_origin, said) = Process::start_self(&[SERVE.to_owned()])?;
    let (addr, ca) = said.split_once(' ').ok_or("the origin did not say where it is")?;
    let origin = Origin { addr: addr.parse()?, ca: ca.to_owned() };
    if is_wanted("cost") {
        cost(&origin).await?;
    }
    if is_wanted("start") {
        cold_start(&origin).await?;
    }
    if is_wanted("load") {
        load(&origin).await?;
    }
    Ok(())
}

/// Where the origins are, and the certificate of their authority.
struct Origin {
    addr: SocketAddr,
    ca: String,
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
async fn cold_start(origin: &Origin) -> Outcome<()> {
    let interval = Duration::from_secs(5);
    let work = origin.work("http", 10_000, interval);
    let (node, _) = Process::start_self(&work.to_arguments())?;
    sleep(Duration::from_millis(5_500)).await;
    let bins: Vec<u32> =
        server::bins(origin.addr).await?.chunks(10).map(|tenths| tenths.iter().sum()).collect();
    let first = bins.iter().position(|count| *count > 0).unwrap_or(0);
    let seen = &bins[first..bins.len().min(first + 50)];
    let (sum, most) = (seen.iter().sum::<u32>(), seen.iter().max().copied().unwrap_or(0));
    let mean = f64::from(sum) / seen.len().max(1) as f64;
    println!("start of a node that has 10,000 origins at 5 s, on its disk");
    println!("  {sum} first checks in {} bins of 100 ms: {mean:.0} on average, {most} at most", seen.len());
    println!("  the busiest is {:.2} times the mean", f64::from(most) / mean.max(1.0));
    let used = measure(&node, origin, 10, 10).await?;
    println!(
        "  resident {:.1} MB, {:.3} CPU-s a second",
        used.resident_mb,
        (used.user_s + used.system_s) / used.wall_s
    );
    Ok(())
}

/// Whether one core checks 20,000 origins at 5 s; the node complains when one of them shows as down or stale.
async fn load(origin: &Origin) -> Outcome<()> {
    let interval = Duration::from_secs(5);
    let work = origin.work("http", 20_000, interval);
    println!("20,000 origins at 5 s, one thread, 30 s");
    let (node, _) = Process::start_self(&work.to_arguments())?;
    let used = measure(&node, origin, 25, 30).await?;
    let rate = used.checks / used.wall_s;
    println!(
        "  {rate:.0} checks a second of 4,000, {:.3} CPU-s a second",
        (used.user_s + used.system_s) / used.wall_s
    );
    println!("  resident {:.1} MB", used.resident_mb);
    Ok(())
}
