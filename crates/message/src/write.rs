//! Writing messages: drafts are open, sealed messages are complete.
//!
//! ```text
//!   Draft ─ seal ─→ Sealed      the only form that may be sent or stored as sent
//!     ├ fields: folded, encoded words only where there is no other way   (module `fold`)
//!     └ parts: each in the shortest encoding that is safe on every path  (module `assembly`)
//! ```
//!
//! Nothing that a draft holds can break out of its place: a line break in a field's value, an
//! address or a file name is an error.
//!
//! Standards: RFC 5322 §3.6, RFC 2045, RFC 2046, RFC 2047, RFC 2183, RFC 2231, RFC 6532.
//! Not here: who may send as whom (crate `mta`).

pub(crate) mod assembly;
pub(crate) mod downgrade;
pub(crate) mod fold;
mod markdown;

use crate::address::{AddressList, Mailbox};
use crate::date::DateTime;
use crate::header::HeaderSection;
use crate::message::Message;
use crate::message_id::MessageId;
use crate::write::assembly::Assembly;
use crate::write::fold::FieldWriter;
pub use crate::write::fold::HeaderForm;

/// Longest line of a message, without its CRLF (RFC 5322 §2.1.1).
pub(crate) const LINE_OCTETS_MAX: usize = 998;

/// A message being written. Fields may be missing.
///
/// ```
/// use message::{DateTime, Draft, Mailbox, MessageId};
/// let now = DateTime::from_unix(1_700_000_000);
/// let draft = Draft {
///     from: Mailbox::named("Ada", "ada@example.org").into(),
///     to: Mailbox::new("bob@example.net").into(),
///     subject: "Grüße".to_owned(),
///     date: Some(now),
///     message_id: Some(MessageId::new(now, 42, "example.org")),
///     text: Some("Hello!\n".to_owned()),
///     ..Draft::default()
/// };
/// let sealed = draft.seal(&mut || 4).unwrap();
/// let text = String::from_utf8(sealed.into_octets()).unwrap();
/// assert!(text.starts_with("From: Ada <ada@example.org>\r\nTo: bob@example.net\r\n"));
/// assert!(text.ends_with("\r\n\r\nHello!\r\n"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// The authors; at least one.
    pub from: AddressList,
    /// Who sends it, where that is not the only author.
    pub sender: Option<Mailbox>,
    /// Where replies should go, where that is not to the authors.
    pub reply_to: AddressList,
    /// The addressees.
    pub to: AddressList,
    /// Those who get a copy.
    pub cc: AddressList,
    /// Those who get a copy that nobody knows of: never written, only in
    /// [`recipients`](Self::recipients).
    pub bcc: AddressList,
    /// The subject, unencoded; no field is written for an empty one.
    pub subject: String,
    /// When it was written.
    pub date: Option<DateTime>,
    /// Its name in the world.
    pub message_id: Option<MessageId>,
    /// What it answers.
    pub in_reply_to: Vec<MessageId>,
    /// The conversation that it belongs to, the oldest first.
    pub references: Vec<MessageId>,
    /// More fields: name and unencoded value.
    pub extra: Vec<(String, String)>,
    /// The text. Line ends may be LF or CRLF.
    pub text: Option<String>,
    /// The same in HTML.
    pub html: Option<String>,
    /// Files that go with it.
    pub attachments: Vec<Attachment>,
    /// How letters outside of ASCII are written in headers.
    pub header_form: HeaderForm,
}

/// A file in a draft.
///
/// ```
/// use message::{Attachment, DateTime, Draft, Mailbox, Message, MessageId};
/// let now = DateTime::from_unix(1_700_000_000);
/// let draft = Draft {
///     from: Mailbox::new("ada@example.org").into(),
///     date: Some(now),
///     message_id: Some(MessageId::new(now, 1, "example.org")),
///     html: Some("<img src=\"cid:cat@example.org\">".to_owned()),
///     attachments: vec![Attachment {
///         name: "cat.png".to_owned(),
///         content_type: "image/png".to_owned(),
///         octets: b"\x89PNG".to_vec(),
///         content_id: Some("cat@example.org".to_owned()),
///     }],
///     ..Draft::default()
/// };
/// let sealed = draft.seal(&mut || 4).unwrap();
/// let message = Message::parse(sealed.octets());
/// let picture = message.part_by_url("cid:cat@example.org").unwrap();
/// assert_eq!(picture.decoded().as_ref(), b"\x89PNG");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    /// What it is called; empty for no name.
    pub name: String,
    /// Its type, such as `image/png`; empty for unknown content. A `message/rfc822` goes without
    /// any encoding if its lines end with CRLF and are not too long.
    pub content_type: String,
    /// The octets, unencoded.
    pub octets: Vec<u8>,
    /// For a picture that the HTML shows as `cid:…`: its id, without brackets.
    pub content_id: Option<String>,
}

/// Why a draft is no message yet.
///
/// ```
/// use message::{Draft, DraftError};
/// assert_eq!(Draft::default().seal(&mut || 4), Err(DraftError::Missing("From")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// A field that every message has is not set.
    #[error("the message has no {0}")]
    Missing(&'static str),
    /// A line break or control character in the value of a field.
    #[error("line break not allowed in {0}")]
    LineBreak(String),
    /// An address that cannot be written so that it is read the same.
    #[error("not an address: {0}")]
    Address(String),
    /// A field name that is none, or that the draft writes itself.
    #[error("this field cannot be added: {0}")]
    Field(String),
    /// A content type that is none.
    #[error("not a content type: {0}")]
    ContentType(String),
    /// Octets that are no complete message when they are taken as sealed, or a Message-ID that
    /// no line can have.
    #[error("a line is longer than 998 octets, or does not end with CRLF")]
    Lines,
}

/// A complete message: it has From, Date and Message-ID (RFC 5322 §3.6), lines of at most 998
/// octets, and CRLF at the end of each.
///
/// ```
/// use message::{DraftError, Sealed};
/// let octets = b"From: a@b\r\nDate: 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@b>\r\n\r\nHi\r\n";
/// let sealed = Sealed::reopen(octets.to_vec()).unwrap();
/// assert!(!sealed.is_eight_bit() && !sealed.needs_smtputf8());
/// assert_eq!(Sealed::reopen(b"From: a@b\r\n\r\n".to_vec()), Err(DraftError::Missing("Date")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    octets: Vec<u8>,
}

impl Sealed {
    pub(crate) fn new(octets: Vec<u8>) -> Self {
        Self { octets }
    }

    /// Takes octets that were sealed before, for example from an outbox.
    ///
    /// # Errors
    ///
    /// What keeps them from being a complete message.
    pub fn reopen(octets: Vec<u8>) -> Result<Self, DraftError> {
        let section = HeaderSection::parse(&octets);
        if section.from().mailboxes().all(|mailbox| mailbox.address.is_empty()) {
            return Err(DraftError::Missing("From"));
        }
        if section.date().is_none() {
            return Err(DraftError::Missing("Date"));
        }
        if section.message_id().is_none() {
            return Err(DraftError::Missing("Message-ID"));
        }
        if !assembly::has_good_lines(&octets) {
            return Err(DraftError::Lines);
        }
        Ok(Self { octets })
    }

    /// The message.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The message, given away.
    pub fn into_octets(self) -> Vec<u8> {
        self.octets
    }

    /// Whether it needs BODY=8BITMIME on its way (RFC 6152).
    pub fn is_eight_bit(&self) -> bool {
        !self.octets.is_ascii()
    }

    /// Whether its header or that of one of its parts has UTF-8 in it, so that it needs SMTPUTF8
    /// on its way (RFC 6531, RFC 6532 §3).
    pub fn needs_smtputf8(&self) -> bool {
        let message = Message::parse(&self.octets);
        let mut headers = message.parts().filter(|part| !part.is_enclosed());
        headers.any(|part| {
            self.octets.get(part.header_range()).is_some_and(|header| !header.is_ascii())
        })
    }
}

impl Draft {
    /// Everybody that the message goes to: To, Cc and Bcc, each address once.
    pub fn recipients(&self) -> Vec<&Mailbox> {
        let mut seen = std::collections::BTreeSet::new();
        let lists = [&self.to, &self.cc, &self.bcc];
        let all = lists.into_iter().flat_map(AddressList::mailboxes);
        all.filter(|mailbox| seen.insert(mailbox.address.as_str())).collect()
    }

    /// Completes the message. `random` is asked for boundaries.
    ///
    /// # Errors
    ///
    /// [`DraftError`] says what is missing or cannot be written.
    pub fn seal(self, random: &mut dyn FnMut() -> u64) -> Result<Sealed, DraftError> {
        let header = self.header()?;
        Ok(self.body(random)?.into_message(header))
    }

    fn header(&self) -> Result<String, DraftError> {
        if self.from.mailboxes().next().is_none() {
            return Err(DraftError::Missing("From"));
        }
        let date = self.date.ok_or(DraftError::Missing("Date"))?;
        let id = self.message_id.as_ref().ok_or(DraftError::Missing("Message-ID"))?;
        if !id.fits_a_line() {
            return Err(DraftError::Lines);
        }
        let mut writer = FieldWriter::with_form(self.header_form);
        writer.addresses("From", &self.from)?;
        if let Some(sender) = &self.sender {
            writer.addresses("Sender", &sender.clone().into())?;
        }
        writer.addresses("Reply-To", &self.reply_to)?;
        writer.addresses("To", &self.to)?;
        writer.addresses("Cc", &self.cc)?;
        if !self.subject.is_empty() {
            writer.text("Subject", &self.subject)?;
        }
        writer.text("Date", &date.to_string())?;
        writer.ids("Message-ID", std::slice::from_ref(id));
        writer.ids("In-Reply-To", &self.in_reply_to);
        writer.ids("References", &self.references);
        for (name, value) in &self.extra {
            writer.extra(name, value)?;
        }
        Ok(writer.finish())
    }

    fn body(&self, random: &mut dyn FnMut() -> u64) -> Result<Assembly, DraftError> {
        let (inline, attached): (Vec<_>, Vec<_>) = self
            .attachments
            .iter()
            .partition(|one| one.content_id.is_some() && self.html.is_some());
        let html = match &self.html {
            None => None,
            Some(html) => {
                let html = Assembly::text(html, "html");
                let mut parts = vec![html];
                for one in inline {
                    parts.push(Assembly::attachment(one, self.header_form)?);
                }
                Some(Assembly::multipart_or_only("related; type=\"text/html\"", parts, random))
            }
        };
        let text = self.text.as_deref().map(|text| Assembly::text(text, "plain"));
        let letter = match (text, html) {
            (None, None) => None,
            (text, html) => {
                let parts = text.into_iter().chain(html).collect();
                Some(Assembly::multipart_or_only("alternative", parts, random))
            }
        };
        if attached.is_empty() {
            return Ok(letter.unwrap_or_else(|| Assembly::text("", "plain")));
        }
        let mut parts: Vec<_> = letter.into_iter().collect();
        for one in attached {
            parts.push(Assembly::attachment(one, self.header_form)?);
        }
        Ok(Assembly::multipart("mixed", parts, random))
    }
}

#[cfg(test)]
mod tests;
