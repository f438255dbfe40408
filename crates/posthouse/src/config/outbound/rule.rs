//! `[[outbound.rule]]`: what is different for some mail that leaves.
//!
//! Standards: RFC 5321 §5 (where mail goes).
//! Not here: which rule applies, and what follows from it (crate `mta`).

use std::net::IpAddr;

use mta::rules::{DomainPattern, SenderPattern, TlsRule};
use serde::Deserialize;
use toml::Spanned;

use super::super::fault::{Fault, Source};
use super::super::limits::{self, Rate};
use super::{NextHop, Relay, WrittenRelay, addresses, next_hop};

/// Most patterns of one rule: each is looked at for each message.
const PATTERNS_MAX: usize = 1000;

/// A rule about some mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Its number in the file, and what it is about.
    pub(crate) name: String,
    /// Recipients' domains; none: all.
    pub(crate) to: Vec<DomainPattern>,
    /// Senders; none: all.
    pub(crate) from: Vec<SenderPattern>,
    /// Where it goes.
    pub(crate) way: Option<Way>,
    /// How it is protected.
    pub(crate) tls: Option<TlsRule>,
    /// Attempts at a time.
    pub(crate) concurrency: Option<u32>,
    /// Transactions in a time.
    pub(crate) rate: Option<Rate>,
    /// Addresses to send from.
    pub(crate) bind: Vec<IpAddr>,
}

/// Where mail goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the servers that DNS names.
    Mx,
    /// To a fixed host.
    Route(NextHop),
    /// To a smart host.
    Relay(Relay),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenTls {
    Opportunistic,
    Required,
    None,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    #[serde(default)]
    to: Vec<Spanned<String>>,
    #[serde(default)]
    from: Vec<Spanned<String>>,
    route: Option<Spanned<String>>,
    relay: Option<Spanned<WrittenRelay>>,
    tls: Option<Spanned<WrittenTls>>,
    concurrency: Option<Spanned<u32>>,
    rate: Option<Spanned<String>>,
    #[serde(default)]
    bind: Vec<Spanned<String>>,
}

/// Checks all rules; the first one is rule 1.
pub(super) fn check(written: &[Spanned<Written>], source: &Source<'_>) -> Result<Vec<Rule>, Fault> {
    let numbered = written.iter().zip(1usize..);
    numbered.map(|(rule, number)| rule.get_ref().check(rule, number, source)).collect()
}

impl Written {
    fn check(&self, at: &Spanned<Self>, number: usize, source: &Source<'_>) -> Result<Rule, Fault> {
        for patterns in [&self.to, &self.from] {
            if let Some(one_more) = patterns.get(PATTERNS_MAX) {
                let what = format!("a rule has more than {PATTERNS_MAX} patterns");
                return Err(source.fault(one_more, what, "write several rules, or a wildcard"));
            }
        }
        let rule = Rule {
            name: self.name(number),
            to: patterns(&self.to, DomainPattern::parse, source, |text| {
                (
                    format!("{text:?} is neither a domain nor a wildcard"),
                    "write \"example.net\", \"*.example.net\" or \"*\"",
                )
            })?,
            from: patterns(&self.from, SenderPattern::parse, source, |text| {
                (
                    format!("{text:?} is neither a sender nor a domain"),
                    "write \"ada@example.org\", \"example.org\", \"*.example.org\" or \"<>\"",
                )
            })?,
            way: self.way(source)?,
            tls: self.tls.as_ref().map(|tls| match tls.get_ref() {
                WrittenTls::Opportunistic => TlsRule::Opportunistic,
                WrittenTls::Required => TlsRule::Required,
                WrittenTls::None => TlsRule::Never,
            }),
            concurrency: match &self.concurrency {
                Some(none) if *none.get_ref() == 0 => {
                    let what = "concurrency = 0 would send nothing";
                    return Err(source.fault(none, what, "write at least 1"));
                }
                written => written.as_ref().map(|written| *written.get_ref()),
            },
            rate: limits::rate(self.rate.as_ref(), source)?,
            bind: addresses(&self.bind, source)?,
        };
        let decides = rule.way.is_some()
            || rule.tls.is_some()
            || rule.concurrency.is_some()
            || rule.rate.is_some()
            || !rule.bind.is_empty();
        if !decides {
            let what = format!("rule {number} decides nothing");
            let remedy = "give it route, relay, tls, concurrency, rate or bind, or remove it";
            return Err(source.fault(at, what, remedy));
        }
        Ok(rule)
    }

    /// As events tell of it: `rule 2 (to *.example.net, example.net)`.
    fn name(&self, number: usize) -> String {
        const TOLD_MAX: usize = 3;
        let list = |word: &str, patterns: &[Spanned<String>]| {
            let told: Vec<_> =
                patterns.iter().take(TOLD_MAX).map(|one| one.get_ref().as_str()).collect();
            let more = if patterns.len() > TOLD_MAX { ", …" } else { "" };
            (!told.is_empty()).then(|| format!("{word} {}{more}", told.join(", ")))
        };
        let about = [list("from", &self.from), list("to", &self.to)];
        match about.into_iter().flatten().collect::<Vec<_>>().join(" ") {
            all if all.is_empty() => format!("rule {number} (all mail)"),
            some => format!("rule {number} ({some})"),
        }
    }

    fn way(&self, source: &Source<'_>) -> Result<Option<Way>, Fault> {
        match (&self.route, &self.relay) {
            (Some(route), Some(_)) => {
                let what = "a rule cannot have both route and relay";
                Err(source.fault(route, what, "keep one of them; a relay may have a login"))
            }
            (Some(route), None) if route.get_ref() == "mx" => Ok(Some(Way::Mx)),
            (Some(route), None) => Ok(Some(Way::Route(next_hop(route, source)?))),
            (None, Some(relay)) => {
                let checked = relay.get_ref().check(relay, source)?;
                if let Some(tls) = &self.tls {
                    let what = "a rule with a relay has its tls there";
                    return Err(source.fault(tls, what, "move it into relay = { … }"));
                }
                Ok(Some(Way::Relay(checked)))
            }
            (None, None) => Ok(None),
        }
    }
}

fn patterns<T>(
    written: &[Spanned<String>],
    parse: impl Fn(&str) -> Option<T>,
    source: &Source<'_>,
    wrong: impl Fn(&str) -> (String, &'static str),
) -> Result<Vec<T>, Fault> {
    let read = |written: &Spanned<String>| {
        parse(written.get_ref()).ok_or_else(|| {
            let (what, remedy) = wrong(written.get_ref());
            source.fault(written, what, remedy)
        })
    };
    written.iter().map(read).collect()
}
