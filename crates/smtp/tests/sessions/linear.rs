//! Time grows with the input and not faster, whatever the input is.
//!
//! Each case takes a second or two where it is linear and minutes where it is not; the limit
//! lies between, far from both.
//!
//! Standards: RFC 5321 §4.5.3.1 (limits).
//! Not here: how fast exactly (benchmarks).

#![expect(clippy::disallowed_methods, reason = "measures real time")]

use std::time::{Duration, Instant};

use envelope::{Address, Envelope, Recipient};
use smtp::client;
use smtp::server::Config;

use crate::converse::{Peer, mta};

/// Content: what a large message has.
const CONTENT_OCTETS: usize = 8 * 1024 * 1024;
/// Commands: enough that moving the rest of the buffer for each of them takes a minute.
const COMMAND_OCTETS: usize = 2 * 1024 * 1024;
/// Linear takes at most 2 s, without optimisation, on an idle machine.
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn content_of_any_shape_is_linear() {
    let table: [(&[u8], usize, &str); 5] = [
        (b"..\r\n", 1460, "lines of dots"),
        (b"\r\n", 1460, "empty lines"),
        (b"x", 1460, "one endless line"),
        (b"x", CONTENT_OCTETS, "one endless line at once"),
        (b"..\r\n", CONTENT_OCTETS, "lines of dots at once"),
    ];
    for (unit, piece, why) in table {
        let content = unit.repeat(CONTENT_OCTETS / unit.len());
        let start = Instant::now();
        let mut peer = Peer::greeted(Config { message_size_max: 1 << 30, ..mta() });
        peer.say("EHLO a\r\nMAIL FROM:<a@a>\r\nRCPT TO:<b@b>\r\nDATA\r\n");
        for part in content.chunks(piece) {
            peer.say(part);
        }
        assert_eq!(peer.codes("\r\n.\r\n"), [250], "{why}");
        assert!(start.elapsed() < LIMIT, "{why}: {:?}", start.elapsed());
    }
}

#[test]
fn client_is_linear() {
    let recipients = vec![Recipient::new(Address::parse("b@b").expect("a good address"))];
    let envelope = Envelope { recipients, ..Envelope::default() };
    for unit in [b".\r\n".as_slice(), b"x"] {
        let content = unit.repeat(CONTENT_OCTETS / unit.len());
        let start = Instant::now();
        let mut client = client::Session::new(client::Config::default());
        client.receive(b"220 a\r\n250 a\r\n");
        assert_eq!(client.poll(), Some(client::Event::Ready));
        client.send(&envelope, None);
        client.receive(b"250 a\r\n250 a\r\n354 a\r\n");
        while client.poll().is_some_and(|event| event != client::Event::ContentWanted) {}
        client.content(&content).expect("no bare line ends");
        client.content_end().expect("no bare line ends");
        assert!(start.elapsed() < LIMIT, "content of {unit:?}: {:?}", start.elapsed());
        let start = Instant::now();
        for part in b"250-x\r\n".repeat(COMMAND_OCTETS / 7).chunks(1460) {
            client.receive(part);
            while client.poll().is_some() {}
        }
        assert!(client.is_closed(), "a reply without end is no reply");
        assert!(start.elapsed() < LIMIT, "replies: {:?}", start.elapsed());
    }
}

#[test]
fn commands_of_any_shape_are_linear() {
    let long = [vec![b'x'; 1_000_000], b"\r\n".to_vec()].concat();
    let table: [(&[u8], &str); 4] = [
        (b"NOOP\r\n", "short commands"),
        (b"x", "no line end"),
        (b"\n", "nothing but LF"),
        (&long, "overlong lines"),
    ];
    for (unit, why) in table {
        let octets = unit.repeat(COMMAND_OCTETS / unit.len());
        for piece in [1460, COMMAND_OCTETS] {
            let start = Instant::now();
            let mut peer = Peer::greeted(mta());
            for part in octets.chunks(piece) {
                peer.say(part);
            }
            assert!(start.elapsed() < LIMIT, "{why} in pieces of {piece}: {:?}", start.elapsed());
        }
    }
}
