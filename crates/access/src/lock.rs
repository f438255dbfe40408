//! The exclusive lock of a maildrop: one POP3 session at a time for each account.
//!
//! It holds within this server, the only one that has the store open, and against POP3
//! alone: a message that is removed in another way while a session runs is missed when it
//! is asked for, not before.
//!
//! Standards: RFC 1939 §4 (the lock), RFC 2449 §8.1.2 (IN-USE).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use store::AccountId;

/// Which maildrops are open. Clones share one table.
#[derive(Clone, Debug, Default)]
pub struct MaildropLocks {
    held: Arc<Mutex<BTreeSet<AccountId>>>,
}

impl MaildropLocks {
    /// Takes the lock of an account; `None` while somebody else has it.
    pub fn take(&self, account: AccountId) -> Option<MaildropLock> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(account).then(|| MaildropLock { locks: self.clone(), account })
    }
}

/// A maildrop's lock, held until it is dropped.
#[derive(Debug)]
pub struct MaildropLock {
    locks: MaildropLocks,
    account: AccountId,
}

impl Drop for MaildropLock {
    fn drop(&mut self) {
        let mut held = self.locks.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(&self.account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_session_for_each_account() {
        let locks = MaildropLocks::default();
        let (alice, bob) = (AccountId(1), AccountId(2));
        let first = locks.take(alice);
        assert!(first.is_some());
        assert!(locks.clone().take(alice).is_none(), "held");
        assert!(locks.take(bob).is_some(), "another account");
        drop(first);
        assert!(locks.take(alice).is_some(), "free again");
    }
}
