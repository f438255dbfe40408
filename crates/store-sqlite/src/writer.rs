//! The one writer: takes what waits, commits it together, answers everybody.
//!
//! ```text
//!   Waiting ─ take ─▶ Batch: operations, one sync of the segment, one commit ─▶ answers, news
//!                                                               └─▶ checkpoint and compaction, when
//!                                                                   nobody waits
//! ```
//!
//! Content is synced before the row that names it is committed, so a crash leaves at worst
//! octets that nobody names. Nobody is answered before the commit.
//!
//! Not here: the thread that calls [`Writer::turn`] (`lib`, or a simulation).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use platform::Clock;
use rusqlite::Connection;
use store::{AccountId, Change, Modseq, StoreError};

use crate::batch::{Batch, Committed, Fact, LeaseEnd, Remembered, Tools};
use crate::compaction::Compaction;
use crate::database::{self, sql};
use crate::mailboxes::named_end;
use crate::segments::Appender;
use crate::shared::Shared;
use crate::waiting::{Answer, Operation};

/// Pages in the write-ahead log from which on it is copied into the database when nobody waits.
/// Under load there is such a moment every few milliseconds, and a busy page stands in the log
/// many times: copying seldom copies less.
const CHECKPOINT_PAGES_IDLE: u64 = 4_000;

/// Pages from which on it is copied even when somebody waits.
const CHECKPOINT_PAGES_BUSY: u64 = 8_000;

/// How long the last checkpoint waits for other processes that read the database.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// Syncs of a checkpoint: the log, the database, and the log's header when it begins anew.
const CHECKPOINT_SYNCS: u64 = 3;

/// What a turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Turn {
    /// Nothing waited.
    Idle,
    /// This many operations were done and answered.
    Done(usize),
    /// The store is closed and nothing waits any more.
    Closed,
}

/// The store's writer. There is one; whoever has it calls [`turn`](Self::turn) over and over.
#[derive(Debug)]
pub struct Writer {
    database: Connection,
    database_path: PathBuf,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    appender: Appender,
    remembered: Remembered,
    modseq: u64,
    /// What the numbers' row says: last modseq, next message.
    numbers_written: (u64, i64),
    last_commit: Duration,
    compaction: Compaction,
}

impl Writer {
    pub(crate) fn new(
        database: Connection,
        database_path: PathBuf,
        shared: Arc<Shared>,
        clock: Arc<dyn Clock>,
        appender: Appender,
        modseq: u64,
    ) -> Result<Self, StoreError> {
        let numbers_written = (modseq, shared.message_next.load(Ordering::Relaxed));
        let mut writer = Self {
            database,
            database_path,
            clock,
            shared,
            appender,
            remembered: Remembered::default(),
            modseq,
            numbers_written,
            last_commit: Duration::ZERO,
            compaction: Compaction::default(),
        };
        writer.count_pages()?;
        Ok(writer)
    }

    /// Learns after each commit how long the write-ahead log is.
    fn count_pages(&mut self) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        self.database
            .wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
                shared.wal_pages.store(u64::try_from(pages).unwrap_or(0), Ordering::Relaxed);
                Ok(())
            }))
            .map_err(sql("watch the write-ahead log"))
    }

    /// Does one batch: waits up to `wait` for something to do (`None`: as long as it takes),
    /// and does everything that waits, up to a limit.
    pub fn turn(&mut self, wait: Option<Duration>) -> Turn {
        let shared = Arc::clone(&self.shared);
        let step_in = self.compaction.next_step_in(&*self.clock);
        let wait = wait.into_iter().chain(step_in).min();
        let Some(operations) = shared.waiting.take(wait, self.last_commit, &*self.clock) else {
            self.empty_log();
            return Turn::Closed;
        };
        if operations.is_empty() {
            if let Some(step) = self.compaction.step(&self.database, &self.appender, &*self.clock) {
                for (answer, result) in self.batch(vec![step]) {
                    answer(result);
                }
            }
            self.checkpoint(CHECKPOINT_PAGES_IDLE);
            return Turn::Idle;
        }
        let count = operations.len();
        let began = self.clock.monotonic();
        let answers = self.batch(operations);
        self.last_commit = self.clock.monotonic().saturating_sub(began);
        for (answer, result) in answers {
            answer(result);
        }
        let pages =
            if shared.waiting.is_empty() { CHECKPOINT_PAGES_IDLE } else { CHECKPOINT_PAGES_BUSY };
        self.checkpoint(pages);
        Turn::Done(count)
    }

    fn batch(&mut self, operations: Vec<Operation>) -> Vec<(Answer, Result<(), StoreError>)> {
        let changes_before = self.database.total_changes();
        let begun = Batch::begin(Tools {
            database: &self.database,
            appender: &mut self.appender,
            clock: &*self.clock,
            leases: &self.shared.leases,
            turns: &self.shared.turns,
            message_next: &self.shared.message_next,
            remembered: &mut self.remembered,
            modseq: &mut self.modseq,
            numbers_written: &mut self.numbers_written,
        });
        let mut batch = match begun {
            Ok(batch) => batch,
            Err(error) => {
                self.reopen(&error);
                let refuse = |operation: Operation| ((operation.run)(None), Err(error.clone()));
                return operations.into_iter().map(refuse).collect();
            }
        };
        let mut answers = Vec::with_capacity(operations.len());
        for operation in operations {
            answers.push((operation.run)(Some(&mut batch)));
        }
        if cfg!(feature = "fault-early-ack") {
            for answer in answers.drain(..) {
                answer(Ok(()));
            }
        }
        let committed = batch.commit();
        let (segment_syncs, octets) = self.appender.take_counts();
        let result = match committed {
            Ok(committed) => {
                let changed = self.database.total_changes() != changes_before;
                self.shared.count(segment_syncs, changed, octets, committed.accepted);
                if changed {
                    let named = |segment| Ok(named_end(&self.database, segment)? > 0);
                    self.appender.end_doubt(named);
                }
                self.follow_up(committed);
                Ok(())
            }
            Err(error) => {
                self.shared.count(segment_syncs, false, octets, 0);
                tracing::error!(%error, "batch not committed");
                self.reopen(&error);
                Err(error)
            }
        };
        answers.into_iter().map(|answer| (answer, result.clone())).collect()
    }

    /// What follows from a commit, before anybody is answered: leases end, dead segments go,
    /// subscribers hear.
    fn follow_up(&mut self, committed: Committed) {
        for LeaseEnd { submission, recipient, again } in committed.lease_ends {
            self.shared.leases.end(submission, recipient);
            if let Some((line, due)) = again {
                self.shared.turns.lower(line, (due, submission, recipient));
            }
        }
        for segment in committed.dead {
            self.shared.segments.discard(segment);
        }
        if committed.dropped == Fact::Yes {
            self.compaction.suggest();
        }
        let changes = &self.shared.changes;
        if changes.receiver_count() == 0 {
            return;
        }
        let news = committed.news;
        let directory = (news.directory == Fact::Yes).then_some(Change::Directory);
        let orders = (news.orders == Fact::Yes).then_some(Change::Orders);
        let queue = (news.queue == Fact::Yes).then_some(Change::Queue);
        let account = |(account, modseq): (AccountId, Modseq)| Change::Account(account, modseq);
        let all = directory
            .into_iter()
            .chain(orders)
            .chain(news.accounts.into_iter().map(account))
            .chain(news.submissions.into_iter().map(Change::Submission))
            .chain(queue);
        for change in all {
            // The last receiver may leave meanwhile.
            drop(changes.send(change));
        }
    }

    /// After an error of the database the connection is not trusted any more.
    fn reopen(&mut self, error: &StoreError) {
        self.remembered.clear();
        if !matches!(error, StoreError::Io { .. } | StoreError::Damaged { .. }) {
            return;
        }
        match database::open_writer(&self.database_path) {
            Ok(database) => {
                self.database = database;
                if let Err(error) = self.count_pages() {
                    tracing::error!(%error, "the write-ahead log is not watched");
                }
            }
            Err(error) => tracing::error!(%error, "database not reopened"),
        }
    }

    /// Copies the whole write-ahead log into the database and empties it, so that the database's
    /// file alone is all there is.
    fn empty_log(&self) {
        let emptied = self.database.busy_timeout(FAREWELL_MAX).and_then(|()| {
            self.database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        });
        match emptied {
            Ok(0_i64) => self.shared.count_checkpoint(CHECKPOINT_SYNCS),
            Ok(_) => tracing::warn!("somebody reads the database: store.db-wal belongs to it"),
            Err(error) => tracing::warn!(%error, "store.db-wal could not be emptied"),
        }
    }

    /// Copies the write-ahead log into the database if it is at least that long.
    fn checkpoint(&mut self, pages_min: u64) {
        if self.shared.wal_pages.load(Ordering::Relaxed) < pages_min {
            return;
        }
        let result = self.database.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
            let (log, done): (i64, i64) = (row.get(1)?, row.get(2)?);
            Ok(log.saturating_sub(done))
        });
        match result {
            Ok(left) => {
                let left = u64::try_from(left).unwrap_or(0);
                self.shared.wal_pages.store(left, Ordering::Relaxed);
                self.shared.count_checkpoint(CHECKPOINT_SYNCS);
            }
            // The log only grows until the next time.
            Err(error) => tracing::warn!(%error, "checkpoint failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use envelope::{Address, BodyType, Recipient, ReversePath};
    use store::{
        Accept, NewFate, NewRecipient, Origin, OriginKind, Store, SubmissionId, UnixMillis,
    };

    use super::*;
    use crate::batch::Guard;
    use crate::database::damaged;
    use crate::waiting::Kind;
    use crate::{Options, SqliteStore};

    fn open(folder: &std::path::Path) -> (Arc<SqliteStore>, Writer) {
        let options = Options { reader_threads: 0, ..Options::default() };
        SqliteStore::open(folder, options).expect("it opens")
    }

    fn count(writer: &Writer, table: &str) -> i64 {
        writer
            .database
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
            .expect("rows can be counted")
    }

    #[test]
    fn damage_in_the_middle_of_an_operation_undoes_the_batch() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, mut writer) = open(folder.path());
        for guard in [Guard::ChecksFirst, Guard::Savepoint] {
            let run = move |batch: Option<&mut Batch<'_>>| -> Answer {
                let result = batch.expect("it begins").attempt(guard, |batch| {
                    let insert = "INSERT INTO domain VALUES ('half.example', 0, NULL)";
                    batch.database.execute(insert, []).map_err(sql("write half"))?;
                    Err::<(), _>(damaged("the database", "the next page"))
                });
                assert!(result.is_err());
                Box::new(|_| {})
            };
            let operation = Operation { kind: Kind::Other, octets: 0, run: Box::new(run) };
            store.shared.waiting.push(operation).expect("it is open");
            assert_eq!(writer.turn(Some(Duration::ZERO)), Turn::Done(1));
            assert_eq!(count(&writer, "domain"), 0, "{guard:?}");
        }
    }

    fn files(folder: &std::path::Path) -> usize {
        std::fs::read_dir(folder.join("segments")).expect("the folder is there").count()
    }

    #[test]
    fn content_of_a_failed_commit_stays_until_the_next_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, mut writer) = open(folder.path());
        let letter = |octets: usize, number: u8| Accept {
            id: SubmissionId::from_octets([number; 16]),
            at: UnixMillis(0),
            origin: Origin::of(OriginKind::Reception),
            reverse_path: ReversePath::default(),
            ret: None,
            envelope_id: None,
            body: BodyType::SevenBit,
            terms: store::Terms::default(),
            message_id: None,
            content: vec![7; octets].into(),
            recipients: vec![NewRecipient {
                recipient: Recipient::new(Address::parse("eve@example.net").expect("it is right")),
                expanded_from: None,
                fate: NewFate::Queue { due: UnixMillis(5) },
            }],
            copies: Vec::new(),
            events: Vec::new(),
            notes: Vec::new(),
            notices: Vec::new(),
        };
        writer.database.commit_hook(Some(|| true)).expect("hooks can be set");
        let (small, big) = (store.accept(letter(10, 1)), store.accept(letter(1_500_000, 2)));
        assert_eq!(writer.turn(Some(Duration::ZERO)), Turn::Done(2));
        drop((small, big));
        assert_eq!(count(&writer, "message"), 0, "the commit failed");
        assert_eq!(files(folder.path()), 2, "but a crash may bring it back");
        let third = store.accept(letter(10, 3));
        assert_eq!(writer.turn(Some(Duration::ZERO)), Turn::Done(1));
        drop(third);
        assert_eq!(count(&writer, "message"), 1);
        assert_eq!(files(folder.path()), 1, "now it is known");
    }
}
