//! Mailboxes and their entries.
//!
//! Standards: RFC 9051 §2.3 (UIDs, flags, internal date, size), RFC 6154 (special use),
//! RFC 7162 (changes since a MODSEQ).
//! Not here: what a protocol shows of them (crate `access`).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{AccountId, MailboxId, MessageId, Modseq, SubmissionId, Uid, UidValidity, UnixMillis};

/// The mailbox that every account has and new mail goes to (RFC 9051 §5.1).
pub const INBOX: &str = "INBOX";

/// What a mailbox is for (RFC 6154 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MailboxRole {
    /// New mail.
    Inbox,
    /// What was sent.
    Sent,
    /// What is being written.
    Drafts,
    /// What is to go.
    Trash,
    /// What is unwanted.
    Junk,
    /// What is kept.
    Archive,
    /// Delivery reports that were matched to a sent message.
    Reports,
}

/// A mailbox to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMailbox {
    /// Its name, unique within its account.
    pub name: String,
    /// What it is for.
    pub role: Option<MailboxRole>,
}

/// A mailbox as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Its number.
    pub id: MailboxId,
    /// Whose.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Option<MailboxRole>,
    /// Under which its UIDs hold.
    pub uid_validity: UidValidity,
    /// The UID that the next entry gets.
    pub uid_next: Uid,
    /// The MODSEQ of its last change.
    pub modseq: Modseq,
    /// How many entries it has.
    pub messages: u64,
    /// Their sizes together.
    pub octets: u64,
    /// How many of them lack [`Flag::Seen`].
    pub unseen: u64,
}

/// A system flag (RFC 9051 §2.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flag {
    /// Has been read.
    Seen,
    /// Has been answered.
    Answered,
    /// Is flagged for attention.
    Flagged,
    /// Is to be removed.
    Deleted,
    /// Is not finished.
    Draft,
}

impl Flag {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Seen, Self::Answered, Self::Flagged, Self::Deleted, Self::Draft];

    /// Its bit in a stored set.
    pub fn bit(self) -> u32 {
        match self {
            Self::Seen => 1,
            Self::Answered => 2,
            Self::Flagged => 4,
            Self::Deleted => 8,
            Self::Draft => 16,
        }
    }

    /// Its IMAP name without the backslash, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Answered => "answered",
            Self::Flagged => "flagged",
            Self::Deleted => "deleted",
            Self::Draft => "draft",
        }
    }
}

/// An entry's system flags and keywords.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    bits: u32,
    /// Keywords, such as `$Forwarded`.
    pub keywords: BTreeSet<String>,
}

impl Flags {
    /// From the bits that engines keep; unknown ones are dropped.
    pub fn from_bits(bits: u32, keywords: BTreeSet<String>) -> Self {
        let known = Flag::ALL.iter().fold(0, |all, flag| all | flag.bit());
        Self { bits: bits & known, keywords }
    }

    /// The system flags as bits.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// Whether a flag is set.
    pub fn contains(&self, flag: Flag) -> bool {
        self.bits & flag.bit() != 0
    }

    /// Sets a flag.
    pub fn insert(&mut self, flag: Flag) {
        self.bits |= flag.bit();
    }

    /// Clears a flag.
    pub fn remove(&mut self, flag: Flag) {
        self.bits &= !flag.bit();
    }
}

/// A change of flags and keywords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlagChange {
    /// Sets these, leaves the others.
    Add(Flags),
    /// Clears these, leaves the others.
    Remove(Flags),
    /// Sets exactly these.
    Replace(Flags),
}

impl FlagChange {
    /// What flags become.
    pub fn apply(&self, flags: &Flags) -> Flags {
        match self {
            Self::Add(set) => Flags {
                bits: flags.bits | set.bits,
                keywords: flags.keywords.union(&set.keywords).cloned().collect(),
            },
            Self::Remove(cleared) => Flags {
                bits: flags.bits & !cleared.bits,
                keywords: flags.keywords.difference(&cleared.keywords).cloned().collect(),
            },
            Self::Replace(set) => set.clone(),
        }
    }
}

/// A message in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub mailbox: MailboxId,
    /// Its UID there.
    pub uid: Uid,
    /// Which message.
    pub message: MessageId,
    /// Under which id it came.
    pub submission: SubmissionId,
    /// The trace fields of this delivery alone, above the shared content (RFC 5321 §4.4).
    pub prefix: Vec<u8>,
    /// Octets of prefix and content together: what every protocol calls its size.
    pub octets: u64,
    /// When it was delivered here (RFC 9051 §2.3.3).
    pub delivered_at: UnixMillis,
    /// The MODSEQ of its last change.
    pub modseq: Modseq,
    /// Its flags and keywords.
    pub flags: Flags,
}

/// What changed in an account after a MODSEQ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Entries that came or changed, by MODSEQ.
    pub changed: Vec<Entry>,
    /// Entries that went: mailbox, UID, MODSEQ of the removal.
    pub expunged: Vec<(MailboxId, Uid, Modseq)>,
    /// Up to where this tells everything.
    pub up_to: Modseq,
}
