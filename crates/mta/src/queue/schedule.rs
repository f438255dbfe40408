//! When to try again.
//!
//! Standards: RFC 5321 §4.5.4.1 (retries and when to give up).
//! Not here: what counts as an attempt (`queue`).

use std::time::Duration;

use store::UnixMillis;

use crate::QueueConfig;

/// Pause after failed attempt number `attempt`, which counts from 1. The last pause of the
/// schedule is used again and again.
///
/// # Standards
///
/// RFC 5321 §4.5.4.1 asks for at least 30 minutes between tries once the first have failed;
/// the short ones at first are for greylisting (RFC 6647 §5).
pub fn pause_before_retry(config: &QueueConfig, attempt: u32) -> Duration {
    const WITHOUT_SCHEDULE: Duration = Duration::from_secs(30 * 60);
    let place = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    let pause = config.retry.get(place).or(config.retry.last());
    pause.copied().unwrap_or(WITHOUT_SCHEDULE)
}

/// A moment later than another; stops at the end of time.
pub fn plus(at: UnixMillis, pause: Duration) -> UnixMillis {
    UnixMillis(at.0.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_follow_the_schedule_and_stay_at_its_end() {
        const MINUTE: u64 = 60;
        let config = QueueConfig::default();
        #[rustfmt::skip]
        let rows = [
            (1, 1, "greylisting"),
            (2, 5, "a short trouble"),
            (3, 15, "a reboot"),
            (6, 240, "the last of the schedule"),
            (7, 240, "and again"),
            (u32::MAX, 240, "for ever"),
            (0, 1, "counts from 1, but 0 does no harm"),
        ];
        for (attempt, minutes, why) in rows {
            let pause = pause_before_retry(&config, attempt);
            assert_eq!(pause, Duration::from_secs(minutes * MINUTE), "{why}");
        }
        let empty = QueueConfig { retry: Vec::new(), ..config };
        assert_eq!(pause_before_retry(&empty, 1), Duration::from_secs(30 * MINUTE));
    }
}
