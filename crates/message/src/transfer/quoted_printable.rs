//! Quoted-printable: text that stays legible.
//!
//! Standards: RFC 2045 §6.7.
//! Not here: the Q encoding of headers (modules `encoded_word` and `write`).

use memchr::memchr;

use super::{Damage, Decoded, hex_pair};
use crate::defect::DefectCode;

/// Characters in a line, without its line end (RFC 2045 §6.7 rule 5).
const LINE_CHARACTERS_MAX: usize = 76;

/// What line ends in the octets mean.
///
/// ```
/// use message::transfer::quoted_printable::{Mode, encode_all};
/// assert_eq!(encode_all(b"a\r\n", Mode::Text), b"a\r\n");
/// assert_eq!(encode_all(b"a\r\n", Mode::Binary), b"a=0D=0A");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// CRLF is a line break and stays one; a lone CR or LF is encoded.
    Text,
    /// Every CR and LF is encoded.
    Binary,
}

/// Encodes a body in chunks.
///
/// ```
/// use message::transfer::quoted_printable::{Encoder, Mode};
/// let mut encoded = Vec::new();
/// let mut encoder = Encoder::new(Mode::Text);
/// encoder.feed(b"1=", &mut encoded);
/// encoder.feed(b"1 ", &mut encoded);
/// encoder.finish(&mut encoded);
/// assert_eq!(encoded, b"1=3D1=20");
/// ```
#[derive(Clone, Debug)]
pub struct Encoder {
    mode: Mode,
    column: usize,
    /// White space or a CR, whose form depends on what follows.
    held: Option<u8>,
}

impl Encoder {
    /// An encoder at the start of a body.
    pub fn new(mode: Mode) -> Self {
        Self { mode, column: 0, held: None }
    }

    /// Encodes a chunk.
    pub fn feed(&mut self, chunk: &[u8], encoded: &mut Vec<u8>) {
        encoded.reserve(chunk.len());
        for octet in chunk {
            self.octet(*octet, encoded);
        }
    }

    fn octet(&mut self, octet: u8, encoded: &mut Vec<u8>) {
        match (self.held.take(), octet) {
            (Some(b'\r'), b'\n') => {
                encoded.extend_from_slice(b"\r\n");
                self.column = 0;
                return;
            }
            (Some(b'\r'), _) => self.quoted(b'\r', encoded),
            // White space before a line break would be lost on the way.
            (Some(space), b'\r') if self.mode == Mode::Text => self.quoted(space, encoded),
            (Some(space), _) => self.literal(space, encoded),
            (None, _) => {}
        }
        match octet {
            b' ' | b'\t' => self.held = Some(octet),
            b'\r' if self.mode == Mode::Text => self.held = Some(octet),
            b'=' => self.quoted(octet, encoded),
            // Some relays change `From ` at the start of a line, some a lone dot.
            b'F' | b'.' if self.column == 0 => self.quoted(octet, encoded),
            b'!'..=b'~' => self.literal(octet, encoded),
            _ => self.quoted(octet, encoded),
        }
    }

    fn literal(&mut self, octet: u8, encoded: &mut Vec<u8>) {
        self.make_room(1, encoded);
        encoded.push(octet);
    }

    fn quoted(&mut self, octet: u8, encoded: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
        self.make_room(3, encoded);
        encoded.extend_from_slice(&[b'=', digit(octet >> 4), digit(octet & 15)]);
    }

    fn make_room(&mut self, characters: usize, encoded: &mut Vec<u8>) {
        if self.column + characters >= LINE_CHARACTERS_MAX {
            encoded.extend_from_slice(b"=\r\n");
            self.column = 0;
        }
        self.column += characters;
    }

    /// Encodes what is left.
    pub fn finish(mut self, encoded: &mut Vec<u8>) {
        if let Some(held) = self.held.take() {
            self.quoted(held, encoded);
        }
    }
}

/// Encodes a whole body.
pub fn encode_all(octets: &[u8], mode: Mode) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(octets.len() + octets.len() / 8);
    let mut encoder = Encoder::new(mode);
    encoder.feed(octets, &mut encoded);
    encoder.finish(&mut encoded);
    encoded
}

/// Decodes a whole body.
pub fn decode_all(encoded: &[u8]) -> Decoded {
    let mut octets = Vec::with_capacity(encoded.len());
    let mut decoder = Decoder::default();
    decoder.lines(encoded, &mut octets);
    let rest = std::mem::take(&mut decoder.held);
    decoder.line(&rest, &mut octets);
    Decoded { octets, damage: decoder.damage }
}

/// Decodes a body in chunks. What is no encoding stands for itself.
///
/// ```
/// use message::transfer::quoted_printable::Decoder;
/// let mut decoded = Vec::new();
/// let mut decoder = Decoder::default();
/// decoder.feed(b"caf=C3", &mut decoded);
/// decoder.feed(b"=A9", &mut decoded);
/// assert_eq!(decoder.finish(&mut decoded), None);
/// assert_eq!(decoded, "café".as_bytes());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    /// The line that is not complete.
    held: Vec<u8>,
    offset: usize,
    damage: Option<Damage>,
}

impl Decoder {
    /// Decodes the lines that a chunk completes.
    pub fn feed(&mut self, chunk: &[u8], decoded: &mut Vec<u8>) {
        let mut chunk = chunk;
        if !self.held.is_empty() {
            let Some(end) = memchr(b'\n', chunk) else {
                self.held.extend_from_slice(chunk);
                return;
            };
            let (head, tail) = chunk.split_at(end + 1);
            let mut line = std::mem::take(&mut self.held);
            line.extend_from_slice(head);
            self.line(&line, decoded);
            chunk = tail;
        }
        self.lines(chunk, decoded);
    }

    fn lines(&mut self, chunk: &[u8], decoded: &mut Vec<u8>) {
        let mut rest = chunk;
        while let Some(end) = memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end + 1);
            self.line(line, decoded);
            rest = after;
        }
        self.held.extend_from_slice(rest);
    }

    fn line(&mut self, line: &[u8], decoded: &mut Vec<u8>) {
        let start = self.offset;
        self.offset += line.len();
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let line_end = line.get(text.len()..).unwrap_or_default();
        let kept = text.trim_ascii_end(); // added on the way, RFC 2045 §6.7 rule 3
        let (kept, line_end) = match kept.strip_suffix(b"=") {
            Some(kept) => (kept, [].as_slice()),
            None => (kept, line_end),
        };
        let mut rest = kept;
        while let Some(at) = memchr(b'=', rest) {
            let (plain, after) = rest.split_at(at);
            decoded.extend_from_slice(plain);
            let after = after.get(1..).unwrap_or_default();
            match after.split_first_chunk::<2>() {
                Some((digits, after)) if hex_pair(*digits).is_some() => {
                    decoded.extend(hex_pair(*digits));
                    rest = after;
                }
                _ => {
                    let offset = start + kept.len() - after.len() - 1;
                    self.damage
                        .get_or_insert(Damage { code: DefectCode::BadQuotedPrintable, offset });
                    decoded.push(b'=');
                    rest = after;
                }
            }
        }
        decoded.extend_from_slice(rest);
        decoded.extend_from_slice(line_end);
    }

    /// Decodes what is left, and says what was wrong first.
    pub fn finish(mut self, decoded: &mut Vec<u8>) -> Option<Damage> {
        let rest = std::mem::take(&mut self.held);
        self.line(&rest, decoded);
        self.damage
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::{Decoder, Encoder, Mode, decode_all, encode_all};

    #[test]
    fn encoding_keeps_text_legible() {
        let long = "x".repeat(100);
        let long_encoded = format!("{}=\r\n{}", "x".repeat(75), "x".repeat(25));
        #[rustfmt::skip]
        let table: [(&[u8], Mode, &[u8], &str); 11] = [
            (&[0xE9], Mode::Text, b"=E9", "the octet of the issue"),
            (b"a=b", Mode::Text, b"a=3Db", "equals sign"),
            (b"a\r\nb", Mode::Text, b"a\r\nb", "line break"),
            (b"a\r\nb", Mode::Binary, b"a=0D=0Ab", "no line break"),
            (b"a \r\nb\t", Mode::Text, b"a=20\r\nb=09", "white space at line ends"),
            (b"a \t b", Mode::Text, b"a \t b", "white space elsewhere"),
            (b"a\rb\nc", Mode::Text, b"a=0Db=0Ac", "lone CR and LF"),
            (b"a\r", Mode::Text, b"a=0D", "CR at the end"),
            (b"From x\r\n.", Mode::Text, b"=46rom x\r\n=2E", "starts of lines that relays change"),
            (long.as_bytes(), Mode::Text, long_encoded.as_bytes(), "long line"),
            (b"a \r b", Mode::Text, b"a=20=0D b", "lone CR after white space"),
        ];
        for (octets, mode, encoded, why) in table {
            let found = encode_all(octets, mode);
            assert_eq!(found, encoded, "{why}: {}", String::from_utf8_lossy(&found));
        }
    }

    /// Encoded, decoded, place of the damage, and why.
    type Row = (&'static [u8], &'static [u8], Option<usize>, &'static str);

    #[test]
    fn whatever_comes_is_decoded() {
        #[rustfmt::skip]
        let table: [Row; 11] = [
            (b"=E9", &[0xE9], None, "the octet of the issue"),
            (b"=e9", &[0xE9], None, "small digits"),
            (b"a=\r\nb=\nc", b"abc", None, "soft line breaks"),
            (b"a=  \r\nb", b"ab", None, "white space after a soft line break"),
            (b"a  \r\nb \n", b"a\r\nb\n", None, "white space added on the way"),
            (b"a =20\r\n", b"a  \r\n", None, "white space that is meant"),
            (b"=ZZ", b"=ZZ", Some(0), "no digits"),
            (b"x\r\na=b", b"x\r\na=b", Some(4), "a bare equals sign"),
            (b"a=", b"a", None, "soft line break at the end"),
            (b"a=4", b"a=4", Some(1), "cut"),
            (b"\xFF", b"\xFF", None, "8 bits"),
        ];
        for (encoded, octets, damage, why) in table {
            let decoded = decode_all(encoded);
            let offset = decoded.damage.map(|damage| damage.offset);
            assert_eq!((decoded.octets.as_slice(), offset), (octets, damage), "{why}");
        }
    }

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            Just(b"\r\n".to_vec()),
            Just(b" ".to_vec()),
            Just(b"=".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"From ".to_vec()),
            "[a-z .\t]{1,90}".prop_map(String::into_bytes),
            vec(any::<u8>(), 0..8),
        ]
    }

    proptest! {
        #[test]
        fn bodies_come_back_however_they_are_cut(
            pieces in vec(piece(), 0..12),
            cut in any::<Index>(),
            is_text in any::<bool>(),
        ) {
            let octets = pieces.concat();
            let (head, tail) = octets.split_at(cut.index(octets.len() + 1));
            let mut encoder = Encoder::new(if is_text { Mode::Text } else { Mode::Binary });
            let mut encoded = Vec::new();
            encoder.feed(head, &mut encoded);
            encoder.feed(tail, &mut encoded);
            encoder.finish(&mut encoded);
            prop_assert!(encoded.is_ascii());
            prop_assert!(encoded.split(|octet| *octet == b'\n').all(|line| line.len() <= 77));
            let (head, tail) = encoded.split_at(cut.index(encoded.len() + 1));
            let mut decoder = Decoder::default();
            let mut decoded = Vec::new();
            decoder.feed(head, &mut decoded);
            decoder.feed(tail, &mut decoded);
            prop_assert_eq!(decoder.finish(&mut decoded), None);
            prop_assert_eq!(decoded, octets);
        }
    }
}
