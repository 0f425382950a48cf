//! How many requests one client may make: a bucket of tokens for each address, in a table of bounded size.

use super::App;
use super::problem::{Kind, Problem};
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Addresses that have a bucket of their own. The others share one.
const BUCKETS: usize = 4_096;

/// How often clients may ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestRate {
    /// Requests per second of one address, in the long run. At least 1.
    pub per_s: u32,
    /// Requests that it may make at once after a pause. At least 1.
    pub burst: u32,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

/// The buckets of all clients.
#[derive(Debug)]
pub(super) struct Buckets {
    rate: RequestRate,
    held: Mutex<BTreeMap<IpAddr, Bucket>>,
}

impl Buckets {
    pub(super) fn new(rate: RequestRate) -> Self {
        let rate = RequestRate { per_s: rate.per_s.max(1), burst: rate.burst.max(1) };
        Self { rate, held: Mutex::new(BTreeMap::new()) }
    }

    /// Takes a token for a request; otherwise says how long to wait for one.
    fn take(&self, client: IpAddr, now: Instant) -> Result<(), Duration> {
        // A panic elsewhere cannot leave a bucket half filled.
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (per_s, burst) = (f64::from(self.rate.per_s), f64::from(self.rate.burst));
        let filled = |bucket: &Bucket| {
            (bucket.tokens + per_s * now.duration_since(bucket.filled).as_secs_f64()).min(burst)
        };
        let mut client = group(client);
        if !held.contains_key(&client) && held.len() >= BUCKETS {
            // Whoever has not asked for so long that its bucket is full loses nothing by being forgotten.
            held.retain(|_, bucket| filled(bucket) < burst);
            if held.len() >= BUCKETS {
                client = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
            }
        }
        let bucket = held.entry(client).or_insert(Bucket { tokens: burst, filled: now });
        let tokens = filled(bucket);
        let (left, answer) = if tokens >= 1.0 {
            (tokens - 1.0, Ok(()))
        } else {
            (tokens, Err(Duration::from_secs_f64((1.0 - tokens) / per_s)))
        };
        *bucket = Bucket { tokens: left, filled: now };
        answer
    }
}

/// Clients of IPv6 have whole networks to choose addresses from, so these count together.
pub(super) fn group(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V6(ip) if !ip.is_loopback() => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        other => other,
    }
}

/// Lets a request pass whose client does not ask too often.
pub(super) async fn check(
    State(app): State<App>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if let Some(buckets) = &app.buckets
        && let Err(wait) = buckets.take(client.ip(), Instant::now())
    {
        let RequestRate { per_s, .. } = buckets.rate;
        return Err(Problem::new(
            Kind::TooManyRequests,
            format!("more than {per_s} requests per second from {}", client.ip()),
        )
        .next("Slow down; long polls and event streams need far fewer requests.")
        .retry_after(wait));
    }
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_may_burst_and_then_as_often_as_its_bucket_fills() {
        let buckets = Buckets::new(RequestRate { per_s: 10, burst: 3 });
        let (client, start) = ("10.0.0.1".parse().unwrap(), Instant::now());
        let late = |ms| start + Duration::from_millis(ms);
        assert!((0..3).all(|_| buckets.take(client, start).is_ok()));
        let wait = buckets.take(client, start).unwrap_err();
        assert!(wait <= Duration::from_millis(100) && wait > Duration::from_millis(90), "{wait:?}");
        assert!(buckets.take("10.0.0.2".parse().unwrap(), start).is_ok(), "others are not concerned");
        assert!(buckets.take(client, late(101)).is_ok());
        assert!(buckets.take(client, late(102)).is_err());
        assert!((0..3).all(|_| buckets.take(client, late(60_000)).is_ok()), "a pause fills it");
        assert!(buckets.take(client, late(60_000)).is_err(), "and no further");
    }

    #[test]
    fn many_addresses_do_not_grow_the_table_without_bound() {
        let buckets = Buckets::new(RequestRate { per_s: 1, burst: 2 });
        let start = Instant::now();
        let client = |n: u32| IpAddr::from(n.to_be_bytes());
        for n in 0..2 * BUCKETS as u32 {
            let _ = buckets.take(client(n), start);
        }
        assert!(buckets.held.lock().unwrap().len() <= BUCKETS + 1);
        assert!(buckets.take(client(9_999_999), start).is_err(), "those without a bucket share one");
        assert!(buckets.take(client(9_999_999), start + Duration::from_secs(3)).is_ok());
        assert!(buckets.held.lock().unwrap().len() < BUCKETS, "the full ones are forgotten");
    }

    #[test]
    fn addresses_of_one_network_of_ipv6_count_together() {
        let same = |a: &str, b: &str| group(a.parse().unwrap()) == group(b.parse().unwrap());
        assert!(same("2001:db8::1", "2001:db8::2"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("::ffff:10.0.0.1", "10.0.0.1"));
    }
}
