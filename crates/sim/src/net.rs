//! A network in memory: hosts with addresses, and the ways to them.
//!
//! A [`Way`] says how long octets take to a host and what goes wrong there. The rest is what a
//! network does: nobody listens, so the connection is refused; a silent host lets it hang; a
//! partition holds octets up and lets them go when it ends.
//!
//! ```text
//!   connect ─▶ way to the host ─▶ two pipes (there, back) ─▶ its listener
//!                 └ latency, rate, where it breaks off
//! ```
//!
//! Standards: none of its own.
//! Not here: routing and packets of TCP; a datagram is lost only at a silent host.

mod datagram;
mod pipe;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use platform::{BoxFuture, Clock, Datagram, Listener, Net, Random, Stream};
use tokio::sync::{mpsc, watch};

use self::datagram::{Letters, SimDatagram};
use self::pipe::{Fuse, Line, SimStream};
use crate::{SimClock, SimRandom};

/// Ports that are given to those who do not care.
const PORTS_OF_CHOICE: std::ops::RangeInclusive<u16> = 49_152..=65_535;

/// How octets get to a host and back, and what goes wrong.
#[derive(Clone, Debug)]
pub struct Way {
    /// How long an octet is under way, in each direction.
    pub latency: Duration,
    /// How many octets get through, in each direction; zero means any number.
    pub octets_per_second: u64,
    /// Whether the host answers at all.
    pub reach: Reach,
    /// What happens to connections in the middle.
    pub breaks: Option<Break>,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(20),
            octets_per_second: 0,
            reach: Reach::Open,
            breaks: None,
        }
    }
}

/// Whether a host answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Yes.
    Open,
    /// It refuses all connections.
    Refusing,
    /// Nothing comes from there: connections hang, octets of those that stand are held up until
    /// it is open again, datagrams are lost.
    Silent,
}

/// One connection in `one_in` breaks off after at most `octets_max` octets, of both directions
/// together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Break {
    /// Zero: none.
    pub one_in: u64,
    /// Where it breaks is a matter of luck, up to here.
    pub octets_max: u64,
}

/// The network. Clones are the same.
#[derive(Clone)]
pub struct SimNet(Arc<Shared>);

struct Shared {
    clock: SimClock,
    random: SimRandom,
    /// Where connections come from that do not say so.
    home: IpAddr,
    state: Mutex<State>,
    /// Changes whenever a way does.
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    ways: BTreeMap<IpAddr, Way>,
    listeners: BTreeMap<SocketAddr, mpsc::UnboundedSender<Box<dyn Stream>>>,
    datagrams: BTreeMap<SocketAddr, mpsc::UnboundedSender<Letters>>,
    ports_given: u16,
    /// Who is connected to whom, until the one who connected drops its end.
    standing: BTreeSet<(SocketAddr, SocketAddr)>,
}

impl fmt::Debug for SimNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimNet")
    }
}

impl SimNet {
    /// A network without hosts; its luck follows from `seed`.
    pub fn new(clock: SimClock, seed: u64, home: Ipv4Addr) -> Self {
        Self(Arc::new(Shared {
            clock,
            random: SimRandom::new(seed),
            home: IpAddr::V4(home),
            state: Mutex::default(),
            changed: watch::Sender::new(0),
        }))
    }

    /// From now on this is the way to a host, also for connections that stand already.
    pub fn set_way(&self, host: IpAddr, way: Way) {
        self.state().ways.insert(host, way);
        self.0.changed.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    /// The way to a host.
    pub fn way(&self, host: IpAddr) -> Way {
        self.state().ways.get(&host).cloned().unwrap_or_default()
    }

    /// Whether the one who connected from `from` to `to` still has its end. The other end may
    /// not know yet that it has not.
    pub fn stands(&self, from: SocketAddr, to: SocketAddr) -> bool {
        self.state().standing.contains(&(from, to))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A full address: the home address for none, a fresh port for none.
    fn bound(&self, at: SocketAddr) -> SocketAddr {
        let ip = if at.ip().is_unspecified() { self.0.home } else { at.ip() };
        if at.port() != 0 {
            return SocketAddr::new(ip, at.port());
        }
        let mut state = self.state();
        let (first, last) = PORTS_OF_CHOICE.into_inner();
        for _ in PORTS_OF_CHOICE {
            let port = first + state.ports_given % (last - first + 1);
            state.ports_given = state.ports_given.wrapping_add(1);
            let address = SocketAddr::new(ip, port);
            let taken =
                state.datagrams.contains_key(&address) || state.listeners.contains_key(&address);
            if !taken {
                return address;
            }
        }
        SocketAddr::new(ip, first)
    }

    /// Waits until a host is not silent.
    async fn reached(&self, host: IpAddr) -> Reach {
        let mut changed = self.0.changed.subscribe();
        loop {
            let reach = self.way(host).reach;
            if reach != Reach::Silent {
                return reach;
            }
            if changed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn fuse(&self, way: &Way) -> Fuse {
        let octets = way.breaks.and_then(|breaks| {
            let breaks_off = self.0.random.once_in(breaks.one_in);
            breaks_off.then(|| self.0.random.below(breaks.octets_max.max(1)))
        });
        Fuse::new(octets)
    }

    async fn connected(&self, from: Option<IpAddr>, to: SocketAddr) -> io::Result<Box<dyn Stream>> {
        let way = self.way(to.ip());
        let reach = self.reached(to.ip()).await;
        self.0.clock.sleep(way.latency.saturating_mul(2)).await;
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        if reach == Reach::Refusing {
            return Err(refused());
        }
        let from = self.bound(SocketAddr::new(from.unwrap_or(self.0.home), 0));
        let listener = self.state().listeners.get(&to).cloned().ok_or_else(refused)?;
        let fuse = self.fuse(&way);
        let line = || Line::new(self.clone(), to.ip());
        let (there, back) = (line(), line());
        let theirs = SimStream::new(to, from, there.clone(), back.clone(), fuse.clone());
        listener.send(Box::new(theirs)).map_err(|_| refused())?;
        self.state().standing.insert((from, to));
        Ok(Box::new(SimStream::new(from, to, back, there, fuse)))
    }
}

impl Net for SimNet {
    fn listen(&self, at: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let local = self.bound(at);
            let (arrives, arrived) = mpsc::unbounded_channel();
            let mut state = self.state();
            // One whose listener was dropped is free again.
            if state.listeners.get(&local).is_some_and(|other| !other.is_closed()) {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            state.listeners.insert(local, arrives);
            let arrived = tokio::sync::Mutex::new(arrived);
            Ok(Box::new(SimListener { local, arrived }) as Box<dyn Listener>)
        })
    }

    fn connect(
        &self,
        from: Option<IpAddr>,
        to: SocketAddr,
    ) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(self.connected(from, to))
    }

    fn datagram(&self, at: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Datagram>>> {
        Box::pin(async move {
            let local = self.bound(at);
            let (arrives, arrived) = mpsc::unbounded_channel();
            let mut state = self.state();
            if state.datagrams.get(&local).is_some_and(|other| !other.is_closed()) {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            state.datagrams.insert(local, arrives);
            drop(state);
            Ok(Box::new(SimDatagram::new(self.clone(), local, arrived)) as Box<dyn Datagram>)
        })
    }
}

struct SimListener {
    local: SocketAddr,
    arrived: tokio::sync::Mutex<mpsc::UnboundedReceiver<Box<dyn Stream>>>,
}

impl Listener for SimListener {
    fn local(&self) -> SocketAddr {
        self.local
    }

    fn accept(&self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let stream = self.arrived.lock().await.recv().await;
            stream.ok_or_else(|| io::ErrorKind::NotConnected.into())
        })
    }
}

#[cfg(test)]
mod tests;
