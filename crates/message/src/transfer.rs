//! Transfer encodings, both ways, on chunks of any size.
//!
//! Encoders and decoders append to a buffer of the caller. Decoders read on after damage and
//! say at the end where the first was.
//!
//! ```
//! use message::transfer::{base64, quoted_printable};
//! assert_eq!(base64::encode_all(&[0x95, 0xDC, 0x3B, 0x58]), "ldw7WA==");
//! let mut encoder = quoted_printable::Encoder::new(quoted_printable::Mode::Text);
//! let mut encoded = Vec::new();
//! encoder.feed(&[0xE9], &mut encoded);
//! encoder.finish(&mut encoded);
//! assert_eq!(encoded, b"=E9");
//! ```
//!
//! Standards: RFC 2045 §6.7 (quoted-printable) and §6.8 (base64); uuencode and yEnc have none.
//! Not here: which encoding to choose (module `write`).

pub mod base64;
pub mod lines;
pub mod quoted_printable;
pub mod uuencode;
pub mod yenc;

use crate::defect::DefectCode;

/// Decoded octets, and the first damage.
///
/// ```
/// use message::{DefectCode, transfer::base64};
/// let decoded = base64::decode_all(b"Q2F0Q2");
/// let damage = decoded.damage.unwrap();
/// assert_eq!((damage.code, damage.is_truncation()), (DefectCode::TruncatedBase64, true));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// What could be decoded.
    pub octets: Vec<u8>,
    /// What is wrong with the encoded form, if anything is.
    pub damage: Option<Damage>,
}

/// Where an encoded body is first damaged, and how.
///
/// Example: [`Decoded`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What is wrong.
    pub code: DefectCode,
    /// Where, in octets from the start of the encoded body.
    pub offset: usize,
}

impl Damage {
    /// Whether nothing is wrong but a missing end.
    pub fn is_truncation(&self) -> bool {
        self.code == DefectCode::TruncatedBase64
    }
}

/// The octet that two hexadecimal digits stand for, in either case.
pub(crate) fn hex_pair([high, low]: [u8; 2]) -> Option<u8> {
    let digit =
        |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? * 16 + digit(low)?)
}
