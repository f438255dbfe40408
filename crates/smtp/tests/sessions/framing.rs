//! However TCP cuts a stream up, a session says the same.
//!
//! Standards: RFC 5321 §4.5.3, RFC 2920 §3.2.
//! Not here: what it says (`dialogs`, `bad_inputs`).

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use envelope::{Address, Envelope, Recipient};
use smtp::AuthInClear;
use smtp::client::{Config, Event, Session, TlsPolicy};

use crate::converse::{Message, Peer, mta};

const UP_TO_CONTENT: &str =
    "RSET\r\nEHLO a.example\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n";

/// Pieces that real and hostile clients send, and noise.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => prop::sample::select(vec![
            "EHLO client.example.com\r\n", "HELO a\r\n", "MAIL FROM:<a@a.example>\r\n",
            "RCPT TO:<b@b.example>\r\n", "RCPT TO:<nobody@b.example>\r\n", "DATA\r\n", ".\r\n",
            "\r\n.\r\n", "..\r\n", "RSET\r\n", "QUIT\r\n", "AUTH CRAM\r\n", "YWRhIHNlY3JldA==\r\n",
            "*\r\n", "\n.\n", "\r", "\n", ".", "\r\n", "NOOP\r\n", "text\r\n", "STARTTLS\r\n",
            "\u{16}\u{3}", "BDAT 5\r\n", "BDAT 3 LAST\r\n", "BDAT 0 LAST\r\n", "BDAT 9\r\n",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        // Far enough that what follows is content.
        3 => Just(UP_TO_CONTENT.as_bytes().to_vec()),
        2 => "[.\r\n a-zA-Z:<>=]{0,12}".prop_map(String::into_bytes),
        1 => prop::sample::select(vec![500_usize, 2048, 12_288, 70_000, 1_100_000])
            .prop_map(|octets| vec![b'x'; octets]),
        1 => vec(any::<u8>(), 0..8),
    ]
}

fn play<'a>(parts: impl Iterator<Item = &'a [u8]>) -> (String, Vec<Message>) {
    let mut peer = Peer::greeted(mta());
    let said: String = parts.map(|part| peer.say(part)).collect();
    (said, peer.messages)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn framing_does_not_matter(
        pieces in vec(piece(), 0..16),
        cuts in vec(any::<Index>(), 1..6),
    ) {
        let stream = pieces.concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let parts = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]);
        prop_assert_eq!(play([stream.as_slice()].into_iter()), play(parts));
    }

    #[test]
    fn octet_by_octet_is_the_same(pieces in vec(piece(), 0..16)) {
        let mut stream = pieces.concat();
        stream.truncate(20_000);
        prop_assert_eq!(play([stream.as_slice()].into_iter()), play(stream.chunks(1)));
    }
}

/// Pieces that real and hostile servers send, and noise.
fn server_piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::sample::select(vec![
            "220 mx.example.org\r\n", "250-mx.example.org\r\n", "250 PIPELINING\r\n", "250 Ok\r\n",
            "250-STARTTLS\r\n", "354 Go\r\n", "550 5.1.1 No\r\n", "421 4.3.2 Bye\r\n", "221 Bye\r\n",
            "235 2.7.0 Yes\r\n", "334 \r\n", "334 YQ==\r\n", "334 ?\r\n", "250-a\r\n", "999 x\r\n",
            "250", "-", " ", "\r\n", "\n", "\r", "250\r\n", "503 No\r\n",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::sample::select(vec![600_usize, 2048, 70_000]).prop_map(|octets| vec![b'2'; octets]),
        1 => vec(any::<u8>(), 0..8),
    ]
}

/// A caller that logs in, sends one letter and quits.
fn play_client<'a>(parts: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Vec<Event>) {
    let config =
        Config { tls: TlsPolicy::Never, auth_in_clear: AuthInClear::Allowed, ..Config::default() };
    let mut session = Session::new(config);
    let recipient = |text| Recipient::new(Address::parse(text).expect("a good address"));
    let recipients = vec![recipient("a@b.example"), recipient("c@b.example")];
    let envelope = Envelope { recipients, ..Envelope::default() };
    let (mut output, mut events) = (Vec::new(), Vec::new());
    let mut logged_in = false;
    for part in parts {
        session.receive(part);
        while let Some(event) = session.poll() {
            match &event {
                Event::Ready if !logged_in => session.authenticate("PLAIN", None),
                Event::Ready | Event::Authenticated(_) => session.send(&envelope, None),
                Event::AuthRefused(_) => session.quit(),
                Event::Challenge(_) => session.respond(b"secret"),
                Event::ContentWanted => {
                    session.content(b".\r\n").expect("no bare line ends");
                    session.content_end().expect("no bare line ends");
                }
                Event::TransactionDone(_) => session.quit(),
                _ => {}
            }
            logged_in |= matches!(event, Event::Authenticated(_));
            events.push(event);
        }
        session.output_into(&mut output);
    }
    (output, events)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn framing_does_not_matter_to_the_client(
        pieces in vec(server_piece(), 0..24),
        cuts in vec(any::<Index>(), 1..6),
    ) {
        // Most streams begin well, so that the later states are reached.
        let stream = [b"220 mx\r\n250 mx\r\n".to_vec(), pieces.concat()].concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let parts = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]);
        prop_assert_eq!(play_client([stream.as_slice()].into_iter()), play_client(parts));
    }
}
