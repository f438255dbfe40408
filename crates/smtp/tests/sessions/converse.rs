//! The one place where these tests touch a server session: octets in, decisions by a small
//! fixed policy, octets out.
//!
//! Standards: RFC 5321 §4.3 (order).
//! Not here: what should come out (the tests).

use std::num::NonZeroU32;
use std::sync::Arc;

use envelope::{EnhancedStatus, Requests, Solicitation};
use smtp::server::{Answer, Config, Event, ForwardPath, Kind, Offers, Priorities, Session, Tls};
use smtp::{AuthInClear, Reply};

/// When all of this is.
pub(crate) const NOW: &str = "2026-11-25T02:22:10Z";

/// A server with its caller: what a test talks to.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) session: Session,
    /// Messages for which 250 was said.
    pub(crate) messages: Vec<Message>,
    /// What the last MAIL asked for.
    pub(crate) requests: Requests,
    collected: Message,
}

/// A message as the caller has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) sender: String,
    pub(crate) recipients: Vec<String>,
    pub(crate) content: Vec<u8>,
}

/// A port 25 that offers everything in clear, with small limits.
pub(crate) fn mta() -> Config {
    Config {
        hostname: "mx.example.org".to_owned(),
        greeting: "ESMTP ready".to_owned(),
        kind: Kind::Mta,
        tls: Tls::Offered,
        mechanisms: vec!["PLAIN".to_owned(), "CRAM".to_owned()],
        auth_in_clear: AuthInClear::Allowed,
        message_size_max: 1_000_000,
        recipients_max: 1000,
        offers: Offers::default(),
    }
}

/// A port 25 or submission server that takes every request about the transfer.
pub(crate) fn willing(kind: Kind) -> Config {
    let offers = Offers {
        hold_seconds_max: NonZeroU32::new(86_400),
        deliver_by_seconds_min: Some(60),
        priorities: Priorities::Mixer,
        no_soliciting: Solicitation::parse("org.example:ADV").ok(),
    };
    Config { kind, offers, ..mta() }
}

/// The port of a careful submission server.
pub(crate) fn submission() -> Config {
    Config { kind: Kind::Submission, auth_in_clear: AuthInClear::Refused, ..mta() }
}

impl Peer {
    pub(crate) fn new(config: Config) -> Self {
        let session = Session::new(Arc::new(config));
        Self {
            session,
            messages: Vec::new(),
            requests: Requests::default(),
            collected: Message::default(),
        }
    }

    /// A session whose greeting was read.
    pub(crate) fn greeted(config: Config) -> Self {
        let mut peer = Self::new(config);
        assert!(peer.say("").starts_with("220 "), "the greeting comes first");
        peer
    }

    /// Sends `octets`, lets the policy answer everything, and gives what comes back.
    pub(crate) fn say(&mut self, octets: impl AsRef<[u8]>) -> String {
        self.session.receive(octets.as_ref());
        while let Some(event) = self.session.poll() {
            if let Some(answer) = self.decide(event) {
                self.session.answer(answer);
            }
        }
        String::from_utf8(self.session.take_output()).expect("replies are ASCII")
    }

    /// The codes of all replies to `octets`, one for each reply.
    pub(crate) fn codes(&mut self, octets: impl AsRef<[u8]>) -> Vec<u16> {
        codes(&self.say(octets))
    }

    fn decide(&mut self, event: Event) -> Option<Answer> {
        let refuse =
            |code, status, text: &'static str| Some(Answer::Reply(Reply::new(code, status, text)));
        match event {
            Event::Hello(hello) if hello.name == "bad.example" => {
                refuse(550, EnhancedStatus::new(5, 7, 1), "Not from you")
            }
            Event::Auth { mechanism, .. } if mechanism == "CRAM" => {
                Some(Answer::Challenge(b"<1@mx.example.org>".to_vec()))
            }
            Event::Auth { initial_response: None, .. } => Some(Answer::Challenge(Vec::new())),
            Event::Auth { initial_response: Some(response), .. }
            | Event::AuthResponse(response) => match response.as_slice() {
                b"\0ada\0secret" | b"ada secret" => Some(Answer::Accept),
                _ => refuse(535, EnhancedStatus::new(5, 7, 8), "Wrong user name or password"),
            },
            Event::Sender(sender) => {
                self.requests = sender.requests;
                self.collected =
                    Message { sender: sender.reverse_path.to_string(), ..Message::default() };
                match self.collected.sender.as_str() {
                    "spam@example.net" => {
                        refuse(550, EnhancedStatus::new(5, 7, 1), "No, thank you")
                    }
                    _ => Some(Answer::Accept),
                }
            }
            Event::Recipient(recipient) => {
                let address = match recipient.forward_path {
                    ForwardPath::Postmaster => "postmaster".to_owned(),
                    ForwardPath::Address(address) => address.to_string(),
                };
                if address.starts_with("nobody") {
                    return refuse(550, EnhancedStatus::new(5, 1, 1), "No such mailbox");
                }
                if address.starts_with("later") {
                    return refuse(450, EnhancedStatus::new(4, 2, 1), "Not now");
                }
                self.collected.recipients.push(address);
                Some(Answer::Accept)
            }
            Event::Content(piece) => {
                self.collected.content.extend_from_slice(&piece);
                None
            }
            Event::ContentEnds { fault: None } => {
                self.messages.push(std::mem::take(&mut self.collected));
                let text = format!("Ok: queued as {}", self.messages.len());
                Some(Answer::Reply(Reply::new(250, EnhancedStatus::new(2, 0, 0), text)))
            }
            Event::ContentEnds { fault: Some(_) } => {
                self.collected = Message::default();
                None
            }
            Event::Hello(_) => Some(Answer::AcceptAt(NOW.parse().expect("a moment"))),
            Event::Connect | Event::ContentBegins => Some(Answer::Accept),
            Event::QueueStart(node) => {
                let text = format!("Queue for {node} started");
                Some(Answer::Reply(Reply::new(250, EnhancedStatus::new(2, 0, 0), text)))
            }
            Event::Proxied(_) => Some(Answer::Accept),
            _ => None,
        }
    }
}

/// The codes of all replies in `output`, one for each reply.
pub(crate) fn codes(output: &str) -> Vec<u16> {
    output
        .lines()
        .filter(|line| line.as_bytes().get(3) == Some(&b' '))
        .map(|line| line[..3].parse().expect("a reply begins with its code"))
        .collect()
}
