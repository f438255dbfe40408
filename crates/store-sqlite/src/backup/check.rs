//! Whether a generation of a backup could be brought back: everything in it is read.
//!
//! Not here: which rules must hold between rows (`verify`).

use std::path::Path;
use std::sync::Arc;

use platform::{Disk, RealDisk};
use store::{Finding, StoreError, VerifyReport};

use super::manifest::{self, Manifest};
use super::{FILES_FOLDER, hash, open_copy, reading};
use crate::database::DATABASE_NAME;
use crate::segments::Segments;
use crate::verify;

/// Octets that a kept file may have.
pub(super) const FILE_OCTETS_MAX: usize = 64 * 1024 * 1024;

/// Reads a generation (the newest, if none is named) and tells what is wrong with it, as
/// [`Store::verify`](store::Store::verify) does with a store.
///
/// # Errors
///
/// [`StoreError::NotFound`] when there is no such generation, and as reading makes them.
pub fn check(folder: &Path, generation: Option<&str>) -> Result<VerifyReport, StoreError> {
    let (name, manifest) = manifest::find(folder, generation)?;
    let place = folder.join(&name);
    let path = place.join(DATABASE_NAME);
    let mut findings = files(&place, &manifest)?;
    let file = RealDisk.open_read(&path).map_err(reading(&path))?;
    let (octets, blake3) = hash(file.as_ref()).map_err(reading(&path))?;
    if (octets, &blake3) != (manifest.database_octets, &manifest.database_blake3) {
        findings.push(finding("backup-database", &path, "it is not what was copied"));
        return Ok(VerifyReport { findings, files: 1, ..VerifyReport::default() });
    }
    let mut database = open_copy(&path)?;
    let segments = Arc::new(open_segments(folder, &manifest)?);
    let mut report = verify::verify_copy(&mut database, &segments)?;
    report.files = (manifest.segments.len() as u64).saturating_add(1);
    findings.append(&mut report.findings);
    report.findings = findings;
    Ok(report)
}

pub(super) fn open_segments(folder: &Path, manifest: &Manifest) -> Result<Segments, StoreError> {
    let listed = manifest.segments.keys().copied().collect();
    let content = folder.join(crate::SEGMENTS_FOLDER);
    Segments::open(Arc::new(RealDisk), content, u64::MAX, &listed)
}

/// The caller's files.
fn files(place: &Path, manifest: &Manifest) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Vec::new();
    for (name, blake3) in &manifest.files {
        let path = place.join(FILES_FOLDER).join(name);
        match RealDisk.read_whole(&path, FILE_OCTETS_MAX) {
            Ok(content) if blake3::hash(&content).to_hex().as_str() == blake3 => {}
            Ok(_) => findings.push(finding("backup-file", &path, "it is not what was copied")),
            Err(error) => findings.push(finding("backup-file", &path, &error.to_string())),
        }
    }
    Ok(findings)
}

fn finding(rule: &str, path: &Path, found: &str) -> Finding {
    Finding {
        rule: rule.to_owned(),
        place: path.display().to_string(),
        found: found.to_owned(),
        repaired: false,
    }
}
