//! Searches, and orders for all that a pattern finds.
//!
//! Pages are told as they are read, so that what is found may be of any length.
//!
//! Standards: none of its own.
//! Not here: the patterns (crate `store`), their options (`cli`).

use std::sync::Arc;
use std::time::Duration;

use envelope::Address;
use platform::Timestamp;
use serde::{Deserialize, Serialize};
use store::{
    RecipientPattern, Search, SenderPattern, StatePattern, Steer, SteerAction, Summary, UnixMillis,
};
use tokio::task::JoinSet;

use super::item::{Item, QueueItem};
use super::perform::{Items, follow_up, prepare};
use crate::engine::Engine;
use crate::failure::Failure;

/// Submissions that are in memory at a time, and orders that are given together.
const PAGE_SUBMISSIONS: u32 = 100;

/// What an operator looks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// Whose mail.
    pub(crate) sender: Option<SenderPattern>,
    /// To whom.
    pub(crate) recipient: Option<RecipientPattern>,
    /// Where a recipient stands.
    pub(crate) state: Option<StatePattern>,
    /// The account that had logged in to send it.
    pub(crate) login: Option<Address>,
    /// Accepted within so many seconds.
    pub(crate) since_s: Option<u64>,
    /// Accepted longer than so many seconds ago.
    pub(crate) until_s: Option<u64>,
    /// Only so many, the newest ones.
    pub(crate) limit: Option<u32>,
}

/// Tells what matches, newest first.
pub(super) async fn search(wanted: Wanted, engine: &Engine, items: &Items) -> Result<(), Failure> {
    let mut left = wanted.limit;
    let mut search = resolve(wanted, engine).await?;
    loop {
        search.limit = left.map_or(PAGE_SUBMISSIONS, |left| left.min(PAGE_SUBMISSIONS));
        let page = engine.store.search(search.clone()).await?;
        for summary in &page {
            items.tell(Item::Queued(QueueItem::from(summary))).await?;
        }
        let told = u32::try_from(page.len()).unwrap_or(u32::MAX);
        left = left.map(|left| left.saturating_sub(told));
        match page.last() {
            Some(oldest) if left != Some(0) => search.before = Some(oldest.id),
            _ => return Ok(()),
        }
    }
}

async fn resolve(wanted: Wanted, engine: &Engine) -> Result<Search, Failure> {
    let now = engine.clock.now();
    let ago = |seconds: u64| UnixMillis((now - Duration::from_secs(seconds)).millis());
    let login = match wanted.login {
        None => None,
        Some(address) => {
            let address = address.folded();
            let accounts = engine.store.accounts().await?;
            let account = accounts.iter().find(|account| account.address.folded() == address);
            let account = account.ok_or_else(|| {
                Failure::new(format!("there is no account {address}"))
                    .remedy("see `posthouse account list`")
            })?;
            Some(account.id)
        }
    };
    Ok(Search {
        sender: wanted.sender,
        recipient: wanted.recipient,
        state: wanted.state,
        login,
        since: wanted.since_s.map(ago),
        until: wanted.until_s.map(ago),
        ..Search::any(PAGE_SUBMISSIONS)
    })
}

/// Gives an order for all that waits and matches.
///
/// Cancel safety: what was ordered before stays so; every submission is a commit of its own.
pub(super) async fn steer_all(
    wanted: Wanted,
    action: SteerAction,
    engine: &Engine,
    items: &Items,
) -> Result<(), Failure> {
    let at = engine.clock.now();
    let mut search = resolve(wanted, engine).await?;
    search.state = Some(StatePattern::Open);
    let mut found = false;
    prepare(&action, engine);
    loop {
        let page = engine.store.search(search.clone()).await?;
        let Some(oldest) = page.last() else { break };
        search.before = Some(oldest.id);
        let mut orders = JoinSet::new();
        for summary in page {
            for recipient in whom(&search, &summary) {
                let store = Arc::clone(&engine.store);
                let order = order(&summary, recipient, action.clone(), at);
                let summary = summary.clone();
                orders.spawn(async move { (store.steer(order).await, summary) });
            }
        }
        while let Some(done) = orders.join_next().await {
            let (numbers, summary) =
                done.map_err(|error| Failure::new(format!("an order broke down: {error}")))?;
            let numbers = numbers?;
            let changed = summary.recipients.iter().filter(|view| numbers.contains(&view.number));
            let changed: Vec<_> = changed.map(|view| view.recipient.address.clone()).collect();
            if !changed.is_empty() {
                found = true;
                items.tell(Item::Changed(changed)).await?;
            }
        }
    }
    follow_up(&action, engine);
    if found {
        return Ok(());
    }
    Err(Failure::new("nothing waits that matches and for which that can be done")
        .remedy("see `posthouse queue list`"))
}

/// For whom an order is given: each recipient that is meant, or all with one order.
fn whom(search: &Search, summary: &Summary) -> Vec<Option<Address>> {
    if search.recipient.is_none() {
        return vec![None];
    }
    let mut meant: Vec<_> = summary
        .recipients
        .iter()
        .filter(|view| search.is_about(view))
        .map(|view| Some(view.recipient.address.clone()))
        .collect();
    meant.dedup();
    meant
}

fn order(
    summary: &Summary,
    recipient: Option<Address>,
    action: SteerAction,
    at: Timestamp,
) -> Steer {
    Steer { submission: summary.id, recipient, action, at: UnixMillis(at.millis()) }
}
