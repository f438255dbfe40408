//! One transaction of the writer, in which many operations run.
//!
//! Counters of mailboxes and segments are summed here and written once at the end; so a
//! thousand deliveries to one mailbox change its row once.
//!
//! ```text
//!   begin ─▶ attempt(operation) … ─▶ flush: counters, numbers, segments ─▶ sync ─▶ commit
//! ```
//!
//! Not here: what the operations do (`accept`, `finish`, `entries`, `directory`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use platform::Clock;
use rusqlite::{Connection, OptionalExtension, params};
use store::{AccountId, MailboxId, Modseq, StoreError, SubmissionId, UnixMillis};

use crate::database::{column, damaged, number, sql};
use crate::leases::Leases;
use crate::segments::{Alone, Appender};
use crate::turns::{Line, Turns};

/// Mailboxes whose numbers are remembered from batch to batch.
const MAILBOXES_KEPT_MAX: usize = 50_000;

/// A mailbox's row, as far as deliveries change it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MailboxRow {
    pub(crate) account: AccountId,
    pub(crate) uid_next: i64,
    pub(crate) modseq: Modseq,
    pub(crate) messages: u64,
    pub(crate) octets: u64,
    pub(crate) unseen: u64,
    changed: bool,
}

/// An account's row, as far as deliveries need it.
#[derive(Clone, Debug)]
pub(crate) struct AccountRow {
    pub(crate) address: String,
    pub(crate) quota_octets: Option<u64>,
    /// Sum over its mailboxes; only where there is a quota.
    pub(crate) octets: u64,
}

/// Rows that the writer remembers from batch to batch. Nobody else writes, so they are true.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    mailboxes: BTreeMap<MailboxId, MailboxRow>,
    names: BTreeMap<(AccountId, String), MailboxId>,
    accounts: BTreeMap<AccountId, AccountRow>,
    changed: BTreeSet<MailboxId>,
}

impl Remembered {
    /// Forgets everything, as after a failed batch.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// What to tell subscribers when the batch is committed.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) directory: Fact,
    pub(crate) orders: Fact,
    pub(crate) queue: Fact,
    pub(crate) accounts: BTreeMap<AccountId, Modseq>,
    pub(crate) submissions: Vec<SubmissionId>,
}

/// Whether something happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fact {
    #[default]
    No,
    Yes,
}

/// How an operation is kept from leaving half of its changes behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// It checks everything before it changes anything.
    ChecksFirst,
    /// It runs in a savepoint.
    Savepoint,
}

/// A lease that ends with a commit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseEnd {
    pub(crate) submission: SubmissionId,
    pub(crate) recipient: u32,
    /// Where and when it waits again, if it does.
    pub(crate) again: Option<(Line, UnixMillis)>,
}

/// The writer's transaction.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) database: &'a Connection,
    pub(crate) appender: &'a mut Appender,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) leases: &'a Leases,
    pub(crate) turns: &'a Turns,
    pub(crate) message_next: &'a Arc<AtomicI64>,
    remembered: &'a mut Remembered,
    /// The last change's modseq; grows also over batches that fail.
    modseq: &'a mut u64,
    uid_validity_last: Option<i64>,
    /// What the numbers' row says: last modseq, next message.
    numbers_written: &'a mut (u64, i64),
    live_octets: BTreeMap<u32, i64>,
    alone: Vec<Alone>,
    dropped: Fact,
    pub(crate) news: News,
    pub(crate) accepted: u64,
    /// Leases that end when this is committed.
    pub(crate) lease_ends: Vec<LeaseEnd>,
    /// Leases that this batch took; nobody has them if it fails.
    pub(crate) lease_begins: Vec<(SubmissionId, u32)>,
    dead: Vec<u32>,
    /// The error that makes the whole batch impossible.
    broken: Option<StoreError>,
}

/// What a committed batch leaves to do.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) news: News,
    pub(crate) accepted: u64,
    pub(crate) dead: Vec<u32>,
    /// Whether content died, so that a segment may be worth rewriting.
    pub(crate) dropped: Fact,
    pub(crate) lease_ends: Vec<LeaseEnd>,
}

/// What a batch works with.
#[derive(Debug)]
pub(crate) struct Tools<'a> {
    pub(crate) database: &'a Connection,
    pub(crate) appender: &'a mut Appender,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) leases: &'a Leases,
    pub(crate) turns: &'a Turns,
    pub(crate) message_next: &'a Arc<AtomicI64>,
    pub(crate) remembered: &'a mut Remembered,
    pub(crate) modseq: &'a mut u64,
    pub(crate) numbers_written: &'a mut (u64, i64),
}

impl<'a> Batch<'a> {
    /// Begins a transaction.
    pub(crate) fn begin(tools: Tools<'a>) -> Result<Self, StoreError> {
        let Tools { database, appender, clock, leases, turns, message_next, remembered, .. } =
            tools;
        database
            .prepare_cached("BEGIN IMMEDIATE")
            .and_then(|mut begin| begin.execute([]))
            .map_err(sql("begin a commit"))?;
        if remembered.mailboxes.len() > MAILBOXES_KEPT_MAX {
            remembered.clear();
        }
        Ok(Self {
            database,
            appender,
            clock,
            leases,
            turns,
            message_next,
            remembered,
            modseq: tools.modseq,
            uid_validity_last: None,
            numbers_written: tools.numbers_written,
            live_octets: BTreeMap::new(),
            alone: Vec::new(),
            dropped: Fact::No,
            news: News::default(),
            accepted: 0,
            lease_ends: Vec::new(),
            lease_begins: Vec::new(),
            dead: Vec::new(),
            broken: None,
        })
    }

    /// Runs one operation. An error changes nothing of what the others did, unless it is one
    /// of the disk's: then nothing of this batch will be committed.
    pub(crate) fn attempt<T>(
        &mut self,
        guard: Guard,
        operation: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let result = match guard {
            Guard::ChecksFirst => operation(self),
            Guard::Savepoint => self.in_savepoint(operation),
        };
        if let Err(error) = &result
            && (is_fatal(error) || leaves_half(guard, error))
        {
            self.broken = Some(error.clone());
        }
        result
    }

    fn in_savepoint<T>(
        &mut self,
        operation: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // These are the others' sums: without them nothing of the batch is right.
        self.flush().inspect_err(|error| self.broken = Some(error.clone()))?;
        self.execute("SAVEPOINT operation")?;
        let news = std::mem::take(&mut self.news);
        let (accepted, leases) = (self.accepted, self.lease_ends.len());
        let (alone, dead) = (self.alone.len(), self.dead.len());
        let result = operation(self).and_then(|value| self.flush().map(|()| value));
        match &result {
            Ok(_) => {
                let newer = std::mem::replace(&mut self.news, news);
                self.news.add(newer);
            }
            Err(error) if is_fatal(error) => return result,
            Err(_) => {
                self.execute("ROLLBACK TO operation")?;
                self.remembered.clear();
                self.live_octets.clear();
                self.dead.truncate(dead);
                self.news = news;
                self.accepted = accepted;
                self.lease_ends.truncate(leases);
                self.alone.truncate(alone);
            }
        }
        self.execute("RELEASE operation")?;
        result
    }

    fn execute(&self, statement: &'static str) -> Result<(), StoreError> {
        self.database
            .prepare_cached(statement)
            .and_then(|mut prepared| prepared.execute([]))
            .map_err(sql("run a savepoint"))?;
        Ok(())
    }

    /// Writes the sums and syncs the content: whatever the rows name is safe then.
    fn seal(&mut self, numbers: (u64, i64)) -> Result<(), StoreError> {
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        self.flush()?;
        if numbers != *self.numbers_written {
            self.database
                .prepare_cached("UPDATE numbers SET modseq = ?1, message_next = ?2")
                .and_then(|mut update| update.execute(params![column(numbers.0), numbers.1]))
                .map_err(sql("write the store's numbers"))?;
        }
        self.appender.sync()
    }

    /// Commits. On an error nothing of the batch is there.
    pub(crate) fn commit(mut self) -> Result<Committed, StoreError> {
        let numbers = (*self.modseq, self.message_next.load(Ordering::Relaxed));
        let committed = self.seal(numbers).and_then(|()| {
            self.appender.segments().expect_removal(&self.dead);
            let committed = self.database.prepare_cached("COMMIT");
            committed.and_then(|mut commit| commit.execute([])).map_err(|error| {
                self.appender.doubt(self.alone.drain(..).map(Alone::doubt));
                sql("commit")(error)
            })
        });
        if let Err(error) = committed {
            if !self.database.is_autocommit()
                && let Err(second) = self.database.execute_batch("ROLLBACK")
            {
                tracing::error!(error = %second, "rollback failed");
            }
            for segment in &self.dead {
                self.appender.segments().list(*segment);
            }
            for (submission, recipient) in self.lease_begins {
                self.leases.give_back(submission, recipient);
            }
            self.appender.rolled_back();
            self.remembered.clear();
            return Err(error);
        }
        *self.numbers_written = numbers;
        self.appender.committed();
        self.alone.drain(..).for_each(Alone::keep);
        let Self { news, accepted, dead, dropped, lease_ends, .. } = self;
        Ok(Committed { news, accepted, dead, dropped, lease_ends })
    }

    /// A modseq for this operation's changes.
    pub(crate) fn next_modseq(&mut self) -> Modseq {
        *self.modseq = self.modseq.saturating_add(1);
        Modseq(*self.modseq)
    }

    /// Takes over what a repair made of the numbers and forgets what was remembered.
    pub(crate) fn reread(&mut self, modseq: u64, message_next: i64) {
        *self.modseq = modseq.max(*self.modseq);
        self.message_next.fetch_max(message_next, Ordering::Relaxed);
        self.remembered.clear();
        self.turns.forget();
    }

    /// A UIDVALIDITY that no mailbox had: the time, or one more than the last.
    pub(crate) fn next_uid_validity(&mut self) -> Result<i64, StoreError> {
        let failed = sql("write the store's numbers");
        let last = match self.uid_validity_last {
            Some(last) => last,
            None => self
                .database
                .query_row("SELECT uid_validity_last FROM numbers", [], |row| row.get(0))
                .map_err(&failed)?,
        };
        let now = self.clock.now().0 / 1000;
        let next = last.saturating_add(1).max(now).clamp(1, i64::from(u32::MAX));
        self.database
            .execute("UPDATE numbers SET uid_validity_last = ?1", [next])
            .map_err(&failed)?;
        self.uid_validity_last = Some(next);
        Ok(next)
    }

    /// Keeps a segment of one message's own, if this is committed.
    pub(crate) fn keep_alone(&mut self, alone: Alone) {
        self.add_live(alone.place.segment, alone.place.record_octets());
        self.alone.push(alone);
    }

    /// Counts a record that became alive.
    pub(crate) fn add_live(&mut self, segment: u32, octets: u64) {
        let live = self.live_octets.entry(segment).or_default();
        *live = live.saturating_add(column(octets));
    }

    /// Counts a record that died.
    pub(crate) fn drop_live(&mut self, segment: u32, octets: u64) {
        self.dropped = Fact::Yes;
        let live = self.live_octets.entry(segment).or_default();
        *live = live.saturating_sub(column(octets));
    }

    /// An account's row; `None` when there is none.
    pub(crate) fn account(&mut self, id: AccountId) -> Result<Option<&mut AccountRow>, StoreError> {
        if !self.remembered.accounts.contains_key(&id) {
            self.flush_mailboxes()?;
            let reading = sql("read an account");
            let found = self
                .database
                .prepare_cached("SELECT address, quota_octets FROM account WHERE id = ?1")
                .and_then(|mut select| {
                    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
                    select.query_row([id.0], row).optional()
                })
                .map_err(&reading)?;
            let Some((address, quota)) = found else { return Ok(None) };
            let quota: Option<i64> = quota;
            let octets: i64 = match quota {
                None => 0,
                Some(_) => self
                    .database
                    .prepare_cached("SELECT ifnull(sum(octets), 0) FROM mailbox WHERE account = ?1")
                    .and_then(|mut select| select.query_row([id.0], |row| row.get(0)))
                    .map_err(&reading)?,
            };
            let row =
                AccountRow { address, quota_octets: quota.map(number), octets: number(octets) };
            self.remembered.accounts.insert(id, row);
        }
        Ok(self.remembered.accounts.get_mut(&id))
    }

    /// The mailbox of a name.
    pub(crate) fn mailbox_named(
        &mut self,
        account: AccountId,
        name: &str,
    ) -> Result<Option<MailboxId>, StoreError> {
        let key = (account, name.to_owned());
        if let Some(id) = self.remembered.names.get(&key) {
            return Ok(Some(*id));
        }
        let found: Option<i64> = self
            .database
            .prepare_cached("SELECT id FROM mailbox WHERE account = ?1 AND name = ?2")
            .and_then(|mut select| {
                select.query_row(params![account.0, name], |row| row.get(0)).optional()
            })
            .map_err(sql("find a mailbox"))?;
        let found = found.map(MailboxId);
        if let Some(id) = found {
            self.remembered.names.insert(key, id);
        }
        Ok(found)
    }

    /// A mailbox's row, to be changed.
    pub(crate) fn mailbox(&mut self, id: MailboxId) -> Result<&mut MailboxRow, StoreError> {
        if !self.remembered.mailboxes.contains_key(&id) {
            let row = self
                .database
                .prepare_cached(
                    "SELECT account, uid_next, modseq, messages, octets, unseen
                     FROM mailbox WHERE id = ?1",
                )
                .and_then(|mut select| {
                    let row = |row: &rusqlite::Row<'_>| {
                        Ok(MailboxRow {
                            account: AccountId(row.get(0)?),
                            uid_next: row.get(1)?,
                            modseq: Modseq(number(row.get(2)?)),
                            messages: number(row.get(3)?),
                            octets: number(row.get(4)?),
                            unseen: number(row.get(5)?),
                            changed: false,
                        })
                    };
                    select.query_row([id.0], row).optional()
                })
                .map_err(sql("read a mailbox"))?
                .ok_or_else(|| StoreError::NotFound { what: format!("mailbox {}", id.0) })?;
            self.remembered.mailboxes.insert(id, row);
        }
        self.remembered
            .mailboxes
            .get_mut(&id)
            .ok_or_else(|| damaged(format!("mailbox {}", id.0), "its row vanished"))
    }

    /// Changes a mailbox's row and with it what its account holds.
    pub(crate) fn change_mailbox(
        &mut self,
        id: MailboxId,
        change: impl FnOnce(&mut MailboxRow),
    ) -> Result<(), StoreError> {
        let row = self.mailbox(id)?;
        let before = row.octets;
        change(row);
        row.changed = true;
        let (account, after, modseq) = (row.account, row.octets, row.modseq);
        if let Some(holder) = self.remembered.accounts.get_mut(&account) {
            holder.octets = holder.octets.saturating_sub(before).saturating_add(after);
        }
        self.remembered.changed.insert(id);
        self.news.accounts.insert(account, modseq);
        Ok(())
    }

    /// Forgets what is remembered of an account that goes.
    pub(crate) fn forget_remembered(&mut self) {
        self.remembered.clear();
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.flush_mailboxes()?;
        self.flush_segments()
    }

    fn flush_mailboxes(&mut self) -> Result<(), StoreError> {
        let changed = std::mem::take(&mut self.remembered.changed);
        if changed.is_empty() {
            return Ok(());
        }
        let failed = sql("write a mailbox's counts");
        let mut update = self
            .database
            .prepare_cached(
                "UPDATE mailbox SET uid_next = ?2, modseq = ?3, messages = ?4, octets = ?5,
                     unseen = ?6 WHERE id = ?1",
            )
            .map_err(&failed)?;
        for id in changed {
            let Some(row) = self.remembered.mailboxes.get_mut(&id).filter(|row| row.changed) else {
                continue;
            };
            row.changed = false;
            update
                .execute(params![
                    id.0,
                    row.uid_next,
                    column(row.modseq.0),
                    column(row.messages),
                    column(row.octets),
                    column(row.unseen),
                ])
                .map_err(&failed)?;
        }
        Ok(())
    }

    fn flush_segments(&mut self) -> Result<(), StoreError> {
        if self.live_octets.is_empty() {
            return Ok(());
        }
        let failed = sql("write a segment's counts");
        let (current, end) = (self.appender.current(), self.appender.end());
        let mut may_be_dead = !self.appender.began().is_empty();
        let mut upsert = self
            .database
            .prepare_cached(
                "INSERT INTO segment (id, octets, live_octets) VALUES (?1, ?2, ?3)
                 ON CONFLICT (id) DO UPDATE SET octets = max(octets, excluded.octets),
                     live_octets = live_octets + excluded.live_octets",
            )
            .map_err(&failed)?;
        for (segment, live) in std::mem::take(&mut self.live_octets) {
            may_be_dead |= live < 0;
            let octets = match end {
                Some(end) if current == Some(segment) => end,
                _ => self.sealed_octets(segment),
            };
            upsert.execute(params![segment, column(octets), live]).map_err(&failed)?;
        }
        if !may_be_dead {
            return Ok(());
        }
        let mut delete = self
            .database
            .prepare_cached(
                "DELETE FROM segment WHERE live_octets <= 0 AND id IS NOT ?1 RETURNING id",
            )
            .map_err(&failed)?;
        let rows = delete.query_map([current], |row| row.get(0)).map_err(&failed)?;
        for row in rows {
            self.dead.push(row.map_err(&failed)?);
        }
        Ok(())
    }

    /// Up to where a segment goes that is not appended to any more; zero where its row says it.
    fn sealed_octets(&self, segment: u32) -> u64 {
        let alone = self.alone.iter().find(|alone| alone.place.segment == segment);
        match alone {
            Some(alone) => alone.place.at.saturating_add(alone.place.record_octets()),
            None => self.appender.sealed_octets(segment),
        }
    }
}

impl News {
    fn add(&mut self, newer: Self) {
        if newer.directory == Fact::Yes {
            self.directory = Fact::Yes;
        }
        if newer.orders == Fact::Yes {
            self.orders = Fact::Yes;
        }
        if newer.queue == Fact::Yes {
            self.queue = Fact::Yes;
        }
        self.accounts.extend(newer.accounts);
        self.submissions.extend(newer.submissions);
    }
}

/// Whether an error leaves the transaction in doubt, so that all of it must go.
fn is_fatal(error: &StoreError) -> bool {
    matches!(error, StoreError::Io { .. } | StoreError::Full)
}

/// Whether an operation may have stopped in the middle, without a savepoint to go back to: damage
/// shows when it is met, also behind the checks.
fn leaves_half(guard: Guard, error: &StoreError) -> bool {
    guard == Guard::ChecksFirst && matches!(error, StoreError::Damaged { .. })
}
