//! Reading single messages of a backup.
//!
//! Not here: putting them into a store (whoever asks).

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::Connection;
use store::{Account, AccountId, Entry, Mailbox, MailboxId, MessageId, StoreError};

use super::check::open_segments;
use super::{manifest, open_copy};
use crate::database::DATABASE_NAME;
use crate::segments::Segments;
use crate::{directory, mailboxes};

/// A generation of a backup, opened for reading.
#[derive(Debug)]
pub struct Kept {
    name: String,
    database: Connection,
    segments: Arc<Segments>,
}

impl Kept {
    /// Opens a generation; the newest, if none is named.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no such generation, and as reading makes them.
    pub fn open(folder: &Path, generation: Option<&str>) -> Result<Self, StoreError> {
        let (name, manifest) = manifest::find(folder, generation)?;
        let database = open_copy(&folder.join(&name).join(DATABASE_NAME))?;
        let segments = Arc::new(open_segments(folder, &manifest)?);
        Ok(Self { name, database, segments })
    }

    /// The generation's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All accounts, by address.
    ///
    /// # Errors
    ///
    /// As reading makes them; so do all of these.
    pub fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        directory::accounts(&self.database)
    }

    /// Mailboxes of an account, by name.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no such account.
    pub fn mailboxes(&self, account: AccountId) -> Result<Vec<Mailbox>, StoreError> {
        mailboxes::mailboxes(&self.database, account)
    }

    /// All entries of a mailbox, by UID.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no such mailbox.
    pub fn entries(
        &self,
        account: AccountId,
        mailbox: MailboxId,
    ) -> Result<Vec<Entry>, StoreError> {
        mailboxes::entries(&self.database, account, mailbox)
    }

    /// Octets of a message's content from `offset`, at most `octets_max`; empty at the end. Each
    /// chunk's checksum was verified.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] where a checksum is not right.
    pub fn read(
        &self,
        message: MessageId,
        offset: u64,
        octets_max: usize,
    ) -> Result<Bytes, StoreError> {
        let place = mailboxes::place(&self.database, message)?;
        let missing = || StoreError::NotFound { what: format!("message {}", message.0) };
        self.segments.read(place.ok_or_else(missing)?, offset, octets_max)
    }
}
