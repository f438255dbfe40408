//! The client side of a POP3 conversation, without sockets.
//!
//! [`Session::send`] queues commands, [`Session::poll`] hands out what the server says,
//! in the order of the commands. Several commands may be under way when the server has
//! announced PIPELINING; STLS, AUTH and QUIT have to be the last of them.
//!
//! ```text
//!   Command → send → output_into → octets
//!   octets → receive → poll → Event
//! ```
//!
//! Messages arrive as chunks, unstuffed, while they are received; nothing of a message
//! is held back. After an error the session is of no more use.
//!
//! Standards: RFC 1939, RFC 2449 (CAPA, response codes), RFC 2595 §4 (STLS), RFC 5034.
//! Not here: TLS and timeouts (crate `platform`), the mechanisms of AUTH (crate `sasl`).

mod incoming;
mod reply;

use std::collections::VecDeque;
use std::mem;

use self::incoming::Incoming;
pub use self::reply::Capabilities;
use self::reply::Status;
use crate::line::{Line, LineSource};
use crate::{AUTH_LINE_OCTETS_MAX, COMMAND_OCTETS_MAX, Password, ResponseCode, SaslMessage};

/// Longest reply line that we take, in octets with its CRLF.
///
/// RFC 2449 §4 sets 512; some servers explain themselves at more length.
pub const REPLY_OCTETS_MAX: usize = 4096;

/// Commands under way at a time; their replies have to fit into the memory of both.
pub const PIPELINE_MAX: usize = 1000;

/// Largest chunk of content that an event carries.
const CHUNK_OCTETS_MAX: usize = 64 * 1024;

/// What a client can say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// What can the server do? (RFC 2449 §5)
    Capa,
    /// Begin TLS.
    Stls,
    /// Turn UTF8 mode on (RFC 6856 §2.1).
    Utf8,
    /// Who logs in; followed by `Pass`.
    User(String),
    /// The password.
    Pass(Password),
    /// Log in by a SASL mechanism. An initial response that is too long for the command
    /// is held back and sent when the server asks (RFC 5034 §4).
    Auth {
        /// The mechanism's name.
        mechanism: String,
        /// The initial response, if the mechanism has one.
        initial: Option<SaslMessage>,
    },
    /// How many messages and octets?
    Stat,
    /// The size of each message.
    List,
    /// The unique-id of each message.
    Uidl,
    /// The whole message of this number.
    Retr(u32),
    /// The header of a message, and some lines of its body.
    Top {
        /// The number of the message.
        message: u32,
        /// Lines of the body.
        lines: u32,
    },
    /// Mark the message of this number as deleted.
    Dele(u32),
    /// Nothing, to stay connected.
    Noop,
    /// Take all deletion marks away.
    Rset,
    /// Delete what is marked, and end.
    Quit,
}

/// Which command a reply is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is explained at Command")]
pub enum Verb {
    Capa,
    Stls,
    Utf8,
    User,
    Pass,
    Auth,
    Stat,
    List,
    Uidl,
    Retr,
    Top,
    Dele,
    Noop,
    Rset,
    Quit,
}

/// What the server says.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// The server is there and ready.
    Greeting {
        /// What it says of itself.
        text: String,
    },
    /// A command succeeded; for a multi-line reply all of it has been handed out.
    Done {
        /// The command.
        verb: Verb,
        /// What the server said.
        text: String,
    },
    /// A command failed; the conversation goes on.
    Refused {
        /// The command.
        verb: Verb,
        /// Why, for programs.
        code: Option<ResponseCode>,
        /// Why, for people.
        text: String,
    },
    /// The reply to CAPA. `Done` follows.
    Capabilities(Capabilities),
    /// STLS was accepted: begin TLS now, then call [`Session::enter_tls`].
    BeginTls,
    /// AUTH goes on: answer by [`Session::respond`] or [`Session::cancel`].
    Challenge(SaslMessage),
    /// The reply to STAT. `Done` follows.
    Totals {
        /// How many messages there are.
        messages: u32,
        /// How many octets they have.
        octets: u64,
    },
    /// A line of the reply to LIST.
    Size {
        /// The number of the message.
        message: u32,
        /// How many octets it has.
        octets: u64,
    },
    /// A line of the reply to UIDL.
    UniqueId {
        /// The number of the message.
        message: u32,
        /// Its unique-id, as the server has it; not all servers keep to the rule.
        uidl: String,
    },
    /// Some octets of a message, for RETR and TOP. `Done` follows after the last.
    Content(Vec<u8>),
}

/// Why a conversation cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server refused the connection with its greeting.
    #[error("server refused the connection: {text}")]
    NotWelcome {
        /// Why, for programs.
        code: Option<ResponseCode>,
        /// Why, for people.
        text: String,
    },
    /// What was received is not POP3.
    #[error("server does not follow POP3: {what}")]
    Malformed {
        /// What is wrong with it.
        what: &'static str,
    },
    /// Octets came in clear after the answer to STLS: somebody between us and the server
    /// wants them to be taken for the server's.
    #[error("server sent octets in clear after it agreed to TLS")]
    Injected,
    /// An argument has characters that would end the line, or makes it too long.
    #[error("{what} cannot be sent")]
    BadArgument {
        /// Which argument.
        what: &'static str,
    },
    /// The caller sends a command that has to wait.
    #[error("command has to wait for the replies to those before")]
    TooEarly,
}

/// One conversation with a server.
#[derive(Debug)]
pub struct Session {
    source: LineSource,
    output: Vec<u8>,
    phase: Phase,
    /// Commands that were sent and whose replies are still to come.
    under_way: VecDeque<Verb>,
    /// An initial response that did not fit into its command.
    held_back: Option<SaslMessage>,
    /// A `Done` that is due after the event that was handed out before.
    due: Option<Event>,
}

#[derive(Debug)]
enum Phase {
    Greeting,
    /// Waits for a status line.
    Status,
    /// Waits for the caller's answer to a challenge.
    Challenged,
    /// In the lines of CAPA, LIST or UIDL.
    Lines {
        verb: Verb,
        text: String,
        capabilities: Capabilities,
    },
    /// In the content of RETR or TOP.
    Content {
        verb: Verb,
        text: String,
        incoming: Incoming,
    },
    /// STLS was accepted.
    StartingTls,
    Closed,
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    /// Begins a conversation, which waits for the greeting.
    pub fn new() -> Self {
        Self {
            source: LineSource::default(),
            output: Vec::new(),
            phase: Phase::Greeting,
            under_way: VecDeque::new(),
            held_back: None,
            due: None,
        }
    }

    /// Adds octets from the server. They are looked at only by [`poll`](Self::poll);
    /// poll until it gives nothing before receiving more.
    pub fn receive(&mut self, octets: &[u8]) {
        self.source.receive(octets);
    }

    /// Says a command.
    ///
    /// # Errors
    ///
    /// [`ClientError::BadArgument`] and [`ClientError::TooEarly`]; nothing is sent then.
    pub fn send(&mut self, command: Command) -> Result<(), ClientError> {
        let stops_pipeline =
            self.under_way.iter().any(|verb| matches!(verb, Verb::Stls | Verb::Auth | Verb::Quit));
        let is_closing = matches!(self.phase, Phase::StartingTls | Phase::Closed);
        if stops_pipeline || is_closing || self.under_way.len() >= PIPELINE_MAX {
            return Err(ClientError::TooEarly);
        }
        let (line, verb) = self.line_of(command)?;
        self.output.extend_from_slice(line.reveal());
        self.output.extend_from_slice(b"\r\n");
        self.under_way.push_back(verb);
        Ok(())
    }

    /// Answers [`Event::Challenge`].
    ///
    /// # Errors
    ///
    /// [`ClientError::TooEarly`] when there is no challenge to answer.
    pub fn respond(&mut self, response: &SaslMessage) -> Result<(), ClientError> {
        self.answer_challenge(response.to_base64().as_bytes())
    }

    /// Cancels AUTH instead of answering [`Event::Challenge`]; the server refuses then.
    ///
    /// # Errors
    ///
    /// [`ClientError::TooEarly`] when there is no challenge to answer.
    pub fn cancel(&mut self) -> Result<(), ClientError> {
        self.answer_challenge(b"*")
    }

    /// Goes on until there is something to tell or the input runs dry.
    ///
    /// # Errors
    ///
    /// [`ClientError`], after which the connection should be closed.
    pub fn poll(&mut self) -> Result<Option<Event>, ClientError> {
        if let Some(event) = self.due.take() {
            return Ok(Some(event));
        }
        loop {
            let step = match &mut self.phase {
                Phase::Content { .. } => self.content(),
                Phase::Lines { .. } => self.multi_line()?,
                Phase::Greeting | Phase::Status => self.status_line()?,
                Phase::Challenged | Phase::StartingTls | Phase::Closed => return Ok(None),
            };
            match step {
                Step::Tell(event) => return Ok(Some(event)),
                Step::GoOn => {}
                Step::Wait => return Ok(None),
            }
        }
    }

    /// Appends the octets to send to the server.
    pub fn output_into(&mut self, buffer: &mut Vec<u8>) {
        buffer.append(&mut self.output);
    }

    /// TLS has begun: everything that the server said before is forgotten.
    ///
    /// # Errors
    ///
    /// [`ClientError::Injected`] when octets were received in clear after the server's
    /// answer to STLS, [`ClientError::TooEarly`] when STLS was not agreed upon.
    pub fn enter_tls(&mut self) -> Result<(), ClientError> {
        if !matches!(self.phase, Phase::StartingTls) {
            return Err(ClientError::TooEarly);
        }
        if !self.source.waiting().is_empty() {
            self.phase = Phase::Closed;
            return Err(ClientError::Injected);
        }
        *self = Self { phase: Phase::Status, ..Self::new() };
        Ok(())
    }

    /// How many commands wait for their replies.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Whether the conversation is over: QUIT was answered, or an error ended it.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    fn line_of(&mut self, command: Command) -> Result<(SaslMessage, Verb), ClientError> {
        let plain = |line: String| SaslMessage::new(line);
        let (line, verb) = match command {
            Command::Capa => (plain("CAPA".to_owned()), Verb::Capa),
            Command::Stls => (plain("STLS".to_owned()), Verb::Stls),
            Command::Utf8 => (plain("UTF8".to_owned()), Verb::Utf8),
            Command::User(user) => {
                (plain(format!("USER {}", argument(&user, "user name")?)), Verb::User)
            }
            Command::Pass(password) => {
                (plain(format!("PASS {}", argument(password.reveal(), "password")?)), Verb::Pass)
            }
            Command::Auth { mechanism, initial } => {
                (self.auth(argument(&mechanism, "mechanism")?, initial), Verb::Auth)
            }
            Command::Stat => (plain("STAT".to_owned()), Verb::Stat),
            Command::List => (plain("LIST".to_owned()), Verb::List),
            Command::Uidl => (plain("UIDL".to_owned()), Verb::Uidl),
            Command::Retr(message) => (plain(format!("RETR {message}")), Verb::Retr),
            Command::Top { message, lines } => (plain(format!("TOP {message} {lines}")), Verb::Top),
            Command::Dele(message) => (plain(format!("DELE {message}")), Verb::Dele),
            Command::Noop => (plain("NOOP".to_owned()), Verb::Noop),
            Command::Rset => (plain("RSET".to_owned()), Verb::Rset),
            Command::Quit => (plain("QUIT".to_owned()), Verb::Quit),
        };
        if line.reveal().len() + 2 > COMMAND_OCTETS_MAX {
            return Err(ClientError::BadArgument { what: "an argument of this length" });
        }
        Ok((line, verb))
    }

    fn auth(&mut self, mechanism: &str, initial: Option<SaslMessage>) -> SaslMessage {
        self.held_back = None;
        let Some(initial) = initial else { return SaslMessage::new(format!("AUTH {mechanism}")) };
        let text = initial.to_base64();
        let text = if text.is_empty() { "=" } else { text.as_str() };
        let line = SaslMessage::new(format!("AUTH {mechanism} {text}"));
        if line.reveal().len() + 2 <= COMMAND_OCTETS_MAX {
            return line;
        }
        self.held_back = Some(initial);
        SaslMessage::new(format!("AUTH {mechanism}"))
    }

    fn answer_challenge(&mut self, line: &[u8]) -> Result<(), ClientError> {
        if !matches!(self.phase, Phase::Challenged) {
            return Err(ClientError::TooEarly);
        }
        self.output.extend_from_slice(line);
        self.output.extend_from_slice(b"\r\n");
        self.phase = Phase::Status;
        Ok(())
    }

    fn next_line(&mut self) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, ClientError> {
        let octets_max = match self.under_way.front() {
            Some(Verb::Auth) => AUTH_LINE_OCTETS_MAX,
            _ => REPLY_OCTETS_MAX,
        };
        let what = match self.source.next_line(octets_max) {
            None => return Ok(None),
            Some(Line::Complete(line)) => return Ok(Some(line)),
            Some(Line::BareLf) => "a line that ends without CR",
            Some(Line::TooLong | Line::Flood) => "a line that is too long",
        };
        Err(self.broken(what))
    }

    fn status_line(&mut self) -> Result<Step, ClientError> {
        let Some(line) = self.next_line()? else { return Ok(Step::Wait) };
        let Some(status) = Status::parse(&line) else {
            return Err(self.broken("a reply that begins with neither +OK nor -ERR"));
        };
        if matches!(self.phase, Phase::Greeting) {
            return self.greeting(status);
        }
        let Some(&verb) = self.under_way.front() else {
            return Err(self.broken("a reply that nobody asked for"));
        };
        match status {
            Status::Challenge(challenge) if verb == Verb::Auth => self.challenge(challenge),
            Status::Challenge(_) => Err(self.broken("a challenge outside AUTH")),
            Status::Ok { text } => {
                self.under_way.pop_front();
                self.accepted(verb, text)
            }
            Status::Err { code, text } => {
                self.under_way.pop_front();
                self.held_back = None;
                if verb == Verb::Quit {
                    self.phase = Phase::Closed;
                }
                Ok(Step::Tell(Event::Refused { verb, code, text }))
            }
        }
    }

    fn greeting(&mut self, status: Status) -> Result<Step, ClientError> {
        match status {
            Status::Ok { text } => {
                self.phase = Phase::Status;
                Ok(Step::Tell(Event::Greeting { text }))
            }
            Status::Err { code, text } => {
                self.phase = Phase::Closed;
                Err(ClientError::NotWelcome { code, text })
            }
            Status::Challenge(_) => Err(self.broken("a challenge instead of a greeting")),
        }
    }

    fn challenge(&mut self, challenge: Option<SaslMessage>) -> Result<Step, ClientError> {
        self.phase = Phase::Challenged;
        let Some(challenge) = challenge else {
            // RFC 5034 §4: cancel where the challenge is not base64.
            self.cancel()?;
            return Ok(Step::GoOn);
        };
        match self.held_back.take() {
            Some(initial) if challenge.reveal().is_empty() => {
                self.respond(&initial)?;
                Ok(Step::GoOn)
            }
            _ => Ok(Step::Tell(Event::Challenge(challenge))),
        }
    }

    fn accepted(&mut self, verb: Verb, text: String) -> Result<Step, ClientError> {
        match verb {
            Verb::Stls => {
                if !self.source.waiting().is_empty() {
                    self.phase = Phase::Closed;
                    return Err(ClientError::Injected);
                }
                self.phase = Phase::StartingTls;
                return Ok(Step::Tell(Event::BeginTls));
            }
            Verb::Stat => {
                let Some((messages, octets)) = reply::totals(&text) else {
                    return Err(self.broken("a reply to STAT without two numbers"));
                };
                self.due = Some(Event::Done { verb, text });
                return Ok(Step::Tell(Event::Totals { messages, octets }));
            }
            Verb::Capa | Verb::List | Verb::Uidl => {
                let capabilities = Capabilities::default();
                self.phase = Phase::Lines { verb, text, capabilities };
                return Ok(Step::GoOn);
            }
            Verb::Retr | Verb::Top => {
                self.phase = Phase::Content { verb, text, incoming: Incoming::default() };
                return Ok(Step::GoOn);
            }
            Verb::Quit => self.phase = Phase::Closed,
            _ => {}
        }
        Ok(Step::Tell(Event::Done { verb, text }))
    }

    fn multi_line(&mut self) -> Result<Step, ClientError> {
        let Some(line) = self.next_line()? else { return Ok(Step::Wait) };
        let Phase::Lines { verb, text, capabilities } = &mut self.phase else {
            return Ok(Step::GoOn);
        };
        let verb = *verb;
        if line.as_slice() == b"." {
            let done = Event::Done { verb, text: mem::take(text) };
            let capabilities = mem::take(capabilities);
            self.phase = Phase::Status;
            if verb == Verb::Capa {
                self.due = Some(done);
                return Ok(Step::Tell(Event::Capabilities(capabilities)));
            }
            return Ok(Step::Tell(done));
        }
        let line = line.strip_prefix(b".").unwrap_or(&line); // RFC 1939 §3
        let event = match verb {
            Verb::Capa if capabilities.add(line) => return Ok(Step::GoOn),
            Verb::List => reply::size(line),
            Verb::Uidl => reply::unique_id(line),
            _ => None,
        };
        match event {
            Some(event) => Ok(Step::Tell(event)),
            None => Err(self.broken("a listing with a line that does not belong there")),
        }
    }

    fn content(&mut self) -> Step {
        let Phase::Content { verb, text, incoming } = &mut self.phase else { return Step::GoOn };
        let waiting = self.source.waiting();
        let waiting = waiting.get(..CHUNK_OCTETS_MAX).unwrap_or(waiting);
        if waiting.is_empty() {
            return Step::Wait;
        }
        let mut chunk = Vec::with_capacity(waiting.len());
        let used = incoming.read(waiting, &mut chunk);
        let done = Event::Done { verb: *verb, text: mem::take(text) };
        if incoming.has_ended() {
            self.phase = Phase::Status;
            self.source.consume(used);
            if chunk.is_empty() {
                return Step::Tell(done);
            }
            self.due = Some(done);
            return Step::Tell(Event::Content(chunk));
        }
        if let Event::Done { text: kept, .. } = done {
            *text = kept;
        }
        self.source.consume(used);
        if chunk.is_empty() { Step::Wait } else { Step::Tell(Event::Content(chunk)) }
    }

    fn broken(&mut self, what: &'static str) -> ClientError {
        self.phase = Phase::Closed;
        ClientError::Malformed { what }
    }
}

/// What one turn of [`Session::poll`] has brought.
enum Step {
    Tell(Event),
    GoOn,
    Wait,
}

/// An argument that stays inside its line.
fn argument<'a>(text: &'a str, what: &'static str) -> Result<&'a str, ClientError> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(ClientError::BadArgument { what });
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
