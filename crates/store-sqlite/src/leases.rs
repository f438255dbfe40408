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
    /// Those whose leases ended although nothing was told of them: they stand where they stood.
    freed: Mutex<Vec<(SubmissionId, u32)>>,
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

    /// Ends a lease of somebody who did nothing.
    pub(crate) fn give_back(&self, submission: SubmissionId, recipient: u32) {
        let key = (submission, recipient);
        if self.map().remove(&key).is_some() {
            self.freed().push(key);
        }
    }

    /// Ends leases that ran out.
    pub(crate) fn expire(&self, now: UnixMillis) {
        let mut freed = self.freed();
        self.map().retain(|key, until| {
            let stays = *until > now;
            if !stays {
                freed.push(*key);
            }
            stays
        });
    }

    /// Takes those that were given back or ran out since this was asked last.
    pub(crate) fn take_freed(&self) -> Vec<(SubmissionId, u32)> {
        std::mem::take(&mut self.freed())
    }

    /// When the first lease ends.
    pub(crate) fn earliest_end(&self) -> Option<UnixMillis> {
        self.map().values().min().copied()
    }

    fn freed(&self) -> MutexGuard<'_, Vec<(SubmissionId, u32)>> {
        self.freed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
