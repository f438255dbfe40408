//! The network: streams, listeners and datagrams behind one object-safe trait.
//!
//! Not here: names (crate `dns`), TLS ([`tls`](crate::tls)), limits for connections
//! ([`accept`](crate::accept)).

mod endpoint;
mod tokio;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use ::tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

pub use self::endpoint::Endpoint;
pub use self::tokio::{LISTEN_BACKLOG, TokioNet, own_addresses};
use crate::clock::{Clock, within};

/// A future in a box, as object-safe traits need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connection of octets in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync {
    /// The other end. For a socket that is a file: loopback with port 0.
    fn peer(&self) -> SocketAddr;

    /// Our end; the same holds for it.
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
    /// system does: give it a limit with [`within`].
    fn connect(
        &self,
        from: Option<IpAddr>,
        to: SocketAddr,
    ) -> BoxFuture<'_, io::Result<Box<dyn Stream>>>;

    /// Connects to a program on this machine, whose socket is a file. A network without files
    /// has none.
    fn connect_file<'a>(&'a self, socket: &'a Path) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        let what = format!("{}: this network has no sockets that are files", socket.display());
        Box::pin(async move { Err(io::Error::new(io::ErrorKind::Unsupported, what)) })
    }

    /// Opens a socket for datagrams; port 0 lets the system choose one.
    fn datagram(&self, at: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Datagram>>>;
}

/// Ends a connection so that the peer gets the last words.
///
/// Closing a socket with unread input makes the system send a reset, which may overtake what
/// was said before. So we say that we are done, and read on for a moment. Bounded in time and
/// octets, for the peer may go on talking.
pub(crate) async fn linger(stream: &mut dyn Stream, clock: &dyn Clock) {
    const TIME_MAX: Duration = Duration::from_secs(1);
    const OCTETS_MAX: usize = 256 * 1024;
    let farewell = async {
        let mut octets = 0_usize;
        let mut buffer = [0; 1024];
        stream.shutdown().await?;
        while octets < OCTETS_MAX {
            match stream.read(&mut buffer).await? {
                0 => break,
                read => octets = octets.saturating_add(read),
            }
        }
        io::Result::Ok(())
    };
    // However it ends, the connection is over.
    within(clock, TIME_MAX, farewell).await.ok();
}

/// Reads once, up to 16 KiB, into `take`; zero octets at the end. Cancel safe.
///
/// The buffer is on the stack of a single poll: a connection that waits costs no memory.
pub(crate) async fn read_once(
    stream: &mut dyn Stream,
    mut take: impl FnMut(&[u8]),
) -> io::Result<usize> {
    const OCTETS: usize = 16 * 1024;
    poll_fn(|context| {
        let mut space = [const { MaybeUninit::uninit() }; OCTETS];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
        let octets = buffer.filled();
        if !octets.is_empty() {
            take(octets);
        }
        Poll::Ready(Ok(octets.len()))
    })
    .await
}
