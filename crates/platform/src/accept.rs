//! The accept loop: who is let in, and a task for each.
//!
//! Standards: RFC 5321 §3.8 (421 for those who are not let in).
//! Not here: what is said to those who are ([`drive`](crate::drive)).

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use crate::clock::Clock;
use crate::net::{Listener, Stream};
use crate::shutdown::Shutdown;

/// Pause after the system could not give us a connection (EMFILE and the like): others end
/// meanwhile.
const PAUSE: Duration = Duration::from_millis(200);

/// How many connections there may be at a time.
#[derive(Clone, Copy, Debug)]
pub struct AcceptLimits {
    /// From everybody together.
    pub connections_max: usize,
    /// From one IPv4 address or one /64 of IPv6, which is what one site gets.
    pub connections_per_address_max: usize,
}

impl Default for AcceptLimits {
    fn default() -> Self {
        Self { connections_max: 2000, connections_per_address_max: 50 }
    }
}

/// Counts the connections of one or more listeners and keeps them within limits.
#[derive(Debug)]
pub struct Gate {
    limits: AcceptLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    counts: Counts,
    per_address: BTreeMap<IpAddr, usize>,
}

/// Numbers for whoever watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that are open.
    pub open: usize,
    /// Connections let in since the start.
    pub accepted: u64,
    /// Connections refused since the start.
    pub refused: u64,
}

/// A place inside; given back when dropped.
#[derive(Debug)]
pub struct Pass {
    gate: Arc<Gate>,
    site: IpAddr,
}

impl Gate {
    /// A gate with nobody inside.
    pub fn new(limits: AcceptLimits) -> Arc<Self> {
        Arc::new(Self { limits, state: Mutex::default() })
    }

    /// The limits.
    pub fn limits(&self) -> AcceptLimits {
        self.limits
    }

    /// Lets a peer in, or counts it as refused.
    pub fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Pass> {
        let site = site(peer);
        let mut state = self.state();
        let here = state.per_address.get(&site).copied().unwrap_or(0);
        if state.counts.open >= self.limits.connections_max
            || here >= self.limits.connections_per_address_max
        {
            state.counts.refused = state.counts.refused.saturating_add(1);
            return None;
        }
        state.per_address.insert(site, here.saturating_add(1));
        state.counts.open = state.counts.open.saturating_add(1);
        state.counts.accepted = state.counts.accepted.saturating_add(1);
        Some(Pass { gate: Arc::clone(self), site })
    }

    /// The numbers now.
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held, so a poisoned one is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        state.counts.open = state.counts.open.saturating_sub(1);
        match state.per_address.get_mut(&self.site) {
            Some(here) if *here > 1 => *here -= 1,
            _ => {
                state.per_address.remove(&self.site);
            }
        }
    }
}

/// The address, or the /64 of IPv6 around it; an IPv4 address in IPv6 clothes is itself.
fn site(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(peer) => IpAddr::V6(Ipv6Addr::from_bits(peer.to_bits() & !u128::from(u64::MAX))),
        peer @ IpAddr::V4(_) => peer,
    }
}

/// Takes in connections and starts a session for each.
#[derive(Clone, Debug)]
pub struct Acceptor {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Ends the loop when it begins; its drain waits for the sessions.
    pub shutdown: Shutdown,
    /// Counts and limits the connections; may be shared by several acceptors.
    pub gate: Arc<Gate>,
    /// What a refused peer hears, `421 …`; empty to say nothing (a port with TLS from the
    /// start).
    pub refusal: Vec<u8>,
}

impl Acceptor {
    /// Accepts until we shut down. Each session is a task of its own, so that one that panics
    /// takes nobody along.
    ///
    /// No error of the system ends it: it pauses and goes on.
    /// Cancel safety: when dropped it no longer listens; sessions go on.
    pub async fn run<S, F>(&self, listener: Box<dyn Listener>, session: S)
    where
        S: Fn(Box<dyn Stream>) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let mut failures = 0_u64;
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.shutdown.begun() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok(stream) => {
                    if failures > 0 {
                        tracing::info!(local = %listener.local(), failures, "accepting again");
                        failures = 0;
                    }
                    self.admit(stream, &session).await;
                }
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    if failures == 0 {
                        tracing::error!(local = %listener.local(), %error, "cannot accept connections");
                    }
                    failures = failures.saturating_add(1);
                    self.clock.sleep(PAUSE).await;
                }
            }
        }
    }

    async fn admit<S, F>(&self, mut stream: Box<dyn Stream>, session: &S)
    where
        S: Fn(Box<dyn Stream>) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let peer = stream.peer();
        let Some(pass) = self.gate.enter(peer.ip()) else {
            tracing::warn!(%peer, "too many connections");
            refuse(&mut *stream, &self.refusal).await;
            return;
        };
        let hold = self.shutdown.hold();
        let session = session(stream);
        tokio::spawn(async move {
            session.await;
            drop((pass, hold));
        });
    }
}

/// Says no, without waiting: a fresh connection has room for it.
pub async fn refuse(stream: &mut dyn Stream, refusal: &[u8]) {
    let mut stream = Pin::new(stream);
    poll_fn(|context| {
        // If it does not get through, the peer sees that the connection ends.
        let _ = stream.as_mut().poll_write(context, refusal).map(|written| written.ok());
        let _ = stream.as_mut().poll_shutdown(context).map(|shut| shut.ok());
        Poll::Ready(())
    })
    .await;
}

/// Errors of a connection that was gone before we took it (accept(2)).
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | NotConnected)
}
