//! The promises of `store::Store`, each handed to the writer or to a reader.
//!
//! Not here: what the operations do.

use std::sync::Arc;

use bytes::Bytes;
use envelope::Domain;
use rusqlite::Connection;
use store::{
    Accept, Accepted, Account, AccountId, AccountState, AccountUse, Alias, AliasKey, Announcement,
    Change, Changes, Content, Counters, Credential, DomainRelay, DomainRow, Due, Entry, Finish,
    FlagChange, Mailbox, MailboxId, MessageId, Modseq, NewAccount, NewEvent, NewMailbox, Note,
    Pending, QueueFilter, Repair, SEEN_MAX, Search, Seen, Spool, Steer, Store, StoreError,
    SubmissionId, SubmissionKey, SubmissionView, Summary, Tell, Uid, UnixMillis, UntoldDue,
    VerifyReport,
};
use tokio::sync::{broadcast, oneshot};

use crate::accept::{Body, Incoming, Notice, mailbox_key, make_mailbox};
use crate::batch::{Batch, Guard};
use crate::readers::{Readers, snapshot};
use crate::segments::whole;
use crate::shared::Shared;
use crate::spool::ArrivingContent;
use crate::waiting::{Answer, Kind, Operation};
use crate::{
    SqliteStore, accept, directory, due, finish, greylist, mailboxes, notes, queue, search, untold,
    verify,
};

/// Content that is bigger gets a segment of its own, written beside the writer.
const SMALL_CONTENT_OCTETS_MAX: u64 = 1024 * 1024;

/// Content in memory up to this is hashed where it comes in; more is left to a reader thread.
const INLINE_CONTENT_OCTETS_MAX: u64 = 128 * 1024;

type AnswerSender<T> = oneshot::Sender<Result<T, StoreError>>;

/// An operation for the writer, and where its answer arrives.
fn operation<T: Send + 'static>(
    (kind, octets): (Kind, u64),
    guard: Guard,
    sender: AnswerSender<T>,
    run: impl FnOnce(&mut Batch<'_>) -> Result<T, StoreError> + Send + 'static,
) -> Operation {
    let run = move |batch: Option<&mut Batch<'_>>| -> Answer {
        let result = match batch {
            Some(batch) => batch.attempt(guard, run),
            None => Err(StoreError::Closed), // the commit's error goes before it
        };
        Box::new(move |commit| {
            // The caller may have gone.
            drop(sender.send(commit.and(result)));
        })
    };
    Operation { kind, octets, run: Box::new(run) }
}

fn pending<'a, T: Send + 'a>(
    pushed: Result<(), StoreError>,
    receiver: oneshot::Receiver<Result<T, StoreError>>,
) -> Pending<'a, T> {
    Box::pin(async move {
        pushed?;
        receiver.await.unwrap_or(Err(StoreError::Closed))
    })
}

impl SqliteStore {
    pub(crate) fn write<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Batch<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'_, T> {
        let (sender, receiver) = oneshot::channel();
        let operation = operation((Kind::Other, 0), Guard::Savepoint, sender, run);
        pending(self.shared.waiting.push(operation), receiver)
    }

    pub(crate) fn view<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'_, T> {
        self.aside(&self.readers, move |connection| snapshot(connection, read))
    }

    pub(crate) fn aside<T: Send + 'static>(
        &self,
        readers: &Readers,
        read: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'_, T> {
        let (sender, receiver) = oneshot::channel();
        let read = move |connection: &mut Connection| drop(sender.send(read(connection)));
        pending(readers.run(Box::new(read)), receiver)
    }

    /// Prepares content and pushes an operation: here if it is small, else beside.
    fn prepared<T: Send + 'static>(
        &self,
        small: bool,
        push: impl FnOnce(&Shared, AnswerSender<T>) -> Result<(), StoreError> + Send + 'static,
    ) -> Pending<'_, T> {
        let (sender, receiver) = oneshot::channel();
        if small {
            return pending(push(&self.shared, sender), receiver);
        }
        let (failed, failure) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let started = self.preparers.run(Box::new(move |_| {
            if let Err(error) = push(&shared, sender) {
                drop(failed.send(error)); // the caller may have gone
            }
        }));
        Box::pin(async move {
            started?;
            match receiver.await {
                Ok(result) => result,
                // It was never pushed: why?
                Err(_) => Err(failure.await.unwrap_or(StoreError::Closed)),
            }
        })
    }

    /// Whether there is room for something new. Asked anew each time, so that it recovers.
    fn check_room(&self, octets: u64) -> Result<(), StoreError> {
        let segments = &self.shared.segments;
        let free = segments.disk().free_octets(segments.folder()).map_err(|error| {
            StoreError::Io { action: "ask for free space".to_owned(), reason: error.to_string() }
        })?;
        if free < self.reserve_octets.saturating_add(octets) {
            return Err(StoreError::Full);
        }
        Ok(())
    }
}

/// Brings content into the form in which the writer takes it.
fn prepare(shared: &Shared, accept: &mut Accept) -> Result<Body, StoreError> {
    let content = std::mem::replace(&mut accept.content, Content::Memory(Bytes::new()));
    if content.octets() > SMALL_CONTENT_OCTETS_MAX {
        let message = shared.take_message();
        let alone = shared.segments.write_alone(message, &content)?;
        shared.count_alone(content.octets());
        return Ok(Body::Alone { message, alone });
    }
    let octets = whole(content)?;
    let blake3 = *blake3::hash(&octets).as_bytes();
    Ok(Body::Small { octets, blake3 })
}

fn prepare_notices(shared: &Shared, notices: Vec<Accept>) -> Result<Vec<Notice>, StoreError> {
    let prepare_one = |mut accept: Accept| {
        if !accept.notices.is_empty() {
            let reason = "a notice cannot bring notices of its own".to_owned();
            return Err(StoreError::Refused { reason });
        }
        let body = prepare(shared, &mut accept)?;
        Ok(Notice { accept, body })
    };
    notices.into_iter().map(prepare_one).collect()
}

/// Whether content may be prepared where it comes in.
fn is_small(accept: &Accept) -> bool {
    let limit = INLINE_CONTENT_OCTETS_MAX;
    matches!(&accept.content, Content::Memory(octets) if octets.len() as u64 <= limit)
}

fn push_accept(
    shared: &Shared,
    mut accept: Accept,
    sender: oneshot::Sender<Result<Accepted, StoreError>>,
) -> Result<(), StoreError> {
    let notices = prepare_notices(shared, std::mem::take(&mut accept.notices))?;
    let body = prepare(shared, &mut accept)?;
    let noticed = notices.iter().map(|notice| notice.body.batch_octets());
    let octets = noticed.fold(body.batch_octets(), u64::saturating_add);
    let guard = if notices.is_empty() { Guard::ChecksFirst } else { Guard::Savepoint };
    let incoming = Incoming { accept, body, notices };
    let run = move |batch: &mut Batch<'_>| accept::accept(batch, incoming);
    shared.waiting.push(operation((Kind::Accept, octets), guard, sender, run))
}

fn push_tell(
    shared: &Shared,
    mut tell: Tell,
    sender: oneshot::Sender<Result<(), StoreError>>,
) -> Result<(), StoreError> {
    let notices = prepare_notices(shared, std::mem::take(&mut tell.notices))?;
    let octets = notices.iter().map(|notice| notice.body.batch_octets()).sum();
    let run = move |batch: &mut Batch<'_>| untold::tell(batch, &tell, notices);
    shared.waiting.push(operation((Kind::Other, octets), Guard::Savepoint, sender, run))
}

fn push_finish(
    shared: &Shared,
    mut finish: Finish,
    sender: oneshot::Sender<Result<(), StoreError>>,
) -> Result<(), StoreError> {
    let notices = prepare_notices(shared, std::mem::take(&mut finish.notices))?;
    let octets = notices.iter().map(|notice| notice.body.batch_octets()).sum();
    let run = move |batch: &mut Batch<'_>| finish::finish(batch, &finish, notices);
    shared.waiting.push(operation((Kind::Other, octets), Guard::Savepoint, sender, run))
}

impl Store for SqliteStore {
    fn spool(&self) -> Result<Box<dyn Spool>, StoreError> {
        self.check_room(0)?;
        let segments = &self.shared.segments;
        let folder = segments.folder().to_owned();
        let disk = Arc::clone(segments.disk());
        Ok(Box::new(ArrivingContent::new(disk, folder, &self.budget)))
    }

    fn announce(&self) -> Announcement {
        self.shared.waiting.announce()
    }

    fn accept(&self, accept: Accept) -> Pending<'_, Accepted> {
        if let Err(error) = self.check_room(accept.content.octets()) {
            return Box::pin(std::future::ready(Err(error)));
        }
        let small = is_small(&accept) && accept.notices.iter().all(is_small);
        self.prepared(small, move |shared, sender| push_accept(shared, accept, sender))
    }

    fn finish(&self, finish: Finish) -> Pending<'_, ()> {
        let small = finish.notices.iter().all(is_small);
        self.prepared(small, move |shared, sender| push_finish(shared, finish, sender))
    }

    fn record(&self, submission: SubmissionId, events: Vec<NewEvent>) -> Pending<'_, ()> {
        self.write(move |batch| finish::record(batch, submission, &events))
    }

    fn lease_due(
        &self,
        now: UnixMillis,
        lease_until: UnixMillis,
        limit: u32,
    ) -> Pending<'_, Vec<Due>> {
        self.write(move |batch| due::lease_due(batch, now, lease_until, limit))
    }

    fn release(&self, submission: SubmissionId, recipients: Vec<u32>) -> Pending<'_, ()> {
        // Leases are in memory only: this works even while the disk does not.
        for recipient in recipients {
            self.shared.leases.give_back(submission, recipient);
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn next_due(&self) -> Pending<'_, Option<UnixMillis>> {
        self.write(move |batch| due::next_due(batch))
    }

    fn untold(&self, now: UnixMillis, limit: u32) -> Pending<'_, UntoldDue> {
        self.view(move |database| untold::due(database, now, limit))
    }

    fn tell(&self, tell: Tell) -> Pending<'_, ()> {
        let small = tell.notices.iter().all(is_small);
        self.prepared(small, move |shared, sender| push_tell(shared, tell, sender))
    }

    fn steer(&self, steer: Steer) -> Pending<'_, Vec<u32>> {
        self.write(move |batch| finish::steer(batch, &steer))
    }

    fn queue(&self, filter: QueueFilter) -> Pending<'_, Vec<Summary>> {
        self.view(move |database| queue::queue(database, &filter))
    }

    fn search(&self, search: Search) -> Pending<'_, Vec<Summary>> {
        self.view(move |database| search::search(database, &search))
    }

    fn submission(&self, id: SubmissionId) -> Pending<'_, Option<SubmissionView>> {
        self.view(move |database| queue::submission(database, id))
    }

    fn find_submissions(&self, key: SubmissionKey) -> Pending<'_, Vec<SubmissionId>> {
        self.view(move |database| queue::find(database, &key))
    }

    fn forget_settled(&self, before: UnixMillis) -> Pending<'_, u64> {
        self.write(move |batch| finish::forget_settled(batch, before))
    }

    fn forget_transcripts(
        &self,
        before: UnixMillis,
        after: Option<SubmissionId>,
    ) -> Pending<'_, Option<SubmissionId>> {
        self.write(move |batch| finish::forget_transcripts(batch, before, after))
    }

    fn mailboxes(&self, account: AccountId) -> Pending<'_, Vec<Mailbox>> {
        self.view(move |database| mailboxes::mailboxes(database, account))
    }

    fn create_mailbox(&self, account: AccountId, mailbox: NewMailbox) -> Pending<'_, Mailbox> {
        self.write(move |batch| {
            if batch.account(account)?.is_none() {
                return Err(StoreError::NotFound { what: format!("account {}", account.0) });
            }
            if mailbox.name.is_empty() {
                return Err(StoreError::Refused { reason: "a mailbox needs a name".to_owned() });
            }
            if batch.mailbox_named(account, mailbox_key(&mailbox.name))?.is_some() {
                return Err(StoreError::Exists { what: format!("mailbox {}", mailbox.name) });
            }
            let modseq = batch.next_modseq();
            let id = make_mailbox(batch, account, &mailbox, modseq)?;
            mailboxes::mailbox(batch.database, id)
        })
    }

    fn entries(&self, account: AccountId, mailbox: MailboxId) -> Pending<'_, Vec<Entry>> {
        self.view(move |database| mailboxes::entries(database, account, mailbox))
    }

    fn entry(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uid: Uid,
    ) -> Pending<'_, Option<Entry>> {
        self.view(move |database| mailboxes::entry(database, account, mailbox, uid))
    }

    fn read(&self, message: MessageId, offset: u64, octets_max: usize) -> Pending<'_, Bytes> {
        let segments = Arc::clone(&self.shared.segments);
        self.aside(&self.readers, move |connection| {
            let find = |connection: &mut Connection| {
                let place = snapshot(connection, |database| mailboxes::place(database, message))?;
                let what = || format!("message {}", message.0);
                place.ok_or_else(|| StoreError::NotFound { what: what() })
            };
            let place = find(connection)?;
            segments.read(place, offset, octets_max).or_else(|error| {
                // It may have been moved, and its old segment removed, while we looked.
                let moved = find(connection)?;
                if moved == place {
                    return Err(error);
                }
                segments.read(moved, offset, octets_max)
            })
        })
    }

    fn set_flags(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: Vec<Uid>,
        change: FlagChange,
    ) -> Pending<'_, Modseq> {
        self.write(move |batch| mailboxes::set_flags(batch, account, mailbox, &uids, &change))
    }

    fn expunge(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: Vec<Uid>,
    ) -> Pending<'_, Modseq> {
        self.write(move |batch| mailboxes::expunge(batch, account, mailbox, &uids))
    }

    fn changes(&self, account: AccountId, since: Modseq) -> Pending<'_, Changes> {
        self.view(move |database| mailboxes::changes(database, account, since))
    }

    fn domains(&self) -> Pending<'_, Vec<DomainRow>> {
        self.view(directory::domains)
    }

    fn add_domain(&self, domain: Domain, at: UnixMillis) -> Pending<'_, ()> {
        self.write(move |batch| directory::add_domain(batch, &domain, None, at))
    }

    fn relay_domain(&self, domain: Domain, relay: DomainRelay, at: UnixMillis) -> Pending<'_, ()> {
        self.write(move |batch| directory::add_domain(batch, &domain, Some(&relay), at))
    }

    fn remove_domain(&self, domain: Domain) -> Pending<'_, ()> {
        self.write(move |batch| directory::remove_domain(batch, &domain))
    }

    fn accounts(&self) -> Pending<'_, Vec<Account>> {
        self.view(directory::accounts)
    }

    fn account_use(&self, account: AccountId) -> Pending<'_, AccountUse> {
        self.view(move |database| mailboxes::account_use(database, account))
    }

    fn add_account(&self, account: NewAccount) -> Pending<'_, AccountId> {
        self.write(move |batch| directory::add_account(batch, &account))
    }

    fn set_account_state(&self, account: AccountId, state: AccountState) -> Pending<'_, ()> {
        self.write(move |batch| directory::set_account_state(batch, account, state))
    }

    fn set_credential(&self, account: AccountId, credential: Credential) -> Pending<'_, ()> {
        self.write(move |batch| directory::set_credential(batch, account, &credential))
    }

    fn set_quota(&self, account: AccountId, quota_octets: Option<u64>) -> Pending<'_, ()> {
        self.write(move |batch| directory::set_quota(batch, account, quota_octets))
    }

    fn remove_account(&self, account: AccountId) -> Pending<'_, ()> {
        self.write(move |batch| directory::remove_account(batch, account))
    }

    fn aliases(&self) -> Pending<'_, Vec<Alias>> {
        self.view(directory::aliases)
    }

    fn set_alias(&self, alias: Alias) -> Pending<'_, ()> {
        self.write(move |batch| directory::set_alias(batch, &alias))
    }

    fn remove_alias(&self, alias: AliasKey) -> Pending<'_, ()> {
        self.write(move |batch| directory::remove_alias(batch, &alias))
    }

    fn notes(&self, account: AccountId, prefix: &str) -> Pending<'_, Vec<Note>> {
        let prefix = prefix.to_owned();
        self.view(move |database| notes::read(database, account, &prefix))
    }

    fn set_notes(&self, notes: Vec<Note>) -> Pending<'_, ()> {
        self.write(move |batch| {
            for note in &notes {
                if batch.account(note.account)?.is_none() {
                    let what = format!("account {}", note.account.0);
                    return Err(StoreError::NotFound { what });
                }
            }
            notes::write(batch, &notes)
        })
    }

    fn seen(&self, keys: Vec<String>, now: UnixMillis) -> Pending<'_, Vec<Seen>> {
        self.view(move |database| greylist::seen(database, &keys, now))
    }

    fn see(&self, seen: Seen, now: UnixMillis) -> Pending<'_, ()> {
        self.write(move |batch| greylist::see(batch.database, &seen, now, SEEN_MAX))
    }

    fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.shared.changes.subscribe()
    }

    fn verify(&self, repair: Repair) -> Pending<'_, VerifyReport> {
        verify::verify(self, repair)
    }

    fn counters(&self) -> Counters {
        self.shared.counters()
    }
}
