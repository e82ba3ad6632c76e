//! The wall clock, for "3 s ago" and for bars; nothing is decided by it.

use jiff::{Timestamp, tz::TimeZone};

/// Now.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// A time in Unix seconds, if it is one that calendars know.
pub(crate) fn from_seconds(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok()
}

/// A time in Unix milliseconds, if it is one that calendars know.
pub(crate) fn from_millis(millis: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis).ok()
}

/// The time of day if it is today, else the day as well, in the user's time zone.
pub(crate) fn local(at: Timestamp, now: Timestamp) -> String {
    let zone = TimeZone::system();
    let (at, now) = (
        at.to_zoned_datetime(zone.clone()),
        now.to_zoned_datetime(zone),
    );
    let form = if at.date() == now.date() {
        "%H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M"
    };
    at.strftime(form).to_string()
}

/// How long ago `at` was, in one unit: "3 s ago".
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(at.as_second());
    if seconds <= 0 {
        return "just now".to_owned();
    }
    format!("{} ago", span(seconds.unsigned_abs()))
}

/// A length of time in one unit, rounded down.
pub(crate) fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// How this computer's clock differs from a service's, in words, where the difference is more than half of `period`
/// seconds: the service may then take a passcode for that of another time. `offset_ms` is the service's clock minus ours.
pub(crate) fn spoils(offset_ms: i64, period: u32) -> Option<String> {
    let half = u64::from(period).saturating_mul(500);
    let off = offset_ms.unsigned_abs();
    let way = if offset_ms > 0 { "behind" } else { "ahead" };
    (off > half).then(|| format!("This computer's clock is {} {way}", span(off / 1_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_said_in_one_unit() {
        assert_eq!(span(0), "0 s");
        assert_eq!(span(119), "119 s");
        assert_eq!(span(120), "2 min");
        assert_eq!(span(7_200), "2 h");
        assert_eq!(span(172_800), "2 days");
        assert_eq!(
            span(u64::MAX).split(' ').nth(1),
            Some("days"),
            "no overflow"
        );
    }

    #[test]
    fn a_time_ahead_of_our_clock_is_just_now() {
        let (Some(at), Some(now)) = (from_seconds(100), from_seconds(90)) else {
            panic!("both are in the calendar");
        };
        assert_eq!(ago(at, now), "just now");
        assert_eq!(ago(now, at), "10 s ago");
    }
}
