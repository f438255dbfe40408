//! Rewriting segments that are mostly dead, a little at a time, when nobody waits.
//!
//! A step copies some live records to the current segment and points their rows there, in one
//! commit like any other; when the last one has left, the segment has no live octets, and goes.
//! A record that is damaged stays where it is, and its segment with it.
//!
//! Not here: removing segments that are wholly dead (`batch`).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use platform::Clock;
use rusqlite::{Connection, params};
use store::{MessageId, StoreError};

use crate::batch::{Batch, Guard};
use crate::database::{column, number, sql};
use crate::mailboxes::place;
use crate::segment::{FILE_HEADER_OCTETS, Place};
use crate::segments::{Appender, READ_OCTETS_MAX, Segments};
use crate::waiting::{Kind, Operation};

/// What one step copies at most, so that whoever comes meanwhile waits but shortly.
const STEP_OCTETS_MAX: u64 = 512 * 1024;

/// A record that is bigger than this would need too much memory and time for one step; such
/// records have segments of their own anyhow.
const RECORD_OCTETS_MAX: u64 = 2 * 1024 * 1024;

/// How often we look for a segment that is worth it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The writer's plan for rewriting.
#[derive(Debug)]
pub(crate) struct Compaction {
    /// Content died since we last looked, or nobody looked since the start.
    suggested: bool,
    looked_at: Option<Duration>,
    progress: Arc<Mutex<Progress>>,
}

#[derive(Debug, Default)]
struct Progress {
    /// The segment that is rewritten, up to where that is done and where it ends.
    now: Option<(u32, u64, u64)>,
    /// Segments that something cannot leave.
    stuck: BTreeSet<u32>,
}

impl Default for Compaction {
    fn default() -> Self {
        Self { suggested: true, looked_at: None, progress: Arc::default() }
    }
}

impl Compaction {
    /// Content died.
    pub(crate) fn suggest(&mut self) {
        self.suggested = true;
    }

    /// How long the writer may wait for others before there is a step to do; `None`: there is
    /// none.
    pub(crate) fn next_step_in(&self, clock: &dyn Clock) -> Option<Duration> {
        if self.progress.lock().unwrap_or_else(PoisonError::into_inner).now.is_some() {
            return Some(Duration::ZERO);
        }
        let looked_at = match self.looked_at {
            _ if !self.suggested => return None,
            None => return Some(Duration::ZERO),
            Some(looked_at) => looked_at,
        };
        Some(LOOK_EVERY.saturating_sub(clock.monotonic().saturating_sub(looked_at)))
    }

    /// The next step, if there is one to do.
    pub(crate) fn step(
        &mut self,
        database: &Connection,
        appender: &Appender,
        clock: &dyn Clock,
    ) -> Option<Operation> {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if progress.now.is_none() {
            let now = clock.monotonic();
            let soon = self.looked_at.is_some_and(|at| now.saturating_sub(at) < LOOK_EVERY);
            if !self.suggested || soon {
                return None;
            }
            (self.suggested, self.looked_at) = (false, Some(now));
            let found = worth_it(database, appender.current(), &progress.stuck);
            let (segment, end) = found.unwrap_or_else(|error| {
                tracing::warn!(%error, "no look for segments to rewrite");
                None
            })?;
            tracing::info!(segment, "rewriting a segment that is mostly dead");
            progress.now = Some((segment, FILE_HEADER_OCTETS as u64, end));
        }
        drop(progress);
        let progress = Arc::clone(&self.progress);
        let run = move |batch: Option<&mut Batch<'_>>| -> crate::waiting::Answer {
            let moved = batch
                .map(|batch| batch.attempt(Guard::Savepoint, |batch| move_some(batch, &progress)));
            Box::new(move |committed| {
                let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
                let Some((segment, _, end)) = progress.now else { return };
                match (committed, moved) {
                    (Ok(()), Some(Ok(Moved::UpTo(at)))) if at < end => {
                        progress.now = Some((segment, at, end));
                    }
                    (Ok(()), Some(Ok(Moved::UpTo(_)))) => progress.now = None,
                    // It is tried again when more has died.
                    (Err(_), _) => progress.now = None,
                    // It is tried again after the next start.
                    (Ok(()), _) => {
                        progress.stuck.insert(segment);
                        progress.now = None;
                    }
                }
            })
        };
        Some(Operation { kind: Kind::Other, octets: 0, run: Box::new(run) })
    }
}

/// A segment less than half of which is alive, and its end.
fn worth_it(
    database: &Connection,
    current: Option<u32>,
    stuck: &BTreeSet<u32>,
) -> Result<Option<(u32, u64)>, StoreError> {
    let failed = sql("look for segments to rewrite");
    let mut select = database
        .prepare_cached(
            "SELECT id, octets FROM segment
             WHERE live_octets * 2 < octets AND id IS NOT ?1 ORDER BY live_octets",
        )
        .map_err(&failed)?;
    let mut rows = select.query([current]).map_err(&failed)?;
    while let Some(row) = rows.next().map_err(&failed)? {
        let id = row.get(0).map_err(&failed)?;
        if !stuck.contains(&id) {
            return Ok(Some((id, number(row.get(1).map_err(&failed)?))));
        }
    }
    Ok(None)
}

/// What became of a step.
enum Moved {
    /// Everything before this place has left.
    UpTo(u64),
    /// Something cannot leave.
    Stuck,
}

fn move_some(batch: &mut Batch<'_>, progress: &Mutex<Progress>) -> Result<Moved, StoreError> {
    let now = progress.lock().unwrap_or_else(PoisonError::into_inner).now;
    let Some((segment, mut at, end)) = now else { return Ok(Moved::Stuck) };
    let segments = batch.appender.shared_segments();
    let mut octets: u64 = 0;
    while at < end && octets < STEP_OCTETS_MAX {
        // Without a header nobody knows where the next record begins.
        let Ok(header) = segments.header(segment, at) else { return Ok(Moved::Stuck) };
        let here = Place { segment, at, octets: header.octets };
        at = at.saturating_add(here.record_octets());
        if place(batch.database, MessageId(header.message))? != Some(here) {
            continue; // dead
        }
        if header.octets > RECORD_OCTETS_MAX {
            return Ok(Moved::Stuck);
        }
        let Ok(content) = content_of(&segments, here) else { return Ok(Moved::Stuck) };
        octets = octets.saturating_add(content.len() as u64);
        let there = batch.appender.append(header.message, &content)?;
        batch
            .database
            .prepare_cached("UPDATE message SET segment = ?2, at = ?3 WHERE id = ?1")
            .and_then(|mut update| {
                update.execute(params![header.message, there.segment, column(there.at)])
            })
            .map_err(sql("move a message"))?;
        batch.add_live(there.segment, there.record_octets());
        batch.drop_live(segment, here.record_octets());
    }
    Ok(Moved::UpTo(at))
}

/// All of a record's content; each chunk is verified.
fn content_of(segments: &Segments, place: Place) -> Result<Vec<u8>, StoreError> {
    let mut content = Vec::new();
    while (content.len() as u64) < place.octets {
        let more = segments.read(place, content.len() as u64, READ_OCTETS_MAX)?;
        content.extend_from_slice(&more);
    }
    Ok(content)
}
