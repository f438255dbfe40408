//! Turns: so many attempts at a time, and only a part of them at one domain.
//!
//! A domain that is dead or slow holds up its own mail; whoever comes when too many wait for it
//! already is put off, so that what is leased never is all its.
//!
//! Standards: RFC 5321 §4.5.4.1 (concurrency is a matter of the sender's strategy).
//! Not here: when what was put off comes again (`settle`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use envelope::Domain;
use platform::Clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One domain gets this part of all attempts.
const DOMAIN_PART: usize = 5;
/// For each attempt at a domain, so many may wait.
const WAITING_PER_TURN: usize = 2;
/// How long a turn is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// All turns.
#[derive(Debug)]
pub(super) struct Lanes {
    all: Arc<Semaphore>,
    domain_max: usize,
    lanes: Mutex<BTreeMap<Domain, Arc<Lane>>>,
}

#[derive(Debug)]
struct Lane {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// A turn; its drop gives it to the next.
#[derive(Debug)]
pub(super) struct Turn {
    _of_domain: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Lanes {
    pub(super) fn new(attempts_max: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(attempts_max.max(1))),
            domain_max: (attempts_max / DOMAIN_PART).max(1),
            lanes: Mutex::default(),
        }
    }

    /// Waits for a turn at a domain. `None` when there are too many before us, or it takes too
    /// long.
    ///
    /// Cancel safety: the place is lost, nothing else.
    pub(super) async fn turn(&self, clock: &dyn Clock, domain: &Domain) -> Option<Turn> {
        let place = Place::take(self, domain)?;
        let turn = async {
            let of_domain = Arc::clone(&place.lane.turns).acquire_owned().await.ok()?;
            let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some(Turn { _of_domain: of_domain, _of_all: of_all })
        };
        platform::clock::within(clock, PATIENCE, turn).await.ok().flatten()
    }

    fn map(&self) -> MutexGuard<'_, BTreeMap<Domain, Arc<Lane>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lane(&self, domain: &Domain) -> Arc<Lane> {
        let fresh = || {
            let turns = Arc::new(Semaphore::new(self.domain_max));
            Arc::new(Lane { turns, waiting: AtomicUsize::new(0) })
        };
        Arc::clone(self.map().entry(domain.clone()).or_insert_with(fresh))
    }

    /// Forgets lanes that nobody uses.
    pub(super) fn tidy(&self) {
        let domain_max = self.domain_max;
        self.map().retain(|_, lane| {
            Arc::strong_count(lane) > 1 || lane.turns.available_permits() < domain_max
        });
    }
}

/// A place in the line for a domain.
struct Place {
    lane: Arc<Lane>,
}

impl Place {
    fn take(lanes: &Lanes, domain: &Domain) -> Option<Self> {
        let lane = lanes.lane(domain);
        let waiting = lane.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Self { lane };
        let full = place.lane.turns.available_permits() == 0
            && waiting >= lanes.domain_max * WAITING_PER_TURN;
        (!full).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lane.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use platform::SystemClock;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_busy_domain_leaves_turns_to_the_others() {
        let lanes = Lanes::new(10);
        let slow = Domain::parse("slow.test").unwrap();
        let quick = Domain::parse("quick.test").unwrap();
        let held = [
            lanes.turn(&SystemClock, &slow).await.unwrap(),
            lanes.turn(&SystemClock, &slow).await.unwrap(),
        ];
        assert!(lanes.turn(&SystemClock, &slow).await.is_none(), "R13: it waits, and is put off");
        assert!(lanes.turn(&SystemClock, &quick).await.is_some(), "R13: others go on");
        drop(held);
        assert!(lanes.turn(&SystemClock, &slow).await.is_some());
        lanes.tidy();
        assert!(lanes.map().is_empty(), "nothing is kept of domains that are done");
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_line_is_not_joined() {
        let lanes = Lanes::new(1);
        let slow = Domain::parse("slow.test").unwrap();
        let _held = lanes.turn(&SystemClock, &slow).await.unwrap();
        let _waiting = [Place::take(&lanes, &slow).unwrap(), Place::take(&lanes, &slow).unwrap()];
        assert!(Place::take(&lanes, &slow).is_none());
    }
}
