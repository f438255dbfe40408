//! The server side of an authentication exchange.
//!
//! [`Server`] turns each response of the client into a [`ServerStep`]: a challenge to
//! send, a question to the directory, or the outcome. It knows no user: whoever asks
//! with an unknown name takes the same steps as with a wrong password, provided that
//! the caller answers [`ServerStep::NeedVerifier`] with
//! [`ScramVerifier::of_nobody`](crate::ScramVerifier::of_nobody) then.
//!
//! Standards: RFC 4616 §2 (PLAIN), draft-murchison-sasl-login §2 (LOGIN), RFC 5802 §5.
//! Not here: acting for another user; an authorization identity other than the
//! authentication identity is refused.

use std::mem;

use crate::mechanism::Mechanism;
use crate::scram::{ClientFinal, ClientFirst, Fault, Nonce, auth_message};
use crate::text::{Password, prepare};
use crate::verifier::ScramVerifier;
use crate::{IDENTITY_OCTETS_MAX, PASSWORD_OCTETS_MAX};

/// What comes next in an exchange.
#[derive(Debug)]
pub enum ServerStep {
    /// Send this challenge (base64 is the protocol's affair) and bring the response to
    /// [`Server::respond`].
    Challenge(Vec<u8>),
    /// Check this password, then call [`Server::password_checked`].
    CheckPassword {
        /// Who wants to log in.
        identity: String,
        /// With what password.
        password: Password,
    },
    /// Look up this user's verifier, then call [`Server::verifier_found`].
    NeedVerifier {
        /// Who wants to log in.
        identity: String,
    },
    /// The client is who it says. The exchange is over.
    Accepted {
        /// The name that was proven.
        identity: String,
    },
    /// The exchange is over without success.
    Refused(Refusal),
}

/// Why an exchange failed. Which of the two a peer hears must not depend on whether the
/// user exists, and does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A message broke the mechanism's rules (SMTP says 501 5.5.2).
    #[error("malformed authentication message")]
    Malformed,
    /// Wrong password or unknown user (SMTP says 535 5.7.8).
    #[error("authentication credentials invalid")]
    Credentials,
    /// The client wants to act for another user (SMTP says 535 5.7.8).
    #[error("not authorized to act as another user")]
    NotAuthorized,
    /// The client wants channel binding or an extension that we do not have.
    #[error("channel binding or extension not supported")]
    Unsupported,
    /// The caller went on with an exchange that is over, or skipped a question.
    #[error("authentication exchange out of step")]
    OutOfStep,
}

/// What the directory says of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is this user's.
    Accepted,
    /// It is not, or there is no such user.
    Refused,
}

/// One authentication exchange. When the directory fails, just drop it and say so.
#[derive(Debug)]
pub struct Server {
    mechanism: Mechanism,
    state: State,
}

#[derive(Debug)]
enum State {
    Start(Nonce),
    LoginIdentity,
    LoginPassword { identity: String },
    Checking { identity: String },
    AwaitsVerifier(Exchange),
    AwaitsProof { exchange: Exchange, server_first: String, verifier: ScramVerifier },
    AwaitsEmpty { identity: String },
    Over,
}

/// What a SCRAM exchange remembers of client-first.
#[derive(Debug)]
struct Exchange {
    identity: String,
    gs2_header: String,
    client_first_bare: String,
    /// Both nonces.
    nonce: String,
}

impl Server {
    /// Begins an exchange. The nonce matters for SCRAM only, and has to be fresh.
    pub fn new(mechanism: Mechanism, nonce: Nonce) -> Self {
        Self { mechanism, state: State::Start(nonce) }
    }

    /// The mechanism of this exchange.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Takes the client's next response, decoded from base64.
    ///
    /// `None` stands for "no initial response" and is good at the start only; an empty
    /// response is `Some(b"")`.
    pub fn respond(&mut self, response: Option<&[u8]>) -> ServerStep {
        let state = mem::replace(&mut self.state, State::Over);
        let step = match (state, response) {
            (State::Start(nonce), None) => Ok(self.first_challenge(nonce)),
            (State::Start(nonce), Some(response)) => match self.mechanism {
                Mechanism::Plain => self.plain(response),
                Mechanism::Login => self.login_identity(response),
                Mechanism::ScramSha256 => self.client_first(response, &nonce),
            },
            (State::LoginIdentity, Some(response)) => self.login_identity(response),
            (State::LoginPassword { identity }, Some(response)) => {
                self.login_password(identity, response)
            }
            (State::AwaitsProof { exchange, server_first, verifier }, Some(response)) => {
                self.client_final(exchange, &server_first, &verifier, response)
            }
            (State::AwaitsEmpty { identity }, Some(b"")) => Ok(ServerStep::Accepted { identity }),
            (State::AwaitsEmpty { .. }, Some(_)) => Err(Refusal::Malformed),
            _ => Err(Refusal::OutOfStep),
        };
        step.unwrap_or_else(ServerStep::Refused)
    }

    /// Goes on after [`ServerStep::CheckPassword`].
    pub fn password_checked(&mut self, verdict: Verdict) -> ServerStep {
        match (mem::replace(&mut self.state, State::Over), verdict) {
            (State::Checking { identity }, Verdict::Accepted) => ServerStep::Accepted { identity },
            (State::Checking { .. }, Verdict::Refused) => ServerStep::Refused(Refusal::Credentials),
            _ => ServerStep::Refused(Refusal::OutOfStep),
        }
    }

    /// Goes on after [`ServerStep::NeedVerifier`]; for an unknown or disabled user with
    /// [`ScramVerifier::of_nobody`].
    pub fn verifier_found(&mut self, verifier: ScramVerifier) -> ServerStep {
        let State::AwaitsVerifier(exchange) = mem::replace(&mut self.state, State::Over) else {
            return ServerStep::Refused(Refusal::OutOfStep);
        };
        let server_first = format!(
            "r={},s={},i={}",
            exchange.nonce,
            *crate::encode_base64(verifier.salt()),
            verifier.iterations()
        );
        let challenge = server_first.clone().into_bytes();
        self.state = State::AwaitsProof { exchange, server_first, verifier };
        ServerStep::Challenge(challenge)
    }

    fn first_challenge(&mut self, nonce: Nonce) -> ServerStep {
        match self.mechanism {
            Mechanism::Login => {
                self.state = State::LoginIdentity;
                ServerStep::Challenge(b"Username:".to_vec())
            }
            Mechanism::Plain | Mechanism::ScramSha256 => {
                self.state = State::Start(nonce);
                ServerStep::Challenge(Vec::new())
            }
        }
    }

    fn plain(&mut self, message: &[u8]) -> Result<ServerStep, Refusal> {
        let mut parts = message.split(|&octet| octet == 0);
        let (Some(authzid), Some(identity), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refusal::Malformed);
        };
        let identity = identity_of(identity)?;
        if !authzid.is_empty() && identity_of(authzid)? != identity {
            return Err(Refusal::NotAuthorized);
        }
        self.check(identity, password)
    }

    fn login_identity(&mut self, response: &[u8]) -> Result<ServerStep, Refusal> {
        let identity = identity_of(response)?;
        self.state = State::LoginPassword { identity };
        Ok(ServerStep::Challenge(b"Password:".to_vec()))
    }

    fn login_password(&mut self, identity: String, response: &[u8]) -> Result<ServerStep, Refusal> {
        self.check(identity, response)
    }

    fn check(&mut self, identity: String, password: &[u8]) -> Result<ServerStep, Refusal> {
        let password = prepare(password, PASSWORD_OCTETS_MAX).map_err(|_| Refusal::Malformed)?;
        self.state = State::Checking { identity: identity.clone() };
        Ok(ServerStep::CheckPassword { identity, password: Password::new(password) })
    }

    fn client_first(&mut self, message: &[u8], nonce: &Nonce) -> Result<ServerStep, Refusal> {
        let first = ClientFirst::parse(message)?;
        if first.authzid.is_some_and(|authzid| authzid != first.identity) {
            return Err(Refusal::NotAuthorized);
        }
        let identity = first.identity.clone();
        self.state = State::AwaitsVerifier(Exchange {
            identity: first.identity,
            gs2_header: first.gs2_header.to_owned(),
            client_first_bare: first.bare.to_owned(),
            nonce: format!("{}{}", first.nonce, nonce.as_str()),
        });
        Ok(ServerStep::NeedVerifier { identity })
    }

    fn client_final(
        &mut self,
        exchange: Exchange,
        server_first: &str,
        verifier: &ScramVerifier,
        message: &[u8],
    ) -> Result<ServerStep, Refusal> {
        let last = ClientFinal::parse(message, &exchange.gs2_header, &exchange.nonce)?;
        let auth_message =
            auth_message(&exchange.client_first_bare, server_first, last.without_proof);
        if !verifier.accepts(&last.proof, auth_message.as_bytes()) {
            return Err(Refusal::Credentials);
        }
        let signature = verifier.server_signature(auth_message.as_bytes());
        self.state = State::AwaitsEmpty { identity: exchange.identity };
        Ok(ServerStep::Challenge(format!("v={}", *crate::encode_base64(&*signature)).into_bytes()))
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed | Fault::ServerError => Self::Malformed,
            Fault::ChannelBinding | Fault::Extension => Self::Unsupported,
            Fault::Mismatch => Self::Credentials,
        }
    }
}

fn identity_of(octets: &[u8]) -> Result<String, Refusal> {
    prepare(octets, IDENTITY_OCTETS_MAX).map(str::to_owned).map_err(|_| Refusal::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(mechanism: Mechanism) -> Server {
        Server::new(mechanism, Nonce::new([1; Nonce::RANDOM_OCTETS]))
    }

    #[test]
    fn plain_is_read_strictly() {
        let long = "x".repeat(IDENTITY_OCTETS_MAX + 1);
        #[rustfmt::skip]
        let table = [
            ("\0alice\0pencil", None, "the plain case"),
            ("alice\0alice\0pencil", None, "acting for oneself"),
            ("\0alice\0pass word\u{e9}", None, "spaces and UTF-8 in the password"),
            ("bob\0alice\0pencil", Some(Refusal::NotAuthorized), "T09: another authorization identity"),
            ("alicepencil", Some(Refusal::Malformed), "T09: no NUL"),
            ("\0alice\0pencil\0", Some(Refusal::Malformed), "T09: a NUL too many"),
            ("\0\0pencil", Some(Refusal::Malformed), "no identity"),
            ("\0alice\0", Some(Refusal::Malformed), "RFC 4616 §2: an empty password fails"),
            ("\0ali\nce\0pencil", Some(Refusal::Malformed), "control character"),
            (&format!("\0{long}\0pencil"), Some(Refusal::Malformed), "too long"),
            ("", Some(Refusal::Malformed), "nothing"),
        ];
        for (message, refusal, why) in table {
            match server(Mechanism::Plain).respond(Some(message.as_bytes())) {
                ServerStep::CheckPassword { identity, .. } => {
                    assert_eq!((identity.as_str(), refusal), ("alice", None), "{message:?}: {why}");
                }
                ServerStep::Refused(found) => {
                    assert_eq!(Some(found), refusal, "{message:?}: {why}");
                }
                step => panic!("{message:?}: {why}: {step:?}"),
            }
        }
    }

    #[test]
    fn the_verdict_decides() {
        for (verdict, accepted) in [(Verdict::Accepted, true), (Verdict::Refused, false)] {
            let mut server = server(Mechanism::Plain);
            assert!(matches!(server.respond(None), ServerStep::Challenge(c) if c.is_empty()));
            let step = server.respond(Some(b"\0alice\0pencil"));
            let ServerStep::CheckPassword { password, .. } = step else { panic!("{step:?}") };
            assert_eq!(password.reveal(), "pencil");
            let outcome = server.password_checked(verdict);
            assert_eq!(matches!(outcome, ServerStep::Accepted { .. }), accepted);
        }
    }

    #[test]
    fn login_asks_for_both_and_takes_an_initial_response() {
        for initial in [None, Some(&b"alice"[..])] {
            let mut server = server(Mechanism::Login);
            let mut step = server.respond(initial);
            if initial.is_none() {
                assert!(matches!(step, ServerStep::Challenge(c) if c == b"Username:"));
                step = server.respond(Some(b"alice"));
            }
            assert!(matches!(step, ServerStep::Challenge(c) if c == b"Password:"));
            let step = server.respond(Some(b"pencil"));
            assert!(
                matches!(step, ServerStep::CheckPassword { identity, .. } if identity == "alice")
            );
        }
    }

    #[test]
    fn scram_follows_the_example_of_rfc_7677() {
        let nonce = Nonce::from_text("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0").unwrap();
        let mut server = Server::new(Mechanism::ScramSha256, nonce);
        let step = server.respond(Some(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"));
        assert!(matches!(step, ServerStep::NeedVerifier { identity } if identity == "user"));
        let salt = crate::decode_base64(b"W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let step = server.verifier_found(ScramVerifier::derive("pencil", &salt, 4096));
        let ServerStep::Challenge(first) = step else { panic!("{step:?}") };
        assert_eq!(
            String::from_utf8(first).unwrap(),
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let step = server.respond(Some(
            b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
              p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        ));
        let ServerStep::Challenge(last) = step else { panic!("{step:?}") };
        assert_eq!(last, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        let step = server.respond(Some(b""));
        assert!(matches!(step, ServerStep::Accepted { identity } if identity == "user"));
    }

    #[test]
    fn scram_proof_is_checked() {
        #[rustfmt::skip]
        let table = [
            ("c=biws,r=NONCE,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", Refusal::Credentials, "a proof for another nonce"),
            ("c=biws,r=other,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", Refusal::Credentials, "a nonce that is not ours"),
            ("c=eSws,r=NONCE,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", Refusal::Credentials, "another header than before"),
            ("c=biws,r=NONCE,p=dHzb", Refusal::Malformed, "half a proof"),
            ("c=biws,r=NONCE", Refusal::Malformed, "no proof"),
            ("", Refusal::Malformed, "nothing"),
        ];
        for (message, refusal, why) in table {
            let mut server = server(Mechanism::ScramSha256);
            server.respond(Some(b"n,,n=user,r=abc"));
            let step = server.verifier_found(ScramVerifier::derive("pencil", b"salt", 4096));
            let ServerStep::Challenge(first) = step else { panic!("{step:?}") };
            let first = String::from_utf8(first).unwrap();
            let nonce = first.strip_prefix("r=").unwrap().split(',').next().unwrap();
            let step = server.respond(Some(message.replace("NONCE", nonce).as_bytes()));
            assert!(
                matches!(step, ServerStep::Refused(found) if found == refusal),
                "{why}: {step:?}"
            );
        }
    }

    #[test]
    fn nothing_is_accepted_out_of_step() {
        for &mechanism in crate::offered() {
            let mut skipped = server(mechanism);
            assert!(matches!(skipped.password_checked(Verdict::Accepted), ServerStep::Refused(_)));
            assert!(matches!(skipped.respond(Some(b"")), ServerStep::Refused(_)), "over is over");
            let mut pushed = server(Mechanism::Plain);
            pushed.respond(Some(b"\0alice\0pencil"));
            assert!(matches!(pushed.respond(Some(b"")), ServerStep::Refused(Refusal::OutOfStep)));
        }
    }
}
