//! Several messages to one place: connections that are used again, turns, and what slows us down.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dns::Zone;
use mta::QueueConfig;
use platform::net::BoxFuture;
use platform::{Clock, Datagram, Listener, Net, Stream, SystemClock, TokioNet};
use store::RecipientState::{Accepted, Deferred, Failed};
use store::{Steer, SteerAction, SubmissionView, UnixMillis};

use crate::peer::{CUT, Peer, Rule, at_first, on};
use crate::support::{Ports, System, Wishes};

const LETTER: &str = "From: ada@a.test\r\nSubject: hello\r\n\r\nDear Bob\r\n";

/// Without PIPELINING, what follows a refusal is RSET.
const ONE_BY_ONE: &str = "250-peer.test\r\n250 8BITMIME";

/// A system, and one server that all of b.test and c.test goes to.
async fn with_peer(rules: &[Rule]) -> (System, Peer) {
    with_zone(rules, Arc::new(Zone::new())).await
}

async fn with_zone(rules: &[Rule], zone: Arc<Zone>) -> (System, Peer) {
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

fn last_reason(view: &SubmissionView) -> &str {
    &view.events.last().unwrap().event.reason
}

#[tokio::test]
async fn who_asks_us_to_slow_down_gets_a_rest_from_all_mail() {
    let (a, peer) = with_peer(&[at_first(1, "MAIL", "421 4.7.0 slow down")]).await;
    let mut author = a.author("ada@a.test").await;
    let to = ["<bob@b.test>"];
    let first = author.submit("MAIL FROM:<ada@a.test>", &to, LETTER).await.unwrap();
    a.wait_for(first, &[Deferred]).await;
    let second = author.submit("MAIL FROM:<ada@a.test>", &to, LETTER).await.unwrap();
    let view = a.wait_for(second, &[Deferred]).await;
    assert_eq!((view.attempts.len(), view.summary.recipients[0].attempts), (0, 0), "no attempt");
    assert!(last_reason(&view).contains("we slow down: 421 4.7.0"), "{}", last_reason(&view));
    let wait = view.summary.recipients[0].due.unwrap().0 - view.events.last().unwrap().event.at.0;
    assert!((1_000..60_000).contains(&wait), "soon again, but not at once: {wait} ms");
    assert_eq!(peer.times("CONNECT"), 1);
    let other = author.submit("MAIL FROM:<ada@a.test>", &["<bob@c.test>"], LETTER).await.unwrap();
    a.wait_for(other, &[Accepted]).await;
}

#[tokio::test]
async fn a_dead_destination_is_not_tried_for_each_message() {
    let zone = Arc::new(Zone::new());
    let (a, peer) = with_zone(&[], Arc::clone(&zone)).await;
    let free = SocketAddr::from(([127, 0, 0, 77], peer.address.port()));
    zone.mx("dead.test", 10, "mx.dead.test").a("mx.dead.test", [127, 0, 0, 77].into());
    let mut author = a.author("ada@a.test").await;
    let to = ["<bob@dead.test>"];
    let first = author.submit("MAIL FROM:<ada@a.test>", &to, LETTER).await.unwrap();
    a.wait_for(first, &[Deferred]).await;
    let second = author.submit("MAIL FROM:<ada@a.test>", &to, LETTER).await.unwrap();
    let view = a.wait_for(second, &[Deferred]).await;
    assert!(view.attempts.is_empty(), "RFC 5321 §4.5.4.1: nobody was spoken to again");
    assert!(last_reason(&view).contains("left alone for a while"), "{}", last_reason(&view));
    assert_eq!(view.summary.recipients[0].attempts, 1, "the attempt before was one for all");
    let standing = a
        .mta
        .standing(&envelope::ReversePath::NULL, &envelope::Domain::parse("dead.test").unwrap())
        .unwrap();
    assert!(standing.rests_for.is_some() && standing.limit == 1, "{standing:?}");

    let _back = Peer::start(free, &[]).await;
    a.mta.try_again();
    let at = UnixMillis(SystemClock.now().millis());
    let steer = Steer { submission: second, recipient: None, action: SteerAction::Retry, at };
    a.store.steer(steer).await.unwrap();
    a.wait_for(second, &[Accepted]).await;
}

/// A network in which one address swallows whatever is sent to it.
#[derive(Debug)]
struct Swallowing(IpAddr);

impl Net for Swallowing {
    fn listen(&self, at: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        TokioNet.listen(at)
    }

    fn connect(
        &self,
        from: Option<IpAddr>,
        to: SocketAddr,
    ) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        if to.ip() == self.0 {
            Box::pin(std::future::pending())
        } else {
            TokioNet.connect(from, to)
        }
    }

    fn datagram(&self, at: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Datagram>>> {
        TokioNet.datagram(at)
    }
}

#[tokio::test]
async fn an_address_that_swallows_everything_costs_seconds_while_there_are_others() {
    let zone = Arc::new(Zone::new());
    let peer = Peer::start("127.0.0.1:0".parse().unwrap(), &[]).await;
    zone.mx("b.test", 10, "hole.b.test").a("hole.b.test", [127, 0, 0, 88].into());
    zone.mx("b.test", 20, "mx.b.test").a("mx.b.test", [127, 0, 0, 1].into());
    let net = Arc::new(Swallowing([127, 0, 0, 88].into()));
    let wishes = Wishes { zone, net, outbound_port: peer.address.port(), ..Wishes::default() };
    let a = System::start("a.test", &["ada"], Ports::bind().await, wishes).await;
    let mut author = a.author("ada@a.test").await;
    let id = author.submit("MAIL FROM:<ada@a.test>", &["<bob@b.test>"], LETTER).await.unwrap();
    let view = a.wait_for(id, &[Accepted]).await;
    let results: Vec<_> = view.attempts.iter().map(|attempt| attempt.result.as_str()).collect();
    assert!(results[0].contains("no answer within 5 s"), "{results:?}");
}
