//! Laws of mail at rest: entries, content, flags, changes.

use std::collections::BTreeSet;

use envelope::Recipient;

use super::Harness;
use super::world::{
    Held, START, World, address, bad, content, ensure, exists, good, inbox, not_found, same,
};
use crate::{
    AccountId, Change, Flag, FlagChange, Flags, LocalDelivery, MailboxRole, Modseq, NewFate,
    NewMailbox, NewRecipient, Note, RecipientState, Uid,
};

/// A message for a known and an unknown account is not accepted for either.
pub(super) fn accept_is_all_or_nothing(harness: &mut dyn Harness) -> Held {
    let world = World::new(harness)?;
    let letter = world.letter_to(100, &[world.ada, AccountId(987_654)])?;
    let id = letter.id;
    bad("delivery to nobody", world.store.accept(letter), not_found)?;
    same("INBOX", &world.uids(world.ada)?, &Vec::new())?;
    let found = good("reading a submission", world.store.submission(id))?;
    ensure(found.is_none(), "a refused submission is there")?;
    let nobody = world.letter(10);
    bad("a message for nobody", world.store.accept(nobody), super::world::refused)?;
    world.deliver(world.ada)?;
    same("INBOX after a good one", &world.uids(world.ada)?.len(), &1)
}

/// An id counts once, even if the second message is another.
pub(super) fn ids_are_used_once(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    let first = world.letter_to(100, &[world.ada])?;
    let id = first.id;
    world.accept(first)?;
    for reopened in [false, true] {
        if reopened {
            world.reopen()?;
        }
        let mut second = world.letter_to(50, &[world.ada])?;
        second.id = id;
        bad("the same id again", world.store.accept(second), exists)?;
        same("entries", &world.uids(world.ada)?.len(), &1)?;
    }
    Ok(())
}

/// Content of every size comes back, whole and in pieces, also after a crash.
pub(super) fn content_comes_back(harness: &mut dyn Harness) -> Held {
    const K: usize = 1024;
    let mut world = World::new(harness)?;
    let sizes = [0, 1, 64 * K - 1, 64 * K, 64 * K + 1, 200_000, K * K - 1, K * K + 70_000];
    let mut messages = Vec::new();
    for size in sizes {
        messages.push((size, world.accept(world.letter_to(size, &[world.ada])?)?.message));
    }
    for reopened in [false, true] {
        if reopened {
            world.reopen()?;
        }
        for (size, message) in &messages {
            let expected = content(*size);
            for piece in [10 * K * K, 50_000] {
                let found = world.read(*message, piece)?;
                ensure(found == expected, &format!("content of {size} octets is another"))?;
            }
        }
    }
    let (last, message) = messages.last().ok_or("there is no message")?;
    let tail = good("reading the end", world.store.read(*message, *last as u64 - 3, 100))?;
    same("the last octets", &tail.len(), &3)?;
    let entries = world.entries(world.ada)?;
    let sizes_found: Vec<_> =
        entries.iter().map(|entry| entry.octets - entry.prefix.len() as u64).collect();
    same("the entries' sizes", &sizes_found, &sizes.map(|size| size as u64).to_vec())
}

/// Content that arrives in chunks is the content that was sent.
pub(super) fn spooled_content_comes_back(harness: &mut dyn Harness) -> Held {
    let world = World::new(harness)?;
    for size in [0, 10, 64 * 1024, 64 * 1024 + 1, 300_000, 3_000_000] {
        let expected = content(size);
        let mut spool = world.store.spool().map_err(|error| error.to_string())?;
        for chunk in expected.chunks(10_007) {
            spool.write(chunk).map_err(|error| error.to_string())?;
        }
        same("the spool's size", &spool.octets(), &(size as u64))?;
        let mut letter = world.letter_to(0, &[world.ada])?;
        letter.content = spool.seal().map_err(|error| error.to_string())?;
        same("the sealed size", &letter.content.octets(), &(size as u64))?;
        let message = world.accept(letter)?.message;
        let found = world.read(message, 1 << 20)?;
        ensure(found == expected, &format!("spooled content of {size} octets is another"))?;
    }
    Ok(())
}

/// However many mailboxes a message is in, it is one message.
pub(super) fn content_is_shared(harness: &mut dyn Harness) -> Held {
    let world = World::new(harness)?;
    let accepted = world.accept(world.letter_to(5000, &[world.ada, world.bob])?)?;
    let places = [(world.ada, world.entries(world.ada)?), (world.bob, world.entries(world.bob)?)];
    for ((account, entries), delivery) in places.iter().zip(&accepted.deliveries) {
        let messages: Vec<_> = entries.iter().map(|entry| entry.message).collect();
        same("the message", &messages, &vec![accepted.message])?;
        same("the delivery's account", &delivery.account, account)?;
        let uids: Vec<_> = entries.iter().map(|entry| entry.uid).collect();
        same("the delivery's UID", &uids, &vec![delivery.uid])?;
    }
    Ok(())
}

/// Content stays while an entry or the queue needs it, and goes then.
pub(super) fn content_goes_with_its_last_reference(harness: &mut dyn Harness) -> Held {
    let world = World::new(harness)?;
    let letter = world.letter_to(5000, &[world.ada, world.bob])?;
    let id = letter.id;
    let message = world.accept(letter)?.message;
    world.expunge(world.ada, &[1])?;
    same("content for the other", &world.read(message, 1 << 20)?, &content(5000))?;
    same("the message", &world.submission(id)?.summary.message, &Some(message))?;
    world.expunge(world.bob, &[1])?;
    bad("reading what is gone", world.store.read(message, 0, 100), not_found)?;
    same("the message", &world.submission(id)?.summary.message, &None)
}

/// Several recipients that lead to one account make one entry; copies make their own.
pub(super) fn one_entry_for_each_account(harness: &mut dyn Harness) -> Held {
    let world = World::new(harness)?;
    let mut letter = world.letter_to(100, &[world.ada, world.ada, world.bob])?;
    letter.recipients.push(NewRecipient {
        recipient: Recipient::new(address("team@example.org")?),
        expanded_from: Some(address("all@example.org")?),
        fate: NewFate::Deliver(LocalDelivery { mailbox: "inbox".to_owned(), ..inbox(world.bob) }),
    });
    letter.copies.push(LocalDelivery { mailbox: "Sent".to_owned(), ..inbox(world.ada) });
    let id = letter.id;
    let accepted = world.accept(letter)?;
    let places: Vec<_> = accepted.deliveries.iter().map(|delivery| delivery.account).collect();
    same("deliveries", &places, &vec![world.ada, world.bob, world.ada])?;
    same("ada's entries", &world.uids(world.ada)?.len(), &1)?;
    same("bob's entries", &world.uids(world.bob)?.len(), &1)?;
    same("states", &world.states(id)?, &vec![RecipientState::Delivered; 4])?;
    let mailboxes = good("listing mailboxes", world.store.mailboxes(world.ada))?;
    let sent = mailboxes.iter().find(|mailbox| mailbox.name == "Sent");
    let found = sent.map(|mailbox| (mailbox.role, mailbox.messages));
    same("Sent", &found, &Some((Some(MailboxRole::Sent), 1)))
}

/// A UID is never given to a second entry, whatever was removed and whatever happened since.
pub(super) fn uids_are_never_used_twice(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    for _ in 0..3 {
        world.deliver(world.ada)?;
    }
    same("UIDs", &world.uids(world.ada)?, &vec![1, 2, 3])?;
    let validity = world.mailbox(world.ada)?.uid_validity;
    world.expunge(world.ada, &[2, 3])?;
    world.reopen()?;
    world.deliver(world.ada)?;
    same("UIDs after removals", &world.uids(world.ada)?, &vec![1, 4])?;
    let mailbox = world.mailbox(world.ada)?;
    same("UIDNEXT", &mailbox.uid_next.get(), &5)?;
    same("UIDVALIDITY", &mailbox.uid_validity, &validity)?;
    let other = good(
        "making a mailbox",
        world.store.create_mailbox(world.ada, NewMailbox { name: "Lists".to_owned(), role: None }),
    )?;
    ensure(other.uid_validity != validity, "two mailboxes share a UIDVALIDITY")
}

/// Removed entries are gone, for good, and the others stay.
pub(super) fn expunge_removes(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    for _ in 0..5 {
        world.deliver(world.ada)?;
    }
    world.expunge(world.ada, &[2, 4, 4, 77])?;
    same("what is left", &world.uids(world.ada)?, &vec![1, 3, 5])?;
    world.reopen()?;
    same("what is left after a crash", &world.uids(world.ada)?, &vec![1, 3, 5])?;
    let gone = world.store.entry(world.ada, world.inbox_id(world.ada)?, uid(4)?);
    ensure(good("reading an entry", gone)?.is_none(), "a removed entry is there")
}

fn uid(raw: u32) -> Result<Uid, String> {
    Uid::new(raw).ok_or_else(|| "zero is no UID".to_owned())
}

fn flags(set: &[Flag], keywords: &[&str]) -> Flags {
    let keywords: BTreeSet<String> = keywords.iter().map(|word| (*word).to_owned()).collect();
    let bits = set.iter().fold(0, |bits, flag| bits | flag.bit());
    Flags::from_bits(bits, keywords)
}

/// Flags and keywords become what was asked for, and survive a crash.
pub(super) fn flags_are_kept(harness: &mut dyn Harness) -> Held {
    use Flag::{Answered, Deleted, Flagged, Seen};
    let mut world = World::new(harness)?;
    for _ in 0..2 {
        world.deliver(world.ada)?;
    }
    let mailbox = world.inbox_id(world.ada)?;
    let steps = [
        (FlagChange::Add(flags(&[Seen, Flagged], &["$Forwarded"])), 1),
        (FlagChange::Add(flags(&[Answered], &["later"])), 1),
        (FlagChange::Remove(flags(&[Flagged, Deleted], &["later", "never"])), 1),
        (FlagChange::Replace(flags(&[Deleted], &["$Junk"])), 2),
        (FlagChange::Add(flags(&[Seen], &[])), 99),
    ];
    for (change, which) in steps {
        let uids = vec![uid(which)?];
        good("changing flags", world.store.set_flags(world.ada, mailbox, uids, change))?;
    }
    for reopened in [false, true] {
        if reopened {
            world.reopen()?;
        }
        let found: Vec<_> =
            world.entries(world.ada)?.into_iter().map(|entry| entry.flags).collect();
        let expected =
            vec![flags(&[Seen, Answered], &["$Forwarded"]), flags(&[Deleted], &["$Junk"])];
        same("flags", &found, &expected)?;
        same("unseen", &world.mailbox(world.ada)?.unseen, &1)?;
    }
    Ok(())
}

/// A mailbox's counts are those of its entries, whatever was done to them.
pub(super) fn counts_are_what_is_there(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    for octets in [10, 20, 30, 40] {
        world.accept(world.letter_to(octets, &[world.ada, world.bob])?)?;
    }
    let mailbox = world.inbox_id(world.ada)?;
    let seen = FlagChange::Add(flags(&[Flag::Seen], &[]));
    let uids = vec![uid(1)?, uid(2)?];
    good("changing flags", world.store.set_flags(world.ada, mailbox, uids, seen))?;
    world.expunge(world.ada, &[2, 3])?;
    for reopened in [false, true] {
        if reopened {
            world.reopen()?;
        }
        let entries = world.entries(world.ada)?;
        let octets = entries.iter().map(|entry| entry.octets).sum();
        let unseen = entries.iter().filter(|entry| !entry.flags.contains(Flag::Seen)).count();
        let mailbox = world.mailbox(world.ada)?;
        let found = (mailbox.messages, mailbox.octets, mailbox.unseen);
        same("the counts", &found, &(entries.len() as u64, octets, unseen as u64))?;
        let usage = good("asking for the use", world.store.account_use(world.ada))?;
        same("the use", &(usage.messages, usage.octets), &(2, octets))?;
    }
    Ok(())
}

/// Every change has a higher MODSEQ than all before it.
pub(super) fn modseq_grows(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    let mut last = Modseq(0);
    let mut next = |what: &str, modseq: Modseq| {
        let grew = modseq > last;
        last = last.max(modseq);
        ensure(grew, &format!("the MODSEQ of {what} is not higher"))
    };
    for round in 0..2 {
        if round > 0 {
            world.reopen()?;
        }
        let accepted = world.deliver(world.ada)?;
        let delivery = accepted.deliveries.first().ok_or("nothing was delivered")?;
        next("a delivery", delivery.modseq)?;
        let (mailbox, which) = (delivery.mailbox, vec![delivery.uid]);
        let seen = FlagChange::Add(flags(&[Flag::Seen], &[]));
        let changed = world.store.set_flags(world.ada, mailbox, which.clone(), seen);
        next("a flag", good("changing flags", changed)?)?;
        let other = world.deliver(world.bob)?;
        let other = other.deliveries.first().ok_or("nothing was delivered")?;
        // One number orders the changes of all accounts, so it cannot be lower than ada's.
        ensure(other.modseq.0 >= world.mailbox(world.ada)?.modseq.0, "bob's MODSEQ is lower")?;
        let again = world.deliver(world.bob)?;
        let again = again.deliveries.first().ok_or("nothing was delivered")?;
        ensure(again.modseq > other.modseq, "the next delivery's MODSEQ is not higher")?;
        let removed = world.store.expunge(world.ada, mailbox, which);
        next("a removal", good("expunging", removed)?)?;
    }
    Ok(())
}

/// Whoever asks what changed hears everything, once, in order.
pub(super) fn changes_are_complete_and_ordered(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    for _ in 0..4 {
        world.deliver(world.ada)?;
        world.deliver(world.bob)?;
    }
    let mailbox = world.inbox_id(world.ada)?;
    let changes = |world: &World<'_>, since| {
        good("asking for changes", world.store.changes(world.ada, since))
    };
    let all = changes(&world, Modseq(0))?;
    let came: Vec<_> = all.changed.iter().map(|entry| entry.uid.get()).collect();
    same("what came", &came, &vec![1, 2, 3, 4])?;
    world.expunge(world.ada, &[2])?;
    let seen = FlagChange::Add(flags(&[Flag::Seen], &[]));
    good("changing flags", world.store.set_flags(world.ada, mailbox, vec![uid(1)?], seen))?;
    world.deliver(world.ada)?;
    world.expunge(world.ada, &[3])?;
    world.reopen()?;
    let since = changes(&world, all.up_to)?;
    let changed: Vec<_> = since.changed.iter().map(|entry| entry.uid.get()).collect();
    same("what changed", &changed, &vec![1, 5])?;
    let expunged: Vec<_> = since.expunged.iter().map(|(_, uid, _)| uid.get()).collect();
    same("what went", &expunged, &vec![2, 3])?;
    let mut modseqs: Vec<_> = since.changed.iter().map(|entry| entry.modseq).collect();
    ensure(modseqs.is_sorted(), "changes are not in order")?;
    modseqs.extend(since.expunged.iter().map(|(_, _, modseq)| *modseq));
    let within = modseqs.iter().all(|modseq| *modseq > all.up_to && *modseq <= since.up_to);
    ensure(within, "a change lies outside of what was asked for")?;
    let rest = changes(&world, since.up_to)?;
    ensure(rest.changed.is_empty() && rest.expunged.is_empty(), "a change is told twice")?;
    world.deliver(world.ada)?;
    world.deliver(world.ada)?;
    let seen = FlagChange::Add(flags(&[Flag::Seen], &[]));
    good("changing flags", world.store.set_flags(world.ada, mailbox, vec![uid(6)?], seen))?;
    let last = changes(&world, rest.up_to)?;
    let changed: Vec<_> = last.changed.iter().map(|entry| entry.uid.get()).collect();
    same("what came, and changed at once", &changed, &vec![7, 6])
}

/// Nobody reads or changes another's mailbox, even by its number.
pub(super) fn accounts_do_not_see_each_other(harness: &mut dyn Harness) -> Held {
    let world = World::new(harness)?;
    world.deliver(world.ada)?;
    let mailbox = world.inbox_id(world.ada)?;
    bad("reading another's mailbox", world.store.entries(world.bob, mailbox), not_found)?;
    let found = good("reading an entry", world.store.entry(world.bob, mailbox, Uid::FIRST))?;
    ensure(found.is_none(), "another's entry can be read")?;
    let removal = world.store.expunge(world.bob, mailbox, vec![Uid::FIRST]);
    bad("removing another's entry", removal, not_found)?;
    let change = FlagChange::Add(flags(&[Flag::Seen], &[]));
    let change = world.store.set_flags(world.bob, mailbox, vec![Uid::FIRST], change);
    bad("changing another's flags", change, not_found)?;
    same("ada's entries", &world.uids(world.ada)?.len(), &1)?;
    let changes = good("asking for changes", world.store.changes(world.bob, Modseq(0)))?;
    ensure(changes.changed.is_empty(), "another's changes are told")
}

/// Whoever listens hears of every commit, with the MODSEQ up to which to read.
pub(super) fn news_follows_commits(harness: &mut dyn Harness) -> Held {
    let world = World::new(harness)?;
    let mut news = world.store.subscribe();
    let accepted = world.deliver(world.ada)?;
    let modseq = accepted.deliveries.first().ok_or("nothing was delivered")?.modseq;
    same("news of a delivery", &news.try_recv().ok(), &Some(Change::Account(world.ada, modseq)))?;
    world.accept(world.letter_away(&[START.0])?)?;
    same("news of the queue", &news.try_recv().ok(), &Some(Change::Queue))?;
    let note = Note { account: world.ada, key: "k".to_owned(), value: None };
    good("writing a note", world.store.set_notes(vec![note]))?;
    ensure(news.try_recv().is_err(), "there is news of nothing")?;
    good("adding events", world.store.record(accepted.id, Vec::new()))?;
    same("news of a submission", &news.try_recv().ok(), &Some(Change::Submission(accepted.id)))
}
