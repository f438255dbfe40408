//! Looking for submissions by who is concerned, settled ones as well.
//!
//! An author's own view is a search with [`Search::login`]: whatever somebody sent after logging
//! in, under whichever address.
//!
//! Standards: none of its own.
//! Not here: looking one up by its id (`SubmissionKey`), what waits (`QueueFilter`).

use envelope::{Address, Domain, ReversePath};
use serde::{Deserialize, Serialize};

use crate::{AccountId, RecipientState, RecipientView, SubmissionId, UnixMillis};

/// Which submissions are looked for. All that is given must be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// Whose mail.
    pub sender: Option<SenderPattern>,
    /// To whom; one recipient must match this and `state`.
    pub recipient: Option<RecipientPattern>,
    /// Where a recipient stands.
    pub state: Option<StatePattern>,
    /// Who had logged in to send it.
    pub login: Option<AccountId>,
    /// Only those accepted then or later.
    pub since: Option<UnixMillis>,
    /// Only those accepted before that.
    pub until: Option<UnixMillis>,
    /// Only those whose id is lower, for paging.
    pub before: Option<SubmissionId>,
    /// At most this many, the newest ones.
    pub limit: u32,
}

impl Search {
    /// For anything.
    pub fn any(limit: u32) -> Self {
        Self {
            sender: None,
            recipient: None,
            state: None,
            login: None,
            since: None,
            until: None,
            before: None,
            limit,
        }
    }

    /// Whether a recipient of a submission that was found is one that was looked for.
    pub fn is_about(&self, view: &RecipientView) -> bool {
        let address = &view.recipient.address;
        let is_meant = self.recipient.as_ref().is_none_or(|pattern| pattern.matches(address));
        let stands_so = match self.state {
            None => true,
            Some(StatePattern::Open) => view.state.is_open(),
            Some(StatePattern::Is(state)) => view.state == state,
        };
        is_meant && stands_so
    }
}

/// Which senders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SenderPattern {
    /// Nobody: notices and the like (RFC 5321 §4.5.5).
    Null,
    /// This one; case does not matter.
    Address(Address),
    /// All of a domain.
    Domain(Domain),
}

impl SenderPattern {
    /// Whether a reverse-path is meant.
    pub fn matches(&self, sender: &ReversePath) -> bool {
        match (self, sender.address()) {
            (Self::Null, address) => address.is_none(),
            (_, None) => false,
            (Self::Address(wanted), Some(address)) => is_same(wanted, address),
            (Self::Domain(wanted), Some(address)) => is_at(wanted, address),
        }
    }
}

/// Which recipients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecipientPattern {
    /// This one; case does not matter.
    Address(Address),
    /// All of a domain.
    Domain(Domain),
}

impl RecipientPattern {
    /// Whether an address is meant.
    pub fn matches(&self, address: &Address) -> bool {
        match self {
            Self::Address(wanted) => is_same(wanted, address),
            Self::Domain(wanted) => is_at(wanted, address),
        }
    }
}

fn is_same(wanted: &Address, address: &Address) -> bool {
    is_at(wanted.domain(), address)
        && wanted.local().as_str().eq_ignore_ascii_case(address.local().as_str())
}

fn is_at(wanted: &Domain, address: &Address) -> bool {
    wanted.as_str().eq_ignore_ascii_case(address.domain().as_str())
}

/// Which states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatePattern {
    /// Those that still wait in the queue.
    Open,
    /// Just this one.
    Is(RecipientState),
}
