//! What time it is, and waiting.
//!
//! Two times: the wall clock, which people set and which may jump, for what is written down;
//! and a monotonic one, for how long something takes.
//!
//! Standards: RFC 3339 (how a [`Timestamp`] prints).
//! Not here: the dates of header fields (crate `message`).

use std::fmt;
use std::ops::{Add, Sub};
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// A wait that is over when it is ready.
pub type Pause = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tells the time and waits.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// The wall clock. It may jump, also backwards.
    fn now(&self) -> Timestamp;

    /// Time since some start; never goes back.
    fn monotonic(&self) -> Duration;

    /// A wait of `how_long`, counted from now.
    fn sleep(&self, how_long: Duration) -> Pause;
}

/// The time ran out before the future was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time ran out")]
pub struct TimedOut;

/// What `future` gives, unless `how_long` passes first.
///
/// Cancel safety: as that of `future`, which is dropped when the time runs out.
pub async fn within<F: Future>(
    clock: &dyn Clock,
    how_long: Duration,
    future: F,
) -> Result<F::Output, TimedOut> {
    let pause = clock.sleep(how_long);
    tokio::select! {
        biased;
        output = future => Ok(output),
        () = pause => Err(TimedOut),
    }
}

/// Seconds of a day.
const DAY_S: i64 = 24 * 60 * 60;

/// A moment of the wall clock, in milliseconds since 1970 (UTC, without leap seconds).
///
/// Adding and subtracting stops at the ends of the range instead of overflowing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// From whole seconds since 1970.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// From milliseconds since 1970.
    pub const fn from_millis(milliseconds: i64) -> Self {
        Self(milliseconds)
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Year, month and day in UTC; years outside of four digits are drawn in.
    pub(crate) fn date(self) -> (i32, u8, u8) {
        let (year, month, day) = civil_date(self.seconds().div_euclid(DAY_S));
        let small = |number: i64| u8::try_from(number).unwrap_or(1);
        (i32::try_from(year.clamp(0, 9999)).unwrap_or(9999), small(month), small(day))
    }

    /// How long after `earlier` this is; zero when it is before.
    pub fn since(self, earlier: Self) -> Duration {
        let milliseconds = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, how_long: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(how_long.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, how_long: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(how_long.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// RFC 3339 in UTC: `2026-11-25T02:22:10Z`; with `.123` when there are milliseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.seconds().div_euclid(DAY_S), self.seconds().rem_euclid(DAY_S));
        let (year, month, day) = civil_date(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        match self.0.rem_euclid(1000) {
            0 => f.write_str("Z"),
            milliseconds => write!(f, ".{milliseconds:03}Z"),
        }
    }
}

/// Year, month and day of a day counted from 1970-01-01 (Gregorian, also before its time).
///
/// Counts in eras of 400 years that begin on 1 March, so that the leap day comes last.
fn civil_date(days: i64) -> (i64, i64, i64) {
    const ERA_DAYS: i64 = 146_097;
    const MARCH_OF_YEAR_0: i64 = 719_468;
    let days = days.saturating_add(MARCH_OF_YEAR_0);
    let (era, day) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153; // 0 is March
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    (year + era * 400, month, day)
}

/// The system's clock; its waits are Tokio's.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock that the others ask")]
    fn now(&self) -> Timestamp {
        let since = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => Timestamp(since(after)),
            Err(before) => Timestamp(-since(before.duration())),
        }
    }

    /// Tokio's instants, so that a paused runtime pauses this too.
    #[expect(clippy::disallowed_methods, reason = "this is the Clock that the others ask")]
    fn monotonic(&self) -> Duration {
        // A paused runtime may have stopped its time shortly before we first look at ours.
        const BEFORE: Duration = Duration::from_secs(60);
        static START: OnceLock<std::time::Instant> = OnceLock::new();
        let start = *START.get_or_init(|| {
            let now = std::time::Instant::now();
            now.checked_sub(BEFORE).unwrap_or(now)
        });
        Instant::now().saturating_duration_since(Instant::from_std(start))
    }

    fn sleep(&self, how_long: Duration) -> Pause {
        Box::pin(tokio::time::sleep(how_long))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn timestamps_print_as_rfc_3339() {
        #[rustfmt::skip]
        let table = [
            (0, "1970-01-01T00:00:00Z", "the epoch"),
            (1_000_000_000_000, "2001-09-09T01:46:40Z", "a known moment"),
            (951_782_400_000, "2000-02-29T00:00:00Z", "leap day of a century that has one"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z", "a century without one"),
            (1_795_573_330_042, "2026-11-25T02:22:10.042Z", "milliseconds, zeros kept"),
            (-1, "1969-12-31T23:59:59.999Z", "before the epoch rounds down"),
            (-62_135_596_800_000, "0001-01-01T00:00:00Z", "the first year"),
        ];
        for (milliseconds, text, why) in table {
            assert_eq!(Timestamp(milliseconds).to_string(), text, "{why}");
        }
    }

    #[test]
    fn the_ends_of_time_hold() {
        assert_eq!(Timestamp(i64::MAX) + Duration::MAX, Timestamp(i64::MAX));
        assert_eq!(Timestamp(i64::MIN) - Duration::MAX, Timestamp(i64::MIN));
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
        assert_eq!(
            Timestamp(i64::MAX).since(Timestamp(i64::MIN)),
            Duration::from_millis(i64::MAX as u64)
        );
        assert!(!Timestamp(i64::MAX).to_string().is_empty());
        assert!(!Timestamp(i64::MIN).to_string().is_empty());
        assert_eq!(Timestamp(-1).seconds(), -1);
    }

    proptest! {
        /// Text order is time order, within the years of four digits.
        #[test]
        fn text_order_is_time_order(a in 0_i64..4_000_000_000, b in 0_i64..4_000_000_000) {
            let (a, b) = (Timestamp::from_seconds(a), Timestamp::from_seconds(b));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_takes_its_time() {
        let before = SystemClock.monotonic();
        let never = std::future::pending::<()>();
        assert_eq!(within(&SystemClock, Duration::from_secs(90), never).await, Err(TimedOut));
        let took = SystemClock.monotonic().saturating_sub(before);
        assert!(took >= Duration::from_secs(90) && took < Duration::from_secs(91), "{took:?}");
        let ready = std::future::ready(7);
        assert_eq!(within(&SystemClock, Duration::ZERO, ready).await, Ok(7));
    }
}
