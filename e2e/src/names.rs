//! A DNS server for a test: the records of a [`Zone`], which the test may change meanwhile.
//!
//! Standards: none of its own.
//! Not here: the zone and the protocol (crate `dns`).

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use dns::{Zone, ZoneServer};
use platform::{SystemClock, TokioNet};
use tokio::sync::oneshot;

use crate::network::{Network, RESOLVER};

/// A DNS server; it ends when dropped.
#[derive(Debug)]
pub struct Names {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Names {
    /// Serves on loopback, at a port that the system chooses.
    pub fn serve(zone: &Zone) -> Self {
        Self::start(zone, "127.0.0.1:0".parse().expect("an address"), None)
    }

    /// Serves where a network's programs look for it.
    pub fn serve_in(network: &Arc<Network>, zone: &Zone) -> Self {
        Self::start(zone, RESOLVER.parse().expect("an address"), Some(Arc::clone(network)))
    }

    fn start(zone: &Zone, at: SocketAddr, network: Option<Arc<Network>>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (ready, address) = mpsc::channel();
        let zone = zone.clone();
        let thread = thread::spawn(move || {
            if let Some(network) = network {
                network.enter_thread();
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let clock = Arc::new(SystemClock);
                let server = ZoneServer::serve(&TokioNet, clock, at, zone).await;
                let server = server.expect("the address is free");
                ready.send(server.address()).ok();
                // An error means that the sender is gone, which is the same.
                stopped.await.ok();
            });
        });
        let address = address.recv().expect("the DNS server starts");
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
