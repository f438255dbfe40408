//! The mechanisms that we speak, and their registered names.
//!
//! Standards: RFC 4422 §3.1 (names).

use std::fmt;
use std::str::FromStr;

/// A SASL mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mechanism {
    /// Proof by hashing; the password itself never travels (RFC 7677).
    ScramSha256,
    /// Identity and password in one message (RFC 4616).
    Plain,
    /// Identity and password in two messages; obsolete, and still in wide use.
    Login,
}

/// No mechanism of ours has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown SASL mechanism")]
pub struct UnknownMechanism;

impl Mechanism {
    /// The name as it is registered and announced.
    pub fn name(self) -> &'static str {
        match self {
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }

    /// Whether the server learns the password, so that the channel has to be encrypted.
    pub fn reveals_password(self) -> bool {
        match self {
            Self::ScramSha256 => false,
            Self::Plain | Self::Login => true,
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mechanism {
    type Err = UnknownMechanism;

    /// Finds a mechanism by its name, in any case of letters.
    fn from_str(name: &str) -> Result<Self, UnknownMechanism> {
        offered()
            .iter()
            .copied()
            .find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
            .ok_or(UnknownMechanism)
    }
}

/// All mechanisms, the one to prefer first: what a server announces and a client tries.
pub fn offered() -> &'static [Mechanism] {
    &[Mechanism::ScramSha256, Mechanism::Plain, Mechanism::Login]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offered_mechanism_is_found_by_its_name() {
        for &mechanism in offered() {
            assert_eq!(mechanism.name().parse(), Ok(mechanism));
            assert_eq!(mechanism.name().to_ascii_lowercase().parse(), Ok(mechanism));
        }
        assert_eq!("CRAM-MD5".parse::<Mechanism>(), Err(UnknownMechanism));
    }
}
