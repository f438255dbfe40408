//! Test messages whose every octet follows from their marker.
//!
//! A message that comes back is made again from the marker it carries and compared octet by
//! octet: so nobody has to remember contents, and a torn message cannot pass for a whole one.

use std::fmt;
use std::str::FromStr;

/// The domain that all test accounts are in.
pub(crate) const DOMAIN: &str = "load.test";

/// The field that carries the marker.
const FIELD: &[u8] = b"X-Marker: ";

/// Which message it is: no two of a run are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Marker {
    pub(crate) round: u32,
    pub(crate) connection: u32,
    pub(crate) number: u32,
}

impl fmt::Display for Marker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}-{}", self.round, self.connection, self.number)
    }
}

impl FromStr for Marker {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('-').map(str::parse);
        let mut part = || parts.next().and_then(Result::ok).ok_or(());
        Ok(Self { round: part()?, connection: part()?, number: part()? })
    }
}

/// How the messages of a run look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    /// Accounts that they go to, in turn.
    pub(crate) accounts: u32,
    /// Octets of each content.
    pub(crate) size_octets: usize,
}

/// The address of account `number`.
pub(crate) fn address(number: u32) -> String {
    address_at(number, DOMAIN)
}

fn address_at(number: u32, domain: &str) -> String {
    format!("u{number:04}@{domain}")
}

/// Whom the messages of a load go to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Audience {
    /// The domain of all recipients.
    pub(crate) domain: &'static str,
    /// Recipients of each message.
    pub(crate) each: u32,
}

impl Audience {
    /// One account of ours for each message.
    pub(crate) const ONE_OF_OURS: Self = Self { domain: DOMAIN, each: 1 };
}

impl Form {
    /// The addresses of all accounts.
    pub(crate) fn addresses(self) -> Vec<String> {
        (0..self.accounts).map(address).collect()
    }

    /// Whom a message goes to, first of all.
    pub(crate) fn recipient(self, marker: Marker) -> String {
        address(self.first_recipient(marker))
    }

    fn first_recipient(self, marker: Marker) -> u32 {
        marker.connection.wrapping_mul(31).wrapping_add(marker.number) % self.accounts
    }

    /// All whom a message goes to; no two are the same as long as there are accounts enough.
    pub(crate) fn recipients(self, marker: Marker, to: Audience) -> Vec<String> {
        let first = self.first_recipient(marker);
        (0..to.each).map(|more| address_at((first + more) % self.accounts, to.domain)).collect()
    }

    /// The content of a message: CRLF lines, none of which begins with a dot.
    pub(crate) fn content(self, marker: Marker) -> Vec<u8> {
        let mut content = format!(
            "From: Load <load@sender.test>\r\nTo: <{}>\r\nSubject: load {marker}\r\n\
             Date: Wed, 25 Nov 2026 08:00:00 +0000\r\nMessage-ID: <{marker}@sender.test>\r\n\
             X-Marker: {marker}\r\n\r\n",
            self.recipient(marker)
        )
        .into_bytes();
        let seed = (u64::from(marker.round) << 48)
            ^ (u64::from(marker.connection) << 32)
            ^ u64::from(marker.number);
        let mut luck = Luck::new(seed);
        let end = self.size_octets.saturating_sub(2);
        let mut column = 0;
        while content.len() < end {
            if column == 76 && content.len() + 2 < end {
                content.extend_from_slice(b"\r\n");
                column = 0;
                continue;
            }
            let mut word = luck.next();
            for _ in 0..12 {
                if column < 76 && content.len() < end {
                    content.push(b'A' + (word & 15) as u8);
                    word >>= 5;
                    column += 1;
                }
            }
        }
        content.extend_from_slice(b"\r\n");
        content
    }

    /// What a message is that was read back from an account.
    pub(crate) fn recognise(self, fetched: &[u8]) -> Recognised {
        let marker = fetched.split(|&octet| octet == b'\n').find_map(|line| {
            let value = line.strip_prefix(FIELD)?.strip_suffix(b"\r")?;
            std::str::from_utf8(value).ok()?.parse::<Marker>().ok()
        });
        match marker {
            Some(marker) if fetched.ends_with(&self.content(marker)) => Recognised::Whole(marker),
            Some(marker) => Recognised::Torn(Some(marker)),
            None => Recognised::Torn(None),
        }
    }
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Recognised {
    /// Every octet as it was sent, below the trace fields.
    Whole(Marker),
    /// Something else; the marker if that much is there.
    Torn(Option<Marker>),
}

/// Luck that a seed repeats (xorshift64).
#[derive(Debug)]
pub(crate) struct Luck(u64);

impl Luck {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Audience, Form, Marker, Recognised};

    #[test]
    fn a_message_is_recognised_and_a_torn_one_too() {
        let form = Form { accounts: 8, size_octets: 4096 };
        let marker = Marker { round: 3, connection: 12, number: 45 };
        let content = form.content(marker);
        assert_eq!(content.len(), 4096);
        let stored = [b"Received: from x\r\n".as_slice(), &content].concat();
        assert_eq!(form.recognise(&stored), Recognised::Whole(marker));
        let mut torn = stored.clone();
        torn[4000] ^= 1;
        assert_eq!(form.recognise(&torn), Recognised::Torn(Some(marker)));
        assert_eq!(form.recognise(&stored[..3000]), Recognised::Torn(Some(marker)));
        assert_eq!(form.recognise(b""), Recognised::Torn(None));
    }

    #[test]
    fn recipients_are_different_accounts() {
        let form = Form { accounts: 30, size_octets: 4096 };
        let marker = Marker { round: 1, connection: 2, number: 27 };
        let to = form.recipients(marker, Audience { domain: "away.test", each: 20 });
        assert_eq!(to.first().map(String::as_str), Some("u0029@away.test"));
        assert_eq!(to.iter().collect::<BTreeSet<_>>().len(), 20);
        assert_eq!(form.recipients(marker, Audience::ONE_OF_OURS), ["u0029@load.test"]);
    }

    #[test]
    fn contents_are_mail() {
        for size_octets in [400, 1000, 4096, 65_536] {
            let form = Form { accounts: 8, size_octets };
            let content = form.content(Marker { round: 1, connection: 1, number: 1 });
            let text = String::from_utf8(content).expect("ASCII");
            assert_eq!(text.len(), size_octets);
            assert!(text.ends_with("\r\n"));
            for line in text.split_terminator("\r\n") {
                assert!(!line.contains(['\r', '\n']) && !line.starts_with('.'), "{line:?}");
                assert!(line.len() <= 78, "{line:?}");
            }
        }
    }
}
