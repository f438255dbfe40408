//! Laws of whose mail is leased first.

use std::collections::BTreeSet;

use envelope::{Recipient, ReversePath};

use super::Harness;
use super::queue::{after, finish_of, outcome};
use super::world::{Held, START, World, address, ensure, good, same};
use crate::{Accept, NewFate, NewRecipient, RecipientState, SubmissionId};

/// Messages of whoever has many.
const FLOOD: usize = 60;
/// Submissions that are leased at a time.
const AT_A_TIME: u32 = 6;

fn letter(world: &World<'_>, from: &str, to: &str) -> Result<Accept, String> {
    let recipient = NewRecipient {
        recipient: Recipient::new(address(to)?),
        expanded_from: None,
        fate: NewFate::Queue { due: START },
    };
    Ok(Accept {
        reverse_path: ReversePath::from(address(from)?),
        recipients: vec![recipient],
        ..world.letter(100)
    })
}

fn lease(world: &World<'_>, now: i64) -> Result<Vec<SubmissionId>, String> {
    let due = world.store.lease_due(after(now), after(now + 10_000), AT_A_TIME);
    Ok(good("leasing", due)?.iter().map(|due| due.summary.id).collect())
}

/// Whoever has much waiting, or floods a destination, does not hold up the others: senders take
/// turns, and of one sender the destinations do. And everybody's turn comes.
pub(super) fn leases_are_shared_fairly(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    let mut all = BTreeSet::new();
    let mut accept = |world: &World<'_>, from: &str, to: &str| {
        let letter = letter(world, from, to)?;
        let id = letter.id;
        all.insert(id);
        world.accept(letter).map(|_| id)
    };
    for _ in 0..FLOOD {
        accept(&world, "flood@example.org", "r@example.net")?;
    }
    let elsewhere = accept(&world, "flood@example.org", "r@example.com")?;
    let ada = accept(&world, "ada@example.org", "r@example.net")?;
    let mut leased = BTreeSet::new();
    let first = lease(&world, 1)?;
    ensure(first.contains(&ada), "another sender's message waits behind a flood")?;
    ensure(first.contains(&elsewhere), "another destination's message waits behind a flood")?;
    leased.extend(first);
    let late = accept(&world, "ada@example.org", "q@example.net")?;
    let second = lease(&world, 2)?;
    ensure(second.contains(&late), "a message that came in later waits behind a flood")?;
    // What fails meanwhile waits its time, and then has its turn as anybody.
    let again = outcome(0, RecipientState::Deferred);
    let again = crate::Outcome { due: Some(after(20)), ..again };
    good("deferring", world.store.finish(finish_of(ada, vec![again])))?;
    leased.extend(second);
    let third = lease(&world, 21)?;
    ensure(third.contains(&ada), "a message that is tried again waits behind a flood")?;
    leased.extend(third);
    for now in 22.. {
        let next = lease(&world, now)?;
        if next.is_empty() {
            break;
        }
        let twice = next.iter().find(|id| !leased.insert(**id));
        ensure(twice.is_none(), "something is leased twice")?;
    }
    same("what was leased in the end", &leased, &all)?;
    world.reopen()?;
    let first = lease(&world, 1_000)?;
    ensure(first.contains(&elsewhere), "after a crash a destination waits behind a flood")
}
