//! Reading mailboxes and their entries, and changing flags.
//!
//! Standards: RFC 9051 §2.3 (UIDs, flags), RFC 7162 (MODSEQ).
//! Not here: making entries (`accept`), removing messages (`remove`).

use std::num::NonZeroU32;

use rusqlite::{Connection, OptionalExtension, Row, params};
use store::{
    AccountId, AccountUse, Changes, Entry, Flag, FlagChange, Mailbox, MailboxId, MessageId, Modseq,
    StoreError, SubmissionId, Uid, UidValidity, UnixMillis,
};

use crate::batch::Batch;
use crate::database::{column, damaged, number, sql};
use crate::segment::Place;
use crate::words;

/// Columns of [`entry_row`], in its order.
const ENTRY: &str = "mailbox, uid, message, submission, prefix, octets, delivered_at, modseq, \
                     flags, keywords";

fn uid(raw: i64) -> Result<Uid, StoreError> {
    let uid = u32::try_from(raw).ok().and_then(NonZeroU32::new);
    uid.and_then(|uid| Uid::new(uid.get()))
        .ok_or_else(|| damaged("an entry", format!("{raw} is no UID")))
}

/// What every read of an account's things begins with.
fn check_account(database: &Connection, account: AccountId) -> Result<(), StoreError> {
    let there = database
        .prepare_cached("SELECT 1 FROM account WHERE id = ?1")
        .and_then(|mut select| select.exists([account.0]))
        .map_err(sql("look for an account"))?;
    let what = || StoreError::NotFound { what: format!("account {}", account.0) };
    there.then_some(()).ok_or_else(what)
}

fn check_mailbox(
    database: &Connection,
    account: AccountId,
    mailbox: MailboxId,
) -> Result<(), StoreError> {
    let there = database
        .prepare_cached("SELECT 1 FROM mailbox WHERE id = ?1 AND account = ?2")
        .and_then(|mut select| select.exists([mailbox.0, account.0]))
        .map_err(sql("look for a mailbox"))?;
    let what = || StoreError::NotFound { what: format!("mailbox {}", mailbox.0) };
    there.then_some(()).ok_or_else(what)
}

const MAILBOX: &str =
    "id, account, name, role, uid_validity, uid_next, modseq, messages, octets, unseen";

fn mailbox_row(row: &Row<'_>) -> rusqlite::Result<Mailbox> {
    let role: Option<String> = row.get(3)?;
    let uid_next = u32::try_from(row.get::<_, i64>(5)?).ok().and_then(Uid::new);
    Ok(Mailbox {
        id: MailboxId(row.get(0)?),
        account: AccountId(row.get(1)?),
        name: row.get(2)?,
        role: role.as_deref().and_then(words::to_role),
        uid_validity: UidValidity(row.get(4)?),
        uid_next: uid_next.unwrap_or(Uid::FIRST),
        modseq: Modseq(number(row.get(6)?)),
        messages: number(row.get(7)?),
        octets: number(row.get(8)?),
        unseen: number(row.get(9)?),
    })
}

/// Mailboxes of an account, by name.
pub(crate) fn mailboxes(
    database: &Connection,
    account: AccountId,
) -> Result<Vec<Mailbox>, StoreError> {
    check_account(database, account)?;
    let failed = sql("read mailboxes");
    let mut select = database
        .prepare_cached(&format!("SELECT {MAILBOX} FROM mailbox WHERE account = ?1 ORDER BY name"))
        .map_err(&failed)?;
    let rows = select.query_map([account.0], mailbox_row).map_err(&failed)?;
    rows.collect::<rusqlite::Result<_>>().map_err(&failed)
}

/// One mailbox.
pub(crate) fn mailbox(database: &Connection, id: MailboxId) -> Result<Mailbox, StoreError> {
    database
        .prepare_cached(&format!("SELECT {MAILBOX} FROM mailbox WHERE id = ?1"))
        .and_then(|mut select| select.query_row([id.0], mailbox_row).optional())
        .map_err(sql("read a mailbox"))?
        .ok_or_else(|| StoreError::NotFound { what: format!("mailbox {}", id.0) })
}

fn entry_row(row: &Row<'_>) -> Result<Entry, StoreError> {
    let failed = sql("read an entry");
    let keywords: Option<String> = row.get(9).map_err(&failed)?;
    Ok(Entry {
        mailbox: MailboxId(row.get(0).map_err(&failed)?),
        uid: uid(row.get(1).map_err(&failed)?)?,
        message: MessageId(row.get(2).map_err(&failed)?),
        submission: SubmissionId::from_octets(row.get(3).map_err(&failed)?),
        prefix: row.get(4).map_err(&failed)?,
        octets: number(row.get(5).map_err(&failed)?),
        delivered_at: UnixMillis(row.get(6).map_err(&failed)?),
        modseq: Modseq(number(row.get(7).map_err(&failed)?)),
        flags: words::to_flags(row.get(8).map_err(&failed)?, keywords.as_deref())?,
    })
}

/// All entries of a mailbox, by UID.
pub(crate) fn entries(
    database: &Connection,
    account: AccountId,
    mailbox: MailboxId,
) -> Result<Vec<Entry>, StoreError> {
    check_mailbox(database, account, mailbox)?;
    let failed = sql("read entries");
    let mut select = database
        .prepare_cached(&format!("SELECT {ENTRY} FROM entry WHERE mailbox = ?1 ORDER BY uid"))
        .map_err(&failed)?;
    let mut rows = select.query([mailbox.0]).map_err(&failed)?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next().map_err(&failed)? {
        entries.push(entry_row(row)?);
    }
    Ok(entries)
}

/// One entry.
pub(crate) fn entry(
    database: &Connection,
    account: AccountId,
    mailbox: MailboxId,
    uid: Uid,
) -> Result<Option<Entry>, StoreError> {
    let failed = sql("read an entry");
    let mut select = database
        .prepare_cached(&format!(
            "SELECT {ENTRY} FROM entry WHERE mailbox = ?1 AND uid = ?2 AND account = ?3"
        ))
        .map_err(&failed)?;
    let mut rows = select.query(params![mailbox.0, uid.get(), account.0]).map_err(&failed)?;
    rows.next().map_err(&failed)?.map(entry_row).transpose()
}

/// Where a message's content is; `None`: there is no such message.
pub(crate) fn place(
    database: &Connection,
    message: MessageId,
) -> Result<Option<Place>, StoreError> {
    database
        .prepare_cached("SELECT segment, at, octets FROM message WHERE id = ?1")
        .and_then(|mut select| {
            let row = |row: &Row<'_>| {
                Ok(Place {
                    segment: row.get(0)?,
                    at: number(row.get(1)?),
                    octets: number(row.get(2)?),
                })
            };
            select.query_row([message.0], row).optional()
        })
        .map_err(sql("find a message"))
}

/// Up to where messages' rows name records of a segment.
pub(crate) fn named_end(database: &Connection, segment: u32) -> Result<u64, StoreError> {
    let failed = sql("find the end of a segment");
    let mut select = database
        .prepare("SELECT at, octets FROM message WHERE segment = ?1 ORDER BY at DESC LIMIT 1")
        .map_err(&failed)?;
    let last = select
        .query_row([segment], |row| {
            Ok(Place { segment, at: number(row.get(0)?), octets: number(row.get(1)?) })
        })
        .optional()
        .map_err(&failed)?;
    Ok(last.map_or(0, |place| place.at.saturating_add(place.record_octets())))
}

/// What changed in an account after `since`.
pub(crate) fn changes(
    database: &Connection,
    account: AccountId,
    since: Modseq,
) -> Result<Changes, StoreError> {
    check_account(database, account)?;
    let failed = sql("read changes");
    let up_to: i64 = database
        .prepare_cached("SELECT modseq FROM numbers")
        .and_then(|mut select| select.query_row([], |row| row.get(0)))
        .map_err(&failed)?;
    let mut changed = entries_changed(database, account, since)?;
    entries_born(database, account, since, &mut changed)?;
    changed.sort_unstable_by_key(|entry| (entry.modseq, entry.mailbox, entry.uid));
    let mut select = database
        .prepare_cached(
            "SELECT mailbox, uid, modseq FROM expunged WHERE account = ?1 AND modseq > ?2
             ORDER BY modseq, mailbox, uid",
        )
        .map_err(&failed)?;
    let mut rows = select.query(params![account.0, column(since.0)]).map_err(&failed)?;
    let mut expunged = Vec::new();
    while let Some(row) = rows.next().map_err(&failed)? {
        expunged.push((
            MailboxId(row.get(0).map_err(&failed)?),
            uid(row.get(1).map_err(&failed)?)?,
            Modseq(number(row.get(2).map_err(&failed)?)),
        ));
    }
    Ok(Changes { changed, expunged, up_to: Modseq(number(up_to)) })
}

/// Entries that changed after they came.
fn entries_changed(
    database: &Connection,
    account: AccountId,
    since: Modseq,
) -> Result<Vec<Entry>, StoreError> {
    let failed = sql("read changes");
    let mut select = database
        .prepare_cached(&format!(
            "SELECT {ENTRY} FROM entry WHERE account = ?1 AND modseq > ?2 AND modseq <> born"
        ))
        .map_err(&failed)?;
    let mut rows = select.query(params![account.0, column(since.0)]).map_err(&failed)?;
    let mut changed = Vec::new();
    while let Some(row) = rows.next().map_err(&failed)? {
        changed.push(entry_row(row)?);
    }
    Ok(changed)
}

/// Entries that came after `since` and never changed: the last ones of their mailboxes.
fn entries_born(
    database: &Connection,
    account: AccountId,
    since: Modseq,
    found: &mut Vec<Entry>,
) -> Result<(), StoreError> {
    let failed = sql("read changes");
    let mut select = database
        .prepare_cached("SELECT id FROM mailbox WHERE account = ?1 AND modseq > ?2")
        .map_err(&failed)?;
    let mailboxes = select
        .query_map(params![account.0, column(since.0)], |row| row.get(0))
        .and_then(Iterator::collect::<rusqlite::Result<Vec<i64>>>)
        .map_err(&failed)?;
    let mut select = database
        .prepare_cached(&format!(
            "SELECT {ENTRY}, born FROM entry WHERE mailbox = ?1 ORDER BY uid DESC"
        ))
        .map_err(&failed)?;
    for mailbox in mailboxes {
        let mut rows = select.query([mailbox]).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            let born = Modseq(number(row.get(10).map_err(&failed)?));
            if born <= since {
                break; // so are all before it
            }
            let entry = entry_row(row)?;
            if entry.modseq == born {
                found.push(entry);
            }
        }
    }
    Ok(())
}

/// How much an account holds.
pub(crate) fn account_use(
    database: &Connection,
    account: AccountId,
) -> Result<AccountUse, StoreError> {
    check_account(database, account)?;
    database
        .prepare_cached(
            "SELECT ifnull(sum(messages), 0), ifnull(sum(octets), 0) FROM mailbox
             WHERE account = ?1",
        )
        .and_then(|mut select| {
            select.query_row([account.0], |row| {
                Ok(AccountUse { messages: number(row.get(0)?), octets: number(row.get(1)?) })
            })
        })
        .map_err(sql("read what an account holds"))
}

/// Changes flags of entries; the mailbox's newest modseq.
pub(crate) fn set_flags(
    batch: &mut Batch<'_>,
    account: AccountId,
    mailbox: MailboxId,
    uids: &[Uid],
    change: &FlagChange,
) -> Result<Modseq, StoreError> {
    check_mailbox(batch.database, account, mailbox)?;
    let mut modseq = None;
    for uid in uids {
        let Some(entry) = entry(batch.database, account, mailbox, *uid)? else { continue };
        let flags = change.apply(&entry.flags);
        if flags == entry.flags {
            continue;
        }
        let modseq = *modseq.get_or_insert_with(|| batch.next_modseq());
        batch
            .database
            .prepare_cached(
                "UPDATE entry SET flags = ?3, keywords = ?4, modseq = ?5
                 WHERE mailbox = ?1 AND uid = ?2",
            )
            .and_then(|mut update| {
                let keywords = words::keywords(&flags).unwrap_or_default();
                let modseq = column(modseq.0);
                update.execute(params![mailbox.0, uid.get(), flags.bits(), keywords, modseq])
            })
            .map_err(sql("change flags"))?;
        let was_unseen = u64::from(!entry.flags.contains(Flag::Seen));
        let is_unseen = u64::from(!flags.contains(Flag::Seen));
        batch.change_mailbox(mailbox, |row| {
            row.modseq = modseq;
            row.unseen = row.unseen.saturating_sub(was_unseen).saturating_add(is_unseen);
        })?;
    }
    match modseq {
        Some(modseq) => Ok(modseq),
        None => Ok(batch.mailbox(mailbox)?.modseq),
    }
}

/// Removes entries; the mailbox's newest modseq.
pub(crate) fn expunge(
    batch: &mut Batch<'_>,
    account: AccountId,
    mailbox: MailboxId,
    uids: &[Uid],
) -> Result<Modseq, StoreError> {
    check_mailbox(batch.database, account, mailbox)?;
    let mut modseq = None;
    for uid in uids {
        let Some(entry) = entry(batch.database, account, mailbox, *uid)? else { continue };
        let modseq = *modseq.get_or_insert_with(|| batch.next_modseq());
        let failed = sql("remove an entry");
        batch
            .database
            .prepare_cached("DELETE FROM entry WHERE mailbox = ?1 AND uid = ?2")
            .and_then(|mut delete| delete.execute(params![mailbox.0, uid.get()]))
            .map_err(&failed)?;
        batch
            .database
            .prepare_cached(
                "INSERT INTO expunged (account, modseq, mailbox, uid) VALUES (?1, ?2, ?3, ?4)",
            )
            .and_then(|mut insert| {
                insert.execute(params![account.0, column(modseq.0), mailbox.0, uid.get()])
            })
            .map_err(&failed)?;
        batch.change_mailbox(mailbox, |row| {
            row.modseq = modseq;
            row.messages = row.messages.saturating_sub(1);
            row.octets = row.octets.saturating_sub(entry.octets);
            let unseen = u64::from(!entry.flags.contains(Flag::Seen));
            row.unseen = row.unseen.saturating_sub(unseen);
        })?;
        release(batch, entry.message)?;
    }
    match modseq {
        Some(modseq) => Ok(modseq),
        None => Ok(batch.mailbox(mailbox)?.modseq),
    }
}

/// Takes one reference from a message; without any it is forgotten, and its content is dead.
pub(crate) fn release(batch: &mut Batch<'_>, message: MessageId) -> Result<(), StoreError> {
    let failed = sql("release a message");
    let refs: Option<i64> = batch
        .database
        .prepare_cached("UPDATE message SET refs = refs - 1 WHERE id = ?1 RETURNING refs")
        .and_then(|mut update| update.query_row([message.0], |row| row.get(0)).optional())
        .map_err(&failed)?;
    if refs.is_none_or(|refs| refs > 0) {
        return Ok(());
    }
    if let Some(place) = place(batch.database, message)? {
        batch
            .database
            .prepare_cached("DELETE FROM message WHERE id = ?1")
            .and_then(|mut delete| delete.execute([message.0]))
            .map_err(&failed)?;
        batch.drop_live(place.segment, place.record_octets());
    }
    Ok(())
}
