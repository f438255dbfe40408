//! Whole mail systems in one process, over real sockets on loopback.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use directory::Directory;
use dns::Zone;
use envelope::{Address, Domain};
use mta::notice::Language;
use mta::reception::{ReceptionConfig, Service};
use mta::{Config, Mta, NextHop, OutboundConfig, PrivateTargets, QueueConfig, Reception, World};
use platform::tls::Identity;
use platform::{
    AcceptLimits, Acceptor, ClientTls, Disk, Gate, Listener, Net, Pump, PumpLimits, RealDisk,
    ServerTls, Shutdown, Start, Stream, SystemClock, SystemRandom, Task, TokioNet, serve,
};
use sasl::Password;
use smtp::server::{AuthInClear, Tls};
use store::{RecipientState, Store, SubmissionId, SubmissionView};
use store_sqlite::{Options, SqliteStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// One mail system.
pub(crate) struct System {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) smtp: SocketAddr,
    pub(crate) submission: SocketAddr,
    pub(crate) shutdown: Shutdown,
    pub(crate) mta: Arc<Mta>,
    tasks: Vec<Task>,
    queue: Option<Task>,
    _folder: tempfile::TempDir,
}

/// Listeners, bound before anybody needs to know their ports.
pub(crate) struct Ports {
    smtp: Box<dyn Listener>,
    submission: Box<dyn Listener>,
}

impl Ports {
    pub(crate) async fn bind() -> Self {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        Self {
            smtp: TokioNet.listen(any).await.unwrap(),
            submission: TokioNet.listen(any).await.unwrap(),
        }
    }

    pub(crate) fn smtp(&self) -> SocketAddr {
        self.smtp.local()
    }
}

/// What a test wants to be different.
pub(crate) struct Wishes {
    pub(crate) zone: Arc<Zone>,
    pub(crate) outbound_port: u16,
    pub(crate) queue: QueueConfig,
    pub(crate) language: Language,
    pub(crate) tls: Tls,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) quota_octets: Option<u64>,
    pub(crate) net: Arc<dyn Net>,
    pub(crate) routes: BTreeMap<Domain, NextHop>,
    pub(crate) rules: Vec<mta::rules::Rule>,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            zone: Arc::default(),
            outbound_port: 25,
            queue: QueueConfig::default(),
            language: Language::English,
            tls: Tls::None,
            disk: Arc::new(RealDisk),
            quota_octets: None,
            net: Arc::new(TokioNet),
            routes: BTreeMap::new(),
            rules: Vec::new(),
        }
    }
}

/// Largest message, in octets.
pub(crate) const MESSAGE_OCTETS_MAX: u64 = 3 * 1024 * 1024;
/// Most recipients.
pub(crate) const RECIPIENTS_MAX: usize = 100;

impl System {
    /// A system for `domain` with the host name `mx.DOMAIN` and these accounts.
    pub(crate) async fn start(
        domain: &str,
        accounts: &[&str],
        ports: Ports,
        wishes: Wishes,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { disk: wishes.disk, ..Options::default() };
        let store: Arc<dyn Store> =
            SqliteStore::start(&folder.path().join("data"), options).unwrap();
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let directory = Directory::open(Arc::clone(&store), clock.clone(), random.clone(), [7; 32])
            .await
            .unwrap();
        directory.add_domain(Domain::parse(domain).unwrap()).await.unwrap();
        let addresses = accounts.iter().map(|name| address(&format!("{name}@{domain}"))).collect();
        let password = Some(Password::new(PASSWORD));
        directory.add_accounts(addresses, password, None, wishes.quota_octets).await.unwrap();
        let opportunistic = ClientTls::opportunistic(&RealDisk, &[]).unwrap();
        let world = World {
            store: Arc::clone(&store),
            directory: Arc::clone(&directory),
            resolver: wishes.zone,
            net: wishes.net,
            clock,
            random,
            opportunistic_tls: opportunistic.clone(),
            verified_tls: opportunistic,
        };
        let hostname = Domain::parse(&format!("mx.{domain}")).unwrap();
        let config = Config {
            hostname: hostname.clone(),
            message_size_max: MESSAGE_OCTETS_MAX,
            recipients_max: RECIPIENTS_MAX,
            queue: wishes.queue,
            outbound: OutboundConfig {
                port: wishes.outbound_port,
                private_targets: PrivateTargets::Allowed,
                routes: wishes.routes,
                rules: wishes.rules,
                ..OutboundConfig::default()
            },
            language: wishes.language,
            listening: vec![ports.smtp.local()],
        };
        let mta = Mta::new(config, world);
        let shutdown = Shutdown::new();
        let mut system = Self {
            store,
            directory,
            smtp: ports.smtp.local(),
            submission: ports.submission.local(),
            shutdown: shutdown.clone(),
            mta: Arc::clone(&mta),
            tasks: Vec::new(),
            queue: None,
            _folder: folder,
        };
        let tls = system.identity(hostname.as_str());
        let config =
            |service, tls| ReceptionConfig { service, tls, auth_in_clear: AuthInClear::Allowed };
        let inbound = Service::Smtp { relay_from: Vec::new() };
        let inbound = Reception::new(Arc::clone(&mta), config(inbound, wishes.tls));
        let authors = Reception::new(Arc::clone(&mta), config(Service::Submission, Tls::None));
        system.listen(ports.smtp, inbound, tls.clone());
        system.listen(ports.submission, authors, tls);
        system.start_queue();
        system
    }

    /// Starts the queue, or starts it anew: what it knew in memory is gone.
    pub(crate) fn start_queue(&mut self) {
        self.queue = None;
        let run = mta::queue::run(Arc::clone(&self.mta), self.shutdown.clone());
        self.queue = Some(Task::start(run));
    }

    /// Stops the queue until it is started again.
    pub(crate) fn stop_queue(&mut self) {
        self.queue = None;
    }

    fn identity(&self, hostname: &str) -> ServerTls {
        let folder: &Path = self._folder.path();
        let dir = folder.join("tls");
        let identity = Identity::self_signed(&RealDisk, &SystemClock, &dir, hostname, &[]).unwrap();
        ServerTls::new(&identity, platform::tls::ALPN_SMTP).unwrap()
    }

    fn listen(&mut self, listener: Box<dyn Listener>, reception: Arc<Reception>, tls: ServerTls) {
        let acceptor = Acceptor {
            clock: Arc::new(SystemClock),
            shutdown: self.shutdown.clone(),
            gate: Gate::new(AcceptLimits::default()),
            refusal: Vec::new(),
        };
        let pump = Pump {
            clock: Arc::new(SystemClock),
            tls: Some(tls),
            shutdown: self.shutdown.clone(),
            limits: PumpLimits::default(),
        };
        self.tasks.push(Task::start(async move {
            acceptor
                .run(listener, move |stream| {
                    let (drive, pump) = (reception.session(stream.peer()), pump.clone());
                    async move {
                        serve(stream, Start::Clear, drive, &pump).await;
                    }
                })
                .await;
        }));
    }

    /// Waits until all recipients of a submission are as wanted.
    pub(crate) async fn wait_for(
        &self,
        id: SubmissionId,
        wanted: &[RecipientState],
    ) -> SubmissionView {
        self.wait_until(id, |view| {
            view.summary.recipients.iter().map(|view| view.state).eq(wanted.iter().copied())
        })
        .await
    }

    /// Waits until a submission is as wanted.
    pub(crate) async fn wait_until(
        &self,
        id: SubmissionId,
        wanted: impl Fn(&SubmissionView) -> bool,
    ) -> SubmissionView {
        let mut news = self.store.subscribe();
        let deadline = tokio::time::sleep(Duration::from_secs(20));
        tokio::pin!(deadline);
        loop {
            let view = self.store.submission(id).await.unwrap().unwrap();
            if wanted(&view) {
                return view;
            }
            tokio::select! {
                _ = news.recv() => {}
                () = &mut deadline => panic!("{id} is not as wanted: {view:#?}"),
            }
        }
    }

    /// An author who is logged in.
    pub(crate) async fn author(&self, who: &str) -> Typist {
        let mut author = Typist::connect(self.submission).await;
        author.log_in(who).await;
        author
    }

    /// A stranger who said EHLO.
    pub(crate) async fn stranger(&self) -> Typist {
        let mut stranger = Typist::connect(self.smtp).await;
        stranger.say("EHLO else.test").await;
        stranger
    }

    /// The whole messages in an account's INBOX.
    pub(crate) async fn inbox(&self, who: &str) -> Vec<String> {
        let account = self.directory.account(&address(who)).unwrap().id;
        let mailboxes = self.store.mailboxes(account).await.unwrap();
        let inbox = mailboxes.iter().find(|mailbox| mailbox.name == store::INBOX).unwrap();
        let mut messages = Vec::new();
        for entry in self.store.entries(account, inbox.id).await.unwrap() {
            let mut whole = entry.prefix.clone();
            loop {
                let at = (whole.len() - entry.prefix.len()) as u64;
                let piece = self.store.read(entry.message, at, 1 << 20).await.unwrap();
                if piece.is_empty() {
                    break;
                }
                whole.extend_from_slice(&piece);
            }
            messages.push(String::from_utf8(whole).unwrap());
        }
        messages
    }

    /// Waits until an INBOX has this many messages.
    pub(crate) async fn wait_for_inbox(&self, who: &str, count: usize) -> Vec<String> {
        let mut news = self.store.subscribe();
        let deadline = tokio::time::sleep(Duration::from_secs(20));
        tokio::pin!(deadline);
        loop {
            let found = self.inbox(who).await;
            if found.len() >= count {
                return found;
            }
            tokio::select! {
                _ = news.recv() => {}
                () = &mut deadline => panic!("{who} has {} messages, not {count}", found.len()),
            }
        }
    }
}

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// A client that types lines and reads replies.
pub(crate) struct Typist {
    stream: Box<dyn Stream>,
    pending: Vec<u8>,
}

impl Typist {
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        let stream = TokioNet.connect(None, to).await.unwrap();
        let mut typist = Self { stream, pending: Vec::new() };
        assert!(typist.reply().await.starts_with("220 "), "greeting");
        typist
    }

    /// Sends octets as they are.
    pub(crate) async fn send(&mut self, text: &str) {
        self.send_octets(text.as_bytes()).await;
    }

    /// Sends octets that need not be text.
    pub(crate) async fn send_octets(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).await.unwrap();
    }

    /// Sends a line and reads the reply to it.
    pub(crate) async fn say(&mut self, line: &str) -> String {
        self.send(&format!("{line}\r\n")).await;
        self.reply().await
    }

    /// Reads one whole reply.
    pub(crate) async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let line = self.line().await;
            reply.push_str(&line);
            if line.get(3..4) != Some("-") {
                return reply.trim_end().to_owned();
            }
        }
    }

    async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.pending.iter().position(|octet| *octet == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return String::from_utf8(line).unwrap();
            }
            let mut octets = [0; 4096];
            let read = self.stream.read(&mut octets).await.unwrap();
            assert!(read > 0, "the server closed the connection");
            self.pending.extend_from_slice(&octets[..read]);
        }
    }

    /// Logs in as an author.
    pub(crate) async fn log_in(&mut self, who: &str) {
        self.say("EHLO author.test").await;
        let message = sasl::encode_base64(format!("\0{who}\0{PASSWORD}").as_bytes());
        let reply = self.say(&format!("AUTH PLAIN {}", *message)).await;
        assert!(reply.starts_with("235 "), "{reply}");
    }

    /// Sends a message in one transaction; the id, or the refusal.
    pub(crate) async fn submit(
        &mut self,
        mail: &str,
        recipients: &[&str],
        content: &str,
    ) -> Result<SubmissionId, String> {
        let reply = self.say(mail).await;
        if !reply.starts_with("250 ") {
            return Err(reply);
        }
        for recipient in recipients {
            let reply = self.say(&format!("RCPT TO:{recipient}")).await;
            if !reply.starts_with("250 ") {
                return Err(reply);
            }
        }
        let reply = self.say("DATA").await;
        if !reply.starts_with("354 ") {
            return Err(reply);
        }
        let reply = self.say(&format!("{content}.")).await;
        match reply.rsplit_once(" as ") {
            Some((before, id)) if before.starts_with("250 2.0.0 Ok: ") => Ok(id.parse().unwrap()),
            _ => Err(reply),
        }
    }
}
