//! The messages of SCRAM: how they are read and written.
//!
//! ```text
//!   C: n,,n=user,r=CNONCE                        client-first
//!   S: r=CNONCE SNONCE,s=SALT,i=4096             server-first
//!   C: c=biws,r=CNONCE SNONCE,p=PROOF            client-final
//!   S: v=SIGNATURE                               server-final
//! ```
//!
//! Standards: RFC 5802 §5 and §7.
//! Not here: the keys (`verifier`), the order of the steps (`server`, `client`).

use std::fmt;

use zeroize::Zeroizing;

use crate::base64::encode_base64;
use crate::text::prepare;
use crate::verifier::{Key, iterations, key, salt};
use crate::{IDENTITY_OCTETS_MAX, MESSAGE_OCTETS_MAX};

/// Longest nonce that we take from a peer, in octets; others use 24 to 64.
const NONCE_OCTETS_MAX: usize = 512;

/// One side's random part of a SCRAM exchange. Never use one twice.
#[derive(Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// Random octets to ask for.
    pub const RANDOM_OCTETS: usize = 18;

    /// Makes a nonce of random octets.
    pub fn new(random: [u8; Self::RANDOM_OCTETS]) -> Self {
        Self(encode_base64(&random).to_string())
    }

    /// Takes a nonce as it stands; `None` when it is empty, too long, or has characters
    /// other than printable ASCII without comma.
    pub fn from_text(text: &str) -> Option<Self> {
        is_nonce(text).then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(…)")
    }
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not follow the grammar, or a value is out of range.
    Malformed,
    /// It wants channel binding, which we do not offer.
    ChannelBinding,
    /// It wants a mandatory extension; there are none yet (RFC 5802 §5.1, `m`).
    Extension,
    /// It contradicts what was said before: nonce or channel binding.
    Mismatch,
    /// The server gave an error instead (RFC 5802 §7, `e`).
    ServerError,
}

/// client-first-message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ClientFirst<'a> {
    /// The header that client-final has to repeat.
    pub(crate) gs2_header: &'a str,
    /// client-first-message-bare.
    pub(crate) bare: &'a str,
    pub(crate) identity: String,
    pub(crate) authzid: Option<String>,
    pub(crate) nonce: &'a str,
}

impl<'a> ClientFirst<'a> {
    pub(crate) fn parse(message: &'a [u8]) -> Result<Self, Fault> {
        let message = text(message)?;
        let (flag, rest) = message.split_once(',').ok_or(Fault::Malformed)?;
        match flag {
            "n" | "y" => {}
            _ if flag.starts_with("p=") => return Err(Fault::ChannelBinding),
            _ => return Err(Fault::Malformed),
        }
        let (authzid, bare) = rest.split_once(',').ok_or(Fault::Malformed)?;
        let authzid = match authzid.strip_prefix("a=") {
            Some(name) => Some(from_saslname(name)?),
            None if authzid.is_empty() => None,
            None => return Err(Fault::Malformed),
        };
        let gs2_header = message.get(..message.len() - bare.len()).ok_or(Fault::Malformed)?;
        let mut attributes = bare.split(',');
        let identity = from_saslname(expect(&mut attributes, "n=")?)?;
        let nonce = expect(&mut attributes, "r=").and_then(nonce)?;
        extensions(attributes)?;
        Ok(Self { gs2_header, bare, identity, authzid, nonce })
    }
}

/// server-first-message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServerFirst<'a> {
    /// Both nonces.
    pub(crate) nonce: &'a str,
    pub(crate) salt: Vec<u8>,
    pub(crate) iterations: u32,
}

impl<'a> ServerFirst<'a> {
    pub(crate) fn parse(message: &'a [u8]) -> Result<Self, Fault> {
        let mut attributes = text(message)?.split(',');
        let nonce = expect(&mut attributes, "r=").and_then(nonce)?;
        let salt = salt(expect(&mut attributes, "s=")?).ok_or(Fault::Malformed)?;
        let iterations = iterations(expect(&mut attributes, "i=")?).ok_or(Fault::Malformed)?;
        extensions(attributes)?;
        Ok(Self { nonce, salt, iterations })
    }
}

/// client-final-message.
pub(crate) struct ClientFinal<'a> {
    /// client-final-message-without-proof.
    pub(crate) without_proof: &'a str,
    pub(crate) proof: Key,
}

impl<'a> ClientFinal<'a> {
    /// Reads the message, which has to repeat header and nonces.
    pub(crate) fn parse(
        message: &'a [u8],
        gs2_header: &str,
        expected_nonce: &str,
    ) -> Result<Self, Fault> {
        let (without_proof, proof) = text(message)?.rsplit_once(",p=").ok_or(Fault::Malformed)?;
        let proof = key(proof).ok_or(Fault::Malformed)?;
        let mut attributes = without_proof.split(',');
        let binding = expect(&mut attributes, "c=")?;
        let nonce = expect(&mut attributes, "r=")?;
        extensions(attributes)?;
        if binding != *encode_base64(gs2_header.as_bytes()) || nonce != expected_nonce {
            return Err(Fault::Mismatch);
        }
        Ok(Self { without_proof, proof })
    }
}

/// Reads server-final-message: the server's signature.
pub(crate) fn server_final(message: &[u8]) -> Result<Key, Fault> {
    let mut attributes = text(message)?.split(',');
    let signature = key(expect(&mut attributes, "v=")?).ok_or(Fault::Malformed)?;
    extensions(attributes)?;
    Ok(signature)
}

/// AuthMessage of RFC 5802 §3.
pub(crate) fn auth_message(
    client_first_bare: &str,
    server_first: &str,
    without_proof: &str,
) -> String {
    format!("{client_first_bare},{server_first},{without_proof}")
}

/// Writes a name with its commas and equals signs escaped (RFC 5802 §5.1).
pub(crate) fn to_saslname(name: &str) -> Zeroizing<String> {
    Zeroizing::new(name.replace('=', "=3D").replace(',', "=2C"))
}

fn from_saslname(escaped: &str) -> Result<String, Fault> {
    let mut pieces = escaped.split('=');
    let mut name = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (character, rest) = match (piece.strip_prefix("2C"), piece.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            (None, None) => return Err(Fault::Malformed),
        };
        name.push(character);
        name.push_str(rest);
    }
    prepare(name.as_bytes(), IDENTITY_OCTETS_MAX).map_err(|_| Fault::Malformed)?;
    Ok(name)
}

fn text(message: &[u8]) -> Result<&str, Fault> {
    if message.len() > MESSAGE_OCTETS_MAX {
        return Err(Fault::Malformed);
    }
    std::str::from_utf8(message).map_err(|_| Fault::Malformed)
}

/// The value of the next attribute, which has to be this one.
fn expect<'a>(
    attributes: &mut impl Iterator<Item = &'a str>,
    prefix: &str,
) -> Result<&'a str, Fault> {
    let attribute = attributes.next().ok_or(Fault::Malformed)?;
    match attribute.strip_prefix(prefix) {
        Some(value) => Ok(value),
        None if attribute.starts_with("m=") => Err(Fault::Extension),
        None if attribute.starts_with("e=") => Err(Fault::ServerError),
        None => Err(Fault::Malformed),
    }
}

/// Passes over optional extensions, which have to be well-formed.
fn extensions<'a>(attributes: impl Iterator<Item = &'a str>) -> Result<(), Fault> {
    for attribute in attributes {
        let value = attribute
            .strip_prefix(|letter: char| letter.is_ascii_alphabetic())
            .and_then(|rest| rest.strip_prefix('='))
            .ok_or(Fault::Malformed)?;
        if value.is_empty() || value.contains('\0') {
            return Err(Fault::Malformed);
        }
    }
    Ok(())
}

fn nonce(text: &str) -> Result<&str, Fault> {
    if is_nonce(text) { Ok(text) } else { Err(Fault::Malformed) }
}

fn is_nonce(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= NONCE_OCTETS_MAX
        && text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_first_is_read_strictly() {
        #[rustfmt::skip]
        let table = [
            // message, what becomes of it, why
            ("n,,n=user,r=abc", Ok(("user", None)), "the plain case"),
            ("y,,n=user,r=abc", Ok(("user", None)), "y: we do not offer -PLUS, so it is right"),
            ("n,a=boss,n=user,r=abc", Ok(("user", Some("boss"))), "an authorization identity"),
            ("n,,n=a=2Cb=3Dc,r=abc", Ok(("a,b=c", None)), "escapes"),
            ("n,,n=user,r=abc,x=1", Ok(("user", None)), "unknown extensions are ignored"),
            ("p=tls-unique,,n=user,r=abc", Err(Fault::ChannelBinding), "not offered"),
            ("n,,m=new,n=user,r=abc", Err(Fault::Extension), "mandatory extension"),
            ("n,,n=,r=abc", Err(Fault::Malformed), "no name"),
            ("n,a=,n=user,r=abc", Err(Fault::Malformed), "an empty authorization identity"),
            ("n,b=c,n=user,r=abc", Err(Fault::Malformed), "no such attribute in the header"),
            ("n,,n=a=2cb,r=abc", Err(Fault::Malformed), "escapes are in capitals"),
            ("n,,n=a=,r=abc", Err(Fault::Malformed), "half an escape"),
            ("n,,n=a\tb,r=abc", Err(Fault::Malformed), "a control character"),
            ("n,,n=user,r=", Err(Fault::Malformed), "no nonce"),
            ("n,,n=user,r=a c", Err(Fault::Malformed), "a space in the nonce"),
            ("n,,r=abc,n=user", Err(Fault::Malformed), "wrong order"),
            ("n,,n=user,r=abc,", Err(Fault::Malformed), "an empty extension"),
            ("n,,n=user,r=abc,1=x", Err(Fault::Malformed), "extensions are named by letters"),
            ("n,n=user,r=abc", Err(Fault::Malformed), "half a header"),
            ("", Err(Fault::Malformed), "nothing"),
        ];
        for (message, expected, why) in table {
            let found = ClientFirst::parse(message.as_bytes());
            let found =
                found.as_ref().map(|first| (first.identity.as_str(), first.authzid.as_deref()));
            assert_eq!(found, expected.as_ref().map(|pair| *pair), "{message:?}: {why}");
        }
    }

    #[test]
    fn server_first_is_read_strictly() {
        #[rustfmt::skip]
        let table = [
            ("r=abc,s=c2FsdA==,i=4096", None, "the plain case"),
            ("r=abc,s=c2FsdA==,i=4096,x=1", None, "unknown extensions are ignored"),
            ("r=abc,s=c2FsdA==,i=1", Some(Fault::Malformed), "a weak count gives the password away"),
            ("r=abc,s=c2FsdA==,i=4294967295", Some(Fault::Malformed), "a day of work"),
            ("r=abc,s=,i=4096", Some(Fault::Malformed), "no salt"),
            ("r=abc,s=c2FsdA,i=4096", Some(Fault::Malformed), "bad base64"),
            ("m=x,r=abc,s=c2FsdA==,i=4096", Some(Fault::Extension), "mandatory extension"),
            ("e=no-resources", Some(Fault::ServerError), "the server gives up"),
        ];
        for (message, fault, why) in table {
            assert_eq!(ServerFirst::parse(message.as_bytes()).err(), fault, "{message:?}: {why}");
        }
    }

    #[test]
    fn names_come_back_from_their_escapes() {
        for name in ["alice", "a=b,c", "=2C", ",", "=", "größe,=3D"] {
            assert_eq!(from_saslname(&to_saslname(name)).as_deref(), Ok(name));
        }
    }
}
