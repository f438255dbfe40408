//! Rules about strangers: octets in, replies and rows out, with a clock that stands still.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use directory::Directory;
use dns::{Trouble, Zone};
use envelope::Domain;
use mta::policy::{HelloRules, NameForm, OwnName, Policy, PolicyConfig, Rate, Rates, SenderDomain};
use mta::reception::{ReceptionConfig, Service};
use mta::{Config, Mta, OutboundConfig, QueueConfig, Reception, SmtpDrive, World};
use platform::{ClientTls, Drive, Next, RealDisk, SystemRandom, Timestamp, TokioNet};
use sasl::Password;
use sim::SimClock;
use smtp::server::{AuthInClear, Tls};
use store::{Happening, Store};
use store_sqlite::{Options, SqliteStore};

use crate::support::{PASSWORD, address};

const STRANGER: &str = "198.51.100.7";

/// A server without sockets.
pub(crate) struct Office {
    pub(crate) store: Arc<dyn Store>,
    sqlite: Arc<SqliteStore>,
    pub(crate) clock: SimClock,
    pub(crate) zone: Arc<Zone>,
    pub(crate) mta: Arc<Mta>,
    pub(crate) policy: Arc<Policy>,
    directory: Arc<Directory>,
    _folder: tempfile::TempDir,
}

impl Office {
    pub(crate) async fn open(policy: PolicyConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = SqliteStore::start(&folder.path().join("data"), Options::default()).unwrap();
        let store: Arc<dyn Store> = Arc::<SqliteStore>::clone(&sqlite);
        let clock = SimClock::new(Timestamp::from_seconds(1_800_000_000));
        let random = Arc::new(SystemRandom);
        let shared = Arc::new(clock.clone());
        let directory =
            Directory::open(Arc::clone(&store), shared.clone(), random.clone(), [7; 32])
                .await
                .unwrap();
        directory.add_domain(Domain::parse("a.test").unwrap()).await.unwrap();
        let accounts = vec![address("ada@a.test"), address("bob@a.test")];
        let password = Some(Password::new(PASSWORD));
        directory.add_accounts(accounts, password, None, None).await.unwrap();
        let zone = Arc::new(Zone::new());
        let tls = ClientTls::opportunistic(&RealDisk, &[]).unwrap();
        let world = World {
            store: Arc::clone(&store),
            directory: Arc::clone(&directory),
            resolver: Arc::<Zone>::clone(&zone),
            net: Arc::new(TokioNet),
            clock: shared,
            random,
            opportunistic_tls: tls.clone(),
            verified_tls: tls,
        };
        let config = Config {
            hostname: Domain::parse("mx.a.test").unwrap(),
            message_size_max: 1 << 20,
            recipients_max: 100,
            queue: QueueConfig::default(),
            outbound: OutboundConfig::default(),
            language: Default::default(),
            listening: vec!["192.0.2.1:25".parse().unwrap()],
        };
        let mta = Mta::new(config, world);
        Self {
            store,
            sqlite,
            clock,
            zone,
            mta,
            policy: Policy::new(policy),
            directory,
            _folder: folder,
        }
    }

    pub(crate) fn reception(&self, service: Service) -> Arc<Reception> {
        let config =
            ReceptionConfig { service, tls: Tls::None, auth_in_clear: AuthInClear::Allowed };
        Reception::with_policy(Arc::clone(&self.mta), config, Arc::clone(&self.policy))
    }

    /// From now on the store answers nothing.
    pub(crate) fn close_store(&self) {
        self.sqlite.close();
    }

    pub(crate) fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory)
    }

    /// A session with a peer of the port for strangers.
    pub(crate) fn connect(&self, peer: &str) -> Client {
        let relay_from = vec!["203.0.113.0/24".parse().unwrap()];
        self.client(Service::Smtp { relay_from }, peer)
    }

    fn client(&self, service: Service, peer: &str) -> Client {
        let peer = SocketAddr::new(peer.parse().unwrap(), 4242);
        Client { drive: self.reception(service).session(peer) }
    }

    pub(crate) async fn author(&self) -> Client {
        let mut author = self.client(Service::Submission, STRANGER);
        author.say("").await;
        author.say("EHLO author.test").await;
        let login = sasl::encode_base64(format!("\0ada@a.test\0{PASSWORD}").as_bytes());
        let reply = author.say(&format!("AUTH PLAIN {}", *login)).await;
        assert!(reply.starts_with("235"), "{reply}");
        author
    }
}

/// The other end of a session.
pub(crate) struct Client {
    drive: SmtpDrive,
}

impl Client {
    pub(crate) fn new(drive: SmtpDrive) -> Self {
        Self { drive }
    }

    /// What comes of a line; nothing is sent when it is empty. `(closed)` at the end.
    pub(crate) async fn say(&mut self, line: &str) -> String {
        if !line.is_empty() {
            self.drive.receive(format!("{line}\r\n").as_bytes());
        }
        let mut output = Vec::new();
        let end = loop {
            match self.drive.advance(&mut output).await {
                Next::More | Next::Listen { .. } => {}
                Next::Read { .. } => break "",
                Next::Close => break "(closed)",
                Next::EnterTls => panic!("nobody asked for TLS"),
            }
        };
        String::from_utf8(output).unwrap() + end
    }

    /// The same client once it was greeted.
    pub(crate) async fn await_greeting(mut self) -> Self {
        let greeting = self.say("").await;
        assert!(greeting.starts_with("220 "), "{greeting}");
        self
    }

    /// Several lines; the last reply.
    pub(crate) async fn all(&mut self, lines: &[&str]) -> String {
        let mut reply = String::new();
        for line in lines {
            reply = self.say(line).await;
        }
        reply
    }
}

fn per_hour(count: u32) -> Option<Rate> {
    Some(Rate { count, per: Duration::from_secs(3600) })
}

#[tokio::test]
async fn a_stranger_may_not_have_our_name() {
    let hello = HelloRules { own_name: OwnName::Refused, form: NameForm::Full };
    let exempt = vec!["198.51.100.200".parse().unwrap()];
    let office = Office::open(PolicyConfig { hello, exempt, ..PolicyConfig::default() }).await;
    #[rustfmt::skip]
    let rows = [
        (STRANGER, "EHLO else.test", "250", "RFC 5321 §4.1.1.1"),
        (STRANGER, "EHLO mx.a.test", "550 5.7.1", "ours"),
        (STRANGER, "HELO [192.0.2.1]", "550 5.7.1", "our address"),
        (STRANGER, "HELO laptop", "504 5.5.4", "no full name"),
        ("203.0.113.9", "HELO laptop", "250", "who may relay is no stranger"),
        ("198.51.100.200", "EHLO mx.a.test", "250", "nor is who is exempt"),
    ];
    for (peer, line, wanted, why) in rows {
        let mut client = office.connect(peer);
        let reply = client.all(&["", line]).await;
        assert!(reply.starts_with(wanted), "{why}: {line}: {reply}");
        let mail = client.say("MAIL FROM:<x@else.test>").await;
        let then = if wanted == "250" { "250" } else { "503" };
        assert!(mail.starts_with(then), "a refused greeting is none: {why}: {mail}");
    }
    let mut client = office.connect(STRANGER);
    client.all(&["", "EHLO mx.a.test"]).await;
    assert!(client.say("EHLO else.test").await.starts_with("250"), "it may try again");
}

#[tokio::test]
async fn a_sender_needs_a_domain_that_takes_mail() {
    let sender_domain = SenderDomain::TakesMail;
    let office = Office::open(PolicyConfig { sender_domain, ..PolicyConfig::default() }).await;
    let here = Ipv4Addr::new(192, 0, 2, 9);
    let zone = &office.zone;
    zone.mx("mx.test", 10, "host.mx.test").a("a.only.test", here).mx("null.test", 0, ".");
    zone.txt("text.test", "no mail here").trouble("broken.test", Some(Trouble::ServFail));
    zone.trouble("slow.test", Some(Trouble::Silence));
    #[rustfmt::skip]
    let rows = [
        ("<x@mx.test>", "250", "a mail server"),
        ("<x@a.only.test>", "250", "RFC 5321 §5.1: an address is enough"),
        ("<x@null.test>", "550 5.7.27", "RFC 7505 §4.2: null MX"),
        ("<x@nowhere.test>", "550 5.1.8", "no such domain"),
        ("<x@text.test>", "550 5.1.8", "a domain without mail"),
        ("<x@broken.test>", "451 4.4.3", "DNS fails: later"),
        ("<x@slow.test>", "451 4.4.3", "DNS does not answer: later"),
        ("<x@[198.51.100.7]>", "250", "an address"),
        ("<ada@a.test>", "250", "ours"),
        ("<>", "250", "RFC 5321 §4.5.5: notices"),
    ];
    for (sender, wanted, why) in rows {
        let mut client = office.connect(STRANGER);
        let mail = format!("MAIL FROM:{sender}");
        let reply = client.all(&["", "EHLO else.test", &mail]).await;
        assert!(reply.starts_with(wanted), "{why}: {sender}: {reply}");
        assert!(client.say("RSET").await.starts_with("250"), "{why}: in step");
    }
    zone.trouble("broken.test", None).mx("broken.test", 10, "host.mx.test");
    let mut client = office.connect(STRANGER);
    let reply = client.all(&["", "EHLO else.test", "MAIL FROM:<x@broken.test>"]).await;
    assert!(reply.starts_with("250"), "what failed is asked anew: {reply}");
}

/// What rules noted of a message, by the reply that took it.
pub(crate) async fn checks(office: &Office, reply: &str) -> Vec<String> {
    let id = reply.trim_end().rsplit_once(" as ").expect(reply).1.parse().unwrap();
    let view = office.store.submission(id).await.unwrap().unwrap();
    let told = view.events.iter().filter_map(|event| match &event.event.happening {
        Happening::Checked { stage, rule } => {
            Some(format!("{stage} {rule}: {}", event.event.reason))
        }
        _ => None,
    });
    told.collect()
}

#[tokio::test]
async fn only_why_somebody_was_let_pass_stands_among_the_events() {
    let config = PolicyConfig {
        exempt: vec!["198.51.100.128/25".parse().unwrap()],
        greeting_delay: Duration::from_secs(1),
        hello: HelloRules { own_name: OwnName::Refused, form: NameForm::Full },
        sender_domain: SenderDomain::TakesMail,
        ..PolicyConfig::default()
    };
    let office = Office::open(config).await;
    office.zone.mx("else.test", 10, "host.else.test");
    let exempt = "connect exempt: no rule concerns clients in 198.51.100.128/25";
    let letter = [
        "",
        "EHLO else.test",
        "MAIL FROM:<x@else.test>",
        "RCPT TO:<ada@a.test>",
        "DATA",
        "\r\nHi\r\n.",
    ];
    let rows: [(&str, &[&str], &str); 3] = [
        (STRANGER, &[], "that nothing was found is no news"),
        ("203.0.113.9", &[], "who may relay is no stranger, and that stands in the configuration"),
        ("198.51.100.200", &[exempt], "an exemption is"),
    ];
    for (peer, wanted, why) in rows {
        let reply = office.connect(peer).all(&letter).await;
        assert_eq!(checks(&office, &reply).await, wanted, "{peer}: {why}");
    }
}

#[tokio::test]
async fn who_talks_before_the_greeting_is_sent_away() {
    let delayed = Duration::from_secs(3);
    #[rustfmt::skip]
    let rows = [
        (Duration::ZERO, STRANGER, true, "220", "S37: without a pause all comes in order"),
        (delayed, STRANGER, true, "554 5.5.1", "S37: RFC 5321 §3.1"),
        (delayed, STRANGER, false, "220", "who waits is greeted"),
        (delayed, "203.0.113.9", true, "220", "who may relay is not made to wait"),
    ];
    for (greeting_delay, peer, talks, wanted, why) in rows {
        let config = PolicyConfig { greeting_delay, ..PolicyConfig::default() };
        let office = Office::open(config).await;
        let mut client = office.connect(peer);
        let mut output = Vec::new();
        if !greeting_delay.is_zero() && peer == STRANGER {
            let next = client.drive.advance(&mut output).await;
            assert_eq!(next, Next::Listen { within: greeting_delay }, "{why}");
            assert!(output.is_empty(), "{why}: not greeted yet");
        }
        let early = "EHLO else.test\r\nMAIL FROM:<x@else.test>\r\nRCPT TO:<ada@a.test>";
        let reply = client.say(if talks { early } else { "" }).await;
        assert!(reply.starts_with(wanted), "{why}: {reply}");
        if wanted == "554 5.5.1" {
            assert!(reply.ends_with("(closed)"), "{why}: {reply}");
            assert_eq!(reply.lines().count(), 2, "nothing after it runs: {reply}");
        } else if talks {
            assert!(reply.ends_with("250 2.1.5 Recipient ok\r\n"), "{why}: {reply}");
        }
    }
}

#[tokio::test]
async fn rates_hold_for_each_site_and_end_in_time() {
    let rates = Rates {
        connections: per_hour(4),
        messages: per_hour(3),
        recipients: per_hour(2),
        ..Rates::default()
    };
    let office = Office::open(PolicyConfig { rates, ..PolicyConfig::default() }).await;
    let mut client = office.connect(STRANGER);
    let hello = ["", "EHLO else.test"];
    client.all(&hello).await;
    let mail = "MAIL FROM:<x@else.test>";
    #[rustfmt::skip]
    let rows = [
        (mail, "250", "the first message"),
        ("RCPT TO:<ada@a.test>", "250", "the first recipient"),
        ("RCPT TO:<nobody@a.test>", "550 5.1.1", "nobody does not count"),
        ("RCPT TO:<bob@a.test>", "250", "the second recipient"),
        ("RCPT TO:<ada@a.test>", "450 4.7.1", "and no third"),
        (mail, "503", "one at a time"),
        ("RSET", "250", ""),
        (mail, "250", "the second message"),
        ("RSET", "250", ""),
        (mail, "250", "the third"),
        ("RSET", "250", ""),
        (mail, "450 4.7.1", "and no fourth"),
    ];
    for (line, wanted, why) in rows {
        let reply = client.say(line).await;
        assert!(reply.starts_with(wanted), "{line}: {why}: {reply}");
    }
    for (peer, wanted, why) in [
        (STRANGER, "220", "the second connection"),
        (STRANGER, "220", "the third"),
        (STRANGER, "220", "the fourth"),
        (STRANGER, "421 4.7.1", "no fifth"),
        ("198.51.100.8", "220", "its neighbour"),
        ("203.0.113.9", "220", "who may relay is not counted"),
    ] {
        let reply = office.connect(peer).say("").await;
        assert!(reply.starts_with(wanted), "{peer}: {why}: {reply}");
        assert_eq!(reply.ends_with("(closed)"), wanted.starts_with('4'), "{why}");
    }
    office.clock.step(Duration::from_secs(20 * 60));
    assert!(client.say(mail).await.starts_with("250"), "a third of an hour later, one more");
    assert!(client.all(&["RSET", mail]).await.starts_with("450"), "and one only");
    assert!(office.connect(STRANGER).say("").await.starts_with("220"), "as with connections");
}

#[tokio::test]
async fn guessing_names_costs_the_next_connections_too() {
    let rates = Rates { unknown_recipients: per_hour(3), ..Rates::default() };
    let office = Office::open(PolicyConfig { rates, ..PolicyConfig::default() }).await;
    let mut client = office.connect(STRANGER);
    client.all(&["", "EHLO else.test", "MAIL FROM:<x@else.test>"]).await;
    for number in 0..3 {
        let reply = client.say(&format!("RCPT TO:<guess{number}@a.test>")).await;
        assert!(reply.starts_with("550 5.1.1"), "S43: {reply}");
    }
    let reply = client.say("RCPT TO:<guess3@a.test>").await;
    assert!(reply.starts_with("421 4.7.1") && reply.ends_with("(closed)"), "S43: {reply}");
    assert!(office.connect(STRANGER).say("").await.starts_with("421 4.7.1"), "S43: next session");
    assert!(office.connect("198.51.100.8").say("").await.starts_with("220"), "somebody else");
    office.clock.step(Duration::from_secs(3600));
    assert!(office.connect(STRANGER).say("").await.starts_with("220"), "an hour later");
}

#[tokio::test]
async fn an_account_cannot_flood_others() {
    let rates = Rates {
        connections: per_hour(1),
        messages: per_hour(1),
        account_messages: per_hour(2),
        account_recipients: per_hour(3),
        ..Rates::default()
    };
    let office = Office::open(PolicyConfig { rates, ..PolicyConfig::default() }).await;
    let mail = "MAIL FROM:<ada@a.test>";
    let mut author = office.author().await;
    let first = [mail, "RCPT TO:<bob@a.test>", "RCPT TO:<x@else.test>", "RCPT TO:<y@else.test>"];
    assert!(author.all(&first).await.starts_with("250"), "three recipients");
    assert!(author.say("RCPT TO:<z@else.test>").await.starts_with("450 4.7.1"), "not four");
    let reply = author.all(&["DATA", "From: ada@a.test\r\n\r\nHi\r\n."]).await;
    assert!(reply.starts_with("250 2.0.0"), "those who were taken get it: {reply}");
    let mut again = office.author().await;
    assert!(again.say(mail).await.starts_with("250"), "the second message");
    assert!(again.all(&["RSET", mail]).await.starts_with("450 4.7.1"), "of any session");
    office.clock.step(Duration::from_secs(1800));
    assert!(again.say(mail).await.starts_with("250"), "later");
}
