//! Identities: numbers and names that are never used twice.
//!
//! Standards: RFC 9051 §2.3.1.1 (UID, UIDVALIDITY), RFC 7162 §3.1 (MODSEQ).
//! Not here: Message-ID fields, which are the author's (crate `message`).

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

/// An account: somebody who has mailboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub i64);

/// A mailbox of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MailboxId(pub i64);

/// A stored message: one content, however many entries and recipients it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(pub i64);

/// Modification sequence: every change in the store has a higher one than all before it, so
/// one number orders the changes of every account and mailbox (RFC 7162 §3.1).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Modseq(pub u64);

/// IMAP unique identifier: never zero, only grows within one `UIDVALIDITY` (RFC 9051 §2.3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uid(NonZeroU32);

/// Changes when a mailbox's UIDs begin anew (RFC 9051 §2.3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UidValidity(pub u32);

impl Uid {
    /// The first UID of a mailbox.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// A UID from its number; `None` for zero.
    pub fn new(raw: u32) -> Option<Self> {
        NonZeroU32::new(raw).map(Self)
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// The UID after this one, or `None` when the mailbox needs a new `UIDVALIDITY`.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

/// The id that we give out with the 250: a ULID, 26 characters, one per submission.
///
/// Time first, so that the newest rows stand together; 80 random bits, so that nobody guesses
/// another's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SubmissionId(u128);

/// Crockford's base 32: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl SubmissionId {
    /// From the sixteen octets that engines keep.
    pub fn from_octets(octets: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(octets))
    }

    /// The sixteen octets that engines keep; they sort like the ids.
    pub fn to_octets(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The lowest id that can be made at a time: those made earlier are below it.
    pub fn first_of(time: UnixMillis) -> Self {
        const TIME_MAX: u128 = (1 << 48) - 1;
        Self(u128::try_from(time.0).unwrap_or(0).min(TIME_MAX) << 80)
    }

    /// When the id was made.
    pub fn made_at(self) -> UnixMillis {
        UnixMillis(i64::try_from(self.0 >> 80).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for SubmissionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(26);
        for place in (0..26u32).rev() {
            let digit = usize::try_from((self.0 >> (place * 5)) & 31).unwrap_or(0);
            text.push(ALPHABET.get(digit).map_or('0', |octet| char::from(*octet)));
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for SubmissionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubmissionId({self})")
    }
}

/// The text is not a 26-character id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an id such as 01KAV3M2Q0T9D7S5XW8Y4Z6B1C")]
pub struct NotAnId(String);

impl FromStr for SubmissionId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let wrong = || NotAnId(text.chars().take(40).collect());
        // 26 digits of 5 bits are 130: the first one has only 3 of its own.
        if text.len() != 26 || !text.starts_with(|first: char| ('0'..='7').contains(&first)) {
            return Err(wrong());
        }
        let mut value = 0u128;
        for octet in text.bytes() {
            let upper = octet.to_ascii_uppercase();
            let digit = ALPHABET.iter().position(|known| *known == upper).ok_or_else(wrong)?;
            value = (value << 5) | u128::try_from(digit).map_err(|_| wrong())?;
        }
        Ok(Self(value))
    }
}

impl TryFrom<String> for SubmissionId {
    type Error = NotAnId;

    fn try_from(text: String) -> Result<Self, NotAnId> {
        text.parse()
    }
}

impl From<SubmissionId> for String {
    fn from(id: SubmissionId) -> Self {
        id.to_string()
    }
}

/// Makes ids that only grow, even when the clock goes back.
#[derive(Debug, Default)]
pub struct IdSource {
    last: Mutex<u128>,
}

impl IdSource {
    /// The next id. `random` supplies 80 bits; what is above them is ignored.
    pub fn next(&self, now: UnixMillis, random: u128) -> SubmissionId {
        const TIME_BITS: u128 = (1 << 48) - 1;
        const RANDOM_BITS: u128 = (1 << 80) - 1;
        let time = u128::try_from(now.0).unwrap_or(0) & TIME_BITS;
        let fresh = (time << 80) | (random & RANDOM_BITS);
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *last = fresh.max(last.saturating_add(1));
        SubmissionId(*last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_even_when_the_clock_goes_back() {
        let source = IdSource::default();
        let first = source.next(UnixMillis(2_000), u128::MAX);
        let second = source.next(UnixMillis(1_000), 0);
        let third = source.next(UnixMillis(3_000), 0);
        assert!(first < second && second < third);
        assert_eq!(third.made_at(), UnixMillis(3_000));
        assert!(second < SubmissionId::first_of(UnixMillis(3_000)));
        assert!(third >= SubmissionId::first_of(UnixMillis(3_000)));
        assert!(first.to_string() < second.to_string(), "the text sorts like the id");
    }

    #[test]
    fn ids_are_26_characters_and_come_back() {
        let table = [
            ("01ARZ3NDEKTSV4RRFFQ69G5FAV", true, "an id"),
            ("01arz3ndektsv4rrffq69g5fav", true, "in lower case"),
            ("7ZZZZZZZZZZZZZZZZZZZZZZZZZ", true, "the last one"),
            ("8ZZZZZZZZZZZZZZZZZZZZZZZZZ", false, "129 bits"),
            ("01ARZ3NDEKTSV4RRFFQ69G5FA", false, "too short"),
            ("01ARZ3NDEKTSV4RRFFQ69G5FAU", false, "U is no digit"),
            ("", false, "empty"),
        ];
        for (text, good, why) in table {
            let found = text.parse::<SubmissionId>();
            assert_eq!(found.is_ok(), good, "{text}: {why}");
            if let Ok(id) = found {
                assert_eq!(id.to_string(), text.to_ascii_uppercase());
                assert_eq!(SubmissionId::from_octets(id.to_octets()), id);
            }
        }
    }
}
