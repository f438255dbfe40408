//! HELO and EHLO: what a stranger may call itself.
//!
//! Whether the name belongs to the client's address is no rule: RFC 5321 §4.1.4 forbids to refuse
//! for that. But a stranger that calls itself by our own name lies for sure.
//!
//! Standards: RFC 5321 §4.1.1.1 (the argument), §4.1.4 (what must not be refused), §2.3.5
//! (full names).
//! Not here: syntax (crate `smtp`).

use std::net::{IpAddr, SocketAddr};

use envelope::{Domain, EnhancedStatus};
use smtp::Reply;

use super::Verdict;

/// What a client may call itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HelloRules {
    /// Whether strangers may have our own name or address.
    pub own_name: OwnName,
    /// What form of name is asked for.
    pub form: NameForm,
}

/// Whether strangers may call themselves by our own name or address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnName {
    /// Yes.
    #[default]
    Taken,
    /// No.
    Refused,
}

/// What form of name is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameForm {
    /// Whatever RFC 5321 calls a domain: `localhost` as well.
    #[default]
    Any,
    /// A name with a dot, or an address in brackets.
    Full,
}

/// By what we know ourselves.
pub(super) struct Ours<'a> {
    pub(super) hostname: &'a Domain,
    pub(super) listening: &'a [SocketAddr],
}

pub(super) fn check(rules: HelloRules, ours: &Ours<'_>, peer: IpAddr, name: &str) -> Verdict {
    let bare = name.strip_suffix('.').unwrap_or(name);
    let Ok(claimed) = Domain::parse(bare) else { return Verdict::Silent };
    if rules.own_name == OwnName::Refused && !ours.has(peer) && ours.is(&claimed) {
        let text = format!("{name} is our own name, and you are not us");
        return Verdict::Refused(Reply::new(550, EnhancedStatus::new(5, 7, 1), text));
    }
    if rules.form == NameForm::Full && claimed.literal().is_none() && !bare.contains('.') {
        let text = format!("{name} is not a full host name; use one with a dot, or [address]");
        return Verdict::Refused(Reply::new(504, EnhancedStatus::new(5, 5, 4), text));
    }
    match rules {
        HelloRules { own_name: OwnName::Taken, form: NameForm::Any } => Verdict::Silent,
        HelloRules { form: NameForm::Full, .. } => Verdict::Sound("a full name".to_owned()),
        HelloRules { own_name: OwnName::Refused, .. } => Verdict::Sound("not our name".to_owned()),
    }
}

impl Ours<'_> {
    /// Whether a client is this very machine.
    fn has(&self, peer: IpAddr) -> bool {
        peer.is_loopback() || self.listening.iter().any(|own| own.ip().to_canonical() == peer)
    }

    fn is(&self, claimed: &Domain) -> bool {
        match claimed.literal() {
            Some(address) => self.has(address.to_canonical()),
            None => claimed == self.hostname,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_strangers_may_have() {
        let hostname = Domain::parse("mx.example.org").unwrap();
        let listening = ["192.0.2.1:25".parse().unwrap(), "[2001:db8::1]:25".parse().unwrap()];
        let ours = Ours { hostname: &hostname, listening: &listening };
        let all = HelloRules { own_name: OwnName::Refused, form: NameForm::Full };
        let own = HelloRules { form: NameForm::Any, ..all };
        let stranger = "198.51.100.7";
        #[rustfmt::skip]
        let rows = [
            (all, stranger, "mail.else.test", "ok", "a name of its own"),
            (all, stranger, "MX.Example.Org", "550", "our name in any case"),
            (all, stranger, "mx.example.org.", "550", "with the root's dot"),
            (all, stranger, "[192.0.2.1]", "550", "our address"),
            (all, stranger, "[IPv6:2001:db8::1]", "550", "our IPv6 address"),
            (all, stranger, "[127.0.0.1]", "550", "loopback, from elsewhere"),
            (all, stranger, "[198.51.100.7]", "ok", "RFC 5321 §4.1.3: its own address"),
            (all, "192.0.2.1", "mx.example.org", "ok", "we ourselves"),
            (all, "127.0.0.1", "mx.example.org", "ok", "a program on this machine"),
            (all, stranger, "localhost", "504", "no dot"),
            (all, stranger, "example.org", "ok", "our domain has other hosts, too"),
            (own, stranger, "localhost", "ok", "full names are an option"),
            (own, stranger, "mx.example.org", "550", "our name is not"),
            (HelloRules::default(), stranger, "mx.example.org", "silent", "all rules are off"),
        ];
        for (rules, peer, name, wanted, why) in rows {
            let verdict = match check(rules, &ours, peer.parse().unwrap(), name) {
                Verdict::Silent => "silent".to_owned(),
                Verdict::Sound(_) | Verdict::Passed(_) => "ok".to_owned(),
                Verdict::Refused(reply) => reply.code().to_string(),
            };
            assert_eq!(verdict, wanted, "{name} from {peer}: {why}");
        }
    }
}
