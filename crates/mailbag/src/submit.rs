//! A conversation with the submission server: log in, send, and learn each recipient's fate.
//!
//! ```text
//!   Submitter::open → send(parcel) → Sent: a Fate for each recipient, transcript → quit
//! ```
//!
//! Just before the final dot the caller is asked to write down that the message is about to be
//! handed over: if nothing is heard after it, nobody can know whether the server has it, and it
//! must not be sent again blindly.
//!
//! Standards: RFC 6409 (submission), RFC 5321 §4.5.3.2 (timeouts), RFC 3461 (DSN), RFC 4954.
//! Not here: what is sent when ([`outbox`](crate::outbox)).

use std::time::Duration;

use envelope::{BodyType, Domain, EnhancedStatus, Envelope};
use sasl::Password;
use smtp::client::{
    Config, Ending, Entry, Event, Fault, Interrupt, Outcome, Session, Speaker, Stage, TlsPolicy,
    Verdict,
};
use smtp::{AuthInClear, LineEnds, Reply};
use store::{RemoteReply, TlsRecord};

use crate::account::{Account, TlsMode};
use crate::dial::{Link, ServerError};
use crate::login;
use crate::world::World;

/// Octets of content handed on at once.
const PIECE_OCTETS: usize = 64 * 1024;

/// A message on its way out.
#[derive(Clone, Debug)]
pub struct Parcel<'a> {
    /// Sender, recipients, what we want to hear.
    pub envelope: Envelope,
    /// The content as it goes out: without Bcc.
    pub content: &'a [u8],
}

/// What became of one recipient in one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The server took responsibility.
    Accepted(RemoteReply),
    /// It refused for good.
    Refused(RemoteReply),
    /// Not now: with the server's words, or our reason.
    Deferred {
        /// What it said.
        reply: Option<RemoteReply>,
        /// What happened, in a sentence.
        reason: String,
    },
    /// The message was handed over and no answer came.
    Unknown {
        /// What happened, in a sentence.
        reason: String,
    },
    /// This server can never take it from us.
    Impossible {
        /// Why, in a sentence.
        reason: String,
    },
}

/// How one parcel went.
#[derive(Clone, Debug)]
pub struct Sent {
    /// One for each recipient of the envelope, in its order.
    pub fates: Vec<Fate>,
    /// How far it went, as events name the stages.
    pub stage: &'static str,
    /// What was said, line by line.
    pub transcript: String,
}

/// An open connection to the submission server, logged in.
#[derive(Debug)]
pub struct Submitter {
    link: Link,
    session: Session,
    world: World,
    transcript: Vec<Entry>,
}

impl Submitter {
    /// Connects, takes TLS, and logs in.
    pub async fn open(
        world: &World,
        account: &Account,
        password: &Password,
    ) -> Result<Self, ServerError> {
        let server = &account.submission;
        let link = Link::open(world, server, account.ca.as_deref()).await?;
        let (local, _) = link.ends();
        let config = Config {
            hello: Domain::from(local.ip()).to_string(),
            tls: match server.tls {
                TlsMode::Implicit => TlsPolicy::Implicit,
                TlsMode::Starttls => TlsPolicy::Required,
                TlsMode::None => TlsPolicy::Never,
            },
            auth_in_clear: match server.tls {
                TlsMode::None => AuthInClear::Allowed,
                TlsMode::Implicit | TlsMode::Starttls => AuthInClear::Refused,
            },
            line_ends: LineEnds::Refuse,
            ..Config::default()
        };
        let session = Session::new(config);
        let mut submitter = Self { link, session, world: world.clone(), transcript: Vec::new() };
        submitter.until_ready().await?;
        submitter.log_in(&account.login(), password).await?;
        Ok(submitter)
    }

    /// Whether the server passes on what we want to hear of each recipient (RFC 3461).
    pub fn offers_dsn(&self) -> bool {
        self.session.capabilities().dsn
    }

    /// The server's address and port.
    pub fn peer(&self) -> std::net::SocketAddr {
        self.link.ends().1
    }

    /// TLS of the connection.
    pub fn tls(&self) -> Option<TlsRecord> {
        self.link.tls_record()
    }

    /// Whether another parcel can be sent, once the server has answered what it was told.
    pub async fn is_open(&mut self) -> bool {
        while !self.session.is_ready() && !self.session.is_closed() {
            self.event().await;
        }
        self.session.is_ready()
    }

    /// Sends a parcel. `before_end` is called before the final dot with the places of the
    /// recipients that were accepted; it must make that durable. On its error nothing is
    /// handed over.
    ///
    /// Not cancel safe: a dropped future leaves a connection of no further use.
    pub async fn send(
        &mut self,
        parcel: &Parcel<'_>,
        before_end: impl AsyncFnOnce(&[usize]) -> Result<(), crate::Fault>,
    ) -> Result<Sent, crate::Fault> {
        let recipients = parcel.envelope.recipients.len();
        if parcel.envelope.body == BodyType::EightBitMime
            && !self.session.capabilities().eight_bit_mime
        {
            let reason = "the message has 8-bit octets, which this server does not take".to_owned();
            let fates = vec![Fate::Impossible { reason }; recipients];
            return Ok(Sent { fates, stage: Stage::Mail.as_str(), transcript: String::new() });
        }
        if parcel.envelope.is_international() && !self.session.capabilities().smtputf8 {
            let reason = "this server takes no addresses outside of ASCII (SMTPUTF8)".to_owned();
            let fates = vec![Fate::Impossible { reason }; recipients];
            return Ok(Sent { fates, stage: Stage::Mail.as_str(), transcript: String::new() });
        }
        self.session.send(&parcel.envelope, u64::try_from(parcel.content.len()).ok());
        let mut accepted = Vec::new();
        let mut before_end = Some(before_end);
        let outcomes = loop {
            match self.event().await {
                Event::RecipientAnswered { index, reply } if reply.is_positive() => {
                    accepted.push(index);
                }
                Event::ContentWanted => {
                    if let Some(write_down) = before_end.take() {
                        self.content(parcel.content, &accepted, write_down).await?;
                    }
                }
                Event::TransactionDone(outcomes) => break outcomes,
                _ => {}
            }
        };
        let stage = outcomes.iter().map(|outcome| outcome.stage).max().unwrap_or(Stage::Mail);
        Ok(Sent {
            fates: outcomes.iter().map(fate).collect(),
            stage: stage.as_str(),
            transcript: self.take_transcript(),
        })
    }

    /// Gives the content; the final dot only after `write_down` is done.
    async fn content(
        &mut self,
        content: &[u8],
        accepted: &[usize],
        write_down: impl AsyncFnOnce(&[usize]) -> Result<(), crate::Fault>,
    ) -> Result<(), crate::Fault> {
        for piece in content.chunks(PIECE_OCTETS) {
            // A bare CR or LF closes the session; the outcomes tell.
            if self.session.content(piece).is_err() || !self.flush().await {
                return Ok(());
            }
        }
        if self.session.is_closed() {
            return Ok(());
        }
        if let Err(error) = write_down(accepted).await {
            self.session.interrupt(Interrupt::Abandoned);
            return Err(error);
        }
        // Its error closes the session as well.
        self.session.content_end().ok();
        Ok(())
    }

    /// Says goodbye.
    pub async fn quit(mut self) {
        self.session.quit();
        while !self.session.is_closed() {
            self.event().await;
        }
        self.flush().await;
        self.link.close().await;
    }

    async fn until_ready(&mut self) -> Result<(), ServerError> {
        loop {
            match self.event().await {
                Event::Ready => return Ok(()),
                Event::TlsNeeded => {
                    self.flush().await;
                    self.link.enter_tls().await?;
                    self.session.enter_tls();
                }
                Event::Closed(ending) => return Err(self.closed(ending)),
                _ => {}
            }
        }
    }

    async fn log_in(&mut self, user: &str, password: &Password) -> Result<(), ServerError> {
        let server = self.link.name();
        let offered = self.session.capabilities().mechanisms.clone();
        let mut last = None;
        for mechanism in login::mechanisms(&offered) {
            let mut exchange = login::exchange(mechanism, user, password, &*self.world.random);
            let initial = exchange.initial_response();
            self.session.authenticate(mechanism.name(), initial.as_ref().map(|octets| &***octets));
            let verdict = loop {
                match self.event().await {
                    Event::Challenge(challenge) => match exchange.step(&challenge) {
                        Ok(response) => self.session.respond(&response),
                        Err(_) => self.session.cancel_login(),
                    },
                    Event::Authenticated(_) => {
                        return exchange.finish().map_err(|error| ServerError::FalseServer {
                            server,
                            reason: error.to_string(),
                        });
                    }
                    Event::AuthRefused(verdict) => break verdict,
                    Event::Closed(ending) => return Err(self.closed(ending)),
                    _ => {}
                }
            };
            match verdict.reply() {
                Some(reply) if reply.is_temporary() => {
                    return Err(ServerError::Refused { server, reply: reply.to_string() });
                }
                // RFC 4954 §6: 535 means the credentials; others may mean the mechanism.
                Some(reply) if reply.code() == 535 => {
                    let (login, reply) = (user.to_owned(), reply.to_string());
                    return Err(ServerError::Login { server, login, reply });
                }
                reply => last = reply.map(Reply::to_string),
            }
        }
        Err(match last {
            Some(reply) => ServerError::Login { server, login: user.to_owned(), reply },
            None => ServerError::NoMechanism { server, offered },
        })
    }

    /// The next thing that the session tells. Sends what waits to be sent before it listens.
    async fn event(&mut self) -> Event {
        let clock = self.world.clock.clone();
        let mut since = (clock.monotonic(), self.session.progress());
        let mut octets = Vec::new();
        loop {
            if let Some(event) = self.session.poll() {
                self.keep_transcript();
                return event;
            }
            if !self.flush().await {
                continue;
            }
            if self.session.progress() != since.1 {
                since = (clock.monotonic(), self.session.progress());
            }
            let waited = clock.monotonic().saturating_sub(since.0);
            let left = self.session.timeout().saturating_sub(waited);
            octets.clear();
            match self.read(&mut octets, left).await {
                Ok(()) => self.session.receive(&octets),
                Err(interrupt) => self.session.interrupt(interrupt),
            }
        }
    }

    async fn read(&mut self, octets: &mut Vec<u8>, left: Duration) -> Result<(), Interrupt> {
        if left.is_zero() {
            return Err(Interrupt::TimedOut);
        }
        self.link.read(octets, left).await.map_err(|_| Interrupt::Lost)
    }

    /// Sends what waits; false when the connection is lost.
    async fn flush(&mut self) -> bool {
        let output = self.session.take_output();
        if output.is_empty() {
            return true;
        }
        let within = self.session.timeout();
        if self.link.write(&output, within).await.is_err() {
            self.session.interrupt(Interrupt::Lost);
            return false;
        }
        true
    }

    fn keep_transcript(&mut self) {
        self.transcript.extend(self.session.take_transcript());
    }

    fn take_transcript(&mut self) -> String {
        self.keep_transcript();
        let mut text = String::new();
        for entry in self.transcript.drain(..) {
            text.push_str(match entry.speaker {
                Speaker::Client => "> ",
                Speaker::Server => "< ",
                Speaker::Note => "* ",
            });
            text.push_str(&entry.text);
            text.push('\n');
        }
        text
    }

    fn closed(&self, ending: Ending) -> ServerError {
        let server = self.link.name();
        let Ending::Failed(Outcome { verdict, .. }) = ending else {
            return ServerError::Lost { server, reason: "it said goodbye".to_owned() };
        };
        match verdict {
            Verdict::Accepted(reply) | Verdict::Refused(reply) => {
                ServerError::Refused { server, reply: reply.to_string() }
            }
            Verdict::Failed(Fault::TlsNotOffered | Fault::TlsRefused(_)) => {
                ServerError::TlsNotOffered { server }
            }
            Verdict::Failed(Fault::Injected) => ServerError::Injected { server },
            Verdict::Failed(fault @ (Fault::Lost | Fault::TimedOut | Fault::Abandoned)) => {
                ServerError::Lost { server, reason: fault.to_string() }
            }
            Verdict::Failed(fault) => ServerError::Protocol { server, reason: fault.to_string() },
        }
    }
}

fn fate(outcome: &Outcome) -> Fate {
    match &outcome.verdict {
        Verdict::Accepted(reply) => Fate::Accepted(remote_reply(reply)),
        Verdict::Refused(reply) if reply.is_permanent() => Fate::Refused(remote_reply(reply)),
        Verdict::Refused(reply) => Fate::Deferred {
            reply: Some(remote_reply(reply)),
            reason: "the server asks to try again later".to_owned(),
        },
        Verdict::Failed(fault @ Fault::BareLineEnd(_)) => {
            Fate::Impossible { reason: fault.to_string() }
        }
        Verdict::Failed(fault) if outcome.stage == Stage::ContentEnd => {
            Fate::Unknown { reason: format!("after the whole message was sent, {fault}") }
        }
        Verdict::Failed(fault) => Fate::Deferred { reply: None, reason: fault.to_string() },
    }
}

/// A reply as the store keeps it.
fn remote_reply(reply: &Reply) -> RemoteReply {
    RemoteReply { code: reply.code(), status: reply.status(), text: reply.text().to_owned() }
}

/// A reply as the server gave it, in one line.
pub fn spoken(reply: &RemoteReply) -> String {
    let status = reply.status.map(|status: EnhancedStatus| format!("{status} "));
    format!("{} {}{}", reply.code, status.unwrap_or_default(), reply.text.replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_after_the_final_dot_is_unknown_and_never_a_retry() {
        let reply = |code, text: &'static str| Reply::plain(code, text);
        let failed = |stage| (stage, Verdict::Failed(Fault::Lost));
        #[rustfmt::skip]
        let table = [
            (Stage::ContentEnd, Verdict::Accepted(reply(250, "ok")), "accepted", "its word"),
            (Stage::Rcpt, Verdict::Refused(reply(550, "no")), "refused", "5yz is for good"),
            (Stage::Rcpt, Verdict::Refused(reply(450, "later")), "deferred", "4yz is not"),
            (Stage::ContentEnd, Verdict::Refused(reply(451, "later")), "deferred", "it does not have it"),
            (failed(Stage::Content).0, failed(Stage::Content).1, "deferred", "without the dot it cannot have it"),
            (failed(Stage::ContentEnd).0, failed(Stage::ContentEnd).1, "unknown", "it may have it"),
            (Stage::ContentEnd, Verdict::Failed(Fault::TimedOut), "unknown", "silence says nothing"),
        ];
        for (stage, verdict, wanted, why) in table {
            let found = match fate(&Outcome { stage, verdict }) {
                Fate::Accepted(_) => "accepted",
                Fate::Refused(_) => "refused",
                Fate::Deferred { .. } => "deferred",
                Fate::Unknown { .. } => "unknown",
                Fate::Impossible { .. } => "impossible",
            };
            assert_eq!(found, wanted, "{why}");
        }
    }
}
