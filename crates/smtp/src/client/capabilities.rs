//! What a server offers, read from its reply to EHLO.
//!
//! Standards: RFC 5321 §4.1.1.1 (EHLO reply), RFC 1870, RFC 2920, RFC 3030, RFC 3207, RFC 3461,
//! RFC 4954 §3, RFC 6152, RFC 6531, RFC 9422 §4 (LIMITS), RFC 4865, RFC 2852 §2,
//! RFC 6710 §3, RFC 3865 §2.
//! Not here: what we do with it (`client`).

use std::num::NonZeroU32;

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
    /// BINARYMIME (RFC 3030 §3), and CHUNKING, without which it is of no use.
    pub binary_mime: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// SIZE.
    pub size: Size,
    /// LIMITS: most of one session and transaction.
    pub limits: Limits,
    /// FUTURERELEASE: authors may let messages be kept back (RFC 4865).
    pub future_release: bool,
    /// DELIVERBY, and the shortest time after which a message may be wanted back (RFC 2852).
    pub deliver_by: DeliverByOffer,
    /// MT-PRIORITY (RFC 6710).
    pub mt_priority: bool,
    /// NO-SOLICITING: messages may tell what kind they are (RFC 3865).
    pub no_soliciting: bool,
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

/// What a server says by DELIVERBY (RFC 2852 §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliverByOffer {
    /// It is not offered.
    #[default]
    NotOffered,
    /// It is offered.
    Offered {
        /// Least seconds of mode R; 0 where none was told.
        seconds_min: u32,
    },
}

/// What a server says by LIMITS (RFC 9422 §4); `None` where it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// MAILMAX: most transactions of one session.
    pub transactions_max: Option<NonZeroU32>,
    /// RCPTMAX: most recipients of one transaction.
    pub recipients_max: Option<NonZeroU32>,
    /// RCPTDOMAINMAX: most recipient domains of one session.
    pub domains_max: Option<NonZeroU32>,
}

impl Limits {
    /// Reads the line's words behind the keyword. A limit of nothing, or one that cannot be read,
    /// is none: it would let no mail pass (RFC 9422 §3 has one to six digits).
    fn parse(line: &str) -> Self {
        let mut limits = Self::default();
        for word in line.split(' ').skip(1) {
            let Some((name, value)) = word.split_once('=') else { continue };
            let value = value.parse().ok();
            match name.to_ascii_uppercase().as_str() {
                "MAILMAX" => limits.transactions_max = value,
                "RCPTMAX" => limits.recipients_max = value,
                "RCPTDOMAINMAX" => limits.domains_max = value,
                _ => {}
            }
        }
        limits
    }
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
                "BINARYMIME" => found.binary_mime = true,
                "SMTPUTF8" => found.smtputf8 = true,
                "LIMITS" => found.limits = Limits::parse(line),
                "SIZE" => {
                    found.size = match words.next().and_then(|limit| limit.parse().ok()) {
                        None | Some(0) => Size::NoLimit,
                        Some(limit) => Size::Limit(limit),
                    }
                }
                "FUTURERELEASE" => found.future_release = true,
                "DELIVERBY" => {
                    // Further options may follow behind a comma.
                    let least = words.next().and_then(|word| word.split(',').next()?.parse().ok());
                    found.deliver_by =
                        DeliverByOffer::Offered { seconds_min: least.unwrap_or_default() };
                }
                "MT-PRIORITY" => found.mt_priority = true,
                "NO-SOLICITING" => found.no_soliciting = true,
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
        found.binary_mime &= found.chunking;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_numbers_that_let_mail_pass() {
        let number = |number: Option<u32>| number.and_then(NonZeroU32::new);
        let limits = |mail, rcpt, domains| Limits {
            transactions_max: number(mail),
            recipients_max: number(rcpt),
            domains_max: number(domains),
        };
        #[rustfmt::skip]
        let rows = [
            ("LIMITS RCPTMAX=20 MAILMAX=5 RCPTDOMAINMAX=1", limits(Some(5), Some(20), Some(1)), "RFC 9422 §4"),
            ("limits rcptmax=20",       limits(None, Some(20), None), "keywords ignore case"),
            ("LIMITS RCPTMAX=0",        limits(None, None, None),     "nobody could be written to"),
            ("LIMITS RCPTMAX=x MAILMAX", limits(None, None, None),    "no numbers"),
            ("LIMITS OTHER=3",          limits(None, None, None),     "a limit that we do not know"),
            ("LIMITS",                  limits(None, None, None),     "nothing"),
        ];
        for (line, wanted, why) in rows {
            let reply = Reply::plain(250, format!("mx.example.org\n{line}"));
            assert_eq!(Capabilities::from_reply(&reply).limits, wanted, "{line}: {why}");
        }
    }
}
