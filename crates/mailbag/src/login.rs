//! The choice among login mechanisms, the same for every protocol.
//!
//! Standards: RFC 4422 §3 (mechanism names).
//! Not here: the exchanges (crate `sasl`), their framing (`pop3`, `smtp`).

use platform::Random;
use sasl::{Client, Mechanism, Nonce, Password};

/// Our mechanisms that a server offers, the safest first.
pub(crate) fn mechanisms(offered: &[String]) -> Vec<Mechanism> {
    let is_offered =
        |ours: &Mechanism| offered.iter().any(|name| name.eq_ignore_ascii_case(ours.name()));
    sasl::offered().iter().copied().filter(is_offered).collect()
}

/// Begins an exchange.
pub(crate) fn exchange(
    mechanism: Mechanism,
    login: &str,
    password: &Password,
    random: &dyn Random,
) -> Client {
    let mut octets = [0; Nonce::RANDOM_OCTETS];
    random.fill(&mut octets);
    Client::new(mechanism, login, password.clone(), Nonce::new(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_safest_that_is_offered_comes_first() {
        use Mechanism::{Login, Plain, ScramSha256};
        let table: [(&[&str], &[Mechanism], &str); 4] = [
            (&["LOGIN", "PLAIN", "SCRAM-SHA-256"], &[ScramSha256, Plain, Login], "all"),
            (&["login", "CRAM-MD5"], &[Login], "any case, unknown ones passed over"),
            (&["SCRAM-SHA-256-PLUS"], &[], "a longer name is another mechanism"),
            (&[], &[], "none"),
        ];
        for (offered, wanted, why) in table {
            let offered: Vec<String> = offered.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(mechanisms(&offered), wanted, "{why}");
        }
    }
}
