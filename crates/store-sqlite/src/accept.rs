//! Taking responsibility for a message: its rows, checked first and then written.
//!
//! Not here: its content (`segments`), the commit (`batch`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use bytes::Bytes;
use rusqlite::{OptionalExtension, params};
use store::{
    Accept, Accepted, AccountId, Delivery, Flag, Flags, INBOX, MailboxId, MailboxRole, MessageId,
    Modseq, NewEvent, NewFate, NewMailbox, RecipientState, StoreError, SubmissionId, Uid,
    UnixMillis,
};

use crate::batch::{Batch, Fact};
use crate::database::{column, sql, to_json};
use crate::segment::Place;
use crate::segments::Alone;
use crate::{turns, words};

/// A message on its way to the writer, its content hashed already.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// What was asked for; its content was moved to `body`, its notices to `notices`.
    pub(crate) accept: Accept,
    pub(crate) body: Body,
    /// Messages that enter with it or not at all; they have none of their own.
    pub(crate) notices: Vec<Notice>,
}

/// A message of our own that enters with another.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) accept: Accept,
    pub(crate) body: Body,
}

/// Content as the writer gets it.
#[derive(Debug)]
pub(crate) enum Body {
    /// To be appended to the current segment.
    Small { octets: Bytes, blake3: [u8; 32] },
    /// In a segment of its own already, under this message's id.
    Alone { message: i64, alone: Alone },
}

impl Body {
    fn octets(&self) -> u64 {
        match self {
            Self::Small { octets, .. } => octets.len() as u64,
            Self::Alone { alone, .. } => alone.place.octets,
        }
    }

    /// Octets that the batch itself has to write.
    pub(crate) fn batch_octets(&self) -> u64 {
        match self {
            Self::Small { octets, .. } => octets.len() as u64,
            Self::Alone { .. } => 0,
        }
    }
}

/// An entry to be made, after the checks.
struct Planned {
    account: AccountId,
    mailbox: Target,
    prefix: Vec<u8>,
    flags: Flags,
}

enum Target {
    There(MailboxId),
    Missing(String),
}

/// The name under which a mailbox is kept: INBOX in any case is INBOX (RFC 9051 §5.1).
pub(crate) fn mailbox_key(name: &str) -> &str {
    if name.eq_ignore_ascii_case(INBOX) { INBOX } else { name }
}

/// What a mailbox of a usual name is for.
fn usual_role(name: &str) -> Option<MailboxRole> {
    Some(match name {
        INBOX => MailboxRole::Inbox,
        "Sent" => MailboxRole::Sent,
        "Drafts" => MailboxRole::Drafts,
        "Trash" => MailboxRole::Trash,
        "Junk" => MailboxRole::Junk,
        "Archive" => MailboxRole::Archive,
        "Reports" => MailboxRole::Reports,
        _ => return None,
    })
}

/// Accepts a message with its notices. With notices, the caller runs it in a savepoint.
pub(crate) fn accept(batch: &mut Batch<'_>, incoming: Incoming) -> Result<Accepted, StoreError> {
    let Incoming { accept, body, notices } = incoming;
    let accepted = accept_one(batch, accept, body)?;
    for Notice { accept, body } in notices {
        accept_one(batch, accept, body)?;
    }
    Ok(accepted)
}

/// Accepts one message. Everything is checked before anything is written.
pub(crate) fn accept_one(
    batch: &mut Batch<'_>,
    mut accept: Accept,
    body: Body,
) -> Result<Accepted, StoreError> {
    check_id(batch, accept.id)?;
    let planned = plan(batch, &mut accept, body.octets())?;
    let octets = body.octets();
    let (message, place, blake3) = place(batch, body)?;
    let open = accept.recipients.iter().filter(|new| !matches!(new.fate, NewFate::Deliver(_)));
    let open = open.count();
    let refs = planned.len().saturating_add(usize::from(open > 0));
    let writing = sql("write a message");
    batch
        .database
        .prepare_cached(
            "INSERT INTO message (id, segment, at, octets, blake3, refs)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                message.0,
                place.segment,
                column(place.at),
                column(octets),
                blake3,
                column(refs as u64)
            ])
        })
        .map_err(&writing)?;
    insert_submission(batch, &accept, message, octets, open)?;
    insert_recipients(batch, &accept)?;
    insert_events(batch, accept.id, 0, &accept.events)?;
    let deliveries = deliver(batch, planned, message, octets, &accept)?;
    crate::notes::write(batch, &accept.notes)?;
    if open > 0 {
        batch.news.queue = Fact::Yes;
    }
    batch.accepted = batch.accepted.saturating_add(1);
    Ok(Accepted { id: accept.id, message, deliveries })
}

fn check_id(batch: &Batch<'_>, id: SubmissionId) -> Result<(), StoreError> {
    let used = batch
        .database
        .prepare_cached("SELECT 1 FROM submission WHERE id = ?1")
        .and_then(|mut select| select.exists([id.to_octets()]))
        .map_err(sql("look for a submission"))?;
    if used { Err(StoreError::Exists { what: format!("submission {id}") }) } else { Ok(()) }
}

/// The entries to make; one for each mailbox, however many recipients lead to it.
fn plan(
    batch: &mut Batch<'_>,
    accept: &mut Accept,
    octets: u64,
) -> Result<Vec<Planned>, StoreError> {
    let refused = |reason: &str| StoreError::Refused { reason: reason.to_owned() };
    if accept.recipients.is_empty() && accept.copies.is_empty() {
        return Err(refused("a message needs a recipient"));
    }
    for note in &accept.notes {
        check_account(batch, note.account, 0)?;
    }
    let mut seen: BTreeSet<(AccountId, String)> = BTreeSet::new();
    let mut added: BTreeMap<AccountId, u64> = BTreeMap::new();
    let mut planned = Vec::new();
    let recipients = accept.recipients.iter_mut().filter_map(|new| match &mut new.fate {
        NewFate::Deliver(delivery) => Some(delivery),
        NewFate::Queue { .. } | NewFate::Hold => None,
    });
    let own = recipients.map(|delivery| (Counted::Once, delivery));
    let copies = accept.copies.iter_mut().map(|copy| (Counted::EachTime, copy));
    for (counted, delivery) in own.chain(copies) {
        let name = mailbox_key(&delivery.mailbox);
        if name.is_empty() {
            return Err(refused("a mailbox needs a name"));
        }
        if counted == Counted::Once && !seen.insert((delivery.account, name.to_owned())) {
            continue;
        }
        let size = octets.saturating_add(delivery.prefix.len() as u64);
        let total = added.entry(delivery.account).or_default();
        *total = total.saturating_add(size);
        check_account(batch, delivery.account, *total)?;
        let mailbox = match batch.mailbox_named(delivery.account, name)? {
            Some(id) => {
                check_uid(batch, id)?;
                Target::There(id)
            }
            None => Target::Missing(name.to_owned()),
        };
        planned.push(Planned {
            account: delivery.account,
            mailbox,
            prefix: std::mem::take(&mut delivery.prefix),
            flags: std::mem::take(&mut delivery.flags),
        });
    }
    Ok(planned)
}

/// Whether several deliveries to one mailbox make one entry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counted {
    Once,
    EachTime,
}

fn check_account(batch: &mut Batch<'_>, id: AccountId, more: u64) -> Result<(), StoreError> {
    let Some(account) = batch.account(id)? else {
        return Err(StoreError::NotFound { what: format!("account {}", id.0) });
    };
    let over =
        account.quota_octets.is_some_and(|quota| account.octets.saturating_add(more) > quota);
    if over { Err(StoreError::OverQuota { address: account.address.clone() }) } else { Ok(()) }
}

/// UIDs are never used twice, so they can run out (RFC 9051 §2.3.1.1).
fn check_uid(batch: &mut Batch<'_>, id: MailboxId) -> Result<(), StoreError> {
    /// Enough for every entry that one accept can make in a mailbox.
    const RESERVE: i64 = 1 << 20;
    if batch.mailbox(id)?.uid_next < i64::from(u32::MAX) - RESERVE {
        return Ok(());
    }
    Err(StoreError::Refused { reason: format!("mailbox {} has no UIDs left", id.0) })
}

fn place(batch: &mut Batch<'_>, body: Body) -> Result<(MessageId, Place, [u8; 32]), StoreError> {
    match body {
        Body::Small { octets, blake3 } => {
            let message = batch.message_next.fetch_add(1, Ordering::Relaxed);
            let place = batch.appender.append(message, &octets)?;
            batch.add_live(place.segment, place.record_octets());
            Ok((MessageId(message), place, blake3))
        }
        Body::Alone { message, alone } => {
            let (place, blake3) = (alone.place, alone.blake3);
            batch.keep_alone(alone);
            Ok((MessageId(message), place, blake3))
        }
    }
}

fn insert_submission(
    batch: &Batch<'_>,
    accept: &Accept,
    message: MessageId,
    octets: u64,
    open: usize,
) -> Result<(), StoreError> {
    let origin = to_json(&accept.origin)?;
    let terms = (!accept.terms.is_plain()).then(|| to_json(&accept.terms)).transpose()?;
    batch
        .database
        .prepare_cached(
            "INSERT INTO submission (id, accepted_at, origin, reverse_path, ret, envelope_id, body,
                 message_id, message, octets, open, terms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                accept.id.to_octets(),
                accept.at.0,
                origin,
                accept.reverse_path.address().map(ToString::to_string).unwrap_or_default(),
                accept.ret.map(words::ret),
                accept.envelope_id.as_ref().map(|id| id.as_str()),
                words::body(accept.body),
                accept.message_id,
                message.0,
                column(octets),
                column(open as u64),
                terms,
            ])
        })
        .map_err(sql("write a submission"))?;
    Ok(())
}

fn insert_recipients(batch: &Batch<'_>, accept: &Accept) -> Result<(), StoreError> {
    let failed = sql("write a recipient");
    let mut insert = batch
        .database
        .prepare_cached(
            "INSERT INTO recipient (submission, number, address, notify, original, expanded_from,
                 state, changed_at, attempts, due, line, delay_told)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10, 0)",
        )
        .map_err(&failed)?;
    let of_sender = turns::lines_of_sender(
        accept.terms.priority.urgency(),
        accept.origin.account,
        &accept.reverse_path,
    );
    for (number, new) in (0u32..).zip(&accept.recipients) {
        let (state, due, line) = match new.fate {
            NewFate::Deliver(_) => (RecipientState::Delivered, None, 0),
            NewFate::Queue { due } => {
                let line = turns::line(of_sender, new.recipient.address.domain());
                batch.turns.lower(line, (due, accept.id, number));
                (RecipientState::Queued, Some(due.0), line)
            }
            NewFate::Hold => {
                let line = turns::line(of_sender, new.recipient.address.domain());
                (RecipientState::Held, None, line)
            }
        };
        insert
            .execute(params![
                accept.id.to_octets(),
                number,
                new.recipient.address.to_string(),
                new.recipient.notify.map(|notify| notify.to_string()),
                new.recipient.original.as_ref().map(|original| original.to_parameter()),
                new.expanded_from.as_ref().map(ToString::to_string),
                state.name(),
                accept.at.0,
                due,
                line,
            ])
            .map_err(&failed)?;
    }
    Ok(())
}

/// Writes events, the first of them under `number`.
pub(crate) fn insert_events(
    batch: &Batch<'_>,
    submission: SubmissionId,
    number: u32,
    events: &[NewEvent],
) -> Result<(), StoreError> {
    let failed = sql("write an event");
    let mut insert = batch
        .database
        .prepare_cached(
            "INSERT INTO event (submission, number, at, recipient, happening, reason)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .map_err(&failed)?;
    for (number, event) in (number..).zip(events) {
        insert
            .execute(params![
                submission.to_octets(),
                number,
                event.at.0,
                event.recipient,
                to_json(&event.happening)?,
                event.reason,
            ])
            .map_err(&failed)?;
    }
    Ok(())
}

fn deliver(
    batch: &mut Batch<'_>,
    planned: Vec<Planned>,
    message: MessageId,
    content_octets: u64,
    accept: &Accept,
) -> Result<Vec<Delivery>, StoreError> {
    let mut deliveries = Vec::with_capacity(planned.len());
    if planned.is_empty() {
        return Ok(deliveries);
    }
    let modseq = batch.next_modseq();
    for Planned { account, mailbox, prefix, flags } in planned {
        let mailbox = match mailbox {
            Target::There(id) => id,
            // Two entries of one accept may need the same one.
            Target::Missing(name) => match batch.mailbox_named(account, &name)? {
                Some(id) => id,
                None => {
                    let role = free_role(batch, account, &name)?;
                    make_mailbox(batch, account, &NewMailbox { name, role }, modseq)?
                }
            },
        };
        let octets = content_octets.saturating_add(prefix.len() as u64);
        let uid_raw = batch.mailbox(mailbox)?.uid_next;
        let uid = u32::try_from(uid_raw).ok().and_then(Uid::new).ok_or_else(|| {
            StoreError::Refused { reason: format!("mailbox {} has no UIDs left", mailbox.0) }
        })?;
        insert_entry(
            batch,
            &EntryRow {
                account,
                mailbox,
                uid,
                message,
                prefix: &prefix,
                octets,
                modseq,
                flags: &flags,
                submission: accept.id,
                at: accept.at,
            },
        )?;
        batch.change_mailbox(mailbox, |row| {
            row.uid_next = row.uid_next.saturating_add(1);
            row.modseq = modseq;
            row.messages = row.messages.saturating_add(1);
            row.octets = row.octets.saturating_add(octets);
            row.unseen = row.unseen.saturating_add(u64::from(!flags.contains(Flag::Seen)));
        })?;
        deliveries.push(Delivery { account, mailbox, uid, modseq });
    }
    Ok(deliveries)
}

struct EntryRow<'a> {
    account: AccountId,
    mailbox: MailboxId,
    uid: Uid,
    message: MessageId,
    submission: SubmissionId,
    prefix: &'a [u8],
    octets: u64,
    at: UnixMillis,
    modseq: Modseq,
    flags: &'a Flags,
}

fn insert_entry(batch: &Batch<'_>, row: &EntryRow<'_>) -> Result<(), StoreError> {
    let keywords = words::keywords(row.flags)?;
    batch
        .database
        .prepare_cached(
            "INSERT INTO entry (mailbox, uid, account, message, submission, prefix, octets,
                 delivered_at, born, modseq, flags, keywords)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10, ?11)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                row.mailbox.0,
                row.uid.get(),
                row.account.0,
                row.message.0,
                row.submission.to_octets(),
                row.prefix,
                column(row.octets),
                row.at.0,
                column(row.modseq.0),
                row.flags.bits(),
                keywords,
            ])
        })
        .map_err(sql("write an entry"))?;
    Ok(())
}

/// The usual role of a name, unless another mailbox of the account has it.
fn free_role(
    batch: &Batch<'_>,
    account: AccountId,
    name: &str,
) -> Result<Option<MailboxRole>, StoreError> {
    let Some(role) = usual_role(name) else { return Ok(None) };
    let taken = batch
        .database
        .prepare_cached("SELECT 1 FROM mailbox WHERE account = ?1 AND role = ?2")
        .and_then(|mut select| select.exists(params![account.0, words::role(role)]))
        .map_err(sql("look for a mailbox"))?;
    Ok((!taken).then_some(role))
}

/// Makes a mailbox.
pub(crate) fn make_mailbox(
    batch: &mut Batch<'_>,
    account: AccountId,
    mailbox: &NewMailbox,
    modseq: Modseq,
) -> Result<MailboxId, StoreError> {
    let uid_validity = batch.next_uid_validity()?;
    let id: Option<i64> = batch
        .database
        .prepare_cached(
            "INSERT INTO mailbox (account, name, role, uid_validity, uid_next, modseq, messages,
                 octets, unseen)
             VALUES (?1, ?2, ?3, ?4, 1, ?5, 0, 0, 0) ON CONFLICT DO NOTHING RETURNING id",
        )
        .and_then(|mut insert| {
            let values = params![
                account.0,
                mailbox_key(&mailbox.name),
                mailbox.role.map(words::role),
                uid_validity,
                column(modseq.0)
            ];
            insert.query_row(values, |row| row.get(0)).optional()
        })
        .map_err(sql("make a mailbox"))?;
    let id = id.ok_or_else(|| StoreError::Exists { what: format!("mailbox {}", mailbox.name) })?;
    batch.news.accounts.insert(account, modseq);
    Ok(MailboxId(id))
}
