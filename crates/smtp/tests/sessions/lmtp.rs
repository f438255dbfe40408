//! LMTP: its own greeting, and a reply for each recipient at the end.
//!
//! Standards: RFC 2033 §4.
//! Not here: what is the same as in SMTP.

use smtp::server::{Config, Kind};

use crate::converse::{Peer, codes, mta};

const UP_TO_RCPT: &str = "LHLO client.example.com\r\nMAIL FROM:<ada@example.com>\r\n";
const TWO: &str = "RCPT TO:<a@example.org>\r\nRCPT TO:<nobody>\r\nRCPT TO:<b@example.org>\r\n";

fn lmtp() -> Peer {
    Peer::greeted(Config { kind: Kind::Lmtp, ..mta() })
}

#[test]
fn each_protocol_has_its_own_greeting() {
    let greetings = [(Kind::Lmtp, "LHLO x\r\n", 250), (Kind::Lmtp, "EHLO x\r\n", 500)];
    let others = [(Kind::Lmtp, "HELO x\r\n", 500), (Kind::Mta, "LHLO x\r\n", 500)];
    for (kind, line, code) in greetings.into_iter().chain(others) {
        let mut peer = Peer::greeted(Config { kind, ..mta() });
        let replies = peer.say(line);
        assert_eq!(codes(&replies), [code], "RFC 2033 §4.1: {kind:?} {line}");
    }
}

#[test]
fn every_accepted_recipient_gets_a_reply_at_the_end() {
    #[rustfmt::skip]
    let rows: [(&str, &[u16], usize, &str); 5] = [
        ("DATA\r\nx\r\n.\r\n",    &[354, 250, 250], 1, "RFC 2033 §4.2: one for each accepted RCPT"),
        ("DATA\r\nx\n\r\n.\r\n",  &[354, 550, 550], 0, "RFC 2033 §4.2: refused by the session"),
        ("BDAT 3 LAST\r\nx\r\n",    &[250, 250],      1, "RFC 2033 §4.3: the last chunk"),
        ("BDAT 3\r\nx\r\nBDAT 0 LAST\r\n", &[250, 250, 250], 1, "RFC 2033 §4.3: one for a chunk in the middle"),
        ("RSET\r\nDATA\r\n",       &[250, 503],      0, "nothing to reply about"),
    ];
    for (end, wanted, messages, why) in rows {
        let mut peer = lmtp();
        assert_eq!(codes(&peer.say(format!("{UP_TO_RCPT}{TWO}"))), [250, 250, 250, 501, 250]);
        assert_eq!(codes(&peer.say(end)), wanted, "{why}");
        assert_eq!(peer.messages.len(), messages, "{why}");
        assert_eq!(peer.say("NOOP\r\n"), "250 2.0.0 Ok\r\n", "in step: {why}");
    }
}

#[test]
fn data_without_recipients_is_503() {
    let mut peer = lmtp();
    peer.say(format!("{UP_TO_RCPT}RCPT TO:<nobody>\r\n"));
    assert_eq!(codes(&peer.say("DATA\r\n")), [503], "RFC 2033 §4.2");
}
