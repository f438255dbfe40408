//! Putting old messages into mailboxes: with their flags and times, and never twice.
//!
//! A thread reads them from wherever they are; each is accepted as any other message, without
//! recipients. What is in the mailbox already, octet for octet, is passed over: so a command that
//! was broken off can simply be given again.
//!
//! Standards: RFC 9051 §2.3.3 (internal date).
//! Not here: where they come from (`restore`).

use std::collections::BTreeMap;
use std::sync::Arc;

use envelope::{BodyType, ReversePath};
use platform::{Clock, Random};
use serde::{Deserialize, Serialize};
use store::{
    Accept, AccountId, Content, Entry, Flag, Flags, IdSource, LocalDelivery, Mailbox, MailboxRole,
    NewMailbox, Origin, OriginKind, Spool, Store, StoreError, UnixMillis,
};
use tokio::sync::mpsc;

use crate::control::{Item, Items};
use crate::engine::Engine;
use crate::failure::Failure;

/// Pieces that may wait for the store.
const WAITING_MAX: usize = 4;

/// Octets of a stored message that are read at once.
const READ_OCTETS: usize = 1024 * 1024;

/// A message on its way into a mailbox.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) mailbox: String,
    pub(super) flags: Flags,
    /// When it was first delivered.
    pub(super) at: UnixMillis,
    /// Trace fields of that delivery.
    pub(super) prefix: Vec<u8>,
    pub(super) content: Content,
    /// Of prefix and content.
    pub(super) hash: blake3::Hash,
    pub(super) message_id: Option<String>,
}

/// What a walk finds.
#[derive(Debug)]
pub(super) enum Find {
    Mailbox { name: String, role: Option<MailboxRole> },
    Piece(Box<Piece>),
    Left(Left),
}

/// Something that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Left {
    /// Where it is.
    pub(crate) place: String,
    /// Why.
    pub(crate) reason: String,
}

/// How many messages became what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Brought {
    /// Are in the mailbox now.
    pub(crate) brought: u64,
    /// Were there already.
    pub(crate) present: u64,
    /// Were left out.
    pub(crate) left: u64,
}

/// Where a walk tells what it finds.
#[derive(Clone, Debug)]
pub(super) struct Finds(mpsc::Sender<Result<Find, Failure>>);

impl Finds {
    /// Hands one over; false when nobody wants more.
    pub(super) fn tell(&self, find: Find) -> bool {
        self.0.blocking_send(Ok(find)).is_ok()
    }
}

/// Runs a walk on a thread of its own.
pub(super) fn walk(
    walk: impl FnOnce(&Finds) -> Result<(), Failure> + Send + 'static,
) -> mpsc::Receiver<Result<Find, Failure>> {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    tokio::task::spawn_blocking(move || {
        if let Err(failure) = walk(&Finds(sender.clone())) {
            // Whoever listened may have gone.
            sender.blocking_send(Err(failure)).ok();
        }
    });
    receiver
}

/// A message's content on its way to the store, with what has to be known of it.
pub(super) struct Writing {
    spool: Box<dyn Spool>,
    hasher: blake3::Hasher,
    prefix: Vec<u8>,
}

impl Writing {
    pub(super) fn new(store: &dyn Store, prefix: Vec<u8>) -> Result<Self, StoreError> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&prefix);
        Ok(Self { spool: store.spool()?, hasher, prefix })
    }

    pub(super) fn write(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        self.hasher.update(octets);
        self.spool.write(octets)
    }

    pub(super) fn end(
        self,
        mailbox: &str,
        flags: Flags,
        at: UnixMillis,
        message_id: Option<String>,
    ) -> Result<Piece, StoreError> {
        Ok(Piece {
            mailbox: mailbox.to_owned(),
            flags,
            at,
            prefix: self.prefix,
            content: self.spool.seal()?,
            hash: self.hasher.finalize(),
            message_id,
        })
    }
}

/// Puts what a walk finds into an account's mailboxes, and tells what it leaves out.
pub(super) async fn bring(
    engine: &Engine,
    account: AccountId,
    mut finds: mpsc::Receiver<Result<Find, Failure>>,
    items: &Items,
) -> Result<Brought, Failure> {
    let mut shelf = Shelf::new(engine, account).await?;
    let mut brought = Brought::default();
    while let Some(find) = finds.recv().await {
        match find? {
            Find::Mailbox { name, role } => shelf.make(name, role).await?,
            Find::Piece(piece) if shelf.has(&piece).await? => brought.present += 1,
            Find::Piece(piece) => {
                shelf.put(*piece).await?;
                brought.brought += 1;
            }
            Find::Left(what) => {
                brought.left += 1;
                items.tell(Item::Left(what)).await?;
            }
        }
    }
    Ok(brought)
}

/// An account's mailboxes and what is in them.
struct Shelf<'a> {
    store: &'a Arc<dyn Store>,
    random: &'a dyn Random,
    clock: &'a dyn Clock,
    ids: IdSource,
    account: AccountId,
    mailboxes: BTreeMap<String, Mailbox>,
    /// Entries of mailboxes by their sizes, with hashes as far as somebody asked.
    known: BTreeMap<String, BTreeMap<u64, Vec<Known>>>,
}

struct Known {
    entry: Option<Entry>,
    hash: Option<blake3::Hash>,
}

impl<'a> Shelf<'a> {
    async fn new(engine: &'a Engine, account: AccountId) -> Result<Self, Failure> {
        let mailboxes = engine.store.mailboxes(account).await?;
        Ok(Self {
            store: &engine.store,
            random: engine.random.as_ref(),
            clock: engine.clock.as_ref(),
            ids: IdSource::default(),
            account,
            mailboxes: mailboxes.into_iter().map(|one| (one.name.clone(), one)).collect(),
            known: BTreeMap::new(),
        })
    }

    /// Makes a mailbox that is missing. A role that another one has stays there.
    async fn make(&mut self, name: String, role: Option<MailboxRole>) -> Result<(), Failure> {
        if self.mailboxes.contains_key(&name) {
            return Ok(());
        }
        let role = role.filter(|_| self.mailboxes.values().all(|other| other.role != role));
        let new = NewMailbox { name: name.clone(), role };
        let made = self.store.create_mailbox(self.account, new).await?;
        self.mailboxes.insert(name, made);
        Ok(())
    }

    /// Whether a message is in its mailbox already.
    async fn has(&mut self, piece: &Piece) -> Result<bool, Failure> {
        if !self.known.contains_key(&piece.mailbox) {
            let mut by_size: BTreeMap<u64, Vec<Known>> = BTreeMap::new();
            if let Some(mailbox) = self.mailboxes.get(&piece.mailbox) {
                for entry in self.store.entries(self.account, mailbox.id).await? {
                    let known = Known { entry: Some(entry.clone()), hash: None };
                    by_size.entry(entry.octets).or_default().push(known);
                }
            }
            self.known.insert(piece.mailbox.clone(), by_size);
        }
        let Some(by_size) = self.known.get_mut(&piece.mailbox) else { return Ok(false) };
        let octets = piece.content.octets().saturating_add(piece.prefix.len() as u64);
        for known in by_size.entry(octets).or_default() {
            if known.hash.is_none()
                && let Some(entry) = known.entry.take()
            {
                // What is damaged is like nothing.
                known.hash = hash(self.store.as_ref(), &entry).await.ok();
            }
            if known.hash == Some(piece.hash) {
                return Ok(true);
            }
        }
        let new = Known { entry: None, hash: Some(piece.hash) };
        by_size.entry(octets).or_default().push(new);
        Ok(false)
    }

    async fn put(&self, piece: Piece) -> Result<(), Failure> {
        let mut flags = piece.flags;
        // It would be removed at the next opportunity.
        flags.remove(Flag::Deleted);
        let copy = LocalDelivery {
            account: self.account,
            mailbox: piece.mailbox,
            prefix: piece.prefix,
            flags,
        };
        let mut luck = [0; 16];
        self.random.fill(&mut luck);
        let now = UnixMillis(self.clock.now().millis());
        let accept = Accept {
            id: self.ids.next(now, u128::from_be_bytes(luck)),
            at: piece.at,
            origin: Origin::of(OriginKind::Imported),
            reverse_path: ReversePath::default(),
            ret: None,
            envelope_id: None,
            body: BodyType::EightBitMime,
            terms: store::Terms::default(),
            message_id: piece.message_id,
            content: piece.content,
            recipients: Vec::new(),
            copies: vec![copy],
            events: Vec::new(),
            notes: Vec::new(),
            notices: Vec::new(),
        };
        self.store.accept(accept).await?;
        Ok(())
    }
}

/// The hash of a stored message as its reader sees it.
async fn hash(store: &dyn Store, entry: &Entry) -> Result<blake3::Hash, StoreError> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&entry.prefix);
    let mut offset = 0;
    loop {
        let octets = store.read(entry.message, offset, READ_OCTETS).await?;
        if octets.is_empty() {
            return Ok(hasher.finalize());
        }
        hasher.update(&octets);
        offset = offset.saturating_add(octets.len() as u64);
    }
}
