//! What a sender asks to be told: the delivery status parameters of MAIL and RCPT.
//!
//! Standards: RFC 3461 §4 (NOTIFY, ORCPT, RET, ENVID; xtext in §4).
//! Not here: the notices themselves (crate `message` writes them, crate `mta` decides).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest ENVID value before xtext encoding, in octets (RFC 3461 §4.4).
pub const ENVELOPE_ID_OCTETS_MAX: usize = 100;

/// Longest ORCPT value, in octets (RFC 3461 §4.2 allows a parameter of 500).
pub const ORIGINAL_RECIPIENT_OCTETS_MAX: usize = 500;

/// Which notices a sender wants for one recipient (RFC 3461 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Notify {
    /// Tell when it was delivered.
    pub success: bool,
    /// Tell when it failed for good.
    pub failure: bool,
    /// Tell when it is late.
    pub delay: bool,
}

impl Notify {
    /// `NOTIFY=NEVER`.
    pub const NEVER: Self = Self { success: false, failure: false, delay: false };
    /// What holds when the sender did not say (RFC 3461 §4.1).
    pub const DEFAULT: Self = Self { success: false, failure: true, delay: true };
    /// All that there is to hear.
    pub const ALL: Self = Self { success: true, failure: true, delay: true };

    /// Reads a NOTIFY value: `NEVER`, or a comma list of SUCCESS, FAILURE, DELAY.
    pub fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("NEVER") {
            return Some(Self::NEVER);
        }
        let mut notify = Self::NEVER;
        for word in text.split(',') {
            match word.to_ascii_uppercase().as_str() {
                "SUCCESS" => notify.success = true,
                "FAILURE" => notify.failure = true,
                "DELAY" => notify.delay = true,
                _ => return None,
            }
        }
        Some(notify)
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [(self.success, "SUCCESS"), (self.failure, "FAILURE"), (self.delay, "DELAY")];
        let mut wanted = words.iter().filter(|(on, _)| *on).map(|(_, word)| word).peekable();
        if wanted.peek().is_none() {
            return f.write_str("NEVER");
        }
        for (index, word) in wanted.enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(word)?;
        }
        Ok(())
    }
}

/// How much of the message a failure notice returns (RFC 3461 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Return {
    /// The whole message.
    Full,
    /// The header only.
    Headers,
}

/// The sender's own name for a submission (RFC 3461 §4.4): printable ASCII, decoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvelopeId(String);

impl EnvelopeId {
    /// Takes a decoded value.
    pub fn new(text: &str) -> Result<Self, XtextError> {
        let printable = text.bytes().all(|octet| (b' '..=b'~').contains(&octet));
        if text.is_empty() || text.len() > ENVELOPE_ID_OCTETS_MAX || !printable {
            return Err(XtextError);
        }
        Ok(Self(text.to_owned()))
    }

    /// Reads the xtext of an ENVID parameter.
    pub fn from_xtext(text: &str) -> Result<Self, XtextError> {
        Self::new(&decode_xtext(text)?)
    }

    /// The value as an ENVID parameter carries it.
    pub fn to_xtext(&self) -> String {
        encode_xtext(&self.0)
    }

    /// The decoded value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EnvelopeId {
    type Error = XtextError;

    fn try_from(text: String) -> Result<Self, XtextError> {
        Self::new(&text)
    }
}

impl From<EnvelopeId> for String {
    fn from(id: EnvelopeId) -> Self {
        id.0
    }
}

/// The address that a sender first wrote, with its type (RFC 3461 §4.2), decoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OriginalRecipient {
    address_type: String,
    address: String,
}

impl OriginalRecipient {
    /// An ordinary Internet address: type `rfc822`.
    pub fn rfc822(address: &str) -> Result<Self, XtextError> {
        Self::new("rfc822", address)
    }

    /// Takes a decoded value.
    pub fn new(address_type: &str, address: &str) -> Result<Self, XtextError> {
        let atom = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
        let printable = address.bytes().all(|octet| (b' '..=b'~').contains(&octet));
        let octets = address_type.len() + address.len() + 1;
        if address_type.is_empty()
            || !address_type.bytes().all(atom)
            || address.is_empty()
            || !printable
            || octets > ORIGINAL_RECIPIENT_OCTETS_MAX
        {
            return Err(XtextError);
        }
        Ok(Self { address_type: address_type.to_owned(), address: address.to_owned() })
    }

    /// Reads an ORCPT value: `rfc822;Bob@example.org`.
    pub fn from_parameter(text: &str) -> Result<Self, XtextError> {
        let (address_type, address) = text.split_once(';').ok_or(XtextError)?;
        Self::new(address_type, &decode_xtext(address)?)
    }

    /// The value as an ORCPT parameter carries it.
    pub fn to_parameter(&self) -> String {
        format!("{};{}", self.address_type, encode_xtext(&self.address))
    }

    /// The address type, such as `rfc822`.
    pub fn address_type(&self) -> &str {
        &self.address_type
    }

    /// The decoded address.
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// The value is not well-formed: bad xtext, an octet that is not printable ASCII, or too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("value is empty, too long, or not xtext of printable ASCII (RFC 3461 §4)")]
pub struct XtextError;

/// Decodes xtext. What it stands for must be printable ASCII, so that no line break can be
/// smuggled into a queue record, a header field or a notice.
fn decode_xtext(text: &str) -> Result<String, XtextError> {
    let mut decoded = String::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        let octet = match octet {
            b'+' => {
                let high = octets.next().and_then(upper_hex).ok_or(XtextError)?;
                let low = octets.next().and_then(upper_hex).ok_or(XtextError)?;
                high * 16 + low
            }
            b'=' => return Err(XtextError),
            b'!'..=b'~' => octet,
            _ => return Err(XtextError),
        };
        if !(b' '..=b'~').contains(&octet) {
            return Err(XtextError);
        }
        decoded.push(char::from(octet));
    }
    Ok(decoded)
}

/// RFC 3461 §4: hexadecimal digits in upper case only.
fn upper_hex(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    }
}

fn encode_xtext(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'+' | b'=' => encoded.push_str(&format!("+{octet:02X}")),
            b'!'..=b'~' => encoded.push(char::from(octet)),
            _ => encoded.push_str(&format!("+{octet:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notify_is_never_or_a_list() {
        let table = [
            ("NEVER", Some(Notify::NEVER), "RFC 3461 §4.1"),
            ("success,FAILURE,Delay", Some(Notify::ALL), "keywords ignore case"),
            ("NEVER,FAILURE", None, "NEVER must stand alone"),
            ("", None, "empty"),
            ("SUCCESS,", None, "empty element"),
        ];
        for (text, wanted, why) in table {
            assert_eq!(Notify::parse(text), wanted, "{text}: {why}");
        }
        assert_eq!(Notify::DEFAULT.to_string(), "FAILURE,DELAY");
        assert_eq!(Notify::NEVER.to_string(), "NEVER");
    }

    #[test]
    fn xtext_cannot_smuggle_a_line_break() {
        for text in ["a+0D+0Ab", "a+0db", "a+", "a+4", "a=b", "a b", "a\u{e9}"] {
            assert_eq!(EnvelopeId::from_xtext(text), Err(XtextError), "{text:?}");
        }
    }

    #[test]
    fn xtext_comes_back() {
        for text in ["QQ314159", "a+b=c d", "~!"] {
            let id = EnvelopeId::new(text).unwrap();
            assert_eq!(EnvelopeId::from_xtext(&id.to_xtext()), Ok(id));
        }
        let original = OriginalRecipient::from_parameter("rfc822;Bob+2Bx@example.org").unwrap();
        assert_eq!(original.address(), "Bob+x@example.org");
        assert_eq!(original.to_parameter(), "rfc822;Bob+2Bx@example.org");
    }
}
