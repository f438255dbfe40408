//! Segment files that no row names, as the start finds them.
//!
//! A crash between the sync of a segment and its commit leaves such a file. So does an older
//! database that was put in the place of a newer one, and then it holds mail. Nobody can tell
//! these two apart: so only files without any whole record are removed, all others are put aside.
//!
//! Not here: what follows the last record of a segment that has a row (`segments`).

use std::collections::BTreeSet;

use rusqlite::Connection;
use store::StoreError;

use crate::database::{damaged, disk, sql};
use crate::mailboxes::named_end;
use crate::segment::{FILE_HEADER_OCTETS, Place};
use crate::segments::{LOST_FOLDER, READ_OCTETS_MAX, Segments};

/// Puts aside or removes the files that are not `listed` and that no message's row names either.
///
/// # Errors
///
/// [`StoreError::Damaged`] when there is mail in the files and nothing at all in the database:
/// it is missing, or its write-ahead log is.
pub(crate) fn sort(
    database: &Connection,
    segments: &Segments,
    listed: &BTreeSet<u32>,
) -> Result<(), StoreError> {
    for number in segments.files()? {
        if listed.contains(&number) || named_end(database, number)? > 0 {
            continue;
        }
        if !segments.holds_record(number, FILE_HEADER_OCTETS as u64) {
            tracing::info!(segment = number, "segment without a commit removed");
            segments.discard(number);
        } else if is_empty(database)? {
            return Err(damaged(
                "the database",
                format!(
                    "it is new or empty, but segment {number} holds mail: put store.db back \
                     together with its store.db-wal"
                ),
            ));
        } else {
            segments.put_aside(number)?;
        }
    }
    Ok(())
}

/// Whether there is nothing in the database that somebody put there.
fn is_empty(database: &Connection) -> Result<bool, StoreError> {
    database
        .query_row(
            "SELECT NOT (EXISTS (SELECT 1 FROM domain) OR EXISTS (SELECT 1 FROM account)
                 OR EXISTS (SELECT 1 FROM submission) OR EXISTS (SELECT 1 FROM message)
                 OR EXISTS (SELECT 1 FROM segment))",
            [],
            |row| row.get(0),
        )
        .map_err(sql("look whether the database is empty"))
}

impl Segments {
    /// Whether a segment has a whole record at `at` or behind it. What cannot be read is none.
    pub(crate) fn holds_record(&self, segment: u32, mut at: u64) -> bool {
        while let Ok(header) = self.header(segment, at) {
            let place = Place { segment, at, octets: header.octets };
            if self.is_whole(place) {
                return true;
            }
            at = at.saturating_add(place.record_octets());
        }
        false
    }

    fn is_whole(&self, place: Place) -> bool {
        let mut offset = 0;
        while offset < place.octets {
            match self.read(place, offset, READ_OCTETS_MAX) {
                Ok(octets) => offset = offset.saturating_add(octets.len() as u64),
                Err(_) => return false,
            }
        }
        true
    }

    /// Moves a segment to where nobody looks for it, but a person can.
    fn put_aside(&self, number: u32) -> Result<(), StoreError> {
        let from = self.path(number);
        let folder = self.folder().join(LOST_FOLDER);
        let failed = || disk(format!("put segment {number} aside"));
        let Some(name) = from.file_name() else { return Ok(()) };
        self.disk().make_dir(&folder).map_err(failed())?;
        let to = folder.join(name);
        tracing::warn!(
            segment = number,
            to = %to.display(),
            "no row names this segment: of a crash, or the database is an older one"
        );
        self.forget(number);
        self.disk().rename(&from, &to).map_err(failed())?;
        self.disk().sync_dir(&folder).map_err(failed())?;
        self.disk().sync_dir(self.folder()).map_err(failed())
    }
}
