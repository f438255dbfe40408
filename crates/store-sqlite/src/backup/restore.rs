//! Bringing a whole store back.
//!
//! The database gets its name last: a restore that was broken off leaves no store, and the next
//! one begins anew. Mailboxes get new UIDVALIDITYs, since UIDs that were given out after the copy
//! was made will be given out again (RFC 9051 §2.3.1.1); mail that waited is held, since it may
//! have been sent since.
//!
//! Standards: RFC 9051 §2.3.1.1 (UIDVALIDITY).
//! Not here: single messages (`kept`).

use std::path::{Path, PathBuf};

use platform::{Disk, RealDisk, Timestamp};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use store::{Finding, Happening, RecipientState, StoreError, UnixMillis};

use super::check::FILE_OCTETS_MAX;
use super::manifest::{self, Manifest};
use super::{COPY_OCTETS, FILES_FOLDER, reading, writing};
use crate::SEGMENTS_FOLDER;
use crate::database::{DATABASE_NAME, number, sql, to_json};

/// The database's name until everything is there.
const RESTORING_NAME: &str = "store.db.restoring";

/// What to bring back where.
#[derive(Clone, Debug)]
pub struct RestoreOptions {
    /// The backup's folder.
    pub from: PathBuf,
    /// Which generation; the newest, if none is named.
    pub generation: Option<String>,
    /// The data folder, without a store.
    pub folder: PathBuf,
    /// Now.
    pub at: Timestamp,
}

/// What was brought back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The generation's name.
    pub generation: String,
    /// Messages in it.
    pub messages: u64,
    /// Accounts in it.
    pub accounts: u64,
    /// Recipients that waited and are held now.
    pub held: u64,
    /// What could not be read; all else is there.
    pub findings: Vec<Finding>,
}

/// Makes a store of a generation of a backup.
///
/// # Errors
///
/// [`StoreError::Exists`] when there is a store in the folder, [`StoreError::NotFound`] when there
/// is no such generation, and as reading and writing make them.
pub fn restore(options: &RestoreOptions) -> Result<Restored, StoreError> {
    let RestoreOptions { from, folder, .. } = options;
    let (name, manifest) = manifest::find(from, options.generation.as_deref())?;
    let database = folder.join(DATABASE_NAME);
    let draft = folder.join(RESTORING_NAME);
    make_room(folder, &draft)?;
    let place = from.join(&name);
    let mut findings = manifest.findings.clone();
    copy_file(&place.join(DATABASE_NAME), &draft, manifest.database_octets)?;
    let held = renew(&draft, &name, options.at)?;
    copy_segments(from, folder, &manifest, &mut findings)?;
    for file in manifest.files.keys() {
        let source = place.join(FILES_FOLDER).join(file);
        let content = RealDisk.read_whole(&source, FILE_OCTETS_MAX).map_err(reading(&source))?;
        let target = folder.join(file);
        RealDisk.make_dir(target.parent().unwrap_or(folder)).map_err(writing(&target))?;
        RealDisk.write_whole(&target, &content).map_err(writing(&target))?;
    }
    RealDisk.rename(&draft, &database).map_err(writing(&database))?;
    RealDisk.sync_dir(folder).map_err(writing(folder))?;
    let Manifest { messages, accounts, .. } = manifest;
    Ok(Restored { generation: name, messages, accounts, held, findings })
}

/// Sees to it that there is no store, and nothing of a restore that was broken off.
fn make_room(folder: &Path, draft: &Path) -> Result<(), StoreError> {
    let database = folder.join(DATABASE_NAME);
    let content = folder.join(SEGMENTS_FOLDER);
    RealDisk.make_dir(&content).map_err(writing(&content))?;
    let broken_off = RealDisk.exists(draft).map_err(reading(draft))?;
    let segments = RealDisk.list(&content).map_err(reading(&content))?;
    if RealDisk.exists(&database).map_err(reading(&database))?
        || (!broken_off && !segments.is_empty())
    {
        return Err(StoreError::Exists { what: format!("a store in {}", folder.display()) });
    }
    for name in segments {
        let path = content.join(name);
        RealDisk.remove(&path).map_err(writing(&path))?;
    }
    if broken_off {
        RealDisk.remove(draft).map_err(writing(draft))?;
    }
    Ok(())
}

fn copy_segments(
    from: &Path,
    folder: &Path,
    manifest: &Manifest,
    findings: &mut Vec<Finding>,
) -> Result<(), StoreError> {
    let content = folder.join(SEGMENTS_FOLDER);
    for (segment, end) in &manifest.segments {
        let name = crate::segments::file_name(*segment);
        let source = from.join(SEGMENTS_FOLDER).join(&name);
        match copy_file(&source, &content.join(&name), *end) {
            Ok(()) => {}
            Err(error @ StoreError::Full) => return Err(error),
            Err(error) => findings.push(Finding {
                rule: "backup-read".to_owned(),
                place: format!("segment {segment}"),
                found: error.to_string(),
                repaired: false,
            }),
        }
    }
    RealDisk.sync_dir(&content).map_err(writing(&content))
}

/// Copies the beginning of a file, and syncs it.
fn copy_file(source: &Path, target: &Path, octets: u64) -> Result<(), StoreError> {
    let from = RealDisk.open_read(source).map_err(reading(source))?;
    let to = RealDisk.create(target).map_err(writing(target))?;
    let mut buffer = vec![0; COPY_OCTETS];
    let (mut at, mut missing) = (0, None);
    while at < octets {
        let left = usize::try_from(octets.saturating_sub(at)).unwrap_or(COPY_OCTETS);
        let Some(chunk) = buffer.get_mut(..left.min(COPY_OCTETS)) else { break };
        match from.read_at(at, chunk) {
            Ok(0) => {
                missing.get_or_insert(std::io::ErrorKind::UnexpectedEof.into());
                break;
            }
            Ok(filled) => {
                let read = chunk.get(..filled).unwrap_or_default();
                to.write_at(at, read).map_err(writing(target))?;
                at = at.saturating_add(filled as u64);
            }
            // The rest may still be good.
            Err(error) => {
                missing.get_or_insert(error);
                at = at.saturating_add(chunk.len() as u64);
            }
        }
    }
    to.sync().map_err(writing(target))?;
    missing.map_or(Ok(()), |error| Err(reading(source)(error)))
}

/// Makes another store of a copied database; how many recipients are held now.
fn renew(path: &Path, generation: &str, at: Timestamp) -> Result<u64, StoreError> {
    let failed = sql("renew the copied database");
    let mut database = Connection::open(path).map_err(&failed)?;
    // One file, without a log beside it, until it has its name.
    database
        .pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
        .map_err(&failed)?;
    database.pragma_update(None, "synchronous", "FULL").map_err(&failed)?;
    let transaction = database.transaction().map_err(&failed)?;
    let seconds = at.millis() / 1000;
    transaction
        .execute_batch(&format!(
            "UPDATE numbers SET lineage = randomblob(16), modseq = modseq + 1,
                 uid_validity_last = max(uid_validity_last, {seconds});
             UPDATE mailbox SET uid_validity =
                 (SELECT uid_validity_last FROM numbers)
                 + (SELECT count(*) FROM mailbox AS older WHERE older.id <= mailbox.id);
             UPDATE numbers SET uid_validity_last =
                 max(uid_validity_last, (SELECT ifnull(max(uid_validity), 0) FROM mailbox));"
        ))
        .map_err(&failed)?;
    let held = hold_all(&transaction, generation, UnixMillis(at.millis()))?;
    transaction.commit().map_err(&failed)?;
    Ok(held)
}

/// Holds what waits, with an event for each.
fn hold_all(database: &Connection, generation: &str, at: UnixMillis) -> Result<u64, StoreError> {
    let failed = sql("hold what waited");
    let waiting = format!(
        "state IN ('{}', '{}')",
        RecipientState::Queued.name(),
        RecipientState::Deferred.name()
    );
    let reason = format!(
        "restored from the backup {generation}: it may have been sent since that was made; \
         release it with `posthouse queue release`, or cancel it"
    );
    database
        .execute(
            &format!(
                "INSERT INTO event (submission, number, at, recipient, happening, reason)
                 SELECT submission,
                     (SELECT ifnull(max(number), -1) FROM event AS known
                      WHERE known.submission = recipient.submission)
                     + row_number() OVER (PARTITION BY submission ORDER BY number),
                     ?1, number, ?2, ?3
                 FROM recipient WHERE {waiting}"
            ),
            params![at.0, to_json(&Happening::Held)?, reason],
        )
        .map_err(&failed)?;
    let held = database
        .execute(
            &format!(
                "UPDATE recipient SET state = '{}', due = NULL, changed_at = ?1 WHERE {waiting}",
                RecipientState::Held.name()
            ),
            [at.0],
        )
        .map_err(&failed)?;
    Ok(number(i64::try_from(held).unwrap_or(i64::MAX)))
}
