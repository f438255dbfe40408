//! What can be asked.
//!
//! Standards: none of its own.
//! Not here: doing it (`perform`).

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;

use envelope::{Address, Domain};
use serde::{Deserialize, Serialize};
use store::{AccountState, DomainRelay, FixedRoute, SteerAction, SubmissionId};

use super::explain::Supposed;
use super::orders::Order;
use super::search::Wanted;
use crate::archive::{Export, Import, Part};

/// One thing to do or to tell.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub(crate) enum Request {
    /// Take mail for a domain.
    DomainAdd {
        /// Which.
        domain: Domain,
        /// How its mail is handed on; without it the domain is local.
        #[serde(default)]
        relay: Option<DomainRelay>,
    },
    /// All domains that we take mail for.
    DomainList,
    /// Make a domain foreign again.
    DomainRemove {
        /// Which.
        domain: Domain,
    },
    /// Make accounts.
    AccountAdd {
        /// Their addresses.
        addresses: Vec<Address>,
        /// The password that they share; without one nobody can log in.
        password: Option<Secret>,
        /// The name of the person.
        name: Option<String>,
        /// How much they may keep.
        quota_octets: Option<u64>,
    },
    /// All accounts.
    AccountList,
    /// One account.
    AccountShow {
        /// Which.
        address: Address,
    },
    /// Remove an account with its mail.
    AccountRemove {
        /// Which.
        address: Address,
    },
    /// Replace a password.
    AccountPassword {
        /// Whose.
        address: Address,
        /// The new one.
        password: Secret,
    },
    /// Set how much an account may hold.
    AccountQuota {
        /// Which.
        address: Address,
        /// How much; without it any amount.
        quota_octets: Option<u64>,
    },
    /// Take an account out of use, or back into it.
    AccountState {
        /// Which.
        address: Address,
        /// What it shall be.
        state: AccountState,
    },
    /// Make or replace an alias.
    AliasAdd {
        /// An address, or `@domain` for all of a domain that is nobody's.
        alias: String,
        /// Where its mail goes.
        targets: Vec<Address>,
        /// Who hears of trouble with them instead of the author.
        #[serde(default)]
        owner: Option<Address>,
    },
    /// Where mail for an address goes.
    AliasShow {
        /// Which.
        address: Address,
        /// What stands between a user and a detail, by the configuration.
        separator: Option<char>,
    },
    /// All aliases.
    AliasList,
    /// Remove an alias.
    AliasRemove {
        /// Which.
        alias: String,
    },
    /// What waits.
    QueueList,
    /// One submission of the queue.
    QueueShow {
        /// Which.
        id: SubmissionId,
    },
    /// Take the queue's work into one's own hands.
    QueueSteer {
        /// Which submission.
        id: SubmissionId,
        /// Which of its recipients; all that are open without it.
        recipient: Option<Address>,
        /// What to do.
        action: Steering,
    },
    /// Submissions that match, settled ones as well.
    QueueSearch(Box<Wanted>),
    /// The same order for all that waits and matches.
    QueueSteerAll {
        /// What matches.
        wanted: Box<Wanted>,
        /// What to do.
        action: Steering,
    },
    /// Standing orders for new mail.
    Orders(Order),
    /// Everything known of a message.
    Trace {
        /// Our id, a Message-ID or an ENVID.
        key: String,
        /// Whether to go on telling.
        follow: Follow,
    },
    /// Copy everything.
    Backup {
        /// Where to.
        folder: PathBuf,
        /// How many generations to keep.
        keep: Option<NonZeroU32>,
    },
    /// Bring back messages of an account.
    Restore(Box<Part>),
    /// Take messages in from files.
    Import(Box<Import>),
    /// Take messages out into files.
    Export(Box<Export>),
    /// What would happen to a message.
    Explain(Box<Supposed>),
    /// Read and check the whole store.
    Verify {
        /// Whether to repair what can be.
        repair: bool,
        /// Remove content that nothing refers to, too.
        #[serde(default)]
        remove: bool,
    },
}

impl Request {
    /// Whether its answer may wait for things to happen.
    pub(super) fn waits(&self) -> bool {
        matches!(self, Self::Trace { follow: Follow::UntilSettled, .. })
    }
}

/// Whether to go on telling until all is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Follow {
    /// Tell what is known now.
    No,
    /// Tell what happens, until every recipient is settled.
    UntilSettled,
}

/// What to do with a waiting submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Steering {
    /// Try now.
    Retry,
    /// Do not try.
    Hold,
    /// Try again what was held.
    Release,
    /// Give up.
    Cancel,
    /// Give up, and tell the sender.
    CancelAndTell,
    /// Send it there; `None`: where it goes by itself.
    Route(Option<FixedRoute>),
}

impl From<Steering> for SteerAction {
    fn from(steering: Steering) -> Self {
        match steering {
            Steering::Retry => Self::Retry,
            Steering::Hold => Self::Hold,
            Steering::Release => Self::Release,
            Steering::Cancel => Self::Cancel,
            Steering::CancelAndTell => Self::CancelAndTell,
            Steering::Route(to) => Self::Route(to),
        }
    }
}

/// A password on its way to the process that stores its verifiers.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
