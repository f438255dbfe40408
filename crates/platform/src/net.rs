//! The network: streams, listeners and datagrams behind one object-safe trait.
//!
//! Not here: names (crate `dns`), TLS ([`tls`](crate::tls)), limits for connections
//! ([`accept`](crate::accept)).

mod tokio;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use ::tokio::io::{AsyncRead, AsyncWrite};

pub use self::tokio::{LISTEN_BACKLOG, TokioNet};

/// A future in a box, as object-safe traits need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connection of octets in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync {
    /// The other end.
    fn peer(&self) -> SocketAddr;

    /// Our end.
    fn local(&self) -> SocketAddr;
}

/// Takes in connections.
pub trait Listener: Send + Sync {
    /// Where it listens, with the port that it got.
    fn local(&self) -> SocketAddr;

    /// The next connection.
    ///
    /// # Errors
    ///
    /// The system's; the caller pauses and tries again, since none of them is for good.
    /// Cancel safe: no connection is lost.
    fn accept(&self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>>;
}

/// A socket for datagrams (UDP).
pub trait Datagram: Send + Sync {
    /// Where it is bound, with the port that it got.
    fn local(&self) -> SocketAddr;

    /// Sends one datagram.
    fn send_to<'a>(&'a self, octets: &'a [u8], to: SocketAddr) -> BoxFuture<'a, io::Result<usize>>;

    /// Receives one datagram; what does not fit into `buffer` is cut off. Cancel safe.
    fn recv_from<'a>(
        &'a self,
        buffer: &'a mut [u8],
    ) -> BoxFuture<'a, io::Result<(usize, SocketAddr)>>;
}

/// The network.
pub trait Net: Send + Sync + fmt::Debug + 'static {
    /// Listens for connections; port 0 lets the system choose one.
    fn listen(&self, at: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Listener>>>;

    /// Connects, from one of our own addresses when one is given. Waits as long as the
    /// system does: give it a limit with [`within`](crate::clock::within).
    fn connect(
        &self,
        from: Option<IpAddr>,
        to: SocketAddr,
    ) -> BoxFuture<'_, io::Result<Box<dyn Stream>>>;

    /// Opens a socket for datagrams; port 0 lets the system choose one.
    fn datagram(&self, at: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Datagram>>>;
}
