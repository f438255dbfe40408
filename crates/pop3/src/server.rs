//! The server side of a POP3 conversation, without sockets.
//!
//! [`Session`] eats octets and asks [`Event`]s; the caller answers each one and sends
//! what [`Session::output_into`] hands it. One question is open at a time; pipelined
//! commands wait until it is answered and until the output has been taken, so that a
//! client that does not read cannot make us buffer.
//!
//! ```text
//!   octets → receive → poll → Event → access decides → answer / content → output_into → octets
//!
//!   AUTHORIZATION ──Maildrop──→ TRANSACTION ──QUIT──→ UPDATE ──→ closed
//!         └──STLS──→ enter_tls ──→ AUTHORIZATION, everything forgotten
//! ```
//!
//! The loop of a caller: `poll` until it gives nothing, take the output, send it; if
//! there was any, `poll` again; else read more. Deletions are only marks until QUIT
//! ([`Event::Update`]): a session that ends in any other way deletes nothing.
//!
//! Standards: RFC 1939 (all but APOP), RFC 2449, RFC 2595 §4, RFC 3206, RFC 5034,
//! RFC 6856 §2 (UTF8).
//! Not here: TLS and timeouts (crate `platform`); locks, users, storage (crate `access`);
//! surrogates for messages that need UTF8 mode (RFC 6856 §2.1): content goes out as it is.

mod content;
mod maildrop;

use std::mem;
use std::time::Duration;

pub use self::content::Appetite;
use self::content::Outgoing;
pub use self::maildrop::Entry;
use self::maildrop::{Listing, Maildrop, NoMessage};
use crate::command::{Command, CommandFault};
use crate::line::{Line, LineSource};
use crate::{AUTH_LINE_OCTETS_MAX, COMMAND_OCTETS_MAX, Password, ResponseCode, SaslMessage};

/// Bad commands in a session before it is closed; nobody mistypes that often.
pub const BAD_COMMANDS_MAX: u32 = 20;

/// Failed logins in a session before it is closed (bad-inputs T11).
pub const FAILED_LOGINS_MAX: u32 = 5;

/// Output that may wait before no further command is looked at.
const OUTPUT_OCTETS_MAX: usize = 32 * 1024;

/// Input that may wait; pipelining needs a few kilobytes.
const INPUT_OCTETS_MAX: usize = 1024 * 1024;

/// How long a client may be silent (RFC 1939 §3: at least 10 minutes).
const IDLE_MAX: Duration = Duration::from_secs(10 * 60);

/// What protects the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// TLS is on.
    Tls,
    /// No TLS yet; STLS is offered.
    StlsOffered,
    /// No TLS, and none to be had.
    Clear,
}

/// Whether logins are taken on a connection without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClearLogin {
    /// No: the client is told to use TLS first.
    Refused,
    /// Yes; for loopback and tests.
    Allowed,
}

/// How a session behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our name in the greeting.
    pub hostname: String,
    /// What protects the connection when the session begins.
    pub channel: Channel,
    /// SASL mechanisms to announce, the preferred one first; may be empty.
    pub mechanisms: Vec<String>,
    /// Whether logins are taken without TLS.
    pub clear_login: ClearLogin,
}

/// What the session needs to go on. Answer each but [`Event::StartTls`] and
/// [`Event::Fetch`] by [`Session::answer`].
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// USER and PASS were given. Answer: `Maildrop` or `Refused`.
    Login {
        /// Who wants to log in.
        user: String,
        /// With what password.
        password: Password,
    },
    /// AUTH was given, which begins an exchange anew. Answer: `Challenge`, `Maildrop` or
    /// `Refused`.
    Auth {
        /// One of the announced mechanisms, as it was announced.
        mechanism: String,
        /// The initial response, if there is one.
        initial: Option<SaslMessage>,
    },
    /// The client responded to the last challenge. Answers as for `Auth`.
    AuthResponse(SaslMessage),
    /// Send this message: hand its octets to [`Session::content`], then call
    /// [`Session::content_end`]; or call [`Session::content_failed`].
    Fetch {
        /// Where the message stands in the answered maildrop, counted from 0.
        index: usize,
        /// How many lines of the body are wanted (TOP); `None` for the whole message.
        lines: Option<u32>,
    },
    /// QUIT was given: delete these. Answer: `Updated` or `UpdateFailed`.
    Update {
        /// Where the messages stand in the answered maildrop, counted from 0, ascending.
        deleted: Vec<usize>,
    },
    /// Take and send the output, begin TLS, then call [`Session::enter_tls`].
    StartTls,
}

/// The answer to an [`Event`].
#[derive(Debug)]
pub enum Answer {
    /// The exchange goes on with this challenge.
    Challenge(SaslMessage),
    /// Logged in; these messages stay the same for the whole session (RFC 1939 §4).
    Maildrop(Vec<Entry>),
    /// Not logged in.
    Refused(Refusal),
    /// All messages marked as deleted are gone.
    Updated,
    /// Some messages marked as deleted are still there.
    UpdateFailed,
}

/// Why a login fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Unknown user or wrong password: both sound the same.
    Credentials,
    /// The exchange broke the rules of its mechanism.
    Malformed,
    /// Another session holds the maildrop.
    InUse,
    /// The last login was too short a time ago.
    LoginDelay,
    /// Something failed on our side that is likely to pass.
    Temporary,
    /// Something failed on our side that needs an administrator.
    Permanent,
}

/// Why a session ends without the client's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// The client was silent for too long; it is not told (RFC 1939 §3).
    Idle,
    /// The server stops.
    Shutdown,
}

/// One client's conversation.
#[derive(Debug)]
pub struct Session {
    config: Config,
    source: LineSource,
    output: Vec<u8>,
    phase: Phase,
    /// A question that [`poll`](Self::poll) has still to hand out.
    question: Option<Event>,
    user: Option<String>,
    utf8: bool,
    maildrop: Maildrop,
    bad_commands: u32,
    failed_logins: u32,
}

#[derive(Debug)]
enum Phase {
    /// Waits for a command, before login.
    Authorization,
    /// Waits for the answer to `Login`, `Auth` or `AuthResponse`.
    LoggingIn,
    /// Waits for the client's response to a challenge.
    Exchange,
    /// Waits for [`Session::enter_tls`].
    StartingTls,
    /// Waits for a command, after login.
    Transaction,
    /// Writes a listing as the output is taken.
    Listing(Listing),
    /// Waits for content.
    Fetching(Outgoing),
    /// Waits for the answer to `Update`.
    Updating,
    Closed,
}

impl Session {
    /// Begins a conversation; the greeting is the first output.
    pub fn new(config: Config) -> Self {
        let mut session = Self {
            config,
            source: LineSource::default(),
            output: Vec::new(),
            phase: Phase::Authorization,
            question: None,
            user: None,
            utf8: false,
            maildrop: Maildrop::default(),
            bad_commands: 0,
            failed_logins: 0,
        };
        // No time stamp in angle brackets: that would offer APOP (RFC 1939 §7).
        let greeting = format!("{} POP3 server ready", session.config.hostname);
        session.ok(&greeting);
        session
    }

    /// Adds octets from the client. They are looked at only by [`poll`](Self::poll).
    pub fn receive(&mut self, octets: &[u8]) {
        if self.is_closed() {
            return;
        }
        self.source.receive(octets);
        if self.source.waiting().len() > INPUT_OCTETS_MAX {
            self.close_with("more commands at once than we can hold");
        }
    }

    /// Goes on until a question comes up, the input runs dry or the output is full.
    pub fn poll(&mut self) -> Option<Event> {
        loop {
            if let Some(question) = self.question.take() {
                return Some(question);
            }
            if self.output.len() >= OUTPUT_OCTETS_MAX {
                return None;
            }
            match &mut self.phase {
                Phase::Listing(listing) => {
                    if self.maildrop.write(listing, &mut self.output, OUTPUT_OCTETS_MAX) {
                        self.phase = Phase::Transaction;
                    }
                }
                Phase::Authorization | Phase::Transaction | Phase::Exchange => {
                    let line = self.next_line()?;
                    self.line(line);
                }
                _ => return None,
            }
        }
    }

    /// Answers the open question; the only place where a login takes effect.
    ///
    /// After the session has closed (see [`interrupt`](Self::interrupt)) answers are
    /// ignored.
    ///
    /// # Panics
    ///
    /// When the answer does not belong to the open question: that is a bug in the
    /// caller, not in the client.
    pub fn answer(&mut self, answer: Answer) {
        match (&self.phase, answer) {
            (Phase::Closed, _) => {}
            (Phase::LoggingIn, Answer::Challenge(challenge)) => {
                self.output.extend_from_slice(b"+ ");
                self.output.extend_from_slice(challenge.to_base64().as_bytes());
                self.output.extend_from_slice(b"\r\n");
                self.phase = Phase::Exchange;
            }
            (Phase::LoggingIn, Answer::Maildrop(entries)) => {
                self.maildrop = Maildrop::new(entries);
                let summary = self.maildrop.summary();
                self.ok(&summary);
                self.phase = Phase::Transaction;
            }
            (Phase::LoggingIn, Answer::Refused(refusal)) => self.refuse(refusal),
            (Phase::Updating, Answer::Updated) => {
                self.ok("bye");
                self.phase = Phase::Closed;
            }
            (Phase::Updating, Answer::UpdateFailed) => {
                // RFC 1939 §6: some deleted messages not removed.
                self.err(Some(ResponseCode::SysTemp), "some deleted messages were not removed");
                self.phase = Phase::Closed;
            }
            (phase, answer) => panic!("{answer:?} does not answer the question of {phase:?}"),
        }
    }

    /// Takes the next octets of the message that [`Event::Fetch`] asked for.
    ///
    /// Hand over about 64 KiB at a time, and take the output in between. What has been
    /// fetched may have bare LF; it stays as it is.
    pub fn content(&mut self, octets: &[u8]) -> Appetite {
        match &mut self.phase {
            Phase::Fetching(outgoing) => outgoing.write(octets, &mut self.output),
            _ => Appetite::Enough,
        }
    }

    /// Ends the message that [`Event::Fetch`] asked for.
    pub fn content_end(&mut self) {
        if let Phase::Fetching(outgoing) = &mut self.phase {
            outgoing.end(&mut self.output);
            self.phase = Phase::Transaction;
        }
    }

    /// Gives up on the message that [`Event::Fetch`] asked for.
    ///
    /// The client hears an error when nothing has been sent yet. Else the connection is
    /// closed without an end: half a message must not look like a whole one.
    pub fn content_failed(&mut self) {
        let Phase::Fetching(outgoing) = &self.phase else { return };
        if outgoing.has_begun() {
            self.phase = Phase::Closed;
        } else {
            self.phase = Phase::Transaction;
            self.err(Some(ResponseCode::SysTemp), "the message cannot be read now");
        }
    }

    /// Appends the octets to send to the client.
    pub fn output_into(&mut self, buffer: &mut Vec<u8>) {
        if buffer.is_empty() {
            mem::swap(buffer, &mut self.output);
        } else {
            buffer.append(&mut self.output);
        }
    }

    /// Whether there are octets to send.
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Whether more input can do any good. While this is false, do not read: the
    /// client's pipelined commands can wait in the network.
    pub fn wants_input(&self) -> bool {
        match self.phase {
            Phase::Authorization | Phase::Transaction | Phase::Exchange => {
                self.output.len() < OUTPUT_OCTETS_MAX && !self.source.has_line()
            }
            _ => false,
        }
    }

    /// TLS has begun: everything that was said before is forgotten (RFC 2595 §4), what
    /// is buffered is dropped. Bad commands and failed logins stay counted.
    pub fn enter_tls(&mut self) {
        self.source.clear();
        self.output.clear();
        self.question = None;
        self.user = None;
        self.utf8 = false;
        self.maildrop = Maildrop::default();
        self.config.channel = Channel::Tls;
        self.phase = Phase::Authorization;
    }

    /// How long the client may be silent from now on.
    pub fn timeout(&self) -> Duration {
        IDLE_MAX
    }

    /// Ends the session from our side. Nothing is deleted.
    pub fn interrupt(&mut self, reason: Interrupt) {
        let awaits_command =
            matches!(self.phase, Phase::Authorization | Phase::Transaction | Phase::Exchange);
        if reason == Interrupt::Shutdown && awaits_command {
            self.err(Some(ResponseCode::SysTemp), "the server is shutting down");
        }
        self.phase = Phase::Closed;
        self.question = None;
        self.source.clear();
    }

    /// Whether the conversation is over. Send the rest of the output, then close.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    fn next_line(&mut self) -> Option<Line> {
        let is_auth = || {
            let verb = self.source.waiting().get(..5);
            verb.is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH "))
        };
        // RFC 5034 §4 holds AUTH with an initial response to the limit of commands, but
        // clients do not know that.
        let octets_max = match self.phase {
            Phase::Exchange => AUTH_LINE_OCTETS_MAX,
            Phase::Authorization if is_auth() => AUTH_LINE_OCTETS_MAX,
            _ => COMMAND_OCTETS_MAX,
        };
        self.source.next_line(octets_max)
    }

    fn line(&mut self, line: Line) {
        let in_exchange = matches!(self.phase, Phase::Exchange);
        if in_exchange {
            self.phase = Phase::Authorization; // unless the response takes the exchange on
        }
        match line {
            Line::Complete(line) if in_exchange => self.response(&line),
            Line::Complete(line) => match Command::parse(&line) {
                Ok(command) => self.command(command),
                Err(CommandFault::Unknown) => self.bad("unknown command"),
                Err(CommandFault::Usage(usage)) => self.bad(&format!("usage: {usage}")),
                Err(CommandFault::Octets) => self.bad("octets that no command may have"),
                Err(CommandFault::OtherProtocol) => self.close_with("this is a POP3 server"),
            },
            Line::BareLf => self.bad("lines end with CRLF"),
            Line::TooLong => self.bad("line too long"),
            Line::Flood => self.close_with("line without an end"),
        }
    }

    fn command(&mut self, command: Command<'_>) {
        match (command, &self.phase) {
            (Command::Capa, _) => self.capabilities(),
            (Command::Apop, _) => self.bad(
                "APOP is not supported: it would need your password stored in clear; use AUTH",
            ),
            (Command::Quit, Phase::Authorization) => {
                self.ok("bye");
                self.phase = Phase::Closed;
            }
            (_, Phase::Authorization) => self.authorization(command),
            (_, _) => self.transaction(command),
        }
    }

    fn authorization(&mut self, command: Command<'_>) {
        match command {
            Command::User(_) | Command::Pass(_) | Command::Auth { .. } if !self.may_log_in() => {
                self.bad(match self.config.channel {
                    Channel::StlsOffered => "no login without TLS: use STLS first",
                    _ => "no login without TLS: connect with TLS",
                });
            }
            Command::User(user) => {
                // The same whether or not there is such a user (RFC 1939 §7 allows it).
                self.user = Some(user.to_owned());
                self.ok("now the password");
            }
            Command::Pass(password) => match self.user.take() {
                Some(user) => {
                    self.ask(Event::Login { user, password: Password::new(password) });
                }
                None => self.bad("USER comes first"),
            },
            Command::Auth { mechanism, initial } => self.auth(mechanism, initial),
            Command::Stls if self.utf8 => self.bad("no STLS after UTF8"), // RFC 6856 §2.1
            Command::Stls if self.config.channel == Channel::StlsOffered => {
                self.ok("begin TLS now");
                self.phase = Phase::StartingTls;
                self.question = Some(Event::StartTls);
            }
            Command::Stls => self.bad("STLS is not offered here"),
            Command::Utf8 => {
                self.utf8 = true;
                self.ok("UTF8 mode");
            }
            _ => self.bad("log in first"),
        }
    }

    fn auth(&mut self, mechanism: &str, initial: Option<&str>) {
        self.user = None;
        let known = |name: &&String| name.eq_ignore_ascii_case(mechanism);
        let Some(mechanism) = self.config.mechanisms.iter().find(known).cloned() else {
            return self.bad("no such mechanism; CAPA lists them");
        };
        let initial = match initial {
            None => None,
            Some("=") => Some(SaslMessage::new([])),
            Some(text) => match SaslMessage::from_base64(text.as_bytes()) {
                Some(message) => Some(message),
                None => return self.bad("the initial response is not base64"),
            },
        };
        self.ask(Event::Auth { mechanism, initial });
    }

    fn response(&mut self, line: &[u8]) {
        if line == b"*" {
            return self.err(None, "authentication cancelled");
        }
        match SaslMessage::from_base64(line) {
            Some(message) => self.ask(Event::AuthResponse(message)),
            None => self.bad("the response is not base64"),
        }
    }

    fn transaction(&mut self, command: Command<'_>) {
        match command {
            Command::Stat => {
                let (messages, octets) = self.maildrop.totals();
                self.ok(&format!("{messages} {octets}"));
            }
            Command::List(None) => self.list(Listing::sizes()),
            Command::Uidl(None) => self.list(Listing::unique_ids()),
            Command::List(Some(message)) => {
                let reply = self.maildrop.entry(message).map(|e| format!("{message} {}", e.octets));
                self.ok_or_no_message(reply);
            }
            Command::Uidl(Some(message)) => {
                let entry = self.maildrop.entry(message);
                self.ok_or_no_message(entry.map(|e| format!("{message} {}", e.uidl.as_str())));
            }
            Command::Retr(message) => self.fetch(message, None),
            Command::Top { message, lines } => self.fetch(message, Some(lines)),
            Command::Dele(message) => {
                let reply = self.maildrop.delete(message);
                self.ok_or_no_message(reply.map(|()| format!("message {message} deleted")));
            }
            Command::Noop => self.ok("nothing done"),
            Command::Rset => {
                self.maildrop.reset();
                let summary = self.maildrop.summary();
                self.ok(&summary);
            }
            Command::Quit => self.quit(),
            _ => self.bad("not after login"),
        }
    }

    fn list(&mut self, listing: Listing) {
        let summary = self.maildrop.summary();
        self.ok(&summary);
        self.phase = Phase::Listing(listing);
    }

    fn fetch(&mut self, message: u32, lines: Option<u32>) {
        match self.maildrop.entry(message) {
            Ok(entry) => {
                self.phase = Phase::Fetching(Outgoing::new(entry.octets, lines));
                let index = Maildrop::index(message);
                self.question = Some(Event::Fetch { index, lines });
            }
            Err(fault) => self.no_message(fault),
        }
    }

    fn quit(&mut self) {
        let deleted = self.maildrop.deleted();
        if deleted.is_empty() {
            self.ok("bye");
            self.phase = Phase::Closed;
        } else {
            self.phase = Phase::Updating;
            self.question = Some(Event::Update { deleted });
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.phase = Phase::Authorization;
        let (code, text) = match refusal {
            Refusal::Credentials => (Some(ResponseCode::Auth), "wrong user name or password"),
            Refusal::Malformed => (None, "malformed authentication message"),
            Refusal::InUse => (
                Some(ResponseCode::InUse),
                "another session has this maildrop open; try again later",
            ),
            Refusal::LoginDelay => {
                (Some(ResponseCode::LoginDelay), "too soon after the last login; try again later")
            }
            Refusal::Temporary => (Some(ResponseCode::SysTemp), "no login now; try again later"),
            Refusal::Permanent => {
                (Some(ResponseCode::SysPerm), "no login; please tell the administrator")
            }
        };
        self.err(code, text);
        if matches!(refusal, Refusal::Credentials | Refusal::Malformed) {
            self.failed_logins += 1;
            if self.failed_logins >= FAILED_LOGINS_MAX {
                self.phase = Phase::Closed;
            }
        }
    }

    /// Capabilities; those of AUTHORIZATION are announced in both states (RFC 2449 §5).
    fn capabilities(&mut self) {
        let may_log_in = self.may_log_in();
        self.ok("capabilities follow");
        let mut say = |line: &str| {
            self.output.extend_from_slice(line.as_bytes());
            self.output.extend_from_slice(b"\r\n");
        };
        if may_log_in {
            say("USER");
            if !self.config.mechanisms.is_empty() {
                say(&format!("SASL {}", self.config.mechanisms.join(" ")));
            }
        }
        if self.config.channel == Channel::StlsOffered {
            say("STLS");
        }
        for line in [
            "TOP",
            "UIDL",
            "PIPELINING",
            "RESP-CODES",
            "AUTH-RESP-CODE",
            "UTF8 USER",
            "EXPIRE NEVER",
            "IMPLEMENTATION Posthouse",
            ".",
        ] {
            say(line);
        }
    }

    fn may_log_in(&self) -> bool {
        self.config.channel == Channel::Tls || self.config.clear_login == ClearLogin::Allowed
    }

    fn ask(&mut self, question: Event) {
        self.phase = Phase::LoggingIn;
        self.question = Some(question);
    }

    fn ok_or_no_message(&mut self, reply: Result<String, NoMessage>) {
        match reply {
            Ok(text) => self.ok(&text),
            Err(fault) => self.no_message(fault),
        }
    }

    fn no_message(&mut self, fault: NoMessage) {
        self.err(
            None,
            match fault {
                NoMessage::Unknown => "no such message",
                NoMessage::Deleted => "message is deleted",
            },
        );
    }

    fn bad(&mut self, text: &str) {
        self.bad_commands += 1;
        if self.bad_commands >= BAD_COMMANDS_MAX {
            self.close_with("too many bad commands");
        } else {
            self.err(None, text);
        }
    }

    fn close_with(&mut self, text: &str) {
        self.err(None, text);
        self.phase = Phase::Closed;
        self.source.clear();
    }

    fn ok(&mut self, text: &str) {
        self.output.extend_from_slice(b"+OK ");
        self.output.extend_from_slice(text.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    fn err(&mut self, code: Option<ResponseCode>, text: &str) {
        self.output.extend_from_slice(b"-ERR ");
        if let Some(code) = code {
            self.output.extend_from_slice(format!("[{}] ", code.as_str()).as_bytes());
        }
        self.output.extend_from_slice(text.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests;
