//! Questions, answers, and why there is none.
//!
//! Standards: RFC 1035 §3.2.2 (types), RFC 4035 §4.3 (security), RFC 7505 (null MX).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use envelope::Domain;

/// The type of the records asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Hosts that take mail for a domain.
    Mx,
    /// Text.
    Txt,
    /// The names of an address.
    Ptr,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Mx => "MX",
            Self::Txt => "TXT",
            Self::Ptr => "PTR",
        })
    }
}

/// One record, as it was answered. Names are in lower case without the last dot; the root is
/// the empty text. They may be no host names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// A host that takes mail.
    Mx {
        /// Lower ones first.
        preference: u16,
        /// The host's name.
        host: String,
    },
    /// Text: the strings of the record joined (RFC 7208 §3.3).
    Txt(Vec<u8>),
    /// The name of an address.
    Ptr(String),
}

/// What DNSSEC says of an answer (RFC 4035 §4.3). A bogus answer is a temporary error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Security {
    /// Nobody has checked, or nobody whom we trust.
    #[default]
    Indeterminate,
    /// Checked: the zone is not signed.
    Insecure,
    /// Checked: the signatures are good.
    Secure,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// The records, in the form that was asked for.
    pub records: T,
    /// How long this may be kept.
    pub ttl: Duration,
    /// What DNSSEC says of it.
    pub security: Security,
}

impl<T> Answer<T> {
    pub(crate) fn with<U>(self, form: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { records: form(self.records), ttl: self.ttl, security: self.security }
    }
}

/// A host that takes mail for a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mx {
    /// Lower ones first.
    pub preference: u16,
    /// The host; `None` for the null MX `.`, which then is the only record: the domain takes
    /// no mail (RFC 7505).
    pub host: Option<Domain>,
}

impl Mx {
    /// Whether this says that the domain takes no mail (RFC 7505 §3).
    pub fn is_null(&self) -> bool {
        self.host.is_none()
    }
}

/// Why there is no answer. [`is_temporary`](Self::is_temporary) says whether to try again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DnsError {
    /// A server said that the name does not exist (NXDOMAIN).
    #[error("the domain {name} does not exist")]
    NoSuchDomain {
        /// The name.
        name: Domain,
    },
    /// The name exists, but has no such records.
    #[error("{name} has no {kind} records")]
    NoRecords {
        /// The name.
        name: Domain,
        /// The records asked for.
        kind: Kind,
    },
    /// No server gave an answer that can be used. Says nothing about the name.
    #[error("no answer for {kind} records of {name}: {reason}")]
    Temporary {
        /// The name.
        name: Domain,
        /// The records asked for.
        kind: Kind,
        /// What went wrong, in words.
        reason: String,
    },
    /// An address literal, or a name that DNS cannot hold.
    #[error("{name} is not a domain name")]
    NotAName {
        /// What was asked for.
        name: Domain,
    },
}

impl DnsError {
    /// Whether another try may find something.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Temporary { .. })
    }
}
