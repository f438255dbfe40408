//! LMTP: mail for our own recipients, and to servers that have mailboxes; with a reply for each.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use envelope::Domain;
use mta::reception::{Reception, ReceptionConfig, Service};
use mta::{NextHop, QueueConfig, Route};
use platform::{Drive, Net, Task, TokioNet};
use smtp::server::{AuthInClear, Tls};
use store::RecipientState::{self, Accepted, Deferred, Failed};
use tokio::net::UnixListener;

use crate::peer::{CUT, Peer, Rule, at_first, on};
use crate::support::{Ports, System, Wishes};

const LETTER: &str = "From: ada@a.test\r\nSubject: hello\r\n\r\nDear Bob\r\n";

/// A system whose mail to `b.test` goes there.
async fn routed_to(hop: NextHop, queue: QueueConfig) -> System {
    let routes = BTreeMap::from([(Domain::parse("b.test").unwrap(), hop)]);
    let wishes = Wishes { routes, queue, ..Wishes::default() };
    System::start("a.test", &["ada"], Ports::bind().await, wishes).await
}

fn at(address: SocketAddr) -> NextHop {
    NextHop::Lmtp(Route { host: address.ip().to_string(), port: address.port() })
}

#[tokio::test]
async fn each_recipient_has_the_fate_that_the_server_tells() {
    let to = ["<bob@b.test>", "<gone@b.test>", "<full@b.test>", "<eve@b.test>"];
    let mix = "250 2.0.0 one\r\n452 4.2.2 full\r\n250-2.0.0 two\r\n250 2.0.0 lines";
    let cut = "250 2.0.0 one\r\n452 4.2.2 full\r\n421 4.3.2 bye";
    #[rustfmt::skip]
    let rows: [(&[Rule], [RecipientState; 4], &str, &str); 5] = [
        (&[on("RCPT TO:<gone", "550 5.1.1 unknown"), on(".", mix)], [Accepted, Failed, Deferred, Accepted], "two\nlines",
            "RFC 2033 §4.2: one for each accepted RCPT, in their order"),
        (&[on("RCPT TO:<gone", "550 5.1.1 unknown"), on(".", cut)], [Accepted, Failed, Deferred, Deferred], "bye",
            "RFC 5321 §3.8: the 421 is for who is left"),
        (&[on("RCPT TO:<gone", "550 5.1.1 unknown"), on(".", CUT)], [Deferred, Failed, Deferred, Deferred], "",
            "no reply at all: perhaps they have it"),
        (&[on("LHLO", "500 5.5.1 what"), on("EHLO", "250 no")], [Failed; 4], "what",
            "RFC 2033 §4.1: it is no LMTP server, and nothing else is tried"),
        (&[on("RCPT", "550 5.1.1 unknown"), on("DATA", "503 5.5.1 nobody")], [Failed; 4], "unknown",
            "RFC 2033 §4.2: nobody is left"),
    ];
    for (rules, wanted, last, why) in rows {
        let peer = Peer::start("127.0.0.1:0".parse().unwrap(), rules).await;
        let a = routed_to(at(peer.address), QueueConfig::default()).await;
        let mut author = a.author("ada@a.test").await;
        let id = author.submit("MAIL FROM:<ada@a.test>", &to, LETTER).await.unwrap();
        let view = a.wait_for(id, &wanted).await;
        let said = view.summary.recipients[3].reply.as_ref();
        assert_eq!(said.map_or("", |reply| reply.text.as_str()), last, "{why}: {view:#?}");
        assert_eq!(peer.times("EHLO") + peer.times("HELO"), 0, "{why}");
        assert!(peer.times("content: ") <= 1, "{why}");
    }
}

#[tokio::test]
async fn only_who_was_put_off_gets_it_again() {
    let rules = [at_first(1, ".", "250 2.0.0 one\r\n452 4.2.2 full"), on(".", "250 2.0.0 at last")];
    let peer = Peer::start("127.0.0.1:0".parse().unwrap(), &rules).await;
    let retry = vec![std::time::Duration::from_millis(50)];
    let queue = QueueConfig { retry, ..QueueConfig::default() };
    let a = routed_to(at(peer.address), queue).await;
    let mut author = a.author("ada@a.test").await;
    let to = ["<bob@b.test>", "<full@b.test>"];
    let id = author.submit("MAIL FROM:<ada@a.test>", &to, LETTER).await.unwrap();
    let view = a.wait_for(id, &[Accepted, Accepted]).await;
    assert_eq!(peer.times("RCPT TO:<bob@b.test>"), 1, "he has it: {view:#?}");
    assert_eq!((peer.times("RCPT TO:<full@b.test>"), peer.times("content: ")), (2, 2));
}

/// Octets between a socket that is a file and a peer.
fn carry(file: &Path, to: SocketAddr) -> Task {
    let listener = UnixListener::bind(file).unwrap();
    Task::start(async move {
        while let Ok((mut here, _)) = listener.accept().await {
            let mut there = TokioNet.connect(None, to).await.unwrap();
            tokio::io::copy_bidirectional(&mut here, &mut there).await.ok();
        }
    })
}

#[tokio::test]
async fn a_socket_that_is_a_file_is_a_server_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lmtp.sock");
    let retry = vec![std::time::Duration::from_millis(50)];
    let queue = QueueConfig { retry, ..QueueConfig::default() };
    let a = routed_to(NextHop::LmtpFile(file.clone()), queue).await;
    let mut author = a.author("ada@a.test").await;
    let mail = "MAIL FROM:<ada@a.test>";
    let id = author.submit(mail, &["<bob@b.test>"], LETTER).await.unwrap();
    let view = a.wait_for(id, &[Deferred]).await;
    assert_eq!(view.attempts[0].address, None);
    assert_eq!(view.attempts[0].host, file.display().to_string(), "nobody is there yet");

    let with_tls = "250-peer.test\r\n250 STARTTLS";
    let peer = Peer::start("127.0.0.1:0".parse().unwrap(), &[on("LHLO", with_tls)]).await;
    let _carrying = carry(&file, peer.address);
    a.wait_for(id, &[Accepted]).await;
    assert_eq!(peer.times("STARTTLS"), 0, "nobody listens in between");
    let next = author.submit(mail, &["<bob@b.test>"], LETTER).await.unwrap();
    a.wait_for(next, &[Accepted]).await;
    assert_eq!((peer.times("LHLO"), peer.times("content: ")), (1, 2), "on the same connection");
}

#[tokio::test]
async fn each_recipient_of_ours_gets_a_reply_and_nobody_else_is_taken() {
    let wishes = Wishes::default();
    let a = System::start("a.test", &["ada", "bob"], Ports::bind().await, wishes).await;
    let config = ReceptionConfig {
        service: Service::Lmtp,
        tls: Tls::None,
        auth_in_clear: AuthInClear::Refused,
    };
    let reception = Reception::new(Arc::clone(&a.mta), config);
    let mut drive = reception.session(SocketAddr::from(([192, 0, 2, 7], 40_000)));
    drive.receive(b"LHLO front.test\r\nMAIL FROM:<eve@b.test>\r\nRCPT TO:<ada@a.test>\r\n");
    drive.receive(b"RCPT TO:<eve@b.test>\r\nRCPT TO:<bob@a.test>\r\nDATA\r\n");
    drive.receive(b"From: eve@b.test\r\n\r\nhello\r\n.\r\nQUIT\r\n");
    let mut output = Vec::new();
    drive.advance(&mut output).await;
    let replies = String::from_utf8(output).unwrap();
    let (_, end) = replies.split_once("354 ").unwrap();
    let end: Vec<_> = end.lines().skip(1).collect();
    let [first, second, bye] = end.as_slice() else { panic!("RFC 2033 §4.2: {replies}") };
    assert!(first.starts_with("250 2.0.0 Ok: delivered as "), "{replies}");
    assert_eq!(first, second, "one commit took it for both");
    assert!(bye.starts_with("221 "), "{replies}");
    assert!(replies.contains("550 5.7.1 We do not relay to eve@b.test"), "{replies}");
    for who in ["ada@a.test", "bob@a.test"] {
        let inbox = a.inbox(who).await;
        assert_eq!(inbox.len(), 1, "{who}");
        assert!(inbox[0].contains("by mx.a.test with LMTP\r\n"), "RFC 3848: {}", inbox[0]);
    }
}
