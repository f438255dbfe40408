//! Several messages to one place: connections that are used again, turns, and what slows us down.

use std::sync::Arc;
use std::time::Duration;

use dns::Zone;
use mta::QueueConfig;
use store::RecipientState::{Accepted, Deferred, Failed};

use crate::peer::{CUT, Peer, Rule, at_first, on};
use crate::support::{Ports, System, Wishes};

const LETTER: &str = "From: ada@a.test\r\nSubject: hello\r\n\r\nDear Bob\r\n";

/// Without PIPELINING, what follows a refusal is RSET.
const ONE_BY_ONE: &str = "250-peer.test\r\n250 8BITMIME";

/// A system, and one server that all of b.test and c.test goes to.
async fn with_peer(rules: &[Rule]) -> (System, Peer) {
    let zone = Arc::new(Zone::new());
    let peer = Peer::start("127.0.0.1:0".parse().unwrap(), rules).await;
    for domain in ["b.test", "c.test"] {
        zone.mx(domain, 10, "mx.b.test");
    }
    zone.a("mx.b.test", [127, 0, 0, 1].into());
    let queue = QueueConfig { retry: vec![Duration::from_secs(3600)], ..QueueConfig::default() };
    let outbound_port = peer.address.port();
    let wishes = Wishes { zone, queue, outbound_port, ..Wishes::default() };
    (System::start("a.test", &["ada"], Ports::bind().await, wishes).await, peer)
}

#[tokio::test]
async fn a_connection_serves_one_message_after_the_other() {
    let rules = [on("RCPT TO:<no@b.test>", "550 5.1.1 unknown"), on("EHLO", ONE_BY_ONE)];
    let (a, peer) = with_peer(&rules).await;
    let mut author = a.author("ada@a.test").await;
    let rows = [
        ("<bob@b.test>", Accepted, "the first"),
        ("<bob@b.test>", Accepted, "the second"),
        ("<no@b.test>", Failed, "RFC 5321 §4.1.1.5: after a refusal comes RSET"),
        ("<bob@c.test>", Accepted, "another domain with the same host"),
    ];
    for (number, (to, wanted, why)) in rows.into_iter().enumerate() {
        let id = author.submit("MAIL FROM:<ada@a.test>", &[to], LETTER).await.unwrap();
        let view = a.wait_for(id, &[wanted]).await;
        let again = view.attempts[0].transcript.contains("already, for");
        assert_eq!(again, number > 0, "{why}: {}", view.attempts[0].transcript);
        assert_eq!(view.attempts.len(), 1, "{why}");
    }
    assert_eq!((peer.times("CONNECT"), peer.times("EHLO"), peer.times("QUIT")), (1, 1, 0));
    assert_eq!((peer.times("RSET"), peer.times("content: ")), (1, 3));
    a.shutdown.begin();
    peer.wait_for("QUIT").await;
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_costs_no_attempt() {
    #[rustfmt::skip]
    let rows = [
        ("MAIL", CUT, Accepted, 2, "closed without a word"),
        ("MAIL", "421 4.4.2 idle too long", Accepted, 2, "RFC 5321 §3.8: closed with a word"),
        ("RCPT", CUT, Accepted, 2, "closed late"),
        ("RCPT", "421 4.7.0 too fast", Deferred, 1, "it means us: no new connection at once"),
        (".", CUT, Deferred, 1, "R2: it may have the message"),
    ];
    for (line, says, wanted, connections, why) in rows {
        let (a, peer) = with_peer(&[]).await;
        let mut author = a.author("ada@a.test").await;
        let mut send = async || {
            author.submit("MAIL FROM:<ada@a.test>", &["<bob@b.test>"], LETTER).await.unwrap()
        };
        let first = send().await;
        a.wait_for(first, &[Accepted]).await;
        peer.now(at_first(1, line, says));
        let second = send().await;
        let view = a.wait_for(second, &[wanted]).await;
        assert_eq!(peer.times("CONNECT"), connections, "{why}");
        assert_eq!((view.attempts.len(), view.summary.recipients[0].attempts), (1, 1), "{why}");
        let sent = if line == "." { 2 } else { 1 + usize::from(wanted == Accepted) };
        assert_eq!(peer.times("content: "), sent, "R2: never twice: {why}");
    }
}

#[tokio::test]
async fn what_answers_in_the_wrong_place_is_not_used_again() {
    // The reply to RSET does not fit: whose reply the next one is, nobody could know.
    let rules =
        [at_first(1, "RCPT", "550 5.1.1 unknown"), on("RSET", "354 what?"), on("EHLO", ONE_BY_ONE)];
    let (a, peer) = with_peer(&rules).await;
    let mut author = a.author("ada@a.test").await;
    for wanted in [Failed, Accepted] {
        let id = author.submit("MAIL FROM:<ada@a.test>", &["<bob@b.test>"], LETTER).await.unwrap();
        a.wait_for(id, &[wanted]).await;
    }
    assert_eq!(peer.times("CONNECT"), 2);
}
