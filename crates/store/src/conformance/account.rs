//! Laws of domains, accounts, aliases, notes and clients.

use envelope::Domain;

use super::Harness;
use super::world::{
    Held, START, World, address, bad, ensure, exists, good, inbox, not_found, refused, same,
};
use crate::{
    AccountId, AccountState, Alias, AliasKey, Content, Credential, DomainRelay, LocalDelivery,
    NewAccount, NewMailbox, Note, Seen, Store, StoreError, UnixMillis,
};

fn domain(name: &str) -> Result<Domain, String> {
    Domain::parse(name).map_err(|error| format!("{name}: {error}"))
}

fn new_account(text: &str) -> Result<NewAccount, String> {
    Ok(NewAccount {
        address: address(text)?,
        name: None,
        quota_octets: None,
        credential: None,
        created_at: START,
    })
}

/// A domain whose mail is handed on has nothing here, and comes back as it was set.
fn domains_are_handed_on(store: &dyn Store, there: &Domain) -> Held {
    let relays = [
        DomainRelay::BackupMx,
        DomainRelay::Route { host: domain("host.example")?, port: 2525 },
        DomainRelay::Route { host: domain("[192.0.2.7]")?, port: 25 },
    ];
    for relay in relays {
        good("handing on", store.relay_domain(there.clone(), relay.clone(), START))?;
        bad("a domain twice", store.relay_domain(there.clone(), relay.clone(), START), exists)?;
        bad("making it local, too", store.add_domain(there.clone(), START), exists)?;
        bad("an account there", store.add_account(new_account("a@example.net")?), not_found)?;
        let rows = good("listing domains", store.domains())?;
        let found: Vec<_> = rows.into_iter().map(|row| row.relay).collect();
        same("how each is handed on", &found, &vec![Some(relay), None])?;
        good("removing it", store.remove_domain(there.clone()))?;
    }
    Ok(())
}

/// What contradicts itself is refused and changes nothing; what was set comes back.
pub(super) fn directory_refuses_what_is_wrong(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    let (here, there) = (domain("example.org")?, domain("example.net")?);
    let store = &world.store;
    bad("a domain twice", store.add_domain(here.clone(), START), exists)?;
    bad("removing no domain", store.remove_domain(there.clone()), not_found)?;
    domains_are_handed_on(store.as_ref(), &there)?;
    let in_use = |error: &StoreError| matches!(error, StoreError::InUse { .. });
    bad("removing a domain in use", store.remove_domain(here.clone()), in_use)?;
    bad("an account twice", store.add_account(new_account("ADA@example.org")?), exists)?;
    bad("an account elsewhere", store.add_account(new_account("a@example.net")?), not_found)?;
    let alias = |key: AliasKey, targets: &[&str]| {
        let targets = targets.iter().map(|text| address(text)).collect::<Result<Vec<_>, _>>()?;
        Ok::<_, String>(Alias { key, targets, owner: None })
    };
    let elsewhere = AliasKey::Address(address("team@example.net")?);
    let wrong = alias(elsewhere.clone(), &["ada@example.org"])?;
    bad("an alias elsewhere", store.set_alias(wrong), not_found)?;
    bad("removing no alias", store.remove_alias(elsewhere), not_found)?;
    let team = AliasKey::Address(address("Team@example.org")?);
    bad("an alias for nobody", store.set_alias(alias(team.clone(), &[])?), refused)?;
    good("an alias", store.set_alias(alias(team.clone(), &["ada@example.org"])?))?;
    let targets = ["bob@example.org", "eve@example.net"];
    let owned =
        Alias { owner: Some(address("owner@example.org")?), ..alias(team.clone(), &targets)? };
    good("another one", store.set_alias(owned.clone()))?;
    good("a catch-all", store.set_alias(alias(AliasKey::Domain(here), &["bob@example.org"])?))?;
    bad("INBOX twice", store.create_mailbox(world.ada, mailbox("inbox")), exists)?;
    bad("a mailbox without a name", store.create_mailbox(world.ada, mailbox("")), refused)?;
    let credential = Credential { argon2: "argon2".to_owned(), scram_sha_256: "scram".to_owned() };
    good("a credential", store.set_credential(world.ada, credential.clone()))?;
    let disabled = AccountState::Disabled;
    good("disabling an account", world.store.set_account_state(world.ada, disabled))?;
    bad("disabling nobody", world.store.set_account_state(AccountId(999), disabled), not_found)?;
    world.reopen()?;
    let aliases = good("listing aliases", world.store.aliases())?;
    let keys: Vec<_> = aliases.iter().map(|alias| alias.key.to_string()).collect();
    same("aliases", &keys, &vec!["@example.org".to_owned(), "team@example.org".to_owned()])?;
    let found = aliases.iter().find(|alias| alias.targets.len() == 2);
    same(
        "the replaced alias",
        &found,
        &Some(&Alias { key: AliasKey::Address(address("team@example.org")?), ..owned }),
    )?;
    good("removing an alias", world.store.remove_alias(team))?;
    same("aliases", &good("listing aliases", world.store.aliases())?.len(), &1)?;
    let accounts = good("listing accounts", world.store.accounts())?;
    let names: Vec<_> = accounts.iter().map(|account| account.address.to_string()).collect();
    same("accounts", &names, &vec!["ada@example.org".to_owned(), "bob@example.org".to_owned()])?;
    let kept = accounts.iter().find(|account| account.id == world.ada);
    same("the state", &kept.map(|ada| ada.state), &Some(disabled))?;
    let bob = accounts.iter().find(|account| account.id == world.bob);
    same("the state of another", &bob.map(|bob| bob.state), &Some(AccountState::Active))?;
    good("enabling it", world.store.set_account_state(world.ada, AccountState::Active))?;
    same("the credential", &kept.and_then(|ada| ada.credential.clone()), &Some(credential))
}

fn mailbox(name: &str) -> NewMailbox {
    NewMailbox { name: name.to_owned(), role: None }
}

/// An account never holds more than it may, and may hold all of that.
pub(super) fn quota_holds(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    let eve = NewAccount { quota_octets: Some(1000), ..new_account("eve@example.org")? };
    let eve = good("adding an account", world.store.add_account(eve))?;
    let letter = |world: &World<'_>, octets: usize| {
        let mut letter = world.letter_to(0, &[])?;
        letter.content = Content::from(vec![b'x'; octets]);
        letter.copies.push(LocalDelivery { prefix: vec![b'p'; 100], ..inbox(eve) });
        Ok::<_, String>(letter)
    };
    let over = |error: &StoreError| matches!(error, StoreError::OverQuota { .. });
    world.accept(letter(&world, 500)?)?;
    bad("one octet too much", world.store.accept(letter(&world, 301)?), over)?;
    let mut both = letter(&world, 301)?;
    both.copies.push(inbox(world.ada));
    bad("too much for one of two", world.store.accept(both), over)?;
    same("ada's entries", &world.uids(world.ada)?.len(), &0)?;
    world.reopen()?;
    bad("one octet too much", world.store.accept(letter(&world, 301)?), over)?;
    world.accept(letter(&world, 300)?)?;
    bad("anything more", world.store.accept(letter(&world, 0)?), over)?;
    world.expunge(eve, &[1])?;
    let mut twice = letter(&world, 250)?;
    let other = "Other".to_owned();
    twice.copies.push(LocalDelivery { mailbox: other, prefix: Vec::new(), ..inbox(eve) });
    world.accept(twice)?;
    same("what is held", &good("asking", world.store.account_use(eve))?.octets, &1000)?;
    bad("a quota of nobody", world.store.set_quota(AccountId(4711), None), not_found)?;
    good("a larger quota", world.store.set_quota(eve, Some(1200)))?;
    world.accept(letter(&world, 50)?)?;
    bad("more than that", world.store.accept(letter(&world, 50)?), over)?;
    good("a smaller one than is held", world.store.set_quota(eve, Some(10)))?;
    world.reopen()?;
    bad("anything more", world.store.accept(letter(&world, 0)?), over)?;
    good("no quota", world.store.set_quota(eve, None))?;
    world.accept(letter(&world, 5000)?)?;
    Ok(())
}

/// With an account its mail goes, but not what others share with it; its id is not used again.
pub(super) fn removed_accounts_take_their_mail(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    let own = world.deliver(world.ada)?.message;
    let shared = world.accept(world.letter_to(200, &[world.ada, world.bob])?)?.message;
    let note = Note { account: world.ada, key: "k".to_owned(), value: Some("v".to_owned()) };
    good("writing a note", world.store.set_notes(vec![note]))?;
    good("removing an account", world.store.remove_account(world.ada))?;
    bad("removing it again", world.store.remove_account(world.ada), not_found)?;
    world.reopen()?;
    bad("its mailboxes", world.store.mailboxes(world.ada), not_found)?;
    bad("its mail", world.store.read(own, 0, 10), not_found)?;
    same("bob's mail", &world.read(shared, 1 << 20)?.len(), &200)?;
    let again = good("adding it", world.store.add_account(new_account("ada@example.org")?))?;
    ensure(again != world.ada, "an account's id is used twice")?;
    same("its entries", &world.uids(again)?.len(), &0)?;
    same("its notes", &good("reading notes", world.store.notes(again, ""))?.len(), &0)
}

/// Notes come back by prefix, are replaced and removed, and enter with an accept.
pub(super) fn notes_are_kept(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    let ada = world.ada;
    let note = |key: &str, value: Option<&str>| Note {
        account: ada,
        key: key.to_owned(),
        value: value.map(str::to_owned),
    };
    let all = vec![note("uidl/2", Some("b")), note("uidl/1", Some("a")), note("x", Some("y"))];
    good("writing notes", world.store.set_notes(all))?;
    let mut letter = world.letter_to(10, &[ada])?;
    letter.notes = vec![note("uidl/3", Some("c")), note("uidl/1", None)];
    world.accept(letter)?;
    good("replacing a note", world.store.set_notes(vec![note("uidl/2", Some("B"))]))?;
    let stranger = Note { account: AccountId(4711), ..note("k", Some("v")) };
    let wrong = world.store.set_notes(vec![note("uidl/4", Some("d")), stranger]);
    bad("a note about nobody", wrong, not_found)?;
    world.reopen()?;
    let found = good("reading notes", world.store.notes(ada, "uidl/"))?;
    same("notes", &found, &vec![note("uidl/2", Some("B")), note("uidl/3", Some("c"))])?;
    good("removing a note", world.store.set_notes(vec![note("uidl/2", None)]))?;
    same("notes", &good("reading notes", world.store.notes(ada, ""))?.len(), &2)?;
    same("bob's notes", &good("reading notes", world.store.notes(world.bob, ""))?.len(), &0)
}

/// What greylisting remembers comes back until its time is over, and is replaced whole.
pub(super) fn clients_are_remembered(harness: &mut dyn Harness) -> Held {
    let mut world = World::new(harness)?;
    let at = |seconds: i64| UnixMillis(START.0.saturating_add(seconds.saturating_mul(1000)));
    let seen = |key: &str, first: i64, until: i64| Seen {
        key: key.to_owned(),
        first_at: at(first),
        until: at(until),
    };
    let [network, letter] = ["192.0.2.0/24", "192.0.2.0/24 <a@b.example> <ada@example.org>"];
    good("remembering a network", world.store.see(seen(network, 0, 100), at(0)))?;
    good("remembering a letter", world.store.see(seen(letter, 1, 10), at(1)))?;
    world.reopen()?;
    let keys = || vec![letter.to_owned(), "192.0.3.0/24".to_owned(), network.to_owned()];
    let asked = |world: &World<'_>, now: i64| good("asking", world.store.seen(keys(), at(now)));
    let both = vec![seen(letter, 1, 10), seen(network, 0, 100)];
    same("what is remembered, in the order of asking", &asked(&world, 9)?, &both)?;
    same("at the end of its time", &asked(&world, 10)?, &vec![seen(network, 0, 100)])?;
    good("remembering it anew", world.store.see(seen(letter, 20, 30), at(20)))?;
    good("replacing the other", world.store.see(seen(network, 20, 25), at(20)))?;
    world.reopen()?;
    let both = vec![seen(letter, 20, 30), seen(network, 20, 25)];
    same("what was replaced", &asked(&world, 21)?, &both)?;
    same("when nothing is left", &asked(&world, 1000)?, &Vec::new())
}
