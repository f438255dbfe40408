//! What is told: the objects that `--json` prints, and the parts of a trace.
//!
//! Times are RFC 3339 in UTC, sizes octets. Names of fields are an interface: add, never rename.
//!
//! Standards: RFC 3339 (times).
//! Not here: how they look on a terminal (`cli`).

use std::fmt;

use directory::{Place, Resolution, Table, Target};
use envelope::{Address, EnhancedStatus};
use platform::Timestamp;
use serde::{Deserialize, Serialize};
use store::{
    Account, AccountState, AccountUse, Alias, Attempt, DomainRelay, DomainRow, Event, Finding,
    Happening, RecipientView, RemoteReply, Summary, Terms, TlsRecord, UnixMillis, VerifyReport,
};
use store_sqlite::BackupReport;

use super::explain::StepItem;
use crate::archive::{Brought, Exported, Left};

use super::orders::{RuleItem, SuppressedItem};

/// One piece of an answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Item {
    /// A domain that we take mail for.
    Domain(DomainItem),
    /// An account.
    Account(AccountItem),
    /// An alias.
    Alias(AliasItem),
    /// Where mail for an address goes.
    Way(WayItem),
    /// A hold rule.
    Rule(RuleItem),
    /// An address that is suppressed, or might be.
    Suppressed(SuppressedItem),
    /// A submission with recipients that wait.
    Queued(QueueItem),
    /// A submission; its recipients, attempts and events follow.
    Submission(SubmissionItem),
    /// A recipient of the submission before, or a recipient's new state.
    Recipient(RecipientItem),
    /// An attempt for the submission before.
    Attempt(AttemptItem),
    /// An event of the submission before.
    Event(EventItem),
    /// Addresses of the recipients that were changed.
    Changed(Vec<Address>),
    /// Something that was left out.
    Left(Left),
    /// How many messages are where they shall be.
    Brought(Brought),
    /// How much was taken out.
    Exported(Exported),
    /// What was copied.
    BackedUp(BackupReport),
    /// What would happen at one stage.
    Step(StepItem),
    /// Something wrong in the store.
    Finding(Finding),
    /// What was read, without the findings.
    Verified(VerifyReport),
}

/// A time as it is printed.
pub(crate) fn time(at: UnixMillis) -> String {
    Timestamp::from_millis(at.0).to_string()
}

/// A remote host's reply as it is printed: code, enhanced status, text.
pub(crate) fn reply_line(reply: &RemoteReply) -> String {
    let RemoteReply { code, status, text } = reply;
    match status {
        // Some stores keep the status in the text as well.
        Some(status) if EnhancedStatus::at_start_of(text) != Some(*status) => {
            format!("{code} {status} {text}")
        }
        _ => format!("{code} {text}"),
    }
}

/// A domain that we take mail for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DomainItem {
    /// Its name.
    pub(crate) domain: String,
    /// How its mail is handed on; `None`: it is local.
    #[serde(default)]
    pub(crate) relay: Option<DomainRelay>,
    /// When it was added.
    pub(crate) added: String,
}

impl From<&DomainRow> for DomainItem {
    fn from(row: &DomainRow) -> Self {
        Self { domain: row.domain.to_string(), relay: row.relay.clone(), added: time(row.added_at) }
    }
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccountItem {
    /// Its address.
    pub(crate) address: String,
    /// The name of its person.
    pub(crate) name: Option<String>,
    /// How many messages it has.
    pub(crate) messages: u64,
    /// How many octets they have.
    pub(crate) size: u64,
    /// How many octets they may have.
    pub(crate) quota: Option<u64>,
    /// Whether there is a password.
    pub(crate) login: bool,
    /// Whether it is in use.
    #[serde(default)]
    pub(crate) state: AccountState,
    /// When it was made.
    pub(crate) created: String,
}

impl AccountItem {
    /// What is told of an account.
    pub(crate) fn new(account: &Account, in_use: AccountUse) -> Self {
        Self {
            address: account.address.to_string(),
            name: account.name.clone(),
            messages: in_use.messages,
            size: in_use.octets,
            quota: account.quota_octets,
            login: account.credential.is_some(),
            state: account.state,
            created: time(account.created_at),
        }
    }
}

/// An alias.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AliasItem {
    /// An address, or `@domain`.
    pub(crate) alias: String,
    /// Where its mail goes.
    pub(crate) targets: Vec<String>,
    /// Who hears of trouble with them instead of the author.
    #[serde(default)]
    pub(crate) owner: Option<String>,
}

impl From<&Alias> for AliasItem {
    fn from(alias: &Alias) -> Self {
        Self {
            alias: alias.key.to_string(),
            targets: alias.targets.iter().map(Address::to_string).collect(),
            owner: alias.owner.as_ref().map(Address::to_string),
        }
    }
}

/// Where mail for an address goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WayItem {
    /// The address that was asked about.
    pub(crate) address: String,
    /// Why it goes there, or nowhere.
    pub(crate) why: String,
    /// Who hears of trouble instead of the author.
    pub(crate) owner: Option<String>,
    /// Where it goes, all aliases followed.
    pub(crate) places: Vec<String>,
}

impl WayItem {
    /// What the directory says.
    pub(crate) fn new(table: &Table, address: &Address) -> Self {
        let (why, targets) = match table.resolve(address) {
            Resolution::Local(targets) => {
                let by_alias = targets.iter().any(|target| target.by_alias);
                (if by_alias { "is an alias" } else { "is an account's" }, targets)
            }
            Resolution::Unknown => ("is nobody's: mail is refused with 550 5.1.1", Vec::new()),
            Resolution::TooMany => {
                ("has too many targets: mail is put off with 451 4.3.5", Vec::new())
            }
            Resolution::Remote => ("is elsewhere: its domain is not local", Vec::new()),
        };
        let place = |target: &Target| match target.place {
            Place::Account(account) => match table.address(account) {
                Some(own) if *own != target.address => {
                    format!("{} in the mailbox of {own}", target.address)
                }
                _ => format!("{} in its mailbox", target.address),
            },
            Place::Elsewhere => format!("{} elsewhere", target.address),
        };
        Self {
            address: address.to_string(),
            why: why.to_owned(),
            owner: table.owner(address).map(Address::to_string),
            places: targets.iter().map(place).collect(),
        }
    }
}

/// A submission with recipients that wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QueueItem {
    /// The id that our 250 gave out.
    pub(crate) id: String,
    /// When it was accepted.
    pub(crate) created: String,
    /// Its reverse-path; empty for notices.
    pub(crate) sender: String,
    /// Octets of its content.
    pub(crate) size: u64,
    /// What its sender asked of the transfer.
    #[serde(flatten)]
    pub(crate) terms: TermsItem,
    /// Its recipients, settled ones as well.
    pub(crate) recipients: Vec<RecipientItem>,
}

impl From<&Summary> for QueueItem {
    fn from(summary: &Summary) -> Self {
        Self {
            id: summary.id.to_string(),
            created: time(summary.accepted_at),
            sender: sender(summary),
            size: summary.octets,
            terms: TermsItem::from(&summary.terms),
            recipients: summary.recipients.iter().map(RecipientItem::from).collect(),
        }
    }
}

/// What a sender asked of the transfer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct TermsItem {
    /// When it is released, or was.
    pub(crate) released_at: Option<String>,
    /// By when it should be delivered.
    pub(crate) deliver_by: Option<String>,
    /// How urgent it is, from -9 to 9.
    pub(crate) priority: i8,
}

impl From<&Terms> for TermsItem {
    fn from(terms: &Terms) -> Self {
        Self {
            released_at: terms.release.map(|release| time(release.at)),
            deliver_by: terms.deliver_by.map(|deadline| time(deadline.at)),
            priority: terms.priority.number(),
        }
    }
}

/// As people read it; nothing for usual mail.
impl fmt::Display for TermsItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.released_at {
            write!(f, "  released at {at}")?;
        }
        if let Some(by) = &self.deliver_by {
            write!(f, "  to be delivered by {by}")?;
        }
        match self.priority {
            0 => Ok(()),
            priority => write!(f, "  priority {priority}"),
        }
    }
}

fn sender(summary: &Summary) -> String {
    summary.reverse_path.address().map(Address::to_string).unwrap_or_default()
}

/// A recipient and its fate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecipientItem {
    /// Its number within the submission.
    pub(crate) number: u32,
    /// Where its mail goes.
    pub(crate) address: String,
    /// What has become of it.
    pub(crate) state: String,
    /// How often it was tried.
    pub(crate) attempts: u32,
    /// When it is tried next.
    pub(crate) next_attempt: Option<String>,
    /// What a remote host said last.
    pub(crate) last_reply: Option<String>,
    /// Which host that was.
    pub(crate) host: Option<String>,
    /// The alias that led here.
    pub(crate) expanded_from: Option<String>,
    /// When its state changed last.
    pub(crate) changed: String,
    /// Whether nothing more will be done for it.
    pub(crate) settled: bool,
    /// Where an operator wants it sent.
    #[serde(default)]
    pub(crate) route: Option<String>,
    /// What it waits for at its destination, as far as a running server knows.
    #[serde(default)]
    pub(crate) waits_for: Option<String>,
}

impl From<&RecipientView> for RecipientItem {
    fn from(view: &RecipientView) -> Self {
        Self {
            number: view.number,
            address: view.recipient.address.to_string(),
            state: view.state.name().to_owned(),
            attempts: view.attempts,
            next_attempt: view.due.filter(|_| view.state.is_open()).map(time),
            last_reply: view.reply.as_ref().map(reply_line),
            host: view.host.clone(),
            expanded_from: view.expanded_from.as_ref().map(Address::to_string),
            changed: time(view.changed_at),
            settled: !view.state.is_open(),
            route: view.route.as_ref().map(ToString::to_string),
            waits_for: None,
        }
    }
}

/// A submission, without its recipients, attempts and events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SubmissionItem {
    /// The id that our 250 gave out.
    pub(crate) id: String,
    /// When it was accepted.
    pub(crate) created: String,
    /// Its reverse-path; empty for notices.
    pub(crate) sender: String,
    /// Octets of its content.
    pub(crate) size: u64,
    /// Its Message-ID field.
    pub(crate) message_id: Option<String>,
    /// The sender's own name for it (ENVID).
    pub(crate) envelope_id: Option<String>,
    /// What its sender asked of the transfer.
    #[serde(flatten)]
    pub(crate) terms: TermsItem,
}

impl From<&Summary> for SubmissionItem {
    fn from(summary: &Summary) -> Self {
        Self {
            id: summary.id.to_string(),
            created: time(summary.accepted_at),
            sender: sender(summary),
            size: summary.octets,
            message_id: summary.message_id.clone(),
            envelope_id: summary.envelope_id.as_ref().map(|id| id.as_str().to_owned()),
            terms: TermsItem::from(&summary.terms),
        }
    }
}

/// One connection to a host, with all that was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AttemptItem {
    /// The recipients that it was made for, by number.
    pub(crate) recipients: Vec<u32>,
    /// When it began.
    pub(crate) began: String,
    /// When it ended.
    pub(crate) ended: String,
    /// The host's name.
    pub(crate) host: String,
    /// Its address.
    pub(crate) address: Option<String>,
    /// Its port.
    pub(crate) port: u16,
    /// How the connection was protected.
    pub(crate) tls: Option<TlsRecord>,
    /// How it went.
    pub(crate) result: String,
    /// All that was said, a line each, `C: ` and `S: ` in front.
    pub(crate) transcript: String,
}

impl From<&Attempt> for AttemptItem {
    fn from(attempt: &Attempt) -> Self {
        Self {
            recipients: attempt.recipients.clone(),
            began: time(attempt.began_at),
            ended: time(attempt.ended_at),
            host: attempt.host.clone(),
            address: attempt.address.map(|address| address.to_string()),
            port: attempt.port,
            tls: attempt.tls.clone(),
            result: attempt.result.clone(),
            transcript: attempt.transcript.clone(),
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventItem {
    /// Its number within the submission.
    pub(crate) number: u32,
    /// When.
    pub(crate) at: String,
    /// To which recipient, by number; all without it.
    pub(crate) recipient: Option<u32>,
    /// What.
    #[serde(flatten)]
    pub(crate) happening: Happening,
    /// Why.
    pub(crate) reason: String,
}

impl From<&Event> for EventItem {
    fn from(event: &Event) -> Self {
        Self {
            number: event.number,
            at: time(event.event.at),
            recipient: event.event.recipient,
            happening: event.event.happening.clone(),
            reason: event.event.reason.clone(),
        }
    }
}
