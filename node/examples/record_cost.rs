//! What recording costs: `cargo run --release -p heck-node --example record_cost -- [PAIRS] [SECONDS]`. Linux only; loopback
//! only; ends by itself.
//!
//! A process runs a cluster of three nodes on one thread, with 3,000 origins that are checked over TCP every second and
//! 100 writes a second of 200 bytes each, once with all nodes recording and once with none; in so many pairs (5 unless set), of
//! which every other begins with the recording one. Printed are the CPU seconds of so many seconds (20 unless set) each, threads
//! that write recordings included, and by how much recording raises them; before that, what a checkpoint of 10,000 origins takes.

use heck_core::Node;
use heck_core::effects::Effects;
use heck_core::entry::OriginSpec;
use heck_core::id::{Addr, Boot, Name};
use heck_core::input::{Command, Input};
use heck_core::node::{Base, Identity};
use heck_core::rng::Seed;
use heck_core::time::{Span, Time};
use heck_node::{Count, NodeConfig, NodeHandle, Recorded, Sockets, Start, start};
use std::error::Error;
use std::net::TcpListener;
use std::path::Path;
use std::process::{self, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, interval, sleep};

type Outcome<T> = Result<T, Box<dyn Error>>;

const CHILD: &str = "--child";
const NODES: u64 = 3;
const ORIGINS: usize = 3_000;
/// Origins of the node whose checkpoint is measured.
const LARGE: usize = 10_000;
const WRITES_PER_S: u64 = 100;
const VALUE_BYTES: usize = 200;
/// What comes before the measured time: joins, first checks, and all that is only done once.
const WARM_UP: Duration = Duration::from_secs(8);

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [child, records, seconds, target] = &args[..]
        && child == CHILD
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        return runtime.block_on(run(records == "yes", seconds.parse()?, target));
    }
    checkpoint()?;
    let pairs: u32 = args.first().map_or(Ok(5), |text| text.parse())?;
    let seconds: u64 = args.get(1).map_or(Ok(20), |text| text.parse())?;
    let target = accept_all()?;
    let (mut extra, mut all) = (Vec::new(), [0.0; 2]);
    for pair in 0..pairs {
        let order = if pair % 2 == 0 { [false, true] } else { [true, false] };
        let mut used = [0.0; 2];
        for records in order {
            let said = child(records, seconds, &target)?;
            let (cpu, rest) = said.trim().split_once(' ').ok_or("a child says what it used")?;
            used[usize::from(records)] = cpu.parse()?;
            println!("pair {pair}  {:9}  {cpu} CPU s  {rest}", if records { "recording" } else { "plain" });
        }
        all = [all[0] + used[0], all[1] + used[1]];
        extra.push(format!("{:+.1}", (used[1] / used[0] - 1.0) * 100.0));
    }
    let percent = (all[1] / all[0] - 1.0) * 100.0;
    println!("recording raises CPU by {percent:+.1} % over all pairs; each by {} %", extra.join(", "));
    Ok(())
}

fn child(records: bool, seconds: u64, target: &str) -> Outcome<String> {
    let records = if records { "yes" } else { "no" };
    let output = process::Command::new(std::env::current_exe()?)
        .args([CHILD, records, &seconds.to_string(), target])
        .stderr(Stdio::inherit())
        .output()?;
    if output.status.success() { Ok(String::from_utf8(output.stdout)?) } else { Err("a child failed".into()) }
}

/// What the state of a node with many origins takes, which is written at the start and with each new file.
fn checkpoint() -> Outcome<()> {
    let identity = Identity::new(Name::new("n")?, Boot(1), Addr::default());
    let base = Arc::new(Base { formed: true, ..Base::default() });
    let mut node = Node::new(identity, Arc::default(), &base, None, Seed(1), Time::ZERO);
    let mut effects = Effects::default();
    for n in 0..LARGE {
        let (name, source) = (Name::new(&format!("origin-{n:05}"))?, Name::new("cost")?);
        let command = Command::PutOrigin { name, spec: OriginSpec::new("http://10.0.0.7/healthz"), source };
        node.step(Time::ZERO, Input::Command { token: 0, command: &command }, &mut effects);
        effects.clear();
    }
    let begun = Instant::now();
    let bytes = node.checkpoint().len();
    println!(
        "a checkpoint with {LARGE} origins: {bytes} bytes in {:.1} ms",
        begun.elapsed().as_secs_f64() * 1e3
    );
    Ok(())
}

/// A listener that accepts whoever comes.
fn accept_all() -> Outcome<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let target = format!("tcp://{}", listener.local_addr()?);
    // Connections are closed at once: that they came about is what is checked.
    std::thread::spawn(move || {
        loop {
            let _ = listener.accept();
        }
    });
    Ok(target)
}

/// CPU seconds that this process has used so far.
fn cpu_s() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit_once(')').ok_or("a name")?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).ok_or("a field")?.parse::<f64>().map_err(|_| "a number");
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}

async fn run(records: bool, seconds: u64, target: &str) -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let nodes = cluster(dir.path(), records).await?;
    for n in 0..ORIGINS {
        let spec = OriginSpec::new(target).with(|policy| policy.interval = Span::from_secs(1));
        let (name, source) = (Name::new(&format!("origin-{n:04}"))?, Name::new("cost")?);
        nodes[n % nodes.len()].command(Command::PutOrigin { name, spec, source }).await?;
    }
    sleep(WARM_UP).await;
    let (before, begun) = (cpu_s()?, Instant::now());
    let mut ticks = interval(Duration::from_millis(1_000 / WRITES_PER_S));
    let mut writes = 0_u64;
    while begun.elapsed() < Duration::from_secs(seconds) {
        ticks.tick().await;
        writes += 1;
        let name = Name::new(&format!("key-{}", writes % 500))?;
        let value = vec![writes as u8; VALUE_BYTES].into();
        nodes[(writes % NODES) as usize].command(Command::PutKey { name, value }).await?;
    }
    let used = cpu_s()? - before;
    let count = |count| nodes.iter().map(|node| node.counters().get(count)).sum::<u64>();
    let (steps, bytes) = (count(Count::RecordingSteps), count(Count::RecordingBytes));
    let lost = count(Count::RecordingStepsLost);
    let probes = count(Count::ProbesStarted);
    println!(
        "{used:.2} {writes} writes, {probes} probes, {steps} steps in {bytes} bytes recorded, {lost} lost"
    );
    for node in &nodes {
        node.shutdown().await?;
    }
    Ok(())
}

async fn cluster(dir: &Path, records: bool) -> Outcome<Vec<NodeHandle>> {
    let mut nodes: Vec<NodeHandle> = Vec::new();
    for n in 0..NODES {
        let mut config = NodeConfig::new(Name::new(&format!("n{n}"))?, dir.join(format!("n{n}")), Seed(n));
        config.probes.guard.loopback = true;
        config.recorded =
            records.then(|| Recorded { file: dir.join(format!("n{n}.rec")), limit_bytes: 64 << 20 });
        if let Some(first) = nodes.first() {
            config.start = Start::Join(vec![first.addr()]);
        }
        nodes.push(start(Sockets::bind("127.0.0.1:0".parse()?)?, config).await?);
    }
    Ok(nodes)
}
