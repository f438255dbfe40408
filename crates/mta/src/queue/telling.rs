//! Telling senders what became of their recipients, gathered into as few notices as may be.
//!
//! ```text
//!   settle ─ nobody else may have news soon ─▶ notice with the commit
//!         └─ others may ─▶ finish(untold) ─ gathered for a while ─▶ tell: one notice for all
//! ```
//!
//! What waits to be told waits in the store, so that neither a crash nor a restart loses it.
//!
//! Standards: RFC 3461 §5.2 (which notices), §6.2 (content comes back with failures only),
//! RFC 3464 §2 (one report of several recipients), RFC 5321 §4.5.5 (null reverse-path).
//! Not here: what is news (`settle`), wording (`notice`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use envelope::{Address, EnvelopeId, Recipient, ReversePath};
use message::MessageId;
use message::header;
use message::report::Returned;
use store::{
    Accept, Happening, NewEvent, NewsKind, RecipientState, RecipientView, StoreError, SubmissionId,
    Summary, Tell, Terms, UnixMillis, Untold, UntoldOf,
};
use tokio::sync::Notify;
use tracing::{info, warn};

use super::{TROUBLE_PAUSE, forward, plus};
use crate::Mta;
use crate::notice::{self, Fate, Kind, Notice, Original, Way};

/// Most of a message that goes back with a failure notice when RET=FULL asks for all of it; of
/// larger ones the header goes back (RFC 3461 §4.3 leaves that to us).
const RETURNED_OCTETS_MAX: usize = 256 * 1024;

/// Whether there may be news in the store that waits to be told. Nobody asks the store while
/// there is none.
#[derive(Debug)]
pub(crate) struct Waiting {
    some: AtomicBool,
    more: Notify,
}

impl Default for Waiting {
    /// After a start nobody knows.
    fn default() -> Self {
        Self { some: AtomicBool::new(true), more: Notify::new() }
    }
}

impl Waiting {
    /// News was committed.
    pub(crate) fn more(&self) {
        self.expect();
        self.more.notify_one();
    }

    /// News is known to wait.
    pub(super) fn expect(&self) {
        self.some.store(true, Ordering::Release);
    }

    /// Whether some may wait; whoever asks looks, and says so if there is.
    pub(super) fn take(&self) -> bool {
        self.some.swap(false, Ordering::AcqRel)
    }

    /// Waits for more. Cancel safe.
    pub(super) async fn changed(&self) {
        self.more.notified().await;
    }
}

/// What there is to tell of a recipient.
#[derive(Clone, Debug)]
pub(super) struct Tidings {
    pub(super) recipient: Recipient,
    pub(super) untold: Untold,
}

/// Until when what there is to tell is gathered; `None`: nobody else of the message has news soon,
/// or had some just now.
pub(super) fn gathered_until(
    mta: &Mta,
    summary: &Summary,
    told: &[Tidings],
    at: UnixMillis,
) -> Option<UnixMillis> {
    let gather = mta.config.queue.gather;
    if gather.is_zero() {
        return None;
    }
    let (soon, now) = (plus(mta.queue_now(), gather), mta.queue_now());
    let is_told =
        |view: &&RecipientView| told.iter().any(|tidings| tidings.untold.recipient == view.number);
    let mut others = summary.recipients.iter().filter(|view| !is_told(view));
    let some = others.any(|view| match view.state {
        RecipientState::Queued | RecipientState::Deferred => {
            view.due.is_some_and(|due| due <= soon)
        }
        RecipientState::Failed | RecipientState::Cancelled | RecipientState::Accepted => {
            plus(view.changed_at, gather) >= at
        }
        _ => false,
    });
    some.then(|| plus(now, gather))
}

/// The parts of the submission that a notice needs.
#[derive(Debug)]
pub(super) struct About {
    id: SubmissionId,
    accepted_at: UnixMillis,
    pub(super) reverse_path: ReversePath,
    envelope_id: Option<EnvelopeId>,
    message_id: Option<MessageId>,
    pub(super) terms: Terms,
}

impl About {
    pub(super) fn new(summary: &Summary) -> Self {
        Self {
            id: summary.id,
            accepted_at: summary.accepted_at,
            reverse_path: summary.reverse_path.clone(),
            envelope_id: summary.envelope_id.clone(),
            message_id: summary.message_id.as_deref().and_then(|id| id.parse().ok()),
            terms: summary.terms.clone(),
        }
    }

    /// From when on its time in the queue counts.
    pub(super) fn begins_at(&self) -> UnixMillis {
        self.terms.begins_at(self.accepted_at)
    }

    /// Notices, one for each kind of news, and the events that tell of them.
    pub(super) fn notices(
        &self,
        mta: &Mta,
        told: &[Tidings],
        returned: &Returned,
        way: Way,
    ) -> (Vec<Accept>, Vec<NewEvent>) {
        let original = Original {
            id: self.id,
            accepted_at: self.accepted_at,
            reverse_path: &self.reverse_path,
            envelope_id: self.envelope_id.as_ref(),
            message_id: self.message_id.as_ref(),
            terms: &self.terms,
        };
        let (mut notices, mut events) = (Vec::new(), Vec::new());
        for fates in by_notice(told) {
            let Some(kind) = fates.first().map(|fate| fate.kind) else { continue };
            let returned = match kind.is_failure() {
                // RFC 3461 §6.2: content comes back with failures only.
                true => returned.clone(),
                false => header_of(returned),
            };
            match Notice::write(mta, &original, &fates, returned, way) {
                Ok(Some(notice)) => {
                    events.extend(notice.events);
                    notices.push(notice.accept);
                }
                Ok(None) => events.push(notice::nobody(mta.now())),
                Err(error) => events.push(notice::unwritten(&original, kind, &error)),
            }
        }
        (notices, events)
    }
}

/// What one notice tells: all failures together, all delays, all that was handed on.
fn by_notice(told: &[Tidings]) -> Vec<Vec<Fate>> {
    let mut groups: Vec<Vec<Fate>> = Vec::new();
    for Tidings { recipient, untold } in told {
        let news = &untold.news;
        let fate = Fate {
            kind: kind(news.kind),
            number: Some(untold.recipient),
            recipient: recipient.clone(),
            status: news.status,
            host: news.host.clone(),
            reply: news.reply.clone(),
            text: news.text.clone(),
            last_attempt: news.at,
            will_retry_until: news.until,
        };
        let same = |group: &&mut Vec<Fate>| {
            group.first().is_some_and(|first| first.kind.name() == fate.kind.name())
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(fate),
            None => groups.push(vec![fate]),
        }
    }
    groups
}

fn kind(news: NewsKind) -> Kind {
    match news {
        NewsKind::Expired => Kind::Expired,
        NewsKind::Delayed => Kind::Delay,
        NewsKind::Relayed => Kind::Relayed,
        NewsKind::Cancelled => Kind::Cancelled,
        _ => Kind::Failure,
    }
}

/// What goes back with a notice: the header, or all of it where the sender asked for that.
pub(super) async fn returned(mta: &Mta, summary: &Summary) -> Returned {
    match read_back(mta, summary).await {
        Ok(octets) => {
            // A notice is made of lines, which binary content is not.
            let whole = summary.ret == Some(envelope::Return::Full)
                && summary.body != envelope::BodyType::BinaryMime
                && u64::try_from(octets.len()) == Ok(summary.octets);
            if whole {
                return Returned::Message(octets);
            }
            let end = header::head_end(&octets).unwrap_or(octets.len());
            Returned::Header(octets.get(..end).unwrap_or_default().to_vec())
        }
        Err(error) => {
            warn!(%error, "cannot read what a notice should return");
            Returned::Nothing
        }
    }
}

/// The first octets of the content, at most [`RETURNED_OCTETS_MAX`].
async fn read_back(mta: &Mta, summary: &Summary) -> Result<Vec<u8>, StoreError> {
    let Some(message) = summary.message else { return Ok(Vec::new()) };
    let mut octets = Vec::new();
    loop {
        let left = RETURNED_OCTETS_MAX.saturating_sub(octets.len());
        let at = octets.len() as u64;
        if left == 0 || at >= summary.octets {
            return Ok(octets);
        }
        let piece = mta.world.store.read(message, at, left).await?;
        if piece.is_empty() {
            return Ok(octets);
        }
        octets.extend_from_slice(&piece);
    }
}

fn header_of(returned: &Returned) -> Returned {
    match returned {
        Returned::Message(octets) => Returned::from_content(octets, envelope::Return::Headers),
        other => other.clone(),
    }
}

/// Tells what is due, submission by submission. What cannot be told now stays where it is.
pub(super) async fn tell_all(mta: &Mta, due: Vec<UntoldOf>) {
    for of in due {
        let id = of.summary.id;
        match tell(mta, of).await {
            Ok(()) => info!(%id, "told what was gathered"),
            Err(StoreError::Refused { reason }) => info!(%id, reason, "told already"),
            Err(error) => {
                warn!(%id, %error, "what was gathered is not told yet");
                mta.world.clock.sleep(TROUBLE_PAUSE).await;
            }
        }
    }
}

async fn tell(mta: &Mta, of: UntoldOf) -> Result<(), StoreError> {
    let summary = Arc::new(of.summary);
    let returned = returned(mta, &summary).await;
    let mut recipients = Vec::new();
    let mut events = Vec::new();
    // One notice goes to one reverse-path, which an alias may change.
    let mut groups: BTreeMap<Option<Address>, (Arc<Summary>, Vec<Tidings>)> = BTreeMap::new();
    for untold in of.untold {
        let number = untold.recipient;
        recipients.push(number);
        let Some(view) = summary.recipients.iter().find(|view| view.number == number) else {
            continue;
        };
        let seen_as = match &view.expanded_from {
            Some(alias) => forward::in_the_name_of(mta, &summary, alias),
            None => Arc::clone(&summary),
        };
        match unwelcome(view, &untold, &seen_as.reverse_path, mta.now()) {
            Some(event) => events.push(event),
            None => {
                let key = seen_as.reverse_path.address().cloned();
                let group = groups.entry(key).or_insert_with(|| (seen_as, Vec::new()));
                group.1.push(Tidings { recipient: view.recipient.clone(), untold });
            }
        }
    }
    let mut way = Way::Direct;
    loop {
        let mut tell = Tell {
            submission: summary.id,
            recipients: recipients.clone(),
            events: events.clone(),
            notices: Vec::new(),
        };
        for (seen_as, told) in groups.values() {
            let (notices, events) = About::new(seen_as).notices(mta, told, &returned, way);
            tell.notices.extend(notices);
            tell.events.extend(events);
        }
        match mta.world.store.tell(tell).await {
            // A notice cannot go into its mailbox; the queue will see about that.
            Err(StoreError::OverQuota { .. } | StoreError::NotFound { .. })
                if way == Way::Direct =>
            {
                way = Way::Queue;
            }
            result => return result,
        }
    }
}

/// Why somebody is not told after all.
fn unwelcome(
    view: &RecipientView,
    untold: &Untold,
    reverse_path: &ReversePath,
    at: UnixMillis,
) -> Option<NewEvent> {
    if reverse_path.is_null() {
        return Some(notice::nobody(at).of(view.number));
    }
    if untold.news.kind == NewsKind::Cancelled && !view.recipient.notify().failure {
        let reason = "the sender did not want to hear of it";
        return Some(NewEvent::new(at, Happening::NotNoticed, reason).of(view.number));
    }
    None
}

/// How long to wait for what is due then.
pub(super) fn pause_until(now: UnixMillis, next: Option<UnixMillis>, max: Duration) -> Duration {
    let pause = next.map_or(max, |next| {
        Duration::from_millis(u64::try_from(next.0.saturating_sub(now.0)).unwrap_or(0))
    });
    pause.min(max)
}
