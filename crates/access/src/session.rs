//! POP3 sessions over the store.
//!
//! [`Pop3Drive`] answers what a [`pop3::server::Session`] asks. The lock of the maildrop
//! lives with the drive: it is given back when the session closes, however that happens,
//! and before the client hears of it.
//!
//! ```text
//!   Login, Auth → directory → lock → snapshot of INBOX → Maildrop | Refused
//!   Fetch       → entry → 64 KiB after 64 KiB, each written before the next is read
//!   Update      → one expunge → Updated | UpdateFailed
//! ```
//!
//! Standards: RFC 1939 §4 to §6, RFC 2449 §8.1.2, RFC 3206 §3 and §4, RFC 5034.
//! Not here: whether the listener has TLS to offer (crate `posthouse` configures it).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use directory::{Directory, DirectoryError, Login, Step};
use platform::{Clock, Drive, Interrupt, Next, TlsFacts};
use pop3::SaslMessage;
use pop3::server::{self, Answer, Appetite, Channel, ClearLogin, Event, Refusal, Session};
use sasl::Mechanism;
use store::Store;
use tracing::{debug, info, warn};

use crate::lock::MaildropLocks;
use crate::maildrop::{Maildrop, Reading};

/// How long a client waits after its first failed login; after its second twice as long,
/// and so on. Slows down whoever tries passwords, and is the same for unknown users.
const FAILED_LOGIN_PAUSE: Duration = Duration::from_millis(500);

/// How much output may gather before it is sent.
const OUTPUT_OCTETS_MAX: usize = 64 * 1024;

/// How TLS comes to a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pop3Tls {
    /// Not at all.
    None,
    /// By STLS (RFC 2595).
    Stls,
    /// From the first octet on (RFC 8314 §3.3).
    Implicit,
}

/// What one listener does.
#[derive(Clone, Debug)]
pub struct Pop3Config {
    /// Our name in the greeting.
    pub hostname: String,
    /// How TLS comes to it.
    pub tls: Pop3Tls,
    /// Whether logins are taken without TLS.
    pub clear_login: ClearLogin,
}

/// One listener's POP3 service, shared by its sessions.
#[derive(Debug)]
pub struct Pop3 {
    config: Pop3Config,
    store: Arc<dyn Store>,
    directory: Arc<Directory>,
    clock: Arc<dyn Clock>,
    locks: MaildropLocks,
}

impl Pop3 {
    /// A service over the store. All listeners of a server share one table of locks.
    pub fn new(
        config: Pop3Config,
        store: Arc<dyn Store>,
        directory: Arc<Directory>,
        clock: Arc<dyn Clock>,
        locks: MaildropLocks,
    ) -> Arc<Self> {
        Arc::new(Self { config, store, directory, clock, locks })
    }

    /// A session with a peer.
    pub fn session(self: &Arc<Self>, peer: SocketAddr) -> Pop3Drive {
        Pop3Drive {
            session: Session::new(self.session_config()),
            pop3: Arc::clone(self),
            peer: peer.ip().to_canonical(),
            exchange: None,
            maildrop: None,
            reading: None,
            failed_logins: 0,
        }
    }

    fn session_config(&self) -> server::Config {
        server::Config {
            hostname: self.config.hostname.clone(),
            channel: match self.config.tls {
                Pop3Tls::None => Channel::Clear,
                Pop3Tls::Stls => Channel::StlsOffered,
                Pop3Tls::Implicit => Channel::Tls,
            },
            mechanisms: sasl::offered().iter().map(|mechanism| mechanism.to_string()).collect(),
            clear_login: self.config.clear_login,
        }
    }
}

/// One POP3 session with its decisions, to be driven by [`platform::serve`].
#[derive(Debug)]
pub struct Pop3Drive {
    pop3: Arc<Pop3>,
    session: Session,
    peer: IpAddr,
    /// The open exchange of AUTH.
    exchange: Option<sasl::Server>,
    /// What this client has logged in to, with its lock.
    maildrop: Option<Maildrop>,
    /// The message that is on its way to the client.
    reading: Option<Reading>,
    failed_logins: u32,
}

impl Pop3Drive {
    async fn event(&mut self, event: Event) {
        match event {
            Event::Login { user, password } => {
                let password = sasl::Password::new(password.reveal());
                let found = self.pop3.directory.check_password(&user, password).await;
                let answer = match found {
                    Ok(Some(login)) => self.open(login).await,
                    Ok(None) => {
                        info!(peer = %self.peer, ?user, "login refused");
                        self.refused(Refusal::Credentials).await
                    }
                    Err(error) => self.login_failed(&error),
                };
                self.session.answer(answer);
            }
            Event::Auth { mechanism, initial } => {
                let answer = self.auth(&mechanism, initial.as_ref()).await;
                self.session.answer(answer);
            }
            Event::AuthResponse(response) => {
                let answer = self.auth_step(Some(&response)).await;
                self.session.answer(answer);
            }
            Event::Fetch { index, .. } => self.fetch(index).await,
            Event::Update { deleted } => {
                let answer = self.update(&deleted).await;
                self.session.answer(answer);
            }
            Event::StartTls => self.exchange = None,
        }
    }

    async fn auth(&mut self, mechanism: &str, initial: Option<&SaslMessage>) -> Answer {
        // The session lets pass what it announced, and that is what `sasl` offers.
        let Ok(mechanism) = mechanism.parse::<Mechanism>() else {
            return Answer::Refused(Refusal::Malformed);
        };
        self.exchange = Some(self.pop3.directory.begin(mechanism));
        self.auth_step(initial).await
    }

    async fn auth_step(&mut self, response: Option<&SaslMessage>) -> Answer {
        let Some(mut exchange) = self.exchange.take() else {
            return Answer::Refused(Refusal::Malformed);
        };
        let response = response.map(SaslMessage::reveal);
        match self.pop3.directory.respond(&mut exchange, response).await {
            Ok(Step::Challenge(challenge)) => {
                self.exchange = Some(exchange);
                Answer::Challenge(SaslMessage::new(challenge))
            }
            Ok(Step::Accepted(login)) => self.open(login).await,
            Ok(Step::Refused(refusal)) => {
                info!(peer = %self.peer, mechanism = %exchange.mechanism(), %refusal, "login refused");
                self.refused(match refusal {
                    sasl::Refusal::Credentials | sasl::Refusal::NotAuthorized => {
                        Refusal::Credentials
                    }
                    _ => Refusal::Malformed,
                })
                .await
            }
            Err(error) => self.login_failed(&error),
        }
    }

    async fn open(&mut self, login: Login) -> Answer {
        let Some(lock) = self.pop3.locks.take(login.account) else {
            info!(peer = %self.peer, account = %login.address, "maildrop in use");
            return Answer::Refused(Refusal::InUse);
        };
        match Maildrop::open(self.pop3.store.as_ref(), login.account, lock).await {
            Ok((maildrop, entries)) => {
                let messages = maildrop.messages();
                info!(peer = %self.peer, account = %login.address, messages, "logged in");
                self.maildrop = Some(maildrop);
                Answer::Maildrop(entries)
            }
            Err(error) => {
                warn!(peer = %self.peer, account = %login.address, %error, "maildrop cannot be opened");
                Answer::Refused(ours(error.is_temporary()))
            }
        }
    }

    async fn refused(&mut self, refusal: Refusal) -> Answer {
        self.failed_logins = self.failed_logins.saturating_add(1);
        let pause = FAILED_LOGIN_PAUSE.saturating_mul(self.failed_logins);
        self.pop3.clock.sleep(pause).await;
        Answer::Refused(refusal)
    }

    fn login_failed(&self, error: &DirectoryError) -> Answer {
        warn!(peer = %self.peer, %error, "login failed for a reason of ours");
        Answer::Refused(ours(error.is_temporary()))
    }

    async fn fetch(&mut self, index: usize) {
        let Some(maildrop) = &self.maildrop else { return self.session.content_failed() };
        match maildrop.read(self.pop3.store.as_ref(), index).await {
            Ok(Some(reading)) => self.reading = Some(reading),
            Ok(None) => {
                debug!(peer = %self.peer, index, "message has gone during the session");
                self.session.content_failed();
            }
            Err(error) => {
                warn!(peer = %self.peer, index, %error, "message cannot be read");
                self.session.content_failed();
            }
        }
    }

    /// Hands one more chunk of the message on its way to the session.
    async fn send_chunk(&mut self, reading: &mut Reading) -> Appetite {
        match reading.next_chunk(self.pop3.store.as_ref()).await {
            Ok(chunk) if !chunk.is_empty() => match self.session.content(&chunk) {
                Appetite::More => return Appetite::More,
                Appetite::Enough => self.session.content_end(),
            },
            Ok(_) => self.session.content_end(),
            Err(error) => {
                warn!(peer = %self.peer, %error, "message cannot be read to its end");
                self.session.content_failed();
            }
        }
        Appetite::Enough
    }

    async fn update(&mut self, deleted: &[usize]) -> Answer {
        let Some(maildrop) = &self.maildrop else { return Answer::UpdateFailed };
        match maildrop.expunge(self.pop3.store.as_ref(), deleted).await {
            Ok(()) => {
                info!(peer = %self.peer, messages = deleted.len(), "messages deleted");
                Answer::Updated
            }
            Err(error) => {
                warn!(peer = %self.peer, messages = deleted.len(), %error, "messages not deleted");
                Answer::UpdateFailed
            }
        }
    }

    /// Gives everything back that others could wait for.
    fn let_go(&mut self) {
        self.exchange = None;
        self.reading = None;
        self.maildrop = None;
    }
}

impl Drive for Pop3Drive {
    fn receive(&mut self, octets: &[u8]) {
        self.session.receive(octets);
    }

    async fn advance(&mut self, output: &mut Vec<u8>) -> Next {
        loop {
            if let Some(mut reading) = self.reading.take() {
                if self.send_chunk(&mut reading).await == Appetite::More {
                    self.reading = Some(reading);
                }
            } else if let Some(event) = self.session.poll() {
                let starts_tls = event == Event::StartTls;
                self.event(event).await;
                if starts_tls {
                    self.session.output_into(output);
                    return Next::EnterTls;
                }
            } else {
                self.session.output_into(output);
                if self.session.is_closed() {
                    self.let_go();
                    return Next::Close;
                }
                if output.is_empty() {
                    return Next::Read { within: self.session.timeout() };
                }
                return Next::More;
            }
            self.session.output_into(output);
            if output.len() >= OUTPUT_OCTETS_MAX {
                return Next::More;
            }
        }
    }

    fn enter_tls(&mut self, _facts: TlsFacts) {
        self.let_go();
        // With implicit TLS nothing was said before, and the greeting is still to be sent.
        if self.pop3.config.tls != Pop3Tls::Implicit {
            self.session.enter_tls();
        }
    }

    async fn interrupt(&mut self, why: Interrupt, output: &mut Vec<u8>) {
        match why {
            Interrupt::TimedOut | Interrupt::TooSlow => {
                self.session.interrupt(server::Interrupt::Idle);
            }
            Interrupt::ShuttingDown => self.session.interrupt(server::Interrupt::Shutdown),
            _ => {}
        }
        self.let_go();
        self.session.output_into(output);
    }

    fn may_end(&self) -> bool {
        self.reading.is_none()
    }
}

/// A failure on our side, in the words of RFC 3206 §3.
fn ours(is_temporary: bool) -> Refusal {
    if is_temporary { Refusal::Temporary } else { Refusal::Permanent }
}
