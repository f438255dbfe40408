//! Copies of a store in use hold all that was acknowledged, and can be brought back.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "it damages files behind the store's back")]

use std::ffi::OsString;
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use envelope::{Address, BodyType, Domain, Recipient, ReversePath};
use platform::{Disk, DiskFile, RealDisk, Timestamp};
use store::{
    Accept, AccountId, Content, Flags, Happening, INBOX, LocalDelivery, MailboxId, NewAccount,
    NewFate, NewRecipient, Origin, OriginKind, RecipientState, Repair, Store, StoreError,
    SubmissionId, Uid, UnixMillis,
};
use store_sqlite::{
    BackupOptions, BackupReport, Kept, Options, RestoreOptions, Restored, SqliteStore,
    check_backup, generations, restore,
};
use tempfile::TempDir;

/// A store, the folder of its backups, and one more to restore into.
struct Site {
    folder: TempDir,
    store: Arc<SqliteStore>,
    account: AccountId,
    inbox: MailboxId,
}

impl Site {
    async fn new() -> Self {
        Self::on(Arc::new(RealDisk)).await
    }

    async fn on(disk: Arc<dyn Disk>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open_on(&folder.path().join("data"), disk);
        store.add_domain(Domain::parse("example.org").unwrap(), UnixMillis(0)).await.unwrap();
        let account = NewAccount {
            address: Address::parse("ada@example.org").unwrap(),
            name: None,
            quota_octets: None,
            credential: None,
            created_at: UnixMillis(0),
        };
        let account = store.add_account(account).await.unwrap();
        let inbox = store.mailboxes(account).await.unwrap()[0].id;
        Self { folder, store, account, inbox }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Accepts letters with these numbers, 100 KB each.
    async fn deliver(&self, numbers: std::ops::RangeInclusive<u8>) {
        for number in numbers {
            let delivery = LocalDelivery {
                account: self.account,
                mailbox: INBOX.to_owned(),
                prefix: Vec::new(),
                flags: Flags::default(),
            };
            self.store.accept(letter(number, NewFate::Deliver(delivery))).await.unwrap();
        }
    }

    async fn remove(&self, uids: std::ops::RangeInclusive<u32>) {
        let uids = uids.map(|uid| Uid::new(uid).unwrap()).collect();
        self.store.expunge(self.account, self.inbox, uids).await.unwrap();
    }

    fn options(&self, second: i64) -> BackupOptions {
        BackupOptions {
            folder: self.path("backup"),
            keep: None,
            files: vec![("secret".to_owned(), b"hush".to_vec())],
            at: Timestamp::from_seconds(second),
        }
    }

    async fn back_up(&self, second: i64) -> BackupReport {
        self.store.backup(self.options(second)).await.unwrap()
    }

    fn restore(&self, to: &str, generation: Option<&str>) -> Result<Restored, StoreError> {
        restore(&RestoreOptions {
            from: self.path("backup"),
            generation: generation.map(str::to_owned),
            folder: self.path(to),
            at: Timestamp::from_seconds(4_000_000_000),
        })
    }

    /// The numbers of the letters in a restored store, which has to be in order.
    async fn letters(&self, restored: &str) -> Vec<u8> {
        let store = open(&self.path(restored));
        assert_eq!(store.verify(Repair::No).await.unwrap().findings, []);
        let mut numbers = Vec::new();
        for entry in store.entries(self.account, self.inbox).await.unwrap() {
            let content = store.read(entry.message, 0, 200_000).await.unwrap();
            assert_eq!(content, vec![content[0]; 100_000]);
            numbers.push(content[0]);
        }
        numbers
    }
}

fn open(folder: &Path) -> Arc<SqliteStore> {
    open_on(folder, Arc::new(RealDisk))
}

/// Segments that hold only a few letters.
fn open_on(folder: &Path, disk: Arc<dyn Disk>) -> Arc<SqliteStore> {
    let options =
        Options { disk, reader_threads: 1, segment_octets_max: 350_000, ..Options::default() };
    SqliteStore::start(folder, options).unwrap()
}

/// A disk on which whoever opens a file for reading on the thread of backups waits for the test.
#[derive(Debug)]
struct Halting {
    opened: SyncSender<()>,
    go_on: Mutex<Receiver<()>>,
}

impl Disk for Halting {
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        if std::thread::current().name().is_some_and(|name| name.starts_with("store-verify")) {
            self.opened.send(()).unwrap();
            self.go_on.lock().unwrap().recv().unwrap();
        }
        RealDisk.open_read(path)
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.create(path)
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.open(path)
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

fn letter(number: u8, fate: NewFate) -> Accept {
    Accept {
        id: SubmissionId::from_octets([number; 16]),
        at: UnixMillis(0),
        origin: Origin::of(OriginKind::Reception),
        reverse_path: ReversePath::default(),
        ret: None,
        envelope_id: None,
        body: BodyType::SevenBit,
        terms: store::Terms::default(),
        message_id: None,
        content: Content::from(vec![number; 100_000]),
        recipients: vec![NewRecipient {
            recipient: Recipient::new(Address::parse("ada@example.org").unwrap()),
            expanded_from: None,
            fate,
        }],
        copies: Vec::new(),
        events: Vec::new(),
        notes: Vec::new(),
        notices: Vec::new(),
    }
}

fn flip(path: &Path, at: usize) {
    let mut octets = std::fs::read(path).unwrap();
    octets[at] ^= 1;
    std::fs::write(path, octets).unwrap();
}

#[tokio::test]
async fn each_generation_is_the_store_as_it_was() {
    let site = Site::new().await;
    site.deliver(1..=7).await;
    let first = site.back_up(1_000).await;
    assert_eq!((first.messages, first.findings.len()), (7, 0));
    assert_eq!(first.copied, first.octets, "all is new");
    site.remove(1..=3).await;
    site.deliver(8..=9).await;
    let second = site.back_up(2_000).await;
    assert_eq!(second.messages, 6);
    assert!(second.copied < 400_000, "only what is new is copied, not {}", second.copied);

    let names: Vec<_> =
        generations(&site.path("backup")).unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(names, [first.generation.clone(), second.generation]);
    for name in &names {
        assert_eq!(check_backup(&site.path("backup"), Some(name)).unwrap().findings, [], "{name}");
    }
    site.restore("newest", None).unwrap();
    assert_eq!(site.letters("newest").await, [4, 5, 6, 7, 8, 9]);
    assert_eq!(std::fs::read(site.path("newest/secret")).unwrap(), b"hush");
    let restored = site.restore("first", Some(&first.generation)).unwrap();
    assert_eq!((restored.messages, restored.accounts, restored.held), (7, 1, 0));
    assert_eq!(site.letters("first").await, [1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn a_copy_is_of_one_moment_while_mail_comes_and_goes() {
    let site = Arc::new(Site::new().await);
    site.deliver(1..=20).await;
    let busy = Arc::clone(&site);
    let traffic = tokio::spawn(async move {
        for number in 21..=60 {
            busy.deliver(number..=number).await;
            let oldest = u32::from(number) - 20;
            busy.remove(oldest..=oldest).await;
        }
    });
    let mut second = 1_000;
    while !traffic.is_finished() {
        site.back_up(second).await;
        second += 1;
        tokio::task::yield_now().await;
    }
    traffic.await.unwrap();
    let all = generations(&site.path("backup")).unwrap();
    assert!(!all.is_empty());
    for generation in all {
        let report = check_backup(&site.path("backup"), Some(&generation.name)).unwrap();
        assert_eq!(report.findings, [], "{}", generation.name);
        assert!((20..=21).contains(&report.messages), "{} messages", report.messages);
    }
    site.store.close();
    assert_eq!(open(&site.path("data")).verify(Repair::No).await.unwrap().findings, []);
}

#[tokio::test]
async fn content_that_is_removed_meanwhile_is_in_the_copy() {
    let (opened, is_open) = sync_channel(1);
    let (let_go, go_on) = sync_channel(1);
    let site = Site::on(Arc::new(Halting { opened, go_on: Mutex::new(go_on) })).await;
    site.deliver(1..=3).await;
    let (store, options) = (Arc::clone(&site.store), site.options(1_000));
    let copy = tokio::spawn(async move { store.backup(options).await });
    tokio::task::yield_now().await;
    is_open.recv().unwrap();
    site.remove(1..=3).await;
    site.deliver(4..=4).await; // the removal is over
    let segment = site.path("data/segments/00000001.seg");
    assert!(segment.exists(), "somebody copies it");
    let_go.send(()).unwrap();
    assert_eq!(copy.await.unwrap().unwrap().findings, []);
    assert!(!segment.exists(), "nobody needs it any more");
    site.restore("other", None).unwrap();
    assert_eq!(site.letters("other").await, [1, 2, 3]);
}

/// RFC 9051 §2.3.1.1: UIDs that were given out after the copy will be given out again.
#[tokio::test]
async fn a_restored_store_is_another_one() {
    let site = Site::new().await;
    site.deliver(1..=1).await;
    let waits = NewFate::Queue { due: UnixMillis(5) };
    site.store.accept(letter(2, waits)).await.unwrap();
    site.back_up(1_000).await;
    let old = site.store.mailboxes(site.account).await.unwrap();

    let restored = site.restore("other", None).unwrap();
    assert_eq!(restored.held, 1);
    let store = open(&site.path("other"));
    let new = store.mailboxes(site.account).await.unwrap();
    assert!(new[0].uid_validity > old[0].uid_validity);
    let view = store.submission(SubmissionId::from_octets([2; 16])).await.unwrap().unwrap();
    assert_eq!(view.summary.recipients[0].state, RecipientState::Held, "it may have been sent");
    let last = &view.events.last().unwrap().event;
    assert_eq!((&last.happening, last.recipient), (&Happening::Held, Some(0)));
    assert!(last.reason.contains("restored from the backup"), "{}", last.reason);
    assert_eq!(store.next_due().await.unwrap(), None);

    let error = store.backup(site.options(9_000)).await.unwrap_err();
    assert!(error.to_string().contains("another store"), "{error}");
    store.close();
    let error = site.restore("other", None).unwrap_err();
    assert!(matches!(error, StoreError::Exists { .. }), "never over a store: {error}");
}

#[tokio::test]
async fn a_restore_that_was_broken_off_begins_anew() {
    let site = Site::new().await;
    site.deliver(1..=5).await;
    site.back_up(1_000).await;
    let segments = site.path("other/segments");
    std::fs::create_dir_all(&segments).unwrap();
    std::fs::write(site.path("other/store.db.restoring"), b"half").unwrap();
    std::fs::write(segments.join("00000001.seg"), b"half").unwrap();
    site.restore("other", None).unwrap();
    assert_eq!(site.letters("other").await, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn what_a_crash_left_behind_the_last_generation_is_copied_anew() {
    let site = Site::new().await;
    site.deliver(1..=1).await;
    site.back_up(1_000).await;
    site.deliver(2..=2).await;
    // The power went while letter 2 was copied: the file has the length, but zeros.
    let copy = site.path("backup/segments/00000001.seg");
    let whole = std::fs::metadata(site.path("data/segments/00000001.seg")).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&copy).unwrap().set_len(whole).unwrap();
    std::fs::create_dir_all(site.path("backup/20000101T000000.000Z")).unwrap();
    std::fs::create_dir_all(site.path("backup/2000-holidaysZ")).unwrap();
    let second = site.back_up(2_000).await;
    assert_eq!(check_backup(&site.path("backup"), None).unwrap().findings, []);
    let all = generations(&site.path("backup")).unwrap();
    assert_eq!(all.len(), 2, "half a generation is none");
    assert!(!site.path("backup/20000101T000000.000Z").exists(), "and takes no room for ever");
    assert!(site.path("backup/2000-holidaysZ").exists(), "what is not ours stays");
    assert_eq!(all[1].name, second.generation);
}

#[tokio::test]
async fn damage_is_named_and_hides_nothing_else() {
    let site = Site::new().await;
    site.deliver(1..=3).await;
    let made = site.back_up(1_000).await;
    let segment = site.path("backup/segments/00000001.seg");
    let database = site.path("backup").join(&made.generation).join("store.db");
    let secret = site.path("backup").join(&made.generation).join("files/secret");
    for (path, at, rule, why) in [
        (&segment, 150_000, "content-checksum", "the second letter"),
        (&database, 5_000, "backup-database", "the database"),
        (&secret, 1, "backup-file", "a file of the caller's"),
    ] {
        flip(path, at);
        let findings = check_backup(&site.path("backup"), None).unwrap().findings;
        let rules: Vec<_> = findings.iter().map(|one| one.rule.as_str()).collect();
        assert_eq!(rules, [rule], "{why}");
        flip(path, at);
    }

    flip(&segment, 150_000);
    let kept = Kept::open(&site.path("backup"), None).unwrap();
    let account = kept.accounts().unwrap()[0].id;
    let inbox = kept.mailboxes(account).unwrap()[0].id;
    let read: Vec<_> = kept
        .entries(account, inbox)
        .unwrap()
        .iter()
        .map(|entry| kept.read(entry.message, 0, 10).ok().map(|octets| octets[0]))
        .collect();
    assert_eq!(read, [Some(1), None, Some(3)]);
}

#[tokio::test]
async fn what_cannot_be_read_is_told_and_the_rest_copied() {
    let site = Site::new().await;
    site.deliver(1..=9).await;
    std::fs::remove_file(site.path("data/segments/00000002.seg")).unwrap();
    let report = site.back_up(1_000).await;
    assert_eq!(report.findings.len(), 1);
    assert!(report.findings[0].place.contains("segment 2"), "{:?}", report.findings);
    let restored = site.restore("other", None).unwrap();
    assert!(!restored.findings.is_empty(), "it is told again");
    let store = open(&site.path("other"));
    let lost = store.verify(Repair::No).await.unwrap().findings.len();
    assert_eq!(lost, 3, "the letters of that segment, and only they");
}

#[tokio::test]
async fn old_generations_go_with_what_only_they_name() {
    let site = Site::new().await;
    site.deliver(1..=9).await;
    let first = site.back_up(1_000).await;
    site.remove(1..=9).await;
    site.deliver(10..=12).await;
    site.back_up(2_000).await;
    let third = BackupOptions { keep: NonZeroU32::new(2), ..site.options(3_000) };
    let report = site.store.backup(third).await.unwrap();
    assert_eq!(report.removed, [first.generation]);
    assert_eq!(generations(&site.path("backup")).unwrap().len(), 2);
    assert!(!site.path("backup/segments/00000001.seg").exists());
    site.restore("other", None).unwrap();
    assert_eq!(site.letters("other").await, [10, 11, 12]);
}
