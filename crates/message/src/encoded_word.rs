//! Encoded words: `=?utf-8?q?Gr=C3=BC=C3=9Fe?=` is `Grüße`.
//!
//! White space between two encoded words vanishes; neighbours in the same charset are joined
//! before they are decoded, since many writers split them inside a character. What decodes to a
//! control character becomes U+FFFD, so that no decoded value carries a line break. What cannot
//! be decoded is shown as it stands, and nothing is decoded twice.
//!
//! Standards: RFC 2047 §2 to §6, RFC 2231 §5 (language tag).
//! Not here: writing them (module `write`).

use std::borrow::Cow;
use std::collections::BTreeSet;

use memchr::{memchr, memmem};

use crate::charset::{self, Fidelity};
use crate::defect::DefectCode;
use crate::lexer::is_space;
use crate::transfer::base64;

/// Question marks that may stand inside one encoded text, where none should: writers forget to
/// encode them. The bound keeps the scan linear.
const STRAY_MARKS_MAX: usize = 8;

/// One encoded word, found but not decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EncodedWord<'a> {
    charset: &'a [u8],
    encoding: u8,
    text: &'a [u8],
    /// Its length, from `=?` to `?=`.
    pub(crate) octets: usize,
}

/// Finds an encoded word at the start of `input`.
pub(crate) fn scan(input: &[u8]) -> Option<EncodedWord<'_>> {
    let rest = input.strip_prefix(b"=?")?;
    let mark = memchr(b'?', rest)?;
    let charset = rest.get(..mark)?;
    if charset.is_empty() || charset.iter().any(|octet| is_space(*octet) || *octet == b'=') {
        return None;
    }
    let (encoding, rest) = rest.get(mark + 1..)?.split_first()?;
    let encoding = encoding.to_ascii_lowercase();
    let rest = rest.strip_prefix(b"?")?;
    if !matches!(encoding, b'b' | b'q') {
        return None;
    }
    let mut length = 0;
    for _ in 0..STRAY_MARKS_MAX {
        length += memchr(b'?', rest.get(length..)?)?;
        if rest.get(length + 1) == Some(&b'=') {
            let text = rest.get(..length)?;
            let octets = input.len() - rest.len() + length + 2;
            let charset = charset.split(|octet| *octet == b'*').next().unwrap_or_default();
            return Some(EncodedWord { charset, encoding, text, octets });
        }
        length += 1;
    }
    None
}

impl EncodedWord<'_> {
    /// The octets behind the encoding, or `None` where it is not kept to.
    fn octets(&self) -> Option<Vec<u8>> {
        match self.encoding {
            b'b' => {
                let decoded = base64::decode_all(self.text);
                decoded.damage.is_none_or(|damage| damage.is_truncation()).then_some(decoded.octets)
            }
            _ => Some(decode_q(self.text)),
        }
    }
}

/// RFC 2047 §4.2: as quoted-printable, but `_` is a space.
fn decode_q(text: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((octet, after)) = rest.split_first() {
        rest = after;
        match *octet {
            b'_' => octets.push(b' '),
            b'=' => match after.split_first_chunk::<2>() {
                Some((digits, after)) if crate::transfer::hex_pair(*digits).is_some() => {
                    octets.extend(crate::transfer::hex_pair(*digits));
                    rest = after;
                }
                _ => octets.push(b'='),
            },
            b'\r' | b'\n' => {}
            other => octets.push(other),
        }
    }
    octets
}

/// Decodes unstructured text, such as a subject: unfolds it, decodes encoded words and makes
/// control characters visible as U+FFFD.
///
/// ```
/// let raw = b" =?iso-8859-1?q?caf=E9?=\r\n =?iso-8859-1?q?s?= here\r\n";
/// assert_eq!(message::decode_text(raw), "cafés here");
/// ```
pub fn decode_text(raw: &[u8]) -> Cow<'_, str> {
    let raw = raw.trim_ascii();
    let plain = memmem::find(raw, b"=?").is_none();
    if plain
        && !raw.iter().any(|octet| octet.is_ascii_control() && *octet != b'\t')
        && let Ok(text) = std::str::from_utf8(raw)
        && !text.chars().any(char::is_control)
    {
        return Cow::Borrowed(text);
    }
    let mut decoder = TextDecoder::default();
    decoder.push_text(raw);
    Cow::Owned(decoder.finish())
}

/// Puts text together from plain pieces and encoded words.
#[derive(Debug, Default)]
pub(crate) struct TextDecoder {
    text: String,
    /// Decoded octets of the last encoded words, whose charset is the same.
    pending: Option<(Vec<u8>, Vec<u8>)>,
    /// White space after an encoded word: it counts only if no other one follows.
    gap: String,
    faults: BTreeSet<DefectCode>,
}

impl TextDecoder {
    /// Adds text in which encoded words may stand.
    pub(crate) fn push_text(&mut self, raw: &[u8]) {
        let mut plain_from = 0;
        let mut search_from = 0;
        while let Some(found) = memmem::find(raw.get(search_from..).unwrap_or_default(), b"=?") {
            let at = search_from + found;
            match scan(raw.get(at..).unwrap_or_default()) {
                Some(word) => {
                    self.push_plain(raw.get(plain_from..at).unwrap_or_default());
                    let end = at + word.octets;
                    self.push_word(&word, raw.get(at..end).unwrap_or_default());
                    (plain_from, search_from) = (end, end);
                }
                None => {
                    self.faults.insert(DefectCode::BadEncodedWord);
                    search_from = at + 2;
                }
            }
        }
        self.push_plain(raw.get(plain_from..).unwrap_or_default());
    }

    /// Adds text in which there are no encoded words.
    pub(crate) fn push_plain(&mut self, raw: &[u8]) {
        if self.pending.is_some() && raw.iter().all(|octet| is_space(*octet)) {
            push_clean(&mut self.gap, &String::from_utf8_lossy(raw));
            return;
        }
        self.flush();
        if std::str::from_utf8(raw).is_err() {
            self.faults.insert(DefectCode::HeaderNotUtf8);
        }
        push_clean(&mut self.text, &charset::decode_unlabelled(raw));
    }

    /// Adds one encoded word; `raw` is how it is written.
    pub(crate) fn push_word(&mut self, word: &EncodedWord<'_>, raw: &[u8]) {
        let known = charset::is_known(word.charset);
        if !known {
            self.faults.insert(DefectCode::UnknownCharset);
        }
        let octets = word.octets().filter(|octets| known || std::str::from_utf8(octets).is_ok());
        let Some(octets) = octets else {
            self.faults.insert(DefectCode::BadEncodedWord);
            self.push_plain(raw);
            return;
        };
        match &mut self.pending {
            Some((charset, pending))
                if charset.eq_ignore_ascii_case(word.charset) && !is_stateful(word.charset) =>
            {
                pending.extend_from_slice(&octets);
                self.gap.clear();
            }
            _ => {
                self.gap.clear();
                self.flush();
                self.pending = Some((word.charset.to_vec(), octets));
            }
        }
    }

    fn flush(&mut self) {
        if let Some((label, octets)) = self.pending.take() {
            let decoded = charset::decode(&octets, &label);
            if decoded.fidelity == Fidelity::Damaged {
                self.faults.insert(DefectCode::TextNotInCharset);
            }
            push_visible(&mut self.text, &decoded.text);
        }
        self.text.push_str(&self.gap);
        self.gap.clear();
    }

    /// The whole text.
    pub(crate) fn finish(mut self) -> String {
        self.flush();
        self.text
    }

    /// The whole text, and what was wrong with it.
    pub(crate) fn finish_with_faults(mut self) -> (String, BTreeSet<DefectCode>) {
        self.flush();
        (self.text, self.faults)
    }
}

/// Whether a charset has escapes, of which two in a row are an error to its decoder. Words in
/// such charsets are never split inside a character, since each begins and ends in ASCII.
fn is_stateful(charset: &[u8]) -> bool {
    let is = |prefix: &[u8]| {
        charset.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    is(b"iso-2022-") || is(b"utf-7")
}

/// Adds folded text: line breaks vanish (RFC 5322 §2.2.3), other controls become visible.
fn push_clean(text: &mut String, piece: &str) {
    for sign in piece.chars().filter(|sign| !matches!(sign, '\r' | '\n')) {
        text.push(if sign.is_control() && sign != '\t' { '\u{fffd}' } else { sign });
    }
}

/// Adds decoded text: there, line breaks are no folding but an attack or a mistake.
fn push_visible(text: &mut String, piece: &str) {
    text.extend(piece.chars().map(|sign| match sign {
        '\t' => '\t',
        sign if sign.is_control() => '\u{fffd}',
        sign => sign,
    }));
}

#[cfg(test)]
mod tests {
    use super::decode_text;

    #[test]
    fn text_is_decoded_as_people_mean_it() {
        #[rustfmt::skip]
        let table: [(&[u8], &str, &str); 24] = [
            (b"=?ISO-2022-JP?B?GyRCJUYlOSVIGyhC?= =?ISO-2022-JP?B?GyRCJUYlOSVIGyhC?=", "テストテスト", "escapes are not joined"),
            (b"plain", "plain", "nothing to do"),
            (b"(=?ISO-8859-1?Q?a?=)", "(a)", "RFC 2047 §8"),
            (b"(=?ISO-8859-1?Q?a?= b)", "(a b)", "RFC 2047 §8"),
            (b"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)", "RFC 2047 §8"),
            (b"(=?ISO-8859-1?Q?a?=  \r\n  =?ISO-8859-1?Q?b?=)", "(ab)", "RFC 2047 §8"),
            (b"(=?ISO-8859-1?Q?a_b?=)", "(a b)", "RFC 2047 §8"),
            (b"(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)", "RFC 2047 §8"),
            (b"=?utf-8*de?b?w6TDpA==?=", "ää", "language tag of RFC 2231 §5"),
            (b"=?utf-8?b?w6TDpA?=", "ää", "lost padding"),
            (b"=?utf-8?b?w6T?= =?utf-8?b?w6Q=?=", "ää", "neighbours"),
            (b"=?utf-8?q?=C3?= =?utf-8?q?=A4?=", "ä", "split inside a character"),
            (b"=?utf-8?q?a b c?=", "a b c", "spaces inside"),
            (b"=?utf-8?q?what? yes?=", "what? yes", "question mark inside"),
            (b"=?utf-8?q?=41?=", "A", "equals sign right after the last mark"),
            (b"=?utf-9?b?UMOkaXbDpMOk?=", "P\u{e4}iv\u{e4}\u{e4}", "unknown charset, but UTF-8"),
            (b"=?x-foo?q?=FF?=", "=?x-foo?q?=FF?=", "unknown charset: shown raw"),
            (b"=?utf-8?b?!!!!?=", "=?utf-8?b?!!!!?=", "bad base64: shown raw"),
            (b"=?utf-8?x?abc?=", "=?utf-8?x?abc?=", "unknown encoding: shown raw"),
            (b"=?utf-8?q?a=0D=0Ab?=", "a\u{fffd}\u{fffd}b", "no line break comes out"),
            (b"=?utf-8?q?=3D=3Futf-8=3Fq=3Fa=3F=3D?=", "=?utf-8?q?a?=", "decoded once only"),
            (b"a\r\n b\r\n\tc", "a b\tc", "unfolded"),
            (b"gr\xC3\xBC\xC3\x9F", "grüß", "raw UTF-8"),
            (b"gr\xFC\xDF \x00", "grüß \u{fffd}", "raw latin 1; NUL shows"),
        ];
        for (raw, text, why) in table {
            assert_eq!(decode_text(raw), text, "{why}: {}", String::from_utf8_lossy(raw));
        }
    }
}
