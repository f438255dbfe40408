//! Who is this, and where does mail for this address go?
//!
//! ```text
//!   store (domains, accounts, aliases) → Table, in memory → resolve an address
//!                                                         → check a password, find a verifier
//! ```
//!
//! The table is read whole and replaced whole, so that every answer comes from one moment.
//! Administrative changes go through [`Directory`] too: they are in the store and in the table
//! before they return.
//!
//! Standards: RFC 5321 §4.5.1 (postmaster), §2.3.5 and §2.4 (case of domains and local parts),
//! RFC 2142 (abuse).
//! Not here: who may relay (crate `mta`), the exchange of an authentication (crate `sasl`).

mod admin;
mod check;
mod credential;
mod srs;
mod table;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use envelope::{Address, Domain};
use platform::{Clock, Random};
use sasl::{Mechanism, Nonce, Password, ScramVerifier, Server, ServerSecret, ServerStep, Verdict};
use store::{Account, AccountId, AccountState, Store, StoreError};
use tokio::sync::Mutex;

use crate::check::Checks;
pub use crate::credential::{CredentialError, PASSWORD_OCTETS_MIN};
use crate::srs::Srs;
pub use crate::srs::{FORWARD_DAYS_MAX, SrsError};
pub use crate::table::{EXPANSION_TARGETS_MAX, Place, Resolution, Separator, Table, Target};

/// Accounts, aliases and local domains, ready to be asked.
pub struct Directory {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    secret: ServerSecret,
    srs: Srs,
    separator: Mutex<Separator>,
    table: RwLock<Arc<Table>>,
    /// A hash of nobody's password: an unknown user costs the same time as a known one.
    decoy: String,
    checks: Checks,
    /// Held while something is changed and read back.
    changes: Mutex<()>,
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}

/// Who proved to be who.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The account.
    pub account: AccountId,
    /// Its address.
    pub address: Address,
}

/// What an authentication exchange needs next.
#[derive(Debug)]
pub enum Step {
    /// Send this and bring the response.
    Challenge(Vec<u8>),
    /// Logged in.
    Accepted(Login),
    /// Not logged in; the words are for the log, not for the peer.
    Refused(sasl::Refusal),
}

impl Directory {
    /// Reads the store. `secret` has to stay the same over restarts (see [`ServerSecret`]).
    pub async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        secret: [u8; 32],
    ) -> Result<Arc<Self>, DirectoryError> {
        let mut decoy_password = [0; 16];
        random.fill(&mut decoy_password);
        let decoy = credential::decoy(&decoy_password, random.as_ref())?;
        let directory = Self {
            store,
            clock,
            random,
            srs: Srs::new(&secret),
            secret: ServerSecret::new(secret),
            separator: Mutex::default(),
            table: RwLock::default(),
            decoy,
            checks: Checks::new(),
            changes: Mutex::new(()),
        };
        directory.refresh().await?;
        Ok(Arc::new(directory))
    }

    /// Sets what stands between a user and a detail.
    pub async fn separate_by(&self, separator: Separator) -> Result<(), StoreError> {
        *self.separator.lock().await = separator;
        self.refresh().await
    }

    /// The reverse-path of mail that one of our addresses hands on elsewhere. `None` where it
    /// needs no other: its domain is ours, or the new one would be too long.
    pub fn forwarded(&self, sender: &Address, by: &Domain) -> Option<Address> {
        if self.is_local(sender.domain()) {
            return None;
        }
        self.srs.forward(sender, by, self.clock.now())
    }

    /// The sender behind a reverse-path of [`forwarded`](Self::forwarded). `None` where it is
    /// none.
    pub fn returned(&self, address: &Address) -> Option<Result<Address, SrsError>> {
        let ours = self.is_local(address.domain());
        ours.then(|| self.srs.back(address, self.clock.now())).flatten()
    }

    /// Reads the store anew.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _turn = self.changes.lock().await;
        self.read().await
    }

    /// Reads the store; only for whoever holds `changes`: of two that read at a time the slower
    /// one could put an older table in place of a newer one.
    async fn read(&self) -> Result<(), StoreError> {
        let domains = self.store.domains().await?;
        let accounts = self.store.accounts().await?;
        let aliases = self.store.aliases().await?;
        let separator = *self.separator.lock().await;
        let table = Table::new(domains, accounts, aliases).separated_by(separator);
        let table = Arc::new(table);
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table;
        Ok(())
    }

    /// The table as it is now: several questions about one moment.
    pub fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether mail for this domain is ours.
    pub fn is_local(&self, domain: &Domain) -> bool {
        self.table().is_local(domain)
    }

    /// Where mail for an address goes.
    pub fn resolve(&self, address: &Address) -> Resolution {
        self.table().resolve(address)
    }

    /// An account by its address.
    pub fn account(&self, address: &Address) -> Option<Account> {
        self.table().account(address).cloned()
    }

    /// Whether an account may send as this address: its own, or one that is an alias of it
    /// alone or among others.
    pub fn may_send_as(&self, account: AccountId, address: &Address) -> bool {
        self.table().may_send_as(account, address)
    }

    /// Checks a password. A wrong one and an unknown user take the same time.
    pub async fn check_password(
        &self,
        identity: &str,
        password: Password,
    ) -> Result<Option<Login>, DirectoryError> {
        let found = self.login_account(identity);
        let stored = found.as_ref().and_then(|account| account.credential.clone());
        let hash = stored.map_or_else(|| self.decoy.clone(), |credential| credential.argon2);
        let fits = self.checks.fits(password, hash).await?;
        // The decoy fits nobody's password, but only an account can be logged into anyway.
        Ok(found
            .filter(|account| fits && account.credential.is_some())
            .map(|account| Login { account: account.id, address: account.address }))
    }

    /// Begins an authentication exchange.
    pub fn begin(&self, mechanism: Mechanism) -> Server {
        let mut octets = [0; Nonce::RANDOM_OCTETS];
        self.random.fill(&mut octets);
        Server::new(mechanism, Nonce::new(octets))
    }

    /// Takes an exchange on by the client's response, up to the next thing the client must do.
    pub async fn respond(
        &self,
        exchange: &mut Server,
        response: Option<&[u8]>,
    ) -> Result<Step, DirectoryError> {
        let mut step = exchange.respond(response);
        let mut proven = None;
        loop {
            step = match step {
                ServerStep::Challenge(octets) => return Ok(Step::Challenge(octets)),
                ServerStep::Refused(refusal) => return Ok(Step::Refused(refusal)),
                ServerStep::CheckPassword { identity, password } => {
                    proven = self.check_password(&identity, password).await?;
                    let verdict =
                        if proven.is_some() { Verdict::Accepted } else { Verdict::Refused };
                    exchange.password_checked(verdict)
                }
                ServerStep::NeedVerifier { identity } => {
                    exchange.verifier_found(self.verifier(&identity))
                }
                ServerStep::Accepted { identity } => {
                    let login = proven.or_else(|| {
                        self.login_account(&identity)
                            .map(|account| Login { account: account.id, address: account.address })
                    });
                    return Ok(match login {
                        Some(login) => Step::Accepted(login),
                        // Removed while the exchange went on.
                        None => Step::Refused(sasl::Refusal::Credentials),
                    });
                }
            }
        }
    }

    /// The verifier of a user, or one that nobody can fulfil.
    fn verifier(&self, identity: &str) -> ScramVerifier {
        self.login_account(identity)
            .and_then(|account| account.credential)
            .and_then(|credential| ScramVerifier::from_text(&credential.scram_sha_256).ok())
            .unwrap_or_else(|| {
                ScramVerifier::of_nobody(&self.secret, &identity.to_ascii_lowercase())
            })
    }

    fn login_account(&self, identity: &str) -> Option<Account> {
        let account = self.account(&Address::parse(identity).ok()?)?;
        (account.state == AccountState::Active).then_some(account)
    }
}

/// Why the directory could not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A password cannot be taken.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// An address or domain cannot be what it is asked to be.
    #[error("{0}")]
    Refused(String),
    /// The program is ending.
    #[error("shutting down")]
    Closed,
}

impl DirectoryError {
    /// Whether trying again later may help.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Store(error) => error.is_temporary(),
            Self::Closed => true,
            Self::Credential(_) | Self::Refused(_) => false,
        }
    }
}
