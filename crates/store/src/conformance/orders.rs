//! Laws of standing orders.

use envelope::{Domain, ReversePath};

use super::Harness;
use super::queue::after;
use super::world::{Held, START, World, address, bad, ensure, good, not_found, refused, same};
use crate::{
    HoldRule, NewFate, NewHoldRule, RecipientPattern, RecipientState, SenderPattern, Steer,
    SteerAction, Suppression,
};

/// Hold rules stand until they are removed, and say what they said.
pub(super) fn hold_rules_stand(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    let domain = Domain::parse("example.com").map_err(|error| error.to_string())?;
    let first = NewHoldRule {
        sender: Some(SenderPattern::Domain(domain)),
        recipient: None,
        reason: Some("looks odd".to_owned()),
        added_at: START,
    };
    let second = NewHoldRule {
        sender: None,
        recipient: Some(RecipientPattern::Address(address("eve@example.net")?)),
        reason: None,
        added_at: after(5),
    };
    let all = NewHoldRule { sender: None, recipient: None, reason: None, added_at: START };
    bad("holding everything", world.store.add_hold_rule(all), refused)?;
    let add = |world: &World<'_>, rule: &NewHoldRule| {
        good("adding a rule", world.store.add_hold_rule(rule.clone()))
    };
    let (one, two) = (add(&world, &first)?, add(&world, &second)?);
    world.reopen()?;
    let rules = good("listing rules", world.store.hold_rules())?;
    let expected =
        vec![HoldRule { id: one, rule: first.clone() }, HoldRule { id: two, rule: second }];
    same("the rules", &rules, &expected)?;
    let holds = |sender: &str, recipient: &str| -> Result<Vec<bool>, String> {
        let (sender, recipient) = (ReversePath::from(address(sender)?), address(recipient)?);
        Ok(rules.iter().map(|rule| rule.holds(&sender, &recipient, None)).collect())
    };
    same("by sender", &holds("a@EXAMPLE.com", "x@example.net")?, &vec![true, false])?;
    same("by recipient", &holds("a@example.org", "Eve@example.net")?, &vec![false, true])?;
    good("removing a rule", world.store.remove_hold_rule(two))?;
    bad("removing it again", world.store.remove_hold_rule(two), not_found)?;
    let third = add(&world, &first)?;
    ensure(third != two, "a rule's name is used twice")?;
    same("what is left", &good("listing rules", world.store.hold_rules())?.len(), &2)
}

/// New mail can be held from the beginning.
pub(super) fn new_mail_can_be_held(harness: &mut dyn Harness) -> Held {
    use RecipientState::{Held as Aside, Queued};
    let world = World::new(harness)?;
    let mut letter = world.letter_away(&[START.0; 2])?;
    let id = letter.id;
    for new in letter.recipients.iter_mut().skip(1) {
        new.fate = NewFate::Hold;
    }
    world.accept(letter)?;
    same("the states", &world.states(id)?, &vec![Queued, Aside])?;
    let due = good("leasing", world.store.lease_due(after(9), after(99), 10))?;
    let due: Vec<_> = due.iter().map(|due| due.due.clone()).collect();
    same("what is due", &due, &vec![vec![0]])?;
    let action = SteerAction::Release;
    let steer = Steer { submission: id, recipient: None, action, at: after(10) };
    same("released", &good("releasing", world.store.steer(steer))?, &vec![1])?;
    same("the states", &world.states(id)?, &vec![Queued, Queued])
}

/// Suppressed addresses are found, in any case, until they are not suppressed any more.
pub(super) fn suppressed_addresses_are_known(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    let names = ["a@example.net", "b@example.net", "c@example.net"];
    for name in names {
        let suppression = Suppression {
            address: address(name)?,
            reason: format!("{name} is gone"),
            added_at: START,
        };
        good("suppressing", world.store.suppress(suppression))?;
    }
    let again = Suppression {
        address: address("B@Example.net")?,
        reason: "asked us".to_owned(),
        added_at: after(7),
    };
    good("changing the reason", world.store.suppress(again))?;
    world.reopen()?;
    let asked = vec![address("B@example.NET")?, address("x@example.net")?];
    let found = good("looking", world.store.suppressed(asked))?;
    let expected = Suppression {
        address: address("b@example.net")?,
        reason: "asked us".to_owned(),
        added_at: START,
    };
    same("what is suppressed", &found, &vec![expected])?;
    let page = |world: &World<'_>, after: Option<&str>, limit| -> Result<Vec<String>, String> {
        let after = after.map(address).transpose()?;
        let page = good("listing", world.store.suppressions(after, limit))?;
        Ok(page.iter().map(|one| one.address.to_string()).collect())
    };
    same(
        "a page",
        &page(&world, None, 2)?,
        &names.iter().take(2).map(ToString::to_string).collect(),
    )?;
    same("the next", &page(&world, Some("b@example.net"), 2)?, &vec!["c@example.net".to_owned()])?;
    good("sending again", world.store.unsuppress(address("C@example.net")?))?;
    bad("sending again twice", world.store.unsuppress(address("c@example.net")?), not_found)?;
    same("what is left", &page(&world, None, 9)?.len(), &2)
}

/// Refusals are counted for each address, until it is suppressed or old.
pub(super) fn refusals_are_counted(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    let (a, b) = (address("A@example.net")?, address("b@example.net")?);
    let count = |world: &World<'_>, at| -> Result<Vec<u32>, String> {
        let both = vec![a.clone(), b.clone()];
        let counted = good("counting", world.store.count_refusals(both, after(at)))?;
        Ok(counted.iter().map(|one| one.times).collect())
    };
    same("once", &count(&world, 1)?, &vec![1, 1])?;
    same("twice", &count(&world, 2)?, &vec![2, 2])?;
    good("counting one", world.store.count_refusals(vec![a.clone()], after(3)))?;
    world.reopen()?;
    let often = |world: &World<'_>, times| -> Result<Vec<(String, u32)>, String> {
        let found = good("asking", world.store.refused(times, None, 10))?;
        Ok(found.iter().map(|one| (one.address.to_string(), one.times)).collect())
    };
    let (one, two) = (("a@example.net".to_owned(), 3), ("b@example.net".to_owned(), 2));
    same("three times", &often(&world, 3)?, &vec![one.clone()])?;
    same("two times", &often(&world, 2)?, &vec![one, two.clone()])?;
    let suppression =
        Suppression { address: a.clone(), reason: "gone".to_owned(), added_at: after(4) };
    good("suppressing", world.store.suppress(suppression))?;
    same("not who is suppressed", &often(&world, 2)?, &vec![two.clone()])?;
    good("sending again", world.store.unsuppress(a))?;
    same("and not who has a new chance", &often(&world, 1)?, &vec![two])?;
    good("forgetting", world.store.forget_settled(after(2)))?;
    same("young ones stay", &often(&world, 1)?.len(), &1)?;
    good("forgetting", world.store.forget_settled(after(3)))?;
    same("old ones do not", &often(&world, 1)?, &Vec::new())
}
