//! Password checks: few at a time, in memory that is used again.
//!
//! A check takes 19 MiB on purpose. Memory of that size which is given back stays with the
//! allocator, once for each thread that ever checked; so there are as many pieces of it as there
//! are turns, and they are passed on.
//!
//! Standards: RFC 9106 §3 (Argon2).
//! Not here: what is stored of a password (`credential`).

use std::sync::{Arc, Mutex, PoisonError};

use sasl::Password;
use tokio::sync::Semaphore;

use crate::DirectoryError;
use crate::credential::{self, Workspace};

/// Password checks at a time; each takes 19 MiB and a core.
const CHECKS_AT_A_TIME: usize = 4;

/// The turns and their memory.
pub(crate) struct Checks {
    turns: Arc<Semaphore>,
    workspaces: Arc<Mutex<Vec<Workspace>>>,
}

impl Checks {
    pub(crate) fn new() -> Self {
        Self { turns: Arc::new(Semaphore::new(CHECKS_AT_A_TIME)), workspaces: Arc::default() }
    }

    /// Whether a password is the one that a hash was made of.
    ///
    /// A caller that gives up leaves its check running; the turn ends with the check.
    pub(crate) async fn fits(
        &self,
        password: Password,
        hash: String,
    ) -> Result<bool, DirectoryError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| DirectoryError::Closed)?;
        let workspaces = Arc::clone(&self.workspaces);
        let check = move || {
            // Nothing panics while it is held, so a poisoned one is whole.
            let free = || workspaces.lock().unwrap_or_else(PoisonError::into_inner);
            let mut workspace = free().pop().unwrap_or_default();
            let fits = credential::fits(&password, &hash, &mut workspace);
            free().push(workspace);
            drop(turn);
            fits
        };
        tokio::task::spawn_blocking(check).await.map_err(|_| DirectoryError::Closed)
    }
}

#[cfg(test)]
mod tests {
    use platform::SystemRandom;

    use super::*;

    #[tokio::test]
    async fn memory_that_was_used_before_changes_no_verdict() {
        let hash = credential::decoy(b"the right one", &SystemRandom).unwrap();
        let checks = Checks::new();
        for (password, wanted) in [("wrong", false), ("the right one", true), ("wrong", false)] {
            let found = checks.fits(Password::new(password), hash.clone()).await.unwrap();
            assert_eq!(found, wanted, "{password}");
        }
        let kept = checks.workspaces.lock().unwrap().len();
        assert_eq!(kept, 1, "one after the other: one piece of memory");
    }

    #[tokio::test]
    async fn there_is_no_more_memory_than_there_are_turns() {
        let hash = credential::decoy(b"the right one", &SystemRandom).unwrap();
        let checks = Arc::new(Checks::new());
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..3 * CHECKS_AT_A_TIME {
            let (checks, hash) = (Arc::clone(&checks), hash.clone());
            running.spawn(async move { checks.fits(Password::new("wrong"), hash).await });
        }
        while let Some(found) = running.join_next().await {
            assert!(!found.unwrap().unwrap());
        }
        let kept = checks.workspaces.lock().unwrap().len();
        assert!(kept <= CHECKS_AT_A_TIME, "{kept}");
    }

    #[tokio::test]
    async fn what_is_no_hash_fits_nothing() {
        let checks = Checks::new();
        let salted = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ";
        let other = "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAA";
        for hash in ["", "plain", salted, other, "$argon2id$v=19$m=4294967295,t=2,p=1$c2FsdA$AAAA"]
        {
            let found = checks.fits(Password::new("x"), hash.to_owned()).await.unwrap();
            assert!(!found, "{hash}");
        }
    }
}
