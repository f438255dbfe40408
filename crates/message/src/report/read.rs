//! Reads reports that others wrote.
//!
//! Standards: RFC 3464 (delivery), RFC 8098 (disposition), RFC 5965 (abuse), RFC 6522, RFC 6533
//! §3 (addresses outside of ASCII).
//! Not here: writing them (module `report`).

use std::borrow::Cow;

use envelope::{EnhancedStatus, OriginalRecipient};
use memchr::memchr;

use crate::charset::decode_unlabelled;
use crate::date::DateTime;
use crate::header::{Header, HeaderSection};
use crate::message::Message;
use crate::message_id::MessageId;
use crate::part::{Part, PartKind};
use crate::report::complaint::Complaint;
use crate::report::{Action, Initiative, bounce};

/// Recipients taken from one report.
pub const RECIPIENTS_MAX: usize = 10_000;

/// What a report is about.
///
/// Example: [`Report`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReportKind {
    /// Whether the message was delivered.
    Delivery,
    /// What the reader did with it.
    Disposition,
    /// That the reader took it for abuse.
    Abuse,
}

impl ReportKind {
    /// A word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::Disposition => "disposition",
            Self::Abuse => "abuse",
        }
    }
}

/// A report that was read.
///
/// ```
/// use message::report::{self, Action, ReportKind};
/// let content = b"Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\n\
///     Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; a.test\r\n\r\n\
///     Final-Recipient: rfc822; b@c.test\r\nAction: delayed\r\nStatus: 4.4.1\r\n\r\n--x--\r\n";
/// let report = report::read(&message::Message::parse(content)).unwrap();
/// assert_eq!((report.kind, report.reporting_mta.as_deref()), (ReportKind::Delivery, Some("a.test")));
/// let recipient = &report.recipients[0];
/// assert_eq!((recipient.address.as_str(), recipient.action), ("b@c.test", Some(Action::Delayed)));
/// assert!(!recipient.is_permanent());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it is about.
    pub kind: ReportKind,
    /// The host that reports.
    pub reporting_mta: Option<String>,
    /// ENVID of the message.
    pub envelope_id: Option<String>,
    /// When the message arrived there.
    pub arrival_date: Option<DateTime>,
    /// The recipients that are reported on.
    pub recipients: Vec<ReportedRecipient>,
    /// Message-ID of the message, as far as it was returned or named.
    pub original_message_id: Option<MessageId>,
    /// What the reader did, of a disposition report.
    pub disposition: Option<ReportedDisposition>,
    /// What a feedback report says of the abuse.
    pub complaint: Option<Complaint>,
}

/// What a disposition report says (RFC 8098 §3.2).
///
/// ```
/// use message::{Message, report};
/// let content = b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\
///     Content-Type: message/disposition-notification\r\n\r\nFinal-Recipient: rfc822; b@x\r\n\
///     Disposition: automatic-action/MDN-sent-automatically; deleted\r\n--b--\r\n";
/// let report = report::read(&Message::parse(content)).unwrap();
/// let disposition = report.disposition.unwrap();
/// assert_eq!(disposition.disposed, "deleted");
/// assert_eq!(disposition.initiative, Some(report::Initiative::Automatic));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportedDisposition {
    /// What became of the message, in lower case: `displayed`, `deleted` ….
    pub disposed: String,
    /// Who wanted that, if it is said.
    pub initiative: Option<Initiative>,
    /// Whether the report was sent without asking the reader.
    pub is_sent_automatically: bool,
    /// What came in between, in lower case: `error`, and words that are no standard.
    pub modifiers: Vec<String>,
    /// What went wrong, if something did (RFC 8098 §3.2.7).
    pub error: Option<String>,
    /// The program that wrote the report.
    pub reporting_ua: Option<String>,
}

impl ReportedDisposition {
    /// Reads `action-mode/sending-mode; type/modifier,modifier` (RFC 8098 §3.2.6).
    fn read(fields: &Header<'_>) -> Option<Self> {
        let value = fields.value("Disposition")?.to_ascii_lowercase();
        let (mode, what) = value.split_once(';').unwrap_or(("", &value));
        let (action, sending) = mode.split_once('/').unwrap_or((mode, ""));
        let (disposed, modifiers) = what.split_once('/').unwrap_or((what, ""));
        // Old programs put a comma there: `displayed,error`.
        let (disposed, more) = disposed.split_once(',').unwrap_or((disposed, ""));
        let modifiers = more.split(',').chain(modifiers.split(',')).map(str::trim);
        let modifiers = modifiers.filter(|word| !word.is_empty()).map(str::to_owned);
        let text = |name| fields.value(name).map(|text| text.trim().to_owned());
        let disposition = Self {
            disposed: disposed.trim().to_owned(),
            initiative: match action.trim() {
                "manual-action" => Some(Initiative::Manual),
                "automatic-action" => Some(Initiative::Automatic),
                _ => None,
            },
            is_sent_automatically: sending.trim() == "mdn-sent-automatically",
            modifiers: modifiers.take(MODIFIERS_MAX).collect(),
            error: text("Error"),
            reporting_ua: text("Reporting-UA"),
        };
        (!disposition.disposed.is_empty()).then_some(disposition)
    }
}

/// Modifiers taken from one disposition: there is one in the standard.
const MODIFIERS_MAX: usize = 100;

/// One recipient of a report that was read.
///
/// Example: [`Report`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedRecipient {
    /// The address, as the sender knows it if that is said, otherwise the final one.
    pub address: String,
    /// The address that was tried last, if it is said.
    pub final_address: Option<String>,
    /// What became of it; disposition reports have none.
    pub action: Option<Action>,
    /// The same as a code.
    pub status: Option<EnhancedStatus>,
    /// The host that said so.
    pub remote_mta: Option<String>,
    /// What it said: the text after the type.
    pub diagnostic: Option<String>,
    /// Until when the reporting host goes on.
    pub will_retry_until: Option<DateTime>,
    /// Whether there is no such address, by the code or the words: nothing more should be sent
    /// to it. Other failures for good concern the message, the host, or the moment.
    pub is_address_bad: bool,
}

impl ReportedRecipient {
    /// Whether this message failed for good.
    pub fn is_permanent(&self) -> bool {
        match self.status {
            Some(status) => status.is_permanent(),
            None => self.action == Some(Action::Failed),
        }
    }
}

/// Reads the report that a message is, if it is one.
///
/// ```
/// let content = b"Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\n\r\nSorry.\r\n\
///     --x\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; a.test\r\n\r\n\
///     Final-Recipient: rfc822; b@c.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--x--\r\n";
/// let report = message::report::read(&message::Message::parse(content)).unwrap();
/// assert_eq!(report.recipients[0].address, "b@c.test");
/// assert!(report.recipients[0].is_permanent());
/// ```
pub fn read(message: &Message<'_>) -> Option<Report> {
    let report = message.parts().filter(|part| part.kind() == PartKind::Leaf).find_map(|part| {
        let content_type = part.content_type();
        match (content_type.main(), content_type.sub()) {
            ("message", "delivery-status" | "global-delivery-status") => Some(delivery(&part)),
            ("message", "disposition-notification" | "global-disposition-notification") => {
                Some(disposition(&part))
            }
            ("message", "feedback-report") => Some(abuse(&part)),
            _ => None,
        }
        .filter(|_| !part.is_enclosed())
    });
    let notice = bounce::notice(message);
    let mut report = match report {
        Some(report) if report.kind != ReportKind::Delivery || !report.recipients.is_empty() => {
            report
        }
        _ if bounce::is_complaint(message) => empty(ReportKind::Abuse),
        _ => bounce::read(message, &notice)?,
    };
    if report.kind == ReportKind::Abuse && report.recipients.is_empty() {
        report.recipients = returned_addressees(message);
    }
    let notice = bounce::Words::of(&notice);
    for recipient in &mut report.recipients {
        recipient.is_address_bad = bounce::is_address_bad(recipient, notice);
    }
    if report.original_message_id.is_none() {
        report.original_message_id = returned_id(message);
    }
    Some(report)
}

/// The id of the message that was returned, whole or as a header.
fn returned_id(message: &Message<'_>) -> Option<MessageId> {
    with_returned(message, |header| header.message_id())
}

/// To whom the message went, where an abuse report does not say who complains.
fn returned_addressees(message: &Message<'_>) -> Vec<ReportedRecipient> {
    let addressees = with_returned(message, |header| {
        let list = header.to();
        let all = list.mailboxes().map(|mailbox| mailbox.address.clone());
        let all: Vec<_> = all.take(RECIPIENTS_MAX).collect();
        (!all.is_empty()).then_some(all)
    });
    let recipient = |address| ReportedRecipient { address, ..nobody() };
    addressees.unwrap_or_default().into_iter().map(recipient).collect()
}

/// Asks the header of the message that was returned, whole or as a header.
fn with_returned<T>(message: &Message<'_>, ask: impl Fn(Header<'_>) -> Option<T>) -> Option<T> {
    message.root().parts().find_map(|part| {
        if let Some(inner) = part.message() {
            return ask(inner.header());
        }
        let content_type = part.content_type();
        let is_header = matches!(
            (content_type.main(), content_type.sub()),
            ("text", "rfc822-headers" | "rfc822-header")
                | ("message", "global-headers" | "rfc822" | "global")
        );
        is_header.then(|| ask(HeaderSection::parse(&part.decoded()).header()))?
    })
}

pub(super) fn empty(kind: ReportKind) -> Report {
    Report {
        kind,
        reporting_mta: None,
        envelope_id: None,
        arrival_date: None,
        recipients: Vec::new(),
        original_message_id: None,
        disposition: None,
        complaint: None,
    }
}

fn delivery(part: &Part<'_>) -> Report {
    let mut report = empty(ReportKind::Delivery);
    let body = part.decoded();
    for_each_group(&body, |group| {
        add_group(&group, &mut report);
        report.recipients.len() < RECIPIENTS_MAX
    });
    report
}

/// Takes what a group of fields says: about the message, or about a recipient.
pub(super) fn add_group(group: &Header<'_>, report: &mut Report) {
    if let Some(id) = group.value("Original-Envelope-Id") {
        report.envelope_id = Some(id.into_owned());
    }
    if let Some(host) = typed(group, "Reporting-MTA") {
        report.reporting_mta = Some(host);
    }
    if let Some(date) = date(group, "Arrival-Date") {
        report.arrival_date = Some(date);
    }
    report.recipients.extend(recipient(group));
}

fn disposition(part: &Part<'_>) -> Report {
    let mut report = empty(ReportKind::Disposition);
    let body = part.decoded();
    for_each_group(&body, |group| {
        report.recipients.extend(recipient(&group));
        report.disposition = ReportedDisposition::read(&group);
        let id = group.field("Original-Message-ID");
        report.original_message_id = id.and_then(|field| MessageId::read_one(field.raw_value()));
        false
    });
    report
}

fn abuse(part: &Part<'_>) -> Report {
    let mut report = empty(ReportKind::Abuse);
    let body = part.decoded();
    for_each_group(&body, |group| {
        report.complaint = Some(Complaint::read(&group));
        report.envelope_id = group.value("Original-Envelope-Id").map(Cow::into_owned);
        report.reporting_mta = typed(&group, "Reporting-MTA");
        report.arrival_date =
            date(&group, "Arrival-Date").or_else(|| date(&group, "Received-Date"));
        let named = group.all("Original-Rcpt-To").chain(group.all("Removal-Recipient"));
        for field in named.take(RECIPIENTS_MAX) {
            let address = field.value();
            let address = address.trim_matches(['<', '>']).to_owned();
            report.recipients.push(ReportedRecipient { address, ..nobody() });
        }
        false
    });
    report
}

/// Reads groups of fields that are separated by empty lines, while `each` says so.
fn for_each_group(body: &[u8], mut each: impl FnMut(Header<'_>) -> bool) {
    let mut rest = body;
    while !rest.is_empty() {
        let section = HeaderSection::parse(rest);
        if section.header().fields().next().is_some() && !each(section.header()) {
            return;
        }
        // A line that is no field at all is stepped over.
        let line = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        rest = rest.get(section.end().max(line)..).unwrap_or_default();
    }
}

pub(super) fn nobody() -> ReportedRecipient {
    ReportedRecipient {
        address: String::new(),
        final_address: None,
        action: None,
        status: None,
        remote_mta: None,
        diagnostic: None,
        will_retry_until: None,
        is_address_bad: false,
    }
}

fn recipient(group: &Header<'_>) -> Option<ReportedRecipient> {
    let original = address(group, "Original-Recipient");
    let last = address(group, "Final-Recipient");
    let action = group.value("Action").and_then(|value| value.split(' ').next()?.parse().ok());
    let status = group.value("Status");
    if original.is_none() && last.is_none() {
        return None;
    }
    Some(ReportedRecipient {
        address: original.or_else(|| last.clone()).unwrap_or_default(),
        final_address: last,
        action,
        status: status.and_then(|value| EnhancedStatus::at_start_of(&value)),
        remote_mta: typed(group, "Remote-MTA"),
        diagnostic: typed(group, "Diagnostic-Code"),
        will_retry_until: date(group, "Will-Retry-Until"),
        is_address_bad: false,
    })
}

/// The value after its type: `dns; a.test` is `a.test`.
fn typed(group: &Header<'_>, name: &str) -> Option<String> {
    let value = group.value(name)?;
    let value = match value.split_once(';') {
        Some((kind, value)) if !kind.trim().contains(' ') => value.trim(),
        _ => value.trim(),
    };
    (!value.is_empty()).then(|| value.to_owned())
}

fn address(group: &Header<'_>, name: &str) -> Option<String> {
    let value = typed(group, name)?;
    if let Some(address) = international(group, name, &value) {
        return Some(address);
    }
    let value = value.trim_start_matches('<').trim_end_matches('>').trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// An address of type `utf-8`, which 7-bit reports carry with escapes (RFC 6533 §3).
fn international(group: &Header<'_>, name: &str, address: &str) -> Option<String> {
    let value = group.value(name)?;
    let (kind, _) = value.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let decoded = OriginalRecipient::from_parameter(&format!("utf-8;{address}")).ok()?;
    Some(decoded.address().to_owned())
}

fn date(group: &Header<'_>, name: &str) -> Option<DateTime> {
    let field = group.field(name)?;
    DateTime::parse(&decode_unlabelled(field.raw_value())).ok()
}
