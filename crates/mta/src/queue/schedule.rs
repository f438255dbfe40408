//! When to try again, and when to give up.
//!
//! The wall clock may be wrong and may jump. Times to try are therefore told by a [`Timeline`]
//! that never goes back while we run, and no message is given up by the clock alone: the whole
//! schedule must have been tried first. A clock that is ten years off then costs nobody a
//! message for hours, in which somebody can set it right.
//!
//! Standards: RFC 5321 §4.5.4.1 (retries and when to give up).
//! Not here: what counts as an attempt (`queue`).

mod class;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use platform::{Clock, Random};
use store::UnixMillis;

pub use self::class::FailureClass;
use crate::QueueConfig;

/// The time by which the queue is kept: the wall clock, but never going back.
#[derive(Debug)]
pub(crate) struct Timeline {
    latest: Mutex<(UnixMillis, Duration)>,
}

impl Timeline {
    pub(crate) fn new(clock: &dyn Clock) -> Self {
        let now = UnixMillis(clock.now().millis());
        Self { latest: Mutex::new((now, clock.monotonic())) }
    }

    /// Now: what the wall clock says, or what it said before and the time since, whichever is
    /// later.
    pub(crate) fn now(&self, clock: &dyn Clock) -> UnixMillis {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let (then, at) = *latest;
        let monotonic = clock.monotonic();
        let counted = plus(then, monotonic.saturating_sub(at));
        let now = counted.max(UnixMillis(clock.now().millis()));
        *latest = (now, monotonic);
        now
    }
}

/// Whether a message that was tried `attempts` times is given up at `now`: its time is over, and
/// the whole schedule was tried.
pub(crate) fn is_expired(
    config: &QueueConfig,
    accepted_at: UnixMillis,
    attempts: u32,
    now: UnixMillis,
) -> bool {
    let tried = usize::try_from(attempts).unwrap_or(usize::MAX);
    now >= plus(accepted_at, config.expire) && tried > config.retry.len()
}

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

/// Pause after failed attempt number `attempt`, which counts from 1, when it failed in this way.
///
/// A class without a schedule of its own has that of [`pause_before_retry`]. Greylisting ends
/// within minutes (RFC 6647 §5): who still says so after its schedule means something else, and
/// is tried as anybody.
pub(crate) fn pause_of_class(config: &QueueConfig, class: FailureClass, attempt: u32) -> Duration {
    let place = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    let own = match class {
        FailureClass::Greylisted => config.retry_greylisted.get(place),
        FailureClass::Unreachable => {
            config.retry_unreachable.get(place).or(config.retry_unreachable.last())
        }
        FailureClass::Full => config.retry_full.get(place).or(config.retry_full.last()),
        FailureClass::Other => None,
    };
    own.copied().unwrap_or_else(|| pause_before_retry(config, attempt))
}

/// A pause made longer by luck, by at most [`QueueConfig::jitter_percent`] of it: what failed
/// together should not come back together.
pub(crate) fn with_jitter(config: &QueueConfig, pause: Duration, random: &dyn Random) -> Duration {
    let most = pause.saturating_mul(u32::from(config.jitter_percent)) / 100;
    let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    pause.saturating_add(Duration::from_millis(random.below(most)))
}

/// The longest pause that any schedule can ask for.
pub(crate) fn longest_pause(config: &QueueConfig) -> Duration {
    let longest = config.all_pauses().max().unwrap_or_default();
    longest.saturating_add(longest.saturating_mul(u32::from(config.jitter_percent)) / 100)
}

/// A moment later than another; stops at the end of time.
pub fn plus(at: UnixMillis, pause: Duration) -> UnixMillis {
    UnixMillis(at.0.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

    use platform::{Pause, Timestamp};

    use super::*;

    /// A clock that a test sets.
    #[derive(Debug, Default)]
    struct Hands {
        wall: AtomicI64,
        monotonic_ms: AtomicU64,
    }

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            Timestamp(self.wall.load(Ordering::Relaxed))
        }

        fn monotonic(&self) -> Duration {
            Duration::from_millis(self.monotonic_ms.load(Ordering::Relaxed))
        }

        fn sleep(&self, _: Duration) -> Pause {
            Box::pin(std::future::ready(()))
        }
    }

    #[test]
    fn the_queue_never_goes_back_in_time() {
        let hands = Hands::default();
        let timeline = Timeline::new(&hands);
        #[rustfmt::skip]
        let rows = [
            // wall, monotonic, the queue's time, why
            (1_000, 1_000, 1_000, "both go on"),
            (500, 2_000, 2_000, "the wall clock was set back"),
            (501, 3_000, 3_000, "and stays behind"),
            (50_000, 4_000, 50_000, "set forward"),
            (5_000, 5_000, 51_000, "and back again"),
        ];
        for (wall, monotonic, wanted, why) in rows {
            hands.wall.store(wall, Ordering::Relaxed);
            hands.monotonic_ms.store(monotonic, Ordering::Relaxed);
            assert_eq!(timeline.now(&hands), UnixMillis(wanted), "R15: {why}");
        }
    }

    #[test]
    fn the_clock_alone_gives_nothing_up() {
        let config = QueueConfig::default();
        let day = |days: i64| UnixMillis(days * 24 * 60 * 60 * 1000);
        #[rustfmt::skip]
        let rows = [
            (4, 100, false, "within its time"),
            (5, 35, true, "tried for five days"),
            (5, 7, true, "the whole schedule"),
            (3650, 1, false, "R15: the clock jumped"),
            (6, 6, false, "we were switched off for days: it gets its tries"),
        ];
        for (days, attempts, wanted, why) in rows {
            assert_eq!(is_expired(&config, day(0), attempts, day(days)), wanted, "{why}");
        }
    }

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

    #[test]
    fn a_class_may_have_a_schedule_of_its_own() {
        use FailureClass::{Full, Greylisted, Other, Unreachable};
        let minutes = |list: &[u64]| list.iter().map(|m| Duration::from_secs(m * 60)).collect();
        let config = QueueConfig {
            retry: minutes(&[1, 5, 15]),
            retry_greylisted: minutes(&[2, 3]),
            retry_unreachable: minutes(&[30, 60]),
            ..QueueConfig::default()
        };
        #[rustfmt::skip]
        let rows = [
            (Greylisted, 1, 2, "RFC 6647 §5: soon"),
            (Greylisted, 2, 3, "and soon again"),
            (Greylisted, 3, 15, "that is no greylisting any more"),
            (Unreachable, 1, 30, "a dead network"),
            (Unreachable, 9, 60, "the last pause of its schedule"),
            (Full, 1, 1, "without a schedule of its own: as anybody"),
            (Other, 2, 5, "as anybody"),
            (Other, u32::MAX, 15, "for ever"),
        ];
        for (class, attempt, wanted, why) in rows {
            let pause = pause_of_class(&config, class, attempt);
            assert_eq!(pause, Duration::from_secs(wanted * 60), "{why}");
        }
        assert_eq!(longest_pause(&config), Duration::from_secs(60 * 60), "of all schedules");
    }

    #[test]
    fn luck_makes_a_pause_longer_and_never_too_long() {
        /// Luck that has just one number.
        #[derive(Debug)]
        struct One(u64);
        impl Random for One {
            fn fill(&self, octets: &mut [u8]) {
                for (octet, own) in octets.iter_mut().zip(self.0.to_le_bytes()) {
                    *octet = own;
                }
            }
        }
        let pause = Duration::from_secs(100);
        #[rustfmt::skip]
        let rows = [
            (0, 12_345, 100_000, "none was asked for"),
            (10, 0, 100_000, "the shortest"),
            (10, 9_999, 109_999, "the longest"),
            (10, 12_345, 102_345, "in between"),
        ];
        for (jitter_percent, luck, wanted, why) in rows {
            let config = QueueConfig { jitter_percent, ..QueueConfig::default() };
            let got = with_jitter(&config, pause, &One(luck));
            assert_eq!(got, Duration::from_millis(wanted), "{why}");
        }
        let config = QueueConfig { jitter_percent: 50, ..QueueConfig::default() };
        assert_eq!(longest_pause(&config), Duration::from_secs(6 * 60 * 60), "luck included");
    }
}
