//! TLS.
use std::net::IpAddr;
use std::path::Path;

use crate::clock::Clock;
use crate::disk::Disk;

/// What is known about an encrypted connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFacts {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: &'static str,
    /// The cipher suite's registered name: `TLS_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// The name that the client asked for (SNI).
    pub server_name: Option<String>,
    /// The protocol agreed on (ALPN).
    pub alpn: Option<String>,
    /// The server's certificate; known to clients only.
    pub certificate: Option<PeerCertificate>,
    /// What proves that the server is the one asked for; for clients only.
    pub verified: Verified,
}

/// The certificate that the server showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Its subject, as text.
    pub subject: String,
    /// SHA-256 of the certificate, in lower-case hexadecimal.
    pub fingerprint: String,
}

/// What proves that a server is the one asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verified {
    /// Nothing does.
    #[default]
    No,
    /// A certificate authority that we trust says so.
    WebPki,
}

/// Why TLS could not be set up or entered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// Not done yet.
    #[error("not implemented")]
    Missing,
}

/// ALPN ids of SMTP. None is registered; a client that offers ids must offer this one.
pub const ALPN_SMTP: &[&str] = &["smtp"];
/// ALPN ids of POP3 (RFC 7301's registry).
pub const ALPN_POP3: &[&str] = &["pop3"];
/// ALPN ids of IMAP.
pub const ALPN_IMAP: &[&str] = &["imap"];
/// ALPN ids of ManageSieve.
pub const ALPN_MANAGESIEVE: &[&str] = &["managesieve"];

/// A server's certificate chain and key. Clones share it, so that it can be exchanged while
/// the server runs.
#[derive(Clone, Debug)]
pub struct Identity {
    _later: (),
}

impl Identity {
    /// Reads a certificate chain and its key (PEM).
    pub fn from_files(
        disk: &dyn Disk,
        clock: &dyn Clock,
        certificate: &Path,
        key: &Path,
    ) -> Result<Self, TlsError> {
        let _ = (disk, clock, certificate, key);
        Err(TlsError::Missing)
    }

    /// A certificate of our own authority, made in `dir` (`ca.pem`, `cert.pem`, `key.pem`), or
    /// the one that is there if it still fits.
    pub fn self_signed(
        disk: &dyn Disk,
        clock: &dyn Clock,
        dir: &Path,
        hostname: &str,
        addresses: &[IpAddr],
    ) -> Result<Self, TlsError> {
        let _ = (disk, clock, dir, hostname, addresses);
        Err(TlsError::Missing)
    }

    /// Puts the chain and key of `other` in place of this one, for all clones.
    pub fn replace_by(&self, other: &Self) {
        let _ = other;
    }
}

/// A server's side of TLS: TLS 1.2 or 1.3, strict about ALPN.
#[derive(Clone, Debug)]
pub struct ServerTls {
    _later: (),
}

impl ServerTls {
    /// For a protocol with these ALPN ids, see [`ALPN_SMTP`] and its like.
    pub fn new(identity: &Identity, alpn: &[&str]) -> Result<Self, TlsError> {
        let _ = (identity, alpn);
        Err(TlsError::Missing)
    }
}

/// A client's side of TLS.
#[derive(Clone, Debug)]
pub struct ClientTls {
    _later: (),
}

impl ClientTls {
    /// Trusts the system's certificate authorities and those in the PEM files `ca_files`.
    pub fn verified(disk: &dyn Disk, ca_files: &[&Path]) -> Result<Self, TlsError> {
        let _ = (disk, ca_files);
        Err(TlsError::Missing)
    }

    /// Encrypts with whoever answers, and only notes whether its certificate would have been
    /// good (RFC 7435).
    pub fn opportunistic(disk: &dyn Disk, ca_files: &[&Path]) -> Result<Self, TlsError> {
        let _ = (disk, ca_files);
        Err(TlsError::Missing)
    }
}
