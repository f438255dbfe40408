//! A reply: code, enhanced status code, and text that cannot break its own framing.
//!
//! The server writes replies, the client reads them; both use this type. Text is cleaned when
//! it comes in, so a reply never holds a CR, LF or control character inside of a line, and
//! nothing that a peer said can start a reply of its own.
//!
//! Standards: RFC 5321 §4.2 (replies), §4.5.3.1.5 (length), RFC 2034 (enhanced codes in replies).
//! Not here: reading replies from octets (`client::replies`).

use std::borrow::Cow;
use std::fmt;

use envelope::EnhancedStatus;

use crate::limits::OWN_REPLY_LINE_OCTETS_MAX;

/// One SMTP reply, of one or more lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    status: Option<EnhancedStatus>,
    /// Lines joined by LF; free of all other control characters.
    text: Cow<'static, str>,
}

impl Reply {
    /// A reply with an enhanced status code. Line breaks in `text` make further lines; other
    /// control characters become spaces.
    ///
    /// # Panics
    ///
    /// When `code` is not 200 to 599: codes are written in source.
    pub fn new(code: u16, status: EnhancedStatus, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Some(status), ..Self::plain(code, text) }
    }

    /// A reply without an enhanced status code: greetings, EHLO, 354, HELP (RFC 2034 §4).
    ///
    /// # Panics
    ///
    /// When `code` is not 200 to 599: codes are written in source.
    pub fn plain(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        assert!((200..600).contains(&code), "not an SMTP reply code: {code}");
        Self { code, status: None, text: clean(text.into()) }
    }

    /// A reply as a server sent it. Each of its lines may begin with the enhanced status code
    /// (RFC 2034 §4), which counts only when its class is that of the reply code.
    pub(crate) fn received(code: u16, lines: &[String]) -> Self {
        let first = lines.first().map(String::as_str).unwrap_or_default();
        let status = EnhancedStatus::at_start_of(first)
            .filter(|status| u16::from(status.class()) == code / 100);
        let prefix = status.map(|status| status.to_string()).unwrap_or_default();
        let texts: Vec<&str> = lines
            .iter()
            .map(|line| match line.strip_prefix(&prefix) {
                Some(rest) if rest.is_empty() || rest.starts_with([' ', '\t']) => rest.trim_start(),
                _ => line,
            })
            .collect();
        Self { status, ..Self::plain(code, texts.join("\n")) }
    }

    /// The reply code, 200 to 599.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced status code, when there is one.
    pub fn status(&self) -> Option<EnhancedStatus> {
        self.status
    }

    /// The text behind the codes; lines are joined by LF.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The lines of the text.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.split('\n')
    }

    /// 2yz, or 3yz: go on.
    pub fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// 4yz: trying again later may help.
    pub fn is_temporary(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// 5yz: trying again unchanged is pointless.
    pub fn is_permanent(&self) -> bool {
        self.code >= 500
    }

    /// Writes the reply as octets, each line with its codes and CRLF.
    pub fn write_to(&self, output: &mut Vec<u8>) {
        let status = self.status.map(|status| format!("{status} ")).unwrap_or_default();
        let room = OWN_REPLY_LINE_OCTETS_MAX - "250-\r\n".len() - status.len();
        let mut pieces =
            self.lines().flat_map(|line| Wrapped { rest: Some(line), room }).peekable();
        while let Some(piece) = pieces.next() {
            let mark = if pieces.peek().is_some() { '-' } else { ' ' };
            output.extend_from_slice(format!("{}{mark}{status}", self.code).as_bytes());
            // RFC 5321 §4.2: reply text is ASCII.
            output.extend(
                piece.chars().map(|c| u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(b'?')),
            );
            output.extend_from_slice(b"\r\n");
        }
    }
}

/// As one line: `550 5.1.1 No such user`.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(status) = self.status {
            write!(f, " {status}")?;
        }
        for line in self.lines() {
            write!(f, " {line}")?;
        }
        Ok(())
    }
}

/// Control characters become spaces; line breaks of any kind become one LF.
fn clean(text: Cow<'static, str>) -> Cow<'static, str> {
    if !text.contains(char::is_control) {
        return text;
    }
    let lines: Vec<String> = text
        .trim_end_matches(['\r', '\n'])
        .split('\n')
        .map(|line| line.trim_end_matches('\r').replace(char::is_control, " "))
        .collect();
    Cow::Owned(lines.join("\n"))
}

/// Cuts one line into pieces of at most `room` characters, at a space where there is one.
struct Wrapped<'a> {
    rest: Option<&'a str>,
    room: usize,
}

impl<'a> Iterator for Wrapped<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest.take()?;
        // Each character is one octet on the wire.
        let Some((cut, _)) = rest.char_indices().nth(self.room) else { return Some(rest) };
        let (head, _) = rest.split_at(cut);
        let (piece, tail) = match head.rfind(' ').filter(|space| *space > 0) {
            Some(space) => (rest.get(..space)?, rest.get(space + 1..)?),
            None => rest.split_at(cut),
        };
        self.rest = Some(tail);
        Some(piece)
    }
}
