//! A small mail provider for tests: our own server sessions over real loopback sockets, with a
//! script of misbehaviour.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use envelope::EnhancedStatus;
use mailbag::account::{Account, Server, TlsMode};
use mailbag::{Bag, Home, World};
use platform::tls::{ALPN_POP3, ALPN_SMTP, Identity};
use platform::{
    Drive, Interrupt, Net, Next, Pump, PumpLimits, RealDisk, ServerTls, Shutdown, Start, Stream,
    SystemClock, SystemRandom, TlsFacts, TokioNet, serve,
};
use pop3::{SaslMessage, Uidl};
use sasl::{Mechanism, Nonce, Password, ScramVerifier, ServerStep, Verdict};
use smtp::server::{Answer, Event, ForwardPath, Sender};
use smtp::{AuthInClear, Reply};

pub(crate) const ADDRESS: &str = "ada@example.org";
pub(crate) const PASSWORD: &str = "correct horse";

/// What the provider has and how it behaves.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Unique-id and content of what waits.
    pub(crate) maildrop: Vec<(String, Vec<u8>)>,
    /// What was submitted.
    pub(crate) taken: Vec<Taken>,
    /// Replies to recipients that are not accepted.
    pub(crate) refused: BTreeMap<String, (u16, EnhancedStatus, &'static str)>,
    /// What happens after the final dot.
    pub(crate) at_end: AtEnd,
    /// The POP3 connection breaks before this many-th message of a session is given.
    pub(crate) break_before: Option<usize>,
    /// The POP3 server goes silent before this many-th message of a session.
    pub(crate) stall_before: Option<usize>,
    /// Messages given by POP3.
    pub(crate) given: usize,
    /// Connections to the submission server.
    pub(crate) submissions: usize,
    /// The submission server does not greet.
    pub(crate) silent: bool,
    /// The submission server accepts nobody.
    pub(crate) deaf: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AtEnd {
    #[default]
    Accept,
    /// Takes the message, then closes without a word.
    TakeAndHangUp,
    /// Takes the message, then says nothing for ever.
    TakeAndStall,
    /// 451.
    Later,
    /// 554.
    Refuse,
}

/// A submitted message.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) sender: Sender,
    pub(crate) recipients: Vec<smtp::server::Recipient>,
    pub(crate) content: Vec<u8>,
}

impl Taken {
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.recipients
            .iter()
            .map(|recipient| match &recipient.forward_path {
                ForwardPath::Postmaster => "postmaster".to_owned(),
                ForwardPath::Address(address) => address.to_string(),
            })
            .collect()
    }
}

/// The provider.
#[derive(Debug)]
pub(crate) struct Post {
    state: Arc<Mutex<State>>,
    pub(crate) smtp: SocketAddr,
    pub(crate) pop3: SocketAddr,
    pub(crate) tls: TlsMode,
    pub(crate) folder: tempfile::TempDir,
}

impl Post {
    pub(crate) async fn open(tls: TlsMode) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state: Arc<Mutex<State>> = Arc::default();
        let identity = Identity::self_signed(
            &RealDisk,
            &SystemClock,
            &folder.path().join("tls"),
            "mx.example.org",
            &[[127, 0, 0, 1].into()],
        )
        .unwrap();
        let pump = |alpn| Pump {
            clock: Arc::new(SystemClock),
            tls: Some(ServerTls::new(&identity, alpn).unwrap()),
            shutdown: Shutdown::new(),
            limits: PumpLimits::default(),
        };
        let verifier = Arc::new(ScramVerifier::derive(PASSWORD, b"salt of the test", 4096));
        let login = Login { verifier };
        let smtp = listen(state.clone(), pump(ALPN_SMTP), tls, {
            let login = login.clone();
            move |state| SmtpDrive::new(state, tls, login.clone())
        })
        .await;
        let pop3 = listen(state.clone(), pump(ALPN_POP3), tls, move |state| {
            PopDrive::new(state, tls, login.clone())
        })
        .await;
        Self { state, smtp, pop3, tls, folder }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("tls/ca.pem")
    }

    /// An account at this provider.
    pub(crate) fn account(&self) -> Account {
        let server =
            |at: SocketAddr| Server { host: at.ip().to_string(), port: at.port(), tls: self.tls };
        Account {
            address: ADDRESS.parse().unwrap(),
            name: Some("Ada".to_owned()),
            login: None,
            password_command: None,
            ca: (self.tls != TlsMode::None).then(|| self.ca()),
            leave_on_server: true,
            pop3: server(self.pop3),
            submission: server(self.smtp),
        }
    }

    /// A message that waits for Ada.
    pub(crate) fn put(&self, uidl: &str, content: impl Into<Vec<u8>>) {
        self.state().maildrop.push((uidl.to_owned(), content.into()));
    }
}

pub(crate) fn world() -> World {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    World::system(clock, random, Arc::new(TokioNet), Arc::new(RealDisk))
}

pub(crate) fn password() -> Password {
    Password::new(PASSWORD)
}

pub(crate) fn open_bag(folder: &Path) -> Bag {
    Bag::new(Home::at(folder.to_owned()), world(), Duration::from_secs(5))
}

async fn listen<D: Drive + 'static>(
    state: Arc<Mutex<State>>,
    pump: Pump,
    tls: TlsMode,
    make: impl Fn(Arc<Mutex<State>>) -> D + Send + 'static,
) -> SocketAddr {
    let listener = TokioNet.listen(([127, 0, 0, 1], 0).into()).await.unwrap();
    let at = listener.local();
    let start = match tls {
        TlsMode::Implicit => Start::Tls,
        TlsMode::None | TlsMode::Starttls => Start::Clear,
    };
    tokio::spawn(async move {
        let pump = Arc::new(pump);
        while let Ok(stream) = listener.accept().await {
            let stream: Box<dyn Stream> = stream;
            let (drive, pump) = (make(state.clone()), pump.clone());
            tokio::spawn(async move { serve(stream, start, drive, &pump).await });
        }
    });
    at
}

#[derive(Clone, Debug)]
struct Login {
    verifier: Arc<ScramVerifier>,
}

/// What an exchange says next.
enum Said {
    Challenge(Vec<u8>),
    Yes,
    No,
}

impl Login {
    fn begin(mechanism: &str) -> sasl::Server {
        let mechanism: Mechanism = mechanism.parse().unwrap();
        sasl::Server::new(mechanism, Nonce::new([7; Nonce::RANDOM_OCTETS]))
    }

    fn step(&self, exchange: &mut sasl::Server, response: Option<&[u8]>) -> Said {
        let mut step = exchange.respond(response);
        loop {
            step = match step {
                ServerStep::Challenge(challenge) => return Said::Challenge(challenge),
                ServerStep::CheckPassword { identity, password } => {
                    let right = identity == ADDRESS && password.reveal() == PASSWORD;
                    exchange.password_checked(match right {
                        true => Verdict::Accepted,
                        false => Verdict::Refused,
                    })
                }
                ServerStep::NeedVerifier { .. } => {
                    exchange.verifier_found((*self.verifier).clone())
                }
                ServerStep::Accepted { .. } => return Said::Yes,
                ServerStep::Refused(_) => return Said::No,
            };
        }
    }
}

struct SmtpDrive {
    session: smtp::server::Session,
    state: Arc<Mutex<State>>,
    login: Login,
    exchange: Option<sasl::Server>,
    sender: Sender,
    recipients: Vec<smtp::server::Recipient>,
    content: Vec<u8>,
    hang_up: bool,
    stalled: bool,
}

impl SmtpDrive {
    fn new(state: Arc<Mutex<State>>, tls: TlsMode, login: Login) -> Self {
        state.lock().unwrap().submissions += 1;
        let config = smtp::server::Config {
            hostname: "mx.example.org".to_owned(),
            kind: smtp::server::Kind::Submission,
            tls: match tls {
                TlsMode::None => smtp::server::Tls::None,
                TlsMode::Starttls => smtp::server::Tls::Offered,
                TlsMode::Implicit => smtp::server::Tls::Implicit,
            },
            mechanisms: vec!["SCRAM-SHA-256".to_owned(), "PLAIN".to_owned()],
            auth_in_clear: match tls {
                TlsMode::None => AuthInClear::Allowed,
                _ => AuthInClear::Refused,
            },
            ..smtp::server::Config::default()
        };
        Self {
            session: smtp::server::Session::new(config),
            state,
            login,
            exchange: None,
            sender: Sender::default(),
            recipients: Vec::new(),
            content: Vec::new(),
            hang_up: false,
            stalled: false,
        }
    }

    fn event(&mut self, event: Event) {
        let accept = Answer::Accept;
        match event {
            Event::Connect if self.state.lock().unwrap().deaf => {
                let status = EnhancedStatus::new(4, 3, 2);
                self.session.answer(Reply::new(421, status, "not now"));
            }
            Event::Connect | Event::Hello(_) | Event::ContentBegins => self.session.answer(accept),
            Event::Auth { mechanism, initial_response } => {
                self.exchange = Some(Login::begin(&mechanism));
                self.authenticate(initial_response.as_deref());
            }
            Event::AuthResponse(response) => self.authenticate(Some(&response)),
            Event::Sender(sender) => {
                self.sender = sender;
                self.recipients.clear();
                self.content.clear();
                self.session.answer(accept);
            }
            Event::Recipient(recipient) => self.recipient(recipient),
            Event::Content(piece) => self.content.extend_from_slice(&piece),
            Event::ContentEnds { fault: None } => self.end(),
            _ => {}
        }
    }

    fn authenticate(&mut self, response: Option<&[u8]>) {
        let mut exchange = self.exchange.take().unwrap();
        let said = self.login.step(&mut exchange, response);
        self.exchange = Some(exchange);
        match said {
            Said::Challenge(challenge) => self.session.answer(Answer::Challenge(challenge)),
            Said::Yes => self.session.answer(Answer::Accept),
            Said::No => {
                let status = EnhancedStatus::new(5, 7, 8);
                self.session.answer(Reply::new(535, status, "Wrong name or password"));
            }
        }
    }

    fn recipient(&mut self, recipient: smtp::server::Recipient) {
        let ForwardPath::Address(address) = &recipient.forward_path else {
            return self.session.answer(Answer::Accept);
        };
        let refused = self.state.lock().unwrap().refused.get(&address.to_string()).copied();
        match refused {
            Some((code, status, text)) => self.session.answer(Reply::new(code, status, text)),
            None => {
                self.recipients.push(recipient);
                self.session.answer(Answer::Accept);
            }
        }
    }

    fn end(&mut self) {
        let mut state = self.state.lock().unwrap();
        let taken = Taken {
            sender: std::mem::take(&mut self.sender),
            recipients: std::mem::take(&mut self.recipients),
            content: std::mem::take(&mut self.content),
        };
        let reply = |code, class, text| Reply::new(code, EnhancedStatus::new(class, 0, 0), text);
        match state.at_end {
            AtEnd::Accept => {
                state.taken.push(taken);
                self.session.answer(reply(250, 2, "Ok: queued as T1"));
            }
            AtEnd::TakeAndHangUp => {
                state.taken.push(taken);
                self.hang_up = true;
            }
            AtEnd::TakeAndStall => {
                state.taken.push(taken);
                self.stalled = true;
            }
            AtEnd::Later => self.session.answer(reply(451, 4, "come back")),
            AtEnd::Refuse => self.session.answer(reply(554, 5, "no")),
        }
    }
}

impl Drive for SmtpDrive {
    fn receive(&mut self, octets: &[u8]) {
        self.session.receive(octets);
    }

    async fn advance(&mut self, output: &mut Vec<u8>) -> Next {
        let within = Duration::from_secs(60);
        while !self.stalled
            && !self.hang_up
            && !self.state.lock().unwrap().silent
            && let Some(event) = self.session.poll()
        {
            if event == Event::StartTls {
                self.session.output_into(output);
                return Next::EnterTls;
            }
            self.event(event);
        }
        self.session.output_into(output);
        match self.hang_up || self.session.is_closed() {
            true => Next::Close,
            false => Next::Read { within },
        }
    }

    fn enter_tls(&mut self, _: TlsFacts) {
        self.session.enter_tls();
    }

    async fn interrupt(&mut self, _: Interrupt, _: &mut Vec<u8>) {}
}

struct PopDrive {
    session: pop3::server::Session,
    tls: TlsMode,
    state: Arc<Mutex<State>>,
    login: Login,
    exchange: Option<sasl::Server>,
    snapshot: Vec<(String, Vec<u8>)>,
    given: usize,
    hang_up: bool,
}

impl PopDrive {
    fn new(state: Arc<Mutex<State>>, tls: TlsMode, login: Login) -> Self {
        let config = pop3::server::Config {
            hostname: "mx.example.org".to_owned(),
            channel: match tls {
                TlsMode::None => pop3::server::Channel::Clear,
                TlsMode::Starttls => pop3::server::Channel::StlsOffered,
                TlsMode::Implicit => pop3::server::Channel::Tls,
            },
            mechanisms: vec!["SCRAM-SHA-256".to_owned(), "PLAIN".to_owned()],
            clear_login: match tls {
                TlsMode::None => pop3::server::ClearLogin::Allowed,
                _ => pop3::server::ClearLogin::Refused,
            },
        };
        Self {
            session: pop3::server::Session::new(config),
            tls,
            state,
            login,
            exchange: None,
            snapshot: Vec::new(),
            given: 0,
            hang_up: false,
        }
    }

    fn event(&mut self, event: pop3::server::Event) {
        use pop3::server::{Answer, Event, Refusal};
        match event {
            Event::Login { user, password } => {
                let right = user == ADDRESS && password.reveal() == PASSWORD;
                let answer = match right {
                    true => self.maildrop(),
                    false => Answer::Refused(Refusal::Credentials),
                };
                self.session.answer(answer);
            }
            Event::Auth { mechanism, initial } => {
                self.exchange = Some(Login::begin(&mechanism));
                self.authenticate(initial.as_ref().map(SaslMessage::reveal));
            }
            Event::AuthResponse(response) => self.authenticate(Some(response.reveal())),
            Event::Fetch { index, .. } => {
                let mut state = self.state.lock().unwrap();
                self.given += 1;
                state.given += 1;
                if state.break_before == Some(self.given) {
                    self.hang_up = true;
                    return;
                }
                if state.stall_before == Some(self.given) {
                    return;
                }
                let _ = self.session.content(&self.snapshot[index].1);
                self.session.content_end();
            }
            Event::Update { deleted } => {
                let gone: Vec<String> =
                    deleted.iter().map(|index| self.snapshot[*index].0.clone()).collect();
                self.state.lock().unwrap().maildrop.retain(|(uidl, _)| !gone.contains(uidl));
                self.session.answer(Answer::Updated);
            }
            Event::StartTls => {}
        }
    }

    fn authenticate(&mut self, response: Option<&[u8]>) {
        use pop3::server::{Answer, Refusal};
        let mut exchange = self.exchange.take().unwrap();
        let said = self.login.step(&mut exchange, response);
        self.exchange = Some(exchange);
        let answer = match said {
            Said::Challenge(challenge) => Answer::Challenge(SaslMessage::new(challenge)),
            Said::Yes => self.maildrop(),
            Said::No => Answer::Refused(Refusal::Credentials),
        };
        self.session.answer(answer);
    }

    fn maildrop(&mut self) -> pop3::server::Answer {
        self.snapshot = self.state.lock().unwrap().maildrop.clone();
        let entry = |(uidl, content): &(String, Vec<u8>)| pop3::server::Entry {
            octets: content.len() as u64,
            uidl: Uidl::new(uidl.as_str()).unwrap(),
        };
        pop3::server::Answer::Maildrop(self.snapshot.iter().map(entry).collect())
    }
}

impl Drive for PopDrive {
    fn receive(&mut self, octets: &[u8]) {
        self.session.receive(octets);
    }

    async fn advance(&mut self, output: &mut Vec<u8>) -> Next {
        while !self.hang_up
            && let Some(event) = self.session.poll()
        {
            if event == pop3::server::Event::StartTls {
                self.session.output_into(output);
                return Next::EnterTls;
            }
            self.event(event);
        }
        self.session.output_into(output);
        if self.hang_up || self.session.is_closed() {
            return Next::Close;
        }
        match output.is_empty() {
            true => Next::Read { within: Duration::from_secs(60) },
            false => Next::More,
        }
    }

    fn enter_tls(&mut self, _: TlsFacts) {
        // With TLS from the start the greeting is still to be sent.
        if self.tls == TlsMode::Starttls {
            self.session.enter_tls();
        }
    }

    async fn interrupt(&mut self, _: Interrupt, _: &mut Vec<u8>) {}
}
