//! Limits, failing disks and closing.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use envelope::{Address, BodyType, Domain, Recipient, ReversePath};
use platform::{SystemClock, Timestamp};
use sim::{Faults, SimClock, SimDisk};
use store::{
    Accept, Content, IdSource, NewFate, NewRecipient, Origin, OriginKind, Store, StoreError,
    UnixMillis,
};
use store_sqlite::{Options, SqliteStore, Turn};

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
        content: Content::from(vec![b'x'; octets]),
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

fn on(disk: &SimDisk, database_folder: &Path) -> Options {
    Options {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(SystemClock),
        database_folder: Some(database_folder.to_owned()),
        ..Options::default()
    }
}

#[tokio::test]
async fn a_full_disk_refuses_early_and_recovers_alone() {
    const MIB: u64 = 1024 * 1024;
    let folder = tempfile::tempdir().unwrap();
    let disk = SimDisk::new(1, 8 * MIB);
    let options = Options { reserve_octets: MIB, ..on(&disk, folder.path()) };
    let store = SqliteStore::start(Path::new("/sim"), options).unwrap();
    let ids = IdSource::default();
    let first = letter(&ids, 1000);
    let id = first.id;
    store.accept(first).await.unwrap();
    disk.set_capacity(MIB);
    assert_eq!(store.accept(letter(&ids, 1000)).await, Err(StoreError::Full));
    assert!(matches!(store.spool(), Err(StoreError::Full)));
    store.record(id, Vec::new()).await.expect("what is no new mail goes on");
    disk.set_capacity(8 * MIB);
    store.accept(letter(&ids, 1000)).await.expect("there is room again");
}

#[tokio::test]
async fn after_a_failed_sync_a_new_segment_is_begun() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SimDisk::new(1, 1 << 30);
    let store = SqliteStore::start(Path::new("/sim"), on(&disk, folder.path())).unwrap();
    let ids = IdSource::default();
    let first = store.accept(letter(&ids, 1000)).await.unwrap().message;
    for octets in [1000, 2_000_000] {
        disk.set_faults(Faults { sync: 1, ..Faults::default() });
        let refused = letter(&ids, octets);
        let id = refused.id;
        let error = store.accept(refused).await.unwrap_err();
        assert!(matches!(error, StoreError::Io { .. }), "{error}");
        assert!(error.is_temporary());
        disk.set_faults(Faults::default());
        assert_eq!(store.submission(id).await.unwrap(), None);
        store.accept(letter(&ids, octets)).await.expect("a new file is good");
    }
    assert_eq!(store.read(first, 0, 2000).await.unwrap().len(), 1000);
    let report = store.verify(store::Repair::No).await.unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.messages, 3);
}

#[tokio::test]
async fn content_in_flight_has_a_budget() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { spool_octets_max: 100_000, ..Options::default() };
    let store = SqliteStore::start(folder.path(), options).unwrap();
    let mut first = store.spool().unwrap();
    first.write(&[1; 70_000]).unwrap();
    let mut second = store.spool().unwrap();
    second.write(&[2; 20_000]).unwrap();
    let busy = StoreError::Busy { limit_octets: 100_000 };
    assert_eq!(second.write(&[2; 20_000]), Err(busy.clone()));
    let sealed = first.seal().unwrap();
    assert_eq!(second.write(&[2; 20_000]), Err(busy), "sealed content is still in flight");
    drop(sealed);
    second.write(&[2; 20_000]).expect("it left");
    let Content::Memory(octets) = second.seal().unwrap() else { panic!("it is small") };
    assert_eq!(octets, vec![2; 40_000]);
    let mut third = store.spool().unwrap();
    assert!(third.write(&[3; 61_000]).is_err());
    drop(octets);
    third.write(&[3; 61_000]).expect("memory counts and is given back too");
}

#[tokio::test]
async fn content_that_waits_for_the_writer_is_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { spool_octets_max: 250_000, reader_threads: 0, ..Options::default() };
    let (store, mut writer) = SqliteStore::open(folder.path(), options).unwrap();
    let mut spool = store.spool().unwrap();
    spool.write(&[1; 200_000]).unwrap();
    let letter = Accept { content: spool.seal().unwrap(), ..letter(&IdSource::default(), 0) };
    let accepted = store.accept(letter);
    let mut second = store.spool().unwrap();
    let busy = StoreError::Busy { limit_octets: 250_000 };
    assert_eq!(second.write(&[2; 100_000]), Err(busy), "the writer did not take it yet");
    assert_eq!(writer.turn(Some(Duration::ZERO)), Turn::Done(1));
    second.write(&[2; 100_000]).expect("it did");
    accepted.await.unwrap();
}

#[tokio::test]
async fn closing_answers_what_waits_and_refuses_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::start(folder.path(), Options::default()).unwrap();
    let ids = IdSource::default();
    let waiting: Vec<_> = (0..50).map(|_| store.accept(letter(&ids, 100))).collect();
    store.close();
    for pending in waiting {
        pending.await.expect("it came before the end");
    }
    assert_eq!(store.accept(letter(&ids, 100)).await.unwrap_err(), StoreError::Closed);
    assert_eq!(store.domains().await.unwrap_err(), StoreError::Closed);
    store.close();
}

#[tokio::test]
async fn a_closed_store_is_in_its_database() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::start(folder.path(), Options::default()).unwrap();
    let ids = IdSource::default();
    let letter = letter(&ids, 100);
    let id = letter.id;
    store.accept(letter).await.unwrap();
    store.close();
    for log in ["store.db-wal", "store.db-shm"] {
        // Somebody who copies a stopped store may leave these out.
        if let Err(error) = std::fs::remove_file(folder.path().join(log)) {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{log}");
        }
    }
    let store = SqliteStore::start(folder.path(), Options::default()).unwrap();
    assert!(store.submission(id).await.unwrap().is_some());
}

#[tokio::test]
async fn deliverers_share_syncs() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { clock: Arc::new(SimClock::new(Timestamp(0))), ..Options::default() };
    let (store, mut writer) = SqliteStore::open(folder.path(), options).unwrap();
    let ids = IdSource::default();
    let domain = store.add_domain(Domain::parse("example.org").unwrap(), UnixMillis(0));
    writer.turn(Some(Duration::ZERO));
    domain.await.unwrap();
    let before = store.counters();
    let waiting: Vec<_> = (0..20).map(|_| store.accept(letter(&ids, 4096))).collect();
    assert_eq!(writer.turn(Some(Duration::ZERO)), Turn::Done(20));
    for pending in waiting {
        pending.await.unwrap();
    }
    let after = store.counters();
    assert_eq!(after.accepted - before.accepted, 20);
    assert_eq!(after.commits - before.commits, 1);
    assert_eq!(after.syncs - before.syncs, 2, "one of the segment, one of the database");
    assert_eq!(writer.turn(Some(Duration::ZERO)), Turn::Idle);
    assert_eq!(store.next_due().await_by(&mut writer), Some(UnixMillis(5)));
    assert_eq!(store.counters().syncs, after.syncs, "asking syncs nothing");
}

/// Waits for an answer, stepping the writer.
trait AwaitBy<T> {
    fn await_by(self, writer: &mut store_sqlite::Writer) -> T;
}

impl<T> AwaitBy<T> for store::Pending<'_, T> {
    fn await_by(mut self, writer: &mut store_sqlite::Writer) -> T {
        writer.turn(Some(Duration::ZERO));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match self.as_mut().poll(&mut context) {
            std::task::Poll::Ready(result) => result.expect("a good answer"),
            std::task::Poll::Pending => panic!("no answer"),
        }
    }
}

fn settled(id: store::SubmissionId) -> store::Finish {
    let outcome = store::Outcome {
        recipient: 0,
        state: store::RecipientState::Accepted,
        due: None,
        host: None,
        reply: None,
        attempted: true,
        delay_told: false,
        ends_hold: false,
    };
    store::Finish { outcomes: vec![outcome], ..store::Finish::of(id, UnixMillis(9)) }
}

fn segments(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("segments")).unwrap().count()
}

/// Accepts forty letters and settles three of four; the others.
async fn mostly_settled(store: &SqliteStore) -> Vec<store::MessageId> {
    let ids = IdSource::default();
    let mut kept = Vec::new();
    for number in 0..40 {
        let letter = letter(&ids, 10_000);
        let id = letter.id;
        let message = store.accept(letter).await.unwrap().message;
        if number % 4 == 0 {
            kept.push(message);
        } else {
            store.finish(settled(id)).await.unwrap();
        }
    }
    kept
}

#[tokio::test]
async fn mostly_dead_segments_are_rewritten() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { segment_octets_max: 100_000, ..Options::default() };
    let store = SqliteStore::start(folder.path(), options).unwrap();
    let kept = mostly_settled(&store).await;
    // Nobody has anything to do for the writer any more.
    for _ in 0..200 {
        if segments(folder.path()) <= 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(segments(folder.path()) <= 2, "{} segments are left", segments(folder.path()));
    for message in kept {
        assert_eq!(store.read(message, 0, 20_000).await.unwrap().len(), 10_000);
    }
    assert_eq!(store.verify(store::Repair::No).await.unwrap().findings, []);
}

#[tokio::test]
async fn a_refused_operation_keeps_no_dead_segment() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SimClock::new(Timestamp(0)));
    let options = Options { clock, reader_threads: 0, ..Options::default() };
    let (store, mut writer) = SqliteStore::open(folder.path(), options).unwrap();
    let ids = IdSource::default();
    let big = letter(&ids, 1_500_000);
    let id = big.id;
    store.accept(big).await_by(&mut writer);
    assert_eq!(segments(folder.path()), 1);
    let finish = store.finish(settled(id));
    let refused = store.record(ids.next(UnixMillis(1), 1), Vec::new());
    assert_eq!(writer.turn(Some(Duration::ZERO)), Turn::Done(2));
    finish.await.unwrap();
    assert!(matches!(refused.await, Err(StoreError::NotFound { .. })));
    assert_eq!(segments(folder.path()), 0, "its content went with its last reference");
}
