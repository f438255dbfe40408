//! RCPT: who was never seen here shall come again, as every mail server does.
//!
//! ```text
//!   network known? ─yes─▶ in
//!        │no
//!   letter (network, reverse-path, recipient) seen? ─no──▶ 451, remember it
//!        │yes
//!   long enough ago? ─no─▶ 451, still so long
//!        └─yes─▶ in; the network is known
//! ```
//!
//! Networks are a /24 of IPv4 and a /64 of IPv6, so that a provider's machines may take turns.
//!
//! Standards: RFC 6647 §2.4 (at RCPT), §2.7 (exceptions), §5 (times, networks, who is not meant).
//! Not here: who is a stranger (`policy`), how it is remembered (crate `store`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use envelope::{Address, EnhancedStatus, ReversePath};
use smtp::Reply;
use store::{RecipientPattern, Seen, UnixMillis};

use super::Verdict;
use crate::Mta;
use crate::reception::{Purpose, reply};
use crate::words::in_words;

/// How often a known network's time is begun anew: once in this part of it, so that a known
/// client's mail costs no commit.
const RENEWALS: u32 = 8;

/// Who must come again before its mail is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greylist {
    /// How long after the first attempt the next one counts.
    pub delay: Duration,
    /// How long after the first attempt a next one is still taken for the same letter.
    pub expire: Duration,
    /// How long a network is known after it last brought mail.
    pub remember: Duration,
    /// Recipients that wait for nobody.
    pub exempt: Vec<RecipientPattern>,
}

impl Default for Greylist {
    /// What RFC 6647 §5 recommends, and a month and a bit for those who write once a month.
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            delay: Duration::from_secs(60),
            expire: DAY,
            remember: DAY.saturating_mul(36),
            exempt: Vec::new(),
        }
    }
}

/// A letter from somewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letter<'a> {
    pub(super) peer: IpAddr,
    pub(super) reverse_path: &'a ReversePath,
    pub(super) recipient: &'a Address,
}

/// Cancel safety: what is remembered may be remembered all the same.
pub(super) async fn check(
    rules: &Greylist,
    mta: &Mta,
    letter: Letter<'_>,
    purpose: Purpose,
) -> Verdict {
    if rules.exempts(letter.recipient) {
        return Verdict::Passed(format!("{} waits for nobody", letter.recipient));
    }
    match decide(rules, mta, letter, purpose).await {
        Ok(verdict) => verdict,
        Err(error) => {
            tracing::warn!(peer = %letter.peer, %error, "greylisting does not know who came");
            Verdict::Refused(reply::store_silent())
        }
    }
}

async fn decide(
    rules: &Greylist,
    mta: &Mta,
    letter: Letter<'_>,
    purpose: Purpose,
) -> Result<Verdict, store::StoreError> {
    let (store, now) = (&mta.world.store, mta.now());
    let network = network(letter.peer);
    let key = key(&network, letter);
    let mut known = store.seen(vec![network.clone(), key.clone()], now).await?.into_iter();
    let (first, second) = (known.next(), known.next());
    let remember = async |seen: Seen| match purpose {
        Purpose::Mail => store.see(seen, now).await,
        Purpose::Explain => Ok(()),
    };
    let until = later(now, rules.remember);
    match first {
        Some(seen) if seen.key == network => {
            let renewed = later(seen.until, rules.remember / RENEWALS);
            if until > renewed {
                remember(Seen { until, ..seen }).await?;
            }
            Ok(Verdict::Passed(format!("{network} is known: it came again before")))
        }
        first => {
            let seen = first.or(second);
            // A first time that lies ahead tells of a clock that was set back.
            match seen.and_then(|seen| age(&seen, now)) {
                Some(age) if age >= rules.delay => {
                    remember(Seen { key: network.clone(), first_at: now, until }).await?;
                    let waited = in_words(age);
                    let reason = format!("it came again after {waited}; {network} is known now");
                    Ok(Verdict::Passed(reason))
                }
                Some(age) => Ok(Verdict::Refused(come_again(rules.delay.saturating_sub(age)))),
                None => {
                    let until = later(now, rules.expire);
                    remember(Seen { key, first_at: now, until }).await?;
                    Ok(Verdict::Refused(come_again(rules.delay)))
                }
            }
        }
    }
}

fn come_again(wait: Duration) -> Reply {
    let text = format!(
        "Greylisted: mail from new places is taken at the second try; please try again in {}",
        in_words(wait)
    );
    Reply::new(451, EnhancedStatus::new(4, 7, 1), text)
}

impl Greylist {
    fn exempts(&self, recipient: &Address) -> bool {
        self.exempt.iter().any(|pattern| match pattern {
            RecipientPattern::Address(address) => address.folded() == recipient.folded(),
            RecipientPattern::Domain(domain) => domain == recipient.domain(),
        })
    }
}

/// The network whose machines may take turns (RFC 6647 §5, no. 5; §7 for IPv6).
fn network(peer: IpAddr) -> String {
    match peer.to_canonical() {
        IpAddr::V4(peer) => format!("{}/24", Ipv4Addr::from_bits(peer.to_bits() & 0xffff_ff00)),
        IpAddr::V6(peer) => {
            format!("{}/64", Ipv6Addr::from_bits(peer.to_bits() & !u128::from(u64::MAX)))
        }
    }
}

fn key(network: &str, letter: Letter<'_>) -> String {
    let Letter { reverse_path, recipient, .. } = letter;
    let sender = reverse_path.address().map(Address::to_string).unwrap_or_default();
    format!("{network} <{}> <{}>", sender.to_ascii_lowercase(), recipient.folded())
}

fn later(at: UnixMillis, by: Duration) -> UnixMillis {
    UnixMillis(at.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}

fn age(seen: &Seen, now: UnixMillis) -> Option<Duration> {
    u64::try_from(now.0.saturating_sub(seen.first_at.0)).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_of_one_network_take_turns() {
        #[rustfmt::skip]
        let rows = [
            ("192.0.2.1", "192.0.2.0/24", "RFC 6647 §5"),
            ("192.0.2.255", "192.0.2.0/24", "its neighbour"),
            ("::ffff:192.0.2.9", "192.0.2.0/24", "IPv4 in IPv6 clothes"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "RFC 6647 §7"),
        ];
        for (peer, wanted, why) in rows {
            assert_eq!(network(peer.parse().unwrap()), wanted, "{why}");
        }
    }
}
