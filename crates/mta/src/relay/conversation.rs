//! What is said to a host, and what it answers.
//!
//! Standards: RFC 5321 §3.3, §4.5.3.2 (timeouts), RFC 2033 (LMTP), RFC 3207 (STARTTLS), RFC 6152 §3 (8-bit
//! content), RFC 4954 (login at a smart host).
//! Not here: the syntax (crate `smtp`), what a server can take (`fit`), what follows from an
//! answer (`queue`).

mod fit;

use std::future::pending;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use envelope::EnhancedStatus;
use platform::{ClientTls, Connection, ConnectionError, Endpoint};
use sasl::Mechanism;
use smtp::LineEnds;
use smtp::client::{
    self, Event, Fault, Interrupt, Outcome, Protocol, Session, Speaker, Stage, Verdict,
};
use store::{StoreError, TlsRecord};

use self::fit::Fit;
use super::pool::{Key, MESSAGES_MAX, Parked};
use super::{Cargo, Ending, Kind, Others, QUIT_TIMEOUT, Told};
use crate::reception::tls_record;
use crate::routing::{Host, HostKind};
use crate::tlspolicy::{self, Demand};
use crate::{Mta, Relay, RelayLogin};

/// For a TCP connection to be made to the last address that there is.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// The same while others are left: two lost packets are made good within it, and a family of
/// addresses that leads nowhere, as IPv6 sometimes does, costs no more.
const CONNECT_TIMEOUT_WITH_OTHERS: Duration = Duration::from_secs(5);
/// For a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// For the first reply on a connection that waited: the server may be gone without a word, and a
/// new connection finds out soon.
const REUSED_TIMEOUT: Duration = Duration::from_secs(30);
/// Content is read and sent in pieces of this size.
const PIECE_OCTETS: usize = 64 * 1024;
/// Most that is kept of what was said: two short lines for each of a thousand recipients.
const TRANSCRIPT_OCTETS_MAX: usize = 256 * 1024;

/// A conversation's result.
pub(super) struct Talked {
    pub(super) results: Vec<Told>,
    pub(super) tls: Option<TlsRecord>,
    pub(super) tls_failed: bool,
    pub(super) ending: Ending,
    /// The connection had waited and was gone before anything was handed over.
    pub(super) was_stale: bool,
}

/// A conversation with a host.
pub(super) struct Conversation<'a> {
    mta: &'a Mta,
    host: &'a Host,
    address: &'a Endpoint,
    cargo: &'a Cargo<'a>,
    session: Session,
    transcript: &'a mut String,
    tls: Option<TlsRecord>,
    tls_failed: bool,
    exchange: Option<sasl::Client>,
    logged_in: bool,
    sent: bool,
    /// The connection that waited for us, until it is taken up.
    connection: Option<Connection>,
    /// Transactions on this connection before ours.
    messages: u32,
    demand: Demand,
    /// The transaction is over, and the connection may wait for the next one.
    keep: bool,
    fit: Fit,
    outcomes: Option<Vec<Told>>,
    ending: Ending,
    /// What was wrong with our own store.
    store_trouble: Option<StoreError>,
}

/// How long a connection may take to be made.
fn connect_timeout(others: Others) -> Duration {
    match others {
        Others::None => CONNECT_TIMEOUT,
        Others::Left => CONNECT_TIMEOUT_WITH_OTHERS,
    }
}

impl<'a> Conversation<'a> {
    pub(super) fn new(
        mta: &'a Mta,
        host: &'a Host,
        address: &'a Endpoint,
        cargo: &'a Cargo<'a>,
        demand: Demand,
        transcript: &'a mut String,
    ) -> Self {
        let config = client::Config {
            hello: mta.config.hostname.to_string(),
            protocol: match host.kind {
                HostKind::Exchanger | HostKind::SmartHost => Protocol::Smtp,
                HostKind::Lmtp => Protocol::Lmtp,
            },
            tls: demand.policy(),
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
            connection: None,
            messages: 0,
            demand,
            keep: false,
            fit: Fit::default(),
            outcomes: None,
            ending: Ending::Unreached,
            store_trouble: None,
        }
    }

    /// The next conversation on a connection that waited for it.
    pub(super) fn resume(self, parked: Parked) -> Self {
        let Parked { connection, session, tls, messages } = parked;
        // Only who had logged in where that was wanted has sent anything.
        Self { connection: Some(connection), session, tls, messages, logged_in: true, ..self }
    }

    /// Whom the connection leads to.
    pub(super) fn key(&self) -> Key {
        Key {
            address: self.address.clone(),
            host: self.host.name.clone(),
            kind: self.host.kind,
            from: self.source(),
            demand: self.demand,
            login: self.relay().and_then(|relay| Some(relay.login.as_ref()?.username.clone())),
        }
    }

    pub(super) async fn run(mut self) -> Talked {
        match self.connection.take() {
            Some(connection) => {
                let (host, address, before) = (&self.host.name, self.address, self.messages);
                self.note(&format!(
                    "connected to {host} at {address} already, for {before} before this one"
                ));
                self.ending = Ending::Reached;
                self.ready().await;
                self.talk(connection).await;
            }
            None => self.connect().await,
        }
        let text = "the conversation ended early".to_owned();
        self.settle_all(&self.silent(Stage::Connect, EnhancedStatus::new(4, 4, 2), text));
        let results = self.outcomes.unwrap_or_default();
        Talked {
            was_stale: self.messages > 0 && results.iter().all(Told::is_of_closed_connection),
            results,
            tls: self.tls,
            tls_failed: self.tls_failed,
            ending: self.ending,
        }
    }

    async fn connect(&mut self) {
        self.note(&format!("connecting to {} at {}", self.host.name, self.address));
        let world = &self.mta.world;
        let from = self.source();
        let shutdown = self.cargo.shutdown;
        let connecting = Connection::connect(
            world.net.as_ref(),
            Arc::clone(&world.clock),
            from,
            self.address.clone(),
            connect_timeout(self.cargo.others).min(self.time_left()),
        );
        let connected = tokio::select! {
            biased;
            connected = connecting => Some(connected),
            () = shutdown.begun() => None,
        };
        match connected {
            Some(Ok(connection)) => {
                self.ending = Ending::Reached;
                self.talk(connection).await;
            }
            Some(Err(error)) => {
                self.note(&error.to_string());
                let text = format!("{} at {}: {error}", self.host.name, self.address);
                self.settle_all(&self.silent(Stage::Connect, EnhancedStatus::new(4, 4, 1), text));
            }
            None => self.ending = Ending::GivenUp,
        }
    }

    /// What is left until the deadline.
    fn time_left(&self) -> Duration {
        self.cargo.deadline.saturating_sub(self.mta.world.clock.monotonic())
    }

    fn silent(&self, stage: Stage, status: EnhancedStatus, text: String) -> Told {
        Told::silent(stage, &self.host.name, status, text)
    }

    /// A source address of the target's family.
    fn source(&self) -> Option<IpAddr> {
        let is_v4 = self.address.ip()?.is_ipv4();
        self.cargo.outgoing.bind().iter().copied().find(|own| own.is_ipv4() == is_v4)
    }

    fn note(&mut self, text: &str) {
        self.keep("* ", text);
    }

    fn keep(&mut self, speaker: &str, text: &str) {
        if self.transcript.len() < TRANSCRIPT_OCTETS_MAX {
            self.transcript.push_str(speaker);
            self.transcript.push_str(text);
            self.transcript.push('\n');
        }
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
            let within = self.timeout().saturating_sub(spent).min(self.time_left());
            let output = self.session.take_output();
            if !output.is_empty() && connection.write(&output, within).await.is_err() {
                self.session.interrupt(Interrupt::Lost);
                continue;
            }
            if self.session.is_closed() {
                break;
            }
            if self.keep && self.session.is_ready() {
                return self.park(connection).await;
            }
            input.clear();
            match self.read(&mut connection, &mut input, within).await {
                None => {
                    self.note("we shut down; nothing was handed over");
                    self.ending = Ending::GivenUp;
                    self.session.interrupt(Interrupt::Abandoned);
                }
                Some(Ok(0)) => self.session.interrupt(Interrupt::Lost),
                Some(Ok(_)) => self.session.receive(&input),
                Some(Err(ConnectionError::TimedOut { .. })) => {
                    self.session.interrupt(Interrupt::TimedOut);
                }
                Some(Err(_)) => self.session.interrupt(Interrupt::Lost),
            }
        }
        self.keep_transcript();
        // Waiting for the server to close would only hold up our own end.
        if self.ending != Ending::GivenUp {
            connection.close().await;
        }
    }

    /// Lets the connection wait for the next message.
    async fn park(&mut self, connection: Connection) {
        let key = self.key();
        let parked = Box::new(Parked {
            connection,
            session: std::mem::replace(&mut self.session, Session::new(client::Config::default())),
            tls: self.tls.clone(),
            messages: self.messages.saturating_add(1),
        });
        let clock = &self.mta.world.clock;
        if let Err(leaving) = self.mta.idle.park(key, parked, clock.monotonic()) {
            leaving.leave(Arc::clone(clock)).await;
        }
    }

    /// Whether the connection may be used once more.
    fn may_be_kept(&self) -> bool {
        // RFC 9422 §4.1: it may want fewer than we would send.
        let theirs =
            self.session.capabilities().limits.transactions_max.map_or(u32::MAX, u32::from);
        // What failed to encrypt is no habit.
        let wanted = tlspolicy::demand(self.cargo.outgoing, self.host.kind, self.address);
        self.demand == wanted
            && self.messages.saturating_add(1) < MESSAGES_MAX.min(theirs)
            && self.store_trouble.is_none()
            && !self.cargo.shutdown.has_begun()
    }

    /// Reads what the server says. `None` when we shut down and the server can have nothing yet:
    /// then nothing is lost by giving up.
    async fn read(
        &self,
        connection: &mut Connection,
        input: &mut Vec<u8>,
        within: Duration,
    ) -> Option<Result<usize, ConnectionError>> {
        let may_leave = self.outcomes.is_none() && self.session.stage() < Stage::Data;
        let shutdown = self.cargo.shutdown;
        tokio::select! {
            biased;
            read = connection.read(input, within) => Some(read),
            () = async { if may_leave { shutdown.begun().await } else { pending().await } } => None,
        }
    }

    /// The session's own time limit; nothing depends on the replies to QUIT and RSET, and the
    /// outcome waits for them.
    fn timeout(&self) -> Duration {
        let waited_for_us = self.messages > 0 && self.session.stage() == Stage::Mail;
        match self.session.stage() {
            Stage::Quit => QUIT_TIMEOUT,
            // The reply to RSET.
            Stage::Idle if self.outcomes.is_some() => QUIT_TIMEOUT,
            _ if waited_for_us => REUSED_TIMEOUT,
            _ => self.session.timeout(),
        }
    }

    fn keep_transcript(&mut self) {
        for entry in self.session.take_transcript() {
            let speaker = match entry.speaker {
                Speaker::Client => "> ",
                Speaker::Server => "< ",
                Speaker::Note => "* ",
            };
            self.keep(speaker, &entry.text);
        }
    }

    async fn event(&mut self, event: Event, connection: &mut Connection) {
        match event {
            Event::TlsNeeded => self.enter_tls(connection).await,
            Event::Ready => self.ready().await,
            Event::Challenge(challenge) => self.challenge(&challenge),
            Event::Authenticated(_) => {
                self.logged_in =
                    self.exchange.take().is_none_or(|exchange| exchange.finish().is_ok());
                if !self.logged_in {
                    self.fail_login("the smart host did not prove that it knows the password");
                }
            }
            Event::AuthRefused(verdict) => {
                let told = self.told(&Outcome { stage: Stage::Auth, verdict });
                self.fail_login(&format!("the smart host refused our login: {}", told.text));
            }
            Event::ContentWanted => self.content(connection).await,
            Event::TransactionDone(outcomes) => {
                let told = outcomes.iter().map(|outcome| self.told(outcome)).collect();
                self.outcomes = Some(self.fit.completed(told));
            }
            Event::Closed(client::Ending::Failed(outcome)) => {
                self.settle_all(&self.told(&outcome));
            }
            _ => {}
        }
    }

    fn told(&self, outcome: &Outcome) -> Told {
        match (&self.store_trouble, &outcome.verdict) {
            (Some(error), Verdict::Failed(Fault::Abandoned)) => {
                let text = format!("our own store could not give the content: {error}");
                Told::ours(Kind::NotTaken, EnhancedStatus::new(4, 3, 0), text)
            }
            _ => Told::of(outcome, &self.host.name, self.session.capabilities()),
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
        // A password goes only to a host that proved to be the one.
        let must_prove = self.demand == Demand::Required;
        let tls: &ClientTls =
            if must_prove { &world.verified_tls } else { &world.opportunistic_tls };
        match connection
            .enter_tls(tls, &self.host.name, HANDSHAKE_TIMEOUT.min(self.time_left()))
            .await
        {
            Ok(facts) => {
                let record = tls_record(&facts);
                let verified = record.verified.as_deref().unwrap_or("not verified");
                let line = format!("{} with {}, {verified}", record.version, record.cipher);
                self.note(&line);
                self.tls = Some(record);
                self.session.enter_tls();
            }
            Err(error) => {
                self.tls_failed = !must_prove;
                self.note(&format!("TLS handshake: {error}"));
                let text = format!("{}: no secure connection: {error}", self.host.name);
                let status = EnhancedStatus::new(4, 7, 5);
                self.settle_all(&self.silent(Stage::StartTls, status, text));
                self.session.interrupt(Interrupt::Lost);
            }
        }
    }

    /// Logs in first where that is wanted, then sends, then leaves.
    async fn ready(&mut self) {
        if self.sent {
            self.keep = self.may_be_kept();
            if !self.keep {
                self.session.quit();
            }
            return;
        }
        if let Some(login) = self.login() {
            let login = login.clone();
            match self.best_mechanism() {
                Some(mechanism) => return self.begin_login(mechanism, &login),
                None => return self.fail_login("the smart host offers no login that we know"),
            }
        }
        match self.fit().await {
            Ok(fit) => self.fit = fit,
            Err(told) => {
                self.note(&told.text);
                self.settle_all(&told);
                self.session.quit();
                return;
            }
        }
        self.sent = true;
        let mut octets = self.cargo.octets;
        if let Some(converted) = &self.fit.converted {
            octets = converted.len() as u64;
            self.note("the content is made 7-bit, as this server takes no other");
        }
        octets = octets.saturating_add(self.cargo.prefix.len() as u64);
        match self.fit.is_plain(self.cargo.envelope) {
            true => self.session.send(self.cargo.envelope, Some(octets)),
            false => {
                let fitted = self.fit.envelope(self.cargo.envelope);
                self.session.send(&fitted, Some(octets));
            }
        }
    }

    fn login(&self) -> Option<&'a RelayLogin> {
        let login = self.relay()?.login.as_ref();
        login.filter(|_| self.exchange.is_none() && !self.logged_in)
    }

    /// The smart host that this goes to, if the host is one.
    fn relay(&self) -> Option<&'a Relay> {
        self.cargo.outgoing.relay().filter(|_| self.host.kind == HostKind::SmartHost)
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
        self.settle_all(&self.silent(Stage::Auth, status, text.to_owned()));
        self.session.quit();
    }

    /// The piece of the content at `offset`; `None` behind the last one. Less than all of it is
    /// an error, never the end: nobody shall get half a message for a whole one.
    async fn piece(&self, offset: u64) -> Result<Option<Bytes>, StoreError> {
        let Cargo { message, octets, .. } = *self.cargo;
        if offset >= octets {
            return Ok(None);
        }
        let piece = self.mta.world.store.read(message, offset, PIECE_OCTETS).await?;
        if piece.is_empty() {
            return Err(StoreError::Damaged {
                what: format!("message {}", message.0),
                reason: format!("it has {offset} octets and not {octets}"),
            });
        }
        Ok(Some(piece))
    }

    /// Like [`piece`](Self::piece), of the content as this server gets it.
    async fn fitted_piece(&self, offset: u64) -> Result<Option<Bytes>, StoreError> {
        let Some(converted) = &self.fit.converted else { return self.piece(offset).await };
        let begin = usize::try_from(offset).unwrap_or(usize::MAX).min(converted.len());
        let end = begin.saturating_add(PIECE_OCTETS).min(converted.len());
        Ok((begin < end).then(|| converted.slice(begin..end)))
    }

    /// Streams the content; never holds more than a piece of it.
    async fn content(&mut self, connection: &mut Connection) {
        if self.session.content(self.cargo.prefix.as_bytes()).is_err() {
            return;
        }
        let mut offset = 0u64;
        loop {
            let piece = match self.fitted_piece(offset).await {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(error) => {
                    self.note(&format!("our own store: {error}"));
                    self.store_trouble = Some(error);
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
            let within = self.session.timeout().min(self.time_left());
            if connection.write(&output, within).await.is_err() {
                self.session.interrupt(Interrupt::Lost);
                return;
            }
        }
        if let Err(error) = self.session.content_end() {
            self.note(&error.to_string());
        }
    }
}
