//! Entry points for fuzzers: whatever a peer sends, nothing panics and laws hold.
//!
//! Standards: none.
//! Not here: the fuzzers.
#![doc(hidden)]

use crate::server::{Answer, Appetite, Channel, ClearLogin, Config, Entry, Event, Session};
use crate::{SaslMessage, Uidl, client};

/// What a client sends to a server that lets anybody in; how it is cut up does not matter.
pub fn fuzz_server(octets: &[u8]) {
    assert_eq!(serve([octets]), serve(octets.chunks(1)), "pieces mean nothing");
}

/// What was said, and what was deleted.
fn serve<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Vec<usize>) {
    const MESSAGE: &[u8] = b"A: b\r\n\r\n.\r\nc\nd";
    let mut session = Session::new(Config {
        hostname: "localhost".to_owned(),
        channel: Channel::StlsOffered,
        mechanisms: vec!["PLAIN".to_owned()],
        clear_login: ClearLogin::Allowed,
    });
    let (mut output, mut gone) = (Vec::new(), Vec::new());
    for piece in std::iter::once(b"".as_slice()).chain(pieces) {
        session.receive(piece);
        loop {
            while let Some(event) = session.poll() {
                match event {
                    Event::Auth { initial: None, .. } => {
                        session.answer(Answer::Challenge(SaslMessage::new([])));
                    }
                    Event::Login { .. } | Event::Auth { .. } | Event::AuthResponse(_) => {
                        session.answer(Answer::Maildrop(maildrop(MESSAGE.len())));
                    }
                    Event::Fetch { .. } => {
                        let (Appetite::More | Appetite::Enough) = session.content(MESSAGE);
                        session.content_end();
                    }
                    Event::Update { deleted } => {
                        gone = deleted;
                        session.answer(Answer::Updated);
                    }
                    // What follows belongs to the handshake.
                    Event::StartTls => {
                        session.output_into(&mut output);
                        return (output, gone);
                    }
                }
            }
            if !session.has_output() {
                break;
            }
            session.output_into(&mut output);
        }
    }
    (output, gone)
}

fn maildrop(octets: usize) -> Vec<Entry> {
    let octets = u64::try_from(octets).unwrap_or(u64::MAX);
    ["one", "two"]
        .into_iter()
        .filter_map(|id| Some(Entry { octets, uidl: Uidl::new(id)? }))
        .collect()
}

/// What a server sends to a client that asks for everything; how it is cut up does not matter.
pub fn fuzz_client(octets: &[u8]) {
    let whole = ask([octets]);
    let single = ask(octets.chunks(1));
    assert_eq!(whole, single, "pieces mean nothing");
}

/// All content and the number of other events, if the server kept to the rules.
fn ask<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<(Vec<u8>, usize)> {
    use client::{Command, Event};
    let mut session = client::Session::new();
    let (mut content, mut others, mut output) = (Vec::new(), 0usize, Vec::new());
    for piece in std::iter::once(b"".as_slice()).chain(pieces) {
        session.receive(piece);
        while let Some(event) = session.poll().ok()? {
            others = others.saturating_add(1);
            match event {
                Event::Content(octets) => {
                    others = others.saturating_sub(1);
                    content.extend(octets);
                }
                Event::Greeting { .. } => {
                    let commands = [Command::Capa, Command::Stat, Command::Uidl, Command::Retr(1)];
                    for command in commands {
                        session.send(command).ok()?;
                    }
                }
                _ => {}
            }
        }
        session.output_into(&mut output);
    }
    Some((content, others))
}
