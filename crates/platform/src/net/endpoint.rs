//! What a client connects to: an address with a port, or a socket that is a file.
//!
//! Not here: how it is found (crate `mta`).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// What a client connects to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// By TCP.
    Tcp(SocketAddr),
    /// A program on this machine.
    File(PathBuf),
}

impl Endpoint {
    /// Its address, if it has one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip()),
            Self::File(_) => None,
        }
    }

    /// Its port; 0 where there are none.
    pub fn port(&self) -> u16 {
        match self {
            Self::Tcp(address) => address.port(),
            Self::File(_) => 0,
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::File(path) => path.display().fmt(f),
        }
    }
}
