//! All local addresses at one moment.
//!
//! ```text
//!   address ─ domain local? ─no─▶ Remote
//!                 │yes
//!                 ├─ an account ──────────────▶ its INBOX
//!                 ├─ an alias ─▶ its targets, each resolved again
//!                 ├─ user+detail ─▶ likewise, of user
//!                 ├─ the domain's catch-all ─▶ likewise
//!                 ├─ postmaster, abuse ──────▶ the domain's oldest account
//!                 └─ nothing ─────────────────▶ Unknown
//! ```
//!
//! Standards: RFC 5321 §4.5.1 (postmaster), RFC 2142 §2 (abuse), RFC 5321 §3.9 (aliases),
//! RFC 5233 §1 (subaddresses).
//! Not here: forwarding to elsewhere under a changed reverse-path (`srs`).

use std::collections::{BTreeMap, BTreeSet};

use envelope::{Address, Domain, LocalPart};
use store::{Account, AccountId, AccountState, Alias, AliasKey, DomainRelay, DomainRow};

/// Most targets that one address may expand to: more would hold up the session of who sends to
/// it. Mail for an address of more is refused, not delivered to some.
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
    /// Its aliases have more than [`EXPANSION_TARGETS_MAX`] targets: only the operator can help.
    TooMany,
    /// The domain is not ours; see [`Table::relay`] for whether we take its mail all the same.
    Remote,
}

/// One place that mail goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The address that the alias, or the sender, named; of an account with its detail.
    pub address: Address,
    /// Where that is.
    pub place: Place,
    /// Whether an alias stood in between.
    pub by_alias: bool,
}

/// Where a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An account of ours.
    Account(AccountId),
    /// A server elsewhere.
    Elsewhere,
}

/// What stands between a user and a detail, as in `user+detail` (RFC 5233 §1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separator {
    /// Addresses have no details.
    None,
    /// The first one of these separates.
    Sign(char),
}

impl Default for Separator {
    /// What other servers use.
    fn default() -> Self {
        Self::Sign('+')
    }
}

impl Separator {
    /// The address without its detail, if it has one.
    fn user(self, address: &Address) -> Option<Address> {
        let Self::Sign(sign) = self else { return None };
        let (user, _detail) = address.local().as_str().split_once(sign)?;
        let local = LocalPart::parse(user).ok()?;
        Some(Address::new(local, address.domain().clone()))
    }
}

/// All local addresses at one moment.
#[derive(Clone, Debug, Default)]
pub struct Table {
    separator: Separator,
    domains: BTreeSet<Domain>,
    /// Domains whose mail is handed on.
    relayed: BTreeMap<Domain, DomainRelay>,
    accounts: BTreeMap<Address, Account>,
    by_id: BTreeMap<AccountId, Address>,
    aliases: BTreeMap<AliasKey, Alias>,
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
        let (mut local, mut relayed) = (BTreeSet::new(), BTreeMap::new());
        for DomainRow { domain, relay, .. } in domains {
            match relay {
                None => drop(local.insert(domain)),
                Some(relay) => drop(relayed.insert(domain, relay)),
            }
        }
        Self {
            separator: Separator::default(),
            oldest,
            domains: local,
            relayed,
            by_id: accounts.iter().map(|account| (account.id, account.address.clone())).collect(),
            accounts: accounts
                .into_iter()
                .map(|account| (account.address.folded(), account))
                .collect(),
            aliases: aliases.into_iter().map(|alias| (alias.key.clone(), alias)).collect(),
        }
    }

    /// The same with another sign between user and detail.
    #[must_use]
    pub fn separated_by(self, separator: Separator) -> Self {
        Self { separator, ..self }
    }

    /// Whether mail for this domain is ours.
    pub fn is_local(&self, domain: &Domain) -> bool {
        self.domains.contains(domain)
    }

    /// How mail for a domain is handed on, if we take it from anybody for that.
    pub fn relay(&self, domain: &Domain) -> Option<&DomainRelay> {
        self.relayed.get(domain)
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

    /// Most octets that an account may hold, if there is a limit.
    pub fn quota(&self, account: AccountId) -> Option<u64> {
        self.accounts.get(self.by_id.get(&account)?)?.quota_octets
    }

    /// Whether an account is taken out of use.
    pub fn is_disabled(&self, account: AccountId) -> bool {
        let own = self.by_id.get(&account).and_then(|address| self.accounts.get(address));
        own.is_some_and(|account| account.state == AccountState::Disabled)
    }

    /// Who hears of trouble with mail to this address instead of its author, because it is a list
    /// with an owner (RFC 5321 §3.9.2).
    pub fn owner(&self, address: &Address) -> Option<&Address> {
        match self.step(address) {
            Step::Alias(alias) => alias.owner.as_ref(),
            Step::Account(_) | Step::Elsewhere | Step::Nobody => None,
        }
    }

    /// What an address leads to as an alias.
    pub(crate) fn alias_targets(&self, address: &Address) -> Option<&[Address]> {
        match self.step(address) {
            Step::Alias(alias) => Some(&alias.targets),
            Step::Account(_) | Step::Elsewhere | Step::Nobody => None,
        }
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
        self.expand(address)
    }

    fn expand(&self, alias: &Address) -> Resolution {
        let mut targets = Vec::new();
        let (mut seen, mut reached) = (BTreeSet::new(), BTreeSet::new());
        let mut waiting = vec![(alias.clone(), false)];
        while let Some((address, by_alias)) = waiting.pop() {
            if targets.len() >= EXPANSION_TARGETS_MAX || waiting.len() > EXPANSION_TARGETS_MAX {
                tracing::warn!(%alias, limit = EXPANSION_TARGETS_MAX, "too many targets");
                return Resolution::TooMany;
            }
            if !seen.insert(address.folded()) {
                continue;
            }
            match self.step(&address) {
                Step::Elsewhere => {
                    targets.push(Target { address, place: Place::Elsewhere, by_alias });
                }
                Step::Account(account) => {
                    if reached.insert(account.id) {
                        targets.push(self.target(address, by_alias, account));
                    }
                }
                Step::Alias(alias) => {
                    let next = alias.targets.iter().rev();
                    waiting.extend(next.map(|target| (target.clone(), true)));
                }
                // Its other targets get the message; only the operator can mend this.
                Step::Nobody if by_alias => {
                    tracing::warn!(%alias, target = %address, "alias leads to an address of nobody");
                }
                Step::Nobody => {}
            }
        }
        if targets.is_empty() { Resolution::Unknown } else { Resolution::Local(targets) }
    }

    /// An account reached by its own address or one with a detail, which is kept; or by a name
    /// that always reaches somebody, which counts as an alias.
    fn target(&self, address: Address, by_alias: bool, account: &Account) -> Target {
        let folded = address.folded();
        let is_user = self.separator.user(&folded).is_some_and(|user| user == account.address);
        let place = Place::Account(account.id);
        if is_user {
            return Target { address, place, by_alias };
        }
        let by_alias = by_alias || folded != account.address;
        Target { address: account.address.clone(), place, by_alias }
    }

    /// What an address is by itself. The exact address counts before the one without its detail,
    /// both before what stands for many; a catch-all does not swallow the operator's mail.
    fn step(&self, address: &Address) -> Step<'_> {
        if !self.is_local(address.domain()) {
            return Step::Elsewhere;
        }
        let folded = address.folded();
        let user = self.separator.user(&folded);
        for candidate in [Some(&folded), user.as_ref()].into_iter().flatten() {
            if let Some(account) = self.accounts.get(candidate) {
                return Step::Account(account);
            }
            if let Some(alias) = self.aliases.get(&AliasKey::Address(candidate.clone())) {
                return Step::Alias(alias);
            }
        }
        let name = user.as_ref().unwrap_or(&folded).local().as_str();
        if ALWAYS_REACHED.contains(&name) {
            return self.caretaker(address.domain()).map_or(Step::Nobody, Step::Account);
        }
        let catch_all = self.aliases.get(&AliasKey::Domain(address.domain().clone()));
        catch_all.map_or(Step::Nobody, Step::Alias)
    }

    /// Whether an account may send as this address: its own, or an alias that leads to it.
    pub fn may_send_as(&self, account: AccountId, address: &Address) -> bool {
        match self.resolve(address) {
            Resolution::Local(targets) => {
                targets.iter().any(|target| target.place == Place::Account(account))
            }
            Resolution::Unknown | Resolution::TooMany | Resolution::Remote => false,
        }
    }
}

/// What an address is by itself.
enum Step<'a> {
    Account(&'a Account),
    Alias(&'a Alias),
    Elsewhere,
    Nobody,
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
            state: AccountState::Active,
            created_at: UnixMillis(0),
        }
    }

    fn alias(key: &str, targets: &[&str]) -> Alias {
        let key = match key.strip_prefix('@') {
            Some(domain) => AliasKey::Domain(Domain::parse(domain).unwrap()),
            None => AliasKey::Address(address(key)),
        };
        Alias { key, targets: targets.iter().map(|target| address(target)).collect(), owner: None }
    }

    fn table() -> Table {
        let domains = ["a.test", "b.test"].map(|name| DomainRow {
            domain: Domain::parse(name).unwrap(),
            relay: None,
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
        let rows: [(&str, Option<&[&str]>, &str); 16] = [
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
            ("Ada+Lists@a.test", Some(&["Ada+Lists@a.test"]), "RFC 5233 §1: the detail is kept"),
            ("ada+x+y@a.test", Some(&["ada+x+y@a.test"]), "the first separator counts"),
            ("sales+x@a.test", Some(&["ada@a.test", "bob@else.test"]), "an alias with a detail"),
            ("+x@a.test", Some(&[]), "no user"),
            ("nobody+x@a.test", Some(&[]), "unknown with a detail"),
            ("eve+x@b.test", Some(&["eve+x@b.test"]), "an account before the catch-all"),
            ("postmaster+x@b.test", Some(&["eve@b.test"]), "reserved before the catch-all"),
        ];
        for (text, wanted, why) in rows {
            let found = match table().resolve(&address(text)) {
                Resolution::Local(targets) => {
                    Some(targets.iter().map(|target| target.address.to_string()).collect())
                }
                Resolution::Unknown | Resolution::TooMany => Some(Vec::new()),
                Resolution::Remote => None,
            };
            let wanted = wanted.map(|wanted| wanted.iter().map(|a| (*a).to_owned()).collect());
            assert_eq!(found, wanted, "{text}: {why}");
        }
    }

    #[test]
    fn the_exact_address_counts_before_the_one_without_its_detail() {
        let accounts = || vec![account(1, "ada@a.test"), account(2, "ada+x@a.test")];
        let domain = || DomainRow {
            domain: Domain::parse("a.test").unwrap(),
            relay: None,
            added_at: UnixMillis(0),
        };
        let table =
            |separator| Table::new(vec![domain()], accounts(), Vec::new()).separated_by(separator);
        let rows = [
            (Separator::Sign('+'), "ada+x@a.test", Some(2), "an account of that name"),
            (Separator::Sign('+'), "ada+y@a.test", Some(1), "the user"),
            (Separator::Sign('-'), "ada-y@a.test", Some(1), "another separator"),
            (Separator::Sign('-'), "ada+y@a.test", None, "not the separator"),
            (Separator::None, "ada+y@a.test", None, "no details at all"),
            (Separator::None, "ada+x@a.test", Some(2), "an account of that name"),
        ];
        for (separator, text, wanted, why) in rows {
            let found = match table(separator).resolve(&address(text)) {
                Resolution::Local(targets) => targets.first().map(|target| target.place),
                _ => None,
            };
            assert_eq!(found, wanted.map(|id| Place::Account(AccountId(id))), "{text}: {why}");
        }
    }

    #[test]
    fn a_list_of_thousands_is_expanded_whole_or_refused() {
        let members = |count: usize| -> Vec<_> {
            (0..count).map(|number| address(&format!("m{number}@else.test"))).collect()
        };
        let list = |key: &str, targets| Alias {
            key: AliasKey::Address(address(key)),
            targets,
            owner: Some(address("ada@a.test")),
        };
        let aliases = vec![
            list("big@a.test", members(EXPANSION_TARGETS_MAX)),
            list("over@a.test", members(EXPANSION_TARGETS_MAX + 1)),
        ];
        let domain = DomainRow {
            domain: Domain::parse("a.test").unwrap(),
            relay: None,
            added_at: UnixMillis(0),
        };
        let table = Table::new(vec![domain], vec![account(1, "ada@a.test")], aliases);
        match table.resolve(&address("big@a.test")) {
            Resolution::Local(targets) => assert_eq!(targets.len(), EXPANSION_TARGETS_MAX),
            other => panic!("{other:?}"),
        }
        assert_eq!(table.resolve(&address("over@a.test")), Resolution::TooMany, "never to some");
        let owner = address("ada@a.test");
        let rows =
            [("big@a.test", Some(&owner)), ("BIG+x@a.test", Some(&owner)), ("ada@a.test", None)];
        for (text, wanted) in rows {
            assert_eq!(table.owner(&address(text)), wanted, "{text}");
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
