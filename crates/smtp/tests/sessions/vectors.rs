//! Replays the vectors of the corpora: smuggled ends of content, commands before a handshake.
//!
//! The corpora are optional: where `POSTHOUSE_CORPORA` does not name them, that is said.
//!
//! Standards: RFC 5321 §4.1.1.4, RFC 3207 §4.2.
//! Not here: the same over real TLS (crate `platform`).

use std::path::Path;

use serde_json::Value;

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
