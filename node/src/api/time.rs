//! Moments as clients read them.

use heck_core::time::Time;
use serde::{Serialize, Serializer};
use std::time::{Duration, SystemTime};

/// A moment by the clock of a node, in RFC 3339 with milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(pub Time);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // What lies beyond the year 9999 cannot be written; no clock says so.
        let year_9999 = 253_402_300_799_000_000;
        let moment = SystemTime::UNIX_EPOCH + Duration::from_micros(self.0.0.min(year_9999));
        serializer.collect_str(&humantime::format_rfc3339_millis(moment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_rfc_3339_however_far_they_are() {
        let text = |us| serde_json::to_string(&Moment(Time(us))).unwrap();
        assert_eq!(text(1_700_000_000_123_456), "\"2023-11-14T22:13:20.123Z\"");
        assert_eq!(text(u64::MAX), "\"9999-12-31T23:59:59.000Z\"");
    }
}
