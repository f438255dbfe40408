//! What a reader did with a message, told to its author.
//!
//! Standards: RFC 8098 §3 (the report), §2.1 (when one may be sent at all), RFC 6533 §3 and §5
//! (addresses outside of ASCII).
//! Not here: asking the reader (crate `mailbag`, `web`).

use envelope::OriginalRecipient;

use crate::address::Mailbox;
use crate::date::DateTime;
use crate::message_id::MessageId;
use crate::report::{Reach, Returned};
use crate::write::assembly::Assembly;
use crate::write::fold::FieldWriter;
use crate::write::{DraftError, Sealed};

/// What became of a message at its reader (RFC 8098 §3.2.6.2).
///
/// Example: [`DispositionReport`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Disposed {
    /// It was shown to somebody, who need not have read it.
    Displayed,
    /// It was sent on, without being shown.
    Dispatched,
    /// Rules did something with it, without showing it.
    Processed,
    /// It was deleted, maybe without being shown.
    Deleted,
}

impl Disposed {
    /// The word in a report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Displayed => "displayed",
            Self::Dispatched => "dispatched",
            Self::Processed => "processed",
            Self::Deleted => "deleted",
        }
    }
}

/// Who wanted it (RFC 8098 §3.2.6.1).
///
/// Example: [`DispositionReport`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Initiative {
    /// The reader, and the reader allowed this report.
    Manual,
    /// A rule, and the report is sent without asking.
    Automatic,
}

/// A disposition report being written.
///
/// ```
/// use message::report::{self, Disposed, DispositionReport, Initiative, Returned};
/// use message::{DateTime, Mailbox, Message, MessageId};
/// let now = DateTime::from_unix(1_700_000_000);
/// let sealed = DispositionReport {
///     from: Mailbox::new("bob@example.net"),
///     to: Mailbox::new("ada@example.org"),
///     subject: "Read: Tea".to_owned(),
///     date: now,
///     message_id: MessageId::new(now, 1, "example.net"),
///     original_message_id: None,
///     text: "Your message was shown.\n".to_owned(),
///     reporting_ua: None,
///     original_recipient: None,
///     final_recipient: "bob@example.net".to_owned(),
///     disposed: Disposed::Displayed,
///     initiative: Initiative::Manual,
///     error: None,
///     returned: Returned::Nothing,
/// };
/// let sealed = sealed.seal(&mut || 4).unwrap();
/// let report = report::read(&Message::parse(sealed.octets())).unwrap();
/// assert_eq!(report.disposition.unwrap().disposed, "displayed");
/// ```
#[derive(Clone, Debug)]
pub struct DispositionReport {
    /// The reader.
    pub from: Mailbox,
    /// Who asked: the address in Disposition-Notification-To.
    pub to: Mailbox,
    /// The subject.
    pub subject: String,
    /// Now.
    pub date: DateTime,
    /// The report's own id.
    pub message_id: MessageId,
    /// The id of the message.
    pub original_message_id: Option<MessageId>,
    /// What happened, for people.
    pub text: String,
    /// The program: `mailbag.example.org; Posthouse mailbag`.
    pub reporting_ua: Option<String>,
    /// ORCPT of the message, or its Original-Recipient field (RFC 8098 §3.2.3).
    pub original_recipient: Option<OriginalRecipient>,
    /// The address at which the message arrived.
    pub final_recipient: String,
    /// What became of it.
    pub disposed: Disposed,
    /// Who wanted it.
    pub initiative: Initiative,
    /// What went wrong, where something did: the report has the modifier `error` then.
    pub error: Option<String>,
    /// What goes back.
    pub returned: Returned,
}

impl DispositionReport {
    /// Completes the report. Send it with the null reverse-path.
    ///
    /// # Errors
    ///
    /// [`DraftError`], where an address or another value cannot be written.
    pub fn seal(self, random: &mut dyn FnMut() -> u64) -> Result<Sealed, DraftError> {
        let reach = Reach::of(&self.to, &self.returned);
        let mut header = FieldWriter::default();
        header.addresses("From", &self.from.into())?;
        header.addresses("To", &self.to.into())?;
        header.text("Subject", &self.subject)?;
        header.text("Date", &self.date.to_string())?;
        header.ids("Message-ID", std::slice::from_ref(&self.message_id));
        header.ids("In-Reply-To", self.original_message_id.as_slice());
        header.ids("References", self.original_message_id.as_slice());
        let mode = match self.initiative {
            Initiative::Manual => "manual-action/MDN-sent-manually",
            Initiative::Automatic => {
                header.text("Auto-Submitted", "auto-replied")?; // RFC 3834 §5
                "automatic-action/MDN-sent-automatically"
            }
        };
        let mut fields = FieldWriter::default();
        if let Some(program) = &self.reporting_ua {
            fields.plain("Reporting-UA", program);
        }
        if let Some(original) = &self.original_recipient {
            let (kind, address) = (original.address_type(), original.address());
            super::write_recipient(&mut fields, reach, ("Original-Recipient", kind), address);
        }
        let kind = if self.final_recipient.is_ascii() { "rfc822" } else { "utf-8" };
        let name = ("Final-Recipient", kind);
        super::write_recipient(&mut fields, reach, name, &self.final_recipient);
        fields.ids("Original-Message-ID", self.original_message_id.as_slice());
        let modifier = if self.error.is_some() { "/error" } else { "" };
        fields.plain("Disposition", &format!("{mode}; {}{modifier}", self.disposed.as_str()));
        if let Some(error) = &self.error {
            fields.plain("Error", error);
        }
        let kind = match reach {
            Reach::Plain => "message/disposition-notification",
            Reach::Global => "message/global-disposition-notification",
        };
        let mut parts = vec![
            Assembly::text(&self.text, "plain"),
            Assembly::untouched(kind, fields.finish().into_bytes()),
        ];
        parts.extend(self.returned.into_part(reach));
        let sub = "report; report-type=disposition-notification";
        Ok(Assembly::multipart(sub, parts, random).into_message(header.finish()))
    }
}
