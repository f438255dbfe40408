//! Telling the sender: delivery status notices, as messages of our own.
//!
//! A notice enters the store by the same door as everything else, in the commit that settles
//! what it tells. It has a null reverse-path, so nothing is ever sent back to it.
//!
//! Standards: RFC 3461 §6 (when and to whom), RFC 3464 (format), RFC 6522 (multipart/report),
//! RFC 3834 §3.1 (Auto-Submitted), RFC 5321 §4.5.5 (null reverse-path).
//! Not here: whether there is something to tell (`queue`, `reception`), the report's syntax
//! (crate `message`).

mod catalogue;
mod words;

use envelope::{Address, BodyType, EnhancedStatus, EnvelopeId, Recipient, ReversePath};
use message::report::{Action, DeliveryReport, ReportRecipient, Returned};
use message::{DraftError, Mailbox, MessageId};
use store::{
    Accept, Content, Happening, NewEvent, NewFate, Origin, OriginKind, RemoteReply, SubmissionId,
    Terms, UnixMillis,
};
use tracing::error;

pub use self::catalogue::{Language, UnknownLanguage};
use crate::delivery::{self, Plan};
use crate::{Mta, trace};

/// What a notice tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It will never arrive.
    Failure,
    /// It will never arrive: the time limit passed.
    Expired,
    /// It will never arrive: an operator took it back.
    Cancelled,
    /// It is late.
    Delay,
    /// It is in a mailbox.
    Success,
    /// It was handed to a system that will not tell more.
    Relayed,
    /// It was handed on to the addresses of a list.
    Expanded,
}

impl Kind {
    /// The word in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failure | Self::Expired | Self::Cancelled => "failure",
            Self::Delay => "delay",
            Self::Success => "success",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }

    /// Whether it will never arrive.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failure | Self::Expired | Self::Cancelled)
    }

    fn action(self) -> Action {
        match self {
            Self::Failure | Self::Expired | Self::Cancelled => Action::Failed,
            Self::Delay => Action::Delayed,
            Self::Success => Action::Delivered,
            Self::Relayed => Action::Relayed,
            Self::Expanded => Action::Expanded,
        }
    }
}

/// The message that a notice is about.
#[derive(Debug)]
pub struct Original<'a> {
    /// Its id.
    pub id: SubmissionId,
    /// When we took it.
    pub accepted_at: UnixMillis,
    /// Who is told.
    pub reverse_path: &'a ReversePath,
    /// The sender's own name for it.
    pub envelope_id: Option<&'a EnvelopeId>,
    /// Its Message-ID field.
    pub message_id: Option<&'a MessageId>,
    /// What its sender asked of the transfer.
    pub terms: &'a Terms,
}

/// What became of one recipient.
#[derive(Clone, Debug)]
pub struct Fate {
    /// What became of it; all fates of one notice have kinds of the same name.
    pub kind: Kind,
    /// Its number in the submission; a list that was expanded has none.
    pub number: Option<u32>,
    /// Who.
    pub recipient: Recipient,
    /// The reason as a code.
    pub status: EnhancedStatus,
    /// The server that spoke last.
    pub host: Option<String>,
    /// Its words.
    pub reply: Option<RemoteReply>,
    /// The reason as a text: the words, or our own.
    pub text: String,
    /// When it was tried last.
    pub last_attempt: UnixMillis,
    /// Until when it will be tried.
    pub will_retry_until: Option<UnixMillis>,
}

/// A notice, ready to enter the store.
#[derive(Debug)]
pub struct Notice {
    /// The message.
    pub accept: Accept,
    /// Events of the submission that it is about.
    pub events: Vec<NewEvent>,
}

/// How a notice for an account of ours gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Into the mailbox with the commit, if that cannot be too full.
    Direct,
    /// By the queue, so that a full mailbox never stops the commit which the notice is part of.
    Queue,
}

impl Notice {
    /// Writes a notice. `None` when there is nobody to tell, or nothing.
    ///
    /// # Errors
    ///
    /// When it cannot be written, which is for the log and the events.
    pub(crate) fn write(
        mta: &Mta,
        original: &Original<'_>,
        fates: &[Fate],
        returned: Returned,
        way: Way,
    ) -> Result<Option<Self>, DraftError> {
        let (Some(to), [first, ..]) = (original.reverse_path.address(), fates) else {
            return Ok(None);
        };
        let kind = first.kind;
        let (id, at) = (mta.new_id(), mta.now());
        let report = report(mta, kind, original, fates, returned, to);
        let message_id = report.message_id.as_str().to_owned();
        let octets = report.seal(&mut || mta.world.random.u64())?.into_octets();
        let table = mta.world.directory.table();
        let mut plan =
            delivery::plan(&table, &ReversePath::NULL, &[Recipient::new(to.clone())], at);
        let careful = way == Way::Queue || !plan.limited.is_empty();
        if careful {
            let all: Vec<_> = (0..plan.recipients.len()).collect();
            plan.put_off(&all, at, "");
        }
        mta.orders.hold(&ReversePath::NULL, &mut plan);
        let told =
            Happening::Noticed { kind: kind.name().to_owned(), notice: id, to: to.to_string() };
        let event = |fate: &Fate| match fate.number {
            Some(number) => NewEvent::new(at, told.clone(), "").of(number),
            None => NewEvent::new(at, told.clone(), format!("about {}", fate.recipient.address)),
        };
        let events = fates.iter().map(event).collect();
        let received = Happening::Received {
            protocol: None,
            peer: None,
            helo: None,
            tls: None,
            login: None,
            octets: octets.len() as u64,
        };
        let reason = format!("{} notice about {}", kind.name(), original.id);
        let mut own_events = vec![NewEvent::new(at, received, reason)];
        own_events.extend(plan.events);
        let accept = Accept {
            id,
            at,
            origin: Origin::of(OriginKind::Notice),
            reverse_path: ReversePath::NULL,
            ret: None,
            envelope_id: None,
            body: if octets.is_ascii() { BodyType::SevenBit } else { BodyType::EightBitMime },
            // RFC 6710 §4.6: as urgent as what it is about.
            terms: Terms { priority: original.terms.priority, ..Terms::default() },
            message_id: Some(message_id),
            content: Content::from(octets),
            recipients: plan.recipients,
            copies: Vec::new(),
            events: own_events,
            notes: Vec::new(),
            notices: Vec::new(),
        };
        Ok(Some(Self { accept, events }))
    }
}

fn report(
    mta: &Mta,
    kind: Kind,
    original: &Original<'_>,
    fates: &[Fate],
    returned: Returned,
    to: &Address,
) -> DeliveryReport {
    let hostname = &mta.config.hostname;
    let now = trace::date(mta.now());
    DeliveryReport {
        reporting_mta: hostname.to_string(),
        envelope_id: original.envelope_id.cloned(),
        arrival_date: Some(trace::date(original.accepted_at)),
        deliver_by_date: original.terms.deliver_by.map(|by| trace::date(by.at)),
        future_release_request: original.terms.release.map(|release| release.asked),
        recipients: fates.iter().map(report_recipient).collect(),
        from: Mailbox {
            name: Some("Mail Delivery System".to_owned()),
            address: format!("postmaster@{hostname}"),
        },
        to: Mailbox { name: None, address: to.to_string() },
        subject: words::subject(mta.config.language, kind, fates),
        date: now,
        message_id: MessageId::new(now, mta.world.random.u64(), hostname.as_str()),
        original_message_id: original.message_id.cloned(),
        text: words::text(mta, original, fates),
        returned,
    }
}

fn report_recipient(fate: &Fate) -> ReportRecipient {
    // RFC 3463 §3.5: what was tried until the end has failed for good, for lack of time.
    let status = match fate.kind {
        Kind::Expired => EnhancedStatus::new(5, 4, 7),
        _ => fate.status,
    };
    let diagnostic = fate.reply.as_ref().map(|reply| {
        let status = reply.status.map(|status| format!("{status} ")).unwrap_or_default();
        format!("{} {status}{}", reply.code, reply.text.replace('\n', " "))
    });
    ReportRecipient {
        original_recipient: fate.recipient.original.clone(),
        final_recipient: fate.recipient.address.to_string(),
        action: fate.kind.action(),
        status,
        remote_mta: fate.host.clone().filter(|_| fate.reply.is_some()),
        diagnostic,
        last_attempt: Some(trace::date(fate.last_attempt)),
        will_retry_until: fate.will_retry_until.map(trace::date),
    }
}

/// What there is to tell of recipients that are settled with the very commit that takes the
/// message: in a mailbox (RFC 3461 §5.2.1), or expanded (§5.2.7.3).
pub(crate) fn of_arrival(
    mta: &Mta,
    original: &Original<'_>,
    plan: &Plan,
    header: impl Fn() -> Vec<u8>,
    events: &mut Vec<NewEvent>,
) -> Vec<Accept> {
    let fate = |kind, number, recipient: &Recipient, text: &str| Fate {
        kind,
        number,
        recipient: recipient.clone(),
        status: EnhancedStatus::new(2, 0, 0),
        host: None,
        reply: None,
        text: text.to_owned(),
        last_attempt: original.accepted_at,
        will_retry_until: None,
    };
    let delivered: Vec<_> = (0u32..)
        .zip(&plan.recipients)
        .filter(|(_, new)| matches!(new.fate, NewFate::Deliver(_)))
        .filter(|(_, new)| new.recipient.notify().success)
        .map(|(number, new)| fate(Kind::Success, Some(number), &new.recipient, "in the mailbox"))
        .collect();
    let handed_on = |list| fate(Kind::Expanded, None, list, "handed on to its addresses");
    let expanded: Vec<_> = plan.expanded.iter().map(handed_on).collect();
    let mut notices = Vec::new();
    for (kind, fates) in [(Kind::Success, delivered), (Kind::Expanded, expanded)] {
        if fates.is_empty() {
            continue;
        }
        let returned = Returned::Header(header());
        match Notice::write(mta, original, &fates, returned, Way::Direct) {
            Ok(Some(notice)) => {
                events.extend(notice.events);
                notices.push(notice.accept);
            }
            Ok(None) => events.push(nobody(original.accepted_at)),
            Err(error) => events.push(unwritten(original, kind, &error)),
        }
    }
    notices
}

/// There is news, and nobody to hear it.
pub(crate) fn nobody(at: UnixMillis) -> NewEvent {
    let reason = "the reverse-path is null: nobody wants a notice (RFC 5321 §4.5.5)";
    NewEvent::new(at, Happening::NotNoticed, reason)
}

/// There is news that could not be put into words.
pub(crate) fn unwritten(original: &Original<'_>, kind: Kind, error: &DraftError) -> NewEvent {
    error!(id = %original.id, %error, kind = kind.name(), "a notice could not be written");
    let reason = format!("the {} notice could not be written: {error}", kind.name());
    NewEvent::new(original.accepted_at, Happening::NotNoticed, reason)
}
