//! Replies as the client reads them.
//!
//! Standards: RFC 1939 §3 and §5, RFC 2449 §3 (grammar) and §8 (response codes).

use std::collections::BTreeMap;

use super::Event;
use crate::{ResponseCode, SaslMessage};

/// Capabilities that we remember; real servers have about 20.
const CAPABILITIES_MAX: usize = 200;

/// The first line of a reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok {
        text: String,
    },
    Err {
        code: Option<ResponseCode>,
        text: String,
    },
    /// A challenge; `None` when it is not base64.
    Challenge(Option<SaslMessage>),
}

impl Status {
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        if line == b"+" {
            return Some(Self::Challenge(Some(SaslMessage::new([])))); // without its space
        }
        if let Some(challenge) = line.strip_prefix(b"+ ") {
            return Some(Self::Challenge(SaslMessage::from_base64(challenge)));
        }
        let (word, text) = match memchr::memchr(b' ', line) {
            Some(space) => (line.get(..space)?, line.get(space + 1..)?),
            None => (line, &[][..]),
        };
        let text = readable(text);
        if word.eq_ignore_ascii_case(b"+OK") {
            return Some(Self::Ok { text });
        }
        if !word.eq_ignore_ascii_case(b"-ERR") {
            return None;
        }
        let (code, text) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((code, rest)) => (ResponseCode::from_name(code), rest.trim_start().to_owned()),
            None => (None, text),
        };
        Some(Self::Err { code, text })
    }
}

/// What a server can do (RFC 2449 §5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Parameters by name in capitals.
    lines: BTreeMap<String, Vec<String>>,
}

impl Capabilities {
    /// Whether the server has this capability.
    pub fn has(&self, name: &str) -> bool {
        self.lines.contains_key(&name.to_ascii_uppercase())
    }

    /// The parameters of a capability; empty when the server does not have it.
    pub fn parameters(&self, name: &str) -> &[String] {
        self.lines.get(&name.to_ascii_uppercase()).map_or(&[], Vec::as_slice)
    }

    /// Names of the SASL mechanisms.
    pub fn mechanisms(&self) -> &[String] {
        self.parameters("SASL")
    }

    /// Adds a line; false when there are too many.
    pub(super) fn add(&mut self, line: &[u8]) -> bool {
        let text = readable(line);
        let mut words = text.split_ascii_whitespace().map(str::to_owned);
        if let Some(name) = words.next() {
            self.lines.insert(name.to_ascii_uppercase(), words.collect());
        }
        self.lines.len() <= CAPABILITIES_MAX
    }
}

/// The two numbers of STAT.
pub(super) fn totals(text: &str) -> Option<(u32, u64)> {
    let mut words = text.split_ascii_whitespace();
    Some((number(words.next()?)?, number(words.next()?)?))
}

/// A line of LIST.
pub(super) fn size(line: &[u8]) -> Option<Event> {
    let text = std::str::from_utf8(line).ok()?;
    let mut words = text.split_ascii_whitespace(); // what follows the size is ignored
    Some(Event::Size { message: number(words.next()?)?, octets: number(words.next()?)? })
}

/// A line of UIDL.
pub(super) fn unique_id(line: &[u8]) -> Option<Event> {
    let (message, uidl) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let uidl = uidl.trim_matches(' ');
    let is_readable = !uidl.is_empty() && !uidl.chars().any(char::is_control);
    let message = number(message)?;
    is_readable.then(|| Event::UniqueId { message, uidl: uidl.to_owned() })
}

fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Text of a server, safe to be shown: no control characters.
fn readable(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines_are_understood() {
        let ok = |text: &str| Some(Status::Ok { text: text.to_owned() });
        let err = |code, text: &str| Some(Status::Err { code, text: text.to_owned() });
        #[rustfmt::skip]
        let table: [(&[u8], Option<Status>, &str); 14] = [
            (b"+OK", ok(""), "no text"),
            (b"+OK ready", ok("ready"), "text"),
            (b"+ok ready", ok("ready"), "case does not matter to us"),
            (b"+OK \x1b[31m", ok("\u{fffd}[31m"), "no terminal escapes"),
            (b"-ERR", err(None, ""), "no text"),
            (b"-ERR no such message", err(None, "no such message"), "no code"),
            (b"-ERR [IN-USE] busy", err(Some(ResponseCode::InUse), "busy"), "RFC 2449 §8"),
            (b"-ERR [X-NEW/SUB] busy", err(None, "busy"), "a code that we do not know"),
            (b"-ERR [IN-USE busy", err(None, "[IN-USE busy"), "half a code"),
            (b"+ ", Some(Status::Challenge(Some(SaslMessage::new([])))), "RFC 5034 §4: empty"),
            (b"+ AHRlc3Q=", Some(Status::Challenge(Some(SaslMessage::new(*b"\0test")))), "a challenge"),
            (b"+ =AAA", Some(Status::Challenge(None)), "RFC 5034 §4: not base64"),
            (b"+OKAY", None, "no such status"),
            (b"HTTP/1.1 400 Bad Request", None, "no POP3"),
        ];
        for (line, expected, why) in table {
            assert_eq!(Status::parse(line), expected, "{:?}: {why}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn listings_are_understood() {
        let size = |line: &[u8]| match size(line) {
            Some(Event::Size { message, octets }) => Some((message, octets)),
            _ => None,
        };
        assert_eq!(size(b"1 120"), Some((1, 120)));
        assert_eq!(size(b"1 120 extra"), Some((1, 120)), "RFC 1939 §5 allows more");
        assert_eq!(size(b"1 99999999999"), Some((1, 99_999_999_999)));
        assert_eq!(size(b"1 -1"), None);
        assert_eq!(size(b"1"), None);
        let uidl = |line: &[u8]| unique_id(line).is_some();
        assert!(uidl(b"1 whqtswO00WBw418f9t5JxYwZ"));
        assert!(!uidl(b"1 "));
        assert!(!uidl(b"1 a\x1b"));
        assert!(!uidl(b"x a"));
        assert_eq!(totals("2 320"), Some((2, 320)));
        assert_eq!(totals("2"), None);
    }

    #[test]
    fn capabilities_are_limited() {
        let mut capabilities = Capabilities::default();
        assert!(capabilities.add(b"SASL PLAIN SCRAM-SHA-256"));
        assert!(capabilities.add(b"pipelining"));
        assert!(capabilities.has("PIPELINING"));
        assert_eq!(capabilities.mechanisms(), ["PLAIN", "SCRAM-SHA-256"]);
        assert!(!(0..300).all(|n| capabilities.add(format!("X{n}").as_bytes())));
    }
}
