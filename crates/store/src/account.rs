//! Domains, accounts and aliases.
//!
//! Standards: RFC 5598 §2.2 (actors of a message handling system).
//! Not here: checking a password, expanding an alias (crate `directory`).

use std::fmt;

use envelope::{Address, Domain};
use serde::{Deserialize, Serialize};

use crate::{AccountId, UnixMillis};

/// A domain that we take mail for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainRow {
    /// Its name.
    pub domain: Domain,
    /// How its mail is handed on; `None`: it is local.
    pub relay: Option<DomainRelay>,
    /// Since when we take mail for it.
    pub added_at: UnixMillis,
}

/// How mail for a domain is handed on that is not local.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum DomainRelay {
    /// To the servers of its MX records that are better than ours.
    BackupMx,
    /// To this host.
    Route {
        /// A name, or an address literal.
        host: Domain,
        /// Its port.
        port: u16,
    },
}

impl fmt::Display for DomainRelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BackupMx => f.write_str("backup MX"),
            Self::Route { host, port } => match host.literal() {
                Some(address) => {
                    write!(f, "route to {}", std::net::SocketAddr::new(address, *port))
                }
                None => write!(f, "route to {host}:{port}"),
            },
        }
    }
}

/// What a password became. Never the password itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// An Argon2id hash in PHC string form.
    pub argon2: String,
    /// A SCRAM-SHA-256 verifier in the text form of crate `sasl`.
    pub scram_sha_256: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

/// Whether an account is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountState {
    /// It is.
    #[default]
    Active,
    /// Nobody logs in and no mail is taken; what it holds stays.
    Disabled,
}

/// An account as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// Its address and login name, in lower case.
    pub address: Address,
    /// A person's name, for people to read.
    pub name: Option<String>,
    /// Most octets that its mailboxes may hold together; `None`: no limit.
    pub quota_octets: Option<u64>,
    /// What its password became; `None`: nobody can log in.
    pub credential: Option<Credential>,
    /// Whether it is in use.
    pub state: AccountState,
    /// When it was made.
    pub created_at: UnixMillis,
}

/// An account to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// Its address; kept in lower case.
    pub address: Address,
    /// A person's name.
    pub name: Option<String>,
    /// Most octets that its mailboxes may hold together.
    pub quota_octets: Option<u64>,
    /// What its password became.
    pub credential: Option<Credential>,
    /// Now.
    pub created_at: UnixMillis,
}

impl NewAccount {
    /// The address as it is stored.
    pub fn key(&self) -> Address {
        crate::folded(&self.address)
    }
}

/// How much an account holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountUse {
    /// Entries of all of its mailboxes.
    pub messages: u64,
    /// Their sizes together; a message in two mailboxes counts twice.
    pub octets: u64,
}

/// Which addresses an alias stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AliasKey {
    /// One address, in lower case.
    Address(Address),
    /// Every address of a domain that is nothing else: a catch-all.
    Domain(Domain),
}

impl fmt::Display for AliasKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Domain(domain) => write!(f, "@{domain}"),
        }
    }
}

/// An alias: mail for the key goes to the targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// What it stands for.
    pub key: AliasKey,
    /// Where its mail goes: accounts, other aliases, addresses elsewhere.
    pub targets: Vec<Address>,
    /// Who hears of trouble with its addresses instead of the author (RFC 5321 §3.9.2).
    pub owner: Option<Address>,
}

/// A small fact that a client keeps about an account, such as which UIDLs it has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whose.
    pub account: AccountId,
    /// Its name.
    pub key: String,
    /// Its value; `None` removes it.
    pub value: Option<String>,
}
