//! Ending in good order: a token that everything long-running watches.
//!
//! It goes through three states: running; draining, in which work that has begun may finish;
//! and over, in which nothing may. Whoever works takes a [`Hold`], so that the one who ends
//! the program knows when all are done.
//!
//! Not here: what a session says to its peer ([`Interrupt`](crate::Interrupt)).

use std::io;
use std::time::Duration;

use tokio::signal::unix::{self, SignalKind};
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

    /// Whether the time to finish is over.
    pub fn is_over(&self) -> bool {
        *self.state.borrow() >= State::Over
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

/// What the system or its owner asks of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// End in good order (SIGTERM, SIGINT).
    End,
    /// Read the configuration and certificates again (SIGHUP).
    Reload,
}

/// The signals that come to this process. While there is one, they no longer kill it.
#[derive(Debug)]
pub struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hangup: unix::Signal,
}

impl Signals {
    /// Begins to catch them.
    ///
    /// # Errors
    ///
    /// When the system has none.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            hangup: unix::signal(SignalKind::hangup())?,
        })
    }

    /// The next one. Cancel safe.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::End,
            _ = self.interrupt.recv() => Signal::End,
            _ = self.hangup.recv() => Signal::Reload,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_for_work_but_not_forever() {
        #[rustfmt::skip]
        let table = [
            // work takes, seconds; outcome; why
            (None,      Drained::InTime, "nobody works"),
            (Some(5),   Drained::InTime, "work that ends in time"),
            (Some(11),  Drained::CutOff, "work that takes too long"),
            (Some(999), Drained::CutOff, "work that never looks at us"),
        ];
        for (seconds, outcome, why) in table {
            let shutdown = Shutdown::new();
            if let Some(seconds) = seconds {
                let hold = shutdown.hold();
                tokio::spawn(async move {
                    SystemClock.sleep(Duration::from_secs(seconds)).await;
                    drop(hold);
                });
            }
            let drained = shutdown.drain(&SystemClock, Duration::from_secs(10)).await;
            assert_eq!(drained, outcome, "{why}");
            assert!(shutdown.has_begun() && shutdown.is_over(), "{why}");
        }
    }

    #[tokio::test]
    async fn states_only_rise_and_clones_see_them() {
        let shutdown = Shutdown::new();
        let clone = shutdown.clone();
        let waiting = Arc::new(shutdown.clone());
        let waiter = tokio::spawn(async move { waiting.begun().await });
        assert!(!clone.has_begun());
        clone.begin();
        waiter.await.unwrap();
        assert!(!clone.is_over());
        clone.end_now();
        clone.begin();
        assert!(shutdown.is_over());
        shutdown.over().await;
    }

    #[tokio::test]
    async fn a_signal_is_caught() {
        let mut signals = Signals::listen().unwrap();
        let us = nix::unistd::Pid::this();
        nix::sys::signal::kill(us, nix::sys::signal::Signal::SIGHUP).unwrap();
        assert_eq!(signals.next().await, Signal::Reload);
        nix::sys::signal::kill(us, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert_eq!(signals.next().await, Signal::End);
    }
}
