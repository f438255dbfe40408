//! Doing what is asked: the same function behind the socket and without a server.
//!
//! Standards: none of its own.
//! Not here: traces (`trace`), rules about addresses (crate `directory`).

use directory::{Separator, Table};
use envelope::{Address, Domain};
use sasl::Password;
use store::{AliasKey, QueueFilter, Repair, Steer, SteerAction, SubmissionId, UnixMillis};
use tokio::sync::mpsc;

use super::item::{AccountItem, AliasItem, DomainItem, Item, QueueItem, WayItem};
use super::request::{Request, Steering};
use super::{explain, orders, search, trace};
use crate::archive;
use crate::engine::Engine;
use crate::failure::Failure;

/// Where the pieces of an answer go.
#[derive(Clone, Debug)]
pub(crate) struct Items(mpsc::Sender<Item>);

impl Items {
    /// Pieces that may wait to be read; whoever makes them waits as well then.
    const WAITING_MAX: usize = 16;

    /// Both ends.
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Item>) {
        let (items, receiver) = mpsc::channel(Self::WAITING_MAX);
        (Self(items), receiver)
    }

    /// Hands on one piece.
    pub(crate) async fn tell(&self, item: Item) -> Result<(), Failure> {
        self.0.send(item).await.map_err(|_| Failure::unread())
    }

    /// Ready when nobody reads any more.
    pub(super) async fn closed(&self) {
        self.0.closed().await;
    }
}

/// Does what is asked.
///
/// Cancel safety: a change that has begun is done or not done, never half; the store sees to it.
pub(crate) async fn perform(
    request: Request,
    engine: &Engine,
    items: &Items,
) -> Result<(), Failure> {
    match request {
        Request::DomainAdd { .. } | Request::DomainList | Request::DomainRemove { .. } => {
            domains(request, engine, items).await
        }
        Request::AccountAdd { .. }
        | Request::AccountList
        | Request::AccountShow { .. }
        | Request::AccountRemove { .. }
        | Request::AccountState { .. }
        | Request::AccountQuota { .. }
        | Request::AccountPassword { .. } => accounts(request, engine, items).await,
        Request::AliasShow { .. }
        | Request::AliasAdd { .. }
        | Request::AliasRemove { .. }
        | Request::AliasList => aliases(request, engine, items).await,
        Request::QueueList => queue(engine, items).await,
        Request::QueueShow { id } => trace::show(id, engine, items).await,
        Request::QueueSteer { id, recipient, action } => {
            steer(id, recipient, action, engine, items).await
        }
        Request::QueueSearch(wanted) => search::search(*wanted, engine, items).await,
        Request::QueueSteerAll { wanted, action } => {
            search::steer_all(*wanted, action.into(), engine, items).await
        }
        Request::Explain(supposed) => explain::explain(*supposed, engine, items).await,
        Request::Orders(order) => orders::perform(order, engine, items).await,
        Request::Trace { key, follow } => trace::trace(&key, follow, engine, items).await,
        Request::Backup { folder, keep } => {
            let report = archive::back_up(engine, folder, keep).await?;
            items.tell(Item::BackedUp(report)).await
        }
        Request::Restore(part) => {
            let brought = archive::restore_part(*part, engine, items).await?;
            items.tell(Item::Brought(brought)).await
        }
        Request::Import(import) => {
            let brought = archive::import(*import, engine, items).await?;
            items.tell(Item::Brought(brought)).await
        }
        Request::Export(export) => {
            let exported = archive::export(*export, engine, items).await?;
            items.tell(Item::Exported(exported)).await
        }
        Request::Verify { repair, remove } => {
            let repair = match (repair, remove) {
                (false, _) => Repair::No,
                (true, false) => Repair::Yes,
                (true, true) => Repair::Remove,
            };
            let mut report = engine.store.verify(repair).await?;
            for finding in std::mem::take(&mut report.findings) {
                items.tell(Item::Finding(finding)).await?;
            }
            items.tell(Item::Verified(report)).await
        }
    }
}

async fn domains(request: Request, engine: &Engine, items: &Items) -> Result<(), Failure> {
    match request {
        Request::DomainAdd { domain, relay: None } => {
            Ok(engine.directory.add_domain(domain).await?)
        }
        Request::DomainAdd { domain, relay: Some(relay) } => {
            Ok(engine.directory.relay_domain(domain, relay).await?)
        }
        Request::DomainRemove { domain } => Ok(engine.directory.remove_domain(domain).await?),
        _ => {
            for row in engine.store.domains().await? {
                items.tell(Item::Domain(DomainItem::from(&row))).await?;
            }
            Ok(())
        }
    }
}

async fn aliases(request: Request, engine: &Engine, items: &Items) -> Result<(), Failure> {
    match request {
        Request::AliasShow { address, separator } => {
            let separator = separator.map_or(Separator::None, Separator::Sign);
            let table = Table::clone(&engine.directory.table()).separated_by(separator);
            let way = WayItem::new(&table, &address);
            items.tell(Item::Way(way)).await
        }
        Request::AliasAdd { alias, targets, owner } => {
            let alias = store::Alias { key: alias_key(&alias)?, targets, owner };
            Ok(engine.directory.set_alias(alias).await?)
        }
        Request::AliasRemove { alias } => {
            Ok(engine.directory.remove_alias(alias_key(&alias)?).await?)
        }
        _ => {
            for alias in engine.store.aliases().await? {
                items.tell(Item::Alias(AliasItem::from(&alias))).await?;
            }
            Ok(())
        }
    }
}

async fn accounts(request: Request, engine: &Engine, items: &Items) -> Result<(), Failure> {
    let wanted = match request {
        Request::AccountAdd { addresses, password, name, quota_octets } => {
            let password = password.map(|secret| Password::new(secret.0));
            return Ok(engine
                .directory
                .add_accounts(addresses, password, name, quota_octets)
                .await?);
        }
        Request::AccountRemove { address } => {
            return Ok(engine.directory.remove_account(&address).await?);
        }
        Request::AccountPassword { address, password } => {
            let password = Password::new(password.0);
            return Ok(engine.directory.set_password(&address, &password).await?);
        }
        Request::AccountQuota { address, quota_octets } => {
            return Ok(engine.directory.set_quota(&address, quota_octets).await?);
        }
        Request::AccountState { address, state } => {
            return Ok(engine.directory.set_account_state(&address, state).await?);
        }
        Request::AccountShow { address } => Some(address.folded()),
        _ => None,
    };
    let mut found = false;
    for account in engine.store.accounts().await? {
        if wanted.as_ref().is_none_or(|address| account.address.folded() == *address) {
            let in_use = engine.store.account_use(account.id).await?;
            items.tell(Item::Account(AccountItem::new(&account, in_use))).await?;
            found = true;
        }
    }
    match wanted {
        Some(address) if !found => Err(Failure::new(format!("there is no account {address}"))
            .remedy("see `posthouse account list`")),
        _ => Ok(()),
    }
}

/// An address, or `@domain` for all of a domain.
fn alias_key(text: &str) -> Result<AliasKey, Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::wrong_use(format!("{text:?} cannot be an alias: {error}"))
            .remedy("write an address, or @DOMAIN for all of a domain")
    };
    match text.strip_prefix('@') {
        Some(domain) => Domain::parse(domain).map(AliasKey::Domain).map_err(|error| wrong(&error)),
        None => Address::parse(text).map(AliasKey::Address).map_err(|error| wrong(&error)),
    }
}

/// Submissions of the queue that are in memory at a time.
const PAGE_SUBMISSIONS: u32 = 100;

/// All that waits, oldest first, a page at a time.
async fn queue(engine: &Engine, items: &Items) -> Result<(), Failure> {
    let mut last = SubmissionId::from_octets([0; 16]);
    loop {
        let filter = QueueFilter {
            after: Some(last),
            limit: Some(PAGE_SUBMISSIONS),
            ..QueueFilter::default()
        };
        let page = engine.store.queue(filter).await?;
        let Some(newest) = page.last() else { return Ok(()) };
        last = newest.id;
        for summary in &page {
            items.tell(Item::Queued(QueueItem::from(summary))).await?;
        }
    }
}

/// What a running server has to know before an order is given.
pub(super) fn prepare(action: &SteerAction, engine: &Engine) {
    let tries = matches!(action, SteerAction::Retry | SteerAction::Route(_));
    if let (true, Some(mta)) = (tries, engine.in_motion.get()) {
        mta.try_again();
    }
}

/// What a running server has to know after one was.
pub(super) fn follow_up(action: &SteerAction, engine: &Engine) {
    if let (SteerAction::CancelAndTell, Some(mta)) = (action, engine.in_motion.get()) {
        mta.tell_soon();
    }
}

async fn steer(
    id: SubmissionId,
    recipient: Option<Address>,
    action: Steering,
    engine: &Engine,
    items: &Items,
) -> Result<(), Failure> {
    let at = UnixMillis(engine.clock.now().millis());
    let action: SteerAction = action.into();
    let order = Steer { submission: id, recipient: recipient.clone(), action: action.clone(), at };
    prepare(&action, engine);
    let numbers = engine.store.steer(order).await?;
    follow_up(&action, engine);
    let summary = engine.store.submission(id).await?.map(|view| view.summary).ok_or_else(|| {
        Failure::new(format!("there is no submission {id}")).remedy("see `posthouse queue list`")
    })?;
    if numbers.is_empty() {
        let whom = recipient.map(|address| format!(" {address}")).unwrap_or_default();
        return Err(Failure::new(format!(
            "{id} has no recipient{whom} for which that can be done"
        ))
        .remedy(format!("see `posthouse queue show {id}`")));
    }
    let changed = summary.recipients.iter().filter(|view| numbers.contains(&view.number));
    items.tell(Item::Changed(changed.map(|view| view.recipient.address.clone()).collect())).await
}
