//! AUTH: the framing of an exchange whose meaning is the caller's.
//!
//! Standards: RFC 4954 §4.
//! Not here: mechanisms (crate `sasl`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Event, Fault, Phase, Session, Verdict};
use crate::AuthInClear;
use crate::reply::Reply;

/// Longest AUTH command with its CRLF: it is still subject to the limit for commands of
/// RFC 5321 §4.5.3.1.4 (RFC 4954 §4).
const AUTH_COMMAND_OCTETS_MAX: usize = 512;

impl Session {
    /// Begins a login. Ends in [`Event::Authenticated`] or [`Event::AuthRefused`].
    ///
    /// # Panics
    ///
    /// When the session is neither ready nor closed, or `mechanism` is no SASL mechanism name:
    /// that is a bug in the caller.
    pub fn authenticate(&mut self, mechanism: &str, initial_response: Option<&[u8]>) {
        if self.is_closed() {
            return;
        }
        assert!(self.is_ready(), "authenticate() while something else is going on");
        let in_name = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
        assert!(mechanism.bytes().all(in_name), "not a SASL mechanism: {mechanism:?}");
        if !self.encrypted && self.config.auth_in_clear == AuthInClear::Refused {
            let verdict = Verdict::Failed(Fault::NotEncrypted);
            self.events.push_back(Event::AuthRefused(verdict));
            self.ready();
            return;
        }
        self.phase = Phase::Login;
        self.late_response = None;
        let encoded = initial_response.map(|octets| match octets {
            [] => "=".to_owned(),
            octets => STANDARD.encode(octets),
        });
        let command = format!("AUTH {mechanism}");
        let room = AUTH_COMMAND_OCTETS_MAX.saturating_sub(command.len() + " \r\n".len());
        match encoded {
            Some(encoded) if encoded.len() <= room => {
                let line = format!("{command} {encoded}");
                self.secret_command(&line, &format!("{command} (credentials)"));
            }
            _ => {
                self.late_response = initial_response.map(<[u8]>::to_vec);
                self.command(&command);
            }
        }
    }

    /// Answers [`Event::Challenge`].
    ///
    /// # Panics
    ///
    /// When no login is going on and the session is not closed: that is a bug in the caller.
    pub fn respond(&mut self, response: &[u8]) {
        if self.is_closed() {
            return;
        }
        assert!(matches!(self.phase, Phase::Login), "respond() without a challenge");
        self.secret_command(&STANDARD.encode(response), "(credentials)");
    }

    /// Gives a login up; the server's refusal of it follows.
    ///
    /// # Panics
    ///
    /// When no login is going on and the session is not closed: that is a bug in the caller.
    pub fn cancel_login(&mut self) {
        if self.is_closed() {
            return;
        }
        assert!(matches!(self.phase, Phase::Login), "cancel_login() without a login");
        self.command("*");
    }

    pub(super) fn login_reply(&mut self, reply: Reply) {
        match reply.code() {
            235 => {
                self.events.push_back(Event::Authenticated(reply));
                self.ready();
            }
            334 => match STANDARD.decode(reply.text()) {
                Err(_) => self.cancel_login(),
                Ok(challenge) => match self.late_response.take() {
                    Some(response) if challenge.is_empty() => self.respond(&response),
                    _ => self.events.push_back(Event::Challenge(challenge)),
                },
            },
            400.. => {
                self.events.push_back(Event::AuthRefused(Verdict::Refused(reply)));
                self.ready();
            }
            _ => self.fail(Fault::Unexpected(reply)),
        }
    }
}
