//! Makes an 8-bit message pass where only 7 bits pass.
//!
//! Bodies are encoded anew, and their encoding fields say so; every other octet stays. What is
//! signed stays whole: a changed signed part would be refused by its reader without a word.
//!
//! Standards: RFC 6152 §3 (a relay without 8BITMIME), RFC 2045 §6, RFC 1847 §2.1 (signed parts
//! are not changed).
//! Not here: UTF-8 in headers, which only SMTPUTF8 can carry.

use std::ops::Range;

use crate::content::TransferEncoding;
use crate::message::Message;
use crate::part::{Part, PartKind};
use crate::transfer::quoted_printable::Mode;
use crate::write::assembly::{encode, encode_base64, has_good_lines, is_seven_bit};

/// Why a message cannot be made 7-bit.
///
/// ```
/// use message::{DowngradeError, Message};
/// let content = b"Content-Type: multipart/signed; boundary=b\r\n\r\n\
///     --b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xFC\r\n--b--\r\n";
/// let refused = Message::parse(content).to_seven_bit();
/// assert_eq!(refused, Err(DowngradeError::Signed("1".to_owned())));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DowngradeError {
    /// Octets above 127 in a header.
    #[error("the header of part {0:?} has octets above 127")]
    Header(String),
    /// The part is in a multipart/signed.
    #[error("part {0:?} is signed and would have to be changed")]
    Signed(String),
}

impl Message<'_> {
    /// The message with every 8-bit body encoded; `None` if it is 7-bit already.
    ///
    /// ```
    /// # use message::Message;
    /// let message = Message::parse(b"Content-Transfer-Encoding: 8bit\r\n\r\nGr\xFC\xDFe\r\n");
    /// let octets = message.to_seven_bit().unwrap().unwrap();
    /// assert_eq!(octets, b"Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe\r\n");
    /// ```
    ///
    /// # Errors
    ///
    /// [`DowngradeError`], where that would change a header or a signed part.
    pub fn to_seven_bit(&self) -> Result<Option<Vec<u8>>, DowngradeError> {
        let source = self.source();
        if is_seven_bit(source) && has_good_lines(source) {
            return Ok(None);
        }
        let mut edits = Vec::new();
        for part in self.parts() {
            let header = source.get(part.header_range()).unwrap_or_default();
            if !header.is_ascii() {
                return Err(DowngradeError::Header(part.id()));
            }
            let before = edits.len();
            downgrade(&part, &mut edits);
            let is_changed = edits.len() > before;
            if is_changed && is_signed(&part) || !part.raw().is_ascii() && is_first_signed(&part) {
                return Err(DowngradeError::Signed(part.id()));
            }
        }
        // Octets above 127 may stand only outside of all parts.
        let is_same = edits.is_empty() && source.is_ascii();
        Ok((!is_same).then(|| apply(source, edits, stand_in(self))))
    }
}

/// Octets that take the place of a range.
type Edit = (Range<usize>, Vec<u8>);

fn downgrade(part: &Part<'_>, edits: &mut Vec<Edit>) {
    let encoding = part.transfer_encoding();
    // Without an empty line, what no field could be ended the header; changed it could be one.
    let is_open = part.fields_end() == part.body_range().start && !part.body().is_empty();
    let empty_line: &[u8] = if is_open { b"\r\n" } else { b"" };
    if part.kind() != PartKind::Leaf {
        if matches!(encoding, TransferEncoding::EightBit | TransferEncoding::Binary) {
            set_encoding(part, TransferEncoding::SevenBit, edits);
        }
        if is_open {
            let start = part.body_range().start;
            edits.push((start..start, empty_line.to_vec()));
        }
        return;
    }
    let body = part.body();
    if is_seven_bit(body) && longest_is_short(body) && encoding != TransferEncoding::Binary {
        return;
    }
    let decoded = part.decoded();
    let is_text = part.content_type().main() == "text" && has_line_ends(&decoded);
    let (mut encoding, mut octets) =
        encode(&decoded, if is_text { Mode::Text } else { Mode::Binary });
    if has_delimiter(&octets, part) {
        (encoding, octets) = (TransferEncoding::Base64, encode_base64(&decoded));
    }
    set_encoding(part, encoding, edits);
    edits.push((part.body_range(), [empty_line, &octets].concat()));
}

/// Whether a line of a body would end its part: other encodings than ours had hidden it.
fn has_delimiter(body: &[u8], part: &Part<'_>) -> bool {
    let around = std::iter::successors(part.parent(), Part::parent);
    let boundaries = around.filter_map(|part| {
        let boundary = part.content_type().parameter("boundary")?.as_bytes().to_vec();
        Some(boundary)
    });
    let boundaries: Vec<_> = boundaries.collect();
    body.split(|octet| *octet == b'\n')
        .filter_map(|line| line.strip_prefix(b"--"))
        .any(|line| boundaries.iter().any(|boundary| line.starts_with(boundary.trim_ascii_end())))
}

fn set_encoding(part: &Part<'_>, encoding: TransferEncoding, edits: &mut Vec<Edit>) {
    let written = format!("Content-Transfer-Encoding: {}\r\n", encoding.as_str()).into_bytes();
    let range = match part.header().field("Content-Transfer-Encoding") {
        Some(field) => field.offset()..field.offset() + field.raw().len(),
        None => part.fields_end()..part.fields_end(),
    };
    edits.push((range, written));
}

fn longest_is_short(octets: &[u8]) -> bool {
    octets.split(|octet| *octet == b'\n').all(|line| line.len() <= super::LINE_OCTETS_MAX + 1)
}

/// Whether every line end is CRLF; the last line may have none.
fn has_line_ends(octets: &[u8]) -> bool {
    let mut lines = octets.split(|octet| *octet == b'\n').peekable();
    while let Some(line) = lines.next() {
        let text = if lines.peek().is_some() {
            let Some(text) = line.strip_suffix(b"\r") else { return false };
            text
        } else {
            line
        };
        if text.contains(&b'\r') {
            return false;
        }
    }
    true
}

fn is_signed(part: &Part<'_>) -> bool {
    std::iter::successors(part.parent(), Part::parent).any(|around| has_signature(&around))
}

/// Whether it is what a multipart/signed holds, of which every octet is signed, also those
/// between its own parts.
fn is_first_signed(part: &Part<'_>) -> bool {
    part.parent().is_some_and(|around| has_signature(&around))
}

fn has_signature(part: &Part<'_>) -> bool {
    part.content_type().is("multipart", "signed")
}

/// What stands for octets that are lost: a sign that makes no line a delimiter.
fn stand_in(message: &Message<'_>) -> u8 {
    let types = message.parts().filter(|part| part.kind() == PartKind::Multipart);
    let mut taken = Vec::new();
    for part in types {
        let content_type = part.content_type();
        let boundary = content_type.parameter("boundary").unwrap_or_default();
        taken.extend(boundary.bytes().filter(|octet| STAND_INS.contains(octet)));
    }
    STAND_INS.into_iter().find(|octet| !taken.contains(octet)).unwrap_or(b' ')
}

/// Of these, a proper boundary has only the first (RFC 2046 §5.1.1).
const STAND_INS: [u8; 4] = *b"?*~!";

/// Replaces ranges; what is left above 127 stands outside of all parts, where nobody reads it.
fn apply(source: &[u8], mut edits: Vec<Edit>, stand_in: u8) -> Vec<u8> {
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let mut octets = Vec::with_capacity(source.len() + source.len() / 8);
    let mut at = 0;
    let keep = |octets: &mut Vec<u8>, kept: &[u8]| {
        octets.extend(kept.iter().map(|octet| if octet.is_ascii() { *octet } else { stand_in }));
    };
    for (range, replacement) in edits {
        keep(&mut octets, source.get(at..range.start).unwrap_or_default());
        octets.extend_from_slice(&replacement);
        at = range.end;
    }
    keep(&mut octets, source.get(at..).unwrap_or_default());
    octets
}

#[cfg(test)]
mod tests {
    use super::DowngradeError;
    use crate::Message;

    fn seven_bit(content: &str) -> Result<Option<String>, DowngradeError> {
        let octets = Message::parse(content.as_bytes()).to_seven_bit()?;
        Ok(octets.map(|octets| String::from_utf8(octets).unwrap()))
    }

    #[test]
    fn bodies_are_encoded_and_all_else_stays() {
        let content = "X: y\r\nContent-Type: multipart/mixed; boundary=a\r\n\
            Content-Transfer-Encoding: 8bit\r\n\r\n\u{e4}\r\n--a\r\n\
            Content-Type: text/plain; charset=utf-8\r\n\r\nä und so weiter \r\n--a\r\n\r\nplain\r\n--a\r\n\
            Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
            Subject: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\nö\r\n--a--\r\n";
        let expected = "X: y\r\nContent-Type: multipart/mixed; boundary=a\r\n\
            Content-Transfer-Encoding: 7bit\r\n\r\n??\r\n--a\r\n\
            Content-Type: text/plain; charset=utf-8\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A4 und so weiter=20\r\n--a\r\n\r\nplain\r\n\
            --a\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
            Subject: x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=B6\r\n--a--\r\n";
        let written = seven_bit(content).unwrap().unwrap();
        assert_eq!(written, expected);
        let (before, after) =
            (Message::parse(content.as_bytes()), Message::parse(written.as_bytes()));
        for (before, after) in before.parts().zip(after.parts()) {
            assert_eq!(before.text(), after.text(), "part {}", before.id());
        }
        assert_eq!(seven_bit(&written), Ok(None));
    }

    #[test]
    fn a_body_stays_a_body() {
        let written = seven_bit("A: b\r\nXä: y\r\n").unwrap().unwrap();
        let expected = "A: b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nX=C3=A4: y\r\n";
        assert_eq!(written, expected, "no empty line was there");
        let inner = "Content-Type: message/rfc822\r\nXä\r\n";
        let expected = "Content-Type: message/rfc822\r\n\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\r\nX=C3=A4\r\n";
        assert_eq!(seven_bit(inner), Ok(Some(expected.to_owned())), "nor above the inner header");
    }

    #[test]
    fn no_body_gets_a_delimiter() {
        let content = |encoding: &str, body: &str| {
            format!(
                "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\
                 Content-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n--a--\r\n"
            )
        };
        #[rustfmt::skip]
        let table = [
            ("quoted-printable", "=2D-a\r\nä", "base64", "LS1hDQrDpA==\r\n", "an escape had hidden it"),
            ("quoted-printable", "=2D- \r\nä", "quoted-printable", "--\r\n=C3=A4", "no delimiter"),
            ("base64", "LS1hDQo=ä", "base64", "LS1hDQo=\r\n", "base64 had hidden it"),
        ];
        for (encoding, body, encoded_by, encoded, why) in table {
            let written = seven_bit(&content(encoding, body)).unwrap().unwrap();
            assert_eq!(written, content(encoded_by, encoded), "{why}");
        }
    }

    #[test]
    fn what_cannot_be_changed_is_refused() {
        let signed = "Content-Type: multipart/signed; boundary=a\r\n\r\n--a\r\n\r\nä\r\n--a\r\n\
            Content-Type: application/pgp-signature\r\n\r\nx\r\n--a--\r\n";
        assert_eq!(seven_bit(signed), Err(DowngradeError::Signed("1".to_owned())));
        let between = "Content-Type: multipart/signed; boundary=a\r\n\r\n--a\r\n\
            Content-Type: multipart/mixed; boundary=b\r\n\r\nä\r\n--b\r\n\r\nx\r\n--b--\r\n--a--\r\n";
        assert_eq!(seven_bit(between), Err(DowngradeError::Signed("1".to_owned())));
        let header = "Subject: ä\r\n\r\nx\r\n";
        assert_eq!(seven_bit(header), Err(DowngradeError::Header("1".to_owned())));
        assert_eq!(seven_bit("Subject: a\r\n\r\nx\r\n"), Ok(None));
        let outside = between.replace("signed", "mixed");
        let written = outside.replace("ä", "??");
        assert_eq!(seven_bit(&outside), Ok(Some(written)), "only between parts");
        let marked =
            outside.replace("=b\r", "=\"b?\"\r").replace("--b", "--b?").replace("ä", "--bä");
        let written = marked.replace("ä", "**");
        assert_eq!(seven_bit(&marked), Ok(Some(written)), "no line becomes a delimiter");
    }
}
