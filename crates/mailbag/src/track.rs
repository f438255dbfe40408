//! What became of a sent letter, recipient by recipient, in plain words.
//!
//! *Accepted* means that a server took it, *delivered* only that a report says so. Nothing
//! here knows whether anybody has read it, and nothing ever asks.
//!
//! Standards: RFC 3464 §2.3.3 (what the actions of a report mean).
//! Not here: finding out ([`outbox`](crate::outbox), [`report`](crate::report)).

mod words;

use envelope::EnhancedStatus;
use message::report::Action;
use platform::Timestamp;
use serde::Serialize;
use store::{
    Event, Happening, NewEvent, RecipientState, RecipientView, SubmissionView, UnixMillis,
};

use crate::moment;
use crate::outbox::NO_DSN;
use crate::submit::spoken;

pub use words::{Said, sentence};

/// A sent letter and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tracked {
    /// Its id.
    pub id: String,
    /// Its Message-ID field, without angle brackets.
    pub message_id: Option<String>,
    /// Its subject.
    pub subject: String,
    /// Everybody it is for.
    pub recipients: Vec<Recipient>,
}

/// One recipient and where the letter to it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recipient {
    /// Who.
    pub address: String,
    /// One of [`state_name`]'s words.
    pub state: &'static str,
    /// The server that spoke last.
    pub host: Option<String>,
    /// Its own words.
    pub reply: Option<String>,
    /// Since when it stands so (RFC 3339).
    pub time: String,
    /// When it is tried next (RFC 3339).
    pub next_attempt: Option<String>,
    /// All of that in a sentence.
    pub plain: String,
    /// Whether news can still come.
    #[serde(skip)]
    pub is_open: bool,
}

/// The word for a state. What the store calls held is, in a mailbag, a letter of which nobody
/// knows whether the server has it.
pub fn state_name(state: RecipientState) -> &'static str {
    match state {
        RecipientState::Held => "unknown",
        other => other.name(),
    }
}

impl Tracked {
    /// What is known of a submission with this subject.
    pub fn of(view: &SubmissionView, subject: &str) -> Self {
        let recipients = view.summary.recipients.iter();
        Self {
            id: view.summary.id.to_string(),
            message_id: view.summary.message_id.clone(),
            subject: subject.to_owned(),
            recipients: recipients.map(|one| recipient(one, &view.events)).collect(),
        }
    }

    /// Whether no more news is awaited for anybody.
    pub fn is_settled(&self) -> bool {
        self.recipients.iter().all(|recipient| !recipient.is_open)
    }

    /// Whether anybody will not get it.
    pub fn has_failed(&self) -> bool {
        self.recipients.iter().any(|recipient| recipient.state == "failed")
    }

    /// Whether it still waits in the outbox for anybody.
    pub fn is_waiting(&self) -> bool {
        self.recipients.iter().any(|one| matches!(one.state, "queued" | "deferred"))
    }

    /// Whether nobody knows what became of it for somebody.
    pub fn is_unknown(&self) -> bool {
        self.recipients.iter().any(|recipient| recipient.state == "unknown")
    }
}

fn recipient(view: &RecipientView, events: &[Event]) -> Recipient {
    let mine = events.iter().map(|event| &event.event);
    let mine: Vec<&NewEvent> = mine.filter(|event| event.recipient == Some(view.number)).collect();
    let silent = mine.iter().any(|event| event.reason == NO_DSN);
    let mut heard = mine.iter().rev().filter_map(|event| news(event));
    let mut last = heard.next().unwrap_or_default();
    if last.says_nothing {
        // A report of success without words: those of the server that took it say more.
        last = heard.find(|news| news.words.is_some()).unwrap_or_default();
    }
    let host = last.host.or_else(|| view.host.clone());
    let due = view.due.filter(|_| view.state.is_open());
    let next_here = due.map(|due| moment::second(due.0.div_euclid(1000)));
    let said = Said {
        state: view.state,
        domain: view.recipient.address.domain().as_str(),
        host: host.as_deref(),
        words: last.words.as_deref(),
        delayed: last.delayed,
        no_more_news: silent,
        trouble: last.trouble.as_deref(),
        next_attempt: next_here.as_deref(),
    };
    Recipient {
        address: view.recipient.address.to_string(),
        state: state_name(view.state),
        plain: sentence(&said),
        is_open: view.state.is_open() || (view.state == RecipientState::Accepted && !silent),
        host,
        reply: last.words,
        time: written(view.changed_at),
        next_attempt: due.map(written),
    }
}

/// The last that was heard of a recipient.
#[derive(Debug, Default)]
struct LastNews {
    host: Option<String>,
    words: Option<String>,
    trouble: Option<String>,
    delayed: bool,
    says_nothing: bool,
}

fn news(event: &NewEvent) -> Option<LastNews> {
    let trouble = || Some(event.reason.clone()).filter(|reason| !reason.is_empty());
    match &event.happening {
        Happening::Accepted { host, reply } => Some(LastNews {
            host: Some(host.clone()),
            words: Some(spoken(reply)),
            ..LastNews::default()
        }),
        Happening::Deferred { reply, .. } | Happening::Failed { reply, .. } => Some(LastNews {
            words: reply.as_ref().map(spoken),
            trouble: trouble(),
            ..LastNews::default()
        }),
        Happening::Reported { action, by, text } => Some(LastNews {
            host: by.clone(),
            words: Some(text.clone()).filter(|text| !text.is_empty()),
            trouble: None,
            delayed: action == Action::Delayed.as_str(),
            says_nothing: text.parse::<EnhancedStatus>().is_ok_and(|status| status.class() == 2),
        }),
        Happening::Held => Some(LastNews { trouble: trouble(), ..LastNews::default() }),
        Happening::Queued | Happening::Released | Happening::RetryAsked | Happening::Cancelled => {
            Some(LastNews::default())
        }
        _ => None,
    }
}

fn written(at: UnixMillis) -> String {
    Timestamp::from_millis(at.0).to_string()
}
