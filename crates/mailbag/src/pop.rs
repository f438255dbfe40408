//! A POP3 conversation: log in, see what waits, fetch, delete, quit.
//!
//! Standards: RFC 1939, RFC 2449 (CAPA, pipelining), RFC 2595 §4 (STLS), RFC 5034 (AUTH).
//! Not here: which messages are new ([`sync`](crate::sync)).

use std::collections::BTreeMap;
use std::time::Duration;

use pop3::client::{Capabilities, ClientError, Command, Event, Session, Verb};
use pop3::{ResponseCode, SaslMessage};
use sasl::Password;

use crate::account::{Account, TlsMode};
use crate::dial::{Link, ServerError};
use crate::login;
use crate::world::World;

/// For the server to say something; RFC 1939 has no limit for clients.
const REPLY_TIMEOUT: Duration = Duration::from_secs(2 * 60);
/// Largest message that we fetch; larger ones stay on the server.
pub(crate) const MESSAGE_OCTETS_MAX: u64 = 256 * 1024 * 1024;
/// Most messages of one maildrop that we look at.
const MESSAGES_MAX: usize = 2_000_000;
/// Most requests for messages under way at once.
const WINDOW: usize = 16;

/// A message that waits on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Its number in this session.
    pub(crate) number: u32,
    /// Its unique-id.
    pub(crate) uidl: String,
    /// Its size as the server says.
    pub(crate) octets: u64,
}

/// An open maildrop.
#[derive(Debug)]
pub(crate) struct Maildrop {
    link: Link,
    session: Session,
    capabilities: Capabilities,
}

/// How a command ended that may be refused.
enum Reply {
    Done,
    Refused { code: Option<ResponseCode>, text: String },
}

impl Maildrop {
    /// Connects and logs in.
    pub(crate) async fn open(
        world: &World,
        account: &Account,
        password: &Password,
    ) -> Result<Self, ServerError> {
        let link = Link::open(world, &account.pop3, account.ca.as_deref()).await?;
        let capabilities = Capabilities::default();
        let mut maildrop = Self { link, session: Session::new(), capabilities };
        match maildrop.event().await? {
            Event::Greeting { .. } => {}
            _ => return Err(maildrop.unexpected()),
        }
        maildrop.ask_capabilities().await?;
        if account.pop3.tls == TlsMode::Starttls {
            maildrop.start_tls().await?;
            maildrop.ask_capabilities().await?;
        }
        maildrop.log_in(world, &account.login(), password).await?;
        Ok(maildrop)
    }

    async fn ask_capabilities(&mut self) -> Result<(), ServerError> {
        self.say(Command::Capa)?;
        loop {
            match self.event().await? {
                Event::Capabilities(found) => self.capabilities = found,
                // A server without CAPA is older than RFC 2449.
                Event::Done { .. } | Event::Refused { .. } => return Ok(()),
                _ => return Err(self.unexpected()),
            }
        }
    }

    async fn start_tls(&mut self) -> Result<(), ServerError> {
        self.say(Command::Stls)?;
        match self.event().await? {
            Event::BeginTls => {}
            _ => return Err(ServerError::TlsNotOffered { server: self.link.name() }),
        }
        self.link.enter_tls().await?;
        let entered = self.session.enter_tls();
        entered.map_err(|error| self.broken(error))?;
        self.capabilities = Capabilities::default();
        Ok(())
    }

    async fn log_in(
        &mut self,
        world: &World,
        user: &str,
        password: &Password,
    ) -> Result<(), ServerError> {
        let server = self.link.name();
        let refused = |text: String| ServerError::Login {
            server: server.clone(),
            login: user.to_owned(),
            reply: text,
        };
        for mechanism in login::mechanisms(self.capabilities.mechanisms()) {
            let exchange = login::exchange(mechanism, user, password, &*world.random);
            match self.authenticate(exchange).await? {
                Reply::Done => return Ok(()),
                Reply::Refused { code: Some(ResponseCode::Auth), text } => {
                    return Err(refused(text));
                }
                Reply::Refused { code: Some(code), text } => {
                    return Err(ServerError::Refused {
                        server,
                        reply: format!("[{}] {text}", code.as_str()),
                    });
                }
                // Perhaps it only does not like this mechanism.
                Reply::Refused { code: None, .. } => {}
            }
        }
        self.say(Command::User(user.to_owned()))?;
        if let Reply::Refused { text, .. } = self.reply(Verb::User).await? {
            return Err(refused(text));
        }
        self.say(Command::Pass(pop3::Password::new(password.reveal())))?;
        match self.reply(Verb::Pass).await? {
            Reply::Done => Ok(()),
            Reply::Refused { code: None | Some(ResponseCode::Auth), text } => Err(refused(text)),
            Reply::Refused { code: Some(code), text } => {
                Err(ServerError::Refused { server, reply: format!("[{}] {text}", code.as_str()) })
            }
        }
    }

    async fn authenticate(&mut self, mut exchange: sasl::Client) -> Result<Reply, ServerError> {
        let initial = exchange.initial_response().map(|octets| SaslMessage::new(octets.to_vec()));
        self.say(Command::Auth { mechanism: exchange.mechanism().name().to_owned(), initial })?;
        loop {
            match self.event().await? {
                Event::Challenge(challenge) => {
                    let answered = match exchange.step(challenge.reveal()) {
                        Ok(response) => self.session.respond(&SaslMessage::new(response.to_vec())),
                        Err(_) => self.session.cancel(),
                    };
                    answered.map_err(|error| self.broken(error))?;
                }
                Event::Done { .. } => {
                    return exchange.finish().map(|()| Reply::Done).map_err(|error| {
                        ServerError::FalseServer {
                            server: self.link.name(),
                            reason: error.to_string(),
                        }
                    });
                }
                Event::Refused { code, text, .. } => return Ok(Reply::Refused { code, text }),
                _ => return Err(self.unexpected()),
            }
        }
    }

    /// What waits, in the server's order.
    pub(crate) async fn listing(&mut self) -> Result<Vec<Waiting>, ServerError> {
        let mut ids: BTreeMap<u32, (String, u64)> = BTreeMap::new();
        for command in [Command::Uidl, Command::List] {
            self.say(command)?;
            loop {
                match self.event().await? {
                    Event::UniqueId { message, uidl } => {
                        ids.entry(message).or_default().0 = uidl;
                    }
                    Event::Size { message, octets } => ids.entry(message).or_default().1 = octets,
                    Event::Done { .. } => break,
                    Event::Refused { verb: Verb::Uidl, .. } => {
                        return Err(ServerError::NoUniqueIds { server: self.link.name() });
                    }
                    Event::Refused { text, .. } => return Err(self.refusal(text)),
                    _ => return Err(self.unexpected()),
                }
                if ids.len() > MESSAGES_MAX {
                    return Err(self.broken_because("it lists too many messages"));
                }
            }
        }
        let listed = ids.into_iter().filter(|(_, (uidl, _))| !uidl.is_empty());
        Ok(listed.map(|(number, (uidl, octets))| Waiting { number, uidl, octets }).collect())
    }

    /// TLS of the connection.
    pub(crate) fn tls(&self) -> Option<store::TlsRecord> {
        self.link.tls_record()
    }

    /// How many requests may be under way.
    pub(crate) fn window(&self) -> usize {
        if self.capabilities.has("PIPELINING") { WINDOW } else { 1 }
    }

    /// Asks for a message; [`receive`](Self::receive) gets it.
    pub(crate) fn request(&mut self, number: u32) -> Result<(), ServerError> {
        self.say(Command::Retr(number))
    }

    /// The message that was asked for first; `None` when the server does not give it.
    pub(crate) async fn receive(&mut self) -> Result<Option<Vec<u8>>, ServerError> {
        let mut content = Vec::new();
        loop {
            match self.event().await? {
                Event::Content(piece) => {
                    content.extend_from_slice(&piece);
                    if u64::try_from(content.len()).unwrap_or(u64::MAX) > MESSAGE_OCTETS_MAX {
                        return Err(self.broken_because("a message is larger than it said"));
                    }
                }
                Event::Done { verb: Verb::Retr, .. } => return Ok(Some(content)),
                Event::Refused { verb: Verb::Retr, .. } => return Ok(None),
                _ => return Err(self.unexpected()),
            }
        }
    }

    /// Marks a message for deletion, which [`quit`](Self::quit) carries out.
    pub(crate) async fn delete(&mut self, number: u32) -> Result<(), ServerError> {
        self.say(Command::Dele(number))?;
        match self.reply(Verb::Dele).await? {
            Reply::Done => Ok(()),
            Reply::Refused { text, .. } => Err(self.refusal(text)),
        }
    }

    /// Ends in good order: what is marked is deleted now.
    pub(crate) async fn quit(mut self) -> Result<(), ServerError> {
        self.say(Command::Quit)?;
        let reply = self.reply(Verb::Quit).await;
        let ended = match reply {
            Ok(Reply::Done) => Ok(()),
            Ok(Reply::Refused { text, .. }) => Err(self.refusal(text)),
            Err(error) => Err(error),
        };
        self.link.close().await;
        ended
    }

    fn say(&mut self, command: Command) -> Result<(), ServerError> {
        self.session.send(command).map_err(|error| self.broken(error))
    }

    async fn reply(&mut self, wanted: Verb) -> Result<Reply, ServerError> {
        match self.event().await? {
            Event::Done { verb, .. } if verb == wanted => Ok(Reply::Done),
            Event::Refused { verb, code, text } if verb == wanted => {
                Ok(Reply::Refused { code, text })
            }
            _ => Err(self.unexpected()),
        }
    }

    /// The next thing that the server says. Sends what waits to be sent before it listens.
    async fn event(&mut self) -> Result<Event, ServerError> {
        let mut octets = Vec::new();
        loop {
            match self.session.poll() {
                Ok(Some(event)) => return Ok(event),
                Ok(None) => {}
                Err(error) => return Err(self.broken(error)),
            }
            octets.clear();
            self.session.output_into(&mut octets);
            if !octets.is_empty() {
                self.link.write(&octets, REPLY_TIMEOUT).await?;
            }
            octets.clear();
            self.link.read(&mut octets, REPLY_TIMEOUT).await?;
            self.session.receive(&octets);
        }
    }

    fn refusal(&self, reply: String) -> ServerError {
        ServerError::Refused { server: self.link.name(), reply }
    }

    fn unexpected(&self) -> ServerError {
        self.broken_because("a reply does not fit the command")
    }

    fn broken_because(&self, reason: &str) -> ServerError {
        ServerError::Protocol { server: self.link.name(), reason: reason.to_owned() }
    }

    fn broken(&self, error: ClientError) -> ServerError {
        let server = self.link.name();
        match error {
            ClientError::Injected => ServerError::Injected { server },
            ClientError::NotWelcome { text, .. } => ServerError::Refused { server, reply: text },
            other => ServerError::Protocol { server, reason: other.to_string() },
        }
    }
}
