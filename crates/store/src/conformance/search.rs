//! Laws about searching.
//!
//! Not here: looking one up by its id (`queue`).

use envelope::{Domain, ReversePath};

use super::Harness;
use super::queue::{after, finish_of, outcome};
use super::world::{Held, START, World, address, good, same};
use crate::{RecipientPattern, RecipientState, Search, SenderPattern, StatePattern, SubmissionId};

/// A search finds exactly what matches, settled or not, newest first and page by page.
pub(super) fn searches_find_what_matches(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    let ids = letters(&world)?;
    let [first, local, third, last] = ids.as_slice() else { return Err("four ids".to_owned()) };
    let done = finish_of(*third, vec![outcome(0, RecipientState::Failed)]);
    good("finishing", world.store.finish(done))?;
    world.reopen()?;
    let domain = |name: &str| Domain::parse(name).map_err(|error| error.to_string());
    let any = Search::any(10);
    let to = |recipient| Search { recipient: Some(recipient), ..any.clone() };
    let from = |sender| Search { sender: Some(sender), ..any.clone() };
    let is = |state| Search { state: Some(state), ..any.clone() };
    let r0 = RecipientPattern::Address(address("R0@example.NET")?);
    let net = RecipientPattern::Domain(domain("Example.Net")?);
    let failed = StatePattern::Is(RecipientState::Failed);
    #[rustfmt::skip]
    let table = [
        (any.clone(), vec![*last, *third, *local, *first]),
        (Search { limit: 2, ..any.clone() }, vec![*last, *third]),
        (Search { limit: 2, before: Some(*third), ..any.clone() }, vec![*local, *first]),
        (to(r0.clone()), vec![*last, *third, *first]),
        (to(RecipientPattern::Address(address("r1@example.net")?)), vec![*last, *third]),
        (to(net.clone()), vec![*last, *third, *first]),
        (to(RecipientPattern::Domain(domain("ample.net")?)), vec![]),
        (Search { before: Some(*last), limit: 1, ..to(net) }, vec![*third]),
        (from(SenderPattern::Address(address("eve@Example.com")?)), vec![*first]),
        (from(SenderPattern::Domain(domain("example.com")?)), vec![*third, *first]),
        (from(SenderPattern::Domain(domain("ample.com")?)), vec![]),
        (from(SenderPattern::Null), vec![*last, *local]),
        (is(StatePattern::Open), vec![*last, *third, *first]),
        (is(failed), vec![*third]),
        (Search { state: Some(failed), ..to(r0.clone()) }, vec![*third]),
        (Search { state: Some(StatePattern::Open), ..to(r0) }, vec![*last, *first]),
        (Search { login: Some(world.ada), ..any.clone() }, vec![*local, *first]),
        (Search { login: Some(world.bob), ..any.clone() }, vec![*third]),
        (Search { since: Some(after(2000)), ..any.clone() }, vec![*last, *third]),
        (Search { until: Some(after(2000)), ..any.clone() }, vec![*local, *first]),
        (Search { since: Some(after(1000)), until: Some(after(3000)), ..any }, vec![*third, *local]),
    ];
    for (search, expected) in table {
        let words = format!("{search:?}");
        let summaries = good("searching", world.store.search(search.clone()))?;
        let found: Vec<_> = summaries.iter().map(|summary| summary.id).collect();
        same(&words, &found, &expected)?;
        for summary in &summaries {
            let meant = summary.recipients.iter().any(|view| search.is_about(view));
            same(&format!("{words}: a recipient is meant"), &meant, &true)?;
        }
    }
    Ok(())
}

/// Four letters, a second apart: of Ada's and Bob's, and of nobody's.
fn letters(world: &World<'_>) -> Result<Vec<SubmissionId>, String> {
    let (ada, bob) = (Some(world.ada), Some(world.bob));
    let mut ids = Vec::new();
    #[rustfmt::skip]
    let rows = [
        ("Eve@example.com", ada, 1),
        ("", ada, 0),
        ("mallory@example.com", bob, 2),
        ("", None, 2),
    ];
    for (at, (sender, login, away)) in (0..).zip(rows) {
        let dues = vec![START.0; away];
        let mut letter = match away {
            0 => world.letter_to(10, &[world.ada])?,
            _ => world.letter_away(&dues)?,
        };
        letter.at = after(at * 1000);
        letter.origin.account = login;
        if !sender.is_empty() {
            letter.reverse_path = ReversePath::from(address(sender)?);
        }
        ids.push(letter.id);
        world.accept(letter)?;
    }
    Ok(ids)
}
