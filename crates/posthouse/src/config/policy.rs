//! `[policy]`: rules for mail from strangers.
//!
//! Standards: RFC 3865 §2.2 (solicitation), RFC 6647 (greylisting), RFC 5321 §4.1.4 (what must not be refused).
//! Not here: the rules and what greylisting does if nothing is said (crate `mta`), rates (`limits`).

use std::time::Duration;

use envelope::{Address, Domain, Solicitation};
use mta::policy::Greylist;
use serde::Deserialize;
use store::RecipientPattern;
use toml::Spanned;

use super::Network;
use super::fault::{Fault, Source};
use super::unit::time_of;

/// Longest pause before the greeting: RFC 5321 §4.5.3.2.1 lets clients wait five minutes, but each
/// of them is a connection.
const GREETING_DELAY_MAX: Duration = Duration::from_secs(30);

/// A letter is remembered for this many delays at least: others' first retry may come too early,
/// and their second one after a pause that grows.
const SHARE_OF_DELAY: u32 = 4;

/// What fits behind `250-NO-SOLICITING ` into a reply line (RFC 5321 §4.5.3.1.5).
const CLASSES_OCTETS_MAX: usize = 490;

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
    /// Who must come again; nobody without it.
    pub(crate) greylist: Option<Greylist>,
    /// Kinds of solicitation that are not wanted.
    pub(crate) no_soliciting: Option<Solicitation>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            exempt: Vec::new(),
            greeting_delay: Duration::ZERO,
            refuse_own_name: true,
            require_full_name: false,
            check_sender_domain: false,
            greylist: None,
            no_soliciting: None,
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
    greylist: Option<bool>,
    greylist_delay: Option<Spanned<String>>,
    greylist_expire: Option<Spanned<String>>,
    greylist_remember: Option<Spanned<String>>,
    greylist_exempt: Option<Vec<Spanned<String>>>,
    no_soliciting: Option<Spanned<Vec<String>>>,
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
            greylist: self.greylist(source)?,
            no_soliciting: match &self.no_soliciting {
                Some(written) => Some(solicitation(written, source)?),
                None => default.no_soliciting,
            },
        })
    }

    /// Times that nobody uses are checked, too: who turns it on later should not be surprised.
    fn greylist(&self, source: &Source<'_>) -> Result<Option<Greylist>, Fault> {
        let default = Greylist::default();
        let time = |written: &Option<Spanned<String>>, default| match written {
            Some(written) => time_of(written, source),
            None => Ok(default),
        };
        let rules = Greylist {
            delay: time(&self.greylist_delay, default.delay)?,
            expire: time(&self.greylist_expire, default.expire)?,
            remember: time(&self.greylist_remember, default.remember)?,
            exempt: recipients(self.greylist_exempt.as_deref().unwrap_or_default(), source)?,
        };
        let last_try = rules.delay.saturating_mul(SHARE_OF_DELAY);
        if let Some(written) = self.greylist_expire.as_ref().or(self.greylist_delay.as_ref())
            && last_try > rules.expire
        {
            let what = "greylist_expire is too short for greylist_delay";
            let remedy = "make it four times as long at least: others try again when they like";
            return Err(source.fault(written, what, remedy));
        }
        Ok(self.greylist.unwrap_or_default().then_some(rules))
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

fn recipients(
    written: &[Spanned<String>],
    source: &Source<'_>,
) -> Result<Vec<RecipientPattern>, Fault> {
    let read = |text: &Spanned<String>| {
        let read = match text.get_ref().strip_prefix('@') {
            Some(domain) => Domain::parse(domain).ok().map(RecipientPattern::Domain),
            None => Address::parse(text.get_ref()).ok().map(RecipientPattern::Address),
        };
        read.ok_or_else(|| {
            let what = format!("{:?} is no recipient", text.get_ref());
            source.fault(text, what, "write an address, or \"@example.org\" for all of a domain")
        })
    };
    written.iter().map(read).collect()
}

/// RFC 3865 §2.2: classes as one list, which EHLO tells on one line.
fn solicitation(
    written: &Spanned<Vec<String>>,
    source: &Source<'_>,
) -> Result<Solicitation, Fault> {
    let list = written.get_ref().join(",");
    let fits = list.len() <= CLASSES_OCTETS_MAX;
    Solicitation::parse(&list).ok().filter(|_| fits).ok_or_else(|| {
        let what = format!("{list:?} are no classes of solicitation");
        source.fault(written, what, "write some such as [\"org.example:ADV\"]")
    })
}

fn greeting_delay(written: &Spanned<String>, source: &Source<'_>) -> Result<Duration, Fault> {
    let delay = time_of(written, source)?;
    if delay <= GREETING_DELAY_MAX {
        return Ok(delay);
    }
    let what = format!("greeting_delay = {:?} is too long", written.get_ref());
    Err(source.fault(written, what, "write at most \"30s\"; a few seconds are enough"))
}
