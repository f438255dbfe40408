//! The header: fields in their order, each with its octets.
//!
//! A header can be read alone ([`HeaderSection`]), which is all that submission and reception
//! need, or as the header of a message or part. Unknown fields and lines that are no fields are
//! kept, and the octets of all of them together are the header again.
//!
//! Standards: RFC 5322 §2.2 and §3.6, RFC 6532 (UTF-8).
//! Not here: where a header ends inside of a message (module `structure`).

use std::borrow::Cow;

use memchr::memchr_iter;

use crate::address::AddressList;
use crate::content::{ContentType, Disposition, TransferEncoding};
use crate::date::DateTime;
use crate::encoded_word::decode_text;
use crate::lexer::{Lexer, Syntax, Token};
use crate::message_id::MessageId;
use crate::structure::{FieldEntry, field_name, line_at, scan_header};

/// Where the header of a message ends that is still growing: the length of everything up to
/// and including its empty line, or `None` while there is none yet.
///
/// ```
/// use message::header::head_end;
/// assert_eq!(head_end(b"A: b\r\n"), None);
/// assert_eq!(head_end(b"A: b\r\n\r\nbody"), Some(8));
/// ```
pub fn head_end(content: &[u8]) -> Option<usize> {
    head_end_from(content, 0)
}

/// As [`head_end`], for a caller that has already searched the first `searched` octets in vain
/// and does not want to search them again.
pub fn head_end_from(content: &[u8], searched: usize) -> Option<usize> {
    let is_empty_line = |at: usize| {
        let rest = content.get(at..).unwrap_or_default();
        match rest {
            [b'\n', ..] => Some(at + 1),
            [b'\r', b'\n', ..] => Some(at + 2),
            _ => None,
        }
    };
    if let Some(end) = is_empty_line(0) {
        return Some(end);
    }
    let from = searched.saturating_sub(2); // an empty line may straddle two reads
    memchr_iter(b'\n', content.get(from..)?).find_map(|at| is_empty_line(from + at + 1))
}

/// One field of a header, or a line that is none.
///
/// ```
/// let section = message::HeaderSection::parse(b"SUBJECT: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n an alle\r\n\r\n");
/// let field = section.header().field("Subject").unwrap();
/// assert_eq!((field.name(), field.value().as_ref()), ("SUBJECT", "Grüße an alle"));
/// assert!(field.raw().ends_with(b" an alle\r\n"), "nothing is lost");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    raw: &'a [u8],
    offset: usize,
    name_octets: usize,
    value_at: usize,
}

impl<'a> Field<'a> {
    /// The name as it is written; empty for a line that is not a field.
    pub fn name(&self) -> &'a str {
        let name = self.raw.get(..self.name_octets).unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    /// Whether this is the field of that name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name_octets == name.len()
            && self
                .raw
                .get(..name.len())
                .is_some_and(|own| own.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// All octets, from the first of the name to the line end of the last line.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The octets after the colon, with their folding and line end.
    pub fn raw_value(&self) -> &'a [u8] {
        self.raw.get(self.value_at..).unwrap_or_default()
    }

    /// The value for people: unfolded, encoded words decoded, without white space around it.
    pub fn value(&self) -> Cow<'a, str> {
        decode_text(self.raw_value())
    }

    /// Where the field starts, in octets from the start of the message.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

/// A header that belongs to a message, a part or a [`HeaderSection`].
///
/// ```
/// let message = message::Message::parse(b"From: ada@example.org\r\nX-Note: a\r\nx-note: b\r\n\r\n");
/// let header = message.header();
/// let notes: Vec<_> = header.all("X-Note").map(|field| field.value()).collect();
/// assert_eq!(notes, ["a", "b"]);
/// assert_eq!(header.fields().count(), 3);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    source: &'a [u8],
    entries: &'a [FieldEntry],
}

impl<'a> Header<'a> {
    pub(crate) fn new(source: &'a [u8], entries: &'a [FieldEntry]) -> Self {
        Self { source, entries }
    }

    /// All fields in their order.
    pub fn fields(&self) -> impl DoubleEndedIterator<Item = Field<'a>> + use<'a> {
        let source = self.source;
        self.entries.iter().map(move |entry| Field {
            raw: source.get(entry.start..entry.end).unwrap_or_default(),
            offset: entry.start,
            name_octets: entry.name_octets,
            value_at: entry.value_at,
        })
    }

    /// All fields of that name, in any case.
    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = Field<'a>> + use<'a, 'n> {
        self.fields().filter(move |field| field.is(name))
    }

    /// The first field of that name; where a field may occur once, the first one counts.
    pub fn field(&self, name: &str) -> Option<Field<'a>> {
        self.all(name).next()
    }

    /// How often the field occurs.
    pub fn count(&self, name: &str) -> usize {
        self.all(name).count()
    }

    /// The decoded value of the first field of that name.
    pub fn value(&self, name: &str) -> Option<Cow<'a, str>> {
        self.field(name).map(|field| field.value())
    }

    /// The decoded Subject.
    pub fn subject(&self) -> Option<Cow<'a, str>> {
        self.value("Subject")
    }

    /// The Date, if it can be read.
    pub fn date(&self) -> Option<DateTime> {
        DateTime::parse_octets(self.field("Date")?.raw_value())
    }

    /// The Message-ID.
    pub fn message_id(&self) -> Option<MessageId> {
        MessageId::read_one(self.field("Message-ID")?.raw_value())
    }

    /// The ids in In-Reply-To.
    pub fn in_reply_to(&self) -> Vec<MessageId> {
        self.ids("In-Reply-To")
    }

    /// The ids in References, the oldest first.
    pub fn references(&self) -> Vec<MessageId> {
        self.ids("References")
    }

    fn ids(&self, name: &str) -> Vec<MessageId> {
        self.field(name).map(|field| MessageId::read_all(field.raw_value())).unwrap_or_default()
    }

    /// The authors.
    pub fn from(&self) -> AddressList {
        self.first_list("From")
    }

    /// Who sent it on behalf of the authors.
    pub fn sender(&self) -> AddressList {
        self.first_list("Sender")
    }

    /// Where replies should go.
    pub fn reply_to(&self) -> AddressList {
        self.first_list("Reply-To")
    }

    /// The addressees.
    pub fn to(&self) -> AddressList {
        self.joined_list("To")
    }

    /// Those who get a copy.
    pub fn cc(&self) -> AddressList {
        self.joined_list("Cc")
    }

    /// Those who get a copy that others should not know of.
    pub fn bcc(&self) -> AddressList {
        self.joined_list("Bcc")
    }

    fn first_list(&self, name: &str) -> AddressList {
        self.field(name).map(|field| AddressList::parse(field.raw_value())).unwrap_or_default()
    }

    /// RFC 5322 §4.5.3: several destination fields count as one.
    fn joined_list(&self, name: &str) -> AddressList {
        let lists = self.all(name).map(|field| AddressList::parse(field.raw_value()));
        AddressList(lists.flat_map(|list| list.0).take(crate::ADDRESSES_MAX).collect())
    }

    /// The major and minor number in MIME-Version; comments do not count (RFC 2045 §4). Parts
    /// are read whatever it says, since many writers forget it.
    pub fn mime_version(&self) -> Option<(u32, u32)> {
        let mut lexer = Lexer::new(self.field("MIME-Version")?.raw_value(), Syntax::Parameter);
        let mut version = Vec::new();
        lexer.skip_cfws();
        while let Some(Token::Atom(word)) = lexer.next() {
            version.extend_from_slice(word); // `1 (a) . (b) 0`
            lexer.skip_cfws();
        }
        let (major, minor) = std::str::from_utf8(&version).ok()?.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    }

    /// The Content-Type, if there is one that can be read.
    pub fn content_type(&self) -> Option<ContentType> {
        ContentType::parse(self.field("Content-Type")?.raw_value())
    }

    /// The Content-Transfer-Encoding; 7bit where nothing is said (RFC 2045 §6.1).
    pub fn transfer_encoding(&self) -> TransferEncoding {
        match self.field("Content-Transfer-Encoding") {
            Some(field) => TransferEncoding::parse(field.raw_value()),
            None => TransferEncoding::SevenBit,
        }
    }

    /// The Content-ID without its brackets.
    pub(crate) fn content_id(&self) -> Option<String> {
        let value = self.value("Content-ID")?;
        let id = value.trim().trim_start_matches('<').trim_end_matches('>').trim();
        (!id.is_empty()).then(|| id.to_owned())
    }

    /// The Content-Disposition.
    pub fn disposition(&self) -> Option<Disposition> {
        Disposition::parse(self.field("Content-Disposition")?.raw_value())
    }
}

/// Makes the typed getters of [`Header`] available on what has a header.
macro_rules! forward_header {
    ($($(#[$doc:meta])* $name:ident -> $type:ty;)+) => {
        $($(#[$doc])* pub fn $name(&self) -> $type { self.header().$name() })+
    };
}
pub(crate) use forward_header;

/// The header of some content, read without looking at its body.
///
/// ```
/// use message::HeaderSection;
/// let content = b"From: a@b\r\nBcc: c@d\r\nX: y\r\n\r\nbody\r\n";
/// let section = HeaderSection::parse(content);
/// assert_eq!(section.rewritten("Received: by us\r\n", &["Bcc"], "Date: now\r\n"),
///     b"Received: by us\r\nFrom: a@b\r\nX: y\r\nDate: now\r\n\r\n");
/// assert_eq!(section.end(), content.len() - 6);
/// ```
#[derive(Clone, Debug)]
pub struct HeaderSection<'a> {
    source: &'a [u8],
    entries: Vec<FieldEntry>,
    fields_end: usize,
    end: usize,
}

impl<'a> HeaderSection<'a> {
    /// Reads the header at the start of `content`, which may end there or go on.
    pub fn parse(content: &'a [u8]) -> Self {
        let mut entries = Vec::new();
        let scan = scan_header(content, 0, &mut entries, &mut |_| None);
        Self { source: content, entries, fields_end: scan.fields_end, end: scan.body }
    }

    /// The header itself.
    pub fn header(&self) -> Header<'_> {
        Header::new(self.source, &self.entries)
    }

    /// Length of the header with its empty line, if that is there: where the body begins.
    pub fn end(&self) -> usize {
        self.end
    }

    /// The header again with fields added and removed, and with its empty line (which is made
    /// if it is missing). All other octets stay as they are.
    ///
    /// `above` and `below` are complete fields with their line ends; every field whose name is
    /// among `removed` goes.
    pub fn rewritten(&self, above: &str, removed: &[&str], below: &str) -> Vec<u8> {
        let mut octets = Vec::with_capacity(above.len() + self.end + below.len() + 2);
        octets.extend_from_slice(above.as_bytes());
        for field in self.header().fields() {
            if field.name().is_empty() {
                keep_lines(field.raw(), removed, &mut octets);
            } else if !removed.iter().any(|name| field.is(name)) {
                octets.extend_from_slice(field.raw());
            }
        }
        if octets.last().is_some_and(|last| *last != b'\n') {
            octets.extend_from_slice(b"\r\n");
        }
        octets.extend_from_slice(below.as_bytes());
        match self.source.get(self.fields_end..self.end) {
            Some(empty_line) if !empty_line.is_empty() => octets.extend_from_slice(empty_line),
            _ => octets.extend_from_slice(b"\r\n"),
        }
        octets
    }

    /// As [`rewritten`](Self::rewritten), with all that follows the header in what was parsed.
    ///
    /// A malformed header ends before its empty line (at text that is no field), so a caller
    /// that holds only the octets up to [`head_end`] wants this one: nothing gets lost.
    pub fn rewritten_content(&self, above: &str, removed: &[&str], below: &str) -> Vec<u8> {
        let mut octets = self.rewritten(above, removed, below);
        octets.extend_from_slice(self.source.get(self.end..).unwrap_or_default());
        octets
    }

    forward_header! {
        /// The decoded Subject.
        subject -> Option<Cow<'_, str>>;
        /// The Date, if it can be read.
        date -> Option<DateTime>;
        /// The Message-ID.
        message_id -> Option<MessageId>;
        /// The authors.
        from -> AddressList;
        /// Who sent it on behalf of the authors.
        sender -> AddressList;
        /// The addressees.
        to -> AddressList;
        /// Those who get a copy.
        cc -> AddressList;
        /// Those who get a copy that others should not know of.
        bcc -> AddressList;
    }
}

/// What is no field may be a block of fields that were too many to read: none of those names
/// stays in it either.
fn keep_lines(block: &[u8], removed: &[&str], octets: &mut Vec<u8>) {
    let (mut at, mut is_removed) = (0, false);
    while at < block.len() {
        let line = line_at(block, at);
        at += line.len();
        if !matches!(line.first(), Some(b' ' | b'\t')) {
            let name = field_name(line).and_then(|(length, _)| line.get(..length));
            is_removed = name.is_some_and(|name| {
                removed.iter().any(|one| name.eq_ignore_ascii_case(one.as_bytes()))
            });
        }
        if !is_removed {
            octets.extend_from_slice(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{HeaderSection, head_end, head_end_from};
    use crate::{FIELDS_MAX, HEADER_OCTETS_MAX};

    #[test]
    fn the_end_is_found_however_the_content_arrives() {
        for content in [b"A: b\r\n\r\nx".as_slice(), b"A: b\n\nx", b"\r\nx", b"\nx", b"A: b\r\n\nx"]
        {
            let end = head_end(content).unwrap();
            assert_eq!(content.get(end..), Some(b"x".as_slice()));
            let mut searched = 0;
            let grown = (0..=content.len()).find_map(|length| {
                let found = head_end_from(&content[..length], searched);
                searched = length;
                found
            });
            assert_eq!(grown, Some(end), "{content:?}");
        }
        assert_eq!(head_end(b""), None);
        assert_eq!(head_end(b"A: b\r\n\r"), None);
    }

    #[test]
    fn fields_keep_their_octets() {
        let content = b"A: b\r\n c\r\nX \t: y\r\njunk line\r\nB:\r\n\r\nbody";
        let section = HeaderSection::parse(content);
        let fields: Vec<_> = section.header().fields().collect();
        let names: Vec<_> = fields.iter().map(|field| field.name()).collect();
        assert_eq!(names, ["A", "X", "", "B"]);
        assert_eq!(fields[0].raw(), b"A: b\r\n c\r\n");
        assert_eq!(fields[0].value(), "b c");
        assert_eq!(fields[1].value(), "y");
        assert_eq!(fields[2].raw(), b"junk line\r\n");
        assert_eq!(fields[3].value(), "");
        assert_eq!(section.rewritten("", &[], ""), content[..section.end()]);
    }

    #[test]
    fn the_version_of_mime_is_read() {
        #[rustfmt::skip]
        let table = [
            ("1.0", Some((1, 0)), "RFC 2045 §4"),
            ("1.(produced by MetaSend Vx.x)0", Some((1, 0)), "RFC 2045 §4: an example there"),
            ("(produced by MetaSend Vx.x) 1.0", Some((1, 0)), "another"),
            ("2.0", Some((2, 0)), "not ours"),
            ("1", None, "no minor number"),
            ("", None, "nothing"),
        ];
        for (value, expected, why) in table {
            let content = format!("MIME-Version: {value}\r\n\r\n");
            let section = HeaderSection::parse(content.as_bytes());
            assert_eq!(section.header().mime_version(), expected, "{why}");
        }
    }

    #[test]
    fn rewriting_a_malformed_header_loses_nothing() {
        let head = b"A: b\r\nstray text\r\nmore of it\r\nBcc: c@d\r\n\r\n";
        let section = HeaderSection::parse(head);
        assert_eq!(
            section.rewritten_content("", &["Bcc"], "Date: x\r\n"),
            b"A: b\r\nDate: x\r\n\r\nstray text\r\nmore of it\r\nBcc: c@d\r\n\r\n"
        );
    }

    #[test]
    fn nothing_hides_behind_the_limits() {
        let many = "A:\r\n".repeat(FIELDS_MAX);
        let long = format!("A: {}\r\n", "x".repeat(HEADER_OCTETS_MAX));
        for filler in [many, long] {
            let content = format!("{filler}Bcc: a@b,\r\n c@d\r\nB: e\r\nbcc: f@g\r\n\r\nbody");
            let section = HeaderSection::parse(content.as_bytes());
            let head = &content.as_bytes()[..section.end()];
            assert_eq!(section.rewritten("", &[], ""), head, "all octets stay");
            let fields = section.header().fields().filter(|field| field.name().is_empty());
            assert_eq!(fields.count(), 1, "the rest is one block");
            let rewritten = section.rewritten("", &["Bcc"], "");
            assert_eq!(rewritten, format!("{filler}B: e\r\n\r\n").as_bytes());
        }
    }

    #[test]
    fn several_destination_fields_are_one() {
        let section = HeaderSection::parse(b"To: a@b\r\nFrom: x@y\r\nTo: c@d\r\nFrom: z@z\r\n\r\n");
        assert_eq!(section.to().mailboxes().count(), 2);
        assert_eq!(section.from().mailboxes().count(), 1);
        assert_eq!(section.header().count("from"), 2);
    }
}
