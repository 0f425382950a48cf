//! How many descriptors the system lends: each probe under way takes one.

use tracing::warn;

/// Wanted beside the probes: gossip, streams of peers, the API and its clients, files.
const OTHERS: u64 = 4_096;

/// Takes as many descriptors as are wanted and the system allows, and warns when that is too few for so many probes.
pub(super) fn raise_limit(probes_at_once: u32) {
    let probes = u64::from(probes_at_once);
    match rlimit::increase_nofile_limit(probes + OTHERS) {
        Ok(limit) if limit > probes => {}
        Ok(limit) => warn!(
            limit,
            checks.at_once = probes_at_once,
            "the system lends fewer descriptors than probes may be under way: raise the limit of open files (`ulimit -Hn`)"
        ),
        Err(error) => warn!(%error, "the limit of open files could not be raised"),
    }
}
