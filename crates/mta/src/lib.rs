//! Mail in motion: what comes in, where it goes, and who is told what became of it.
//!
//! ```text
//!   reception ─┐                                   ┌─▶ relay ─▶ other MTAs
//!   submission ┴▶ delivery ─▶ store.accept ─▶ queue ┤
//!                                                  └─▶ notice ─▶ store.finish ─▶ the author
//! ```
//!
//! *Invariant:* a positive reply to the end of content is given in one place, after
//! [`Store::accept`] returned (`reception::transaction`).
//!
//! Standards: RFC 5321 (SMTP), RFC 6409 (submission), RFC 3461 and RFC 3464 (notices).
//! Not here: the sessions' syntax (crate `smtp`), sockets (crate `platform`), mailboxes as
//! clients see them (crate `access`).

mod delivery;
pub mod notice;
mod orders;
pub mod queue;
pub mod reception;
pub mod relay;
mod report;
mod room;
pub mod routing;
pub mod rules;
mod submission;
mod tlspolicy;
mod trace;
mod words;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use directory::Directory;
use dns::Resolver;
use envelope::{Domain, ReversePath};
use platform::{ClientTls, Clock, Net, Random};
use sasl::Password;
use store::{IdSource, Store, SubmissionId, UnixMillis};

use crate::queue::Timeline;
pub use crate::reception::policy;
pub use crate::reception::{Network, Reception, ReceptionConfig, SmtpDrive};
use crate::room::Room;

/// What an operator may set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our name: in greetings, EHLO, Received fields and notices.
    pub hostname: Domain,
    /// Largest message, in octets.
    pub message_size_max: u64,
    /// Most recipients of one transaction.
    pub recipients_max: usize,
    /// When to try again, and when to give up.
    pub queue: QueueConfig,
    /// How to reach others.
    pub outbound: OutboundConfig,
    /// In which language notices are written.
    pub language: notice::Language,
    /// Addresses that our own SMTP listeners have, to recognise ourselves by.
    pub listening: Vec<SocketAddr>,
}

/// When to try again, and when to give up.
#[derive(Clone, Debug)]
pub struct QueueConfig {
    /// Pause after the first failed attempt, the second, …; the last one is used again.
    pub retry: Vec<Duration>,
    /// The same for who is greylisted, while it lasts; then `retry` goes on. Empty: `retry`.
    pub retry_greylisted: Vec<Duration>,
    /// The same where no server could be spoken to. Empty: `retry`.
    pub retry_unreachable: Vec<Duration>,
    /// The same for full mailboxes. Empty: `retry`.
    pub retry_full: Vec<Duration>,
    /// By how many percent at most luck makes each pause longer.
    pub jitter_percent: u8,
    /// How long after its acceptance a message is returned to its sender.
    pub expire: Duration,
    /// How long after its acceptance the sender is told of a delay.
    pub delay_notice: Duration,
    /// Attempts at a time.
    pub attempts_max: usize,
    /// How long authors may let a message be kept back; zero: not at all (RFC 4865).
    pub hold_max: Duration,
    /// The shortest time after which a message may be wanted back (RFC 2852).
    pub deliver_by_min: Duration,
    /// For how long what there is to tell of a message is gathered into one notice, while more of
    /// its recipients may have news; zero: not at all.
    pub gather: Duration,
    /// After how many refusals as unknown (5.1.1) an address is suppressed; `None`: never.
    pub suppress_after: Option<u32>,
}

impl Default for QueueConfig {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        let pauses = [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR];
        Self {
            retry: pauses.map(Duration::from_secs).to_vec(),
            retry_greylisted: Vec::new(),
            retry_unreachable: Vec::new(),
            retry_full: Vec::new(),
            jitter_percent: 0,
            expire: Duration::from_secs(5 * 24 * HOUR), // RFC 5321 §4.5.4.1: 4 to 5 days
            delay_notice: Duration::from_secs(4 * HOUR),
            attempts_max: 50,
            hold_max: Duration::from_secs(30 * 24 * HOUR),
            // Shorter ones would only come back.
            deliver_by_min: Duration::from_secs(MINUTE),
            gather: Duration::ZERO,
            suppress_after: None,
        }
    }
}

impl QueueConfig {
    /// Every pause of every schedule.
    pub(crate) fn all_pauses(&self) -> impl Iterator<Item = Duration> {
        let classes = [&self.retry_greylisted, &self.retry_unreachable, &self.retry_full];
        self.retry.iter().chain(classes.into_iter().flatten()).copied()
    }
}

/// How to reach others.
#[derive(Clone, Debug)]
pub struct OutboundConfig {
    /// The port of remote MX hosts.
    pub port: u16,
    /// Whether loopback and private addresses may be delivered to.
    pub private_targets: PrivateTargets,
    /// Source addresses; one of the target's family is used.
    pub bind: Vec<IpAddr>,
    /// Domains that go to a fixed host instead of their MX.
    pub routes: BTreeMap<Domain, NextHop>,
    /// The host that everything goes to which has no route of its own.
    pub relay: Option<Relay>,
    /// What is different for some mail; the first that matches counts.
    pub rules: Vec<rules::Rule>,
}

impl Default for OutboundConfig {
    fn default() -> Self {
        Self {
            port: 25,
            private_targets: PrivateTargets::Refused,
            bind: Vec::new(),
            routes: BTreeMap::new(),
            relay: None,
            rules: Vec::new(),
        }
    }
}

/// Whether loopback and private addresses may be delivered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivateTargets {
    /// No: DNS must not make us talk to the inside of our own network.
    Refused,
    /// Yes: for rehearsals and closed networks.
    Allowed,
}

/// Where a domain's mail goes instead of its MX.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// To another server.
    Smtp(Route),
    /// To a server that puts it into mailboxes (RFC 2033).
    Lmtp(Route),
    /// To such a program on this machine, whose socket is a file.
    LmtpFile(PathBuf),
}

/// A fixed host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// A smart host: another server that delivers for us.
#[derive(Clone, Debug)]
pub struct Relay {
    /// Where it is.
    pub route: Route,
    /// Whether TLS is a must.
    pub tls: RelayTls,
    /// How to log in there.
    pub login: Option<RelayLogin>,
}

/// TLS towards a smart host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayTls {
    /// Whatever it offers.
    Opportunistic,
    /// STARTTLS, with a certificate that proves the host, or nothing is sent.
    StartTls,
}

/// A name and password for a smart host.
#[derive(Clone, Debug)]
pub struct RelayLogin {
    /// Login name.
    pub username: String,
    /// Password.
    pub password: Password,
}

/// Everything outside of this crate that it asks.
#[derive(Clone, Debug)]
pub struct World {
    /// The message store.
    pub store: Arc<dyn Store>,
    /// Who and where.
    pub directory: Arc<Directory>,
    /// DNS.
    pub resolver: Arc<dyn Resolver>,
    /// The network.
    pub net: Arc<dyn Net>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Luck.
    pub random: Arc<dyn Random>,
    /// TLS towards whoever answers (RFC 7435).
    pub opportunistic_tls: ClientTls,
    /// TLS towards a smart host whose certificate must prove it.
    pub verified_tls: ClientTls,
}

/// The transfer agent: one for each server.
#[derive(Debug)]
pub struct Mta {
    config: Config,
    world: World,
    ids: IdSource,
    timeline: Timeline,
    /// Room for the parts of arriving messages that are kept in memory to be looked at.
    looked_at: Arc<Room>,
    /// Delivery reports that came in, on their way to the queue.
    reports: report::Desk,
    /// Connections to other servers that wait for the next message.
    idle: relay::Pool,
    /// What an operator wants of all mail.
    orders: orders::Orders,
    /// News that senders have to be told.
    untold: queue::UntoldWaiting,
    /// Turns at other servers.
    lanes: Arc<queue::Lanes>,
    /// Addresses that could not be reached a moment ago.
    unreached: queue::Unreached,
}

impl Mta {
    /// A transfer agent. It does nothing until its sessions are driven and its queue runs.
    pub fn new(config: Config, world: World) -> Arc<Self> {
        let first_retry = config.queue.all_pauses().min();
        Arc::new(Self {
            lanes: queue::Lanes::new(config.queue.clone(), Arc::clone(&world.random)),
            unreached: queue::Unreached::new(first_retry.unwrap_or(Duration::from_secs(60))),
            config,
            ids: IdSource::default(),
            timeline: Timeline::new(world.clock.as_ref()),
            looked_at: Room::new(reception::LOOKED_AT_OCTETS_MAX),
            reports: report::Desk::default(),
            orders: orders::Orders::default(),
            untold: queue::UntoldWaiting::default(),
            idle: relay::Pool::default(),
            world,
        })
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// An operator wants mail tried now: destinations that failed a moment ago are not left alone
    /// any longer.
    pub fn try_again(&self) {
        self.lanes.try_again();
        self.unreached.try_again();
    }

    /// Something was put into the store that senders have to be told.
    pub fn tell_soon(&self) {
        self.untold.more();
    }

    /// How things are at a destination that is tried, or was a moment ago.
    pub fn standing(&self, sender: &ReversePath, domain: &Domain) -> Option<queue::Standing> {
        let outgoing = rules::Outgoing::of(&self.config.outbound, sender, domain);
        let destination = outgoing.destination(domain, None);
        self.lanes.standing(&destination.name, self.world.clock.monotonic())
    }

    /// The wall clock, for what is written down.
    fn now(&self) -> UnixMillis {
        UnixMillis(self.world.clock.now().millis())
    }

    /// The time by which the queue is kept.
    fn queue_now(&self) -> UnixMillis {
        self.timeline.now(self.world.clock.as_ref())
    }

    fn new_id(&self) -> SubmissionId {
        let mut random = [0; 16];
        self.world.random.fill(&mut random);
        self.ids.next(self.now(), u128::from_le_bytes(random))
    }
}
