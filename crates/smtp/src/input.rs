//! The byte source of a session: what came in, cut into lines, with one limit.
//!
//! A line ends at CRLF. No state of a session looks for a line end or counts octets itself,
//! so there is one limit to get right. Searching remembers how far it came and consuming does
//! not move octets, so both are linear in the input however it is cut up.
//!
//! Standards: RFC 5321 §2.3.8 (lines).
//! Not here: the content of messages, which has another end (`dots`).

use memchr::memchr;

use crate::limits::{OVERLONG_OCTETS_MAX, OVERLONG_REPLY_OCTETS};

/// An empty buffer larger than this is given back, so that idle sessions stay small.
const KEPT_CAPACITY_OCTETS: usize = 16 * 1024;

/// What stands next in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// A line, without its CRLF.
    Whole(&'a [u8]),
    /// Octets up to an LF without its CR: never a line, whatever they say.
    BareLf,
    /// A line over the limit; said once for each, its octets are thrown away.
    Overlong,
    /// A line so long that the session should end.
    Endless,
}

/// A line over the limit that is being thrown away.
#[derive(Debug)]
struct Overlong {
    octets: usize,
    told: bool,
}

/// Octets that came in and were not consumed yet.
#[derive(Debug)]
pub(crate) struct Input {
    octets: Vec<u8>,
    /// Where the octets begin that are not consumed.
    start: usize,
    /// Up to here, from `start`, there is no LF.
    searched: usize,
    /// Longest line, with its CRLF.
    line_octets_max: usize,
    overlong: Option<Overlong>,
}

impl Input {
    pub(crate) fn new(line_octets_max: usize) -> Self {
        Self { octets: Vec::new(), start: 0, searched: 0, line_octets_max, overlong: None }
    }

    pub(crate) fn receive(&mut self, octets: &[u8]) {
        if self.start == self.octets.len() {
            self.octets.clear();
            if self.octets.capacity() > KEPT_CAPACITY_OCTETS {
                self.octets = Vec::new();
            }
            (self.start, self.searched) = (0, 0);
        } else if self.start > self.octets.len() / 2 {
            // Moves fewer octets than were consumed since the last move.
            self.octets.drain(..self.start);
            self.searched = self.searched.saturating_sub(self.start);
            self.start = 0;
        }
        self.octets.extend_from_slice(octets);
    }

    /// Drops everything, and the memory of what came before.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.line_octets_max);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.octets.len()
    }

    /// Everything that is not consumed.
    pub(crate) fn rest(&self) -> &[u8] {
        self.octets.get(self.start..).unwrap_or_default()
    }

    /// Whether the next line begins with `start`, as far as it has come.
    pub(crate) fn starts_line_with(&self, start: &[u8]) -> bool {
        self.overlong.is_none() && self.rest().starts_with(start)
    }

    /// Takes `count` octets off the front.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = self.octets.len().min(self.start.saturating_add(count));
        self.searched = self.searched.max(self.start);
    }

    /// The next line, when it is complete or too long to be one.
    pub(crate) fn next_line(&mut self) -> Option<Line<'_>> {
        while self.overlong.is_some() {
            if let Some(line) = self.skip_overlong() {
                return Some(line);
            }
            if self.is_empty() {
                return None;
            }
        }
        let unsearched = self.octets.get(self.searched..).unwrap_or_default();
        let end = memchr(b'\n', unsearched).map(|at| self.searched + at + 1);
        let length = end.unwrap_or(self.octets.len()) - self.start;
        if length > self.line_octets_max {
            self.overlong = Some(Overlong { octets: 0, told: false });
            return self.skip_overlong();
        }
        let Some(end) = end else {
            self.searched = self.octets.len();
            return None;
        };
        let line = self.start..end;
        (self.start, self.searched) = (end, end);
        let line = self.octets.get(line).unwrap_or_default();
        Some(line.strip_suffix(b"\r\n").map_or(Line::BareLf, Line::Whole))
    }

    /// Throws away what there is of an overlong line.
    fn skip_overlong(&mut self) -> Option<Line<'static>> {
        let overlong = self.overlong.as_mut()?;
        if overlong.told && overlong.octets >= OVERLONG_OCTETS_MAX {
            return Some(Line::Endless);
        }
        let rest = self.octets.get(self.start..).unwrap_or_default();
        let end = memchr(b'\n', rest).map(|at| at + 1);
        let count = end.unwrap_or(rest.len());
        overlong.octets = overlong.octets.saturating_add(count);
        let enough = end.is_some() || overlong.octets >= OVERLONG_REPLY_OCTETS;
        let tell = enough && !overlong.told;
        overlong.told |= tell;
        if end.is_some() && overlong.octets < OVERLONG_OCTETS_MAX {
            self.overlong = None;
        }
        self.consume(count);
        if tell {
            return Some(Line::Overlong);
        }
        self.overlong.as_ref().filter(|it| it.octets >= OVERLONG_OCTETS_MAX).map(|_| Line::Endless)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &mut Input) -> Vec<String> {
        let mut found = Vec::new();
        while let Some(line) = input.next_line() {
            found.push(match line {
                Line::Whole(octets) => String::from_utf8_lossy(octets).into_owned(),
                other => format!("{other:?}"),
            });
            if found.last().is_some_and(|line| line == "Endless") {
                break;
            }
        }
        found
    }

    #[test]
    fn line_ends_at_crlf_only() {
        let long = "x".repeat(50);
        let table: [(&str, &[&str], &str); 8] = [
            ("a\r\nb\r\n", &["a", "b"], "two lines"),
            ("a\r\nb", &["a"], "an incomplete line waits"),
            ("a\rb\r\n", &["a\rb"], "RFC 5321 §2.3.8: a CR alone ends nothing"),
            ("a\nb\r\n", &["BareLf", "b"], "an LF alone makes no line"),
            ("a\r\r\n", &["a\r"], "only the last CR belongs to the end"),
            ("\r\n", &[""], "an empty line"),
            (&format!("{long}\r\nb\r\n"), &["Overlong", "b"], "too long, and in step after it"),
            (&long, &[], "too long, but it may still be told at its end"),
        ];
        for (octets, wanted, why) in table {
            let mut whole = Input::new(20);
            whole.receive(octets.as_bytes());
            assert_eq!(lines(&mut whole), wanted, "{octets:?}: {why}");
            let mut single = Input::new(20);
            let mut found = Vec::new();
            for octet in octets.bytes() {
                single.receive(&[octet]);
                found.extend(lines(&mut single));
            }
            assert_eq!(found, wanted, "{octets:?} octet by octet: {why}");
        }
    }

    #[test]
    fn endless_line_is_told_once_and_then_ends_the_session() {
        for piece in [1000, 70_000, 3_000_000] {
            let mut input = Input::new(20);
            let mut found = Vec::new();
            for chunk in vec![b'x'; 3_000_000].chunks(piece) {
                input.receive(chunk);
                found.extend(lines(&mut input));
                if found.len() > 1 {
                    break;
                }
            }
            assert_eq!(found, ["Overlong", "Endless"], "pieces of {piece}");
        }
    }
}
