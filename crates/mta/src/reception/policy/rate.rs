//! How much may come in a time: from a site, its network, an account.
//!
//! Each has a bucket that empties steadily: a whole rate at once, then as fast as it refills. What
//! is remembered is one moment for each: when the bucket will be full again. It is forgotten at a
//! restart, which lets nobody do more than twice as much.
//!
//! Standards: RFC 5321 §7.8 (resistance to attacks), RFC 3463 §3.8 (X.7.1).
//! Not here: how many connections at a time (crate `platform`).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use envelope::EnhancedStatus;
use smtp::Reply;
use store::AccountId;

/// Buckets in each of two generations, at about 100 octets: 13 MB at most. Who has that many
/// networks to come from gets past any limit of this kind.
const BUCKETS_MAX: usize = 65_536;
/// How much more than one site a whole network may do: as many sites as a provider's mail farm
/// has behind one /24.
const NETWORK_SHARE: u32 = 8;

/// So many in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many; not zero.
    pub count: u32,
    /// In which time.
    pub per: Duration,
}

/// How much may come. `None`: any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Connections of strangers.
    pub connections: Option<Rate>,
    /// Messages from strangers.
    pub messages: Option<Rate>,
    /// Recipients of strangers' messages.
    pub recipients: Option<Rate>,
    /// Recipients that do not exist, asked for by strangers.
    pub unknown_recipients: Option<Rate>,
    /// Messages of one account.
    pub account_messages: Option<Rate>,
    /// Recipients of one account's messages.
    pub account_recipients: Option<Rate>,
}

impl Rates {
    pub(super) fn of(&self, subject: Subject) -> Option<Rate> {
        match subject {
            Subject::Connections => self.connections,
            Subject::Messages => self.messages,
            Subject::Recipients => self.recipients,
            Subject::UnknownRecipients => self.unknown_recipients,
            Subject::AccountMessages => self.account_messages,
            Subject::AccountRecipients => self.account_recipients,
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::reception) enum Subject {
    Connections,
    Messages,
    Recipients,
    UnknownRecipients,
    AccountMessages,
    AccountRecipients,
}

/// Whose bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    /// An IPv4 address or a /64 of IPv6.
    Site(IpAddr),
    /// A /24 of IPv4 or a /48 of IPv6.
    Network(IpAddr),
    Account(AccountId),
}

/// It was too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Over {
    owner: Owner,
    /// When there will be room for one more.
    wait: Duration,
}

type Key = (Subject, Owner);

/// When each bucket will be full again, in monotonic time.
///
/// Two generations: who is seen is in the younger one; when that is full, the older one is let
/// go. So memory is bounded, and each step costs the same.
#[derive(Debug, Default)]
pub(super) struct Buckets(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: BTreeMap<Key, Duration>,
    old: BTreeMap<Key, Duration>,
}

impl Buckets {
    /// Takes one from all buckets that it concerns, or from none.
    pub(super) fn charge(
        &self,
        subject: Subject,
        rate: Rate,
        from: (IpAddr, Option<AccountId>),
        now: Duration,
    ) -> Result<(), Over> {
        let mut state = self.state();
        let mut filled = Vec::with_capacity(2);
        for (owner, rate) in owners(rate, from) {
            filled.push(((subject, owner), state.after_one((subject, owner), rate, now)?));
        }
        for (key, full_at) in filled {
            state.put(key, full_at);
        }
        Ok(())
    }

    /// Whether one could be taken.
    pub(super) fn look(
        &self,
        subject: Subject,
        rate: Rate,
        from: (IpAddr, Option<AccountId>),
        now: Duration,
    ) -> Result<(), Over> {
        let state = self.state();
        for (owner, rate) in owners(rate, from) {
            state.after_one((subject, owner), rate, now)?;
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, Generations> {
        // Nothing panics while it is held, so a poisoned one is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    /// When the bucket will be full again if one is taken now.
    fn after_one(&self, key: Key, rate: Rate, now: Duration) -> Result<Duration, Over> {
        let known = self.young.get(&key).or_else(|| self.old.get(&key));
        let full_at = known.map_or(now, |at| (*at).max(now));
        let one = rate.per.checked_div(rate.count).unwrap_or(rate.per);
        let then = full_at.saturating_add(one);
        let limit = now.saturating_add(rate.per);
        match then.checked_sub(limit) {
            Some(wait) if !wait.is_zero() => Err(Over { owner: key.1, wait }),
            _ => Ok(then),
        }
    }

    fn put(&mut self, key: Key, full_at: Duration) {
        if self.young.len() >= BUCKETS_MAX && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, full_at);
    }
}

/// Whose buckets something concerns, with the rate of each.
fn owners(rate: Rate, (peer, account): (IpAddr, Option<AccountId>)) -> Vec<(Owner, Rate)> {
    if let Some(account) = account {
        return vec![(Owner::Account(account), rate)];
    }
    let (site, network) = match peer.to_canonical() {
        IpAddr::V4(peer) => {
            let network = Ipv4Addr::from_bits(peer.to_bits() & 0xffff_ff00);
            (IpAddr::V4(peer), IpAddr::V4(network))
        }
        IpAddr::V6(peer) => {
            let within = |bits: u32| {
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(peer.to_bits() & mask))
            };
            (within(64), within(48))
        }
    };
    let wider = Rate { count: rate.count.saturating_mul(NETWORK_SHARE), per: rate.per };
    vec![(Owner::Site(site), rate), (Owner::Network(network), wider)]
}

/// What the client hears.
pub(super) fn reply(subject: Subject, rate: Rate, over: Over) -> Reply {
    let (code, what) = match subject {
        Subject::Connections => (421, "connections"),
        Subject::UnknownRecipients => (421, "recipients that do not exist"),
        Subject::Messages | Subject::AccountMessages => (450, "messages"),
        Subject::Recipients | Subject::AccountRecipients => (450, "recipients"),
    };
    let whose = match over.owner {
        Owner::Site(_) => "from your address",
        Owner::Network(_) => "from your network",
        Owner::Account(_) => "from your account",
    };
    let count = match over.owner {
        Owner::Network(_) => rate.count.saturating_mul(NETWORK_SHARE),
        _ => rate.count,
    };
    let (per, wait) = (rate.per.as_secs(), over.wait.as_secs().saturating_add(1));
    let text = format!("Too many {what} {whose}: {count} in {per} s; please try again in {wait} s");
    Reply::new(code, EnhancedStatus::new(4, 7, 1), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { count: 3, per: Duration::from_secs(60) };

    fn try_one(buckets: &Buckets, peer: &str, at_s: u64) -> bool {
        let from = (peer.parse().unwrap(), None);
        buckets.charge(Subject::Messages, RATE, from, Duration::from_secs(at_s)).is_ok()
    }

    #[test]
    fn a_rate_at_once_and_then_as_fast_as_it_refills() {
        let buckets = Buckets::default();
        #[rustfmt::skip]
        let rows = [
            ("192.0.2.1", 0, true, "the first"),
            ("192.0.2.1", 0, true, "the second"),
            ("::ffff:192.0.2.1", 0, true, "the third, IPv4 in IPv6 clothes"),
            ("192.0.2.1", 0, false, "no more"),
            ("192.0.2.2", 0, true, "somebody else"),
            ("192.0.2.1", 19, false, "a third of a minute is not over"),
            ("192.0.2.1", 20, true, "now it is"),
            ("192.0.2.1", 20, false, "one only"),
            ("192.0.2.1", 81, true, "a minute later"),
            ("192.0.2.1", 81, true, "all"),
            ("192.0.2.1", 81, true, "is well"),
            ("192.0.2.1", 81, false, "again"),
        ];
        for (peer, at_s, wanted, why) in rows {
            assert_eq!(try_one(&buckets, peer, at_s), wanted, "{peer} at {at_s} s: {why}");
        }
    }

    #[test]
    fn a_network_may_do_eight_times_as_much() {
        for (prefix, sites) in [("192.0.2.", 9), ("2001:db8:0:", 9)] {
            let buckets = Buckets::default();
            let mut taken = 0;
            for site in 1..=sites {
                let peer = if prefix.contains(':') {
                    format!("{prefix}{site}::1")
                } else {
                    format!("{prefix}{site}")
                };
                taken += (0..4).filter(|_| try_one(&buckets, &peer, 0)).count();
            }
            assert_eq!(taken, 24, "{prefix}: eight sites with three each, and not a ninth");
        }
        let buckets = Buckets::default();
        let one_site = (0..5).filter(|n| try_one(&buckets, &format!("2001:db8::{n}"), 0)).count();
        assert_eq!(one_site, 3, "a /64 is one site");
    }

    #[test]
    fn memory_is_bounded() {
        let buckets = Buckets::default();
        let many = u32::try_from(3 * BUCKETS_MAX).unwrap();
        for number in 0..many {
            let peer = IpAddr::V4(Ipv4Addr::from_bits(number << 8));
            buckets.charge(Subject::Messages, RATE, (peer, None), Duration::ZERO).ok();
        }
        let state = buckets.state();
        assert!(state.young.len() <= BUCKETS_MAX && state.old.len() <= BUCKETS_MAX);
    }

    #[test]
    fn what_is_asked_is_not_counted() {
        let buckets = Buckets::default();
        let from = ("192.0.2.1".parse().unwrap(), None);
        for _ in 0..10 {
            assert_eq!(buckets.look(Subject::Messages, RATE, from, Duration::ZERO), Ok(()));
        }
    }
}
