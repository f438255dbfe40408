//! Damage is named, hides nothing else, and what can be mended is mended.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "it damages files behind the store's back")]

use std::path::Path;
use std::sync::Arc;

use envelope::{Address, BodyType, Domain, Recipient, ReversePath};
use rusqlite::Connection;
use store::{
    Accept, AccountId, Content, Flags, INBOX, LocalDelivery, MailboxId, MessageId, NewAccount,
    NewFate, NewRecipient, Origin, OriginKind, Repair, Store, StoreError, SubmissionId, UnixMillis,
};
use store_sqlite::{Options, SqliteStore};

struct Home {
    store: Arc<SqliteStore>,
    account: AccountId,
    inbox: MailboxId,
}

async fn home(folder: &Path) -> Home {
    let store = open(folder).expect("the store opens");
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
    Home { store, account, inbox }
}

fn open(folder: &Path) -> Result<Arc<SqliteStore>, StoreError> {
    SqliteStore::start(folder, Options { reader_threads: 1, ..Options::default() })
}

fn letter(number: u8, account: AccountId) -> Accept {
    let delivery = LocalDelivery {
        account,
        mailbox: INBOX.to_owned(),
        prefix: Vec::new(),
        flags: Flags::default(),
    };
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
        content: Content::from(vec![number; 1000]),
        recipients: vec![NewRecipient {
            recipient: Recipient::new(Address::parse("ada@example.org").unwrap()),
            expanded_from: None,
            fate: NewFate::Deliver(delivery),
        }],
        copies: Vec::new(),
        events: Vec::new(),
        notes: Vec::new(),
        notices: Vec::new(),
    }
}

/// The rules that verification found broken.
async fn rules(store: &SqliteStore, repair: Repair) -> Vec<(String, bool)> {
    let findings = store.verify(repair).await.unwrap().findings;
    findings.into_iter().map(|finding| (finding.rule, finding.repaired)).collect()
}

fn flip(path: &Path, at: usize) {
    let mut octets = std::fs::read(path).unwrap();
    octets[at] ^= 1;
    std::fs::write(path, octets).unwrap();
}

#[tokio::test]
async fn a_flipped_bit_is_named_and_the_others_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let Home { store, account, inbox } = home(folder.path()).await;
    let mut messages: Vec<MessageId> = Vec::new();
    for number in 1..=3 {
        messages.push(store.accept(letter(number, account)).await.unwrap().message);
    }
    store.close();
    drop(store);
    // 16 octets of the file; a record has 32 + 4 + 1000.
    #[rustfmt::skip]
    let table = [
        (16 + 1036 + 10, "content-header", "the second record's header"),
        (16 + 1036 + 33, "content-checksum", "its checksum"),
        (16 + 1036 + 600, "content-checksum", "its content"),
    ];
    let segment = folder.path().join("segments").join("00000001.seg");
    for (at, rule, why) in table {
        flip(&segment, at);
        let store = open(folder.path()).unwrap();
        assert_eq!(rules(&store, Repair::Yes).await, [(rule.to_owned(), false)], "{why}");
        for number in [1u8, 3] {
            let read = store.read(messages[usize::from(number) - 1], 0, 5000).await.unwrap();
            assert_eq!(read, vec![number; 1000], "{why}");
        }
        if rule == "content-checksum" {
            let error = store.read(messages[1], 0, 10).await.unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }), "{why}: {error}");
        }
        assert_eq!(store.entries(account, inbox).await.unwrap().len(), 3, "{why}");
        store.close();
        flip(&segment, at);
    }
}

#[tokio::test]
async fn rows_that_contradict_each_other_are_found_and_mended() {
    #[rustfmt::skip]
    let table = [
        // what a mad person types, which rule notices, whether it can be mended
        ("UPDATE mailbox SET messages = 7", "mailbox-counts", true),
        ("UPDATE mailbox SET uid_next = 2", "uid-next", true),
        ("UPDATE mailbox SET modseq = 0", "mailbox-modseq", true),
        ("UPDATE numbers SET modseq = 1", "modseq", true),
        ("UPDATE numbers SET message_next = 2", "message-next", true),
        ("UPDATE message SET refs = 5 WHERE id = 1", "message-refs", true),
        ("UPDATE segment SET live_octets = 1", "segment-counts", true),
        ("UPDATE segment SET octets = 17", "segment-end", true),
        ("UPDATE entry SET octets = octets + 1 WHERE uid = 1", "entry-octets", true),
        ("UPDATE submission SET open = 1 WHERE accepted_at = 0", "queue-counts", true),
        ("UPDATE recipient SET due = 5", "queue-due", true),
        ("UPDATE message SET blake3 = zeroblob(32) WHERE id = 1", "content-hash", false),
        ("DELETE FROM message WHERE id = 1", "entry-message", false),
        ("DELETE FROM submission", "recipient-submission", false),
        ("DELETE FROM segment", "segment-missing", true),
        ("UPDATE entry SET account = 99 WHERE uid = 1", "entry-mailbox", false),
        ("DELETE FROM account", "mailbox-account", false),
    ];
    for (statement, rule, mended) in table {
        let folder = tempfile::tempdir().unwrap();
        let Home { store, account, .. } = home(folder.path()).await;
        for number in 1..=3 {
            store.accept(letter(number, account)).await.unwrap();
        }
        assert_eq!(rules(&store, Repair::No).await, [], "before: {statement}");
        store.close();
        drop(store);
        let database = Connection::open(folder.path().join("store.db")).unwrap();
        database.pragma_update(None, "foreign_keys", 0).unwrap();
        database.execute(statement, []).unwrap();
        drop(database);
        let store = open(folder.path()).expect("a damaged store opens");
        let found = rules(&store, Repair::No).await;
        assert!(found.contains(&(rule.to_owned(), false)), "{statement}: {found:?}");
        let found = rules(&store, Repair::Yes).await;
        assert!(found.contains(&(rule.to_owned(), mended)), "{statement}: {found:?}");
        if mended {
            assert_eq!(rules(&store, Repair::No).await, [], "after mending: {statement}");
        }
    }
}

/// What a mad person types.
fn tamper(folder: &Path, statements: &str) {
    let database = Connection::open(folder.join("store.db")).unwrap();
    database.execute_batch(statements).unwrap();
}

#[tokio::test]
async fn content_is_removed_only_when_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let Home { store, account, .. } = home(folder.path()).await;
    let message = store.accept(letter(1, account)).await.unwrap().message;
    store.close();
    drop(store);
    tamper(folder.path(), "DELETE FROM entry");
    let store = open(folder.path()).unwrap();
    let stray = folder.path().join("segments").join("00000099.seg");
    std::fs::copy(folder.path().join("segments").join("00000001.seg"), &stray).unwrap();
    let table = [
        // repair, whether content goes, why
        (Repair::No, false, "only looking"),
        (Repair::Yes, false, "who lost the entries may want the content back"),
        (Repair::Remove, true, "it was asked for"),
    ];
    for (repair, removed, why) in table {
        let found = rules(&store, repair).await;
        for rule in ["message-needless", "segment-needless"] {
            let expected = (rule.to_owned(), removed);
            assert!(repair == Repair::No || found.contains(&expected), "{why}: {found:?}");
        }
        assert_eq!(store.read(message, 0, 10).await.is_err(), removed, "{why}");
        assert_eq!(!stray.exists(), removed, "{why}");
    }
    assert_eq!(rules(&store, Repair::No).await, []);
}

#[tokio::test]
async fn a_damaged_database_is_not_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let Home { store, account, .. } = home(folder.path()).await;
    store.accept(letter(1, account)).await.unwrap();
    store.close();
    drop(store);
    tamper(
        folder.path(),
        "UPDATE mailbox SET messages = 7;
         PRAGMA writable_schema = 1;
         UPDATE sqlite_schema SET sql = 'CREATE INDEX entry_modseq ON entry (modseq, account)'
         WHERE name = 'entry_modseq'",
    );
    let store = open(folder.path()).unwrap();
    for repair in [Repair::Yes, Repair::Remove] {
        let found = rules(&store, repair).await;
        for rule in ["database", "mailbox-counts"] {
            assert!(found.contains(&(rule.to_owned(), false)), "{found:?}");
        }
    }
}

#[tokio::test]
async fn a_repair_searches_beside_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { reader_threads: 1, ..Options::default() };
    // Nobody ever calls this writer.
    let (store, _writer) = SqliteStore::open(folder.path(), options).unwrap();
    assert_eq!(rules(&store, Repair::Yes).await, []);
}

#[tokio::test]
async fn a_needless_segment_is_removed_when_the_store_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let Home { store, .. } = home(folder.path()).await;
    let needless = folder.path().join("segments").join("00000099.seg");
    std::fs::write(&needless, b"whatever").unwrap();
    assert_eq!(rules(&store, Repair::No).await, [("segment-needless".to_owned(), false)]);
    store.close();
    drop(store);
    let store = open(folder.path()).unwrap();
    assert!(!needless.exists());
    assert_eq!(rules(&store, Repair::No).await, []);
}

/// Copies a store's folder as somebody would who does not know what belongs together.
fn copy(from: &Path, to: &Path, names: &[&str]) {
    std::fs::create_dir_all(to.join("segments")).unwrap();
    for name in names {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
    for file in std::fs::read_dir(from.join("segments")).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), to.join("segments").join(file.file_name())).unwrap();
        }
    }
}

#[tokio::test]
async fn mail_without_its_database_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let Home { store, account, .. } = home(folder.path()).await;
    store.accept(letter(1, account)).await.unwrap();
    let table: [(&[&str], &str); 2] = [
        (&[], "the database is missing"),
        (&["store.db"], "its write-ahead log is missing: nothing was copied into store.db yet"),
    ];
    for (names, why) in table {
        let other = tempfile::tempdir().unwrap();
        copy(folder.path(), other.path(), names);
        let segment = other.path().join("segments").join("00000001.seg");
        let before = std::fs::read(&segment).unwrap();
        for attempt in ["first", "second"] {
            let error = open(other.path()).expect_err(why);
            assert!(matches!(error, StoreError::Damaged { .. }), "{why}, {attempt}: {error}");
        }
        assert_eq!(std::fs::read(&segment).unwrap(), before, "{why}");
    }
}

#[tokio::test]
async fn an_older_database_costs_no_content() {
    let folder = tempfile::tempdir().unwrap();
    let Home { store, account, inbox } = home(folder.path()).await;
    store.accept(letter(1, account)).await.unwrap();
    store.close();
    drop(store);
    let older = std::fs::read(folder.path().join("store.db")).unwrap();
    let store = open(folder.path()).unwrap();
    store.accept(letter(2, account)).await.unwrap();
    let mut big = letter(3, account);
    big.content = Content::from(vec![3; 1_500_000]);
    store.accept(big).await.unwrap();
    store.close();
    drop(store);
    let first = folder.path().join("segments").join("00000001.seg");
    let before = std::fs::read(&first).unwrap();
    std::fs::write(folder.path().join("store.db"), older).unwrap();
    for _ in 0..2 {
        let store = open(folder.path()).unwrap();
        assert_eq!(store.entries(account, inbox).await.unwrap().len(), 1);
        assert_eq!(rules(&store, Repair::No).await, []);
        store.close();
    }
    assert_eq!(std::fs::read(&first).unwrap(), before, "the second letter stays where it was");
    let lost = folder.path().join("segments").join("lost").join("00000002.seg");
    assert!(std::fs::metadata(lost).unwrap().len() > 1_500_000, "the big one is put aside");
    let store = open(folder.path()).unwrap();
    let message = store.accept(letter(4, account)).await.unwrap().message;
    assert_eq!(store.read(message, 0, 5000).await.unwrap(), vec![4; 1000]);
    assert_eq!(std::fs::read(&first).unwrap(), before, "nothing is written over it");
    assert!(folder.path().join("segments").join("00000003.seg").exists(), "a new number");
}

#[test]
fn a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).unwrap().close();
    let database = Connection::open(folder.path().join("store.db")).unwrap();
    database.pragma_update(None, "user_version", 1000).unwrap();
    drop(database);
    let error = open(folder.path()).unwrap_err();
    assert_eq!(error, StoreError::Newer { found: 1000, known: 1 });
}
