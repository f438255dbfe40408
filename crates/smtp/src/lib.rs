//! SMTP and submission sessions, both sides, without sockets, clocks or tasks.
//!
//! A session eats octets, gives out events, and is told what was decided; whatever it wants
//! to send waits in its output. A whole conversation therefore fits into a unit test.
//!
//! ```text
//!   octets → receive → poll → Event → the caller decides → answer → take_output → octets
//! ```
//!
//! [`server`] speaks as the receiving MTA or submission server, [`client`] as the sending one.
//! They share the byte source (`input`), the dots of the content (`dots`), and [`Reply`].
//!
//! Standards: RFC 5321 (SMTP), RFC 6409 (submission), RFC 1870 (SIZE), RFC 6152 (8BITMIME),
//! RFC 2920 (PIPELINING), RFC 3030 §2 (CHUNKING), RFC 2034 and RFC 3463 (enhanced status codes), RFC 3207 (STARTTLS),
//! RFC 3461 (DSN), RFC 4954 (AUTH).
//! Not here: TLS itself, timers and sockets (crate `platform`), SASL mechanisms (crate `sasl`),
//! who may send to whom (crate `mta`).

pub mod client;
pub mod fuzz;
pub mod limits;
pub mod server;

mod dots;
mod input;
mod reply;

pub use dots::{BareLineEnd, LineEnds};
pub use reply::Reply;

/// Whether passwords may travel in clear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthInClear {
    /// Only inside of TLS (RFC 4954 §4, RFC 8314 §3).
    #[default]
    Refused,
    /// Anywhere: for loopback and tests.
    Allowed,
}
