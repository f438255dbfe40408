//! LMTP: mail for our own recipients, with a reply for each.

use std::net::SocketAddr;
use std::sync::Arc;

use mta::reception::{Reception, ReceptionConfig, Service};
use platform::Drive;
use smtp::server::{AuthInClear, Tls};

use crate::support::{Ports, System, Wishes};

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
