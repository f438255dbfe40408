//! The server's side.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;

use super::{Identity, TlsError, provider};

/// For SMTP and submission. No id is registered for them; a client that offers ids at all must
/// offer this one.
pub const ALPN_SMTP: &[&str] = &["smtp"];
/// For POP3 (RFC 7301's registry).
pub const ALPN_POP3: &[&str] = &["pop3"];
/// For IMAP (RFC 7301's registry).
pub const ALPN_IMAP: &[&str] = &["imap"];
/// For ManageSieve (RFC 7301's registry).
pub const ALPN_MANAGESIEVE: &[&str] = &["managesieve"];

/// A server's side of TLS: TLS 1.2 or 1.3, strict about ALPN.
#[derive(Clone, Debug)]
pub struct ServerTls {
    pub(super) config: Arc<ServerConfig>,
}

impl ServerTls {
    /// For a protocol with these ALPN ids, see [`ALPN_SMTP`] and its like.
    ///
    /// A client that offers ids but none of these gets the alert `no_application_protocol`
    /// (RFC 7301 §3.2), so that a browser cannot be made to speak to a mail server (ALPACA).
    /// One that offers none is let in.
    ///
    /// # Panics
    ///
    /// When `alpn` is empty: that would let every protocol in.
    pub fn new(identity: &Identity, alpn: &[&str]) -> Result<Self, TlsError> {
        assert!(!alpn.is_empty(), "a server names the protocols that it speaks");
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(identity.clone()));
        config.alpn_protocols = alpn.iter().map(|id| id.as_bytes().to_vec()).collect();
        // Tickets keep the session at the client; their key is ours alone and rotates.
        config.ticketer = Ticketer::new().map_err(TlsError::Unusable)?;
        config.send_tls13_tickets = 1;
        Ok(Self { config: Arc::new(config) })
    }
}
