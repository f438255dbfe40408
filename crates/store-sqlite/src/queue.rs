//! Reading submissions: what waits, what happened.
//!
//! Not here: changing them (`finish`, `steer`), what is due (`due`).

use envelope::{EnvelopeId, OriginalRecipient, Recipient};
use rusqlite::{Connection, OptionalExtension, Row, params};
use store::{
    Attempt, Event, MessageId, NewEvent, QueueFilter, RecipientView, StoreError, SubmissionId,
    SubmissionKey, SubmissionView, Summary, UnixMillis,
};

use crate::database::{damaged, from_json, number, sql};
use crate::due::due_after;
use crate::words;

const SUMMARY: &str = "id, accepted_at, origin, reverse_path, ret, envelope_id, body, message_id, \
                       (SELECT message.id FROM message WHERE message.id = submission.message), \
                       octets, terms";

fn summary_row(row: &Row<'_>) -> Result<Summary, StoreError> {
    let failed = sql("read a submission");
    let id = SubmissionId::from_octets(row.get(0).map_err(&failed)?);
    let what = || format!("submission {id}");
    let origin: String = row.get(2).map_err(&failed)?;
    let reverse_path: String = row.get(3).map_err(&failed)?;
    let ret: Option<String> = row.get(4).map_err(&failed)?;
    let envelope_id: Option<String> = row.get(5).map_err(&failed)?;
    let body: Option<String> = row.get(6).map_err(&failed)?;
    let terms: Option<String> = row.get(10).map_err(&failed)?;
    Ok(Summary {
        id,
        accepted_at: UnixMillis(row.get(1).map_err(&failed)?),
        origin: from_json(&what(), &origin)?,
        reverse_path: words::to_reverse_path(&reverse_path)?,
        ret: ret.as_deref().and_then(words::to_ret),
        envelope_id: envelope_id
            .map(|text| EnvelopeId::new(&text).map_err(|error| damaged(what(), error)))
            .transpose()?,
        body: words::to_body(body.as_deref()),
        terms: terms.map(|terms| from_json(&what(), &terms)).transpose()?.unwrap_or_default(),
        message_id: row.get(7).map_err(&failed)?,
        message: row.get::<_, Option<i64>>(8).map_err(&failed)?.map(MessageId),
        octets: number(row.get(9).map_err(&failed)?),
        recipients: Vec::new(),
    })
}

fn recipient_row(row: &Row<'_>) -> Result<RecipientView, StoreError> {
    let failed = sql("read a recipient");
    let text = |column: usize| row.get::<_, Option<String>>(column).map_err(&failed);
    let address: String = row.get(1).map_err(&failed)?;
    let wrong = |what: &str| damaged(format!("recipient {address}"), format!("bad {what}"));
    let notify = text(2)?
        .map(|words| envelope::Notify::parse(&words).ok_or_else(|| wrong("NOTIFY")))
        .transpose()?;
    let original = text(3)?
        .map(|value| OriginalRecipient::from_parameter(&value).map_err(|_| wrong("ORCPT")))
        .transpose()?;
    let state: String = row.get(5).map_err(&failed)?;
    Ok(RecipientView {
        number: row.get(0).map_err(&failed)?,
        recipient: Recipient { address: words::to_address(&address)?, notify, original },
        expanded_from: text(4)?.map(|alias| words::to_address(&alias)).transpose()?,
        state: words::to_state(&state)?,
        changed_at: UnixMillis(row.get(6).map_err(&failed)?),
        attempts: row.get(7).map_err(&failed)?,
        due: row.get::<_, Option<i64>>(8).map_err(&failed)?.map(UnixMillis),
        host: text(9)?,
        reply: text(10)?.map(|reply| from_json("a server's reply", &reply)).transpose()?,
        delay_told: row.get(11).map_err(&failed)?,
        route: text(12)?.map(|route| from_json("a recipient's route", &route)).transpose()?,
    })
}

/// Every recipient of a submission.
pub(crate) fn recipients(
    database: &Connection,
    id: SubmissionId,
) -> Result<Vec<RecipientView>, StoreError> {
    let failed = sql("read recipients");
    let mut select = database
        .prepare_cached(
            "SELECT number, address, notify, original, expanded_from, state, changed_at, attempts,
                 due, host, reply, delay_told, route
             FROM recipient WHERE submission = ?1 ORDER BY number",
        )
        .map_err(&failed)?;
    let mut rows = select.query([id.to_octets()]).map_err(&failed)?;
    let mut recipients = Vec::new();
    while let Some(row) = rows.next().map_err(&failed)? {
        recipients.push(recipient_row(row)?);
    }
    Ok(recipients)
}

/// How a submission stands.
pub(crate) fn summary(
    database: &Connection,
    id: SubmissionId,
) -> Result<Option<Summary>, StoreError> {
    let failed = sql("read a submission");
    let mut select = database
        .prepare_cached(&format!("SELECT {SUMMARY} FROM submission WHERE id = ?1"))
        .map_err(&failed)?;
    let mut rows = select.query([id.to_octets()]).map_err(&failed)?;
    let Some(row) = rows.next().map_err(&failed)? else { return Ok(None) };
    let mut summary = summary_row(row)?;
    summary.recipients = recipients(database, id)?;
    Ok(Some(summary))
}

/// Submissions, oldest first.
///
/// With a limit these are the newest ones before `before`, so that the caller can page back; or
/// the oldest ones after `after`, to page on.
pub(crate) fn queue(
    database: &Connection,
    filter: &QueueFilter,
) -> Result<Vec<Summary>, StoreError> {
    let ids = match filter.due_after {
        None => accepted_before(database, filter)?,
        Some(after) => {
            let limit = filter.limit.and_then(|limit| usize::try_from(limit).ok());
            let limit = limit.unwrap_or(usize::MAX);
            due_after(database, after, filter.before, limit)?.into_iter().collect()
        }
    };
    let mut summaries = Vec::with_capacity(ids.len());
    for id in ids {
        summaries.extend(summary(database, id)?);
    }
    Ok(summaries)
}

/// Ids of submissions, oldest first.
fn accepted_before(
    database: &Connection,
    filter: &QueueFilter,
) -> Result<Vec<SubmissionId>, StoreError> {
    let failed = sql("read the queue");
    let open = if filter.settled { "" } else { "open > 0 AND" };
    let order = if filter.after.is_some() { "ASC" } else { "DESC" };
    let statement = format!(
        "SELECT id FROM submission WHERE {open} id > ?1 AND id < ?2 ORDER BY id {order} LIMIT ?3"
    );
    let mut select = database.prepare_cached(&statement).map_err(&failed)?;
    let limit = filter.limit.map_or(-1, i64::from);
    let before = filter.before.map_or([0xff; 16], SubmissionId::to_octets);
    let after = filter.after.map_or([0; 16], SubmissionId::to_octets);
    let rows =
        select.query_map(params![after, before, limit], |row| row.get(0)).map_err(&failed)?;
    let mut ids = rows.collect::<rusqlite::Result<Vec<[u8; 16]>>>().map_err(&failed)?;
    if filter.after.is_none() {
        ids.reverse();
    }
    Ok(ids.into_iter().map(SubmissionId::from_octets).collect())
}

/// Everything known of a submission.
pub(crate) fn submission(
    database: &Connection,
    id: SubmissionId,
) -> Result<Option<SubmissionView>, StoreError> {
    let Some(summary) = summary(database, id)? else { return Ok(None) };
    let events = events(database, id)?;
    let attempts = attempts(database, id)?;
    Ok(Some(SubmissionView { summary, events, attempts }))
}

fn events(database: &Connection, id: SubmissionId) -> Result<Vec<Event>, StoreError> {
    let failed = sql("read events");
    let mut select = database
        .prepare_cached(
            "SELECT number, at, recipient, happening, reason FROM event
             WHERE submission = ?1 ORDER BY number",
        )
        .map_err(&failed)?;
    let mut rows = select.query([id.to_octets()]).map_err(&failed)?;
    let mut events = Vec::new();
    while let Some(row) = rows.next().map_err(&failed)? {
        let number = row.get(0).map_err(&failed)?;
        let happening: String = row.get(3).map_err(&failed)?;
        let event = NewEvent {
            at: UnixMillis(row.get(1).map_err(&failed)?),
            recipient: row.get(2).map_err(&failed)?,
            happening: from_json(&format!("event {number} of submission {id}"), &happening)?,
            reason: row.get(4).map_err(&failed)?,
        };
        events.push(Event { submission: id, number, event });
    }
    Ok(events)
}

fn attempts(database: &Connection, id: SubmissionId) -> Result<Vec<Attempt>, StoreError> {
    let failed = sql("read attempts");
    let mut select = database
        .prepare_cached(
            "SELECT facts, transcript FROM attempt WHERE submission = ?1 ORDER BY number",
        )
        .map_err(&failed)?;
    let mut rows = select.query([id.to_octets()]).map_err(&failed)?;
    let mut attempts = Vec::new();
    while let Some(row) = rows.next().map_err(&failed)? {
        let facts: String = row.get(0).map_err(&failed)?;
        let mut attempt: Attempt = from_json(&format!("an attempt of submission {id}"), &facts)?;
        attempt.transcript = row.get(1).map_err(&failed)?;
        attempts.push(attempt);
    }
    Ok(attempts)
}

/// Submissions by a key, newest first.
pub(crate) fn find(
    database: &Connection,
    key: &SubmissionKey,
) -> Result<Vec<SubmissionId>, StoreError> {
    let failed = sql("find a submission");
    let found = |statement: &str, value: &dyn rusqlite::ToSql| {
        let mut select = database.prepare_cached(statement)?;
        let rows = select.query_map([value], |row| row.get(0))?;
        rows.collect::<rusqlite::Result<Vec<[u8; 16]>>>()
    };
    let ids = match key {
        SubmissionKey::Id(id) => {
            found("SELECT id FROM submission WHERE id = ?1", &id.to_octets().as_slice())
        }
        SubmissionKey::MessageId(id) => {
            found("SELECT id FROM submission WHERE message_id = ?1 ORDER BY id DESC", id)
        }
        SubmissionKey::EnvelopeId(id) => {
            found("SELECT id FROM submission WHERE envelope_id = ?1 ORDER BY id DESC", id)
        }
    };
    Ok(ids.map_err(&failed)?.into_iter().map(SubmissionId::from_octets).collect())
}

/// A submission's state as changes need it: its message and how many recipients are open.
pub(crate) fn standing(
    database: &Connection,
    id: SubmissionId,
) -> Result<(MessageId, u32), StoreError> {
    database
        .prepare_cached("SELECT message, open FROM submission WHERE id = ?1")
        .and_then(|mut select| {
            let row = |row: &Row<'_>| Ok((MessageId(row.get(0)?), row.get(1)?));
            select.query_row([id.to_octets()], row).optional()
        })
        .map_err(sql("read a submission"))?
        .ok_or_else(|| StoreError::NotFound { what: format!("submission {id}") })
}
