//! How busy the machine was during a run, and by how much this process was late: what the simulator knows nothing of.

use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::sleep;

/// How often the clock is looked at.
const TICK: Duration = Duration::from_millis(10);

/// The load of a run.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Load {
    /// The share of processor time that was used, by all of the machine.
    pub busy: f64,
    /// By how much a timer of this process was late, its 99th percentile, in microseconds.
    pub late_p99_us: u64,
}

/// Watches the load.
pub struct Watch {
    before: Option<(u64, u64)>,
    late_us: Arc<Mutex<Vec<u64>>>,
    ticking: JoinHandle<()>,
}

impl Watch {
    /// Begins to watch, within a runtime.
    #[must_use]
    pub fn begin() -> Self {
        let late_us = Arc::<Mutex<Vec<u64>>>::default();
        let noted = late_us.clone();
        let ticking = tokio::spawn(async move {
            loop {
                let before = Instant::now();
                sleep(TICK).await;
                let late = before.elapsed().saturating_sub(TICK).as_micros();
                let late = u64::try_from(late).unwrap_or(u64::MAX);
                noted.lock().unwrap_or_else(PoisonError::into_inner).push(late);
            }
        });
        Self { before: processors(), late_us, ticking }
    }

    /// The load since the beginning.
    #[must_use]
    pub fn end(self) -> Load {
        self.ticking.abort();
        let busy = self.before.zip(processors()).map_or(0.0, |((busy, all), (busy_now, all_now))| {
            (busy_now - busy) as f64 / (all_now - all).max(1) as f64
        });
        let mut late_us = self.late_us.lock().unwrap_or_else(PoisonError::into_inner).clone();
        late_us.sort_unstable();
        let late_p99_us = late_us.get(late_us.len() * 99 / 100).copied().unwrap_or_default();
        Load { busy, late_p99_us }
    }
}

/// Ticks that processors were busy, and all ticks, since the machine started.
fn processors() -> Option<(u64, u64)> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<u64> = stat.lines().next()?.split_whitespace().skip(1).flat_map(str::parse).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; what follows is counted in these.
    let all: u64 = ticks.iter().take(8).sum();
    Some((all - ticks.get(3)? - ticks.get(4)?, all))
}
