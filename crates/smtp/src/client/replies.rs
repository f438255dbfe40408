//! Reads replies from lines, with limits on everything that the server chooses.
//!
//! A server is as little to be trusted as a client: its lines must end in CRLF, since an LF
//! alone may stand in text that somebody else wrote, and a reply's lines must agree.
//!
//! Standards: RFC 5321 §4.2.1 (multi-line replies), §4.5.3.1.5 (length), RFC 2034 §4.
//! Not here: what a reply means for the command (`client`).

use crate::limits::{REPLY_LINES_MAX, REPLY_OCTETS_MAX};
use crate::reply::Reply;

/// Why octets from a server are no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// A line does not begin with a code from 200 to 599 and a space or hyphen.
    #[error("a line has no reply code")]
    NoCode,
    /// The lines of one reply have different codes.
    #[error("the lines of a reply have different codes")]
    CodesDiffer,
    /// A line ends in LF alone, or has a CR inside.
    #[error("a reply line has a CR or LF that is not part of a CRLF")]
    BareLineEnd,
    /// A line, or the whole reply, is over its limit.
    #[error("the reply is too long")]
    TooLong,
}

/// The lines of a reply that is not complete.
#[derive(Debug, Default)]
pub(super) struct Partial {
    code: Option<u16>,
    lines: Vec<String>,
    octets: usize,
}

impl Partial {
    /// Adds one line, without its CRLF. Gives the reply when this was its last line.
    pub(super) fn add(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyError> {
        self.octets = self.octets.saturating_add(line.len());
        if self.lines.len() >= REPLY_LINES_MAX || self.octets > REPLY_OCTETS_MAX {
            return Err(ReplyError::TooLong);
        }
        if line.contains(&b'\r') {
            return Err(ReplyError::BareLineEnd);
        }
        let (code, rest) = line.split_at_checked(3).ok_or(ReplyError::NoCode)?;
        let code = parse_code(code).ok_or(ReplyError::NoCode)?;
        if self.code.is_some_and(|first| first != code) {
            return Err(ReplyError::CodesDiffer);
        }
        self.code = Some(code);
        let (is_last, text) = match rest.split_first() {
            None => (true, rest),
            Some((b' ', text)) => (true, text),
            Some((b'-', text)) => (false, text),
            Some(_) => return Err(ReplyError::NoCode),
        };
        self.lines.push(String::from_utf8_lossy(text).into_owned());
        if !is_last {
            return Ok(None);
        }
        let lines = std::mem::take(self).lines;
        Ok(Some(Reply::received(code, &lines)))
    }
}

/// RFC 5321 §4.2: three digits, the first from 2 to 5.
fn parse_code(digits: &[u8]) -> Option<u16> {
    let [first @ b'2'..=b'5', second @ b'0'..=b'9', third @ b'0'..=b'9'] = digits else {
        return None;
    };
    let value = |digit: &u8| u16::from(digit - b'0');
    Some(value(first) * 100 + value(second) * 10 + value(third))
}
