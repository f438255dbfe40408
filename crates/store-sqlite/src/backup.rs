//! Copies of a store while it is in use.
//!
//! ```text
//!   BACKUP/segments/NNNNNNNN.seg          content, shared by all generations: only what is new is copied
//!   BACKUP/20261125T133000.123Z/store.db  the database at that moment
//!   BACKUP/20261125T133000.123Z/files/…   what else the caller wants to be kept with it
//!   BACKUP/20261125T133000.123Z/backup.json  written last: without it there is no generation
//! ```
//!
//! First the database is copied, in one snapshot; then what the copy's rows name of each segment.
//! No segment goes while that is done (see [`Segments::pin`](crate::segments::Segments::pin)), and
//! what stands in one up to its row's end never changes: so nobody has to wait.
//!
//! Standards: none of its own.
//! Not here: bringing it back (`restore`), reading single messages of it (`kept`).

mod check;
mod kept;
mod manifest;
mod restore;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use platform::{Disk, DiskFile, FolderLock, LockError, RealDisk, Timestamp};
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use store::{Finding, Pending, StoreError};

pub use self::check::check;
pub use self::kept::Kept;
pub use self::manifest::{Generation, generations};
pub use self::restore::{RestoreOptions, Restored, restore};

use self::manifest::Manifest;
use crate::database::{DATABASE_NAME, disk, number, sql};
use crate::segments::Segments;
use crate::{SEGMENTS_FOLDER, SqliteStore};

/// Files of the caller's, within a generation.
const FILES_FOLDER: &str = "files";

/// Octets that are copied at once.
const COPY_OCTETS: usize = 1024 * 1024;

/// What to copy where.
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// The folder of all generations of this store.
    pub folder: PathBuf,
    /// How many generations to keep, this one included; `None`: all of them.
    pub keep: Option<NonZeroU32>,
    /// What else is kept with this generation: names and contents.
    pub files: Vec<(String, Vec<u8>)>,
    /// When it is made.
    pub at: Timestamp,
}

/// What was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupReport {
    /// The generation's name.
    pub generation: String,
    /// Messages in it.
    pub messages: u64,
    /// Octets that its segments and its database have.
    pub octets: u64,
    /// Octets that had to be copied.
    pub copied: u64,
    /// Generations that were removed, oldest first.
    pub removed: Vec<String>,
    /// What could not be read; all else was copied.
    pub findings: Vec<Finding>,
}

impl SqliteStore {
    /// Copies everything that was acknowledged before into a new generation of a backup, while
    /// all else goes on. What cannot be read is told and left out.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] when the folder is of another store or another backup is at work
    /// there; [`StoreError::Full`] and [`StoreError::Io`] when it cannot be written.
    pub fn backup(&self, options: BackupOptions) -> Pending<'_, BackupReport> {
        let segments = Arc::clone(&self.shared.segments);
        self.aside(&self.verifiers, move |connection| {
            let pin = segments.pin();
            let report = copy(connection, &segments, &options);
            drop(pin);
            report
        })
    }
}

fn copy(
    source: &Connection,
    segments: &Segments,
    options: &BackupOptions,
) -> Result<BackupReport, StoreError> {
    let folder = &options.folder;
    RealDisk.make_dir(&folder.join(SEGMENTS_FOLDER)).map_err(writing(folder))?;
    let _lock = lock(folder)?;
    remove_halves(folder)?;
    let lineage = lineage(source)?;
    let before = manifest::read_all(folder)?;
    if let Some(other) = before.iter().find(|(_, manifest)| manifest.lineage != lineage) {
        let reason = format!(
            "{} holds copies of another store, such as {}: name a folder of its own for each \
             store, and a new one after a restore",
            folder.display(),
            other.0
        );
        return Err(StoreError::Refused { reason });
    }
    let generation = manifest::name(options.at);
    let place = folder.join(&generation);
    if RealDisk.exists(&place).map_err(writing(&place))? {
        return Err(StoreError::Exists { what: format!("the generation {generation}") });
    }
    RealDisk.make_dir(&place).map_err(writing(&place))?;
    let database = place.join(DATABASE_NAME);
    let (octets, blake3) = copy_database(source, &database)?;
    let copied = open_copy(&database)?;
    let wanted = segments_of(&copied)?;
    let have = recorded(&before);
    let mut report = BackupReport {
        generation: generation.clone(),
        messages: count(&copied, "message")?,
        octets,
        copied: octets,
        ..BackupReport::default()
    };
    for (segment, end) in &wanted {
        let from = have.get(segment).copied().unwrap_or(0);
        copy_segment(segments, folder, (*segment, from, *end), &mut report)?;
    }
    RealDisk.sync_dir(&folder.join(SEGMENTS_FOLDER)).map_err(writing(folder))?;
    let manifest = Manifest {
        lineage,
        made: options.at.to_string(),
        messages: report.messages,
        accounts: count(&copied, "account")?,
        database_octets: octets,
        database_blake3: blake3,
        segments: wanted,
        files: write_files(&place, &options.files)?,
        findings: report.findings.clone(),
    };
    manifest.write(&place)?;
    if let Some(keep) = options.keep {
        report.removed = remove_old(folder, keep)?;
    }
    Ok(report)
}

/// Removes what a backup that was broken off has left: one after the other they would fill the
/// disk, and a full disk is what breaks them off.
fn remove_halves(folder: &Path) -> Result<(), StoreError> {
    for name in manifest::halves(folder)? {
        let place = folder.join(name);
        fs::remove_dir_all(&place).map_err(writing(&place))?;
    }
    Ok(())
}

/// Nobody else works in a backup's folder meanwhile.
fn lock(folder: &Path) -> Result<FolderLock, StoreError> {
    FolderLock::take(folder).map_err(|error| match error {
        LockError::HeldBy { pid, .. } => StoreError::Refused {
            reason: format!("process {pid} is at work in {}: wait for it", folder.display()),
        },
        other => StoreError::Io {
            action: format!("lock {}", folder.display()),
            reason: other.to_string(),
        },
    })
}

/// What all states of one store have in common, and no other store has.
fn lineage(database: &Connection) -> Result<String, StoreError> {
    database
        .query_row("SELECT lower(hex(lineage)) FROM numbers", [], |row| row.get(0))
        .map_err(sql("read which store it is"))
}

fn count(database: &Connection, table: &str) -> Result<u64, StoreError> {
    database
        .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
        .map(number)
        .map_err(sql("count rows"))
}

/// Copies the database as it is at one moment; its size and hash.
fn copy_database(source: &Connection, path: &Path) -> Result<(u64, String), StoreError> {
    // SQLite takes an empty file as it is; one that it makes itself others may read.
    RealDisk.create(path).map_err(writing(path))?;
    source
        .execute("VACUUM INTO ?1", [path.to_string_lossy().as_ref()])
        .map_err(sql("copy the database"))?;
    let file = RealDisk.open(path).map_err(writing(path))?;
    file.sync().map_err(writing(path))?;
    hash(file.as_ref()).map_err(writing(path))
}

/// A file's size and hash.
fn hash(file: &dyn DiskFile) -> std::io::Result<(u64, String)> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; COPY_OCTETS];
    let mut at: u64 = 0;
    loop {
        let filled = file.read_at(at, &mut buffer)?;
        let Some(octets) = buffer.get(..filled).filter(|octets| !octets.is_empty()) else { break };
        hasher.update(octets);
        at = at.saturating_add(filled as u64);
    }
    Ok((at, hasher.finalize().to_hex().to_string()))
}

/// Opens a copied database, which nobody changes.
fn open_copy(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(uri(path), flags).map_err(sql("open a copy of the database"))
}

/// The file as SQLite wants it named so as not to look for a write-ahead log beside it.
fn uri(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for octet in path.to_string_lossy().bytes() {
        match octet {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                uri.push(char::from(octet));
            }
            _ => uri.push_str(&format!("%{octet:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}

/// Segments with rows, and up to where they count.
fn segments_of(database: &Connection) -> Result<BTreeMap<u32, u64>, StoreError> {
    let failed = sql("read segments");
    let mut select = database.prepare("SELECT id, octets FROM segment").map_err(&failed)?;
    let rows =
        select.query_map([], |row| Ok((row.get(0)?, number(row.get(1)?)))).map_err(&failed)?;
    rows.collect::<rusqlite::Result<_>>().map_err(&failed)
}

/// How much of each segment is safe in the backup already. A file's length proves nothing: its
/// end may have been copied just before the power went.
fn recorded(generations: &[(String, Manifest)]) -> BTreeMap<u32, u64> {
    let mut have = BTreeMap::new();
    for (segment, end) in generations.iter().flat_map(|(_, manifest)| &manifest.segments) {
        let known: &mut u64 = have.entry(*segment).or_default();
        *known = (*known).max(*end);
    }
    have
}

/// Copies a segment from one place to another, and syncs it.
fn copy_segment(
    segments: &Segments,
    folder: &Path,
    (segment, from, end): (u32, u64, u64),
    report: &mut BackupReport,
) -> Result<(), StoreError> {
    report.octets = report.octets.saturating_add(end);
    let path = segment_path(segments, folder, segment);
    let there = RealDisk.exists(&path).map_err(writing(&path))?;
    if there && from >= end {
        return Ok(());
    }
    // What somebody removed by hand is copied anew.
    let from = if there { from } else { 0 };
    let source = match segments.disk().open_read(&segments.path(segment)) {
        Ok(source) => source,
        Err(error) => {
            report.findings.push(unread(segment, 0, &error));
            return Ok(());
        }
    };
    let target = if there { RealDisk.open(&path) } else { RealDisk.create(&path) };
    let target = target.map_err(writing(&path))?;
    target.truncate(from).map_err(writing(&path))?;
    let mut buffer = vec![0; COPY_OCTETS];
    let mut at = from;
    while at < end {
        let left = usize::try_from(end.saturating_sub(at)).unwrap_or(COPY_OCTETS);
        let Some(chunk) = buffer.get_mut(..left.min(COPY_OCTETS)) else { break };
        match source.read_at(at, chunk) {
            Ok(0) => {
                report.findings.push(unread(
                    segment,
                    at,
                    &std::io::ErrorKind::UnexpectedEof.into(),
                ));
                break;
            }
            Ok(filled) => {
                let octets = chunk.get(..filled).unwrap_or_default();
                target.write_at(at, octets).map_err(writing(&path))?;
                report.copied = report.copied.saturating_add(filled as u64);
                at = at.saturating_add(filled as u64);
            }
            Err(error) => {
                report.findings.push(unread(segment, at, &error));
                at = at.saturating_add(chunk.len() as u64);
            }
        }
    }
    target.sync().map_err(writing(&path))
}

/// Where a segment is in a backup.
fn segment_path(segments: &Segments, folder: &Path, segment: u32) -> PathBuf {
    let path = segments.path(segment);
    folder.join(SEGMENTS_FOLDER).join(path.file_name().unwrap_or_default())
}

fn unread(segment: u32, at: u64, error: &std::io::Error) -> Finding {
    Finding {
        rule: "backup-read".to_owned(),
        place: format!("segment {segment} at {at}"),
        found: format!("it cannot be read: {error}"),
        repaired: false,
    }
}

/// Writes what the caller wants kept; names and hashes.
fn write_files(
    place: &Path,
    files: &[(String, Vec<u8>)],
) -> Result<BTreeMap<String, String>, StoreError> {
    let folder = place.join(FILES_FOLDER);
    let mut hashes = BTreeMap::new();
    for (name, content) in files {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(&folder);
        RealDisk.make_dir(parent).map_err(writing(parent))?;
        RealDisk.write_whole(&path, content).map_err(writing(&path))?;
        hashes.insert(name.clone(), blake3::hash(content).to_hex().to_string());
    }
    Ok(hashes)
}

/// Removes all generations but the newest, and content that none of these names.
fn remove_old(folder: &Path, keep: NonZeroU32) -> Result<Vec<String>, StoreError> {
    let mut all = manifest::read_all(folder)?;
    let keep = usize::try_from(keep.get()).unwrap_or(usize::MAX);
    let kept = all.split_off(all.len().saturating_sub(keep));
    for (name, _) in &all {
        let place = folder.join(name);
        // First what makes it one: half a generation must not look whole.
        manifest::remove(&place)?;
        fs::remove_dir_all(&place).map_err(writing(&place))?;
    }
    let named: BTreeSet<u32> =
        kept.iter().flat_map(|(_, manifest)| manifest.segments.keys().copied()).collect();
    let content = folder.join(SEGMENTS_FOLDER);
    for name in RealDisk.list(&content).map_err(writing(&content))? {
        let segment = crate::segments::number_of(&name);
        if segment.is_some_and(|segment| !named.contains(&segment)) {
            let path = content.join(&name);
            RealDisk.remove(&path).map_err(writing(&path))?;
        }
    }
    RealDisk.sync_dir(folder).map_err(writing(folder))?;
    Ok(all.into_iter().map(|(name, _)| name).collect())
}

/// What an error while writing there means.
fn writing(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    disk(format!("write {}", path.display()))
}

/// What an error while reading there means.
fn reading(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    disk(format!("read {}", path.display()))
}
