//! All local addresses at one moment.
//!
//! ```text
//!   address ─ domain local? ─no─▶ Remote
//!                 │yes
//!                 ├─ an account ──────────────▶ its INBOX
//!                 ├─ an alias ─▶ its targets, each resolved again
//!                 ├─ the domain's catch-all ─▶ likewise
//!                 ├─ postmaster, abuse ──────▶ the domain's oldest account
//!                 └─ nothing ─────────────────▶ Unknown
//! ```
//!
//! Standards: RFC 5321 §4.5.1 (postmaster), RFC 2142 §2 (abuse), RFC 5321 §3.9 (aliases).
//! Not here: forwarding to elsewhere under a changed reverse-path.

use std::collections::{BTreeMap, BTreeSet};

use envelope::{Address, Domain};
use store::{Account, AccountId, Alias, AliasKey, DomainRow};

/// Most targets that one address may expand to; the rest are left out and the log says so.
pub const EXPANSION_TARGETS_MAX: usize = 10_000;

/// Names that reach somebody at every local domain.
const ALWAYS_REACHED: [&str; 2] = ["postmaster", "abuse"];

/// Where mail for an address goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Here; an alias may have several targets, some of them elsewhere.
    Local(Vec<Target>),
    /// The domain is ours, the address is nobody's.
    Unknown,
    /// The domain is not ours.
    Remote,
}

/// One place that mail goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The address that the alias, or the sender, named.
    pub address: Address,
    /// Where that is.
    pub place: Place,
    /// Whether an alias stood in between.
    pub by_alias: bool,
}

/// Where a target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An account of ours.
    Account(AccountId),
    /// A server elsewhere.
    Elsewhere,
}

/// All local addresses at one moment.
#[derive(Debug, Default)]
pub struct Table {
    domains: BTreeSet<Domain>,
    accounts: BTreeMap<Address, Account>,
    by_id: BTreeMap<AccountId, Address>,
    aliases: BTreeMap<AliasKey, Vec<Address>>,
    /// The oldest account of each domain.
    oldest: BTreeMap<Domain, Account>,
}

impl Table {
    /// From what the store has.
    pub fn new(domains: Vec<DomainRow>, accounts: Vec<Account>, aliases: Vec<Alias>) -> Self {
        let mut oldest: BTreeMap<Domain, Account> = BTreeMap::new();
        for account in &accounts {
            let known =
                oldest.entry(account.address.domain().clone()).or_insert_with(|| account.clone());
            if account.id < known.id {
                *known = account.clone();
            }
        }
        Self {
            oldest,
            domains: domains.into_iter().map(|row| row.domain).collect(),
            by_id: accounts.iter().map(|account| (account.id, account.address.clone())).collect(),
            accounts: accounts
                .into_iter()
                .map(|account| (account.address.folded(), account))
                .collect(),
            aliases: aliases.into_iter().map(|alias| (alias.key, alias.targets)).collect(),
        }
    }

    /// Whether mail for this domain is ours.
    pub fn is_local(&self, domain: &Domain) -> bool {
        self.domains.contains(domain)
    }

    /// The first local domain by name.
    pub fn first_domain(&self) -> Option<&Domain> {
        self.domains.first()
    }

    /// An account by its address.
    pub fn account(&self, address: &Address) -> Option<&Account> {
        self.accounts.get(&address.folded())
    }

    /// An account's address.
    pub fn address(&self, account: AccountId) -> Option<&Address> {
        self.by_id.get(&account)
    }

    /// Whether an address is an alias by itself.
    pub(crate) fn has_alias(&self, address: &Address) -> bool {
        self.aliases.contains_key(&AliasKey::Address(address.folded()))
    }

    /// The account of a name that must always reach somebody: the oldest of the domain, or the
    /// oldest of all.
    fn caretaker(&self, domain: &Domain) -> Option<&Account> {
        let of_all = || self.oldest.values().min_by_key(|account| account.id);
        self.oldest.get(domain).or_else(of_all)
    }

    /// Where mail for an address goes. Aliases are followed without recursion; one that leads
    /// back to itself adds nothing.
    pub fn resolve(&self, address: &Address) -> Resolution {
        if !self.is_local(address.domain()) {
            return Resolution::Remote;
        }
        // Most addresses are an account's, and need nothing of what follows.
        if let Some(account) = self.account(address) {
            let place = Place::Account(account.id);
            let address = account.address.clone();
            return Resolution::Local(vec![Target { address, place, by_alias: false }]);
        }
        let alias = address;
        let mut targets = Vec::new();
        let mut seen = BTreeSet::new();
        let mut waiting = vec![(address.clone(), false)];
        while let Some((address, by_alias)) = waiting.pop() {
            if targets.len() >= EXPANSION_TARGETS_MAX {
                tracing::warn!(%alias, limit = EXPANSION_TARGETS_MAX, "targets left out");
                break;
            }
            if !seen.insert(address.folded()) {
                continue;
            }
            if !self.is_local(address.domain()) {
                targets.push(Target { address, place: Place::Elsewhere, by_alias });
            } else if let Some(account) = self.account(&address) {
                let place = Place::Account(account.id);
                targets.push(Target { address: account.address.clone(), place, by_alias });
            } else if let Some(next) = self.alias(&address) {
                waiting.extend(next.iter().rev().map(|target| (target.clone(), true)));
            } else if ALWAYS_REACHED.contains(&address.local().folded().as_str())
                && let Some(account) = self.caretaker(address.domain())
            {
                if seen.insert(account.address.clone()) {
                    let place = Place::Account(account.id);
                    let address = account.address.clone();
                    targets.push(Target { address, place, by_alias: true });
                }
            } else if by_alias {
                // Its other targets get the message; only the operator can mend this.
                tracing::warn!(%alias, target = %address, "alias leads to an address of nobody");
            }
        }
        if targets.is_empty() { Resolution::Unknown } else { Resolution::Local(targets) }
    }

    fn alias(&self, address: &Address) -> Option<&Vec<Address>> {
        let own = self.aliases.get(&AliasKey::Address(address.folded()));
        let reserved = ALWAYS_REACHED.contains(&address.local().folded().as_str());
        own.or_else(|| {
            // A catch-all does not swallow the operator's mail.
            (!reserved)
                .then(|| self.aliases.get(&AliasKey::Domain(address.domain().clone())))
                .flatten()
        })
    }

    /// Whether an account may send as this address: its own, or an alias that leads to it.
    pub fn may_send_as(&self, account: AccountId, address: &Address) -> bool {
        match self.resolve(address) {
            Resolution::Local(targets) => {
                targets.iter().any(|target| target.place == Place::Account(account))
            }
            Resolution::Unknown | Resolution::Remote => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use store::UnixMillis;

    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn account(id: i64, text: &str) -> Account {
        Account {
            id: AccountId(id),
            address: address(text),
            name: None,
            quota_octets: None,
            credential: None,
            created_at: UnixMillis(0),
        }
    }

    fn alias(key: &str, targets: &[&str]) -> Alias {
        let key = match key.strip_prefix('@') {
            Some(domain) => AliasKey::Domain(Domain::parse(domain).unwrap()),
            None => AliasKey::Address(address(key)),
        };
        Alias { key, targets: targets.iter().map(|target| address(target)).collect() }
    }

    fn table() -> Table {
        let domains = ["a.test", "b.test"].map(|name| DomainRow {
            domain: Domain::parse(name).unwrap(),
            added_at: UnixMillis(0),
        });
        Table::new(
            domains.to_vec(),
            vec![account(2, "ada@a.test"), account(1, "grace@a.test"), account(3, "eve@b.test")],
            vec![
                alias("sales@a.test", &["ada@a.test", "bob@else.test"]),
                alias("all@a.test", &["sales@a.test", "grace@a.test", "all@a.test"]),
                alias("@b.test", &["eve@b.test"]),
            ],
        )
    }

    #[test]
    fn addresses_lead_to_accounts_and_elsewhere() {
        let rows: [(&str, Option<&[&str]>, &str); 9] = [
            ("Ada@A.test", Some(&["ada@a.test"]), "local parts of ours ignore case"),
            ("\"ada\"@a.test", Some(&["ada@a.test"]), "quotes change nothing"),
            ("sales@a.test", Some(&["ada@a.test", "bob@else.test"]), "alias, partly elsewhere"),
            (
                "all@a.test",
                Some(&["ada@a.test", "bob@else.test", "grace@a.test"]),
                "alias of alias, and a loop",
            ),
            ("nobody@a.test", Some(&[]), "unknown"),
            ("anything@b.test", Some(&["eve@b.test"]), "catch-all"),
            (
                "POSTMASTER@a.test",
                Some(&["grace@a.test"]),
                "RFC 5321 §4.5.1: reaches the oldest account",
            ),
            ("abuse@b.test", Some(&["eve@b.test"]), "RFC 2142 §2"),
            ("x@else.test", None, "not ours"),
        ];
        for (text, wanted, why) in rows {
            let found = match table().resolve(&address(text)) {
                Resolution::Local(targets) => {
                    Some(targets.iter().map(|target| target.address.to_string()).collect())
                }
                Resolution::Unknown => Some(Vec::new()),
                Resolution::Remote => None,
            };
            let wanted = wanted.map(|wanted| wanted.iter().map(|a| (*a).to_owned()).collect());
            assert_eq!(found, wanted, "{text}: {why}");
        }
    }

    #[test]
    fn an_account_sends_as_itself_and_its_aliases_only() {
        let rows = [
            (2, "ada@a.test", true, "itself"),
            (2, "sales@a.test", true, "an alias that leads to it"),
            (2, "grace@a.test", false, "somebody else"),
            (1, "sales@a.test", false, "an alias that leads elsewhere"),
            (2, "ada@else.test", false, "not ours"),
        ];
        for (id, text, wanted, why) in rows {
            assert_eq!(table().may_send_as(AccountId(id), &address(text)), wanted, "{text}: {why}");
        }
    }
}
