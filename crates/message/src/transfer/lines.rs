//! Line ends and dots: what a message needs to travel as lines.
//!
//! Standards: RFC 5321 §2.3.8 (CRLF) and §4.5.2 (dot-stuffing).
//! Not here: protocol sessions.

use memchr::memchr2;

/// Makes every line end CRLF, in chunks.
///
/// ```
/// use message::transfer::lines::Normaliser;
/// let mut written = Vec::new();
/// let mut normaliser = Normaliser::default();
/// normaliser.feed(b"a\nb\r", &mut written);
/// normaliser.feed(b"\nc\r", &mut written);
/// normaliser.finish(&mut written);
/// assert_eq!(written, b"a\r\nb\r\nc\r\n");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Normaliser {
    /// A CR was read at the end of the last chunk; its line end is written already.
    is_after_cr: bool,
}

impl Normaliser {
    /// Takes a chunk.
    pub fn feed(&mut self, chunk: &[u8], written: &mut Vec<u8>) {
        written.reserve(chunk.len() + chunk.len() / 32);
        let mut rest = chunk;
        if self.is_after_cr && !rest.is_empty() {
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            self.is_after_cr = false;
        }
        while let Some(end) = memchr2(b'\r', b'\n', rest) {
            let (line, after) = rest.split_at(end);
            written.extend_from_slice(line);
            written.extend_from_slice(b"\r\n");
            self.is_after_cr = after == b"\r";
            rest = match after.strip_prefix(b"\r\n") {
                Some(after) => after,
                None => after.get(1..).unwrap_or_default(),
            };
        }
        written.extend_from_slice(rest);
    }

    /// Ends the last line, if it has no end.
    pub fn finish(self, written: &mut Vec<u8>) {
        if !written.is_empty() && !written.ends_with(b"\n") {
            written.extend_from_slice(b"\r\n");
        }
    }
}

/// Doubles the dots at the start of lines, in chunks of content with CRLF line ends.
///
/// ```
/// use message::transfer::lines::Stuffer;
/// let mut written = Vec::new();
/// let mut stuffer = Stuffer::default();
/// stuffer.feed(b"a\r\n", &mut written);
/// stuffer.feed(b".b\r\n", &mut written);
/// stuffer.finish(&mut written);
/// assert_eq!(written, b"a\r\n..b\r\n.\r\n");
/// ```
#[derive(Clone, Debug)]
pub struct Stuffer {
    /// The last two octets were CRLF, or nothing was read yet.
    is_line_start: bool,
    is_after_cr: bool,
}

impl Default for Stuffer {
    fn default() -> Self {
        Self { is_line_start: true, is_after_cr: false }
    }
}

impl Stuffer {
    /// Takes a chunk.
    pub fn feed(&mut self, chunk: &[u8], written: &mut Vec<u8>) {
        written.reserve(chunk.len() + chunk.len() / 64);
        let mut rest = chunk;
        while !rest.is_empty() {
            if self.is_line_start && rest.starts_with(b".") {
                written.push(b'.');
            }
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            let (line, after) = rest.split_at(end);
            self.is_line_start = match line {
                [b'\n'] => self.is_after_cr,
                line => line.ends_with(b"\r\n"),
            };
            self.is_after_cr = line.ends_with(b"\r");
            written.extend_from_slice(line);
            rest = after;
        }
    }

    /// Writes the end of the content: a line of one dot.
    pub fn finish(self, written: &mut Vec<u8>) {
        let end: &[u8] = if self.is_line_start { b".\r\n" } else { b"\r\n.\r\n" };
        written.extend_from_slice(end);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{Normaliser, Stuffer};

    fn stuffed(chunks: &[&[u8]]) -> Vec<u8> {
        let mut stuffer = Stuffer::default();
        let mut written = Vec::new();
        for chunk in chunks {
            stuffer.feed(chunk, &mut written);
        }
        stuffer.finish(&mut written);
        written
    }

    fn normal(chunks: &[&[u8]]) -> Vec<u8> {
        let mut normaliser = Normaliser::default();
        let mut written = Vec::new();
        for chunk in chunks {
            normaliser.feed(chunk, &mut written);
        }
        normaliser.finish(&mut written);
        written
    }

    #[test]
    fn dots_are_doubled_at_line_starts_only() {
        #[rustfmt::skip]
        let table: [(&[u8], &[u8], &str); 6] = [
            (b"", b".\r\n", "nothing"),
            (b".a\r\nb.\r\n..\r\n", b"..a\r\nb.\r\n...\r\n.\r\n", "dots"),
            (b"a", b"a\r\n.\r\n", "no line end"),
            (b"a\n.b\r\n", b"a\n.b\r\n.\r\n", "a lone LF starts no line"),
            (b"a\r.b\r\n", b"a\r.b\r\n.\r\n", "nor does a lone CR"),
            (b"\r\n.", b"\r\n..\r\n.\r\n", "a dot at the end"),
        ];
        for (content, written, why) in table {
            assert_eq!(stuffed(&[content]), written, "{why}");
        }
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(chunks in vec("[.\r\na]{0,6}", 0..6)) {
            let octets: Vec<&[u8]> = chunks.iter().map(String::as_bytes).collect();
            let whole = chunks.concat();
            prop_assert_eq!(stuffed(&octets), stuffed(&[whole.as_bytes()]));
            let written = normal(&octets);
            prop_assert_eq!(&written, &normal(&[whole.as_bytes()]));
            prop_assert_eq!(normal(&[&written]), written.clone());
            let text = String::from_utf8(written).unwrap();
            prop_assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
        }
    }
}
