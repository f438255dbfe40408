//! What a server stores instead of a password, for SCRAM-SHA-256.
//!
//! Standards: RFC 5802 §2.2 and §3 (the keys), RFC 7677 §4 (how many iterations).
//! Not here: the exchange itself (`scram`, `server`, `client`).

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::base64::{decode_base64, encode_base64};

/// Octets of a SHA-256 hash, and of every key here.
pub(crate) const KEY_OCTETS: usize = 32;

/// A key of the exchange; wiped when dropped.
pub(crate) type Key = Zeroizing<[u8; KEY_OCTETS]>;

/// Octets of a salt of ours.
const SALT_OCTETS: usize = 16;

/// Longest salt that we take, in octets; others use 16 to 64.
const SALT_OCTETS_MAX: usize = 256;

/// Version of the stored form.
const VERSION: &str = "v=1";

/// A secret of this server, from which the verifiers of unknown users are made.
pub struct ServerSecret(Key);

impl ServerSecret {
    /// Takes 32 octets of randomness, which have to stay the same over restarts.
    pub fn new(octets: [u8; KEY_OCTETS]) -> Self {
        Self(Zeroizing::new(octets))
    }
}

impl fmt::Debug for ServerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerSecret(…)")
    }
}

/// What proves a password without being one: salt, iterations and two keys.
///
/// Whoever steals it cannot log in with it, but can try passwords against it.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramVerifier {
    salt: Vec<u8>,
    iterations: u32,
    stored_key: Key,
    server_key: Key,
}

impl fmt::Debug for ScramVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramVerifier")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// A stored verifier cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadVerifier {
    /// Written by a later version, or for another mechanism.
    #[error("SCRAM verifier of an unknown version or mechanism")]
    UnknownVersion,
    /// A part is missing or damaged.
    #[error("damaged SCRAM verifier")]
    Damaged,
}

impl ScramVerifier {
    /// Iterations for new verifiers: a few milliseconds of work for the client, and a
    /// multiple of what RFC 7677 §4 asks for at least.
    pub const ITERATIONS: u32 = 10_000;

    /// The fewest iterations that we accept (RFC 7677 §3).
    pub const ITERATIONS_MIN: u32 = 4096;

    /// The most iterations that we accept; a hostile server could otherwise keep a
    /// client busy for hours.
    pub const ITERATIONS_MAX: u32 = 1_000_000;

    /// Derives the verifier of a password.
    ///
    /// `iterations` is brought into the accepted range. The salt should be 16 random
    /// octets, new for each password.
    pub fn derive(password: &str, salt: &[u8], iterations: u32) -> Self {
        let iterations = iterations.clamp(Self::ITERATIONS_MIN, Self::ITERATIONS_MAX);
        let salted = salted_password(password, salt, iterations);
        let stored_key = stored_key(&client_key(&salted));
        Self { salt: salt.to_vec(), iterations, stored_key, server_key: server_key(&salted) }
    }

    /// The verifier of a user who does not exist: the same for the same identity each
    /// time, and fulfilled by no password.
    ///
    /// With it the exchange takes the same course as for a real user with a wrong
    /// password (RFC 5802 §9). Give the identity in the form that look-ups use, or two
    /// spellings of a name get two salts, which real users do not have.
    pub fn of_nobody(secret: &ServerSecret, identity: &str) -> Self {
        let part = |label: &str| {
            let mut mac = keyed(&*secret.0);
            mac.update(label.as_bytes());
            mac.update(&[0]);
            mac.update(identity.as_bytes());
            finish(mac)
        };
        Self {
            salt: part("salt").iter().copied().take(SALT_OCTETS).collect(),
            iterations: Self::ITERATIONS,
            stored_key: part("stored key"),
            server_key: part("server key"),
        }
    }

    /// The form for storage: `$scram-sha-256$v=1$ITERATIONS$SALT$STORED-KEY$SERVER-KEY`.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "$scram-sha-256${VERSION}${}${}${}${}",
            self.iterations,
            *encode_base64(&self.salt),
            *encode_base64(&*self.stored_key),
            *encode_base64(&*self.server_key),
        ))
    }

    /// Reads the form for storage.
    ///
    /// # Errors
    ///
    /// [`BadVerifier`], when it was written by a later version or is damaged.
    pub fn from_text(text: &str) -> Result<Self, BadVerifier> {
        let rest = text.strip_prefix("$scram-sha-256$").ok_or(BadVerifier::UnknownVersion)?;
        let rest = rest
            .strip_prefix(VERSION)
            .and_then(|rest| rest.strip_prefix('$'))
            .ok_or(BadVerifier::UnknownVersion)?;
        let mut parts = rest.split('$');
        let mut part = || parts.next().ok_or(BadVerifier::Damaged);
        let iterations = iterations(part()?).ok_or(BadVerifier::Damaged)?;
        let salt = salt(part()?).ok_or(BadVerifier::Damaged)?;
        let stored_key = key(part()?).ok_or(BadVerifier::Damaged)?;
        let server_key = key(part()?).ok_or(BadVerifier::Damaged)?;
        if parts.next().is_some() {
            return Err(BadVerifier::Damaged);
        }
        Ok(Self { salt, iterations, stored_key, server_key })
    }

    /// Whether this password is the one that the verifier was derived from.
    pub fn fits(&self, password: &str) -> bool {
        let salted = salted_password(password, &self.salt, self.iterations);
        stored_key(&client_key(&salted)).ct_eq(&*self.stored_key).into()
    }

    /// The salt, which the client is told.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// The iterations, which the client is told.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Whether the proof over `auth_message` was made with the password.
    pub(crate) fn accepts(&self, proof: &[u8; KEY_OCTETS], auth_message: &[u8]) -> bool {
        let signature = signature(&self.stored_key, auth_message);
        let client_key = xor(proof, &signature);
        stored_key(&client_key).ct_eq(&*self.stored_key).into()
    }

    /// What proves to the client that we know its verifier.
    pub(crate) fn server_signature(&self, auth_message: &[u8]) -> Key {
        signature(&self.server_key, auth_message)
    }
}

/// Reads an iteration count; `None` when it is no number or out of range.
pub(crate) fn iterations(text: &str) -> Option<u32> {
    let plain = !text.starts_with('0') && text.bytes().all(|octet| octet.is_ascii_digit());
    let count = text.parse().ok().filter(|_| plain)?;
    (ScramVerifier::ITERATIONS_MIN..=ScramVerifier::ITERATIONS_MAX)
        .contains(&count)
        .then_some(count)
}

/// Reads a salt; `None` when it is not base64, empty or too long.
pub(crate) fn salt(text: &str) -> Option<Vec<u8>> {
    let salt = decode_base64(text.as_bytes()).ok()?.to_vec();
    (!salt.is_empty() && salt.len() <= SALT_OCTETS_MAX).then_some(salt)
}

/// Reads a key, proof or signature; `None` when it is not base64 of 32 octets.
pub(crate) fn key(text: &str) -> Option<Key> {
    let octets = decode_base64(text.as_bytes()).ok()?;
    octets.as_slice().try_into().ok().map(Zeroizing::new)
}

/// SaltedPassword: PBKDF2 with HMAC-SHA-256 (RFC 5802 §2.2, `Hi`).
pub(crate) fn salted_password(password: &str, salt: &[u8], iterations: u32) -> Key {
    let keyed = keyed(password.as_bytes());
    let mut first = keyed.clone();
    first.update(salt);
    first.update(&1_u32.to_be_bytes());
    let mut round = finish(first);
    let mut salted = round.clone();
    for _ in 1..iterations {
        let mut mac = keyed.clone();
        mac.update(&*round);
        round = finish(mac);
        salted = xor(&salted, &round);
    }
    salted
}

/// ClientKey of RFC 5802 §3.
pub(crate) fn client_key(salted_password: &Key) -> Key {
    signature(salted_password, b"Client Key")
}

/// ServerKey of RFC 5802 §3.
pub(crate) fn server_key(salted_password: &Key) -> Key {
    signature(salted_password, b"Server Key")
}

/// StoredKey of RFC 5802 §3.
pub(crate) fn stored_key(client_key: &Key) -> Key {
    Zeroizing::new(Sha256::digest(**client_key).into())
}

/// HMAC(key, message).
pub(crate) fn signature(key: &Key, message: &[u8]) -> Key {
    let mut mac = keyed(&**key);
    mac.update(message);
    finish(mac)
}

/// XOR of two keys.
pub(crate) fn xor(left: &[u8; KEY_OCTETS], right: &[u8; KEY_OCTETS]) -> Key {
    let mut result = Zeroizing::new(*left);
    for (octet, other) in result.iter_mut().zip(right) {
        *octet ^= other;
    }
    result
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn finish(mac: Hmac<Sha256>) -> Key {
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_back_and_damage_is_noticed() {
        let verifier = ScramVerifier::derive("pencil", b"0123456789abcdef", 4096);
        let text = verifier.to_text();
        assert_eq!(ScramVerifier::from_text(&text), Ok(verifier));

        #[rustfmt::skip]
        let table = [
            (text.replace("v=1", "v=2"), BadVerifier::UnknownVersion, "a later version"),
            (text.replace("256", "512"), BadVerifier::UnknownVersion, "another hash"),
            (text.replace("4096", "4095"), BadVerifier::Damaged, "too few iterations"),
            (text.replace("4096", "99999999"), BadVerifier::Damaged, "too many iterations"),
            (text.replace("4096", "+4096"), BadVerifier::Damaged, "only digits"),
            (format!("{}$", *text), BadVerifier::Damaged, "a part too many"),
            (text.rsplit_once('$').unwrap().0.to_owned(), BadVerifier::Damaged, "a part too few"),
            (text[..text.len() - 4].to_owned(), BadVerifier::Damaged, "a key cut short"),
            (String::new(), BadVerifier::UnknownVersion, "nothing"),
        ];
        for (damaged, expected, why) in table {
            assert_eq!(ScramVerifier::from_text(&damaged), Err(expected), "{why}");
        }
    }

    #[test]
    fn only_the_password_fits() {
        let verifier = ScramVerifier::derive("pencil", b"0123456789abcdef", 4096);
        assert!(verifier.fits("pencil"));
        assert!(!verifier.fits("Pencil"));
        assert!(!verifier.fits(""));
    }

    #[test]
    fn nobody_looks_like_somebody() {
        let secret = ServerSecret::new([7; 32]);
        let nobody = ScramVerifier::of_nobody(&secret, "ghost@example.org");
        assert_eq!(nobody, ScramVerifier::of_nobody(&secret, "ghost@example.org"), "no change");
        let other = ScramVerifier::of_nobody(&secret, "wraith@example.org");
        assert_ne!(nobody.salt(), other.salt(), "each has a salt of its own");
        let elsewhere = ScramVerifier::of_nobody(&ServerSecret::new([8; 32]), "ghost@example.org");
        assert_ne!(nobody.salt(), elsewhere.salt(), "nobody can compute it from outside");
        let somebody = ScramVerifier::derive("x", &[1; SALT_OCTETS], ScramVerifier::ITERATIONS);
        assert_eq!(nobody.iterations(), somebody.iterations());
        assert_eq!(nobody.salt().len(), somebody.salt().len());
        assert!(!nobody.fits(""));
    }

    #[test]
    fn debug_hides_the_keys() {
        let verifier = ScramVerifier::derive("pencil", b"salt", 4096);
        assert_eq!(format!("{verifier:?}"), "ScramVerifier { iterations: 4096, .. }");
        assert_eq!(format!("{:?}", ServerSecret::new([7; 32])), "ServerSecret(…)");
    }
}
