//! XCLIENT and ETRN: only from whom we trust, and then as they are written.
//!
//! Standards: RFC 1985; Postfix's XCLIENT_README.
//! Not here: who is trusted (crate `mta`).

use std::net::IpAddr;

use smtp::server::{Attribute, Event, ProxiedClient, ProxiedProtocol, Session, Trust};

use crate::converse::{Peer, codes, mta};

const ALL: Trust = Trust { xclient: true, etrn: true };
const UP_TO_RCPT: &str =
    "EHLO a.example\r\nMAIL FROM:<ada@example.com>\r\nRCPT TO:<b@example.org>\r\n";

fn trusted() -> Peer {
    let mut peer = Peer::greeted(mta());
    peer.session.trust(ALL);
    peer
}

#[test]
fn both_are_offered_to_whom_we_trust_only() {
    for (trust, etrn, xclient) in [
        (Trust::default(), false, false),
        (Trust { etrn: true, ..Trust::default() }, true, false),
        (Trust { xclient: true, ..Trust::default() }, false, true),
    ] {
        let mut peer = Peer::greeted(mta());
        peer.session.trust(trust);
        let offer = peer.say("EHLO a.example\r\n");
        assert_eq!(offer.contains("250-ETRN\r\n"), etrn, "{trust:?}: {offer}");
        assert_eq!(offer.contains("250-XCLIENT NAME ADDR "), xclient, "{trust:?}: {offer}");
        let wanted = if etrn { 250 } else { 459 };
        assert_eq!(peer.codes("ETRN example.org\r\n"), [wanted], "RFC 1985 §5.1: {trust:?}");
        let wanted = if xclient { 220 } else { 550 };
        assert_eq!(peer.codes("XCLIENT ADDR=192.0.2.1\r\n"), [wanted], "{trust:?}");
    }
}

#[test]
fn etrn_is_read_as_it_is_written() {
    #[rustfmt::skip]
    let rows = [
        ("EHLO a\r\nETRN example.org\r\n",     vec![250, 250], "RFC 1985 §5"),
        ("ETRN example.org\r\n",               vec![503],      "RFC 1985 §4: an extension, so EHLO comes first"),
        ("EHLO a\r\nETRN\r\n",                 vec![250, 501], "no node"),
        ("EHLO a\r\nETRN a b\r\n",             vec![250, 501], "two words"),
        ("EHLO a\r\nETRN [192.0.2.1]\r\n",     vec![250, 501], "RFC 1985 §5: a domain name"),
        ("EHLO a\r\nETRN @example.org\r\n",    vec![250, 458], "RFC 1985 §5.3: a local matter"),
        ("EHLO a\r\nETRN #uucp\r\n",           vec![250, 458], "RFC 1985 §5.3: likewise"),
        ("EHLO a\r\nMAIL FROM:<>\r\nETRN example.org\r\nRSET\r\nETRN example.org\r\n",
            vec![250, 250, 503, 250, 250], "RFC 1985 §5: not in a transaction"),
    ];
    for (lines, wanted, why) in rows {
        assert_eq!(trusted().codes(lines), wanted, "{why}: {lines:?}");
    }
}

/// What a session makes of an XCLIENT's attributes.
fn told(attributes: &str) -> Result<ProxiedClient, String> {
    let mut session = Session::new(mta());
    session.trust(ALL);
    session.poll();
    session.answer(smtp::server::Answer::Accept);
    session.take_output();
    session.receive(format!("XCLIENT {attributes}\r\n").as_bytes());
    match session.poll() {
        Some(Event::Proxied(client)) => Ok(*client),
        None => Err(String::from_utf8_lossy(&session.take_output()).into_owned()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn attributes_are_read_or_refused() {
    let address = |text: &str| Attribute::Is(text.parse::<IpAddr>().unwrap());
    let whole = ProxiedClient {
        name: Attribute::Is("mail.example.net".to_owned()),
        address: address("192.0.2.7"),
        port: Attribute::Is(4242),
        protocol: Attribute::Is(ProxiedProtocol::Esmtp),
        helo: Attribute::Is("[192.0.2.7]".to_owned()),
        login: Attribute::Is("ada@example.com".to_owned()),
        destination: address("2001:db8::1"),
    };
    let line = "NAME=mail.example.net ADDR=192.0.2.7 PORT=4242 PROTO=ESMTP HELO=[192.0.2.7] \
                LOGIN=ada+40example.com DESTADDR=IPV6:2001:db8::1";
    assert_eq!(told(line), Ok(whole.clone()));
    assert_eq!(told(&line.replace("NAME", "name").replace("ESMTP", "esmtp")), Ok(whole));
    let unknown = ProxiedClient {
        name: Attribute::Unknown,
        login: Attribute::Unknown,
        ..ProxiedClient::default()
    };
    assert_eq!(told("NAME=[TEMPUNAVAIL] LOGIN=[unavailable]"), Ok(unknown));
    #[rustfmt::skip]
    let rows = [
        ("",                       "nothing is told"),
        ("ADDR",                   "no value"),
        ("ADDR=",                  "an empty value"),
        ("ADDR=192.0.2",           "no address"),
        ("ADDR=IPV6:192.0.2.7",    "no address of that family"),
        ("ADDR=1.2.3.4 ADDR=1.2.3.5", "twice"),
        ("PORT=70000",             "no port"),
        ("PROTO=LMTP",             "no protocol of clients"),
        ("HELO=a+0D+0AX:+20y",     "a line end would go into our trace fields"),
        ("HELO=a_b(c)",            "no host"),
        ("NAME=gr\u{fc}n.example", "no host as RFC 5321 §2.3.5 has it"),
        ("LOGIN=a+4",              "cut xtext"),
        ("LOGIN=a++4",             "no xtext"),
        ("REVERSE_NAME=x",         "we did not offer it"),
    ];
    for (attributes, why) in rows {
        let reply = told(attributes).expect_err(why);
        assert!(reply.starts_with("501 5.5.4 "), "{why}: {attributes}: {reply}");
    }
}

#[test]
fn the_session_begins_anew() {
    let mut peer = trusted();
    let login = "AUTH PLAIN AGFkYQBzZWNyZXQ=\r\n";
    assert_eq!(peer.codes(format!("EHLO a\r\n{login}")), [250, 235]);
    let lines = "XCLIENT ADDR=192.0.2.7\r\nMAIL FROM:<ada@example.com>\r\n";
    assert_eq!(peer.codes(lines), [220, 503], "EHLO is void; what is pipelined is read");
    assert_eq!(peer.codes(format!("EHLO b\r\n{login}")), [250, 235], "so is the login");
    assert_eq!(peer.codes("XCLIENT PORT=25\r\nEHLO b\r\n"), [220, 250], "the same client");
    assert_eq!(peer.codes(login), [503], "who has logged in stays so");
    assert_eq!(peer.codes(UP_TO_RCPT), [250, 250, 250]);
    assert_eq!(peer.codes("XCLIENT ADDR=192.0.2.8\r\n"), [503], "not in a transaction");
    assert_eq!(peer.codes("DATA\r\nx\r\n.\r\n"), [354, 250], "which goes on");
    assert_eq!(peer.codes("ETRN example.org\r\n"), [250], "by login");
    let replies = peer.say("XCLIENT ADDR=192.0.2.9\r\nEHLO c\r\nETRN example.org\r\n");
    assert_eq!(codes(&replies), [220, 250, 459], "what the proxy may do, its client may not");
}
