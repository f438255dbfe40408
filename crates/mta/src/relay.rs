//! One try to hand a message to one address of one host.
//!
//! Drives an `smtp` client session over a connection, streams the content from the store, and
//! keeps what was said. It decides nothing about the queue.
//!
//! Standards: RFC 5321 §3.3, §4.5.3.2 (timeouts), RFC 3207 and RFC 7435 (opportunistic TLS).
//! Not here: which host (`routing`), when again (`queue`).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use envelope::{EnhancedStatus, Envelope};
use platform::{ClientTls, Connection, ConnectionError};
use sasl::Mechanism;
use smtp::LineEnds;
use smtp::client::{self, Event, Interrupt, Outcome, Session, Speaker, Stage, TlsPolicy, Verdict};
use store::{Attempt, MessageId, RemoteReply, TlsRecord};

use crate::reception::tls_record;
use crate::routing::{Host, HostKind, tls_required};
use crate::{Mta, RelayLogin};

/// For a TCP connection to be made: longer only delays the next address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// For a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// Content is read and sent in pieces of this size.
const PIECE_OCTETS: usize = 64 * 1024;

/// What is to be handed over.
#[derive(Debug)]
pub(crate) struct Cargo<'a> {
    pub(crate) envelope: &'a Envelope,
    pub(crate) message: MessageId,
    pub(crate) octets: u64,
    /// The recipients' numbers in the submission, in the envelope's order.
    pub(crate) numbers: &'a [u32],
}

/// How a try ended.
#[derive(Debug)]
pub(crate) struct Tried {
    /// One for each recipient of the envelope, in its order.
    pub(crate) results: Vec<Told>,
    /// What is kept of it.
    pub(crate) attempt: Attempt,
    /// Whether the server tells the sender of success itself (RFC 3461 §5.2.2).
    pub(crate) tells_success: bool,
    /// Whether another host may do better: this one was not reached, or did not want us.
    pub(crate) worth_another_host: bool,
}

/// What a recipient's next server said, or why it said nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) stage: &'static str,
    pub(crate) accepted: bool,
    pub(crate) status: EnhancedStatus,
    pub(crate) reply: Option<RemoteReply>,
    /// The reply, or our own sentence.
    pub(crate) text: String,
}

impl Told {
    fn of(outcome: &Outcome) -> Self {
        let reply = outcome.verdict.reply().map(remote_reply);
        let text = match &outcome.verdict {
            Verdict::Accepted(reply) | Verdict::Refused(reply) => reply.to_string(),
            Verdict::Failed(fault) => fault.to_string(),
        };
        Self {
            stage: outcome.stage.as_str(),
            accepted: outcome.verdict.is_accepted(),
            status: outcome.verdict.status(),
            reply,
            text,
        }
    }

    fn unreached(stage: Stage, status: EnhancedStatus, text: String) -> Self {
        Self { stage: stage.as_str(), accepted: false, status, reply: None, text }
    }
}

fn remote_reply(reply: &smtp::Reply) -> RemoteReply {
    RemoteReply { code: reply.code(), status: reply.status(), text: reply.text().to_owned() }
}

/// Tries one address. When opportunistic TLS cannot be entered, the same address is tried once
/// more in clear: an attacker could have had that anyway (RFC 7435 §3).
pub(crate) async fn attempt(
    mta: &Mta,
    host: &Host,
    address: SocketAddr,
    cargo: &Cargo<'_>,
) -> Tried {
    let first =
        if tls_required(mta, host.kind) { TlsPolicy::Required } else { TlsPolicy::Opportunistic };
    let mut transcript = String::new();
    let conversation = Conversation::new(mta, host, address, cargo, first, &mut transcript);
    let began_at = mta.now();
    let mut tried = conversation.run().await;
    if tried.tls_failed && first == TlsPolicy::Opportunistic {
        transcript.push_str("* TLS failed; once more in clear\n");
        let again = Conversation::new(mta, host, address, cargo, TlsPolicy::Never, &mut transcript);
        tried = again.run().await;
    }
    let worth_another_host = tried.results.iter().all(|told| {
        !told.accepted
            && told.status.is_temporary()
            && ["connect", "greeting", "ehlo", "starttls", "auth"].contains(&told.stage)
    });
    let result = tried.results.first().map(|told| told.text.clone()).unwrap_or_default();
    Tried {
        worth_another_host,
        tells_success: tried.tells_success,
        attempt: Attempt {
            recipients: cargo.numbers.to_vec(),
            began_at,
            ended_at: mta.now(),
            host: host.name.clone(),
            address: Some(address.ip()),
            port: address.port(),
            tls: tried.tls,
            result,
            transcript,
        },
        results: tried.results,
    }
}

/// A conversation's result.
struct Talked {
    results: Vec<Told>,
    tls: Option<TlsRecord>,
    tls_failed: bool,
    tells_success: bool,
}

/// A conversation with a host.
struct Conversation<'a> {
    mta: &'a Mta,
    host: &'a Host,
    address: SocketAddr,
    cargo: &'a Cargo<'a>,
    session: Session,
    transcript: &'a mut String,
    tls: Option<TlsRecord>,
    tls_failed: bool,
    exchange: Option<sasl::Client>,
    logged_in: bool,
    sent: bool,
    outcomes: Option<Vec<Told>>,
}

impl<'a> Conversation<'a> {
    fn new(
        mta: &'a Mta,
        host: &'a Host,
        address: SocketAddr,
        cargo: &'a Cargo<'a>,
        tls: TlsPolicy,
        transcript: &'a mut String,
    ) -> Self {
        let config = client::Config {
            hello: mta.config.hostname.to_string(),
            tls,
            // What was imported may have other line ends; on the wire there is only CRLF.
            line_ends: LineEnds::Normalise,
            ..client::Config::default()
        };
        Self {
            mta,
            host,
            address,
            cargo,
            session: Session::new(config),
            transcript,
            tls: None,
            tls_failed: false,
            exchange: None,
            logged_in: false,
            sent: false,
            outcomes: None,
        }
    }

    async fn run(mut self) -> Talked {
        self.note(&format!("connecting to {} at {}", self.host.name, self.address));
        let world = &self.mta.world;
        let from = self.source();
        let connected = Connection::connect(
            world.net.as_ref(),
            Arc::clone(&world.clock),
            from,
            self.address,
            CONNECT_TIMEOUT,
        );
        match connected.await {
            Ok(connection) => self.talk(connection).await,
            Err(error) => {
                self.note(&error.to_string());
                let text = format!("{} at {}: {error}", self.host.name, self.address);
                let status = EnhancedStatus::new(4, 4, 1);
                self.settle_all(&Told::unreached(Stage::Connect, status, text));
            }
        }
        let unknown = Told::unreached(
            Stage::Connect,
            EnhancedStatus::new(4, 4, 2),
            "the conversation ended early".to_owned(),
        );
        self.settle_all(&unknown);
        Talked {
            results: self.outcomes.unwrap_or_default(),
            tls: self.tls,
            tls_failed: self.tls_failed,
            tells_success: self.session.capabilities().dsn,
        }
    }

    /// A source address of the target's family.
    fn source(&self) -> Option<IpAddr> {
        let is_v4 = self.address.is_ipv4();
        self.mta.config.outbound.bind.iter().copied().find(|own| own.is_ipv4() == is_v4)
    }

    fn note(&mut self, text: &str) {
        self.transcript.push_str("* ");
        self.transcript.push_str(text);
        self.transcript.push('\n');
    }

    /// Gives every recipient that has no result yet this one.
    fn settle_all(&mut self, told: &Told) {
        let recipients = self.cargo.envelope.recipients.len();
        self.outcomes.get_or_insert_with(|| vec![told.clone(); recipients]);
    }

    async fn talk(&mut self, mut connection: Connection) {
        let mut input = Vec::new();
        let clock = Arc::clone(&self.mta.world.clock);
        let mut step = self.session.progress();
        let mut step_began = clock.monotonic();
        loop {
            while let Some(event) = self.session.poll() {
                self.event(event, &mut connection).await;
            }
            self.keep_transcript();
            // A time limit is for a whole reply: single octets do not start it anew.
            if self.session.progress() != step {
                (step, step_began) = (self.session.progress(), clock.monotonic());
            }
            let spent = clock.monotonic().saturating_sub(step_began);
            let within = self.session.timeout().saturating_sub(spent);
            let output = self.session.take_output();
            if !output.is_empty() && connection.write(&output, within).await.is_err() {
                self.session.interrupt(Interrupt::Lost);
                continue;
            }
            if self.session.is_closed() {
                break;
            }
            input.clear();
            match connection.read(&mut input, within).await {
                Ok(0) => self.session.interrupt(Interrupt::Lost),
                Ok(_) => self.session.receive(&input),
                Err(ConnectionError::TimedOut { .. }) => {
                    self.session.interrupt(Interrupt::TimedOut);
                }
                Err(_) => self.session.interrupt(Interrupt::Lost),
            }
        }
        self.keep_transcript();
        connection.close().await;
    }

    fn keep_transcript(&mut self) {
        for entry in self.session.take_transcript() {
            self.transcript.push_str(match entry.speaker {
                Speaker::Client => "> ",
                Speaker::Server => "< ",
                Speaker::Note => "* ",
            });
            self.transcript.push_str(&entry.text);
            self.transcript.push('\n');
        }
    }

    async fn event(&mut self, event: Event, connection: &mut Connection) {
        match event {
            Event::TlsNeeded => self.enter_tls(connection).await,
            Event::Ready => self.ready(),
            Event::Challenge(challenge) => self.challenge(&challenge),
            Event::Authenticated(_) => {
                self.logged_in =
                    self.exchange.take().is_none_or(|exchange| exchange.finish().is_ok());
                if !self.logged_in {
                    self.fail_login("the smart host did not prove that it knows the password");
                }
            }
            Event::AuthRefused(verdict) => {
                let text = format!("the smart host refused our login: {verdict:?}");
                self.fail_login(&text);
            }
            Event::ContentWanted => self.content(connection).await,
            Event::TransactionDone(outcomes) => {
                self.outcomes = Some(outcomes.iter().map(Told::of).collect());
            }
            Event::Closed(client::Ending::Failed(outcome)) => self.settle_all(&Told::of(&outcome)),
            _ => {}
        }
    }

    async fn enter_tls(&mut self, connection: &mut Connection) {
        self.keep_transcript();
        // What the server must see before the handshake is written by now or never.
        let output = self.session.take_output();
        if connection.write(&output, HANDSHAKE_TIMEOUT).await.is_err() {
            self.session.interrupt(Interrupt::Lost);
            return;
        }
        let world = &self.mta.world;
        let tls: &ClientTls = match self.host.kind {
            HostKind::Exchanger => &world.opportunistic_tls,
            HostKind::SmartHost => &world.verified_tls,
        };
        match connection.enter_tls(tls, &self.host.name, HANDSHAKE_TIMEOUT).await {
            Ok(facts) => {
                let record = tls_record(&facts);
                let verified = record.verified.as_deref().unwrap_or("not verified");
                let line = format!("{} with {}, {verified}", record.version, record.cipher);
                self.note(&line);
                self.tls = Some(record);
                self.session.enter_tls();
            }
            Err(error) => {
                self.tls_failed = true;
                self.note(&format!("TLS handshake: {error}"));
                let text = format!("{}: no secure connection: {error}", self.host.name);
                let status = EnhancedStatus::new(4, 7, 5);
                self.settle_all(&Told::unreached(Stage::StartTls, status, text));
                self.session.interrupt(Interrupt::Lost);
            }
        }
    }

    /// Logs in first where that is wanted, then sends, then leaves.
    fn ready(&mut self) {
        if self.sent {
            self.session.quit();
            return;
        }
        if let Some(login) = self.login() {
            let login = login.clone();
            match self.best_mechanism() {
                Some(mechanism) => return self.begin_login(mechanism, &login),
                None => return self.fail_login("the smart host offers no login that we know"),
            }
        }
        self.sent = true;
        self.session.send(self.cargo.envelope, Some(self.cargo.octets));
    }

    fn login(&self) -> Option<&'a RelayLogin> {
        let relay = self.mta.config.outbound.relay.as_ref()?;
        let wanted = self.host.kind == HostKind::SmartHost && self.exchange.is_none();
        relay.login.as_ref().filter(|_| wanted && !self.logged_in)
    }

    fn best_mechanism(&self) -> Option<Mechanism> {
        let offered = &self.session.capabilities().mechanisms;
        sasl::offered().iter().copied().find(|ours| offered.iter().any(|name| name == ours.name()))
    }

    fn begin_login(&mut self, mechanism: Mechanism, login: &RelayLogin) {
        let mut random = [0; sasl::Nonce::RANDOM_OCTETS];
        self.mta.world.random.fill(&mut random);
        let nonce = sasl::Nonce::new(random);
        let password = login.password.clone();
        let mut exchange = sasl::Client::new(mechanism, &login.username, password, nonce);
        let initial = exchange.initial_response();
        self.session.authenticate(mechanism.name(), initial.as_deref().map(Vec::as_slice));
        self.exchange = Some(exchange);
    }

    fn challenge(&mut self, challenge: &[u8]) {
        let response = self.exchange.as_mut().map(|exchange| exchange.step(challenge));
        match response {
            Some(Ok(response)) => self.session.respond(&response),
            _ => self.session.cancel_login(),
        }
    }

    fn fail_login(&mut self, text: &str) {
        self.note(text);
        let status = EnhancedStatus::new(4, 7, 8);
        self.settle_all(&Told::unreached(Stage::Auth, status, text.to_owned()));
        self.session.quit();
    }

    /// Streams the content; never holds more than a piece of it.
    async fn content(&mut self, connection: &mut Connection) {
        let mut offset = 0u64;
        loop {
            let read = self.mta.world.store.read(self.cargo.message, offset, PIECE_OCTETS).await;
            let piece = match read {
                Ok(piece) if piece.is_empty() => break,
                Ok(piece) => piece,
                Err(error) => {
                    self.note(&format!("our own store: {error}"));
                    // Without the final dot the server has nothing (RFC 5321 §4.1.1.4).
                    self.session.interrupt(Interrupt::Abandoned);
                    return;
                }
            };
            offset = offset.saturating_add(piece.len() as u64);
            if self.session.content(&piece).is_err() {
                return;
            }
            let output = self.session.take_output();
            if connection.write(&output, self.session.timeout()).await.is_err() {
                self.session.interrupt(Interrupt::Lost);
                return;
            }
        }
        self.note(&format!("{offset} octets of content"));
        if let Err(error) = self.session.content_end() {
            self.note(&error.to_string());
        }
    }
}

/// An envelope for some recipients of a submission.
pub(crate) fn envelope_for(
    summary: &store::Summary,
    recipients: &[&store::RecipientView],
) -> Envelope {
    Envelope {
        reverse_path: summary.reverse_path.clone(),
        recipients: recipients.iter().map(|view| view.recipient.clone()).collect(),
        ret: summary.ret,
        envelope_id: summary.envelope_id.clone(),
        body: summary.body,
    }
}

/// Why a fault of the session's means that the message may have arrived all the same.
pub(crate) fn may_be_duplicate(outcome_stage: &str, reply: Option<&RemoteReply>) -> bool {
    outcome_stage == Stage::ContentEnd.as_str() && reply.is_none()
}

#[cfg(test)]
mod tests {
    use smtp::client::Fault;

    use super::*;

    #[test]
    fn a_lost_reply_to_the_final_dot_may_mean_a_duplicate() {
        let lost = Outcome { stage: Stage::ContentEnd, verdict: Verdict::Failed(Fault::Lost) };
        let told = Told::of(&lost);
        assert!(may_be_duplicate(told.stage, told.reply.as_ref()));
        assert!(told.status.is_temporary(), "D10: kept and tried again");
        let early = Outcome { stage: Stage::Data, verdict: Verdict::Failed(Fault::Lost) };
        let told = Told::of(&early);
        assert!(!may_be_duplicate(told.stage, told.reply.as_ref()));
    }
}
