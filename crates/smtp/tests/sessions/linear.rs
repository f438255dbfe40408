//! Time grows with the input and not faster, whatever the input is.
//!
//! Each case takes a second or two where it is linear and minutes where it is not; the limit
//! lies between, far from both.
//!
//! Standards: RFC 5321 §4.5.3.1 (limits).
//! Not here: how fast exactly (benchmarks).

#![expect(clippy::disallowed_methods, reason = "measures real time")]

use std::time::{Duration, Instant};

use smtp::server::Config;

use crate::converse::{Peer, mta};

/// Content: what a large message has.
const CONTENT_OCTETS: usize = 8 * 1024 * 1024;
/// Commands: enough that moving the rest of the buffer for each of them takes a minute.
const COMMAND_OCTETS: usize = 2 * 1024 * 1024;
/// Linear takes at most 2 s, without optimisation.
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn content_of_any_shape_is_linear() {
    let table: [(&[u8], &str); 4] = [
        (b"..\r\n", "lines of dots"),
        (b"\r\n", "empty lines"),
        (b"x", "one endless line"),
        (b".", "one endless line of dots"),
    ];
    for (unit, why) in table {
        let content = unit.repeat(CONTENT_OCTETS / unit.len());
        for piece in [1460, CONTENT_OCTETS] {
            let start = Instant::now();
            let limits = Config { message_size_max: 1 << 30, ..mta() };
            let mut peer = Peer::greeted(limits);
            peer.say("EHLO a\r\nMAIL FROM:<a@a>\r\nRCPT TO:<b@b>\r\nDATA\r\n");
            for part in content.chunks(piece) {
                peer.say(part);
            }
            assert_eq!(peer.codes("\r\n.\r\n"), [250], "{why}");
            assert!(start.elapsed() < LIMIT, "{why} in pieces of {piece}: {:?}", start.elapsed());
        }
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
