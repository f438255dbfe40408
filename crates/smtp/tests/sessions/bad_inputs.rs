//! What hostile and broken clients send, and what they hear: one row for each case.
//!
//! Every row must leave the session usable or closed, as it says, and no message behind.
//!
//! Standards: RFC 5321 §2.3.8, §4.1, §4.5.3; RFC 2920; RFC 3207; RFC 4954.
//! Not here: who may relay (crate `mta`), TLS (crate `platform`).

use std::time::Duration;

use smtp::server::{Config, Event, Interrupt, Session};
use smtp::{Reply, limits};

use crate::converse::{Peer, codes, mta, submission};

pub(crate) const HELLO: &str = "EHLO client.example.com\r\n";
const UP_TO_DATA: &str = "EHLO client.example.com\r\nMAIL FROM:<ada@example.com>\r\n\
                          RCPT TO:<grace@example.org>\r\nDATA\r\n";

/// Sends `octets` to a peer that has been through `before`; gives the replies.
pub(crate) fn reaction(before: &str, octets: &[u8]) -> (Peer, String) {
    let mut peer = Peer::greeted(mta());
    peer.say(before);
    let replies = peer.say(octets);
    (peer, replies)
}

/// The next legal command works.
pub(crate) fn assert_in_step(peer: &mut Peer, why: &str) {
    assert_eq!(peer.say("NOOP\r\n"), "250 2.0.0 Ok\r\n", "in step: {why}");
}

#[test]
fn only_crlf_dot_crlf_ends_content() {
    let smuggled = "MAIL FROM:<evil@example.com>\r\nRCPT TO:<grace@example.org>\r\nDATA\r\nx";
    #[rustfmt::skip]
    let table: [(&str, &str, &[u16]); 15] = [
        // what stands in the middle, why, replies after the true end
        ("\n.\n",         "S01",                              &[550]),
        ("\n.\r\n",       "S02",                              &[550]),
        ("\r\n.\n",       "S03",                              &[550]),
        ("\r.\r",         "S04",                              &[550]),
        ("\r.\r\n",       "S04",                              &[550]),
        ("\r\n.\r",       "S04",                              &[550]),
        ("\r\n.\r\r\n",   "S04: a dot and two CR",            &[550]),
        ("\r.\n",         "S04, with LF",                     &[550]),
        ("\n.\r",         "S04, with LF",                     &[550]),
        ("\r\r\n",        "a CR too many before the line end", &[550]),
        ("\n",            "one LF alone",                     &[550]),
        ("\r",            "one CR alone",                     &[550]),
        ("\r\n\0.\r\n",   "S05: NUL before the dot",          &[250]),
        ("\r\n.\0\r\n",   "S05: NUL behind the dot",          &[250]),
        ("\r\n. \r\n",    "S06: a line of dot and space",     &[250]),
    ];
    for (middle, why, wanted) in table {
        let content = format!("a{middle}{smuggled}\r\n.\r\n");
        let (mut peer, replies) = reaction(UP_TO_DATA, content.as_bytes());
        assert_eq!(codes(&replies), wanted, "{middle:?}: {why}");
        if wanted == [550] {
            assert!(replies.starts_with("550 5.6.0 "), "{middle:?}: {replies}");
            assert!(peer.messages.is_empty(), "{middle:?}: {why}");
        } else {
            let unstuffed = content.replace("\r\n.\0", "\r\n\0").replace("\r\n. ", "\r\n ");
            let wanted = unstuffed.strip_suffix(".\r\n").unwrap();
            assert_eq!(peer.messages[0].content, wanted.as_bytes(), "{middle:?}: {why}");
            assert_eq!(peer.messages.len(), 1, "{middle:?}: {why}");
        }
        assert_in_step(&mut peer, why);
    }
}

#[test]
fn content_is_kept_exactly() {
    let line = |octets: usize| format!("{}\r\n", "x".repeat(octets)).into_bytes();
    #[rustfmt::skip]
    let table: [(Vec<u8>, &str); 8] = [
        (Vec::new(),                      "S19: an empty message"),
        (b"no header\r\n".to_vec(),       "S19: a message without a header"),
        (line(998),                       "S16: RFC 5322 §2.1.1's longest line"),
        (line(2000),                      "S16"),
        (line(100_000),                   "S16"),
        (line(900_000),                   "S16"),
        (b"\xe9\xff\x80\r\n".to_vec(),    "S17: 8-bit without BODY=8BITMIME"),
        (b"a\0b\0\0\r\n".to_vec(),        "S18: NUL"),
    ];
    for (content, why) in table {
        let mut octets = content.clone();
        octets.extend_from_slice(b".\r\n");
        let (mut peer, replies) = reaction(UP_TO_DATA, &octets);
        assert_eq!(replies, "250 2.0.0 Ok: queued as 1\r\n", "{why}");
        assert_eq!(peer.messages[0].content, content, "{why}");
        assert_in_step(&mut peer, why);
    }
}

#[test]
fn content_over_the_limit_is_refused_at_its_end() {
    let (mut peer, replies) = reaction(UP_TO_DATA, &b"0123456789abcd\r\n".repeat(62_501));
    assert_eq!(replies, "", "S28: nobody listens before the end");
    assert!(peer.say(".\r\n").starts_with("552 5.3.4 "), "S28");
    assert!(peer.messages.is_empty());
    assert_in_step(&mut peer, "S28");
    let mut exact = Peer::greeted(mta());
    exact.say(UP_TO_DATA);
    exact.say(b"0123456789abcd\r\n".repeat(62_500));
    assert_eq!(exact.codes(".\r\n"), [250], "1,000,000 octets are the limit itself");
}

#[test]
fn end_may_come_octet_by_octet() {
    let mut peer = Peer::greeted(mta());
    peer.say(UP_TO_DATA);
    let mut replies = String::new();
    for octet in b"..one dot\r\n.\r\n" {
        replies.push_str(&peer.say([*octet]));
    }
    assert_eq!(replies, "250 2.0.0 Ok: queued as 1\r\n", "S07");
    assert_eq!(peer.messages[0].content, b".one dot\r\n", "S07");
}

#[test]
fn half_a_message_is_none() {
    for half in ["Subject: half\r\n", "Subject: half\r\n.", "Subject: half\r\n.\r", ""] {
        let (peer, replies) = reaction(UP_TO_DATA, half.as_bytes());
        assert_eq!(replies, "", "S09: {half:?}");
        assert!(peer.messages.is_empty(), "S09: {half:?}");
    }
}

#[test]
fn pipelined_transactions_follow_each_other() {
    let (peer, replies) = reaction(
        UP_TO_DATA,
        b"one\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\ntwo\r\n.\r\nQUIT\r\n",
    );
    assert_eq!(codes(&replies), [250, 250, 250, 354, 250, 221], "S08: RFC 2920 §3.2");
    assert_eq!(peer.messages.len(), 2);
    assert_eq!(peer.messages[1].content, b"two\r\n");
}

#[test]
fn lines_that_are_no_commands() {
    let long = |octets: usize| {
        let mut line = b"NOOP ".to_vec();
        line.resize(octets - 2, b'x');
        line.extend_from_slice(b"\r\n");
        line
    };
    #[rustfmt::skip]
    let table: [(Vec<u8>, &str, &str); 18] = [
        (b"NOOP\rRSET\r\n".to_vec(),       "500 5.5.2 ", "S10: a CR alone ends nothing"),
        (b"NOOP\n".to_vec(),               "500 5.5.2 ", "S11: an LF alone makes no command"),
        (b"NO\0OP\r\n".to_vec(),           "500 5.5.2 ", "S12"),
        (b"NOOP \0\r\n".to_vec(),          "500 5.5.2 ", "S12"),
        (long(512),                        "250 2.0.0 ", "RFC 5321 §4.5.3.1.4"),
        (long(513),                        "250 2.0.0 ", "S13"),
        (long(3072),                       "250 2.0.0 ", "our limit itself"),
        (long(3073),                       "500 5.5.6 ", "one octet more"),
        (long(4096),                       "500 5.5.6 ", "S14"),
        (long(100_000),                    "500 5.5.6 ", "S14"),
        (long(1_000_000),                  "500 5.5.6 ", "S14"),
        (b"FROB\r\n".to_vec(),             "500 5.5.1 ", "S22: unknown"),
        (b"\r\n".to_vec(),                 "500 5.5.1 ", "S22: empty line"),
        (b" NOOP\r\n".to_vec(),            "500 5.5.1 ", "a command begins with its verb"),
        (b"\xff\xfe\r\n".to_vec(),         "500 5.5.1 ", "no text at all"),
        (b"RCPT TO:<\xff@b>\r\n".to_vec(), "501 5.5.2 ", "S47: invalid UTF-8"),
        (b"AUTH PLAIN\n".to_vec(),         "500 5.5.2 ", "an LF alone, in AUTH"),
        ([b"AUTH PLAIN ", "A".repeat(12_300).as_bytes(), b"\r\n"].concat(),
                                           "500 5.5.6 ", "RFC 4954 §4: longer than 12288 octets"),
    ];
    for (octets, wanted, why) in table {
        let (mut peer, replies) = reaction(HELLO, &octets);
        assert!(replies.starts_with(wanted), "{why}: {replies}");
        assert_eq!(codes(&replies).len(), 1, "one reply: {why}");
        assert_in_step(&mut peer, why);
    }
}

#[test]
fn login_line_may_be_long_and_not_too_long() {
    let (mut peer, _) = reaction(HELLO, b"AUTH CRAM\r\n");
    let replies = peer.say(format!("{}\r\n", "A".repeat(12_284)));
    assert!(replies.starts_with("535 "), "RFC 4954 §4: 12288 octets arrive: {replies}");
    peer.say("AUTH CRAM\r\n");
    let replies = peer.say(format!("{}\r\n", "A".repeat(12_288)));
    assert!(replies.starts_with("500 5.5.6 "), "RFC 4954 §4: {replies}");
    assert_in_step(&mut peer, "the exchange is over");
}

#[test]
fn endless_line_is_answered_once_and_ends_the_session() {
    let mut peer = Peer::greeted(mta());
    let mut replies = String::new();
    for kilo in 1..=1024_usize {
        replies.push_str(&peer.say([b'x'; 1024]));
        assert_eq!(codes(&replies).len(), usize::from(kilo >= 64), "S15 after {kilo} KiB");
        assert_eq!(peer.session.is_closed(), kilo == 1024, "S15 after {kilo} KiB");
    }
    assert!(replies.starts_with("500 5.5.6 "), "S15: {replies}");
}

#[test]
fn paths_that_are_none() {
    let long_local = format!("RCPT TO:<{}@example.org>", "a".repeat(65));
    let long_label = format!("RCPT TO:<a@{}.org>", "a".repeat(64));
    let hop = "a".repeat(63) + "." + &"a".repeat(62);
    let long_route = format!("RCPT TO:<@{hop},@{hop}:a@b>");
    let long_path = format!("RCPT TO:<{}>", "a".repeat(255));
    #[rustfmt::skip]
    let table = [
        ("RCPT TO:<victim@outside@ours.example>", "501 5.1.3 ", "S53: two at signs"),
        ("RCPT TO:<@>",                      "501 5.1.", "S53"),
        ("RCPT TO:<a@>",                     "501 5.1.", "S53"),
        ("RCPT TO:<<a@b>>",                  "501 5.1.3 ", "S53"),
        ("RCPT TO:<\"a@b>",                  "501 5.5.4 ", "S53: unbalanced quote"),
        ("RCPT TO:<a\u{7}@b>",               "501 5.1.3 ", "S53: control character"),
        ("RCPT TO:<>",                       "501 5.1.3 ", "S55"),
        ("RCPT TO:a@b",                      "501 5.5.4 ", "no brackets"),
        ("RCPT TO:<a@b",                     "501 5.5.4 ", "one bracket"),
        ("RCPT FROM:<a@b>",                  "501 5.5.4 ", "wrong keyword"),
        ("RCPT",                             "501 5.5.4 ", "nothing"),
        (long_local.as_str(),                "501 5.1.3 ", "S57: local part over 64"),
        (long_label.as_str(),                "501 5.1.3 ", "S57: label over 63"),
        (long_path.as_str(),                 "501 5.1.3 ", "S57: path over 256"),
        (long_route.as_str(),                "501 5.1.3 ", "S57: a source route counts"),
        ("RCPT TO:<a@b..c>",                 "501 5.1.2 ", "S57: empty label"),
        ("RCPT TO:<@ours,@b:a@c.example>",   "250 2.1.5 ", "S52: source route is ignored"),
        ("RCPT TO:<@ours,b:a@c.example>",    "501 5.1.3 ", "broken source route"),
        ("RCPT TO:<PostMaster>",             "250 2.1.5 ", "S54"),
        ("RCPT TO:<\"a>b\"@example.org>",    "250 2.1.5 ", "a bracket inside of quotes"),
        ("RCPT TO:<victim%outside@ours.org>", "250 2.1.5 ", "S51: a local part like any other"),
        ("RCPT TO:<\u{fc}@example.org>",     "553 5.6.7 ", "S46: needs SMTPUTF8"),
    ];
    for (command, wanted, why) in table {
        let before = format!("{HELLO}MAIL FROM:<ada@example.com>\r\n");
        let (mut peer, replies) = reaction(&before, format!("{command}\r\n").as_bytes());
        assert!(replies.starts_with(wanted), "{command}: {why}: {replies}");
        assert_eq!(codes(&replies).len(), 1, "{command}: {why}");
        assert_in_step(&mut peer, why);
    }
    #[rustfmt::skip]
    let senders = [
        ("MAIL FROM:<;id;>",           "501 5.1.7 ", "S56"),
        ("MAIL FROM:<$(id)@x>",        "501 5.1.7 ", "S56: parentheses are no atom"),
        ("MAIL FROM:<|/bin/id>",       "501 5.1.7 ", "S56"),
        ("MAIL FROM:<ada>",            "501 5.1.7 ", "no domain"),
        ("MAIL FROM:<\u{fc}@x>",       "553 5.6.7 ", "S46"),
        ("MAIL FROM:<a@\u{fc}.x>",     "553 5.6.7 ", "S46: a U-label"),
        ("MAIL FROM:<\u{fc}@x> SMTPUTF8", "250 2.1.0 ", "RFC 6531 §3.4"),
        ("MAIL FROM:<a@\u{fc}.x> smtputf8", "250 2.1.0 ", "RFC 6531 §3.4: a U-label"),
        ("MAIL FROM:<a@x> SMTPUTF8",   "250 2.1.0 ", "RFC 6531 §3.4: for the header alone"),
        ("MAIL FROM:<a@x> SMTPUTF8=1", "501 5.5.4 ", "RFC 6531 §3.4: it takes no value"),
        ("MAIL FROM:<\u{fc} a@x> SMTPUTF8", "501 5.1.7 ", "still no address"),
        ("VRFY \u{fc} SMTPUTF8",       "252 2.5.2 ", "RFC 6531 §3.7.4.2"),
        ("MAIL FROM:<>",               "250 2.1.0 ", "a notice"),
    ];
    for (command, wanted, why) in senders {
        let (mut peer, replies) = reaction(HELLO, format!("{command}\r\n").as_bytes());
        assert!(replies.starts_with(wanted), "{command}: {why}: {replies}");
        assert_in_step(&mut peer, why);
    }
}

#[test]
fn recipients_in_utf8_need_smtputf8() {
    let before = format!("{HELLO}MAIL FROM:<> SMTPUTF8\r\n");
    #[rustfmt::skip]
    let table: [(&[u8], &str, &str); 6] = [
        ("RCPT TO:<\u{fc}@example.org>".as_bytes(), "250 2.1.5 ", "RFC 6531 §3.3"),
        ("RCPT TO:<a@b\u{fc}cher.example>".as_bytes(), "250 2.1.5 ", "RFC 6531 §3.3: U-label"),
        ("RCPT TO:<a\u{2028}b@c>".as_bytes(),   "501 5.1.3 ", "a line separator is no letter"),
        ("RCPT TO:<a@b> ORCPT=utf-8;\u{fc}@b".as_bytes(), "250 2.1.5 ", "RFC 6533 §3: 8-bit ORCPT"),
        (b"RCPT TO:<\xfc@example.org>",        "501 5.5.2 ", "S47: invalid UTF-8"),
        (b"RCPT TO:<\xc0\xaf@example.org>",    "501 5.5.2 ", "S47: overlong UTF-8"),
    ];
    for (command, wanted, why) in table {
        let (mut peer, replies) = reaction(&before, &[command, b"\r\n"].concat());
        assert!(replies.starts_with(wanted), "{why}: {replies}");
        assert_in_step(&mut peer, why);
    }
    let forgotten = format!("{before}RSET\r\nMAIL FROM:<a@b>\r\n");
    let (_, replies) = reaction(&forgotten, "RCPT TO:<\u{fc}@b>\r\n".as_bytes());
    assert!(replies.starts_with("553 5.6.7 "), "S46: it is the transaction's: {replies}");
    let (_, replies) = reaction("", b"EHLO \xc3\xbc.example\r\n");
    assert!(
        replies.ends_with("501 5.5.4 Use EHLO with your host name or [address]\r\n"),
        "RFC 6531 §3.7.1: {replies}"
    );
}

#[test]
fn other_protocols_are_sent_away() {
    let table: [(&[u8], &str); 5] = [
        (b"GET / HTTP/1.1\r\nHost: x\r\nNOOP\r\n\r\n", "S38"),
        (b"POST /x HTTP/1.1\r\n\r\nMAIL FROM:<a@b>\r\n", "S38: a browser that sends mail"),
        (b"CONNECT mx:25 HTTP/1.1\r\n\r\n", "S38"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "S38: TLS on a clear port"),
        (b"NOOP\r\nGET / HTTP/1.1\r\n\r\n", "later in the session"),
    ];
    for (octets, why) in table {
        let mut peer = Peer::greeted(mta());
        let replies = peer.say(octets);
        assert!(replies.trim_start_matches("250 2.0.0 Ok\r\n").starts_with("421 5.5.1 "), "{why}");
        assert_eq!(replies.matches("421").count(), 1, "{why}: one reply, nothing behind it");
        assert!(peer.session.is_closed(), "{why}");
        assert_eq!(peer.say("NOOP\r\n"), "", "{why}: nothing runs any more");
    }
}

#[test]
fn many_commands_in_one_packet() {
    let mut peer = Peer::greeted(mta());
    assert_eq!(peer.codes("NOOP\r\n".repeat(3000)), vec![250; 3000], "S39");
}

#[test]
fn too_many_recipients_are_put_off() {
    let mut peer = Peer::greeted(mta());
    peer.say(HELLO);
    peer.say("MAIL FROM:<ada@example.com>\r\n");
    for index in 0..1500 {
        let replies = peer.say(format!("RCPT TO:<r{index}@example.org>\r\n"));
        let wanted = if index < 1000 { "250 2.1.5 " } else { "452 4.5.3 " };
        assert!(replies.starts_with(wanted), "S40, recipient {index}: {replies}");
    }
    assert_eq!(peer.codes("DATA\r\n.\r\n"), [354, 250], "S40: the accepted ones work");
    assert_eq!(peer.messages[0].recipients.len(), 1000);
}

#[test]
fn harvester_is_slowed_down_and_sent_away() {
    let mut peer = Peer::greeted(mta());
    peer.say(HELLO);
    peer.say("MAIL FROM:<ada@example.com>\r\n");
    let mut delays = Vec::new();
    for index in 0..limits::REFUSED_RECIPIENTS_MAX {
        peer.session.receive(format!("RCPT TO:<nobody{index}@example.org>\r\n").as_bytes());
        assert!(matches!(peer.session.poll(), Some(Event::Recipient(_))), "recipient {index}");
        peer.session.answer(Reply::new(550, envelope::EnhancedStatus::new(5, 1, 1), "Unknown"));
        delays.push(peer.session.delay_hint());
        let replies = peer.session.take_output();
        assert!(replies.starts_with(b"550 5.1.1 "), "S43, recipient {index}");
    }
    assert_eq!(delays[9], Duration::ZERO, "some dead addresses are no attack");
    assert!(delays.is_sorted() && delays[10] > Duration::ZERO, "S43: growing");
    let replies = peer.say("RCPT TO:<nobody@example.org>\r\n");
    assert!(replies.starts_with("421 4.7.0 ") && peer.session.is_closed(), "S43: {replies}");
}

#[test]
fn author_may_have_a_long_and_old_list() {
    let mut peer = Peer::greeted(mta());
    peer.say(HELLO);
    peer.say("AUTH PLAIN AGFkYQBzZWNyZXQ=\r\nMAIL FROM:<ada@example.com>\r\n");
    let commands = "RCPT TO:<nobody@example.org>\r\n".repeat(300);
    assert_eq!(peer.codes(commands), vec![550; 300]);
    assert_in_step(&mut peer, "after a login nobody guesses");
}

#[test]
fn wrong_commands_are_slowed_down_and_end_the_session() {
    let mut peer = Peer::greeted(mta());
    for index in 1..=limits::ERRORS_MAX {
        peer.session.receive(b"FROB\r\n");
        assert_eq!(peer.session.poll(), None);
        let held_back = peer.session.delay_hint() > Duration::ZERO;
        assert_eq!(held_back, index > limits::ERRORS_BEFORE_DELAY, "S22, error {index}");
        assert!(peer.session.take_output().starts_with(b"500 "), "S22, error {index}");
        assert_eq!(peer.session.delay_hint(), Duration::ZERO, "the delay was for that reply");
    }
    let replies = peer.say("FROB\r\nNOOP\r\n");
    assert!(replies.starts_with("421 4.7.0 "), "S22: {replies}");
    assert_eq!(codes(&replies).len(), 1, "S22: nothing after it");
    assert!(peer.session.is_closed(), "S22");
}

#[test]
fn pipelining_does_not_get_around_the_delay() {
    let mut peer = Peer::greeted(mta());
    peer.session.receive("FROB\r\n".repeat(15).as_bytes());
    assert_eq!(peer.session.poll(), None);
    assert!(peer.session.delay_hint() >= 5 * Duration::from_millis(500));
}

#[test]
fn early_talker_is_noticed_and_served() {
    let mut early = Peer::new(mta());
    let replies = early.say("EHLO client.example.com\r\nQUIT\r\n");
    assert_eq!(codes(&replies), [220, 250, 221], "S37: in order");
    assert!(early.session.talked_early(), "S37");
    let mut polite = Peer::greeted(mta());
    polite.say(HELLO);
    assert!(!polite.session.talked_early());
}

#[test]
fn refused_client_may_only_quit() {
    let mut session = Session::new(mta());
    assert_eq!(session.poll(), Some(Event::Connect));
    session.answer(Reply::plain(554, "No SMTP service for you"));
    session.receive(b"EHLO a.example\r\nQUIT\r\n");
    assert_eq!(session.poll(), Some(Event::Quit));
    let replies = String::from_utf8(session.take_output()).unwrap();
    assert_eq!(codes(&replies), [554, 503, 221], "RFC 5321 §3.1");
}

#[test]
fn interrupted_session_says_why_and_takes_nothing_more() {
    let table = [
        (Interrupt::Shutdown, "421 4.3.2 "),
        (Interrupt::Idle, "421 4.4.2 "),
        (Interrupt::TooMuch, "421 4.7.0 "),
        (Interrupt::Internal, "421 4.3.0 "),
    ];
    for (cause, wanted) in table {
        let (mut peer, _) = reaction(UP_TO_DATA, b"half a message\r\n");
        peer.session.interrupt(cause);
        let replies = peer.say(".\r\nNOOP\r\n");
        assert!(replies.starts_with(wanted) && codes(&replies).len() == 1, "{cause:?}: {replies}");
        assert!(peer.session.is_closed() && peer.messages.is_empty(), "{cause:?}");
    }
}

#[test]
fn answer_after_an_interrupt_is_ignored() {
    let mut session = Session::new(mta());
    assert_eq!(session.poll(), Some(Event::Connect));
    session.interrupt(Interrupt::Shutdown);
    session.answer(smtp::server::Answer::Accept);
    assert!(session.take_output().starts_with(b"421 "));
    assert!(session.is_closed());
}

#[test]
fn single_octets_are_no_progress() {
    let mut peer = Peer::greeted(mta());
    let before = peer.session.progress();
    peer.say("NOO");
    peer.say("P");
    assert_eq!(peer.session.progress(), before, "S44: half a command is no progress");
    peer.say("\r\n");
    assert_ne!(peer.session.progress(), before, "a command is");
    peer.say(UP_TO_DATA);
    let before = peer.session.progress();
    for _ in 0..1000 {
        peer.say("x");
    }
    assert_eq!(peer.session.progress(), before, "single octets of content");
    for _ in 0..1000 {
        peer.say("x");
    }
    assert_ne!(peer.session.progress(), before, "a KiB of content");
    assert_eq!(peer.session.timeout(), Duration::from_secs(300), "RFC 5321 §4.5.3.2.7");
}

#[test]
fn authors_log_in_first_and_encrypt_before() {
    let mut peer = Peer::greeted(submission());
    peer.say(HELLO);
    assert!(peer.say("AUTH PLAIN AGFkYQBzZWNyZXQ=\r\n").starts_with("538 5.7.11 "), "T08");
    assert!(peer.say("MAIL FROM:<a@example.com>\r\n").starts_with("530 5.7.0 "), "RFC 6409 §4.3");
    let none = Config { mechanisms: Vec::new(), ..mta() };
    let mut peer = Peer::greeted(none);
    assert!(!peer.say(HELLO).contains("AUTH"), "not offered");
    assert!(peer.say("AUTH PLAIN AGFkYQBzZWNyZXQ=\r\n").starts_with("502 5.5.1 "));
    assert!(peer.say("MAIL FROM:<a@example.com> AUTH=<>\r\n").starts_with("555 5.5.4 "));
}

#[test]
fn tls_before_the_greeting_still_greets() {
    let mut peer = Peer::new(Config { tls: smtp::server::Tls::Implicit, ..submission() });
    peer.session.enter_tls();
    assert_eq!(peer.codes(""), [220]);
    let offer = peer.say(HELLO);
    assert!(offer.contains("AUTH") && !offer.contains("STARTTLS"), "{offer}");
}
