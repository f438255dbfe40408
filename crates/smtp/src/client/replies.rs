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

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds lines until there is a reply or an error.
    fn read<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<String>, ReplyError> {
        let mut partial = Partial::default();
        for line in lines {
            if let Some(reply) = partial.add(line)? {
                return Ok(Some(reply.to_string()));
            }
        }
        Ok(None)
    }

    #[test]
    fn replies_are_read_or_refused() {
        use ReplyError::{BareLineEnd, CodesDiffer, NoCode, TooLong};
        let many = vec![b"250-x".as_slice(); REPLY_LINES_MAX + 1];
        let large = vec![b"250-".repeat(500); REPLY_LINES_MAX];
        let large: Vec<&[u8]> = large.iter().map(Vec::as_slice).collect();
        type Row<'a> = (&'a [&'a [u8]], Result<Option<&'a str>, ReplyError>, &'a str);
        let table: [Row<'_>; 13] = [
            (&[b"250 Ok"], Ok(Some("250 Ok")), "one line"),
            (&[b"250"], Ok(Some("250 ")), "RFC 5321 §4.2.1: text may be missing"),
            (&[b"250-a", b"250 b"], Ok(Some("250 a b")), "two lines"),
            (&[b"250-a", b"250"], Ok(Some("250 a")), "an empty last line"),
            (&[b"250-a"], Ok(None), "not complete"),
            (&[b"250-a", b"251 b"], Err(CodesDiffer), "RFC 5321 §4.2.1: the same on each line"),
            (&[b"25"], Err(NoCode), "too short"),
            (&[b"199 x"], Err(NoCode), "no such class"),
            (&[b"600 x"], Err(NoCode), "no such class"),
            (&[b"2a0 x"], Err(NoCode), "no digits"),
            (&[b"250x"], Err(NoCode), "no space behind the code"),
            (&[b"250 a\r250 b"], Err(BareLineEnd), "a CR inside of a line"),
            (&[b"250 \xff\x1b"], Ok(Some("250 \u{fffd} ")), "no text: shown as far as it can be"),
        ];
        for (lines, wanted, why) in table {
            let found = read(lines.iter().copied());
            assert_eq!(found, wanted.map(|text| text.map(str::to_owned)), "{why}");
        }
        assert_eq!(read(many), Err(TooLong), "D07: too many lines");
        assert_eq!(read(large), Err(TooLong), "D07: too many octets");
    }
}
