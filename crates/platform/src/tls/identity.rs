//! A server's certificate chain and key, exchangeable while it runs.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::clock::Timestamp;

/// A server's certificate chain and key. Clones share it, so that it can be exchanged while
/// the server runs.
#[derive(Clone)]
pub struct Identity {
    current: Arc<RwLock<Current>>,
}

#[derive(Clone)]
pub(super) struct Current {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) expires: Timestamp,
}

impl Identity {
    pub(super) fn new(key: CertifiedKey, expires: Timestamp) -> Self {
        let current = Current { key: Arc::new(key), expires };
        Self { current: Arc::new(RwLock::new(current)) }
    }

    pub(super) fn current(&self) -> Current {
        // A poisoned lock still holds a whole value: it is only ever replaced.
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts the chain and key of `other` in place of this one, for all clones. Connections
    /// that are open keep the old one.
    pub fn replace_by(&self, other: &Self) {
        let new = other.current();
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
    }

    /// When the certificate ends.
    pub fn expires(&self) -> Timestamp {
        self.current().expires
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("expires", &self.expires()).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Identity {
    /// The same for every name: senders that look MX records up ask for names that we cannot
    /// know, and RFC 7672 §8.1 wants them to get an answer.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current().key)
    }
}
