//! Encryption of connections: who we are, whom we trust, and the one way into TLS.
//!
//! [`enter_tls`] is used by servers and clients alike. It takes the bare stream and nothing
//! else, so octets that arrived before cannot get into the encrypted session.
//!
//! ```text
//!   Identity (files | self-signed) → ServerTls ─┐
//!   certificate authorities        → ClientTls ─┴→ enter_tls → Stream, TlsFacts
//! ```
//!
//! Standards: RFC 8446 and RFC 5246 (TLS 1.3 and 1.2, nothing older: RFC 8996), RFC 7301
//! (ALPN), RFC 7435 (opportunistic security), RFC 3207 §4.2 (what STARTTLS must forget).
//! Not here: when to ask for TLS and when to insist (crates `smtp` and `mta`).

mod client;
mod enter;
mod files;
mod identity;
mod self_signed;
mod server;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;

pub use client::ClientTls;
pub use enter::{Side, enter_tls};
pub use identity::Identity;
pub use server::{ALPN_IMAP, ALPN_MANAGESIEVE, ALPN_POP3, ALPN_SMTP, ServerTls};

use crate::clock::Timestamp;

/// What is known about an encrypted connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFacts {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: &'static str,
    /// The cipher suite's registered name: `TLS_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// The name that the client asked for (SNI); known to servers, and to clients that sent it.
    pub server_name: Option<String>,
    /// The protocol agreed on (ALPN).
    pub alpn: Option<String>,
    /// The server's certificate; known to clients only.
    pub certificate: Option<PeerCertificate>,
    /// What proves that the server is the one asked for; for clients only.
    pub verified: Verified,
    /// Why nothing does; for clients that take anybody.
    pub unverified: Option<String>,
}

/// The certificate that the server showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Its subject, as text without control characters, cut to 256 of them.
    pub subject: String,
    /// SHA-256 of the certificate, in lower-case hexadecimal.
    pub fingerprint: String,
    /// Who issued it, as text like the subject.
    pub issuer: String,
    /// The host names that it is for, at most twenty.
    pub names: Vec<String>,
    /// When it ends; `None`: it cannot be read.
    pub expires: Option<Timestamp>,
}

/// What proves that a server is the one asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verified {
    /// Nothing does.
    #[default]
    No,
    /// A certificate authority that we trust says so (RFC 5280).
    WebPki,
}

/// Why TLS could not be set up or entered.
///
/// The first group is for whoever configures; [`Handshake`](Self::Handshake),
/// [`TimedOut`](Self::TimedOut) and [`Broken`](Self::Broken) are about one connection, and
/// worth another try.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file could not be read or written.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file does not contain what it should.
    #[error("{} has no {expected} in PEM format", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        expected: &'static str,
    },
    /// The key file is open to others.
    #[error("{} can be read by every user of this system; run: chmod o= {}", path.display(), path.display())]
    KeyReadableByOthers {
        /// The key file.
        path: PathBuf,
    },
    /// The key belongs to another certificate.
    #[error("the key in {} does not match the certificate in {}", key.display(), certificate.display())]
    KeyMismatch {
        /// The key file.
        key: PathBuf,
        /// The certificate file.
        certificate: PathBuf,
    },
    /// The certificate is of no use now.
    #[error("the certificate in {} is valid from {from} to {to}, not now", path.display())]
    NotValidNow {
        /// The certificate file.
        path: PathBuf,
        /// Start of its life.
        from: Timestamp,
        /// End of its life.
        to: Timestamp,
    },
    /// No certificate authority to trust.
    #[error("no certificate authorities found on this system")]
    NoAuthorities,
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    NotMade(#[source] rcgen::Error),
    /// A certificate, key or configuration that rustls does not take.
    #[error("the TLS configuration cannot be used")]
    Unusable(#[source] rustls::Error),
    /// The name cannot be that of a server.
    #[error("{name:?} cannot be the name of a TLS server")]
    ServerName {
        /// The name.
        name: String,
    },
    /// The two sides did not agree, or the certificate was not good.
    #[error("the TLS handshake failed: {0}")]
    Handshake(#[source] rustls::Error),
    /// The connection broke during the handshake.
    #[error("the connection broke in the TLS handshake")]
    Broken(#[source] io::Error),
    /// The handshake took too long.
    #[error("no TLS handshake within {} s", waited.as_secs())]
    TimedOut {
        /// The limit.
        waited: Duration,
    },
}

impl TlsError {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::File { path, source }
    }
}

/// The cryptography that rustls uses, named so that no process-wide default is needed.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
