//! Addresses as the envelope carries them.
//!
//! A local part is kept as what it means, without its quoting, so that `"ada"@example.org`
//! and `ada@example.org` are equal; printing quotes again where it must. A domain is kept in
//! lower case, and in A-labels, as DNS knows it: `bücher.example` and
//! `xn--bcher-kva.example` are one domain.
//!
//! Standards: RFC 5321 §4.1.2 (Mailbox), §4.1.3 (address literals), §4.5.3.1 (sizes),
//! RFC 1035 §2.3.4 (labels), RFC 6531 §3.3 (addresses outside of ASCII).
//! Not here: the header's more liberal address syntax (crate `message`), whether a peer may
//! use an address outside of ASCII (crate `smtp`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest local part, in octets (RFC 5321 §4.5.3.1.1).
pub const LOCAL_PART_OCTETS_MAX: usize = 64;
/// Longest domain, in octets (RFC 5321 §4.5.3.1.2).
pub const DOMAIN_OCTETS_MAX: usize = 255;
/// Longest label of a domain, in octets (RFC 1035 §2.3.4).
pub const LABEL_OCTETS_MAX: usize = 63;
/// Longest address: a path of 256 octets less its angle brackets (RFC 5321 §4.5.3.1.3).
pub const ADDRESS_OCTETS_MAX: usize = 254;

/// Why a text is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// No `@`, or more than one outside of quotes.
    #[error("an address is local-part@domain")]
    NoAt,
    /// Something in the local part that may not stand there.
    #[error("the local part is not a dot-string or quoted string")]
    LocalPart,
    /// Something in the domain that may not stand there.
    #[error("the domain is not a host name or address literal")]
    Domain,
    /// A part is longer than its limit.
    #[error("the address or one of its parts is too long")]
    TooLong,
}

/// A domain name or address literal, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

impl Domain {
    /// Reads a domain name (`example.org`, `bücher.example`) or an address literal
    /// (`[192.0.2.1]`).
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if !text.is_ascii() {
            return Self::parse(&a_labels(text)?);
        }
        if let Some(literal) = text.strip_prefix('[') {
            let literal = literal.strip_suffix(']').ok_or(AddressError::Domain)?;
            let address = parse_literal(literal).ok_or(AddressError::Domain)?;
            return Ok(Self::from(address));
        }
        if text.len() > DOMAIN_OCTETS_MAX {
            return Err(AddressError::TooLong);
        }
        for label in text.split('.') {
            if label.len() > LABEL_OCTETS_MAX {
                return Err(AddressError::TooLong);
            }
            // RFC 5321 §4.1.2 sub-domain; the underscore is no host name but is met in real mail.
            let inside =
                |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
            if label.is_empty()
                || !label.bytes().all(inside)
                || label.starts_with('-')
                || label.ends_with('-')
            {
                return Err(AddressError::Domain);
            }
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The address, when this is an address literal.
    pub fn literal(&self) -> Option<IpAddr> {
        parse_literal(self.0.strip_prefix('[')?.strip_suffix(']')?)
    }

    /// The text, in lower case and A-labels; brackets included for a literal.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<IpAddr> for Domain {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self(format!("[{address}]")),
            IpAddr::V6(address) => Self(format!("[ipv6:{address}]")),
        }
    }
}

/// The name as DNS knows it (RFC 6531 §3.7.1). UTS 46 folds case and width on the way.
fn a_labels(text: &str) -> Result<String, AddressError> {
    // Each character is one octet or more of the name that comes out.
    if text.chars().count() > DOMAIN_OCTETS_MAX {
        return Err(AddressError::TooLong);
    }
    let ascii = idna::domain_to_ascii(text).map_err(|_| AddressError::Domain)?;
    // Full-width forms could turn into anything, brackets and numbers included.
    if !ascii.is_ascii() || ascii.starts_with('[') {
        return Err(AddressError::Domain);
    }
    Ok(ascii)
}

/// RFC 5321 §4.1.3: `192.0.2.1` or `IPv6:2001:db8::1`.
fn parse_literal(text: &str) -> Option<IpAddr> {
    match text.split_at_checked("IPv6:".len()) {
        Some((tag, rest)) if tag.eq_ignore_ascii_case("IPv6:") => {
            rest.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
        }
        _ => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Domain {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Domain {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> Self {
        domain.0
    }
}

/// The part before the `@`, as what it means: without quotes, in its own case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalPart(String);

impl LocalPart {
    /// Reads a dot-string (`ada.lovelace`) or a quoted string (`"ada lovelace"`).
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > LOCAL_PART_OCTETS_MAX {
            return Err(AddressError::TooLong);
        }
        match text.strip_prefix('"') {
            Some(rest) => unquote(rest).map(Self).ok_or(AddressError::LocalPart),
            None if is_dot_string(text) => Ok(Self(text.to_owned())),
            None => Err(AddressError::LocalPart),
        }
    }

    /// What it means, unquoted.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In lower case: how we compare the local parts of our own domains. Other domains' local
    /// parts are never changed (RFC 5321 §2.4).
    pub fn folded(&self) -> String {
        match self.0.is_ascii() {
            true => self.0.to_ascii_lowercase(),
            false => self.0.to_lowercase(),
        }
    }
}

impl fmt::Display for LocalPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.0) {
            return f.write_str(&self.0);
        }
        f.write_str("\"")?;
        for character in self.0.chars() {
            if matches!(character, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{character}")?;
        }
        f.write_str("\"")
    }
}

/// RFC 5321 §4.1.2 Dot-string: atoms joined by single dots; RFC 6531 §3.3 adds UTF-8.
fn is_dot_string(text: &str) -> bool {
    let atext = |letter: char| {
        letter.is_ascii_alphanumeric()
            || "!#$%&'*+-/=?^_`{|}~".contains(letter)
            || is_utf8_letter(letter)
    };
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(atext))
}

/// UTF8-non-ascii of RFC 6531 §3.3, without what ends lines or cannot be seen: controls, spaces,
/// and marks that turn the direction of what is displayed. Joiners are letters of some scripts.
fn is_utf8_letter(letter: char) -> bool {
    let hidden = matches!(letter,
        '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}');
    !letter.is_ascii() && !letter.is_control() && !letter.is_whitespace() && !hidden
}

/// The inside of a quoted string whose first quote is gone (RFC 5321 §4.1.2).
fn unquote(rest: &str) -> Option<String> {
    let mut meaning = String::with_capacity(rest.len());
    let mut characters = rest.chars();
    loop {
        let character = match characters.next()? {
            '"' => break,
            '\\' => characters.next()?,
            other => other,
        };
        if !(' '..='~').contains(&character) && !is_utf8_letter(character) {
            return None;
        }
        meaning.push(character);
    }
    (characters.next().is_none() && !meaning.is_empty()).then_some(meaning)
}

/// A mailbox address: `local-part@domain` (RFC 5321 §4.1.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    local: LocalPart,
    domain: Domain,
}

impl Address {
    /// An address from its parts, which were checked on their own.
    pub fn new(local: LocalPart, domain: Domain) -> Self {
        Self { local, domain }
    }

    /// Reads `local-part@domain`, without angle brackets.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > ADDRESS_OCTETS_MAX {
            return Err(AddressError::TooLong);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoAt)?;
        let local = LocalPart::parse(local).map_err(|error| match error {
            AddressError::LocalPart if local.contains('@') && !local.starts_with('"') => {
                AddressError::NoAt
            }
            other => other,
        })?;
        Ok(Self { local, domain: Domain::parse(domain)? })
    }

    /// The part before the `@`.
    pub fn local(&self) -> &LocalPart {
        &self.local
    }

    /// The part behind the `@`.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Whether it takes SMTPUTF8 to name it to a peer. A domain never needs that: it is kept in
    /// A-labels.
    pub fn is_international(&self) -> bool {
        !self.local.0.is_ascii()
    }

    /// The address in lower case: how addresses of our own domains are compared and stored.
    pub fn folded(&self) -> Self {
        Self { local: LocalPart(self.local.folded()), domain: self.domain.clone() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

/// Where notices about a message go: an address, or nowhere (`<>`).
///
/// A null reverse-path marks a notice; nothing is ever sent back to it (RFC 5321 §4.5.5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReversePath(Option<Address>);

impl ReversePath {
    /// The null reverse-path, `<>`.
    pub const NULL: Self = Self(None);

    /// The address, unless this is the null reverse-path.
    pub fn address(&self) -> Option<&Address> {
        self.0.as_ref()
    }

    /// Whether this is `<>`.
    pub fn is_null(&self) -> bool {
        self.0.is_none()
    }
}

impl From<Address> for ReversePath {
    fn from(address: Address) -> Self {
        Self(Some(address))
    }
}

/// Without angle brackets; nothing for the null reverse-path.
impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(address) => address.fmt(f),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_local_part_at_domain() {
        use AddressError::{Domain, LocalPart, NoAt, TooLong};
        let long_local = format!("{}@b", "a".repeat(65));
        let long_label = format!("a@{}.b", "a".repeat(64));
        let long_domain = format!("a@{}b", "a.".repeat(130));
        let table: [(&str, Result<&str, AddressError>, &str); 33] = [
            ("ada@example.org", Ok("ada@example.org"), "plain"),
            (
                "Ada@EXAMPLE.org",
                Ok("Ada@example.org"),
                "RFC 5321 §2.4: only the domain ignores case",
            ),
            ("\"ada\"@b", Ok("ada@b"), "quotes that are not needed go"),
            ("\"ada lovelace\"@b", Ok("\"ada lovelace\"@b"), "quotes that are needed stay"),
            (r#""a\"b\\c"@b"#, Ok(r#""a\"b\\c"@b"#), "quoted pairs"),
            ("\"a@b\"@c", Ok("\"a@b\"@c"), "an at sign inside of quotes"),
            ("a@[192.0.2.1]", Ok("a@[192.0.2.1]"), "address literal"),
            ("a@[IPv6:2001:db8::1]", Ok("a@[ipv6:2001:db8::1]"), "IPv6 literal"),
            ("a@[300.1.1.1]", Err(Domain), "not an address"),
            ("a@b@c", Err(NoAt), "two at signs"),
            ("a", Err(NoAt), "no domain"),
            ("@b", Err(LocalPart), "no local part"),
            ("a@", Err(Domain), "empty domain"),
            ("a..b@c", Err(LocalPart), "RFC 5321 §4.1.2: no two dots together"),
            (".a@c", Err(LocalPart), "no leading dot"),
            ("\"a@c", Err(LocalPart), "unbalanced quote"),
            ("\"\"@c", Err(LocalPart), "empty quoted string"),
            ("a b@c", Err(LocalPart), "a space needs quotes"),
            ("a\u{7}@c", Err(LocalPart), "control character"),
            ("a@b..c", Err(Domain), "empty label"),
            ("a@-b.c", Err(Domain), "label with a leading hyphen"),
            (&long_local, Err(TooLong), "RFC 5321 §4.5.3.1.1"),
            (&long_label, Err(TooLong), "RFC 1035 §2.3.4"),
            ("\u{fc}@b", Ok("\u{fc}@b"), "RFC 6531 §3.3: a local part in UTF-8"),
            ("\"\u{fc} x\"@b", Ok("\"\u{fc} x\"@b"), "RFC 6531 §3.3: quoted"),
            ("a@B\u{dc}cher.example", Ok("a@xn--bcher-kva.example"), "U-labels become A-labels"),
            ("a@XN--bcher-kva.example", Ok("a@xn--bcher-kva.example"), "the same domain"),
            ("a@\u{4f8b}\u{3002}jp", Ok("a@xn--fsq.jp"), "UTS 46: the ideographic full stop"),
            ("a@\u{fc}..b", Err(Domain), "empty label"),
            ("a\u{85}@b", Err(LocalPart), "a control character that ends lines"),
            ("a\u{2028}@b", Err(LocalPart), "a line separator"),
            ("a\u{202e}@b", Err(LocalPart), "turns what a reader sees"),
            ("a\u{3000}b@c", Err(LocalPart), "a space, however wide"),
        ];
        for (text, wanted, why) in table {
            let found = Address::parse(text).map(|address| address.to_string());
            assert_eq!(found, wanted.map(str::to_owned), "{text:?}: {why}");
        }
        assert_eq!(Address::parse(&long_domain), Err(TooLong), "RFC 5321 §4.5.3.1.3");
    }

    #[test]
    fn printed_address_reads_the_same() {
        for text in ["ada@example.org", r#""a\"b\\c"@b"#, "\"a@b\"@c", "a@[ipv6:2001:db8::1]"] {
            let address = Address::parse(text).unwrap();
            assert_eq!(Address::parse(&address.to_string()), Ok(address));
        }
    }

    #[test]
    fn only_the_local_part_makes_an_address_international() {
        assert!(Address::parse("\u{fc}@b").unwrap().is_international());
        assert!(!Address::parse("a@\u{fc}.b").unwrap().is_international());
        let shout = Address::parse("\u{dc}@b").unwrap();
        assert_eq!(shout.folded(), Address::parse("\u{fc}@b").unwrap());
    }

    #[test]
    fn literal_gives_its_address() {
        let found = Domain::parse("[IPv6:2001:DB8::1]").unwrap().literal();
        assert_eq!(found, Some("2001:db8::1".parse().unwrap()));
        assert_eq!(Domain::parse("example.org").unwrap().literal(), None);
    }
}
