//! `[limits]`: what peers may ask of us.
//!
//! Standards: RFC 1870 (SIZE), RFC 5321 §4.5.3.1 (least limits).
//! Not here: limits that nobody needs to change (`…_MAX` in the crates).

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::fault::{Fault, Source};
use super::unit::{self, size_of};

/// RFC 5321 §4.5.3.1.8: at least 100 recipients must be taken.
const RECIPIENTS_MIN: u32 = 100;
/// RFC 5321 §4.5.3.1.7: messages of at least 64K octets must be taken.
const MESSAGE_OCTETS_MIN: u64 = 64 * 1024;
/// What a message may have at most: segment records and IMAP sizes are 32 bits wide.
const MESSAGE_OCTETS_MAX: u64 = 2 << 30;

/// What peers may ask of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Octets of the largest message.
    pub(crate) message_octets: u64,
    /// Recipients in one transaction.
    pub(crate) recipients_per_message: u32,
    /// Connections at a time.
    pub(crate) connections: u32,
    /// Connections at a time from one address.
    pub(crate) connections_per_ip: u32,
    /// How many connections of strangers in a time, from one site.
    pub(crate) connection_rate: Option<Rate>,
    /// How many messages of strangers.
    pub(crate) message_rate: Option<Rate>,
    /// How many recipients of strangers' messages.
    pub(crate) recipient_rate: Option<Rate>,
    /// How many recipients that do not exist.
    pub(crate) unknown_recipient_rate: Option<Rate>,
    /// How many messages of one account.
    pub(crate) account_message_rate: Option<Rate>,
    /// How many recipients of one account's messages.
    pub(crate) account_recipient_rate: Option<Rate>,
}

/// So many in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// How many; not zero.
    pub(crate) count: u32,
    /// In which time; not zero.
    pub(crate) per: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_octets: 50 << 20,
            recipients_per_message: 1000,
            connections: 10_000,
            connections_per_ip: 50,
            connection_rate: None,
            message_rate: None,
            recipient_rate: None,
            unknown_recipient_rate: None,
            account_message_rate: None,
            account_recipient_rate: None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    message_size: Option<Spanned<String>>,
    recipients_per_message: Option<Spanned<u32>>,
    connections: Option<Spanned<u32>>,
    connections_per_ip: Option<Spanned<u32>>,
    connection_rate: Option<Spanned<String>>,
    message_rate: Option<Spanned<String>>,
    recipient_rate: Option<Spanned<String>>,
    unknown_recipient_rate: Option<Spanned<String>>,
    account_message_rate: Option<Spanned<String>>,
    account_recipient_rate: Option<Spanned<String>>,
}

impl Written {
    pub(super) fn check(&self, source: &Source<'_>) -> Result<Limits, Fault> {
        let default = Limits::default();
        Ok(Limits {
            message_octets: match &self.message_size {
                Some(written) => message_octets(written, source)?,
                None => default.message_octets,
            },
            recipients_per_message: match &self.recipients_per_message {
                Some(written) => recipients(written, source)?,
                None => default.recipients_per_message,
            },
            connections: count(self.connections.as_ref(), default.connections, source)?,
            connections_per_ip: count(
                self.connections_per_ip.as_ref(),
                default.connections_per_ip,
                source,
            )?,
            connection_rate: rate(self.connection_rate.as_ref(), source)?,
            message_rate: rate(self.message_rate.as_ref(), source)?,
            recipient_rate: rate(self.recipient_rate.as_ref(), source)?,
            unknown_recipient_rate: rate(self.unknown_recipient_rate.as_ref(), source)?,
            account_message_rate: rate(self.account_message_rate.as_ref(), source)?,
            account_recipient_rate: rate(self.account_recipient_rate.as_ref(), source)?,
        })
    }
}

/// A rate: `"100/1h"`.
pub(super) fn rate(
    written: Option<&Spanned<String>>,
    source: &Source<'_>,
) -> Result<Option<Rate>, Fault> {
    let Some(written) = written else { return Ok(None) };
    let read = || {
        let (count, per) = written.get_ref().split_once('/')?;
        let rate = Rate { count: count.trim().parse().ok()?, per: unit::time(per.trim()).ok()? };
        (rate.count > 0 && !rate.per.is_zero()).then_some(rate)
    };
    read().map(Some).ok_or_else(|| {
        let what = format!("{:?} is not a rate", written.get_ref());
        source.fault(written, what, "write how many in which time, such as \"100/1h\"")
    })
}

fn message_octets(written: &Spanned<String>, source: &Source<'_>) -> Result<u64, Fault> {
    let octets = size_of(written, source)?;
    if (MESSAGE_OCTETS_MIN..=MESSAGE_OCTETS_MAX).contains(&octets) {
        return Ok(octets);
    }
    let what = format!("message_size = {:?} cannot be", written.get_ref());
    Err(source.fault(
        written,
        what,
        "write a size between \"64KiB\" (RFC 5321 asks for it) and \"2GiB\"",
    ))
}

fn recipients(written: &Spanned<u32>, source: &Source<'_>) -> Result<u32, Fault> {
    if *written.get_ref() >= RECIPIENTS_MIN {
        return Ok(*written.get_ref());
    }
    let what = format!("recipients_per_message = {} is too few", written.get_ref());
    Err(source.fault(written, what, "write at least 100, as RFC 5321 §4.5.3.1.8 asks"))
}

fn count(written: Option<&Spanned<u32>>, default: u32, source: &Source<'_>) -> Result<u32, Fault> {
    match written {
        None => Ok(default),
        Some(written) if *written.get_ref() == 0 => {
            Err(source.fault(written, "0 connections: nobody could connect", "write at least 1"))
        }
        Some(written) => Ok(*written.get_ref()),
    }
}
