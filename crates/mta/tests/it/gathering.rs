//! What there is to tell of one message is gathered into one notice, and never lost.

use std::time::Duration;

use mta::QueueConfig;
use store::RecipientState::{Accepted, Cancelled, Deferred, Failed};
use store::{Happening, Steer, SteerAction, SubmissionView, UnixMillis};

use crate::hosts::Net;
use crate::peer::{FULL_EHLO, on};

const LETTER: &str =
    "From: ada@a.test\r\nMessage-ID: <one@a.test>\r\nSubject: hello\r\n\r\nDear all\r\n";
const HOUR: Duration = Duration::from_secs(3600);

async fn gathering() -> Net {
    Net::with(QueueConfig { retry: vec![HOUR], gather: 2 * HOUR, ..QueueConfig::default() }).await
}

fn noticed(view: &SubmissionView) -> usize {
    let told = |what: &Happening| matches!(what, Happening::Noticed { .. });
    view.events.iter().filter(|event| told(&event.event.happening)).count()
}

#[tokio::test]
async fn failures_at_several_domains_are_one_notice() {
    let mut net = gathering().await;
    let _b = net.peer("b.test", &[on("RCPT", "550 5.1.1 no such user")]).await;
    let _c = net.peer("c.test", &[on("RCPT", "550 5.2.1 switched off")]).await;
    let _d = net.peer("d.test", &[]).await;
    let to = ["<bob@b.test>", "<eve@c.test>", "<dan@d.test>", "<ann@b.test>"];
    let mail = "MAIL FROM:<ada@a.test> RET=FULL ENVID=e1";
    let id = net.author().await.submit(mail, &to, LETTER).await.unwrap();
    let view = net.a.wait_until(id, |view| noticed(view) == 3).await;
    let states: Vec<_> = view.summary.recipients.iter().map(|view| view.state).collect();
    assert_eq!(states, [Failed, Failed, Accepted, Failed]);
    let notices = net.a.wait_for_inbox("ada@a.test", 1).await;
    let [notice] = notices.as_slice() else { panic!("one notice, not {}", notices.len()) };
    for words in [
        "Subject: Not delivered: your message to 3 recipients",
        "In-Reply-To: <one@a.test>",
        "References: <one@a.test>",
        "Original-Envelope-Id: e1",
        "bob@b.test",
        "eve@c.test",
        "ann@b.test",
        "This address does not exist at b.test.",
        "The mailbox is switched off.",
        "Dear all",
    ] {
        assert!(notice.contains(words), "{words} in {notice}");
    }
    assert_eq!(notice.matches("Action: failed").count(), 3, "RFC 3464 §2.3: one group for each");
    assert!(!notice.contains("dan@d.test"), "who got it is not named");
}

#[tokio::test]
async fn what_is_gathered_outlives_a_restart_and_is_told_with_the_rest() {
    let mut net = gathering().await;
    let _b = net.peer("b.test", &[on("RCPT", "550 5.1.1 no such user")]).await;
    let _c = net.peer("c.test", &[on("RCPT", "451 4.7.1 later")]).await;
    let to = ["<bob@b.test>", "<eve@c.test>", "<sam@c.test> NOTIFY=NEVER"];
    let id = net.author().await.submit("MAIL FROM:<ada@a.test>", &to, LETTER).await.unwrap();
    net.a.wait_for(id, &[Failed, Deferred, Deferred]).await;
    net.a.start_queue();
    let waiting = net.a.store.untold(UnixMillis(0), 10).await.unwrap();
    assert!(waiting.due.is_empty() && waiting.next.is_some(), "it waits: {waiting:?}");
    assert_eq!(net.a.inbox("ada@a.test").await.len(), 0, "nobody was told yet");
    let at = UnixMillis(net.a.store.submission(id).await.unwrap().unwrap().summary.accepted_at.0);
    let steer = Steer { submission: id, recipient: None, action: SteerAction::CancelAndTell, at };
    net.a.store.steer(steer).await.unwrap();
    net.a.mta.tell_soon();
    let view = net.a.wait_until(id, |view| noticed(view) == 2).await;
    let states: Vec<_> = view.summary.recipients.iter().map(|view| view.state).collect();
    assert_eq!(states, [Failed, Cancelled, Cancelled]);
    let notices = net.a.wait_for_inbox("ada@a.test", 1).await;
    let [notice] = notices.as_slice() else { panic!("one notice, not {}", notices.len()) };
    for words in
        ["could not be delivered to:", "bob@b.test", "took your message back", "eve@c.test"]
    {
        assert!(notice.contains(words), "{words} in {notice}");
    }
    assert!(!notice.contains("sam@c.test"), "RFC 3461 §4.1: NOTIFY=NEVER");
    let last = view.events.iter().rev().find(|event| event.event.recipient == Some(2)).unwrap();
    assert_eq!(last.event.happening, Happening::NotNoticed);
    let left = net.a.store.untold(UnixMillis(i64::MAX), 10).await.unwrap();
    assert_eq!(left.due, [], "it is told once");
}

#[tokio::test]
async fn news_of_a_single_recipient_is_told_at_once() {
    let mut net = gathering().await;
    let _b = net.peer("b.test", &[on("RCPT", "550 5.1.1 no such user")]).await;
    let mail = "MAIL FROM:<ada@a.test>";
    let id = net.author().await.submit(mail, &["<bob@b.test>"], LETTER).await.unwrap();
    let view = net.a.wait_for(id, &[Failed]).await;
    assert_eq!(noticed(&view), 1, "in the same commit");
}

#[tokio::test]
async fn what_was_handed_on_is_gathered_too() {
    let mut net = gathering().await;
    let mute = &[on("EHLO", "250-peer.test\r\n250 8BITMIME")];
    let (_b, _c) = (net.peer("b.test", mute).await, net.peer("c.test", mute).await);
    let _d = net.peer("d.test", &[on("EHLO", FULL_EHLO)]).await;
    let to = ["<bob@b.test>", "<eve@c.test>", "<dan@d.test>"]
        .map(|address| format!("{address} NOTIFY=SUCCESS,FAILURE"));
    let to: Vec<_> = to.iter().map(String::as_str).collect();
    let mail = "MAIL FROM:<ada@a.test> RET=FULL";
    let id = net.author().await.submit(mail, &to, LETTER).await.unwrap();
    net.a.wait_until(id, |view| noticed(view) == 2).await;
    let notices = net.a.wait_for_inbox("ada@a.test", 1).await;
    let [notice] = notices.as_slice() else { panic!("one notice, not {}", notices.len()) };
    assert_eq!(notice.matches("Action: relayed").count(), 2, "RFC 3461 §5.2.2 (b): {notice}");
    assert!(!notice.contains("Dear all"), "RFC 3461 §6.2: content comes back with failures only");
    assert!(notice.contains("Status: 2."), "{notice}");
}
