//! A clock that stands still until it is stepped.

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
    waiting: Vec<Waker>,
}

impl SimClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(State { now, monotonic: Duration::ZERO, waiting: Vec::new() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass; whoever waited long enough is woken.
    pub fn step(&self, how_long: Duration) {
        let mut state = self.state();
        state.now = state.now + how_long;
        state.monotonic = state.monotonic.saturating_add(how_long);
        for waker in std::mem::take(&mut state.waiting) {
            waker.wake(); // those that are too early wait again
        }
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
        Box::pin(Sleep { clock: self.clone(), until })
    }
}

struct Sleep {
    clock: SimClock,
    until: Duration,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.state();
        if state.monotonic >= self.until {
            return Poll::Ready(());
        }
        state.waiting.push(context.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_ends_when_the_clock_was_stepped_far_enough() {
        let clock = SimClock::new(Timestamp(1000));
        let mut sleep = clock.sleep(Duration::from_secs(5));
        let mut context = Context::from_waker(Waker::noop());
        for (step_s, ready) in [(0, false), (4, false), (1, true)] {
            clock.step(Duration::from_secs(step_s));
            assert_eq!(sleep.as_mut().poll(&mut context).is_ready(), ready, "step {step_s}");
        }
        assert_eq!(clock.now(), Timestamp(6000));
        clock.set(Timestamp(3));
        assert_eq!((clock.now(), clock.monotonic()), (Timestamp(3), Duration::from_secs(5)));
    }
}
