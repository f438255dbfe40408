//! Mail that others bring: the decisions behind an SMTP or submission session.
//!
//! [`SmtpDrive`] moves one session: it answers what the session asks, in the order in which it
//! asks, and never holds more than one piece of content.
//!
//! ```text
//!   smtp::server::Session ─Event─▶ SmtpDrive ─▶ directory (who, where)
//!                         ◀Answer─          ─▶ transaction (content) ─▶ store.accept
//! ```
//!
//! Standards: RFC 5321 §3.3 (transactions), §3.6.2 (relaying), RFC 6409 (submission),
//! RFC 4954 (AUTH).
//! Not here: syntax, order and limits of commands (crate `smtp`), octets (crate `platform`).

pub mod explain;
mod incoming;
mod network;
pub mod policy;
mod recipient;
mod reply;
mod terms;
mod transaction;
mod trusted;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use directory::{Login, Step};
use envelope::EnhancedStatus;
use platform::{Drive, Interrupt, Next, TlsFacts};
use sasl::Mechanism;
use smtp::Reply;
use smtp::server::{self, Answer, Event, Session};
use store::{CertificateRecord, TlsRecord, UnixMillis};
use tracing::{debug, info, warn};

pub(crate) use self::incoming::LOOKED_AT_OCTETS_MAX;
pub use self::network::{Network, NetworkError};
use self::policy::{Check, Policy};
use self::transaction::Transaction;
use self::trusted::Introduced;
use crate::Mta;

/// How much output may gather before it is sent.
const OUTPUT_OCTETS_MAX: usize = 64 * 1024;

/// What one listener does.
#[derive(Clone, Debug)]
pub struct ReceptionConfig {
    /// For whom it is.
    pub service: Service,
    /// Whether connections are, or can become, encrypted.
    pub tls: server::Tls,
    /// Whether passwords may travel in clear.
    pub auth_in_clear: server::AuthInClear,
}

/// For whom a listener is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// Other MTAs.
    Smtp {
        /// Networks that may relay without a login.
        relay_from: Vec<Network>,
    },
    /// Other MTAs of ours, by LMTP: for our own recipients only.
    Lmtp,
    /// Authors.
    Submission,
}

/// One listener's part of the transfer agent, shared by its sessions.
#[derive(Debug)]
pub struct Reception {
    mta: Arc<Mta>,
    config: ReceptionConfig,
    policy: Arc<Policy>,
    /// Proxies that tell whose session they pass on.
    xclient_from: Vec<Network>,
    session: Arc<server::Config>,
}

impl Reception {
    /// For a listener that knows no rules about strangers.
    pub fn new(mta: Arc<Mta>, config: ReceptionConfig) -> Arc<Self> {
        Self::with_policy(mta, config, Arc::default())
    }

    /// For a listener that trusts no proxy.
    pub fn with_policy(mta: Arc<Mta>, config: ReceptionConfig, policy: Arc<Policy>) -> Arc<Self> {
        Self::behind_proxies(mta, config, policy, Vec::new())
    }

    /// For a listener; proxies in `xclient_from` tell by XCLIENT whose session they pass on.
    pub fn behind_proxies(
        mta: Arc<Mta>,
        config: ReceptionConfig,
        policy: Arc<Policy>,
        xclient_from: Vec<Network>,
    ) -> Arc<Self> {
        let (kind, mechanisms) = match config.service {
            Service::Smtp { .. } => (server::Kind::Mta, Vec::new()),
            Service::Lmtp => (server::Kind::Lmtp, Vec::new()),
            Service::Submission => {
                let names = sasl::offered().iter().map(|mechanism| mechanism.name().to_owned());
                (server::Kind::Submission, names.collect())
            }
        };
        let session = server::Config {
            hostname: mta.config.hostname.to_string(),
            kind,
            tls: config.tls,
            mechanisms,
            auth_in_clear: config.auth_in_clear,
            message_size_max: mta.config.message_size_max,
            recipients_max: mta.config.recipients_max,
            offers: terms::offers(&config.service, &mta.config.queue, &policy),
            ..server::Config::default()
        };
        Arc::new(Self { mta, config, policy, xclient_from, session: Arc::new(session) })
    }

    /// A session with a peer.
    pub fn session(self: &Arc<Self>, peer: SocketAddr) -> SmtpDrive {
        self.session_for(Purpose::Mail, peer)
    }

    fn session_for(self: &Arc<Self>, purpose: Purpose, peer: SocketAddr) -> SmtpDrive {
        let mut session = Session::new(Arc::clone(&self.session));
        session.trust(self.trust_in(peer.ip().to_canonical()));
        SmtpDrive {
            session,
            reception: Arc::clone(self),
            purpose,
            peer: peer.ip().to_canonical(),
            hello: None,
            tls: None,
            exchange: None,
            login: None,
            transaction: None,
            checks: Vec::new(),
            was_listened_to: false,
            send_away: false,
            would_be: None,
            proxied: Introduced::default(),
        }
    }

    fn may_relay(&self, peer: IpAddr) -> bool {
        match &self.config.service {
            Service::Smtp { relay_from } => relay_from.iter().any(|network| network.contains(peer)),
            Service::Lmtp | Service::Submission => false,
        }
    }
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Mail.
    Mail,
    /// To tell what would happen: nothing is counted, remembered or stored, nobody waits, and
    /// rules that find nothing wrong say so.
    Explain,
}

/// One session with its decisions.
#[derive(Debug)]
pub struct SmtpDrive {
    reception: Arc<Reception>,
    purpose: Purpose,
    session: Session,
    peer: IpAddr,
    hello: Option<server::Hello>,
    tls: Option<TlsRecord>,
    exchange: Option<sasl::Server>,
    login: Option<Login>,
    transaction: Option<Transaction>,
    /// What rules noted of this client and this transaction.
    checks: Vec<Check>,
    /// Whether the pause before the greeting is over.
    was_listened_to: bool,
    /// Whether nothing more is to be heard from this client.
    send_away: bool,
    /// What would have become of a message whose session only explains.
    would_be: Option<String>,
    /// What a proxy told of its client.
    proxied: Introduced,
}

impl SmtpDrive {
    fn mta(&self) -> &Mta {
        &self.reception.mta
    }

    async fn event(&mut self, event: Event) {
        match event {
            Event::Connect => {
                let answer = self.judge_connection();
                self.session.answer(answer);
            }
            Event::Hello(hello) => {
                self.transaction = None;
                let hello = self.introduced(hello);
                let answer = self.judge_hello(&hello.name);
                if answer == Answer::Accept {
                    self.hello = Some(hello);
                    self.session.answer(self.welcome());
                } else {
                    self.session.answer(answer);
                }
            }
            Event::Auth { mechanism, initial_response } => {
                let answer = self.auth(&mechanism, initial_response).await;
                self.session.answer(answer);
            }
            Event::AuthResponse(response) => {
                let answer = self.auth_step(Some(response)).await;
                self.session.answer(answer);
            }
            Event::Sender(sender) => {
                let answer = self.sender(sender).await;
                self.session.answer(answer);
            }
            Event::Recipient(recipient) => {
                let answer = self.recipient(recipient).await;
                self.session.answer(answer);
            }
            Event::Proxied(client) => self.proxied(*client),
            Event::QueueStart(node) => {
                let reply = self.queue_start(&node).await;
                self.session.answer(reply);
            }
            Event::ContentBegins => {
                let answer = self.content_begins();
                self.session.answer(answer);
            }
            Event::Content(octets) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.content(&self.reception, self.login.as_ref(), &octets);
                }
            }
            Event::ContentEnds { fault: None } => {
                let reply = self.content_ends().await;
                self.session.answer(reply);
            }
            Event::ContentEnds { fault: Some(fault) } => {
                info!(peer = %self.peer, ?fault, "message refused");
                self.transaction = None;
            }
            Event::Reset => self.transaction = None,
            Event::Quit | Event::StartTls => self.transaction = None,
            other => debug!(?other, "event without a decision"),
        }
    }

    /// MAIL: on submission the sender must be the one who logged in (RFC 6409 §6.1).
    async fn sender(&mut self, sender: server::Sender) -> Answer {
        if let (Some(login), Some(address)) = (&self.login, sender.reverse_path.address())
            && !self.mta().world.directory.may_send_as(login.account, address)
        {
            info!(peer = %self.peer, login = %login.address, %address, "sender refused");
            return reply::not_your_address(&login.address, address).into();
        }
        if let Err(refusal) = self.judge_sender(&sender).await {
            return refusal.into();
        }
        let terms = match self.terms(&sender).await {
            Ok(terms) => terms,
            Err(refusal) => {
                info!(peer = %self.peer, reply = %refusal, "request refused");
                return refusal.into();
            }
        };
        let answer = terms::answer(&sender.requests, &terms);
        self.transaction = Some(Transaction::new(sender, terms));
        answer
    }

    async fn auth(&mut self, mechanism: &str, initial: Option<Vec<u8>>) -> Answer {
        let Ok(mechanism) = mechanism.parse::<Mechanism>() else {
            return Reply::new(504, EnhancedStatus::new(5, 5, 4), "No such mechanism").into();
        };
        self.exchange = Some(self.mta().world.directory.begin(mechanism));
        self.auth_step(initial).await
    }

    async fn auth_step(&mut self, response: Option<Vec<u8>>) -> Answer {
        let Some(mut exchange) = self.exchange.take() else {
            return Reply::new(503, EnhancedStatus::new(5, 5, 1), "No exchange is open").into();
        };
        let directory = Arc::clone(&self.mta().world.directory);
        match directory.respond(&mut exchange, response.as_deref()).await {
            Ok(Step::Challenge(challenge)) => {
                self.exchange = Some(exchange);
                Answer::Challenge(challenge)
            }
            Ok(Step::Accepted(login)) => {
                info!(peer = %self.peer, login = %login.address, "logged in");
                self.login = Some(login);
                Reply::new(235, EnhancedStatus::new(2, 7, 0), "Logged in").into()
            }
            Ok(Step::Refused(refusal)) => {
                info!(peer = %self.peer, %refusal, "login refused");
                reply::login_refused(refusal).into()
            }
            Err(error) => {
                warn!(peer = %self.peer, %error, "login failed for a reason of ours");
                Reply::new(454, EnhancedStatus::new(4, 7, 0), "Cannot check logins right now")
                    .into()
            }
        }
    }
}

impl Drive for SmtpDrive {
    fn receive(&mut self, octets: &[u8]) {
        self.session.receive(octets);
    }

    async fn advance(&mut self, output: &mut Vec<u8>) -> Next {
        if let Some(delay) = self.greeting_delay() {
            return Next::Listen { within: delay };
        }
        let mut start_tls = false;
        while let Some(event) = self.session.poll() {
            start_tls = event == Event::StartTls;
            self.event(event).await;
            if start_tls || self.send_away {
                break;
            }
        }
        let delay = self.session.delay_hint();
        if !delay.is_zero() && self.purpose == Purpose::Mail {
            self.mta().world.clock.sleep(delay).await;
        }
        self.session.output_into(output);
        if start_tls {
            Next::EnterTls
        } else if self.session.is_closed() || self.send_away {
            Next::Close
        } else if output.len() >= OUTPUT_OCTETS_MAX {
            Next::More
        } else {
            Next::Read { within: self.session.timeout() }
        }
    }

    fn enter_tls(&mut self, facts: TlsFacts) {
        if self.reception.config.tls != server::Tls::Implicit {
            self.session.enter_tls();
        }
        // RFC 3207 §4.2: nothing that was learnt in clear counts.
        self.hello = None;
        self.exchange = None;
        self.login = None;
        self.transaction = None;
        self.checks.retain(|check| check.stage == policy::Stage::Connect);
        self.tls = Some(tls_record(&facts));
    }

    async fn interrupt(&mut self, why: Interrupt, output: &mut Vec<u8>) {
        self.transaction = None;
        let cause = match why {
            Interrupt::TimedOut | Interrupt::TooSlow => server::Interrupt::Idle,
            Interrupt::ShuttingDown => server::Interrupt::Shutdown,
            // Nobody is there to hear it.
            _ => return,
        };
        self.session.interrupt(cause);
        self.session.output_into(output);
    }

    fn may_end(&self) -> bool {
        !self.session.in_transaction()
    }
}

/// What is kept of a connection's TLS.
pub(crate) fn tls_record(facts: &TlsFacts) -> TlsRecord {
    TlsRecord {
        version: facts.version.to_owned(),
        cipher: facts.cipher.clone(),
        verified: match facts.verified {
            platform::Verified::WebPki => Some("webpki".to_owned()),
            _ => None,
        },
        certificate: facts.certificate.as_ref().map(|certificate| certificate.subject.clone()),
        unverified: facts.unverified.clone(),
        shown: facts.certificate.as_ref().map(|certificate| CertificateRecord {
            fingerprint: certificate.fingerprint.clone(),
            issuer: certificate.issuer.clone(),
            names: certificate.names.clone(),
            expires: certificate.expires.map(|expires| UnixMillis(expires.millis())),
        }),
    }
}
