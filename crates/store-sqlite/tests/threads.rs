//! Nobody waits for what is slow, and whoever panics takes nobody along.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use envelope::{Address, BodyType, Recipient, ReversePath};
use platform::{Disk, DiskFile, RealDisk};
use store::{
    Accept, IdSource, NewFate, NewRecipient, Origin, OriginKind, Repair, Store, StoreError,
    UnixMillis,
};
use store_sqlite::{Options, SqliteStore};

/// What a disk is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Sync,
    OpenRead,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Good,
    /// It does not answer.
    Hangs(Asked),
    /// There is a mistake in its driver.
    Panics(Asked),
}

/// A real disk with moods.
#[derive(Clone, Debug, Default)]
struct Moody(Arc<(Mutex<Mood>, Condvar)>);

impl Moody {
    fn set(&self, mood: Mood) {
        *self.0.0.lock().unwrap() = mood;
        self.0.1.notify_all();
    }

    fn asked(&self, what: Asked) {
        let (mood, changed) = &*self.0;
        let guard = mood.lock().unwrap();
        let guard = changed.wait_while(guard, |mood| *mood == Mood::Hangs(what)).unwrap();
        let panics = *guard == Mood::Panics(what);
        drop(guard);
        assert!(!panics, "the disk is in a bad mood");
    }

    fn file(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(MoodyFile { file, disk: self.clone() })
    }
}

impl Disk for Moody {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.create(path).map(|file| self.file(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.open(path).map(|file| self.file(file))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.asked(Asked::OpenRead);
        RealDisk.open_read(path)
    }

    fn unnamed(&self, dir: &Path) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.unnamed(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        RealDisk.list(dir)
    }

    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.make_dir(dir)
    }

    fn free_octets(&self, dir: &Path) -> io::Result<u64> {
        RealDisk.free_octets(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        RealDisk.exists(path)
    }
}

#[derive(Debug)]
struct MoodyFile {
    file: Box<dyn DiskFile>,
    disk: Moody,
}

impl DiskFile for MoodyFile {
    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, octets)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, buffer)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.asked(Asked::Sync);
        self.file.sync()
    }

    fn octets(&self) -> io::Result<u64> {
        self.file.octets()
    }

    fn truncate(&self, octets: u64) -> io::Result<()> {
        self.file.truncate(octets)
    }
}

fn letter(ids: &IdSource, octets: usize) -> Accept {
    Accept {
        id: ids.next(UnixMillis(1), 7),
        at: UnixMillis(1),
        origin: Origin::of(OriginKind::Reception),
        reverse_path: ReversePath::default(),
        ret: None,
        envelope_id: None,
        body: BodyType::SevenBit,
        terms: store::Terms::default(),
        message_id: None,
        content: vec![b'x'; octets].into(),
        recipients: vec![NewRecipient {
            recipient: Recipient::new(Address::parse("eve@example.net").unwrap()),
            expanded_from: None,
            fate: NewFate::Queue { due: UnixMillis(5) },
        }],
        copies: Vec::new(),
        events: Vec::new(),
        notes: Vec::new(),
        notices: Vec::new(),
    }
}

fn start(folder: &Path, disk: &Moody) -> Arc<SqliteStore> {
    let disk = Arc::new(disk.clone());
    let options = Options { disk, reader_threads: 1, ..Options::default() };
    SqliteStore::start(folder, options).unwrap()
}

/// Waits for what must come soon.
async fn soon<T>(what: &str, coming: impl Future<Output = T>) -> T {
    let patience = Duration::from_secs(10);
    tokio::time::timeout(patience, coming).await.unwrap_or_else(|_| panic!("{what} hangs"))
}

#[tokio::test]
async fn reads_wait_for_nothing_slow() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, ids) = (Moody::default(), IdSource::default());
    let store = start(folder.path(), &disk);
    disk.set(Mood::Hangs(Asked::Sync));
    let big = store.accept(letter(&ids, 2_000_000));
    soon("a read beside a big message", store.domains()).await.unwrap();
    disk.set(Mood::Good);
    soon("the big message", big).await.unwrap();
    disk.set(Mood::Hangs(Asked::OpenRead));
    let verifying = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.verify(Repair::No).await })
    };
    // It goes on whenever it is asked to.
    for _ in 0..20 {
        soon("a read beside a verification", store.domains()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    soon("a small message", store.accept(letter(&ids, 100))).await.unwrap();
    assert!(!verifying.is_finished());
    disk.set(Mood::Good);
    let report = soon("the verification", verifying).await.unwrap().unwrap();
    assert_eq!(report.findings, []);
}

#[tokio::test]
async fn a_read_that_panics_harms_itself_only() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, ids) = (Moody::default(), IdSource::default());
    let store = start(folder.path(), &disk);
    let message = store.accept(letter(&ids, 100)).await.unwrap().message;
    disk.set(Mood::Panics(Asked::OpenRead));
    assert!(soon("the one that panics", store.read(message, 0, 100)).await.is_err());
    disk.set(Mood::Good);
    let octets = soon("the next one", store.read(message, 0, 100)).await.unwrap();
    assert_eq!(octets.len(), 100);
}

#[tokio::test]
async fn a_writer_that_panics_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, ids) = (Moody::default(), IdSource::default());
    let store = start(folder.path(), &disk);
    let ended = store.ended();
    disk.set(Mood::Panics(Asked::Sync));
    let waiting: Vec<_> = (0..20).map(|_| store.accept(letter(&ids, 100))).collect();
    for pending in waiting {
        assert_eq!(soon("what waited", pending).await, Err(StoreError::Closed));
    }
    soon("the news", ended).await;
    for octets in [100, 500_000, 2_000_000] {
        let later = soon("what comes later", store.accept(letter(&ids, octets))).await;
        assert!(later.is_err(), "{octets} octets");
    }
    soon("a read", store.queue(store::QueueFilter::default())).await.unwrap();
    soon("the news, told again", store.ended()).await;
}

#[tokio::test]
async fn a_store_that_is_closed_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let store = start(folder.path(), &Moody::default());
    let ended = store.ended();
    let open = tokio::time::timeout(Duration::from_millis(50), store.ended()).await;
    assert!(open.is_err(), "it is open");
    store.close();
    soon("the news", ended).await;
    let ended = store.ended();
    drop(store);
    soon("the news of one that is gone", ended).await;
}
