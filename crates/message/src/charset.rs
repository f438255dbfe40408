//! From octets in some charset to Unicode.
//!
//! Mail names charsets freely and wrongly. A known name is used; text that names none, names
//! an unknown one, or says US-ASCII and is not, is UTF-8 when it can be and windows-1252
//! otherwise. So is text that cannot be in the charset that it names.
//!
//! Standards: RFC 2046 §4.1.2 (charset parameter), RFC 2152 (UTF-7).
//! Not here: writing anything but UTF-8.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use memchr::memchr_iter;

/// Text with the question whether it was what it claimed to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decoded<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) fidelity: Fidelity,
}

/// How well the octets matched their charset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fidelity {
    /// Every octet had its meaning.
    Exact,
    /// The charset's name is unknown; the text is a guess.
    UnknownCharset,
    /// Some octets had no meaning in the charset.
    Damaged,
}

/// Octets of Unicode for each decoded octet of a text: the euro sign of windows-1252 is one, and
/// so is each octet that means nothing. Transfer encodings never make a body longer, but for
/// uuencode whose lines lost their spaces, which is bounded by the same number; so the text of a
/// message cannot grow out of hand.
pub const TEXT_GROWTH_MAX: usize = 3;

/// Decodes text whose charset is called `label`; an empty label means none was given.
pub(crate) fn decode<'a>(octets: &'a [u8], label: &[u8]) -> Decoded<'a> {
    match find(label) {
        Some(Charset::Ascii) => guess(octets, Fidelity::Damaged),
        Some(Charset::Utf7) => utf7(octets),
        Some(Charset::Other(encoding)) => {
            let (text, damaged) = encoding.decode_without_bom_handling(octets);
            let is_suspect = damaged || encoding != UTF_8 && has_controls(&text);
            if is_suspect && let Some(text) = meant(octets, encoding, &text) {
                return Decoded { text, fidelity: Fidelity::Damaged };
            }
            let text = without_mark(text);
            Decoded { text, fidelity: if damaged { Fidelity::Damaged } else { Fidelity::Exact } }
        }
        None => guess(octets, Fidelity::UnknownCharset),
    }
}

/// Whether we know this name.
pub(crate) fn is_known(label: &[u8]) -> bool {
    find(label).is_some()
}

/// The text of octets without a charset: UTF-8 if they are that, otherwise windows-1252.
pub(crate) fn decode_unlabelled(octets: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(octets) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(octets).0,
    }
}

enum Charset {
    Ascii,
    Utf7,
    Other(&'static Encoding),
}

fn find(label: &[u8]) -> Option<Charset> {
    let label = label.trim_ascii();
    let is = |name: &[u8]| label.eq_ignore_ascii_case(name);
    // encoding_rs, like browsers, takes US-ASCII for windows-1252, which would hide UTF-8.
    if label.is_empty() || is(b"us-ascii") || is(b"ascii") || is(b"ansi_x3.4-1968") || is(b"646") {
        return Some(Charset::Ascii);
    }
    if is(b"utf-7") || is(b"unicode-1-1-utf-7") || is(b"csUnicode11UTF7") {
        return Some(Charset::Utf7);
    }
    if let Some(encoding) = Encoding::for_label_no_replacement(label) {
        return Some(Charset::Other(encoding));
    }
    let name = std::str::from_utf8(label).ok()?.to_ascii_lowercase();
    // Names that mailers write and the registry of browsers does not have.
    let name = match name.as_str() {
        "utf8mb4" | "utf_8" | "unicode" => return Some(Charset::Other(UTF_8)),
        "latin1" | "latin-1" | "iso8859_1" | "8859-1" => "iso-8859-1",
        "gb_2312-80" | "gb_2312" | "cp936" | "ms936" => "gbk",
        "cp932" | "ms932" | "x-sjis-jp" => "shift_jis",
        "cp949" | "ms949" | "ks_c_5601" => "euc-kr",
        "cp950" => "big5",
        "iso-2022-jp-1" | "iso-2022-jp-2" | "iso-2022-jp-ms" | "cp50220" => "iso-2022-jp",
        other => match other.strip_prefix("cp").or_else(|| other.strip_prefix("win-")) {
            Some(page) => return by_page(page),
            None => other.split('_').next().filter(|first| first.len() < other.len())?,
        },
    };
    Encoding::for_label_no_replacement(name.as_bytes()).map(Charset::Other)
}

/// A code page of Windows by its number.
fn by_page(page: &str) -> Option<Charset> {
    Encoding::for_label_no_replacement(format!("windows-{page}").as_bytes()).map(Charset::Other)
}

/// Whether a text has characters from U+0080 to U+009F, which no author writes.
fn has_controls(text: &str) -> bool {
    let octets = text.as_bytes();
    memchr_iter(0xC2, octets).any(|at| octets.get(at + 1).is_some_and(|next| *next < 0xA0))
}

/// What was probably meant where a charset was named that the text is not in: UTF-8 if all of
/// it is that; and windows-1252 where no character outside of ASCII is the UTF-8 that it says.
fn meant<'a>(octets: &'a [u8], named: &'static Encoding, text: &str) -> Option<Cow<'a, str>> {
    if named != UTF_8 {
        let is_escaped = octets.is_ascii(); // ISO-2022-JP
        return std::str::from_utf8(octets).ok().filter(|_| !is_escaped).map(Cow::Borrowed);
    }
    let is_other = text.chars().all(|sign| sign.is_ascii() || sign == '\u{fffd}');
    is_other.then(|| WINDOWS_1252.decode_without_bom_handling(octets).0)
}

fn guess(octets: &[u8], fault: Fidelity) -> Decoded<'_> {
    let fidelity = match fault {
        Fidelity::Damaged if octets.is_ascii() => Fidelity::Exact,
        fault => fault,
    };
    Decoded { text: decode_unlabelled(octets), fidelity }
}

/// A byte order mark at the start is no part of the text.
fn without_mark(text: Cow<'_, str>) -> Cow<'_, str> {
    const MARK: char = '\u{feff}';
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix(MARK).unwrap_or(text)),
        Cow::Owned(text) => match text.strip_prefix(MARK) {
            Some(rest) => Cow::Owned(rest.to_owned()),
            None => Cow::Owned(text),
        },
    }
}

/// RFC 2152: `+` begins base64 of UTF-16, `-` or any octet that is not base64 ends it.
fn utf7(octets: &[u8]) -> Decoded<'_> {
    let mut units: Vec<u16> = Vec::with_capacity(octets.len());
    let mut fidelity = Fidelity::Exact;
    let mut rest = octets;
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        if octet != b'+' {
            if octet > 127 {
                fidelity = Fidelity::Damaged;
            }
            units.push(if octet > 127 { 0xFFFD } else { u16::from(octet) });
            continue;
        }
        let length = rest.iter().position(|octet| base64_value(*octet).is_none());
        let (run, after) = rest.split_at(length.unwrap_or(rest.len()));
        if run.is_empty() && after.first() == Some(&b'-') {
            units.push(u16::from(b'+'));
        }
        let (mut bits, mut count) = (0_u32, 0_u32);
        for value in run.iter().filter_map(|octet| base64_value(*octet)) {
            bits = (bits << 6) | u32::from(value);
            count += 6;
            if count >= 16 {
                count -= 16;
                units.push(u16::try_from((bits >> count) & 0xFFFF).unwrap_or_default());
                bits &= (1 << count) - 1;
            }
        }
        rest = after.strip_prefix(b"-").unwrap_or(after);
    }
    if char::decode_utf16(units.iter().copied()).any(|unit| unit.is_err()) {
        fidelity = Fidelity::Damaged;
    }
    Decoded { text: Cow::Owned(String::from_utf16_lossy(&units)), fidelity }
}

fn base64_value(octet: u8) -> Option<u8> {
    match octet {
        b'A'..=b'Z' => Some(octet - b'A'),
        b'a'..=b'z' => Some(octet - b'a' + 26),
        b'0'..=b'9' => Some(octet - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{Fidelity, TEXT_GROWTH_MAX, decode};

    const NAMES: [&str; 12] = [
        "",
        "utf-8",
        "windows-1252",
        "koi8-r",
        "big5",
        "gb18030",
        "shift_jis",
        "euc-kr",
        "iso-2022-jp",
        "utf-7",
        "utf-16le",
        "unknown",
    ];

    proptest! {
        #[test]
        fn text_grows_no_more_than_its_limit(
            octets in vec(prop_oneof![any::<u8>(), Just(0x80), Just(0xFF), Just(b'+'), Just(0x1B)], 0..200),
            name in 0..NAMES.len(),
        ) {
            let decoded = decode(&octets, NAMES[name].as_bytes());
            prop_assert!(decoded.text.len() <= octets.len() * TEXT_GROWTH_MAX, "{:?}", decoded);
        }
    }

    #[test]
    fn names_are_taken_as_mailers_mean_them() {
        #[rustfmt::skip]
        let table: [(&[u8], &str, &str, Fidelity, &str); 16] = [
            (b"abc", "us-ascii", "abc", Fidelity::Exact, "plain"),
            (b"\xC3\xA4", "us-ascii", "ä", Fidelity::Damaged, "UTF-8 that says ASCII"),
            (b"\xE4", "", "ä", Fidelity::Damaged, "no name, not UTF-8: windows-1252"),
            (b"\xE4", "ISO-8859-1", "ä", Fidelity::Exact, "latin 1"),
            (b"\xE4", "iso-8859-1_foo", "ä", Fidelity::Exact, "a name with a tail"),
            (b"\xE4", "cp1252", "ä", Fidelity::Exact, "code page by number"),
            (b"\xC3\xA4", "utf-9", "ä", Fidelity::UnknownCharset, "a slip of the pen"),
            (b"\xC3\xA4\xC3", "utf-8", "ä\u{fffd}", Fidelity::Damaged, "cut in a character"),
            (b"Gr\xFC\xDFe", "utf-8", "Grüße", Fidelity::Damaged, "says UTF-8, and no character is"),
            (b"\xE2\x80\x9D", "iso-8859-1", "”", Fidelity::Damaged, "UTF-8 that says latin 1: a control shows it"),
            (b"\xC3\xA4", "iso-8859-1", "Ã¤", Fidelity::Exact, "RFC 2046 §4.1.2: the charset decides"),
            (b"\xE8\xA8\x80\xE8\xAA\x9E", "shift_jis", "言語", Fidelity::Damaged, "UTF-8 that says Shift JIS"),
            (b"\xEF\xBB\xBFa", "utf-8", "a", Fidelity::Exact, "byte order mark"),
            (b"Hi Mom -+Jjo--!", "utf-7", "Hi Mom -\u{263A}-!", Fidelity::Exact, "RFC 2152"),
            (b"1 +- 1", "utf-7", "1 + 1", Fidelity::Exact, "RFC 2152: plus itself"),
            (b"\x1b$B8@8l\x1b(B", "iso-2022-jp", "言語", Fidelity::Exact, "escapes"),
        ];
        for (octets, label, text, fidelity, why) in table {
            let decoded = decode(octets, label.as_bytes());
            assert_eq!((decoded.text.as_ref(), decoded.fidelity), (text, fidelity), "{why}");
        }
    }
}
