//! What is due: leasing it fairly, and when something is due next.
//!
//! Runs in the writer, so that nobody leases what is being finished.
//!
//! Not here: whose turn it is (`turns`), what a lease is (`leases`).

use std::collections::BTreeSet;

use rusqlite::{Connection, params};
use store::{Due, StoreError, SubmissionId, UnixMillis};

use crate::batch::Batch;
use crate::database::sql;
use crate::queue::summary;
use crate::turns::{Line, Place};

/// Leases what is due, in turns.
pub(crate) fn lease_due(
    batch: &mut Batch<'_>,
    now: UnixMillis,
    lease_until: UnixMillis,
    limit: u32,
) -> Result<Vec<Due>, StoreError> {
    batch.leases.expire(now);
    bring_up_to_date(batch)?;
    batch.turns.wake(now);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut leased = Vec::new();
    let mut recipients = 0usize;
    while recipients < limit {
        let Some((line, place)) = batch.turns.next() else { break };
        let share = batch.turns.share(limit.saturating_sub(recipients));
        let found = look(batch, line, place, now, share)?;
        for id in found.due {
            if let Some(due) = lease(batch, id, now, lease_until)? {
                recipients = recipients.saturating_add(due.due.len());
                leased.push(due);
            }
        }
        batch.turns.raise(line, found.next);
    }
    Ok(leased)
}

/// When the next recipient is due that nobody leases; or when a lease ends, if that is sooner.
pub(crate) fn next_due(batch: &Batch<'_>) -> Result<Option<UnixMillis>, StoreError> {
    bring_up_to_date(batch)?;
    let ends = batch.leases.earliest_end();
    while let Some((line, place)) = batch.turns.earliest() {
        let free = look(batch, line, place, UnixMillis(i64::MIN), 0)?.next;
        if free == Some(place) {
            return Ok(ends.map(|end| end.min(place.0)).or(Some(place.0)));
        }
        batch.turns.raise(line, free);
    }
    Ok(ends)
}

/// What a look at a line found.
struct Found {
    /// Submissions with recipients there that are due and free.
    due: Vec<SubmissionId>,
    /// The first free place behind them.
    next: Option<Place>,
}

/// Looks at a line from a place on, until so many submissions are found, or nothing is due.
fn look(
    batch: &Batch<'_>,
    line: Line,
    from: Place,
    now: UnixMillis,
    submissions_max: usize,
) -> Result<Found, StoreError> {
    let failed = sql("look for what is due");
    let mut select = batch
        .database
        .prepare_cached(
            "SELECT due, submission, number FROM recipient
             WHERE line = ?1 AND due IS NOT NULL
                 AND (due, submission, number) >= (?2, ?3, ?4)
             ORDER BY due, submission, number",
        )
        .map_err(&failed)?;
    let mut rows =
        select.query(params![line, from.0.0, from.1.to_octets(), from.2]).map_err(&failed)?;
    let mut found = Found { due: Vec::new(), next: None };
    while let Some(row) = rows.next().map_err(&failed)? {
        let due = UnixMillis(row.get(0).map_err(&failed)?);
        let id = SubmissionId::from_octets(row.get(1).map_err(&failed)?);
        let number = row.get(2).map_err(&failed)?;
        if batch.leases.until(id, number).is_some() {
            continue;
        }
        if due <= now && found.due.last() == Some(&id) {
            continue; // it is leased with all of its recipients
        }
        if due > now || found.due.len() >= submissions_max {
            found.next = Some((due, id, number));
            break;
        }
        found.due.push(id);
    }
    Ok(found)
}

/// Leases all of a submission's recipients that are due, whatever lines they stand in; `None`
/// where there are none.
fn lease(
    batch: &mut Batch<'_>,
    id: SubmissionId,
    now: UnixMillis,
    until: UnixMillis,
) -> Result<Option<Due>, StoreError> {
    match summary(batch.database, id) {
        Ok(Some(summary)) => {
            let mut due = Vec::new();
            for view in &summary.recipients {
                let is_due = view.due.is_some_and(|due| due <= now);
                if is_due && batch.leases.until(id, view.number).is_none() {
                    batch.leases.take(id, view.number, until);
                    batch.lease_begins.push((id, view.number));
                    due.push(view.number);
                }
            }
            Ok((!due.is_empty()).then_some(Due { summary, due }))
        }
        Ok(None) => {
            tracing::error!(submission = %id, "recipient without a submission");
            Ok(None)
        }
        // One that cannot be read must not hold up the others.
        Err(error @ StoreError::Damaged { .. }) => {
            tracing::error!(submission = %id, %error, "submission cannot be read");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Learns of lines that are not known yet, and of recipients whose leases ended without news.
fn bring_up_to_date(batch: &Batch<'_>) -> Result<(), StoreError> {
    if !batch.turns.is_known() {
        batch.turns.learn(lines(batch.database)?);
    }
    let failed = sql("look for what was given back");
    for (id, number) in batch.leases.take_freed() {
        let mut select = batch
            .database
            .prepare_cached(
                "SELECT line, due FROM recipient
                 WHERE submission = ?1 AND number = ?2 AND due IS NOT NULL",
            )
            .map_err(&failed)?;
        let mut rows = select.query(params![id.to_octets(), number]).map_err(&failed)?;
        if let Some(row) = rows.next().map_err(&failed)? {
            let due = UnixMillis(row.get(1).map_err(&failed)?);
            batch.turns.lower(row.get(0).map_err(&failed)?, (due, id, number));
        }
    }
    Ok(())
}

/// Submissions that were accepted before one and have recipients that are due after a time; the
/// newest `limit` of them.
pub(crate) fn due_after(
    database: &Connection,
    after: UnixMillis,
    before: Option<SubmissionId>,
    limit: usize,
) -> Result<BTreeSet<SubmissionId>, StoreError> {
    let failed = sql("look for what is due late");
    let mut select = database
        .prepare_cached(
            "SELECT submission FROM recipient WHERE line = ?1 AND due IS NOT NULL AND due > ?2",
        )
        .map_err(&failed)?;
    let mut newest = BTreeSet::new();
    for (line, _) in lines(database)? {
        let mut rows = select.query(params![line, after.0]).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            let id = SubmissionId::from_octets(row.get(0).map_err(&failed)?);
            if before.is_none_or(|before| id < before) {
                newest.insert(id);
            }
            if newest.len() > limit {
                newest.pop_first();
            }
        }
    }
    Ok(newest)
}

/// Every line in which something waits, with its first place: one step in the index for each.
fn lines(database: &Connection) -> Result<Vec<(Line, Place)>, StoreError> {
    let failed = sql("look for lines");
    let mut select = database
        .prepare_cached(
            "SELECT line, due, submission, number FROM recipient
             WHERE due IS NOT NULL AND line >= ?1
             ORDER BY line, due, submission, number LIMIT 1",
        )
        .map_err(&failed)?;
    let mut lines = Vec::new();
    let mut from = Some(0);
    while let Some(least) = from {
        let mut rows = select.query([least]).map_err(&failed)?;
        let Some(row) = rows.next().map_err(&failed)? else { break };
        let line: Line = row.get(0).map_err(&failed)?;
        let due = UnixMillis(row.get(1).map_err(&failed)?);
        let id = SubmissionId::from_octets(row.get(2).map_err(&failed)?);
        lines.push((line, (due, id, row.get(3).map_err(&failed)?)));
        from = line.checked_add(1);
    }
    Ok(lines)
}
