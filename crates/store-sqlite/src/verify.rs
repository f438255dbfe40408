//! Reading everything and telling what is wrong.
//!
//! First the rows among themselves (`rules`), then each message's content against its checksums,
//! then the segment files against their rows. One thing that is damaged hides no other.
//!
//! Not here: what must hold between the rows (`rules`).

mod rules;

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::{Connection, Row, params};
use store::{Finding, MessageId, Pending, Repair, StoreError, VerifyReport};

use crate::SqliteStore;
use crate::database::{number, sql};
use crate::mailboxes::place;
use crate::readers::snapshot;
use crate::segment::{FILE_HEADER_OCTETS, Place};
use crate::segments::{READ_OCTETS_MAX, Segments};

/// Messages of one read transaction; so that a long verification keeps no checkpoint waiting.
const MESSAGES_MAX: u32 = 500;

/// How often the search is repeated after repairs; a repair may break another rule, but no chain
/// of them is longer.
const ROUNDS_MAX: usize = 4;

/// Reads the whole store.
pub(crate) fn verify(store: &SqliteStore, repair: Repair) -> Pending<'_, VerifyReport> {
    Box::pin(async move {
        let mut findings = search(store, rules::check_all).await?;
        // Repairs of what SQLite cannot read rightly would only spread the damage.
        let broken = findings.iter().any(|finding| finding.rule == rules::DATABASE);
        let repair = if broken { Repair::No } else { repair };
        if repair != Repair::No {
            mend(store, repair, &mut findings).await?;
        }
        let segments = Arc::clone(&store.shared.segments);
        let files = move |connection: &mut Connection| files(connection, &segments, repair);
        let mut report = store.aside(&store.verifiers, files).await?;
        findings.append(&mut report.findings);
        report.findings = findings;
        Ok(report)
    })
}

/// Applies rules to one commit.
fn search(
    store: &SqliteStore,
    rules: fn(&Connection) -> Result<Vec<Finding>, StoreError>,
) -> Pending<'_, Vec<Finding>> {
    store.aside(&store.verifiers, move |connection| snapshot(connection, rules))
}

/// Mends what rules found broken, and what a repair brings to light. Only the repairs themselves
/// are done by the writer: whoever wants to accept does not wait for the search.
async fn mend(
    store: &SqliteStore,
    repair: Repair,
    findings: &mut Vec<Finding>,
) -> Result<(), StoreError> {
    for _ in 0..ROUNDS_MAX {
        let broken = rules::mendable(findings, repair);
        if broken.is_empty() {
            break;
        }
        let mending = broken.clone();
        store.write(move |batch| rules::repair(batch, &mending)).await?;
        let left = search(store, rules::check).await?;
        for finding in findings.iter_mut().filter(|one| broken.contains(&one.rule)) {
            finding.repaired = !left.contains(finding);
        }
        let new: Vec<_> = left.into_iter().filter(|one| !findings.contains(one)).collect();
        findings.extend(new);
    }
    Ok(())
}

/// Reads all of a copy that nobody changes; content of other copies may be among its files.
pub(crate) fn verify_copy(
    database: &mut Connection,
    segments: &Segments,
) -> Result<VerifyReport, StoreError> {
    let mut findings = snapshot(database, rules::check_all)?;
    let mut report = contents(database, segments)?;
    findings.append(&mut report.findings);
    report.findings = findings;
    Ok(report)
}

fn files(
    connection: &mut Connection,
    segments: &Segments,
    repair: Repair,
) -> Result<VerifyReport, StoreError> {
    let mut report = contents(connection, segments)?;
    check_files(connection, segments, repair, &mut report)?;
    Ok(report)
}

/// All content, and how many rows there are.
fn contents(connection: &mut Connection, segments: &Segments) -> Result<VerifyReport, StoreError> {
    let mut report = VerifyReport::default();
    let mut after = 0;
    loop {
        let stored = snapshot(connection, |database| stored(database, after))?;
        let Some(last) = stored.last() else { break };
        after = last.id;
        for message in &stored {
            check_message(connection, segments, message, &mut report)?;
        }
    }
    let counting = sql("count rows");
    let count = |statement: &str| {
        connection.query_row(statement, [], |row| row.get(0)).map(number).map_err(&counting)
    };
    report.entries = count("SELECT count(*) FROM entry")?;
    report.submissions = count("SELECT count(*) FROM submission")?;
    Ok(report)
}

/// A message's row.
struct Stored {
    id: i64,
    place: Place,
    blake3: Vec<u8>,
}

fn stored(database: &Connection, after: i64) -> Result<Vec<Stored>, StoreError> {
    let failed = sql("read messages");
    let mut select = database
        .prepare_cached(
            "SELECT id, segment, at, octets, blake3 FROM message WHERE id > ?1
             ORDER BY id LIMIT ?2",
        )
        .map_err(&failed)?;
    let row = |row: &Row<'_>| {
        Ok(Stored {
            id: row.get(0)?,
            place: Place {
                segment: row.get(1)?,
                at: number(row.get(2)?),
                octets: number(row.get(3)?),
            },
            blake3: row.get(4)?,
        })
    };
    let rows = select.query_map(params![after, MESSAGES_MAX], row).map_err(&failed)?;
    rows.collect::<rusqlite::Result<_>>().map_err(&failed)
}

fn check_message(
    connection: &Connection,
    segments: &Segments,
    message: &Stored,
    report: &mut VerifyReport,
) -> Result<(), StoreError> {
    let read = check_content(segments, message);
    report.messages = report.messages.saturating_add(1);
    report.octets = report.octets.saturating_add(message.place.octets);
    let Err((rule, error)) = read else { return Ok(()) };
    // It may have been removed or moved while we read.
    if place(connection, MessageId(message.id))? != Some(message.place) {
        return Ok(());
    }
    report.findings.push(Finding {
        rule: rule.to_owned(),
        place: format!(
            "message {} in segment {} at {}",
            message.id, message.place.segment, message.place.at
        ),
        found: error,
        repaired: false,
    });
    Ok(())
}

fn check_content(segments: &Segments, message: &Stored) -> Result<(), (&'static str, String)> {
    let text = |error: StoreError| error.to_string();
    segments
        .check_header(message.place, message.id)
        .map_err(|error| ("content-header", text(error)))?;
    let mut hasher = blake3::Hasher::new();
    let mut offset = 0;
    while offset < message.place.octets {
        let octets = segments
            .read(message.place, offset, READ_OCTETS_MAX)
            .map_err(|error| ("content-checksum", text(error)))?;
        hasher.update(&octets);
        offset = offset.saturating_add(octets.len() as u64);
    }
    if hasher.finalize().as_bytes().as_slice() != message.blake3 {
        return Err(("content-hash", "the content is not the one that was accepted".to_owned()));
    }
    Ok(())
}

/// Files without rows. Rows without files show in the messages that need them.
fn check_files(
    connection: &Connection,
    segments: &Segments,
    repair: Repair,
    report: &mut VerifyReport,
) -> Result<(), StoreError> {
    let files = segments.files()?;
    report.files = files.len() as u64;
    // In this order: a file of the list has a row by now, or was going to get one then.
    let expected = segments.unlisted();
    let failed = sql("read segments");
    let mut select = connection.prepare_cached("SELECT id FROM segment").map_err(&failed)?;
    let rows = select.query_map([], |row| row.get(0)).map_err(&failed)?;
    let listed = rows.collect::<rusqlite::Result<BTreeSet<u32>>>().map_err(&failed)?;
    for number in files.difference(&listed) {
        if expected.contains(number) || !segments.exists(*number) {
            continue;
        }
        let remove = match repair {
            Repair::No => false,
            Repair::Yes => !segments.holds_record(*number, FILE_HEADER_OCTETS as u64),
            Repair::Remove => true,
        };
        if remove {
            segments.discard(*number);
        }
        report.findings.push(Finding {
            rule: "segment-needless".to_owned(),
            place: format!("segment {number}"),
            found: "no row names it".to_owned(),
            repaired: remove,
        });
    }
    Ok(())
}
