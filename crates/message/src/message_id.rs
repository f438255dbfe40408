//! Message ids: what names a message in the whole world.
//!
//! Standards: RFC 5322 §3.6.4 (Message-ID, In-Reply-To, References).
//! Not here: threads.

use std::fmt;
use std::str::FromStr;

use memchr::{memchr, memchr2};
use serde::{Deserialize, Serialize};

use crate::charset;
use crate::date::DateTime;

/// Ids taken from one References field: three times what the longest real threads have.
pub const REFERENCES_MAX: usize = 3_000;

/// Longest id that is written: it cannot be folded, and a line has 998 octets (RFC 5322 §2.1.1).
const ID_OCTETS_MAX: usize = 900;

/// A message id, without its angle brackets.
///
/// ```
/// # use message::MessageId;
/// let id: MessageId = "<abc@example.org>".parse().unwrap();
/// assert_eq!(id.as_str(), "abc@example.org");
/// assert!("a\r\nBcc: b".parse::<MessageId>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MessageId(String);

/// This is not a message id.
///
/// ```
/// use message::{MessageId, NotMessageId};
/// assert_eq!("a b@c".parse::<MessageId>(), Err(NotMessageId));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message id: it is empty, or has white space, control characters or brackets")]
pub struct NotMessageId;

impl MessageId {
    /// A new id, unique by time and randomness, at a domain of ours.
    pub fn new(now: DateTime, random: u64, domain: &str) -> Self {
        let mut id = base36(now.unix_seconds().unsigned_abs());
        id.push('.');
        id.push_str(&base36(random));
        id.push('@');
        id.extend(domain.chars().filter(|sign| may_stand(*sign)));
        Self(id)
    }

    /// The id without brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a line can have it; a writer leaves others out of In-Reply-To and References.
    pub(crate) fn fits_a_line(&self) -> bool {
        self.0.len() <= ID_OCTETS_MAX
    }

    /// What the octets between brackets mean: white space from folding does not count.
    fn read(inside: &[u8]) -> Option<Self> {
        let text = charset::decode_unlabelled(inside);
        if text.chars().all(may_stand) {
            return (!text.is_empty()).then(|| Self(text.into_owned()));
        }
        let text: String = text.chars().filter(|sign| may_stand(*sign)).collect();
        (!text.is_empty()).then_some(Self(text))
    }

    /// Reads all ids of a References or In-Reply-To field; phrases between them are obsolete
    /// and ignored. Where no brackets are, each word with an `@` is taken for an id.
    pub(crate) fn read_all(value: &[u8]) -> Vec<Self> {
        let mut ids = Vec::new();
        let mut rest = value;
        while let Some(open) = memchr(b'<', rest) {
            let inside = rest.get(open + 1..).unwrap_or_default();
            let Some(length) = id_length(inside) else { break };
            ids.extend(Self::read(inside.get(..length).unwrap_or_default()));
            rest = inside.get(length + 1..).unwrap_or_default();
            if ids.len() >= REFERENCES_MAX {
                return ids;
            }
        }
        if ids.is_empty() {
            let words = value.split(u8::is_ascii_whitespace);
            let words = words.filter(|word| memchr(b'@', word).is_some());
            ids.extend(words.take(REFERENCES_MAX).filter_map(Self::read));
        }
        ids
    }

    /// Reads a Message-ID field: the first id, or the whole value where there are no brackets.
    pub(crate) fn read_one(value: &[u8]) -> Option<Self> {
        Self::read_all(value).into_iter().next().or_else(|| Self::read(value))
    }
}

/// How far an id goes that begins here. A quoted local part may hold the closing bracket; with
/// an opening one in it, the quotes belong to two ids.
fn id_length(inside: &[u8]) -> Option<usize> {
    let quoted = match inside.strip_prefix(b"\"") {
        Some(rest) => match memchr2(b'"', b'<', rest) {
            Some(length) if rest.get(length) == Some(&b'"') => length + 2,
            _ => 0,
        },
        None => 0,
    };
    let close = memchr(b'>', inside.get(quoted..)?);
    match close {
        Some(close) => Some(quoted + close),
        None => memchr(b'>', inside),
    }
}

fn may_stand(sign: char) -> bool {
    !sign.is_control() && !sign.is_whitespace() && !matches!(sign, '<' | '>')
}

fn base36(mut value: u64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut digits = Vec::new();
    loop {
        let digit = usize::try_from(value % 36).unwrap_or_default();
        digits.push(char::from(DIGITS.get(digit).copied().unwrap_or(b'0')));
        value /= 36;
        if value == 0 {
            break;
        }
    }
    digits.iter().rev().collect()
}

/// Without brackets, as [`MessageId::as_str`].
impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Accepts the id with or without its brackets.
impl FromStr for MessageId {
    type Err = NotMessageId;

    fn from_str(text: &str) -> Result<Self, NotMessageId> {
        let text = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text);
        if text.is_empty() || !text.chars().all(may_stand) {
            return Err(NotMessageId);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for MessageId {
    type Error = NotMessageId;

    fn try_from(text: String) -> Result<Self, NotMessageId> {
        text.parse()
    }
}

impl From<MessageId> for String {
    fn from(id: MessageId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::{DateTime, MessageId};

    #[test]
    fn ids_are_found_among_other_words() {
        #[rustfmt::skip]
        let table: [(&[u8], &[&str], &str); 8] = [
            (b"<a@b>", &["a@b"], "one"),
            (b"<a@b> <c@d>\r\n\t<e@f>", &["a@b", "c@d", "e@f"], "folded"),
            (b"<a@b><c@d>", &["a@b", "c@d"], "without space"),
            (b"Your letter of <a@b> from \"x\"", &["a@b"], "obsolete phrases"),
            (b"<a\r\n @b>", &["a@b"], "folded inside"),
            (b"<\"x>y\"@b>", &["\"xy\"@b"], "bracket in quotes is read over"),
            (b"a@b c@d", &["a@b", "c@d"], "no brackets"),
            (b"<a@b", &["a@b"], "no end"),
        ];
        for (value, expected, why) in table {
            let ids = MessageId::read_all(value);
            let ids: Vec<_> = ids.iter().map(MessageId::as_str).collect();
            assert_eq!(ids, expected, "{why}");
        }
    }

    #[test]
    fn new_ids_differ_by_time_and_luck() {
        let at = |seconds, random| {
            MessageId::new(DateTime::from_unix(seconds), random, "example.org").to_string()
        };
        assert_eq!(at(1_700_000_000, 36), "s44we8.10@example.org");
        assert_ne!(at(1, 2), at(1, 3));
        assert_ne!(at(1, 2), at(2, 2));
    }
}
