//! Whether checks come in herds: when many origins are added at once, and when a node is lost.

use crate::program::Node;
use crate::{HERD, Origin, Outcome, server, verdict};
use std::time::Duration;
use tokio::time::sleep;

/// A machine that pauses bunches what arrives, and no pause makes a herd smaller: the best of so many attempts counts.
const ATTEMPTS: u32 = 3;
const INTERVAL: Duration = Duration::from_secs(5);

/// How the busiest 100 ms compares to the mean, from the first arrival on and over so many of these bins.
pub fn busiest(hundredths: &[u32], most: usize, what: &str) -> f64 {
    let bins: Vec<u32> = hundredths.chunks(10).map(|tenths| tenths.iter().sum()).collect();
    let first = bins.iter().position(|count| *count > 0).unwrap_or(0);
    let seen = &bins[first..bins.len().min(first + most)];
    let (sum, most) = (seen.iter().sum::<u32>(), seen.iter().max().copied().unwrap_or(0));
    let mean = f64::from(sum) / seen.len().max(1) as f64;
    println!("  {sum} {what} in {} bins of 100 ms: {mean:.0} on average, {most} at most", seen.len());
    f64::from(most) / mean.max(1.0)
}

/// A node that is given 10,000 origins at once.
async fn bulk_add(origin: &Origin) -> Outcome<f64> {
    let dir = tempfile::tempdir()?;
    let node = Node::start(dir.path(), None).await?;
    server::bins(origin.addr).await?;
    node.import(origin, 10_000, INTERVAL)?;
    sleep(Duration::from_millis(5_500)).await;
    Ok(busiest(&server::bins(origin.addr).await?, 50, "checks after 10,000 origins were added"))
}

/// Three nodes that share 6,000 origins, of which one is killed.
async fn node_loss(origin: &Origin) -> Outcome<f64> {
    let dir = tempfile::tempdir()?;
    let folder = |name: &str| dir.path().join(name);
    let first = Node::start(&folder("a"), None).await?;
    let second = Node::start(&folder("b"), Some(&first)).await?;
    let lost = Node::start(&folder("c"), Some(&first)).await?;
    first.import(origin, 6_000, INTERVAL)?;
    sleep(Duration::from_secs(30)).await;
    server::bins(origin.addr).await?;
    sleep(INTERVAL).await;
    busiest(&server::bins(origin.addr).await?, 50, "checks before a node of three was lost");
    drop(lost);
    sleep(Duration::from_secs(35)).await;
    let bins = server::bins(origin.addr).await?;
    let times = busiest(&bins, 350, "checks after it was lost");
    // Whose origins nobody took over would be checked by nobody, and there would be no herd either.
    let last: u32 = bins.iter().rev().take(500).sum();
    println!("  {last} of them in the last 5 s");
    if f64::from(last) < 0.9 * 6_000.0 {
        return Err("the origins of the node that was lost were not taken over".into());
    }
    drop((first, second));
    Ok(times)
}

/// Measures both, and judges by the bound.
pub async fn measure(origin: &Origin) -> Outcome<bool> {
    let mut is_met = true;
    println!("10,000 origins at 5 s are added to a node at once");
    let mut best = f64::INFINITY;
    for _ in 0..ATTEMPTS {
        best = best.min(bulk_add(origin).await?);
        if best <= HERD {
            break;
        }
    }
    is_met &= verdict("busiest 100 ms, times the mean", best, HERD);
    println!("one of three nodes with 6,000 origins at 5 s is killed");
    let mut best = f64::INFINITY;
    for _ in 0..ATTEMPTS {
        best = best.min(node_loss(origin).await?);
        if best <= HERD {
            break;
        }
    }
    is_met &= verdict("busiest 100 ms, times the mean", best, HERD);
    Ok(is_met)
}
