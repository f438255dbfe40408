//! Mail that waits.
//!
//! Standards: RFC 5321 §4.5.4 (retry strategies need to know what waits).
//! Not here: the schedule (crate `mta`).

use std::fmt;

use envelope::Address;
use serde::{Deserialize, Serialize};

use crate::{RecipientView, SubmissionId, Summary, UnixMillis};

/// A submission some of whose recipients are due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The submission with all of its recipients.
    pub summary: Summary,
    /// Numbers of those that are due and now leased.
    pub due: Vec<u32>,
}

/// A recipient that is due.
pub type DueRecipient<'a> = &'a RecipientView;

impl Due {
    /// The recipients that are due.
    pub fn recipients(&self) -> impl Iterator<Item = DueRecipient<'_>> {
        self.summary.recipients.iter().filter(|recipient| self.due.contains(&recipient.number))
    }
}

/// Which submissions to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueFilter {
    /// Settled ones too.
    pub settled: bool,
    /// Only those accepted before this one was, for paging.
    pub before: Option<SubmissionId>,
    /// Only those accepted after this one was, for paging from the oldest on.
    pub after: Option<SubmissionId>,
    /// At most this many; `None`: all.
    pub limit: Option<u32>,
    /// Only those some of whose recipients are due later than this. However much waits, finding
    /// none of them costs next to nothing.
    pub due_after: Option<UnixMillis>,
}

/// A host that an operator names instead of the one that the domain or the configuration does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FixedRoute {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl fmt::Display for FixedRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// What an operator wants done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SteerAction {
    /// Try now.
    Retry,
    /// Put aside.
    Hold,
    /// Let held ones go on.
    Release,
    /// Take back, without a notice.
    Cancel,
    /// Take back; the sender is told, if they want to hear of failures.
    CancelAndTell,
    /// Send it there; `None`: where mail for the address goes by itself. Who waits is tried now.
    Route(Option<FixedRoute>),
}

/// An operator's order for a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steer {
    /// Which.
    pub submission: SubmissionId,
    /// Only this recipient; `None`: all that are open.
    pub recipient: Option<Address>,
    /// What.
    pub action: SteerAction,
    /// Now.
    pub at: UnixMillis,
}
