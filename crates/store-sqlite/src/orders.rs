//! Standing orders: hold rules, suppressed addresses, and how often addresses were refused.
//!
//! Not here: obeying them (crate `mta`).

use envelope::Address;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params};
use store::{
    HoldRule, HoldRuleId, NewHoldRule, Orders, Pending, Refused, StoreError, Suppression,
    UnixMillis,
};

use crate::SqliteStore;
use crate::batch::{Batch, Fact};
use crate::database::{from_json, sql, to_json};
use crate::words::to_address;

impl Orders for SqliteStore {
    fn hold_rules(&self) -> Pending<'_, Vec<HoldRule>> {
        self.view(hold_rules)
    }

    fn add_hold_rule(&self, rule: NewHoldRule) -> Pending<'_, HoldRuleId> {
        self.write(move |batch| add_hold_rule(batch, &rule))
    }

    fn remove_hold_rule(&self, id: HoldRuleId) -> Pending<'_, ()> {
        self.write(move |batch| {
            let gone = change(batch, "DELETE FROM hold_rule WHERE id = ?1", &[Value::from(id.0)])?;
            if gone > 0 { Ok(()) } else { Err(not_found(format!("hold rule {id}"))) }
        })
    }

    fn suppress(&self, suppression: Suppression) -> Pending<'_, ()> {
        self.write(move |batch| {
            let Suppression { address, reason, added_at } = suppression;
            let values = [Value::from(key(&address)), Value::from(reason), added_at.0.into()];
            change(
                batch,
                "INSERT INTO suppression (address, reason, added_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET reason = excluded.reason",
                &values,
            )
            .map(drop)
        })
    }

    fn unsuppress(&self, address: Address) -> Pending<'_, ()> {
        self.write(move |batch| {
            let values = [Value::from(key(&address))];
            change(batch, "DELETE FROM refusal WHERE address = ?1", &values)?;
            match change(batch, "DELETE FROM suppression WHERE address = ?1", &values)? {
                0 => Err(not_found(format!("suppressed address {address}"))),
                _ => Ok(()),
            }
        })
    }

    fn suppressed(&self, addresses: Vec<Address>) -> Pending<'_, Vec<Suppression>> {
        self.view(move |database| {
            let mut found = Vec::new();
            for address in addresses {
                found.extend(suppression(database, &address)?);
            }
            Ok(found)
        })
    }

    fn suppressions(&self, after: Option<Address>, limit: u32) -> Pending<'_, Vec<Suppression>> {
        self.view(move |database| {
            let failed = sql("read suppressed addresses");
            let mut select = database
                .prepare_cached(
                    "SELECT address, reason, added_at FROM suppression WHERE address > ?1
                     ORDER BY address LIMIT ?2",
                )
                .map_err(&failed)?;
            let after = after.as_ref().map(key).unwrap_or_default();
            let mut rows = select.query(params![after, limit]).map_err(&failed)?;
            let mut found = Vec::new();
            while let Some(row) = rows.next().map_err(&failed)? {
                found.push(suppression_row(row)?);
            }
            Ok(found)
        })
    }

    fn count_refusals(&self, addresses: Vec<Address>, at: UnixMillis) -> Pending<'_, Vec<Refused>> {
        self.write(move |batch| {
            addresses.iter().map(|address| count_refusal(batch, address, at)).collect()
        })
    }

    fn refused(
        &self,
        times_min: u32,
        after: Option<Address>,
        limit: u32,
    ) -> Pending<'_, Vec<Refused>> {
        self.view(move |database| refused(database, times_min, after.as_ref(), limit))
    }
}

/// What an address is kept as.
fn key(address: &Address) -> String {
    address.folded().to_string()
}

fn not_found(what: String) -> StoreError {
    StoreError::NotFound { what }
}

/// Runs a statement that changes orders; how many rows it changed.
fn change(
    batch: &mut Batch<'_>,
    statement: &'static str,
    values: &[Value],
) -> Result<usize, StoreError> {
    batch.news.orders = Fact::Yes;
    batch
        .database
        .prepare_cached(statement)
        .and_then(|mut prepared| prepared.execute(rusqlite::params_from_iter(values)))
        .map_err(sql("change standing orders"))
}

fn hold_rules(database: &Connection) -> Result<Vec<HoldRule>, StoreError> {
    let failed = sql("read hold rules");
    let mut select =
        database.prepare_cached("SELECT id, rule FROM hold_rule ORDER BY id").map_err(&failed)?;
    let mut rows = select.query([]).map_err(&failed)?;
    let mut rules = Vec::new();
    while let Some(row) = rows.next().map_err(&failed)? {
        let id = HoldRuleId(row.get(0).map_err(&failed)?);
        let rule: String = row.get(1).map_err(&failed)?;
        rules.push(HoldRule { id, rule: from_json(&format!("hold rule {id}"), &rule)? });
    }
    Ok(rules)
}

fn add_hold_rule(batch: &mut Batch<'_>, rule: &NewHoldRule) -> Result<HoldRuleId, StoreError> {
    if rule.sender.is_none() && rule.recipient.is_none() {
        let reason = "a hold rule needs a sender or a recipient".to_owned();
        return Err(StoreError::Refused { reason });
    }
    let values = [Value::from(to_json(rule)?)];
    change(batch, "INSERT INTO hold_rule (rule) VALUES (?1)", &values)?;
    Ok(HoldRuleId(batch.database.last_insert_rowid()))
}

fn suppression_row(row: &Row<'_>) -> Result<Suppression, StoreError> {
    let failed = sql("read a suppressed address");
    let address: String = row.get(0).map_err(&failed)?;
    Ok(Suppression {
        address: to_address(&address)?,
        reason: row.get(1).map_err(&failed)?,
        added_at: UnixMillis(row.get(2).map_err(&failed)?),
    })
}

fn suppression(
    database: &Connection,
    address: &Address,
) -> Result<Option<Suppression>, StoreError> {
    let failed = sql("look for a suppressed address");
    let mut select = database
        .prepare_cached("SELECT address, reason, added_at FROM suppression WHERE address = ?1")
        .map_err(&failed)?;
    let mut rows = select.query([key(address)]).map_err(&failed)?;
    rows.next().map_err(&failed)?.map(suppression_row).transpose()
}

fn count_refusal(
    batch: &Batch<'_>,
    address: &Address,
    at: UnixMillis,
) -> Result<Refused, StoreError> {
    let times = batch
        .database
        .prepare_cached(
            "INSERT INTO refusal (address, times, last_at) VALUES (?1, 1, ?2)
             ON CONFLICT DO UPDATE SET times = times + 1, last_at = excluded.last_at
             RETURNING times",
        )
        .and_then(|mut upsert| {
            upsert.query_row(params![key(address), at.0], |row| row.get(0)).optional()
        })
        .map_err(sql("count a refusal"))?;
    Ok(Refused { address: address.folded(), times: times.unwrap_or_default(), last_at: at })
}

fn refused(
    database: &Connection,
    times_min: u32,
    after: Option<&Address>,
    limit: u32,
) -> Result<Vec<Refused>, StoreError> {
    let failed = sql("read refused addresses");
    let mut select = database
        .prepare_cached(
            "SELECT address, times, last_at FROM refusal
             WHERE address > ?1 AND times >= ?2
                 AND NOT EXISTS (SELECT 1 FROM suppression AS s WHERE s.address = refusal.address)
             ORDER BY address LIMIT ?3",
        )
        .map_err(&failed)?;
    let after = after.map(key).unwrap_or_default();
    let mut rows = select.query(params![after, times_min, limit]).map_err(&failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(&failed)? {
        let address: String = row.get(0).map_err(&failed)?;
        found.push(Refused {
            address: to_address(&address)?,
            times: row.get(1).map_err(&failed)?,
            last_at: UnixMillis(row.get(2).map_err(&failed)?),
        });
    }
    Ok(found)
}

/// Forgets who was refused last before `before`.
pub(crate) fn forget_refusals(batch: &Batch<'_>, before: UnixMillis) -> Result<(), StoreError> {
    batch
        .database
        .prepare_cached("DELETE FROM refusal WHERE last_at < ?1")
        .and_then(|mut delete| delete.execute([before.0]))
        .map(drop)
        .map_err(sql("forget refused addresses"))
}
