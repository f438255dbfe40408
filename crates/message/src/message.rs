//! A message: its octets and the tree of ranges into them.
//!
//! Standards: RFC 5322, RFC 2045 to RFC 2049.
//! Not here: how the tree is found (module `structure`), what a part can tell (module `part`).

use std::borrow::Cow;
use std::ops::Range;

use crate::address::AddressList;
use crate::date::DateTime;
use crate::defect::Defect;
use crate::header::{Header, forward_header};
use crate::message_id::MessageId;
use crate::part::Part;
use crate::structure::Structure;

/// A message that was read. Reading never fails; see [`Message::defects`].
///
/// ```
/// # use message::Message;
/// let message = Message::parse(b"Content-Type: multipart/mixed; boundary=x\r\n\r\n\
///     --x\r\n\r\none\r\n--x\r\nContent-Type: text/html\r\n\r\n<p>two\r\n--x--\r\n");
/// assert_eq!(message.part("2").unwrap().body(), b"<p>two");
/// assert!(message.defects().is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct Message<'m> {
    source: &'m [u8],
    structure: Cow<'m, Structure>,
}

impl<'m> Message<'m> {
    /// Reads a message.
    pub fn parse(content: &'m [u8]) -> Self {
        Self { source: content, structure: Cow::Owned(Structure::parse(content)) }
    }

    /// Puts a structure that was kept together with the content that it was made from.
    ///
    /// With other content the parts are nonsense, but nothing worse happens.
    pub fn with_structure(content: &'m [u8], structure: &'m Structure) -> Self {
        Self { source: content, structure: Cow::Borrowed(structure) }
    }

    /// The octets that were read.
    pub fn source(&self) -> &'m [u8] {
        self.source
    }

    /// The tree alone, to keep it.
    pub fn structure(&self) -> &Structure {
        &self.structure
    }

    /// The whole message as a part.
    pub fn root(&self) -> Part<'_> {
        Part::new(self.source, &self.structure, 0)
    }

    /// The header.
    pub fn header(&self) -> Header<'_> {
        self.root().header()
    }

    /// All parts, each before its own parts.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        (0..self.structure.entities.len())
            .map(|index| Part::new(self.source, &self.structure, index))
    }

    /// The part with that IMAP section number, such as `2.1`.
    pub fn part(&self, id: &str) -> Option<Part<'_>> {
        self.parts().find(|part| part.id() == id)
    }

    /// What is wrong with the structure. Values of fields and encoded bodies are looked at only
    /// by [`examine`](Self::examine).
    pub fn defects(&self) -> &[Defect] {
        &self.structure.defects
    }

    /// All octets, cut where fields, empty lines, bodies and delimiters begin: together they
    /// are the source, whatever it is.
    pub fn ranges(&self) -> Vec<Range<usize>> {
        let mut ranges = Vec::new();
        for entity in &self.structure.entities {
            let fields = self.structure.fields.get(entity.fields.clone()).unwrap_or_default();
            ranges.extend(fields.iter().map(|field| field.start..field.end));
            ranges.push(entity.fields_end..entity.body.start);
            if entity.kind == crate::structure::EntityKind::Leaf {
                ranges.push(entity.body.clone());
            }
        }
        let mut whole = Vec::with_capacity(ranges.len() * 2);
        let mut at = 0;
        for range in ranges.into_iter().filter(|range| !range.is_empty()) {
            if range.start > at {
                whole.push(at..range.start); // a delimiter, a preamble, an epilogue
            }
            at = range.end;
            whole.push(range);
        }
        if at < self.source.len() {
            whole.push(at..self.source.len());
        }
        whole
    }

    forward_header! {
        /// The decoded Subject.
        subject -> Option<Cow<'_, str>>;
        /// The Date, if it can be read.
        date -> Option<DateTime>;
        /// The Message-ID.
        message_id -> Option<MessageId>;
        /// The ids in In-Reply-To.
        in_reply_to -> Vec<MessageId>;
        /// The ids in References, the oldest first.
        references -> Vec<MessageId>;
        /// The authors.
        from -> AddressList;
        /// Who sent it on behalf of the authors.
        sender -> AddressList;
        /// Where replies should go.
        reply_to -> AddressList;
        /// The addressees.
        to -> AddressList;
        /// Those who get a copy.
        cc -> AddressList;
        /// Those who get a copy that others should not know of.
        bcc -> AddressList;
    }
}
