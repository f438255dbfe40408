//! Messages in parts that no tree reaches: encoded ones, fragments, and those kept elsewhere.
//!
//! Standards: RFC 2045 §6.4 (a message must not be encoded, yet some are), RFC 2046 §5.2.2
//! (message/partial) and §5.2.3 (message/external-body), RFC 2017 (its URL).
//! Not here: joining fragments, fetching anything.

use crate::content::ContentType;
use crate::header::HeaderSection;
use crate::message::Message;
use crate::part::{Part, PartKind};
use crate::structure::Structure;

/// A message that was encoded as a whole, decoded: it owns its octets.
///
/// ```
/// use message::Message;
/// let content = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n\
///     U3ViamVjdDogeAoKSGkK\r\n";
/// let message = Message::parse(content);
/// assert!(message.root().message().is_none(), "its parts are no octets of this message");
/// let opened = message.root().open_encoded().unwrap();
/// assert_eq!(opened.message().subject().as_deref(), Some("x"));
/// ```
#[derive(Clone, Debug)]
pub struct OpenedMessage {
    octets: Vec<u8>,
    structure: Structure,
}

impl OpenedMessage {
    /// The message; places in it count from the start of the decoded octets.
    pub fn message(&self) -> Message<'_> {
        Message::with_structure(&self.octets, &self.structure)
    }
}

/// Where a fragment belongs (RFC 2046 §5.2.2).
///
/// ```
/// let content = b"Content-Type: message/partial; id=\"a@b\"; number=2; total=3\r\n\r\n";
/// let fragment = message::Message::parse(content).root().fragment().unwrap();
/// assert_eq!((fragment.id.as_str(), fragment.number, fragment.total), ("a@b", 2, Some(3)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// What all fragments of one message have in common.
    pub id: String,
    /// Which it is, from 1.
    pub number: u32,
    /// How many there are; only the last fragment must say.
    pub total: Option<u32>,
}

/// Where a body is that is not here (RFC 2046 §5.2.3).
///
/// ```
/// let content = b"Content-Type: message/external-body; access-type=URL; url=\"http://a/b\"\r\n\r\n";
/// let body = message::Message::parse(content).root().external_body().unwrap();
/// assert_eq!(body.url().as_deref(), Some("http://a/b"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalBody {
    /// How to get it, in lower case: `url`, `ftp`, `mail-server` ….
    pub access: String,
    /// All that is needed for that, and what else is said of it.
    pub content_type: ContentType,
    /// What the body is, by the header that stands in its place; text/plain where it says
    /// nothing (RFC 2045 §5.2).
    pub described_type: ContentType,
    /// The Content-ID that RFC 2046 §5.2.3 wants there: equal bodies have equal ones.
    pub content_id: Option<String>,
}

impl ExternalBody {
    /// A parameter, such as `name`, `site`, `size` or `expiration`; given in lower case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.content_type.parameter(name)
    }

    /// The URL of access by `url`, without the white space that folded it (RFC 2017 §3).
    pub fn url(&self) -> Option<String> {
        let url = self.parameter("url").filter(|_| self.access == "url")?;
        Some(url.chars().filter(|sign| !sign.is_whitespace()).collect())
    }
}

impl Part<'_> {
    /// Decodes and reads the message in this part, if it is encoded, which RFC 2045 §6.4
    /// forbids ([`DefectCode::EncodedContainer`](crate::DefectCode::EncodedContainer)). What is
    /// not encoded is in the tree: [`message`](Part::message).
    pub fn open_encoded(&self) -> Option<OpenedMessage> {
        let content_type = self.content_type();
        let is_message = content_type.main() == "message"
            && matches!(content_type.sub(), "rfc822" | "global" | "news");
        if !is_message || self.kind() != PartKind::Leaf || !self.transfer_encoding().is_encoded() {
            return None;
        }
        let octets = self.decoded().into_owned();
        let structure = Structure::parse(&octets);
        Some(OpenedMessage { octets, structure })
    }

    /// Where this fragment of a message belongs, if it is one.
    pub fn fragment(&self) -> Option<Fragment> {
        let content_type = self.content_type();
        if !content_type.is("message", "partial") {
            return None;
        }
        let number = |name| content_type.parameter(name)?.trim().parse::<u32>().ok();
        let number = |name| number(name).filter(|number| *number > 0);
        Some(Fragment {
            id: content_type.parameter("id")?.to_owned(),
            number: number("number")?,
            total: number("total"),
        })
    }

    /// Where the body of this part is, if it is elsewhere.
    pub fn external_body(&self) -> Option<ExternalBody> {
        let content_type = self.content_type();
        if !content_type.is("message", "external-body") {
            return None;
        }
        let access = content_type.parameter("access-type")?.to_ascii_lowercase();
        let section = HeaderSection::parse(self.body());
        let header = section.header();
        let described_type = header.content_type().unwrap_or_else(ContentType::text_plain);
        Some(ExternalBody { access, content_type, described_type, content_id: header.content_id() })
    }
}

#[cfg(test)]
mod tests {
    use crate::{DefectCode, Message};

    #[test]
    fn only_encoded_messages_are_opened() {
        #[rustfmt::skip]
        let table = [
            ("message/rfc822", "base64", "U3ViamVjdDogeAoKSGkK", Some("x"), "base64"),
            ("message/global", "quoted-printable", "Subject: =78\r\n\r\nHi", Some("x"), "quoted-printable"),
            ("message/rfc822", "7bit", "Subject: x\r\n\r\nHi", None, "in the tree"),
            ("message/partial; id=a", "base64", "U3ViamVjdDogeAoKSGkK", None, "a fragment is no message"),
            ("text/plain", "base64", "U3ViamVjdDogeAoKSGkK", None, "no message"),
        ];
        for (content_type, encoding, body, subject, why) in table {
            let content = format!(
                "Content-Type: {content_type}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}"
            );
            let message = Message::parse(content.as_bytes());
            let opened = message.root().open_encoded();
            let found = opened.as_ref().map(|one| one.message().subject().unwrap().into_owned());
            assert_eq!(found.as_deref(), subject, "{why}");
            let noted = message.defects().iter().any(|it| it.code == DefectCode::EncodedContainer);
            assert_eq!(noted, subject.is_some(), "{why}");
        }
    }

    #[test]
    fn fragments_and_distant_bodies_say_where_they_belong() {
        let with = |value: &str| format!("Content-Type: message/{value}\r\n\r\n");
        #[rustfmt::skip]
        let table = [
            ("partial; id=\"a@b\"; number=2; total=3", Some(("a@b", 2, Some(3))), "RFC 2046 §5.2.2"),
            ("partial; id=a; number=1", Some(("a", 1, None)), "total is optional but in the last"),
            ("partial; id=a; number=0", None, "counted from 1"),
            ("partial; number=1", None, "no id"),
            ("rfc822", None, "a whole one"),
        ];
        for (value, expected, why) in table {
            let content = with(value);
            let message = Message::parse(content.as_bytes());
            let found = message.root().fragment();
            let found = found.as_ref().map(|one| (one.id.as_str(), one.number, one.total));
            assert_eq!(found, expected, "{why}");
        }
        let content = with("external-body; access-type=URL; URL=\"http://a/\r\n b\"; size=5");
        let message = Message::parse(content.as_bytes());
        let body = message.root().external_body().unwrap();
        assert_eq!((body.access.as_str(), body.parameter("size")), ("url", Some("5")));
        assert_eq!(body.url().as_deref(), Some("http://a/b"));
        let content = with("external-body; access-type=local-file; name=x")
            + "Content-Type: image/gif\r\nContent-ID: <p@x>\r\n\r\nTHIS IS NOT REALLY THE BODY!\r\n";
        let message = Message::parse(content.as_bytes());
        let body = message.root().external_body().unwrap();
        assert!(body.described_type.is("image", "gif"), "RFC 2046 §5.2.3: the phantom body");
        assert_eq!(body.content_id.as_deref(), Some("p@x"));
        let content = with("external-body; access-type=ftp; url=x");
        let message = Message::parse(content.as_bytes());
        assert_eq!(message.root().external_body().unwrap().url(), None, "not its parameter");
    }
}
