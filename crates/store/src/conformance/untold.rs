//! Laws of news that waits to be told, and of orders that change it.

use envelope::EnhancedStatus;

use super::Harness;
use super::queue::{after, finish_of, outcome};
use super::world::{
    Held, START, World, address, bad, content, ensure, good, not_found, refused, same,
};
use crate::{
    Attempt, Finish, FixedRoute, Happening, NewEvent, News, NewsKind, Outcome, RecipientState,
    Steer, SteerAction, SubmissionId, Tell, UnixMillis, Untold,
};

fn failed(recipient: u32, due: UnixMillis) -> Untold {
    let news = News {
        kind: NewsKind::Failed,
        status: EnhancedStatus::new(5, 1, 1),
        host: Some("mx.example.net".to_owned()),
        reply: None,
        text: format!("recipient {recipient} is nobody"),
        at: after(10),
        until: None,
    };
    Untold { recipient, due, news }
}

/// What is due at a time, and when the next is.
type Asked = (Vec<(SubmissionId, Vec<u32>)>, Option<UnixMillis>);

fn ask(world: &World<'_>, now: i64) -> Result<Asked, String> {
    let found = good("asking for news", world.store.untold(after(now), 10))?;
    let told = found.due.iter().map(|of| {
        (of.summary.id, of.untold.iter().map(|untold| untold.recipient).collect::<Vec<_>>())
    });
    Ok((told.collect(), found.next))
}

/// News waits until it is due or the last recipient is settled, is told in one commit with its
/// notice and only once, and keeps the content until then.
pub(super) fn news_waits_to_be_told(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    let letter = world.letter_away(&[START.0; 3])?;
    let id = letter.id;
    let message = world.accept(letter)?.message;
    let settle = |number, untold: Vec<Untold>| Finish {
        untold,
        ..finish_of(id, vec![outcome(number, RecipientState::Failed)])
    };
    good("failing", world.store.finish(settle(0, vec![failed(0, after(500))])))?;
    good("failing", world.store.finish(settle(1, vec![failed(1, after(700))])))?;
    world.reopen()?;
    same("nothing yet", &ask(&world, 499)?, &(vec![], Some(after(500))))?;
    same("all with the first", &ask(&world, 500)?, &(vec![(id, vec![0, 1])], None))?;
    good("failing", world.store.finish(settle(2, vec![failed(2, after(900))])))?;
    same("nobody is open", &ask(&world, 10)?, &(vec![(id, vec![0, 1, 2])], None))?;
    let found = good("asking for news", world.store.untold(after(10), 10))?;
    let kept = found.due.into_iter().next().ok_or("there is no news")?;
    let words = kept.untold.get(2).map(|untold| untold.news.clone());
    same("its words", &words, &Some(failed(2, START).news))?;
    same("what comes back", &world.read(message, 1000)?, &content(100))?;
    same("too young", &good("forgetting", world.store.forget_settled(after(99_000)))?, &0)?;
    let event = NewEvent::new(after(20), Happening::NotNoticed, "told").of(0);
    let notice = world.letter_to(50, &[world.ada])?;
    let tell = |recipients, notices| {
        world.store.tell(Tell { submission: id, recipients, events: vec![event.clone()], notices })
    };
    good("telling", tell(vec![0, 1], vec![notice]))?;
    same("notices", &world.uids(world.ada)?.len(), &1)?;
    let last = world.submission(id)?.events.pop().map(|event| event.event);
    same("its event", &last, &Some(event.clone()))?;
    let again = world.letter_to(50, &[world.ada])?;
    bad("telling it twice", tell(vec![2, 0], vec![again]), refused)?;
    same("notices", &world.uids(world.ada)?.len(), &1)?;
    same("what is left", &ask(&world, 10)?, &(vec![(id, vec![2])], None))?;
    same("what comes back", &world.read(message, 1000)?, &content(100))?;
    good("telling", tell(vec![2], vec![]))?;
    bad("content of what is told", world.store.read(message, 0, 10), not_found)?;
    same("nothing is left", &ask(&world, 99_000)?, &(vec![], None))
}

/// Who is taken back can be news for the sender.
pub(super) fn cancelling_can_be_told(harness: &mut dyn Harness) -> Held {
    let world = World::new(harness)?;
    let letter = world.letter_away(&[START.0; 3])?;
    let id = letter.id;
    world.accept(letter)?;
    let steer = |action, recipient: Option<&str>| {
        let recipient = recipient.map(address).transpose()?;
        let steer = Steer { submission: id, recipient, action, at: after(20) };
        good("steering", world.store.steer(steer))
    };
    same("quietly", &steer(SteerAction::Cancel, Some("r0@example.net"))?, &vec![0])?;
    same("no news", &ask(&world, 999)?, &(vec![], None))?;
    same("aloud", &steer(SteerAction::CancelAndTell, None)?, &vec![1, 2])?;
    same("the states", &world.states(id)?, &vec![RecipientState::Cancelled; 3])?;
    let found = good("asking for news", world.store.untold(after(20), 10))?;
    let kinds = found.due.iter().flat_map(|of| &of.untold);
    let kinds: Vec<_> = kinds.map(|untold| (untold.recipient, untold.news.kind)).collect();
    same("the news", &kinds, &vec![(1, NewsKind::Cancelled), (2, NewsKind::Cancelled)])
}

/// A recipient goes the way that an operator names, until they take that back.
pub(super) fn routes_can_be_changed(harness: &mut dyn Harness) -> Held {
    use RecipientState::{Held as Aside, Queued};
    let mut world = World::new(harness)?;
    let letter = world.letter_away(&[START.0 + 500; 3])?;
    let id = letter.id;
    world.accept(letter)?;
    let steer = |world: &World<'_>, action, recipient: Option<&str>| {
        let recipient = recipient.map(address).transpose()?;
        let steer = Steer { submission: id, recipient, action, at: after(20) };
        good("steering", world.store.steer(steer))
    };
    steer(&world, SteerAction::Hold, Some("r2@example.net"))?;
    let route = FixedRoute { host: "2001:db8::7".to_owned(), port: 2525 };
    let there = SteerAction::Route(Some(route.clone()));
    same("sent there", &steer(&world, there.clone(), None)?, &vec![0, 1, 2])?;
    world.reopen()?;
    same("its route", &world.recipient(id, 1)?.route, &Some(route))?;
    same("it is due", &world.recipient(id, 1)?.due, &Some(after(20)))?;
    same("the states", &world.states(id)?, &vec![Queued, Queued, Aside])?;
    let to = world.submission(id)?.events.pop().map(|event| event.event.happening);
    let told = Happening::Rerouted { to: Some("[2001:db8::7]:2525".to_owned()) };
    same("its event", &to, &Some(told))?;
    same("nothing new", &steer(&world, there, None)?, &Vec::new())?;
    let back = SteerAction::Route(None);
    same("sent back", &steer(&world, back, Some("r1@example.net"))?, &vec![1])?;
    same("its route", &world.recipient(id, 1)?.route, &None)
}

/// What was said is forgotten when it is old; that something was said is not.
pub(super) fn transcripts_are_forgotten(harness: &mut dyn Harness) -> Held {
    let world = World::new(harness)?;
    let attempt = |ended: i64| Attempt {
        recipients: vec![0],
        began_at: after(1),
        ended_at: after(ended),
        host: "mx.example.net".to_owned(),
        address: None,
        port: 25,
        tls: None,
        result: "451 later".to_owned(),
        transcript: "< 220 hello\n".to_owned(),
    };
    let letter = world.letter_away(&[START.0])?;
    let id = letter.id;
    world.accept(letter)?;
    let deferred = Outcome { due: Some(after(9000)), ..outcome(0, RecipientState::Deferred) };
    let attempts = vec![attempt(100), attempt(5000)];
    let finish = Finish { attempts: attempts.clone(), ..finish_of(id, vec![deferred]) };
    good("deferring", world.store.finish(finish))?;
    let forget = |before| -> Held {
        let mut at = None;
        for _ in 0..10 {
            at = good("forgetting", world.store.forget_transcripts(after(before), at))?;
            if at.is_none() {
                return Ok(());
            }
        }
        Err("forgetting has no end".to_owned())
    };
    let left = || -> Result<Vec<bool>, String> {
        let view = world.submission(id)?;
        Ok(view.attempts.iter().map(|attempt| !attempt.transcript.is_empty()).collect())
    };
    forget(100)?;
    same("young ones", &left()?, &vec![true, true])?;
    forget(4000)?;
    same("one is old", &left()?, &vec![false, true])?;
    let found = world.submission(id)?.attempts;
    let expected =
        attempts.first().map(|attempt| Attempt { transcript: String::new(), ..attempt.clone() });
    same("what is left of it", &found.into_iter().next(), &expected)?;
    ensure(world.recipient(id, 0)?.state.is_open(), "it does not wait any more")
}
