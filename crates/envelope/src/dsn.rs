//! What a sender asks to be told: the delivery status parameters of MAIL and RCPT.
//!
//! Standards: RFC 3461 §4 (NOTIFY, ORCPT, RET, ENVID; xtext in §4), RFC 6533 §3 (`utf-8`).
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
    /// An ordinary Internet address: type `rfc822`, or `utf-8` outside of ASCII.
    pub fn rfc822(address: &str) -> Result<Self, XtextError> {
        Self::new(if address.is_ascii() { "rfc822" } else { UTF8 }, address)
    }

    /// Takes a decoded value.
    pub fn new(address_type: &str, address: &str) -> Result<Self, XtextError> {
        let atom = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
        let is_utf8 = address_type.eq_ignore_ascii_case(UTF8);
        let printable = address
            .chars()
            .all(|sign| (' '..='~').contains(&sign) || (is_utf8 && is_visible(sign)));
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
        match address_type.eq_ignore_ascii_case(UTF8) {
            true => Self::new(address_type, &decode_unitext(address)?),
            false => Self::new(address_type, &decode_xtext(address)?),
        }
    }

    /// The value as an ORCPT parameter carries it: always 7-bit, so that it passes every server.
    pub fn to_parameter(&self) -> String {
        match self.address_type.eq_ignore_ascii_case(UTF8) {
            true => format!("{};{}", self.address_type, unitext(&self.address)),
            false => format!("{};{}", self.address_type, encode_xtext(&self.address)),
        }
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

/// The address type for addresses outside of ASCII (RFC 6533 §3).
const UTF8: &str = "utf-8";
/// Most digits of one `\x{…}` (RFC 6533 §3).
const HEXPOINT_DIGITS_MAX: usize = 6;

/// What may stand in a `utf-8` address outside of ASCII: nothing that ends a line.
fn is_visible(sign: char) -> bool {
    !sign.is_ascii() && !sign.is_control() && !matches!(sign, '\u{2028}' | '\u{2029}')
}

/// An address in the 7-bit form of the `utf-8` type: `\x{FC}@example.org` (RFC 6533 §3,
/// utf-8-addr-xtext).
pub fn unitext(address: &str) -> String {
    let mut encoded = String::with_capacity(address.len());
    for sign in address.chars() {
        match sign {
            '\\' | '+' | '=' => encoded.push_str(&format!("\\x{{{:02X}}}", u32::from(sign))),
            '!'..='~' => encoded.push(sign),
            _ => encoded.push_str(&format!("\\x{{{:02X}}}", u32::from(sign))),
        }
    }
    encoded
}

/// Undoes [`unitext`]. UTF-8 as such may stand there too.
fn decode_unitext(text: &str) -> Result<String, XtextError> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        rest = rest.get(sign.len_utf8()..).unwrap_or_default();
        match sign {
            '\\' => {
                let (digits, behind) = rest
                    .strip_prefix("x{")
                    .and_then(|rest| rest.split_once('}'))
                    .ok_or(XtextError)?;
                let hexadecimal = digits.bytes().all(|octet| octet.is_ascii_hexdigit());
                if !(2..=HEXPOINT_DIGITS_MAX).contains(&digits.len()) || !hexadecimal {
                    return Err(XtextError);
                }
                let point = u32::from_str_radix(digits, 16).map_err(|_| XtextError)?;
                decoded.push(char::from_u32(point).ok_or(XtextError)?);
                rest = behind;
            }
            '+' | '=' => return Err(XtextError),
            '!'..='~' => decoded.push(sign),
            sign if is_visible(sign) => decoded.push(sign),
            _ => return Err(XtextError),
        }
    }
    Ok(decoded)
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
    fn utf8_addresses_are_read_in_both_forms_and_written_in_seven_bits() {
        let wanted = Ok("\u{fc}+x@b".to_owned());
        #[rustfmt::skip]
        let rows = [
            (r"utf-8;\x{FC}\x{2B}x@b",         wanted.clone(),  "RFC 6533 §3: utf-8-addr-xtext"),
            ("utf-8;\u{fc}\\x{2B}x@b",          wanted.clone(),  "RFC 6533 §3: utf-8-addr-unitext"),
            (r"UTF-8;\x{fc}\x{2b}x@b",         wanted,          "types and digits ignore case"),
            (r"utf-8;a\x{0D}\x{0A}b@c",        Err(XtextError), "a line end"),
            (r"utf-8;a\x{2028}b@c",            Err(XtextError), "another one"),
            (r"utf-8;a\x{D800}@c",             Err(XtextError), "half of a surrogate pair"),
            (r"utf-8;a\x{0000041}@c",          Err(XtextError), "RFC 6533 §3: 2 to 6 digits"),
            (r"utf-8;a\x{41@c",                Err(XtextError), "not closed"),
            (r"utf-8;a+2B@c",                  Err(XtextError), "RFC 6533 §3: no xtext in it"),
            ("rfc822;\u{fc}@b",                Err(XtextError), "RFC 3461 §4: xtext is ASCII"),
        ];
        for (text, wanted, why) in rows {
            let found = OriginalRecipient::from_parameter(text);
            let address = found.clone().map(|original| original.address().to_owned());
            assert_eq!(address, wanted, "{text}: {why}");
            if let Ok(original) = found {
                let written = original.to_parameter();
                assert!(written.is_ascii(), "{written}");
                assert_eq!(OriginalRecipient::from_parameter(&written), Ok(original));
            }
        }
        let ours = OriginalRecipient::rfc822("\u{fc}@b").unwrap();
        assert_eq!(ours.to_parameter(), r"utf-8;\x{FC}@b");
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
