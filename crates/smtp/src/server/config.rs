//! What a server session is told before it starts: who we are and what we offer.
//!
//! Standards: RFC 5321 §4.1.1.1 (EHLO keywords), RFC 6409 (submission), RFC 2033 (LMTP).
//! Not here: who may do what (crate `mta`).

use super::requests::Offers;
use crate::AuthInClear;

/// A server session's configuration; one value is shared by all sessions of a listener.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our name, for the greeting and EHLO.
    pub hostname: String,
    /// Text behind the name in the 220 greeting.
    pub greeting: String,
    /// Which service this is.
    pub kind: Kind,
    /// Whether the connection is, or can become, encrypted.
    pub tls: Tls,
    /// SASL mechanisms to offer, in upper case; none: AUTH is not offered.
    pub mechanisms: Vec<String>,
    /// Whether AUTH is offered on a connection without TLS.
    pub auth_in_clear: AuthInClear,
    /// Largest message, in octets; told by SIZE and enforced.
    pub message_size_max: u64,
    /// Most recipients of one transaction (RFC 5321 §4.5.3.1.8: at least 100).
    pub recipients_max: usize,
    /// What clients may ask of the transfer.
    pub offers: Offers,
}

/// The service that a listener gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Mail from other MTAs (port 25).
    Mta,
    /// Mail from authors (ports 587 and 465): MAIL needs a login (RFC 6409 §4.3).
    Submission,
    /// Mail for our own recipients, with a reply for each at the end (RFC 2033).
    Lmtp,
}

/// Encryption of a connection at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// None, and none to be had.
    None,
    /// STARTTLS is offered.
    Offered,
    /// TLS before the greeting (RFC 8314 §3.3).
    Implicit,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hostname: "localhost".to_owned(),
            greeting: "ESMTP Posthouse".to_owned(),
            kind: Kind::Mta,
            tls: Tls::None,
            mechanisms: Vec::new(),
            auth_in_clear: AuthInClear::Refused,
            message_size_max: 50 * 1024 * 1024,
            recipients_max: 1000,
            offers: Offers::default(),
        }
    }
}
