//! Whether origins at which nothing answers, not even the system, delay the checks of others.

use crate::checker::HOLES;
use crate::child::Process;
use crate::{Origin, Outcome, server, verdict};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

const ORIGINS: u32 = 2_000;
const INTERVAL: Duration = Duration::from_secs(5);
/// The most by which a check may start off its interval, at the 99th percentile: a hundredth of it.
const SHIFT_MS: f64 = 50.0;

/// A port of all of loopback at which connections are neither taken nor refused.
struct Hole {
    port: u16,
    _held: (TcpListener, Vec<TcpStream>),
}

impl Hole {
    /// The system drops what would be too much for a listener that takes nothing.
    async fn open() -> Outcome<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind("0.0.0.0:0".parse()?)?;
        let listener = socket.listen(1)?;
        let port = listener.local_addr()?.port();
        let mut waiting = Vec::new();
        while let Ok(stream) =
            timeout(Duration::from_millis(500), TcpStream::connect(("127.0.0.1", port))).await
        {
            waiting.push(stream?);
        }
        Ok(Self { port, _held: (listener, waiting) })
    }
}

/// How far checks of origins that answer are off their interval, in milliseconds, sorted.
async fn shifts_ms(origin: &Origin, kind: &str) -> Outcome<Vec<f64>> {
    let (_node, _) = Process::start_self(&origin.work(kind, ORIGINS, INTERVAL).to_arguments())?;
    // Until all that is down is known to be.
    sleep(Duration::from_secs(20)).await;
    server::gaps_us(origin.addr).await?;
    sleep(Duration::from_secs(30)).await;
    let gaps = server::gaps_us(origin.addr).await?;
    let shift = |gap_us: &u32| (f64::from(*gap_us) / 1_000.0 - INTERVAL.as_secs_f64() * 1_000.0).abs();
    let mut shifts: Vec<f64> = gaps.iter().map(shift).collect();
    shifts.sort_by(f64::total_cmp);
    if shifts.len() < 1_000 {
        return Err("too few checks arrived".into());
    }
    Ok(shifts)
}

/// Measures with and without holes, and judges by the bound.
pub async fn measure(origin: &Origin) -> Outcome<bool> {
    println!(
        "{ORIGINS} origins at 5 s, without and with one in five a black hole: shifts of the others' checks"
    );
    let hole = Hole::open().await?;
    let mut last = 0.0;
    for (what, kind) in [("none", "http".to_owned()), ("one in five", format!("{HOLES}{}", hole.port))] {
        let shifts = shifts_ms(origin, &kind).await?;
        let at = |share: f64| shifts[(shifts.len() as f64 * share) as usize];
        last = at(0.99);
        println!(
            "  {what:12} {} checks: p50 {:.2} ms, p99 {last:.2} ms, p99.9 {:.2} ms",
            shifts.len(),
            at(0.5),
            at(0.999)
        );
    }
    Ok(verdict("p99 of the shift with holes, ms", last, SHIFT_MS))
}
