//! Finding the servers of a domain when nobody names them.
//!
//! The names and ports that most domains use are tried, the safe ways first. All of the names
//! are below the domain, and a server must show a certificate for its name before it hears a
//! password: so nobody but the domain's owner can be found.
//!
//! Standards: RFC 8314 §5.1 (ports).
//! Not here: SRV records (RFC 6186), which wait for their kind in crate `dns`;
//! autoconfiguration over HTTP.

use std::path::Path;
use std::time::Duration;

use envelope::Domain;

use crate::account::{Account, HostPort, Server, TlsMode};
use crate::dial::{Link, ServerError};
use crate::pop::Maildrop;
use crate::submit::Submitter;
use crate::world::World;

/// For a guessed server to answer.
const GUESS_TIMEOUT: Duration = Duration::from_secs(5);

/// For a server to greet, when it may be one that waits for us.
const GREETING_TIMEOUT: Duration = Duration::from_secs(3);

/// What a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Where mail waits.
    Pop3,
    /// Through which mail is sent.
    Submission,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::Pop3 => "POP3",
            Self::Submission => "submission",
        }
    }

    /// Host names in front of a domain.
    fn usual_hosts(self) -> [&'static str; 2] {
        match self {
            Self::Pop3 => ["pop", "mail"],
            Self::Submission => ["smtp", "mail"],
        }
    }

    /// Registered ports, the safest first.
    fn usual_ports(self) -> [(u16, TlsMode); 2] {
        match self {
            Self::Pop3 => [(995, TlsMode::Implicit), (110, TlsMode::Starttls)],
            Self::Submission => [(465, TlsMode::Implicit), (587, TlsMode::Starttls)],
        }
    }
}

/// Finds a server of a domain. `tls` and `ca` as the user wants them.
///
/// # Errors
///
/// [`ServerError::NotFound`] with everything that was tried.
pub async fn find(
    world: &World,
    service: Service,
    domain: &Domain,
    tls: Option<TlsMode>,
    ca: Option<&Path>,
) -> Result<Server, ServerError> {
    let mut candidates = Vec::new();
    for (port, mode) in service.usual_ports() {
        for host in service.usual_hosts() {
            candidates.push(Server { host: format!("{host}.{domain}"), port, tls: mode });
        }
    }
    candidates.retain(|server| tls.is_none_or(|wanted| wanted == server.tls));
    let mut tried = Vec::new();
    for server in candidates {
        match Link::open_within(world, &server, ca, GUESS_TIMEOUT).await {
            Ok(link) => {
                link.close().await;
                return Ok(server);
            }
            Err(_) => tried.push(server.to_string()),
        }
    }
    Err(ServerError::NotFound { what: service.name(), domain: domain.to_string(), tried })
}

/// How to encrypt with a server that was named without saying how: by its port, or else by
/// trying TLS from the start and, where that fails, by whether it greets in clear.
pub async fn with_tls(
    world: &World,
    service: Service,
    named: HostPort,
    tls: Option<TlsMode>,
    ca: Option<&Path>,
) -> Server {
    let HostPort { host, port } = named;
    let by_port = service.usual_ports().into_iter().find(|(usual, _)| *usual == port);
    let known = tls.or(by_port.map(|(_, tls)| tls));
    let server = Server { host, port, tls: known.unwrap_or(TlsMode::Implicit) };
    if known.is_some() {
        return server;
    }
    if let Ok(link) = Link::open_within(world, &server, ca, GUESS_TIMEOUT).await {
        link.close().await;
        return server;
    }
    // A server of TLS says nothing before its client does.
    match Link::greets_in_clear(world, &server, GREETING_TIMEOUT).await {
        true => Server { tls: TlsMode::Starttls, ..server },
        false => server,
    }
}

/// Logs in at both servers of an account, and leaves.
pub async fn check_logins(
    world: &World,
    account: &Account,
    password: &sasl::Password,
) -> Result<(), ServerError> {
    Maildrop::open(world, account, password).await?.quit().await?;
    Submitter::open(world, account, password).await?.quit().await;
    Ok(())
}
