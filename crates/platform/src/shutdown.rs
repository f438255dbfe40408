//! Ending in good order: a token that everything long-running watches.
//!
//! It goes through three states: running; draining, in which work that has begun may finish;
//! and over, in which nothing may. Whoever works takes a [`Hold`], so that the one who ends
//! the program knows when all are done.

use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{Clock, within};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Running,
    Draining,
    Over,
}

/// Tells that we shut down. Clones share one state.
#[derive(Clone, Debug)]
pub struct Shutdown {
    state: watch::Sender<State>,
    holds: watch::Sender<()>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { state: watch::Sender::new(State::Running), holds: watch::Sender::new(()) }
    }
}

/// Somebody works; [`Shutdown::drain`] waits until it is dropped.
#[derive(Debug)]
pub struct Hold {
    _hold: watch::Receiver<()>,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Everybody was done in time.
    InTime,
    /// Some were told to drop their work.
    CutOff,
}

impl Shutdown {
    /// A token in the state "running".
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets no new work begin. Fine when called again.
    pub fn begin(&self) {
        self.raise(State::Draining);
    }

    /// Asks everybody to drop their work. Fine when called again.
    pub fn end_now(&self) {
        self.raise(State::Over);
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        *self.state.borrow() >= State::Draining
    }

    /// Ready once it has begun. Cancel safe.
    pub async fn begun(&self) {
        self.reached(State::Draining).await;
    }

    /// Ready once the time to finish is over. Cancel safe.
    pub async fn over(&self) {
        self.reached(State::Over).await;
    }

    /// Marks work that [`drain`](Self::drain) waits for.
    pub fn hold(&self) -> Hold {
        Hold { _hold: self.holds.subscribe() }
    }

    /// Begins, waits at most `how_long` for all [`Hold`]s to be dropped, then ends.
    ///
    /// Cancel safe: what has begun stays so.
    pub async fn drain(&self, clock: &dyn Clock, how_long: Duration) -> Drained {
        /// For those cut off to say so to their peers.
        const LAST_WORDS: Duration = Duration::from_secs(2);
        self.begin();
        let drained = within(clock, how_long, self.holds.closed()).await;
        self.end_now();
        if drained.is_ok() {
            return Drained::InTime;
        }
        // Whether they are done or not, we end.
        within(clock, LAST_WORDS, self.holds.closed()).await.ok();
        Drained::CutOff
    }

    fn raise(&self, state: State) {
        self.state.send_if_modified(|now| {
            let raised = *now < state;
            *now = (*now).max(state);
            raised
        });
    }

    async fn reached(&self, state: State) {
        let mut states = self.state.subscribe();
        // It fails only when all senders are gone, and we are one.
        states.wait_for(|now| *now >= state).await.ok();
    }
}
