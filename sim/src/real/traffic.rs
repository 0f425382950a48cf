//! What nodes send each other while a run goes on, as the router counts it: datagrams, not streams.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

use super::Trouble;
use super::network::{self, Counted};

/// How often the router is asked.
const EVERY: Duration = Duration::from_secs(1);
/// The headers of a datagram in IPv4: what is counted without them is what UDP carries, as the simulator counts.
const HEADERS_BYTES: u64 = 28;

/// What had been counted until when, from a second after the run began to its end; of what was sent before, nothing is told.
#[derive(Debug, Default)]
pub struct Traffic(Vec<(Instant, Counted)>);

impl Traffic {
    /// Datagrams, and bytes that they carried, between two moments. Between two times at which the router was asked they
    /// are taken to be spread evenly.
    #[must_use]
    pub fn sent(&self, from: Instant, until: Instant) -> (f64, f64) {
        let (begin, end) = (self.until(from), self.until(until));
        (end.0 - begin.0, end.1 - begin.1)
    }

    fn until(&self, moment: Instant) -> (f64, f64) {
        let carried = |counted: Counted| {
            let bytes = counted.bytes.saturating_sub(HEADERS_BYTES * counted.packets);
            (counted.packets as f64, bytes as f64)
        };
        let next = self.0.partition_point(|(at, _)| *at < moment);
        match (next.checked_sub(1).and_then(|last| self.0.get(last)), self.0.get(next)) {
            (Some((earlier, before)), Some((later, after))) => {
                let (before, after) = (carried(*before), carried(*after));
                let part = (moment - *earlier).as_secs_f64() / (*later - *earlier).as_secs_f64();
                (before.0 + part * (after.0 - before.0), before.1 + part * (after.1 - before.1))
            }
            (Some((_, counted)), None) | (None, Some((_, counted))) => carried(*counted),
            (None, None) => (0.0, 0.0),
        }
    }
}

/// Asks the router until it is told to stop.
#[derive(Debug)]
pub struct Watch {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<Traffic, Trouble>>,
}

impl Watch {
    /// Begins with the router in this namespace.
    #[must_use]
    pub fn begin(router: String) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut traffic = Traffic::default();
            loop {
                let is_last = tokio::time::timeout(EVERY, &mut stopped).await.is_ok();
                let router = router.clone();
                // What nodes say meanwhile is to be heard when they say it.
                let counted = spawn_blocking(move || {
                    network::count(&router, "datagrams").map(|counted| (Instant::now(), counted))
                });
                let counted = counted.await.map_err(|error| Trouble::Failed(error.to_string()));
                traffic.0.push(counted.flatten()?);
                if is_last {
                    return Ok(traffic);
                }
            }
        });
        Self { stop, task }
    }

    /// What was counted, up to now.
    ///
    /// # Errors
    /// When the router did not tell.
    pub async fn end(self) -> Result<Traffic, Trouble> {
        // Whoever failed listens no more, and says why below.
        let _ = self.stop.send(());
        self.task.await.map_err(|error| Trouble::Failed(error.to_string())).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_between_two_moments_is_counted_without_headers_and_spread_evenly() {
        let begin = Instant::now();
        let at = |ms: u64| begin + Duration::from_millis(ms);
        let counted = |packets: u64| Counted { packets, bytes: packets * (HEADERS_BYTES + 100) };
        let traffic = Traffic(vec![(at(0), counted(0)), (at(1_000), counted(10)), (at(3_000), counted(50))]);
        assert_eq!(traffic.sent(at(1_000), at(3_000)), (40.0, 4_000.0));
        assert_eq!(traffic.sent(at(500), at(2_000)), (25.0, 2_500.0));
        assert_eq!(
            traffic.sent(at(0), at(9_000)),
            (50.0, 5_000.0),
            "nothing is made up beyond what was seen"
        );
        assert_eq!(Traffic::default().sent(at(0), at(1)), (0.0, 0.0));
    }
}
