//! The server side of an SMTP conversation, without sockets.
//!
//! [`Session`] eats octets and gives out [`Event`]s; some of them ask, and the caller answers.
//! A command takes effect only when the answer said so, in one place, [`Session::answer`].
//! The session knows order, syntax and limits; it does not know what a user is.
//!
//! ```text
//!   octets → receive → poll → Event → policy decides → answer → take_output → octets
//! ```
//!
//! Each command is a file below `server/`.
//!
//! Standards: RFC 5321 §4.1 (commands), §4.3 (order), §4.5.3 (limits), RFC 2033 (LMTP).
//! Not here: TLS and timers (crate `platform`), who may do what (crate `mta`).

mod bdat;
mod command;
mod config;
mod content;
mod event;
mod hello;
mod login;
mod mail;
mod parameters;
mod path;
mod penalty;
mod rcpt;
mod requests;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use envelope::{EnhancedStatus, Moment};

pub use crate::AuthInClear;
pub use config::{Config, Kind, Tls};
pub use event::{Answer, Event, Fault, ForwardPath, Hello, Interrupt, Recipient, Sender};
pub use requests::{Offers, Priorities};
pub use trust::{Attribute, ProxiedClient, ProxiedProtocol, Trust};

use self::bdat::{Chunk, Unwanted};
use self::command::{TLS_HELLO, Verb};
use self::content::{Content, Lines};
use self::path::Letters;
use self::penalty::Penalty;
use crate::input::{Input, Line};
use crate::limits::{AUTH_LINE_OCTETS_MAX, SERVER_TIMEOUT};
use crate::reply::Reply;

/// One client's conversation.
#[derive(Debug)]
pub struct Session {
    config: Arc<Config>,
    input: Input,
    output: Vec<u8>,
    phase: Phase,
    question: Option<Question>,
    /// The client talks inside of TLS.
    encrypted: bool,
    /// The client sent something before it was greeted.
    early: bool,
    greeting: Greeting,
    /// Until when messages can be kept back, as it was told.
    hold_until: Option<Moment>,
    logged_in: bool,
    trust: Trust,
    transaction: Option<Transaction>,
    penalty: Penalty,
    progress: u64,
}

/// What the next octets are.
#[derive(Debug)]
enum Phase {
    /// Nothing was said yet.
    Connect,
    /// The client was refused and may only QUIT (RFC 5321 §3.1).
    Refused,
    Command,
    /// A response to a challenge (RFC 4954 §4).
    Login,
    /// The content, in the transaction.
    Content,
    /// A chunk that is read and dropped.
    Unwanted(Unwanted),
    /// 220 was said to STARTTLS; what comes in is not ours to read.
    Handshake,
    Closed,
}

/// What the caller was asked and has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Connect,
    Hello(Greeting),
    Login,
    Sender(Letters, Lines),
    Recipient,
    ContentBegins,
    ContentEnds,
    Proxied { logged_in: bool },
    QueueStart,
}

/// How the client introduced itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Greeting {
    None,
    Helo,
    Ehlo,
}

/// An accepted MAIL and what followed it.
#[derive(Debug, Default)]
struct Transaction {
    /// What its addresses may be written in.
    letters: Letters,
    /// What its content is made of.
    lines: Lines,
    accepted: usize,
    refused: usize,
    /// The chunk of a first BDAT, while the caller decides.
    first_chunk: Option<Chunk>,
    /// What came of the content.
    content: Option<Content>,
}

impl Session {
    /// A session at its start. Nothing is said before [`Event::Connect`] is answered.
    pub fn new(config: impl Into<Arc<Config>>) -> Self {
        let config = config.into();
        Self {
            encrypted: config.tls == Tls::Implicit,
            config,
            input: Input::new(AUTH_LINE_OCTETS_MAX),
            output: Vec::new(),
            phase: Phase::Connect,
            question: None,
            early: false,
            greeting: Greeting::None,
            hold_until: None,
            logged_in: false,
            trust: Trust::default(),
            transaction: None,
            penalty: Penalty::default(),
            progress: 0,
        }
    }

    /// Adds octets from the client. They are looked at only by [`poll`](Self::poll).
    pub fn receive(&mut self, octets: &[u8]) {
        match self.phase {
            Phase::Closed | Phase::Handshake => {}
            _ => {
                self.early |= matches!(self.phase, Phase::Connect) && !octets.is_empty();
                self.input.receive(octets);
            }
        }
    }

    /// Goes on until there is an event, or the input runs dry, or the open question waits for
    /// its answer. Pipelined commands wait in the input.
    pub fn poll(&mut self) -> Option<Event> {
        while self.question.is_none() {
            let event = match &self.phase {
                Phase::Closed | Phase::Handshake => return None,
                Phase::Connect => Some(self.ask(Question::Connect, Event::Connect)),
                Phase::Content => self.content()?,
                Phase::Unwanted(_) => self.unwanted()?,
                Phase::Command | Phase::Refused | Phase::Login => self.line()?,
            };
            if event.is_some() {
                return event;
            }
        }
        None
    }

    /// Answers the open question; the only place where a command takes effect. Without an open
    /// question it does nothing once the session is closed, as after [`interrupt`](Self::interrupt).
    ///
    /// # Panics
    ///
    /// When no question is open, or the answer does not fit it: that is a bug in the caller,
    /// not in the client.
    pub fn answer(&mut self, answer: impl Into<Answer>) {
        let Some(question) = self.question.take() else {
            assert!(self.is_closed(), "answer() without a question");
            return;
        };
        match (question, answer.into()) {
            (Question::Login, answer) => self.answer_login(answer),
            (_, Answer::Challenge(_)) => panic!("a challenge answers AUTH only, not {question:?}"),
            (Question::ContentEnds | Question::QueueStart, Answer::Accept) => {
                panic!("{question:?} needs a reply that tells what came of it")
            }
            (_, Answer::Reply(reply)) if !reply.is_positive() => self.refuse(question, reply),
            (_, Answer::Reply(reply)) => self.accept(question, Some(reply)),
            (Question::Hello(_), Answer::AcceptAt(now)) => {
                self.hold_until = self.hold_until_max(now);
                self.accept(question, None);
            }
            (_, Answer::AcceptAt(_)) => panic!("a moment answers EHLO only, not {question:?}"),
            (_, Answer::Accept) => self.accept(question, None),
        }
    }

    /// Takes the octets to send to the client.
    pub fn take_output(&mut self) -> Vec<u8> {
        self.penalty.forget_delay();
        std::mem::take(&mut self.output)
    }

    /// Appends the octets to send to the client to `buffer`.
    pub fn output_into(&mut self, buffer: &mut Vec<u8>) {
        self.penalty.forget_delay();
        buffer.append(&mut self.output);
    }

    /// How long the present output should be held back before it is sent: grows with wrong
    /// commands and refused recipients, so that guessing is slow.
    pub fn delay_hint(&self) -> Duration {
        self.penalty.delay()
    }

    /// Whether the session is over: send the output, then close.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Whether the caller has a question to answer.
    pub fn is_waiting(&self) -> bool {
        self.question.is_some()
    }

    /// Whether a transaction is open, or a question: at a shutdown it should be let finish.
    pub fn in_transaction(&self) -> bool {
        self.transaction.is_some() || self.is_waiting()
    }

    /// Whether the client sent something before it was greeted (RFC 5321 §3.1 makes it wait).
    pub fn talked_early(&self) -> bool {
        self.early
    }

    /// Whether the client talks inside of TLS.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// How long the client may take until [`progress`](Self::progress) changes.
    pub fn timeout(&self) -> Duration {
        SERVER_TIMEOUT
    }

    /// Changes whenever the time limit starts anew: with each command, and with each KiB of
    /// content. Single octets are no progress.
    pub fn progress(&self) -> u64 {
        self.progress
    }

    /// TLS is up: forgets everything that was said or received in clear (RFC 3207 §4.2). Where
    /// TLS comes first, nothing was said yet, and the greeting still follows.
    pub fn enter_tls(&mut self) {
        let phase = match self.phase {
            Phase::Connect => Phase::Connect,
            Phase::Closed => Phase::Closed,
            _ => Phase::Command,
        };
        let penalty = std::mem::take(&mut self.penalty);
        let progress = self.progress.wrapping_add(1);
        let fresh = Self::new(Arc::clone(&self.config));
        *self = Self { phase, penalty, progress, encrypted: true, trust: self.trust, ..fresh };
    }

    /// Ends the session from our side, with a 421.
    pub fn interrupt(&mut self, cause: Interrupt) {
        match self.phase {
            Phase::Closed => {}
            // The client listens for TLS now, not for replies.
            Phase::Handshake => self.phase = Phase::Closed,
            _ => {
                self.close(&cause.reply());
            }
        }
    }

    /// Takes a line from the input and runs it. `None` when there is no whole line.
    fn line(&mut self) -> Option<Option<Event>> {
        if matches!(self.phase, Phase::Command) && self.input.starts_line_with(&TLS_HELLO) {
            self.close(&command::foreign_protocol());
            return Some(None);
        }
        let event = match self.input.next_line()? {
            line if matches!(self.phase, Phase::Login) => {
                let response = login::response(line);
                self.login_response(response)
            }
            Line::Whole(line) => match command::split(line) {
                Ok((verb, argument)) => {
                    let argument = argument.to_owned();
                    self.command(verb, &argument)
                }
                Err(reply) => self.wrong(reply),
            },
            Line::BareLf => self.wrong(command::bare_lf()),
            Line::Overlong => self.wrong(command::overlong()),
            Line::Endless => {
                self.phase = Phase::Closed;
                self.input.clear();
                None
            }
        };
        self.progress = self.progress.wrapping_add(1);
        Some(event)
    }

    /// Runs one command.
    fn command(&mut self, verb: Verb, argument: &str) -> Option<Event> {
        if matches!(self.phase, Phase::Refused) && verb != Verb::Quit {
            return self.wrong(Reply::new(
                503,
                EnhancedStatus::new(5, 5, 1),
                "You were refused, only QUIT is left",
            ));
        }
        match verb {
            Verb::Helo | Verb::Ehlo if self.is_lmtp() => {
                self.wrong(command::other_greeting("LHLO"))
            }
            Verb::Lhlo if !self.is_lmtp() => self.wrong(command::other_greeting("EHLO")),
            Verb::Helo => self.hello(argument, Greeting::Helo),
            Verb::Ehlo | Verb::Lhlo => self.hello(argument, Greeting::Ehlo),
            Verb::Mail => self.mail(argument),
            Verb::Rcpt => self.rcpt(argument),
            Verb::Auth => self.login(argument),
            Verb::Noop => self.say(&Reply::new(250, EnhancedStatus::new(2, 0, 0), "Ok")),
            Verb::Help => self.say(&command::help()),
            Verb::Vrfy if argument.is_empty() => self.wrong(command::needs_argument("VRFY")),
            Verb::Vrfy => self.say(&command::cannot_verify()),
            Verb::Expn => self.wrong(command::not_implemented("EXPN")),
            Verb::Data | Verb::Rset | Verb::Quit | Verb::StartTls if !argument.is_empty() => {
                self.wrong(command::no_argument(verb))
            }
            Verb::Data if self.is_between_chunks() => self.out_of_order("Send BDAT or RSET now"),
            Verb::Data => self.data(),
            Verb::Bdat => self.bdat(argument),
            Verb::Rset => {
                self.transaction = None;
                self.say(&Reply::new(250, EnhancedStatus::new(2, 0, 0), "Forgotten"));
                Some(Event::Reset)
            }
            Verb::StartTls => self.start_tls(),
            Verb::XClient => self.xclient(argument),
            Verb::Etrn => self.etrn(argument),
            Verb::Quit => {
                self.close(&Reply::new(221, EnhancedStatus::new(2, 0, 0), "Bye"));
                Some(Event::Quit)
            }
            Verb::Foreign => {
                self.close(&command::foreign_protocol());
                None
            }
        }
    }

    fn start_tls(&mut self) -> Option<Event> {
        match self.config.tls {
            Tls::None => return self.wrong(command::not_implemented("STARTTLS")),
            _ if self.encrypted => return self.out_of_order("TLS is on already"),
            _ if self.greeting != Greeting::Ehlo => return self.out_of_order("Send EHLO first"),
            Tls::Offered | Tls::Implicit => {}
        }
        self.say(&Reply::new(220, EnhancedStatus::new(2, 0, 0), "Go ahead with TLS"));
        // RFC 3207 §4.2: nothing that came in clear may count later.
        self.input.clear();
        self.transaction = None;
        self.phase = Phase::Handshake;
        Some(Event::StartTls)
    }

    fn ask(&mut self, question: Question, event: Event) -> Event {
        self.question = Some(question);
        event
    }

    /// A question was answered with yes.
    fn accept(&mut self, question: Question, reply: Option<Reply>) {
        let said = |code, status, text: &'static str| Reply::new(code, status, text);
        let usual = match question {
            Question::Connect => {
                self.phase = Phase::Command;
                Reply::plain(220, format!("{} {}", self.config.hostname, self.config.greeting))
            }
            Question::Hello(greeting) => {
                self.greeting = greeting;
                self.transaction = None;
                // The reply to EHLO is a list of facts; no other text can stand in for it.
                let reply = self.hello_reply();
                self.say(&reply);
                return;
            }
            Question::Sender(letters, lines) => {
                self.transaction = Some(Transaction { letters, lines, ..Transaction::default() });
                said(250, EnhancedStatus::new(2, 1, 0), "Sender ok")
            }
            Question::Recipient => {
                self.count_recipient(|transaction| &mut transaction.accepted);
                said(250, EnhancedStatus::new(2, 1, 5), "Recipient ok")
            }
            Question::ContentBegins => {
                let Some(transaction) = &mut self.transaction else { return };
                let chunk = transaction.first_chunk.take();
                let lines = transaction.lines;
                let in_chunks = |chunk| Content::in_chunks(chunk, lines);
                transaction.content = Some(chunk.map_or_else(Content::with_dots, in_chunks));
                self.phase = Phase::Content;
                if chunk.is_some() {
                    // The client listens only at the end of its chunk.
                    return;
                }
                Reply::plain(354, "Send the message; end it with a line of one dot")
            }
            // Its 220 is the new greeting.
            Question::Proxied { logged_in } => return self.begin_anew(logged_in),
            Question::QueueStart => said(250, EnhancedStatus::new(2, 0, 0), "Queue started"),
            Question::ContentEnds | Question::Login => {
                let usual = said(250, EnhancedStatus::new(2, 0, 0), "Ok");
                self.end_transaction(&reply.unwrap_or(usual));
                return;
            }
        };
        self.say(&reply.unwrap_or(usual));
    }

    fn is_lmtp(&self) -> bool {
        self.config.kind == Kind::Lmtp
    }

    /// Says what became of the message: once, or in LMTP once for each accepted recipient
    /// (RFC 2033 §4.2).
    fn end_transaction(&mut self, reply: &Reply) {
        let accepted = self.transaction.take().map_or(1, |transaction| transaction.accepted);
        let times = if self.is_lmtp() { accepted } else { 1 };
        for _ in 0..times {
            self.say(reply);
        }
    }

    /// A question was answered with no.
    fn refuse(&mut self, question: Question, reply: Reply) {
        match question {
            Question::Connect => self.phase = Phase::Refused,
            Question::ContentEnds if reply.code() != 421 => {
                self.end_transaction(&reply);
                return;
            }
            Question::ContentBegins => {
                let transaction = self.transaction.as_mut();
                if let Some(chunk) = transaction.and_then(|it| it.first_chunk.take()) {
                    // A later chunk must not be taken for the beginning (RFC 3030 §2).
                    self.transaction = None;
                    self.drop_chunk(chunk, reply);
                    return;
                }
            }
            Question::Recipient => {
                self.count_recipient(|transaction| &mut transaction.refused);
                // An author's list may be long and old.
                if reply.is_permanent()
                    && !self.logged_in
                    && let Err(too_many) = self.penalty.refused_recipient()
                {
                    self.close(&too_many);
                    return;
                }
            }
            _ => {}
        }
        match reply.code() {
            421 => self.close(&reply),
            _ => self.say(&reply),
        };
    }

    fn count_recipient(&mut self, count: impl Fn(&mut Transaction) -> &mut usize) {
        if let Some(transaction) = &mut self.transaction {
            let count = count(transaction);
            *count = count.saturating_add(1);
        }
    }

    /// Refuses a command that is wrong by itself, and counts it.
    fn wrong(&mut self, reply: Reply) -> Option<Event> {
        match self.penalty.wrong_command() {
            Ok(()) => self.say(&reply),
            Err(too_many) => self.close(&too_many),
        }
    }

    fn out_of_order(&mut self, text: &'static str) -> Option<Event> {
        self.wrong(Reply::new(503, EnhancedStatus::new(5, 5, 1), text))
    }

    /// Says the last reply.
    fn close(&mut self, reply: &Reply) -> Option<Event> {
        self.say(reply);
        self.phase = Phase::Closed;
        self.question = None;
        self.transaction = None;
        self.input.clear();
        None
    }

    fn say(&mut self, reply: &Reply) -> Option<Event> {
        reply.write_to(&mut self.output);
        None
    }
}
