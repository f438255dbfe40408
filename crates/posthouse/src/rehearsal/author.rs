//! The author's client: submits a letter as any mail client would.
//!
//! Standards: RFC 6409 (submission), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 3461 (DSN).
//! Not here: the conversation's syntax (crate `smtp`).

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use envelope::Envelope;
use platform::{ClientTls, Connection, RealDisk, SystemClock, SystemRandom, TokioNet};
use sasl::{Mechanism, Nonce, Password};
use smtp::client::{Config, Ending, Event, Interrupt, Session, Speaker, TlsPolicy, Verdict};
use smtp::{AuthInClear, LineEnds};

use crate::control::Secret;
use crate::failure::Failure;

const PATIENCE: Duration = Duration::from_secs(30);

/// Where and as whom to submit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account<'a> {
    /// The server.
    pub(super) server: SocketAddr,
    /// Its name, which its certificate must prove.
    pub(super) hostname: &'a str,
    /// Who vouches for the certificate.
    pub(super) authority: &'a Path,
    /// The user.
    pub(super) user: &'a str,
    /// The user's password.
    pub(super) password: &'a Secret,
}

/// What a submission came to.
#[derive(Debug, Default)]
pub(super) struct Submitted {
    /// All that was said, a line each, `> ` for us, `< ` for the server, `* ` for remarks.
    pub(super) transcript: Vec<String>,
    /// The reply to the content, where the server took it.
    pub(super) accepted: Option<String>,
    /// Why it did not, otherwise.
    pub(super) refused: Option<String>,
}

/// Submits a letter.
pub(super) async fn submit(
    account: Account<'_>,
    envelope: &Envelope,
    content: &[u8],
) -> Result<Submitted, Failure> {
    let connection = connect(account.server).await?;
    let tls = ClientTls::verified_only_by(&RealDisk, &[account.authority])
        .map_err(|error| Failure::new(error.to_string()))?;
    let config = Config {
        hello: "[127.0.0.1]".to_owned(),
        tls: TlsPolicy::Required,
        auth_in_clear: AuthInClear::Refused,
        line_ends: LineEnds::Refuse,
        ..Config::default()
    };
    let mut client = Client {
        account,
        envelope,
        content,
        connection,
        tls,
        session: Session::new(config),
        exchange: None,
        logged_in: false,
        sent: false,
        submitted: Submitted::default(),
    };
    client.talk().await;
    client.connection.close().await;
    Ok(client.submitted)
}

/// A connection to a server of ours.
pub(super) async fn connect(server: SocketAddr) -> Result<Connection, Failure> {
    Connection::connect(&TokioNet, Arc::new(SystemClock), None, server, PATIENCE)
        .await
        .map_err(|error| Failure::new(format!("no connection to {server}: {error}")))
}

/// A login by the best mechanism that both sides know.
pub(super) fn exchange(offered: &[String], user: &str, password: &Secret) -> Option<sasl::Client> {
    let known = |mechanism: &&Mechanism| offered.iter().any(|name| name == mechanism.name());
    let mechanism = *sasl::offered().iter().find(known)?;
    let mut octets = [0; Nonce::RANDOM_OCTETS];
    platform::Random::fill(&SystemRandom, &mut octets);
    let password = Password::new(password.0.as_str());
    Some(sasl::Client::new(mechanism, user, password, Nonce::new(octets)))
}

struct Client<'a> {
    account: Account<'a>,
    envelope: &'a Envelope,
    content: &'a [u8],
    connection: Connection,
    tls: ClientTls,
    session: Session,
    exchange: Option<sasl::Client>,
    logged_in: bool,
    sent: bool,
    submitted: Submitted,
}

impl Client<'_> {
    async fn talk(&mut self) {
        let mut input = Vec::new();
        loop {
            while let Some(event) = self.session.poll() {
                self.event(event).await;
            }
            self.keep_transcript();
            self.write().await;
            if self.session.is_closed() {
                break;
            }
            input.clear();
            match self.connection.read(&mut input, PATIENCE).await {
                Ok(octets) if octets > 0 => self.session.receive(&input),
                _ => self.session.interrupt(Interrupt::Lost),
            }
        }
        self.keep_transcript();
    }

    async fn write(&mut self) {
        let output = self.session.take_output();
        if !output.is_empty() && self.connection.write(&output, PATIENCE).await.is_err() {
            self.session.interrupt(Interrupt::Lost);
        }
    }

    fn keep_transcript(&mut self) {
        for entry in self.session.take_transcript() {
            let sign = match entry.speaker {
                Speaker::Client => '>',
                Speaker::Server => '<',
                Speaker::Note => '*',
            };
            self.submitted.transcript.push(format!("{sign} {}", entry.text));
        }
    }

    async fn event(&mut self, event: Event) {
        match event {
            Event::TlsNeeded => self.enter_tls().await,
            Event::Ready => self.ready(),
            Event::Challenge(challenge) => {
                match self.exchange.as_mut().map(|exchange| exchange.step(&challenge)) {
                    Some(Ok(response)) => self.session.respond(&response),
                    _ => self.session.cancel_login(),
                }
            }
            Event::Authenticated(_) => {
                // A server that does not know the password must not get the letter either.
                let proven = self.exchange.take().is_none_or(|exchange| exchange.finish().is_ok());
                if !proven {
                    self.refuse("the server did not prove that it knows the password".to_owned());
                }
                self.logged_in = proven;
            }
            Event::AuthRefused(verdict) => self.refuse(format!("login refused: {verdict:?}")),
            Event::ContentWanted => self.content().await,
            Event::TransactionDone(outcomes) => {
                for outcome in outcomes {
                    match outcome.verdict {
                        Verdict::Accepted(reply) => {
                            self.submitted.accepted = Some(reply.to_string());
                        }
                        other => self.refuse(format!("{other:?}")),
                    }
                }
            }
            Event::Closed(Ending::Failed(outcome)) => self.refuse(format!("{:?}", outcome.verdict)),
            _ => {}
        }
    }

    fn refuse(&mut self, why: String) {
        self.submitted.refused.get_or_insert(why);
        self.session.quit();
    }

    async fn enter_tls(&mut self) {
        self.keep_transcript();
        self.write().await;
        let Self { connection, tls, account, .. } = self;
        match connection.enter_tls(tls, account.hostname, PATIENCE).await {
            Ok(facts) => {
                let line = format!(
                    "* {} with {}, certificate of {} verified",
                    facts.version, facts.cipher, account.hostname
                );
                self.submitted.transcript.push(line);
                self.session.enter_tls();
            }
            Err(error) => {
                self.submitted.refused = Some(format!("no TLS: {error}"));
                self.session.interrupt(Interrupt::Lost);
            }
        }
    }

    /// Logs in, then sends, then leaves.
    fn ready(&mut self) {
        if self.sent || self.submitted.refused.is_some() {
            self.session.quit();
        } else if self.logged_in {
            self.sent = true;
            let octets = u64::try_from(self.content.len()).ok();
            self.session.send(self.envelope, octets);
        } else {
            let offered = &self.session.capabilities().mechanisms;
            match exchange(offered, self.account.user, self.account.password) {
                Some(mut exchange) => {
                    let initial = exchange.initial_response();
                    let name = exchange.mechanism().name();
                    self.session.authenticate(name, initial.as_deref().map(Vec::as_slice));
                    self.exchange = Some(exchange);
                }
                None => self.refuse("the server offers no login that we know".to_owned()),
            }
        }
    }

    async fn content(&mut self) {
        if self.session.content(self.content).is_ok() && self.session.content_end().is_ok() {
            self.write().await;
        }
    }
}
