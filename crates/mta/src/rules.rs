//! The operator's rules about mail that leaves: which one applies, and what it says.
//!
//! ```text
//!   sender, domain ─▶ the first rule that matches ─▶ where to, TLS, how many, how fast, from where
//!                      └ what it does not say, the other settings do
//! ```
//!
//! Standards: RFC 5321 §5 (where mail goes), §4.5.4.1 (concurrency is the sender's strategy).
//! Not here: how TLS follows from it (`tlspolicy`), turns (`queue::lanes`).

use std::net::IpAddr;

use envelope::{Address, Domain, ReversePath};

use store::FixedRoute;

use crate::reception::policy::Rate;
use crate::{NextHop, OutboundConfig, Relay};

/// A rule about mail to some domains, from some senders, or both.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What it is called where it is told of.
    pub name: String,
    /// Recipients' domains; none: all.
    pub to: Vec<DomainPattern>,
    /// Senders; none: all.
    pub from: Vec<SenderPattern>,
    /// Where such mail goes; `None`: where it would go without the rule.
    pub way: Option<Way>,
    /// How it is protected.
    pub tls: Option<TlsRule>,
    /// Most attempts at a time, at each destination.
    pub concurrency: Option<usize>,
    /// Most transactions in a time, at each destination.
    pub rate: Option<Rate>,
    /// Source addresses; none: the usual ones.
    pub bind: Vec<IpAddr>,
}

/// Where mail goes.
#[derive(Clone, Debug)]
pub enum Way {
    /// To the domain's own servers.
    Exchangers,
    /// To a fixed host.
    Route(NextHop),
    /// To a smart host.
    Relay(Relay),
}

/// How mail that a rule is about is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsRule {
    /// Where the server offers it.
    Opportunistic,
    /// By STARTTLS with a certificate that proves the host, or nothing is sent.
    Required,
    /// Not at all: for servers whose TLS is broken.
    Never,
}

/// Some domains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DomainPattern {
    /// Every one.
    Any,
    /// This one.
    Exactly(Domain),
    /// Those below it, at any depth.
    Below(Domain),
}

impl DomainPattern {
    /// Reads `example.net`, `*.example.net` or `*`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("*.") {
            _ if text == "*" => Some(Self::Any),
            Some(parent) => Domain::parse(parent).ok().map(Self::Below),
            None => Domain::parse(text).ok().map(Self::Exactly),
        }
    }

    fn matches(&self, domain: &Domain) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(wanted) => domain == wanted,
            Self::Below(parent) => {
                let above = domain.as_str().strip_suffix(parent.as_str());
                above.is_some_and(|above| above.ends_with('.'))
            }
        }
    }
}

/// Some senders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SenderPattern {
    /// Nobody: notices (RFC 5321 §4.5.5).
    Null,
    /// This one.
    Address(Address),
    /// Those at some domains.
    Domain(DomainPattern),
}

impl SenderPattern {
    /// Reads `ada@example.org`, `<>`, or what stands for domains.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "<>" => Some(Self::Null),
            _ if text.contains('@') => Address::parse(text).ok().map(Self::Address),
            _ => DomainPattern::parse(text).map(Self::Domain),
        }
    }

    fn matches(&self, sender: &ReversePath) -> bool {
        match (self, sender.address()) {
            (Self::Null, address) => address.is_none(),
            (Self::Address(wanted), Some(address)) => address.folded() == wanted.folded(),
            (Self::Domain(pattern), Some(address)) => pattern.matches(address.domain()),
            (_, None) => false,
        }
    }
}

impl Rule {
    fn matches(&self, sender: &ReversePath, domain: &Domain) -> bool {
        (self.to.is_empty() || self.to.iter().any(|pattern| pattern.matches(domain)))
            && (self.from.is_empty() || self.from.iter().any(|pattern| pattern.matches(sender)))
    }
}

/// What applies to mail from a sender to a domain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    config: &'a OutboundConfig,
    pub(crate) rule: Option<&'a Rule>,
}

/// Where it goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'a> {
    Exchangers,
    Route(&'a NextHop),
    Relay(&'a Relay),
}

/// A destination as turns are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    /// The domain; the host where a limit is for all that goes through it.
    pub(crate) name: String,
    pub(crate) concurrency: Option<usize>,
    pub(crate) rate: Option<Rate>,
    /// Who says so.
    pub(crate) rule: Option<String>,
}

impl<'a> Outgoing<'a> {
    /// The first rule that matches is the one that counts.
    pub(crate) fn of(config: &'a OutboundConfig, sender: &ReversePath, domain: &Domain) -> Self {
        Self { config, rule: config.rules.iter().find(|rule| rule.matches(sender, domain)) }
    }

    pub(crate) fn target(&self, domain: &Domain) -> Target<'a> {
        match self.rule.and_then(|rule| rule.way.as_ref()) {
            Some(Way::Exchangers) => return Target::Exchangers,
            Some(Way::Route(route)) => return Target::Route(route),
            Some(Way::Relay(relay)) => return Target::Relay(relay),
            None => {}
        }
        match (self.config.routes.get(domain), &self.config.relay) {
            (Some(route), _) => Target::Route(route),
            (None, Some(relay)) => Target::Relay(relay),
            (None, None) => Target::Exchangers,
        }
    }

    /// The smart host that this goes to, where it goes to one.
    pub(crate) fn relay(&self) -> Option<&'a Relay> {
        match self.rule.and_then(|rule| rule.way.as_ref()) {
            Some(Way::Relay(relay)) => Some(relay),
            Some(_) => None,
            None => self.config.relay.as_ref(),
        }
    }

    /// Source addresses to choose from.
    pub(crate) fn bind(&self) -> &'a [IpAddr] {
        match self.rule {
            Some(rule) if !rule.bind.is_empty() => &rule.bind,
            _ => &self.config.bind,
        }
    }

    /// Whose turns are waited for; those of the host that an operator named `by_hand`.
    pub(crate) fn destination(&self, domain: &Domain, by_hand: Option<&FixedRoute>) -> Destination {
        if let Some(route) = by_hand {
            let name = route.to_string();
            return Destination { name, concurrency: None, rate: None, rule: None };
        }
        let limits = self.rule.filter(|rule| rule.concurrency.is_some() || rule.rate.is_some());
        let host = limits.and_then(|_| match self.target(domain) {
            Target::Exchangers => None,
            Target::Route(NextHop::LmtpFile(socket)) => Some(socket.display().to_string()),
            Target::Route(NextHop::Smtp(route) | NextHop::Lmtp(route))
            | Target::Relay(Relay { route, .. }) => Some(format!("{}:{}", route.host, route.port)),
        });
        Destination {
            name: host.unwrap_or_else(|| domain.to_string()),
            concurrency: limits.and_then(|rule| rule.concurrency),
            rate: limits.and_then(|rule| rule.rate),
            rule: limits.map(|rule| rule.name.clone()),
        }
    }

    /// Which rule applies, for events; empty where none does.
    pub(crate) fn why(&self) -> String {
        self.rule.map(|rule| format!("by {}", rule.name)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, to: &[&str], from: &[&str]) -> Rule {
        Rule {
            name: name.to_owned(),
            to: to.iter().map(|text| DomainPattern::parse(text).unwrap()).collect(),
            from: from.iter().map(|text| SenderPattern::parse(text).unwrap()).collect(),
            way: None,
            tls: None,
            concurrency: None,
            rate: None,
            bind: Vec::new(),
        }
    }

    #[test]
    fn the_first_rule_that_matches_counts() {
        let config = OutboundConfig {
            rules: vec![
                rule("ada to b", &["b.test"], &["ada@a.test"]),
                rule("below b", &["*.b.test"], &[]),
                rule("notices", &[], &["<>"]),
                rule("a", &["*"], &["a.test", "*.a.test"]),
            ],
            ..OutboundConfig::default()
        };
        #[rustfmt::skip]
        let rows = [
            ("ada@a.test", "b.test", Some("ada to b"), "both match"),
            ("ADA@a.test", "B.test", Some("ada to b"), "case does not matter"),
            ("eve@a.test", "b.test", Some("a"), "another sender"),
            ("ada@a.test", "x.y.b.test", Some("below b"), "at any depth"),
            ("ada@a.test", "notb.test", Some("a"), "a suffix that is no subdomain"),
            ("", "c.test", Some("notices"), "RFC 5321 §4.5.5: the null reverse-path"),
            ("x@sub.a.test", "c.test", Some("a"), "a subdomain of senders"),
            ("x@else.test", "c.test", None, "nothing matches"),
        ];
        for (sender, domain, wanted, why) in rows {
            let sender = match sender {
                "" => ReversePath::NULL,
                text => ReversePath::from(Address::parse(text).unwrap()),
            };
            let domain = Domain::parse(domain).unwrap();
            let found = Outgoing::of(&config, &sender, &domain).rule;
            assert_eq!(found.map(|rule| rule.name.as_str()), wanted, "{why}");
        }
    }

    #[test]
    fn patterns_that_are_none() {
        for text in ["", "*b.test", "b.*", "a b", "**"] {
            assert_eq!(DomainPattern::parse(text), None, "{text:?}");
        }
        for text in ["@b.test", "ada@*.test"] {
            assert_eq!(SenderPattern::parse(text), None, "{text:?}");
        }
    }
}
