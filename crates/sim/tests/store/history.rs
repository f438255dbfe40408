//! One history: sessions accept, finish and expunge, things fail, the machine crashes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use envelope::{Address, BodyType, Domain, Recipient, ReversePath};
use platform::{Clock, Random, Timestamp};
use sim::{Faults, SimClock, SimDisk, SimRandom};
use store::{
    Accept, Accepted, AccountId, Content, Finish, Flags, Happening, INBOX, IdSource, LocalDelivery,
    MailboxId, NewAccount, NewEvent, NewFate, NewRecipient, Origin, OriginKind, Outcome, Pending,
    RecipientState, Store, StoreError, SubmissionId, Uid, UnixMillis,
};
use store_sqlite::{Options, SqliteStore, Turn, Writer};
use tempfile::TempDir;

const ACCOUNTS: u64 = 4;
const ROUNDS: u64 = 14;
const DISK_OCTETS: u64 = 64 * 1024 * 1024;
const SIM_FOLDER: &str = "/sim";

/// What the sessions were told of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Accepted,
    Refused,
    /// The machine crashed before the answer.
    Nothing,
}

/// What the sessions know of a letter.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) octets: usize,
    pub(crate) told: Told,
    /// Accounts that it is for, each with its UID once that was told; expunged ones are gone.
    pub(crate) entries: BTreeMap<AccountId, Option<Uid>>,
    /// Entries that somebody wanted removed, without being told whether they are.
    pub(crate) maybe_expunged: BTreeSet<AccountId>,
    /// States of all recipients, in their order.
    pub(crate) states: Vec<RecipientState>,
    /// What a finish without an answer wanted them to be.
    pub(crate) maybe_states: Option<Vec<RecipientState>>,
    /// It enters with a finish of another letter, or not at all.
    pub(crate) notice_of: Option<SubmissionId>,
}

pub(crate) struct History {
    pub(crate) random: SimRandom,
    clock: SimClock,
    pub(crate) disk: SimDisk,
    ids: IdSource,
    folders: TempDir,
    lives: u64,
    /// The store and its writer, between two crashes.
    life: Option<(Arc<SqliteStore>, Writer)>,
    pub(crate) accounts: Vec<(AccountId, MailboxId)>,
    pub(crate) letters: BTreeMap<SubmissionId, Letter>,
    pub(crate) uids_used: BTreeMap<AccountId, Uid>,
}

/// Something that was asked of the store.
enum Asked<'s> {
    Accept(SubmissionId, Pending<'s, Accepted>),
    Finish(SubmissionId, Vec<RecipientState>, Option<SubmissionId>, Pending<'s, ()>),
    Expunge(SubmissionId, AccountId, Pending<'s, store::Modseq>),
}

/// The answer, if there is one yet.
pub(crate) fn poll<T>(pending: &mut Pending<'_, T>) -> Option<Result<T, StoreError>> {
    match pending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

/// Content that no other letter has.
pub(crate) fn content(id: SubmissionId, octets: usize) -> Vec<u8> {
    let mut content = id.to_string().into_bytes().repeat(octets / 26 + 1);
    content.truncate(octets);
    content
}

fn options(disk: &SimDisk, clock: &SimClock, database_folder: PathBuf) -> Options {
    Options {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(clock.clone()),
        database_folder: Some(database_folder),
        segment_octets_max: 100_000,
        reserve_octets: 1024 * 1024,
        reader_threads: 0,
        ..Options::default()
    }
}

/// Where SQLite's own files are: in memory if the system has such a place.
fn fast_folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

impl History {
    pub(crate) fn run(seed: u64) -> Result<(), String> {
        let mut history = Self::begin(seed)?;
        for round in 0..ROUNDS {
            let crashes = history.round()?;
            if crashes {
                history.crash()?;
            }
            if crashes || round + 1 == ROUNDS {
                history.disk.set_faults(Faults::default());
                history.check()?;
            }
            history.fail_sometimes();
        }
        Ok(())
    }

    fn begin(seed: u64) -> Result<Self, String> {
        let clock = SimClock::new(Timestamp(1_795_000_000_000));
        let disk = SimDisk::new(seed ^ 0x5eed, DISK_OCTETS);
        let folders = tempfile::tempdir_in(fast_folder()).map_err(|error| error.to_string())?;
        let database_folder = folders.path().join("0");
        std::fs::create_dir(&database_folder).map_err(|error| error.to_string())?;
        let (store, writer) =
            SqliteStore::open(Path::new(SIM_FOLDER), options(&disk, &clock, database_folder))
                .map_err(|error| error.to_string())?;
        let mut history = Self {
            random: SimRandom::new(seed),
            clock,
            disk,
            ids: IdSource::default(),
            folders,
            lives: 0,
            life: Some((store, writer)),
            accounts: Vec::new(),
            letters: BTreeMap::new(),
            uids_used: BTreeMap::new(),
        };
        history.make_accounts()?;
        Ok(history)
    }

    fn make_accounts(&mut self) -> Result<(), String> {
        let store = self.store();
        let domain = Domain::parse("example.org").map_err(|error| error.to_string())?;
        self.wait(store.add_domain(domain, self.now()))?;
        for number in 0..ACCOUNTS {
            let account = NewAccount {
                address: address(number)?,
                name: None,
                quota_octets: None,
                credential: None,
                created_at: self.now(),
            };
            let id = self.wait(store.add_account(account))?;
            let mailboxes = self.wait(store.mailboxes(id))?;
            let inbox = mailboxes.first().ok_or("there is no INBOX")?;
            self.accounts.push((id, inbox.id));
        }
        Ok(())
    }

    /// Waits for an answer that must be good, stepping the writer.
    pub(crate) fn wait<T>(&mut self, mut pending: Pending<'_, T>) -> Result<T, String> {
        for _ in 0..3 {
            if let Some(result) = poll(&mut pending) {
                return result.map_err(|error| error.to_string());
            }
            self.turn();
        }
        Err("the store does not answer".to_owned())
    }

    pub(crate) fn store(&self) -> Arc<SqliteStore> {
        let (store, _) = self.life.as_ref().expect("a history has a store between crashes");
        Arc::clone(store)
    }

    fn turn(&mut self) -> Turn {
        let (_, writer) = self.life.as_mut().expect("a history has a store between crashes");
        writer.turn(Some(Duration::ZERO))
    }

    fn now(&self) -> UnixMillis {
        UnixMillis(self.clock.now().0)
    }

    fn fail_sometimes(&self) {
        let often = |times| if self.random.once_in(2) { times } else { 0 };
        self.disk.set_faults(Faults {
            sync: often(6),
            write: often(12),
            create: often(6),
            sync_dir: often(6),
        });
        // The disk fills up now and then.
        let full = self.random.once_in(8);
        self.disk.set_capacity(if full { 2 * 1024 * 1024 } else { DISK_OCTETS });
    }

    /// Some sessions ask for something, the writer works, and they hear what became of it.
    /// Whether the machine crashes then.
    fn round(&mut self) -> Result<bool, String> {
        self.clock.step(Duration::from_millis(self.random.below(5000)));
        let store = self.store();
        let mut asked = Vec::new();
        let mut busy = BTreeSet::new();
        for _ in 0..=self.random.below(9) {
            match self.random.below(6) {
                0 => asked.extend(self.ask_finish(&store, &mut busy)?),
                1 => asked.extend(self.ask_expunge(&store, &mut busy)),
                _ => asked.push(self.ask_accept(&store)?),
            }
        }
        let crashes = self.random.once_in(4);
        if crashes {
            self.disk.halt_after(self.random.below(10));
        }
        let interrupted = crashes && self.random.once_in(3);
        while !interrupted && matches!(self.turn(), Turn::Done(_)) {}
        for asked in asked {
            self.hear(asked)?;
        }
        Ok(crashes)
    }

    fn ask_accept<'s>(&mut self, store: &'s SqliteStore) -> Result<Asked<'s>, String> {
        let (accept, letter) = self.letter()?;
        let id = accept.id;
        self.letters.insert(id, letter);
        Ok(Asked::Accept(id, store.accept(accept)))
    }

    /// A letter to some of us and some elsewhere, and what to remember of it.
    fn letter(&mut self) -> Result<(Accept, Letter), String> {
        let id = self.ids.next(self.now(), u128::from(self.random.u64()));
        let octets = match self.random.below(120) {
            0 => 1_100_000,
            1..9 => 70_000,
            _ => self.random.below(3000),
        };
        let octets = usize::try_from(octets).map_err(|error| error.to_string())?;
        let mut recipients = Vec::new();
        let mut entries = BTreeMap::new();
        let mut states = Vec::new();
        for _ in 0..=self.random.below(3) {
            let number = self.random.below(ACCOUNTS + 2);
            let account = self.accounts.get(usize::try_from(number).unwrap_or(0));
            let fate = match account {
                Some((account, _)) => {
                    entries.insert(*account, None);
                    states.push(RecipientState::Delivered);
                    let mailbox = INBOX.to_owned();
                    let (prefix, flags) = (prefix(id), Flags::default());
                    NewFate::Deliver(LocalDelivery { account: *account, mailbox, prefix, flags })
                }
                None => {
                    states.push(RecipientState::Queued);
                    NewFate::Queue { due: self.now() }
                }
            };
            let recipient = Recipient::new(address(number)?);
            recipients.push(NewRecipient { recipient, expanded_from: None, fate });
        }
        let accept = Accept {
            id,
            at: self.now(),
            origin: Origin::of(OriginKind::Reception),
            reverse_path: ReversePath::default(),
            ret: None,
            envelope_id: None,
            body: BodyType::SevenBit,
            terms: store::Terms::default(),
            message_id: Some(format!("{id}@example.org")),
            content: Content::from(content(id, octets)),
            recipients,
            copies: Vec::new(),
            events: vec![NewEvent::new(self.now(), Happening::Queued, "")],
            notes: Vec::new(),
            notices: Vec::new(),
        };
        let letter = Letter {
            octets,
            told: Told::Nothing,
            entries,
            maybe_expunged: BTreeSet::new(),
            states,
            maybe_states: None,
            notice_of: None,
        };
        Ok((accept, letter))
    }

    /// Any letter that was accepted, that fits, and that nobody else works on in this round.
    fn any_letter(
        &self,
        busy: &mut BTreeSet<SubmissionId>,
        fits: impl Fn(&Letter) -> bool,
    ) -> Option<SubmissionId> {
        let good = |(id, letter): &(&SubmissionId, &Letter)| {
            letter.told == Told::Accepted && !busy.contains(*id) && fits(letter)
        };
        let all: Vec<_> = self.letters.iter().filter(good).map(|(id, _)| *id).collect();
        let which = usize::try_from(self.random.below(all.len() as u64)).unwrap_or(0);
        let id = all.get(which).copied()?;
        busy.insert(id);
        Some(id)
    }

    fn ask_finish<'s>(
        &mut self,
        store: &'s SqliteStore,
        busy: &mut BTreeSet<SubmissionId>,
    ) -> Result<Option<Asked<'s>>, String> {
        let open = |letter: &Letter| letter.states.iter().any(|state| state.is_open());
        let Some(id) = self.any_letter(busy, open) else { return Ok(None) };
        let outcome_state = match self.random.below(3) {
            0 => RecipientState::Deferred,
            1 => RecipientState::Accepted,
            _ => RecipientState::Failed,
        };
        let mut states =
            self.letters.get(&id).map(|letter| letter.states.clone()).unwrap_or_default();
        let Some((recipient, state)) = (0..).zip(&mut states).find(|(_, state)| state.is_open())
        else {
            return Ok(None);
        };
        *state = outcome_state;
        let mut notices = Vec::new();
        if outcome_state == RecipientState::Failed {
            let (accept, letter) = self.letter()?;
            self.letters.insert(accept.id, Letter { notice_of: Some(id), ..letter });
            notices.push(accept);
        }
        let notice = notices.first().map(|notice| notice.id);
        let finish = Finish {
            outcomes: vec![Outcome {
                recipient,
                state: outcome_state,
                due: Some(self.now()),
                host: None,
                reply: None,
                attempted: true,
                delay_told: false,
                ends_hold: false,
            }],
            events: vec![NewEvent::new(self.now(), Happening::Queued, "")],
            notices,
            ..Finish::of(id, self.now())
        };
        Ok(Some(Asked::Finish(id, states, notice, store.finish(finish))))
    }

    fn ask_expunge<'s>(
        &mut self,
        store: &'s SqliteStore,
        busy: &mut BTreeSet<SubmissionId>,
    ) -> Option<Asked<'s>> {
        let id = self.any_letter(busy, |letter| !letter.entries.is_empty())?;
        let letter = self.letters.get(&id)?;
        let (account, uid) = letter.entries.first_key_value()?;
        let (_, mailbox) = self.accounts.iter().find(|(known, _)| known == account)?;
        let uids = vec![(*uid)?];
        Some(Asked::Expunge(id, *account, store.expunge(*account, *mailbox, uids)))
    }

    /// Remembers what the store said, or that it said nothing.
    fn hear(&mut self, asked: Asked<'_>) -> Result<(), String> {
        match asked {
            Asked::Accept(id, mut pending) => match poll(&mut pending) {
                Some(Ok(accepted)) => self.hear_accepted(id, &accepted)?,
                Some(Err(_)) => self.tell(id, Told::Refused),
                None => {}
            },
            Asked::Finish(id, states, notice, mut pending) => {
                let answer = poll(&mut pending);
                let Some(letter) = self.letters.get_mut(&id) else { return Ok(()) };
                match answer {
                    Some(Ok(())) => letter.states = states,
                    Some(Err(_)) => {}
                    None => letter.maybe_states = Some(states),
                }
                if let Some(notice) = notice {
                    match answer {
                        Some(Ok(())) => self.tell(notice, Told::Accepted),
                        Some(Err(_)) => self.tell(notice, Told::Refused),
                        None => {}
                    }
                }
            }
            Asked::Expunge(id, account, mut pending) => {
                let answer = poll(&mut pending);
                let Some(letter) = self.letters.get_mut(&id) else { return Ok(()) };
                match answer {
                    Some(Ok(_)) => drop(letter.entries.remove(&account)),
                    Some(Err(_)) => {}
                    None => drop(letter.maybe_expunged.insert(account)),
                }
            }
        }
        Ok(())
    }

    fn tell(&mut self, id: SubmissionId, told: Told) {
        if let Some(letter) = self.letters.get_mut(&id) {
            letter.told = told;
        }
    }

    fn hear_accepted(&mut self, id: SubmissionId, accepted: &Accepted) -> Result<(), String> {
        self.tell(id, Told::Accepted);
        let Some(letter) = self.letters.get_mut(&id) else { return Ok(()) };
        for delivery in &accepted.deliveries {
            letter.entries.insert(delivery.account, Some(delivery.uid));
            let used = self.uids_used.entry(delivery.account).or_insert(delivery.uid);
            if *used > delivery.uid {
                return Err(format!("UID {:?} came after {used:?}", delivery.uid));
            }
            *used = delivery.uid;
        }
        Ok(())
    }

    /// The power goes: SQLite's files are as they are, the disk is what it makes of itself.
    fn crash(&mut self) -> Result<(), String> {
        let words = |error: std::io::Error| error.to_string();
        let old = self.folders.path().join(self.lives.to_string());
        self.lives += 1;
        let new = self.folders.path().join(self.lives.to_string());
        std::fs::create_dir(&new).map_err(words)?;
        for name in ["store.db", "store.db-wal"] {
            std::fs::copy(old.join(name), new.join(name)).map_err(words)?;
        }
        self.disk.set_faults(Faults::default());
        self.disk.set_capacity(DISK_OCTETS);
        // The old life ends before the crash: what it still does is lost or not, like all else.
        self.life = None;
        self.disk.crash();
        let opened =
            SqliteStore::open(Path::new(SIM_FOLDER), options(&self.disk, &self.clock, new));
        self.life = Some(opened.map_err(|error| format!("opening after a crash: {error}"))?);
        Ok(())
    }
}

fn address(number: u64) -> Result<Address, String> {
    let domain = if number < ACCOUNTS { "example.org" } else { "example.net" };
    Address::parse(&format!("user{number}@{domain}")).map_err(|error| error.to_string())
}

pub(crate) fn prefix(id: SubmissionId) -> Vec<u8> {
    format!("Delivered-To: {id}\r\n").into_bytes()
}
