//! Who may log in, by every mechanism, with the real hashes.

use directory::{Directory, Step};
use sasl::{Client, Mechanism, Nonce, Password, Refusal};

use crate::support::{PASSWORD, World, address};

/// The whole exchange of a client that believes in `password`: who it logged in as.
async fn exchange(
    directory: &Directory,
    mechanism: Mechanism,
    who: &str,
    password: &str,
) -> Result<String, Refusal> {
    let nonce = Nonce::new([66; Nonce::RANDOM_OCTETS]);
    let mut client = Client::new(mechanism, who, Password::new(password), nonce);
    let mut server = directory.begin(mechanism);
    let mut response = client.initial_response().map(|octets| octets.to_vec());
    loop {
        match directory.respond(&mut server, response.as_deref()).await.unwrap() {
            Step::Challenge(challenge) => match client.step(&challenge) {
                Ok(octets) => response = Some(octets.to_vec()),
                Err(_) => return Err(Refusal::Credentials),
            },
            Step::Accepted(login) => {
                assert!(client.finish().is_ok(), "{mechanism:?}: the server proved itself");
                return Ok(login.address.to_string());
            }
            Step::Refused(refusal) => return Err(refusal),
        }
    }
}

#[tokio::test]
async fn the_right_password_and_no_other_logs_in() {
    let world = World::new().await;
    world.add("ada@a.test", Some(PASSWORD)).await;
    world.add("robot@a.test", None).await;
    world.add("umlaut@a.test", Some("пароль 密码")).await;
    let ada = || Ok("ada@a.test".to_owned());
    #[rustfmt::skip]
    let rows = [
        ("ada@a.test", PASSWORD, ada(), "right"),
        ("ADA@A.test", PASSWORD, ada(), "the case of our own addresses does not count"),
        ("ada@a.test", "correct horse batterY", Err(Refusal::Credentials), "wrong"),
        ("ada@a.test", "correct horse battery ", Err(Refusal::Credentials), "one space more"),
        ("nobody@a.test", PASSWORD, Err(Refusal::Credentials), "unknown user"),
        ("ada", PASSWORD, Err(Refusal::Credentials), "no address"),
        ("robot@a.test", PASSWORD, Err(Refusal::Credentials), "nobody can log in here"),
        ("postmaster@a.test", PASSWORD, Err(Refusal::Credentials), "an address, not an account"),
        ("umlaut@a.test", "пароль 密码", Ok("umlaut@a.test".to_owned()), "any script"),
    ];
    for mechanism in sasl::offered() {
        for (who, password, wanted, why) in &rows {
            let found = exchange(&world.directory, *mechanism, who, password).await;
            assert_eq!(&found, wanted, "{mechanism:?}: {why}");
        }
    }
}

#[tokio::test]
async fn a_change_holds_at_once() {
    let world = World::new().await;
    world.add("ada@a.test", Some(PASSWORD)).await;
    let directory = &world.directory;
    let new = Password::new("another one entirely");
    directory.set_password(&address("ada@a.test"), &new).await.unwrap();
    for mechanism in sasl::offered() {
        let old = exchange(directory, *mechanism, "ada@a.test", PASSWORD).await;
        assert_eq!(old, Err(Refusal::Credentials), "{mechanism:?}");
        let new = exchange(directory, *mechanism, "ada@a.test", new.reveal()).await;
        assert_eq!(new, Ok("ada@a.test".to_owned()), "{mechanism:?}");
    }
    directory.remove_account(&address("ada@a.test")).await.unwrap();
    for mechanism in sasl::offered() {
        let gone = exchange(directory, *mechanism, "ada@a.test", new.reveal()).await;
        assert_eq!(gone, Err(Refusal::Credentials), "{mechanism:?}");
    }
}

#[tokio::test]
async fn what_is_stored_is_no_password() {
    let world = World::new().await;
    world.add("ada@a.test", Some(PASSWORD)).await;
    let account = world.store.accounts().await.unwrap().pop().unwrap();
    let credential = account.credential.clone().unwrap();
    assert!(credential.argon2.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{account:?}");
    for stored in [&credential.argon2, &credential.scram_sha_256] {
        assert!(!stored.contains(PASSWORD));
    }
    assert!(!format!("{account:?}").contains(&credential.argon2), "not even the hash is shown");
}
