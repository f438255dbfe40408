//! What senders still have to be told: news that waits for more news of the same message.
//!
//! ```text
//!   finish(untold) ─▶ waits until due, or until nobody of the message is open any more
//!                     └▶ untold(now) ─▶ whoever writes notices ─▶ tell: notices, events, one commit
//! ```
//!
//! It is in the store like everything else, so that a crash in between loses no notice; and the
//! content that a notice returns stays for as long.
//!
//! Standards: RFC 3461 §5.2 (what a sender is told), RFC 3464 §2 (one report of many recipients).
//! Not here: how long it waits and what notices say (crate `mta`).

use envelope::EnhancedStatus;
use serde::{Deserialize, Serialize};

use crate::{Accept, NewEvent, RemoteReply, SubmissionId, Summary, UnixMillis};

/// What a sender still has to be told about one recipient. Later news of a recipient takes the
/// place of earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untold {
    /// The recipient's number.
    pub recipient: u32,
    /// When to tell it at the latest.
    pub due: UnixMillis,
    /// What.
    pub news: News,
}

/// News of a recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// What happened.
    pub kind: NewsKind,
    /// The reason as a code.
    pub status: EnhancedStatus,
    /// The server that spoke last.
    pub host: Option<String>,
    /// Its words.
    pub reply: Option<RemoteReply>,
    /// The reason as a text: the words, or our own.
    pub text: String,
    /// When it happened.
    pub at: UnixMillis,
    /// Until when it will be tried.
    pub until: Option<UnixMillis>,
}

/// What can be news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NewsKind {
    /// It will never arrive.
    Failed,
    /// It will never arrive: the time limit passed.
    Expired,
    /// It is late.
    Delayed,
    /// It was handed to a system that will not tell more.
    Relayed,
    /// An operator took it back.
    Cancelled,
}

/// What the sender of one submission has to be told now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UntoldOf {
    /// The submission.
    pub summary: Summary,
    /// All of its news, also what is due later: one notice tells it.
    pub untold: Vec<Untold>,
}

/// An answer of [`Store::untold`](crate::Store::untold).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UntoldDue {
    /// What is to be told now.
    pub due: Vec<UntoldOf>,
    /// When the next news that waits is due; `None`: nothing else waits.
    pub next: Option<UnixMillis>,
}

/// What a sender was told of, in one commit with how.
#[derive(Debug)]
pub struct Tell {
    /// Of which submission.
    pub submission: SubmissionId,
    /// Numbers of the recipients whose news this was.
    pub recipients: Vec<u32>,
    /// What happened.
    pub events: Vec<NewEvent>,
    /// Messages of our own: they enter in this very commit, or nothing does.
    pub notices: Vec<Accept>,
}
