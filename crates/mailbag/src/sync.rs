//! Receiving by POP3 into the local store.
//!
//! ```text
//!   UIDL → which are new? → RETR → accept (message + its UIDL, one COMMIT) → DELE, if wanted
//!                                     └ a delivery report: with what it tells (report)
//! ```
//!
//! The unique-id of a message is written in the commit that brings it in: however a run ends,
//! no message is fetched twice and none is lost. Something is deleted on the server only when
//! the account says so, and only after that commit.
//!
//! Standards: RFC 1939 §7 (UIDL).
//! Not here: the conversation (`pop`), what reports mean ([`report`](crate::report)).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use envelope::{BodyType, ReversePath};
use message::Message;
use sasl::Password;
use store::{
    Accept, AccountId, Flags, Happening, INBOX, LocalDelivery, NewEvent, Note, Origin, OriginKind,
    StoreError, TlsRecord,
};

use crate::account::Account;
use crate::card::Card;
use crate::fault::Fault;
use crate::local::{Bag, LocalStore, REPORTS};
use crate::pop::{MESSAGE_OCTETS_MAX, Maildrop, Waiting};
use crate::report;

/// Notes with unique-ids have keys that begin so.
const KEY: &str = "uidl/";
/// Messages that share a commit, where the network brings them fast enough.
const BATCH_MESSAGES: usize = 32;
/// Octets that share a commit.
const BATCH_OCTETS: usize = 4 * 1024 * 1024;
/// Notes removed in one commit.
const NOTES_REMOVED_MAX: usize = 1000;

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The connection is being made.
    Connecting,
    /// Messages are being fetched.
    Fetching {
        /// So many are safe here.
        done: usize,
        /// Of so many.
        of: usize,
    },
}

/// What was received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// New messages in INBOX.
    pub new: usize,
    /// Delivery reports that belong to a sent letter.
    pub reports: usize,
    /// Messages that are too large for us and stay on the server.
    pub too_large: usize,
}

/// A message on the server with the key under which we remember it.
#[derive(Debug)]
struct Known {
    waiting: Waiting,
    key: String,
}

/// A message that was fetched and is not stored yet.
#[derive(Debug)]
struct Fetched {
    key: String,
    content: Vec<u8>,
}

/// Fetches what is new.
///
/// Cancel safe: every message is either here with its unique-id, or still new.
pub async fn receive(
    bag: &mut Bag,
    account: &Account,
    password: &Password,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Received, Fault> {
    let _network = bag.network().await?;
    let local = bag.store().await?;
    let owner = local.account(&account.address).await?;
    let notes = local.store().notes(owner, KEY).await?;
    let remembered: BTreeSet<String> = notes.into_iter().map(|note| note.key).collect();
    progress(Progress::Connecting);
    let world = bag.world().clone();
    let mut maildrop = bag.meanwhile(Maildrop::open(&world, account, password)).await?;
    let listing = with_keys(bag.meanwhile(maildrop.listing()).await?);
    let is_new = |known: &&Known| !remembered.contains(&known.key);
    let fits = |known: &&Known| known.waiting.octets <= MESSAGE_OCTETS_MAX;
    let (new, large): (VecDeque<_>, VecDeque<_>) = listing.iter().filter(is_new).partition(fits);
    let mut received = Received { too_large: large.len(), ..Received::default() };
    let stored = fetch(bag, owner, &mut maildrop, new, &mut received, progress).await?;
    if !account.leave_on_server {
        for known in &listing {
            if stored.contains(known.key.as_str()) || remembered.contains(&known.key) {
                bag.meanwhile(maildrop.delete(known.waiting.number)).await?;
            }
        }
    }
    bag.meanwhile(maildrop.quit()).await?;
    forget_vanished(bag.store().await?, owner, &remembered, &listing).await?;
    Ok(received)
}

/// Fetches and stores messages; the keys of those that are here now.
async fn fetch<'a>(
    bag: &mut Bag,
    owner: AccountId,
    maildrop: &mut Maildrop,
    mut new: VecDeque<&'a Known>,
    received: &mut Received,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<BTreeSet<&'a str>, Fault> {
    let of = new.len();
    let tls = maildrop.tls();
    let window = maildrop.window();
    let mut stored = BTreeSet::new();
    let mut requested: VecDeque<&Known> = VecDeque::new();
    let mut batch = Batch::default();
    loop {
        while requested.len() < window
            && let Some(next) = new.pop_front()
        {
            maildrop.request(next.waiting.number)?;
            requested.push_back(next);
        }
        let Some(expected) = requested.pop_front() else { break };
        // Refused: somebody else has deleted it meanwhile.
        if let Some(content) = bag.meanwhile(maildrop.receive()).await? {
            stored.insert(expected.key.as_str());
            batch.add(Fetched { key: expected.key.clone(), content });
        }
        if batch.is_full() || requested.is_empty() && new.is_empty() {
            let place = Place { local: bag.store().await?, owner, tls: tls.clone() };
            place.store_all(batch.take(), received).await?;
            progress(Progress::Fetching { done: received.new + received.reports, of });
            bag.share().await;
        }
    }
    Ok(stored)
}

/// Keys under which unique-ids are remembered. Equal ones, which a server should not have,
/// are counted, so that none of their messages is passed over.
fn with_keys(listing: Vec<Waiting>) -> Vec<Known> {
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    let mut known = Vec::with_capacity(listing.len());
    for waiting in listing {
        let seen = times.entry(waiting.uidl.clone()).or_default();
        *seen = seen.saturating_add(1);
        let key = match *seen {
            1 => format!("{KEY}{}", waiting.uidl),
            // A unique-id has no space.
            more => format!("{KEY}{} {more}", waiting.uidl),
        };
        known.push(Known { waiting, key });
    }
    known
}

/// What is not on the server any more need not be remembered. An empty listing may be a
/// server's mistake, and then all mail would come again.
async fn forget_vanished(
    local: &LocalStore,
    owner: AccountId,
    remembered: &BTreeSet<String>,
    listing: &[Known],
) -> Result<(), StoreError> {
    if listing.is_empty() {
        return Ok(());
    }
    let listed: BTreeSet<&str> = listing.iter().map(|known| known.key.as_str()).collect();
    let vanished = remembered.iter().filter(|key| !listed.contains(key.as_str()));
    let notes: Vec<Note> =
        vanished.map(|key| Note { account: owner, key: key.clone(), value: None }).collect();
    for some in notes.chunks(NOTES_REMOVED_MAX) {
        local.store().set_notes(some.to_vec()).await?;
    }
    Ok(())
}

/// Messages that will share a commit.
#[derive(Debug, Default)]
struct Batch {
    messages: Vec<Fetched>,
    octets: usize,
}

impl Batch {
    fn add(&mut self, fetched: Fetched) {
        self.octets = self.octets.saturating_add(fetched.content.len());
        self.messages.push(fetched);
    }

    fn is_full(&self) -> bool {
        self.messages.len() >= BATCH_MESSAGES || self.octets >= BATCH_OCTETS
    }

    fn take(&mut self) -> Vec<Fetched> {
        self.octets = 0;
        std::mem::take(&mut self.messages)
    }
}

/// Where fetched messages go.
struct Place<'a> {
    local: &'a LocalStore,
    owner: AccountId,
    tls: Option<TlsRecord>,
}

impl Place<'_> {
    /// Stores messages, in as few commits as the store can make of it.
    async fn store_all(
        &self,
        messages: Vec<Fetched>,
        received: &mut Received,
    ) -> Result<(), Fault> {
        let mut accepting = Vec::new();
        for fetched in messages {
            let message = Message::parse(&fetched.content);
            let told = report::matching(self.local, self.owner, &message).await?;
            let card = Card::of(&message);
            let message_id = message.message_id().map(|id| id.as_str().to_owned());
            match told {
                Some(told) => {
                    let accept = self.accept(fetched, card, message_id, REPORTS);
                    report::settle(self.local, told, accept).await?;
                    received.reports += 1;
                }
                None => accepting.push(self.accept(fetched, card, message_id, INBOX)),
            }
        }
        // Handed over together, they share a sync.
        let announced: Vec<_> = accepting.iter().map(|_| self.local.store().announce()).collect();
        let mut pending = Vec::new();
        for accept in accepting {
            pending.push(self.local.store().accept(accept));
        }
        drop(announced);
        for one in pending {
            one.await?;
            received.new += 1;
        }
        Ok(())
    }

    fn accept(
        &self,
        fetched: Fetched,
        card: Card,
        message_id: Option<String>,
        mailbox: &str,
    ) -> Accept {
        let Fetched { key, content } = fetched;
        let id = self.local.new_id();
        let at = self.local.now();
        let body = match content.is_ascii() {
            true => BodyType::SevenBit,
            false => BodyType::EightBitMime,
        };
        let received = Happening::Received {
            protocol: Some("POP3".to_owned()),
            peer: None,
            helo: None,
            tls: self.tls.clone(),
            login: None,
            octets: u64::try_from(content.len()).unwrap_or(u64::MAX),
        };
        let delivery = LocalDelivery {
            account: self.owner,
            mailbox: mailbox.to_owned(),
            prefix: Vec::new(),
            flags: Flags::default(),
        };
        let remembered = Note { account: self.owner, key, value: Some(id.to_string()) };
        Accept {
            id,
            at,
            origin: Origin { account: Some(self.owner), ..Origin::of(OriginKind::Fetch) },
            reverse_path: ReversePath::NULL,
            ret: None,
            envelope_id: None,
            body,
            terms: store::Terms::default(),
            message_id,
            content: content.into(),
            recipients: Vec::new(),
            copies: vec![delivery],
            events: vec![NewEvent::new(at, received, "")],
            notes: vec![remembered, card.note(self.owner, id)],
            notices: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_unique_ids_are_told_apart() {
        let waiting = |number, uidl: &str| Waiting { number, uidl: uidl.to_owned(), octets: 1 };
        let listing = vec![waiting(1, "a"), waiting(2, "b"), waiting(3, "a")];
        let keys: Vec<String> = with_keys(listing).into_iter().map(|known| known.key).collect();
        assert_eq!(keys, ["uidl/a", "uidl/b", "uidl/a 2"]);
    }
}
