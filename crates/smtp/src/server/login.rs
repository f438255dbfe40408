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

use super::{Answer, Event, Greeting, Phase, Question, Session, command};
use crate::input::Line;
use crate::reply::Reply;

/// RFC 4954 §4: an initial response of no octets.
const EMPTY_RESPONSE: &str = "=";

impl Session {
    pub(super) fn login(&mut self, argument: &str) -> Option<Event> {
        if self.config.mechanisms.is_empty() {
            return self.wrong(command::not_implemented("AUTH"));
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

    /// A line in the middle of the exchange, which ends by anything but a response.
    pub(super) fn login_response(&mut self, response: Result<Vec<u8>, Reply>) -> Option<Event> {
        self.phase = Phase::Command;
        match response {
            Ok(octets) => Some(self.ask(Question::Login, Event::AuthResponse(octets))),
            Err(reply) => self.wrong(reply),
        }
    }

    pub(super) fn answer_login(&mut self, answer: Answer) {
        let reply = match answer {
            Answer::Challenge(octets) => {
                self.phase = Phase::Login;
                // Not a `Reply`: this line must never be wrapped.
                let challenge = STANDARD.encode(octets);
                self.output.extend_from_slice(format!("334 {challenge}\r\n").as_bytes());
                return;
            }
            Answer::Accept | Answer::AcceptAt(_) => {
                Reply::new(235, EnhancedStatus::new(2, 7, 0), "Logged in")
            }
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

/// What the client responds in an input line.
pub(super) fn response(line: Line<'_>) -> Result<Vec<u8>, Reply> {
    match line {
        Line::Whole(b"*") => {
            let text = "Login cancelled as you asked";
            Err(Reply::new(501, EnhancedStatus::new(5, 0, 0), text))
        }
        Line::Whole(line) => STANDARD.decode(line).map_err(|_| not_base64()),
        Line::BareLf => Err(command::bare_lf()),
        Line::Overlong | Line::Endless => Err(command::overlong()),
    }
}

/// RFC 4954 §4: what cannot be decoded is refused by 501.
fn not_base64() -> Reply {
    Reply::new(501, EnhancedStatus::new(5, 5, 2), "Response is not base64; login ended")
}
