//! The little world of every law: a domain, two people, and letters.

use std::cell::Cell;
use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use envelope::{Address, BodyType, Domain, Recipient, ReversePath};

use super::Harness;
use crate::{
    Accept, Accepted, AccountId, Content, Entry, Flags, Happening, INBOX, IdSource, LocalDelivery,
    Mailbox, MailboxId, MessageId, NewAccount, NewEvent, NewFate, NewRecipient, Origin, OriginKind,
    Pending, RecipientState, RecipientView, Store, StoreError, SubmissionId, SubmissionView, Uid,
    UnixMillis,
};

/// When every law's story begins.
pub(super) const START: UnixMillis = UnixMillis(1_795_000_000_000);

/// A store with `example.org`, Ada and Bob.
pub(super) struct World<'h> {
    harness: &'h mut dyn Harness,
    pub(super) store: Arc<dyn Store>,
    pub(super) ada: AccountId,
    pub(super) bob: AccountId,
    ids: IdSource,
    random: Cell<u64>,
}

/// A law's result: how it was broken.
pub(super) type Held = Result<(), String>;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for an answer on this thread.
pub(super) fn wait<T>(pending: Pending<'_, T>) -> Result<T, StoreError> {
    let mut pending = pin!(pending);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match pending.as_mut().poll(&mut context) {
            Poll::Ready(result) => return result,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Waits for an answer that must be good.
pub(super) fn good<T>(what: &str, pending: Pending<'_, T>) -> Result<T, String> {
    wait(pending).map_err(|error| format!("{what}: {error}"))
}

/// Waits for an answer that must be an error of this kind.
pub(super) fn bad<T: Debug>(
    what: &str,
    pending: Pending<'_, T>,
    right: fn(&StoreError) -> bool,
) -> Held {
    match wait(pending) {
        Ok(value) => Err(format!("{what} was possible: {value:?}")),
        Err(error) if right(&error) => Ok(()),
        Err(error) => Err(format!("{what} gave the wrong error: {error:?}")),
    }
}

pub(super) fn not_found(error: &StoreError) -> bool {
    matches!(error, StoreError::NotFound { .. })
}

pub(super) fn exists(error: &StoreError) -> bool {
    matches!(error, StoreError::Exists { .. })
}

pub(super) fn refused(error: &StoreError) -> bool {
    matches!(error, StoreError::Refused { .. })
}

/// What must be true.
pub(super) fn ensure(holds: bool, otherwise: &str) -> Held {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

/// What must be the same.
pub(super) fn same<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) -> Held {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what} is {found:?} instead of {expected:?}"))
}

/// An address that a law writes out.
pub(super) fn address(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(|error| format!("{text}: {error}"))
}

/// A delivery into an account's INBOX.
pub(super) fn inbox(account: AccountId) -> LocalDelivery {
    LocalDelivery {
        account,
        mailbox: INBOX.to_owned(),
        prefix: b"Delivered-To: somebody\r\n".to_vec(),
        flags: Flags::default(),
    }
}

/// Content that no other size has, and in which a missing or moved piece shows.
pub(super) fn content(octets: usize) -> Vec<u8> {
    let mut number = octets as u64 | 1;
    let mut content = Vec::with_capacity(octets.saturating_add(8));
    while content.len() < octets {
        // Knuth's MMIX generator.
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        content.extend_from_slice(&number.to_be_bytes());
    }
    content.truncate(octets);
    content
}

impl<'h> World<'h> {
    pub(super) fn new(harness: &'h mut dyn Harness) -> Result<Self, String> {
        let store = harness.store();
        let domain = Domain::parse("example.org").map_err(|error| error.to_string())?;
        good("adding a domain", store.add_domain(domain, START))?;
        let add = |name: &str| {
            let account = NewAccount {
                address: address(&format!("{name}@example.org"))?,
                name: Some(name.to_owned()),
                quota_octets: None,
                credential: None,
                created_at: START,
            };
            good("adding an account", store.add_account(account))
        };
        let (ada, bob) = (add("ada")?, add("bob")?);
        let (ids, random) = (IdSource::default(), Cell::new(0));
        Ok(Self { harness, store, ada, bob, ids, random })
    }

    /// Crashes the store and opens it again.
    pub(super) fn reopen(&mut self) -> Held {
        self.harness.reopen().map_err(|error| format!("opening it again: {error}"))?;
        self.store = self.harness.store();
        Ok(())
    }

    pub(super) fn id(&self) -> SubmissionId {
        self.random.set(self.random.get().wrapping_add(7));
        self.ids.next(START, u128::from(self.random.get()))
    }

    /// A letter without recipients yet.
    pub(super) fn letter(&self, octets: usize) -> Accept {
        let received = Happening::Received {
            protocol: Some("ESMTP".to_owned()),
            peer: None,
            helo: None,
            tls: None,
            login: None,
            octets: octets as u64,
        };
        Accept {
            id: self.id(),
            at: START,
            origin: Origin::of(OriginKind::Reception),
            reverse_path: ReversePath::default(),
            ret: None,
            envelope_id: None,
            body: BodyType::SevenBit,
            terms: crate::Terms::default(),
            message_id: None,
            content: Content::from(content(octets)),
            recipients: Vec::new(),
            copies: Vec::new(),
            events: vec![NewEvent::new(START, received, "")],
            notes: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// A letter to accounts of ours.
    pub(super) fn letter_to(
        &self,
        octets: usize,
        accounts: &[AccountId],
    ) -> Result<Accept, String> {
        let mut letter = self.letter(octets);
        for account in accounts {
            letter.recipients.push(NewRecipient {
                recipient: Recipient::new(address(&format!("a{}@example.org", account.0))?),
                expanded_from: None,
                fate: NewFate::Deliver(inbox(*account)),
            });
        }
        Ok(letter)
    }

    /// A letter to elsewhere, due at these times.
    pub(super) fn letter_away(&self, dues: &[i64]) -> Result<Accept, String> {
        let mut letter = self.letter(100);
        for (number, due) in dues.iter().enumerate() {
            letter.recipients.push(NewRecipient {
                recipient: Recipient::new(address(&format!("r{number}@example.net"))?),
                expanded_from: None,
                fate: NewFate::Queue { due: UnixMillis(*due) },
            });
        }
        Ok(letter)
    }

    pub(super) fn accept(&self, accept: Accept) -> Result<Accepted, String> {
        good("accepting", self.store.accept(accept))
    }

    /// Delivers a letter of 100 octets to one account.
    pub(super) fn deliver(&self, account: AccountId) -> Result<Accepted, String> {
        self.accept(self.letter_to(100, &[account])?)
    }

    pub(super) fn mailbox(&self, account: AccountId) -> Result<Mailbox, String> {
        let mailboxes = good("listing mailboxes", self.store.mailboxes(account))?;
        let inbox = mailboxes.into_iter().find(|mailbox| mailbox.name == INBOX);
        inbox.ok_or_else(|| "there is no INBOX".to_owned())
    }

    pub(super) fn inbox_id(&self, account: AccountId) -> Result<MailboxId, String> {
        Ok(self.mailbox(account)?.id)
    }

    pub(super) fn entries(&self, account: AccountId) -> Result<Vec<Entry>, String> {
        good("listing entries", self.store.entries(account, self.inbox_id(account)?))
    }

    pub(super) fn uids(&self, account: AccountId) -> Result<Vec<u32>, String> {
        Ok(self.entries(account)?.iter().map(|entry| entry.uid.get()).collect())
    }

    pub(super) fn expunge(&self, account: AccountId, uids: &[u32]) -> Held {
        let mailbox = self.inbox_id(account)?;
        let uids = uids.iter().filter_map(|uid| Uid::new(*uid)).collect();
        good("expunging", self.store.expunge(account, mailbox, uids)).map(drop)
    }

    pub(super) fn submission(&self, id: SubmissionId) -> Result<SubmissionView, String> {
        let found = good("reading a submission", self.store.submission(id))?;
        found.ok_or_else(|| format!("submission {id} is not there"))
    }

    pub(super) fn recipient(
        &self,
        id: SubmissionId,
        number: usize,
    ) -> Result<RecipientView, String> {
        let view = self.submission(id)?;
        let recipient = view.summary.recipients.get(number).cloned();
        recipient.ok_or_else(|| format!("recipient {number} is not there"))
    }

    pub(super) fn states(&self, id: SubmissionId) -> Result<Vec<RecipientState>, String> {
        let view = self.submission(id)?;
        Ok(view.summary.recipients.iter().map(|recipient| recipient.state).collect())
    }

    /// Reads a message in pieces of at most `piece` octets.
    pub(super) fn read(&self, message: MessageId, piece: usize) -> Result<Vec<u8>, String> {
        let mut content = Vec::new();
        loop {
            let offset = content.len() as u64;
            let octets = good("reading", self.store.read(message, offset, piece))?;
            if octets.is_empty() {
                return Ok(content);
            }
            ensure(octets.len() <= piece, "read gave more than was asked for")?;
            content.extend_from_slice(&octets);
        }
    }
}
