//! Where files stand in a text.
//!
//! ```text
//!   begin 644 NAME          =ybegin line=… size=… name=NAME
//!   M…                      …
//!   end                     =yend …
//! ```
//!
//! A file whose last line is missing ends where no line can be its own any more. In a quoted
//! text every line of a file begins with the same marks.
//!
//! Standards: none; `uuencode` in POSIX.1, yEnc draft 1.3.
//! Not here: decoding what was found.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memmem, memrchr};

use super::{EMBEDDED_FILES_MAX, EmbeddedEncoding};
use crate::charset::decode_unlabelled;
use crate::transfer::{uuencode, yenc};

/// Octets of `>` and spaces before a quoted line that are looked at; nobody quotes deeper.
const MARKS_MAX: usize = 64;

/// A file in a text.
pub(crate) struct Found {
    pub(crate) encoding: EmbeddedEncoding,
    pub(crate) name: String,
    /// Its lines, with the marks of a quoted one.
    pub(crate) range: Range<usize>,
    /// Octets at the start of each line that say that it is quoted. What was quoted is not
    /// decoded: it belongs to an earlier message, and has often been folded.
    pub(crate) marks: usize,
}

/// All encodings say `begin`; what is no file costs no more than its lines.
pub(crate) fn find(text: &[u8]) -> Vec<Found> {
    let mut files = Vec::new();
    let mut after = 0;
    for at in memmem::find_iter(text, b"begin") {
        if at < after || files.len() >= EMBEDDED_FILES_MAX {
            continue;
        }
        let window = at.saturating_sub(MARKS_MAX)..at;
        let before = text.get(window.clone()).unwrap_or_default();
        let before = match memrchr(b'\n', before) {
            Some(end) => before.get(end + 1..).unwrap_or_default(),
            None if window.start == 0 => before,
            None => continue,
        };
        let found = match before {
            b"=y" => yencoded(text, at - 2),
            [] | [b'>', ..] if before.iter().all(|octet| matches!(octet, b'>' | b' ')) => {
                uuencoded(&Lines { text, marks: before }, at - before.len())
            }
            _ => None,
        };
        if let Some(found) = found {
            after = found.range.end;
            files.push(found);
        }
    }
    files
}

/// Lines that all begin with the same marks.
struct Lines<'t> {
    text: &'t [u8],
    marks: &'t [u8],
}

impl<'t> Lines<'t> {
    /// The line at a place, without its marks and its end, and where the next one is.
    fn at(&self, start: usize) -> Option<(&'t [u8], usize)> {
        let (line, next) = line_at(self.text, start);
        match line.strip_prefix(self.marks) {
            Some(line) => Some((line, next)),
            None if line == self.marks.trim_ascii_end() => Some((b"", next)),
            None => None,
        }
    }
}

fn line_at(text: &[u8], start: usize) -> (&[u8], usize) {
    let rest = text.get(start..).unwrap_or_default();
    let length = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
    (rest.get(..length).unwrap_or_default().trim_ascii_end(), start + length)
}

fn uuencoded(lines: &Lines<'_>, start: usize) -> Option<Found> {
    let (first, mut at) = lines.at(start)?;
    let (encoding, rest) = match first.strip_prefix(b"begin-base64 ") {
        Some(rest) => (EmbeddedEncoding::Base64, rest),
        None => (EmbeddedEncoding::Uuencode, first.strip_prefix(b"begin ")?),
    };
    let mut words = rest.splitn(2, |octet| *octet == b' ');
    let (mode, name) = (words.next()?, words.next()?.trim_ascii());
    let is_mode =
        matches!(mode.len(), 3 | 4) && mode.iter().all(|digit| matches!(digit, b'0'..=b'7'));
    if !is_mode || name.is_empty() {
        return None;
    }
    let is_base64 = encoding == EmbeddedEncoding::Base64;
    let end: &[u8] = if is_base64 { uuencode::BASE64_END } else { b"end" };
    let is_line = if is_base64 { is_base64_line } else { uuencode::is_line };
    let mut is_file = false;
    while at < lines.text.len() {
        let Some((line, next)) = lines.at(at) else { break };
        if line == end {
            (is_file, at) = (true, next);
            break;
        }
        if !is_line(line) {
            break;
        }
        is_file |= line.len() > 1;
        at = next;
    }
    let name = decode_unlabelled(name).into_owned();
    is_file.then_some(Found { encoding, name, range: start..at, marks: lines.marks.len() })
}

/// Whether a line can be one of base64: whole groups, padded only at its end.
fn is_base64_line(line: &[u8]) -> bool {
    let padded = line.iter().rev().take(2).take_while(|octet| **octet == b'=').count();
    let (text, _) = line.split_at(line.len() - padded);
    !line.is_empty()
        && line.len().is_multiple_of(4)
        && text.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/'))
}

fn yencoded(text: &[u8], start: usize) -> Option<Found> {
    let (first, data) = line_at(text, start);
    let number = |name| yenc::value(first, name)?.parse::<usize>().ok();
    let (line, size) = (number("line")?, number("size")?);
    let name = yenc::file_name(first)?;
    let rest = text.get(data.saturating_sub(1)..).unwrap_or_default();
    let mut end = None;
    for at in memmem::find_iter(rest, b"\n=y") {
        let place = data + at;
        let control = text.get(place..).unwrap_or_default();
        if control.starts_with(b"=yend") {
            end = Some(line_at(text, place).1);
            break;
        }
        if control.starts_with(b"=ybegin ") {
            end = Some(place);
            break;
        }
    }
    let end = end.unwrap_or_else(|| end_of(text, data, line, size));
    let name = decode_unlabelled(name).into_owned();
    Some(Found { encoding: EmbeddedEncoding::Yenc, name, range: start..end, marks: 0 })
}

/// Where a file must have ended whose last line is missing: at the end of as many lines as its
/// octets take if each is escaped.
fn end_of(text: &[u8], data: usize, line: usize, size: usize) -> usize {
    let rest = text.get(data..).unwrap_or_default();
    let control = usize::from(rest.starts_with(b"=ypart "));
    let lines = size.saturating_mul(2).div_ceil(line.max(1)).saturating_add(control);
    match lines.checked_sub(1) {
        Some(last) => memchr_iter(b'\n', rest).nth(last).map_or(text.len(), |end| data + end + 1),
        None => data,
    }
}
