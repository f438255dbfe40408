//! A message on its way in: finds its end, takes the stuffed dots away.
//!
//! Standards: RFC 1939 §3 (multi-line responses).

use memchr::memchr;

/// Where in the content we are; octets may come in any pieces.
#[derive(Debug)]
pub(super) struct Incoming {
    place: Place,
    /// Whether the current line began after CRLF; one that a bare LF began cannot be the
    /// end, but its dot is a stuffed one (see the server's side).
    after_crlf: bool,
    /// The last octet of content.
    last: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    LineStart,
    /// After a dot at the start of a line.
    Dot,
    /// After a dot at the start of a line, and CR.
    DotCr,
    Text,
    Ended,
}

impl Default for Incoming {
    fn default() -> Self {
        Self { place: Place::LineStart, after_crlf: true, last: b'\n' }
    }
}

impl Incoming {
    pub(super) fn has_ended(&self) -> bool {
        self.place == Place::Ended
    }

    /// Reads up to the end of the content, appends what belongs to it to `content`, and
    /// returns how many octets were used.
    pub(super) fn read(&mut self, octets: &[u8], content: &mut Vec<u8>) -> usize {
        let mut used = 0;
        while let Some(&octet) = octets.get(used) {
            match self.place {
                Place::LineStart if octet == b'.' => {
                    self.place = Place::Dot;
                    used += 1;
                }
                Place::LineStart => self.place = Place::Text,
                Place::Dot if octet == b'\r' && self.after_crlf => {
                    self.place = Place::DotCr;
                    used += 1;
                }
                Place::Dot => self.place = Place::Text,
                Place::DotCr if octet == b'\n' => {
                    self.place = Place::Ended;
                    used += 1;
                }
                Place::DotCr => {
                    content.push(b'\r');
                    self.last = b'\r';
                    self.place = Place::Text;
                }
                Place::Text => used += self.text(octets.get(used..).unwrap_or_default(), content),
                Place::Ended => break,
            }
        }
        used
    }

    /// Takes the rest of a line, or of what has come of it.
    fn text(&mut self, octets: &[u8], content: &mut Vec<u8>) -> usize {
        let line = match memchr(b'\n', octets) {
            Some(line_feed) => {
                let before = match line_feed.checked_sub(1) {
                    Some(at) => octets.get(at).copied().unwrap_or(self.last),
                    None => self.last,
                };
                self.after_crlf = before == b'\r';
                self.place = Place::LineStart;
                octets.get(..=line_feed).unwrap_or(octets)
            }
            None => octets,
        };
        content.extend_from_slice(line);
        self.last = line.last().copied().unwrap_or(self.last);
        line.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> (String, bool, usize) {
        let mut incoming = Incoming::default();
        let mut content = Vec::new();
        let used = pieces.iter().map(|piece| incoming.read(piece, &mut content)).sum();
        (String::from_utf8(content).unwrap(), incoming.has_ended(), used)
    }

    #[test]
    fn content_ends_at_a_lone_dot_only() {
        #[rustfmt::skip]
        let table: [(&[u8], &str, bool, &str); 12] = [
            (b"a\r\n.\r\n", "a\r\n", true, "one line"),
            (b".\r\n", "", true, "no line"),
            (b"..\r\n.\r\n", ".\r\n", true, "a stuffed dot"),
            (b"...a\r\n.\r\n", "..a\r\n", true, "more dots"),
            (b".a\r\n.\r\n", "a\r\n", true, "RFC 1939 §3: the first dot goes in any case"),
            (b"a\n.\r\n", "a\n\r\n", false, "a bare LF begins no line that could be the end"),
            (b"a\n..b\r\n.\r\n", "a\n.b\r\n", true, "but dots are stuffed there"),
            (b"a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", true, "dot and bare CR"),
            (b"a\r\n.\n.\r\n", "a\r\n\n\r\n", false, "dot and bare LF"),
            (b"a\r\r\n.\r\n", "a\r\r\n", true, "bare CR before CRLF"),
            (b"a.\r\n", "a.\r\n", false, "dot at the end of a line"),
            (b"+OK\r\n-ERR\r\n.\r\n", "+OK\r\n-ERR\r\n", true, "P11: looks like replies"),
        ];
        for (octets, content, ended, why) in table {
            let whole = read(&[octets]);
            assert_eq!((whole.0.as_str(), whole.1), (content, ended), "{why}");
            let single: Vec<&[u8]> = octets.chunks(1).collect();
            assert_eq!(read(&single), whole, "octet by octet: {why}");
        }
    }

    #[test]
    fn what_follows_the_end_is_left_alone() {
        assert_eq!(read(&[b"a\r\n.\r\n+OK\r\n"]), ("a\r\n".to_owned(), true, 6));
    }
}
