//! Everything that happens to a message, with its reason.
//!
//! `posthouse trace`, a sent message's delivery status and the notices are views of these.
//! They are stored as versioned JSON, so that anybody can read them and old ones stay readable.
//!
//! Standards: none of its own.
//! Not here: wording for people (whoever shows them).

use std::net::IpAddr;

use envelope::EnhancedStatus;
use serde::{Deserialize, Serialize};

use crate::{RemoteReply, SubmissionId, TlsRecord, UnixMillis};

/// Something happened, about to be stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvent {
    /// When.
    pub at: UnixMillis,
    /// To which recipient; `None`: to the whole submission.
    pub recipient: Option<u32>,
    /// What.
    pub happening: Happening,
    /// Why, in a sentence; empty where what happened says it all.
    pub reason: String,
}

impl NewEvent {
    /// Something that happened to the whole submission.
    pub fn new(at: UnixMillis, happening: Happening, reason: impl Into<String>) -> Self {
        Self { at, recipient: None, happening, reason: reason.into() }
    }

    /// The same, of one recipient.
    pub fn of(mut self, recipient: u32) -> Self {
        self.recipient = Some(recipient);
        self
    }
}

/// A stored event. Numbers grow by one within a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Of which submission.
    pub submission: SubmissionId,
    /// Its place among the submission's events, from 0.
    pub number: u32,
    /// What happened.
    pub event: NewEvent,
}

impl Happening {
    /// It will be tried again; nothing more is known.
    pub fn deferred(until: UnixMillis, reply: Option<RemoteReply>) -> Self {
        Self::Deferred { until, reply, host: None, status: None, attempts: None, gives_up: None }
    }

    /// It will never arrive; nothing more is known.
    pub fn failed(reply: Option<RemoteReply>) -> Self {
        Self::Failed { reply, host: None, status: None }
    }
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Happening {
    /// We took responsibility: the 250 was earned.
    Received {
        /// RFC 3848 keyword, such as `ESMTPSA`.
        protocol: Option<String>,
        /// The peer.
        peer: Option<IpAddr>,
        /// What it called itself.
        helo: Option<String>,
        /// TLS of its connection.
        tls: Option<TlsRecord>,
        /// Who logged in.
        login: Option<String>,
        /// Octets of the content.
        octets: u64,
    },
    /// Its sender asked something of the transfer.
    Asked {
        /// What we shall do, such as `released at 2026-12-24T18:00:00Z`.
        terms: Vec<String>,
    },
    /// A rule about who may send might have stopped it, and let it pass for this reason.
    Checked {
        /// When in the session: connect, hello, sender or recipient.
        stage: String,
        /// Which rule, such as `greylist`.
        rule: String,
    },
    /// A recipient's address was found to be this.
    Resolved {
        /// Whose mailbox, or which alias or remote domain.
        to: String,
    },
    /// An alias was replaced by its targets.
    Expanded {
        /// The targets.
        into: Vec<String>,
    },
    /// The header of a submission was completed or cleaned.
    Completed {
        /// What was done, such as `added Date`.
        changes: Vec<String>,
    },
    /// It is in a mailbox of ours.
    Delivered {
        /// Which mailbox of which account.
        mailbox: String,
    },
    /// It waits for an attempt.
    Queued,
    /// The recipient's servers were looked up.
    Routed {
        /// Hosts with addresses, in the order of trying.
        hosts: Vec<String>,
    },
    /// An attempt at a host ended.
    Attempted {
        /// The host.
        host: String,
        /// Its address.
        address: Option<IpAddr>,
        /// Its port.
        port: u16,
        /// TLS of the connection.
        tls: Option<TlsRecord>,
        /// How far it went: connect, greeting, ehlo, starttls, auth, mail, rcpt, data, content.
        stage: String,
        /// The host's last words.
        reply: Option<RemoteReply>,
        /// Which attempt of the recipients it is, from 1; the highest where they differ.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<u32>,
    },
    /// The next server took it.
    Accepted {
        /// Which.
        host: String,
        /// Its final reply.
        reply: RemoteReply,
    },
    /// It will be tried again.
    Deferred {
        /// When.
        until: UnixMillis,
        /// The words that made us wait.
        reply: Option<RemoteReply>,
        /// Whose words they were.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
        /// The reason as a code, the words' or our own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<EnhancedStatus>,
        /// How often it was tried.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempts: Option<u32>,
        /// When it is given up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gives_up: Option<UnixMillis>,
    },
    /// It will never arrive.
    Failed {
        /// The words that ended it.
        reply: Option<RemoteReply>,
        /// Whose words they were.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
        /// The reason as a code, the words' or our own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<EnhancedStatus>,
    },
    /// A notice about it was written.
    Noticed {
        /// failure, delay, success, relayed or expanded.
        kind: String,
        /// The notice's own id.
        notice: SubmissionId,
        /// To whom.
        to: String,
    },
    /// No notice was written although there was news; the reason says why.
    NotNoticed,
    /// A delivery report from elsewhere told this.
    Reported {
        /// RFC 3464 action: failed, delayed, delivered, relayed or expanded.
        action: String,
        /// Who reported it.
        by: Option<String>,
        /// Status and diagnostic.
        text: String,
    },
    /// An operator put it aside, or a rule of theirs did.
    Held,
    /// An operator let it go on.
    Released,
    /// An operator wants it tried now.
    RetryAsked,
    /// An operator took it back.
    Cancelled,
    /// An operator wants it sent another way.
    Rerouted {
        /// To which host and port; `None`: where it goes by itself.
        to: Option<String>,
    },
}
