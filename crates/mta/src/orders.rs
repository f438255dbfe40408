//! Standing orders of an operator, as they are in force: what is held, to whom nothing is sent.
//!
//! The store keeps them. Here is what has to be known without asking it: the few hold rules, and
//! whether any address is suppressed at all; so that whoever gives no orders pays nothing.
//!
//! Standards: none of its own.
//! Not here: orders for mail that waits already (`store.steer`), suppressed recipients
//! (`queue::suppressed`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use envelope::ReversePath;
use store::{HoldRule, NewHoldRule, RecipientPattern, SenderPattern, StoreError};

use crate::Mta;
use crate::delivery::Plan;

/// Orders that are in force.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    rules: RwLock<Arc<[HoldRule]>>,
    suppresses: AtomicBool,
}

impl Orders {
    fn rules(&self) -> Arc<[HoldRule]> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether mail to any address is suppressed.
    pub(crate) fn suppresses(&self) -> bool {
        self.suppresses.load(Ordering::Relaxed)
    }

    /// From now on some address is.
    pub(crate) fn now_suppresses(&self) {
        self.suppresses.store(true, Ordering::Relaxed);
    }

    /// Holds what a rule holds of new mail; which recipients that are, and why.
    pub(crate) fn hold(&self, sender: &ReversePath, plan: &mut Plan) -> BTreeMap<usize, String> {
        let (rules, mut held) = (self.rules(), BTreeMap::new());
        if rules.is_empty() {
            return held;
        }
        for number in 0..plan.recipients.len() {
            let Some(new) = plan.recipients.get(number) else { continue };
            let (address, alias) = (&new.recipient.address, new.expanded_from.as_ref());
            let rule = rules.iter().find(|rule| rule.holds(sender, address, alias));
            if let Some(rule) = rule {
                let reason = sentence(rule);
                plan.hold(number, &reason);
                held.insert(number, reason);
            }
        }
        held
    }
}

impl Mta {
    /// Takes over the orders that the store has now.
    ///
    /// # Errors
    ///
    /// When the store cannot tell; those of before stay in force.
    pub async fn read_orders(&self) -> Result<(), StoreError> {
        let rules = self.world.store.hold_rules().await?;
        let some = self.world.store.suppressions(None, 1).await?;
        let mut known = self.orders.rules.write().unwrap_or_else(PoisonError::into_inner);
        *known = rules.into();
        self.orders.suppresses.store(!some.is_empty(), Ordering::Relaxed);
        Ok(())
    }
}

/// What a rule says, as the event tells it.
fn sentence(rule: &HoldRule) -> String {
    let HoldRule { id, rule: NewHoldRule { sender, recipient, reason, .. } } = rule;
    let from = sender.as_ref().map(|pattern| match pattern {
        SenderPattern::Null => " from <>".to_owned(),
        SenderPattern::Address(address) => format!(" from {address}"),
        SenderPattern::Domain(domain) => format!(" from @{domain}"),
    });
    let to = recipient.as_ref().map(|pattern| match pattern {
        RecipientPattern::Address(address) => format!(" to {address}"),
        RecipientPattern::Domain(domain) => format!(" to @{domain}"),
    });
    let (from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
    let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("rule {id} holds mail{from}{to}{why}")
}
