//! From what was said to what becomes of each recipient, and what its sender is told.
//!
//! Standards: RFC 3461 §5.2.1–§5.2.6 (which notices), RFC 3463 §3.5 (4.4.7 expired),
//! RFC 5321 §4.5.5 and §6.1 (no notice to a null reverse-path).
//! Not here: wording (`notice`).

use message::MessageId;
use message::header;
use message::report::Returned;
use store::{
    Attempt, Happening, NewEvent, Outcome, RecipientState, RecipientView, Summary, UnixMillis,
};
use tracing::warn;

use super::Found;
use super::schedule::{pause_before_retry, plus};
use crate::Mta;
use crate::notice::{Fate, Kind, Notice, Original};
use crate::relay::{Told, may_be_duplicate};

/// Most of a message that goes back with a failure notice when RET=FULL asks for all of it.
const RETURNED_OCTETS_MAX: usize = 256 * 1024;

/// What became of the recipients of one attempt; ready to be committed.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) at: UnixMillis,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) attempts: Vec<Attempt>,
    events: Vec<NewEvent>,
    original: Facts,
    /// What each kind of notice tells.
    news: Vec<(Kind, Vec<Fate>)>,
    returned: Returned,
}

/// The parts of the submission that a notice needs.
#[derive(Debug)]
struct Facts(Summary);

pub(super) async fn settle(
    mta: &Mta,
    summary: &Summary,
    views: &[&RecipientView],
    found: Found,
) -> Settled {
    let at = mta.now();
    let mut settled = Settled {
        at,
        outcomes: Vec::new(),
        attempts: found.attempts,
        events: found.events,
        original: Facts(summary.clone()),
        news: Vec::new(),
        returned: Returned::Nothing,
    };
    for (view, told) in views.iter().zip(&found.told) {
        settled.recipient(mta, view, told, found.host.as_deref(), found.tells_success);
    }
    if !settled.news.is_empty() {
        settled.returned = returned(mta, summary).await;
    }
    settled
}

/// What goes back with a notice: the header, or all of it where the sender asked for that.
async fn returned(mta: &Mta, summary: &Summary) -> Returned {
    let Some(message) = summary.message else { return Returned::Nothing };
    let octets = match mta.world.store.read(message, 0, RETURNED_OCTETS_MAX).await {
        Ok(octets) => octets,
        Err(error) => {
            warn!(%error, "cannot read what a notice should return");
            return Returned::Nothing;
        }
    };
    let whole = summary.ret == Some(envelope::Return::Full)
        && u64::try_from(octets.len()) == Ok(summary.octets);
    if whole {
        return Returned::Message(octets.to_vec());
    }
    let end = header::head_end(&octets).unwrap_or(octets.len());
    Returned::Header(octets.get(..end).unwrap_or_default().to_vec())
}

impl Settled {
    fn recipient(
        &mut self,
        mta: &Mta,
        view: &RecipientView,
        told: &Told,
        host: Option<&str>,
        tells_success: bool,
    ) {
        let number = view.number;
        if told.accepted {
            let host = host.unwrap_or_default().to_owned();
            if let Some(reply) = told.reply.clone() {
                self.note(number, Happening::Accepted { host, reply }, "");
            }
            self.settle_one(view, told, RecipientState::Accepted);
            if view.recipient.notify().success && !tells_success {
                // RFC 3461 §5.2.2: the next server will not tell, so we say how far it got.
                self.tell(Kind::Relayed, view, told, None);
            }
        } else if told.status.is_permanent() {
            self.fail(view, told, &told.text);
        } else if at_or_after(self.at, plus(self.original.0.accepted_at, mta.config.queue.expire)) {
            let text = format!("tried until the time limit; the last answer: {}", told.text);
            self.fail(view, told, &text);
        } else {
            self.defer(mta, view, told);
        }
        if may_be_duplicate(told.stage, told.reply.as_ref()) {
            warn!(recipient = number, "no reply to the final dot: it may arrive twice");
        }
    }

    fn fail(&mut self, view: &RecipientView, told: &Told, reason: &str) {
        self.note(view.number, Happening::Failed { reply: told.reply.clone() }, reason);
        self.settle_one(view, told, RecipientState::Failed);
        if view.recipient.notify().failure {
            let expired = !told.status.is_permanent();
            let kind = if expired { Kind::Expired } else { Kind::Failure };
            self.tell(kind, view, told, None);
        } else {
            self.note(view.number, Happening::NotNoticed, "the sender did not want to hear of it");
        }
    }

    fn defer(&mut self, mta: &Mta, view: &RecipientView, told: &Told) {
        let queue = &mta.config.queue;
        let accepted_at = self.original.0.accepted_at;
        let deadline = plus(accepted_at, queue.expire);
        let pause = pause_before_retry(queue, view.attempts.saturating_add(1));
        let due = plus(self.at, pause).min(deadline);
        let deferred = Happening::Deferred { until: due, reply: told.reply.clone() };
        self.note(view.number, deferred, &told.text);
        let late = at_or_after(self.at, plus(accepted_at, queue.delay_notice));
        let tell = late && !view.delay_told && view.recipient.notify().delay;
        if tell {
            self.tell(Kind::Delay, view, told, Some(deadline));
        }
        self.outcomes.push(Outcome {
            due: Some(due),
            delay_told: tell,
            ..outcome(view, told, RecipientState::Deferred, self.host())
        });
    }

    fn settle_one(&mut self, view: &RecipientView, told: &Told, state: RecipientState) {
        let outcome = outcome(view, told, state, self.host());
        self.outcomes.push(outcome);
    }

    fn host(&self) -> Option<String> {
        self.attempts.last().map(|attempt| attempt.host.clone())
    }

    fn note(&mut self, number: u32, happening: Happening, reason: &str) {
        self.events.push(NewEvent::new(self.at, happening, reason).of(number));
    }

    fn tell(&mut self, kind: Kind, view: &RecipientView, told: &Told, until: Option<UnixMillis>) {
        if self.original.0.reverse_path.is_null() {
            let reason = "a notice itself gets no notice (RFC 5321 §4.5.5)";
            self.note(view.number, Happening::NotNoticed, reason);
            return;
        }
        let fate = Fate {
            number: view.number,
            recipient: view.recipient.clone(),
            status: told.status,
            host: self.host(),
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

    /// The notices, written anew for each try to commit them.
    pub(super) fn notices(&mut self, mta: &Mta) -> Vec<Notice> {
        let summary = &self.original.0;
        let message_id = summary.message_id.as_deref().and_then(|id| id.parse::<MessageId>().ok());
        let original = Original {
            id: summary.id,
            accepted_at: summary.accepted_at,
            reverse_path: &summary.reverse_path,
            envelope_id: summary.envelope_id.as_ref(),
            message_id: message_id.as_ref(),
        };
        let news = self.news.iter();
        news.filter_map(|(kind, fates)| Notice::write(mta, *kind, &original, fates, &self.returned))
            .collect()
    }

    /// All events, those of the notices included.
    pub(super) fn events_with(&self, notices: &[Notice]) -> Vec<NewEvent> {
        let told = notices.iter().flat_map(|notice| notice.events.iter());
        self.events.iter().chain(told).cloned().collect()
    }
}

fn outcome(
    view: &RecipientView,
    told: &Told,
    state: RecipientState,
    host: Option<String>,
) -> Outcome {
    Outcome {
        recipient: view.number,
        state,
        due: None,
        host,
        reply: told.reply.clone(),
        attempted: true,
        delay_told: false,
    }
}

fn at_or_after(now: UnixMillis, then: UnixMillis) -> bool {
    now >= then
}
