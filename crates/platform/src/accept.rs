//! The accept loop.
use std::sync::Arc;

use crate::clock::Clock;
use crate::net::{Listener, Stream};
use crate::shutdown::Shutdown;

/// How many connections there may be at a time.
#[derive(Clone, Copy, Debug)]
pub struct AcceptLimits {
    /// From everybody.
    pub connections_max: usize,
    /// From one address; from one /64 of IPv6.
    pub connections_per_address_max: usize,
}

impl Default for AcceptLimits {
    fn default() -> Self {
        Self { connections_max: 2000, connections_per_address_max: 50 }
    }
}

/// Counts the connections of one or more listeners.
#[derive(Debug)]
pub struct Gate {
    limits: AcceptLimits,
}

impl Gate {
    /// A gate with nobody inside.
    pub fn new(limits: AcceptLimits) -> Arc<Self> {
        Arc::new(Self { limits })
    }

    /// The limits.
    pub fn limits(&self) -> AcceptLimits {
        self.limits
    }
}

/// Takes in connections and starts a session for each.
#[derive(Debug)]
pub struct Acceptor {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Ends the loop when it begins.
    pub shutdown: Shutdown,
    /// Counts and limits the connections; may be shared by several acceptors.
    pub gate: Arc<Gate>,
    /// What a refused peer hears, `421 …`; empty to say nothing (a TLS port).
    pub refusal: Vec<u8>,
}

impl Acceptor {
    /// Accepts until we shut down. Each session is a task of its own.
    pub async fn run<S, F>(&self, listener: Box<dyn Listener>, session: S)
    where
        S: Fn(Box<dyn Stream>) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let _ = (listener, session);
    }
}
