//! `posthouse.toml`: read, checked whole, and then impossible to get wrong.
//!
//! ```text
//!   file → toml (unknown keys, types) → each section's rules → rules between sections → Config
//!                     └──────── every refusal has file:line:column and a remedy ────────┘
//! ```
//!
//! One file for each section: its keys, their defaults, its rules. A [`Config`] that exists
//! fits together; what depends on the machine (ports, certificates, rights) is found out by
//! `check` and `serve`.
//!
//! Standards: TOML 1.1.
//! Not here: whether the machine can do what the configuration asks (`check`).

mod auth;
mod backup;
mod dns;
mod fault;
mod limits;
mod listener;
mod nearest;
mod network;
mod notices;
mod outbound;
mod policy;
mod queue;
mod recipients;
mod store;
mod tls;
mod unit;

#[cfg(test)]
mod tests;

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use directory::Separator;
use envelope::Domain;
use platform::{Disk, RealDisk};
use serde::Deserialize;
use toml::Spanned;

pub(crate) use self::backup::Backup;
pub(crate) use self::fault::Fault;
pub(crate) use self::limits::{Limits, Rate};
pub(crate) use self::listener::{Listener, Protocol, Security};
pub(crate) use self::network::Network;
pub(crate) use self::notices::Notices;
pub(crate) use self::outbound::{
    HostPort, NextHop, Outbound, Relay, RelayTls, Rule as OutboundRule, Way, host_port,
};
pub(crate) use self::policy::Policy;
pub(crate) use self::queue::Queue;
pub(crate) use self::tls::Tls;
pub(crate) use self::unit::{size, time};

use self::fault::Source;

/// Largest configuration file in octets: hundreds of routes fit, a mistaken path to a disk
/// image does not fill the memory.
const FILE_OCTETS_MAX: usize = 1024 * 1024;

/// Where the configuration is looked for when `--config` is not given.
pub(crate) const PLACES: [&str; 2] = ["./posthouse.toml", "/etc/posthouse/posthouse.toml"];

/// A whole configuration. Exists only if its parts make sense together.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The file that it was read from.
    pub(crate) file: PathBuf,
    /// The name by which we greet.
    pub(crate) hostname: Domain,
    /// The folder of everything durable.
    pub(crate) data_dir: PathBuf,
    /// In the order of the file, which is that of the `ready` line.
    pub(crate) listeners: Vec<Listener>,
    /// Where certificates come from.
    pub(crate) tls: Tls,
    /// Whether passwords are taken without TLS.
    pub(crate) allow_cleartext: bool,
    /// What peers may ask of us.
    pub(crate) limits: Limits,
    /// Whom among strangers we take mail from.
    pub(crate) policy: Policy,
    /// Resolvers; empty for the system's.
    pub(crate) dns_servers: Vec<std::net::SocketAddr>,
    /// How mail leaves.
    pub(crate) outbound: Outbound,
    /// How long mail waits.
    pub(crate) queue: Queue,
    /// What stands between a user and a detail in an address of ours.
    pub(crate) separator: Separator,
    /// How senders are told.
    pub(crate) notices: Notices,
    /// Copies that the server makes by itself.
    pub(crate) backup: Option<Backup>,
}

/// What may stand in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    hostname: Spanned<String>,
    data_dir: Spanned<String>,
    #[serde(default)]
    store: store::Written,
    #[serde(default)]
    listener: Vec<Spanned<listener::Written>>,
    #[serde(default)]
    tls: tls::Written,
    #[serde(default)]
    auth: auth::Written,
    #[serde(default)]
    limits: limits::Written,
    #[serde(default)]
    policy: policy::Written,
    #[serde(default)]
    dns: dns::Written,
    #[serde(default)]
    outbound: outbound::Written,
    #[serde(default)]
    queue: queue::Written,
    #[serde(default)]
    recipients: recipients::Written,
    #[serde(default)]
    notices: notices::Written,
    #[serde(default)]
    backup: backup::Written,
}

impl Config {
    /// Reads the file that was named, or the first of [`PLACES`] that exists.
    pub(crate) fn find(named: Option<&Path>) -> Result<Self, Fault> {
        if let Some(file) = named {
            return Self::read(file);
        }
        let exists = |place: &&&str| RealDisk.exists(Path::new(place)).unwrap_or(true);
        match PLACES.iter().find(exists) {
            Some(place) => Self::read(Path::new(place)),
            None => Err(Fault::nowhere(&PLACES)),
        }
    }

    /// Reads one file.
    pub(crate) fn read(file: &Path) -> Result<Self, Fault> {
        let octets = RealDisk
            .read_whole(file, FILE_OCTETS_MAX)
            .map_err(|error| Fault::unreadable(file, &error))?;
        let text = String::from_utf8(octets)
            .map_err(|_| Fault::unreadable(file, &io::Error::other("it is not UTF-8 text")))?;
        Self::parse(file, &text)
    }

    /// Takes a file's text; relative paths in it count from the folder of `file`.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self, Fault> {
        let source = Source { file, text };
        let written: Written = toml::from_str(text).map_err(|error| source.syntax(&error))?;
        written.store.check(&source)?;
        let allow_cleartext = written.auth.check();
        let listeners = listener::check(written.listener, &source)?;
        written.auth.check_with(&listeners, &source)?;
        Ok(Self {
            file: file.to_owned(),
            hostname: hostname(&written.hostname, &source)?,
            data_dir: source.path(&written.data_dir)?,
            tls: written.tls.check(&source)?,
            listeners,
            allow_cleartext,
            limits: written.limits.check(&source)?,
            policy: written.policy.check(&source)?,
            dns_servers: written.dns.check(&source)?,
            outbound: written.outbound.check(&source)?,
            queue: written.queue.check(&source)?,
            separator: written.recipients.check(&source)?,
            notices: written.notices.check(&source)?,
            backup: written.backup.check(&source)?,
        })
    }
}

fn hostname(written: &Spanned<String>, source: &Source<'_>) -> Result<Domain, Fault> {
    let text = written.get_ref();
    let remedy = "write the host's full name as in DNS, such as \"mx.example.org\"";
    match Domain::parse(text) {
        Ok(domain) if domain.literal().is_none() && text.parse::<IpAddr>().is_err() => Ok(domain),
        Ok(_) => Err(source.fault(written, format!("hostname {text:?} is an address"), remedy)),
        Err(error) => {
            Err(source.fault(written, format!("hostname {text:?} is not a name: {error}"), remedy))
        }
    }
}
