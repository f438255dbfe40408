//! Clients that we trust: proxies, which tell whose session they pass on, and who starts the queue.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mta::reception::{Reception, ReceptionConfig, Service};
use smtp::server::{AuthInClear, Tls};
use store::RecipientState::{Accepted, Deferred};

use crate::hosts::Net;
use crate::peer::{at_first, on};
use crate::policy::Client;
use crate::support::{Ports, System, Wishes};

const PROXY: &str = "192.0.2.1";
const LATER: Duration = Duration::from_secs(3600);
const LETTER: &str = "From: ada@a.test\r\nSubject: hello\r\n\r\nDear Bob\r\n";

/// A session on port 25 of a system, where the proxy may relay and so may 203.0.113.0/24.
fn connect(system: &System, peer: &str) -> Client {
    let networks = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
    let service = Service::Smtp { relay_from: networks(&["192.0.2.0/24", "203.0.113.0/24"]) };
    let config = ReceptionConfig { service, tls: Tls::None, auth_in_clear: AuthInClear::Allowed };
    let mta = Arc::clone(&system.mta);
    let reception = Reception::behind_proxies(mta, config, Arc::default(), networks(&[PROXY]));
    Client::new(reception.session(SocketAddr::new(peer.parse().unwrap(), 4242)))
}

#[tokio::test]
async fn a_client_behind_a_proxy_may_do_what_it_may_do_itself() {
    let system = System::start("a.test", &["ada"], Ports::bind().await, Wishes::default()).await;
    #[rustfmt::skip]
    let rows: [(&[&str], &str, &str); 8] = [
        (&[],                                              "250", "the proxy itself relays"),
        (&["ADDR=198.51.100.7"],                           "550", "its client does not"),
        (&["ADDR=[UNAVAILABLE]"],                          "550", "nor one that nobody knows"),
        (&["ADDR=203.0.113.9"],                            "250", "one of ours does"),
        (&["ADDR=198.51.100.7 LOGIN=ada@a.test"],          "250", "who logged in there has logged in here"),
        (&["ADDR=198.51.100.7", "LOGIN=ada@a.test"],       "250", "told in two lines"),
        (&["LOGIN=ada@a.test ADDR=198.51.100.7", "PORT=9"], "250", "the same client"),
        (&["LOGIN=ada@a.test ADDR=198.51.100.7", "ADDR=198.51.100.8"], "550", "another client has not logged in"),
    ];
    for (told, wanted, why) in rows {
        let mut client = connect(&system, PROXY);
        client.say("").await;
        for attributes in told {
            let reply = client.say(&format!("XCLIENT {attributes}")).await;
            assert!(reply.starts_with("220 mx.a.test "), "{why}: {reply}");
        }
        let lines = ["EHLO proxy.test", "MAIL FROM:<ada@a.test>", "RCPT TO:<bob@b.test>"];
        let reply = client.all(&lines).await;
        assert!(reply.starts_with(wanted), "{why}: {reply}");
    }
    let mut client = connect(&system, PROXY);
    client.all(&["", "EHLO proxy.test"]).await;
    let reply = client.say("XCLIENT LOGIN=nobody@a.test ADDR=198.51.100.7").await;
    assert!(reply.starts_with("501 5.7.8 "), "nobody has that name: {reply}");
    let reply = client.all(&["MAIL FROM:<>", "RCPT TO:<bob@b.test>"]).await;
    assert!(reply.starts_with("250"), "and nothing has changed: {reply}");
    let mut stranger = connect(&system, "198.51.100.7");
    let offer = stranger.all(&["", "EHLO else.test"]).await;
    assert!(!offer.contains("XCLIENT") && !offer.contains("ETRN"), "{offer}");
    assert!(stranger.say("XCLIENT ADDR=203.0.113.9").await.starts_with("550 5.7.1 "));
}

#[tokio::test]
async fn what_a_proxy_tells_stands_in_the_message() {
    let system = System::start("a.test", &["ada"], Ports::bind().await, Wishes::default()).await;
    let mut client = connect(&system, PROXY);
    let told = "XCLIENT ADDR=198.51.100.7 HELO=mail.else.test PROTO=SMTP NAME=[UNAVAILABLE]";
    let lines = ["", told, "EHLO proxy.test", "MAIL FROM:<eve@else.test>", "RCPT TO:<ada@a.test>"];
    client.all(&lines).await;
    let reply = client.all(&["DATA", "Subject: x\r\n\r\nhello\r\n."]).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let inbox = system.inbox("ada@a.test").await;
    let trace = "Received: from mail.else.test ([198.51.100.7])";
    assert!(inbox[0].contains(trace) && inbox[0].contains(" with SMTP\r\n"), "{}", inbox[0]);
    assert!(!inbox[0].contains("proxy.test") && !inbox[0].contains(PROXY), "{}", inbox[0]);
}

#[tokio::test]
async fn etrn_starts_what_waits_for_a_domain() {
    let mut net = Net::new(LATER).await;
    let peer = net.peer("b.test", &[at_first(1, "RCPT", "450 4.2.0 later")]).await;
    let other = net.peer("c.test", &[on("RCPT", "450 4.2.0 later")]).await;
    let mut author = net.author().await;
    let to = ["<bob@b.test>", "<carl@c.test>"];
    let id = author.submit("MAIL FROM:<ada@a.test>", &to, LETTER).await.unwrap();
    net.a.wait_for(id, &[Deferred, Deferred]).await;
    let mut client = connect(&net.a, "203.0.113.9");
    assert!(client.all(&["", "EHLO b.test"]).await.contains("250-ETRN\r\n"));
    let reply = client.say("ETRN nobody.test").await;
    assert_eq!(reply, "251 2.0.0 No messages waiting for node nobody.test\r\n", "RFC 1985 §5.1");
    let reply = client.say("ETRN B.test").await;
    assert_eq!(reply, "253 2.0.0 1 pending messages for node b.test started\r\n", "RFC 1985 §5.1");
    net.a.wait_for(id, &[Accepted, Deferred]).await;
    assert_eq!((peer.times("content: "), other.times("RCPT")), (1, 1), "only that domain");
    assert!(client.say("ETRN b.test").await.starts_with("251 "), "it has all");
    let reply = author.say("ETRN c.test").await;
    assert!(reply.starts_with("253 "), "who logged in may, too: {reply}");
    let mut stranger = connect(&net.a, "198.51.100.7");
    let reply = stranger.all(&["", "EHLO else.test", "ETRN c.test"]).await;
    assert!(reply.starts_with("459 4.7.1 "), "RFC 1985 §5.1: {reply}");
}
