//! Standing orders of an operator: which new mail is held, and to whom nothing is sent.
//!
//! The store keeps them and says what they are; whoever takes or sends mail obeys them.
//!
//! Standards: RFC 3463 §3.2 (5.1.1, by which an address is found to be dead).
//! Not here: orders for mail that waits already ([`Steer`](crate::Steer)), obeying (crate `mta`).

use std::fmt;

use envelope::{Address, ReversePath};
use serde::{Deserialize, Serialize};

use crate::{Pending, RecipientPattern, SenderPattern, UnixMillis};

/// Names a hold rule for as long as it stands; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HoldRuleId(pub i64);

impl fmt::Display for HoldRuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which new mail is held. All that is given must be so; a rule that gives nothing is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewHoldRule {
    /// Whose mail.
    pub sender: Option<SenderPattern>,
    /// To whom, as it was addressed or as an alias made of it.
    pub recipient: Option<RecipientPattern>,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// Since when.
    pub added_at: UnixMillis,
}

/// A hold rule that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldRule {
    /// Its name.
    pub id: HoldRuleId,
    /// What it says.
    pub rule: NewHoldRule,
}

impl HoldRule {
    /// Whether new mail from `sender` to `recipient`, who may have become one through an alias,
    /// is held by this rule.
    pub fn holds(
        &self,
        sender: &ReversePath,
        recipient: &Address,
        expanded_from: Option<&Address>,
    ) -> bool {
        let NewHoldRule { sender: from, recipient: to, .. } = &self.rule;
        let from = from.as_ref().is_none_or(|pattern| pattern.matches(sender));
        let to = to.as_ref().is_none_or(|pattern| {
            pattern.matches(recipient) || expanded_from.is_some_and(|alias| pattern.matches(alias))
        });
        from && to
    }
}

/// An address to which nothing is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// Which; kept in lower case.
    pub address: Address,
    /// Why, in a sentence that senders read.
    pub reason: String,
    /// Since when.
    pub added_at: UnixMillis,
}

/// How often an address was refused for good because it does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which; in lower case.
    pub address: Address,
    /// How often.
    pub times: u32,
    /// When last.
    pub last_at: UnixMillis,
}

/// The part of a [`Store`](crate::Store) that keeps standing orders.
pub trait Orders {
    /// All hold rules, the oldest first.
    fn hold_rules(&self) -> Pending<'_, Vec<HoldRule>>;

    /// Adds a hold rule; [`StoreError::Refused`](crate::StoreError::Refused) when it would hold
    /// everything.
    fn add_hold_rule(&self, rule: NewHoldRule) -> Pending<'_, HoldRuleId>;

    /// Removes a hold rule. What it held stays held.
    fn remove_hold_rule(&self, id: HoldRuleId) -> Pending<'_, ()>;

    /// Suppresses an address, or changes the reason.
    fn suppress(&self, suppression: Suppression) -> Pending<'_, ()>;

    /// Sends to an address again, and forgets how often it was refused;
    /// [`StoreError::NotFound`](crate::StoreError::NotFound) when it was not suppressed.
    fn unsuppress(&self, address: Address) -> Pending<'_, ()>;

    /// Those of these addresses that are suppressed.
    fn suppressed(&self, addresses: Vec<Address>) -> Pending<'_, Vec<Suppression>>;

    /// Suppressed addresses in their order, at most `limit` after `after`.
    fn suppressions(&self, after: Option<Address>, limit: u32) -> Pending<'_, Vec<Suppression>>;

    /// Counts that each of these addresses was refused once more.
    /// [`forget_settled`](crate::Store::forget_settled) forgets who was not for long.
    fn count_refusals(&self, addresses: Vec<Address>, at: UnixMillis) -> Pending<'_, Vec<Refused>>;

    /// Addresses that were refused at least so often and are not suppressed, in their order, at
    /// most `limit` after `after`.
    fn refused(
        &self,
        times_min: u32,
        after: Option<Address>,
        limit: u32,
    ) -> Pending<'_, Vec<Refused>>;
}
