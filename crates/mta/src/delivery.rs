//! From an envelope to what the store is asked to do: who gets an entry, who waits in the queue.
//!
//! Standards: RFC 5321 §3.9 (aliases), §4.5.5 (null reverse-path), RFC 3461 §5.2.7 (aliases
//! and notices).
//! Not here: whether a recipient is taken at all (`reception`).

use std::collections::BTreeSet;

use directory::{Place, Resolution, Table};
use envelope::{Address, OriginalRecipient, Recipient, ReversePath};
use store::{Flags, Happening, INBOX, LocalDelivery, NewEvent, NewFate, NewRecipient, UnixMillis};

use crate::trace;

/// What becomes of each recipient, and why.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) recipients: Vec<NewRecipient>,
    pub(crate) events: Vec<NewEvent>,
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
            Resolution::Remote | Resolution::Unknown => {
                if seen.insert(recipient.address.clone()) {
                    plan.queue(recipient.clone(), None, at);
                }
                continue;
            }
        };
        let by_alias = targets.iter().any(|target| target.by_alias);
        for target in targets {
            if !seen.insert(target.address.clone()) {
                continue;
            }
            let (resolved, expanded_from) = if by_alias {
                (expanded(recipient, target.address.clone()), Some(recipient.address.clone()))
            } else {
                (recipient.clone(), None)
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
                    plan.deliver(resolved, expanded_from, delivery, at);
                }
                Place::Elsewhere => plan.queue(resolved, expanded_from, at),
            }
        }
    }
    plan
}

/// A target of an alias. The sender's wishes go on to it, with the address it knows.
fn expanded(recipient: &Recipient, address: Address) -> Recipient {
    let known = || OriginalRecipient::rfc822(&recipient.address.to_string()).ok();
    Recipient {
        address,
        notify: recipient.notify,
        original: recipient.original.clone().or_else(known),
    }
}

impl Plan {
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
    use store::{Account, AccountId, Alias, AliasKey, DomainRow};

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
            created_at: UnixMillis(0),
        };
        let list = Alias {
            key: AliasKey::Address(address("all@a.test")),
            targets: vec![address("ada@a.test"), address("bob@else.test")],
        };
        let domain =
            DomainRow { domain: Domain::parse("a.test").unwrap(), added_at: UnixMillis(0) };
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
                })
                .collect();
            assert_eq!(found, wanted, "{why}");
            assert_eq!(plan.events.len(), plan.recipients.len(), "{why}: each has its event");
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
}
