//! How many of something one client may hold, connections say: a stranger must not keep everybody else out.

use super::rate::group;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

type Held = Arc<Mutex<BTreeMap<IpAddr, usize>>>;

/// What each client holds. There are as many clients as things held at most.
pub(super) struct Shares {
    limit: usize,
    held: Held,
}

/// One thing that a client holds. It counts until this is dropped.
pub(super) struct Share {
    client: IpAddr,
    held: Held,
}

impl Shares {
    /// At most so many for each client.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, held: Held::default() }
    }

    /// One more; none when the client has as many as it may.
    pub(super) fn take(&self, client: IpAddr) -> Option<Share> {
        let client = group(client);
        // A panic elsewhere cannot leave a number half changed.
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.get(&client).copied().unwrap_or_default();
        if count >= self.limit {
            return None;
        }
        held.insert(client, count + 1);
        drop(held);
        Some(Share { client, held: self.held.clone() })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get_mut(&self.client) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                held.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_its_share_and_leaves_the_rest_to_others() {
        let shares = Shares::new(2);
        let [one, other] = ["2001:db8::1", "10.0.0.1"].map(|ip| ip.parse::<IpAddr>().unwrap());
        let first = shares.take(one);
        let second = shares.take("2001:db8::2".parse().unwrap());
        assert!(first.is_some() && second.is_some());
        assert!(shares.take(one).is_none(), "addresses of one network count together");
        let others = shares.take(other);
        assert!(others.is_some());
        drop(first);
        assert!(shares.take(one).is_some());
        drop((second, others));
        assert!(shares.held.lock().unwrap().is_empty(), "who has none is forgotten");
    }
}
