//! Asks servers over the network.
//!
//! A *stub* in the words of RFC 1034 §5.3.1: the servers follow delegations (and validate
//! signatures) for us. Each question goes out from a fresh port with a random id and random
//! spelling; servers are tried one after the other, in two rounds.
//!
//! ```text
//!   lookup → cache? → follow CNAMEs → ask: server × round → exchange: UDP, TCP if cut
//! ```
//!
//! Standards: RFC 1034 §5 (resolvers), RFC 2308 (what "no" means), RFC 6840 §5.7 (AD).
//! Not here: packets ([`exchange`]), keeping ([`cache`]).

mod cache;
mod exchange;
mod system;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use envelope::Domain;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData};
use platform::{BoxFuture, Clock, Net, Random};

use self::cache::Cache;
use self::exchange::{Exchange, ExchangeError};
pub use self::system::SystemServersError;
use crate::{Answer, DnsError, Kind, Record, Resolver, Security, wire};

/// Most CNAMEs that are followed for one question.
pub const CNAMES_MAX: usize = 10;
/// Each server is asked this often, with twice the patience each time.
const ROUNDS: u32 = 2;
/// Most servers that are asked, so that a question ends (resolv.conf(5) has three).
const SERVERS_MAX: usize = 4;
/// Longest time that an answer is kept.
const TTL_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest time that a "no" is kept (RFC 2308 §5 suggests one to three hours).
const NEGATIVE_TTL_MAX: Duration = Duration::from_secs(60 * 60);
/// Most records of one answer that are kept.
const RECORDS_MAX: usize = 1000;

/// How a [`StubResolver`] asks.
#[derive(Clone, Debug)]
pub struct StubOptions {
    /// Whom to ask, in this order; each is a resolver that follows delegations itself.
    pub servers: Vec<SocketAddr>,
    /// Time for a server's answer, doubled in the second round.
    pub patience: Duration,
    /// Whose word on DNSSEC counts.
    pub trust: Trust,
}

/// Whose word on DNSSEC counts (the AD bit, RFC 6840 §5.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// That of servers on this machine: nobody can change their answers on the way.
    #[default]
    Loopback,
    /// That of all servers: the way to them is secure.
    All,
    /// Nobody's.
    Nobody,
}

impl StubOptions {
    /// Asks these servers.
    pub fn new(servers: Vec<SocketAddr>) -> Self {
        Self { servers, patience: Duration::from_secs(2), trust: Trust::default() }
    }
}

/// Asks servers over the network, and keeps their answers for as long as they allow.
#[derive(Debug)]
pub struct StubResolver {
    exchange: Exchange,
    options: StubOptions,
    cache: Mutex<Cache>,
}

/// What a question came to, as it is kept.
#[derive(Clone, Debug)]
enum Outcome {
    Records { records: Vec<Record>, security: Security },
    NoRecords,
    NoSuchDomain,
}

/// What one message says about a name.
enum Step {
    /// This, for so long.
    Done(Outcome, Duration),
    /// Ask again about this name: the server did not follow the CNAME to its end.
    Elsewhere(Name, Duration),
}

impl StubResolver {
    /// A resolver with an empty cache.
    pub fn new(
        net: Arc<dyn Net>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        options: StubOptions,
    ) -> Self {
        let exchange = Exchange { net, clock, random };
        Self { exchange, options, cache: Mutex::default() }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // Nothing panics while it is held, so a poisoned one is whole.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn find(&self, name: &Domain, kind: Kind) -> Result<(Outcome, Duration), DnsError> {
        if name.literal().is_some() {
            return Err(DnsError::NotAName { name: name.clone() });
        }
        let Some(query) = wire::name(name.as_str()) else {
            return Err(DnsError::NotAName { name: name.clone() });
        };
        let now = self.exchange.clock.monotonic();
        if let Some(kept) = self.cache().get(name.as_str(), kind, now) {
            return Ok(kept);
        }
        let found = self.follow(query, kind).await;
        let (outcome, ttl) = found.map_err(|reason| {
            tracing::debug!(%name, %kind, reason, "no answer from DNS");
            DnsError::Temporary { name: name.clone(), kind, reason }
        })?;
        let now = self.exchange.clock.monotonic();
        self.cache().put(name.as_str(), kind, &outcome, now, ttl);
        Ok((outcome, ttl))
    }

    /// Asks, and asks again where CNAMEs lead elsewhere.
    async fn follow(&self, mut name: Name, kind: Kind) -> Result<(Outcome, Duration), String> {
        let mut seen = vec![name.clone()];
        let mut ttl_max = TTL_MAX;
        let mut all_secure = true;
        loop {
            let (message, security) = self.ask(&name, kind).await?;
            all_secure &= security == Security::Secure;
            match read(&message, kind, security, &mut seen)? {
                Step::Done(outcome, ttl) => {
                    let outcome = match outcome {
                        Outcome::Records { records, security: Security::Secure } if !all_secure => {
                            Outcome::Records { records, security: Security::Insecure }
                        }
                        outcome => outcome,
                    };
                    return Ok((outcome, ttl.min(ttl_max)));
                }
                Step::Elsewhere(target, ttl) => {
                    name = target;
                    ttl_max = ttl_max.min(ttl);
                }
            }
        }
    }

    /// The first usable message from any server.
    async fn ask(&self, name: &Name, kind: Kind) -> Result<(Message, Security), String> {
        let mut reason = "there is no server to ask".to_owned();
        for round in 0..ROUNDS {
            let patience = self.options.patience.saturating_mul(1 << round);
            for server in self.options.servers.iter().take(SERVERS_MAX) {
                match self.exchange.ask(*server, name, wire::record_type(kind), patience).await {
                    Ok(message) => match unusable(&message) {
                        None => {
                            let security = self.security(*server, &message);
                            return Ok((message, security));
                        }
                        Some(why) => reason = format!("{server} {why}"),
                    },
                    Err(ExchangeError::Silent) => reason = format!("{server} did not answer"),
                    Err(ExchangeError::Io(error)) => reason = format!("{server}: {error}"),
                    Err(ExchangeError::Nonsense) => reason = format!("{server} answers nonsense"),
                }
            }
        }
        Err(reason)
    }

    fn security(&self, server: SocketAddr, message: &Message) -> Security {
        let trusted = match self.options.trust {
            Trust::All => true,
            Trust::Loopback => server.ip().is_loopback(),
            Trust::Nobody => false,
        };
        match (trusted, message.metadata.authentic_data) {
            (true, true) => Security::Secure,
            (true, false) => Security::Insecure,
            (false, _) => Security::Indeterminate,
        }
    }
}

/// Why a message is no answer; `None` when it is one.
fn unusable(message: &Message) -> Option<String> {
    match message.metadata.response_code {
        ResponseCode::NXDomain => None,
        ResponseCode::NoError => {
            // A server that is responsible for nothing and asks nobody sends us elsewhere.
            let lame = message.answers.is_empty()
                && !message.metadata.recursion_available
                && !message.metadata.authoritative;
            lame.then(|| "does not look names up for us".to_owned())
        }
        ResponseCode::ServFail => Some("failed (SERVFAIL)".to_owned()),
        ResponseCode::Refused => Some("refused to answer".to_owned()),
        code => Some(format!("answered with error {}", u16::from(code))),
    }
}

/// Reads an answer about the last name of `seen`, which grows by the CNAMEs on the way.
///
/// Only records that the chain of CNAMEs leads to are looked at: whatever else a server puts
/// into its answer proves nothing.
fn read(
    message: &Message,
    kind: Kind,
    security: Security,
    seen: &mut Vec<Name>,
) -> Result<Step, String> {
    let mut ttl = TTL_MAX;
    let mut moved = false;
    loop {
        let Some(name) = seen.last() else { return Err("nothing was asked".to_owned()) };
        let here = || message.answers.iter().filter(|record| record.name == *name);
        let mut records = Vec::new();
        for record in here() {
            if let Some(found) = wire::read(&record.data, kind) {
                ttl = ttl.min(Duration::from_secs(u64::from(record.ttl)));
                records.push(found);
            }
        }
        if !records.is_empty() {
            records.truncate(RECORDS_MAX);
            return Ok(Step::Done(Outcome::Records { records, security }, ttl));
        }
        let cname = here().find_map(|record| match &record.data {
            RData::CNAME(target) => Some((target.0.clone(), record.ttl)),
            _ => None,
        });
        let Some((target, cname_ttl)) = cname else { break };
        ttl = ttl.min(Duration::from_secs(u64::from(cname_ttl)));
        if seen.contains(&target) {
            return Err("its CNAMEs go round in circles".to_owned());
        }
        if seen.len() > CNAMES_MAX {
            return Err(format!("it has more than {CNAMES_MAX} CNAMEs in a row"));
        }
        seen.push(target);
        moved = true;
    }
    // RFC 6604 §3: the code is about the last name of the chain.
    if message.metadata.response_code == ResponseCode::NXDomain {
        return Ok(Step::Done(Outcome::NoSuchDomain, ttl.min(negative_ttl(message))));
    }
    let says_no = message.authorities.iter().any(|record| matches!(record.data, RData::SOA(_)));
    match seen.last() {
        Some(target) if moved && !says_no => Ok(Step::Elsewhere(target.clone(), ttl)),
        _ => Ok(Step::Done(Outcome::NoRecords, ttl.min(negative_ttl(message)))),
    }
}

/// How long a "no" may be kept; not at all when the message does not say (RFC 2308 §5).
fn negative_ttl(message: &Message) -> Duration {
    let soa = message.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
        _ => None,
    });
    Duration::from_secs(u64::from(soa.unwrap_or(0))).min(NEGATIVE_TTL_MAX)
}

impl Resolver for StubResolver {
    /// Asks, unless the answer is still known.
    ///
    /// Cancel safe; an answer that was on its way is lost.
    fn lookup<'a>(
        &'a self,
        name: &'a Domain,
        kind: Kind,
    ) -> BoxFuture<'a, Result<Answer<Vec<Record>>, DnsError>> {
        Box::pin(async move {
            match self.find(name, kind).await? {
                (Outcome::Records { records, security }, ttl) => {
                    Ok(Answer { records, ttl, security })
                }
                (Outcome::NoRecords, _) => Err(DnsError::NoRecords { name: name.clone(), kind }),
                (Outcome::NoSuchDomain, _) => Err(DnsError::NoSuchDomain { name: name.clone() }),
            }
        })
    }
}
