//! Reports about messages: what became of each recipient.
//!
//! ```text
//!   DeliveryReport ─ seal ─→ Sealed: multipart/report
//!                              ├ text/plain               for the author
//!                              ├ message/delivery-status  for programs
//!                              └ message/rfc822 or text/rfc822-headers, octets untouched
//!   Message ─ read ─→ Report
//! ```
//!
//! A report is sent with the null reverse-path, and never because of a message that has one
//! (RFC 5321 §4.5.5): otherwise two servers could report to each other for ever.
//!
//! Standards: RFC 3464 (delivery status), RFC 2852 §5 and RFC 4865 §5.1.2 (fields of requests), RFC 6533 §3 and §4 (addresses outside of ASCII), RFC 6522 (multipart/report), RFC 3834
//! (Auto-Submitted), RFC 8098 (disposition).
//! Not here: when to report (crate `mta`).

mod bounce;
mod complaint;
mod disposition;
mod read;

use std::fmt;
use std::str::FromStr;

use envelope::{EnhancedStatus, EnvelopeId, Hold, OriginalRecipient, Return};
use serde::{Deserialize, Serialize};

use crate::address::Mailbox;
use crate::date::DateTime;
use crate::header::HeaderSection;
use crate::message_id::MessageId;
use crate::write::assembly::Assembly;
use crate::write::fold::FieldWriter;
use crate::write::{DraftError, Sealed};

pub use self::complaint::{COMPLAINT_VALUES_MAX, Complaint};
pub use self::disposition::{Disposed, DispositionReport, Initiative};
pub use self::read::{
    RECIPIENTS_MAX, Report, ReportKind, ReportedDisposition, ReportedRecipient, read,
};

/// What became of a recipient (RFC 3464 §2.3.3).
///
/// ```
/// use message::report::Action;
/// assert_eq!("Failed".parse(), Ok(Action::Failed));
/// assert_eq!(Action::Delayed.to_string(), "delayed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Action {
    /// It could not be delivered, and nobody tries any more.
    Failed,
    /// It could not be delivered yet.
    Delayed,
    /// It was put into the recipient's mailbox.
    Delivered,
    /// It was handed to a system that does not report.
    Relayed,
    /// It was handed on to several recipients.
    Expanded,
}

impl Action {
    /// The word in a report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// This is not an action of RFC 3464.
///
/// ```
/// use message::report::{Action, UnknownAction};
/// assert_eq!("lost".parse::<Action>(), Err(UnknownAction));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an action: failed, delayed, delivered, relayed or expanded")]
pub struct UnknownAction;

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        let all = [Self::Failed, Self::Delayed, Self::Delivered, Self::Relayed, Self::Expanded];
        let found = all.into_iter().find(|action| action.as_str().eq_ignore_ascii_case(text));
        found.ok_or(UnknownAction)
    }
}

/// One recipient in a report that we write.
///
/// Example: [`DeliveryReport`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRecipient {
    /// ORCPT, as the sender gave it.
    pub original_recipient: Option<OriginalRecipient>,
    /// The address that was tried.
    pub final_recipient: String,
    /// What became of it.
    pub action: Action,
    /// The same as a code.
    pub status: EnhancedStatus,
    /// The host that said so.
    pub remote_mta: Option<String>,
    /// Its SMTP reply: `550 5.1.1 No such user`.
    pub diagnostic: Option<String>,
    /// The last attempt.
    pub last_attempt: Option<DateTime>,
    /// For a delay: until when we go on.
    pub will_retry_until: Option<DateTime>,
}

/// How much of the message goes back.
///
/// Example: [`DeliveryReport`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Returned {
    /// Nothing.
    #[default]
    Nothing,
    /// The whole content.
    Message(Vec<u8>),
    /// The header only.
    Header(Vec<u8>),
}

impl Returned {
    /// Takes what the sender's RET asked for from a content.
    pub fn from_content(content: &[u8], wanted: Return) -> Self {
        match wanted {
            Return::Full => Self::Message(content.to_vec()),
            Return::Headers => {
                let end = HeaderSection::parse(content).end();
                Self::Header(content.get(..end).unwrap_or_default().to_vec())
            }
        }
    }
}

impl Returned {
    /// The last part of a report.
    fn into_part(self, reach: Reach) -> Option<Assembly> {
        let (kind, octets) = match (self, reach) {
            (Self::Nothing, _) => return None,
            (Self::Message(octets), Reach::Plain) => ("message/rfc822", octets),
            (Self::Message(octets), Reach::Global) => ("message/global", octets),
            (Self::Header(octets), Reach::Plain) => ("text/rfc822-headers", octets),
            (Self::Header(octets), Reach::Global) => ("message/global-headers", octets),
        };
        Some(Assembly::untouched(kind, octets))
    }

    /// Whether its header has UTF-8, so that its author uses SMTPUTF8.
    fn is_international(&self) -> bool {
        let header = match self {
            Self::Nothing => return false,
            Self::Header(octets) => octets.as_slice(),
            Self::Message(octets) => {
                octets.get(..HeaderSection::parse(octets).end()).unwrap_or_default()
            }
        };
        !header.is_ascii() && std::str::from_utf8(header).is_ok()
    }
}

/// What the reader of a report is known to understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// The types of RFC 3464.
    Plain,
    /// Those of RFC 6533 too: he uses addresses or headers in UTF-8 himself.
    Global,
}

impl Reach {
    fn of(to: &Mailbox, returned: &Returned) -> Self {
        match !to.address.is_ascii() || returned.is_international() {
            true => Self::Global,
            false => Self::Plain,
        }
    }
}

/// A delivery report being written.
///
/// ```
/// use envelope::{EnhancedStatus, Return};
/// use message::report::{self, Action, DeliveryReport, ReportRecipient, Returned};
/// use message::{DateTime, Mailbox, Message, MessageId};
/// let now = DateTime::from_unix(1_700_000_000);
/// let report = DeliveryReport {
///     from: Mailbox::named("Mail Delivery System", "postmaster@mx.example.org"),
///     to: Mailbox::new("ada@example.net"),
///     subject: "Not delivered: Tea".to_owned(),
///     date: now,
///     message_id: MessageId::new(now, 1, "mx.example.org"),
///     original_message_id: None,
///     text: "Bob has no mailbox here.\n".to_owned(),
///     reporting_mta: "mx.example.org".to_owned(),
///     envelope_id: None,
///     arrival_date: Some(now),
///     deliver_by_date: None,
///     future_release_request: None,
///     recipients: vec![ReportRecipient {
///         original_recipient: None,
///         final_recipient: "bob@example.org".to_owned(),
///         action: Action::Failed,
///         status: EnhancedStatus::new(5, 1, 1),
///         remote_mta: None,
///         diagnostic: Some("550 5.1.1 no such user".to_owned()),
///         last_attempt: None,
///         will_retry_until: None,
///     }],
///     returned: Returned::from_content(b"Subject: Tea\r\n\r\nNow?\r\n", Return::Headers),
/// };
/// let sealed = report.seal(&mut || 4).unwrap();
/// let read = report::read(&Message::parse(sealed.octets())).unwrap();
/// assert!(read.recipients[0].is_permanent() && read.recipients[0].is_address_bad);
/// ```
#[derive(Clone, Debug)]
pub struct DeliveryReport {
    /// Who reports: usually `Mail Delivery System <postmaster@…>`.
    pub from: Mailbox,
    /// The author: the reverse-path of the message.
    pub to: Mailbox,
    /// The subject.
    pub subject: String,
    /// Now.
    pub date: DateTime,
    /// The report's own id.
    pub message_id: MessageId,
    /// The id of the message, for clients that show both together.
    pub original_message_id: Option<MessageId>,
    /// What happened and what to do, for people.
    pub text: String,
    /// Our host name.
    pub reporting_mta: String,
    /// ENVID, as the sender gave it.
    pub envelope_id: Option<EnvelopeId>,
    /// When the message arrived here.
    pub arrival_date: Option<DateTime>,
    /// By when the sender wanted it delivered (RFC 2852 §5).
    pub deliver_by_date: Option<DateTime>,
    /// How long the sender wanted it kept back (RFC 4865 §5.1.2).
    pub future_release_request: Option<Hold>,
    /// The recipients that are reported on.
    pub recipients: Vec<ReportRecipient>,
    /// What goes back.
    pub returned: Returned,
}

impl DeliveryReport {
    /// Completes the report. Send it with the null reverse-path.
    ///
    /// # Errors
    ///
    /// [`DraftError`], where an address or another value cannot be written.
    pub fn seal(self, random: &mut dyn FnMut() -> u64) -> Result<Sealed, DraftError> {
        if self.recipients.is_empty() {
            return Err(DraftError::Missing("recipient to report on"));
        }
        let header = self.header()?;
        let reach = Reach::of(&self.to, &self.returned);
        let kind = match reach {
            Reach::Plain => "message/delivery-status",
            Reach::Global => "message/global-delivery-status",
        };
        let status = self.delivery_status(reach);
        let mut parts = vec![
            Assembly::text(&self.text, "plain"),
            Assembly::untouched(kind, status.into_bytes()),
        ];
        parts.extend(self.returned.into_part(reach));
        let body = Assembly::multipart("report; report-type=delivery-status", parts, random);
        Ok(body.into_message(header))
    }

    fn header(&self) -> Result<String, DraftError> {
        let mut writer = FieldWriter::default();
        writer.addresses("From", &self.from.clone().into())?;
        writer.addresses("To", &self.to.clone().into())?;
        writer.text("Subject", &self.subject)?;
        writer.text("Date", &self.date.to_string())?;
        writer.ids("Message-ID", std::slice::from_ref(&self.message_id));
        writer.ids("In-Reply-To", self.original_message_id.as_slice());
        writer.ids("References", self.original_message_id.as_slice());
        writer.text("Auto-Submitted", "auto-replied")?; // RFC 3834 §5
        Ok(writer.finish())
    }

    /// The body of message/delivery-status (RFC 3464 §2.1): a group of fields for the message,
    /// then one for each recipient.
    fn delivery_status(&self, reach: Reach) -> String {
        let mut writer = FieldWriter::default();
        if let Some(id) = &self.envelope_id {
            writer.plain("Original-Envelope-Id", id.as_str());
        }
        writer.plain("Reporting-MTA", &format!("dns; {}", self.reporting_mta));
        if let Some(date) = self.arrival_date {
            writer.plain("Arrival-Date", &date.to_string());
        }
        if let Some(date) = self.deliver_by_date {
            writer.plain("Deliver-By-Date", &date.to_string());
        }
        match self.future_release_request {
            None => {}
            Some(Hold::For(seconds)) => {
                writer.plain("Future-Release-Request", &format!("for;{seconds}"));
            }
            Some(Hold::Until(moment)) => {
                writer.plain("Future-Release-Request", &format!("until;{moment}"));
            }
        }
        for recipient in &self.recipients {
            writer.blank_line();
            recipient.write(&mut writer, reach);
        }
        writer.finish()
    }
}

impl ReportRecipient {
    fn write(&self, writer: &mut FieldWriter, reach: Reach) {
        if let Some(original) = &self.original_recipient {
            let (kind, address) = (original.address_type(), original.address());
            write_recipient(writer, reach, ("Original-Recipient", kind), address);
        }
        let kind = if self.final_recipient.is_ascii() { "rfc822" } else { "utf-8" };
        write_recipient(writer, reach, ("Final-Recipient", kind), &self.final_recipient);
        writer.plain("Action", self.action.as_str());
        writer.plain("Status", &self.status.to_string());
        if let Some(host) = &self.remote_mta {
            writer.plain("Remote-MTA", &format!("dns; {host}"));
        }
        if let Some(reply) = &self.diagnostic {
            writer.plain("Diagnostic-Code", &format!("smtp; {reply}"));
        }
        if let Some(date) = self.last_attempt {
            writer.plain("Last-Attempt-Date", &date.to_string());
        }
        if let Some(date) = self.will_retry_until {
            writer.plain("Will-Retry-Until", &date.to_string());
        }
    }
}

/// A recipient's field. Where UTF-8 may not stand it is written in 7 bits (RFC 6533 §3).
fn write_recipient(
    writer: &mut FieldWriter,
    reach: Reach,
    (name, kind): (&str, &str),
    address: &str,
) {
    match reach {
        _ if address.is_ascii() => writer.plain(name, &format!("{kind}; {address}")),
        Reach::Plain => writer.plain(name, &format!("{kind}; {}", envelope::unitext(address))),
        Reach::Global => writer.utf8(name, &format!("{kind}; {address}")),
    }
}

#[cfg(test)]
mod tests;
