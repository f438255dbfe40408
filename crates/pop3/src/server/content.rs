//! A message on its way out: reply line, dot-stuffing, the end of TOP.
//!
//! A dot is stuffed at the start of every line, also of one that a bare LF began. Such
//! lines are not lines by RFC 1939, but for many clients they are, and for those a bare
//! LF followed by a lone dot would end the message, and the rest of it would be taken
//! for replies. Our own client undoes exactly this.
//!
//! Standards: RFC 1939 §3 (multi-line responses), §7 (TOP).

use std::io::Write as _;

use memchr::{memchr, memmem};

/// Whether a session needs more content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Appetite {
    /// Go on.
    More,
    /// All that was asked for has been sent; end the content now.
    Enough,
}

/// A message that is being sent.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// What the reply line will announce; `None` once it has been written.
    announced_octets: Option<u64>,
    /// The last two octets; what comes before the first line counts as CRLF.
    tail: [u8; 2],
    excerpt: Option<Excerpt>,
}

/// How far TOP has come.
#[derive(Debug)]
struct Excerpt {
    part: Part,
    /// Whether the current line has octets other than CR.
    is_line_empty: bool,
    lines_left: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Header,
    Body,
    Complete,
}

impl Outgoing {
    pub(super) fn new(octets: u64, lines: Option<u32>) -> Self {
        let excerpt =
            lines.map(|lines_left| Excerpt { part: Part::Header, is_line_empty: true, lines_left });
        Self { announced_octets: Some(octets), tail: *b"\r\n", excerpt }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.announced_octets.is_none()
    }

    pub(super) fn write(&mut self, octets: &[u8], output: &mut Vec<u8>) -> Appetite {
        self.begin(output);
        match &mut self.excerpt {
            None => {
                self.stuff(octets, output);
                Appetite::More
            }
            Some(excerpt) => {
                let wanted = excerpt.wanted(octets);
                let appetite =
                    if excerpt.part == Part::Complete { Appetite::Enough } else { Appetite::More };
                self.stuff(octets.get(..wanted).unwrap_or(octets), output);
                appetite
            }
        }
    }

    pub(super) fn end(&mut self, output: &mut Vec<u8>) {
        self.begin(output);
        if self.tail != *b"\r\n" {
            output.extend_from_slice(b"\r\n");
        }
        output.extend_from_slice(b".\r\n");
    }

    fn begin(&mut self, output: &mut Vec<u8>) {
        match (self.announced_octets.take(), &self.excerpt) {
            (Some(octets), None) => write!(output, "+OK {octets} octets\r\n"),
            (Some(_), Some(_)) => write!(output, "+OK top of the message follows\r\n"),
            (None, _) => Ok(()),
        }
        .expect("a Vec takes everything");
    }

    fn stuff(&mut self, octets: &[u8], output: &mut Vec<u8>) {
        let (Some(&first), Some(&last)) = (octets.first(), octets.last()) else { return };
        output.reserve(octets.len());
        if first == b'.' && self.tail.ends_with(b"\n") {
            output.push(b'.');
        }
        let mut copied = 0;
        for line_feed in memmem::find_iter(octets, b"\n.") {
            output.extend_from_slice(octets.get(copied..=line_feed).unwrap_or_default());
            output.push(b'.');
            copied = line_feed + 1;
        }
        output.extend_from_slice(octets.get(copied..).unwrap_or_default());
        let before_last = octets.iter().rev().nth(1).copied().unwrap_or(self.tail[1]);
        self.tail = [before_last, last];
    }
}

impl Excerpt {
    /// How many of these octets belong to what TOP wants.
    fn wanted(&mut self, octets: &[u8]) -> usize {
        let mut wanted = 0;
        while self.part != Part::Complete {
            let rest = octets.get(wanted..).unwrap_or_default();
            let Some(line_feed) = memchr(b'\n', rest) else {
                self.is_line_empty &= rest.iter().all(|&octet| octet == b'\r');
                return octets.len();
            };
            let line = rest.get(..line_feed).unwrap_or_default();
            let is_empty = self.is_line_empty && line.iter().all(|&octet| octet == b'\r');
            self.is_line_empty = true;
            wanted += line_feed + 1;
            match self.part {
                Part::Header if is_empty => self.part = Part::Body,
                Part::Body => self.lines_left = self.lines_left.saturating_sub(1),
                Part::Header | Part::Complete => {}
            }
            if self.part == Part::Body && self.lines_left == 0 {
                self.part = Part::Complete;
            }
        }
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(chunks: &[&[u8]], lines: Option<u32>) -> String {
        let mut outgoing = Outgoing::new(9, lines);
        let mut output = Vec::new();
        for chunk in chunks {
            if outgoing.write(chunk, &mut output) == Appetite::Enough {
                break;
            }
        }
        outgoing.end(&mut output);
        let sent = String::from_utf8(output).unwrap();
        sent.split_once("\r\n").unwrap().1.to_owned()
    }

    #[test]
    fn content_is_framed() {
        #[rustfmt::skip]
        let table: [(&[&[u8]], &str, &str); 12] = [
            (&[b"a\r\n"], "a\r\n.\r\n", "one line"),
            (&[], ".\r\n", "nothing at all"),
            (&[b"a"], "a\r\n.\r\n", "the last line gets its CRLF"),
            (&[b"a\n"], "a\n\r\n.\r\n", "bare LF is kept, and is no line end"),
            (&[b"a\r"], "a\r\r\n.\r\n", "neither is bare CR"),
            (&[b"."], "..\r\n.\r\n", "a lone dot"),
            (&[b".a\r\n..b\r\n.\r\n"], "..a\r\n...b\r\n..\r\n.\r\n", "P11: every line"),
            (&[b"a.b\r\n"], "a.b\r\n.\r\n", "not inside a line"),
            (&[b"a\r\n", b".b\r\n"], "a\r\n..b\r\n.\r\n", "over chunks"),
            (&[b"a\r", b"\n", b".", b"\r\n"], "a\r\n..\r\n.\r\n", "octet by octet"),
            (&[b"a\n.\r\n+OK"], "a\n..\r\n+OK\r\n.\r\n", "P11: for clients that take LF for a line end"),
            (&[b"+OK 1\r\n-ERR\r\n"], "+OK 1\r\n-ERR\r\n.\r\n", "P11: looks like replies"),
        ];
        for (chunks, expected, why) in table {
            assert_eq!(sent(chunks, None), expected, "{why}");
        }
    }

    #[test]
    fn top_stops_after_its_lines() {
        let message: &[u8] = b"A: 1\r\nB: 2\r\n\r\n.one\r\ntwo\r\nthree\r\n";
        #[rustfmt::skip]
        let table: [(&[&[u8]], u32, &str, &str); 8] = [
            (&[message], 0, "A: 1\r\nB: 2\r\n\r\n.\r\n", "header and the empty line"),
            (&[message], 1, "A: 1\r\nB: 2\r\n\r\n..one\r\n.\r\n", "one line"),
            (&[message], 2, "A: 1\r\nB: 2\r\n\r\n..one\r\ntwo\r\n.\r\n", "two lines"),
            (&[message], 9, "A: 1\r\nB: 2\r\n\r\n..one\r\ntwo\r\nthree\r\n.\r\n", "RFC 1939 §7: more than there are"),
            (&[b"A: 1\r\n\r", b"\none\r\ntwo"], 1, "A: 1\r\n\r\none\r\n.\r\n", "over chunks"),
            (&[b"A: 1\r\n"], 5, "A: 1\r\n.\r\n", "no body"),
            (&[b"\r\nbody\r\n"], 0, "\r\n.\r\n", "no header"),
            (&[b"A: 1\n\none\ntwo\n"], 1, "A: 1\n\none\n\r\n.\r\n", "bare LF counts as a line"),
        ];
        for (chunks, lines, expected, why) in table {
            assert_eq!(sent(chunks, Some(lines)), expected, "{why}");
        }
    }

    #[test]
    fn enough_is_told_at_once() {
        let mut outgoing = Outgoing::new(9, Some(0));
        let mut output = Vec::new();
        assert_eq!(outgoing.write(b"A: 1\r\n\r", &mut output), Appetite::More);
        assert_eq!(outgoing.write(b"\nbody", &mut output), Appetite::Enough);
        assert_eq!(outgoing.write(b"body", &mut output), Appetite::Enough);
        assert!(output.ends_with(b"\r\n\r\n"));
    }
}
