//! Base64 as SASL profiles want it: strict alphabet, padding at the end only.
//!
//! Standards: RFC 4648 §4, RFC 5034 §4, RFC 4954 §4.
//! Not here: MIME's lenient base64 (crate `message`).

use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The text is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not valid base64")]
pub struct NotBase64;

/// Decodes one challenge or response line, without its line end.
///
/// # Errors
///
/// [`NotBase64`] for any character outside the alphabet, wrong or missing padding, and
/// stray bits: RFC 5034 §4 wants these rejected and not ignored.
pub fn decode_base64(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotBase64> {
    STANDARD.decode(text).map(Zeroizing::new).map_err(|_| NotBase64)
}

/// Encodes one challenge or response.
pub fn encode_base64(octets: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_is_strict() {
        #[rustfmt::skip]
        let table: [(&str, Option<&[u8]>, &str); 9] = [
            ("", Some(b""), "an empty response is a response"),
            ("AHRlc3Q=", Some(b"\0test"), "NUL inside"),
            ("=AAA", None, "RFC 5034 §4: padding only at the end"),
            ("AAA=BBB", None, "RFC 5034 §4: padding only at the end"),
            ("AAA", None, "padding is missing"),
            ("AAAA====", None, "too much padding"),
            ("AB==", None, "stray bits: two spellings of one value"),
            ("AA AA", None, "no white space"),
            ("AAAA\r\n", None, "no line end"),
        ];
        for (text, octets, why) in table {
            let found = decode_base64(text.as_bytes()).ok();
            assert_eq!(found.as_deref().map(Vec::as_slice), octets, "{text:?}: {why}");
        }
    }
}
