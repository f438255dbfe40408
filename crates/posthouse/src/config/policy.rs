//! `[policy]`: rules for mail from strangers.
//!
//! Standards: RFC 6647 (greylisting), RFC 5321 §4.1.4 (what must not be refused).
//! Not here: the rules (crate `mta`), rates (`limits`).

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::Network;
use super::fault::{Fault, Source};
use super::unit::time_of;

/// Longest pause before the greeting: RFC 5321 §4.5.3.2.1 lets clients wait five minutes, but each
/// of them is a connection.
const GREETING_DELAY_MAX: Duration = Duration::from_secs(30);

/// Rules for mail from strangers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Networks whose clients are no strangers.
    pub(crate) exempt: Vec<Network>,
    /// Pause before the greeting; zero for none.
    pub(crate) greeting_delay: Duration,
    /// Strangers may not call themselves by our name.
    pub(crate) refuse_own_name: bool,
    /// Strangers must tell a full host name.
    pub(crate) require_full_name: bool,
    /// The domain of a reverse-path must take mail.
    pub(crate) check_sender_domain: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            exempt: Vec::new(),
            greeting_delay: Duration::ZERO,
            refuse_own_name: true,
            require_full_name: false,
            check_sender_domain: false,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    exempt: Option<Vec<Spanned<String>>>,
    greeting_delay: Option<Spanned<String>>,
    refuse_own_name: Option<bool>,
    require_full_name: Option<bool>,
    check_sender_domain: Option<bool>,
}

impl Written {
    pub(super) fn check(&self, source: &Source<'_>) -> Result<Policy, Fault> {
        let default = Policy::default();
        Ok(Policy {
            exempt: networks(self.exempt.as_deref().unwrap_or_default(), source)?,
            greeting_delay: match &self.greeting_delay {
                Some(written) => greeting_delay(written, source)?,
                None => default.greeting_delay,
            },
            refuse_own_name: self.refuse_own_name.unwrap_or(default.refuse_own_name),
            require_full_name: self.require_full_name.unwrap_or(default.require_full_name),
            check_sender_domain: self.check_sender_domain.unwrap_or(default.check_sender_domain),
        })
    }
}

fn networks(written: &[Spanned<String>], source: &Source<'_>) -> Result<Vec<Network>, Fault> {
    let read = |text: &Spanned<String>| {
        text.get_ref().parse::<Network>().map_err(|error| {
            let what = format!("{:?} is no network: {error}", text.get_ref());
            source.fault(text, what, "write an address or a network, such as \"192.0.2.0/24\"")
        })
    };
    written.iter().map(read).collect()
}

fn greeting_delay(written: &Spanned<String>, source: &Source<'_>) -> Result<Duration, Fault> {
    let delay = time_of(written, source)?;
    if delay <= GREETING_DELAY_MAX {
        return Ok(delay);
    }
    let what = format!("greeting_delay = {:?} is too long", written.get_ref());
    Err(source.fault(written, what, "write at most \"30s\"; a few seconds are enough"))
}
