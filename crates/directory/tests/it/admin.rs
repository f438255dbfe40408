//! Administrative changes: all or none, in the store and in the table.

use std::sync::Arc;
use std::time::Duration;

use directory::{DirectoryError, Resolution};
use envelope::Domain;
use platform::{Clock, SystemClock};
use sasl::Password;
use store::{Alias, AliasKey};

use crate::support::{PASSWORD, World, address};

#[tokio::test]
async fn accounts_are_checked_before_the_first_is_made() {
    let world = World::new().await;
    world.add("ada@a.test", None).await;
    let alias = |key, target| Alias {
        key: AliasKey::Address(address(key)),
        targets: vec![address(target)],
        owner: None,
    };
    world.directory.set_alias(alias("all@a.test", "ada@a.test")).await.unwrap();
    #[rustfmt::skip]
    let rows: [(&[&str], Option<&str>, &str, &str); 6] = [
        (&["new@a.test", "new@b.test"], None, "posthouse domain add b.test", "not local"),
        (&["new@a.test", "ADA@a.test"], None, "exists already", "there is one"),
        (&["new@a.test", "NEW@A.test"], None, "named twice", "twice in one command"),
        (&["new@a.test", "all@a.test"], None, "is an alias", "it would hide the alias"),
        (&["new@a.test"], Some("short"), "too short", "the password"),
        (&["new@a.test"], Some("with\ncontrol characters"), "control characters", "the password"),
    ];
    for (addresses, password, wanted, why) in rows {
        let addresses = addresses.iter().map(|text| address(text)).collect();
        let password = password.map(Password::new);
        let error =
            world.directory.add_accounts(addresses, password, None, None).await.unwrap_err();
        assert!(error.to_string().contains(wanted), "{why}: {error}");
        assert!(!error.is_temporary(), "{why}");
        assert_eq!(world.store.accounts().await.unwrap().len(), 1, "{why}: nothing was made");
    }
    let refused = world.directory.set_alias(alias("ada@a.test", "x@else.test")).await;
    assert!(matches!(refused, Err(DirectoryError::Refused(_))), "{refused:?}");
    let circle = alias("loop@a.test", "LOOP@a.test");
    let refused = world.directory.set_alias(circle).await.unwrap_err().to_string();
    assert!(refused.contains("lead to itself"), "{refused}");
    world.directory.set_alias(alias("one@a.test", "two@a.test")).await.unwrap();
    let refused = world.directory.set_alias(alias("two@a.test", "one@a.test")).await;
    assert!(matches!(refused, Err(DirectoryError::Refused(_))), "by way of another: {refused:?}");
    let empty = Alias { targets: Vec::new(), ..alias("none@a.test", "x@else.test") };
    let refused = world.directory.set_alias(empty).await;
    assert!(matches!(refused, Err(DirectoryError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn many_accounts_of_one_password_are_quick() {
    let world = World::new().await;
    let begun = SystemClock.monotonic();
    let addresses = (0..500).map(|number| address(&format!("user{number}@a.test"))).collect();
    world
        .directory
        .add_accounts(addresses, Some(Password::new(PASSWORD)), None, None)
        .await
        .unwrap();
    let took = SystemClock.monotonic().saturating_sub(begun);
    assert!(took < Duration::from_secs(5), "hashed once, in few commits: {took:?}");
    let last = world.directory.account(&address("user499@a.test")).unwrap();
    let login = world.directory.check_password("user499@a.test", Password::new(PASSWORD)).await;
    assert_eq!(login.unwrap().unwrap().account, last.id);
}

#[tokio::test]
async fn changes_at_the_same_time_are_all_seen() {
    let world = World::new().await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..20 {
        let directory = Arc::clone(&world.directory);
        tasks.spawn(async move {
            let who = vec![address(&format!("user{number}@a.test"))];
            directory.add_accounts(who, None, None, None).await.unwrap();
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    for number in 0..20 {
        let who = address(&format!("user{number}@a.test"));
        assert!(world.directory.account(&who).is_some(), "{who}");
    }
    let domain = Domain::parse("a.test").unwrap();
    let refused = world.directory.remove_domain(domain).await;
    assert!(refused.is_err(), "it has accounts");
    assert!(matches!(world.directory.resolve(&address("user1@a.test")), Resolution::Local(_)));
}
