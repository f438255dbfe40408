//! From an envelope to what the store is asked to do: who gets an entry, who waits in the queue.
//!
//! Standards: RFC 5321 §3.9 (aliases), §4.5.5 (null reverse-path), RFC 3461 §5.2.7 (aliases
//! and notices).
//! Not here: whether a recipient is taken at all (`reception`).

use std::collections::BTreeSet;

use directory::{Place, Resolution, Table, Target};
use envelope::{Address, Notify, OriginalRecipient, Recipient, ReversePath};
use store::{
    AccountId, Flags, Happening, INBOX, LocalDelivery, NewEvent, NewFate, NewRecipient, UnixMillis,
};

use crate::trace;

/// Most targets of an alias that its event names: each recipient has an event of its own anyway.
const TARGETS_TOLD_MAX: usize = 20;

/// What becomes of each recipient, and why.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) recipients: Vec<NewRecipient>,
    pub(crate) events: Vec<NewEvent>,
    /// Deliveries into accounts that may not hold everything.
    pub(crate) limited: Vec<Limited>,
    /// Lists whose sender wants to hear that they were expanded.
    pub(crate) expanded: Vec<Recipient>,
}

/// A delivery into an account that may hold only so much.
#[derive(Debug)]
pub(crate) struct Limited {
    /// The recipient's number.
    pub(crate) number: usize,
    pub(crate) account: AccountId,
    pub(crate) quota_octets: u64,
}

impl Plan {
    /// Whether every recipient is in a mailbox of ours with the commit.
    pub(crate) fn is_all_local(&self) -> bool {
        self.recipients.iter().all(|recipient| matches!(recipient.fate, NewFate::Deliver(_)))
    }
}

/// Decides for each recipient of an envelope. An address that is named twice, by the sender or
/// through aliases, gets the message once.
pub(crate) fn plan(
    table: &Table,
    reverse_path: &ReversePath,
    recipients: &[Recipient],
    at: UnixMillis,
) -> Plan {
    let mut plan = Plan::default();
    let mut seen = BTreeSet::new();
    for recipient in recipients {
        let targets = match table.resolve(&recipient.address) {
            Resolution::Local(targets) => targets,
            // An account that went since RCPT is found to be gone by the queue, which says so.
            Resolution::Remote | Resolution::Unknown | Resolution::TooMany => {
                if seen.insert(recipient.address.clone()) {
                    plan.queue(recipient.clone(), None, at);
                }
                continue;
            }
        };
        let alias = match targets.as_slice() {
            [one] if one.by_alias => Alias::One,
            [_] => Alias::None,
            _ => Alias::List,
        };
        if alias == Alias::List && recipient.notify().success {
            plan.expanded.push(recipient.clone());
        }
        if alias != Alias::None {
            plan.expands(recipient, &targets, at);
        }
        let owner = owner(table, reverse_path, &recipient.address);
        let reverse_path = owner.as_ref().unwrap_or(reverse_path);
        for target in targets {
            // One mailbox may be reached under several details.
            let key = match target.place {
                Place::Account(account) => table.address(account).unwrap_or(&target.address),
                Place::Elsewhere => &target.address,
            };
            if !seen.insert(key.clone()) {
                continue;
            }
            let (resolved, expanded_from) = match alias {
                Alias::None => (recipient.clone(), None),
                _ => {
                    let resolved = expanded(recipient, target.address.clone(), alias);
                    (resolved, Some(recipient.address.clone()))
                }
            };
            match target.place {
                Place::Account(account) => {
                    let prefix = trace::prefix(reverse_path, &target.address);
                    let delivery = LocalDelivery {
                        account,
                        mailbox: INBOX.to_owned(),
                        prefix,
                        flags: Flags::default(),
                    };
                    if let Some(quota_octets) = table.quota(account) {
                        let number = plan.recipients.len();
                        plan.limited.push(Limited { number, account, quota_octets });
                    }
                    plan.deliver(resolved, expanded_from, delivery, at);
                }
                Place::Elsewhere => plan.queue(resolved, expanded_from, at),
            }
        }
    }
    plan
}

/// Who hears of trouble with what an address expands to instead of the author, if it is a list
/// with an owner (RFC 5321 §3.9.2). Nobody ever hears of a notice.
pub(crate) fn owner(
    table: &Table,
    reverse_path: &ReversePath,
    address: &Address,
) -> Option<ReversePath> {
    if reverse_path.is_null() {
        return None;
    }
    table.owner(address).cloned().map(ReversePath::from)
}

/// What stands between the sender's address and where the message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alias {
    None,
    /// An alias of one address.
    One,
    /// An alias of several.
    List,
}

/// A target of an alias, under the address that the sender knows. The sender's wishes go on to
/// the target of an alias of one (RFC 3461 §5.2.7.2); of a list of several, only whether it hears
/// of trouble, since its success was that it was expanded (§5.2.7.3 (c)).
fn expanded(recipient: &Recipient, address: Address, alias: Alias) -> Recipient {
    let known = || OriginalRecipient::rfc822(&recipient.address.to_string()).ok();
    let notify = match (recipient.notify, alias) {
        (Some(notify), Alias::List) => Some(Notify { success: false, ..notify }),
        (notify, _) => notify,
    };
    Recipient { address, notify, original: recipient.original.clone().or_else(known) }
}

impl Plan {
    /// Tells what an alias stands for.
    fn expands(&mut self, recipient: &Recipient, targets: &[Target], at: UnixMillis) {
        let mut into: Vec<_> = targets
            .iter()
            .take(TARGETS_TOLD_MAX)
            .map(|target| target.address.to_string())
            .collect();
        if let Some(more) = targets.len().checked_sub(TARGETS_TOLD_MAX).filter(|more| *more > 0) {
            into.push(format!("and {more} more"));
        }
        let reason = format!("{} is an alias", recipient.address);
        self.events.push(NewEvent::new(at, Happening::Expanded { into }, reason));
    }

    fn deliver(
        &mut self,
        recipient: Recipient,
        expanded_from: Option<Address>,
        delivery: LocalDelivery,
        at: UnixMillis,
    ) {
        let mailbox = format!("{} of {}", delivery.mailbox, recipient.address);
        let reason = via(expanded_from.as_ref());
        self.push(recipient, expanded_from, NewFate::Deliver(delivery));
        self.note(at, Happening::Delivered { mailbox }, reason);
    }

    fn queue(&mut self, recipient: Recipient, expanded_from: Option<Address>, at: UnixMillis) {
        let reason = via(expanded_from.as_ref());
        self.push(recipient, expanded_from, NewFate::Queue { due: at });
        self.note(at, Happening::Queued, reason);
    }

    /// Lets recipients wait in the queue instead of delivering them now.
    pub(crate) fn put_off(&mut self, numbers: &[usize], at: UnixMillis, reason: &str) {
        for (number, new) in self.recipients.iter_mut().enumerate() {
            if numbers.contains(&number) {
                new.fate = NewFate::Queue { due: at };
            }
        }
        for event in &mut self.events {
            let number = event.recipient.and_then(|number| usize::try_from(number).ok());
            if number.is_some_and(|number| numbers.contains(&number)) {
                event.happening = Happening::Queued;
                event.reason = reason.to_owned();
            }
        }
    }

    /// Holds a recipient, as an operator's rule wants it.
    pub(crate) fn hold(&mut self, number: usize, reason: &str) {
        if let Some(new) = self.recipients.get_mut(number) {
            new.fate = NewFate::Hold;
        }
        for event in &mut self.events {
            if event.recipient.and_then(|own| usize::try_from(own).ok()) == Some(number) {
                event.happening = Happening::Held;
                event.reason = reason.to_owned();
            }
        }
    }

    fn push(&mut self, recipient: Recipient, expanded_from: Option<Address>, fate: NewFate) {
        self.recipients.push(NewRecipient { recipient, expanded_from, fate });
    }

    /// Adds an event of the recipient that was added last.
    fn note(&mut self, at: UnixMillis, happening: Happening, reason: String) {
        let number = self.recipients.len().saturating_sub(1);
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        self.events.push(NewEvent::new(at, happening, reason).of(number));
    }
}

fn via(alias: Option<&Address>) -> String {
    alias.map(|alias| format!("target of alias {alias}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use envelope::Domain;
    use store::{Account, AliasKey, DomainRow};

    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn table() -> Table {
        let account = |id, text| Account {
            id: AccountId(id),
            address: address(text),
            name: None,
            quota_octets: None,
            credential: None,
            state: store::AccountState::Active,
            created_at: UnixMillis(0),
        };
        let list = store::Alias {
            key: AliasKey::Address(address("all@a.test")),
            targets: vec![address("ada@a.test"), address("bob@else.test")],
            owner: None,
        };
        let domain = DomainRow {
            domain: Domain::parse("a.test").unwrap(),
            relay: None,
            added_at: UnixMillis(0),
        };
        Table::new(vec![domain], vec![account(1, "ada@a.test")], vec![list])
    }

    #[test]
    fn every_target_gets_the_message_once() {
        #[rustfmt::skip]
        let rows: [(&[&str], &[&str], &str); 4] = [
            (&["ada@a.test"], &["ada@a.test delivered"], "a local account"),
            (&["ada@a.test", "ADA@a.test", "ada@a.test"], &["ada@a.test delivered"], "S41: named again"),
            (&["ada@a.test", "all@a.test"], &["ada@a.test delivered", "bob@else.test queued"], "named by alias again"),
            (&["x@else.test", "X@else.test"], &["x@else.test queued", "X@else.test queued"], "RFC 5321 §2.4: others' local parts are theirs"),
        ];
        for (recipients, wanted, why) in rows {
            let recipients: Vec<_> =
                recipients.iter().map(|text| Recipient::new(address(text))).collect();
            let plan = plan(&table(), &ReversePath::NULL, &recipients, UnixMillis(0));
            let found: Vec<_> = plan
                .recipients
                .iter()
                .map(|new| match &new.fate {
                    NewFate::Deliver(_) => format!("{} delivered", new.recipient.address),
                    NewFate::Queue { .. } => format!("{} queued", new.recipient.address),
                    NewFate::Hold => format!("{} held", new.recipient.address),
                })
                .collect();
            assert_eq!(found, wanted, "{why}");
            let own = plan.events.iter().filter(|event| event.recipient.is_some()).count();
            assert_eq!(own, plan.recipients.len(), "{why}: each has its event");
        }
    }

    #[test]
    fn a_target_of_an_alias_is_reported_under_the_address_that_the_sender_knows() {
        let recipients = [Recipient::new(address("all@a.test"))];
        let plan = plan(&table(), &ReversePath::NULL, &recipients, UnixMillis(0));
        for new in &plan.recipients {
            let original = new.recipient.original.as_ref().map(OriginalRecipient::address);
            assert_eq!(original, Some("all@a.test"));
            assert_eq!(new.expanded_from, Some(address("all@a.test")));
        }
    }

    #[test]
    fn an_alias_passes_the_senders_wishes_on() {
        let both = Some(Notify { success: true, failure: true, delay: false });
        #[rustfmt::skip]
        let rows = [
            // recipient, wish, what its targets get, lists that tell of their expansion, why
            ("all@a.test", both, Some(Notify { success: false, failure: true, delay: false }), 1, "RFC 3461 §5.2.7.3 (c)"),
            ("all@a.test", Some(Notify { success: true, ..Notify::NEVER }), Some(Notify::NEVER), 1, "nothing is left to tell"),
            ("all@a.test", None, None, 0, "nothing was asked"),
            ("postmaster@a.test", both, both, 0, "RFC 3461 §5.2.7.2: of one address"),
            ("ada@a.test", both, both, 0, "no alias"),
        ];
        for (to, notify, wanted, lists, why) in rows {
            let recipient = Recipient { notify, ..Recipient::new(address(to)) };
            let plan = plan(&table(), &ReversePath::NULL, &[recipient], UnixMillis(0));
            assert!(plan.recipients.iter().all(|new| new.recipient.notify == wanted), "{why}");
            assert_eq!(plan.expanded.len(), lists, "{why}");
        }
    }

    #[test]
    fn what_is_put_off_waits_and_says_why() {
        let recipients = [Recipient::new(address("ada@a.test"))];
        let mut plan = plan(&table(), &ReversePath::NULL, &recipients, UnixMillis(0));
        plan.put_off(&[0], UnixMillis(7), "full");
        assert!(matches!(plan.recipients[0].fate, NewFate::Queue { due: UnixMillis(7) }));
        assert_eq!(plan.events[0].happening, Happening::Queued);
        assert_eq!(plan.events[0].reason, "full");
    }
}
