//! Whatever a peer sends: no panic, no acceptance without a proof, no end to the rules.

use proptest::collection::vec;
use proptest::prelude::*;
use sasl::{Client, Mechanism, Nonce, Password, ScramVerifier, Server, ServerStep, Verdict};

/// Messages as peers send them, whole, in pieces and damaged.
fn message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"\0alice\0pencil".to_vec()),
        Just(b"n,,n=alice,r=abc".to_vec()),
        Just(b"c=biws,r=abcQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=".to_vec()),
        Just(b"r=abcdef,s=c2FsdA==,i=4096".to_vec()),
        Just(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".to_vec()),
        Just(Vec::new()),
        "[nyparscivme=,\\x00 a-z0-9]{0,40}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..40),
    ]
}

fn mechanism() -> impl Strategy<Value = Mechanism> {
    proptest::sample::select(sasl::offered())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// A server whose directory refuses everybody accepts nobody.
    #[test]
    fn nobody_comes_in_without_a_password(
        mechanism in mechanism(),
        initial in proptest::option::of(message()),
        responses in vec(message(), 0..5),
    ) {
        let secret = sasl::ServerSecret::new([9; 32]);
        let mut server = Server::new(mechanism, Nonce::new([65; Nonce::RANDOM_OCTETS]));
        let mut responses = responses.into_iter();
        let mut step = server.respond(initial.as_deref());
        loop {
            step = match step {
                ServerStep::Challenge(_) => match responses.next() {
                    Some(response) => server.respond(Some(&response)),
                    None => break,
                },
                ServerStep::CheckPassword { .. } => server.password_checked(Verdict::Refused),
                ServerStep::NeedVerifier { identity } => {
                    server.verifier_found(ScramVerifier::of_nobody(&secret, &identity))
                }
                ServerStep::Accepted { .. } => return Err(TestCaseError::fail("accepted")),
                ServerStep::Refused(_) => break,
            };
        }
    }

    /// A SCRAM client never believes a server that does not know the password.
    #[test]
    fn no_false_server_is_believed(challenges in vec(message(), 0..5)) {
        let nonce = Nonce::from_text("abc").expect("a nonce");
        let mut client = Client::new(Mechanism::ScramSha256, "alice", Password::new("pencil"), nonce);
        client.initial_response();
        for challenge in challenges {
            if client.step(&challenge).is_err() {
                break;
            }
        }
        prop_assert!(client.finish().is_err());
    }

    /// Every stored form that can be read is written again as it was.
    #[test]
    fn stored_forms_are_unambiguous(text in "\\$scram-sha-256\\$v=1\\$(4096|10000|05000)\\$[A-Za-z0-9+/]{4,8}(==?)?\\$[A-Za-z0-9+/]{43}=\\$[A-Za-z0-9+/]{43}=") {
        if let Ok(verifier) = ScramVerifier::from_text(&text) {
            prop_assert_eq!(&*verifier.to_text(), &text);
        }
    }
}
