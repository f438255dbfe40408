//! Operations that wait for the writer, and accepts that were announced.
//!
//! One batch is whatever waits when the writer comes back from the last one. On a fast disk
//! that would be few: the deliverers that the last batch answered are just sending their next
//! messages. So sessions announce that an accept will follow, and the writer waits for them:
//!
//! - only while at least one accept waits and fewer accepts wait than were announced,
//! - at most as long as the last commit took, and never longer than [`PATIENCE_MAX`]; so that
//!   waiting at most doubles what a message waits anyhow,
//! - an announcement counts for one batch: whoever dawdles after it holds up only that one.
//!
//! A lone session therefore never waits.
//!
//! Not here: what an operation does (`batch`).

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use platform::Clock;
use store::{Announcement, StoreError};

use crate::batch::Batch;

/// The writer never waits longer than this for announced accepts.
pub(crate) const PATIENCE_MAX: Duration = Duration::from_millis(4);

/// Most operations of one batch.
const BATCH_OPERATIONS_MAX: usize = 1024;

/// Most content of one batch, unless one message alone has more.
const BATCH_OCTETS_MAX: u64 = 8 * 1024 * 1024;

/// Most operations that may wait; sessions are limited to far fewer.
const WAITING_MAX: usize = 64 * 1024;

/// Tells an operation's caller how the commit went.
pub(crate) type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Runs an operation in a batch; without one there is only an error to answer with.
pub(crate) type Run = Box<dyn FnOnce(Option<&mut Batch<'_>>) -> Answer + Send>;

/// What kind of operation it is, for those who count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Accept,
    Other,
}

/// Something for the writer to do.
pub(crate) struct Operation {
    pub(crate) kind: Kind,
    /// Octets of content that it brings.
    pub(crate) octets: u64,
    pub(crate) run: Run,
}

/// The queue between callers and the writer.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Default)]
struct State {
    operations: VecDeque<Operation>,
    octets: u64,
    accepts: usize,
    announced: usize,
    /// Grows with every batch; older announcements do not count.
    batch: u64,
    awaited: Awaited,
    closed: bool,
}

/// What the writer waits for. Callers wake it only for that: waking costs a system call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Awaited {
    #[default]
    Nothing,
    Anything,
    Announced,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("operations", &self.operations.len()).finish_non_exhaustive()
    }
}

impl State {
    fn is_full(&self) -> bool {
        self.operations.len() >= BATCH_OPERATIONS_MAX || self.octets >= BATCH_OCTETS_MAX
    }

    /// Whether it is worth waiting for accepts that were announced.
    fn expects(&self) -> bool {
        !self.closed && !self.is_full() && self.accepts > 0 && self.accepts < self.announced
    }

    fn should_wake(&self) -> bool {
        match self.awaited {
            Awaited::Nothing => false,
            Awaited::Anything => self.closed || !self.operations.is_empty(),
            Awaited::Announced => !self.expects(),
        }
    }
}

impl Waiting {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        if state.should_wake() {
            state.awaited = Awaited::Nothing;
            drop(state);
            self.woken.notify_one();
        }
    }

    /// Puts an operation into the queue.
    pub(crate) fn push(&self, operation: Operation) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.closed {
            return Err(StoreError::Closed);
        }
        if state.operations.len() >= WAITING_MAX {
            return Err(StoreError::Busy { limit_octets: BATCH_OCTETS_MAX });
        }
        state.octets = state.octets.saturating_add(operation.octets);
        if operation.kind == Kind::Accept {
            state.accepts = state.accepts.saturating_add(1);
        }
        state.operations.push_back(operation);
        self.wake(state);
        Ok(())
    }

    /// Counts an accept that will follow, until the announcement is dropped.
    pub(crate) fn announce(self: &Arc<Self>) -> Announcement {
        let mut state = self.state();
        state.announced = state.announced.saturating_add(1);
        let batch = state.batch;
        drop(state);
        let waiting = Arc::clone(self);
        Announcement::new(move || {
            let mut state = waiting.state();
            if state.batch == batch {
                state.announced = state.announced.saturating_sub(1);
                waiting.wake(state);
            }
        })
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.state().operations.is_empty()
    }

    /// Takes nothing more in; what waits is still done.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        self.wake(state);
    }

    /// Takes nothing more in and forgets what waits: nobody is going to do it.
    pub(crate) fn abandon(&self) {
        let mut state = self.state();
        state.closed = true;
        let operations = std::mem::take(&mut state.operations);
        drop(state);
        drop(operations); // their callers hear that the store is closed
    }

    /// Takes the operations of the next batch. Empty when none came within `wait`; `None` when
    /// the store is closed and all is done.
    pub(crate) fn take(
        &self,
        wait: Option<Duration>,
        patience: Duration,
        clock: &dyn Clock,
    ) -> Option<Vec<Operation>> {
        let mut state = self.state();
        if state.operations.is_empty() && !state.closed {
            state = self.sleep(state, Awaited::Anything, wait, clock);
        }
        let patience = patience.min(PATIENCE_MAX);
        if !patience.is_zero() && state.expects() {
            state = self.sleep(state, Awaited::Announced, Some(patience), clock);
        }
        if state.operations.is_empty() {
            return if state.closed { None } else { Some(Vec::new()) };
        }
        let mut taken = Vec::new();
        let mut octets: u64 = 0;
        while taken.len() < BATCH_OPERATIONS_MAX && (taken.is_empty() || octets < BATCH_OCTETS_MAX)
        {
            let Some(operation) = state.operations.pop_front() else { break };
            octets = octets.saturating_add(operation.octets);
            if operation.kind == Kind::Accept {
                state.accepts = state.accepts.saturating_sub(1);
            }
            taken.push(operation);
        }
        state.octets = state.octets.saturating_sub(octets);
        state.announced = 0;
        state.batch = state.batch.wrapping_add(1);
        Some(taken)
    }

    fn sleep<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        what_for: Awaited,
        how_long: Option<Duration>,
        clock: &dyn Clock,
    ) -> MutexGuard<'a, State> {
        let began = clock.monotonic();
        state.awaited = what_for;
        while !state.should_wake() && state.awaited != Awaited::Nothing {
            let Some(how_long) = how_long else {
                state = self.woken.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = how_long.saturating_sub(clock.monotonic().saturating_sub(began));
            if left.is_zero() {
                break;
            }
            let (woken, _) =
                self.woken.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
            state = woken;
        }
        state.awaited = Awaited::Nothing;
        state
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use platform::{Pause, SystemClock, Timestamp};

    use super::*;

    /// Goes on by a millisecond whenever it is asked, so that no wait is longer than it seems.
    #[derive(Debug, Default)]
    struct Impatient(AtomicU64);

    impl Clock for Impatient {
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }

        fn monotonic(&self) -> Duration {
            Duration::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
        }

        fn sleep(&self, _how_long: Duration) -> Pause {
            Box::pin(std::future::ready(()))
        }
    }

    fn push(waiting: &Waiting, kind: Kind, octets: u64) {
        let run: Run = Box::new(|_| Box::new(|_| {}));
        waiting.push(Operation { kind, octets, run }).expect("there is room");
    }

    #[test]
    fn the_writer_waits_for_announced_accepts_only() {
        const PATIENCE: Duration = Duration::from_millis(3);
        #[rustfmt::skip]
        let table = [
            // accepts, others, announced, whether it waits, why
            (1, 0, 0, false, "nobody is announced"),
            (1, 0, 1, false, "a lone session never waits"),
            (1, 0, 2, true, "another one is coming"),
            (3, 1, 3, false, "all are there"),
            (0, 1, 5, false, "nobody's 250 waits for the others"),
        ];
        for (accepts, others, announced, waits, why) in table {
            let (waiting, clock) = (Arc::new(Waiting::default()), Impatient::default());
            let announcements: Vec<_> = (0..announced).map(|_| waiting.announce()).collect();
            (0..accepts).for_each(|_| push(&waiting, Kind::Accept, 10));
            (0..others).for_each(|_| push(&waiting, Kind::Other, 0));
            let taken = waiting.take(None, PATIENCE, &clock).expect("it is open");
            assert_eq!(taken.len(), accepts + others, "{why}");
            assert_eq!(clock.0.load(Ordering::Relaxed) > 0, waits, "{why}");
            // Those who dawdle hold up one batch only.
            let clock = Impatient::default();
            push(&waiting, Kind::Accept, 10);
            assert_eq!(waiting.take(None, PATIENCE, &clock).map(|taken| taken.len()), Some(1));
            assert_eq!(clock.0.load(Ordering::Relaxed), 0, "{why}");
            drop(announcements);
        }
    }

    #[test]
    fn whoever_was_announced_comes_along() {
        let waiting = &Arc::new(Waiting::default());
        let (first, second, third) = (waiting.announce(), waiting.announce(), waiting.announce());
        push(waiting, Kind::Accept, 10);
        let taken = std::thread::scope(|scope| {
            // This clock stands still: the writer's patience never ends.
            let clock = sim::SimClock::new(Timestamp(0));
            let writer = scope
                .spawn(move || waiting.take(None, PATIENCE_MAX, &clock).map(|taken| taken.len()));
            push(waiting, Kind::Accept, 10);
            drop(third);
            writer.join().expect("no panic")
        });
        assert_eq!(taken, Some(2), "one came, one was taken back");
        drop((first, second));
    }

    #[test]
    fn a_batch_has_limits() {
        let waiting = Waiting::default();
        (0..BATCH_OPERATIONS_MAX + 5).for_each(|_| push(&waiting, Kind::Other, 1));
        push(&waiting, Kind::Accept, BATCH_OCTETS_MAX);
        push(&waiting, Kind::Accept, 1);
        let take = || {
            waiting.take(Some(Duration::ZERO), Duration::ZERO, &SystemClock).map(|all| all.len())
        };
        let batches = [take(), take(), take(), take()];
        assert_eq!(batches, [Some(BATCH_OPERATIONS_MAX), Some(6), Some(1), Some(0)]);
        waiting.close();
        assert!(waiting.take(None, Duration::ZERO, &SystemClock).is_none());
    }
}
