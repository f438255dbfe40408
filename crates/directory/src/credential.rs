//! What becomes of a password: an Argon2id hash and a SCRAM verifier, and nothing else.
//!
//! Standards: RFC 9106 §4 (Argon2id), RFC 5802 §3 (SCRAM).
//! Not here: who may set a password.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{CustomizedPasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use platform::Random;
use sasl::{PASSWORD_OCTETS_MAX, Password, ScramVerifier, prepare};
use store::Credential;

/// Shortest password that we take, in octets (NIST SP 800-63B §5.1.1.1 asks for 8 characters).
pub const PASSWORD_OCTETS_MIN: usize = 8;

const SALT_OCTETS: usize = 16;

/// Memory in KiB, passes, lanes: what OWASP gives as the least for Argon2id in 2026.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// Why a password is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// Too short to be any good.
    #[error("the password is too short: use at least {PASSWORD_OCTETS_MIN} characters")]
    TooShort,
    /// Too long, or with control characters.
    #[error("the password has control characters or more than {PASSWORD_OCTETS_MAX} octets")]
    Unusable,
    /// Hashing failed.
    #[error("hashing the password failed: {0}")]
    Hash(String),
}

/// Derives what is stored from a password.
pub(crate) fn derive(
    password: &Password,
    random: &dyn Random,
) -> Result<Credential, CredentialError> {
    let text = password.reveal();
    if text.len() < PASSWORD_OCTETS_MIN {
        return Err(CredentialError::TooShort);
    }
    prepare(text.as_bytes(), PASSWORD_OCTETS_MAX).map_err(|_| CredentialError::Unusable)?;
    let mut salt = [0; SALT_OCTETS];
    random.fill(&mut salt);
    let scram = ScramVerifier::derive(text, &salt, ScramVerifier::ITERATIONS);
    Ok(Credential {
        argon2: hash(text.as_bytes(), random)?,
        scram_sha_256: scram.to_text().to_string(),
    })
}

/// A hash that costs as much to check as anybody's.
pub(crate) fn decoy(octets: &[u8], random: &dyn Random) -> Result<String, CredentialError> {
    hash(octets, random)
}

fn hash(octets: &[u8], random: &dyn Random) -> Result<String, CredentialError> {
    let failed = |error: &dyn std::fmt::Display| CredentialError::Hash(error.to_string());
    let mut salt = [0; SALT_OCTETS];
    random.fill(&mut salt);
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).map_err(|error| failed(&error))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let hash: PasswordHash = argon2
        .hash_password_customized(octets, &salt, None, None, params)
        .map_err(|error| failed(&error))?;
    Ok(hash.to_string())
}

/// Whether a password is the one that a hash was made of.
pub(crate) fn fits(password: &Password, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| {
        Argon2::default().verify_password(password.reveal().as_bytes(), &hash).is_ok()
    })
}
