//! From what was said to what becomes of each recipient, and what its sender is told.
//!
//! Standards: RFC 3461 §5.2.1–§5.2.6 (which notices), RFC 3463 §3.5 (4.4.7 expired),
//! RFC 5321 §4.5.5 and §6.1 (no notice to a null reverse-path).
//! Not here: wording (`notice`).

use std::time::Duration;

use envelope::{ByMode, EnhancedStatus};
use message::report::Returned;
use store::{
    Attempt, Finish, Happening, NewEvent, News, NewsKind, Outcome, RecipientState, RecipientView,
    SubmissionId, Summary, UnixMillis, Untold,
};
use tracing::warn;

use super::in_time::{self, Due};
use super::schedule::{FailureClass, is_expired, pause_of_class, plus, with_jitter};
use super::telling::{self, About, Tidings};
use super::work::Found;
use crate::Mta;
use crate::notice::{self, Way};
use crate::relay::{self, Told};

/// Pause before what was put off without a try comes again.
const PUT_OFF_PAUSE: Duration = Duration::from_secs(5 * 60);

/// What became of the recipients of one job; ready to be committed.
#[derive(Debug)]
pub(super) struct Settled {
    id: SubmissionId,
    pub(super) at: UnixMillis,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) attempts: Vec<Attempt>,
    events: Vec<NewEvent>,
    about: About,
    /// What the sender is to be told.
    news: Vec<Tidings>,
    /// When, if other recipients may have news before.
    later: Option<UnixMillis>,
    returned: Returned,
}

pub(super) async fn settle(
    mta: &Mta,
    summary: &Summary,
    views: &[&RecipientView],
    found: Found,
) -> Settled {
    let mut settled = Settled {
        id: summary.id,
        at: mta.now(),
        outcomes: Vec::new(),
        attempts: found.attempts,
        events: found.events,
        about: About::new(summary),
        news: Vec::new(),
        later: None,
        returned: Returned::Nothing,
    };
    assert!(views.len() == found.told.len(), "each recipient has its answer");
    for (view, told) in views.iter().zip(&found.told) {
        settled.recipient(mta, view, told);
    }
    if !settled.news.is_empty() {
        settled.later = telling::gathered_until(mta, summary, &settled.news, settled.at);
        if settled.later.is_none() {
            settled.returned = telling::returned(mta, summary).await;
        }
    }
    settled
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
            self.fail(view, told, NewsKind::Failed, &told.text);
        } else if let Due::Over(told) = self.in_time(mta, told) {
            self.fail(view, &told, NewsKind::Failed, &told.text);
        } else if is_expired(&mta.config.queue, begun, attempts, self.at) {
            let text = format!("tried until the time limit; the last answer: {}", told.text);
            self.fail(view, told, NewsKind::Expired, &text);
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
            self.tell(NewsKind::Relayed, view, told, None);
        }
    }

    fn fail(&mut self, view: &RecipientView, told: &Told, kind: NewsKind, reason: &str) {
        if cfg!(feature = "fault-accepts-refused") {
            return self.outcomes.push(outcome(view, told, RecipientState::Accepted));
        }
        let failed = Happening::Failed {
            reply: told.reply.clone(),
            host: told.host.clone(),
            status: Some(match kind {
                NewsKind::Expired => EnhancedStatus::new(5, 4, 7), // RFC 3463 §3.5
                _ => told.status,
            }),
        };
        self.note(view.number, failed, reason);
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
        let deferred = Happening::Deferred {
            until: due,
            reply: told.reply.clone(),
            host: told.host.clone(),
            status: Some(told.status),
            attempts: Some(attempts),
            gives_up: Some(deadline.min(back_at)),
        };
        self.note(view.number, deferred, &reason);
        if tell {
            match self.in_time(mta, told) {
                Due::Late(told) => self.tell(NewsKind::Delayed, view, &told, Some(deadline)),
                _ => self.tell(NewsKind::Delayed, view, told, Some(deadline.min(back_at))),
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

    fn tell(
        &mut self,
        kind: NewsKind,
        view: &RecipientView,
        told: &Told,
        until: Option<UnixMillis>,
    ) {
        if cfg!(feature = "fault-forgets-notice") {
            return;
        }
        if self.about.reverse_path.is_null() {
            let event = notice::nobody(self.at).of(view.number);
            self.events.push(event);
            return;
        }
        let news = News {
            kind,
            status: told.status,
            host: told.host.clone(),
            reply: told.reply.clone(),
            text: told.text.clone(),
            at: self.at,
            until,
        };
        let untold = Untold { recipient: view.number, due: self.at, news };
        self.news.push(Tidings { recipient: view.recipient.clone(), untold });
    }

    /// What the commit tells at once and what later, written anew for each try to commit it.
    pub(super) fn finish(&self, mta: &Mta, way: Way) -> Finish {
        let mut finish = Finish {
            outcomes: self.outcomes.clone(),
            attempts: self.attempts.clone(),
            events: self.events.clone(),
            ..Finish::of(self.id, self.at)
        };
        match self.later {
            Some(due) => {
                let later = self.news.iter().map(|told| Untold { due, ..told.untold.clone() });
                finish.untold = later.collect();
            }
            None => {
                let (notices, events) = self.about.notices(mta, &self.news, &self.returned, way);
                finish.notices = notices;
                finish.events.extend(events);
            }
        }
        finish
    }

    /// Whether something is left to be told later.
    pub(super) fn tells_later(&self) -> bool {
        self.later.is_some() && !self.news.is_empty()
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
