//! Entry points for fuzzers: whatever a peer sends, nothing panics and laws hold.
//!
//! Standards: none.
//! Not here: the fuzzers.
#![doc(hidden)]

use envelope::{Address, BodyType, EnhancedStatus, Envelope, Recipient};

use crate::client::{self, Protocol, TlsPolicy};
use crate::server::{self, Answer, Kind, Trust};
use crate::{AuthInClear, Reply};

/// What a client sends to a server that takes everything; how it is cut up does not matter.
pub fn fuzz_server(octets: &[u8]) {
    for kind in [Kind::Mta, Kind::Submission, Kind::Lmtp] {
        let whole = serve(kind, [octets]);
        let single = serve(kind, octets.chunks(1));
        assert_eq!(whole, single, "pieces mean nothing: {kind:?}");
        for (binary, content) in &whole.messages {
            let text = String::from_utf8_lossy(content).replace("\r\n", "");
            assert!(*binary || !text.contains(['\r', '\n']), "lines end in CRLF: {kind:?}");
        }
    }
}

/// What came of a server's session.
#[derive(Debug, Default, PartialEq, Eq)]
struct Served {
    output: Vec<u8>,
    /// Whether it may be binary, and the content.
    messages: Vec<(bool, Vec<u8>)>,
}

fn serve<'a>(kind: Kind, pieces: impl IntoIterator<Item = &'a [u8]>) -> Served {
    let mut session = server::Session::new(server::Config {
        kind,
        tls: server::Tls::Offered,
        mechanisms: vec!["PLAIN".to_owned()],
        auth_in_clear: AuthInClear::Allowed,
        message_size_max: 10_000,
        recipients_max: 100,
        ..server::Config::default()
    });
    session.trust(Trust { xclient: true, etrn: true });
    let mut served = Served::default();
    let (mut is_binary, mut content) = (false, Vec::new());
    for piece in std::iter::once(b"".as_slice()).chain(pieces) {
        session.receive(piece);
        while let Some(event) = session.poll() {
            let answer = match event {
                server::Event::ContentEnds { fault: None } => {
                    served.messages.push((is_binary, std::mem::take(&mut content)));
                    Reply::new(250, EnhancedStatus::new(2, 0, 0), "Ok").into()
                }
                server::Event::QueueStart(_) => {
                    Reply::new(250, EnhancedStatus::new(2, 0, 0), "Ok").into()
                }
                server::Event::Auth { initial_response: None, .. } => Answer::Challenge(Vec::new()),
                server::Event::Sender(sender) => {
                    is_binary = sender.body == BodyType::BinaryMime;
                    Answer::Accept
                }
                server::Event::Content(octets) => {
                    content.extend(octets);
                    continue;
                }
                server::Event::ContentEnds { fault: Some(_) } => {
                    content.clear();
                    continue;
                }
                server::Event::Reset | server::Event::Quit => {
                    content.clear();
                    continue;
                }
                // What follows belongs to the handshake.
                server::Event::StartTls => {
                    session.output_into(&mut served.output);
                    return served;
                }
                _ => {
                    content.clear();
                    Answer::Accept
                }
            };
            session.answer(answer);
        }
        session.output_into(&mut served.output);
    }
    served
}

/// What a server sends to a client with one message for three; how it is cut up does not matter,
/// and each recipient has one outcome.
pub fn fuzz_client(octets: &[u8]) {
    for protocol in [Protocol::Smtp, Protocol::Lmtp] {
        for body in [BodyType::EightBitMime, BodyType::BinaryMime] {
            let whole = talk(protocol, body, [octets]);
            assert_eq!(whole, talk(protocol, body, octets.chunks(1)), "pieces mean nothing");
        }
    }
}

fn talk<'a>(
    protocol: Protocol,
    body: BodyType,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<u8>, Vec<client::Outcome>) {
    const CONTENT: &[u8] = b"A: b\r\n\r\n.\r\nc\r\n";
    let config = client::Config { protocol, tls: TlsPolicy::Never, ..client::Config::default() };
    let mut session = client::Session::new(config);
    let to = ["a@example.org", "b@example.org", "c@example.org"];
    let recipients = to.iter().filter_map(|text| Address::parse(text).ok().map(Recipient::new));
    let envelope = Envelope { recipients: recipients.collect(), body, ..Envelope::default() };
    let (mut output, mut outcomes) = (Vec::new(), None);
    let mut sent = false;
    let mut hear = |session: &mut client::Session| {
        while let Some(event) = session.poll() {
            match event {
                client::Event::Ready if !sent => {
                    sent = true;
                    session.send(&envelope, u64::try_from(CONTENT.len()).ok());
                }
                client::Event::Ready => session.quit(),
                client::Event::ContentWanted => {
                    let given = session.content(CONTENT).and_then(|()| session.content_end());
                    assert!(given.is_ok(), "its lines end in CRLF");
                }
                client::Event::TransactionDone(done) => {
                    assert_eq!(done.len(), to.len(), "one outcome for each");
                    assert!(outcomes.replace(done).is_none(), "and once");
                }
                _ => {}
            }
        }
        session.output_into(&mut output);
    };
    for piece in pieces {
        session.receive(piece);
        hear(&mut session);
    }
    session.interrupt(client::Interrupt::Lost);
    hear(&mut session);
    assert!(session.is_closed() && outcomes.is_some() == sent, "a transaction ends");
    (output, outcomes.unwrap_or_default())
}
