//! Small facts that a client keeps about an account.
//!
//! Not here: what they mean (crate `mailbag`).

use rusqlite::{Connection, params};
use store::{AccountId, Note, StoreError};

use crate::batch::Batch;
use crate::database::sql;

/// Writes and removes notes.
pub(crate) fn write(batch: &Batch<'_>, notes: &[Note]) -> Result<(), StoreError> {
    let failed = sql("write a note");
    for note in notes {
        let values = params![note.account.0, note.key, note.value];
        let statement = if note.value.is_some() {
            "INSERT INTO note (account, key, value) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET value = excluded.value"
        } else {
            "DELETE FROM note WHERE account = ?1 AND key = ?2 AND ?3 IS NULL"
        };
        batch
            .database
            .prepare_cached(statement)
            .and_then(|mut prepared| prepared.execute(values))
            .map_err(&failed)?;
    }
    Ok(())
}

/// Notes whose keys begin with `prefix`, by key.
pub(crate) fn read(
    database: &Connection,
    account: AccountId,
    prefix: &str,
) -> Result<Vec<Note>, StoreError> {
    let failed = sql("read notes");
    let mut select = database
        .prepare_cached("SELECT key, value FROM note WHERE account = ?1 AND key >= ?2 ORDER BY key")
        .map_err(&failed)?;
    let mut rows = select.query(params![account.0, prefix]).map_err(&failed)?;
    let mut notes = Vec::new();
    while let Some(row) = rows.next().map_err(&failed)? {
        let key: String = row.get(0).map_err(&failed)?;
        if !key.starts_with(prefix) {
            break; // keys are sorted by their octets
        }
        notes.push(Note { account, key, value: Some(row.get(1).map_err(&failed)?) });
    }
    Ok(notes)
}
