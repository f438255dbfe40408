//! What is accepted and what becomes of it: submissions, recipients, attempts.
//!
//! ```text
//!   accept ─▶ queued ─▶ deferred ⟲ ─▶ accepted (remote 250) ─▶ delivered | relayed | expanded | failed
//!               │  ▲        │                                   (a later notice tells)
//!               ▼  │        ├─▶ failed
//!              held         └─▶ cancelled
//!   accept ─▶ delivered (local: in the same commit)
//! ```
//!
//! Standards: RFC 3464 §2.3.3 (what "delivered", "relayed" and "expanded" mean),
//! RFC 5321 §4.4 (trace).
//! Not here: when to try again and what to say (crate `mta`).

use std::net::IpAddr;

use envelope::{Address, BodyType, EnhancedStatus, EnvelopeId, Recipient, Return, ReversePath};
use serde::{Deserialize, Serialize};

use crate::{
    AccountId, Content, Event, FixedRoute, Flags, MailboxId, MessageId, Modseq, NewEvent, Note,
    SubmissionId, Terms, Uid, UnixMillis, Untold,
};

/// How a message came to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OriginKind {
    /// From another MTA, by SMTP.
    Reception,
    /// From an author's client, with a login.
    Submission,
    /// Written by ourselves: a delivery notice.
    Notice,
    /// Fetched by a client from a server.
    Fetch,
    /// Written by a client's own author.
    Composed,
    /// Put in by an operator, from files or from a backup.
    Imported,
}

/// Facts about where a message came from. Never content or credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// How it came.
    pub kind: OriginKind,
    /// The peer's address.
    pub peer: Option<IpAddr>,
    /// What the peer called itself.
    pub helo: Option<String>,
    /// RFC 3848 keyword, such as `ESMTPS`, or RFC 6531 §4.3: `UTF8SMTPS`.
    pub protocol: Option<String>,
    /// TLS of the connection.
    pub tls: Option<TlsRecord>,
    /// Who logged in.
    pub account: Option<AccountId>,
}

impl Origin {
    /// Of a kind, with nothing else known.
    pub fn of(kind: OriginKind) -> Self {
        Self { kind, peer: None, helo: None, protocol: None, tls: None, account: None }
    }

    /// Whether it came in a transaction with SMTPUTF8, as the protocol's keyword tells
    /// (RFC 6531 §4.3).
    pub fn is_smtputf8(&self) -> bool {
        self.protocol.as_deref().is_some_and(|keyword| keyword.starts_with("UTF8"))
    }
}

/// What is kept of a TLS connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsRecord {
    /// Such as `TLSv1.3`.
    pub version: String,
    /// Such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// How the peer's certificate was verified, such as `webpki`; `None`: it was not.
    pub verified: Option<String>,
    /// The peer certificate's subject, where there was one.
    pub certificate: Option<String>,
    /// Why the certificate was not verified, where that was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unverified: Option<String>,
    /// More of the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<CertificateRecord>,
}

/// What is kept of a server's certificate beside its subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRecord {
    /// SHA-256 of it, in lower-case hexadecimal.
    pub fingerprint: String,
    /// Who issued it.
    pub issuer: String,
    /// The host names that it is for.
    pub names: Vec<String>,
    /// When it ends.
    pub expires: Option<UnixMillis>,
}

/// A message to take responsibility for.
#[derive(Debug)]
pub struct Accept {
    /// Its id; the `Received` field in the content carries it already.
    pub id: SubmissionId,
    /// Now.
    pub at: UnixMillis,
    /// Where it came from.
    pub origin: Origin,
    /// Where notices go.
    pub reverse_path: ReversePath,
    /// How much a failure notice returns.
    pub ret: Option<Return>,
    /// The sender's own name for it.
    pub envelope_id: Option<EnvelopeId>,
    /// What the content may contain.
    pub body: BodyType,
    /// What its sender asked of the transfer.
    pub terms: Terms,
    /// Its Message-ID field without angle brackets, to find it by.
    pub message_id: Option<String>,
    /// `Received` and the content as received; without any entry's prefix.
    pub content: Content,
    /// Recipients with what happens to each. Their place here is their number.
    pub recipients: Vec<NewRecipient>,
    /// Entries that are nobody's recipient, such as a client's copy in Sent.
    pub copies: Vec<LocalDelivery>,
    /// What happened so far.
    pub events: Vec<NewEvent>,
    /// Notes to write in the same commit.
    pub notes: Vec<Note>,
    /// Messages of our own that follow from a delivery here, such as a success notice: they
    /// enter in this very commit, or nothing does. Theirs are empty.
    pub notices: Vec<Self>,
}

/// A recipient of a submission, as it enters the store.
#[derive(Clone, Debug)]
pub struct NewRecipient {
    /// Who.
    pub recipient: Recipient,
    /// The alias through which it became one.
    pub expanded_from: Option<Address>,
    /// What happens to it.
    pub fate: NewFate,
}

/// What happens to a new recipient.
#[derive(Clone, Debug)]
pub enum NewFate {
    /// It goes into mailboxes in this very commit.
    Deliver(LocalDelivery),
    /// It waits in the queue until `due`.
    Queue {
        /// When to try first.
        due: UnixMillis,
    },
    /// It waits in the queue until an operator releases it.
    Hold,
}

/// An entry to make.
#[derive(Clone, Debug)]
pub struct LocalDelivery {
    /// Whose mailbox.
    pub account: AccountId,
    /// Which; made in the commit if it is missing.
    pub mailbox: String,
    /// The trace fields of this delivery alone: Return-Path and Delivered-To.
    pub prefix: Vec<u8>,
    /// Flags to begin with.
    pub flags: Flags,
}

/// An entry that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub mailbox: MailboxId,
    /// Under which UID.
    pub uid: Uid,
    /// With which MODSEQ.
    pub modseq: Modseq,
}

/// The receipt of an accept: it is on stable storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The id.
    pub id: SubmissionId,
    /// The stored message.
    pub message: MessageId,
    /// Entries that were made: recipients' in their order, then copies'.
    pub deliveries: Vec<Delivery>,
}

/// Where a recipient stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RecipientState {
    /// Waits for its first attempt.
    Queued,
    /// Put aside by an operator.
    Held,
    /// Waits for its next attempt.
    Deferred,
    /// The next server took it with its final 250.
    Accepted,
    /// Is in a mailbox: ours, or a notice says so.
    Delivered,
    /// Was handed to a system that will not tell more.
    Relayed,
    /// Was handed to a list or alias elsewhere.
    Expanded,
    /// Will never arrive.
    Failed,
    /// Was taken back by an operator.
    Cancelled,
}

impl RecipientState {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Held,
        Self::Deferred,
        Self::Accepted,
        Self::Delivered,
        Self::Relayed,
        Self::Expanded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether it still waits in the queue.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Held | Self::Deferred)
    }

    /// The word for it, as JSON and people see it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Held => "held",
            Self::Deferred => "deferred",
            Self::Accepted => "accepted",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether news may turn this state into `next`. Open states may become anything but
    /// queued anew; a remote's acceptance may still turn out well or badly.
    pub fn may_become(self, next: Self) -> bool {
        match self {
            Self::Queued | Self::Held | Self::Deferred => next != Self::Queued,
            Self::Accepted => {
                matches!(next, Self::Delivered | Self::Relayed | Self::Expanded | Self::Failed)
            }
            _ => false,
        }
    }
}

/// A server's reply, as it gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteReply {
    /// Reply code.
    pub code: u16,
    /// Enhanced status code, where it gave one.
    pub status: Option<EnhancedStatus>,
    /// Its text, lines joined by LF, without code and status.
    pub text: String,
}

/// One try to hand recipients to one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Numbers of the recipients that it was for.
    pub recipients: Vec<u32>,
    /// When it began.
    pub began_at: UnixMillis,
    /// When it ended.
    pub ended_at: UnixMillis,
    /// The host's name, as the MX record or route gives it.
    pub host: String,
    /// The address that was spoken to.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
    /// TLS of the connection.
    pub tls: Option<TlsRecord>,
    /// How it ended, in a sentence.
    pub result: String,
    /// What was said, line by line: `> ` us, `< ` them, `* ` what we did. Content and
    /// credentials are left out.
    pub transcript: String,
}

/// What became of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its number.
    pub recipient: u32,
    /// Its new state; must be one that its state may become.
    pub state: RecipientState,
    /// For [`RecipientState::Deferred`]: when to try next.
    pub due: Option<UnixMillis>,
    /// Which server said so.
    pub host: Option<String>,
    /// In its words.
    pub reply: Option<RemoteReply>,
    /// Whether this counts as an attempt.
    pub attempted: bool,
    /// Whether the sender has been told of the delay with this.
    pub delay_told: bool,
    /// Whether a hold ends when this defers: for who set one aside for the time of the attempt
    /// itself. An operator's hold outlives the attempt.
    pub ends_hold: bool,
}

/// Outcomes to commit together with the notices that follow from them.
#[derive(Debug)]
pub struct Finish {
    /// Of which submission.
    pub submission: SubmissionId,
    /// Now.
    pub at: UnixMillis,
    /// What became of which recipient.
    pub outcomes: Vec<Outcome>,
    /// The tries behind it.
    pub attempts: Vec<Attempt>,
    /// What happened.
    pub events: Vec<NewEvent>,
    /// Messages of our own that follow: they enter in this very commit, or nothing does.
    pub notices: Vec<Accept>,
    /// What the sender will be told later.
    pub untold: Vec<Untold>,
}

impl Finish {
    /// Nothing yet, of a submission.
    pub fn of(submission: SubmissionId, at: UnixMillis) -> Self {
        Self {
            submission,
            at,
            outcomes: Vec::new(),
            attempts: Vec::new(),
            events: Vec::new(),
            notices: Vec::new(),
            untold: Vec::new(),
        }
    }
}

/// Which submissions are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmissionKey {
    /// By our id.
    Id(SubmissionId),
    /// By Message-ID field, without angle brackets.
    MessageId(String),
    /// By the sender's ENVID.
    EnvelopeId(String),
}

/// One recipient as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientView {
    /// Its number.
    pub number: u32,
    /// Who, with what the sender wants to hear.
    pub recipient: Recipient,
    /// The alias through which it became one.
    pub expanded_from: Option<Address>,
    /// Where it stands.
    pub state: RecipientState,
    /// Since when.
    pub changed_at: UnixMillis,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next.
    pub due: Option<UnixMillis>,
    /// The server that spoke last.
    pub host: Option<String>,
    /// Its words.
    pub reply: Option<RemoteReply>,
    /// Whether the sender has been told of a delay.
    pub delay_told: bool,
    /// Where an operator wants it sent.
    pub route: Option<FixedRoute>,
}

/// A submission as the queue list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its id.
    pub id: SubmissionId,
    /// When it was accepted.
    pub accepted_at: UnixMillis,
    /// Where it came from.
    pub origin: Origin,
    /// Where notices go.
    pub reverse_path: ReversePath,
    /// How much a failure notice returns.
    pub ret: Option<Return>,
    /// The sender's own name for it.
    pub envelope_id: Option<EnvelopeId>,
    /// What the content may contain.
    pub body: BodyType,
    /// What its sender asked of the transfer.
    pub terms: Terms,
    /// Its Message-ID field.
    pub message_id: Option<String>,
    /// Its content, while that is kept.
    pub message: Option<MessageId>,
    /// Octets of the content.
    pub octets: u64,
    /// Every recipient.
    pub recipients: Vec<RecipientView>,
}

/// Everything known of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmissionView {
    /// How it stands.
    pub summary: Summary,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// Every attempt, in order.
    pub attempts: Vec<Attempt>,
}
