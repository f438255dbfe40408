//! Mail accounts: who one is, where one's mail waits, and through which server one sends.
//!
//! They are kept in `accounts.toml`, which people may edit; passwords are not in it
//! ([`secret`]).
//!
//! Standards: RFC 8314 §3 (implicit TLS and STARTTLS).
//! Not here: finding the servers ([`discover`](crate::discover)), talking to them.

mod file;
pub mod secret;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use envelope::Address;
use serde::{Deserialize, Serialize};

use crate::fault::Exit;

pub use file::{read, refuse_clear_text, write};

/// A mail account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Its address: what letters are from.
    pub address: Address,
    /// The name beside the address in letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What to log in as, when it is not the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// A command that prints the password; without it, `secrets.toml` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_command: Option<String>,
    /// A certificate authority to trust besides the system's (PEM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Whether mail stays on the server after it was fetched.
    #[serde(default = "yes")]
    pub leave_on_server: bool,
    /// Where its mail waits.
    pub pop3: Server,
    /// Through which server it sends.
    pub submission: Server,
}

fn yes() -> bool {
    true
}

impl Account {
    /// What to log in as.
    pub fn login(&self) -> String {
        self.login.clone().unwrap_or_else(|| self.address.to_string())
    }
}

/// A server and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: TlsMode,
}

impl Server {
    /// Whether its host is this very machine, by name.
    pub fn is_loopback(&self) -> bool {
        let name = self.host.trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        match host.contains(':') && !host.starts_with('[') {
            true => write!(f, "[{host}]:{port}"),
            false => write!(f, "{host}:{port}"),
        }
    }
}

/// How a connection to a server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// From the first octet (RFC 8314 §3.3).
    Implicit,
    /// After STARTTLS or STLS, which must be offered.
    Starttls,
    /// Not at all; only on this very machine.
    None,
}

impl TlsMode {
    /// Its word in options and in `accounts.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Implicit => "implicit",
            Self::Starttls => "starttls",
            Self::None => "none",
        }
    }
}

/// `HOST:PORT` as options have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not HOST:PORT, such as mail.example.org:995");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(wrong)?,
            None if host.contains(':') => return Err(wrong()),
            None => host,
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
        if host.is_empty() || !host.chars().all(allowed) {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

/// Why an account cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// There is none yet.
    #[error("there is no account")]
    None,
    /// None has this address.
    #[error("there is no account {wanted}")]
    Unknown {
        /// Which was asked for.
        wanted: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// `accounts.toml` or `secrets.toml` is wrong.
    #[error("{reason}")]
    BadFile {
        /// The file, with the line where one is known.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} the file: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// `read` or `write`.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others may read the passwords.
    #[error("others may read the passwords (mode {mode:o})")]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// No password is known.
    #[error("no password is known for {address}")]
    NoPassword {
        /// Whose.
        address: String,
    },
    /// The password command failed.
    #[error("the password command failed: {reason}")]
    Command {
        /// The command.
        command: String,
        /// How.
        reason: String,
    },
    /// A password that cannot be used.
    #[error("the password {reason}")]
    BadPassword {
        /// What is wrong with it.
        reason: String,
    },
    /// A connection without TLS to another machine.
    #[error("without TLS the password and the mail could be read on the way to {server}")]
    NotLoopback {
        /// Which server.
        server: String,
    },
}

impl AccountError {
    pub(crate) fn place(&self) -> String {
        match self {
            Self::BadFile { place, .. } => place.clone(),
            Self::File { path, .. } | Self::Readable { path, .. } => path.display().to_string(),
            Self::Command { command, .. } => command.clone(),
            _ => String::new(),
        }
    }

    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::None => "make one by `mailbag setup ADDRESS`".to_owned(),
            Self::Unknown { known, .. } => format!("there is {}", known.join(", ")),
            Self::BadFile { .. } => "correct the file".to_owned(),
            Self::File { .. } => "check its owner, rights and free space".to_owned(),
            Self::Readable { path, .. } => format!("chmod 600 {}", path.display()),
            Self::NoPassword { address } => {
                format!(
                    "run `mailbag setup {address}` again, or set password_command in accounts.toml"
                )
            }
            Self::Command { .. } => "run it by hand; it must print the password".to_owned(),
            Self::BadPassword { .. } => "give another one".to_owned(),
            Self::NotLoopback { .. } => "use --tls implicit or --tls starttls".to_owned(),
        }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::NotLoopback { .. } | Self::Unknown { .. } | Self::BadPassword { .. } => {
                Exit::WrongUse
            }
            _ => Exit::Failed,
        }
    }
}

/// The account that is meant: by address (or its beginning), or the only one, or the first.
pub fn choose<'a>(
    accounts: &'a [Account],
    wanted: Option<&str>,
) -> Result<&'a Account, AccountError> {
    let first = accounts.first().ok_or(AccountError::None)?;
    let Some(wanted) = wanted else { return Ok(first) };
    let same = |account: &&Account| account.address.to_string().eq_ignore_ascii_case(wanted);
    accounts.iter().find(same).ok_or_else(|| AccountError::Unknown {
        wanted: wanted.to_owned(),
        known: accounts.iter().map(|account| account.address.to_string()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_read() {
        type Row<'a> = (&'a str, Option<(&'a str, u16)>, &'a str);
        let table: [Row<'_>; 9] = [
            ("mail.example.org:995", Some(("mail.example.org", 995)), "plain"),
            ("127.0.0.1:2995", Some(("127.0.0.1", 2995)), "an address"),
            ("[::1]:995", Some(("::1", 995)), "an IPv6 address"),
            ("::1:995", None, "could be either"),
            ("mail.example.org", None, "no port"),
            ("mail.example.org:0", None, "no such port"),
            ("mail.example.org:99999", None, "no such port"),
            (":995", None, "no host"),
            ("a b:995", None, "a space"),
        ];
        for (text, wanted, why) in table {
            let found = text.parse::<HostPort>().ok().map(|found| (found.host, found.port));
            let wanted = wanted.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(found, wanted, "{text}: {why}");
        }
    }

    #[test]
    fn loopback_is_known_by_name() {
        let server = |host: &str| Server { host: host.to_owned(), port: 1, tls: TlsMode::None };
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"] {
            assert!(server(host).is_loopback(), "{host}");
        }
        for host in ["example.org", "10.0.0.1", "localhost.example.org", "127.0.0.1.example"] {
            assert!(!server(host).is_loopback(), "{host}");
        }
        assert_eq!(server("::1").to_string(), "[::1]:1");
    }
}
