//! An account's INBOX as one POP3 session sees it: fixed at login, read in chunks.
//!
//! Only what identifies an entry is kept; its prefix is read again when the message is
//! fetched. So a session costs few octets for each message, and notices when an entry has
//! been removed in another way.
//!
//! Standards: RFC 1939 §4 (the maildrop does not change during a session), §7 (UIDL),
//! §11 (sizes).

use bytes::Bytes;
use pop3::Uidl;
use pop3::server;
use store::{AccountId, INBOX, MailboxId, MessageId, Store, StoreError, Uid};

use crate::lock::MaildropLock;

/// How much content is read at a time.
const CHUNK_OCTETS: usize = 64 * 1024;

/// An open maildrop. Dropping it gives the lock back.
#[derive(Debug)]
pub(crate) struct Maildrop {
    account: AccountId,
    mailbox: MailboxId,
    uids: Vec<Uid>,
    _lock: MaildropLock,
}

/// A message that is being read.
#[derive(Debug)]
pub(crate) struct Reading {
    message: MessageId,
    /// The entry's trace fields, which come first.
    prefix: Option<Bytes>,
    /// Up to where the content has been read.
    offset: u64,
}

impl Maildrop {
    /// Takes the snapshot, and lists it for the session.
    pub(crate) async fn open(
        store: &dyn Store,
        account: AccountId,
        lock: MaildropLock,
    ) -> Result<(Self, Vec<server::Entry>), StoreError> {
        let mailboxes = store.mailboxes(account).await?;
        let inbox = mailboxes
            .into_iter()
            .find(|mailbox| mailbox.name == INBOX)
            .ok_or_else(|| StoreError::NotFound { what: format!("INBOX of {account:?}") })?;
        let entries = store.entries(account, inbox.id).await?;
        let listed = entries
            .iter()
            .map(|entry| server::Entry {
                octets: entry.octets,
                uidl: uidl(inbox.uid_validity.0, entry.uid),
            })
            .collect();
        let uids = entries.into_iter().map(|entry| entry.uid).collect();
        Ok((Self { account, mailbox: inbox.id, uids, _lock: lock }, listed))
    }

    /// How many messages there are.
    pub(crate) fn messages(&self) -> usize {
        self.uids.len()
    }

    /// Begins to read a message; `None` when it has gone in the meantime.
    pub(crate) async fn read(
        &self,
        store: &dyn Store,
        index: usize,
    ) -> Result<Option<Reading>, StoreError> {
        let Some(&uid) = self.uids.get(index) else { return Ok(None) };
        let entry = store.entry(self.account, self.mailbox, uid).await?;
        Ok(entry.map(|entry| Reading {
            message: entry.message,
            prefix: Some(entry.prefix.into()),
            offset: 0,
        }))
    }

    /// Removes messages for good, all or none.
    pub(crate) async fn expunge(
        &self,
        store: &dyn Store,
        deleted: &[usize],
    ) -> Result<(), StoreError> {
        let uids = deleted.iter().filter_map(|&index| self.uids.get(index).copied()).collect();
        store.expunge(self.account, self.mailbox, uids).await.map(|_| ())
    }
}

impl Reading {
    /// The next octets; none at the end. The trace fields come with the first content, so that
    /// nothing has been sent yet when that cannot be read, and the client can hear of it.
    pub(crate) async fn next_chunk(&mut self, store: &dyn Store) -> Result<Bytes, StoreError> {
        let chunk = store.read(self.message, self.offset, CHUNK_OCTETS).await?;
        self.offset = self.offset.saturating_add(chunk.len() as u64);
        Ok(match self.prefix.take() {
            Some(prefix) if !prefix.is_empty() => [prefix, chunk].concat().into(),
            _ => chunk,
        })
    }
}

/// A unique-id that stays the same as long as the mailbox keeps its UIDs.
fn uidl(uid_validity: u32, uid: Uid) -> Uidl {
    Uidl::new(format!("{uid_validity}.{}", uid.get())).expect("two numbers are a unique-id")
}
