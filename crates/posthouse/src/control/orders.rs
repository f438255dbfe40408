//! Standing orders: hold rules and suppressed addresses, told and changed.
//!
//! What was changed is in force when the answer ends, also in a running server.
//!
//! Standards: none of its own.
//! Not here: obeying them (crate `mta`).

use envelope::Address;
use serde::{Deserialize, Serialize};
use store::{
    HoldRule, HoldRuleId, NewHoldRule, RecipientPattern, Refused, SenderPattern, Suppression,
    UnixMillis,
};

use super::item::{Item, time};
use super::perform::Items;
use crate::engine::Engine;
use crate::failure::Failure;

/// Addresses that are in memory at a time.
const PAGE_ADDRESSES: u32 = 1000;

/// How often an address must have been refused before it is suggested.
const SUGGESTED_AFTER: u32 = 3;

/// What can be asked about standing orders.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub(crate) enum Order {
    /// Hold new mail that matches.
    HoldAdd {
        /// Whose mail.
        sender: Option<SenderPattern>,
        /// To whom.
        recipient: Option<RecipientPattern>,
        /// Why.
        reason: Option<String>,
    },
    /// All hold rules.
    HoldList,
    /// Hold such mail no longer.
    HoldRemove {
        /// Which rule.
        rule: HoldRuleId,
    },
    /// Send nothing to an address.
    SuppressAdd {
        /// Which.
        address: Address,
        /// Why, for senders to read.
        reason: Option<String>,
    },
    /// Suppressed addresses, or those that might be.
    SuppressList(Listed),
    /// Send to an address again.
    SuppressRemove {
        /// Which.
        address: Address,
    },
}

/// Which addresses to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Listed {
    /// Those that are suppressed.
    Suppressed,
    /// Those that servers refuse again and again.
    Suggested,
}

/// A hold rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RuleItem {
    /// Its name.
    pub(crate) rule: HoldRuleId,
    /// Whose mail it holds: an address, `@domain`, `<>`, or anybody's.
    pub(crate) sender: Option<String>,
    /// Mail to whom: an address, `@domain`, or anybody.
    pub(crate) recipient: Option<String>,
    /// Why.
    pub(crate) reason: Option<String>,
    /// Since when.
    pub(crate) added: String,
}

impl From<&HoldRule> for RuleItem {
    fn from(HoldRule { id, rule }: &HoldRule) -> Self {
        let sender = rule.sender.as_ref().map(|pattern| match pattern {
            SenderPattern::Null => "<>".to_owned(),
            SenderPattern::Address(address) => address.to_string(),
            SenderPattern::Domain(domain) => format!("@{domain}"),
        });
        let recipient = rule.recipient.as_ref().map(|pattern| match pattern {
            RecipientPattern::Address(address) => address.to_string(),
            RecipientPattern::Domain(domain) => format!("@{domain}"),
        });
        let added = time(rule.added_at);
        Self { rule: *id, sender, recipient, reason: rule.reason.clone(), added }
    }
}

/// An address that is suppressed, or that might be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SuppressedItem {
    /// Which.
    pub(crate) address: String,
    /// Why it is suppressed; without it, it is not.
    pub(crate) reason: Option<String>,
    /// Since when it is.
    pub(crate) added: Option<String>,
    /// How often it was refused as unknown.
    pub(crate) refused: Option<u32>,
    /// When last.
    pub(crate) last_refused: Option<String>,
}

impl From<&Suppression> for SuppressedItem {
    fn from(suppression: &Suppression) -> Self {
        Self {
            address: suppression.address.to_string(),
            reason: Some(suppression.reason.clone()),
            added: Some(time(suppression.added_at)),
            refused: None,
            last_refused: None,
        }
    }
}

impl From<&Refused> for SuppressedItem {
    fn from(refused: &Refused) -> Self {
        Self {
            address: refused.address.to_string(),
            reason: None,
            added: None,
            refused: Some(refused.times),
            last_refused: Some(time(refused.last_at)),
        }
    }
}

/// Does what is asked.
pub(super) async fn perform(order: Order, engine: &Engine, items: &Items) -> Result<(), Failure> {
    let (store, now) = (&engine.store, UnixMillis(engine.clock.now().millis()));
    match order {
        Order::HoldAdd { sender, recipient, reason } => {
            let rule = NewHoldRule { sender, recipient, reason, added_at: now };
            let id = store.add_hold_rule(rule.clone()).await?;
            in_force(engine).await?;
            items.tell(Item::Rule(RuleItem::from(&HoldRule { id, rule }))).await
        }
        Order::HoldList => {
            for rule in store.hold_rules().await? {
                items.tell(Item::Rule(RuleItem::from(&rule))).await?;
            }
            Ok(())
        }
        Order::HoldRemove { rule } => {
            store
                .remove_hold_rule(rule)
                .await
                .map_err(|error| Failure::from(error).remedy("see `posthouse queue rule list`"))?;
            in_force(engine).await
        }
        Order::SuppressAdd { address, reason } => {
            let reason = reason.unwrap_or_else(|| "by order of our operator".to_owned());
            store.suppress(Suppression { address, reason, added_at: now }).await?;
            in_force(engine).await
        }
        Order::SuppressRemove { address } => {
            store
                .unsuppress(address)
                .await
                .map_err(|error| Failure::from(error).remedy("see `posthouse suppress list`"))?;
            in_force(engine).await
        }
        Order::SuppressList(Listed::Suppressed) => suppressed(engine, items).await,
        Order::SuppressList(Listed::Suggested) => suggested(engine, items).await,
    }
}

/// Lets a running server know.
async fn in_force(engine: &Engine) -> Result<(), Failure> {
    match engine.in_motion.get() {
        Some(mta) => Ok(mta.read_orders().await?),
        None => Ok(()),
    }
}

async fn suppressed(engine: &Engine, items: &Items) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = engine.store.suppressions(after, PAGE_ADDRESSES).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.address.clone());
        for one in &page {
            items.tell(Item::Suppressed(SuppressedItem::from(one))).await?;
        }
    }
}

async fn suggested(engine: &Engine, items: &Items) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = engine.store.refused(SUGGESTED_AFTER, after, PAGE_ADDRESSES).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.address.clone());
        for one in &page {
            items.tell(Item::Suppressed(SuppressedItem::from(one))).await?;
        }
    }
}
