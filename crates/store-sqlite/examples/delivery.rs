//! How much a delivery costs: N deliverers put messages of 4 KiB into random mailboxes.
//!
//! `cargo run --release -p store-sqlite --example delivery -- [deliverers] [messages] [think_us]`
//! prints messages per second, CPU time and syncs per message. `think_us` is CPU time that each
//! deliverer spends before each message, as a session and its client would.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use envelope::{Address, BodyType, Domain, Recipient, ReversePath};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use platform::{Clock, Random, SystemClock, SystemRandom};
use store::{
    Accept, AccountId, Content, Flags, Happening, INBOX, IdSource, LocalDelivery, NewAccount,
    NewEvent, NewFate, NewRecipient, Origin, OriginKind, Store, UnixMillis,
};
use store_sqlite::{Options, SqliteStore};

const ACCOUNTS: u64 = 1000;
const CONTENT_OCTETS: usize = 4096;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let number = |place: usize, otherwise: u64| {
        std::env::args().nth(place).and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    };
    let (deliverers, messages, think_us) = (number(1, 20), number(2, 20_000), number(3, 0));
    let folder =
        std::env::var_os("POSTHOUSE_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let store = SqliteStore::start(folder.path(), Options::default())?;
    runtime.block_on(run(store, deliverers, messages, Duration::from_micros(think_us)))?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "printing is what it is for")]
async fn run(
    store: Arc<SqliteStore>,
    deliverers: u64,
    messages: u64,
    think: Duration,
) -> Result<(), Box<dyn std::error::Error>> {
    let accounts = Arc::new(make_accounts(&store).await?);
    let ids = Arc::new(IdSource::default());
    let left = Arc::new(AtomicU64::new(messages));
    let waited = Arc::new(AtomicU64::new(0));
    let (before, began, cpu) = (store.counters(), SystemClock.monotonic(), cpu_us());
    let mut tasks = Vec::new();
    for _ in 0..deliverers {
        let (store, accounts, ids) = (Arc::clone(&store), Arc::clone(&accounts), Arc::clone(&ids));
        let (left, waited) = (Arc::clone(&left), Arc::clone(&waited));
        tasks.push(tokio::spawn(async move {
            while left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .is_ok()
            {
                spin(think / 2);
                tokio::task::yield_now().await;
                let announcement = store.announce();
                spin(think / 2);
                tokio::task::yield_now().await;
                let from = SystemClock.monotonic();
                store.accept(letter(&ids, &accounts)).await?;
                let took = SystemClock.monotonic().saturating_sub(from);
                waited.fetch_add(u64::try_from(took.as_micros()).unwrap_or(0), Ordering::Relaxed);
                drop(announcement);
            }
            Ok::<(), store::StoreError>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let took = SystemClock.monotonic().saturating_sub(began);
    let after = store.counters();
    let count = messages as f64;
    println!(
        "{deliverers:4} deliverers, think {think:?}: {:6.0} msg/s, {:5.1} us CPU, {:6.3} syncs, batch {:5.1}, mean wait {:.2} ms, checkpoint syncs {}",
        count / took.as_secs_f64(),
        (cpu_us() - cpu) as f64 / count - think.as_micros() as f64,
        (after.syncs - before.syncs) as f64 / count,
        count / (after.commits - before.commits) as f64,
        waited.load(Ordering::Relaxed) as f64 / count / 1000.0,
        after.checkpoint_syncs - before.checkpoint_syncs,
    );
    Ok(())
}

async fn make_accounts(store: &SqliteStore) -> Result<Vec<AccountId>, Box<dyn std::error::Error>> {
    let domain = Domain::parse("example.org")?;
    store.add_domain(domain, UnixMillis(0)).await?;
    let mut waiting = Vec::new();
    for number in 0..ACCOUNTS {
        waiting.push(store.add_account(NewAccount {
            address: Address::parse(&format!("user{number}@example.org"))?,
            name: None,
            quota_octets: None,
            credential: None,
            created_at: UnixMillis(0),
        }));
    }
    let mut accounts = Vec::new();
    for pending in waiting {
        accounts.push(pending.await?);
    }
    Ok(accounts)
}

fn letter(ids: &IdSource, accounts: &[AccountId]) -> Accept {
    let at = UnixMillis(SystemClock.now().0);
    let id = ids.next(at, u128::from(SystemRandom.u64()));
    let index = usize::try_from(SystemRandom.below(ACCOUNTS)).unwrap_or(0);
    let account = accounts.get(index).copied().unwrap_or(AccountId(1));
    let address = Address::parse(&format!("user{index}@example.org")).ok();
    let content = id.to_string().into_bytes().repeat(CONTENT_OCTETS / 26 + 1);
    let delivery = LocalDelivery {
        account,
        mailbox: INBOX.to_owned(),
        prefix: b"Return-Path: <sender@example.net>\r\nDelivered-To: user@example.org\r\n".to_vec(),
        flags: Flags::default(),
    };
    let received = Happening::Received {
        protocol: Some("ESMTPS".to_owned()),
        peer: None,
        helo: Some("client.example.net".to_owned()),
        tls: None,
        login: None,
        octets: CONTENT_OCTETS as u64,
    };
    let delivered = Happening::Delivered { mailbox: format!("INBOX of user{index}@example.org") };
    Accept {
        id,
        at,
        origin: Origin::of(OriginKind::Reception),
        reverse_path: Address::parse("sender@example.net")
            .map(ReversePath::from)
            .unwrap_or_default(),
        ret: None,
        envelope_id: None,
        body: BodyType::EightBitMime,
        terms: store::Terms::default(),
        message_id: Some(format!("{id}@example.net")),
        content: Content::from(content),
        recipients: address
            .map(|address| NewRecipient {
                recipient: Recipient::new(address),
                expanded_from: None,
                fate: NewFate::Deliver(delivery),
            })
            .into_iter()
            .collect(),
        copies: Vec::new(),
        events: vec![NewEvent::new(at, received, ""), NewEvent::new(at, delivered, "").of(0)],
        notes: Vec::new(),
        notices: Vec::new(),
    }
}

fn spin(how_long: Duration) {
    let began = SystemClock.monotonic();
    while SystemClock.monotonic().saturating_sub(began) < how_long {
        std::hint::spin_loop();
    }
}

fn cpu_us() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF);
    usage.map_or(0, |usage| {
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds()
    })
}
