//! What becomes of a password: an Argon2id hash and a SCRAM verifier, and nothing else.
//!
//! Standards: RFC 9106 §4 (Argon2id), RFC 5802 §3 (SCRAM).
//! Not here: who may set a password.

use argon2::password_hash::CustomizedPasswordHasher;
use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use platform::Random;
use sasl::{PASSWORD_OCTETS_MAX, Password, ScramVerifier, prepare};
use store::Credential;

/// Shortest password that we take, in octets (NIST SP 800-63B §5.1.1.1 asks for 8 characters).
pub const PASSWORD_OCTETS_MIN: usize = 8;

const SALT_OCTETS: usize = 16;

/// Memory in KiB, passes, lanes: what OWASP gives as the least for Argon2id in 2026.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// Most memory in KiB that a stored hash may ask for: a damaged one must not take all there is.
const MEMORY_MAX: u32 = 256 * 1024;

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

/// The memory that a check needs.
#[derive(Default)]
pub(crate) struct Workspace {
    blocks: Vec<Block>,
}

/// Whether a password is the one that a hash was made of.
pub(crate) fn fits(password: &Password, hash: &str, workspace: &mut Workspace) -> bool {
    found(password, hash, workspace).is_some_and(|(found, wanted)| found == wanted)
}

/// What the password comes to with the salt and costs of a hash, and what that hash has; their
/// comparison takes the same time wherever they differ. `None` for what is no hash of ours.
fn found(password: &Password, hash: &str, workspace: &mut Workspace) -> Option<(Output, Output)> {
    let hash = PasswordHash::new(hash).ok()?;
    let (salt, wanted) = (hash.salt?, hash.hash?);
    let params = Params::try_from(&hash).ok()?;
    if hash.algorithm != Algorithm::Argon2id.ident() || params.m_cost() > MEMORY_MAX {
        return None;
    }
    workspace.blocks.resize(params.block_count(), Block::new());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut found = [0; Output::MAX_LENGTH];
    let found = found.get_mut(..wanted.len())?;
    let octets = password.reveal().as_bytes();
    argon2
        .hash_password_into_with_memory(octets, &salt, found, workspace.blocks.as_mut_slice())
        .ok()?;
    Some((Output::new(found).ok()?, wanted))
}
