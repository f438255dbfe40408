//! One part of a message: a leaf, a multipart, or a message in a message.
//!
//! Standards: RFC 2045 (MIME fields), RFC 2046 (containers), RFC 2183 (disposition), RFC 2392
//! (Content-ID), RFC 3282 (Content-Language), RFC 9051 §6.4.5.1 (section numbers).
//! Not here: which parts to show (module `view`).

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use memchr::memchr_iter;

use crate::charset;
use crate::content::{ContentType, Disposition, DispositionKind, TransferEncoding};
use crate::encoded_word::decode_text;
use crate::file_name::safe_file_name;
use crate::header::Header;
use crate::structure::{Entity, EntityKind, Structure};
use crate::transfer;

/// What is inside a part.
///
/// Example: [`Part`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PartKind {
    /// Octets.
    Leaf,
    /// Parts.
    Multipart,
    /// A message.
    Message,
}

/// A part, lent from its [`Message`](crate::Message).
///
/// ```
/// use message::{Message, PartKind};
/// let content = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\
///     --b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\ncaf\xE9\r\n\
///     --b\r\nContent-Type: application/pdf; name=\"../tea.pdf\"\r\n\
///     Content-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n--b--\r\n";
/// let message = Message::parse(content);
/// let parts: Vec<_> = message.root().parts().collect();
/// assert_eq!(message.root().kind(), PartKind::Multipart);
/// assert_eq!(parts[0].text().as_deref(), Some("café"));
/// assert_eq!(parts[1].file_name().as_deref(), Some("tea.pdf"));
/// assert_eq!(parts[1].decoded().as_ref(), b"%PDF");
/// ```
#[derive(Clone, Copy)]
pub struct Part<'a> {
    source: &'a [u8],
    structure: &'a Structure,
    index: usize,
}

impl<'a> Part<'a> {
    pub(crate) fn new(source: &'a [u8], structure: &'a Structure, index: usize) -> Self {
        Self { source, structure, index }
    }

    fn at(&self, index: usize) -> Self {
        Self { index, ..*self }
    }

    fn entity(&self) -> Option<&'a Entity> {
        self.structure.entities.get(self.index)
    }

    fn slice(&self, range: Range<usize>) -> &'a [u8] {
        self.source.get(range).unwrap_or_default()
    }

    /// Its IMAP section number: `2.1`. A multipart that is a whole message has none of its own:
    /// empty at the top, and that of the enclosing part in a message in a message.
    pub fn id(&self) -> String {
        self.structure.section(self.index)
    }

    /// What is inside.
    pub fn kind(&self) -> PartKind {
        match self.entity().map(|entity| entity.kind) {
            None | Some(EntityKind::Leaf) => PartKind::Leaf,
            Some(EntityKind::Multipart | EntityKind::Digest) => PartKind::Multipart,
            Some(EntityKind::Message) => PartKind::Message,
        }
    }

    /// Its header.
    pub fn header(&self) -> Header<'a> {
        let fields = self.entity().map(|entity| entity.fields.clone()).unwrap_or_default();
        Header::new(self.source, self.structure.fields.get(fields).unwrap_or_default())
    }

    /// The parts of a multipart, in their order; none for others.
    pub fn parts(&self) -> impl Iterator<Item = Self> + use<'a> {
        let part = *self;
        let is_multipart = part.kind() == PartKind::Multipart;
        part.inner().filter(move |_| is_multipart)
    }

    /// The message that a message/rfc822 part holds.
    pub fn message(&self) -> Option<Self> {
        if self.kind() == PartKind::Message { self.inner().next() } else { None }
    }

    fn inner(&self) -> impl Iterator<Item = Self> + use<'a> {
        let part = *self;
        let end = part.entity().map_or(0, |entity| entity.descendants_end);
        let mut next = part.index + 1;
        std::iter::from_fn(move || {
            if next >= end {
                return None;
            }
            let child = part.at(next);
            next = child.entity()?.descendants_end.max(next + 1);
            Some(child)
        })
    }

    /// The part that holds this one.
    pub fn parent(&self) -> Option<Self> {
        self.entity()?.parent.map(|parent| self.at(parent))
    }

    /// Whether it is a part of a message in this message.
    pub fn is_enclosed(&self) -> bool {
        let mut around = std::iter::successors(self.parent(), Self::parent);
        around.any(|part| part.kind() == PartKind::Message)
    }

    /// Where header and body are, in octets from the start of the message.
    pub fn range(&self) -> Range<usize> {
        self.entity().map(|entity| entity.start..entity.body.end).unwrap_or_default()
    }

    /// Where the header is, with its empty line.
    pub fn header_range(&self) -> Range<usize> {
        self.entity().map(|entity| entity.start..entity.body.start).unwrap_or_default()
    }

    /// Where the fields end: what follows is the empty line.
    pub(crate) fn fields_end(&self) -> usize {
        self.entity().map_or(0, |entity| entity.fields_end)
    }

    /// Where the body is, still encoded.
    pub fn body_range(&self) -> Range<usize> {
        self.entity().map(|entity| entity.body.clone()).unwrap_or_default()
    }

    /// Header and body as they stand in the message.
    pub fn raw(&self) -> &'a [u8] {
        self.slice(self.range())
    }

    /// The body as it stands in the message, still encoded.
    pub fn body(&self) -> &'a [u8] {
        self.slice(self.body_range())
    }

    /// Lines of the body, as IMAP counts them (RFC 9051 §7.5.2).
    pub fn body_lines(&self) -> usize {
        memchr_iter(b'\n', self.body()).count()
    }

    /// Its type: what the header says, or the default (RFC 2045 §5.2, RFC 2046 §5.1.5).
    pub fn content_type(&self) -> ContentType {
        if self.header().field("Content-Type").is_some() {
            return self.header().content_type().unwrap_or_else(ContentType::text_plain);
        }
        match self.parent().and_then(|parent| parent.entity()).map(|parent| parent.kind) {
            Some(EntityKind::Digest) => ContentType::message_rfc822(),
            _ => ContentType::text_plain(),
        }
    }

    /// Its transfer encoding.
    pub fn transfer_encoding(&self) -> TransferEncoding {
        self.header().transfer_encoding()
    }

    /// The body without its transfer encoding. The body of a container is never decoded
    /// (RFC 2045 §6.4).
    pub fn decoded(&self) -> Cow<'a, [u8]> {
        if self.kind() != PartKind::Leaf {
            return Cow::Borrowed(self.body());
        }
        match self.transfer_encoding() {
            TransferEncoding::Base64 => {
                Cow::Owned(transfer::base64::decode_all(self.body()).octets)
            }
            TransferEncoding::QuotedPrintable => {
                Cow::Owned(transfer::quoted_printable::decode_all(self.body()).octets)
            }
            TransferEncoding::Uuencode => transfer::uuencode::decode_all(self.body()),
            _ => Cow::Borrowed(self.body()),
        }
    }

    /// The text of a text part in Unicode, its line ends as they are; `None` for other types.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        let content_type = self.content_type();
        if content_type.main() != "text" || self.kind() != PartKind::Leaf {
            return None;
        }
        let label = content_type.charset().unwrap_or_default().as_bytes();
        Some(match self.decoded() {
            Cow::Borrowed(octets) => charset::decode(octets, label).text,
            Cow::Owned(octets) => Cow::Owned(charset::decode(&octets, label).text.into_owned()),
        })
    }

    /// How it wants to be shown.
    pub fn disposition(&self) -> Option<Disposition> {
        self.header().disposition()
    }

    /// The file name that the sender gave, whatever it is. To save a file use
    /// [`file_name`](Self::file_name).
    pub fn declared_file_name(&self) -> Option<String> {
        let disposition = self.disposition();
        let name = disposition.as_ref().and_then(|value| value.parameter("filename"));
        if let Some(name) = name {
            return Some(name.to_owned());
        }
        self.header().content_type()?.parameter("name").map(str::to_owned)
    }

    /// A name under which the part can be saved anywhere: one component, without control
    /// characters, never hidden, at most 200 octets.
    pub fn file_name(&self) -> Option<String> {
        self.declared_file_name().map(|name| safe_file_name(&name))
    }

    /// The Content-ID without its brackets.
    pub fn content_id(&self) -> Option<String> {
        self.header().content_id()
    }

    /// The Content-Description.
    pub fn description(&self) -> Option<Cow<'a, str>> {
        self.header().value("Content-Description")
    }

    /// The languages in Content-Language.
    pub fn languages(&self) -> Vec<String> {
        let value = self.header().field("Content-Language");
        let value = value.map(|field| decode_text(field.raw_value())).unwrap_or_default();
        let tags = value.split([',', ' ', '\t']).map(str::trim).filter(|tag| !tag.is_empty());
        tags.map(str::to_owned).collect()
    }

    /// The Content-Location (RFC 2557 §4.2), without white space.
    pub fn location(&self) -> Option<String> {
        let value = self.header().value("Content-Location")?;
        Some(value.chars().filter(|sign| !sign.is_whitespace()).collect())
    }

    /// Whether its disposition says that it is an attachment.
    pub fn is_attachment(&self) -> bool {
        self.disposition().is_some_and(|value| value.kind == DispositionKind::Attachment)
    }
}

impl fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("id", &self.id())
            .field("kind", &self.kind())
            .field("range", &self.range())
            .finish_non_exhaustive()
    }
}
