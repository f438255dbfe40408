//! Laws of mail in motion: states, leases, notices, events. What senders asked of it: `terms`.

use envelope::{
    BodyType, EnhancedStatus, EnvelopeId, Notify, OriginalRecipient, Recipient, Return, ReversePath,
};

use super::Harness;
use super::terms::rich_terms;
use super::world::{
    Held, START, World, address, bad, content, ensure, good, not_found, refused, same,
};
use crate::{
    Accept, AccountId, Attempt, CertificateRecord, Due, Finish, Happening, NewEvent, NewFate,
    NewRecipient, Origin, OriginKind, Outcome, QueueFilter, RecipientState, RemoteReply, Repair,
    Steer, SteerAction, SubmissionId, SubmissionKey, TlsRecord, UnixMillis,
};

pub(super) fn after(milliseconds: i64) -> UnixMillis {
    UnixMillis(START.0 + milliseconds)
}

pub(super) fn outcome(recipient: u32, state: RecipientState) -> Outcome {
    Outcome {
        recipient,
        state,
        due: None,
        host: Some("mx.example.net".to_owned()),
        reply: None,
        attempted: true,
        delay_told: false,
        ends_hold: false,
    }
}

pub(super) fn finish_of(submission: SubmissionId, outcomes: Vec<Outcome>) -> Finish {
    Finish { outcomes, ..Finish::of(submission, after(10)) }
}

pub(super) fn lease(world: &World<'_>, now: i64, limit: u32) -> Result<Vec<Due>, String> {
    good("leasing", world.store.lease_due(after(now), after(now + 100), limit))
}

fn leased(dues: &[Due]) -> Vec<(SubmissionId, Vec<u32>)> {
    dues.iter().map(|due| (due.summary.id, due.due.clone())).collect()
}

/// A recipient becomes only what its state may become; a refused change changes nothing.
pub(super) fn finish_keeps_to_the_states(harness: &mut dyn Harness) -> Held {
    let world = World::new(harness)?;
    for from in RecipientState::ALL {
        for to in RecipientState::ALL {
            let letter = world.letter_away(&[START.0, START.0])?;
            let id = letter.id;
            world.accept(letter)?;
            let due = Some(after(1000));
            let change = |state| finish_of(id, vec![Outcome { due, ..outcome(0, state) }]);
            if from != RecipientState::Queued {
                good("the first change", world.store.finish(change(from)))?;
            }
            let mut second = change(to);
            second.outcomes.push(outcome(1, RecipientState::Failed));
            let result = super::world::wait(world.store.finish(second));
            let words = format!("from {} to {}", from.name(), to.name());
            same(&words, &result.is_ok(), &from.may_become(to))?;
            let holds = (from, to) == (RecipientState::Held, RecipientState::Deferred);
            let expected = if result.is_ok() {
                [if holds { from } else { to }, RecipientState::Failed]
            } else {
                [from, RecipientState::Queued]
            };
            same(&format!("the states {words}"), &world.states(id)?, &expected.to_vec())?;
        }
    }
    let letter = world.letter_away(&[START.0])?;
    let id = letter.id;
    let message = world.accept(letter)?.message;
    let timeless = finish_of(id, vec![outcome(0, RecipientState::Deferred)]);
    bad("deferring without a time", world.store.finish(timeless), refused)?;
    let nobody = finish_of(id, vec![outcome(7, RecipientState::Failed)]);
    bad("settling nobody", world.store.finish(nobody), not_found)?;
    same("content in the queue", &world.read(message, 1000)?, &content(100))?;
    let done = finish_of(id, vec![outcome(0, RecipientState::Accepted)]);
    good("settling", world.store.finish(done))?;
    bad("content of what is settled", world.store.read(message, 0, 10), not_found)
}

fn tls() -> TlsRecord {
    TlsRecord {
        version: "TLSv1.3".to_owned(),
        cipher: "TLS13_AES_256_GCM_SHA384".to_owned(),
        verified: Some("webpki".to_owned()),
        certificate: Some("CN=mx.example.net".to_owned()),
        unverified: Some("expired".to_owned()),
        shown: Some(CertificateRecord {
            fingerprint: "00ff".to_owned(),
            issuer: "CN=a".to_owned(),
            names: vec!["mx.example.net".to_owned()],
            expires: Some(after(7)),
        }),
    }
}

/// A submission with everything that one can have.
fn rich_letter(world: &World<'_>) -> Result<Accept, String> {
    let recipient = Recipient {
        address: address("Eve@example.net")?,
        notify: Some(Notify::ALL),
        original: OriginalRecipient::rfc822("eve+list@example.net").ok(),
    };
    Ok(Accept {
        origin: Origin {
            peer: "192.0.2.7".parse().ok(),
            helo: Some("client.example".to_owned()),
            protocol: Some("ESMTPSA".to_owned()),
            tls: Some(tls()),
            account: Some(world.ada),
            ..Origin::of(OriginKind::Submission)
        },
        reverse_path: ReversePath::from(address("ada@example.org")?),
        ret: Some(Return::Headers),
        envelope_id: EnvelopeId::new("an id").ok(),
        body: BodyType::EightBitMime,
        terms: rich_terms(),
        message_id: Some("m@example.org".to_owned()),
        recipients: vec![NewRecipient {
            recipient,
            expanded_from: Some(address("all@example.org")?),
            fate: NewFate::Queue { due: after(5) },
        }],
        ..world.letter(100)
    })
}

/// What accept and finish were told comes back: senders, words, attempts, counts.
pub(super) fn submissions_come_back_whole(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    let letter = rich_letter(&world)?;
    let (id, origin, sender) = (letter.id, letter.origin.clone(), letter.reverse_path.clone());
    let expected = letter.recipients.first().cloned().ok_or("there is no recipient")?;
    world.accept(letter)?;
    let reply = RemoteReply {
        code: 451,
        status: Some(EnhancedStatus::new(4, 7, 1)),
        text: "Greylisted\ntry later".to_owned(),
    };
    let attempt = Attempt {
        recipients: vec![0],
        began_at: after(5),
        ended_at: after(9),
        host: "mx.example.net".to_owned(),
        address: "2001:db8::1".parse().ok(),
        port: 25,
        tls: Some(tls()),
        result: "deferred".to_owned(),
        transcript: "< 220 hello\n> EHLO me\n".to_owned(),
    };
    let deferred = Outcome {
        due: Some(after(900)),
        reply: Some(reply.clone()),
        delay_told: true,
        ..outcome(0, RecipientState::Deferred)
    };
    let finish = Finish { attempts: vec![attempt.clone()], ..finish_of(id, vec![deferred]) };
    good("deferring", world.store.finish(finish))?;
    world.reopen()?;
    let view = world.submission(id)?;
    let summary = &view.summary;
    same("the origin", &summary.origin, &origin)?;
    same("RET", &summary.ret, &Some(Return::Headers))?;
    same("ENVID", &summary.envelope_id, &EnvelopeId::new("an id").ok())?;
    same("BODY", &summary.body, &BodyType::EightBitMime)?;
    same("the terms", &summary.terms, &rich_terms())?;
    same("the Message-ID", &summary.message_id.as_deref(), &Some("m@example.org"))?;
    same("size and sender", &(summary.octets, &summary.reverse_path), &(100, &sender))?;
    same("the attempts", &view.attempts, &vec![attempt])?;
    let found = world.recipient(id, 0)?;
    same("the recipient", &found.recipient, &expected.recipient)?;
    same("its alias", &found.expanded_from, &expected.expanded_from)?;
    same("its state", &found.state, &RecipientState::Deferred)?;
    same("its time", &(found.changed_at, found.due), &(after(10), Some(after(900))))?;
    same("its attempts", &(found.attempts, found.delay_told), &(1, true))?;
    same("its host", &found.host.as_deref(), &Some("mx.example.net"))?;
    same("its reply", &found.reply, &Some(reply))
}

/// What is due is given to one only, until the lease ends or the fate is told.
pub(super) fn due_recipients_are_leased(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    let (late, early) = (
        world.letter_away(&[START.0 + 50, START.0 + 9000])?,
        world.letter_away(&[START.0, START.0])?,
    );
    let (late_id, early_id) = (late.id, early.id);
    world.accept(late)?;
    world.accept(early)?;
    same("nothing due yet", &leased(&lease(&world, -1, 10)?), &Vec::new())?;
    let first = vec![(early_id, vec![0, 1])];
    same("the oldest", &leased(&lease(&world, 60, 1)?), &first)?;
    same("the other", &leased(&lease(&world, 60, 10)?), &vec![(late_id, vec![0])])?;
    same("nothing twice", &leased(&lease(&world, 61, 10)?), &Vec::new())?;
    let deferred = Outcome { due: Some(after(70)), ..outcome(0, RecipientState::Deferred) };
    let told = finish_of(early_id, vec![deferred, outcome(1, RecipientState::Accepted)]);
    good("finishing", world.store.finish(told))?;
    same("what is due again", &leased(&lease(&world, 71, 10)?), &vec![(early_id, vec![0])])?;
    same("a lease that ended", &leased(&lease(&world, 165, 10)?), &vec![(late_id, vec![0])])?;
    world.reopen()?;
    let all = leased(&lease(&world, 166, 10)?);
    same("after a crash nobody leases", &all, &vec![(late_id, vec![0]), (early_id, vec![0])])
}

/// What was given back can be leased by others; what was not stays leased.
pub(super) fn leases_can_be_given_back(harness: &mut dyn Harness) -> Held {
    let world = World::new(harness)?;
    let letter = world.letter_away(&[START.0; 3])?;
    let id = letter.id;
    world.accept(letter)?;
    same("what is due", &leased(&lease(&world, 1, 10)?), &vec![(id, vec![0, 1, 2])])?;
    let before = world.submission(id)?;
    good("giving back", world.store.release(id, vec![0, 2]))?;
    same("the submission", &world.submission(id)?, &before)?;
    let next = good("asking what is next", world.store.next_due())?;
    same("what is next", &next, &Some(START))?;
    same("what is due again", &leased(&lease(&world, 2, 10)?), &vec![(id, vec![0, 2])])?;
    good("giving back what nobody has", world.store.release(id, vec![7]))
}

/// The queue can sleep until the earliest of what nobody works on.
pub(super) fn next_due_is_the_earliest(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    let next = |world: &World<'_>| good("asking what is next", world.store.next_due());
    same("an empty queue", &next(&world)?, &None)?;
    world.accept(world.letter_away(&[START.0 + 500])?)?;
    let soon = world.letter_away(&[START.0 + 20, START.0 + 300])?;
    let id = soon.id;
    world.accept(soon)?;
    world.deliver(world.ada)?;
    same("the earliest", &next(&world)?, &Some(after(20)))?;
    lease(&world, 25, 10)?;
    same("a lease's end comes first", &next(&world)?, &Some(after(125)))?;
    let done = finish_of(id, vec![outcome(0, RecipientState::Failed)]);
    good("finishing", world.store.finish(done))?;
    world.reopen()?;
    same("what is left", &next(&world)?, &Some(after(300)))
}

/// Hold, release, retry and cancel do what they say, to those that are meant.
pub(super) fn operators_can_steer(harness: &mut dyn Harness) -> Held {
    use RecipientState::{Accepted, Cancelled, Deferred, Held as Aside, Queued};
    let mut world = World::new(harness)?;
    let letter = world.letter_away(&[START.0 + 500; 4])?;
    let id = letter.id;
    world.accept(letter)?;
    let deferred = Outcome { due: Some(after(600)), ..outcome(1, Deferred) };
    let told = finish_of(id, vec![outcome(0, Accepted), deferred]);
    good("finishing", world.store.finish(told))?;
    let steer = |world: &World<'_>, action, recipient: Option<&str>| {
        let recipient = recipient.map(address).transpose()?;
        let steer = Steer { submission: id, recipient, action, at: after(20) };
        good("steering", world.store.steer(steer))
    };
    same("held", &steer(&world, SteerAction::Hold, None)?, &vec![1, 2, 3])?;
    same("states", &world.states(id)?, &vec![Accepted, Aside, Aside, Aside])?;
    same("nothing is due", &good("asking what is next", world.store.next_due())?, &None)?;
    same("held ones rest", &steer(&world, SteerAction::Retry, None)?, &Vec::new())?;
    world.reopen()?;
    let two = [1, 2].map(|number| format!("R{number}@example.net"));
    for (recipient, number) in two.iter().zip([1, 2]) {
        let released = steer(&world, SteerAction::Release, Some(recipient))?;
        same("released", &released, &vec![number])?;
    }
    same("states", &world.states(id)?, &vec![Accepted, Deferred, Queued, Aside])?;
    same("released is due", &world.recipient(id, 1)?.due, &Some(after(20)))?;
    same("retried", &steer(&world, SteerAction::Retry, None)?, &vec![1, 2])?;
    lease(&world, 21, 10)?;
    same("cancelled", &steer(&world, SteerAction::Cancel, None)?, &vec![3])?;
    same("states", &world.states(id)?, &vec![Accepted, Deferred, Queued, Cancelled])?;
    let events = world.submission(id)?.events;
    let last = events.last().map(|event| (event.event.happening.clone(), event.event.recipient));
    same("its event", &last, &Some((Happening::Cancelled, Some(3))))?;
    let nobody = Steer {
        submission: id,
        recipient: Some(address("x@example.net")?),
        action: SteerAction::Hold,
        at: after(20),
    };
    bad("steering nobody", world.store.steer(nobody), not_found)
}

/// Who was put aside during an attempt stays aside when it comes to nothing, and only then.
pub(super) fn holding_outlives_an_attempt(harness: &mut dyn Harness) -> Held {
    use RecipientState::{Accepted, Deferred, Held as Aside};
    let world = World::new(harness)?;
    let letter = world.letter_away(&[START.0; 2])?;
    let id = letter.id;
    world.accept(letter)?;
    same("what is due", &leased(&lease(&world, 1, 10)?), &vec![(id, vec![0, 1])])?;
    let steer = |action, at| {
        let steer = Steer { submission: id, recipient: None, action, at: after(at) };
        good("steering", world.store.steer(steer))
    };
    same("held", &steer(SteerAction::Hold, 2)?, &vec![0, 1])?;
    let deferred = Outcome { due: Some(after(50)), ..outcome(0, Deferred) };
    let told = finish_of(id, vec![deferred, outcome(1, Accepted)]);
    good("finishing", world.store.finish(told))?;
    same("states", &world.states(id)?, &vec![Aside, Accepted])?;
    let found = world.recipient(id, 0)?;
    same("its time and attempts", &(found.due, found.attempts), &(None, 1))?;
    same("what is due later", &leased(&lease(&world, 500, 10)?), &Vec::new())?;
    same("released", &steer(SteerAction::Release, 600)?, &vec![0])?;
    same("states", &world.states(id)?, &vec![Deferred, Accepted])?;
    same("held again", &steer(SteerAction::Hold, 700)?, &vec![0])?;
    let own = Outcome { due: Some(after(900)), ends_hold: true, ..outcome(0, Deferred) };
    good("ending one's own hold", world.store.finish(finish_of(id, vec![own])))?;
    same("states", &world.states(id)?, &vec![Deferred, Accepted])
}

/// A finish and its notices are one: all of it happens or nothing.
pub(super) fn finish_brings_its_notices(harness: &mut dyn Harness) -> Held {
    let world = World::new(harness)?;
    let letter = world.letter_away(&[START.0])?;
    let id = letter.id;
    world.accept(letter)?;
    let finish =
        |notices| Finish { notices, ..finish_of(id, vec![outcome(0, RecipientState::Failed)]) };
    let nobody = AccountId(987_654);
    let (right, wrong) = (world.letter_to(50, &[world.ada])?, world.letter_to(50, &[nobody])?);
    bad("a notice to nobody", world.store.finish(finish(vec![right, wrong])), not_found)?;
    same("the state", &world.states(id)?, &vec![RecipientState::Queued])?;
    same("notices", &world.uids(world.ada)?.len(), &0)?;
    let right = world.letter_to(50, &[world.ada])?;
    let notice = right.id;
    good("finishing", world.store.finish(finish(vec![right])))?;
    same("the state", &world.states(id)?, &vec![RecipientState::Failed])?;
    same("notices", &world.uids(world.ada)?.len(), &1)?;
    same("the notice", &world.states(notice)?, &vec![RecipientState::Delivered])
}

/// An accept and its notices are one as well.
pub(super) fn accepts_bring_their_notices(harness: &mut dyn Harness) -> Held {
    let world = World::new(harness)?;
    let nobody = AccountId(987_654);
    let mut letter = world.letter_to(50, &[world.ada])?;
    letter.notices = vec![world.letter_to(60, &[nobody])?];
    bad("a notice to nobody", world.store.accept(letter), not_found)?;
    same("entries", &world.uids(world.ada)?.len(), &0)?;
    let mut letter = world.letter_to(50, &[world.ada])?;
    letter.notices = vec![world.letter_to(60, &[world.bob])?];
    let accepted = world.accept(letter)?;
    same("deliveries of the letter alone", &accepted.deliveries.len(), &1)?;
    same("ada's entries", &world.uids(world.ada)?.len(), &1)?;
    same("bob's entries", &world.uids(world.bob)?.len(), &1)?;
    let mut deep = world.letter_to(50, &[world.ada])?;
    let mut notice = world.letter_to(60, &[world.bob])?;
    notice.notices = vec![world.letter_to(70, &[world.bob])?];
    deep.notices = vec![notice];
    bad("a notice with a notice", world.store.accept(deep), refused)
}

/// Events come back as they were, numbered in their order.
pub(super) fn events_are_kept_in_order(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    let letter = world.letter_away(&[START.0])?;
    let (id, mut expected) = (letter.id, letter.events.clone());
    world.accept(letter)?;
    let more = [
        NewEvent::new(after(1), Happening::Queued, "").of(0),
        NewEvent::new(after(1), Happening::Routed { hosts: vec!["mx".to_owned()] }, "by MX"),
    ];
    good("adding events", world.store.record(id, more.to_vec()))?;
    let failed = NewEvent::new(after(2), Happening::failed(None), "no such user").of(0);
    let finish = Finish {
        events: vec![failed.clone()],
        ..finish_of(id, vec![outcome(0, RecipientState::Failed)])
    };
    good("finishing", world.store.finish(finish))?;
    world.reopen()?;
    expected.extend(more);
    expected.push(failed);
    let view = world.submission(id)?;
    let found: Vec<_> = view.events.iter().map(|event| event.event.clone()).collect();
    same("the events", &found, &expected)?;
    let numbers: Vec<_> = view.events.iter().map(|event| event.number).collect();
    same("their numbers", &numbers, &vec![0, 1, 2, 3])?;
    let unknown = world.store.record(world.id(), Vec::new());
    bad("events of no submission", unknown, not_found)
}

/// Submissions are found by their id, Message-ID and ENVID, the newest first.
pub(super) fn submissions_are_found(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    let mut ids = Vec::new();
    for number in 0..3 {
        let mut letter = world.letter_to(10, &[world.ada])?;
        letter.message_id = Some(format!("m{}@example.org", number / 2));
        letter.envelope_id = EnvelopeId::new("job 1").ok();
        ids.push(letter.id);
        world.accept(letter)?;
    }
    world.reopen()?;
    let [first, second, third] = ids.as_slice() else { return Err("three ids".to_owned()) };
    #[rustfmt::skip]
    let table = [
        (SubmissionKey::Id(*second), vec![*second]),
        (SubmissionKey::MessageId("m0@example.org".to_owned()), vec![*second, *first]),
        (SubmissionKey::MessageId("m1@example.org".to_owned()), vec![*third]),
        (SubmissionKey::MessageId("M1@example.org".to_owned()), vec![]),
        (SubmissionKey::EnvelopeId("job 1".to_owned()), vec![*third, *second, *first]),
        (SubmissionKey::Id(world.id()), vec![]),
    ];
    for (key, expected) in table {
        let words = format!("{key:?}");
        same(&words, &good("finding", world.store.find_submissions(key))?, &expected)?;
    }
    Ok(())
}

/// The queue shows what is open, oldest first, page by page.
pub(super) fn queue_lists_what_is_open(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    let mut ids = Vec::new();
    for number in 0..4 {
        let letter = if number == 1 {
            world.letter_to(10, &[world.ada])?
        } else {
            world.letter_away(&[START.0])?
        };
        ids.push(letter.id);
        world.accept(letter)?;
    }
    let [first, local, third, last] = ids.as_slice() else { return Err("four ids".to_owned()) };
    let done = finish_of(*third, vec![outcome(0, RecipientState::Accepted)]);
    good("finishing", world.store.finish(done))?;
    world.reopen()?;
    let all = QueueFilter::default();
    let late = |more: i64| UnixMillis(START.0.saturating_add(more));
    #[rustfmt::skip]
    let table = [
        (all.clone(), vec![*first, *last]),
        (QueueFilter { settled: true, ..all.clone() }, vec![*first, *local, *third, *last]),
        (QueueFilter { limit: Some(1), ..all.clone() }, vec![*last]),
        (QueueFilter { limit: Some(1), before: Some(*last), ..all.clone() }, vec![*first]),
        (QueueFilter { limit: Some(2), before: Some(*last), settled: true, ..all.clone() }, vec![*local, *third]),
        (QueueFilter { due_after: Some(late(-1)), ..all.clone() }, vec![*first, *last]),
        (QueueFilter { due_after: Some(late(-1)), limit: Some(1), ..all.clone() }, vec![*last]),
        (QueueFilter { due_after: Some(late(-1)), before: Some(*last), ..all.clone() }, vec![*first]),
        (QueueFilter { due_after: Some(late(0)), ..all.clone() }, vec![]),
        (QueueFilter { limit: Some(1), after: Some(*first), ..all.clone() }, vec![*last]),
        (QueueFilter { limit: Some(2), after: Some(*first), settled: true, ..all.clone() }, vec![*local, *third]),
        (QueueFilter { after: Some(*local), before: Some(*last), settled: true, ..all }, vec![*third]),
    ];
    for (filter, expected) in table {
        let words = format!("{filter:?}");
        let summaries = good("listing the queue", world.store.queue(filter))?;
        let found: Vec<_> = summaries.iter().map(|summary| summary.id).collect();
        same(&words, &found, &expected)?;
        let shown = summaries.iter().all(|summary| summary.recipients.len() == 1);
        ensure(shown, "a summary lacks its recipients")?;
    }
    Ok(())
}

/// Only what is settled and old is forgotten; the mail itself stays.
pub(super) fn settled_is_forgotten_when_old(harness: &mut dyn Harness) -> Held {
    let world = World::new(harness)?;
    let (old, open, later) = (
        world.letter_to(10, &[world.ada])?,
        world.letter_away(&[START.0])?,
        world.letter_away(&[START.0])?,
    );
    let (old_id, open_id, later_id) = (old.id, open.id, later.id);
    for letter in [old, open, later] {
        world.accept(letter)?;
    }
    let done =
        Finish { at: after(5000), ..finish_of(later_id, vec![outcome(0, RecipientState::Failed)]) };
    good("finishing", world.store.finish(done))?;
    let forget = |before| good("forgetting", world.store.forget_settled(before));
    same("too young", &forget(START)?, &0)?;
    same("old enough", &forget(after(1000))?, &1)?;
    let gone = good("reading a submission", world.store.submission(old_id))?;
    ensure(gone.is_none(), "an old settled submission is there")?;
    same("its entry", &world.uids(world.ada)?.len(), &1)?;
    same("what is open", &world.states(open_id)?, &vec![RecipientState::Queued])?;
    same("later", &forget(after(6000))?, &1)
}

/// A store in which much was done is whole.
pub(super) fn verify_finds_nothing(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    // Alone in its commit, and big: an engine may take a way of its own with it.
    let mut first = world.letter_away(&[START.0])?;
    first.content = crate::Content::from(content(1_500_000));
    let first_id = first.id;
    let first_message = world.accept(first)?.message;
    let report = good("verifying", world.store.verify(Repair::No))?;
    same("findings after one message", &report.findings, &Vec::new())?;
    let done = finish_of(first_id, vec![outcome(0, RecipientState::Failed)]);
    good("finishing", world.store.finish(done))?;
    world.reopen()?;
    let second = world.deliver(world.bob)?;
    ensure(second.message != first_message, "a message's id is used twice")?;
    world.expunge(world.bob, &[1])?;
    for octets in [0, 10, 70_000, 1_200_000] {
        world.accept(world.letter_to(octets, &[world.ada, world.bob])?)?;
        let mut away = world.letter_away(&[START.0])?;
        away.content = crate::Content::from(content(octets));
        let id = away.id;
        world.accept(away)?;
        if octets != 10 {
            let done = finish_of(id, vec![outcome(0, RecipientState::Accepted)]);
            good("finishing", world.store.finish(done))?;
        }
    }
    world.expunge(world.ada, &[1, 3, 4])?;
    world.expunge(world.bob, &[5])?;
    for (reopened, repair) in [(false, Repair::No), (true, Repair::No), (true, Repair::Yes)] {
        if reopened {
            world.reopen()?;
        }
        let report = good("verifying", world.store.verify(repair))?;
        same("findings", &report.findings, &Vec::new())?;
        same("entries", &report.entries, &4)?;
        same("submissions", &report.submissions, &10)?;
        same("messages", &report.messages, &4)?;
    }
    world.deliver(world.ada).map(drop)
}
