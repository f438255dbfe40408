//! `[outbound]`: how mail leaves.
//!
//! Standards: RFC 5321 §5 (address resolution and mail handling), RFC 2033 §5 (LMTP's port), RFC 8314 §3.3 (submission).
//! Not here: choosing hosts and speaking to them (crate `mta`).

mod rule;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use envelope::Domain;
use serde::Deserialize;
use toml::Spanned;

use super::fault::{Fault, Source};

pub(crate) use self::rule::{Rule, Way};

/// How mail leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outbound {
    /// The port at which MX hosts are spoken to.
    pub(crate) port: u16,
    /// Whether loopback and private addresses may be delivered to.
    pub(crate) allow_private: bool,
    /// Addresses to send from, at most one of each family.
    pub(crate) bind: Vec<IpAddr>,
    /// Domains whose mail goes to a host of its own.
    pub(crate) routes: BTreeMap<Domain, NextHop>,
    /// The host that all other mail goes to.
    pub(crate) relay: Option<Relay>,
    /// What is different for some mail; the first that matches counts.
    pub(crate) rules: Vec<Rule>,
}

/// Where a domain's mail goes instead of its MX.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NextHop {
    /// To another server.
    Smtp(HostPort),
    /// To a server that puts it into mailboxes.
    Lmtp(HostPort),
    /// To such a program on this machine.
    LmtpFile(PathBuf),
}

/// What stands before a host or a socket that speaks LMTP.
const LMTP: &str = "lmtp:";
/// The port that is SMTP's alone.
const SMTP_PORT: u16 = 25;
/// Longest name of a socket: the system has 108 octets for it, the last of them zero.
const SOCKET_OCTETS_MAX: usize = 107;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostPort {
    /// A name, or an address literal.
    pub(crate) host: Domain,
    /// The port.
    pub(crate) port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.literal() {
            Some(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            Some(IpAddr::V4(address)) => write!(f, "{address}:{}", self.port),
            None => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// The host that takes our mail, and how we log in there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relay {
    /// Where.
    pub(crate) host: HostPort,
    /// How it is protected.
    pub(crate) tls: RelayTls,
    /// The user name and the file with the password.
    pub(crate) login: Option<(String, PathBuf)>,
}

/// How the connection to a relay is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RelayTls {
    /// Nothing is demanded: TLS is used where it is offered.
    None,
    /// By STARTTLS with a certificate that proves the host, or nothing is sent.
    StartTls,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenTls {
    None,
    #[default]
    StartTls,
    Implicit,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    port: Option<Spanned<u16>>,
    #[serde(default)]
    allow_private: bool,
    #[serde(default)]
    bind: Vec<Spanned<String>>,
    #[serde(default)]
    routes: BTreeMap<Spanned<String>, Spanned<String>>,
    relay: Option<Spanned<WrittenRelay>>,
    #[serde(default)]
    rule: Vec<Spanned<rule::Written>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRelay {
    host: Spanned<String>,
    tls: Option<Spanned<WrittenTls>>,
    username: Option<Spanned<String>>,
    password_file: Option<Spanned<String>>,
}

impl Written {
    pub(super) fn check(&self, source: &Source<'_>) -> Result<Outbound, Fault> {
        Ok(Outbound {
            port: match &self.port {
                None => 25,
                Some(port) if *port.get_ref() == 0 => {
                    return Err(source.fault(port, "port 0 cannot be connected to", "write 25"));
                }
                Some(port) => *port.get_ref(),
            },
            allow_private: self.allow_private,
            bind: addresses(&self.bind, source)?,
            routes: self.routes(source)?,
            relay: match &self.relay {
                Some(relay) => Some(relay.get_ref().check(relay, source)?),
                None => None,
            },
            rules: rule::check(&self.rule, source)?,
        })
    }

    fn routes(&self, source: &Source<'_>) -> Result<BTreeMap<Domain, NextHop>, Fault> {
        let mut routes = BTreeMap::new();
        for (domain, target) in &self.routes {
            let name = Domain::parse(domain.get_ref()).map_err(|error| {
                let what = format!("{:?} is not a domain: {error}", domain.get_ref());
                source.fault(domain, what, "write it as \"relay.example.net\"")
            })?;
            if routes.insert(name, next_hop(target, source)?).is_some() {
                let what = format!("{:?} has a route already", domain.get_ref());
                return Err(source.fault(domain, what, "keep one of them"));
            }
        }
        Ok(routes)
    }
}

impl WrittenRelay {
    fn check(&self, at: &Spanned<Self>, source: &Source<'_>) -> Result<Relay, Fault> {
        let login = match (&self.username, &self.password_file) {
            (None, None) => None,
            (Some(username), Some(file)) => Some((username.get_ref().clone(), source.path(file)?)),
            _ => {
                let what = "a login needs both username and password_file";
                return Err(source.fault(at, what, "add the missing one, or remove the other"));
            }
        };
        let tls = self.tls(source)?;
        if let (RelayTls::None, Some(username)) = (tls, &self.username) {
            let what = "tls = \"none\" would send the password in clear text";
            let remedy = "set tls = \"starttls\", or remove username and password_file";
            return Err(source.fault(username, what, remedy));
        }
        Ok(Relay { host: host_port_of(&self.host, source)?, tls, login })
    }

    fn tls(&self, source: &Source<'_>) -> Result<RelayTls, Fault> {
        let Some(written) = &self.tls else { return Ok(RelayTls::StartTls) };
        match written.get_ref() {
            WrittenTls::None => Ok(RelayTls::None),
            WrittenTls::StartTls => Ok(RelayTls::StartTls),
            WrittenTls::Implicit => Err(source.later(
                written,
                "tls = \"implicit\" for a relay",
                "use tls = \"starttls\" and the port for it, mostly 587",
            )),
        }
    }
}

/// `host:port`, `lmtp:host:port` or `lmtp:/path`.
fn next_hop(written: &Spanned<String>, source: &Source<'_>) -> Result<NextHop, Fault> {
    let Some(target) = written.get_ref().strip_prefix(LMTP) else {
        return Ok(NextHop::Smtp(host_port_of(written, source)?));
    };
    if target.starts_with('/') {
        if target.len() > SOCKET_OCTETS_MAX || target.contains('\0') {
            let what = format!("{target:?} cannot be the name of a socket");
            let remedy = "use a path without NUL and of at most 107 octets";
            return Err(source.fault(written, what, remedy));
        }
        return Ok(NextHop::LmtpFile(PathBuf::from(target)));
    }
    let host = host_port_in(target, written, source)?;
    if host.port == SMTP_PORT {
        let what = "port 25 is for SMTP, never for LMTP (RFC 2033 §5)";
        return Err(source.fault(written, what, "name the LMTP server's own port, such as 24"));
    }
    Ok(NextHop::Lmtp(host))
}

/// Addresses to send from.
fn addresses(written: &[Spanned<String>], source: &Source<'_>) -> Result<Vec<IpAddr>, Fault> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for written in written {
        let text = written.get_ref();
        let address: IpAddr = text.parse().map_err(|_| {
            let what = format!("{text:?} is not an address to send from");
            source.fault(written, what, "write an address without a port")
        })?;
        if let Some(other) = addresses.iter().find(|other| other.is_ipv4() == address.is_ipv4()) {
            let what = format!("{address} and {other} are of the same family");
            return Err(source.fault(written, what, "name at most one IPv4 and one IPv6 address"));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

/// `host:port`, where the host is a name, an IPv4 address or an IPv6 address in brackets.
pub(crate) fn host_port(text: &str) -> Result<HostPort, String> {
    let parse = || {
        let (host, port) = text.rsplit_once(':')?;
        let port: u16 = port.parse().ok().filter(|port| *port != 0)?;
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let host = match bare.parse::<IpAddr>() {
            Ok(address) if address.is_ipv4() || bare.len() < host.len() => Domain::from(address),
            Ok(_) => return None, // IPv6 without brackets: where would the port begin?
            Err(_) => Domain::parse(host).ok()?,
        };
        Some(HostPort { host, port })
    };
    parse().ok_or_else(|| format!("{text:?} is not a host with a port"))
}

fn host_port_of(written: &Spanned<String>, source: &Source<'_>) -> Result<HostPort, Fault> {
    host_port_in(written.get_ref(), written, source)
}

/// The same of a part of what is written.
fn host_port_in(
    text: &str,
    written: &Spanned<String>,
    source: &Source<'_>,
) -> Result<HostPort, Fault> {
    host_port(text).map_err(|what| {
        source.fault(written, what, "write it as \"smtp.example.net:587\" or \"192.0.2.7:25\"")
    })
}
