//! Up to when a recording is replayed.

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use heck_core::time::{Span, Time};

use crate::units::parse_span;

/// A time in a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// So long after its beginning.
    After(Span),
    /// At this time of the node's clock, which begins with the machine's.
    At(Time),
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(span) = parse_span(text) {
            return Ok(Self::After(span));
        }
        let allowed =
            "allowed is a time since the beginning, as `90s`, or a time in UTC, as `2026-01-31T12:00:00Z`";
        let at = humantime::parse_rfc3339_weak(text).map_err(|_| allowed.to_owned())?;
        let since = at.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| allowed.to_owned())?;
        Ok(Self::At(Time(u64::try_from(since.as_micros()).map_err(|_| allowed.to_owned())?)))
    }
}

impl Until {
    /// The time that is meant in a recording that begins then.
    #[must_use]
    pub fn in_recording(self, begins: Time) -> Time {
        match self {
            Self::After(span) => begins + span,
            Self::At(time) => time,
        }
    }
}

/// A node's time as the time of day in UTC; in microseconds where no calendar reaches.
pub(super) fn show_utc(time: Time) -> String {
    // The year 10000 is where the notation ends.
    const LIMIT_US: u64 = 253_402_300_800_000_000;
    if time.0 >= LIMIT_US {
        return format!("{} us", time.0);
    }
    humantime::format_rfc3339_micros(SystemTime::UNIX_EPOCH + Duration::from_micros(time.0)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_one_since_the_beginning_or_one_of_the_day() {
        assert_eq!("90s".parse(), Ok(Until::After(Span::from_secs(90))));
        let noon = Time(1_769_860_800_000_000);
        assert_eq!("2026-01-31T12:00:00Z".parse(), Ok(Until::At(noon)));
        assert_eq!("2026-01-31 12:00:00".parse(), Ok(Until::At(noon)));
        assert_eq!(show_utc(noon), "2026-01-31T12:00:00.000000Z");
        assert_eq!(show_utc(Time::NEVER), "18446744073709551615 us");
        assert!("noon".parse::<Until>().unwrap_err().starts_with("allowed is"));
        assert_eq!(Until::After(Span(5)).in_recording(Time(7)), Time(12));
    }
}
