//! Laws of what senders ask of the transfer: urgency, and being kept back.

use std::num::NonZeroU32;

use envelope::{ByMode, ByTrace, Hold, Priority, Solicitation};

use super::Harness;
use super::queue::{after, lease};
use super::world::{Held, START, World, good, same};
use crate::{
    Deadline, Due, RecipientState, Release, Steer, SteerAction, SubmissionId, Terms, TlsWish,
    URGENCY_LEAD,
};

/// Everything that a sender can ask.
pub(super) fn rich_terms() -> Terms {
    Terms {
        release: Some(Release { at: after(5), asked: Hold::For(NonZeroU32::MIN) }),
        deliver_by: Some(Deadline { at: after(9000), mode: ByMode::Return, trace: ByTrace::Each }),
        priority: Priority::new(-7).unwrap_or_default(),
        solicitation: Solicitation::parse("org.example:ADV,net.example:X").ok(),
        tls: TlsWish::Optional,
    }
}

fn ids(dues: &[Due]) -> Vec<SubmissionId> {
    dues.iter().map(|due| due.summary.id).collect()
}

/// Urgent recipients overtake, and nobody waits for ever: each level counts as due for a lead
/// longer or shorter than it is.
pub(super) fn urgent_recipients_are_leased_first(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    let lead = i64::try_from(URGENCY_LEAD.as_millis()).map_err(|error| error.to_string())?;
    let letter = |world: &World<'_>, priority: i8, due: i64| -> Result<SubmissionId, String> {
        let mut letter = world.letter_away(&[START.0 + due, START.0 + due])?;
        letter.terms.priority = Priority::new(priority).map_err(|error| error.to_string())?;
        let id = letter.id;
        world.accept(letter)?;
        Ok(id)
    };
    #[rustfmt::skip]
    let rows = [
        // priority, due, place, why
        (0,  lead + 10,     3, "usual mail that has just come"),
        (4,  lead + 10,     1, "urgent mail overtakes"),
        (9,  lead + 11,     2, "there is one level of urgency, by age"),
        (0,  5,             0, "usual mail that has waited for longer than the lead"),
        (-4, 12,            4, "non-urgent mail waits for a lead"),
        (-9, 20,            5, "but not for ever: it goes before what comes a lead later"),
        (-3, 2 * lead,      6, "rounded up to usual"),
        (1,  9 * lead,      7, "not due yet, however urgent"),
    ];
    let mut wanted = vec![None; rows.len()];
    for (priority, due, place, _) in rows {
        let id = letter(&world, priority, due)?;
        if let Some(slot) = wanted.get_mut(place) {
            *slot = Some(id);
        }
    }
    let last = wanted.pop();
    let now = 3 * lead;
    let wanted: Vec<SubmissionId> = wanted.into_iter().flatten().collect();
    let mut found = ids(&lease(&world, now, 2)?);
    found.extend(ids(&lease(&world, now, 100)?));
    same("the order of leases", &found, &wanted)?;
    let next = good("asking what is next", world.store.next_due())?;
    same("the end of a lease", &next, &Some(after(now + 100)))?;
    world.reopen()?;
    same("the order after a crash", &ids(&lease(&world, now, 100)?), &wanted)?;
    let due = lease(&world, 10 * lead, 100)?;
    let became = due.iter().find(|due| Some(due.summary.id) == last.flatten());
    let both = became.map(|due| due.due.clone());
    same("its recipients", &both, &Some(vec![0, 1]))
}

/// What its sender wants kept back is tried no earlier, whatever an operator asks; and what a
/// wrong clock made is no such wish.
pub(super) fn nothing_is_due_before_its_release(harness: &mut dyn Harness) -> Held {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let world = World::new(harness)?;
    let release = Release { at: after(2 * DAY), asked: Hold::For(NonZeroU32::MIN) };
    let mut letter = world.letter_away(&[release.at.0])?;
    letter.terms.release = Some(release);
    let id = letter.id;
    world.accept(letter)?;
    let steer = |action, at| {
        let steer = Steer { submission: id, recipient: None, action, at: after(at) };
        good("steering", world.store.steer(steer)).map(|changed| changed.len())
    };
    let due = || world.recipient(id, 0).map(|view| view.due);
    same("those who are tried now", &steer(SteerAction::Retry, 1000)?, &0)?;
    same("the time after a retry", &due()?, &Some(release.at))?;
    steer(SteerAction::Hold, 2000)?;
    same("the time while it is held", &due()?, &None)?;
    steer(SteerAction::Release, 3000)?;
    same("the time after that", &due()?, &Some(release.at))?;
    same("its state", &world.states(id)?, &vec![RecipientState::Queued])?;
    same("those who are tried then", &steer(SteerAction::Retry, 3 * DAY)?, &1)?;
    same("the time when it was released", &due()?, &Some(after(3 * DAY)))?;
    steer(SteerAction::Retry, -2 * DAY)?;
    same("the time once the clock is right again", &due()?, &Some(after(-2 * DAY)))
}
