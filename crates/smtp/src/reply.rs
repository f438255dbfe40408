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

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &Reply) -> String {
        let mut output = Vec::new();
        reply.write_to(&mut output);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn text_cannot_break_out_of_its_reply() {
        let status = EnhancedStatus::new(5, 1, 1);
        #[rustfmt::skip]
        let table = [
            ("No such user",       "550 5.1.1 No such user\r\n", "plain"),
            ("",                   "550 5.1.1 \r\n", "empty"),
            ("a\nb",               "550-5.1.1 a\r\n550 5.1.1 b\r\n", "a line break makes a line"),
            ("a\r\nb\r\n",         "550-5.1.1 a\r\n550 5.1.1 b\r\n", "of any kind"),
            ("a\r250 b",           "550 5.1.1 a 250 b\r\n", "a CR alone does not"),
            ("a\u{1b}[31m\0\u{85}", "550 5.1.1 a [31m  \r\n", "no control characters"),
            ("user \u{fc}",        "550 5.1.1 user ?\r\n", "RFC 5321 §4.2: ASCII"),
        ];
        for (text, wanted, why) in table {
            assert_eq!(written(&Reply::new(550, status, text)), wanted, "{text:?}: {why}");
        }
    }

    #[test]
    fn long_text_is_wrapped() {
        let words = "word ".repeat(300);
        for text in [words.trim_end(), &"x".repeat(1500), &"\u{fc}".repeat(1500)] {
            let reply = Reply::new(550, EnhancedStatus::new(5, 1, 1), text.to_owned());
            let output = written(&reply);
            let lines: Vec<&str> = output.split_terminator("\r\n").collect();
            assert!(lines.len() >= 3, "wrapped");
            assert!(lines.iter().all(|line| line.len() + 2 <= OWN_REPLY_LINE_OCTETS_MAX));
            assert!(lines.iter().rev().skip(1).all(|line| line.starts_with("550-5.1.1 ")));
            assert!(lines.last().unwrap().starts_with("550 5.1.1 "));
            let letters = |text: &str| text.chars().filter(|c| *c != ' ').count();
            let received: usize = lines.iter().map(|line| letters(&line[10..])).sum();
            assert_eq!(received, letters(text), "nothing is lost");
        }
    }

    #[test]
    fn enhanced_status_is_read_from_each_line() {
        let received = |code, lines: &[&str]| {
            let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            let reply = Reply::received(code, &lines);
            (reply.status().map(|status| status.to_string()), reply.text().to_owned())
        };
        type Row<'a> = (u16, &'a [&'a str], Option<&'a str>, &'a str, &'a str);
        #[rustfmt::skip]
        let table: [Row<'_>; 6] = [
            (550, &["5.1.1 No user"],         Some("5.1.1"), "No user",    "plain"),
            (550, &["5.1.1 No", "5.1.1 user"], Some("5.1.1"), "No\nuser",  "on each line"),
            (550, &["5.1.1 No", "user"],      Some("5.1.1"), "No\nuser",   "on the first line only"),
            (550, &["2.1.1 No user"],         None, "2.1.1 No user",       "RFC 2034 §4: classes agree"),
            (550, &["No user"],               None, "No user",             "none"),
            (250, &["2.0.0"],                 Some("2.0.0"), "",           "nothing behind it"),
        ];
        for (code, lines, status, text, why) in table {
            let wanted = (status.map(str::to_owned), text.to_owned());
            assert_eq!(received(code, lines), wanted, "{why}");
        }
    }
}
