//! What a generation of a backup consists of.
//!
//! Not here: making one (`backup`).

use std::collections::BTreeMap;
use std::path::Path;

use platform::{Disk, RealDisk, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Finding, StoreError};

use super::{reading, writing};
use crate::database::{damaged, from_json, to_json};

/// A generation without this file is none.
const MANIFEST_NAME: &str = "backup.json";

/// A segment has about thirty octets of it; so this is enough for some ten million of them.
const MANIFEST_OCTETS_MAX: usize = 512 * 1024 * 1024;

/// What a generation consists of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Of which store.
    pub(super) lineage: String,
    /// When, as RFC 3339 has it.
    pub(super) made: String,
    pub(super) messages: u64,
    pub(super) accounts: u64,
    pub(super) database_octets: u64,
    pub(super) database_blake3: String,
    /// Segments and up to where they belong to it.
    pub(super) segments: BTreeMap<u32, u64>,
    /// The caller's files and their hashes.
    pub(super) files: BTreeMap<String, String>,
    /// What could not be read when it was made.
    pub(super) findings: Vec<Finding>,
}

/// A generation of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Its name: when it was made, so that they sort by age.
    pub name: String,
    /// When it was made, as RFC 3339 has it.
    pub made: String,
    /// Messages in it.
    pub messages: u64,
    /// Accounts in it.
    pub accounts: u64,
    /// What could not be read when it was made.
    pub findings: Vec<Finding>,
}

/// The name of a generation made at this time.
pub(super) fn name(at: Timestamp) -> String {
    let text = at.to_string().replace(['-', ':'], "");
    match text.strip_suffix('Z') {
        // So that all have the same length, and sort by age.
        Some(second) if !second.contains('.') => format!("{second}.000Z"),
        _ => text,
    }
}

/// Whether a file's name is one of ours, such as `20261125T133000.123Z`: others are never touched.
fn is_name(name: &str) -> bool {
    const FORM: &str = "00000000T000000.000Z";
    let same = |(octet, form): (u8, u8)| match form {
        b'0' => octet.is_ascii_digit(),
        _ => octet == form,
    };
    name.len() == FORM.len() && name.bytes().zip(FORM.bytes()).all(same)
}

/// All whole generations in a backup's folder, oldest first.
///
/// # Errors
///
/// [`StoreError::Damaged`] when a description cannot be understood, [`StoreError::Io`] when the
/// folder cannot be read.
pub fn generations(folder: &Path) -> Result<Vec<Generation>, StoreError> {
    let all = read_all(folder)?.into_iter().map(|(name, manifest)| Generation {
        name,
        made: manifest.made,
        messages: manifest.messages,
        accounts: manifest.accounts,
        findings: manifest.findings,
    });
    Ok(all.collect())
}

/// Names of generations that were begun and never became whole.
pub(super) fn halves(folder: &Path) -> Result<Vec<String>, StoreError> {
    let mut halves = Vec::new();
    for name in RealDisk.list(folder).map_err(reading(folder))? {
        let Some(name) = name.to_str().filter(|name| is_name(name)) else { continue };
        let path = folder.join(name).join(MANIFEST_NAME);
        if !RealDisk.exists(&path).map_err(reading(&path))? {
            halves.push(name.to_owned());
        }
    }
    Ok(halves)
}

pub(super) fn read_all(folder: &Path) -> Result<Vec<(String, Manifest)>, StoreError> {
    let mut all = Vec::new();
    for name in RealDisk.list(folder).map_err(reading(folder))? {
        let Some(name) = name.to_str().filter(|name| is_name(name)) else { continue };
        let path = folder.join(name).join(MANIFEST_NAME);
        if RealDisk.exists(&path).map_err(reading(&path))? {
            all.push((name.to_owned(), read(&path)?));
        }
    }
    all.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(all)
}

fn read(path: &Path) -> Result<Manifest, StoreError> {
    let octets = RealDisk.read_whole(path, MANIFEST_OCTETS_MAX).map_err(reading(path))?;
    let what = path.display().to_string();
    let text = str::from_utf8(&octets).map_err(|error| damaged(what.clone(), error))?;
    from_json(&what, text)
}

/// A generation by its name, or the newest one.
pub(super) fn find(folder: &Path, wanted: Option<&str>) -> Result<(String, Manifest), StoreError> {
    let mut all = read_all(folder)?;
    let found = match wanted {
        None => all.pop(),
        Some(wanted) => all.into_iter().find(|(name, _)| name == wanted),
    };
    found.ok_or_else(|| {
        let what = match wanted {
            None => format!("a generation in {}", folder.display()),
            Some(wanted) => format!("generation {wanted} in {}", folder.display()),
        };
        StoreError::NotFound { what }
    })
}

/// Makes a generation none.
pub(super) fn remove(place: &Path) -> Result<(), StoreError> {
    let path = place.join(MANIFEST_NAME);
    RealDisk.remove(&path).map_err(writing(&path))?;
    RealDisk.sync_dir(place).map_err(writing(place))
}

impl Manifest {
    /// Makes a generation of what is in its folder.
    pub(super) fn write(&self, place: &Path) -> Result<(), StoreError> {
        let path = place.join(MANIFEST_NAME);
        let text = to_json(self)?;
        RealDisk.write_whole(&path, text.as_bytes()).map_err(writing(&path))?;
        match place.parent() {
            Some(above) => RealDisk.sync_dir(above).map_err(writing(above)),
            None => Ok(()),
        }
    }
}
