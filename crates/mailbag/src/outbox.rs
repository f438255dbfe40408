//! The outbox: what is to be sent is in the store, synced, before the first octet goes out.
//!
//! ```text
//!   put ─COMMIT─▶ queued ─▶ (mark: about to hand over, COMMIT) ─▶ final dot ─▶ reply ─COMMIT─▶
//!                    ▲              │ crash, silence                   accepted | failed
//!                    └── deferred ◀─┼──────── 4yz, network ◀───────────┘
//!                                   └─▶ unknown: never sent again by itself
//! ```
//!
//! *Unknown* is the store's state `held`: nothing else in a mailbag holds a recipient.
//!
//! Standards: RFC 6409 (submission), RFC 3461 §5.2 (asking for notices), RFC 5321 §4.5.4.1.
//! Not here: the conversation ([`submit`](crate::submit)), later news
//! ([`report`](crate::report)).

use std::time::Duration;

use envelope::{BodyType, Envelope, EnvelopeId, Notify, OriginalRecipient, Recipient, Return};
use sasl::Password;
use store::{
    Accept, AccountId, Attempt, Finish, Flag, Flags, Happening, LocalDelivery, NewEvent, NewFate,
    NewRecipient, Origin, OriginKind, Outcome, QueueFilter, RecipientState, RecipientView, Steer,
    SteerAction, StoreError, SubmissionId, Summary, UnixMillis,
};

use crate::account::Account;
use crate::card::Card;
use crate::compose::{self, Composed};
use crate::dial::{ServerError, chain};
use crate::fault::Fault;
use crate::local::{Bag, LocalStore, SENT};
use crate::submit::{Fate, Parcel, Sent, Submitter};

/// Pause before the second attempt; it doubles from there.
const PAUSE_FIRST: Duration = Duration::from_secs(10);
/// Longest pause between attempts.
const PAUSE_MAX: Duration = Duration::from_secs(30 * 60);
/// After so long we tell that it cannot be sent (RFC 5321 §4.5.4.1: 4 to 5 days).
const EXPIRY: Duration = Duration::from_secs(5 * 24 * 60 * 60);
/// But not before so many attempts: a clock that jumps gives nothing up.
const EXPIRY_ATTEMPTS_MIN: u32 = 10;
/// Most recipients of one transaction: every server takes so many (RFC 5321 §4.5.3.1.8).
const RECIPIENTS_MAX: usize = 100;

/// Written beside an acceptance by a server without DSN; tracking tells it.
pub const NO_DSN: &str = "the server offers no delivery notices";

/// Which letters to send now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those whose time has come.
    Due,
    /// All that wait, since somebody asks for it.
    Waiting,
    /// One.
    Only(SubmissionId),
}

/// What a round of sending did.
#[derive(Debug, Default)]
pub struct Round {
    /// Letters of which something was tried.
    pub tried: Vec<SubmissionId>,
    /// Why the server could not be used at all.
    pub trouble: Option<ServerError>,
}

/// Puts a letter into the outbox, and its copy into Sent, in one commit.
///
/// # Errors
///
/// The letter is not in the outbox then.
pub async fn put(
    local: &LocalStore,
    account: &Account,
    letter: Composed,
) -> Result<SubmissionId, Fault> {
    let owner = local.account(&account.address).await?;
    let id = local.new_id();
    let at = local.now();
    let card = Card::of_content(&letter.content);
    let mut flags = Flags::default();
    flags.insert(Flag::Seen);
    let octets = u64::try_from(letter.content.len()).unwrap_or(u64::MAX);
    let body = match letter.content.is_ascii() {
        true => BodyType::SevenBit,
        false => BodyType::EightBitMime,
    };
    let recipients = letter.recipients.into_iter().map(|address| NewRecipient {
        recipient: Recipient {
            notify: Some(Notify::ALL),
            original: OriginalRecipient::rfc822(&address.to_string()).ok(),
            address,
        },
        expanded_from: None,
        fate: NewFate::Queue { due: at },
    });
    let received = Happening::Received {
        protocol: None,
        peer: None,
        helo: None,
        tls: None,
        login: None,
        octets,
    };
    let accept = Accept {
        id,
        at,
        origin: Origin { account: Some(owner), ..Origin::of(OriginKind::Composed) },
        reverse_path: account.address.clone().into(),
        ret: Some(Return::Headers),
        envelope_id: EnvelopeId::new(&id.to_string()).ok(),
        body,
        terms: store::Terms::default(),
        message_id: letter.message_id,
        content: letter.content.into(),
        recipients: recipients.collect(),
        copies: vec![LocalDelivery {
            account: owner,
            mailbox: SENT.to_owned(),
            prefix: Vec::new(),
            flags,
        }],
        events: vec![NewEvent::new(at, received, "written here and put into the outbox")],
        notes: vec![card.note(owner, id)],
        notices: Vec::new(),
    };
    local.store().accept(accept).await?;
    Ok(id)
}

/// Letters of an account with recipients that are not settled, oldest first.
pub async fn waiting(local: &LocalStore, owner: AccountId) -> Result<Vec<Summary>, StoreError> {
    let mut open = local.store().queue(QueueFilter::default()).await?;
    open.retain(|summary| is_ours(summary, owner));
    Ok(open)
}

/// Whether a submission is a letter that this account wrote.
pub fn is_ours(summary: &Summary, owner: AccountId) -> bool {
    summary.origin.kind == OriginKind::Composed && summary.origin.account == Some(owner)
}

/// Sends what waits. One refused recipient, and one refused letter, never stops the others.
///
/// Cancel safe for the mail: what was handed over without an answer stays unknown.
pub async fn send(
    bag: &mut Bag,
    account: &Account,
    password: &Password,
    which: Which,
) -> Result<Round, Fault> {
    let _network = bag.network().await?;
    let local = bag.store().await?;
    let owner = local.account(&account.address).await?;
    let now = local.now();
    let mut round = Round::default();
    let mut letters = Vec::new();
    for summary in waiting(local, owner).await? {
        let wanted = !matches!(which, Which::Only(id) if id != summary.id);
        let due = due_recipients(&summary, now, which);
        if wanted && !due.is_empty() {
            letters.push((summary, due));
        }
    }
    let world = bag.world().clone();
    let mut submitter: Option<Submitter> = None;
    for (summary, due) in letters {
        round.tried.push(summary.id);
        let is_open = match &mut submitter {
            Some(submitter) => bag.meanwhile(submitter.is_open()).await,
            None => false,
        };
        if round.trouble.is_none() && !is_open {
            match bag.meanwhile(Submitter::open(&world, account, password)).await {
                Ok(opened) => submitter = Some(opened),
                Err(error) => round.trouble = Some(error),
            }
        }
        match (&round.trouble, &mut submitter) {
            (None, Some(open)) => send_letter(bag, account, open, &summary, &due).await?,
            (Some(trouble), _) => {
                put_off(bag.store().await?, account, trouble, &summary, &due).await?;
            }
            (None, None) => {}
        }
    }
    if let Some(open) = submitter {
        bag.meanwhile(open.quit()).await;
    }
    Ok(round)
}

/// Numbers of the recipients to try.
fn due_recipients(summary: &Summary, now: UnixMillis, which: Which) -> Vec<u32> {
    let due = |recipient: &&RecipientView| match recipient.state {
        RecipientState::Queued | RecipientState::Deferred => {
            which != Which::Due || recipient.due.is_none_or(|due| due <= now)
        }
        _ => false,
    };
    summary.recipients.iter().filter(due).map(|recipient| recipient.number).collect()
}

async fn send_letter(
    bag: &mut Bag,
    account: &Account,
    submitter: &mut Submitter,
    summary: &Summary,
    due: &[u32],
) -> Result<(), Fault> {
    let Some(message) = summary.message else { return Ok(()) };
    let content = compose::without_bcc(&bag.store().await?.content(message).await?);
    for numbers in due.chunks(RECIPIENTS_MAX) {
        let wanted = |number: &u32| summary.recipients.iter().find(|to| to.number == *number);
        let recipients = numbers.iter().filter_map(wanted).map(|to| to.recipient.clone());
        let mut envelope = Envelope {
            reverse_path: summary.reverse_path.clone(),
            recipients: recipients.collect(),
            ret: summary.ret,
            envelope_id: summary.envelope_id.clone(),
            body: summary.body,
            smtputf8: compose::has_utf8_header(&content),
            requests: envelope::Requests::default(),
        };
        envelope.smtputf8 |= envelope.is_international();
        let began_at = bag.store().await?.now();
        let parcel = Parcel { envelope, content: &content };
        let sent = match bag.meanwhile(submitter.is_open()).await {
            true => {
                // The network is waited for from here on, but for the mark.
                bag.let_go();
                let about_to = async |accepted: &[usize]| {
                    let numbers = accepted.iter().filter_map(|place| numbers.get(*place));
                    let local = bag.store().await?;
                    mark_handing_over(local, summary, numbers.copied()).await?;
                    bag.let_go();
                    Ok(())
                };
                submitter.send(&parcel, about_to).await?
            }
            false => never_sent(numbers.len()),
        };
        let local = bag.store().await?;
        let attempt = Attempt {
            recipients: numbers.to_vec(),
            began_at,
            ended_at: local.now(),
            host: account.submission.host.clone(),
            address: Some(submitter.peer().ip()),
            port: account.submission.port,
            tls: submitter.tls(),
            result: format!("ended at {}", sent.stage),
            transcript: sent.transcript.clone(),
        };
        write_fates(local, account, submitter, summary, numbers, sent, attempt).await?;
    }
    Ok(())
}

fn never_sent(recipients: usize) -> Sent {
    let reason = "the connection broke before".to_owned();
    let fates = vec![Fate::Deferred { reply: None, reason }; recipients];
    Sent { fates, stage: "connect", transcript: String::new() }
}

/// From now on nobody knows whether the server has it, until it answers.
async fn mark_handing_over(
    local: &LocalStore,
    summary: &Summary,
    numbers: impl Iterator<Item = u32> + Clone,
) -> Result<(), StoreError> {
    let at = local.now();
    let outcomes = numbers.clone().map(|number| outcome(number, RecipientState::Held));
    let event = |number| {
        NewEvent::new(
            at,
            Happening::Held,
            "it is being handed over; the server's answer is awaited",
        )
        .of(number)
    };
    let finish = Finish {
        outcomes: outcomes.collect(),
        events: numbers.map(event).collect(),
        ..Finish::of(summary.id, at)
    };
    local.store().finish(finish).await
}

async fn write_fates(
    local: &LocalStore,
    account: &Account,
    submitter: &Submitter,
    summary: &Summary,
    numbers: &[u32],
    sent: Sent,
    attempt: Attempt,
) -> Result<(), StoreError> {
    let at = local.now();
    let host = account.submission.host.clone();
    let mut outcomes = Vec::new();
    let mut events = Vec::new();
    for (number, fate) in numbers.iter().zip(sent.fates) {
        let attempts = summary.recipients.iter().find(|to| to.number == *number);
        let attempts = attempts.map_or(0, |recipient| recipient.attempts);
        let fate = give_up_when_old(fate, summary, attempts, at);
        let (state, due) = match &fate {
            Fate::Accepted(_) => (RecipientState::Accepted, None),
            Fate::Refused(_) | Fate::Impossible { .. } => (RecipientState::Failed, None),
            Fate::Unknown { .. } => (RecipientState::Held, None),
            Fate::Deferred { .. } => (RecipientState::Deferred, Some(next_try(at, attempts))),
        };
        let (happening, reason, reply) = match fate {
            Fate::Accepted(reply) => {
                let reason = if submitter.offers_dsn() { "" } else { NO_DSN };
                let happening = Happening::Accepted { host: host.clone(), reply: reply.clone() };
                (happening, reason.to_owned(), Some(reply))
            }
            Fate::Refused(reply) => {
                let happening = Happening::failed(Some(reply.clone()));
                (happening, "the server refused it".to_owned(), Some(reply))
            }
            Fate::Impossible { reason } => (Happening::failed(None), reason, None),
            Fate::Unknown { reason } => (Happening::Held, reason, None),
            Fate::Deferred { reply, reason } => {
                let until = due.unwrap_or(at);
                (Happening::deferred(until, reply.clone()), reason, reply)
            }
        };
        events.push(NewEvent::new(at, happening, reason).of(*number));
        let host = Some(host.clone());
        // The mark of the handing over, which was a hold.
        let ends_hold = true;
        let told = Outcome { due, host, reply, ends_hold, ..outcome(*number, state) };
        outcomes.push(Outcome { attempted: true, ..told });
    }
    let submission = summary.id;
    let attempts = vec![attempt];
    local.store().finish(Finish { outcomes, attempts, events, ..Finish::of(submission, at) }).await
}

/// What cannot be sent for days will not be.
fn give_up_when_old(fate: Fate, summary: &Summary, attempts: u32, now: UnixMillis) -> Fate {
    let age = now.0.saturating_sub(summary.accepted_at.0);
    let expired = age >= i64::try_from(EXPIRY.as_millis()).unwrap_or(i64::MAX)
        && attempts >= EXPIRY_ATTEMPTS_MIN;
    match fate {
        Fate::Deferred { reply: Some(reply), .. } if expired => Fate::Refused(reply),
        Fate::Deferred { reply: None, reason } if expired => {
            Fate::Impossible { reason: format!("given up after five days: {reason}") }
        }
        other => other,
    }
}

/// The server could not be used: all of it stays, and is tried again.
async fn put_off(
    local: &LocalStore,
    account: &Account,
    trouble: &ServerError,
    summary: &Summary,
    due: &[u32],
) -> Result<(), StoreError> {
    let at = local.now();
    let reason = chain(trouble);
    let mut outcomes = Vec::new();
    let mut events = Vec::new();
    for recipient in summary.recipients.iter().filter(|to| due.contains(&to.number)) {
        let until = next_try(at, recipient.attempts);
        let deferred = Happening::deferred(until, None);
        events.push(NewEvent::new(at, deferred, reason.clone()).of(recipient.number));
        outcomes.push(Outcome {
            due: Some(until),
            host: Some(account.submission.host.clone()),
            attempted: true,
            ..outcome(recipient.number, RecipientState::Deferred)
        });
    }
    let submission = summary.id;
    local.store().finish(Finish { outcomes, events, ..Finish::of(submission, at) }).await
}

fn outcome(recipient: u32, state: RecipientState) -> Outcome {
    Outcome {
        recipient,
        state,
        due: None,
        host: None,
        reply: None,
        attempted: false,
        delay_told: false,
        ends_hold: false,
    }
}

/// When to try again after so many attempts before this one: 10 s, doubling to 30 minutes.
fn next_try(now: UnixMillis, attempts: u32) -> UnixMillis {
    let pause = PAUSE_FIRST.saturating_mul(1 << attempts.min(16)).min(PAUSE_MAX);
    UnixMillis(now.0.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)))
}

/// Lets recipients that wait, or of whom nothing is known, be tried again: somebody says so.
/// Returns how many.
pub async fn retry(bag: &mut Bag, submission: SubmissionId) -> Result<usize, Fault> {
    // Not while it is being handed over.
    let _network = bag.network().await?;
    let local = bag.store().await?;
    let released = steer(local, submission, SteerAction::Release).await?;
    let retried = steer(local, submission, SteerAction::Retry).await?;
    Ok(released.max(retried))
}

/// Takes back what is not sent yet. Returns for how many recipients.
pub async fn cancel(bag: &mut Bag, submission: SubmissionId) -> Result<usize, Fault> {
    let _network = bag.network().await?;
    Ok(steer(bag.store().await?, submission, SteerAction::Cancel).await?)
}

async fn steer(
    local: &LocalStore,
    submission: SubmissionId,
    action: SteerAction,
) -> Result<usize, StoreError> {
    let at = local.now();
    let changed = local.store().steer(Steer { submission, recipient: None, action, at }).await?;
    Ok(changed.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_letters_that_were_tried_often_are_given_up() {
        const DAY: i64 = 24 * 60 * 60 * 1000;
        let summary = Summary {
            id: SubmissionId::from_octets([1; 16]),
            accepted_at: UnixMillis(0),
            origin: Origin::of(OriginKind::Composed),
            reverse_path: envelope::ReversePath::NULL,
            ret: None,
            envelope_id: None,
            body: BodyType::SevenBit,
            terms: store::Terms::default(),
            message_id: None,
            message: None,
            octets: 1,
            recipients: Vec::new(),
        };
        let later = || Fate::Deferred { reply: None, reason: "no answer".to_owned() };
        let table = [
            (4, 100, false, "too young"),
            (5, 9, false, "the clock may have jumped"),
            (5, 10, true, "old, and tried often"),
        ];
        for (days, attempts, given_up, why) in table {
            let fate = give_up_when_old(later(), &summary, attempts, UnixMillis(days * DAY));
            assert_eq!(matches!(fate, Fate::Impossible { .. }), given_up, "{why}");
        }
        let unknown = Fate::Unknown { reason: String::new() };
        let kept = give_up_when_old(unknown.clone(), &summary, 100, UnixMillis(9 * DAY));
        assert_eq!(kept, unknown, "only what would be tried again");
    }

    #[test]
    fn pauses_double_up_to_half_an_hour() {
        let table = [(0, 10), (1, 20), (3, 80), (7, 1280), (8, 1800), (40, 1800)];
        for (attempts, seconds) in table {
            assert_eq!(next_try(UnixMillis(5), attempts), UnixMillis(5 + seconds * 1000));
        }
    }
}
