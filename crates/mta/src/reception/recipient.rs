//! RCPT: do we take mail for this address, from this client?
//!
//! Standards: RFC 5321 §3.3, §3.6.2 (no open relay), §4.5.1 (postmaster), RFC 3461 §4.
//! Not here: what becomes of an address that we take (`delivery`).

use std::sync::Arc;

use directory::{Place, Resolution, Table, Target};
use envelope::{Address, Domain, LocalPart, OriginalRecipient, Recipient};
use smtp::server::{self, Answer, ForwardPath};
use store::Store;
use tracing::{info, warn};

use super::{SmtpDrive, reply};

impl SmtpDrive {
    pub(super) async fn recipient(&mut self, recipient: server::Recipient) -> Answer {
        let table = self.mta().world.directory.table();
        let server::Recipient { forward_path, notify, mut original } = recipient;
        let address = match forward_path {
            ForwardPath::Address(address) => self.own_postmaster(&table, address),
            ForwardPath::Postmaster => match postmaster(&table) {
                Some(address) => address,
                None => {
                    let text = "This server has no postmaster yet: it has no accounts";
                    let status = envelope::EnhancedStatus::new(4, 3, 5);
                    return smtp::Reply::new(450, status, text).into();
                }
            },
        };
        let (address, returns) = match self.mta().world.directory.returned(&address) {
            None => (address, Returns::No),
            Some(Err(error)) => {
                info!(peer = %self.peer, recipient = %address, %error, "recipient refused");
                return reply::returns_nowhere(&address, error).into();
            }
            Some(Ok(sender)) => {
                original =
                    original.or_else(|| OriginalRecipient::rfc822(&address.to_string()).ok());
                (sender, Returns::ToSender)
            }
        };
        let may_relay = self.login.is_some() || self.reception.may_relay(self.peer);
        let answer = match table.resolve(&address) {
            Resolution::Remote
                if may_relay
                    || returns == Returns::ToSender
                    || table.relay(address.domain()).is_some() =>
            {
                Answer::Accept
            }
            Resolution::Remote => reply::relay_refused(&address).into(),
            Resolution::Unknown => self.judge_guess(reply::unknown_recipient(&address)).into(),
            Resolution::TooMany => reply::too_many_targets(&address).into(),
            Resolution::Local(targets) => {
                let size = self.transaction.as_ref().and_then(|open| open.sender.size);
                let store = Arc::clone(&self.mta().world.store);
                has_room(store.as_ref(), &table, &targets, size.unwrap_or(0)).await
            }
        };
        let answer = match answer {
            Answer::Accept => {
                self.judge_recipient(&address).await.err().map_or(Answer::Accept, Answer::Reply)
            }
            refused => refused,
        };
        match (&answer, &mut self.transaction) {
            (Answer::Accept, Some(transaction)) => {
                transaction.recipients.push(Recipient { address, notify, original });
            }
            (Answer::Reply(reply), _) => {
                info!(peer = %self.peer, recipient = %address, %reply, "recipient refused");
            }
            _ => {}
        }
        answer
    }

    /// `postmaster@` our own host name is ours even where that is no mail domain: it is the
    /// address that our notices come from.
    fn own_postmaster(&self, table: &Table, address: Address) -> Address {
        let ours = address.domain() == &self.mta().config.hostname
            && address.local().folded() == "postmaster"
            && !table.is_local(address.domain());
        if ours { postmaster(table).unwrap_or(address) } else { address }
    }
}

/// Whether an address is one under which we handed mail on, so that its sender is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Returns {
    No,
    ToSender,
}

/// Refuses a recipient whose mailbox is full or out of use, while its sender is still there to hear it.
async fn has_room(store: &dyn Store, table: &Table, targets: &[Target], size: u64) -> Answer {
    // An alias's other targets are not held up: the commit decides about those.
    let [target] = targets else { return Answer::Accept };
    let Place::Account(account) = target.place else { return Answer::Accept };
    // Who must always be reached is, and an alias is not the account.
    if !target.by_alias && table.is_disabled(account) {
        return reply::disabled(&target.address).into();
    }
    let Some(quota) = table.quota(account) else { return Answer::Accept };
    if size > quota {
        return reply::never_fits(&target.address, quota).into();
    }
    match store.account_use(account).await {
        Ok(used) if used.octets.saturating_add(size) > quota => {
            reply::over_quota(&target.address).into()
        }
        Ok(_) => Answer::Accept,
        Err(error) => {
            warn!(%error, "cannot look up an account's use");
            reply::store_silent().into()
        }
    }
}

/// Who reads mail to `<postmaster>`: the postmaster of the first local domain.
fn postmaster(table: &Table) -> Option<Address> {
    let local = LocalPart::parse("postmaster").ok()?;
    let domain: &Domain = table.first_domain()?;
    let address = Address::new(local, domain.clone());
    matches!(table.resolve(&address), Resolution::Local(_)).then_some(address)
}
