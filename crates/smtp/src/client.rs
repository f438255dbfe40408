//! The client side of an SMTP conversation, without sockets.
//!
//! [`Session`] greets, takes TLS by its policy, and is then [`Ready`](Event::Ready): the caller
//! logs in, sends transactions one after the other, and quits. Every recipient gets an
//! [`Outcome`] of its own.
//!
//! ```text
//!   220 → EHLO → (STARTTLS → handshake → EHLO) → Ready → (AUTH) → send → ContentWanted
//!         → content, content_end → TransactionDone → Ready → … → quit → Closed
//! ```
//!
//! A reply that does not fit its command is a temporary failure and ends the session: after it
//! we cannot know which reply belongs to which command.
//!
//! Standards: RFC 5321 §4.1.4 (order), §4.3.2 (replies), RFC 2033 (LMTP), RFC 2920 §3.1
//! (pipelining), RFC 3207 §4 (STARTTLS).
//! Not here: which host, and when again (crate `mta`); TLS and timers (crate `platform`).

mod capabilities;
mod config;
mod content;
mod event;
mod login;
mod replies;
mod transaction;
mod transcript;

use std::collections::VecDeque;
use std::time::Duration;

pub use crate::AuthInClear;
pub use capabilities::{Capabilities, DeliverByOffer, Size};
pub use config::{Config, Protocol, TlsPolicy};
pub use event::{Ending, Event, Fault, Interrupt, Outcome, Stage, Verdict};
pub use replies::ReplyError;
pub use transcript::{Entry, Speaker};

use self::content::Framing;
use self::replies::Partial;
use self::transaction::Transaction;
use self::transcript::Transcript;
use crate::input::{Input, Line};
use crate::limits;
use crate::reply::Reply;

/// One conversation with a server.
#[derive(Debug)]
pub struct Session {
    config: Config,
    input: Input,
    output: Vec<u8>,
    partial: Partial,
    phase: Phase,
    events: VecDeque<Event>,
    /// [`Event::Ready`] is due, unless the caller goes on before it hears it.
    ready_is_due: bool,
    capabilities: Capabilities,
    encrypted: bool,
    /// An initial response that was too long for the AUTH line.
    late_response: Option<Vec<u8>>,
    transaction: Option<Transaction>,
    transcript: Transcript,
    progress: u64,
}

/// What the next reply answers.
#[derive(Debug)]
enum Phase {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    /// 220 came for STARTTLS; the caller shakes hands.
    Handshake,
    Ready,
    Login,
    /// MAIL, RCPT or DATA, as the transaction counts them.
    Envelope,
    Content(Framing),
    ContentEnd,
    Rset,
    Quit,
    Closed,
}

impl Session {
    /// A session on a connection that has just been made.
    pub fn new(config: Config) -> Self {
        Self {
            encrypted: config.tls == TlsPolicy::Implicit,
            config,
            input: Input::new(limits::REPLY_LINE_OCTETS_MAX),
            output: Vec::new(),
            partial: Partial::default(),
            phase: Phase::Greeting,
            events: VecDeque::new(),
            ready_is_due: false,
            capabilities: Capabilities::default(),
            late_response: None,
            transaction: None,
            transcript: Transcript::default(),
            progress: 0,
        }
    }

    /// Adds octets from the server. They are looked at only by [`poll`](Self::poll).
    pub fn receive(&mut self, octets: &[u8]) {
        match self.phase {
            Phase::Closed => {}
            // Whatever comes before the handshake ends is not from whom we will talk to.
            Phase::Handshake if !octets.is_empty() => self.fail(Fault::Injected),
            _ => self.input.receive(octets),
        }
    }

    /// Goes on until there is an event or the input runs dry.
    pub fn poll(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if std::mem::take(&mut self.ready_is_due) {
                return Some(Event::Ready);
            }
            if matches!(self.phase, Phase::Closed | Phase::Handshake) {
                return None;
            }
            let reply = match self.input.next_line()? {
                Line::Whole(line) => {
                    // Salt, nonces and the server's signature let others try passwords at home.
                    let heard = if matches!(self.phase, Phase::Login) && line.starts_with(b"334") {
                        "334 (challenge)".into()
                    } else {
                        String::from_utf8_lossy(line)
                    };
                    self.transcript.add(Speaker::Server, &heard);
                    self.partial.add(line)
                }
                Line::BareLf => Err(ReplyError::BareLineEnd),
                Line::Overlong | Line::Endless => Err(ReplyError::TooLong),
            };
            match reply {
                Ok(None) => {}
                Ok(Some(reply)) => {
                    self.progress = self.progress.wrapping_add(1);
                    self.reply(reply);
                }
                Err(error) => self.fail(error.into()),
            }
        }
    }

    /// Takes the octets to send to the server.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Appends the octets to send to the server to `buffer`.
    pub fn output_into(&mut self, buffer: &mut Vec<u8>) {
        buffer.append(&mut self.output);
    }

    /// Whether the session is over: send the output, then close.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Whether nothing is going on, so that [`send`](Self::send) may be called.
    pub fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready)
    }

    /// Whether the connection is inside of TLS.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// What the server offers, as far as we know now.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// How far we are.
    pub fn stage(&self) -> Stage {
        match &self.phase {
            Phase::Greeting => Stage::Greeting,
            Phase::Ehlo | Phase::Helo => Stage::Hello,
            Phase::StartTls | Phase::Handshake => Stage::StartTls,
            Phase::Ready | Phase::Rset => Stage::Idle,
            Phase::Login => Stage::Auth,
            Phase::Envelope => self.transaction.as_ref().map_or(Stage::Mail, Transaction::stage),
            Phase::Content(_) => Stage::Content,
            Phase::ContentEnd => Stage::ContentEnd,
            Phase::Quit | Phase::Closed => Stage::Quit,
        }
    }

    /// How long the server may take for what we wait for, from when our octets were sent and
    /// again from each [`progress`](Self::progress) (RFC 5321 §4.5.3.2).
    pub fn timeout(&self) -> Duration {
        match self.stage() {
            Stage::Connect | Stage::Greeting => limits::GREETING_TIMEOUT,
            Stage::Hello | Stage::StartTls | Stage::Auth | Stage::Idle => limits::COMMAND_TIMEOUT,
            Stage::Mail => limits::MAIL_TIMEOUT,
            Stage::Rcpt => limits::RECIPIENT_TIMEOUT,
            Stage::Data => limits::DATA_TIMEOUT,
            Stage::Content => limits::CONTENT_TIMEOUT,
            Stage::ContentEnd => limits::CONTENT_END_TIMEOUT,
            Stage::Quit => limits::QUIT_TIMEOUT,
        }
    }

    /// Changes whenever the time limit starts anew: with each whole reply and each piece of
    /// content, never with single octets.
    pub fn progress(&self) -> u64 {
        self.progress
    }

    /// What was said since this was last asked, without content and credentials.
    pub fn take_transcript(&mut self) -> Vec<Entry> {
        self.transcript.take()
    }

    /// TLS is up: forgets everything that was said or received in clear (RFC 3207 §4.2).
    ///
    /// # Panics
    ///
    /// When the session did not ask for it by [`Event::TlsNeeded`]: that is a bug in the caller.
    pub fn enter_tls(&mut self) {
        if self.is_closed() {
            return;
        }
        assert!(matches!(self.phase, Phase::Handshake), "enter_tls() without Event::TlsNeeded");
        self.input.clear();
        self.output.clear();
        self.partial = Partial::default();
        self.capabilities = Capabilities::default();
        self.encrypted = true;
        self.transcript.add(Speaker::Note, "(TLS)");
        self.say_hello();
    }

    /// Ends the session in good order. A transaction that is open is given up without QUIT.
    pub fn quit(&mut self) {
        match self.phase {
            Phase::Ready | Phase::Rset => {
                self.command("QUIT");
                self.phase = Phase::Quit;
            }
            Phase::Quit | Phase::Closed => {}
            _ => self.fail(Fault::Abandoned),
        }
    }

    /// Tells the session what it cannot see: that the connection is lost, or time is up.
    pub fn interrupt(&mut self, cause: Interrupt) {
        self.fail(cause.into());
    }

    /// One whole reply.
    fn reply(&mut self, reply: Reply) {
        // RFC 5321 §3.8: may answer anything, and the server closes after it.
        if reply.code() == 421 && !matches!(self.phase, Phase::Quit) {
            self.end(Verdict::Refused(reply));
            return;
        }
        match self.phase {
            Phase::Greeting if reply.code() == 220 => self.say_hello(),
            Phase::Greeting | Phase::Helo if !reply.is_positive() => self.leave(reply),
            Phase::Ehlo if reply.code() == 250 => {
                self.capabilities = Capabilities::from_reply(&reply);
                self.choose_tls();
            }
            // RFC 2033 §4.1: there is no older greeting to go back to.
            Phase::Ehlo if reply.is_permanent() && self.config.protocol == Protocol::Smtp => {
                self.command_with_hello("HELO");
                self.phase = Phase::Helo;
            }
            Phase::Ehlo if !reply.is_positive() => self.leave(reply),
            Phase::Helo if reply.code() == 250 => self.choose_tls(),
            Phase::StartTls => self.start_tls_reply(reply),
            Phase::Login => self.login_reply(reply),
            Phase::Envelope => self.envelope_reply(reply),
            Phase::Content(_) if !reply.is_positive() => self.end(Verdict::Refused(reply)),
            Phase::ContentEnd => self.content_end_reply(reply),
            Phase::Rset if reply.code() == 250 => self.ready(),
            Phase::Quit => {
                self.phase = Phase::Closed;
                self.events.push_back(Event::Closed(Ending::Quit));
            }
            Phase::Greeting
            | Phase::Ehlo
            | Phase::Helo
            | Phase::Ready
            | Phase::Content(_)
            | Phase::Rset
            | Phase::Handshake
            | Phase::Closed => self.fail(Fault::Unexpected(reply)),
        }
    }

    fn say_hello(&mut self) {
        self.command_with_hello(match self.config.protocol {
            Protocol::Smtp => "EHLO",
            Protocol::Lmtp => "LHLO",
        });
        self.phase = Phase::Ehlo;
    }

    fn command_with_hello(&mut self, verb: &str) {
        let line = format!("{verb} {}", self.config.hello);
        self.command(&line);
    }

    /// EHLO or HELO succeeded: encrypt, go on in clear, or stop.
    fn choose_tls(&mut self) {
        let wanted = match self.config.tls {
            TlsPolicy::Never | TlsPolicy::Implicit => false,
            TlsPolicy::Opportunistic | TlsPolicy::Required => !self.encrypted,
        };
        if wanted && self.capabilities.starttls {
            self.command("STARTTLS");
            self.phase = Phase::StartTls;
        } else if wanted && self.config.tls == TlsPolicy::Required {
            self.command("QUIT");
            self.end_at(Stage::StartTls, Verdict::Failed(Fault::TlsNotOffered));
        } else {
            self.ready();
        }
    }

    fn start_tls_reply(&mut self, reply: Reply) {
        match (reply.code(), self.config.tls) {
            (220, _) if !self.input.is_empty() => self.fail(Fault::Injected),
            (220, _) => {
                self.phase = Phase::Handshake;
                self.events.push_back(Event::TlsNeeded);
            }
            (..400, _) => self.fail(Fault::Unexpected(reply)),
            (_, TlsPolicy::Required) => {
                self.command("QUIT");
                self.end(Verdict::Failed(Fault::TlsRefused(reply)));
            }
            _ => self.ready(),
        }
    }

    fn ready(&mut self) {
        self.phase = Phase::Ready;
        self.ready_is_due = true;
    }

    /// The server does not want us: says goodbye and stops.
    fn leave(&mut self, reply: Reply) {
        self.command("QUIT");
        self.end(Verdict::Refused(reply));
    }

    fn fail(&mut self, fault: Fault) {
        self.end(Verdict::Failed(fault));
    }

    /// Ends the session where it is. An open transaction tells its outcomes first.
    fn end(&mut self, verdict: Verdict) {
        self.end_at(self.stage(), verdict);
    }

    fn end_at(&mut self, stage: Stage, verdict: Verdict) {
        if self.is_closed() {
            return;
        }
        let outcome = Outcome { stage, verdict };
        if let Some(transaction) = self.transaction.take() {
            let outcomes = transaction.outcomes(&outcome);
            self.events.push_back(Event::TransactionDone(outcomes));
        }
        let quitting = matches!(self.phase, Phase::Quit);
        self.phase = Phase::Closed;
        self.ready_is_due = false;
        self.input.clear();
        self.events.push_back(Event::Closed(match quitting {
            true => Ending::Quit,
            false => Ending::Failed(outcome),
        }));
    }

    fn command(&mut self, line: &str) {
        self.transcript.add(Speaker::Client, line);
        self.write_line(line);
    }

    /// Writes a line that is not for the transcript, which gets `instead`.
    fn secret_command(&mut self, line: &str, instead: &str) {
        self.transcript.add(Speaker::Client, instead);
        self.write_line(line);
    }

    fn write_line(&mut self, line: &str) {
        self.ready_is_due = false;
        assert!(!line.contains(['\r', '\n']), "a command is one line");
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }
}
