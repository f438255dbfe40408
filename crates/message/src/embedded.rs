//! Files in the middle of a text, as mail had them before MIME and newsgroups still have them.
//!
//! They are no parts: the tree and the section numbers of IMAP know nothing of them. A file is
//! named after its part and counted from 1 in it: `1/2`. The [text to
//! show](Message::text_to_show) has a line with the name of the file in its place.
//!
//! Standards: none; `uuencode` in POSIX.1, yEnc draft 1.3.
//! Not here: the encodings (module `transfer`).

mod search;

use std::borrow::Cow;
use std::ops::Range;

pub(crate) use self::search::{Found, find};

use crate::content::TransferEncoding;
use crate::file_name::safe_file_name;
use crate::message::Message;
use crate::part::{Part, PartKind};
use crate::transfer::{Decoded, uuencode, yenc};

/// Files found in one part, those in quoted lines among them; more are no letter.
pub const EMBEDDED_FILES_MAX: usize = 1_000;

/// How a file stands in a text.
///
/// ```
/// use message::{EmbeddedEncoding, Message};
/// let message = Message::parse(b"\r\n=ybegin line=128 size=3 name=cat.txt\r\nm\x8b\x9e\r\n=yend size=3\r\n");
/// assert_eq!(message.embedded_files()[0].encoding(), EmbeddedEncoding::Yenc);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EmbeddedEncoding {
    /// `begin 644 NAME` … `end`.
    Uuencode,
    /// `begin-base64 644 NAME` … `====`.
    Base64,
    /// `=ybegin …` … `=yend …`.
    Yenc,
}

impl EmbeddedEncoding {
    /// Its name for people and programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uuencode => "uuencode",
            Self::Base64 => "begin-base64",
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
            EmbeddedEncoding::Uuencode | EmbeddedEncoding::Base64 => {
                uuencode::decode_with_damage(&self.encoded)
            }
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
    /// Whether its body is a text with files in the midst of it, and not one encoded file.
    pub(crate) fn may_embed_files(&self) -> bool {
        let content_type = self.content_type();
        let is_text = content_type.main() == "text" && content_type.sub() != "html";
        self.kind() == PartKind::Leaf
            && is_text
            && self.transfer_encoding() != TransferEncoding::Uuencode
    }

    /// The files in its text, at most [`EMBEDDED_FILES_MAX`]; not those in quoted lines.
    pub fn embedded_files(&self) -> Vec<EmbeddedFile<'a>> {
        if !self.may_embed_files() {
            return Vec::new();
        }
        let octets = self.decoded();
        let found = find(&octets).into_iter().filter(|one| one.marks == 0);
        let files = found.enumerate().map(|(index, one)| EmbeddedFile {
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

#[cfg(test)]
mod tests;
