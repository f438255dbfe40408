//! Bounces that are no proper reports: broken ones, and those for people only.
//!
//! ```text
//!   looks like a bounce? ─┬→ fields of a delivery status anywhere in the body
//!                         └→ addresses in the text above the returned message, with the words
//!                            that stand with each
//! ```
//!
//! Standards: RFC 3463 §3 (status codes); the rest is what mailers do.
//! Not here: reports that follow RFC 3464 (module `read`).

use envelope::EnhancedStatus;
use memchr::memchr;

use crate::charset::decode_unlabelled;
use crate::header::{Header, HeaderSection};
use crate::message::Message;
use crate::message_id::MessageId;
use crate::report::Action;
use crate::report::read::{
    RECIPIENTS_MAX, Report, ReportKind, ReportedRecipient, add_group, empty, nobody,
};

/// How much text is searched for words and addresses: bounces say it at the start.
const TEXT_OCTETS_MAX: usize = 64 * 1024;
/// How much of a bounce's words is kept for one recipient.
const DIAGNOSTIC_OCTETS_MAX: usize = 1_000;

/// Local parts of mailers.
const MAILERS: [&str; 5] =
    ["mailer-daemon", "postmaster", "mail-daemon", "mailerdaemon", "mdaemon"];
/// Subjects of bounces, in lower case.
const SUBJECTS: [&str; 13] = [
    "undeliver",
    "delivery status",
    "delivery failure",
    "delivery failed",
    "delivery report",
    "delivery has failed",
    "returned mail",
    "returning message",
    "failure notice",
    "mail failed",
    "delayed mail",
    "warning: could not send",
    "could not be delivered",
];
/// Lines with these words begin the returned message.
const COPIES: [&str; 12] = [
    "copy of the message",
    "copy of your message",
    "header of the original message",
    "headers of the original message",
    "original message follows",
    "original message:",
    "message text follows",
    "message header follows",
    "message headers follow",
    "returned message",
    "unsent message",
    "undelivered message",
];
/// Lines with these words name an address that did not fail.
const OTHERS: [&str; 10] = [
    "generated from",
    "message-id",
    "message id",
    "assistance",
    "contact",
    "mailto:",
    "questions",
    "your message to:",
    "from:",
    "sent by",
];
/// Words of delays.
const DELAYS: [&str; 6] = [
    "warning only",
    "will be retried",
    "still being retried",
    "do not need to resend",
    "not yet been delivered",
    "delivery attempts will continue",
];

/// Reads a bounce that is no report. `text` is what people are to read of it.
pub(super) fn read(message: &Message<'_>, text: &str) -> Option<Report> {
    if !is_bounce(message) {
        return None;
    }
    let mut report = empty(ReportKind::Delivery);
    let body = message.root().body();
    status_fields(body, &mut report);
    if report.recipients.is_empty() {
        report.recipients = from_text(message, text);
    }
    if report.recipients.is_empty() {
        return None;
    }
    report.original_message_id = returned_id(body);
    Some(report)
}

/// Whether this is a complaint in the form of Hotmail, which has no report in it.
pub(super) fn is_complaint(message: &Message<'_>) -> bool {
    let subject = message.subject().unwrap_or_default().to_lowercase();
    subject.starts_with("complaint about message from ")
        && message.root().parts().any(|part| part.message().is_some())
}

/// Whether a mailer wrote this to say that a message did not arrive.
fn is_bounce(message: &Message<'_>) -> bool {
    let header = message.header();
    let is_report = header.content_type().is_some_and(|value| value.is("multipart", "report"));
    if is_report {
        return true;
    }
    let from = header.from();
    let is_mailer = from.mailboxes().any(|mailbox| {
        let local = mailbox.address.split('@').next().unwrap_or_default().to_lowercase();
        let name = mailbox.name.as_deref().unwrap_or_default().to_lowercase();
        MAILERS.contains(&local.as_str()) || name.contains("mail delivery")
    });
    let subject = header.subject().unwrap_or_default().to_lowercase();
    let is_subject = SUBJECTS.iter().any(|words| subject.contains(words));
    let is_null = header.value("Return-Path").is_some_and(|path| path == "<>");
    is_mailer && (is_subject || is_null || subject.contains("fail")) || is_null && is_subject
}

/// Finds groups of status fields among the lines of a body, whatever stands around them.
fn status_fields(body: &[u8], report: &mut Report) {
    let mut group_start = None;
    let mut at = 0;
    while at < body.len() && report.recipients.len() < RECIPIENTS_MAX {
        let rest = body.get(at..).unwrap_or_default();
        let end = memchr(b'\n', rest).map_or(body.len(), |end| at + end + 1);
        let line = body.get(at..end).unwrap_or_default();
        if line.trim_ascii().is_empty() {
            if let Some(start) = group_start.take() {
                let section = HeaderSection::parse(body.get(start..end).unwrap_or_default());
                add_group(&section.header(), report);
            }
        } else if group_start.is_none() && is_status_field(line) {
            group_start = Some(at);
        }
        at = end;
    }
    if let Some(start) = group_start {
        let section = HeaderSection::parse(body.get(start..).unwrap_or_default());
        add_group(&section.header(), report);
    }
}

fn is_status_field(line: &[u8]) -> bool {
    let names: [&[u8]; 6] = [
        b"Original-Recipient:",
        b"Final-Recipient:",
        b"Reporting-MTA:",
        b"Original-Envelope-Id:",
        b"Action:",
        b"Arrival-Date:",
    ];
    names
        .iter()
        .any(|name| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))
}

/// The first Message-ID among the lines of a body: it is that of the returned message.
fn returned_id(body: &[u8]) -> Option<MessageId> {
    const NAME: &[u8] = b"Message-ID:";
    let mut lines = body.split(|octet| *octet == b'\n');
    lines.find_map(|line| {
        let (name, value) = line.split_at_checked(NAME.len())?;
        name.eq_ignore_ascii_case(NAME).then(|| MessageId::read_one(value))?
    })
}

/// Takes the addresses that a text for people names, each with what is said about it.
fn from_text(message: &Message<'_>, text: &str) -> Vec<ReportedRecipient> {
    let own = own_addresses(&message.header());
    let found = named_addresses(text, &own);
    // Somebody may write to himself, or hide every address behind the same letters.
    if found.is_empty() { named_addresses(text, &[]) } else { found }
}

fn named_addresses(text: &str, own: &[String]) -> Vec<ReportedRecipient> {
    let notice = above_the_copy(text);
    let lower = notice.to_lowercase();
    let is_delay = DELAYS.iter().any(|words| lower.contains(words));
    let action = if is_delay { Action::Delayed } else { Action::Failed };
    let mut found: Vec<(String, String)> = Vec::new();
    let mut is_open = false;
    for line in notice.lines() {
        let lower = line.to_lowercase();
        let is_help = OTHERS.iter().any(|words| lower.contains(words));
        match only_address(line).filter(|address| !is_help && !own.contains(address)) {
            Some(address) if found.iter().all(|(known, _)| *known != address) => {
                if found.len() >= RECIPIENTS_IN_TEXT_MAX {
                    break;
                }
                found.push((address, one_line(line)));
                is_open = true;
                continue;
            }
            _ => {}
        }
        is_open &= !line.trim().is_empty();
        let fits = |words: &String| words.len() + line.len() < DIAGNOSTIC_OCTETS_MAX;
        if let Some((_, words)) = found.last_mut().filter(|(_, words)| is_open && fits(words)) {
            words.push(' ');
            words.push_str(&one_line(line));
        }
    }
    let recipients = found.into_iter().map(|(address, words)| {
        let status = status_of(&words).or_else(|| status_of(notice));
        let last = Some(address.clone());
        ReportedRecipient {
            address,
            final_address: last,
            action: Some(action),
            status,
            diagnostic: Some(words),
            ..nobody()
        }
    });
    recipients.collect()
}

/// Words as decoded fields have them: control characters are seen.
fn one_line(line: &str) -> String {
    line.trim().replace(char::is_control, "\u{fffd}")
}

/// Recipients taken from a text: each is compared with all others.
const RECIPIENTS_IN_TEXT_MAX: usize = 100;

/// The addresses of the one who gets the bounce and of the one who sends it.
fn own_addresses(header: &Header<'_>) -> Vec<String> {
    let lists = [header.to(), header.from()];
    let all = lists.iter().flat_map(crate::AddressList::mailboxes);
    all.take(RECIPIENTS_IN_TEXT_MAX).map(|mailbox| mailbox.address.to_lowercase()).collect()
}

/// What stands above the returned message.
fn above_the_copy(text: &str) -> &str {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let lower = line.to_lowercase();
        let is_copy = COPIES.iter().any(|words| lower.contains(words))
            || lower.starts_with("received:")
            || lower.starts_with("return-path:");
        if is_copy && at > 0 || at + line.len() > TEXT_OCTETS_MAX {
            break;
        }
        at += line.len();
    }
    text.get(..at).unwrap_or(text)
}

/// The address in a line that has exactly one.
fn only_address(line: &str) -> Option<String> {
    let edges = |sign: char| "<>()[]\"',;:.".contains(sign);
    let mut addresses = line.split_whitespace().filter_map(|word| {
        let word = word.trim_matches(edges);
        let (local, domain) = word.split_once('@')?;
        let is_address = !local.is_empty()
            && !local.contains(char::is_control)
            && domain.contains('.')
            && domain.chars().all(|sign| sign.is_alphanumeric() || "-.".contains(sign));
        is_address.then(|| word.to_lowercase())
    });
    let address = addresses.next()?;
    addresses.next().is_none().then_some(address)
}

/// The status that words state, or mean.
fn status_of(words: &str) -> Option<EnhancedStatus> {
    let edges = |sign: char| !sign.is_ascii_digit();
    let stated = words
        .split([' ', '\t', '\n', '\r', '(', ')', '#', '-'])
        .map(|word| word.trim_matches(edges))
        .find_map(|word| word.parse::<EnhancedStatus>().ok());
    if stated.is_some() {
        return stated;
    }
    let lower = words.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|words| lower.contains(words));
    match () {
        () if has(&FULL) => Some(EnhancedStatus::new(5, 2, 2)),
        () if has(&UNKNOWN_HOSTS) => Some(EnhancedStatus::new(5, 1, 2)),
        () if has(&UNKNOWN_USERS) => Some(EnhancedStatus::new(5, 1, 1)),
        () => reply_code(words).map(|class| EnhancedStatus::new(class, 0, 0)),
    }
}

const UNKNOWN_HOSTS: [&str; 4] =
    ["unknown host", "host unknown", "host not found", "domain not found"];
const UNKNOWN_USERS: [&str; 12] = [
    "user unknown",
    "unknown user",
    "no such user",
    "unknown local",
    "recipient not found",
    "invalid recipient",
    "recipient unknown",
    "unknown recipient",
    "no such recipient",
    "no longer on server",
    "user doesn't have a",
    "not a registered",
];

/// The first digit of an SMTP reply code among words.
fn reply_code(words: &str) -> Option<u8> {
    let mut codes = words.split_whitespace().filter_map(|word| {
        let code = word.get(..3)?;
        let is_code = code.bytes().all(|octet| octet.is_ascii_digit())
            && word.get(3..).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        is_code.then(|| code.bytes().next())?
    });
    codes.find_map(|digit| match digit {
        b'4' => Some(4),
        b'5' => Some(5),
        _ => None,
    })
}

/// What the words of a notice or a reply say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    is_empty: bool,
    /// The mailbox takes nothing at the moment.
    is_full: bool,
    /// There is no such user or host.
    is_unknown: bool,
    is_invalid_recipient: bool,
    is_recipient_rejected: bool,
    /// It was the content that was refused, not the recipient.
    is_about_content: bool,
}

impl Words {
    pub(super) fn of(text: &str) -> Self {
        let text: Vec<_> = text.split_whitespace().take(TEXT_WORDS_MAX).collect();
        let text = text.join(" ").to_lowercase();
        let has = |list: &[&str]| list.iter().any(|phrase| text.contains(phrase));
        Self {
            is_empty: text.is_empty(),
            is_full: has(&FULL),
            is_unknown: has(&UNKNOWN_USERS) || has(&UNKNOWN_HOSTS),
            is_invalid_recipient: has(&["invalid recipient"]),
            is_recipient_rejected: has(&["recipient address rejected"]),
            is_about_content: has(&["end of data command)", ">>> data <<< 550"]),
        }
    }
}

/// Whether a failure says that there is no such address (RFC 3463 §3.2).
///
/// `notice` is what is said to people: a reply to the content, instead of to the recipient,
/// says nothing about the address, unless its code does.
pub(super) fn is_address_bad(recipient: &ReportedRecipient, notice: Words) -> bool {
    if recipient.action.is_some_and(|action| action != Action::Failed) || !recipient.is_permanent()
    {
        return false;
    }
    let reply = Words::of(recipient.diagnostic.as_deref().unwrap_or_default());
    let words = if reply.is_empty { notice } else { reply };
    if words.is_full || notice.is_full {
        return false;
    }
    let status = recipient.status.map(|status| (status.class(), status.subject(), status.detail()));
    match status {
        Some((5, 1, 1 | 2 | 3 | 6 | 10)) => true,
        // Microsoft's way to say that the address is not in the directory.
        Some((5, 4, 1)) => words.is_recipient_rejected,
        Some((5, 0 | 5, _)) | None if notice.is_about_content => words.is_invalid_recipient,
        Some((5, 0 | 5, _)) | None => words.is_unknown,
        Some(_) => false,
    }
}

/// Words of mailboxes that take nothing at the moment.
const FULL: [&str; 5] =
    ["mailbox is full", "mailbox full", "quota exceeded", "over quota", "not enough disk space"];

/// Words of a notice that are searched.
const TEXT_WORDS_MAX: usize = 1_000;

/// The text of a bounce for people: all its text parts, or the whole body where the structure
/// is broken.
pub(super) fn notice(message: &Message<'_>) -> String {
    let text = message.text_to_show();
    if text.trim().is_empty() {
        let body = message.root().body();
        let body = body.get(..TEXT_OCTETS_MAX).unwrap_or(body);
        return decode_unlabelled(body).replace("\r\n", "\n");
    }
    text
}
