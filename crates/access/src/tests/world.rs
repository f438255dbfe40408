//! A service with two accounts, a clock that never waits, and a client that says lines.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::{MaildropLocks, Pop3, Pop3Config, Pop3Drive, Pop3Tls};
use directory::Directory;
use envelope::Address;
use platform::{Clock, Drive, Next, Pause, SystemRandom, Timestamp};
use pop3::server::ClearLogin;
use store::AccountId;

use super::fake_store::FakeStore;

pub(super) const ALICE: AccountId = AccountId(1);
pub(super) const BOB: AccountId = AccountId(2);

/// Notes how long it was asked to wait, and does not.
#[derive(Debug, Default)]
pub(super) struct NoWait(Mutex<Vec<Duration>>);

impl NoWait {
    pub(super) fn pauses(&self) -> Vec<Duration> {
        self.0.lock().unwrap().clone()
    }
}

impl Clock for NoWait {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, how_long: Duration) -> Pause {
        self.0.lock().unwrap().push(how_long);
        Box::pin(async {})
    }
}

pub(super) struct World {
    pub(super) store: Arc<FakeStore>,
    pub(super) clock: Arc<NoWait>,
    directory: Arc<Directory>,
    locks: MaildropLocks,
}

impl World {
    /// alice and bob at example.org, both with the password `pencil box`.
    pub(super) async fn new() -> Self {
        let (store, clock) = (Arc::new(FakeStore::default()), Arc::new(NoWait::default()));
        let random = Arc::new(SystemRandom);
        let directory =
            Directory::open(store.clone(), clock.clone(), random, [1; 32]).await.unwrap();
        directory.add_domain("example.org".parse().unwrap()).await.unwrap();
        let address = |text: &str| text.parse::<Address>().unwrap();
        let addresses = vec![address("alice@example.org"), address("bob@example.org")];
        let password = sasl::Password::new("pencil box");
        directory.add_accounts(addresses, Some(password), None, None).await.unwrap();
        Self { store, clock, directory, locks: MaildropLocks::default() }
    }

    pub(super) fn session(&self, tls: Pop3Tls) -> Pop3Drive {
        let config = Pop3Config {
            hostname: "mx.example.org".to_owned(),
            tls,
            clear_login: ClearLogin::Refused,
        };
        let pop3 = Pop3::new(
            config,
            self.store.clone(),
            self.directory.clone(),
            self.clock.clone(),
            self.locks.clone(),
        );
        pop3.session(SocketAddr::from(([192, 0, 2, 7], 1024)))
    }

    /// A client on an encrypted connection that has read the greeting.
    pub(super) async fn client(&self) -> Client {
        let mut client = Client { drive: self.session(Pop3Tls::Implicit), portion_octets_max: 0 };
        assert_eq!(client.hear().await, "+OK mx.example.org POP3 server ready\r\n");
        client
    }

    /// A client that has logged in as this user.
    pub(super) async fn logged_in(&self, user: &str) -> Client {
        let mut client = self.client().await;
        let heard = client.say(&format!("USER {user}@example.org\r\nPASS pencil box\r\n")).await;
        assert!(heard.contains(" messages ("), "{heard}");
        client
    }
}

pub(super) struct Client {
    pub(super) drive: Pop3Drive,
    /// The largest portion of output so far.
    pub(super) portion_octets_max: usize,
}

impl Client {
    /// Says lines and hears everything that comes of them.
    pub(super) async fn say(&mut self, lines: &str) -> String {
        self.drive.receive(lines.as_bytes());
        self.hear().await
    }

    /// Reads until the server waits for more, or closes (which is shown).
    pub(super) async fn hear(&mut self) -> String {
        let mut heard = Vec::new();
        loop {
            let mut portion = Vec::new();
            let next = self.drive.advance(&mut portion).await;
            self.portion_octets_max = self.portion_octets_max.max(portion.len());
            heard.append(&mut portion);
            match next {
                Next::More => {}
                Next::Read { .. } | Next::Listen { .. } => break,
                Next::EnterTls => heard.extend_from_slice(b"(TLS)"),
                Next::Close => heard.extend_from_slice(b"(closed)"),
            }
            if next != Next::More {
                break;
            }
        }
        String::from_utf8(heard).unwrap()
    }
}
