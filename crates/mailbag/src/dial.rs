//! Reaching a server: its name, its addresses, a connection, and TLS whose certificate is
//! always verified.
//!
//! Standards: RFC 8314 §3 (TLS for mail access and submission).
//! Not here: what is said on the connection (`pop`, [`submit`](crate::submit)).

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use platform::tls::TlsError;
use platform::{ClientTls, Connection, ConnectionError, TlsFacts, Verified};
use store::TlsRecord;

use crate::account::{Server, TlsMode};
use crate::fault::Exit;
use crate::world::World;

/// For one address to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// For a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// Most addresses of one name that we try.
const ADDRESSES_MAX: usize = 8;

/// What went wrong with a server. `server` is always `HOST:PORT`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields say what the texts show")]
pub enum ServerError {
    /// Its name has no address.
    #[error("the name {host} cannot be found: {reason}")]
    NoAddress { server: String, host: String, reason: String },
    /// No address of it answers.
    #[error("cannot connect: {reason}")]
    Unreachable { server: String, reason: String },
    /// TLS could not be set up here.
    #[error("TLS cannot be set up: {reason}")]
    OwnTls { server: String, reason: String },
    /// The handshake failed, as with a certificate that nobody vouches for.
    #[error("a safe connection could not be made: {reason}")]
    Tls { server: String, reason: String },
    /// TLS was expected and is not offered.
    #[error("the server offers no TLS, so nothing was sent")]
    TlsNotOffered { server: String },
    /// Something was slipped in before TLS began.
    #[error("somebody slipped octets in before TLS began, so nothing was sent")]
    Injected { server: String },
    /// It does not let us in for another reason than the password.
    #[error("the server refused: {reply}")]
    Refused { server: String, reply: String },
    /// It refuses the login.
    #[error("the login as {login} was refused: {reply}")]
    Login { server: String, login: String, reply: String },
    /// It has no way to log in that we know.
    #[error("the server offers no login that we know, only {offered:?}")]
    NoMechanism { server: String, offered: Vec<String> },
    /// It does not know the account, and claims that the login was good.
    #[error("the server did not prove that it is yours: {reason}")]
    FalseServer { server: String, reason: String },
    /// The connection broke or the server was silent.
    #[error("the connection failed: {reason}")]
    Lost { server: String, reason: String },
    /// It does not keep to its protocol.
    #[error("the server does not follow the protocol: {reason}")]
    Protocol { server: String, reason: String },
    /// Its messages have no unique ids, so that we could not know which are new.
    #[error("the server has no UIDL, so new mail cannot be told from old")]
    NoUniqueIds { server: String },
    /// No server of the wanted kind was found.
    #[error("no {what} server found for {domain}")]
    NotFound { what: &'static str, domain: String, tried: Vec<String> },
}

impl ServerError {
    pub(crate) fn place(&self) -> String {
        match self {
            Self::NoAddress { server, .. }
            | Self::Unreachable { server, .. }
            | Self::OwnTls { server, .. }
            | Self::Tls { server, .. }
            | Self::TlsNotOffered { server }
            | Self::Injected { server }
            | Self::Refused { server, .. }
            | Self::Login { server, .. }
            | Self::NoMechanism { server, .. }
            | Self::FalseServer { server, .. }
            | Self::Lost { server, .. }
            | Self::Protocol { server, .. }
            | Self::NoUniqueIds { server } => server.clone(),
            Self::NotFound { tried, .. } => format!("tried {}", tried.join(", ")),
        }
    }

    pub(crate) fn remedy(&self) -> String {
        let remedy = match self {
            Self::NoAddress { .. } => "check the host name and your network",
            Self::Unreachable { .. } | Self::Lost { .. } => "check your network, then try again",
            Self::OwnTls { .. } => "check the file of --ca",
            Self::Tls { .. } => {
                "if the server's certificate is of its own making, name its CA with --ca FILE"
            }
            Self::TlsNotOffered { .. } => {
                "use the port for TLS from the start, or ask its operator"
            }
            Self::Injected { .. } => "do not trust this network; tell the server's operator",
            Self::Refused { .. } => "try again later",
            Self::Login { .. } => {
                "check the address and the password, then run `mailbag setup` again"
            }
            Self::NoMechanism { .. } => "ask its operator for PLAIN or SCRAM-SHA-256 over TLS",
            Self::FalseServer { .. } => "do not trust this network; tell the server's operator",
            Self::Protocol { .. } => "check the port; if it is right, tell the server's operator",
            Self::NoUniqueIds { .. } => "use another server",
            Self::NotFound { .. } => "name it with --pop3 HOST:PORT and --submission HOST:PORT",
        };
        remedy.to_owned()
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Login { .. } => Exit::LoginRefused,
            _ => Exit::Failed,
        }
    }
}

/// A connection to a server, and what is needed to encrypt it.
#[derive(Debug)]
pub(crate) struct Link {
    connection: Connection,
    tls: Option<ClientTls>,
    server: Server,
    facts: Option<TlsFacts>,
}

impl Link {
    /// Connects; with TLS from the start where the server is to have it.
    pub(crate) async fn open(
        world: &World,
        server: &Server,
        ca: Option<&Path>,
    ) -> Result<Self, ServerError> {
        Self::open_within(world, server, ca, CONNECT_TIMEOUT).await
    }

    /// The same, with another time limit for connecting to each address.
    pub(crate) async fn open_within(
        world: &World,
        server: &Server,
        ca: Option<&Path>,
        within: Duration,
    ) -> Result<Self, ServerError> {
        let tls = match server.tls {
            TlsMode::None => None,
            TlsMode::Implicit | TlsMode::Starttls => Some(client_tls(world, server, ca)?),
        };
        let connection = connect(world, server, within).await?;
        let mut link = Self { connection, tls, server: server.clone(), facts: None };
        if server.tls == TlsMode::Implicit {
            link.enter_tls().await?;
        }
        Ok(link)
    }

    /// Whether the server says something before its client does, and before TLS.
    pub(crate) async fn greets_in_clear(world: &World, server: &Server, within: Duration) -> bool {
        let Ok(mut connection) = connect(world, server, within).await else { return false };
        let mut greeting = Vec::new();
        let heard = connection.read(&mut greeting, within).await;
        connection.close().await;
        heard.is_ok_and(|octets| octets > 0)
    }

    /// `HOST:PORT`, for errors.
    pub(crate) fn name(&self) -> String {
        self.server.to_string()
    }

    /// Goes into TLS.
    pub(crate) async fn enter_tls(&mut self) -> Result<(), ServerError> {
        let server = self.name();
        let Some(tls) = &self.tls else { return Err(ServerError::TlsNotOffered { server }) };
        let name = bare_name(&self.server);
        let entered = self.connection.enter_tls(tls, name, HANDSHAKE_TIMEOUT).await;
        let facts = entered.map_err(|error| ServerError::Tls { server, reason: chain(&error) })?;
        self.facts = Some(facts);
        Ok(())
    }

    /// Appends what comes next; an error when nothing will.
    pub(crate) async fn read(
        &mut self,
        input: &mut Vec<u8>,
        within: Duration,
    ) -> Result<(), ServerError> {
        match self.connection.read(input, within).await {
            Ok(0) => Err(self.lost("the server closed it".to_owned())),
            Ok(_) => Ok(()),
            Err(error) => Err(self.lost(chain(&error))),
        }
    }

    /// Sends octets.
    pub(crate) async fn write(
        &mut self,
        octets: &[u8],
        within: Duration,
    ) -> Result<(), ServerError> {
        match self.connection.write(octets, within).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.lost(chain(&error))),
        }
    }

    /// TLS of the connection, as the store keeps it.
    pub(crate) fn tls_record(&self) -> Option<TlsRecord> {
        let facts = self.facts.as_ref()?;
        Some(TlsRecord {
            version: facts.version.to_owned(),
            cipher: facts.cipher.clone(),
            verified: (facts.verified == Verified::WebPki).then(|| "webpki".to_owned()),
            certificate: facts.certificate.as_ref().map(|shown| shown.subject.clone()),
            unverified: facts.unverified.clone(),
            shown: None,
        })
    }

    /// The two ends.
    pub(crate) fn ends(&self) -> (SocketAddr, SocketAddr) {
        (self.connection.local(), self.connection.peer())
    }

    pub(crate) async fn close(self) {
        self.connection.close().await;
    }

    fn lost(&self, reason: String) -> ServerError {
        ServerError::Lost { server: self.name(), reason }
    }
}

fn client_tls(world: &World, server: &Server, ca: Option<&Path>) -> Result<ClientTls, ServerError> {
    let ours: Vec<&Path> = ca.into_iter().collect();
    ClientTls::verified(&*world.disk, &ours).map_err(|error: TlsError| ServerError::OwnTls {
        server: server.to_string(),
        reason: chain(&error),
    })
}

async fn connect(
    world: &World,
    server: &Server,
    within: Duration,
) -> Result<Connection, ServerError> {
    let mut last = "it has no address".to_owned();
    for address in addresses(world, server).await?.into_iter().take(ADDRESSES_MAX) {
        if server.tls == TlsMode::None && !address.is_loopback() {
            last = format!("{address} is not this machine, and there is no TLS");
            continue;
        }
        let to = SocketAddr::new(address, server.port);
        let clock = world.clock.clone();
        match Connection::connect(&*world.net, clock, None, to, within).await {
            Ok(connection) => return Ok(connection),
            Err(error) => last = described(&error),
        }
    }
    Err(ServerError::Unreachable { server: server.to_string(), reason: last })
}

/// The system's words alone: that the connection failed is said already.
fn described(error: &ConnectionError) -> String {
    match error.source() {
        Some(source) => chain(source),
        None => error.to_string(),
    }
}

/// The host without the brackets that an IPv6 address may have in a file.
fn bare_name(server: &Server) -> &str {
    server.host.trim_start_matches('[').trim_end_matches(']')
}

async fn addresses(world: &World, server: &Server) -> Result<Vec<IpAddr>, ServerError> {
    let name = bare_name(server);
    if let Ok(address) = name.parse() {
        return Ok(vec![address]);
    }
    if name.eq_ignore_ascii_case("localhost") {
        // RFC 6761 §6.3: never asked of the network.
        return Ok(vec![[127, 0, 0, 1].into(), std::net::Ipv6Addr::LOCALHOST.into()]);
    }
    world.addresses(name).await.map_err(|reason| ServerError::NoAddress {
        server: server.to_string(),
        host: name.to_owned(),
        reason,
    })
}

/// An error with all of its causes, in one line, without the system's numbers.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = without_number(error.to_string());
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = without_number(cause.to_string());
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// `Connection refused (os error 111)` says nothing more by its number.
fn without_number(mut text: String) -> String {
    if let Some((start, number)) = text.rsplit_once(" (os error ")
        && number.strip_suffix(')').is_some_and(|digits| digits.parse::<u32>().is_ok())
    {
        text.truncate(start.len());
    }
    text
}
