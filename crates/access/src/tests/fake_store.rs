//! A store in memory: one mailbox for each account, and faults on demand.
//!
//! Not here: everything that a POP3 session does not ask of a store; it is refused.

use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use envelope::{Address, Domain};
use store::{
    Accept, Accepted, Account, AccountId, AccountState, AccountUse, Alias, AliasKey, Announcement,
    Change, Changes, Counters, Credential, DomainRelay, DomainRow, Due, Entry, Finish, FlagChange,
    HoldRule, HoldRuleId, INBOX, Mailbox, MailboxId, MailboxRole, MessageId, Modseq, NewAccount,
    NewEvent, NewHoldRule, NewMailbox, Note, Orders, Pending, QueueFilter, Refused, Repair, Search,
    Seen, Spool, Steer, Store, StoreError, SubmissionId, SubmissionKey, SubmissionView, Summary,
    Suppression, Tell, Uid, UidValidity, UnixMillis, UntoldDue, VerifyReport,
};
use tokio::sync::broadcast;

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fault {
    #[default]
    None,
    /// Entries cannot be listed.
    Entries,
    /// Content cannot be read from this offset on.
    ReadFrom(u64),
    /// Nothing can be removed.
    Expunge,
}

#[derive(Debug, Default)]
pub(super) struct FakeStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    domains: Vec<DomainRow>,
    accounts: Vec<Account>,
    /// Whose, where, and the content.
    entries: Vec<(AccountId, Entry, Bytes)>,
    fault: Fault,
    octets_read: u64,
    expunges: Vec<Vec<u32>>,
}

impl FakeStore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn break_down(&self, fault: Fault) {
        self.state().fault = fault;
    }

    /// Puts a message into an INBOX.
    pub(super) fn deliver(&self, account: AccountId, prefix: &[u8], content: impl Into<Bytes>) {
        let (mut state, content) = (self.state(), content.into());
        let uid = u32::try_from(state.entries.len() + 1).unwrap();
        let entry = Entry {
            mailbox: MailboxId(account.0),
            uid: Uid::new(uid).unwrap(),
            message: MessageId(uid.into()),
            submission: SubmissionId::from_octets([0; 16]),
            prefix: prefix.to_vec(),
            octets: (prefix.len() + content.len()) as u64,
            delivered_at: UnixMillis(0),
            modseq: Modseq(1),
            flags: store::Flags::default(),
        };
        state.entries.push((account, entry, content));
    }

    /// UIDs that are left in an INBOX.
    pub(super) fn uids(&self, account: AccountId) -> Vec<u32> {
        let state = self.state();
        let own = state.entries.iter().filter(|(owner, ..)| *owner == account);
        own.map(|(_, entry, _)| entry.uid.get()).collect()
    }

    /// The UIDs of each removal.
    pub(super) fn expunges(&self) -> Vec<Vec<u32>> {
        self.state().expunges.clone()
    }

    /// Octets of content that were read.
    pub(super) fn octets_read(&self) -> u64 {
        self.state().octets_read
    }

    /// Removes an entry behind everybody's back.
    pub(super) fn remove(&self, uid: u32) {
        self.state().entries.retain(|(_, entry, _)| entry.uid.get() != uid);
    }
}

fn ready<T: Send + 'static>(answer: Result<T, StoreError>) -> Pending<'static, T> {
    Box::pin(async { answer })
}

fn refused<T: Send + 'static>() -> Pending<'static, T> {
    ready(Err(StoreError::Refused { reason: "not in this test".to_owned() }))
}

fn broken<T>() -> Result<T, StoreError> {
    Err(StoreError::Io { action: "do it".to_owned(), reason: "test".to_owned() })
}

impl Orders for FakeStore {
    fn hold_rules(&self) -> Pending<'_, Vec<HoldRule>> {
        refused()
    }

    fn add_hold_rule(&self, _: NewHoldRule) -> Pending<'_, HoldRuleId> {
        refused()
    }

    fn remove_hold_rule(&self, _: HoldRuleId) -> Pending<'_, ()> {
        refused()
    }

    fn suppress(&self, _: Suppression) -> Pending<'_, ()> {
        refused()
    }

    fn unsuppress(&self, _: Address) -> Pending<'_, ()> {
        refused()
    }

    fn suppressed(&self, _: Vec<Address>) -> Pending<'_, Vec<Suppression>> {
        refused()
    }

    fn suppressions(&self, _: Option<Address>, _: u32) -> Pending<'_, Vec<Suppression>> {
        refused()
    }

    fn count_refusals(&self, _: Vec<Address>, _: UnixMillis) -> Pending<'_, Vec<Refused>> {
        refused()
    }

    fn refused(&self, _: u32, _: Option<Address>, _: u32) -> Pending<'_, Vec<Refused>> {
        refused()
    }
}

impl Store for FakeStore {
    fn mailboxes(&self, account: AccountId) -> Pending<'_, Vec<Mailbox>> {
        let mailbox = |id, name: &str| Mailbox {
            id: MailboxId(id),
            account,
            name: name.to_owned(),
            role: (name == INBOX).then_some(MailboxRole::Inbox),
            uid_validity: UidValidity(7),
            uid_next: Uid::new(1000).unwrap(),
            modseq: Modseq(1),
            messages: 0,
            octets: 0,
            unseen: 0,
        };
        ready(Ok(vec![mailbox(-1, "Archive"), mailbox(account.0, INBOX)]))
    }

    fn entries(&self, account: AccountId, mailbox: MailboxId) -> Pending<'_, Vec<Entry>> {
        let state = self.state();
        if state.fault == Fault::Entries {
            return ready(broken());
        }
        let own = state.entries.iter();
        let own = own.filter(|(owner, entry, _)| *owner == account && entry.mailbox == mailbox);
        ready(Ok(own.map(|(_, entry, _)| entry.clone()).collect()))
    }

    fn entry(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uid: Uid,
    ) -> Pending<'_, Option<Entry>> {
        let found = self.state().entries.iter().find_map(|(owner, entry, _)| {
            let is_it = *owner == account && entry.mailbox == mailbox && entry.uid == uid;
            is_it.then(|| entry.clone())
        });
        ready(Ok(found))
    }

    fn read(&self, message: MessageId, offset: u64, octets_max: usize) -> Pending<'_, Bytes> {
        let mut state = self.state();
        if matches!(state.fault, Fault::ReadFrom(broken_from) if offset >= broken_from) {
            return ready(broken());
        }
        let found = state.entries.iter().find(|(_, entry, _)| entry.message == message);
        let Some((_, _, content)) = found else { return ready(broken()) };
        let from = usize::try_from(offset).unwrap().min(content.len());
        let chunk = content.slice(from..content.len().min(from + octets_max));
        state.octets_read += chunk.len() as u64;
        ready(Ok(chunk))
    }

    fn expunge(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: Vec<Uid>,
    ) -> Pending<'_, Modseq> {
        let mut state = self.state();
        if state.fault == Fault::Expunge {
            return ready(broken());
        }
        state.entries.retain(|(owner, entry, _)| {
            *owner != account || entry.mailbox != mailbox || !uids.contains(&entry.uid)
        });
        state.expunges.push(uids.into_iter().map(Uid::get).collect());
        ready(Ok(Modseq(2)))
    }

    fn domains(&self) -> Pending<'_, Vec<DomainRow>> {
        ready(Ok(self.state().domains.clone()))
    }

    fn add_domain(&self, domain: Domain, at: UnixMillis) -> Pending<'_, ()> {
        self.state().domains.push(DomainRow { domain, relay: None, added_at: at });
        ready(Ok(()))
    }

    fn relay_domain(&self, _: Domain, _: DomainRelay, _: UnixMillis) -> Pending<'_, ()> {
        refused()
    }

    fn accounts(&self) -> Pending<'_, Vec<Account>> {
        ready(Ok(self.state().accounts.clone()))
    }

    fn add_account(&self, account: NewAccount) -> Pending<'_, AccountId> {
        let mut state = self.state();
        let id = AccountId(i64::try_from(state.accounts.len()).unwrap() + 1);
        state.accounts.push(Account {
            id,
            address: account.key(),
            name: account.name,
            quota_octets: account.quota_octets,
            credential: account.credential,
            state: AccountState::Active,
            created_at: account.created_at,
        });
        ready(Ok(id))
    }

    fn aliases(&self) -> Pending<'_, Vec<Alias>> {
        ready(Ok(Vec::new()))
    }

    fn spool(&self) -> Result<Box<dyn Spool>, StoreError> {
        Err(StoreError::Closed)
    }

    fn announce(&self) -> Announcement {
        Announcement::new(|| {})
    }

    fn accept(&self, _: Accept) -> Pending<'_, Accepted> {
        refused()
    }

    fn finish(&self, _: Finish) -> Pending<'_, ()> {
        refused()
    }

    fn record(&self, _: SubmissionId, _: Vec<NewEvent>) -> Pending<'_, ()> {
        refused()
    }

    fn lease_due(&self, _: UnixMillis, _: UnixMillis, _: u32) -> Pending<'_, Vec<Due>> {
        refused()
    }

    fn release(&self, _: SubmissionId, _: Vec<u32>) -> Pending<'_, ()> {
        refused()
    }

    fn next_due(&self) -> Pending<'_, Option<UnixMillis>> {
        refused()
    }

    fn untold(&self, _: UnixMillis, _: u32) -> Pending<'_, UntoldDue> {
        refused()
    }

    fn tell(&self, _: Tell) -> Pending<'_, ()> {
        refused()
    }

    fn steer(&self, _: Steer) -> Pending<'_, Vec<u32>> {
        refused()
    }

    fn queue(&self, _: QueueFilter) -> Pending<'_, Vec<Summary>> {
        refused()
    }

    fn search(&self, _: Search) -> Pending<'_, Vec<Summary>> {
        refused()
    }

    fn submission(&self, _: SubmissionId) -> Pending<'_, Option<SubmissionView>> {
        refused()
    }

    fn find_submissions(&self, _: SubmissionKey) -> Pending<'_, Vec<SubmissionId>> {
        refused()
    }

    fn forget_settled(&self, _: UnixMillis) -> Pending<'_, u64> {
        refused()
    }

    fn forget_transcripts(
        &self,
        _: UnixMillis,
        _: Option<SubmissionId>,
    ) -> Pending<'_, Option<SubmissionId>> {
        refused()
    }

    fn create_mailbox(&self, _: AccountId, _: NewMailbox) -> Pending<'_, Mailbox> {
        refused()
    }

    fn set_flags(
        &self,
        _: AccountId,
        _: MailboxId,
        _: Vec<Uid>,
        _: FlagChange,
    ) -> Pending<'_, Modseq> {
        refused()
    }

    fn changes(&self, _: AccountId, _: Modseq) -> Pending<'_, Changes> {
        refused()
    }

    fn remove_domain(&self, _: Domain) -> Pending<'_, ()> {
        refused()
    }

    fn account_use(&self, _: AccountId) -> Pending<'_, AccountUse> {
        refused()
    }

    fn set_account_state(&self, _: AccountId, _: AccountState) -> Pending<'_, ()> {
        refused()
    }

    fn set_credential(&self, _: AccountId, _: Credential) -> Pending<'_, ()> {
        refused()
    }

    fn set_quota(&self, _: AccountId, _: Option<u64>) -> Pending<'_, ()> {
        refused()
    }

    fn remove_account(&self, _: AccountId) -> Pending<'_, ()> {
        refused()
    }

    fn set_alias(&self, _: Alias) -> Pending<'_, ()> {
        refused()
    }

    fn remove_alias(&self, _: AliasKey) -> Pending<'_, ()> {
        refused()
    }

    fn notes(&self, _: AccountId, _: &str) -> Pending<'_, Vec<Note>> {
        refused()
    }

    fn set_notes(&self, _: Vec<Note>) -> Pending<'_, ()> {
        refused()
    }

    fn seen(&self, _: Vec<String>, _: UnixMillis) -> Pending<'_, Vec<Seen>> {
        refused()
    }

    fn see(&self, _: Seen, _: UnixMillis) -> Pending<'_, ()> {
        refused()
    }

    fn subscribe(&self) -> broadcast::Receiver<Change> {
        broadcast::channel(1).1
    }

    fn verify(&self, _: Repair) -> Pending<'_, VerifyReport> {
        refused()
    }

    fn counters(&self) -> Counters {
        Counters::default()
    }
}
