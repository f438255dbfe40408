//! What others tell of mail that we sent, and what they cannot tell us.

use std::sync::Arc;

use dns::{Trouble, Zone};
use store::Happening;
use store::RecipientState::{Accepted, Deferred, Delivered};

use crate::peer::Peer;
use crate::support::{Ports, System, Wishes};

const LETTER: &str = "From: ada@a.test\r\nSubject: hello\r\n\r\nDear Bob\r\n";

fn report(envelope_id: &str, recipient: &str, action: &str) -> String {
    format!(
        "From: postmaster@b.test\r\nTo: ada@a.test\r\nSubject: report\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n\
         --x\r\n\r\nSee below.\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n\
         Original-Envelope-Id: {envelope_id}\r\nReporting-MTA: dns; mx.b.test\r\n\r\n\
         Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: 5.0.0\r\n\r\n--x--\r\n"
    )
}

#[tokio::test]
async fn a_report_tells_only_of_what_was_handed_over_and_only_its_sender() {
    let zone = Arc::new(Zone::new());
    let peer = Peer::start("127.0.0.1:0".parse().unwrap(), &[]).await;
    zone.mx("b.test", 10, "mx.b.test").a("mx.b.test", [127, 0, 0, 1].into());
    zone.trouble("late.test", Some(Trouble::ServFail));
    let wishes = Wishes { zone, outbound_port: peer.address.port(), ..Wishes::default() };
    let a = System::start("a.test", &["ada", "eve"], Ports::bind().await, wishes).await;
    let mut author = a.author("ada@a.test").await;
    let to = ["<bob@b.test>", "<bob@late.test>"];
    let mail = "MAIL FROM:<ada@a.test> ENVID=letter-1";
    let id = author.submit(mail, &to, LETTER).await.unwrap();
    a.wait_for(id, &[Accepted, Deferred]).await;

    let mut stranger = a.stranger().await;
    #[rustfmt::skip]
    let untrue = [
        ("MAIL FROM:<>", "<eve@a.test>", report("letter-1", "bob@b.test", "failed"), "to somebody else"),
        ("MAIL FROM:<x@b.test>", "<ada@a.test>", report("letter-1", "bob@b.test", "failed"), "RFC 3464 §2: not from the null path"),
        ("MAIL FROM:<>", "<ada@a.test>", report("letter-2", "bob@b.test", "failed"), "of another letter"),
        ("MAIL FROM:<>", "<ada@a.test>", report("letter-1", "bob@late.test", "failed"), "it still waits here"),
        ("MAIL FROM:<>", "<ada@a.test>", report("letter-1", "bob@late.test", "delivered"), "it still waits here"),
    ];
    for (mail, to, content, why) in &untrue {
        stranger.submit(mail, &[to], content).await.expect(why);
    }
    let mail = "MAIL FROM:<>";
    let content = report("letter-1", "BOB@b.test", "delivered");
    stranger.submit(mail, &["<Ada@A.test>"], &content).await.unwrap();
    let view = a.wait_for(id, &[Delivered, Deferred]).await;
    let told = |recipient| {
        let reported = |event: &&store::Event| {
            event.event.recipient == Some(recipient)
                && matches!(event.event.happening, Happening::Reported { .. })
        };
        view.events.iter().filter(reported).count()
    };
    assert_eq!(told(0), 1, "{view:#?}");
    assert_eq!(a.inbox("ada@a.test").await.len(), 5, "each report is a message, too");

    let content = report("letter-1", "bob@b.test", "failed");
    stranger.submit(mail, &["<ada@a.test>"], &content).await.unwrap();
    let view = a
        .wait_until(id, |view| {
            let last = view.events.last().unwrap();
            matches!(&last.event.happening, Happening::Reported { action, .. } if action == "failed")
                && last.event.recipient == Some(0)
        })
        .await;
    assert_eq!(view.summary.recipients[0].state, Delivered, "what is settled stays so");
}

#[tokio::test]
async fn whoever_can_send_can_be_told() {
    let zone = Arc::new(Zone::new());
    zone.trouble_everywhere(Some(Trouble::ServFail));
    let wishes = Wishes { zone, ..Wishes::default() };
    let a = System::start("a.test", &["ada"], Ports::bind().await, wishes).await;
    let long = format!("{}@else.test", "x".repeat(64));
    #[rustfmt::skip]
    let rows = [
        ("x@else.test", 1, "an address"),
        ("\"odd name\"@else.test", 1, "a space"),
        ("\"a@b\"@else.test", 1, "an at sign"),
        ("\"a\\\"b\\\\\"@else.test", 1, "quotes inside of quotes"),
        ("$(id)@else.test", 0, "not an atom: refused"),
        ("a+b=c/d'e{f}@else.test", 1, "all that an atom may have"),
        (long.as_str(), 1, "as long as it may be"),
        ("x@[192.0.2.1]", 1, "a literal"),
        ("", 0, "RFC 5321 §4.5.5: nobody"),
    ];
    for (from, wanted, why) in rows {
        let mut stranger = a.stranger().await;
        let mail = format!("MAIL FROM:<{from}>");
        let sent = stranger.submit(&mail, &["<ada@a.test> NOTIFY=SUCCESS"], LETTER).await;
        let Ok(id) = sent else {
            assert_eq!(wanted, 0, "{why}: {sent:?}");
            continue;
        };
        let view = a.store.submission(id).await.unwrap().unwrap();
        let told =
            |event: &&store::Event| matches!(event.event.happening, Happening::Noticed { .. });
        assert_eq!(view.events.iter().filter(told).count(), wanted, "{why}: {view:#?}");
        let untold = view.events.iter().any(|it| it.event.happening == Happening::NotNoticed);
        assert_eq!(untold, wanted == 0, "{why}: then that is written down");
    }
}

#[tokio::test]
async fn a_list_tells_that_it_was_expanded_and_its_addresses_only_of_trouble() {
    let zone = Arc::new(Zone::new());
    zone.mx("nomail.test", 0, ".");
    let wishes = Wishes { zone, ..Wishes::default() };
    let a = System::start("a.test", &["ada", "bob"], Ports::bind().await, wishes).await;
    let key = store::AliasKey::Address(crate::support::address("team@a.test"));
    let targets = ["bob@a.test", "x@nomail.test"].map(crate::support::address).to_vec();
    a.directory.set_alias(store::Alias { key, targets, owner: None }).await.unwrap();
    let mut author = a.author("ada@a.test").await;
    let to = ["<team@a.test> NOTIFY=SUCCESS,FAILURE"];
    author.submit("MAIL FROM:<ada@a.test> ENVID=team", &to, LETTER).await.unwrap();
    let notices = a.wait_for_inbox("ada@a.test", 2).await;
    let expanded = notices.iter().find(|notice| notice.contains("Action: expanded")).unwrap();
    assert!(expanded.contains("Final-Recipient: rfc822; team@a.test"), "{expanded}");
    assert!(!expanded.contains("nomail"), "where it leads is the list's own business: {expanded}");
    let failed = notices.iter().find(|notice| notice.contains("Action: failed")).unwrap();
    assert!(failed.contains("Original-Recipient: rfc822; team@a.test"), "{failed}");
    assert_eq!(a.inbox("bob@a.test").await.len(), 1);
}
