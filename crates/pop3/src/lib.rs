//! POP3, both sides of the conversation, without I/O.
//!
//! [`server::Session`] and [`client::Session`] eat octets and hand out events; their
//! callers answer and carry octets to and from the stream. No socket, clock or store is
//! touched here, so a whole conversation fits into a unit test. Authentication exchanges
//! are opaque challenges and responses (crate `sasl` gives them a meaning).
//!
//! Standards: RFC 1939 (POP3), RFC 2449 (CAPA, response codes, pipelining), RFC 2595
//! (STLS), RFC 3206 (AUTH and SYS codes), RFC 5034 (AUTH), RFC 6856 (UTF8).
//! Not here: APOP, whose server would have to keep clear passwords; LANG; where messages
//! are kept and who may read them (crate `access`).

use std::fmt;

use zeroize::Zeroizing;

pub mod client;
mod command;
pub mod fuzz;
mod line;
pub mod server;

/// Longest command line, in octets with its CRLF (RFC 2449 §4).
pub const COMMAND_OCTETS_MAX: usize = 255;

/// Longest line of an authentication exchange, in octets with its CRLF.
///
/// RFC 5034 §4 sets no limit; this is what RFC 4954 §4 has for SMTP.
pub const AUTH_LINE_OCTETS_MAX: usize = 12_288;

/// A password on its way to its check. Wiped when dropped, hidden from `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a password into custody.
    pub fn new(password: impl Into<String>) -> Self {
        Self(Zeroizing::new(password.into()))
    }

    /// The password itself; never log or store it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// One message of an authentication exchange, decoded from base64. Wiped when dropped,
/// hidden from `Debug`, since it may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct SaslMessage(Zeroizing<Vec<u8>>);

impl SaslMessage {
    /// Wraps the octets of a message.
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(octets.into()))
    }

    /// The octets; never log or store them.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// Reads base64; `None` for anything that RFC 5034 §4 wants rejected.
    pub(crate) fn from_base64(text: &[u8]) -> Option<Self> {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(text).ok().map(Self::new)
    }

    /// Writes base64.
    pub(crate) fn to_base64(&self) -> Zeroizing<String> {
        use base64::Engine as _;
        Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(self.reveal()))
    }
}

impl fmt::Debug for SaslMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SaslMessage({} octets)", self.0.len())
    }
}

/// Longest unique-id, in characters (RFC 1939 §7, UIDL).
pub const UIDL_OCTETS_MAX: usize = 70;

/// A message's unique-id: 1 to 70 printable ASCII characters, the same in every session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uidl(Box<str>);

impl Uidl {
    /// Takes a unique-id; `None` when RFC 1939 §7 does not allow it.
    pub fn new(text: impl Into<Box<str>>) -> Option<Self> {
        let text = text.into();
        let length = 1..=UIDL_OCTETS_MAX;
        let allowed = length.contains(&text.len()) && text.bytes().all(|o| o.is_ascii_graphic());
        allowed.then_some(Self(text))
    }

    /// The unique-id as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Extended response code: why a command failed, for programs (RFC 2449 §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseCode {
    /// The credentials are wrong (RFC 3206 §4).
    Auth,
    /// Another session holds the maildrop (RFC 2449 §8.1.2).
    InUse,
    /// The last login was too short a time ago (RFC 2449 §8.1.1).
    LoginDelay,
    /// A failure that is likely to pass (RFC 3206 §3).
    SysTemp,
    /// A failure that somebody has to repair (RFC 3206 §3).
    SysPerm,
    /// The message needs UTF8 mode (RFC 6856 §5).
    Utf8,
}

impl ResponseCode {
    const ALL: [Self; 6] =
        [Self::Auth, Self::InUse, Self::LoginDelay, Self::SysTemp, Self::SysPerm, Self::Utf8];

    /// The code as it stands between the brackets.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "AUTH",
            Self::InUse => "IN-USE",
            Self::LoginDelay => "LOGIN-DELAY",
            Self::SysTemp => "SYS/TEMP",
            Self::SysPerm => "SYS/PERM",
            Self::Utf8 => "UTF8",
        }
    }

    /// Finds a code by its name, in any case of letters; `None` for a code that we do
    /// not know, which then means no more than its absence.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str().eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_by_their_names() {
        for code in ResponseCode::ALL {
            assert_eq!(ResponseCode::from_name(&code.as_str().to_lowercase()), Some(code));
        }
        assert_eq!(ResponseCode::from_name("X-OTHER"), None);
    }

    #[test]
    fn unique_ids_keep_to_the_rule() {
        assert_eq!(Uidl::new("1732500000.17").as_ref().map(Uidl::as_str), Some("1732500000.17"));
        for (bad, why) in [("", "empty"), ("a b", "space"), ("ä", "not ASCII"), ("a\r\n", "CRLF")]
        {
            assert_eq!(Uidl::new(bad), None, "{why}");
        }
        assert!(Uidl::new("x".repeat(70)).is_some());
        assert!(Uidl::new("x".repeat(71)).is_none());
    }

    #[test]
    fn debug_hides_secrets() {
        assert!(!format!("{:?}", Password::new("pencil")).contains("pencil"));
        assert_eq!(format!("{:?}", SaslMessage::new(*b"\0a\0b")), "SaslMessage(4 octets)");
    }
}
