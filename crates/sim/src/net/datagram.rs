//! Datagrams: they arrive after the latency, or never.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use platform::{BoxFuture, Clock, Datagram};
use tokio::sync::{Mutex, mpsc};

use super::{Reach, SimNet};

/// A datagram under way.
#[derive(Debug)]
pub(super) struct Letters {
    octets: Vec<u8>,
    from: SocketAddr,
    arrives_at: Duration,
}

pub(super) struct SimDatagram {
    net: SimNet,
    local: SocketAddr,
    arrived: Mutex<mpsc::UnboundedReceiver<Letters>>,
}

impl SimDatagram {
    pub(super) fn new(
        net: SimNet,
        local: SocketAddr,
        arrived: mpsc::UnboundedReceiver<Letters>,
    ) -> Self {
        Self { net, local, arrived: Mutex::new(arrived) }
    }
}

impl Datagram for SimDatagram {
    fn local(&self) -> SocketAddr {
        self.local
    }

    fn send_to<'a>(&'a self, octets: &'a [u8], to: SocketAddr) -> BoxFuture<'a, io::Result<usize>> {
        Box::pin(async move {
            let ways = [self.net.way(to.ip()), self.net.way(self.local.ip())];
            if ways.iter().all(|way| way.reach != Reach::Silent) {
                let latency = ways.iter().map(|way| way.latency).max().unwrap_or_default();
                let arrives_at = self.net.0.clock.monotonic().saturating_add(latency);
                let letter = Letters { octets: octets.to_vec(), from: self.local, arrives_at };
                let socket = self.net.state().datagrams.get(&to).cloned();
                // Nobody there: it is lost, as on the Internet.
                socket.and_then(|socket| socket.send(letter).ok());
            }
            Ok(octets.len())
        })
    }

    fn recv_from<'a>(
        &'a self,
        buffer: &'a mut [u8],
    ) -> BoxFuture<'a, io::Result<(usize, SocketAddr)>> {
        Box::pin(async move {
            let letter = self.arrived.lock().await.recv().await;
            let letter = letter.ok_or(io::ErrorKind::NotConnected)?;
            let clock = &self.net.0.clock;
            clock.sleep(letter.arrives_at.saturating_sub(clock.monotonic())).await;
            let octets = letter.octets.len().min(buffer.len());
            let fits = letter.octets.get(..octets).unwrap_or_default();
            if let Some(place) = buffer.get_mut(..octets) {
                place.copy_from_slice(fits);
            }
            Ok((octets, letter.from))
        })
    }
}

impl Drop for SimDatagram {
    fn drop(&mut self) {
        self.net.state().datagrams.remove(&self.local);
    }
}
