//! The byte source: cuts what arrives into lines and keeps the limits.
//!
//! Standards: RFC 1939 §3 (lines end with CRLF), RFC 2449 §4 (their length).

use zeroize::Zeroizing;

/// How much of a line that is too long is thrown away before we give up on the peer.
const SKIPPED_OCTETS_MAX: usize = 64 * 1024;

/// What the source has found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line, without its CRLF.
    Complete(Zeroizing<Vec<u8>>),
    /// A line that ended with LF alone.
    BareLf,
    /// A line longer than allowed; its rest is thrown away as it arrives.
    TooLong,
    /// So much more of such a line that it is no accident.
    Flood,
}

/// Octets received and not yet used.
#[derive(Debug, Default)]
pub(crate) struct LineSource {
    buffer: Vec<u8>,
    /// Where the unused octets begin.
    start: usize,
    /// How many of the unused octets hold no LF for sure; keeps the search linear.
    searched: usize,
    /// How much of a line that is too long has been thrown away, while that goes on.
    skipped: Option<usize>,
}

impl LineSource {
    pub(crate) fn receive(&mut self, octets: &[u8]) {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        } else if self.start > self.buffer.len() / 2 {
            // Moves fewer octets than were used up since the last move.
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(octets);
    }

    /// Octets that wait.
    pub(crate) fn waiting(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Whether a line end is among the octets that wait.
    pub(crate) fn has_line(&self) -> bool {
        let fresh = self.waiting().get(self.searched..).unwrap_or_default();
        memchr::memchr(b'\n', fresh).is_some()
    }

    /// Uses up that many octets which wait.
    pub(crate) fn consume(&mut self, octets: usize) {
        self.start = self.start.saturating_add(octets).min(self.buffer.len());
        self.searched = 0;
    }

    /// Drops all octets that wait, and every state.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next line of at most `octets_max` octets with its CRLF.
    pub(crate) fn next_line(&mut self, octets_max: usize) -> Option<Line> {
        if let Some(skipped) = self.skipped {
            return self.skip(skipped).or_else(|| {
                if self.skipped.is_none() { self.next_line_here(octets_max) } else { None }
            });
        }
        self.next_line_here(octets_max)
    }

    fn next_line_here(&mut self, octets_max: usize) -> Option<Line> {
        let waiting = self.waiting();
        let fresh = waiting.get(self.searched..).unwrap_or_default();
        let Some(line_feed) = memchr::memchr(b'\n', fresh).map(|at| self.searched + at) else {
            let length = waiting.len();
            self.searched = length;
            if length < octets_max {
                return None;
            }
            self.skipped = Some(length);
            self.consume(length);
            return Some(Line::TooLong);
        };
        let line = waiting.get(..line_feed).unwrap_or_default();
        let found = if line_feed >= octets_max {
            Line::TooLong
        } else {
            match line.strip_suffix(b"\r") {
                Some(line) => Line::Complete(Zeroizing::new(line.to_vec())),
                None => Line::BareLf,
            }
        };
        self.consume(line_feed + 1);
        Some(found)
    }

    /// Throws the rest of a long line away; `Some(Flood)` when it does not end.
    fn skip(&mut self, skipped: usize) -> Option<Line> {
        let waiting = self.waiting();
        let (gone, ended) = match memchr::memchr(b'\n', waiting) {
            Some(at) => (at + 1, true),
            None => (waiting.len(), false),
        };
        let skipped = skipped.saturating_add(gone);
        self.consume(gone);
        self.skipped = (!ended).then_some(skipped);
        (gone > 0 && skipped > SKIPPED_OCTETS_MAX).then_some(Line::Flood)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]], octets_max: usize) -> Vec<String> {
        let mut source = LineSource::default();
        let mut found = Vec::new();
        for piece in pieces {
            source.receive(piece);
            while let Some(line) = source.next_line(octets_max) {
                found.push(match line {
                    Line::Complete(line) => String::from_utf8_lossy(&line).into_owned(),
                    other => format!("{other:?}"),
                });
            }
        }
        found
    }

    #[test]
    fn lines_end_with_crlf_and_are_limited() {
        /// Pieces as they arrive, what is found, why.
        type Row<'a> = (&'a [&'a [u8]], &'a [&'a str], &'a str);
        let long = [b'x'; 11];
        #[rustfmt::skip]
        let table: [Row<'_>; 9] = [
            (&[b"NOOP\r\n"], &["NOOP"], "one line"),
            (&[b"NO", b"OP\r", b"\nQ", b"UIT\r\n"], &["NOOP", "QUIT"], "cut anywhere"),
            (&[b"NOOP\n"], &["BareLf"], "LF alone"),
            (&[b"NO\rQUIT\r\n"], &["NO\rQUIT"], "CR alone ends nothing"),
            (&[b"12345678\r\n"], &["12345678"], "ten octets with CRLF"),
            (&[b"123456789\r\nA\r\n"], &["TooLong", "A"], "eleven octets"),
            (&[&long, &long, b"\r\nA\r\n"], &["TooLong", "A"], "told once, rest thrown away"),
            (&[&long, b"\r\n"], &["TooLong"], "the rest may be a line end only"),
            (&[b"\r\n\r\n"], &["", ""], "empty lines"),
        ];
        for (pieces, expected, why) in table {
            assert_eq!(lines(pieces, 10), expected, "{why}");
        }
    }

    #[test]
    fn a_line_without_end_is_a_flood() {
        let piece = [b'x'; 1024];
        let found = lines(&[&piece[..]; 70], 255);
        assert_eq!(found.first().map(String::as_str), Some("TooLong"));
        assert!(found.iter().any(|line| line == "Flood"), "{found:?}");
    }

    #[test]
    fn octet_by_octet_takes_linear_time() {
        let mut source = LineSource::default();
        for _ in 0..400_000 {
            source.receive(b"x");
            assert!(source.next_line(usize::MAX).is_none());
        }
        source.receive(b"\r\n");
        assert!(
            matches!(source.next_line(usize::MAX), Some(Line::Complete(line)) if line.len() == 400_000)
        );
    }
}
