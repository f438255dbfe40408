//! News that senders still have to be told. While a submission has some, its content stays.
//!
//! Not here: writing notices (crate `mta`).

use rusqlite::{Connection, params};
use store::{MessageId, StoreError, SubmissionId, Tell, UnixMillis, Untold, UntoldDue, UntoldOf};

use crate::accept::{Notice, accept_one};
use crate::batch::{Batch, Fact};
use crate::database::{from_json, sql, to_json};
use crate::finish::record;
use crate::mailboxes::release;
use crate::queue::{standing, summary};

/// Whether a submission has news that was not told.
pub(crate) fn exists(database: &Connection, id: SubmissionId) -> Result<bool, StoreError> {
    database
        .prepare_cached("SELECT 1 FROM untold WHERE submission = ?1")
        .and_then(|mut select| select.exists([id.to_octets()]))
        .map_err(sql("look for what was not told"))
}

/// Keeps news, and the content for as long. Called before open recipients are counted anew.
pub(crate) fn insert(
    batch: &mut Batch<'_>,
    id: SubmissionId,
    untold: &[Untold],
) -> Result<(), StoreError> {
    if untold.is_empty() {
        return Ok(());
    }
    let (message, open) = standing(batch.database, id)?;
    if open == 0 && !exists(batch.database, id)? {
        keep(batch, message)?;
    }
    let failed = sql("keep what was not told");
    for Untold { recipient, due, news } in untold {
        batch
            .database
            .prepare_cached(
                "INSERT INTO untold (submission, recipient, due, news) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET due = min(due, excluded.due), news = excluded.news",
            )
            .and_then(|mut upsert| {
                let news = to_json(news).unwrap_or_default();
                upsert.execute(params![id.to_octets(), recipient, due.0, news])
            })
            .map_err(&failed)?;
    }
    batch.news.queue = Fact::Yes;
    Ok(())
}

/// One more who needs a message, if it is still there.
fn keep(batch: &Batch<'_>, message: MessageId) -> Result<(), StoreError> {
    batch
        .database
        .prepare_cached("UPDATE message SET refs = refs + 1 WHERE id = ?1")
        .and_then(|mut update| update.execute([message.0]))
        .map(drop)
        .map_err(sql("keep a message"))
}

/// Nobody of the submission is open any more: what there is to tell is told now.
pub(crate) fn hurry(
    batch: &mut Batch<'_>,
    id: SubmissionId,
    at: UnixMillis,
) -> Result<(), StoreError> {
    batch
        .database
        .prepare_cached("UPDATE untold SET due = min(due, ?2) WHERE submission = ?1")
        .and_then(|mut update| update.execute(params![id.to_octets(), at.0]))
        .map_err(sql("hurry what was not told"))?;
    batch.news.queue = Fact::Yes;
    Ok(())
}

/// What is to be told now, of at most `limit` submissions, and when the next is due.
pub(crate) fn due(
    database: &Connection,
    now: UnixMillis,
    limit: u32,
) -> Result<UntoldDue, StoreError> {
    let failed = sql("read what was not told");
    let mut select = database
        .prepare_cached("SELECT submission, due FROM untold ORDER BY due, submission")
        .map_err(&failed)?;
    let mut rows = select.query([]).map_err(&failed)?;
    let mut ids: Vec<SubmissionId> = Vec::new();
    let mut next = None;
    while let Some(row) = rows.next().map_err(&failed)? {
        let id = SubmissionId::from_octets(row.get(0).map_err(&failed)?);
        let due = UnixMillis(row.get(1).map_err(&failed)?);
        if ids.contains(&id) {
            continue;
        }
        if due > now || ids.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            next = Some(due);
            break;
        }
        ids.push(id);
    }
    let mut due = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(summary) = summary(database, id)? {
            due.push(UntoldOf { untold: of(database, id)?, summary });
        }
    }
    Ok(UntoldDue { due, next })
}

fn of(database: &Connection, id: SubmissionId) -> Result<Vec<Untold>, StoreError> {
    let failed = sql("read what was not told");
    let mut select = database
        .prepare_cached(
            "SELECT recipient, due, news FROM untold WHERE submission = ?1 ORDER BY recipient",
        )
        .map_err(&failed)?;
    let mut rows = select.query([id.to_octets()]).map_err(&failed)?;
    let mut untold = Vec::new();
    while let Some(row) = rows.next().map_err(&failed)? {
        let news: String = row.get(2).map_err(&failed)?;
        untold.push(Untold {
            recipient: row.get(0).map_err(&failed)?,
            due: UnixMillis(row.get(1).map_err(&failed)?),
            news: from_json(&format!("news of submission {id}"), &news)?,
        });
    }
    Ok(untold)
}

/// Writes down that news was told, with the notices.
pub(crate) fn tell(
    batch: &mut Batch<'_>,
    tell: &Tell,
    notices: Vec<Notice>,
) -> Result<(), StoreError> {
    let id = tell.submission;
    let (message, open) = standing(batch.database, id)?;
    for recipient in &tell.recipients {
        let gone = batch
            .database
            .prepare_cached("DELETE FROM untold WHERE submission = ?1 AND recipient = ?2")
            .and_then(|mut delete| delete.execute(params![id.to_octets(), recipient]))
            .map_err(sql("write down what was told"))?;
        if gone == 0 {
            let reason = format!("news of recipient {recipient} of {id} was told before");
            return Err(StoreError::Refused { reason });
        }
    }
    if open == 0 && !tell.recipients.is_empty() && !exists(batch.database, id)? {
        release(batch, message)?;
    }
    record(batch, id, &tell.events)?;
    for Notice { accept, body } in notices {
        accept_one(batch, accept, body)?;
    }
    Ok(())
}
