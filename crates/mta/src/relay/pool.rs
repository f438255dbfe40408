//! Connections that wait for the next message to the same host.
//!
//! ```text
//!   transaction done ─▶ park ─▶ take ─▶ the next transaction
//!                        └ idle too long, or we shut down ─▶ QUIT
//! ```
//!
//! A connection that died while it waited costs nothing but a new one: until the content was sent
//! the server can have nothing (`relay::attempt`).
//!
//! Standards: RFC 5321 §3.3 (several transactions in one session), §4.1.1.10 (QUIT).
//! Not here: what is said in a transaction (`conversation`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use platform::{Clock, Connection, Endpoint};
use smtp::client::{Interrupt, Session};
use store::TlsRecord;

use super::QUIT_TIMEOUT;
use crate::routing::HostKind;
use crate::tlspolicy::Demand;

/// How long a connection waits for the next message: long enough for a busy destination, short
/// enough not to hold a server's place for nothing.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// Most messages on one connection; then a new one gives the host's other addresses their share,
/// and stays below what large receivers allow.
pub(super) const MESSAGES_MAX: u32 = 100;
/// Most connections that wait for one address.
const PARKED_PER_HOST_MAX: usize = 20;
/// Most connections that wait at all: each holds a socket and some buffers.
const PARKED_MAX: usize = 200;

/// Whom a connection leads to, and how it came about: only for the same it is used again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) address: Endpoint,
    /// The name that a certificate was compared with.
    pub(super) host: String,
    pub(super) kind: HostKind,
    /// Our own address, where one was chosen.
    pub(super) from: Option<IpAddr>,
    pub(super) demand: Demand,
    /// Who logged in.
    pub(super) login: Option<String>,
}

/// A connection between two transactions.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) connection: Connection,
    pub(super) session: Session,
    pub(super) tls: Option<TlsRecord>,
    /// Transactions so far.
    pub(super) messages: u32,
}

/// Connections that wait.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Each with the time from which it waits; the longest wait comes first.
    hosts: BTreeMap<Key, Vec<(Duration, Box<Parked>)>>,
    count: usize,
    closed: bool,
}

impl Pool {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a connection for the next message; gives it back when there is no room.
    pub(super) fn park(&self, key: Key, parked: Box<Parked>, now: Duration) -> Result<(), Leaving> {
        let mut waiting = self.waiting();
        let here = waiting.hosts.get(&key).map_or(0, Vec::len);
        if waiting.closed || waiting.count >= PARKED_MAX || here >= PARKED_PER_HOST_MAX {
            return Err(Leaving(parked));
        }
        waiting.count += 1;
        waiting.hosts.entry(key).or_default().push((now, parked));
        Ok(())
    }

    /// A connection to the same host, the one that waited least.
    pub(super) fn take(&self, key: &Key, now: Duration) -> Option<Box<Parked>> {
        let mut waiting = self.waiting();
        let here = waiting.hosts.get_mut(key)?;
        let fresh = |(since, _): &(Duration, Box<Parked>)| now.saturating_sub(*since) < IDLE_MAX;
        let found = here.pop_if(|parked| fresh(parked));
        if here.is_empty() {
            waiting.hosts.remove(key);
        }
        let (_, parked) = found?;
        waiting.count = waiting.count.saturating_sub(1);
        Some(parked)
    }

    /// Takes out those that have waited too long, to say goodbye; and when to look again.
    pub(crate) fn outdated(&self, now: Duration) -> (Vec<Leaving>, Option<Duration>) {
        let mut waiting = self.waiting();
        let (mut leaving, mut next) = (Vec::new(), None);
        waiting.hosts.retain(|_, here| {
            let old = here.partition_point(|(since, _)| now.saturating_sub(*since) >= IDLE_MAX);
            leaving.extend(here.drain(..old).map(|(_, parked)| Leaving(parked)));
            if let Some((since, _)) = here.first() {
                let left = since.saturating_add(IDLE_MAX).saturating_sub(now);
                next = Some(next.unwrap_or(left).min(left));
            }
            !here.is_empty()
        });
        waiting.count = waiting.count.saturating_sub(leaving.len());
        (leaving, next)
    }

    /// Takes all, and keeps no further one: we shut down.
    pub(crate) fn close(&self) -> Vec<Leaving> {
        let mut waiting = self.waiting();
        waiting.closed = true;
        waiting.count = 0;
        let hosts = std::mem::take(&mut waiting.hosts);
        hosts.into_values().flatten().map(|(_, parked)| Leaving(parked)).collect()
    }

    /// Keeps connections again, after [`close`](Self::close).
    pub(crate) fn open(&self) {
        self.waiting().closed = false;
    }
}

/// A connection that is no longer needed.
#[derive(Debug)]
pub(crate) struct Leaving(Box<Parked>);

impl Leaving {
    /// Says QUIT, hears the reply if it comes soon, and closes.
    pub(crate) async fn leave(self, clock: Arc<dyn Clock>) {
        let Parked { mut connection, mut session, .. } = *self.0;
        session.quit();
        let until = clock.monotonic().saturating_add(QUIT_TIMEOUT);
        let mut input = Vec::new();
        while session.poll().is_some() {}
        let output = session.take_output();
        if connection.write(&output, QUIT_TIMEOUT).await.is_err() {
            return;
        }
        while !session.is_closed() {
            input.clear();
            let left = until.saturating_sub(clock.monotonic());
            match connection.read(&mut input, left).await {
                Ok(read) if read > 0 => session.receive(&input),
                // It is gone; that was all we wanted.
                _ => session.interrupt(Interrupt::Lost),
            }
            while session.poll().is_some() {}
        }
        connection.close().await;
    }
}
