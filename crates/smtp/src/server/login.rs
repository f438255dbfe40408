//! AUTH: the framing of an exchange whose meaning is the caller's.
//!
//! Challenges and responses are opaque octets; this file knows base64, `=` for an empty
//! initial response, `*` for cancel, and when AUTH is allowed at all.
//!
//! Standards: RFC 4954 §4 (the command), §6 (replies).
//! Not here: mechanisms (crate `sasl`), passwords (crate `directory`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use envelope::EnhancedStatus;

use super::{Answer, Event, Greeting, Phase, Question, Session};
use crate::reply::Reply;

/// RFC 4954 §4: an initial response of no octets.
const EMPTY_RESPONSE: &str = "=";

impl Session {
    pub(super) fn login(&mut self, argument: &str) -> Option<Event> {
        if self.config.mechanisms.is_empty() {
            return self.wrong(super::command::not_implemented("AUTH"));
        }
        if self.greeting != Greeting::Ehlo {
            return self.out_of_order("Send EHLO first");
        }
        if self.logged_in {
            return self.out_of_order("You are logged in already");
        }
        if self.transaction.is_some() {
            return self.out_of_order("AUTH cannot stand inside of a transaction");
        }
        if !self.offers_auth() {
            let text = "Encryption is needed to log in: use STARTTLS first";
            return self.wrong(Reply::new(538, EnhancedStatus::new(5, 7, 11), text));
        }
        let mut words = argument.split(' ').filter(|word| !word.is_empty());
        let (mechanism, initial, rest) = (words.next(), words.next(), words.next());
        let Some(mechanism) = mechanism.filter(|_| rest.is_none()) else {
            return self.wrong(Reply::new(
                501,
                EnhancedStatus::new(5, 5, 4),
                "Use AUTH with a mechanism and at most one initial response",
            ));
        };
        let mechanism = mechanism.to_ascii_uppercase();
        if !self.config.mechanisms.contains(&mechanism) {
            let text = "This mechanism is not offered here, see AUTH in our EHLO reply";
            return self.wrong(Reply::new(504, EnhancedStatus::new(5, 5, 4), text));
        }
        let initial_response = match initial {
            None => None,
            Some(EMPTY_RESPONSE) => Some(Vec::new()),
            Some(text) => match STANDARD.decode(text) {
                Ok(octets) => Some(octets),
                Err(_) => return self.wrong(not_base64()),
            },
        };
        Some(self.ask(Question::Login, Event::Auth { mechanism, initial_response }))
    }

    /// A line in the middle of the exchange.
    pub(super) fn login_response(&mut self, line: &[u8]) -> Option<Event> {
        self.phase = Phase::Command;
        if line == b"*" {
            let text = "Login cancelled as you asked";
            return self.wrong(Reply::new(501, EnhancedStatus::new(5, 0, 0), text));
        }
        match STANDARD.decode(line) {
            Ok(octets) => Some(self.ask(Question::Login, Event::AuthResponse(octets))),
            Err(_) => self.wrong(not_base64()),
        }
    }

    pub(super) fn answer_login(&mut self, answer: Answer) {
        let reply = match answer {
            Answer::Challenge(octets) => {
                self.phase = Phase::Login;
                self.say(&Reply::plain(334, STANDARD.encode(octets)));
                return;
            }
            Answer::Accept => Reply::new(235, EnhancedStatus::new(2, 7, 0), "Logged in"),
            Answer::Reply(reply) => reply,
        };
        if reply.is_positive() {
            self.logged_in = true;
        } else if let Err(too_many) = self.penalty.failed_login() {
            self.close(&too_many);
            return;
        }
        match reply.code() {
            421 => self.close(&reply),
            _ => self.say(&reply),
        };
    }
}

/// RFC 4954 §4: what cannot be decoded is refused by 501.
fn not_base64() -> Reply {
    Reply::new(501, EnhancedStatus::new(5, 5, 2), "Response is not base64; login ended")
}
