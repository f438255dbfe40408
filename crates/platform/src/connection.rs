//! A client's connection, with a time limit on everything.
//!
//! Not here: what is said on it (crate `smtp`), names and addresses (crate `dns`).

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::clock::{Clock, TimedOut, within};
use crate::net::{Endpoint, Net, Stream, linger, read_once};
use crate::tls::{ClientTls, Side, TlsError, TlsFacts, enter_tls};

/// Why something with a connection failed. It may pass, so it is worth trying again; only for
/// [`Tls`](Self::Tls) the answer may be another policy. After it the connection is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The time limit passed.
    #[error("no answer within {} s", waited.as_secs())]
    TimedOut {
        /// The limit.
        waited: Duration,
    },
    /// The system could not connect, read or write.
    #[error("the connection failed: {0}")]
    Broken(#[source] io::Error),
    /// The connection was used after an error.
    #[error("the connection is closed")]
    Closed,
    /// The TLS handshake failed.
    #[error("{0}")]
    Tls(#[source] TlsError),
}

/// An open connection to a server.
///
/// Cancel safety: `read` loses nothing when dropped; `write` and `enter_tls` leave a
/// connection that must not be used.
pub struct Connection {
    /// None after an error.
    stream: Option<Box<dyn Stream>>,
    peer: SocketAddr,
    local: SocketAddr,
    clock: Arc<dyn Clock>,
}

impl Connection {
    /// Connects to `to`, by TCP from our own address `from` when one is given.
    ///
    /// # Errors
    ///
    /// When the time limit passes or the system cannot connect.
    pub async fn connect(
        net: &dyn Net,
        clock: Arc<dyn Clock>,
        from: Option<IpAddr>,
        to: impl Into<Endpoint>,
        within: Duration,
    ) -> Result<Self, ConnectionError> {
        let to = to.into();
        let connecting = match &to {
            Endpoint::Tcp(address) => net.connect(from, *address),
            Endpoint::File(path) => net.connect_file(path),
        };
        let stream = limited(&*clock, within, connecting).await?;
        Ok(Self { peer: stream.peer(), local: stream.local(), stream: Some(stream), clock })
    }

    /// The server's end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Our end.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Appends what the server sends next, at most 16 KiB, to `input`; gives the number of
    /// octets, 0 when the server has closed the connection.
    pub async fn read(
        &mut self,
        input: &mut Vec<u8>,
        within: Duration,
    ) -> Result<usize, ConnectionError> {
        let stream = self.stream.as_mut().ok_or(ConnectionError::Closed)?;
        let take = |octets: &[u8]| input.extend_from_slice(octets);
        let read = limited(&*self.clock, within, read_once(&mut **stream, take)).await;
        self.checked(read)
    }

    /// Sends all of `octets`.
    pub async fn write(&mut self, octets: &[u8], within: Duration) -> Result<(), ConnectionError> {
        let stream = self.stream.as_mut().ok_or(ConnectionError::Closed)?;
        let write = async {
            stream.write_all(octets).await?;
            stream.flush().await
        };
        let written = limited(&*self.clock, within, write).await;
        self.checked(written)
    }

    /// Goes into TLS and verifies that the server is `server_name`, as `tls` wants it.
    ///
    /// Whatever the caller has read and not looked at must be dropped: it came in clear text.
    pub async fn enter_tls(
        &mut self,
        tls: &ClientTls,
        server_name: &str,
        within: Duration,
    ) -> Result<TlsFacts, ConnectionError> {
        let stream = self.stream.take().ok_or(ConnectionError::Closed)?;
        let side = Side::Client { tls, server_name };
        let (stream, facts) =
            enter_tls(stream, side, &*self.clock, within).await.map_err(|error| match error {
                TlsError::TimedOut { waited } => ConnectionError::TimedOut { waited },
                error => ConnectionError::Tls(error),
            })?;
        self.stream = Some(stream);
        Ok(facts)
    }

    /// Closes, in good order if that is quick.
    pub async fn close(self) {
        if let Some(mut stream) = self.stream {
            linger(&mut *stream, &*self.clock).await;
        }
    }

    /// After an error the stream is closed, since nobody knows what has got through.
    fn checked<T>(&mut self, outcome: Result<T, ConnectionError>) -> Result<T, ConnectionError> {
        if outcome.is_err() {
            self.stream = None;
        }
        outcome
    }
}

async fn limited<T>(
    clock: &dyn Clock,
    limit: Duration,
    future: impl Future<Output = io::Result<T>>,
) -> Result<T, ConnectionError> {
    match within(clock, limit, future).await {
        Ok(outcome) => outcome.map_err(ConnectionError::Broken),
        Err(TimedOut) => Err(ConnectionError::TimedOut { waited: limit }),
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer).finish_non_exhaustive()
    }
}
