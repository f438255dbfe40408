//! Which due recipients somebody is working on. Kept in memory: after a crash nobody is.
//!
//! Not here: when a lease ends by a result (`finish`).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use store::{SubmissionId, UnixMillis};

/// Recipients and until when they are leased.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    until: Mutex<BTreeMap<(SubmissionId, u32), UnixMillis>>,
}

impl Leases {
    fn map(&self) -> MutexGuard<'_, BTreeMap<(SubmissionId, u32), UnixMillis>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when a recipient is leased; `None`: it is free.
    pub(crate) fn until(&self, submission: SubmissionId, recipient: u32) -> Option<UnixMillis> {
        self.map().get(&(submission, recipient)).copied()
    }

    /// Leases a recipient.
    pub(crate) fn take(&self, submission: SubmissionId, recipient: u32, until: UnixMillis) {
        self.map().insert((submission, recipient), until);
    }

    /// Ends a lease.
    pub(crate) fn end(&self, submission: SubmissionId, recipient: u32) {
        self.map().remove(&(submission, recipient));
    }

    /// Forgets leases that ran out.
    pub(crate) fn expire(&self, now: UnixMillis) {
        self.map().retain(|_, until| *until > now);
    }

    /// All leases.
    pub(crate) fn all(&self) -> BTreeMap<(SubmissionId, u32), UnixMillis> {
        self.map().clone()
    }
}
