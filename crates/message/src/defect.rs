//! What can be wrong with a message: a closed list, each with its place.
//!
//! A message with defects is read all the same. The list is for people who want to know why it
//! looks odd, and for policies that are stricter than the reader.
//!
//! Standards: RFC 5322 and RFC 2045 to RFC 2049, whose rules these are.
//! Not here: what to do about a defect (crates `mta`, `verdict`).

use std::fmt;

/// One thing that is wrong with a message.
///
/// ```
/// use message::{DefectCode, Message};
/// let message = Message::parse(b"Content-Type: multipart/mixed\r\n\r\nno boundary\r\n");
/// let defect = &message.defects()[0];
/// assert_eq!((defect.code, defect.offset), (DefectCode::MissingBoundary, 0));
/// assert_eq!(defect.to_string(), "a multipart has no boundary at octet 0");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// What is wrong.
    pub code: DefectCode,
    /// The part in which it was found, as an IMAP section number.
    pub part: String,
    /// Where, in octets from the start of the message.
    pub offset: usize,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at octet {}", self.code.explanation(), self.offset)?;
        if !self.part.is_empty() {
            write!(f, " in part {}", self.part)?;
        }
        Ok(())
    }
}

/// Makes the enum, the list of all its values, and the two texts of each.
macro_rules! defect_codes {
    ($($(#[$doc:meta])* $name:ident, $code:literal, $explanation:literal;)+) => {
        /// The kinds of defects.
        ///
        /// ```
        /// use message::DefectCode;
        /// assert_eq!(DefectCode::BadBase64.code(), "bad-base64");
        /// assert!(DefectCode::ALL.contains(&DefectCode::LongLine));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum DefectCode {
            $($(#[$doc])* $name,)+
        }

        impl DefectCode {
            /// All kinds, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The stable name for programs, such as `missing-boundary`.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The same for people.
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$name => $explanation,)+ }
            }
        }
    };
}

defect_codes! {
    /// A line in a header is neither a field nor the continuation of one (RFC 5322 §2.2).
    NotAField, "not-a-field", "a header line is not a field";
    /// The body begins without the empty line that ends a header (RFC 5322 §2.1).
    MissingHeaderEnd, "missing-header-end", "no empty line ends the header";
    /// More than [`FIELDS_MAX`](crate::FIELDS_MAX) fields, or a header longer than
    /// [`HEADER_OCTETS_MAX`](crate::HEADER_OCTETS_MAX); the rest of it is one block.
    TooManyFields, "too-many-fields", "there are more header fields than we read";
    /// A field that may occur once occurs again; the first one counts (RFC 5322 §3.6).
    DuplicateField, "duplicate-field", "a field occurs more often than it may";
    /// A field that every message has is not there (RFC 5322 §3.6).
    MissingField, "missing-field", "From or Date is missing";
    /// A field without a value (obsolete syntax at best).
    EmptyField, "empty-field", "a structured field is empty";
    /// Octets above 127 in a header that are not UTF-8 (RFC 6532 §3.1).
    HeaderNotUtf8, "header-not-utf8", "a header field has octets that are not UTF-8";
    /// An address list that does not follow RFC 5322 §3.4 or §4.4.
    BadAddress, "bad-address", "an address cannot be read";
    /// A date that does not follow RFC 5322 §3.3 or §4.3.
    BadDate, "bad-date", "a date cannot be read";
    /// A message id that does not follow RFC 5322 §3.6.4.
    BadMessageId, "bad-message-id", "a message id cannot be read";
    /// An encoded word that cannot be decoded (RFC 2047 §2).
    BadEncodedWord, "bad-encoded-word", "an encoded word cannot be decoded";
    /// A Content-Type that does not follow RFC 2045 §5.1; the part counts as text/plain.
    BadContentType, "bad-content-type", "the content type cannot be read";
    /// A parameter that does not follow RFC 2045 §5.1 or RFC 2231.
    BadParameter, "bad-parameter", "a parameter cannot be read";
    /// A Content-Transfer-Encoding that we do not know; the octets are taken as they are.
    UnknownEncoding, "unknown-encoding", "the transfer encoding is unknown";
    /// A multipart or message with base64 or quoted-printable (RFC 2045 §6.4).
    EncodedContainer, "encoded-container", "a multipart or message must not be encoded";
    /// A charset that we do not know.
    UnknownCharset, "unknown-charset", "the charset is unknown";
    /// Text that is not in the charset that it claims.
    TextNotInCharset, "text-not-in-charset", "the text is not in its charset";
    /// A multipart without a usable boundary parameter (RFC 2046 §5.1.1).
    MissingBoundary, "missing-boundary", "a multipart has no boundary";
    /// A multipart in which no delimiter line was found (RFC 2046 §5.1).
    NoParts, "no-parts", "a multipart has no parts";
    /// A multipart whose closing delimiter is missing (RFC 2046 §5.1).
    UnclosedMultipart, "unclosed-multipart", "a multipart is not closed";
    /// Parts nested deeper than [`DEPTH_MAX`](crate::DEPTH_MAX); the innermost is shown whole.
    TooDeep, "too-deep", "parts are nested too deeply";
    /// More than [`PARTS_MAX`](crate::PARTS_MAX) parts; the rest is not split.
    TooManyParts, "too-many-parts", "there are more parts than we read";
    /// Octets in base64 that do not belong there, or padding in the middle (RFC 2045 §6.8).
    BadBase64, "bad-base64", "base64 is damaged";
    /// Base64 that ends in the middle of a group (RFC 2045 §6.8).
    TruncatedBase64, "truncated-base64", "base64 ends too early";
    /// An equals sign that introduces nothing (RFC 2045 §6.7).
    BadQuotedPrintable, "bad-quoted-printable", "quoted-printable is damaged";
    /// A line of uuencode with fewer octets than it says (POSIX.1).
    BadUuencode, "bad-uuencode", "uuencode is damaged";
    /// Uuencode without its last line, `end` (POSIX.1).
    TruncatedUuencode, "truncated-uuencode", "uuencode ends too early";
    /// yEnc without its last line, `=yend` (yEnc 1.3).
    TruncatedYenc, "truncated-yenc", "yEnc ends too early";
    /// A yEnc file that is not as long as its first or last line says (yEnc 1.3).
    WrongYencSize, "wrong-yenc-size", "a yEnc file has another size than it says";
    /// A yEnc file with another CRC-32 than its last line says (yEnc 1.3).
    WrongYencChecksum, "wrong-yenc-checksum", "a yEnc file has another checksum than it says";
    /// A MIME-Version that is not 1.0 (RFC 2045 §4); the parts are read all the same.
    BadMimeVersion, "bad-mime-version", "the version of MIME is not 1.0";
    /// A body with another checksum than its Content-MD5 (RFC 1864 §2).
    WrongMd5, "wrong-md5", "a body is not the one that its Content-MD5 was made of";
    /// Octets above 127 in a part that says 7bit (RFC 2045 §2.7).
    EightBitIn7Bit, "eight-bit-in-7bit", "a 7bit part has octets above 127";
    /// A line of more than 998 octets (RFC 5322 §2.1.1).
    LongLine, "long-line", "a line is longer than 998 octets";
    /// A CR or LF that stands alone (RFC 5322 §2.3).
    BareLineEnd, "bare-line-end", "a CR or LF stands alone";
    /// A NUL octet (RFC 5322 §4.1: obsolete, never to be made).
    NulOctet, "nul-octet", "there is a NUL octet";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::DefectCode;

    #[test]
    fn every_code_is_its_own() {
        let codes: BTreeSet<_> = DefectCode::ALL.iter().map(|code| code.code()).collect();
        assert_eq!(codes.len(), DefectCode::ALL.len());
    }
}
