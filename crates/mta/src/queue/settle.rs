//! From what was said to what becomes of each recipient, and what its sender is told.
//!
//! Standards: RFC 3461 §5.2.1–§5.2.6 (which notices), RFC 3463 §3.5 (4.4.7 expired),
//! RFC 5321 §4.5.5 and §6.1 (no notice to a null reverse-path).
//! Not here: wording (`notice`).

use std::time::Duration;

use envelope::{ByMode, EnvelopeId, ReversePath};
use message::MessageId;
use message::header;
use message::report::Returned;
use store::{
    Accept, Attempt, Happening, NewEvent, Outcome, RecipientState, RecipientView, StoreError,
    SubmissionId, Summary, Terms, UnixMillis,
};
use tracing::warn;

use super::in_time::{self, Due};
use super::schedule::{FailureClass, is_expired, pause_of_class, plus, with_jitter};
use super::work::Found;
use crate::Mta;
use crate::notice::{self, Fate, Kind, Notice, Original, Way};
use crate::relay::{self, Told};

/// Most of a message that goes back with a failure notice when RET=FULL asks for all of it; of
/// larger ones the header goes back (RFC 3461 §4.3 leaves that to us).
const RETURNED_OCTETS_MAX: usize = 256 * 1024;

/// Pause before what was put off without a try comes again.
const PUT_OFF_PAUSE: Duration = Duration::from_secs(5 * 60);

/// What became of the recipients of one job; ready to be committed.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) at: UnixMillis,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) attempts: Vec<Attempt>,
    events: Vec<NewEvent>,
    about: About,
    /// What each kind of notice tells.
    news: Vec<(Kind, Vec<Fate>)>,
    returned: Returned,
}

/// The parts of the submission that a notice needs.
#[derive(Debug)]
struct About {
    id: SubmissionId,
    accepted_at: UnixMillis,
    reverse_path: ReversePath,
    envelope_id: Option<EnvelopeId>,
    message_id: Option<MessageId>,
    terms: Terms,
}

impl About {
    /// From when on its time in the queue counts.
    fn begins_at(&self) -> UnixMillis {
        self.terms.begins_at(self.accepted_at)
    }
}

pub(super) async fn settle(
    mta: &Mta,
    summary: &Summary,
    views: &[&RecipientView],
    found: Found,
) -> Settled {
    let message_id = summary.message_id.as_deref().and_then(|id| id.parse().ok());
    let mut settled = Settled {
        at: mta.now(),
        outcomes: Vec::new(),
        attempts: found.attempts,
        events: found.events,
        about: About {
            id: summary.id,
            accepted_at: summary.accepted_at,
            reverse_path: summary.reverse_path.clone(),
            envelope_id: summary.envelope_id.clone(),
            message_id,
            terms: summary.terms.clone(),
        },
        news: Vec::new(),
        returned: Returned::Nothing,
    };
    assert!(views.len() == found.told.len(), "each recipient has its answer");
    for (view, told) in views.iter().zip(&found.told) {
        settled.recipient(mta, view, told);
    }
    if !settled.news.is_empty() {
        settled.returned = returned(mta, summary).await;
    }
    settled
}

/// What goes back with a notice: the header, or all of it where the sender asked for that.
async fn returned(mta: &Mta, summary: &Summary) -> Returned {
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

impl Settled {
    /// Whether there is nothing to commit.
    pub(super) fn is_empty(&self) -> bool {
        self.outcomes.is_empty() && self.attempts.is_empty() && self.events.is_empty()
    }

    fn recipient(&mut self, mta: &Mta, view: &RecipientView, told: &Told) {
        if told.kind == relay::Kind::CameBack {
            return; // settled already, by the commit that delivered it
        }
        if told.is_taken() {
            self.taken(mta, view, told);
            return;
        }
        if told.may_be_duplicate() {
            warn!(recipient = view.number, "no reply to the end of content: may be duplicate");
        }
        let tried = u32::from(told.kind != relay::Kind::NotTried);
        let attempts = view.attempts.saturating_add(tried);
        let begun = self.about.begins_at();
        if told.status.is_permanent() {
            self.fail(view, told, Kind::Failure, &told.text);
        } else if let Due::Over(told) = self.in_time(mta, told) {
            self.fail(view, &told, Kind::Failure, &told.text);
        } else if is_expired(&mta.config.queue, begun, attempts, self.at) {
            let text = format!("tried until the time limit; the last answer: {}", told.text);
            self.fail(view, told, Kind::Expired, &text);
        } else {
            self.defer(mta, view, told, attempts);
        }
    }

    fn in_time(&self, mta: &Mta, told: &Told) -> Due {
        in_time::look(self.about.terms.deliver_by, mta.queue_now(), told)
    }

    fn taken(&mut self, mta: &Mta, view: &RecipientView, told: &Told) {
        if cfg!(feature = "fault-retries-accepted") {
            return self.defer(mta, view, told, view.attempts.saturating_add(1));
        }
        if let (Some(host), Some(reply)) = (told.host.clone(), told.reply.clone()) {
            self.note(view.number, Happening::Accepted { host, reply }, "");
        }
        self.outcomes.push(outcome(view, told, RecipientState::Accepted));
        let notify = view.recipient.notify();
        let deliver_by = self.about.terms.deliver_by;
        let wanted_anyhow = in_time::tells_relaying(deliver_by, mta.queue_now(), told, notify);
        if wanted_anyhow || (told.kind == relay::Kind::Taken && notify.success) {
            // RFC 3461 §5.2.2 (b): the next server will not tell, so we say how far it got.
            self.tell(Kind::Relayed, view, told, None);
        }
    }

    fn fail(&mut self, view: &RecipientView, told: &Told, kind: Kind, reason: &str) {
        if cfg!(feature = "fault-accepts-refused") {
            return self.outcomes.push(outcome(view, told, RecipientState::Accepted));
        }
        self.note(view.number, Happening::Failed { reply: told.reply.clone() }, reason);
        self.outcomes.push(outcome(view, told, RecipientState::Failed));
        if view.recipient.notify().failure {
            self.tell(kind, view, told, None);
        } else {
            self.note(view.number, Happening::NotNoticed, "the sender did not want to hear of it");
        }
    }

    fn defer(&mut self, mta: &Mta, view: &RecipientView, told: &Told, attempts: u32) {
        let queue = &mta.config.queue;
        let begun = self.about.begins_at();
        let deadline = plus(begun, queue.expire);
        let by = self.about.terms.deliver_by;
        // Whoever told a time wants to hear of delays then (RFC 2852 §4.1.3).
        let late_at = match by.filter(|by| by.mode == ByMode::Notify) {
            Some(by) => by.at,
            None => plus(begun, queue.delay_notice),
        };
        let wants_delay = view.recipient.notify().delay && !view.delay_told;
        let tell = wants_delay && self.at >= late_at && self.at < deadline;
        let now = mta.queue_now();
        let pause = match told.kind {
            relay::Kind::NotTried => told.pause.unwrap_or(PUT_OFF_PAUSE),
            _ => pause_of_class(queue, FailureClass::of(told), attempts),
        };
        let pause = if cfg!(feature = "fault-ignores-due") { pause / 2 } else { pause };
        let mut due = plus(now, with_jitter(queue, pause, mta.world.random.as_ref()));
        // One more try when the sender would otherwise be told too late, or the message is over.
        let back_at = by.filter(|by| by.mode == ByMode::Return).map_or(deadline, |by| by.at);
        for limit in [deadline, late_at, back_at] {
            let counts = limit != late_at || (wants_delay && !tell);
            if counts && limit > now && limit < due {
                due = limit;
            }
        }
        let reason = match told.may_be_duplicate() {
            true => format!("{}; they may have it all the same, and get it twice", told.text),
            false => told.text.clone(),
        };
        let deferred = Happening::Deferred { until: due, reply: told.reply.clone() };
        self.note(view.number, deferred, &reason);
        if tell {
            match self.in_time(mta, told) {
                Due::Late(told) => self.tell(Kind::Delay, view, &told, Some(deadline)),
                _ => self.tell(Kind::Delay, view, told, Some(deadline.min(back_at))),
            }
        }
        self.outcomes.push(Outcome {
            due: Some(due),
            delay_told: tell,
            ..outcome(view, told, RecipientState::Deferred)
        });
    }

    fn note(&mut self, number: u32, happening: Happening, reason: &str) {
        self.events.push(NewEvent::new(self.at, happening, reason).of(number));
    }

    fn tell(&mut self, kind: Kind, view: &RecipientView, told: &Told, until: Option<UnixMillis>) {
        if cfg!(feature = "fault-forgets-notice") {
            return;
        }
        if self.about.reverse_path.is_null() {
            let event = notice::nobody(self.at).of(view.number);
            self.events.push(event);
            return;
        }
        let fate = Fate {
            number: Some(view.number),
            recipient: view.recipient.clone(),
            status: told.status,
            host: told.host.clone(),
            reply: told.reply.clone(),
            text: told.text.clone(),
            last_attempt: self.at,
            will_retry_until: until,
        };
        match self.news.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, fates)) => fates.push(fate),
            None => self.news.push((kind, vec![fate])),
        }
    }

    /// The notices, written anew for each try to commit them, and all events.
    pub(super) fn notices(&self, mta: &Mta, way: Way) -> (Vec<Accept>, Vec<NewEvent>) {
        let about = &self.about;
        let original = Original {
            id: about.id,
            accepted_at: about.accepted_at,
            reverse_path: &about.reverse_path,
            envelope_id: about.envelope_id.as_ref(),
            message_id: about.message_id.as_ref(),
            terms: &about.terms,
        };
        let mut events = self.events.clone();
        let mut notices = Vec::new();
        for (kind, fates) in &self.news {
            let returned = match kind {
                // RFC 3461 §6.2: content comes back with failures only.
                Kind::Failure | Kind::Expired => self.returned.clone(),
                _ => header_of(&self.returned),
            };
            match Notice::write(mta, *kind, &original, fates, returned, way) {
                Ok(Some(notice)) => {
                    events.extend(notice.events);
                    notices.push(notice.accept);
                }
                Ok(None) => events.push(notice::nobody(self.at)),
                Err(error) => events.push(notice::unwritten(&original, *kind, &error)),
            }
        }
        (notices, events)
    }
}

fn header_of(returned: &Returned) -> Returned {
    match returned {
        Returned::Message(octets) => Returned::from_content(octets, envelope::Return::Headers),
        other => other.clone(),
    }
}

fn outcome(view: &RecipientView, told: &Told, state: RecipientState) -> Outcome {
    Outcome {
        recipient: view.number,
        state,
        due: None,
        host: told.host.clone(),
        reply: told.reply.clone(),
        attempted: told.kind != relay::Kind::NotTried,
        delay_told: false,
        ends_hold: false,
    }
}
