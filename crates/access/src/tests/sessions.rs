//! What clients do, and what becomes of their mail.

use crate::Pop3Tls;
use platform::{Drive, Interrupt, Next, TlsFacts};
use pop3::SaslMessage;
use sasl::{Client as Sasl, Mechanism, Nonce, Password};

use super::fake_store::Fault;
use super::world::{ALICE, BOB, World};

const PREFIX: &[u8] = b"Return-Path: <bob@example.org>\r\n";

async fn world_with_mail() -> World {
    let world = World::new().await;
    world.store.deliver(ALICE, PREFIX, "Subject: one\r\n\r\n.dot\r\n");
    world.store.deliver(BOB, b"", "Subject: for bob\r\n\r\n");
    world.store.deliver(ALICE, b"", "Subject: two\r\n\r\nbody");
    world
}

#[tokio::test]
async fn mail_is_listed_and_fetched_with_its_prefix() {
    let world = world_with_mail().await;
    let mut alice = world.logged_in("alice").await;
    let sizes = format!("1 {}\r\n2 20\r\n.\r\n", PREFIX.len() + 22);
    assert!(alice.say("LIST\r\n").await.ends_with(&sizes));
    assert!(alice.say("UIDL\r\n").await.ends_with("\r\n1 7.1\r\n2 7.3\r\n.\r\n"));
    let expected = format!(
        "+OK {} octets\r\nReturn-Path: <bob@example.org>\r\nSubject: one\r\n\r\n..dot\r\n.\r\n",
        PREFIX.len() + 22
    );
    assert_eq!(alice.say("RETR 1\r\n").await, expected);
    let top = alice.say("TOP 2 0\r\n").await;
    assert_eq!(top, "+OK top of the message follows\r\nSubject: two\r\n\r\n.\r\n");
    assert_eq!(alice.say("RETR 3\r\n").await, "-ERR no such message\r\n", "bob's is not hers");
}

#[tokio::test]
async fn deletions_happen_at_quit_in_one_operation() {
    let world = world_with_mail().await;
    let mut alice = world.logged_in("alice").await;
    world.store.deliver(ALICE, b"", "Subject: late\r\n\r\n");
    assert_eq!(alice.say("STAT\r\n").await, "+OK 2 74\r\n", "P15: not visible in this session");
    alice.say("DELE 1\r\nDELE 2\r\n").await;
    assert_eq!(world.store.expunges(), [[0; 0]; 0], "only marks");
    assert_eq!(alice.say("QUIT\r\n").await, "+OK bye\r\n(closed)");
    assert_eq!(world.store.expunges(), [[1, 3]], "one operation");
    assert_eq!(world.store.uids(ALICE), [4], "P15: kept for the next");
    assert_eq!(world.store.uids(BOB), [2]);
}

#[tokio::test]
async fn a_session_that_is_cut_off_deletes_nothing() {
    let interrupts = [
        Interrupt::TimedOut,
        Interrupt::TooSlow,
        Interrupt::ShuttingDown,
        Interrupt::PeerGone,
        Interrupt::TlsFailed("test".to_owned()),
    ];
    for why in interrupts {
        let world = world_with_mail().await;
        let mut alice = world.logged_in("alice").await;
        alice.say("DELE 1\r\n").await;
        let mut last_words = Vec::new();
        alice.drive.interrupt(why.clone(), &mut last_words).await;
        let is_told = String::from_utf8(last_words).unwrap().starts_with("-ERR [SYS/TEMP]");
        assert_eq!(is_told, why == Interrupt::ShuttingDown, "RFC 1939 §3: {why:?}");
        assert_eq!(world.store.uids(ALICE), [1, 3], "P04: {why:?}");
        world.logged_in("alice").await; // the lock is free although the drive still lives
    }
}

#[tokio::test]
async fn one_session_for_each_maildrop() {
    let world = world_with_mail().await;
    let mut first = world.logged_in("alice").await;
    let mut second = world.client().await;
    let login = "USER alice@example.org\r\nPASS pencil box\r\n";
    let heard = second.say(login).await;
    assert!(heard.contains("-ERR [IN-USE] "), "P10: {heard}");
    world.logged_in("bob").await;
    assert!(second.say(login).await.contains("-ERR [IN-USE] "), "still");
    first.say("QUIT\r\n").await;
    assert!(second.say(login).await.contains("+OK 2 messages"), "free at QUIT");
    drop(second);
    world.logged_in("alice").await;
}

#[tokio::test]
async fn failures_of_the_store_are_told() {
    let world = world_with_mail().await;
    world.store.break_down(Fault::Entries);
    let mut alice = world.client().await;
    let heard = alice.say("USER alice@example.org\r\nPASS pencil box\r\n").await;
    assert!(heard.contains("-ERR [SYS/TEMP] "), "{heard}");

    world.store.break_down(Fault::Expunge);
    let mut alice = world.logged_in("alice").await;
    alice.say("DELE 1\r\n").await;
    let heard = alice.say("QUIT\r\n").await;
    assert_eq!(heard, "-ERR [SYS/TEMP] some deleted messages were not removed\r\n(closed)");
    assert_eq!(world.store.uids(ALICE), [1, 3], "RFC 1939 §6");

    world.store.break_down(Fault::ReadFrom(0));
    let mut alice = world.logged_in("alice").await;
    assert!(alice.say("RETR 2\r\n").await.starts_with("-ERR [SYS/TEMP] "), "nothing was sent yet");
    world.store.break_down(Fault::None);
    assert!(alice.say("RETR 2\r\n").await.starts_with("+OK 20 octets\r\n"), "it goes on");

    world.store.deliver(ALICE, b"", "x\r\n".repeat(100_000));
    world.store.break_down(Fault::ReadFrom(128 * 1024));
    drop(alice);
    let mut alice = world.logged_in("alice").await;
    let heard = alice.say("RETR 3\r\nSTAT\r\n").await;
    assert!(heard.ends_with("(closed)") && !heard.contains("\r\n.\r\n"), "half has no end");
}

#[tokio::test]
async fn a_message_that_has_gone_is_missed_when_it_is_asked_for() {
    let world = world_with_mail().await;
    let mut alice = world.logged_in("alice").await;
    world.store.remove(1);
    assert!(alice.say("RETR 1\r\n").await.starts_with("-ERR "));
    assert!(alice.say("RETR 2\r\n").await.starts_with("+OK "), "the others are there");
    alice.say("DELE 1\r\nDELE 2\r\n").await;
    assert_eq!(alice.say("QUIT\r\n").await, "+OK bye\r\n(closed)");
}

#[tokio::test]
async fn huge_messages_go_out_in_portions() {
    let world = World::new().await;
    let content = format!("Subject: huge\r\n\r\n{}", ".\r\n".repeat(1_000_000));
    world.store.deliver(ALICE, PREFIX, content);
    let mut alice = world.logged_in("alice").await;
    alice.drive.receive(b"RETR 1\r\nNOOP\r\n");
    let mut portion = Vec::new();
    assert_eq!(alice.drive.advance(&mut portion).await, Next::More);
    assert!(world.store.octets_read() <= 64 * 1024, "P12: waits until the client has read");
    assert!(!alice.drive.may_end());
    let heard = String::from_utf8(portion).unwrap() + &alice.hear().await;
    assert!(heard.ends_with("\r\n.\r\n+OK nothing done\r\n"));
    assert_eq!(heard.matches("\r\n..").count(), 1_000_000);
    assert!(alice.portion_octets_max < 256 * 1024, "{}", alice.portion_octets_max);
    assert!(alice.drive.may_end());

    let before = world.store.octets_read();
    alice.say("TOP 1 3\r\n").await;
    assert!(world.store.octets_read() - before <= 64 * 1024, "TOP reads what it needs");
}

#[tokio::test]
async fn unknown_users_look_like_wrong_passwords() {
    let world = World::new().await;
    let mut heard = Vec::new();
    for user in ["alice@example.org", "nobody@example.org", "no address"] {
        let mut client = world.client().await;
        let before = world.clock.pauses().len();
        let replies =
            client.say(&format!("USER {user}\r\nPASS wrong password\r\n").repeat(2)).await;
        heard.push((replies, world.clock.pauses().split_off(before)));
    }
    assert_eq!(heard[0], heard[1], "P07");
    assert_eq!(heard[0], heard[2], "P07");
    assert!(heard[0].0.ends_with("-ERR [AUTH] wrong user name or password\r\n"));
    assert!(heard[0].1[0] < heard[0].1[1], "the second failure waits longer");
}

/// Plays AUTH with our own client side; the last reply.
async fn authenticate(world: &World, mechanism: Mechanism, user: &str, password: &str) -> String {
    let nonce = Nonce::new([5; Nonce::RANDOM_OCTETS]);
    let mut exchange = Sasl::new(mechanism, user, Password::new(password), nonce);
    let mut client = world.client().await;
    let mut heard = client.say(&format!("AUTH {mechanism}\r\n")).await;
    while let Some(challenge) = heard.strip_prefix("+ ") {
        let challenge = sasl::decode_base64(challenge.trim_end().as_bytes()).unwrap();
        let response = exchange.step(&challenge).unwrap();
        heard = client.say(&format!("{}\r\n", *sasl::encode_base64(&response))).await;
    }
    assert!(!heard.starts_with("+OK") || exchange.finish().is_ok(), "the server proved itself");
    heard
}

#[tokio::test]
async fn every_mechanism_logs_in() {
    let world = world_with_mail().await;
    for &mechanism in sasl::offered() {
        let right = authenticate(&world, mechanism, "alice@example.org", "pencil box").await;
        assert!(right.starts_with("+OK 2 messages"), "{mechanism}: {right}");
        let wrong = authenticate(&world, mechanism, "alice@example.org", "pencil").await;
        let unknown = authenticate(&world, mechanism, "nobody@example.org", "pencil box").await;
        assert_eq!(wrong, unknown, "{mechanism}");
        assert_eq!(wrong, "-ERR [AUTH] wrong user name or password\r\n", "{mechanism}");
    }
    let as_bob = SaslMessage::new(*b"bob@example.org\0alice@example.org\0pencil box");
    let line = sasl::encode_base64(as_bob.reveal());
    let heard = world.client().await.say(&format!("AUTH PLAIN {}\r\n", *line)).await;
    assert!(heard.starts_with("-ERR [AUTH] "), "T09: acting for another: {heard}");
}

#[tokio::test]
async fn stls_forgets_what_was_said_in_clear() {
    let world = world_with_mail().await;
    let mut client = world.client().await;
    client.drive = world.session(Pop3Tls::Stls);
    client.hear().await;
    let heard = client.say("STLS\r\nUSER alice@example.org\r\nPASS pencil box\r\n").await;
    assert_eq!(heard, "+OK begin TLS now\r\n(TLS)", "P08");
    client.drive.enter_tls(TlsFacts::default());
    assert_eq!(client.hear().await, "", "no second greeting");
    let heard = client.say("USER alice@example.org\r\nPASS pencil box\r\n").await;
    assert!(heard.contains("+OK 2 messages"), "{heard}");
}

#[tokio::test]
async fn implicit_tls_greets_after_the_handshake() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.drive = world.session(Pop3Tls::Implicit);
    client.drive.enter_tls(TlsFacts::default());
    assert_eq!(client.hear().await, "+OK mx.example.org POP3 server ready\r\n");
}
