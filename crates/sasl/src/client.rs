//! The client side of an authentication exchange.
//!
//! Call [`Client::initial_response`] where the protocol can carry one, feed each
//! challenge to [`Client::step`], and ask [`Client::finish`] once the server says yes:
//! with SCRAM a server that does not know our verifier is found out there.
//!
//! Standards: RFC 4616 §2 (PLAIN), draft-murchison-sasl-login §2 (LOGIN), RFC 5802 §5.

use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::base64::encode_base64;
use crate::mechanism::Mechanism;
use crate::scram::{Fault, Nonce, ServerFirst, auth_message, server_final, to_saslname};
use crate::text::Password;
use crate::verifier::{Key, client_key, salted_password, server_key, signature, stored_key, xor};

/// Header of a client that does no channel binding (RFC 5802 §7).
const GS2_HEADER: &str = "n,,";

/// Why the exchange cannot go on. Cancel it where the protocol has a way (`*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server's message breaks the rules of the mechanism.
    #[error("malformed challenge from the server")]
    Malformed,
    /// The server asks for less work than is safe, or more than is sane, or wants an
    /// extension that we do not have.
    #[error("server wants an unsupported extension")]
    Unsupported,
    /// The server does not answer to our nonce: somebody stands between.
    #[error("server used a nonce that is not ours")]
    ForeignNonce,
    /// The server's signature is wrong or missing: it does not know the password's
    /// verifier, so it is not the server we have an account with.
    #[error("server did not prove that it knows this account")]
    ServerNotProven,
    /// The server reported an error inside the exchange.
    #[error("server refused the exchange")]
    Refused,
    /// The server sends challenges after the last step.
    #[error("server asks for more than the mechanism has")]
    OutOfStep,
}

/// One authentication exchange.
pub struct Client {
    mechanism: Mechanism,
    identity: String,
    password: Password,
    nonce: Nonce,
    state: State,
}

enum State {
    Start,
    LoginPassword,
    AwaitsServerFirst { bare: Zeroizing<String> },
    AwaitsServerFinal { expected: Key },
    Complete,
    Broken,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

impl Client {
    /// Begins an exchange. The nonce matters for SCRAM only, and has to be fresh.
    pub fn new(
        mechanism: Mechanism,
        identity: impl Into<String>,
        password: Password,
        nonce: Nonce,
    ) -> Self {
        Self { mechanism, identity: identity.into(), password, nonce, state: State::Start }
    }

    /// The mechanism of this exchange.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// What can be sent along with the AUTH command; `None` where the server has to
    /// speak first. Where the protocol cannot carry it, let [`step`](Self::step) answer
    /// the empty challenge instead.
    pub fn initial_response(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        match (&self.state, self.mechanism) {
            (State::Start, Mechanism::Plain) => Some(self.plain()),
            (State::Start, Mechanism::ScramSha256) => Some(self.client_first()),
            _ => None,
        }
    }

    /// Answers a challenge, decoded from base64.
    ///
    /// # Errors
    ///
    /// [`ClientError`], after which the exchange is over.
    pub fn step(&mut self, challenge: &[u8]) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        let state = std::mem::replace(&mut self.state, State::Broken);
        match (state, self.mechanism) {
            (State::Start, Mechanism::Login) => {
                self.state = State::LoginPassword;
                Ok(octets(&self.identity))
            }
            (State::LoginPassword, _) => {
                self.state = State::Complete;
                Ok(octets(self.password.reveal()))
            }
            (State::Start, _) if !challenge.is_empty() => Err(ClientError::Malformed),
            (State::Start, Mechanism::Plain) => Ok(self.plain()),
            (State::Start, Mechanism::ScramSha256) => Ok(self.client_first()),
            (State::AwaitsServerFirst { bare }, _) => self.client_final(&bare, challenge),
            (State::AwaitsServerFinal { expected }, _) => {
                let signature = server_final(challenge)?;
                if !bool::from(signature.ct_eq(&*expected)) {
                    return Err(ClientError::ServerNotProven);
                }
                self.state = State::Complete;
                Ok(Zeroizing::new(Vec::new()))
            }
            (State::Complete | State::Broken, _) => Err(ClientError::OutOfStep),
        }
    }

    /// To be asked when the server reports success: may we believe it?
    ///
    /// # Errors
    ///
    /// [`ClientError::ServerNotProven`] when the exchange is not complete, as with a
    /// server that says yes without its SCRAM signature.
    pub fn finish(&self) -> Result<(), ClientError> {
        match self.state {
            State::Complete => Ok(()),
            _ => Err(ClientError::ServerNotProven),
        }
    }

    fn plain(&mut self) -> Zeroizing<Vec<u8>> {
        self.state = State::Complete;
        Zeroizing::new(
            [b"\0", self.identity.as_bytes(), b"\0", self.password.reveal().as_bytes()].concat(),
        )
    }

    fn client_first(&mut self) -> Zeroizing<Vec<u8>> {
        let name = to_saslname(&self.identity);
        let bare = Zeroizing::new(format!("n={},r={}", *name, self.nonce.as_str()));
        let message = octets(&format!("{GS2_HEADER}{}", *bare));
        self.state = State::AwaitsServerFirst { bare };
        message
    }

    fn client_final(
        &mut self,
        bare: &str,
        challenge: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        let first = ServerFirst::parse(challenge)?;
        let added = first.nonce.strip_prefix(self.nonce.as_str());
        if added.is_none_or(str::is_empty) {
            return Err(ClientError::ForeignNonce);
        }
        let without_proof =
            format!("c={},r={}", *encode_base64(GS2_HEADER.as_bytes()), first.nonce);
        let server_first = std::str::from_utf8(challenge).map_err(|_| ClientError::Malformed)?;
        let auth_message = auth_message(bare, server_first, &without_proof);
        let salted = salted_password(self.password.reveal(), &first.salt, first.iterations);
        let client_key = client_key(&salted);
        let client_signature = signature(&stored_key(&client_key), auth_message.as_bytes());
        let proof = encode_base64(&*xor(&client_key, &client_signature));
        let expected = signature(&server_key(&salted), auth_message.as_bytes());
        self.state = State::AwaitsServerFinal { expected };
        Ok(octets(&format!("{without_proof},p={}", *proof)))
    }
}

impl From<Fault> for ClientError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed | Fault::Mismatch => Self::Malformed,
            Fault::ChannelBinding | Fault::Extension => Self::Unsupported,
            Fault::ServerError => Self::Refused,
        }
    }
}

fn octets(text: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ScramVerifier, Server, ServerStep, Verdict};

    fn client(mechanism: Mechanism) -> Client {
        let nonce = Nonce::from_text("rOprNGfwEbeRWgbNEkqO").unwrap();
        Client::new(mechanism, "user", Password::new("pencil"), nonce)
    }

    const SERVER_FIRST: &[u8] = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                                  s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    #[test]
    fn scram_follows_the_example_of_rfc_7677() {
        let mut client = client(Mechanism::ScramSha256);
        let first = client.initial_response().unwrap();
        assert_eq!(*first, b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let last = client.step(SERVER_FIRST).unwrap();
        assert_eq!(
            *last,
            b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
              p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(client.finish(), Err(ClientError::ServerNotProven), "not yet");
        let empty = client.step(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap();
        assert!(empty.is_empty());
        assert_eq!(client.finish(), Ok(()));
    }

    #[test]
    fn false_servers_are_found_out() {
        #[rustfmt::skip]
        let table: [(&[u8], ClientError, &str); 6] = [
            (b"v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", ClientError::ServerNotProven, "a signature with another key"),
            (b"v=6rriTRBi23Wp", ClientError::Malformed, "half a signature"),
            (b"e=invalid-proof", ClientError::Refused, "an error in the exchange"),
            (b"", ClientError::Malformed, "nothing"),
            (SERVER_FIRST, ClientError::Malformed, "the first message again"),
            (b"\xff", ClientError::Malformed, "not UTF-8"),
        ];
        for (message, error, why) in table {
            let mut client = client(Mechanism::ScramSha256);
            client.initial_response();
            client.step(SERVER_FIRST).unwrap();
            assert_eq!(client.step(message), Err(error), "{why}");
            assert_eq!(client.finish(), Err(ClientError::ServerNotProven), "{why}");
            assert_eq!(client.step(b""), Err(ClientError::OutOfStep), "over is over");
        }
    }

    #[test]
    fn nonces_have_to_be_ours() {
        for nonce in ["rOprNGfwEbeRWgbNEkqO", "other", "xrOprNGfwEbeRWgbNEkqO1"] {
            let mut client = client(Mechanism::ScramSha256);
            client.initial_response();
            let message = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
            assert_eq!(client.step(message.as_bytes()), Err(ClientError::ForeignNonce), "{nonce}");
        }
    }

    /// Plays an exchange; true when both sides are content.
    fn meet(mechanism: Mechanism, identity: &str, password: &str, first_with_auth: bool) -> bool {
        let nonce = Nonce::new([3; Nonce::RANDOM_OCTETS]);
        let mut client = Client::new(mechanism, identity, Password::new(password), nonce);
        let mut server = Server::new(mechanism, Nonce::new([4; Nonce::RANDOM_OCTETS]));
        let initial = if first_with_auth { client.initial_response() } else { None };
        let mut step = server.respond(initial.as_ref().map(|message| message.as_slice()));
        for _ in 0..10 {
            step = match step {
                ServerStep::Challenge(challenge) => match client.step(&challenge) {
                    Ok(response) => server.respond(Some(&response)),
                    Err(_) => return false,
                },
                ServerStep::CheckPassword { identity: found, password } => {
                    let right = found == identity && password.reveal() == "pass, =wörd";
                    server.password_checked(if right {
                        Verdict::Accepted
                    } else {
                        Verdict::Refused
                    })
                }
                ServerStep::NeedVerifier { .. } => {
                    server.verifier_found(ScramVerifier::derive("pass, =wörd", b"salt", 4096))
                }
                ServerStep::Accepted { identity: found } => {
                    return found == identity && client.finish().is_ok();
                }
                ServerStep::Refused(_) => return false,
            };
        }
        panic!("no end")
    }

    #[test]
    fn both_sides_understand_each_other() {
        for &mechanism in crate::offered() {
            for first_with_auth in [true, false] {
                for identity in ["alice@example.org", "a=b,c", "größe"] {
                    let why = format!("{mechanism} {identity} {first_with_auth}");
                    assert!(meet(mechanism, identity, "pass, =wörd", first_with_auth), "{why}");
                    assert!(!meet(mechanism, identity, "wrong", first_with_auth), "{why}");
                }
            }
        }
    }
}
