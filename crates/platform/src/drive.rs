//! The pump: drives a server session over a stream.
//!
//! A [`Drive`] knows the protocol, [`serve`] knows the stream, the clock and TLS; neither
//! knows the other's business. Input is read only when the drive asks for it and everything
//! it said is written: a peer that does not read its replies is not read from.
//!
//! ```text
//!              ┌────── receive ──────┐
//!   stream → serve                 Drive → the store, who is who, …
//!              └ output ← advance ───┘  Next: More, Read, EnterTls, Close
//! ```
//!
//! # Time
//!
//! The peer's time is counted in steps. A step begins when the drive has said something and
//! it is written, and lasts until the drive says something again. It may take the `within` of
//! [`Next::Read`], plus one second for every [`PumpLimits::octets_per_second_min`] octets that
//! arrive in it; the time that the drive itself needs is not counted. So a command that drips
//! in octet by octet has `within` in all, while a large message may take as long as it needs
//! at an honest rate, and the drive need not measure anything.
//!
//! Standards: RFC 5321 §4.5.3.2 (time limits), RFC 3207 §4.2 (STARTTLS).
//! Not here: which connections are let in ([`accept`](crate::accept)).

mod session;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::net::Stream;
use crate::shutdown::Shutdown;
use crate::tls::{ServerTls, TlsFacts};

/// What a session needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Write out what there is and call [`Drive::advance`] again.
    More,
    /// More input from the peer, for whose step there is this much time (see [`serve`]).
    Read {
        /// Time for the step that the peer is in.
        within: Duration,
    },
    /// Wait for this long, or until the peer sends something, and call [`Drive::advance`] again.
    Listen {
        /// The longest wait.
        within: Duration,
    },
    /// Write out what there is, then shake hands.
    EnterTls,
    /// Write out what there is, then close.
    Close,
}

/// Why the pump ends a session in the middle.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interrupt {
    /// The peer was silent for the whole time of its step.
    TimedOut,
    /// The peer sent something, but not enough, in the time of its step.
    TooSlow,
    /// We shut down.
    ShuttingDown,
    /// The peer closed or reset the connection; nothing can be said to it.
    PeerGone,
    /// The handshake failed; nothing can be said to the peer.
    TlsFailed(String),
}

/// A server session that wants to be driven.
pub trait Drive: Send {
    /// Takes octets from the peer. Buffers only.
    fn receive(&mut self, octets: &[u8]);

    /// Runs the session until there is something to send or more input is needed, and appends
    /// to `output`, in portions of about 64 KiB at most.
    fn advance<'a>(&'a mut self, output: &'a mut Vec<u8>)
    -> impl Future<Output = Next> + Send + 'a;

    /// The connection is encrypted now. Every buffered octet and all state from before must
    /// be dropped (RFC 3207 §4.2). Also called first for TLS from the start (RFC 8314 §3).
    fn enter_tls(&mut self, facts: TlsFacts);

    /// The session ends for a reason of the pump's; says so to the peer (421 or such), lets go
    /// of whatever was open. Then the pump writes `output` and closes.
    fn interrupt<'a>(
        &'a mut self,
        why: Interrupt,
        output: &'a mut Vec<u8>,
    ) -> impl Future<Output = ()> + Send + 'a;

    /// Whether the session may end now without loss of work: no transaction is running. Asked
    /// while we shut down.
    fn may_end(&self) -> bool {
        true
    }
}

/// How a connection starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// In clear text; the session may ask for TLS.
    Clear,
    /// With a TLS handshake (RFC 8314 §3).
    Tls,
}

/// Limits of the pump.
#[derive(Clone, Debug)]
pub struct PumpLimits {
    /// Time for a TLS handshake.
    pub handshake: Duration,
    /// Time for the peer to take one portion of output, besides the time by the rate.
    pub write: Duration,
    /// Slowest average at which a peer may send and take, in octets a second: that of a modem
    /// of 1990. Zero means no lower bound.
    pub octets_per_second_min: u64,
}

impl Default for PumpLimits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            write: Duration::from_secs(60),
            octets_per_second_min: 500,
        }
    }
}

/// What the pump needs besides the stream and the drive; one for each listener.
#[derive(Clone, Debug)]
pub struct Pump {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// TLS, when there is any to be had.
    pub tls: Option<ServerTls>,
    /// Tells when we shut down.
    pub shutdown: Shutdown,
    /// Limits.
    pub limits: PumpLimits,
}

/// How a session ended.
#[derive(Debug)]
pub struct Ended {
    /// The other end.
    pub peer: SocketAddr,
    /// Octets received, inside of TLS.
    pub octets_in: u64,
    /// Octets sent, inside of TLS.
    pub octets_out: u64,
    /// Why; `None` when the session closed itself.
    pub why: Option<Interrupt>,
}

/// Drives a session until it ends, and closes the stream.
///
/// Cancel safety: when dropped the stream is closed and the drive dropped where it is.
pub async fn serve<D: Drive>(
    stream: Box<dyn Stream>,
    start: Start,
    drive: D,
    pump: &Pump,
) -> Ended {
    session::Session::new(stream, drive, pump).serve(start).await
}
