//! The SQLite file: opening it, its schema's steps, and what its errors mean.
//!
//! Not here: which rows there are (`schema/*.sql` says it).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use platform::{Disk, RealDisk};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::StoreError;

/// The database's name in the data folder.
pub(crate) const DATABASE_NAME: &str = "store.db";

/// Every step of the schema, in order; its place here plus one is its version.
const STEPS: &[&str] = &[include_str!("schema/0001.sql")];

/// The first SQLite without the WAL-reset race (<https://sqlite.org/wal.html>), 3.51.3.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// Prepared statements that a connection keeps. We have about a hundred.
const STATEMENTS_KEPT: usize = 160;

/// How much of the database a connection keeps in memory, in KiB.
const WRITER_CACHE_KIB: i64 = 64 * 1024;
const READER_CACHE_KIB: i64 = 8 * 1024;

/// How the write-ahead log is cut after a checkpoint found nobody reading.
const WAL_OCTETS_KEPT: i64 = 64 * 1024 * 1024;

/// How long a statement waits for another process's lock: a backup, a curious `sqlite3`.
const LOCKED_WAIT: Duration = Duration::from_secs(10);

/// Refuses an SQLite that can lose what it committed.
fn check_sqlite_version() -> Result<(), StoreError> {
    let found = rusqlite::version_number();
    if found >= SQLITE_VERSION_MIN {
        return Ok(());
    }
    Err(StoreError::Io {
        action: "use the SQLite library".to_owned(),
        reason: format!("version {} can lose commits; 3.51.3 is needed", rusqlite::version()),
    })
}

/// Opens the connection that writes, and brings the schema up to date.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    check_sqlite_version()?;
    let mut database = Connection::open(path).map_err(sql("open the database"))?;
    prepare_writer(&database)?;
    migrate(&mut database, path, STEPS)?;
    Ok(database)
}

fn prepare_writer(database: &Connection) -> Result<(), StoreError> {
    let setting = sql("set up the database");
    database.busy_timeout(LOCKED_WAIT).map_err(&setting)?;
    let synchronous = if cfg!(feature = "fault-no-sync") { "OFF" } else { "FULL" };
    let mode: String = database
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(&setting)?;
    if mode != "wal" {
        return Err(StoreError::Io {
            action: "set up the database".to_owned(),
            reason: format!("it does not take a write-ahead log here, but {mode}"),
        });
    }
    for (name, value) in [
        ("cache_size", -WRITER_CACHE_KIB),
        ("journal_size_limit", WAL_OCTETS_KEPT),
        ("foreign_keys", 0),       // the code checks them, in words for people
        ("wal_autocheckpoint", 0), // the writer does it when nobody waits
    ] {
        database.pragma_update(None, name, value).map_err(&setting)?;
    }
    database.pragma_update(None, "synchronous", synchronous).map_err(&setting)?;
    keep_plans(database).map_err(&setting)?;
    database.pragma_update(None, "temp_store", "MEMORY").map_err(&setting)?;
    database.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    Ok(())
}

/// Keeps plans whatever values are bound. Else SQLite compiles a statement anew for each value
/// that is compared with the condition of a partial index, or that is a LIMIT.
fn keep_plans(database: &Connection) -> rusqlite::Result<()> {
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Opens a connection that only reads.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opening = sql("open the database for reading");
    let database = Connection::open_with_flags(path, flags).map_err(&opening)?;
    database.busy_timeout(LOCKED_WAIT).map_err(&opening)?;
    database.pragma_update(None, "cache_size", -READER_CACHE_KIB).map_err(&opening)?;
    keep_plans(&database).map_err(&opening)?;
    database.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    Ok(database)
}

/// Takes the steps that are missing, each in a transaction of its own.
///
/// Before the first step on a database with anything in it, a copy is made beside it.
fn migrate(database: &mut Connection, path: &Path, steps: &[&str]) -> Result<(), StoreError> {
    let migrating = sql("bring the schema up to date");
    let found: u32 = database
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(sql("read the schema version"))?;
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    if found > 0 && found < known {
        let copy = copy_path(path, found);
        // An older copy of the same version may be half of one.
        match fs::remove_file(&copy) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::Io {
                    action: format!("replace {}", copy.display()),
                    reason: error.to_string(),
                });
            }
            _ => {}
        }
        // SQLite takes an empty file as it is; one that it makes itself others may read.
        let making = disk(format!("make {}", copy.display()));
        RealDisk.create(&copy).map_err(making)?;
        let name = copy.to_string_lossy().into_owned();
        database
            .execute("VACUUM INTO ?1", [name])
            .map_err(sql("copy the database before changing its schema"))?;
    }
    for (version, step) in (1..).zip(steps).skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        let transaction = database.transaction().map_err(&migrating)?;
        transaction.execute_batch(step).map_err(&migrating)?;
        transaction.pragma_update(None, "user_version", version).map_err(&migrating)?;
        transaction.commit().map_err(&migrating)?;
    }
    Ok(())
}

fn copy_path(path: &Path, version: u32) -> PathBuf {
    path.with_extension(format!("before-schema-{}.db", version.saturating_add(1)))
}

/// What an error of SQLite means for whoever asked for `action`.
pub(crate) fn sql(action: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |error| match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Damaged { what: "the database".to_owned(), reason: error.to_string() }
        }
        _ => StoreError::Io { action: action.to_owned(), reason: error.to_string() },
    }
}

/// What an error of a file means for whoever asked for `action`.
pub(crate) fn disk(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> StoreError {
    let action = action.into();
    move |error| match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::Io { action, reason: error.to_string() },
    }
}

/// Version of every JSON form that we write.
const JSON_VERSION: u32 = 1;

#[derive(Serialize)]
struct Versioned<'a, T> {
    v: u32,
    #[serde(flatten)]
    body: &'a T,
}

/// JSON of `body`, with the version of its form.
pub(crate) fn to_json<T: Serialize>(body: &T) -> Result<String, StoreError> {
    serde_json::to_string(&Versioned { v: JSON_VERSION, body })
        .map_err(|error| StoreError::Refused { reason: error.to_string() })
}

/// Reads what [`to_json`] wrote.
pub(crate) fn from_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| damaged(what, error))
}

/// A stored value that cannot be read.
pub(crate) fn damaged(what: impl Into<String>, reason: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged { what: what.into(), reason: reason.to_string() }
}

/// A number for a column.
pub(crate) fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number from a column that is never negative.
pub(crate) fn number(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn version_and_rows(path: &Path) -> (u32, u32) {
        let database = Connection::open(path).unwrap();
        let version = database.pragma_query_value(None, "user_version", |row| row.get(0));
        let rows = database.query_row("SELECT count(*) FROM thing", [], |row| row.get(0));
        (version.unwrap(), rows.unwrap())
    }

    #[test]
    fn steps_are_taken_once_and_after_a_copy() {
        const FIRST: &str = "CREATE TABLE thing (a); INSERT INTO thing VALUES (1);";
        const SECOND: &str = "INSERT INTO thing VALUES (2);";
        const BROKEN: &str = "INSERT INTO thing VALUES (3); INSERT INTO nothing VALUES (1);";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(DATABASE_NAME);
        let copy = copy_path(&path, 1);
        let take = |steps: &[&str]| migrate(&mut Connection::open(&path).unwrap(), &path, steps);
        take(&[FIRST]).unwrap();
        assert!(!copy.exists(), "there was nothing to copy");
        assert!(take(&[FIRST, BROKEN]).is_err());
        assert_eq!(version_and_rows(&path), (1, 1), "a broken step changes nothing");
        for _ in 0..2 {
            take(&[FIRST, SECOND]).unwrap();
            assert_eq!(version_and_rows(&path), (2, 2));
            assert_eq!(version_and_rows(&copy), (1, 1), "the copy is from before");
            let mode = fs::metadata(&copy).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "nobody else may read it");
        }
        assert_eq!(take(&[FIRST]), Err(StoreError::Newer { found: 2, known: 1 }));
    }

    #[test]
    fn statements_are_compiled_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(DATABASE_NAME);
        let writer = open_writer(&path).unwrap();
        for database in [writer, open_reader(&path).unwrap()] {
            for statement in [
                "SELECT id FROM submission WHERE open > 0 AND id < ?1 ORDER BY id LIMIT ?2",
                "SELECT submission FROM recipient WHERE due <= ?1 LIMIT ?2",
                "SELECT id FROM submission WHERE open = ?1 LIMIT ?2",
            ] {
                let mut select = database.prepare(statement).unwrap();
                for value in 0..5 {
                    let mut rows = select.query([value, value + 1]).unwrap();
                    assert!(rows.next().unwrap().is_none());
                }
                let again = select.get_status(rusqlite::StatementStatus::RePrepare);
                assert_eq!(again, 0, "{statement}");
            }
        }
    }

    #[test]
    fn the_sqlite_that_is_linked_loses_nothing() {
        check_sqlite_version().unwrap();
    }

    #[test]
    fn json_says_the_version_of_its_form() {
        let reply = store::RemoteReply { code: 250, status: None, text: "ok".to_owned() };
        let text = to_json(&reply).unwrap();
        assert!(text.starts_with("{\"v\":1,"), "{text}");
        assert_eq!(from_json::<store::RemoteReply>("it", &text), Ok(reply));
        assert!(from_json::<store::RemoteReply>("it", "{}").is_err());
    }
}
