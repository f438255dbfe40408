//! Moments as people here read them: in the zone of this machine.
//!
//! Standards: none; what programs read is RFC 3339 in UTC (`platform::Timestamp`).

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;

static ZONE: LazyLock<TimeZone> = LazyLock::new(TimeZone::system);

/// To the minute: `2026-11-25 03:04`.
pub fn minute(unix_seconds: i64) -> String {
    written(unix_seconds, "%Y-%m-%d %H:%M")
}

/// To the second: `2026-11-25 03:04:05`.
pub fn second(unix_seconds: i64) -> String {
    written(unix_seconds, "%Y-%m-%d %H:%M:%S")
}

fn written(unix_seconds: i64, pattern: &str) -> String {
    Timestamp::from_second(unix_seconds)
        .map(|moment| moment.to_zoned_datetime(ZONE.clone()).strftime(pattern).to_string())
        .unwrap_or_else(|_| "unknown time".to_owned())
}

/// Minutes east of Greenwich at that moment.
pub(crate) fn offset_minutes(unix_seconds: i64) -> i16 {
    let moment = Timestamp::from_second(unix_seconds);
    let seconds = moment.map_or(0, |moment| ZONE.to_offset(moment).seconds());
    i16::try_from(seconds / 60).unwrap_or(0)
}
