//! Settling recipients' fates, and what an operator wants done about them.
//!
//! Not here: when to try again and what notices say (crate `mta`).

use envelope::EnhancedStatus;
use rusqlite::{Connection, params};
use store::{
    Attempt, Finish, FixedRoute, Happening, NewEvent, News, NewsKind, Outcome, RecipientState,
    RecipientView, Steer, SteerAction, StoreError, SubmissionId, UnixMillis, Untold,
};

use crate::accept::{Notice, accept_one, insert_events};
use crate::batch::{Batch, Fact, LeaseEnd};
use crate::database::{column, sql, to_json};
use crate::mailboxes::release;
use crate::queue::{recipients, standing, summary};
use crate::turns::Line;
use crate::{orders, untold, words};

/// Settles or puts off recipients, with the notices that follow.
pub(crate) fn finish(
    batch: &mut Batch<'_>,
    finish: &Finish,
    notices: Vec<Notice>,
) -> Result<(), StoreError> {
    let id = finish.submission;
    let now = recipients(batch.database, id)?;
    for outcome in &finish.outcomes {
        let before = find(&now, outcome.recipient, id)?;
        check(before, outcome, id)?;
        let again = settle(batch, id, before, outcome, finish.at)?;
        batch.lease_ends.push(LeaseEnd { submission: id, recipient: outcome.recipient, again });
    }
    insert_attempts(batch, id, &finish.attempts)?;
    record(batch, id, &finish.events)?;
    untold::insert(batch, id, &finish.untold)?;
    recount_open(batch, id, finish.at)?;
    for Notice { accept, body } in notices {
        accept_one(batch, accept, body)?;
    }
    Ok(())
}

fn find(
    recipients: &[RecipientView],
    number: u32,
    id: SubmissionId,
) -> Result<&RecipientView, StoreError> {
    recipients
        .iter()
        .find(|recipient| recipient.number == number)
        .ok_or_else(|| StoreError::NotFound { what: format!("recipient {number} of {id}") })
}

fn check(before: &RecipientView, outcome: &Outcome, id: SubmissionId) -> Result<(), StoreError> {
    let refused = |reason: String| Err(StoreError::Refused { reason });
    let number = outcome.recipient;
    if !before.state.may_become(outcome.state) {
        return refused(format!(
            "recipient {number} of {id} is {} and cannot become {}",
            before.state.name(),
            outcome.state.name()
        ));
    }
    if outcome.state == RecipientState::Deferred && outcome.due.is_none() {
        return refused(format!("recipient {number} of {id} is deferred, but not until when"));
    }
    Ok(())
}

fn settle(
    batch: &mut Batch<'_>,
    id: SubmissionId,
    before: &RecipientView,
    outcome: &Outcome,
    at: UnixMillis,
) -> Result<Option<(Line, UnixMillis)>, StoreError> {
    let state = match (before.state, outcome.state) {
        // An operator held it during the attempt: the order outlives it.
        (RecipientState::Held, RecipientState::Deferred) if !outcome.ends_hold => {
            RecipientState::Held
        }
        (_, state) => state,
    };
    let due = outcome.due.filter(|_| state == RecipientState::Deferred);
    let reply = outcome.reply.as_ref().map(to_json).transpose()?;
    batch
        .database
        .prepare_cached(
            "UPDATE recipient SET state = ?3, changed_at = ?4, attempts = attempts + ?5, due = ?6,
                 host = ifnull(?7, host), reply = ifnull(?8, reply), delay_told = max(delay_told, ?9)
             WHERE submission = ?1 AND number = ?2",
        )
        .and_then(|mut update| {
            update.execute(params![
                id.to_octets(),
                before.number,
                state.name(),
                at.0,
                u32::from(outcome.attempted),
                due.map(|due| due.0),
                outcome.host,
                reply,
                u32::from(outcome.delay_told),
            ])
        })
        .map_err(sql("settle a recipient"))?;
    let Some(due) = due else { return Ok(None) };
    batch.news.queue = Fact::Yes;
    let line = stands_in_line(batch, (id, before.number), due)?;
    Ok(Some((line, due)))
}

/// A recipient waits until then: its line must know.
fn stands_in_line(
    batch: &Batch<'_>,
    (id, number): (SubmissionId, u32),
    due: UnixMillis,
) -> Result<Line, StoreError> {
    let line = batch
        .database
        .prepare_cached("SELECT line FROM recipient WHERE submission = ?1 AND number = ?2")
        .and_then(|mut select| select.query_row(params![id.to_octets(), number], |row| row.get(0)))
        .map_err(sql("look for a recipient's line"))?;
    batch.turns.lower(line, (due, id, number));
    Ok(line)
}

/// Counts the open recipients anew; with the last of them the queue lets go of the content, or
/// hurries to tell what there is to tell.
fn recount_open(batch: &mut Batch<'_>, id: SubmissionId, at: UnixMillis) -> Result<(), StoreError> {
    let (message, before) = standing(batch.database, id)?;
    let open = count_open(batch.database, id)?;
    batch
        .database
        .prepare_cached("UPDATE submission SET open = ?2 WHERE id = ?1 AND open <> ?2")
        .and_then(|mut update| update.execute(params![id.to_octets(), column(open as u64)]))
        .map_err(sql("count open recipients"))?;
    match (before > 0, open == 0) {
        (true, true) if untold::exists(batch.database, id)? => untold::hurry(batch, id, at),
        (true, true) => release(batch, message),
        _ => Ok(()),
    }
}

fn count_open(database: &Connection, id: SubmissionId) -> Result<usize, StoreError> {
    let failed = sql("count open recipients");
    let mut select = database
        .prepare_cached("SELECT state FROM recipient WHERE submission = ?1")
        .map_err(&failed)?;
    let mut rows = select.query([id.to_octets()]).map_err(&failed)?;
    let mut open = 0usize;
    while let Some(row) = rows.next().map_err(&failed)? {
        let state: String = row.get(0).map_err(&failed)?;
        open = open.saturating_add(usize::from(words::to_state(&state)?.is_open()));
    }
    Ok(open)
}

fn insert_attempts(
    batch: &Batch<'_>,
    id: SubmissionId,
    attempts: &[Attempt],
) -> Result<(), StoreError> {
    let failed = sql("write an attempt");
    for attempt in attempts {
        let mut facts = attempt.clone();
        let transcript = std::mem::take(&mut facts.transcript);
        batch
            .database
            .prepare_cached(
                "INSERT INTO attempt (submission, number, facts, transcript)
                 SELECT ?1, ifnull(max(number) + 1, 0), ?2, ?3 FROM attempt WHERE submission = ?1",
            )
            .and_then(|mut insert| {
                insert.execute(params![
                    id.to_octets(),
                    to_json(&facts).unwrap_or_default(),
                    transcript
                ])
            })
            .map_err(&failed)?;
    }
    Ok(())
}

/// Adds events to a submission.
pub(crate) fn record(
    batch: &mut Batch<'_>,
    id: SubmissionId,
    events: &[NewEvent],
) -> Result<(), StoreError> {
    standing(batch.database, id)?;
    let next: u32 = batch
        .database
        .prepare_cached("SELECT ifnull(max(number) + 1, 0) FROM event WHERE submission = ?1")
        .and_then(|mut select| select.query_row([id.to_octets()], |row| row.get(0)))
        .map_err(sql("count events"))?;
    insert_events(batch, id, next, events)?;
    batch.news.submissions.push(id);
    Ok(())
}

/// Does what an operator wants; the recipients that it changed.
///
/// What is leased is being tried at this moment, so that nobody can take it back now: cancelling
/// passes it over.
pub(crate) fn steer(batch: &mut Batch<'_>, steer: &Steer) -> Result<Vec<u32>, StoreError> {
    let id = steer.submission;
    let now = summary(batch.database, id)?
        .ok_or_else(|| StoreError::NotFound { what: format!("submission {id}") })?;
    let held_until = now.terms.held_until(now.accepted_at, steer.at);
    let now = now.recipients;
    let meant = |recipient: &&RecipientView| {
        steer
            .recipient
            .as_ref()
            .is_none_or(|address| address.folded() == recipient.recipient.address.folded())
    };
    if !now.iter().any(|recipient| meant(&recipient)) {
        let recipient = steer.recipient.as_ref().map(ToString::to_string).unwrap_or_default();
        return Err(StoreError::NotFound { what: format!("recipient {recipient} of {id}") });
    }
    batch.leases.expire(steer.at);
    let mut changed = Vec::new();
    let mut events = Vec::new();
    for recipient in now.iter().filter(meant) {
        let leased = batch.leases.until(id, recipient.number).is_some();
        let Some((state, due)) = steered(recipient, steer, leased) else { continue };
        // RFC 4865 §4.2: not before its release.
        if steer.action == SteerAction::Retry && held_until.is_some() {
            continue;
        }
        let due = due.map(|due| held_until.map_or(due, |release| release.max(due)));
        set_steered(batch, id, recipient.number, (state, due), steer.at)?;
        if let SteerAction::Route(to) = &steer.action {
            set_route(batch, id, recipient.number, to.as_ref())?;
        }
        if let Some(due) = due {
            stands_in_line(batch, (id, recipient.number), due)?;
        }
        changed.push(recipient.number);
        let event = NewEvent::new(steer.at, happening(&steer.action), "asked by an operator");
        events.push(event.of(recipient.number));
    }
    if !changed.is_empty() {
        if steer.action == SteerAction::CancelAndTell {
            let untold: Vec<_> =
                changed.iter().map(|number| cancelled(*number, steer.at)).collect();
            untold::insert(batch, id, &untold)?;
        }
        record(batch, id, &events)?;
        recount_open(batch, id, steer.at)?;
        batch.news.queue = Fact::Yes;
    }
    Ok(changed)
}

fn happening(action: &SteerAction) -> Happening {
    match action {
        SteerAction::Retry => Happening::RetryAsked,
        SteerAction::Hold => Happening::Held,
        SteerAction::Release => Happening::Released,
        SteerAction::Cancel | SteerAction::CancelAndTell => Happening::Cancelled,
        SteerAction::Route(to) => Happening::Rerouted { to: to.as_ref().map(ToString::to_string) },
    }
}

/// What there is to tell of somebody whom an operator took back.
fn cancelled(recipient: u32, at: UnixMillis) -> Untold {
    let news = News {
        kind: NewsKind::Cancelled,
        status: EnhancedStatus::new(5, 0, 0),
        host: None,
        reply: None,
        text: "it was taken back by the operator of the mail server".to_owned(),
        at,
        until: None,
    };
    Untold { recipient, due: at, news }
}

fn set_steered(
    batch: &Batch<'_>,
    id: SubmissionId,
    number: u32,
    (state, due): (RecipientState, Option<UnixMillis>),
    at: UnixMillis,
) -> Result<(), StoreError> {
    batch
        .database
        .prepare_cached(
            "UPDATE recipient SET state = ?3, changed_at = ?4, due = ?5
             WHERE submission = ?1 AND number = ?2",
        )
        .and_then(|mut update| {
            let due = due.map(|due| due.0);
            update.execute(params![id.to_octets(), number, state.name(), at.0, due])
        })
        .map(drop)
        .map_err(sql("steer a recipient"))
}

fn set_route(
    batch: &Batch<'_>,
    id: SubmissionId,
    number: u32,
    to: Option<&FixedRoute>,
) -> Result<(), StoreError> {
    let route = to.map(to_json).transpose()?;
    batch
        .database
        .prepare_cached("UPDATE recipient SET route = ?3 WHERE submission = ?1 AND number = ?2")
        .and_then(|mut update| update.execute(params![id.to_octets(), number, route]))
        .map(drop)
        .map_err(sql("change a recipient's route"))
}

/// What an operator's order makes of a recipient; `None`: nothing.
fn steered(
    recipient: &RecipientView,
    steer: &Steer,
    leased: bool,
) -> Option<(RecipientState, Option<UnixMillis>)> {
    let waiting =
        if recipient.attempts > 0 { RecipientState::Deferred } else { RecipientState::Queued };
    if !recipient.state.is_open() {
        return None;
    }
    match (&steer.action, recipient.state) {
        (SteerAction::Retry, RecipientState::Held) => None,
        (SteerAction::Retry, state) => Some((state, Some(steer.at))),
        (SteerAction::Hold, RecipientState::Held) => None,
        (SteerAction::Hold, _) => Some((RecipientState::Held, None)),
        (SteerAction::Release, RecipientState::Held) => Some((waiting, Some(steer.at))),
        (SteerAction::Release, _) => None,
        (SteerAction::Cancel | SteerAction::CancelAndTell, _) if leased => None,
        (SteerAction::Cancel | SteerAction::CancelAndTell, _) => {
            Some((RecipientState::Cancelled, None))
        }
        (SteerAction::Route(to), _) if *to == recipient.route => None,
        (SteerAction::Route(_), RecipientState::Held) => Some((RecipientState::Held, None)),
        (SteerAction::Route(_), state) => Some((state, Some(steer.at))),
    }
}

/// Forgets settled submissions that are older than `before`; how many.
pub(crate) fn forget_settled(batch: &mut Batch<'_>, before: UnixMillis) -> Result<u64, StoreError> {
    /// One operation forgets at most this many, so that the writer is soon free again.
    const FORGOTTEN_MAX: u32 = 10_000;
    let failed = sql("forget settled submissions");
    let ids: Vec<[u8; 16]> = {
        let mut select = batch
            .database
            .prepare_cached(
                "SELECT id FROM submission WHERE id < ?3 AND open = 0 AND accepted_at < ?1
                     AND NOT EXISTS
                         (SELECT 1 FROM recipient WHERE submission = id AND changed_at >= ?1)
                     AND NOT EXISTS (SELECT 1 FROM untold WHERE submission = id)
                 ORDER BY id LIMIT ?2",
            )
            .map_err(&failed)?;
        let values = params![before.0, FORGOTTEN_MAX, SubmissionId::first_of(before).to_octets()];
        let rows = select.query_map(values, |row| row.get(0)).map_err(&failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(&failed)?
    };
    for id in &ids {
        for statement in [
            "DELETE FROM event WHERE submission = ?1",
            "DELETE FROM attempt WHERE submission = ?1",
            "DELETE FROM recipient WHERE submission = ?1",
            "DELETE FROM submission WHERE id = ?1",
        ] {
            batch
                .database
                .prepare_cached(statement)
                .and_then(|mut delete| delete.execute([id]))
                .map_err(&failed)?;
        }
    }
    orders::forget_refusals(batch, before)?;
    Ok(ids.len() as u64)
}

/// Forgets what was said in old attempts, in one step; where it stopped.
pub(crate) fn forget_transcripts(
    batch: &Batch<'_>,
    before: UnixMillis,
    after: Option<SubmissionId>,
) -> Result<Option<SubmissionId>, StoreError> {
    /// One step looks at this many submissions, so that the writer is soon free again.
    const LOOKED_AT: u32 = 2_000;
    let failed = sql("forget transcripts");
    let after = after.map_or([0; 16], SubmissionId::to_octets);
    // An attempt is never older than its submission.
    let below = SubmissionId::first_of(before).to_octets();
    let last: Option<[u8; 16]> = batch
        .database
        .prepare_cached(
            "SELECT max(submission) FROM (SELECT DISTINCT submission FROM attempt
                 WHERE submission > ?1 AND submission < ?2 ORDER BY submission LIMIT ?3)",
        )
        .and_then(|mut select| select.query_row(params![after, below, LOOKED_AT], |row| row.get(0)))
        .map_err(&failed)?;
    let Some(last) = last else { return Ok(None) };
    batch
        .database
        .prepare_cached(
            "UPDATE attempt SET transcript = '' WHERE submission > ?1 AND submission <= ?2
                 AND transcript <> '' AND json_extract(facts, '$.ended_at') < ?3",
        )
        .and_then(|mut update| update.execute(params![after, last, before.0]))
        .map_err(&failed)?;
    Ok(Some(SubmissionId::from_octets(last)))
}
