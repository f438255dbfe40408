//! The local message store: one owner at a time, one store account for each mail account.
//!
//! A command takes the folder's lock, works, and lets go; another one waits for it a moment.
//! Whoever talks to servers does so through a [`Bag`], which lets go of the store while the
//! network is slow, so that reading never waits for it; only one of those works at a time
//! ([`Network`]). A control socket through which several could work at once may come later.
//!
//! Standards: none.
//! Not here: how the store keeps things (crate `store-sqlite`).

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use envelope::Address;
use platform::{FolderLock, LockError};
use store::{
    Account as StoreAccount, AccountId, Entry, IdSource, Mailbox, MailboxRole, NewAccount,
    NewMailbox, Note, Store, StoreError, SubmissionId, UnixMillis,
};

use crate::card::Card;
use crate::fault::Fault;
use crate::home::{Home, HomeError};
use crate::world::World;

/// Where copies of sent letters go.
pub const SENT: &str = "Sent";
/// Where delivery reports go that belong to a sent letter.
pub const REPORTS: &str = "Reports";

/// Longest short id's shortest form: fewer characters would mean too many messages.
const SHORT_ID_CHARACTERS_MIN: usize = 4;
/// How often a busy folder is looked at.
const LOCK_POLL: Duration = Duration::from_millis(50);
/// How long the store is kept while the network is waited for.
const NETWORK_QUICK: Duration = Duration::from_millis(300);
/// How long the store is kept in one go when there is always something to do.
const TURN: Duration = Duration::from_secs(2);
/// The pause after a turn: others look every [`LOCK_POLL`].
const TURN_PAUSE: Duration = Duration::from_millis(120);
/// Octets of content read from the store at once.
const READ_OCTETS: usize = 256 * 1024;

/// The open local store; nobody else has it until this is dropped.
#[derive(Debug)]
pub struct LocalStore {
    store: Arc<dyn Store>,
    world: World,
    ids: IdSource,
    _lock: FolderLock,
}

/// A message in a mailbox, with what a list shows of it.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Whose.
    pub account: Address,
    /// Whose, in the store.
    pub account_id: AccountId,
    /// In which mailbox.
    pub mailbox: String,
    /// The entry there.
    pub entry: Entry,
    /// What a list shows.
    pub card: Card,
}

impl LocalStore {
    /// Opens the store of `home`, making it where it is missing. While another mailbag has
    /// it, waits up to `patience`.
    ///
    /// Cancel safe: nothing is left locked.
    pub async fn open(home: &Home, world: &World, patience: Duration) -> Result<Self, Fault> {
        home.make(&*world.disk)?;
        let lock = take_lock(home.store(), world, patience).await?;
        let store = world.open_store(home.store())?;
        Ok(Self { store, world: world.clone(), ids: IdSource::default(), _lock: lock })
    }

    /// The store itself.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Now, as the store writes it.
    pub fn now(&self) -> UnixMillis {
        UnixMillis(self.world.clock.now().millis())
    }

    /// A new id.
    pub fn new_id(&self) -> SubmissionId {
        let mut octets = [0; 16];
        self.world.random.fill(&mut octets);
        self.ids.next(self.now(), u128::from_le_bytes(octets))
    }

    /// The store's account for a mail account, made with its mailboxes where it is missing.
    pub async fn account(&self, address: &Address) -> Result<AccountId, StoreError> {
        if let Some(known) = self.known_account(address).await? {
            return Ok(known);
        }
        let at = self.now();
        match self.store.add_domain(address.domain().clone(), at).await {
            Ok(()) | Err(StoreError::Exists { .. }) => {}
            Err(error) => return Err(error),
        }
        let account = NewAccount {
            address: address.clone(),
            name: None,
            quota_octets: None,
            credential: None,
            created_at: at,
        };
        let id = self.store.add_account(account).await?;
        for (name, role) in [(SENT, MailboxRole::Sent), (REPORTS, MailboxRole::Reports)] {
            let mailbox = NewMailbox { name: name.to_owned(), role: Some(role) };
            match self.store.create_mailbox(id, mailbox).await {
                Ok(_) | Err(StoreError::Exists { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(id)
    }

    async fn known_account(&self, address: &Address) -> Result<Option<AccountId>, StoreError> {
        let folded = address.folded();
        let accounts = self.store.accounts().await?;
        Ok(accounts.iter().find(|account| account.address == folded).map(|account| account.id))
    }

    /// All accounts that have mail here.
    pub async fn accounts(&self) -> Result<Vec<StoreAccount>, StoreError> {
        self.store.accounts().await
    }

    /// A message's whole content.
    pub async fn content(&self, message: store::MessageId) -> Result<Vec<u8>, StoreError> {
        let mut content = Vec::new();
        loop {
            let offset = u64::try_from(content.len()).unwrap_or(u64::MAX);
            let piece = self.store.read(message, offset, READ_OCTETS).await?;
            if piece.is_empty() {
                return Ok(content);
            }
            content.extend_from_slice(&piece);
        }
    }

    /// Every message of the mailboxes that `wanted` names, oldest first.
    pub async fn letters(
        &self,
        wanted: impl Fn(&Address, &Mailbox) -> bool,
    ) -> Result<Vec<Letter>, StoreError> {
        let mut letters = Vec::new();
        for account in self.store.accounts().await? {
            let cards = Card::of_account(&*self.store, account.id).await?;
            for mailbox in self.store.mailboxes(account.id).await? {
                if !wanted(&account.address, &mailbox) {
                    continue;
                }
                for entry in self.store.entries(account.id, mailbox.id).await? {
                    let card = match cards.get(&entry.submission) {
                        Some(card) => card.clone(),
                        // The note is only there to save this.
                        None => Card::of_content(&self.content(entry.message).await?),
                    };
                    letters.push(Letter {
                        account: account.address.clone(),
                        account_id: account.id,
                        mailbox: mailbox.name.clone(),
                        entry,
                        card,
                    });
                }
            }
        }
        letters.sort_by_key(|letter| (letter.entry.delivered_at, letter.entry.submission));
        Ok(letters)
    }

    /// The message that an id stands for: a whole one, or the end of one.
    pub async fn find(&self, given: &str) -> Result<Letter, Fault> {
        let ending = given.trim().to_ascii_uppercase();
        let mut found: Vec<Letter> = Vec::new();
        if ending.len() >= SHORT_ID_CHARACTERS_MIN {
            let all = self.letters(|_, _| true).await?;
            found.extend(
                all.into_iter().filter(|one| one.entry.submission.to_string().ends_with(&ending)),
            );
        }
        // The same message in several mailboxes is one.
        found.dedup_by_key(|letter| letter.entry.submission);
        let ids = || found.iter().map(|letter| letter.entry.submission.to_string()).collect();
        match found.len() {
            0 => Err(Fault::NothingFound { what: given.to_owned() }),
            1 => found.pop().ok_or(Fault::NothingFound { what: given.to_owned() }),
            _ => Err(Fault::Ambiguous { given: given.to_owned(), ids: ids() }),
        }
    }

    /// Writes one note.
    pub async fn note(
        &self,
        account: AccountId,
        key: String,
        value: Option<String>,
    ) -> Result<(), StoreError> {
        self.store.set_notes(vec![Note { account, key, value }]).await
    }
}

/// The local store for whoever talks to servers: opened when it is needed, let go of while it
/// is not.
#[derive(Debug)]
pub struct Bag {
    home: Home,
    world: World,
    patience: Duration,
    open: Option<LocalStore>,
    /// Since when it is open, by the monotonic clock.
    since: Duration,
}

/// The right to talk to servers; nobody else has it until this is dropped. So nothing is
/// fetched or sent by two at once.
#[derive(Debug)]
pub struct Network {
    _lock: FolderLock,
}

impl Bag {
    /// A bag that is closed still. Others are waited for up to `patience`.
    pub fn new(home: Home, world: World, patience: Duration) -> Self {
        Self { home, world, patience, open: None, since: Duration::ZERO }
    }

    /// Time, luck, network and disk.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Takes the right to talk to servers.
    pub async fn network(&self) -> Result<Network, Fault> {
        self.home.make(&*self.world.disk)?;
        let lock = take_lock(&self.home.network(), &self.world, self.patience).await?;
        Ok(Network { _lock: lock })
    }

    /// The store, opened where it is not.
    pub async fn store(&mut self) -> Result<&LocalStore, Fault> {
        let store = match self.open.take() {
            Some(store) => store,
            None => {
                let store = LocalStore::open(&self.home, &self.world, self.patience).await?;
                self.since = self.world.clock.monotonic();
                store
            }
        };
        Ok(self.open.insert(store))
    }

    /// Lets others use the store.
    pub fn let_go(&mut self) {
        self.open = None;
    }

    /// Lets others have a turn, when this one has been long.
    pub(crate) async fn share(&mut self) {
        let held = self.world.clock.monotonic().saturating_sub(self.since);
        if self.open.is_some() && held >= TURN {
            self.let_go();
            self.world.clock.sleep(TURN_PAUSE).await;
        }
    }

    /// Waits for the network, and lets go of the store when that takes long.
    pub(crate) async fn meanwhile<T>(&mut self, network: impl Future<Output = T>) -> T {
        let mut network = pin!(network);
        let pause = self.world.clock.sleep(NETWORK_QUICK);
        tokio::select! {
            biased;
            output = &mut network => return output,
            () = pause => self.let_go(),
        }
        network.await
    }
}

async fn take_lock(
    folder: &Path,
    world: &World,
    patience: Duration,
) -> Result<FolderLock, HomeError> {
    let began = world.clock.monotonic();
    loop {
        match FolderLock::take(folder) {
            Ok(lock) => return Ok(lock),
            Err(LockError::HeldBy { dir, pid }) => {
                let waited = world.clock.monotonic().saturating_sub(began);
                if waited >= patience {
                    return Err(HomeError::InUse { path: dir, pid, waited_s: waited.as_secs() });
                }
                world.clock.sleep(LOCK_POLL).await;
            }
            Err(error) => return Err(HomeError::Lock(error)),
        }
    }
}
