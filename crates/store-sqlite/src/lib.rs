//! The default store: one folder with one SQLite database and append-only segment files.
//!
//! ```text
//!   accept, finish, … ─▶ Waiting ─▶ Writer (one thread): segment, sync, commit ─▶ answers
//!   entries, read, …  ─▶ Readers (threads with read-only connections)          ─▶ answers
//!   big content, verify ─▶ threads of their own, likewise
//! ```
//!
//! The commit path is built for many deliverers at once: all that wait share two syncs. See
//! `waiting` for when the writer waits for more, `segment` for the files' format and
//! `schema/*.sql` for the tables.
//!
//! Standards: none of its own.
//! Not here: what a store promises (crate `store`), the lock of the folder (crate `platform`).

mod accept;
mod backup;
mod batch;
mod compaction;
mod database;
mod directory;
mod due;
mod engine;
mod finish;
mod greylist;
mod leases;
mod leftovers;
mod mailboxes;
mod notes;
mod orders;
mod queue;
mod readers;
mod search;
mod segment;
mod segments;
mod shared;
mod spool;
mod turns;
mod untold;
mod verify;
mod waiting;
mod words;
mod writer;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use platform::{Clock, Disk, RealDisk, SystemClock};
use rusqlite::Connection;
use store::StoreError;

pub use crate::backup::{
    BackupOptions, BackupReport, Generation, Kept, RestoreOptions, Restored, check as check_backup,
    generations, restore,
};
use crate::database::{DATABASE_NAME, disk, sql};
use crate::readers::Readers;
use crate::segments::{Appender, Segments};
use crate::shared::Shared;
use crate::spool::Budget;
pub use crate::writer::{Turn, Writer};

/// The folder of the segments within the data folder.
const SEGMENTS_FOLDER: &str = "segments";

/// What a store is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The disk of segments and spool files. SQLite has its own way to the system's disk.
    pub disk: Arc<dyn Disk>,
    /// How long things take, and when mailboxes are made.
    pub clock: Arc<dyn Clock>,
    /// Where the database is, if not in the data folder. For simulations, whose `disk` is none.
    pub database_folder: Option<PathBuf>,
    /// Most content that may be in flight at once; more is refused as busy.
    pub spool_octets_max: u64,
    /// Room on the disk below which nothing new is accepted, so that notices, moves and
    /// removals still find some.
    pub reserve_octets: u64,
    /// A new segment is begun when one has grown to this.
    pub segment_octets_max: u64,
    /// Reader threads, and as many that prepare big content; zero: callers do it themselves.
    pub reader_threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            disk: Arc::new(RealDisk),
            clock: Arc::new(SystemClock),
            database_folder: None,
            spool_octets_max: 512 * 1024 * 1024,
            reserve_octets: 64 * 1024 * 1024,
            segment_octets_max: 64 * 1024 * 1024,
            reader_threads: 4,
        }
    }
}

/// The store in one folder. Closed when dropped.
#[derive(Debug)]
pub struct SqliteStore {
    shared: Arc<Shared>,
    readers: Readers,
    /// Where content is prepared: hashed, or written to a segment of its own and synced.
    preparers: Readers,
    /// Where the store is verified, one after the other.
    verifiers: Readers,
    budget: Arc<Budget>,
    reserve_octets: u64,
    /// The writer's thread, where [`start`](Self::start) made one.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl SqliteStore {
    /// Opens the store in `folder`, making it where it is missing; the caller runs the writer.
    ///
    /// Only one process may have a store open: see `platform::FolderLock`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Newer`] when a newer version wrote it, [`StoreError::Damaged`] or
    /// [`StoreError::Io`] when it cannot be read.
    pub fn open(folder: &Path, options: Options) -> Result<(Arc<Self>, Writer), StoreError> {
        let database_path = prepare_folders(folder, &options)?;
        let database = database::open_writer(&database_path)?;
        let numbers = Numbers::read(&database)?;
        let segments = Arc::new(Segments::open(
            Arc::clone(&options.disk),
            folder.join(SEGMENTS_FOLDER),
            options.segment_octets_max,
            &numbers.listed,
        )?);
        leftovers::sort(&database, &segments, &numbers.listed)?;
        let appender = Appender::new(Arc::clone(&segments), numbers.newest, |segment| {
            mailboxes::named_end(&database, segment)
        })?;
        let shared = Arc::new(Shared::new(segments, numbers.message_next));
        let threads = options.reader_threads;
        let readers = Readers::start(&database_path, "store-reader", threads)?;
        let preparers = Readers::start(&database_path, "store-content", threads)?;
        let verifiers = Readers::start(&database_path, "store-verify", threads.min(1))?;
        let writer = Writer::new(
            database,
            database_path,
            Arc::clone(&shared),
            options.clock,
            appender,
            numbers.modseq,
        )?;
        let store = Self {
            shared,
            readers,
            preparers,
            verifiers,
            budget: Budget::new(options.spool_octets_max),
            reserve_octets: options.reserve_octets,
            thread: Mutex::new(None),
        };
        Ok((Arc::new(store), writer))
    }

    /// Opens the store in `folder` and runs its writer on a thread of its own.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn start(folder: &Path, options: Options) -> Result<Arc<Self>, StoreError> {
        let (store, mut writer) = Self::open(folder, options)?;
        let ends = WriterEnds(Arc::clone(&store.shared));
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                while writer.turn(None) != Turn::Closed {}
                drop(ends);
            })
            .map_err(disk("start the writer's thread"))?;
        *store.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(store)
    }

    /// Is ready when the writer's thread has ended: after [`close`](Self::close), or because it
    /// panicked, and then every operation is answered with [`StoreError::Closed`]. With a writer
    /// of the caller's it is never ready while the store is there.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut ended = self.shared.ended.subscribe();
        async move {
            // Its sender is gone: so is the store.
            drop(ended.wait_for(|ended| *ended).await);
        }
    }

    /// Takes nothing more in, finishes and answers what waits, and ends the threads. Blocks
    /// until then; with a writer of the caller's, until nothing of it is left to do here.
    ///
    /// Then everything is in the database's file itself: the readers end first, since they could
    /// not bring it there, and keep the writer from doing it.
    pub fn close(&self) {
        for readers in [&self.preparers, &self.verifiers, &self.readers] {
            readers.close();
        }
        self.shared.waiting.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the writer's thread panicked");
        }
    }
}

/// Sends everybody away who waits for a writer that is gone, even if it panicked.
struct WriterEnds(Arc<Shared>);

impl Drop for WriterEnds {
    fn drop(&mut self) {
        self.0.waiting.abandon();
        self.0.ended.send_replace(true);
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.close();
    }
}

/// Makes the folders, and the database's file so that only we may read it.
fn prepare_folders(folder: &Path, options: &Options) -> Result<PathBuf, StoreError> {
    let segments = folder.join(SEGMENTS_FOLDER);
    options.disk.make_dir(&segments).map_err(disk(format!("make {}", segments.display())))?;
    if let Some(elsewhere) = &options.database_folder {
        return Ok(elsewhere.join(DATABASE_NAME));
    }
    let path = folder.join(DATABASE_NAME);
    let making = || disk(format!("make {}", path.display()));
    if !options.disk.exists(&path).map_err(making())? {
        options.disk.create(&path).map_err(making())?;
        options.disk.sync_dir(folder).map_err(making())?;
    }
    Ok(path)
}

/// What the rows say when the store is opened.
struct Numbers {
    modseq: u64,
    message_next: i64,
    listed: BTreeSet<u32>,
    newest: Option<(u32, u64)>,
}

impl Numbers {
    fn read(database: &Connection) -> Result<Self, StoreError> {
        let failed = sql("read the store's numbers");
        let (modseq, message_next): (i64, i64) = database
            .query_row("SELECT modseq, message_next FROM numbers", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .map_err(&failed)?;
        let mut select =
            database.prepare("SELECT id, octets FROM segment ORDER BY id").map_err(&failed)?;
        let rows = select
            .query_map([], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, i64>(1)?)))
            .map_err(&failed)?;
        let mut listed = BTreeSet::new();
        let mut newest = None;
        for row in rows {
            let (number, octets) = row.map_err(&failed)?;
            listed.insert(number);
            newest = Some((number, database::number(octets)));
        }
        Ok(Self { modseq: database::number(modseq), message_next, listed, newest })
    }
}
