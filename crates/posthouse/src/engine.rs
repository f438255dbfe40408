//! What the server and the commands work on: an opened store and its directory.
//!
//! Only whoever holds the lock of the data folder has one.
//!
//! Standards: none of its own.
//! Not here: the network (`serve`), what is asked of it (`control`).

use std::sync::{Arc, OnceLock};

use directory::Directory;
use mta::{Mta, Reception};
use platform::{Clock, FolderLock, Random, SystemClock, SystemRandom};
use store::{Store, StoreError};
use store_sqlite::{BackupOptions, BackupReport, Options, SqliteStore};

use crate::failure::Failure;
use crate::folder::Folder;

/// An opened store and its directory, and the lock that allows it.
#[derive(Debug)]
pub(crate) struct Engine {
    /// The message store.
    pub(crate) store: Arc<dyn Store>,
    /// Who and where.
    pub(crate) directory: Arc<Directory>,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Luck.
    pub(crate) random: Arc<dyn Random>,
    /// The transfer agent, while the server runs.
    pub(crate) in_motion: OnceLock<Arc<Mta>>,
    /// The listener for other mail servers, while the server runs.
    pub(crate) reception: OnceLock<Arc<Reception>>,
    folder: Folder,
    /// The store again, for what only this engine tells.
    sqlite: Arc<SqliteStore>,
    /// Let go last: fields are dropped in this order.
    _lock: FolderLock,
}

impl Engine {
    /// Opens the store of a folder that is ours.
    pub(crate) async fn open(folder: &Folder, lock: FolderLock) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let secret = folder.secret(random.as_ref())?;
        let sqlite = SqliteStore::start(folder.path(), Options::default())
            .map_err(|error| Failure::from(error).in_path(folder.path()))?;
        let store: Arc<dyn Store> = Arc::<SqliteStore>::clone(&sqlite);
        let directory =
            Directory::open(Arc::clone(&store), Arc::clone(&clock), Arc::clone(&random), secret)
                .await?;
        let (in_motion, reception) = (OnceLock::new(), OnceLock::new());
        let folder = folder.clone();
        Ok(Self {
            store,
            directory,
            clock,
            random,
            in_motion,
            reception,
            folder,
            sqlite,
            _lock: lock,
        })
    }

    /// The data folder.
    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Copies the store while it is in use.
    pub(crate) async fn back_up(&self, options: BackupOptions) -> Result<BackupReport, StoreError> {
        self.sqlite.backup(options).await
    }

    /// Ready when the store can take nothing any more, whatever the reason.
    pub(crate) fn store_ended(&self) -> impl Future<Output = ()> + Send + use<> {
        self.sqlite.ended()
    }
}
