//! `restore`: a whole store, or one account, mailbox or message.
//!
//! Standards: none of its own.
//! Not here: what is done with the pieces (`bring`).

use std::path::PathBuf;
use std::sync::Arc;

use envelope::Address;
use message::Message;
use platform::Clock;
use platform::SystemClock;
use serde::{Deserialize, Serialize};
use store::{Account, AccountId, Entry, Mailbox, NewAccount, Store, StoreError};
use store_sqlite::{Kept, RestoreOptions, Restored, restore};

use super::bring::{self, Brought, Find, Finds, Left, Piece, Writing};
use crate::control::Items;
use crate::engine::Engine;
use crate::failure::Failure;
use crate::folder::Folder;

/// Octets of a message that are read at once.
const READ_OCTETS: usize = 1024 * 1024;

/// A header is looked for in this much of a message.
const HEADER_OCTETS_MAX: usize = 256 * 1024;

/// What to bring back of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// The backup's folder.
    pub(crate) folder: PathBuf,
    /// Which generation; the newest without it.
    pub(crate) generation: Option<String>,
    /// Whose.
    pub(crate) account: Address,
    /// Only this mailbox.
    pub(crate) mailbox: Option<String>,
    /// Only messages with this id: ours, or of the Message-ID field.
    pub(crate) message: Option<String>,
}

/// Makes a data folder's store of a backup.
pub(crate) async fn restore_all(
    folder: &Folder,
    from: PathBuf,
    generation: Option<String>,
) -> Result<Restored, Failure> {
    let lock = folder.lock().map_err(|taken| taken.into_failure(folder))?;
    let place = from.clone();
    let options = RestoreOptions {
        from,
        generation,
        folder: folder.path().to_owned(),
        at: SystemClock.now(),
    };
    let restored = tokio::task::spawn_blocking(move || restore(&options));
    let restored = restored.await.map_err(|_| broke_down())?;
    drop(lock);
    restored.map_err(|error| match error {
        StoreError::Exists { .. } => Failure::new(
            "there is a store already, and restore never \
                                                   writes over one",
        )
        .in_path(folder.path())
        .remedy("choose another data_dir, or bring back one account with --account"),
        other => Failure::from(other).in_path(&place),
    })
}

fn broke_down() -> Failure {
    Failure::new("the restore broke down, which is a bug of ours")
}

/// Brings back messages of one account, as far as they are not there.
pub(crate) async fn restore_part(
    part: Part,
    engine: &Engine,
    items: &Items,
) -> Result<Brought, Failure> {
    let (folder, generation) = (part.folder.clone(), part.generation.clone());
    let kept = tokio::task::spawn_blocking(move || {
        Kept::open(&folder, generation.as_deref()).and_then(|kept| Ok((kept.accounts()?, kept)))
    });
    let opened = kept.await.map_err(|_| broke_down())?;
    let (accounts, kept) = opened.map_err(|error| Failure::from(error).in_path(&part.folder))?;
    let wanted = part.account.folded();
    let Some(old) = accounts.into_iter().find(|account| account.address.folded() == wanted) else {
        return Err(Failure::new(format!("there is no account {wanted} in the backup"))
            .at(kept.name())
            .remedy("look for it in an older generation (--generation)"));
    };
    let account = present(engine, &old).await?;
    let store = Arc::clone(&engine.store);
    let walked = old.id;
    let finds = bring::walk(move |finds| Ok(walk(&kept, walked, &part, store.as_ref(), finds)?));
    bring::bring(engine, account, finds, items).await
}

/// The account as it is now; made as it was, if it is gone.
async fn present(engine: &Engine, old: &Account) -> Result<AccountId, Failure> {
    if let Some(account) = engine.directory.account(&old.address) {
        return Ok(account.id);
    }
    let new = NewAccount {
        address: old.address.clone(),
        name: old.name.clone(),
        quota_octets: old.quota_octets,
        credential: old.credential.clone(),
        created_at: old.created_at,
    };
    let made = engine.store.add_account(new).await?;
    engine.directory.refresh().await?;
    Ok(made)
}

fn walk(
    kept: &Kept,
    account: AccountId,
    part: &Part,
    store: &dyn Store,
    finds: &Finds,
) -> Result<(), StoreError> {
    let mut found = false;
    for mailbox in kept.mailboxes(account)? {
        if part.mailbox.as_ref().is_some_and(|wanted| *wanted != mailbox.name) {
            continue;
        }
        found = true;
        if part.message.is_none() {
            let find = Find::Mailbox { name: mailbox.name.clone(), role: mailbox.role };
            if !finds.tell(find) {
                return Ok(());
            }
        }
        for entry in kept.entries(account, mailbox.id)? {
            let Some(find) = look(kept, &mailbox, &entry, part, store)? else { continue };
            if !finds.tell(find) {
                return Ok(());
            }
        }
    }
    if !found {
        let what = format!(
            "mailbox {} of {} in the backup {}",
            part.mailbox.as_deref().unwrap_or("INBOX"),
            part.account,
            kept.name()
        );
        return Err(StoreError::NotFound { what });
    }
    Ok(())
}

/// One entry, if it is wanted. What the backup cannot give is told; what our own store cannot
/// take ends it all.
fn look(
    kept: &Kept,
    mailbox: &Mailbox,
    entry: &Entry,
    part: &Part,
    store: &dyn Store,
) -> Result<Option<Find>, StoreError> {
    let left = |error: &StoreError| {
        let place = format!("{} {}", mailbox.name, entry.uid.get());
        Some(Find::Left(Left { place, reason: error.to_string() }))
    };
    let head = match kept.read(entry.message, 0, HEADER_OCTETS_MAX) {
        Ok(head) => head,
        Err(error) => return Ok(left(&error)),
    };
    let message_id = message_id(&head);
    if let Some(wanted) = &part.message {
        let bare = wanted.trim_start_matches('<').trim_end_matches('>');
        if message_id.as_deref() != Some(bare) && entry.submission.to_string() != *wanted {
            return Ok(None);
        }
    }
    let mut writing = Writing::new(store, entry.prefix.clone())?;
    let mut offset = 0;
    loop {
        match kept.read(entry.message, offset, READ_OCTETS) {
            Ok(octets) if octets.is_empty() => break,
            Ok(octets) => {
                writing.write(&octets)?;
                offset = offset.saturating_add(octets.len() as u64);
            }
            Err(error) => return Ok(left(&error)),
        }
    }
    let piece: Piece =
        writing.end(&mailbox.name, entry.flags.clone(), entry.delivered_at, message_id)?;
    Ok(Some(Find::Piece(Box::new(piece))))
}

/// The Message-ID field without angle brackets.
fn message_id(head: &[u8]) -> Option<String> {
    Message::parse(head).message_id().map(|id| id.to_string())
}
