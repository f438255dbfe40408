//! Base64 as mail has it: lines of 76 characters when written, anything when read.
//!
//! Standards: RFC 2045 §6.8.
//! Not here: the strict form of authentication exchanges (crate `sasl`).

use memchr::memchr;

use super::{Damage, Decoded};
use crate::defect::DefectCode;

/// Characters in a line that we write (RFC 2045 §6.8).
const LINE_CHARACTERS: usize = 76;
/// Octets that make one such line.
const LINE_OCTETS: usize = LINE_CHARACTERS / 4 * 3;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const NO_VALUE: u8 = 0xFF;
/// The value of each character.
const VALUES: [u8; 256] = values();
/// The same, moved to each of the four places in a group, so that a group is one `or`.
const PLACED: [[u32; 256]; 4] = [placed(18), placed(12), placed(6), placed(0)];
/// The bit by which a group tells that one of its characters is none.
const NO_GROUP: u32 = 1 << 31;

const fn values() -> [u8; 256] {
    let mut values = [NO_VALUE; 256];
    let mut rest: &[u8] = ALPHABET;
    let mut value = 0;
    while let Some((character, after)) = rest.split_first() {
        let (_, tail) = values.split_at_mut(*character as usize);
        if let Some(place) = tail.first_mut() {
            *place = value;
        }
        value += 1;
        rest = after;
    }
    values
}

const fn placed(shift: u32) -> [u32; 256] {
    let mut placed = [NO_GROUP; 256];
    let mut values: &[u8] = &VALUES;
    let mut places: &mut [u32] = &mut placed;
    while let (Some((value, more_values)), Some((place, more_places))) =
        (values.split_first(), places.split_first_mut())
    {
        if *value != NO_VALUE {
            *place = (*value as u32) << shift;
        }
        (values, places) = (more_values, more_places);
    }
    placed
}

/// The three octets of a group in the lower 24 bits, or [`NO_GROUP`].
fn group([a, b, c, d]: [u8; 4]) -> u32 {
    let [first, second, third, fourth] = &PLACED;
    let at = |places: &[u32; 256], character: u8| {
        places.get(usize::from(character)).copied().unwrap_or(NO_GROUP)
    };
    at(first, a) | at(second, b) | at(third, c) | at(fourth, d)
}

/// Characters without line ends that the fast path decodes at once: enough that its start costs
/// nothing, little enough that they stay in the first cache.
const RUN_CHARACTERS: usize = 4_096;
/// The longest line that the fast path joins with others; longer ones are runs of their own.
const LINE_CHARACTERS_MAX: usize = 1_024;
/// Fewer characters are decoded sooner than the fast path has begun.
const RUN_CHARACTERS_MIN: usize = 64;

/// Decodes lines of one length, as many as fit into a run; says how much of the text that was.
/// Zero if there is anything but good characters and line ends in it.
fn run(text: &[u8], decoded: &mut Vec<u8>) -> usize {
    let before = decoded.len();
    let mut characters = [0; RUN_CHARACTERS];
    let (count, at) = match line_form(text) {
        Some((line, end)) => join(text, line, end, &mut characters),
        None => {
            let count = text.len().min(RUN_CHARACTERS) / 4 * 4;
            if let (Some(to), Some(from)) = (characters.get_mut(..count), text.get(..count)) {
                to.copy_from_slice(from);
            }
            (count, count)
        }
    };
    let characters = characters.get(..count).unwrap_or_default();
    if base64_simd::STANDARD_NO_PAD.decode_append(characters, decoded).is_err() {
        decoded.truncate(before);
        return 0;
    }
    at
}

/// Characters of the first line, and its line end; `None` if it is no line of whole groups.
fn line_form(text: &[u8]) -> Option<(usize, &[u8])> {
    let end = memchr(b'\n', text.get(..text.len().min(LINE_CHARACTERS_MAX))?)?;
    let line = text.get(..end)?;
    let length = line.strip_suffix(b"\r").unwrap_or(line).len();
    (length > 0 && length.is_multiple_of(4)).then_some((length, text.get(length..=end)?))
}

/// Joins lines that have this length and this line end. Returns how many characters they have,
/// and how many octets of the text they are.
fn join(text: &[u8], line: usize, end: &[u8], joined: &mut [u8]) -> (usize, usize) {
    let (mut count, mut at) = (0, 0);
    for place in joined.chunks_exact_mut(line) {
        let Some(rest) = text.get(at..) else { break };
        let Some((characters, after)) = rest.split_at_checked(line) else { break };
        if !after.starts_with(end) {
            break;
        }
        place.copy_from_slice(characters);
        count += line;
        at += line + end.len();
    }
    (count, at)
}

/// Encodes everything in one line, as in encoded words.
pub fn encode_all(octets: &[u8]) -> String {
    let mut text = Vec::with_capacity(octets.len().div_ceil(3) * 4);
    encode_into(octets, &mut text);
    text.into_iter().map(char::from).collect()
}

fn character(value: u32) -> u8 {
    ALPHABET.get((value & 63) as usize).copied().unwrap_or(b'A')
}

fn encode_into(octets: &[u8], text: &mut Vec<u8>) {
    let (groups, rest) = octets.as_chunks::<3>();
    text.extend(groups.iter().flat_map(|[a, b, c]| {
        let bits = u32::from_be_bytes([0, *a, *b, *c]);
        [character(bits >> 18), character(bits >> 12), character(bits >> 6), character(bits)]
    }));
    match *rest {
        [a] => {
            let bits = u32::from(a) << 16;
            text.extend([character(bits >> 18), character(bits >> 12), b'=', b'=']);
        }
        [a, b] => {
            let bits = u32::from_be_bytes([0, a, b, 0]);
            let (first, second) = (character(bits >> 18), character(bits >> 12));
            text.extend([first, second, character(bits >> 6), b'=']);
        }
        _ => {}
    }
}

/// Encodes a body, in lines that end with CRLF.
///
/// ```
/// use message::transfer::base64::Encoder;
/// let mut encoded = Vec::new();
/// let mut encoder = Encoder::default();
/// encoder.feed(b"Ca", &mut encoded);
/// encoder.feed(b"t", &mut encoded);
/// encoder.finish(&mut encoded);
/// assert_eq!(encoded, b"Q2F0\r\n");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    /// Less than one line.
    held: Vec<u8>,
}

impl Encoder {
    /// Encodes a chunk, as far as it fills lines.
    pub fn feed(&mut self, chunk: &[u8], encoded: &mut Vec<u8>) {
        let mut chunk = chunk;
        if !self.held.is_empty() {
            let missing = LINE_OCTETS - self.held.len();
            let (head, tail) = chunk.split_at(missing.min(chunk.len()));
            self.held.extend_from_slice(head);
            chunk = tail;
            if self.held.len() < LINE_OCTETS {
                return;
            }
            encode_line(&self.held, encoded);
            self.held.clear();
        }
        encoded.reserve(chunk.len() / LINE_OCTETS * (LINE_CHARACTERS + 2));
        let (lines, rest) = chunk.as_chunks::<LINE_OCTETS>();
        for line in lines {
            encode_line(line, encoded);
        }
        self.held.extend_from_slice(rest);
    }

    /// Encodes what is left.
    pub fn finish(self, encoded: &mut Vec<u8>) {
        if !self.held.is_empty() {
            encode_line(&self.held, encoded);
        }
    }
}

/// Length of a body of `octets` octets when it is encoded, line ends included.
pub fn encoded_length(octets: usize) -> usize {
    octets.div_ceil(3) * 4 + octets.div_ceil(LINE_OCTETS) * 2
}

fn encode_line(octets: &[u8], encoded: &mut Vec<u8>) {
    encode_into(octets, encoded);
    encoded.extend_from_slice(b"\r\n");
}

/// Decodes a whole body.
pub fn decode_all(encoded: &[u8]) -> Decoded {
    let mut octets = Vec::with_capacity(encoded.len() / 4 * 3 + 3);
    let mut decoder = Decoder::default();
    decoder.feed(encoded, &mut octets);
    let damage = decoder.finish(&mut octets);
    Decoded { octets, damage }
}

/// Decodes a body in chunks. Line breaks may be anywhere or nowhere; characters that do not
/// belong to base64 are stepped over.
///
/// ```
/// use message::transfer::base64::Decoder;
/// let mut decoded = Vec::new();
/// let mut decoder = Decoder::default();
/// decoder.feed(b"Q2", &mut decoded);
/// decoder.feed(b"F0\r\n", &mut decoded);
/// assert_eq!(decoder.finish(&mut decoded), None);
/// assert_eq!(decoded, b"Cat");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    bits: u32,
    /// Characters of the group that were read, 0 to 3.
    count: u32,
    is_padded: bool,
    offset: usize,
    damage: Option<Damage>,
}

impl Decoder {
    /// Decodes a chunk.
    pub fn feed(&mut self, chunk: &[u8], decoded: &mut Vec<u8>) {
        decoded.reserve(chunk.len() / 4 * 3 + 3);
        let mut rest = chunk;
        loop {
            if self.count == 0 && !self.is_padded {
                rest = self.groups(rest, decoded);
            }
            let Some((character, after)) = rest.split_first() else { return };
            self.character(*character, decoded);
            self.offset += 1;
            rest = after;
        }
    }

    /// Whole groups of four good characters, which is nearly everything.
    fn groups<'c>(&mut self, chunk: &'c [u8], decoded: &mut Vec<u8>) -> &'c [u8] {
        let mut rest = chunk;
        // The fast path failed on what is before this much of the end.
        let mut slow_until = usize::MAX;
        loop {
            if rest.len() >= RUN_CHARACTERS_MIN && rest.len() <= slow_until {
                let count = run(rest, decoded);
                if count > 0 {
                    rest = rest.get(count..).unwrap_or_default();
                    continue;
                }
                slow_until = rest.len().saturating_sub(RUN_CHARACTERS);
            }
            while let Some((characters, after)) = rest.split_first_chunk::<4>() {
                let bits = group(*characters);
                if bits & NO_GROUP != 0 {
                    break;
                }
                let [_, octets @ ..] = bits.to_be_bytes();
                decoded.extend_from_slice(&octets);
                rest = after;
            }
            let after = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n"));
            match after {
                Some(after) => rest = after,
                None => break,
            }
        }
        self.offset += chunk.len() - rest.len();
        rest
    }

    fn character(&mut self, character: u8, decoded: &mut Vec<u8>) {
        match (value(character), character) {
            (NO_VALUE, b'=') => self.padding(decoded),
            (NO_VALUE, b' ' | b'\t' | b'\r' | b'\n') => {}
            (NO_VALUE, _) => self.damaged(DefectCode::BadBase64),
            (value, _) => {
                if self.is_padded {
                    self.damaged(DefectCode::BadBase64); // two encodings in a row
                    self.is_padded = false;
                }
                self.bits = self.bits << 6 | u32::from(value);
                self.count += 1;
                if self.count == 4 {
                    let [_, first, second, third] = self.bits.to_be_bytes();
                    decoded.extend_from_slice(&[first, second, third]);
                    (self.bits, self.count) = (0, 0);
                }
            }
        }
    }

    fn padding(&mut self, decoded: &mut Vec<u8>) {
        if self.count < 2 && !self.is_padded {
            self.damaged(DefectCode::BadBase64);
        }
        self.partial_group(decoded);
        self.is_padded = true;
    }

    fn partial_group(&mut self, decoded: &mut Vec<u8>) {
        let bits = self.bits << (6 * (4 - self.count));
        let [_, first, second, _] = bits.to_be_bytes();
        match self.count {
            2 => decoded.push(first),
            3 => decoded.extend_from_slice(&[first, second]),
            _ => {}
        }
        (self.bits, self.count) = (0, 0);
    }

    fn damaged(&mut self, code: DefectCode) {
        self.damage.get_or_insert(Damage { code, offset: self.offset });
    }

    /// Decodes what is left, and says what was wrong first.
    pub fn finish(mut self, decoded: &mut Vec<u8>) -> Option<Damage> {
        if self.count > 0 {
            self.damaged(DefectCode::TruncatedBase64);
            self.partial_group(decoded);
        }
        self.damage
    }
}

fn value(character: u8) -> u8 {
    VALUES.get(usize::from(character)).copied().unwrap_or(NO_VALUE)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::{Decoder, Encoder, decode_all, encode_all};
    use crate::DefectCode;

    /// Encoded, decoded, damage, and why.
    type Row = (&'static [u8], &'static [u8], Option<(DefectCode, usize)>, &'static str);

    #[test]
    fn whole_and_damaged_base64_is_decoded() {
        #[rustfmt::skip]
        let table: [Row; 13] = [
            (b"ldw7WA==", &[0x95, 0xDC, 0x3B, 0x58], None, "the octets of the issue"),
            (b"", b"", None, "nothing"),
            (b"Zg==", b"f", None, "RFC 4648 §10"),
            (b"Zm8=", b"fo", None, "RFC 4648 §10"),
            (b"Zm9v\r\nYmFy\r\n", b"foobar", None, "lines"),
            (b"Z m\t9\r\nv", b"foo", None, "white space anywhere"),
            (b"Zm9vYmE", b"fooba", Some((DefectCode::TruncatedBase64, 7)), "no padding"),
            (b"Zm9vY", b"foo", Some((DefectCode::TruncatedBase64, 5)), "a lone character"),
            (b"Zm!9v", b"foo", Some((DefectCode::BadBase64, 2)), "junk is stepped over"),
            (b"Zg==Zm8=", b"ffo", Some((DefectCode::BadBase64, 4)), "padding inside"),
            (b"Zg===", b"f", None, "too much padding"),
            (b"=Zm9v", b"foo", Some((DefectCode::BadBase64, 0)), "padding at the start"),
            (b"Zm9v\xFF", b"foo", Some((DefectCode::BadBase64, 4)), "an octet above 127"),
        ];
        for (encoded, octets, damage, why) in table {
            let decoded = decode_all(encoded);
            let found = decoded.damage.map(|damage| (damage.code, damage.offset));
            assert_eq!((decoded.octets.as_slice(), found), (octets, damage), "{why}");
        }
    }

    #[test]
    fn encoding_pads() {
        for (octets, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(encode_all(octets.as_bytes()), encoded);
        }
    }

    /// What the standard says, octet by octet.
    fn plain(encoded: &[u8]) -> Vec<u8> {
        let mut octets = Vec::new();
        let mut decoder = Decoder::default();
        for octet in encoded {
            decoder.feed(std::slice::from_ref(octet), &mut octets);
        }
        decoder.finish(&mut octets);
        octets
    }

    proptest! {
        #[test]
        fn runs_and_single_octets_are_decoded_alike(
            octets in vec(any::<u8>(), 0..9_000),
            line in 1..1_200_usize,
            end in prop::sample::select(vec!["\n", "\r\n", " \r\n", "\r", ""]),
            damage in prop::option::of((any::<Index>(), any::<u8>())),
        ) {
            let text = encode_all(&octets).into_bytes();
            let mut encoded = Vec::new();
            for line in text.chunks(line) {
                encoded.extend_from_slice(line);
                encoded.extend_from_slice(end.as_bytes());
            }
            if let (Some((place, octet)), false) = (damage, encoded.is_empty()) {
                let place = place.index(encoded.len());
                encoded[place] = octet;
            }
            let decoded = decode_all(&encoded).octets;
            prop_assert!(decoded == plain(&encoded), "lines of {} and {:?}", line, end);
        }

        #[test]
        fn bodies_come_back_however_they_are_cut(octets in vec(any::<u8>(), 0..600), cut in any::<Index>()) {
            let (head, tail) = octets.split_at(cut.index(octets.len() + 1));
            let mut encoder = Encoder::default();
            let mut encoded = Vec::new();
            encoder.feed(head, &mut encoded);
            encoder.feed(tail, &mut encoded);
            encoder.finish(&mut encoded);
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
