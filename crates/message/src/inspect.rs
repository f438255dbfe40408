//! A message laid open for whoever wants to know what is inside: for programs and for people.
//!
//! ```text
//!   Message ─┬→ Inspection (serde)     one JSON object
//!            └→ show(View) → Shown     lines for a terminal, or octets
//! ```
//!
//! What is inside may have been written to deceive: text for people has no control characters
//! and nothing that turns the direction of writing.
//!
//! Standards: RFC 9051 §6.4.5.1 (section numbers), RFC 3339 (dates).
//! Not here: reading files and writing JSON (crates `posthouse`, `mailbag`).

mod plain;
mod visible;

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::address::{AddressList, Mailbox};
use crate::attached::Piece;
use crate::embedded::EmbeddedFile;
use crate::header::Field;
use crate::message::Message;
use crate::message_id::MessageId;
use crate::opened::OpenedMessage;
use crate::part::{Part, PartKind};
use crate::report::{self, Action, Report};
use crate::tnef::TnefFile;

pub use self::plain::Paint;
pub use self::visible::{visible, visible_line};

/// What is to be shown of a message.
///
/// Example: [`show`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum View {
    /// A little of everything.
    Overview,
    /// Its parts.
    Tree,
    /// Its text.
    Text,
    /// What is wrong with it, a line each.
    Defects,
    /// The decoded octets of the part with this IMAP section number, or of the file in a text
    /// with this [id](crate::EmbeddedFile::id).
    Part(String),
    /// The parsed message printed again.
    Reprint,
}

/// What is shown.
///
/// Example: [`show`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown<'m> {
    /// Lines that a terminal may be told; either none, or with a line end after the last.
    Lines(String),
    /// Octets as the author wants them.
    Octets(Cow<'m, [u8]>),
}

/// The message has no such part.
///
/// ```
/// use message::inspect::{Paint, View, show};
/// let message = message::Message::parse(b"\r\nHi!\r\n");
/// let refused = show(&message, &View::Part("7".to_owned()), Paint::Plain).unwrap_err();
/// assert_eq!(refused.parts, ["1"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message has no part {part:?}")]
pub struct NoSuchPart {
    /// Which was asked for.
    pub part: String,
    /// Those that it has.
    pub parts: Vec<String>,
}

/// Shows one side of a message.
///
/// ```
/// use message::inspect::{Paint, Shown, View, show};
/// let message = message::Message::parse(b"Subject: x\r\n\r\nHi!\r\n");
/// let tree = show(&message, &View::Tree, Paint::Plain).unwrap();
/// assert_eq!(tree, Shown::Lines("1 text/plain  5 B  7bit\n".to_owned()));
/// ```
///
/// # Errors
///
/// [`NoSuchPart`] for a [`View::Part`] that the message does not have.
pub fn show<'m>(
    message: &'m Message<'_>,
    view: &View,
    paint: Paint,
) -> Result<Shown<'m>, NoSuchPart> {
    Ok(match view {
        View::Overview => Shown::Lines(plain::overview(message, paint)),
        View::Tree => Shown::Lines(plain::tree(message, paint)),
        View::Text => Shown::Lines(plain::text(message)),
        View::Defects => Shown::Lines(plain::defects(message, paint)),
        View::Part(id) => {
            let piece = message.piece(id);
            let no_such_part = || NoSuchPart { part: id.clone(), parts: message.piece_ids() };
            Shown::Octets(piece.ok_or_else(no_such_part)?.octets())
        }
        View::Reprint => Shown::Octets(Cow::Owned(reprint(message))),
    })
}

/// Puts the pieces that the message was cut into together again.
fn reprint(message: &Message<'_>) -> Vec<u8> {
    let source = message.source();
    let mut octets = Vec::with_capacity(source.len());
    for range in message.ranges() {
        octets.extend_from_slice(source.get(range).unwrap_or_default());
    }
    octets
}

/// Everything that programs want to know of a message, ready for a serializer.
///
/// ```
/// use message::{Message, inspect::Inspection};
/// let message = Message::parse(b"Subject: x\r\n\r\nHi!\r\n");
/// let object = serde_json::to_value(Inspection::new("a.eml", &message)).unwrap();
/// assert_eq!((&object["subject"], &object["root"]["type"]), (&"x".into(), &"text/plain".into()));
/// ```
#[derive(Debug, Serialize)]
pub struct Inspection<'m> {
    #[serde(skip_serializing_if = "str::is_empty")]
    file: &'m str,
    size: usize,
    subject: Option<Cow<'m, str>>,
    date: Option<String>,
    message_id: Option<MessageId>,
    in_reply_to: Vec<MessageId>,
    references: Vec<MessageId>,
    from: Vec<Mailbox>,
    sender: Vec<Mailbox>,
    reply_to: Vec<Mailbox>,
    to: Vec<Mailbox>,
    cc: Vec<Mailbox>,
    bcc: Vec<Mailbox>,
    headers: Vec<FieldFacts<'m>>,
    root: PartFacts<'m>,
    text: String,
    html: Option<String>,
    attachments: Vec<String>,
    report: Option<ReportFacts>,
    defects: Vec<DefectFacts>,
}

impl<'m> Inspection<'m> {
    /// Looks at everything, once; `file` is what the message is called in the answer.
    pub fn new(file: &'m str, message: &'m Message<'_>) -> Self {
        Self::with(file, message, Encoded::Opened)
    }

    fn with(file: &'m str, message: &'m Message<'_>, encoded: Encoded) -> Self {
        Self {
            file,
            size: message.source().len(),
            subject: message.subject(),
            date: message.date().map(|date| date.to_rfc3339()),
            message_id: message.message_id(),
            in_reply_to: message.in_reply_to(),
            references: message.references(),
            from: mailboxes(&message.from()),
            sender: mailboxes(&message.sender()),
            reply_to: mailboxes(&message.reply_to()),
            to: mailboxes(&message.to()),
            cc: mailboxes(&message.cc()),
            bcc: mailboxes(&message.bcc()),
            headers: message.header().fields().map(FieldFacts::new).collect(),
            root: PartFacts::new(&message.root(), encoded),
            text: message.text_to_show(),
            html: message.html(),
            attachments: message.attached().iter().map(Piece::id).collect(),
            report: report::read(message).map(ReportFacts::new),
            defects: DefectFacts::all(message),
        }
    }
}

fn mailboxes(list: &AddressList) -> Vec<Mailbox> {
    list.mailboxes().cloned().collect()
}

#[derive(Debug, Serialize)]
struct FieldFacts<'m> {
    name: &'m str,
    raw: Cow<'m, str>,
    value: Cow<'m, str>,
}

impl<'m> FieldFacts<'m> {
    fn new(field: Field<'m>) -> Self {
        Self { name: field.name(), raw: String::from_utf8_lossy(field.raw()), value: field.value() }
    }
}

#[derive(Debug, Serialize)]
struct PartFacts<'m> {
    id: String,
    #[serde(rename = "type")]
    content_type: String,
    charset: Option<String>,
    encoding: &'static str,
    disposition: Option<&'static str>,
    filename: Option<String>,
    content_id: Option<String>,
    description: Option<Cow<'m, str>>,
    language: Vec<String>,
    size: usize,
    decoded_size: usize,
    sha256: Option<String>,
    files: Vec<FileFacts>,
    parts: Vec<Self>,
    message: Option<Box<Self>>,
    #[serde(serialize_with = "inspect_opened")]
    opened: Option<OpenedMessage>,
}

/// What becomes of messages that are encoded.
#[derive(Clone, Copy)]
enum Encoded {
    Opened,
    /// One level is enough: each costs a copy, and a small message can hold thousands.
    Closed,
}

/// A message that was encoded is inspected like a file, though it has no name.
fn inspect_opened<S: Serializer>(
    opened: &Option<OpenedMessage>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match opened {
        Some(opened) => {
            Inspection::with("", &opened.message(), Encoded::Closed).serialize(serializer)
        }
        None => serializer.serialize_none(),
    }
}

impl<'m> PartFacts<'m> {
    /// Goes no deeper than a message may be nested: [`DEPTH_MAX`](crate::DEPTH_MAX).
    fn new(part: &Part<'m>, encoded: Encoded) -> Self {
        let content_type = part.content_type();
        let decoded = part.decoded();
        let is_multipart = part.kind() == PartKind::Multipart;
        Self {
            id: part.id(),
            content_type: content_type.to_string(),
            charset: content_type.charset().map(str::to_owned),
            encoding: part.transfer_encoding().as_str(),
            disposition: part.disposition().map(|value| value.kind.as_str()),
            filename: part.file_name(),
            content_id: part.content_id(),
            description: part.description(),
            language: part.languages(),
            size: part.body().len(),
            decoded_size: decoded.len(),
            sha256: (!is_multipart).then(|| hex(&Sha256::digest(&decoded))),
            files: FileFacts::all(part),
            parts: part.parts().map(|inner| Self::new(&inner, encoded)).collect(),
            message: part.message().map(|inner| Box::new(Self::new(&inner, encoded))),
            opened: match encoded {
                Encoded::Opened => part.open_encoded(),
                Encoded::Closed => None,
            },
        }
    }
}

/// A file in the text of a part, or packed in it.
#[derive(Debug, Serialize)]
struct FileFacts {
    id: String,
    encoding: &'static str,
    filename: String,
    size: usize,
    decoded_size: usize,
    sha256: String,
    defect: Option<&'static str>,
}

impl FileFacts {
    fn all(part: &Part<'_>) -> Vec<Self> {
        let packed = (1..).zip(part.tnef_files());
        let packed = packed.map(|(number, file)| Self::packed(part, number, &file));
        part.embedded_files().iter().map(Self::new).chain(packed).collect()
    }

    fn packed(part: &Part<'_>, number: usize, file: &TnefFile<'_>) -> Self {
        Self {
            id: format!("{}/{number}", part.id()),
            encoding: "tnef",
            filename: file.file_name(),
            size: file.octets.len(),
            decoded_size: file.octets.len(),
            sha256: hex(&Sha256::digest(&file.octets)),
            defect: None,
        }
    }

    fn new(file: &EmbeddedFile<'_>) -> Self {
        let decoded = file.decoded();
        Self {
            id: file.id().to_owned(),
            encoding: file.encoding().as_str(),
            filename: file.file_name(),
            size: file.encoded().len(),
            decoded_size: decoded.octets.len(),
            sha256: hex(&Sha256::digest(&decoded.octets)),
            defect: decoded.damage.map(|damage| damage.code.code()),
        }
    }
}

fn hex(octets: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 15)]).collect()
}

#[derive(Debug, Serialize)]
struct ReportFacts {
    kind: &'static str,
    recipients: Vec<RecipientFacts>,
    original_message_id: Option<MessageId>,
    envelope_id: Option<String>,
}

#[derive(Debug, Serialize)]
struct RecipientFacts {
    address: String,
    action: Option<Action>,
    status: Option<String>,
    permanent: bool,
    diagnostic: Option<String>,
    remote: Option<String>,
}

impl ReportFacts {
    fn new(report: Report) -> Self {
        let recipients = report.recipients.into_iter().map(|one| RecipientFacts {
            permanent: one.is_permanent(),
            address: one.address,
            action: one.action,
            status: one.status.map(|status| status.to_string()),
            diagnostic: one.diagnostic,
            remote: one.remote_mta,
        });
        Self {
            kind: report.kind.as_str(),
            recipients: recipients.collect(),
            original_message_id: report.original_message_id,
            envelope_id: report.envelope_id,
        }
    }
}

#[derive(Debug, Serialize)]
struct DefectFacts {
    code: &'static str,
    part: String,
    offset: usize,
}

impl DefectFacts {
    fn all(message: &Message<'_>) -> Vec<Self> {
        let defects = message.examine().into_iter();
        defects
            .map(|one| Self { code: one.code.code(), part: one.part, offset: one.offset })
            .collect()
    }
}

#[cfg(test)]
mod tests;
