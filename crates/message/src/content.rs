//! The MIME fields of a part: its type, how it is encoded, how it wants to be shown.
//!
//! Standards: RFC 2045 §5 (Content-Type) and §6 (Content-Transfer-Encoding), RFC 2183
//! (Content-Disposition).
//! Not here: what follows from them (modules `structure`, `view`).

use std::fmt;

use crate::date::DateTime;
use crate::defect::DefectCode;
use crate::lexer::{Lexer, Syntax, Token, is_space};
use crate::parameter::{self, Parameter};

/// The type of a part's content, such as `text/plain; charset=utf-8`.
///
/// ```
/// let value = message::ContentType::parse(b"Text/HTML; charset=\"utf-8\"").unwrap();
/// assert!(value.is("text", "html"));
/// assert_eq!(value.parameter("charset"), Some("utf-8"));
/// assert_eq!(value.to_string(), "text/html");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType {
    main: String,
    sub: String,
    parameters: Vec<Parameter>,
}

impl ContentType {
    /// What a part is that says nothing (RFC 2045 §5.2).
    pub(crate) fn text_plain() -> Self {
        Self { main: "text".to_owned(), sub: "plain".to_owned(), parameters: Vec::new() }
    }

    /// What a part of a digest is that says nothing (RFC 2046 §5.1.5).
    pub(crate) fn message_rfc822() -> Self {
        Self { main: "message".to_owned(), sub: "rfc822".to_owned(), parameters: Vec::new() }
    }

    /// Reads the value of a Content-Type field; `None` if it names no type and subtype.
    pub fn parse(value: &[u8]) -> Option<Self> {
        Self::parse_with_faults(value).0
    }

    pub(crate) fn parse_with_faults(value: &[u8]) -> (Option<Self>, Vec<DefectCode>) {
        let mut lexer = Lexer::new(value, Syntax::Parameter);
        let Some((main, sub)) = names(&mut lexer) else {
            return (None, vec![DefectCode::BadContentType]);
        };
        let lower = |name: &[u8]| String::from_utf8_lossy(name).to_ascii_lowercase();
        let (main, sub) = (lower(main), lower(sub));
        let (parameters, faults) = parameter::parse(&mut lexer);
        (Some(Self { main, sub, parameters }), faults)
    }

    /// The first half of the name, in lower case: `text`.
    pub fn main(&self) -> &str {
        &self.main
    }

    /// The second half of the name, in lower case: `plain`.
    pub fn sub(&self) -> &str {
        &self.sub
    }

    /// Whether this is the type of that name, given in lower case.
    pub fn is(&self, main: &str, sub: &str) -> bool {
        self.main == main && self.sub == sub
    }

    /// The parameters in the order of their first appearance.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The value of a parameter; its name is given in lower case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        value_of(&self.parameters, name)
    }

    /// The charset parameter.
    pub fn charset(&self) -> Option<&str> {
        self.parameter("charset")
    }
}

/// `main/sub` without parameters.
impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.main, self.sub)
    }
}

fn names<'a>(lexer: &mut Lexer<'a>) -> Option<(&'a [u8], &'a [u8])> {
    lexer.skip_cfws();
    let Some(Token::Atom(main)) = lexer.next() else { return None };
    lexer.skip_cfws();
    let Some(Token::Special(b'/')) = lexer.next() else { return None };
    lexer.skip_cfws();
    let Some(Token::Atom(sub)) = lexer.next() else { return None };
    Some((main, sub))
}

fn value_of<'p>(parameters: &'p [Parameter], name: &str) -> Option<&'p str> {
    parameters.iter().find(|one| one.name == name).map(|one| one.value.as_str())
}

/// What the structure of a message hangs on; far cheaper than a whole [`ContentType`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    /// A multipart, with its boundary if it has one.
    Multipart(Option<Vec<u8>>, MultipartKind),
    /// A message in a message.
    Message,
}

/// What kind of multipart it is, as far as its parts' defaults go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MultipartKind {
    Ordinary,
    Digest,
}

/// Whether a Content-Type says that there are parts inside.
pub(crate) fn container(value: &[u8]) -> Option<Container> {
    let first = value.iter().find(|octet| !is_space(**octet))?;
    if !matches!(first, b'm' | b'M' | b'(') {
        return None;
    }
    let mut lexer = Lexer::new(value, Syntax::Parameter);
    let (main, sub) = names(&mut lexer)?;
    if main.eq_ignore_ascii_case(b"multipart") {
        let kind = if sub.eq_ignore_ascii_case(b"digest") {
            MultipartKind::Digest
        } else {
            MultipartKind::Ordinary
        };
        return Some(Container::Multipart(boundary(&mut lexer), kind));
    }
    let nested: [&[u8]; 3] = [b"rfc822", b"global", b"news"];
    let is_nested = nested.iter().any(|name| sub.eq_ignore_ascii_case(name));
    (main.eq_ignore_ascii_case(b"message") && is_nested).then_some(Container::Message)
}

/// The boundary as octets, since it is compared with octets.
fn boundary(lexer: &mut Lexer<'_>) -> Option<Vec<u8>> {
    let (mut pieces, _) = parameter::pieces(lexer);
    pieces.retain(|piece| piece.name == "boundary");
    let boundary = match pieces.as_slice() {
        [one] => one.value.to_vec(),
        _ => {
            let (parameters, _) = parameter::assemble(pieces);
            parameters.into_iter().next()?.value.into_bytes()
        }
    };
    // RFC 2046 §5.1.1: a boundary does not end with white space, and has at least one octet.
    let boundary = boundary.trim_ascii_end();
    (!boundary.is_empty()).then(|| boundary.to_vec())
}

/// How a part's octets are encoded on their way.
///
/// ```
/// use message::TransferEncoding;
/// assert_eq!(TransferEncoding::parse(b" Base64\r\n"), TransferEncoding::Base64);
/// assert!(!TransferEncoding::parse(b"x-unheard-of").is_encoded(), "nothing can be decoded");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransferEncoding {
    /// Short lines of ASCII; the default.
    SevenBit,
    /// Short lines of any octets.
    EightBit,
    /// Any octets.
    Binary,
    /// Base64.
    Base64,
    /// Quoted-printable.
    QuotedPrintable,
    /// Uuencode (never a standard).
    Uuencode,
    /// Something else: the octets stay as they are.
    Unknown,
}

impl TransferEncoding {
    /// Reads the value of a Content-Transfer-Encoding field.
    pub fn parse(value: &[u8]) -> Self {
        let mut lexer = Lexer::new(value, Syntax::Parameter);
        lexer.skip_cfws();
        let name = match lexer.next() {
            Some(Token::Atom(name) | Token::Quoted(name)) => name.trim_ascii(),
            _ => return Self::Unknown,
        };
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        match () {
            () if is("7bit") || is("7-bit") => Self::SevenBit,
            () if is("8bit") || is("8-bit") => Self::EightBit,
            () if is("binary") => Self::Binary,
            () if is("base64") => Self::Base64,
            () if is("quoted-printable") => Self::QuotedPrintable,
            () if is("x-uuencode") || is("uuencode") || is("x-uue") || is("uue") => Self::Uuencode,
            () => Self::Unknown,
        }
    }

    /// Its name in a header; an unknown one counts as `binary`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SevenBit => "7bit",
            Self::EightBit => "8bit",
            Self::Binary | Self::Unknown => "binary",
            Self::Base64 => "base64",
            Self::QuotedPrintable => "quoted-printable",
            Self::Uuencode => "x-uuencode",
        }
    }

    /// Whether the octets differ from those that they stand for.
    pub fn is_encoded(self) -> bool {
        matches!(self, Self::Base64 | Self::QuotedPrintable | Self::Uuencode)
    }
}

/// How a part wants to be shown.
///
/// ```
/// use message::{Disposition, DispositionKind};
/// let value = b"attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe.txt; size=12";
/// let disposition = Disposition::parse(value).unwrap();
/// assert_eq!(disposition.kind, DispositionKind::Attachment);
/// assert_eq!(disposition.parameter("filename"), Some("Grüße.txt"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposition {
    /// Inline or attachment.
    pub kind: DispositionKind,
    /// File name, dates, size.
    pub parameters: Vec<Parameter>,
}

/// What a disposition says (RFC 2183 §2).
///
/// Example: [`Disposition`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DispositionKind {
    /// Within the message's text.
    Inline,
    /// On its own; also what any unknown word means (RFC 2183 §2.8).
    Attachment,
}

impl DispositionKind {
    /// Its name in a header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Attachment => "attachment",
        }
    }
}

impl Disposition {
    /// Reads the value of a Content-Disposition field; `None` if there is no word in it.
    pub fn parse(value: &[u8]) -> Option<Self> {
        Self::parse_with_faults(value).0
    }

    pub(crate) fn parse_with_faults(value: &[u8]) -> (Option<Self>, Vec<DefectCode>) {
        let mut lexer = Lexer::new(value, Syntax::Parameter);
        lexer.skip_cfws();
        let kind = match lexer.next() {
            Some(Token::Atom(word) | Token::Quoted(word)) => {
                let word = word.trim_ascii();
                if word.eq_ignore_ascii_case(b"inline") {
                    DispositionKind::Inline
                } else {
                    DispositionKind::Attachment
                }
            }
            _ => return (None, vec![DefectCode::BadParameter]),
        };
        let (parameters, faults) = parameter::parse(&mut lexer);
        (Some(Self { kind, parameters }), faults)
    }

    /// The value of a parameter; its name is given in lower case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        value_of(&self.parameters, name)
    }

    /// When the file was made, last changed, or last read, if it is said (RFC 2183 §2.4 to
    /// §2.6): `creation-date`, `modification-date`, `read-date`.
    ///
    /// ```
    /// let value = b"attachment; modification-date=\"Wed, 12 Feb 1997 16:29:51 -0500\"; size=7";
    /// let disposition = message::Disposition::parse(value).unwrap();
    /// assert_eq!(disposition.date("modification-date").unwrap().unix_seconds(), 855_782_991);
    /// assert_eq!(disposition.size(), Some(7));
    /// ```
    pub fn date(&self, name: &str) -> Option<DateTime> {
        DateTime::parse(self.parameter(name)?).ok()
    }

    /// About how many octets the file has, if it is said (RFC 2183 §2.7).
    pub fn size(&self) -> Option<u64> {
        self.parameter("size")?.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Container, ContentType, Disposition, MultipartKind, TransferEncoding, container};

    #[test]
    fn structure_and_full_reading_agree() {
        let multipart = |boundary: Option<&[u8]>| {
            Some(Container::Multipart(boundary.map(<[u8]>::to_vec), MultipartKind::Ordinary))
        };
        #[rustfmt::skip]
        let table: [(&[u8], Option<Container>, &str); 9] = [
            (b" multipart/mixed; boundary=\"a b\"", multipart(Some(b"a b")), "quoted"),
            (b" MULTIPART/mixed;\r\n\tboundary=a", multipart(Some(b"a")), "folded"),
            (b" multipart/mixed; boundary*0=a; boundary*1=b", multipart(Some(b"ab")), "in pieces"),
            (b" multipart/mixed; boundary=\"\"", multipart(None), "empty"),
            (b" multipart/mixed", multipart(None), "missing"),
            (b" (c) multipart / mixed; boundary=a", multipart(Some(b"a")), "comment"),
            (b" message/rfc822", Some(Container::Message), "message"),
            (b" message/partial; id=x", None, "an inert part"),
            (b" text/plain; boundary=a", None, "no container"),
        ];
        for (value, expected, why) in table {
            assert_eq!(container(value), expected, "{why}");
        }
    }

    #[test]
    fn types_without_a_slash_are_none() {
        for value in ["text", "", "/plain", "text/", "text plain", ";charset=x"] {
            assert_eq!(ContentType::parse(value.as_bytes()), None, "{value:?}");
        }
    }

    #[test]
    fn encodings_and_dispositions() {
        assert_eq!(TransferEncoding::parse(b" Base64\r\n"), TransferEncoding::Base64);
        assert_eq!(TransferEncoding::parse(b" (x) 8bit; y"), TransferEncoding::EightBit);
        assert_eq!(TransferEncoding::parse(b""), TransferEncoding::Unknown);
        let value = Disposition::parse(b"foo; filename=x.txt").unwrap();
        assert_eq!(
            (value.kind.as_str(), value.parameter("filename")),
            ("attachment", Some("x.txt"))
        );
    }
}
