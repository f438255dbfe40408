//! Administrative changes: in the store and in the table before they return.
//!
//! Standards: none of its own.
//! Not here: who may make them (the caller's matter).

use envelope::{Address, Domain};
use sasl::Password;
use store::{Account, Alias, AliasKey, NewAccount, UnixMillis};

use crate::{Directory, DirectoryError, credential};

impl Directory {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.clock.now().millis())
    }

    /// Makes a domain local.
    pub async fn add_domain(&self, domain: Domain) -> Result<(), DirectoryError> {
        if domain.literal().is_some() {
            return Err(DirectoryError::Refused(format!("{domain} is an address, not a domain")));
        }
        self.store.add_domain(domain, self.now()).await?;
        Ok(self.refresh().await?)
    }

    /// Removes a local domain.
    pub async fn remove_domain(&self, domain: Domain) -> Result<(), DirectoryError> {
        self.store.remove_domain(domain).await?;
        Ok(self.refresh().await?)
    }

    /// Makes accounts that share a password; all of them are checked before the first is made.
    pub async fn add_accounts(
        &self,
        addresses: Vec<Address>,
        password: Option<Password>,
        name: Option<String>,
        quota_octets: Option<u64>,
    ) -> Result<(), DirectoryError> {
        let table = self.table();
        for address in &addresses {
            if !table.is_local(address.domain()) {
                let domain = address.domain();
                return Err(DirectoryError::Refused(format!(
                    "{domain} is not a local domain: run `posthouse domain add {domain}` first"
                )));
            }
            if table.account(address).is_some() {
                return Err(DirectoryError::Refused(format!("account {address} exists already")));
            }
        }
        let credential = match &password {
            Some(password) => Some(credential::derive(password, self.random.as_ref())?),
            None => None,
        };
        for address in addresses {
            let account = NewAccount {
                address: address.folded(),
                name: name.clone(),
                quota_octets,
                credential: credential.clone(),
                created_at: self.now(),
            };
            self.store.add_account(account).await?;
        }
        Ok(self.refresh().await?)
    }

    /// Replaces an account's password.
    pub async fn set_password(
        &self,
        address: &Address,
        password: &Password,
    ) -> Result<(), DirectoryError> {
        let account = self.existing(address)?;
        let credential = credential::derive(password, self.random.as_ref())?;
        self.store.set_credential(account.id, credential).await?;
        Ok(self.refresh().await?)
    }

    /// Removes an account with all of its mail.
    pub async fn remove_account(&self, address: &Address) -> Result<(), DirectoryError> {
        let account = self.existing(address)?;
        self.store.remove_account(account.id).await?;
        Ok(self.refresh().await?)
    }

    /// Makes or replaces an alias.
    pub async fn set_alias(&self, alias: Alias) -> Result<(), DirectoryError> {
        let table = self.table();
        let domain = match &alias.key {
            AliasKey::Address(address) => address.domain(),
            AliasKey::Domain(domain) => domain,
        };
        if !table.is_local(domain) {
            return Err(DirectoryError::Refused(format!(
                "{domain} is not a local domain: run `posthouse domain add {domain}` first"
            )));
        }
        if let AliasKey::Address(address) = &alias.key
            && table.account(address).is_some()
        {
            return Err(DirectoryError::Refused(format!(
                "{address} is an account; an alias of that name would never be used"
            )));
        }
        self.store.set_alias(alias).await?;
        Ok(self.refresh().await?)
    }

    /// Removes an alias.
    pub async fn remove_alias(&self, key: AliasKey) -> Result<(), DirectoryError> {
        self.store.remove_alias(key).await?;
        Ok(self.refresh().await?)
    }

    fn existing(&self, address: &Address) -> Result<Account, DirectoryError> {
        self.account(address)
            .ok_or_else(|| DirectoryError::Refused(format!("there is no account {address}")))
    }
}
