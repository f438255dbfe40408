//! What a server offers, read from its reply to EHLO.
//!
//! Standards: RFC 5321 §4.1.1.1 (EHLO reply), RFC 1870, RFC 2920, RFC 3207, RFC 3461,
//! RFC 4954 §3, RFC 6152.
//! Not here: what we do with it (`client`).

use crate::reply::Reply;

/// What a server offers. Nothing, before EHLO and after HELO.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// STARTTLS.
    pub starttls: bool,
    /// PIPELINING.
    pub pipelining: bool,
    /// 8BITMIME: content may have 8-bit octets.
    pub eight_bit_mime: bool,
    /// ENHANCEDSTATUSCODES.
    pub enhanced_status_codes: bool,
    /// DSN: the server, not we, tells the sender of success.
    pub dsn: bool,
    /// CHUNKING (RFC 3030).
    pub chunking: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// SIZE.
    pub size: Size,
    /// SASL mechanisms, in upper case.
    pub mechanisms: Vec<String>,
}

/// What a server says about sizes (RFC 1870 §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// SIZE is not offered.
    #[default]
    NotOffered,
    /// SIZE is offered without a limit.
    NoLimit,
    /// Messages may have so many octets.
    Limit(u64),
}

impl Capabilities {
    /// Reads a reply to EHLO. Its first line is the server's name; keywords ignore case.
    pub(super) fn from_reply(reply: &Reply) -> Self {
        let mut found = Self::default();
        for line in reply.lines().skip(1) {
            // Old servers write "AUTH=LOGIN".
            let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
            let Some(keyword) = words.next() else { continue };
            match keyword.to_ascii_uppercase().as_str() {
                "STARTTLS" => found.starttls = true,
                "PIPELINING" => found.pipelining = true,
                "8BITMIME" => found.eight_bit_mime = true,
                "ENHANCEDSTATUSCODES" => found.enhanced_status_codes = true,
                "DSN" => found.dsn = true,
                "CHUNKING" => found.chunking = true,
                "SMTPUTF8" => found.smtputf8 = true,
                "SIZE" => {
                    found.size = match words.next().and_then(|limit| limit.parse().ok()) {
                        None | Some(0) => Size::NoLimit,
                        Some(limit) => Size::Limit(limit),
                    }
                }
                "AUTH" => {
                    for mechanism in words.map(str::to_ascii_uppercase) {
                        if !found.mechanisms.contains(&mechanism) {
                            found.mechanisms.push(mechanism);
                        }
                    }
                }
                _ => {}
            }
        }
        found
    }
}
