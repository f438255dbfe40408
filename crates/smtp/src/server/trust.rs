//! What not every client may say: XCLIENT, by which a proxy tells whose session it passes on, and
//! ETRN, which starts the queue for a domain.
//!
//! Both are refused, and not offered, until the caller trusts the client. XCLIENT is a notation
//! of Postfix (its XCLIENT_README): attributes in xtext, `[UNAVAILABLE]` and `[TEMPUNAVAIL]` for
//! what is not known, and a 220 after it, with which the session begins anew.
//!
//! Standards: RFC 1985 (ETRN), RFC 3461 §4 (xtext).
//! Not here: who is trusted, and what becomes of the queue (crate `mta`).

use std::net::IpAddr;
use std::sync::Arc;

use envelope::{Domain, EnhancedStatus};

use super::{Event, Greeting, Phase, Question, Session};
use crate::reply::Reply;

/// What a client may say beside what everybody may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// XCLIENT: it is a proxy of ours.
    pub xclient: bool,
    /// ETRN; who has logged in may say it in any case.
    pub etrn: bool,
}

/// Whose session a proxy passes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxiedClient {
    /// NAME: its name in DNS.
    pub name: Attribute<String>,
    /// ADDR: its address.
    pub address: Attribute<IpAddr>,
    /// PORT: its port.
    pub port: Attribute<u16>,
    /// PROTO: whether it said HELO or EHLO.
    pub protocol: Attribute<ProxiedProtocol>,
    /// HELO: what it called itself, a domain or an address literal.
    pub helo: Attribute<String>,
    /// LOGIN: as whom it logged in.
    pub login: Attribute<String>,
    /// DESTADDR: the address that it connected to.
    pub destination: Attribute<IpAddr>,
}

/// What is told of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Attribute<T> {
    /// Nothing: it stays as it was.
    #[default]
    NotTold,
    /// That it is not known.
    Unknown,
    /// This.
    Is(T),
}

/// What a client spoke to its proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxiedProtocol {
    /// HELO.
    Smtp,
    /// EHLO.
    Esmtp,
}

impl<T> Attribute<T> {
    fn parse(value: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Self> {
        match value.to_ascii_uppercase().as_str() {
            "[UNAVAILABLE]" | "[TEMPUNAVAIL]" => Some(Self::Unknown),
            _ => parse(&decode_xtext(value)?).map(Self::Is),
        }
    }

    /// The later word counts, if there is one.
    pub fn or_before(self, before: Self) -> Self {
        match self {
            Self::NotTold => before,
            told => told,
        }
    }
}

impl ProxiedClient {
    /// Reads `NAME=value …`; the name of the attribute that is wrong otherwise.
    fn parse(argument: &str) -> Result<Self, String> {
        let mut client = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for word in argument.split(' ').filter(|word| !word.is_empty()) {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let name = name.to_ascii_uppercase();
            if seen.contains(&name) || client.set(&name, value).is_none() {
                return Err(name);
            }
            seen.push(name);
        }
        match seen.is_empty() {
            true => Err("its attributes".to_owned()),
            false => Ok(client),
        }
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        match name {
            "NAME" => self.name = Attribute::parse(value, host)?,
            "ADDR" => self.address = Attribute::parse(value, address)?,
            "PORT" => self.port = Attribute::parse(value, |port| port.parse().ok())?,
            "PROTO" => self.protocol = Attribute::parse(value, protocol)?,
            "HELO" => self.helo = Attribute::parse(value, host)?,
            "LOGIN" => self.login = Attribute::parse(value, text)?,
            "DESTADDR" => self.destination = Attribute::parse(value, address)?,
            _ => return None,
        }
        Some(())
    }
}

/// A name or literal that may stand in our trace fields.
fn host(text: &str) -> Option<String> {
    let is_host = Domain::parse(text.strip_suffix('.').unwrap_or(text)).is_ok();
    (text.is_ascii() && is_host).then(|| text.to_owned())
}

fn address(text: &str) -> Option<IpAddr> {
    let tagged = text.get(..5).is_some_and(|tag| tag.eq_ignore_ascii_case("IPV6:"));
    let bare = if tagged { text.get(5..)? } else { text };
    bare.parse::<IpAddr>().ok().filter(|address| !tagged || address.is_ipv6())
}

fn protocol(text: &str) -> Option<ProxiedProtocol> {
    match text.to_ascii_uppercase().as_str() {
        "SMTP" => Some(ProxiedProtocol::Smtp),
        "ESMTP" => Some(ProxiedProtocol::Esmtp),
        _ => None,
    }
}

/// Text in xtext, without control characters.
fn decode_xtext(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((octet, behind)) = rest.split_first() {
        rest = behind;
        if *octet != b'+' {
            octets.push(*octet);
            continue;
        }
        let (hex, behind) = rest.split_at_checked(2)?;
        let hex = std::str::from_utf8(hex).ok().filter(|hex| !hex.starts_with('+'))?;
        octets.push(u8::from_str_radix(hex, 16).ok()?);
        rest = behind;
    }
    String::from_utf8(octets).ok().filter(|text| !text.contains(char::is_control))
}

impl Session {
    /// Lets the client say more than others may. It is told so by the next reply to EHLO.
    pub fn trust(&mut self, trust: Trust) {
        self.trust = trust;
    }

    /// What EHLO says of it.
    pub(super) fn trusted_keywords(&self) -> String {
        let mut text = String::new();
        if self.may_etrn() {
            text.push_str("\nETRN");
        }
        if self.trust.xclient {
            text.push_str("\nXCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR");
        }
        text
    }

    fn may_etrn(&self) -> bool {
        self.trust.etrn || self.logged_in
    }

    pub(super) fn xclient(&mut self, argument: &str) -> Option<Event> {
        if !self.trust.xclient {
            let text = "XCLIENT is for our own proxies only";
            return self.wrong(Reply::new(550, EnhancedStatus::new(5, 7, 1), text));
        }
        if self.transaction.is_some() {
            return self.out_of_order("A transaction is open; RSET ends it");
        }
        match ProxiedClient::parse(argument) {
            Ok(client) => {
                let logged_in = match (&client.login, &client.address) {
                    (Attribute::Is(_), _) => true,
                    (Attribute::NotTold, Attribute::NotTold) => self.logged_in,
                    // It is somebody else.
                    _ => false,
                };
                let event = Event::Proxied(Box::new(client));
                Some(self.ask(Question::Proxied { logged_in }, event))
            }
            Err(name) => {
                let text = format!("Cannot understand {name} in XCLIENT");
                self.wrong(Reply::new(501, EnhancedStatus::new(5, 5, 4), text))
            }
        }
    }

    /// The session begins anew, as another client's. What was said and not yet sent is sent, and
    /// what came in behind is read.
    pub(super) fn begin_anew(&mut self, logged_in: bool) {
        let fresh = Self::new(Arc::clone(&self.config));
        let spent = std::mem::replace(self, fresh);
        let Self { input, output, encrypted, trust, progress, .. } = spent;
        (self.input, self.output) = (input, output);
        (self.encrypted, self.logged_in, self.progress) = (encrypted, logged_in, progress);
        // What the proxy itself may do, its clients may not.
        self.trust = Trust { etrn: false, ..trust };
        self.phase = Phase::Connect;
    }

    pub(super) fn etrn(&mut self, argument: &str) -> Option<Event> {
        if self.greeting != Greeting::Ehlo {
            return self.out_of_order("Send EHLO first");
        }
        if self.transaction.is_some() {
            return self.out_of_order("A transaction is open; RSET ends it");
        }
        if !self.may_etrn() {
            let text = "Node not allowed: log in, or ask from a network of ours";
            return self.wrong(Reply::new(459, EnhancedStatus::new(4, 7, 1), text));
        }
        if argument.starts_with(['@', '#']) {
            // RFC 1985 §5.3: both are a local matter.
            let text = "Unable to queue messages for more than one node; name each";
            return self.say(&Reply::new(458, EnhancedStatus::new(4, 3, 3), text));
        }
        match Domain::parse(argument) {
            Ok(node) if node.literal().is_none() => {
                Some(self.ask(Question::QueueStart, Event::QueueStart(node)))
            }
            _ => {
                let text = "Use ETRN with the domain whose mail you want";
                self.wrong(Reply::new(501, EnhancedStatus::new(5, 5, 4), text))
            }
        }
    }
}
