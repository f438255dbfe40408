//! What waits in the queue: until it may go, until it is ours, until we stop.

use std::sync::Arc;
use std::time::Duration;

use dns::{Trouble, Zone};
use envelope::Domain;
use mta::QueueConfig;
use mta::notice::Language;
use platform::SystemClock;
use platform::shutdown::Drained;
use store::RecipientState::{Accepted, Deferred, Delivered, Failed, Queued};
use store::{Happening, QueueFilter, Steer, SteerAction, UnixMillis};

use crate::disk::{Failing, Mode};
use crate::peer::{Peer, SILENCE, on};
use crate::support::{Ports, System, Wishes, address};

const LETTER: &str = "From: ada@a.test\r\nSubject: hello\r\n\r\nDear Bob\r\n";

/// A system whose other domain cannot be looked up.
async fn without_dns(retry: Duration) -> (System, Arc<Zone>) {
    let zone = Arc::new(Zone::new());
    zone.trouble("b.test", Some(Trouble::ServFail));
    let queue = QueueConfig { retry: vec![retry], ..QueueConfig::default() };
    let wishes = Wishes { zone: Arc::clone(&zone), queue, ..Wishes::default() };
    (System::start("a.test", &["ada"], Ports::bind().await, wishes).await, zone)
}

#[tokio::test]
async fn mail_for_a_domain_that_became_ours_is_delivered_here() {
    let (a, _zone) = without_dns(Duration::from_secs(3600)).await;
    let mut author = a.author("ada@a.test").await;
    let to = ["<bob@b.test> NOTIFY=SUCCESS", "<nobody@b.test>", "<team@b.test>"];
    let id = author.submit("MAIL FROM:<ada@a.test>", &to, LETTER).await.unwrap();
    a.wait_for(id, &[Deferred, Deferred, Deferred]).await;
    a.directory.add_domain(Domain::parse("b.test").unwrap()).await.unwrap();
    a.directory.add_accounts(vec![address("bob@b.test")], None, None, None).await.unwrap();
    let targets = vec![address("ada@a.test"), address("bob@b.test")];
    let team = store::AliasKey::Address(address("team@b.test"));
    a.directory.set_alias(store::Alias { key: team, targets, owner: None }).await.unwrap();
    let steer = Steer { submission: id, recipient: None, action: SteerAction::Retry, at: now() };
    a.store.steer(steer).await.unwrap();

    let view = a.wait_for(id, &[Delivered, Failed, Delivered]).await;
    let reasons: Vec<_> = view.events.iter().map(|event| event.event.reason.clone()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("the address is ours")), "{reasons:?}");
    assert!(
        reasons.iter().any(|reason| reason.contains("no mailbox nobody@b.test")),
        "{reasons:?}"
    );
    let bobs = a.inbox("bob@b.test").await;
    assert_eq!(bobs.len(), 2, "to him, and to his team");
    for letter in &bobs {
        assert!(letter.starts_with("Return-Path: <ada@a.test>\r\nDelivered-To: bob@b.test\r\n"));
        assert!(letter.ends_with("\r\n\r\nDear Bob\r\n"), "{letter}");
    }
    let mine = a.wait_for_inbox("ada@a.test", 3).await;
    assert_eq!(mine.iter().filter(|letter| letter.contains("Action: delivered")).count(), 1);
    let failure = mine.iter().find(|letter| letter.contains("Action: failed")).unwrap();
    assert!(failure.contains("Status: 5.1.1") && failure.contains("nobody@b.test"), "{failure}");
    let open = a.store.queue(QueueFilter::default()).await.unwrap();
    assert!(open.is_empty(), "R21: nothing is left: {open:#?}");
}

#[tokio::test]
async fn what_a_wrong_clock_has_put_off_for_years_is_tried_after_the_next_start() {
    const TEN_YEARS: i64 = 10 * 365 * 24 * 60 * 60 * 1000;
    let (mut a, _zone) = without_dns(Duration::from_secs(3600)).await;
    let mut author = a.author("ada@a.test").await;
    let to = ["<bob@b.test>", "<eve@b.test>"];
    let id = author.submit("MAIL FROM:<ada@a.test>", &to, LETTER).await.unwrap();
    let view = a.wait_for(id, &[Deferred, Deferred]).await;
    let put_off = |number: usize| store::Outcome {
        recipient: u32::try_from(number).unwrap(),
        state: Deferred,
        due: Some(UnixMillis(now().0 + TEN_YEARS)),
        host: None,
        reply: view.summary.recipients[number].reply.clone(),
        attempted: false,
        delay_told: false,
        ends_hold: false,
    };
    let finish = store::Finish { outcomes: vec![put_off(0)], ..store::Finish::of(id, now()) };
    a.store.finish(finish).await.unwrap();
    a.start_queue();
    let tried = |view: &store::SubmissionView| view.summary.recipients[0].attempts == 2;
    let view = a.wait_until(id, tried).await;
    assert_eq!(view.summary.recipients[1].attempts, 1, "R15: nobody else is tried early");
}

#[tokio::test]
async fn a_dead_network_has_a_schedule_of_its_own() {
    let zone = Arc::new(Zone::new());
    zone.trouble("b.test", Some(Trouble::ServFail));
    let queue = QueueConfig {
        retry: vec![Duration::from_secs(60)],
        retry_unreachable: vec![Duration::from_secs(7200)],
        ..QueueConfig::default()
    };
    let wishes = Wishes { zone, queue, ..Wishes::default() };
    let a = System::start("a.test", &["ada"], Ports::bind().await, wishes).await;
    let mut author = a.author("ada@a.test").await;
    let id = author.submit("MAIL FROM:<ada@a.test>", &["<bob@b.test>"], LETTER).await.unwrap();
    let view = a.wait_for(id, &[Deferred]).await;
    let recipient = &view.summary.recipients[0];
    let pause = recipient.due.unwrap().0 - recipient.changed_at.0;
    let hour = 60 * 60 * 1000;
    assert!(pause > hour && pause <= 2 * hour + 60_000, "RFC 5321 §4.5.4.1: {pause}");
}

#[tokio::test]
async fn notices_are_written_in_the_language_that_was_chosen() {
    let zone = Arc::new(Zone::new());
    zone.mx("b.test", 0, ".");
    let wishes = Wishes { zone, language: Language::German, ..Wishes::default() };
    let a = System::start("a.test", &["ada"], Ports::bind().await, wishes).await;
    let mut author = a.author("ada@a.test").await;
    let letter = "From: ada@a.test\r\nMessage-ID: <one@a.test>\r\n\r\nHello\r\n";
    let id = author.submit("MAIL FROM:<ada@a.test>", &["<bob@b.test>"], letter).await.unwrap();
    a.wait_for(id, &[Failed]).await;
    let notice = a.wait_for_inbox("ada@a.test", 1).await.concat();
    #[rustfmt::skip]
    let rows = [
        ("Subject: Nicht zugestellt: Ihre Nachricht an bob@b.test", "what happened, first"),
        ("b.test empf", "the reason, in the same language"),
        ("Status: 5.1.10", "RFC 3464 §2.3.4: the part for programs has no language"),
        ("In-Reply-To: <one@a.test>", "RFC 5322 §3.6.4: shown with the letter"),
        ("References: <one@a.test>", "RFC 5322 §3.6.4: shown with the letter"),
    ];
    for (words, why) in rows {
        assert!(notice.contains(words), "{why}: {notice}");
    }
}

fn now() -> UnixMillis {
    UnixMillis(platform::Clock::now(&SystemClock).millis())
}

#[tokio::test]
async fn a_full_mailbox_gets_its_notice_later_and_stops_nothing() {
    let zone = Arc::new(Zone::new());
    zone.mx("b.test", 0, ".");
    let queue = QueueConfig { retry: vec![Duration::from_millis(100)], ..QueueConfig::default() };
    let wishes = Wishes { zone, queue, quota_octets: Some(4_000), ..Wishes::default() };
    let a = System::start("a.test", &["ada"], Ports::bind().await, wishes).await;
    let mut stranger = a.stranger().await;
    let large = format!("\r\n{}", format!("{}\r\n", "x".repeat(70)).repeat(45));
    stranger.submit("MAIL FROM:<>", &["<ada@a.test>"], &large).await.unwrap();
    let mut author = a.author("ada@a.test").await;
    let id = author.submit("MAIL FROM:<ada@a.test>", &["<bob@b.test>"], LETTER).await.unwrap();
    let view = a.wait_for(id, &[Failed]).await;
    let notice = view.events.iter().find_map(|event| match &event.event.happening {
        Happening::Noticed { notice, .. } => Some(*notice),
        _ => None,
    });
    let notice = notice.expect("the failure is told of");
    let waits = a.wait_for(notice, &[Deferred]).await;
    let told = waits.events.iter().any(|event| event.event.reason.contains("over its quota"));
    assert!(told, "{waits:#?}");

    let account = a.directory.account(&address("ada@a.test")).unwrap().id;
    let inbox = a.store.mailboxes(account).await.unwrap().remove(0).id;
    let uids = a.store.entries(account, inbox).await.unwrap().iter().map(|it| it.uid).collect();
    a.store.expunge(account, inbox, uids).await.unwrap();
    a.wait_for(notice, &[Delivered]).await;
    assert!(a.inbox("ada@a.test").await[0].contains("Status: 5.1.10"), "R21: told after all");
}

#[tokio::test]
async fn a_slow_domain_holds_up_nobody_else() {
    let zone = Arc::new(Zone::new());
    let slow = Peer::start("127.0.2.1:0".parse().unwrap(), &[on("CONNECT", SILENCE)]).await;
    let port = slow.address.port();
    let quick = Peer::start(([127, 0, 2, 2], port).into(), &[]).await;
    zone.mx("slow.test", 10, "mx.slow.test").a("mx.slow.test", [127, 0, 2, 1].into());
    zone.mx("quick.test", 10, "mx.quick.test").a("mx.quick.test", [127, 0, 2, 2].into());
    let queue = QueueConfig { attempts_max: 5, ..QueueConfig::default() };
    let wishes = Wishes { zone, queue, outbound_port: port, ..Wishes::default() };
    let a = System::start("a.test", &["ada"], Ports::bind().await, wishes).await;
    let mut author = a.author("ada@a.test").await;
    for _ in 0..40 {
        author.submit("MAIL FROM:<ada@a.test>", &["<x@slow.test>"], LETTER).await.unwrap();
    }
    slow.wait_for("CONNECT").await;
    let id = author.submit("MAIL FROM:<ada@a.test>", &["<x@quick.test>"], LETTER).await.unwrap();
    a.wait_for(id, &[Accepted]).await;
    assert_eq!(quick.times("content: "), 1, "R13");
    assert_eq!(slow.times("CONNECT"), 1, "R13: one turn of five");
}

#[tokio::test]
async fn at_the_end_what_was_not_handed_over_stays_in_the_queue() {
    #[rustfmt::skip]
    let rows = [
        ("CONNECT", Queued, "no greeting yet: given up at once, nothing was handed over"),
        ("RCPT", Queued, "the server has nothing yet"),
        (".", Queued, "cut off: as if we had died, it is tried again"),
    ];
    for (line, wanted, why) in rows {
        let zone = Arc::new(Zone::new());
        let peer = Peer::start("127.0.0.1:0".parse().unwrap(), &[on(line, SILENCE)]).await;
        zone.mx("b.test", 10, "mx.b.test").a("mx.b.test", [127, 0, 0, 1].into());
        let wishes = Wishes { zone, outbound_port: peer.address.port(), ..Wishes::default() };
        let a = System::start("a.test", &["ada"], Ports::bind().await, wishes).await;
        let mut author = a.author("ada@a.test").await;
        let id = author.submit("MAIL FROM:<ada@a.test>", &["<bob@b.test>"], LETTER).await.unwrap();
        drop(author);
        peer.wait_for(line).await;
        let drained = a.shutdown.drain(&SystemClock, Duration::from_millis(300)).await;
        let patient = line == ".";
        assert_eq!(drained == Drained::CutOff, patient, "{why}");
        let view = a.store.submission(id).await.unwrap().unwrap();
        assert_eq!(view.summary.recipients[0].state, wanted, "{why}");
        assert_eq!(view.summary.recipients[0].attempts, 0, "{why}");
    }
}

#[tokio::test]
async fn trouble_of_our_own_store_only_delays() {
    let zone = Arc::new(Zone::new());
    let peer = Peer::start("127.0.0.1:0".parse().unwrap(), &[]).await;
    zone.mx("b.test", 10, "mx.b.test").a("mx.b.test", [127, 0, 0, 1].into());
    let disk = Failing::default();
    let queue = QueueConfig { retry: vec![Duration::from_millis(200)], ..QueueConfig::default() };
    let wishes = Wishes {
        zone,
        queue,
        outbound_port: peer.address.port(),
        disk: Arc::new(disk.clone()),
        ..Wishes::default()
    };
    let a = System::start("a.test", &["ada"], Ports::bind().await, wishes).await;
    let mut author = a.author("ada@a.test").await;
    disk.set(Mode::NoRead);
    let id = author.submit("MAIL FROM:<ada@a.test>", &["<bob@b.test>"], LETTER).await.unwrap();
    let view = a.wait_for(id, &[Deferred]).await;
    let last = view.events.last().unwrap();
    assert!(last.event.reason.contains("our own store"), "{last:?}");
    assert!(view.attempts[0].transcript.contains("* our own store"), "{view:#?}");
    disk.set(Mode::Well);
    a.wait_for(id, &[Accepted]).await;
    assert_eq!(peer.times("content: "), 1, "never half a message for a whole one");
    assert!(a.inbox("ada@a.test").await.is_empty(), "no notice: it was no failure");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_again_before_its_job_has_ended_is_not_forgotten() {
    let (a, _zone) = without_dns(Duration::from_millis(1)).await;
    let mut author = a.author("ada@a.test").await;
    let to = ["<bob@b.test> NOTIFY=NEVER", "<eve@b.test> NOTIFY=NEVER"];
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(author.submit("MAIL FROM:<ada@a.test>", &to, LETTER).await.unwrap());
    }
    for id in ids {
        a.wait_until(id, |view| view.summary.recipients.iter().all(|it| it.attempts >= 30)).await;
    }
}
