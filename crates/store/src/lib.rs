//! The message store's domain: what is durable, and the one door through which it changes.
//!
//! ```text
//!   mta ──accept──▶ ┌───────────────────────────┐ ──change feed──▶ access, web, mailbag
//!   mta ──finish──▶ │ Store (trait; an engine)  │
//!   access ─reads─▶ └───────────────────────────┘
//! ```
//!
//! Every message comes in through [`Store::accept`], one commit, and leaves the queue through
//! [`Store::finish`], one commit. An operation that returned `Ok` is on stable storage; one
//! that returned an error changed nothing. Engines differ in how they keep things, never in
//! what they promise: [`conformance`] is the list of promises, as tests.
//!
//! Standards: RFC 5598 §4.2 (message store), RFC 9051 §2.3 (UIDs, flags), RFC 7162 (MODSEQ),
//! RFC 3461 (what a sender is told).
//! Not here: how an engine keeps its octets (crate `store-sqlite`), who an address belongs to
//! (crate `directory`), when a message is tried again (crate `mta`).

mod account;
pub mod conformance;
mod content;
mod error;
mod event;
mod greylist;
mod id;
mod mailbox;
mod orders;
mod queue;
mod search;
mod submission;
mod terms;
mod untold;
mod verify;

use std::fmt::Debug;
use std::pin::Pin;

use bytes::Bytes;
use envelope::{Address, Domain};
use tokio::sync::broadcast;

pub use account::{
    Account, AccountState, AccountUse, Alias, AliasKey, Credential, DomainRelay, DomainRow,
    NewAccount, Note,
};
pub use content::{Content, SPOOL_MEMORY_OCTETS_MAX, Spool, SpoolFile};
pub use error::StoreError;
pub use event::{Event, Happening, NewEvent};
pub use greylist::{SEEN_MAX, Seen};
pub use id::{
    AccountId, IdSource, MailboxId, MessageId, Modseq, SubmissionId, Uid, UidValidity, UnixMillis,
};
pub use mailbox::{
    Changes, Entry, Flag, FlagChange, Flags, INBOX, Mailbox, MailboxRole, NewMailbox,
};
pub use orders::{HoldRule, HoldRuleId, NewHoldRule, Orders, Refused, Suppression};
pub use queue::{Due, DueRecipient, FixedRoute, QueueFilter, Steer, SteerAction};
pub use search::{RecipientPattern, Search, SenderPattern, StatePattern};
pub use submission::{
    Accept, Accepted, Attempt, CertificateRecord, Delivery, Finish, LocalDelivery, NewFate,
    NewRecipient, Origin, OriginKind, Outcome, RecipientState, RecipientView, RemoteReply,
    SubmissionKey, SubmissionView, Summary, TlsRecord,
};
pub use terms::{Deadline, Release, Terms, TlsWish, URGENCY_LEAD};
pub use untold::{News, NewsKind, Tell, Untold, UntoldDue, UntoldOf};
pub use verify::{Counters, Finding, Repair, VerifyReport};

/// The answer of a store operation, to be awaited.
///
/// # Cancel safety
///
/// Dropping it before it is ready does not undo the operation: it may still commit.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A message store: accounts, mailboxes, messages, the queue and what happened to each message.
pub trait Store: Orders + Send + Sync + Debug + 'static {
    // ---- mail in motion ----

    /// A place for content that is still arriving.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] when all content in flight together is over its budget,
    /// [`StoreError::Full`] when the disk is.
    fn spool(&self) -> Result<Box<dyn Spool>, StoreError>;

    /// Announces that an [`accept`](Self::accept) will follow soon, so that the next commit can
    /// wait for it a moment and take it along. Dropping the announcement takes it back: keep it
    /// until the accept was answered.
    fn announce(&self) -> Announcement;

    /// Takes responsibility for a message: content, mailbox entries, queue entries and events
    /// in one commit. Only after `Ok` may anybody say 250.
    ///
    /// # Errors
    ///
    /// Nothing is kept on any error; [`StoreError::Exists`] when the id was used before.
    fn accept(&self, accept: Accept) -> Pending<'_, Accepted>;

    /// Settles, or puts off, the fate of recipients of one submission in one commit, together
    /// with the notices that follow from it. Who was held meanwhile stays held when deferred, but
    /// where the outcome says that it ends holds.
    fn finish(&self, finish: Finish) -> Pending<'_, ()>;

    /// Adds events to a submission without changing a recipient's state.
    fn record(&self, submission: SubmissionId, events: Vec<NewEvent>) -> Pending<'_, ()>;

    /// Recipients whose time has come, in turns: one sender after the other, of one sender one
    /// destination after the other, and of those the oldest; urgent ones count as due for
    /// [`URGENCY_LEAD`] longer, non-urgent ones for so much shorter, and of two turns one is for
    /// urgent ones. A submission comes with all of its
    /// recipients that are due; with the one that brings them to `limit` or over it, it is
    /// enough. They are leased to the caller until `finish` or `release` names them or
    /// `lease_until` passes.
    ///
    /// Memory and time do not grow with what waits.
    fn lease_due(
        &self,
        now: UnixMillis,
        lease_until: UnixMillis,
        limit: u32,
    ) -> Pending<'_, Vec<Due>>;

    /// Gives leases back, as if they had never been: nothing else about these recipients changes,
    /// and those that are due can be leased anew. For work that broke down. Nobody hears of it.
    fn release(&self, submission: SubmissionId, recipients: Vec<u32>) -> Pending<'_, ()>;

    /// When the next recipient is there to be leased: it is due, and no other lease holds it.
    fn next_due(&self) -> Pending<'_, Option<UnixMillis>>;

    /// News that senders have to be told, of at most `limit` submissions, and when the next is due.
    fn untold(&self, now: UnixMillis, limit: u32) -> Pending<'_, UntoldDue>;

    /// Writes down that a sender was told, together with the notices;
    /// [`StoreError::Refused`] when something of it had been told before.
    fn tell(&self, tell: Tell) -> Pending<'_, ()>;

    /// Hold, release, retry now, cancel or send another way; the recipients that it changed, with
    /// an event for each. Cancelling settles them. Left alone are those that are settled already,
    /// held ones and those before their release on retry, and on cancelling those that somebody
    /// leases: they are being tried right now. Nothing that its sender wants kept back is due
    /// before its release.
    fn steer(&self, steer: Steer) -> Pending<'_, Vec<u32>>;

    /// Submissions with recipients that are not settled yet (or all), oldest first; with a limit
    /// the newest ones of them, or the oldest ones after `after`.
    fn queue(&self, filter: QueueFilter) -> Pending<'_, Vec<Summary>>;

    /// Submissions that match, settled ones as well, newest first.
    fn search(&self, search: Search) -> Pending<'_, Vec<Summary>>;

    /// Everything known of one submission.
    fn submission(&self, id: SubmissionId) -> Pending<'_, Option<SubmissionView>>;

    /// Submissions by the id in our 250 or by Message-ID field, newest first.
    fn find_submissions(&self, key: SubmissionKey) -> Pending<'_, Vec<SubmissionId>>;

    /// Forgets settled submissions, events and transcripts that are older than `before`.
    fn forget_settled(&self, before: UnixMillis) -> Pending<'_, u64>;

    /// Forgets what was said in attempts that ended before `before`; that they were made, and how
    /// they ended, stays. One step: it begins behind `after` and tells where it stopped, `None` at
    /// the end.
    fn forget_transcripts(
        &self,
        before: UnixMillis,
        after: Option<SubmissionId>,
    ) -> Pending<'_, Option<SubmissionId>>;

    // ---- mail at rest ----

    /// Mailboxes of an account, by name.
    fn mailboxes(&self, account: AccountId) -> Pending<'_, Vec<Mailbox>>;

    /// Makes a mailbox; [`StoreError::Exists`] where the name is taken.
    fn create_mailbox(&self, account: AccountId, mailbox: NewMailbox) -> Pending<'_, Mailbox>;

    /// All entries of a mailbox, by UID: one consistent view.
    fn entries(&self, account: AccountId, mailbox: MailboxId) -> Pending<'_, Vec<Entry>>;

    /// One entry.
    fn entry(&self, account: AccountId, mailbox: MailboxId, uid: Uid)
    -> Pending<'_, Option<Entry>>;

    /// Octets of a message's content (without any entry's prefix) from `offset`, at most
    /// `octets_max`; empty at the end. Each chunk's checksum was verified.
    fn read(&self, message: MessageId, offset: u64, octets_max: usize) -> Pending<'_, Bytes>;

    /// Changes flags and keywords of entries; those that are gone are passed over.
    fn set_flags(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: Vec<Uid>,
        change: FlagChange,
    ) -> Pending<'_, Modseq>;

    /// Removes entries for good, all or none; those that are gone already are passed over.
    fn expunge(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: Vec<Uid>,
    ) -> Pending<'_, Modseq>;

    /// What changed in an account after `since`, mailbox by mailbox.
    fn changes(&self, account: AccountId, since: Modseq) -> Pending<'_, Changes>;

    // ---- who and where ----

    /// All domains that we take mail for, by name.
    fn domains(&self) -> Pending<'_, Vec<DomainRow>>;
    /// Makes a domain local.
    fn add_domain(&self, domain: Domain, at: UnixMillis) -> Pending<'_, ()>;
    /// Takes mail for a domain in order to hand it on. It has no accounts and aliases.
    fn relay_domain(&self, domain: Domain, relay: DomainRelay, at: UnixMillis) -> Pending<'_, ()>;
    /// Removes a domain; [`StoreError::InUse`] while it has accounts or aliases.
    fn remove_domain(&self, domain: Domain) -> Pending<'_, ()>;

    /// All accounts, by address.
    fn accounts(&self) -> Pending<'_, Vec<Account>>;
    /// How much every account holds, in the order of [`accounts`](Self::accounts).
    fn account_use(&self, account: AccountId) -> Pending<'_, AccountUse>;
    /// Makes an account with its INBOX. Its domain must be local.
    fn add_account(&self, account: NewAccount) -> Pending<'_, AccountId>;
    /// Replaces an account's credential.
    fn set_credential(&self, account: AccountId, credential: Credential) -> Pending<'_, ()>;
    /// Takes an account out of use, or back into it.
    fn set_account_state(&self, account: AccountId, state: AccountState) -> Pending<'_, ()>;
    /// Sets how much an account may hold; what it holds already stays.
    fn set_quota(&self, account: AccountId, quota_octets: Option<u64>) -> Pending<'_, ()>;
    /// Removes an account with all of its mail.
    fn remove_account(&self, account: AccountId) -> Pending<'_, ()>;

    /// All aliases, by address.
    fn aliases(&self) -> Pending<'_, Vec<Alias>>;
    /// Makes or replaces an alias. Its domain must be local.
    fn set_alias(&self, alias: Alias) -> Pending<'_, ()>;
    /// Removes an alias.
    fn remove_alias(&self, alias: AliasKey) -> Pending<'_, ()>;

    /// A client's own small facts about an account, by key, for keys that begin with `prefix`.
    fn notes(&self, account: AccountId, prefix: &str) -> Pending<'_, Vec<Note>>;
    /// Writes or removes notes, all or none.
    fn set_notes(&self, notes: Vec<Note>) -> Pending<'_, ()>;

    /// What greylisting remembers of these keys, in their order, without what is forgotten.
    fn seen(&self, keys: Vec<String>, now: UnixMillis) -> Pending<'_, Vec<Seen>>;
    /// Remembers a key for greylisting, instead of what was known of it; at most [`SEEN_MAX`] of
    /// them.
    fn see(&self, seen: Seen, now: UnixMillis) -> Pending<'_, ()>;

    // ---- the store itself ----

    /// News of commits, in order. A receiver that lags hears of it and reads anew.
    fn subscribe(&self) -> broadcast::Receiver<Change>;

    /// Reads everything and checks every checksum, count and reference.
    fn verify(&self, repair: Repair) -> Pending<'_, VerifyReport>;

    /// What the store has done since it was opened.
    fn counters(&self) -> Counters;
}

/// Something was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Domains, accounts, credentials or aliases.
    Directory,
    /// Hold rules or suppressed addresses.
    Orders,
    /// An account's mailboxes or entries; its newest MODSEQ.
    Account(AccountId, Modseq),
    /// Recipients were put into the queue or their time was changed.
    Queue,
    /// Something happened to this submission after its accept.
    Submission(SubmissionId),
}

/// An announced accept; see [`Store::announce`]. Its drop tells the engine that it is over.
pub struct Announcement(Option<Box<dyn FnOnce() + Send>>);

impl Announcement {
    /// An announcement that runs `over` when it is dropped.
    pub fn new(over: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(over)))
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        if let Some(over) = self.0.take() {
            over();
        }
    }
}

impl Debug for Announcement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Announcement")
    }
}

/// An address as a key: an account's or alias's, in lower case.
pub(crate) fn folded(address: &Address) -> Address {
    address.folded()
}
