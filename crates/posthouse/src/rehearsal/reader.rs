//! The reader's client: fetches a mailbox as any POP3 client would.
//!
//! Standards: RFC 1939 (POP3), RFC 2595 §4 (STLS), RFC 5034 (AUTH).
//! Not here: the conversation's syntax (crate `pop3`).

use std::time::Duration;

use platform::{ClientTls, Connection, RealDisk};
use pop3::SaslMessage;
use pop3::client::{ClientError, Command, Event, Session};

use super::author::{Account, connect, exchange};
use crate::failure::Failure;

const PATIENCE: Duration = Duration::from_secs(30);

/// What a mailbox held.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    /// What was said, a line each, as for the author's client.
    pub(super) transcript: Vec<String>,
    /// All messages, oldest first.
    pub(super) messages: Vec<Vec<u8>>,
}

/// Fetches all messages and leaves them where they are.
pub(super) async fn fetch(account: Account<'_>) -> Result<Fetched, Failure> {
    let connection = connect(account.server).await?;
    let mut client =
        Client { account, connection, session: Session::new(), fetched: Fetched::default() };
    client.greeting().await?;
    client.enter_tls().await?;
    client.log_in().await?;
    let messages = client.count().await?;
    for number in 1..=messages {
        let message = client.retrieve(number).await?;
        client.fetched.messages.push(message);
    }
    client.command(Command::Quit, "QUIT").await?;
    client.connection.close().await;
    Ok(client.fetched)
}

struct Client<'a> {
    account: Account<'a>,
    connection: Connection,
    session: Session,
    fetched: Fetched,
}

fn broken(error: &ClientError) -> Failure {
    Failure::new(format!("the POP3 server cannot be talked to: {error}"))
}

impl Client<'_> {
    fn note(&mut self, line: String) {
        self.fetched.transcript.push(line);
    }

    /// The next thing that the server says.
    async fn next(&mut self) -> Result<Event, Failure> {
        let gone = |error: &dyn std::fmt::Display| {
            Failure::new(format!("the POP3 server is gone: {error}"))
        };
        loop {
            if let Some(event) = self.session.poll().map_err(|error| broken(&error))? {
                return Ok(event);
            }
            let mut output = Vec::new();
            self.session.output_into(&mut output);
            if !output.is_empty() {
                self.connection.write(&output, PATIENCE).await.map_err(|error| gone(&error))?;
            }
            let mut input = Vec::new();
            match self.connection.read(&mut input, PATIENCE).await {
                Ok(0) => return Err(gone(&"it closed the connection")),
                Ok(_) => self.session.receive(&input),
                Err(error) => return Err(gone(&error)),
            }
        }
    }

    async fn greeting(&mut self) -> Result<(), Failure> {
        match self.next().await? {
            Event::Greeting { text } => self.note(format!("< +OK {text}")),
            other => return Err(Failure::new(format!("the POP3 server greets with {other:?}"))),
        }
        Ok(())
    }

    /// Says a command and takes what comes before its end.
    async fn command(&mut self, command: Command, shown: &str) -> Result<Vec<Event>, Failure> {
        self.note(format!("> {shown}"));
        self.session.send(command).map_err(|error| broken(&error))?;
        self.rest(shown).await
    }

    async fn rest(&mut self, shown: &str) -> Result<Vec<Event>, Failure> {
        let mut events = Vec::new();
        loop {
            match self.next().await? {
                Event::Done { text, .. } => {
                    self.note(format!("< +OK {text}").trim_end().to_owned());
                    return Ok(events);
                }
                Event::Refused { text, .. } => {
                    self.note(format!("< -ERR {text}"));
                    return Err(Failure::new(format!("the POP3 server refused {shown}: {text}")));
                }
                event @ (Event::BeginTls | Event::Challenge(_)) => {
                    events.push(event);
                    return Ok(events);
                }
                event => events.push(event),
            }
        }
    }

    async fn enter_tls(&mut self) -> Result<(), Failure> {
        self.command(Command::Stls, "STLS").await?;
        let tls = ClientTls::verified_only_by(&RealDisk, &[self.account.authority])
            .map_err(|error| Failure::new(error.to_string()))?;
        let hostname = self.account.hostname;
        let facts = self
            .connection
            .enter_tls(&tls, hostname, PATIENCE)
            .await
            .map_err(|error| Failure::new(format!("no TLS with {hostname}: {error}")))?;
        self.session.enter_tls().map_err(|error| broken(&error))?;
        let (version, cipher) = (facts.version, &facts.cipher);
        self.note(format!("* {version} with {cipher}, certificate of {hostname} verified"));
        Ok(())
    }

    async fn log_in(&mut self) -> Result<(), Failure> {
        let events = self.command(Command::Capa, "CAPA").await?;
        let offered = events.into_iter().find_map(|event| match event {
            Event::Capabilities(capabilities) => Some(capabilities.mechanisms().to_vec()),
            _ => None,
        });
        let Account { user, password, .. } = self.account;
        let Some(mut exchange) = exchange(&offered.unwrap_or_default(), user, password) else {
            return Err(Failure::new("the POP3 server offers no login that we know"));
        };
        let mechanism = exchange.mechanism().name().to_owned();
        let shown = format!("AUTH {mechanism} (credentials)");
        let initial = exchange.initial_response().map(|octets| SaslMessage::new(octets.to_vec()));
        let mut events = self.command(Command::Auth { mechanism, initial }, &shown).await?;
        while let Some(Event::Challenge(challenge)) = events.pop() {
            let step = exchange.step(challenge.reveal());
            let response =
                step.map_err(|error| Failure::new(format!("the login failed: {error}")))?;
            let response = SaslMessage::new(response.to_vec());
            self.session.respond(&response).map_err(|error| broken(&error))?;
            events = self.rest("AUTH").await?;
        }
        exchange.finish().map_err(|error| Failure::new(format!("the login failed: {error}")))
    }

    async fn count(&mut self) -> Result<u32, Failure> {
        let events = self.command(Command::Stat, "STAT").await?;
        let totals = events.iter().find_map(|event| match event {
            Event::Totals { messages, .. } => Some(*messages),
            _ => None,
        });
        Ok(totals.unwrap_or(0))
    }

    async fn retrieve(&mut self, number: u32) -> Result<Vec<u8>, Failure> {
        let events = self.command(Command::Retr(number), &format!("RETR {number}")).await?;
        let mut message = Vec::new();
        for event in events {
            if let Event::Content(octets) = event {
                message.extend_from_slice(&octets);
            }
        }
        Ok(message)
    }
}
