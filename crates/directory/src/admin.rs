//! Administrative changes: in the store and in the table before they return.
//!
//! One change at a time: each is checked against a table that nobody changes meanwhile, and read
//! back before the next begins, so that the table never goes back to what was.
//!
//! Standards: none of its own.
//! Not here: who may make them (the caller's matter).

use std::collections::BTreeSet;
use std::sync::Arc;

use envelope::{Address, Domain};
use sasl::Password;
use store::{
    Account, AccountState, Alias, AliasKey, Credential, DomainRelay, NewAccount, StoreError,
    UnixMillis,
};

use crate::{Directory, DirectoryError, EXPANSION_TARGETS_MAX, Table, credential};

impl Directory {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.clock.now().millis())
    }

    /// Makes a domain local.
    pub async fn add_domain(&self, domain: Domain) -> Result<(), DirectoryError> {
        check_name(&domain)?;
        let _turn = self.changes.lock().await;
        self.done(self.store.add_domain(domain, self.now()).await).await
    }

    /// Takes mail for a domain in order to hand it on.
    pub async fn relay_domain(
        &self,
        domain: Domain,
        relay: DomainRelay,
    ) -> Result<(), DirectoryError> {
        check_name(&domain)?;
        let _turn = self.changes.lock().await;
        self.done(self.store.relay_domain(domain, relay, self.now()).await).await
    }

    /// Removes a domain.
    pub async fn remove_domain(&self, domain: Domain) -> Result<(), DirectoryError> {
        let _turn = self.changes.lock().await;
        self.done(self.store.remove_domain(domain).await).await
    }

    /// Makes accounts that share a password. All of them are checked before the first is made,
    /// and the password, which takes its time, is hashed once for all.
    pub async fn add_accounts(
        &self,
        addresses: Vec<Address>,
        password: Option<Password>,
        name: Option<String>,
        quota_octets: Option<u64>,
    ) -> Result<(), DirectoryError> {
        let _turn = self.changes.lock().await;
        check_new(&self.table(), &addresses)?;
        let credential = match password {
            Some(password) => Some(self.derive(password).await?),
            None => None,
        };
        // All are asked for before the first is waited for: they share the store's commits.
        let made: Vec<_> = addresses
            .iter()
            .map(|address| {
                self.store.add_account(NewAccount {
                    address: address.folded(),
                    name: name.clone(),
                    quota_octets,
                    credential: credential.clone(),
                    created_at: self.now(),
                })
            })
            .collect();
        let mut outcome = Ok(());
        for made in made {
            let made = made.await;
            outcome = outcome.and(made.map(drop));
        }
        self.done(outcome).await
    }

    /// Replaces an account's password.
    pub async fn set_password(
        &self,
        address: &Address,
        password: &Password,
    ) -> Result<(), DirectoryError> {
        let _turn = self.changes.lock().await;
        let account = self.existing(address)?;
        let credential = self.derive(password.clone()).await?;
        self.done(self.store.set_credential(account.id, credential).await).await
    }

    /// Takes an account out of use, or back into it: nobody logs in, no mail is taken, what it
    /// holds stays.
    pub async fn set_account_state(
        &self,
        address: &Address,
        state: AccountState,
    ) -> Result<(), DirectoryError> {
        let _turn = self.changes.lock().await;
        let account = self.existing(address)?;
        self.done(self.store.set_account_state(account.id, state).await).await
    }

    /// Sets how much an account may hold; what it holds already stays.
    pub async fn set_quota(
        &self,
        address: &Address,
        quota_octets: Option<u64>,
    ) -> Result<(), DirectoryError> {
        let _turn = self.changes.lock().await;
        let account = self.existing(address)?;
        self.done(self.store.set_quota(account.id, quota_octets).await).await
    }

    /// Removes an account with all of its mail.
    pub async fn remove_account(&self, address: &Address) -> Result<(), DirectoryError> {
        let _turn = self.changes.lock().await;
        let account = self.existing(address)?;
        self.done(self.store.remove_account(account.id).await).await
    }

    /// Makes or replaces an alias.
    pub async fn set_alias(&self, alias: Alias) -> Result<(), DirectoryError> {
        let _turn = self.changes.lock().await;
        let table = self.table();
        let domain = match &alias.key {
            AliasKey::Address(address) => address.domain(),
            AliasKey::Domain(domain) => domain,
        };
        if !table.is_local(domain) {
            return Err(not_local(&table, domain));
        }
        if alias.targets.is_empty() {
            return Err(DirectoryError::Refused(format!("alias {} leads nowhere", alias.key)));
        }
        if alias.targets.len() > EXPANSION_TARGETS_MAX {
            return Err(DirectoryError::Refused(format!(
                "alias {} has {} targets; {EXPANSION_TARGETS_MAX} are possible",
                alias.key,
                alias.targets.len()
            )));
        }
        if leads_only_to_itself(&table, &alias) {
            return Err(DirectoryError::Refused(format!(
                "alias {} would lead to itself and nowhere else",
                alias.key
            )));
        }
        if let AliasKey::Address(address) = &alias.key
            && table.account(address).is_some()
        {
            return Err(DirectoryError::Refused(format!(
                "{address} is an account; an alias of that name would never be used"
            )));
        }
        self.done(self.store.set_alias(alias).await).await
    }

    /// Removes an alias.
    pub async fn remove_alias(&self, key: AliasKey) -> Result<(), DirectoryError> {
        let _turn = self.changes.lock().await;
        self.done(self.store.remove_alias(key).await).await
    }

    /// Reads the store anew after a change, also after one that failed: of several accounts some
    /// may have been made.
    async fn done(&self, outcome: Result<(), StoreError>) -> Result<(), DirectoryError> {
        let read = self.read().await;
        outcome?;
        Ok(read?)
    }

    /// Derives what is stored from a password, beside the tasks that must not wait for it.
    async fn derive(&self, password: Password) -> Result<Credential, DirectoryError> {
        let random = Arc::clone(&self.random);
        let work = move || credential::derive(&password, random.as_ref());
        let derived = tokio::task::spawn_blocking(work).await;
        Ok(derived.map_err(|_| DirectoryError::Closed)??)
    }

    fn existing(&self, address: &Address) -> Result<Account, DirectoryError> {
        self.account(address)
            .ok_or_else(|| DirectoryError::Refused(format!("there is no account {address}")))
    }
}

fn check_name(domain: &Domain) -> Result<(), DirectoryError> {
    if domain.literal().is_some() {
        return Err(DirectoryError::Refused(format!("{domain} is an address, not a domain")));
    }
    Ok(())
}

fn not_local(table: &Table, domain: &Domain) -> DirectoryError {
    if let Some(relay) = table.relay(domain) {
        return DirectoryError::Refused(format!(
            "mail for {domain} is handed on ({relay}), so it has no accounts and aliases here"
        ));
    }
    DirectoryError::Refused(format!(
        "{domain} is not a local domain: run `posthouse domain add {domain}` first"
    ))
}

/// Whether an alias and those that it leads to go in a circle, so that mail for it would reach
/// nobody.
fn leads_only_to_itself(table: &Table, alias: &Alias) -> bool {
    let own = |address: &Address| match &alias.key {
        AliasKey::Address(key) => address.folded() == key.folded(),
        AliasKey::Domain(_) => false,
    };
    let mut seen = BTreeSet::new();
    let mut waiting: Vec<&Address> = alias.targets.iter().collect();
    while let Some(address) = waiting.pop() {
        if own(address) || !seen.insert(address.folded()) {
            continue;
        }
        match table.alias_targets(address) {
            Some(next) => waiting.extend(next),
            None => return false,
        }
    }
    true
}

/// Whether accounts of these addresses can be made, all of them.
fn check_new(table: &Table, addresses: &[Address]) -> Result<(), DirectoryError> {
    let mut seen = BTreeSet::new();
    for address in addresses {
        if !table.is_local(address.domain()) {
            return Err(not_local(table, address.domain()));
        }
        if table.account(address).is_some() {
            return Err(DirectoryError::Refused(format!("account {address} exists already")));
        }
        if table.has_alias(address) {
            return Err(DirectoryError::Refused(format!(
                "{address} is an alias, which the account would hide: remove it first"
            )));
        }
        if !seen.insert(address.folded()) {
            return Err(DirectoryError::Refused(format!("{address} is named twice")));
        }
    }
    Ok(())
}
