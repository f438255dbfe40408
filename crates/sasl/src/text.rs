//! Identities and passwords as text: what is accepted, and how a password is held.
//!
//! Standards: RFC 4013 (SASLprep), of which [`prepare`] keeps the part that guards us.

use std::fmt;

use zeroize::Zeroizing;

/// A password on its way from the client to the check. Wiped when dropped.
#[derive(Clone)]
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

/// Why a text can be neither an identity nor a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unprepared {
    /// It has no characters.
    #[error("is empty")]
    Empty,
    /// It is longer than the limit.
    #[error("is longer than {octets_max} octets")]
    TooLong {
        /// The limit that it exceeds.
        octets_max: usize,
    },
    /// It is not UTF-8.
    #[error("is not UTF-8")]
    NotUtf8,
    /// It has a control character, among them NUL (RFC 4013 §2.3).
    #[error("has a control character")]
    Control,
}

/// Checks an identity or a password: UTF-8, not empty, no control characters.
///
/// This is the part of SASLprep that guards the directory and the log. Left out:
/// normalization to NFKC, the mapping of unusual spaces, the other prohibited tables
/// and the check of bidirectional text (RFC 4013 §2). So two spellings of one accented
/// letter are two passwords, as they are for most servers.
///
/// # Errors
///
/// [`Unprepared`] says which rule is broken.
pub fn prepare(octets: &[u8], octets_max: usize) -> Result<&str, Unprepared> {
    if octets.is_empty() {
        return Err(Unprepared::Empty);
    }
    if octets.len() > octets_max {
        return Err(Unprepared::TooLong { octets_max });
    }
    let text = std::str::from_utf8(octets).map_err(|_| Unprepared::NotUtf8)?;
    if text.chars().any(char::is_control) {
        return Err(Unprepared::Control);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_without_controls_is_prepared() {
        #[rustfmt::skip]
        let table: [(&[u8], Result<&str, Unprepared>, &str); 9] = [
            (b"alice@example.org", Ok("alice@example.org"), "an address"),
            ("пароль 密码".as_bytes(), Ok("пароль 密码"), "any script, spaces inside"),
            (b"", Err(Unprepared::Empty), "RFC 4616 §2: at least one character"),
            (b"12345678", Ok("12345678"), "exactly as long as allowed below"),
            (b"a\0b", Err(Unprepared::Control), "NUL"),
            (b"a\r\nb", Err(Unprepared::Control), "would break a log line"),
            ("a\u{85}b".as_bytes(), Err(Unprepared::Control), "C1 controls as well"),
            (b"\x7f", Err(Unprepared::Control), "DEL"),
            (b"\xff", Err(Unprepared::NotUtf8), "an octet that UTF-8 does not have"),
        ];
        for (octets, expected, why) in table {
            assert_eq!(prepare(octets, 64), expected, "{octets:?}: {why}");
        }
        assert_eq!(prepare(b"12345678", 8), Ok("12345678"));
        assert_eq!(prepare(b"123456789", 8), Err(Unprepared::TooLong { octets_max: 8 }));
    }

    #[test]
    fn debug_hides_the_password() {
        assert!(!format!("{:?}", Password::new("pencil")).contains("pencil"));
    }
}
