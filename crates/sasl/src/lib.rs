//! SASL mechanisms as state machines, both sides, without I/O.
//!
//! A protocol carries opaque challenges and responses (AUTH of SMTP, POP3 and IMAP);
//! this crate gives them a meaning. The server side never sees a stored password: it
//! asks its caller, and goes on with the answer.
//!
//! ```text
//!   response → Server::respond → ServerStep::Challenge ────────────────→ to the client
//!                                  CheckPassword, NeedVerifier → directory → Server::…
//!                                  Accepted, Refused ──────────────────→ the reply
//!   challenge → Client::step → response        Client::finish: was it the right server?
//! ```
//!
//! Randomness is handed in as a [`Nonce`]. Secrets are wiped when they are dropped,
//! compared in constant time, and never shown by `Debug`.
//!
//! Standards: RFC 4422 (SASL), RFC 4616 (PLAIN), draft-murchison-sasl-login (LOGIN),
//! RFC 5802 and RFC 7677 (SCRAM-SHA-256).
//! Not here: channel binding (the -PLUS mechanisms), where passwords and verifiers are
//! kept (crate `directory`), most of SASLprep (see [`prepare`]).

mod base64;
mod client;
mod mechanism;
mod scram;
mod server;
mod text;
mod verifier;

pub use crate::base64::{NotBase64, decode_base64, encode_base64};
pub use crate::client::{Client, ClientError};
pub use crate::mechanism::{Mechanism, UnknownMechanism, offered};
pub use crate::scram::Nonce;
pub use crate::server::{Refusal, Server, ServerStep, Verdict};
pub use crate::text::{Password, Unprepared, prepare};
pub use crate::verifier::{BadVerifier, ScramVerifier, ServerSecret};

/// Longest message that either side takes, in octets, before base64.
///
/// The base64 form of the longest PLAIN message still fits into the 12,288 octets that
/// RFC 4954 §4 asks of every server.
pub const MESSAGE_OCTETS_MAX: usize = 9216;

/// Longest authentication or authorization identity, in octets.
///
/// RFC 4616 §2 asks for 255; an address with a 64-octet local part and a 255-octet
/// domain fits.
pub const IDENTITY_OCTETS_MAX: usize = 320;

/// Longest password, in octets. RFC 4616 §2 asks for 255; passphrases may be longer.
pub const PASSWORD_OCTETS_MAX: usize = 1024;
