//! Domains, accounts and aliases.
//!
//! Not here: what an address leads to (crate `directory`).

use envelope::{Address, Domain};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use store::{
    Account, AccountId, AccountState, Alias, AliasKey, Credential, DomainRelay, DomainRow, INBOX,
    MailboxRole, NewAccount, NewMailbox, StoreError, UnixMillis,
};

use crate::accept::make_mailbox;
use crate::batch::{Batch, Fact};
use crate::database::{column, damaged, from_json, number, sql, to_json};
use crate::mailboxes::release;
use crate::words;

/// An alias's targets as they are stored.
#[derive(Debug, Serialize, Deserialize)]
struct Targets {
    to: Vec<Address>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<Address>,
}

/// All domains, by name.
pub(crate) fn domains(database: &Connection) -> Result<Vec<DomainRow>, StoreError> {
    let failed = sql("read domains");
    let mut select = database
        .prepare_cached("SELECT name, added_at, relay FROM domain ORDER BY name")
        .map_err(&failed)?;
    let mut rows = select.query([]).map_err(&failed)?;
    let mut domains = Vec::new();
    while let Some(row) = rows.next().map_err(&failed)? {
        let name: String = row.get(0).map_err(&failed)?;
        let relay: Option<String> = row.get(2).map_err(&failed)?;
        domains.push(DomainRow {
            domain: Domain::parse(&name)
                .map_err(|error| damaged(format!("the domain {name}"), error))?,
            relay: relay.map(|text| from_json(&format!("the domain {name}"), &text)).transpose()?,
            added_at: UnixMillis(row.get(1).map_err(&failed)?),
        });
    }
    Ok(domains)
}

/// Makes a domain local, or one whose mail is handed on.
pub(crate) fn add_domain(
    batch: &mut Batch<'_>,
    domain: &Domain,
    relay: Option<&DomainRelay>,
    at: UnixMillis,
) -> Result<(), StoreError> {
    let relay = relay.map(to_json).transpose()?;
    let made = batch
        .database
        .execute(
            "INSERT INTO domain (name, added_at, relay) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            params![domain.as_str(), at.0, relay],
        )
        .map_err(sql("add a domain"))?;
    changed(batch, made, || StoreError::Exists { what: format!("domain {domain}") })
}

/// Removes a domain that nothing needs.
pub(crate) fn remove_domain(batch: &mut Batch<'_>, domain: &Domain) -> Result<(), StoreError> {
    let failed = sql("remove a domain");
    for (table, statement) in [
        ("account", "SELECT address FROM account WHERE domain = ?1 LIMIT 1"),
        ("alias", "SELECT key FROM alias WHERE domain = ?1 LIMIT 1"),
    ] {
        let user: Option<String> = batch
            .database
            .query_row(statement, [domain.as_str()], |row| row.get(0))
            .optional()
            .map_err(&failed)?;
        if let Some(user) = user {
            return Err(StoreError::InUse {
                what: format!("domain {domain}"),
                by: format!("{table} {user}"),
            });
        }
    }
    let removed = batch
        .database
        .execute("DELETE FROM domain WHERE name = ?1", [domain.as_str()])
        .map_err(&failed)?;
    changed(batch, removed, || StoreError::NotFound { what: format!("domain {domain}") })
}

/// Tells subscribers that rows were changed; none is the given error.
fn changed(
    batch: &mut Batch<'_>,
    rows: usize,
    none: impl FnOnce() -> StoreError,
) -> Result<(), StoreError> {
    if rows == 0 {
        return Err(none());
    }
    batch.news.directory = Fact::Yes;
    Ok(())
}

fn check_domain(batch: &Batch<'_>, domain: &Domain) -> Result<(), StoreError> {
    let local = batch
        .database
        .query_row(
            "SELECT 1 FROM domain WHERE name = ?1 AND relay IS NULL",
            [domain.as_str()],
            |_| Ok(()),
        )
        .optional()
        .map_err(sql("look for a domain"))?;
    local.ok_or_else(|| StoreError::NotFound { what: format!("local domain {domain}") })
}

fn account_row(row: &Row<'_>) -> Result<Account, StoreError> {
    let failed = sql("read an account");
    let address: String = row.get(1).map_err(&failed)?;
    let credential: Option<String> = row.get(4).map_err(&failed)?;
    let credential = credential.map(|text| from_json("a credential", &text)).transpose()?;
    Ok(Account {
        id: AccountId(row.get(0).map_err(&failed)?),
        address: words::to_address(&address)?,
        name: row.get(2).map_err(&failed)?,
        quota_octets: row.get::<_, Option<i64>>(3).map_err(&failed)?.map(number),
        credential,
        created_at: UnixMillis(row.get(5).map_err(&failed)?),
        state: match row.get::<_, i64>(6).map_err(&failed)? {
            0 => AccountState::Active,
            _ => AccountState::Disabled,
        },
    })
}

/// All accounts, by address.
pub(crate) fn accounts(database: &Connection) -> Result<Vec<Account>, StoreError> {
    let failed = sql("read accounts");
    let mut select = database
        .prepare_cached(
            "SELECT id, address, name, quota_octets, credential, created_at, disabled FROM account
             ORDER BY address",
        )
        .map_err(&failed)?;
    let mut rows = select.query([]).map_err(&failed)?;
    let mut accounts = Vec::new();
    while let Some(row) = rows.next().map_err(&failed)? {
        accounts.push(account_row(row)?);
    }
    Ok(accounts)
}

/// Makes an account with its INBOX.
pub(crate) fn add_account(
    batch: &mut Batch<'_>,
    account: &NewAccount,
) -> Result<AccountId, StoreError> {
    let address = account.key();
    check_domain(batch, address.domain())?;
    let credential = account.credential.as_ref().map(to_json).transpose()?;
    let id: Option<i64> = batch
        .database
        .query_row(
            "INSERT INTO account (address, domain, name, quota_octets, credential, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING RETURNING id",
            params![
                address.to_string(),
                address.domain().as_str(),
                account.name,
                account.quota_octets.map(column),
                credential,
                account.created_at.0
            ],
            |row| row.get(0),
        )
        .optional()
        .map_err(sql("add an account"))?;
    let exists = || StoreError::Exists { what: format!("account {address}") };
    let id = AccountId(id.ok_or_else(exists)?);
    let modseq = batch.next_modseq();
    let inbox = NewMailbox { name: INBOX.to_owned(), role: Some(MailboxRole::Inbox) };
    make_mailbox(batch, id, &inbox, modseq)?;
    batch.news.directory = Fact::Yes;
    Ok(id)
}

/// Replaces an account's credential.
pub(crate) fn set_credential(
    batch: &mut Batch<'_>,
    account: AccountId,
    credential: &Credential,
) -> Result<(), StoreError> {
    let set = batch
        .database
        .execute(
            "UPDATE account SET credential = ?2 WHERE id = ?1",
            params![account.0, to_json(credential)?],
        )
        .map_err(sql("set a credential"))?;
    changed(batch, set, || StoreError::NotFound { what: format!("account {}", account.0) })
}

/// Takes an account out of use, or back into it.
pub(crate) fn set_account_state(
    batch: &mut Batch<'_>,
    account: AccountId,
    state: AccountState,
) -> Result<(), StoreError> {
    let disabled = match state {
        AccountState::Active => 0,
        AccountState::Disabled => 1,
    };
    let set = batch
        .database
        .execute("UPDATE account SET disabled = ?2 WHERE id = ?1", params![account.0, disabled])
        .map_err(sql("set an account's state"))?;
    changed(batch, set, || StoreError::NotFound { what: format!("account {}", account.0) })
}

/// Sets how much an account may hold.
pub(crate) fn set_quota(
    batch: &mut Batch<'_>,
    account: AccountId,
    quota_octets: Option<u64>,
) -> Result<(), StoreError> {
    let set = batch
        .database
        .execute(
            "UPDATE account SET quota_octets = ?2 WHERE id = ?1",
            params![account.0, quota_octets.map(column)],
        )
        .map_err(sql("set an account's quota"))?;
    batch.forget_remembered();
    changed(batch, set, || StoreError::NotFound { what: format!("account {}", account.0) })
}

/// Removes an account with all of its mail.
pub(crate) fn remove_account(batch: &mut Batch<'_>, account: AccountId) -> Result<(), StoreError> {
    let failed = sql("remove an account");
    let removed = batch
        .database
        .execute("DELETE FROM account WHERE id = ?1", [account.0])
        .map_err(&failed)?;
    changed(batch, removed, || StoreError::NotFound { what: format!("account {}", account.0) })?;
    let messages: Vec<i64> = {
        let mut select = batch
            .database
            .prepare_cached(
                "SELECT message FROM entry WHERE mailbox IN
                     (SELECT id FROM mailbox WHERE account = ?1)",
            )
            .map_err(&failed)?;
        let rows = select.query_map([account.0], |row| row.get(0)).map_err(&failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(&failed)?
    };
    for message in messages {
        release(batch, store::MessageId(message))?;
    }
    for statement in [
        "DELETE FROM entry WHERE mailbox IN (SELECT id FROM mailbox WHERE account = ?1)",
        "DELETE FROM mailbox WHERE account = ?1",
        "DELETE FROM expunged WHERE account = ?1",
        "DELETE FROM note WHERE account = ?1",
    ] {
        batch.database.execute(statement, [account.0]).map_err(&failed)?;
    }
    batch.forget_remembered();
    Ok(())
}

/// All aliases, by key.
pub(crate) fn aliases(database: &Connection) -> Result<Vec<Alias>, StoreError> {
    let failed = sql("read aliases");
    let mut select =
        database.prepare_cached("SELECT key, targets FROM alias ORDER BY key").map_err(&failed)?;
    let mut rows = select.query([]).map_err(&failed)?;
    let mut aliases = Vec::new();
    while let Some(row) = rows.next().map_err(&failed)? {
        let key: String = row.get(0).map_err(&failed)?;
        let targets: String = row.get(1).map_err(&failed)?;
        let Targets { to, owner } = from_json(&format!("the alias {key}"), &targets)?;
        aliases.push(Alias { key: to_key(&key)?, targets: to, owner });
    }
    Ok(aliases)
}

fn to_key(text: &str) -> Result<AliasKey, StoreError> {
    match text.strip_prefix('@') {
        Some(domain) => Domain::parse(domain)
            .map(AliasKey::Domain)
            .map_err(|error| damaged(format!("the alias {text}"), error)),
        None => words::to_address(text).map(AliasKey::Address),
    }
}

/// The key as it is stored, and its domain.
fn stored_key(key: &AliasKey) -> (AliasKey, Domain) {
    match key {
        AliasKey::Address(address) => {
            (AliasKey::Address(address.folded()), address.domain().clone())
        }
        AliasKey::Domain(domain) => (key.clone(), domain.clone()),
    }
}

/// Makes or replaces an alias.
pub(crate) fn set_alias(batch: &mut Batch<'_>, alias: &Alias) -> Result<(), StoreError> {
    let (key, domain) = stored_key(&alias.key);
    check_domain(batch, &domain)?;
    if alias.targets.is_empty() {
        return Err(StoreError::Refused { reason: format!("alias {key} needs a target") });
    }
    let targets = to_json(&Targets { to: alias.targets.clone(), owner: alias.owner.clone() })?;
    let set = batch
        .database
        .execute(
            "INSERT INTO alias (key, domain, targets) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET targets = excluded.targets",
            params![key.to_string(), domain.as_str(), targets],
        )
        .map_err(sql("set an alias"))?;
    changed(batch, set, || StoreError::NotFound { what: format!("alias {key}") })
}

/// Removes an alias.
pub(crate) fn remove_alias(batch: &mut Batch<'_>, key: &AliasKey) -> Result<(), StoreError> {
    let (key, _) = stored_key(key);
    let removed = batch
        .database
        .execute("DELETE FROM alias WHERE key = ?1", [key.to_string()])
        .map_err(sql("remove an alias"))?;
    changed(batch, removed, || StoreError::NotFound { what: format!("alias {key}") })
}
