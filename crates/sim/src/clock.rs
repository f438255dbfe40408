//! A clock that stands still until it is stepped.
//!
//! Whoever waits has an alarm set, so a scenario can jump from one alarm to the next.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use platform::{Clock, Pause, Timestamp};

/// A clock that is stepped by the test. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct SimClock(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    now: Timestamp,
    monotonic: Duration,
    /// By time, then in the order in which they were set.
    alarms: BTreeMap<(Duration, u64), Waker>,
    alarm_next: u64,
}

impl SimClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(State {
            now,
            monotonic: Duration::ZERO,
            alarms: BTreeMap::new(),
            alarm_next: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass; whoever waited long enough is woken.
    pub fn step(&self, how_long: Duration) {
        let woken = {
            let mut state = self.state();
            state.now = state.now + how_long;
            state.monotonic = state.monotonic.saturating_add(how_long);
            let later = (state.monotonic.saturating_add(Duration::from_nanos(1)), 0);
            let later = state.alarms.split_off(&later);
            std::mem::replace(&mut state.alarms, later)
        };
        woken.into_values().for_each(Waker::wake);
    }

    /// How long until somebody's wait is over; `None` when nobody waits.
    pub fn next_alarm(&self) -> Option<Duration> {
        let state = self.state();
        let ((at, _), _) = state.alarms.first_key_value()?;
        Some(at.saturating_sub(state.monotonic))
    }

    /// Sets the wall clock, as people do; the monotonic time goes on as if nothing was.
    pub fn set(&self, now: Timestamp) {
        self.state().now = now;
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    fn monotonic(&self) -> Duration {
        self.state().monotonic
    }

    fn sleep(&self, how_long: Duration) -> Pause {
        let until = self.state().monotonic.saturating_add(how_long);
        Box::pin(Sleep { alarm: Alarm::new(self), until })
    }
}

/// Wakes one waiter at one time; not at all once it was dropped.
#[derive(Debug)]
pub(crate) struct Alarm {
    clock: SimClock,
    key: Option<(Duration, u64)>,
}

impl Alarm {
    pub(crate) fn new(clock: &SimClock) -> Self {
        Self { clock: clock.clone(), key: None }
    }

    /// Whether that time has come; otherwise `waker` is woken then, and only then.
    pub(crate) fn has_come(&mut self, until: Duration, waker: &Waker) -> bool {
        let mut state = self.clock.state();
        if let Some(key) = self.key.take() {
            state.alarms.remove(&key);
        }
        if state.monotonic >= until {
            return true;
        }
        let key = (until, state.alarm_next);
        state.alarm_next = state.alarm_next.wrapping_add(1);
        state.alarms.insert(key, waker.clone());
        self.key = Some(key);
        false
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.clock.state().alarms.remove(&key);
        }
    }
}

struct Sleep {
    alarm: Alarm,
    until: Duration,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let until = self.until;
        match self.alarm.has_come(until, context.waker()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_ends_when_the_clock_was_stepped_far_enough() {
        let clock = SimClock::new(Timestamp(1000));
        let mut sleep = clock.sleep(Duration::from_secs(5));
        drop(clock.sleep(Duration::from_secs(1)));
        let mut context = Context::from_waker(Waker::noop());
        for (step_s, ready) in [(0, false), (4, false), (1, true)] {
            clock.step(Duration::from_secs(step_s));
            assert_eq!(sleep.as_mut().poll(&mut context).is_ready(), ready, "step {step_s}");
            let left = [(0, 5), (4, 1)].iter().find(|(step, _)| *step == step_s);
            let left = left.map(|(_, left)| Duration::from_secs(*left));
            assert_eq!(clock.next_alarm(), left, "step {step_s}");
        }
        assert_eq!(clock.next_alarm(), None, "nobody waits any more");
        assert_eq!(clock.now(), Timestamp(6000));
        clock.set(Timestamp(3));
        assert_eq!((clock.now(), clock.monotonic()), (Timestamp(3), Duration::from_secs(5)));
    }
}
