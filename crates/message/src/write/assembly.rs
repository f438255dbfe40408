//! Builds parts: chooses their encodings and puts them together.
//!
//! | content | encoding |
//! |---|---|
//! | ASCII text in lines of at most 998 octets | 7bit |
//! | other text, other content | quoted-printable or base64, whichever is shorter |
//! | messages that are returned | as they are: 7bit or 8bit |
//!
//! Standards: RFC 2045 §6, RFC 2046 §5.1, RFC 2183.
//! Not here: reading parts.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use crate::content::{ContentType, TransferEncoding};
use crate::transfer::quoted_printable::Mode;
use crate::transfer::{base64, quoted_printable};
use crate::write::fold::{FieldWriter, HeaderForm};
use crate::write::{Attachment, DraftError, LINE_OCTETS_MAX, Sealed};

/// A part that is ready: its Content- fields and its encoded body.
#[derive(Clone, Debug)]
pub(crate) struct Assembly {
    pub(crate) fields: String,
    pub(crate) octets: Vec<u8>,
    encoding: TransferEncoding,
}

impl Assembly {
    /// A text part in UTF-8.
    pub(crate) fn text(text: &str, sub: &str) -> Self {
        let text = with_crlf(text);
        let charset = if text.is_ascii() { "us-ascii" } else { "utf-8" };
        let (encoding, octets) = encode(text.as_bytes(), Mode::Text);
        let mut writer = FieldWriter::default();
        let value = format!("text/{sub}");
        writer.with_parameters("Content-Type", &value, &[("charset", charset)]);
        Self::new(writer, encoding, octets)
    }

    fn new(mut writer: FieldWriter, encoding: TransferEncoding, octets: Vec<u8>) -> Self {
        if encoding != TransferEncoding::SevenBit {
            writer.with_parameters("Content-Transfer-Encoding", encoding.as_str(), &[]);
        }
        Self { fields: writer.finish(), octets, encoding }
    }

    /// A file.
    pub(crate) fn attachment(
        attachment: &Attachment,
        form: HeaderForm,
    ) -> Result<Self, DraftError> {
        let declared = match attachment.content_type.as_str() {
            "" => "application/octet-stream",
            declared => declared,
        };
        let wrong = || DraftError::ContentType(declared.to_owned());
        let content_type = ContentType::parse(declared.as_bytes()).ok_or_else(wrong)?;
        // A container's octets must not be encoded: a message goes as it is where its lines
        // allow that, so that no signature in it breaks, and others as plain octets.
        let is_container = matches!(content_type.main(), "multipart" | "message");
        let is_message = content_type.is("message", "rfc822")
            && has_good_lines(&attachment.octets)
            && memchr(0, &attachment.octets).is_none();
        let value = if is_container && !is_message {
            "application/octet-stream".to_owned()
        } else {
            content_type.to_string()
        };
        if !value.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(wrong());
        }
        if attachment.name.chars().any(char::is_control) {
            return Err(DraftError::LineBreak("a file name".to_owned()));
        }
        let mut parameters: Vec<(&str, &str)> = content_type
            .parameters()
            .iter()
            .map(|one| (one.name.as_str(), one.value.as_str()))
            .filter(|(name, value)| *name != "name" && !value.chars().any(char::is_control))
            .filter(|_| !is_container)
            .collect();
        let is_text = content_type.main() == "text";
        if is_text
            && content_type.charset().is_none()
            && std::str::from_utf8(&attachment.octets).is_ok()
        {
            parameters.push(("charset", "utf-8"));
        }
        let mode =
            if is_text && has_good_lines(&attachment.octets) { Mode::Text } else { Mode::Binary };
        let (encoding, octets) = match is_message {
            true => (plain_encoding(&attachment.octets), attachment.octets.clone()),
            false => encode(&attachment.octets, mode),
        };
        let mut writer = FieldWriter::with_form(form);
        writer.with_parameters("Content-Type", &value, &parameters);
        let kind = if attachment.content_id.is_some() { "inline" } else { "attachment" };
        let name = [("filename", attachment.name.as_str())];
        let name = if attachment.name.is_empty() { &[] } else { name.as_slice() };
        writer.with_parameters("Content-Disposition", kind, name);
        if let Some(id) = &attachment.content_id {
            if !id.bytes().all(|octet| octet.is_ascii_graphic() && !b"<>".contains(&octet)) {
                return Err(DraftError::LineBreak("a Content-ID".to_owned()));
            }
            writer.with_parameters("Content-ID", &format!("<{id}>"), &[]);
        }
        Ok(Self::new(writer, encoding, octets))
    }

    /// The complete message: fields, the part's own fields, its body.
    pub(crate) fn into_message(self, fields: String) -> Sealed {
        let mut octets = fields.into_bytes();
        octets.reserve(self.fields.len() + self.octets.len() + 32);
        octets.extend_from_slice(b"MIME-Version: 1.0\r\n");
        octets.extend_from_slice(self.fields.as_bytes());
        octets.extend_from_slice(b"\r\n");
        octets.extend_from_slice(&self.octets);
        Sealed::new(octets)
    }

    /// Octets that go as they are, such as a returned message.
    pub(crate) fn untouched(content_type: &str, octets: Vec<u8>) -> Self {
        let encoding = plain_encoding(&octets);
        let mut writer = FieldWriter::default();
        writer.with_parameters("Content-Type", content_type, &[]);
        Self::new(writer, encoding, octets)
    }

    /// A multipart of these parts, or the part itself if it is alone.
    pub(crate) fn multipart_or_only(
        sub: &str,
        mut parts: Vec<Self>,
        random: &mut dyn FnMut() -> u64,
    ) -> Self {
        match parts.pop() {
            Some(only) if parts.is_empty() => only,
            last => {
                parts.extend(last);
                Self::multipart(sub, parts, random)
            }
        }
    }

    /// A multipart. `sub` is the subtype, maybe with parameters.
    pub(crate) fn multipart(sub: &str, parts: Vec<Self>, random: &mut dyn FnMut() -> u64) -> Self {
        let boundary = boundary(&parts, random);
        let length: usize =
            parts.iter().map(|part| part.fields.len() + part.octets.len() + 100).sum();
        let mut octets = Vec::with_capacity(length + 100);
        let mut encoding = TransferEncoding::SevenBit;
        for part in parts {
            if part.encoding == TransferEncoding::EightBit {
                encoding = TransferEncoding::EightBit;
            }
            octets.extend_from_slice(format!("--{boundary}\r\n{}\r\n", part.fields).as_bytes());
            octets.extend_from_slice(&part.octets);
            octets.extend_from_slice(b"\r\n");
        }
        octets.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        let mut writer = FieldWriter::default();
        writer.with_parameters(
            "Content-Type",
            &format!("multipart/{sub}"),
            &[("boundary", &boundary)],
        );
        Self::new(writer, encoding, octets)
    }
}

/// A boundary that is in none of the parts. `=_` cannot be in encoded bodies at all. Bad luck
/// that repeats itself is counted up, so that it ends.
fn boundary(parts: &[Assembly], random: &mut dyn FnMut() -> u64) -> String {
    let mut tries = 0;
    loop {
        let boundary = format!("=_{:016x}", random().wrapping_add(tries));
        tries += 1;
        let is_taken = parts.iter().any(|part| {
            memmem::find(&part.octets, boundary.as_bytes()).is_some()
                || part.fields.contains(boundary.as_str())
        });
        if !is_taken {
            return boundary;
        }
    }
}

/// All line ends as CRLF, one at the end as well.
fn with_crlf(text: &str) -> Cow<'_, str> {
    if has_good_line_ends(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    let mut written = String::with_capacity(text.len() + text.len() / 32 + 2);
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['\r', '\n']).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        written.push_str(line);
        written.push_str("\r\n");
        rest = after.strip_prefix("\r\n").or_else(|| after.get(1..)).unwrap_or_default();
    }
    Cow::Owned(written)
}

/// Whether every line ends with CRLF and there are no other CR or LF.
fn has_good_line_ends(octets: &[u8]) -> bool {
    let mut rest = octets;
    while !rest.is_empty() {
        let Some(end) = memchr(b'\n', rest) else { return false };
        let (line, after) = rest.split_at(end + 1);
        let Some(text) = line.strip_suffix(b"\r\n") else { return false };
        if memchr(b'\r', text).is_some() {
            return false;
        }
        rest = after;
    }
    true
}

/// The same, and no line is longer than 998 octets.
pub(crate) fn has_good_lines(octets: &[u8]) -> bool {
    has_good_line_ends(octets) && longest_line(octets) <= LINE_OCTETS_MAX
}

fn longest_line(octets: &[u8]) -> usize {
    let (mut longest, mut rest) = (0, octets);
    while let Some(end) = memchr(b'\n', rest) {
        longest = longest.max(end.saturating_sub(1));
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    longest.max(rest.len())
}

/// Whether octets can pass everywhere as they are (RFC 2045 §2.7).
pub(crate) fn is_seven_bit(octets: &[u8]) -> bool {
    octets.is_ascii() && memchr(0, octets).is_none()
}

/// What octets are called that go as they are.
fn plain_encoding(octets: &[u8]) -> TransferEncoding {
    if is_seven_bit(octets) { TransferEncoding::SevenBit } else { TransferEncoding::EightBit }
}

/// Encodes a body so that it arrives as it is, in the shortest form.
pub(crate) fn encode(octets: &[u8], mode: Mode) -> (TransferEncoding, Vec<u8>) {
    let is_literal = mode == Mode::Text
        && is_seven_bit(octets)
        && has_good_lines(octets)
        && !octets.starts_with(b"From ")
        && memmem::find(octets, b"\nFrom ").is_none();
    if is_literal {
        return (TransferEncoding::SevenBit, octets.to_vec());
    }
    if quoted_length(octets, mode) <= base64::encoded_length(octets.len()) {
        return (TransferEncoding::QuotedPrintable, quoted_printable::encode_all(octets, mode));
    }
    (TransferEncoding::Base64, encode_base64(octets))
}

/// The octets as lines of base64, in which nothing looks like anything else.
pub(crate) fn encode_base64(octets: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(base64::encoded_length(octets.len()));
    let mut encoder = base64::Encoder::default();
    encoder.feed(octets, &mut encoded);
    encoder.finish(&mut encoded);
    encoded
}

/// How long quoted-printable would be, nearly.
fn quoted_length(octets: &[u8], mode: Mode) -> usize {
    let quoted = octets.iter().filter(|octet| match **octet {
        b'=' => true,
        b'\r' | b'\n' => mode == Mode::Binary,
        b'\t' | b' '..=b'~' => false,
        _ => true,
    });
    let length = octets.len() + 2 * quoted.count();
    length + length / 75 * 3
}

#[cfg(test)]
mod tests {
    use super::{Assembly, HeaderForm, has_good_lines, with_crlf};
    use crate::Attachment;

    #[test]
    fn text_gets_the_shortest_safe_encoding() {
        let long = "x".repeat(999);
        #[rustfmt::skip]
        let table = [
            ("Hello\n", None, "ASCII"),
            ("Grüße an alle, die dies lesen\n", Some("quoted-printable"), "few letters"),
            ("日本語のテキスト\n", Some("base64"), "many"),
            (long.as_str(), Some("quoted-printable"), "a long line"),
            ("From here\n", Some("quoted-printable"), "a line that mbox would change"),
            ("a\0b\n", Some("quoted-printable"), "NUL"),
        ];
        for (text, encoding, why) in table {
            let fields = Assembly::text(text, "plain").fields;
            let found = fields.split("Content-Transfer-Encoding: ").nth(1).map(str::trim_end);
            assert_eq!(found, encoding, "{why}");
        }
    }

    #[test]
    fn line_ends_become_crlf() {
        for (text, written) in
            [("a\nb", "a\r\nb\r\n"), ("a\r\n", "a\r\n"), ("a\rb\n\n", "a\r\nb\r\n\r\n"), ("", "")]
        {
            assert_eq!(with_crlf(text), written);
        }
        assert!(!has_good_lines(b"a\nb\r\n") && has_good_lines(b"a\r\n"));
    }

    #[test]
    fn messages_are_attached_as_they_are() {
        let octets = b"Subject: x\r\n\r\nGr\xFC\xDFe\r\n".to_vec();
        let content_type = "message/rfc822".to_owned();
        let attachment =
            Attachment { content_type, octets: octets.clone(), ..Attachment::default() };
        let built = Assembly::attachment(&attachment, HeaderForm::Encoded).unwrap();
        assert!(built.fields.contains("message/rfc822") && built.fields.contains("8bit"));
        assert_eq!(built.octets, octets);
    }

    #[test]
    fn containers_are_attached_as_plain_octets() {
        let attachment = Attachment {
            content_type: "message/rfc822".to_owned(),
            octets: b"x: \xff".to_vec(),
            ..Attachment::default()
        };
        assert!(
            Assembly::attachment(&attachment, HeaderForm::Encoded)
                .unwrap()
                .fields
                .contains("application/octet-stream")
        );
        for content_type in ["text", "te xt/plain", "a/b\r\nX: y", "é/x"] {
            let attachment =
                Attachment { content_type: content_type.to_owned(), ..Attachment::default() };
            let fields =
                Assembly::attachment(&attachment, HeaderForm::Encoded).map(|built| built.fields);
            assert!(
                fields.as_ref().is_ok_and(|fields| !fields.contains("\r\nX")) || fields.is_err(),
                "{content_type:?}"
            );
        }
    }
}
