//! A letter's way through two systems, and what its author is told.

use std::sync::Arc;
use std::time::Duration;

use dns::{Trouble, Zone};
use mta::QueueConfig;
use smtp::server::Tls;
use store::{Happening, RecipientState};

use crate::support::{Ports, System, Typist, Wishes};

const LETTER: &str = "From: Ada <ada@a.test>\r\nTo: bob@b.test\r\nSubject: hello\r\n\
    Bcc: secret@b.test\r\n\r\nDear Bob,\r\n..a dotted line\r\n";

/// Two systems that find each other by MX.
async fn two_systems(queue: QueueConfig) -> (System, System, Arc<Zone>) {
    let zone = Arc::new(Zone::new());
    zone.mx("a.test", 10, "mx.a.test").a("mx.a.test", "127.0.0.1".parse().unwrap());
    zone.mx("b.test", 10, "mx.b.test").a("mx.b.test", "127.0.0.1".parse().unwrap());
    zone.mx("nomail.test", 0, ".");
    let (a_ports, b_ports) = (Ports::bind().await, Ports::bind().await);
    let (a_smtp, b_smtp) = (a_ports.smtp(), b_ports.smtp());
    let wishes = |port, queue| Wishes {
        zone: Arc::clone(&zone),
        outbound_port: port,
        queue,
        tls: Tls::Offered,
        ..Wishes::default()
    };
    let a = System::start("a.test", &["ada"], a_ports, wishes(b_smtp.port(), queue.clone())).await;
    let b = System::start("b.test", &["bob"], b_ports, wishes(a_smtp.port(), queue)).await;
    (a, b, zone)
}

#[tokio::test]
async fn a_letter_travels_and_its_author_hears_of_it() {
    let (a, b, _) = two_systems(QueueConfig::default()).await;
    let mut author = Typist::connect(a.submission).await;
    author.log_in("ada@a.test").await;
    let recipients = [
        "<bob@b.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@b.test",
        "<nobody@b.test> NOTIFY=FAILURE",
    ];
    let mail = "MAIL FROM:<ada@a.test> RET=HDRS ENVID=letter-1";
    let id = author.submit(mail, &recipients, LETTER).await.unwrap();

    let view = a.wait_for(id, &[RecipientState::Delivered, RecipientState::Failed]).await;
    let letter = b.inbox("bob@b.test").await.pop().expect("bob has the letter");
    let (trace, rest) = letter.split_at(letter.find("From: Ada").unwrap());
    assert!(trace.starts_with(
        "Return-Path: <ada@a.test>\r\nDelivered-To: bob@b.test\r\nReceived: from mx.a.test"
    ));
    assert!(trace.contains("with ESMTPS (TLSv1.3 "), "opportunistic TLS: {trace}");
    assert!(trace.contains(&format!("id {id}")), "the submission's own Received stays: {trace}");
    assert!(!rest.contains("secret"), "RFC 5322 §3.6.3: Bcc is gone");
    assert!(rest.contains("\r\nDate: ") && rest.contains("\r\nMessage-ID: <"), "completed");
    assert!(rest.ends_with("\r\n\r\nDear Bob,\r\n.a dotted line\r\n"), "{rest}");

    let notices = a.wait_for_inbox("ada@a.test", 2).await;
    let failure = notices.iter().find(|notice| notice.contains("Action: failed")).unwrap();
    assert!(failure.starts_with("Return-Path: <>\r\n"), "RFC 5321 §4.5.5");
    assert!(failure.contains("Final-Recipient: rfc822; nobody@b.test"), "{failure}");
    assert!(failure.contains("Diagnostic-Code: smtp; 550 5.1.1"), "{failure}");
    assert!(failure.contains("Original-Envelope-Id: letter-1"), "{failure}");
    let success = notices.iter().find(|notice| notice.contains("Action: delivered")).unwrap();
    assert!(success.contains("Reporting-MTA: dns; mx.b.test"), "{success}");

    let happened = |wanted: fn(&Happening) -> bool| {
        view.events.iter().any(|event| wanted(&event.event.happening))
    };
    assert!(happened(|what| matches!(what, Happening::Accepted { .. })), "{view:#?}");
    assert!(happened(|what| matches!(what, Happening::Reported { .. })), "{view:#?}");
    assert!(happened(|what| matches!(what, Happening::Routed { .. })), "{view:#?}");
    let attempt = view.attempts.first().unwrap();
    assert!(attempt.transcript.contains("> RCPT TO:<nobody@b.test>"), "{}", attempt.transcript);
    assert!(attempt.transcript.contains("< 550 5.1.1"), "{}", attempt.transcript);
    assert!(!attempt.transcript.contains("Dear Bob"), "no content in a transcript");
}

#[tokio::test]
async fn who_may_send_what_to_whom() {
    let (a, _b, _) = two_systems(QueueConfig::default()).await;
    let from_ada = "From: ada@a.test\r\n\r\nx\r\n";
    #[rustfmt::skip]
    let authors: [(&str, &str, &str, &str, &str); 6] = [
        ("MAIL FROM:<eve@a.test>", "<bob@b.test>", from_ada, "550 5.7.1", "T13: the envelope's sender"),
        ("MAIL FROM:<ada@a.test>", "<bob@b.test>", "From: eve@a.test\r\n\r\nx\r\n", "550 5.7.1", "T13: the header's author"),
        ("MAIL FROM:<ada@a.test>", "<bob@b.test>", "Subject: x\r\n\r\nx\r\n", "550 5.6.0", "no From"),
        ("MAIL FROM:<ada@a.test>", "<bob@b.test>", "From: ada@a.test\r\nFrom: ada@a.test\r\n\r\nx\r\n", "550 5.6.0", "two From fields"),
        ("MAIL FROM:<ada@a.test>", "<bob@b.test>", "From: ada@a.test\r\nno field\r\nFrom: eve@a.test\r\n\r\nx\r\n", "550 5.6.0", "what hides behind a line that is no field"),
        ("MAIL FROM:<ada@a.test>", "<nobody@a.test>", from_ada, "550 5.1.1", "an unknown address of ours"),
    ];
    for (mail, recipient, content, wanted, why) in authors {
        let mut author = Typist::connect(a.submission).await;
        author.log_in("ada@a.test").await;
        let refusal = author.submit(mail, &[recipient], content).await.unwrap_err();
        assert!(refusal.starts_with(wanted), "{why}: {refusal}");
    }
    #[rustfmt::skip]
    let strangers = [
        ("<bob@b.test>", "550 5.7.1", "S50: no relay"),
        ("<victim%b.test@a.test>", "550 5.1.1", "S51: an unknown local user"),
        ("<\"bob@b.test\"@a.test>", "550 5.1.1", "S51"),
        ("<@a.test:bob@b.test>", "550 5.7.1", "S52: a source route is dropped"),
        ("<POSTMASTER>", "250 2.1.5", "S54"),
        ("<postmaster@mx.a.test>", "250 2.1.5", "where our notices come from"),
        ("<\"ADA\"@A.test>", "250 2.1.5", "S58"),
        ("<nobody@a.test>", "550 5.1.1", "unknown"),
    ];
    for (recipient, wanted, why) in strangers {
        for mail in ["MAIL FROM:<>", "MAIL FROM:<x@else.test>", "MAIL FROM:<ada@a.test>"] {
            let mut stranger = Typist::connect(a.smtp).await;
            stranger.say("EHLO else.test").await;
            assert!(stranger.say(mail).await.starts_with("250"));
            let reply = stranger.say(&format!("RCPT TO:{recipient}")).await;
            assert!(reply.starts_with(wanted), "{why}, {mail}: {reply}");
        }
    }
    let mut author = Typist::connect(a.submission).await;
    author.say("EHLO x.test").await;
    let reply = author.say("MAIL FROM:<ada@a.test>").await;
    assert!(reply.starts_with("530 5.7.0"), "RFC 6409 §4.3: no login, no mail: {reply}");
}

#[tokio::test]
async fn a_domain_without_mail_fails_at_once_and_trouble_only_delays() {
    let soon = QueueConfig {
        retry: vec![Duration::from_millis(200)],
        delay_notice: Duration::ZERO,
        ..QueueConfig::default()
    };
    let (a, b, zone) = two_systems(soon).await;
    zone.trouble("b.test", Some(Trouble::ServFail));
    let mut author = Typist::connect(a.submission).await;
    author.log_in("ada@a.test").await;
    let mail = "MAIL FROM:<ada@a.test>";
    let dead = author.submit(mail, &["<x@nomail.test>", "<x@gone.test>"], LETTER).await.unwrap();
    let view = a.wait_for(dead, &[RecipientState::Failed, RecipientState::Failed]).await;
    assert_eq!(view.attempts.len(), 0, "nobody was spoken to");
    let notices = a.wait_for_inbox("ada@a.test", 2).await.concat();
    assert!(notices.contains("Status: 5.1.10"), "D02: RFC 7505 §4.1: {notices}");
    assert!(notices.contains("Status: 5.1.2"), "no such domain: {notices}");

    let late = author.submit(mail, &["<bob@b.test>"], LETTER).await.unwrap();
    let notices = a.wait_for_inbox("ada@a.test", 3).await.concat();
    assert!(notices.contains("Action: delayed"), "{notices}");
    assert!(notices.contains("Will-Retry-Until: "), "{notices}");
    zone.trouble("b.test", None);
    a.wait_for(late, &[RecipientState::Accepted]).await;
    assert_eq!(b.inbox("bob@b.test").await.len(), 1);
    let delays = a.inbox("ada@a.test").await.concat().matches("Action: delayed").count();
    assert_eq!(delays, 1, "a delay is told once");
}

#[tokio::test]
async fn what_outlives_its_time_goes_back_and_notices_never_do() {
    let short = QueueConfig {
        retry: vec![Duration::from_millis(50)],
        expire: Duration::from_millis(200),
        ..QueueConfig::default()
    };
    let (a, b, zone) = two_systems(short).await;
    zone.trouble("b.test", Some(Trouble::ServFail));
    let mut author = Typist::connect(a.submission).await;
    author.log_in("ada@a.test").await;
    let id = author.submit("MAIL FROM:<ada@a.test>", &["<bob@b.test>"], LETTER).await.unwrap();
    a.wait_for(id, &[RecipientState::Failed]).await;
    let notice = a.wait_for_inbox("ada@a.test", 1).await.concat();
    assert!(notice.contains("Status: 5.4.7"), "expired: {notice}");

    let id = author.submit("MAIL FROM:<>", &["<bob@b.test>"], LETTER).await.unwrap();
    let view = a.wait_for(id, &[RecipientState::Failed]).await;
    let untold = view.events.iter().any(|e| e.event.happening == Happening::NotNoticed);
    assert!(untold, "RFC 5321 §4.5.5: {view:#?}");
    assert_eq!(a.inbox("ada@a.test").await.len(), 1);
    assert_eq!(b.inbox("bob@b.test").await.len(), 0);
}

#[tokio::test]
async fn half_a_message_is_no_message() {
    let (a, _b, _) = two_systems(QueueConfig::default()).await;
    let mut stranger = Typist::connect(a.smtp).await;
    stranger.say("EHLO else.test").await;
    stranger.say("MAIL FROM:<x@else.test>").await;
    stranger.say("RCPT TO:<ada@a.test>").await;
    stranger.say("DATA").await;
    stranger.send("From: x@else.test\r\n\r\nhalf a mess").await;
    drop(stranger);
    let mut stranger = Typist::connect(a.smtp).await;
    stranger.say("EHLO else.test").await;
    let whole = "From: x@else.test\r\n\r\nwhole\r\n";
    let id = stranger.submit("MAIL FROM:<x@else.test>", &["<ada@a.test>"], whole).await.unwrap();
    a.wait_for(id, &[RecipientState::Delivered]).await;
    let inbox = a.inbox("ada@a.test").await;
    assert_eq!(inbox.len(), 1, "S09: {inbox:?}");
    assert!(inbox.concat().ends_with("\r\n\r\nwhole\r\n"));
}
