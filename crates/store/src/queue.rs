//! Mail that waits.
//!
//! Standards: RFC 5321 §4.5.4 (retry strategies need to know what waits).
//! Not here: the schedule (crate `mta`).

use envelope::Address;

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
    /// At most this many; `None`: all.
    pub limit: Option<u32>,
    /// Only those some of whose recipients are due later than this. However much waits, finding
    /// none of them costs next to nothing.
    pub due_after: Option<UnixMillis>,
}

/// What an operator wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SteerAction {
    /// Try now.
    Retry,
    /// Put aside.
    Hold,
    /// Let held ones go on.
    Release,
    /// Take back, without a notice.
    Cancel,
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
