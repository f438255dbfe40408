//! Client against server, in memory: what goes in on one side comes out on the other.
//!
//! Standards: RFC 5321 §4.5.2 (transparency), RFC 2920 (pipelining).
//! Not here: single commands and replies (`dialogs`, `client_dialogs`).

use envelope::{
    Address, BodyType, DeliverBy, Envelope, Hold, Priority, Recipient, Requests, Solicitation,
};
use proptest::collection::vec;
use proptest::prelude::*;
use smtp::client::{self, Event, Outcome, Protocol, TlsPolicy};
use smtp::server::{self, Kind};

use crate::converse::{Message, Peer, mta, willing};

/// What the server's EHLO reply looks like to the client.
#[derive(Clone, Copy, Debug)]
enum Offer {
    Everything,
    NoPipelining,
    /// The other protocol.
    Lmtp,
}

impl Offer {
    fn server(self) -> server::Config {
        match self {
            Self::Lmtp => server::Config { kind: Kind::Lmtp, ..mta() },
            Self::Everything | Self::NoPipelining => mta(),
        }
    }
}

/// Sends one message from a client to `peer` in pieces of `piece_octets`.
fn send(
    peer: &mut Peer,
    offer: Offer,
    envelope: &Envelope,
    content: &[u8],
    piece: usize,
) -> Vec<Outcome> {
    let protocol = match offer {
        Offer::Lmtp => Protocol::Lmtp,
        Offer::Everything | Offer::NoPipelining => Protocol::Smtp,
    };
    let config = client::Config { tls: TlsPolicy::Never, protocol, ..client::Config::default() };
    let mut client = client::Session::new(config);
    let mut outcomes = None;
    loop {
        let replies = peer.say(client.take_output());
        let replies = match offer {
            Offer::Everything | Offer::Lmtp => replies,
            Offer::NoPipelining => replies.replace("250-PIPELINING\r\n", ""),
        };
        client.receive(replies.as_bytes());
        while let Some(event) = client.poll() {
            match event {
                Event::Ready if outcomes.is_none() => {
                    client.send(envelope, Some(content.len() as u64));
                }
                Event::Ready => client.quit(),
                Event::ContentWanted => {
                    for part in content.chunks(piece) {
                        client.content(part).expect("the content has no bare line ends");
                    }
                    client.content_end().expect("the content has no bare line ends");
                }
                Event::TransactionDone(done) => outcomes = Some(done),
                Event::Closed(client::Ending::Quit) => {
                    return outcomes.expect("a transaction ends before the session");
                }
                Event::RecipientAnswered { .. } => {}
                other => panic!("unexpected: {other:?}"),
            }
        }
    }
}

fn envelope(recipients: &[&str]) -> Envelope {
    let address = |text: &str| Address::parse(text).expect("a good address");
    let recipients = recipients.iter().map(|text| Recipient::new(address(text))).collect();
    Envelope { reverse_path: address("ada@example.com").into(), recipients, ..Envelope::default() }
}

#[test]
fn closed_session_is_not_ready() {
    let config = client::Config { tls: TlsPolicy::Never, ..client::Config::default() };
    let mut client = client::Session::new(config);
    client.receive(b"220 mx\r\n");
    assert_eq!(client.poll(), None);
    client.receive(b"250 mx\r\n");
    assert_eq!(client.poll(), Some(Event::Ready));
    client.send(&envelope(&["grace@example.org"]), None);
    client.receive(b"550 5.7.1 Not from you\r\n");
    assert!(matches!(client.poll(), Some(Event::TransactionDone(_))));
    client.interrupt(client::Interrupt::Lost);
    assert!(matches!(client.poll(), Some(Event::Closed(_))));
    assert_eq!(client.poll(), None, "Ready was due and is void");
}

#[test]
fn requests_arrive_as_they_were() {
    let envelope = Envelope {
        requests: Requests {
            hold: Hold::parse_until("2026-11-25T12:00:00Z").ok(),
            deliver_by: DeliverBy::parse("999999;NT").ok(),
            priority: Priority::parse("9").ok(),
            solicitation: Solicitation::parse("net.example:ADV").ok(),
        },
        ..envelope(&["grace@example.org"])
    };
    let mut peer = Peer::new(willing(Kind::Mta));
    let outcomes = send(&mut peer, Offer::Everything, &envelope, b"Hello\r\n", 100);
    assert!(outcomes[0].verdict.is_accepted());
    let wanted = Requests { hold: None, ..envelope.requests.clone() };
    assert_eq!(peer.requests, wanted, "RFC 4865 §4.2: only authors' messages are kept back");
    let mut plain = Peer::new(mta());
    send(&mut plain, Offer::Everything, &envelope, b"Hello\r\n", 100);
    assert_eq!(plain.requests, Requests::default(), "what is not offered is not asked");
}

/// Lines as mail has them, and lines made of what matters to dots and ends.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let no_line_end = |octet: &u8| !matches!(octet, b'\r' | b'\n');
    prop_oneof![
        3 => "[.]{0,4}",
        2 => "[. a-z]{0,90}",
        1 => prop::sample::select(vec!["Subject: dots", ".", "..", "DATA", "QUIT", ". "])
            .prop_map(str::to_owned),
    ]
    .prop_map(String::into_bytes)
    .boxed()
    .prop_union(vec(any::<u8>().prop_filter("no line end", no_line_end), 0..200).boxed())
}

fn offer() -> impl Strategy<Value = Offer> {
    prop::sample::select(vec![Offer::Everything, Offer::NoPipelining, Offer::Lmtp])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn content_arrives_as_it_was(
        lines in vec(line(), 0..20),
        piece in 1_usize..300,
        offer in offer(),
    ) {
        let mut content = lines.join(b"\r\n".as_slice());
        if !lines.is_empty() {
            content.extend_from_slice(b"\r\n");
        }
        let mut peer = Peer::new(offer.server());
        let outcomes = send(&mut peer, offer, &envelope(&["grace@example.org"]), &content, piece);
        prop_assert!(outcomes[0].verdict.is_accepted());
        let sender = "ada@example.com".to_owned();
        let recipients = vec!["grace@example.org".to_owned()];
        prop_assert_eq!(&peer.messages, &[Message { sender, recipients, content }]);
    }

    #[test]
    fn binary_content_arrives_as_it_was(
        content in vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), any::<u8>()], 0..400),
        piece in 1_usize..300,
        offer in offer(),
    ) {
        let mut peer = Peer::new(offer.server());
        let envelope =
            Envelope { body: BodyType::BinaryMime, ..envelope(&["grace@example.org"]) };
        let outcomes = send(&mut peer, offer, &envelope, &content, piece);
        prop_assert!(outcomes[0].verdict.is_accepted(), "{:?}", outcomes);
        prop_assert_eq!(&peer.messages[0].content, &content, "RFC 3030 §3: all bits of each octet");
    }

    #[test]
    fn each_recipient_gets_its_own_outcome(
        recipients in vec(
            prop::sample::select(vec!["a@b.example", "nobody@b.example", "later@b.example"]),
            // More than are under way at once, fewer than a harvester tries.
            1..130,
        ),
        offer in offer(),
    ) {
        let refused = recipients.iter().filter(|text| text.starts_with("nobody")).count();
        prop_assume!(refused <= 100);
        let mut peer = Peer::new(offer.server());
        let outcomes = send(&mut peer, offer, &envelope(&recipients), b"Hello\r\n", 100);
        prop_assert_eq!(outcomes.len(), recipients.len());
        for (recipient, outcome) in recipients.iter().zip(&outcomes) {
            prop_assert_eq!(outcome.verdict.is_accepted(), *recipient == "a@b.example");
            prop_assert_eq!(outcome.verdict.is_temporary(), *recipient == "later@b.example");
        }
        prop_assert_eq!(peer.messages.len(), usize::from(recipients.contains(&"a@b.example")));
    }
}
