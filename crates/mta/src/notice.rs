//! Telling the sender: delivery status notices, as messages of our own.
//!
//! A notice enters the store by the same door as everything else, in the commit that settles
//! what it tells. It has a null reverse-path, so nothing is ever sent back to it.
//!
//! Standards: RFC 3461 §6 (when and to whom), RFC 3464 (format), RFC 6522 (multipart/report),
//! RFC 3834 §3.1 (Auto-Submitted), RFC 5321 §4.5.5 (null reverse-path).
//! Not here: whether there is something to tell (`queue`, `reception`), the report's syntax
//! (crate `message`).

mod words;

use envelope::{BodyType, EnhancedStatus, EnvelopeId, Recipient, ReversePath};
use message::report::{Action, DeliveryReport, ReportRecipient, Returned};
use message::{Mailbox, MessageId};
use store::{
    Accept, Content, Happening, NewEvent, NewFate, NewRecipient, Origin, OriginKind, RemoteReply,
    SubmissionId, UnixMillis,
};
use tracing::warn;

use crate::{Mta, delivery, trace};

/// What a notice tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It will never arrive.
    Failure,
    /// It will never arrive: the time limit passed.
    Expired,
    /// It is late.
    Delay,
    /// It is in a mailbox.
    Success,
    /// It was handed to a system that will not tell more.
    Relayed,
}

impl Kind {
    /// The word in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failure | Self::Expired => "failure",
            Self::Delay => "delay",
            Self::Success => "success",
            Self::Relayed => "relayed",
        }
    }

    fn action(self) -> Action {
        match self {
            Self::Failure | Self::Expired => Action::Failed,
            Self::Delay => Action::Delayed,
            Self::Success => Action::Delivered,
            Self::Relayed => Action::Relayed,
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
}

/// What became of one recipient.
#[derive(Clone, Debug)]
pub struct Fate {
    /// Its number in the submission.
    pub number: u32,
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

impl Notice {
    /// Writes a notice. `None` when there is nobody to tell, or it cannot be written, which the
    /// log then says.
    pub(crate) fn write(
        mta: &Mta,
        kind: Kind,
        original: &Original<'_>,
        fates: &[Fate],
        returned: &Returned,
    ) -> Option<Self> {
        let to = original.reverse_path.address()?;
        let (id, at) = (mta.new_id(), mta.now());
        let hostname = &mta.config.hostname;
        let report = DeliveryReport {
            reporting_mta: hostname.to_string(),
            envelope_id: original.envelope_id.cloned(),
            arrival_date: Some(trace::date(original.accepted_at)),
            recipients: fates.iter().map(|fate| report_recipient(kind, fate)).collect(),
            from: Mailbox {
                name: Some("Mail Delivery System".to_owned()),
                address: format!("postmaster@{hostname}"),
            },
            to: Mailbox { name: None, address: to.to_string() },
            subject: words::subject(kind, fates),
            date: trace::date(at),
            message_id: MessageId::new(trace::date(at), mta.world.random.u64(), hostname.as_str()),
            original_message_id: original.message_id.cloned(),
            text: words::text(kind, mta, original, fates),
            returned: returned.clone(),
        };
        let message_id = report.message_id.as_str().to_owned();
        let sealed = match report.seal(&mut || mta.world.random.u64()) {
            Ok(sealed) => sealed,
            Err(error) => {
                warn!(id = %original.id, %error, "a notice could not be written");
                return None;
            }
        };
        let table = mta.world.directory.table();
        let plan = delivery::plan(&table, &ReversePath::NULL, &[Recipient::new(to.clone())], at);
        let told =
            Happening::Noticed { kind: kind.name().to_owned(), notice: id, to: to.to_string() };
        let events =
            fates.iter().map(|fate| NewEvent::new(at, told.clone(), "").of(fate.number)).collect();
        let octets = sealed.into_octets();
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
            body: BodyType::EightBitMime,
            message_id: Some(message_id),
            content: Content::from(octets),
            recipients: plan.recipients,
            copies: Vec::new(),
            events: own_events,
            notes: Vec::new(),
            notices: Vec::new(),
        };
        Some(Self { accept, events })
    }
}

fn report_recipient(kind: Kind, fate: &Fate) -> ReportRecipient {
    // RFC 3463 §3.5: what was tried until the end has failed for good, for lack of time.
    let status = match kind {
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
        action: kind.action(),
        status,
        remote_mta: fate.host.clone().filter(|_| fate.reply.is_some()),
        diagnostic,
        last_attempt: Some(trace::date(fate.last_attempt)),
        will_retry_until: fate.will_retry_until.map(trace::date),
    }
}

/// Success notices for recipients that are in a mailbox with the very commit that takes the
/// message (RFC 3461 §5.2.1).
pub(crate) fn of_local_deliveries(
    mta: &Mta,
    original: &Original<'_>,
    recipients: &[NewRecipient],
    header: &[u8],
    events: &mut Vec<NewEvent>,
) -> Vec<Accept> {
    let delivered = |(number, new): (usize, &NewRecipient)| {
        let wanted = matches!(new.fate, NewFate::Deliver(_)) && new.recipient.notify().success;
        wanted.then(|| Fate {
            number: u32::try_from(number).unwrap_or(u32::MAX),
            recipient: new.recipient.clone(),
            status: EnhancedStatus::new(2, 0, 0),
            host: None,
            reply: None,
            text: "in the mailbox".to_owned(),
            last_attempt: original.accepted_at,
            will_retry_until: None,
        })
    };
    let fates: Vec<_> = recipients.iter().enumerate().filter_map(delivered).collect();
    if fates.is_empty() {
        return Vec::new();
    }
    let returned = Returned::Header(header.to_vec());
    match Notice::write(mta, Kind::Success, original, &fates, &returned) {
        Some(notice) => {
            events.extend(notice.events);
            vec![notice.accept]
        }
        None => Vec::new(),
    }
}
