//! What a client session is told before it starts.
//!
//! Standards: RFC 2033 (LMTP), RFC 3207 (STARTTLS), RFC 8314 §3.3 (implicit TLS).
//! Not here: certificates and TLS policies of domains (crates `platform` and `mta`).

use crate::AuthInClear;
use crate::dots::LineEnds;

/// A client session's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our name for EHLO: a domain or an address literal.
    pub hello: String,
    /// What is spoken.
    pub protocol: Protocol,
    /// How much we want TLS.
    pub tls: TlsPolicy,
    /// Whether we log in on a connection without TLS.
    pub auth_in_clear: AuthInClear,
    /// What becomes of a bare CR or LF in the content.
    pub line_ends: LineEnds,
}

/// What a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// SMTP.
    #[default]
    Smtp,
    /// LMTP: the content is answered once for each recipient (RFC 2033 §4.2).
    Lmtp,
}

/// How much a client wants TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsPolicy {
    /// Not even when it is offered.
    Never,
    /// When it is offered; otherwise in clear (RFC 7435).
    Opportunistic,
    /// Always: nothing is sent to a server that does not offer it.
    Required,
    /// It was on before the greeting.
    Implicit,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hello: "localhost".to_owned(),
            protocol: Protocol::Smtp,
            tls: TlsPolicy::Opportunistic,
            auth_in_clear: AuthInClear::Refused,
            line_ends: LineEnds::Refuse,
        }
    }
}
