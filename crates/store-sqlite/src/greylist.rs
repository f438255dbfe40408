//! What greylisting remembers: a small table that never grows over its limit.
//!
//! Each write takes away a few rows that are past their time and what is over the limit, so that
//! nobody has to clean up, and each write costs the same.
//!
//! Not here: whom greylisting makes wait (crate `mta`).

use rusqlite::{Connection, OptionalExtension, params};
use store::{Seen, StoreError, UnixMillis};

use crate::database::sql;

/// Rows past their time that a write takes away: more than it adds.
const FORGOTTEN_AT_A_TIME: u32 = 8;

/// What is remembered of keys, in their order.
pub(crate) fn seen(
    database: &Connection,
    keys: &[String],
    now: UnixMillis,
) -> Result<Vec<Seen>, StoreError> {
    let failed = sql("read what greylisting remembers");
    let mut select = database
        .prepare_cached("SELECT first_at, until FROM greylist WHERE key = ?1 AND until > ?2")
        .map_err(&failed)?;
    let mut found = Vec::new();
    for key in keys {
        let row = select
            .query_row(params![key, now.0], |row| {
                let (first_at, until) = (UnixMillis(row.get(0)?), UnixMillis(row.get(1)?));
                Ok(Seen { key: key.clone(), first_at, until })
            })
            .optional()
            .map_err(&failed)?;
        found.extend(row);
    }
    Ok(found)
}

/// Remembers a key, and at most `rows_max` of them.
pub(crate) fn see(
    database: &Connection,
    seen: &Seen,
    now: UnixMillis,
    rows_max: u32,
) -> Result<(), StoreError> {
    let failed = sql("write what greylisting remembers");
    let execute = |statement: &str, values: &[&dyn rusqlite::ToSql]| {
        database.prepare_cached(statement).and_then(|mut it| it.execute(values))
    };
    // A row that is replaced gets a new id: ids tell how long ago rows were written.
    execute(
        "INSERT OR REPLACE INTO greylist (key, first_at, until) VALUES (?1, ?2, ?3)",
        params![seen.key, seen.first_at.0, seen.until.0],
    )
    .map_err(&failed)?;
    execute(
        "DELETE FROM greylist WHERE id IN
             (SELECT id FROM greylist WHERE until <= ?1 ORDER BY until LIMIT ?2)",
        params![now.0, FORGOTTEN_AT_A_TIME],
    )
    .map_err(&failed)?;
    execute(
        "DELETE FROM greylist WHERE id <= (SELECT max(id) FROM greylist) - ?1",
        params![rows_max],
    )
    .map_err(&failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_cannot_make_it_grow() {
        let database = Connection::open_in_memory().expect("in memory");
        database.execute_batch(include_str!("schema/0001.sql")).expect("the schema");
        let write = |number: i64, until: i64, now: i64| {
            let key = format!("10.0.{number}.0/24");
            let row = Seen { key, first_at: UnixMillis(now), until: UnixMillis(until) };
            see(&database, &row, UnixMillis(now), 100).expect("written");
        };
        let count = || -> i64 {
            let select = "SELECT count(*) FROM greylist";
            database.query_row(select, [], |row| row.get(0)).expect("counted")
        };
        let known = |number: i64| {
            let key = format!("10.0.{number}.0/24");
            !seen(&database, &[key], UnixMillis(0)).expect("read").is_empty()
        };
        for number in 0..250 {
            write(number, 1000, 0);
            write(0, 1000, 0);
        }
        assert!(count() <= 100, "{} rows", count());
        assert!(known(0) && known(249), "who comes again and again stays");
        assert!(!known(150), "who was seen longest ago goes");
        for number in 300..320 {
            write(number, 2000, 1000);
        }
        assert_eq!(count(), 20, "what is past its time goes with the next ones");
    }
}
