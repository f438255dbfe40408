//! `[[listener]]`: what we serve, where, and with which protection.
//!
//! Standards: RFC 5321 (SMTP), RFC 6409 (submission), RFC 1939 (POP3), RFC 8314 §3 (TLS).
//! Not here: binding the addresses (`serve`).

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::fault::{Fault, Source};
use super::network::{Network, NotANetwork};

/// One kind of service on some addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listener {
    /// What is spoken.
    pub(crate) protocol: Protocol,
    /// Where.
    pub(crate) bind: Vec<SocketAddr>,
    /// How it is protected.
    pub(crate) security: Security,
    /// Who may relay without a login.
    pub(crate) relay_from: Vec<Network>,
    /// Proxies that tell by XCLIENT whose session they pass on.
    pub(crate) xclient_from: Vec<Network>,
    /// Load balancers in front of it, who tell by the PROXY protocol who the peer is.
    pub(crate) proxy_from: Vec<Network>,
    /// Where it stands in the file.
    pub(super) place: Range<usize>,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.protocol.name(), self.security.name())
    }
}

/// A protocol that we serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Mail from other servers.
    Smtp,
    /// Mail for our users from our own other servers.
    Lmtp,
    /// Mail from our users.
    Submission,
    /// Mail for our users.
    Pop3,
}

impl Protocol {
    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Lmtp => "lmtp",
            Self::Submission => "submission",
            Self::Pop3 => "pop3",
        }
    }

    /// Whether users log in.
    pub(super) fn has_login(self) -> bool {
        !matches!(self, Self::Smtp | Self::Lmtp)
    }
}

/// How a listener is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Security {
    /// Not at all.
    None,
    /// By TLS when the client asks for it (STARTTLS, STLS).
    StartTls,
    /// By TLS from the first octet.
    Implicit,
}

impl Security {
    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::StartTls => "starttls",
            Self::Implicit => "implicit",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    protocol: Spanned<WrittenProtocol>,
    bind: Spanned<Vec<Spanned<String>>>,
    tls: Security,
    relay_from: Option<Spanned<Vec<Spanned<String>>>>,
    proxy_from: Option<Spanned<Vec<Spanned<String>>>>,
    xclient_from: Option<Spanned<Vec<Spanned<String>>>>,
}

/// Every protocol that INTERFACES name, whether it exists yet or not.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenProtocol {
    Smtp,
    Submission,
    Lmtp,
    Pop3,
    Imap,
    ManageSieve,
    Http,
}

/// The rules for each listener and between them.
pub(super) fn check(
    written: Vec<Spanned<Written>>,
    source: &Source<'_>,
) -> Result<Vec<Listener>, Fault> {
    let mut listeners: Vec<Listener> = Vec::new();
    for written in written {
        let place = written.span();
        let (listener, binds) = one(written.into_inner(), place, source)?;
        let mut taken: Vec<(SocketAddr, Protocol)> = listeners
            .iter()
            .flat_map(|other| other.bind.iter().map(|address| (*address, other.protocol)))
            .collect();
        for (address, written) in listener.bind.iter().zip(&binds) {
            if let Some((other, protocol)) =
                taken.iter().find(|(other, _)| collide(*address, *other))
            {
                let what =
                    format!("{address} is taken by the {} listener on {other}", protocol.name());
                return Err(source.fault(
                    written,
                    what,
                    "give each listener an address or port of its own",
                ));
            }
            taken.push((*address, listener.protocol));
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Whether two addresses cannot be bound at the same time.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port()
        && one.port() != 0 // the system finds a free one
        && one.is_ipv4() == other.is_ipv4()
        && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}

fn one(
    written: Written,
    place: Range<usize>,
    source: &Source<'_>,
) -> Result<(Listener, Vec<Spanned<String>>), Fault> {
    let protocol = protocol(&written.protocol, source)?;
    let span = written.bind.span();
    let binds = written.bind.into_inner();
    if binds.is_empty() {
        let remedy = "name at least one address with its port, such as \"127.0.0.1:2525\"";
        return Err(source.fault_in(span, "this listener has no address", remedy));
    }
    let bind = binds.iter().map(|text| address(text, source)).collect::<Result<_, _>>()?;
    let smtp_port = |address: &&Spanned<String>| address.get_ref().ends_with(":25");
    if protocol == Protocol::Lmtp
        && let Some(address) = binds.iter().find(smtp_port)
    {
        let what = "port 25 is for SMTP, never for LMTP (RFC 2033 §5)";
        return Err(source.fault(address, what, "choose another port, such as 24"));
    }
    let relay_from = match &written.relay_from {
        None => Vec::new(),
        Some(networks) if protocol == Protocol::Smtp => {
            let networks = networks.get_ref().iter();
            networks.map(|text| network(text, Key::Relay, source)).collect::<Result<_, _>>()?
        }
        Some(networks) => {
            let who = match protocol {
                Protocol::Lmtp => "lmtp brings mail to our own users".to_owned(),
                _ => format!("who uses {} logs in", protocol.name()),
            };
            let what = format!("relay_from is for smtp listeners only; {who}");
            return Err(source.fault(networks, what, "remove relay_from here"));
        }
    };
    let proxy_from = match &written.proxy_from {
        None => Vec::new(),
        Some(networks) if networks.get_ref().is_empty() => {
            let what = "proxy_from names no proxy";
            return Err(source.fault(networks, what, "name its network, or remove proxy_from"));
        }
        Some(networks) => {
            let networks = networks.get_ref().iter();
            networks.map(|text| network(text, Key::Proxy, source)).collect::<Result<_, _>>()?
        }
    };
    let xclient_from = xclient_from(written.xclient_from.as_ref(), protocol, source)?;
    let security = written.tls;
    let listener =
        Listener { protocol, bind, security, relay_from, xclient_from, proxy_from, place };
    Ok((listener, binds))
}

fn xclient_from(
    written: Option<&Spanned<Vec<Spanned<String>>>>,
    protocol: Protocol,
    source: &Source<'_>,
) -> Result<Vec<Network>, Fault> {
    let Some(networks) = written else { return Ok(Vec::new()) };
    if !matches!(protocol, Protocol::Smtp | Protocol::Submission) {
        let what = format!("xclient_from is for smtp and submission, not for {}", protocol.name());
        return Err(source.fault(networks, what, "remove xclient_from here, or use proxy_from"));
    }
    let networks = networks.get_ref().iter();
    networks.map(|text| network(text, Key::Xclient, source)).collect()
}

fn protocol(written: &Spanned<WrittenProtocol>, source: &Source<'_>) -> Result<Protocol, Fault> {
    let later = match written.get_ref() {
        WrittenProtocol::Smtp => return Ok(Protocol::Smtp),
        WrittenProtocol::Submission => return Ok(Protocol::Submission),
        WrittenProtocol::Pop3 => return Ok(Protocol::Pop3),
        WrittenProtocol::Lmtp => return Ok(Protocol::Lmtp),
        WrittenProtocol::Imap => "imap",
        WrittenProtocol::ManageSieve => "managesieve",
        WrittenProtocol::Http => "http",
    };
    let what = format!("protocol = {later:?}");
    Err(source.later(written, what, "use smtp, lmtp, submission or pop3, or remove this listener"))
}

fn address(written: &Spanned<String>, source: &Source<'_>) -> Result<SocketAddr, Fault> {
    let text = written.get_ref();
    text.parse().map_err(|_| {
        let what = format!("{text:?} is not an address with a port");
        source.fault(
            written,
            what,
            "write it as \"127.0.0.1:2525\" or \"[::1]:2525\"; names are not looked up",
        )
    })
}

/// A key that names networks.
#[derive(Clone, Copy)]
enum Key {
    Relay,
    Proxy,
    Xclient,
}

impl Key {
    /// What follows when it names everybody, and what to do.
    fn everybody(self, text: &str) -> (String, &'static str) {
        match self {
            Self::Relay => (
                format!("relay_from = {text:?} lets everybody send through this host"),
                "name only networks that are yours; others would send spam in your name",
            ),
            Self::Xclient => (
                format!("xclient_from = {text:?} lets everybody say that he is somebody else"),
                "name only your proxies",
            ),
            Self::Proxy => (
                format!("proxy_from = {text:?} lets everybody say that he is somebody else"),
                "name only your load balancers",
            ),
        }
    }
}

fn network(written: &Spanned<String>, key: Key, source: &Source<'_>) -> Result<Network, Fault> {
    let text = written.get_ref();
    match text.parse::<Network>() {
        Ok(network) if network.prefix() == 0 => {
            let (what, remedy) = key.everybody(text);
            Err(source.fault(written, what, remedy))
        }
        Ok(network) => Ok(network),
        Err(error) => {
            let remedy = match error {
                NotANetwork::Inside(network) => format!("write \"{network}\""),
                NotANetwork::Form => "write it as \"192.0.2.0/24\"".to_owned(),
            };
            Err(source.fault(written, format!("{text:?} is not a network: {error}"), remedy))
        }
    }
}
