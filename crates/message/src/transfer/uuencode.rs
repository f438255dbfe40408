//! Uuencode, as old mail has it: read only.
//!
//! ```text
//!   begin 644 NAME          begin-base64 644 NAME
//!   #0V%T                   Q2F0
//!   end                     ====
//! ```
//!
//! Standards: none; the formats of `uuencode` in POSIX.1.
//! Not here: writing it; finding files in text (module `embedded`).

use std::borrow::Cow;

use super::{Damage, Decoded, base64};
use crate::defect::DefectCode;

/// Octets of a line that are looked at: the longest has 63 octets in 84 characters, and the
/// name of a file is cut at 255 octets by every file system.
const LINE_MAX: usize = 512;

/// The last line of a file in base64.
pub(crate) const BASE64_END: &[u8] = b"====";

/// Decodes the first file in what it is fed, in chunks of any size.
///
/// ```
/// let mut decoder = message::transfer::uuencode::Decoder::default();
/// let mut octets = Vec::new();
/// decoder.feed(b"begin 644 cat.txt\n#0V", &mut octets);
/// decoder.feed(b"%T\n`\nend\n", &mut octets);
/// assert_eq!(decoder.finish(&mut octets), None);
/// assert_eq!(octets, b"Cat");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    phase: Phase,
    line: Vec<u8>,
    line_start: usize,
    fed: usize,
    base64: base64::Decoder,
    /// Where the lines of base64 begin.
    base64_start: usize,
    damage: Option<Damage>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Before,
    Inside,
    /// The same, in a file of base64.
    Base64,
    /// In a line of it of which a part was decoded already.
    Base64Line,
    After,
}

impl Decoder {
    /// Takes a chunk; octets before the file and after its end count for nothing.
    pub fn feed(&mut self, chunk: &[u8], octets: &mut Vec<u8>) {
        if self.phase == Phase::After {
            return;
        }
        for piece in chunk.split_inclusive(|octet| *octet == b'\n') {
            let is_base64 = matches!(self.phase, Phase::Base64 | Phase::Base64Line);
            let room = LINE_MAX.saturating_sub(self.line.len());
            let kept = if is_base64 { piece } else { piece.get(..room).unwrap_or(piece) };
            self.line.extend_from_slice(kept);
            self.fed += piece.len();
            if piece.ends_with(b"\n") {
                self.end_line(octets);
            } else if is_base64 && self.line.len() > LINE_MAX {
                self.base64.feed(&std::mem::take(&mut self.line), octets);
                self.phase = Phase::Base64Line;
            }
        }
    }

    /// Reads the last line and tells the first damage.
    pub fn finish(mut self, octets: &mut Vec<u8>) -> Option<Damage> {
        self.end_line(octets);
        match self.phase {
            Phase::After => {}
            Phase::Base64 | Phase::Base64Line => {
                self.end_base64(octets);
                self.note(DefectCode::TruncatedBase64, self.fed);
            }
            Phase::Before | Phase::Inside => self.note(DefectCode::TruncatedUuencode, self.fed),
        }
        self.damage
    }

    fn end_base64(&mut self, octets: &mut Vec<u8>) {
        if let Some(damage) = std::mem::take(&mut self.base64).finish(octets) {
            self.note(damage.code, self.base64_start + damage.offset);
        }
    }

    fn note(&mut self, code: DefectCode, offset: usize) {
        self.damage.get_or_insert(Damage { code, offset });
    }

    fn end_line(&mut self, octets: &mut Vec<u8>) {
        let line = std::mem::take(&mut self.line);
        let text = line.trim_ascii_end();
        match self.phase {
            Phase::Before if text.starts_with(b"begin ") => self.phase = Phase::Inside,
            Phase::Before if text.starts_with(b"begin-base64 ") => {
                self.phase = Phase::Base64;
                self.base64_start = self.fed;
            }
            Phase::Base64 if text == BASE64_END => {
                self.phase = Phase::After;
                self.end_base64(octets);
            }
            Phase::Base64 | Phase::Base64Line => {
                self.base64.feed(&line, octets);
                self.phase = Phase::Base64;
            }
            Phase::Inside if text == b"end" => self.phase = Phase::After,
            Phase::Inside if !decode_line(text, octets) => {
                self.note(DefectCode::BadUuencode, self.line_start);
            }
            _ => {}
        }
        self.line_start = self.fed;
    }
}

/// Appends the octets of one line; whether they are as many as the line says.
fn decode_line(line: &[u8], octets: &mut Vec<u8>) -> bool {
    let Some((length, text)) = line.split_first() else { return true };
    let start = octets.len();
    for group in text.chunks(4) {
        let mut bits = 0_u32;
        for index in 0..4 {
            let character = group.get(index).copied().unwrap_or(b' ');
            bits = bits << 6 | u32::from(character.wrapping_sub(b' ') & 63);
        }
        let [_, first, second, third] = bits.to_be_bytes();
        octets.extend_from_slice(&[first, second, third]);
    }
    let end = start + octets_of_line(*length);
    let is_whole = octets.len() >= end;
    octets.truncate(end);
    is_whole
}

/// How many octets are in a line that begins like this.
fn octets_of_line(first: u8) -> usize {
    usize::from(first.wrapping_sub(b' ') & 63)
}

/// Whether a line, without its end, can be one of a file. Lines may have lost spaces at their
/// end, and old encoders add a checksum.
pub(crate) fn is_line(line: &[u8]) -> bool {
    let Some((first, text)) = line.split_first() else { return true };
    line.iter().all(|octet| matches!(octet, b' '..=b'`'))
        && text.len() <= octets_of_line(*first).div_ceil(3) * 4 + 2
}

/// Decodes the first file of a body; a body without one stays as it is.
pub fn decode_all(body: &[u8]) -> Cow<'_, [u8]> {
    let mut decoder = Decoder::default();
    let mut octets = Vec::new();
    decoder.feed(body, &mut octets);
    if decoder.phase == Phase::Before {
        return Cow::Borrowed(body);
    }
    decoder.finish(&mut octets);
    Cow::Owned(octets)
}

/// Decodes the first file, and tells what is wrong with it.
pub(crate) fn decode_with_damage(body: &[u8]) -> Decoded {
    let (mut decoder, mut octets) = (Decoder::default(), Vec::new());
    decoder.feed(body, &mut octets);
    let damage = decoder.finish(&mut octets);
    Decoded { octets, damage }
}

#[cfg(test)]
mod tests {
    use super::{decode_all, decode_with_damage};
    use crate::defect::DefectCode;

    #[test]
    fn a_file_is_decoded() {
        let body = b"text\nbegin 644 cat.txt\n#0V%T\n`\nend\nmore";
        assert_eq!(decode_all(body).as_ref(), b"Cat");
        assert_eq!(decode_all(b"no file").as_ref(), b"no file");
    }

    #[test]
    fn lines_of_base64_have_any_length() {
        let long = "Q2F0".repeat(1000);
        let body = format!("begin-base64 644 a\n{long}====\n{long}\n====\nQ2F0\n");
        let whole = decode_with_damage(body.as_bytes());
        // The first line is padded in its middle, which is damage, but no end.
        assert_eq!(whole.octets.len(), 6000);
        for length in [1, 3, 600, 5000] {
            let (mut decoder, mut octets) = (super::Decoder::default(), Vec::new());
            body.as_bytes().chunks(length).for_each(|chunk| decoder.feed(chunk, &mut octets));
            let damage = decoder.finish(&mut octets);
            assert_eq!((&octets, damage), (&whole.octets, whole.damage), "chunks of {length}");
        }
    }

    #[test]
    fn damage_has_its_place() {
        type Row<'t> = (&'t str, &'t [u8], Option<(DefectCode, usize)>, &'t str);
        #[rustfmt::skip]
        let table: [Row<'_>; 9] = [
            ("begin 644 a\r\n#0V%T\r\n`\r\nend\r\n", b"Cat", None, "CRLF"),
            ("begin 644 a\n#0V%T\nend", b"Cat", None, "no line of zero, no last line end"),
            ("begin 644 a\n#0V%T\n", b"Cat", Some((DefectCode::TruncatedUuencode, 18)), "no end"),
            ("begin 644 a\n&0V%T\n`\nend\n", b"Cat", Some((DefectCode::BadUuencode, 12)), "short"),
            ("begin-base64 644 a\r\nQ2F\r\n0\r\n====\r\nxxxx", b"Cat", None, "base64"),
            ("begin-base64 644 a\nQ2E=\n====", b"Ca", None, "padded, no last line end"),
            ("begin-base64 644 a\nQ2F0\n", b"Cat", Some((DefectCode::TruncatedBase64, 24)), "no end"),
            ("begin-base64 644 a\nQ2F0Q\n====\n", b"Cat", Some((DefectCode::TruncatedBase64, 25)), "in a group"),
            ("begin-base64 644 a\nQ2!F0\n====\n", b"Cat", Some((DefectCode::BadBase64, 21)), "no letter"),
        ];
        for (body, octets, damage, why) in table {
            let found = decode_with_damage(body.as_bytes());
            let place = found.damage.map(|one| (one.code, one.offset));
            assert_eq!((found.octets.as_slice(), place), (octets, damage), "{why}");
        }
    }
}
