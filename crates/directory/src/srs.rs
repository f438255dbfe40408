//! The reverse-path of mail that is forwarded elsewhere, and the way back of its bounces.
//!
//! A server that receives forwarded mail asks whether *we* may send for the domain of its
//! reverse-path. So that path becomes an address of ours in which the sender is written down,
//! signed and dated, by the Sender Rewriting Scheme:
//!
//! ```text
//!   ada@one.test          ─▶ SRS0=HASH=DAY=one.test=ada@ours.test
//!   SRS0=…@two.test       ─▶ SRS1=HASH=two.test==…@ours.test      forwarded once before
//!   SRS1=…=two.test==…@x  ─▶ SRS1=HASH=two.test==…@ours.test      and more than once
//! ```
//!
//! Nobody else can make such an address, so that we are no relay for whoever writes one.
//! Letters may lose their case on the way; the hash is made without it.
//!
//! Standards: RFC 7208 §10.3 (why forwarders rewrite), RFC 2104 (HMAC), RFC 4648 §6 (base32).
//! Not here: which mail is forwarded (crate `mta`).

use envelope::{Address, Domain, LocalPart};
use hmac::{Hmac, KeyInit as _, Mac as _};
use platform::Timestamp;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// How many days after a message was forwarded a bounce is taken: senders give up after five
/// (RFC 5321 §4.5.4.1), and some hosts on the way hold mail longer.
pub const FORWARD_DAYS_MAX: i64 = 21;

/// Days after which the two letters of a day come again.
const DAYS: i64 = 32 * 32;
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// Octets of the hash that are kept: eight letters, which leave room for the sender.
const HASH_OCTETS: usize = 5;
/// RFC 4648 §6.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// What may stand behind `SRS0` in addresses of others.
const SEPARATORS: [char; 3] = ['=', '+', '-'];

/// Why a bounce to a rewritten address is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SrsError {
    /// We did not make it.
    #[error("this forwarding address was not made by us")]
    Forged,
    /// Its time is over.
    #[error("this forwarding address is more than {FORWARD_DAYS_MAX} days old")]
    Old,
}

/// What we sign with.
pub(crate) struct Srs {
    key: Hmac<Sha256>,
}

impl Srs {
    /// From the server's secret, in a way that tells nothing of it.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let keyed = |key: &[u8]| {
            Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length")
        };
        let mut derive = keyed(secret);
        derive.update(b"posthouse srs");
        Self { key: keyed(&derive.finalize().into_bytes()) }
    }

    /// The reverse-path under a domain of ours; `None` where it would be longer than a local part
    /// may be (RFC 5321 §4.5.3.1.1).
    pub(crate) fn forward(&self, sender: &Address, by: &Domain, now: Timestamp) -> Option<Address> {
        let local = sender.local().as_str();
        let local = match tagged(local) {
            Some(("SRS0", rest)) => self.signed("SRS1", &format!("{}={rest}", sender.domain())),
            Some((_, rest)) => {
                let rest = rest.strip_prefix(SEPARATORS)?;
                let (_their_hash, first) = rest.split_once('=')?;
                self.signed("SRS1", first)
            }
            None => {
                self.signed("SRS0", &format!("{}={}={local}", letters(day(now)), sender.domain()))
            }
        };
        Some(Address::new(LocalPart::parse(&local).ok()?, by.clone()))
    }

    /// The sender behind a reverse-path; `None` where it has not the form of one.
    pub(crate) fn back(
        &self,
        address: &Address,
        now: Timestamp,
    ) -> Option<Result<Address, SrsError>> {
        let (tag, rest) = tagged(address.local().as_str())?;
        Some(self.undo(tag, rest, now))
    }

    fn undo(&self, tag: &str, rest: &str, now: Timestamp) -> Result<Address, SrsError> {
        let rest = rest.strip_prefix(SEPARATORS).ok_or(SrsError::Forged)?;
        let (hash, signed) = rest.split_once('=').ok_or(SrsError::Forged)?;
        let wanted = self.hash(tag, signed);
        if !bool::from(wanted.as_bytes().ct_eq(hash.to_ascii_uppercase().as_bytes())) {
            return Err(SrsError::Forged);
        }
        let parts = if tag == "SRS0" {
            let (made, sender) = signed.split_once('=').ok_or(SrsError::Forged)?;
            let made = number(made).ok_or(SrsError::Forged)?;
            let age = day(now).saturating_sub(made).rem_euclid(DAYS);
            // One day ahead: the clock was set back since.
            if age > FORWARD_DAYS_MAX && age != DAYS - 1 {
                return Err(SrsError::Old);
            }
            sender.split_once('=').map(|(domain, local)| (domain, local.to_owned()))
        } else {
            signed.split_once('=').map(|(domain, rest)| (domain, format!("SRS0{rest}")))
        };
        let (domain, local) = parts.ok_or(SrsError::Forged)?;
        // It is signed by us, so that only a change of our own rules can make it wrong.
        let local = LocalPart::parse(&local).map_err(|_| SrsError::Forged)?;
        Ok(Address::new(local, Domain::parse(domain).map_err(|_| SrsError::Forged)?))
    }

    fn signed(&self, tag: &str, rest: &str) -> String {
        format!("{tag}={}={rest}", self.hash(tag, rest))
    }

    fn hash(&self, tag: &str, rest: &str) -> String {
        let mut mac = self.key.clone();
        mac.update(tag.as_bytes());
        mac.update(rest.to_ascii_lowercase().as_bytes());
        let octets = mac.finalize().into_bytes();
        let bits =
            octets.iter().take(HASH_OCTETS).fold(0u64, |bits, octet| bits << 8 | u64::from(*octet));
        (0..HASH_OCTETS * 8 / 5).rev().map(|place| letter(bits >> (5 * place))).collect()
    }
}

/// `SRS0` or `SRS1`, and what stands behind it, its separator included.
fn tagged(local: &str) -> Option<(&'static str, &str)> {
    let (tag, rest) = local.split_at_checked(4)?;
    let tag = ["SRS0", "SRS1"].into_iter().find(|known| tag.eq_ignore_ascii_case(known))?;
    rest.starts_with(SEPARATORS).then_some((tag, rest))
}

fn day(now: Timestamp) -> i64 {
    now.millis().div_euclid(DAY_MILLIS).rem_euclid(DAYS)
}

fn letter(bits: u64) -> char {
    let place = usize::try_from(bits & 31).unwrap_or(0);
    char::from(BASE32.get(place).copied().unwrap_or(b'A'))
}

/// A day as two letters.
fn letters(day: i64) -> String {
    let day = u64::try_from(day).unwrap_or(0);
    [letter(day >> 5), letter(day)].iter().collect()
}

fn number(letters: &str) -> Option<i64> {
    let value = |octet: u8| BASE32.iter().position(|known| *known == octet.to_ascii_uppercase());
    let [high, low] = letters.as_bytes() else { return None };
    let (high, low) = (i64::try_from(value(*high)?).ok()?, i64::try_from(value(*low)?).ok()?);
    Some(high * 32 + low)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_573_330_000);

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn later(days: i64) -> Timestamp {
        Timestamp(NOW.0 + days * DAY_MILLIS)
    }

    #[test]
    fn a_bounce_finds_its_way_back_through_every_forwarder() {
        let (ours, theirs) = (Srs::new(&[1; 32]), Srs::new(&[2; 32]));
        let (us, them) = (Domain::parse("us.test").unwrap(), Domain::parse("them.test").unwrap());
        let third = Domain::parse("third.test").unwrap();
        let sender = address("Ada.Lovelace@one.test");
        let once = theirs.forward(&sender, &them, NOW).unwrap();
        assert!(once.to_string().starts_with("SRS0="), "{once}");
        assert!(once.to_string().ends_with("=one.test=Ada.Lovelace@them.test"), "{once}");
        let twice = ours.forward(&once, &us, NOW).unwrap();
        assert!(twice.to_string().starts_with("SRS1="), "{twice}");
        let thrice = Srs::new(&[3; 32]).forward(&twice, &third, NOW).unwrap();
        assert!(thrice.to_string().starts_with("SRS1="), "{thrice}");
        assert_eq!(ours.back(&twice, NOW), Some(Ok(once.clone())));
        assert_eq!(Srs::new(&[3; 32]).back(&thrice, NOW), Some(Ok(once.clone())), "not through us");
        assert_eq!(theirs.back(&once, NOW), Some(Ok(sender)));
    }

    #[test]
    fn only_what_we_made_is_undone_and_not_for_ever() {
        let srs = Srs::new(&[1; 32]);
        let us = Domain::parse("us.test").unwrap();
        let made = srs.forward(&address("ada@one.test"), &us, NOW).unwrap().to_string();
        let back = |text: &str, days| srs.back(&address(text), later(days));
        let ada = Some(Ok(address("ada@one.test")));
        #[rustfmt::skip]
        let rows = [
            (made.clone(), 0, ada.clone(), "at once"),
            (made.to_ascii_lowercase(), 1, ada.clone(), "case was lost on the way"),
            (made.clone(), FORWARD_DAYS_MAX, ada.clone(), "on the last day"),
            (made.clone(), -1, ada, "the clock was set back"),
            (made.clone(), FORWARD_DAYS_MAX + 1, Some(Err(SrsError::Old)), "a day later"),
            (made.replace("=ada@", "=eve@"), 0, Some(Err(SrsError::Forged)), "another user"),
            (made.replace("one.test", "two.test"), 0, Some(Err(SrsError::Forged)), "another domain"),
            (made.replace("SRS0", "SRS1"), 0, Some(Err(SrsError::Forged)), "another form"),
            ("SRS0=x@us.test".to_owned(), 0, Some(Err(SrsError::Forged)), "no parts"),
            ("SRS0@us.test".to_owned(), 0, None, "a user of that name"),
            ("ada@us.test".to_owned(), 0, None, "no such address"),
        ];
        for (text, days, wanted, why) in rows {
            assert_eq!(back(&text, days), wanted, "{why}: {text}");
        }
    }

    #[test]
    fn a_sender_without_room_is_left_as_it_is() {
        let long = address(&format!("{}@one.test", "a".repeat(60)));
        let quoted = address("\"a b\"@one.test");
        for sender in [long, quoted] {
            let by = Domain::parse("us.test").unwrap();
            assert_eq!(Srs::new(&[1; 32]).forward(&sender, &by, NOW), None, "{sender}");
        }
    }
}
