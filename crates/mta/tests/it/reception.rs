//! What comes in, and what does not: limits, loops, a full disk, the end of the server.

use std::sync::Arc;
use std::time::Duration;

use platform::SystemClock;
use platform::shutdown::Drained;

use crate::disk::{Failing, Mode};
use crate::support::{MESSAGE_OCTETS_MAX, Ports, RECIPIENTS_MAX, System, Typist, Wishes};

async fn system(wishes: Wishes) -> System {
    System::start("a.test", &["ada", "bob"], Ports::bind().await, wishes).await
}

/// Sends a message to `ada` from elsewhere; the last reply.
async fn send(system: &System, content: &str) -> String {
    let mut stranger = system.stranger().await;
    for (line, wanted) in
        [("MAIL FROM:<x@else.test>", "250"), ("RCPT TO:<ada@a.test>", "250"), ("DATA", "354")]
    {
        let reply = stranger.say(line).await;
        if !reply.starts_with(wanted) {
            return reply;
        }
    }
    stranger.say(&format!("{content}.")).await
}

#[tokio::test]
async fn a_message_is_taken_whole_or_not_at_all() {
    let a = system(Wishes::default()).await;
    let field = |name: &str, octets: usize| format!("{name}: {}\r\n", "x".repeat(octets));
    let many = |field: &str, times: usize| field.repeat(times);
    let received = "Received: from x by y; Wed, 25 Nov 2026 02:22:10 +0000\r\n";
    #[rustfmt::skip]
    let rows = [
        ("\r\n".to_owned(), "250", "S19: an empty header"),
        (String::new(), "250", "S19: nothing at all"),
        ("no header\r\nbut text\r\n".to_owned(), "250", "S19: no header"),
        (format!("\r\n{}\r\n", "x".repeat(100_000)), "250", "S16: a long line"),
        (format!("{}\r\nbody\r\n", many(&field("X-Much", 900), 1_500)), "250", "M05: a header over 1 MiB"),
        (format!("{}\r\nbody\r\n", many(received, 100)), "250", "RFC 5321 §6.3: a hundred hops"),
        (format!("{}\r\nbody\r\n", many(received, 101)), "554 5.4.6", "M18: one more goes in circles"),
        ("Delivered-To: ada@a.test\r\n\r\nbody\r\n".to_owned(), "554 5.4.6", "M18: it was here before"),
        ("Delivered-To: bob@a.test\r\n\r\nbody\r\n".to_owned(), "250", "it was with somebody else"),
        ("a\r\n\r\nbare\nline\r\n".to_owned(), "550 5.6.0", "S01: a bare LF"),
        (format!("\r\n{}", many(&format!("{}\r\n", "x".repeat(998)), 3_200)), "552 5.3.4", "S28: too large"),
    ];
    let mut taken = 0;
    for (content, wanted, why) in rows {
        assert!(content.len() as u64 <= MESSAGE_OCTETS_MAX || wanted.starts_with("552"));
        let reply = send(&a, &content).await;
        assert!(reply.starts_with(wanted), "{why}: {reply}");
        let inbox = a.inbox("ada@a.test").await;
        taken += usize::from(wanted == "250");
        assert_eq!(inbox.len(), taken, "{why}");
        if wanted == "250" {
            assert!(inbox.last().unwrap().ends_with(&content), "R22: {why}");
        }
    }
}

#[tokio::test]
async fn a_header_is_found_wherever_the_packets_are_cut() {
    let a = system(Wishes::default()).await;
    let message = "From: x@else.test\r\nSubject: cut\r\n\r\nbody\r\n.\r\n";
    for cut in 1..message.len() {
        let mut stranger = a.stranger().await;
        stranger.send("MAIL FROM:<x@else.test>\r\nRCPT TO:<ada@a.test>\r\nDATA\r\n").await;
        for _ in 0..3 {
            stranger.reply().await;
        }
        let (head, rest) = message.split_at(cut);
        stranger.send(head).await;
        tokio::task::yield_now().await;
        stranger.send(rest).await;
        let reply = stranger.reply().await;
        assert!(reply.starts_with("250"), "cut at {cut}: {reply}");
    }
    for letter in a.inbox("ada@a.test").await {
        assert!(
            letter.ends_with("\r\nFrom: x@else.test\r\nSubject: cut\r\n\r\nbody\r\n"),
            "{letter}"
        );
    }
}

#[tokio::test]
async fn a_submission_must_show_its_whole_header() {
    let a = system(Wishes::default()).await;
    let long = format!("From: ada@a.test\r\n{}\r\nx\r\n", "X-Much: y\r\n".repeat(100_000));
    #[rustfmt::skip]
    let rows = [
        (long.as_str(), "552 5.3.4", "a header over 1 MiB"),
        ("From: ada@a.test\r\nSender: ada@a.test\r\nSender: eve@else.test\r\n\r\nx\r\n", "550 5.6.0", "two senders"),
        ("From: ada@a.test, eve@else.test\r\n\r\nx\r\n", "550 5.7.1", "T13: one of two authors"),
        ("From: ada@a.test\r\nSender: eve@else.test\r\n\r\nx\r\n", "550 5.7.1", "T13: the sender"),
        ("From: \"bob@a.test\" <eve@else.test>\r\n\r\nx\r\n", "550 5.7.1", "M15: a name like an address"),
        ("From: undisclosed:;\r\n\r\nx\r\n", "550 5.6.0", "nobody"),
        ("From: \"bob\" <ada@a.test>\r\n\r\nx\r\n", "250", "any name"),
    ];
    for (content, wanted, why) in rows {
        let mut author = a.author("ada@a.test").await;
        let reply = author.submit("MAIL FROM:<ada@a.test>", &["<bob@a.test>"], content).await;
        match reply {
            Ok(_) => assert_eq!(wanted, "250", "{why}"),
            Err(reply) => assert!(reply.starts_with(wanted), "{why}: {reply}"),
        }
    }
}

#[tokio::test]
async fn recipients_have_a_limit_and_are_counted_once() {
    let a = system(Wishes::default()).await;
    let mut stranger = a.stranger().await;
    stranger.say("MAIL FROM:<x@else.test>").await;
    for number in 0..RECIPIENTS_MAX + 5 {
        let reply = stranger.say("RCPT TO:<Ada@A.test>").await;
        let wanted = if number < RECIPIENTS_MAX { "250" } else { "452 4.5.3" };
        assert!(reply.starts_with(wanted), "S40: {number}: {reply}");
    }
    stranger.say("DATA").await;
    let reply = stranger.say("\r\nonce\r\n.").await;
    assert!(reply.starts_with("250"), "S40: {reply}");
    assert_eq!(a.inbox("ada@a.test").await.len(), 1, "S41");
}

#[tokio::test]
async fn a_disk_that_fails_loses_nothing_and_recovers() {
    let disk = Failing::default();
    let a = system(Wishes { disk: Arc::new(disk.clone()), ..Wishes::default() }).await;
    let small = "\r\nsmall\r\n".to_owned();
    let large = format!("\r\n{}", format!("{}\r\n", "x".repeat(998)).repeat(300));
    let mut taken = Vec::new();
    #[rustfmt::skip]
    let rows = [
        (Mode::Well, &small, "250", "all is well"),
        (Mode::NoSpace, &small, "452 4.3.1", "R11: full before anything came"),
        (Mode::Well, &small, "250", "and free again"),
        (Mode::NoWrite, &large, "452 4.3.1", "R11: full while it came"),
        (Mode::NoWrite, &small, "45", "full at the commit"),
        (Mode::Well, &large, "250", "and free again"),
        (Mode::NoSync, &small, "45", "never acknowledged without its sync"),
        (Mode::NoSync, &large, "45", "never acknowledged without its sync"),
        (Mode::Well, &small, "250", "a failed sync costs its file only"),
    ];
    for (mode, content, wanted, why) in rows {
        disk.set(mode);
        let reply = send(&a, content).await;
        assert!(reply.starts_with(wanted), "{why}: {reply}");
        if wanted == "250" {
            taken.push(content.clone());
        }
        disk.set(Mode::Well);
        let inbox = a.inbox("ada@a.test").await;
        assert_eq!(inbox.len(), taken.len(), "{why}");
        for (found, sent) in inbox.iter().zip(&taken) {
            assert!(found.ends_with(sent.as_str()), "{why}");
        }
    }
}

#[tokio::test]
async fn at_the_end_a_transaction_may_finish_and_nothing_new_begins() {
    let a = system(Wishes::default()).await;
    let mut idle = a.stranger().await;
    let mut busy = a.stranger().await;
    busy.say("MAIL FROM:<x@else.test>").await;
    busy.say("RCPT TO:<ada@a.test>").await;
    let mut stuck = a.stranger().await;
    stuck.say("MAIL FROM:<x@else.test>").await;
    a.shutdown.begin();
    assert!(idle.reply().await.starts_with("421 4.3.2"), "R18: who does nothing is sent away");
    assert!(busy.say("DATA").await.starts_with("354"), "R18: what began may finish");
    assert!(busy.say("\r\nlast\r\n.").await.starts_with("250 2.0.0"));
    assert!(busy.reply().await.starts_with("421 4.3.2"), "and then goes");
    assert_eq!(a.inbox("ada@a.test").await.len(), 1);
    let drained = a.shutdown.drain(&SystemClock, Duration::from_millis(100)).await;
    assert_eq!(drained, Drained::CutOff, "who never finishes is cut off");
    assert!(stuck.reply().await.starts_with("421 4.3.2"), "and told so");
}

#[tokio::test]
async fn one_full_mailbox_does_not_keep_the_message_from_the_others() {
    let wishes = Wishes { quota_octets: Some(2_000), ..Wishes::default() };
    let a = system(wishes).await;
    let letter = format!("\r\n{}\r\n", "x".repeat(1_200));
    assert!(send(&a, &letter).await.starts_with("250"));
    let reply = send(&a, &letter).await;
    assert!(reply.starts_with("452 4.2.2"), "the only one: its sender keeps it: {reply}");

    let mut stranger = a.stranger().await;
    let both = ["<ada@a.test>", "<bob@a.test>"];
    let id = stranger.submit("MAIL FROM:<>", &both, &letter).await.unwrap();
    assert_eq!(a.inbox("bob@a.test").await.len(), 1, "he has room");
    let view = a
        .wait_until(id, |view| view.summary.recipients[0].state == store::RecipientState::Deferred)
        .await;
    let reasons: Vec<_> = view.events.iter().map(|event| event.event.reason.as_str()).collect();
    assert!(reasons.contains(&"the mailbox is full"), "{reasons:?}");
    assert_eq!(a.inbox("ada@a.test").await.len(), 1, "she has not");
}

#[tokio::test]
async fn half_a_session_never_hurts_the_next() {
    let a = system(Wishes::default()).await;
    for cut in [
        "EHLO x",
        "EHLO x.test\r\nMAIL FROM:<x@",
        "EHLO x.test\r\nMAIL FROM:<>\r\nRCPT TO:<ada@a.test>\r\nDATA\r\n.",
        "EHLO x.test\r\nMAIL FROM:<>\r\nRCPT TO:<ada@a.test>\r\nDATA\r\nx\r\n.",
    ] {
        let mut stranger = Typist::connect(a.smtp).await;
        stranger.send(cut).await;
        drop(stranger);
    }
    let mut stranger = a.stranger().await;
    stranger.say("MAIL FROM:<>").await;
    stranger.say("RCPT TO:<ada@a.test>").await;
    stranger.say("DATA").await;
    stranger.send_octets(b"\r\n\xff\x00\x80\r\n.\r\n").await;
    assert!(stranger.reply().await.starts_with("250"), "S17, S18: octets are octets");
    let account = a.directory.account(&crate::support::address("ada@a.test")).unwrap().id;
    let mailbox = a.store.mailboxes(account).await.unwrap().remove(0).id;
    let entries = a.store.entries(account, mailbox).await.unwrap();
    assert_eq!(entries.len(), 1, "S09: nothing of what was cut");
    let content = a.store.read(entries[0].message, 0, 1 << 20).await.unwrap();
    assert!(content.ends_with(b"\r\n\xff\x00\x80\r\n"), "R22");
}
