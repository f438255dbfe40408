//! Replays the vectors of the corpora: smuggled ends of content, commands before a handshake.
//!
//! The corpora are optional: where `POSTHOUSE_CORPORA` does not name them, that is said.
//!
//! Standards: RFC 5321 §4.1.1.4, RFC 3207 §4.2.
//! Not here: the same over real TLS (crate `platform`).

use std::path::Path;

use envelope::{Address, Envelope, Recipient};
use serde_json::Value;
use smtp::client;

use crate::converse::{Peer, codes, mta};

#[expect(clippy::print_stderr, reason = "a suite that cannot run says so")]
fn vectors(name: &str) -> Option<Value> {
    let Some(folder) = std::env::var_os("POSTHOUSE_CORPORA") else {
        eprintln!("skipped: POSTHOUSE_CORPORA is not set, so {name} is not here");
        return None;
    };
    let path = Path::new(&folder).join("vectors").join(name);
    let text = std::fs::read_to_string(&path).expect("the corpora have this file");
    Some(serde_json::from_str(&text).expect("vectors are JSON"))
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |octet: &u8| char::from(*octet).to_digit(16).expect("a hexadecimal digit");
    let value = |pair: &[u8]| pair.iter().fold(0, |high, low| high * 16 + digit(low));
    let octet = |pair| u8::try_from(value(pair)).expect("two digits make an octet");
    text.as_bytes().chunks(2).map(octet).collect()
}

#[test]
fn nothing_but_the_end_of_content_ends_it() {
    let Some(vectors) = vectors("smtp-smuggling.json") else { return };
    let sequences = vectors["inbound_or_outbound"].as_array().expect("a list of sequences");
    assert!(sequences.len() >= 12);
    for sequence in sequences {
        let octets = unhex(sequence["hex"].as_str().unwrap());
        let mut peer = Peer::greeted(mta());
        peer.say("EHLO a.example\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n");
        let inner = b"MAIL FROM:<x@a.example>\r\nRCPT TO:<y@b.example>\r\nDATA\r\ninner";
        let replies = peer.say([b"outer", octets.as_slice(), inner, b"\r\n.\r\n"].concat());
        let repr = &sequence["repr"];
        assert_eq!(codes(&replies).len(), 1, "one message, one reply: {repr}");
        assert!(peer.messages.len() <= 1, "{repr}");
        for message in &peer.messages {
            assert!(message.content.ends_with(b"inner\r\n"), "{repr}");
        }
    }
}

#[test]
fn nothing_is_carried_over_starttls() {
    let Some(vectors) = vectors("starttls-injection.json") else { return };
    let cases = vectors["cases"].as_array().expect("a list of cases");
    let smtp: Vec<_> = cases.iter().filter(|case| case["protocol"] == "smtp").collect();
    assert!(smtp.len() >= 3);
    for case in smtp {
        let part = |name: &str| case[name].as_str().expect("a case has all parts");
        let mut peer = Peer::greeted(mta());
        peer.say(part("pre"));
        assert_eq!(peer.codes(part("inject")), [220], "{case}");
        peer.session.enter_tls();
        assert_eq!(peer.say(""), "", "no answer inside of TLS: {case}");
        let replies = peer.say(part("post"));
        let commands = part("post").matches("\r\n").count();
        assert_eq!(codes(&replies).len(), commands, "one reply for each command: {case}");
        assert!(!replies.contains("2.1.5"), "no recipient accepted: {case}");
    }
}

/// What a client sends of this content, up to its end; `None`: it refuses to.
fn sent(content: &[u8]) -> Option<Vec<u8>> {
    let recipient = Recipient::new(Address::parse("b@b.example").expect("a good address"));
    let envelope = Envelope { recipients: vec![recipient], ..Envelope::default() };
    let mut client = client::Session::new(client::Config::default());
    client.receive(b"220 a\r\n250 a\r\n");
    while client.poll().is_some_and(|event| event != client::Event::Ready) {}
    client.send(&envelope, None);
    client.receive(b"250 a\r\n250 a\r\n354 a\r\n");
    while client.poll().is_some_and(|event| event != client::Event::ContentWanted) {}
    client.take_output();
    client.content(content).ok()?;
    client.content_end().ok()?;
    Some(client.take_output())
}

#[test]
fn client_sends_no_end_of_content_but_its_own() {
    let Some(vectors) = vectors("smtp-smuggling.json") else { return };
    let sequences = vectors["inbound_or_outbound"].as_array().expect("a list of sequences");
    let mut taken = 0;
    for sequence in sequences {
        let octets = unhex(sequence["hex"].as_str().unwrap());
        let repr = &sequence["repr"];
        let rest: Vec<u8> = String::from_utf8_lossy(&octets).replace("\r\n", "").into_bytes();
        let is_bare = rest.iter().any(|octet| matches!(octet, b'\r' | b'\n'));
        let content = [b"outer", octets.as_slice(), b"inner\r\n"].concat();
        let output = sent(&content);
        assert_eq!(output.is_none(), is_bare, "RFC 5321 §2.3.8: a bare CR or LF: {repr}");
        let Some(output) = output else { continue };
        taken += 1;
        let text = String::from_utf8_lossy(&output).into_owned();
        let lines = text.strip_suffix(".\r\n").expect("its end");
        let dotted = lines.split("\r\n").filter(|line| line.starts_with('.'));
        assert!(dotted.clone().all(|line| line.starts_with("..")), "RFC 5321 §4.5.2: {repr}");
        let unstuffed = lines.replace("\r\n..", "\r\n.");
        assert_eq!(unstuffed.as_bytes(), content, "nothing else is changed: {repr}");
    }
    assert!(taken >= 2, "the sequences with NUL are content");
}
