//! Files in the middle of a text, as mail had them before MIME and newsgroups still have them.
//!
//! They are no parts: the tree and the section numbers of IMAP know nothing of them. A file is
//! named after its part and counted from 1 in it: `1/2`.
//!
//! Standards: none; `uuencode` in POSIX.1, yEnc draft 1.3.
//! Not here: the encodings (module `transfer`).

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memmem};

use crate::charset::decode_unlabelled;
use crate::content::TransferEncoding;
use crate::file_name::safe_file_name;
use crate::message::Message;
use crate::part::{Part, PartKind};
use crate::transfer::{Decoded, uuencode, yenc};

/// Files found in one part; more are no letter.
pub const EMBEDDED_FILES_MAX: usize = 1_000;

/// How a file stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EmbeddedEncoding {
    /// `begin 644 NAME` … `end`.
    Uuencode,
    /// `=ybegin …` … `=yend …`.
    Yenc,
}

impl EmbeddedEncoding {
    /// Its name for people and programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uuencode => "uuencode",
            Self::Yenc => "yenc",
        }
    }
}

/// A file in the text of a part.
///
/// ```
/// let message = message::Message::parse(b"\r\nLook:\r\nbegin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\n");
/// let files = message.embedded_files();
/// assert_eq!((files[0].id(), files[0].file_name()), ("1/1", "cat.txt".to_owned()));
/// assert_eq!(files[0].decoded().octets, b"Cat");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedFile<'a> {
    id: String,
    encoding: EmbeddedEncoding,
    name: String,
    range: Range<usize>,
    encoded: Cow<'a, [u8]>,
}

impl EmbeddedFile<'_> {
    /// The section number of its part, a slash, and which file of the part it is.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How it is encoded.
    pub fn encoding(&self) -> EmbeddedEncoding {
        self.encoding
    }

    /// The name that the sender gave, whatever it is.
    pub fn declared_file_name(&self) -> &str {
        &self.name
    }

    /// A name under which it can be saved anywhere, as that of a
    /// [`Part`](crate::Part::file_name).
    pub fn file_name(&self) -> String {
        safe_file_name(&self.name)
    }

    /// Where it is in the decoded octets of its part.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Its lines, from the first to the last.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// The file, and what is wrong with it; never much longer than its lines.
    pub fn decoded(&self) -> Decoded {
        match self.encoding {
            EmbeddedEncoding::Uuencode => uuencode::decode_with_damage(&self.encoded),
            EmbeddedEncoding::Yenc => yenc::decode_all(&self.encoded),
        }
    }
}

impl Message<'_> {
    /// The files in the texts of this message, in their order; they count as attachments. Not
    /// those in messages in this message, nor those in attached texts.
    pub fn embedded_files(&self) -> Vec<EmbeddedFile<'_>> {
        let parts = self.parts().filter(|part| !part.is_attachment() && !part.is_enclosed());
        parts.flat_map(|part| part.embedded_files()).collect()
    }

    /// The file with this [id](EmbeddedFile::id), in any part.
    pub fn embedded_file(&self, id: &str) -> Option<EmbeddedFile<'_>> {
        let (part, _) = id.split_once('/')?;
        self.part(part)?.embedded_files().into_iter().find(|file| file.id == id)
    }
}

impl<'a> Part<'a> {
    /// The files in its text, at most [`EMBEDDED_FILES_MAX`].
    pub fn embedded_files(&self) -> Vec<EmbeddedFile<'a>> {
        let content_type = self.content_type();
        let is_text = content_type.main() == "text" && content_type.sub() != "html";
        if self.kind() != PartKind::Leaf
            || !is_text
            || self.transfer_encoding() == TransferEncoding::Uuencode
        {
            return Vec::new();
        }
        let octets = self.decoded();
        let found = find(&octets);
        let files = found.into_iter().enumerate().map(|(index, one)| EmbeddedFile {
            id: format!("{}/{}", self.id(), index + 1),
            encoding: one.encoding,
            name: one.name,
            encoded: match &octets {
                Cow::Borrowed(octets) => {
                    Cow::Borrowed(octets.get(one.range.clone()).unwrap_or_default())
                }
                Cow::Owned(octets) => {
                    Cow::Owned(octets.get(one.range.clone()).unwrap_or_default().to_vec())
                }
            },
            range: one.range,
        });
        files.collect()
    }
}

struct Found {
    encoding: EmbeddedEncoding,
    name: String,
    range: Range<usize>,
}

/// Both encodings say `begin `; what is no file costs no more than its lines.
fn find(text: &[u8]) -> Vec<Found> {
    let mut files = Vec::new();
    let mut after = 0;
    for at in memmem::find_iter(text, b"begin ") {
        if at < after || files.len() >= EMBEDDED_FILES_MAX {
            continue;
        }
        let before = text.get(..at).unwrap_or_default();
        let is_line_start = |before: &[u8]| before.is_empty() || before.ends_with(b"\n");
        let found = if is_line_start(before) {
            uuencoded(text, at)
        } else if before.strip_suffix(b"=y").is_some_and(is_line_start) {
            yencoded(text, at - 2)
        } else {
            None
        };
        if let Some(found) = found {
            after = found.range.end;
            files.push(found);
        }
    }
    files
}

/// The line at a place, without its end, and where the next one is.
fn line_at(text: &[u8], start: usize) -> (&[u8], usize) {
    let rest = text.get(start..).unwrap_or_default();
    let length = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
    (rest.get(..length).unwrap_or_default().trim_ascii_end(), start + length)
}

fn uuencoded(text: &[u8], start: usize) -> Option<Found> {
    let (first, mut at) = line_at(text, start);
    let mut words = first.strip_prefix(b"begin ")?.splitn(2, |octet| *octet == b' ');
    let (mode, name) = (words.next()?, words.next()?.trim_ascii());
    let is_mode =
        matches!(mode.len(), 3 | 4) && mode.iter().all(|digit| matches!(digit, b'0'..=b'7'));
    if !is_mode || name.is_empty() {
        return None;
    }
    let mut is_file = false;
    while at < text.len() {
        let (line, next) = line_at(text, at);
        if line == b"end" {
            (is_file, at) = (true, next);
            break;
        }
        if !uuencode::is_line(line) {
            break;
        }
        is_file |= line.len() > 1;
        at = next;
    }
    let name = decode_unlabelled(name).into_owned();
    is_file.then_some(Found { encoding: EmbeddedEncoding::Uuencode, name, range: start..at })
}

fn yencoded(text: &[u8], start: usize) -> Option<Found> {
    let (first, data) = line_at(text, start);
    let is_number = |name| {
        yenc::value(first, name)
            .is_some_and(|digits| digits.bytes().all(|octet| octet.is_ascii_digit()))
    };
    if !is_number("line") || !is_number("size") {
        return None;
    }
    // The name stands last and may have spaces.
    let name_at = memmem::find(first, b" name=")? + b" name=".len();
    let name = first.get(name_at..)?.trim_ascii();
    let name = name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or(name);
    if name.is_empty() {
        return None;
    }
    let rest = text.get(data.saturating_sub(1)..).unwrap_or_default();
    let mut end = text.len();
    for at in memmem::find_iter(rest, b"\n=y") {
        let line = data + at;
        let control = text.get(line..).unwrap_or_default();
        if control.starts_with(b"=yend") {
            end = line_at(text, line).1;
            break;
        }
        if control.starts_with(b"=ybegin ") {
            end = line;
            break;
        }
    }
    let name = decode_unlabelled(name).into_owned();
    Some(Found { encoding: EmbeddedEncoding::Yenc, name, range: start..end })
}

#[cfg(test)]
mod tests;
