//! Aliases that lead elsewhere, lists, details, and the way back of bounces.

use std::net::SocketAddr;
use std::sync::Arc;

use dns::Zone;
use mta::QueueConfig;
use store::RecipientState::{Accepted, Delivered, Failed};
use store::{Alias, AliasKey, Happening};

use crate::peer::{Peer, Rule, on};
use crate::support::{PASSWORD, Ports, System, Typist, Wishes, address};

const LETTER: &str = "From: x@else.test\r\nSubject: hello\r\n\r\nDear all\r\n";

/// A system for `a.test` and a server for `far.test` and `else.test`.
async fn with_peer(rules: &[Rule]) -> (System, Peer) {
    let zone = Arc::new(Zone::new());
    let peer = Peer::start("127.0.1.1:0".parse::<SocketAddr>().unwrap(), rules).await;
    for domain in ["far.test", "else.test"] {
        zone.mx(domain, 10, "mx.far.test");
    }
    zone.a("mx.far.test", [127, 0, 1, 1].into());
    let wishes = Wishes {
        zone,
        outbound_port: peer.address.port(),
        queue: QueueConfig::default(),
        ..Wishes::default()
    };
    (System::start("a.test", &["ada", "bob"], Ports::bind().await, wishes).await, peer)
}

async fn alias(a: &System, key: &str, targets: &[&str], owner: Option<&str>) {
    let key = AliasKey::Address(address(key));
    let targets = targets.iter().map(|text| address(text)).collect();
    a.directory.set_alias(Alias { key, targets, owner: owner.map(address) }).await.unwrap();
}

fn mail_line(peer: &Peer) -> String {
    peer.heard().iter().rev().find(|line| line.starts_with("MAIL FROM:")).unwrap().clone()
}

/// What stands between the angle brackets of the last MAIL command.
fn reverse_path(peer: &Peer) -> String {
    let line = mail_line(peer);
    line.split(['<', '>']).nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn mail_handed_on_has_a_reverse_path_of_ours_and_its_bounce_comes_back_to_the_sender() {
    let (a, peer) = with_peer(&[]).await;
    alias(&a, "fwd@a.test", &["bob@far.test"], None).await;
    let mut stranger = a.stranger().await;
    let id = stranger.submit("MAIL FROM:<x@else.test>", &["<fwd@a.test>"], LETTER).await.unwrap();
    let view = a.wait_for(id, &[Accepted]).await;
    let path = reverse_path(&peer);
    assert!(path.starts_with("SRS0=") && path.ends_with("=else.test=x@a.test"), "{path}");
    assert_eq!(view.summary.reverse_path.to_string(), "x@else.test", "we know who is meant");
    let routed = view.events.iter().find(|event| {
        matches!(event.event.happening, Happening::Routed { .. })
            && event.event.reason.contains(&path)
    });
    assert!(routed.is_some(), "the events say so: {view:#?}");
    let content = peer.heard().into_iter().find(|line| line.starts_with("content: ")).unwrap();
    assert!(content.contains("Delivered-To: fwd@a.test\r\nReceived: "), "{content}");

    let bounce = "From: mailer@far.test\r\nSubject: bounce\r\n\r\nno\r\n";
    let to = format!("<{path}>");
    let id = stranger.submit("MAIL FROM:<>", &[&to], bounce).await.unwrap();
    let view = a.wait_for(id, &[Accepted]).await;
    assert_eq!(view.summary.recipients[0].recipient.address, address("x@else.test"));
    assert_eq!(mail_line(&peer).split(' ').nth(1), Some("FROM:<>"), "RFC 5321 §4.5.5: stays null");
    assert!(peer.heard().iter().any(|line| line.starts_with("RCPT TO:<x@else.test>")));
}

#[tokio::test]
async fn a_return_address_that_is_not_ours_is_nobodys() {
    let (a, _peer) = with_peer(&[]).await;
    let mut stranger = a.stranger().await;
    stranger.say("MAIL FROM:<>").await;
    #[rustfmt::skip]
    let rows = [
        ("SRS0=AAAAAAAA=AA=else.test=x@a.test", "550 5.1.1", "forged: no open relay"),
        ("SRS1=AAAAAAAA=far.test==x=AA=else.test=x@a.test", "550 5.1.1", "forged"),
        ("srs0+aaaaaaaa=AA=else.test=x@a.test", "550 5.1.1", "in another form"),
        ("SRS0=AAAAAAAA=AA=else.test=x@far.test", "550 5.7.1", "that of somebody else"),
    ];
    for (to, wanted, why) in rows {
        let reply = stranger.say(&format!("RCPT TO:<{to}>")).await;
        assert!(reply.starts_with(wanted), "{why}: {reply}");
    }
}

#[tokio::test]
async fn what_needs_no_other_reverse_path_keeps_its_own() {
    let (a, peer) = with_peer(&[]).await;
    alias(&a, "fwd@a.test", &["bob@far.test"], None).await;
    let mut author = a.author("ada@a.test").await;
    let own = LETTER.replace("x@else", "ada@a");
    let id = author.submit("MAIL FROM:<ada@a.test>", &["<fwd@a.test>"], &own).await.unwrap();
    a.wait_for(id, &[Accepted]).await;
    assert_eq!(reverse_path(&peer), "ada@a.test", "a domain of ours");
    let mut stranger = a.stranger().await;
    let id = stranger.submit("MAIL FROM:<>", &["<fwd@a.test>"], LETTER).await.unwrap();
    a.wait_for(id, &[Accepted]).await;
    assert_eq!(reverse_path(&peer), "", "RFC 5321 §4.5.5: null");
}

#[tokio::test]
async fn the_owner_of_a_list_hears_of_trouble_and_the_author_does_not() {
    let (a, peer) = with_peer(&[on("RCPT TO:<gone@", "550 5.1.1 no such user")]).await;
    alias(&a, "list@a.test", &["ada@a.test", "gone@far.test"], Some("bob@a.test")).await;
    let mut stranger = a.stranger().await;
    let mail = "MAIL FROM:<x@else.test> ENVID=mine";
    let id = stranger.submit(mail, &["<list@a.test>"], LETTER).await.unwrap();
    a.wait_for(id, &[Delivered, Failed]).await;
    assert_eq!(reverse_path(&peer), "bob@a.test", "RFC 5321 §3.9.2");
    assert!(!mail_line(&peer).contains("ENVID"), "RFC 3461 §5.2.7.3: it is the author's");
    let ada = a.inbox("ada@a.test").await;
    assert!(ada[0].starts_with("Return-Path: <bob@a.test>\r\n"), "{}", ada[0]);
    let notice = a.wait_for_inbox("bob@a.test", 1).await;
    assert!(notice[0].contains("Action: failed"), "{}", notice[0]);
    assert_eq!(peer.times("RCPT TO:<x@else.test>"), 0, "the author is not told");

    let id = stranger.submit("MAIL FROM:<>", &["<list@a.test>"], LETTER).await.unwrap();
    a.wait_for(id, &[Delivered, Failed]).await;
    assert_eq!(a.inbox("bob@a.test").await.len(), 1, "RFC 5321 §4.5.5: nobody is told");
}

#[tokio::test]
async fn what_this_very_alias_handed_on_goes_in_circles() {
    let (a, _peer) = with_peer(&[]).await;
    alias(&a, "fwd@a.test", &["bob@far.test"], None).await;
    let mut stranger = a.stranger().await;
    #[rustfmt::skip]
    let rows = [
        ("Delivered-To: Fwd@a.test\r\n\r\nx\r\n", "554 5.4.6", "RFC 5321 §6.3: it was here"),
        ("Delivered-To: other@a.test\r\n\r\nx\r\n", "250", "it was elsewhere"),
    ];
    for (content, wanted, why) in rows {
        let sent = stranger.submit("MAIL FROM:<x@else.test>", &["<fwd@a.test>"], content).await;
        match sent {
            Ok(_) => assert_eq!(wanted, "250", "{why}"),
            Err(reply) => assert!(reply.starts_with(wanted), "{why}: {reply}"),
        }
    }
}

#[tokio::test]
async fn recipients_of_ours_are_found_however_they_are_written() {
    let (a, _peer) = with_peer(&[]).await;
    #[rustfmt::skip]
    let rows = [
        ("<ADA@a.test>", Some("ada@a.test"), "S58: case"),
        ("<\"ada\"@A.TEST>", Some("ada@a.test"), "S58: quotes"),
        ("<ada+Lists@a.test>", Some("ada+Lists@a.test"), "RFC 5233 §1: the detail is kept"),
        ("<postmaster>", Some("ada@a.test"), "S54: RFC 5321 §4.5.1"),
        ("<PostMaster@a.test>", Some("ada@a.test"), "RFC 5321 §4.5.1"),
        ("<abuse@a.test>", Some("ada@a.test"), "RFC 2142 §2"),
        ("<eve+ada@a.test>", None, "nobody with a detail"),
    ];
    let mut taken = 0;
    for (to, wanted, why) in rows {
        let mut stranger = a.stranger().await;
        let sent = stranger.submit("MAIL FROM:<x@else.test>", &[to], LETTER).await;
        match wanted {
            Some(delivered_to) => {
                sent.unwrap();
                taken += 1;
                let inbox = a.inbox("ada@a.test").await;
                assert_eq!(inbox.len(), taken, "{why}");
                let field = format!("\r\nDelivered-To: {delivered_to}\r\n");
                assert!(inbox[taken - 1].contains(&field), "{why}: {}", inbox[taken - 1]);
            }
            None => assert!(sent.unwrap_err().starts_with("550 5.1.1"), "{why}"),
        }
    }
    let mut stranger = a.stranger().await;
    let to = ["<ada@a.test>", "<ada+x@a.test>", "<ada+y@a.test>"];
    stranger.submit("MAIL FROM:<x@else.test>", &to, LETTER).await.unwrap();
    assert_eq!(a.inbox("ada@a.test").await.len(), taken + 1, "S41: one mailbox, one copy");
}

#[tokio::test]
async fn a_disabled_account_takes_no_mail_and_no_login_and_keeps_what_it_has() {
    let (a, _peer) = with_peer(&[]).await;
    let mut stranger = a.stranger().await;
    stranger.submit("MAIL FROM:<x@else.test>", &["<ada@a.test>"], LETTER).await.unwrap();
    let ada = address("ada@a.test");
    a.directory.set_account_state(&ada, store::AccountState::Disabled).await.unwrap();
    stranger.say("MAIL FROM:<x@else.test>").await;
    #[rustfmt::skip]
    let rows = [
        ("<ada@a.test>", "550 5.2.1", "RFC 3463 §3.3: disabled"),
        ("<ada+x@a.test>", "550 5.2.1", "with a detail"),
        ("<postmaster@a.test>", "250", "RFC 5321 §4.5.1: reached all the same"),
        ("<bob@a.test>", "250", "another account"),
    ];
    for (to, wanted, why) in rows {
        let reply = stranger.say(&format!("RCPT TO:{to}")).await;
        assert!(reply.starts_with(wanted), "{why}: {reply}");
    }
    let log_in = |a: &System| {
        let (at, message) = (a.submission, format!("\0ada@a.test\0{PASSWORD}"));
        async move {
            let mut author = Typist::connect(at).await;
            author.say("EHLO author.test").await;
            author.say(&format!("AUTH PLAIN {}", *sasl::encode_base64(message.as_bytes()))).await
        }
    };
    let reply = log_in(&a).await;
    assert!(reply.starts_with("535 5.7.8"), "no word of why: {reply}");
    assert_eq!(a.inbox("ada@a.test").await.len(), 1);
    a.directory.set_account_state(&ada, store::AccountState::Active).await.unwrap();
    assert!(log_in(&a).await.starts_with("235 "), "in use again");
}

#[tokio::test]
async fn a_message_that_never_fits_is_refused_for_good_before_it_is_sent() {
    let ports = Ports::bind().await;
    let wishes = Wishes { quota_octets: Some(10_000), ..Wishes::default() };
    let a = System::start("a.test", &["ada"], ports, wishes).await;
    let mut filler = a.stranger().await;
    let long = format!("{LETTER}{}", "x\r\n".repeat(2_000));
    filler.submit("MAIL FROM:<x@else.test>", &["<ada@a.test>"], &long).await.unwrap();
    #[rustfmt::skip]
    let rows = [
        (1_000, "250", "there is room"),
        (9_000, "452 4.2.2", "RFC 1870 §6.1: there is none now"),
        (10_001, "552 5.2.2", "RFC 1870 §6.1: there never is"),
    ];
    for (size, wanted, why) in rows {
        let mut stranger = a.stranger().await;
        stranger.say(&format!("MAIL FROM:<x@else.test> SIZE={size}")).await;
        let reply = stranger.say("RCPT TO:<ada+x@a.test>").await;
        assert!(reply.starts_with(wanted), "{why}: {reply}");
    }
}
