//! A zone of our own making, with faults by script.
//!
//! Standards: RFC 1034 §4.3.2 (how a server finds an answer), §4.3.3 (wildcards).
//! Not here: zone files, and zones for strangers: this is for rehearsals and tests.

mod server;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use envelope::Domain;
use platform::BoxFuture;

pub use server::ZoneServer;

use crate::resolver::reverse_name;
use crate::{Answer, CNAMES_MAX, DnsError, Kind, Record, Resolver, Security};

/// How long answers may be kept, unless told otherwise.
const TTL: Duration = Duration::from_secs(300);
/// Most CNAMEs that the server follows for one answer, so that a loop ends.
const SERVED_CNAMES_MAX: usize = 16;

/// What goes wrong with the answers for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// The server fails (SERVFAIL), as validating ones do for bogus signatures.
    ServFail,
    /// The server does not want to (REFUSED).
    Refused,
    /// The server says nothing.
    Silence,
    /// The answer has another id than the question.
    WrongId,
    /// The answer is to another question.
    WrongQuestion,
    /// The answer is no DNS message.
    Garbage,
    /// The answer over UDP is cut; over TCP it is whole.
    Truncated,
}

/// Names and their records. Clones share them, so that a test can change what is served.
///
/// Names are taken in any case, with or without a last dot. The label `*` in front stands for
/// all names below that have no entry of their own; the name `*` stands for all others.
#[derive(Clone, Default)]
pub struct Zone {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<String, Entry>,
    /// For every name, before what the entries say.
    trouble: Option<Trouble>,
    ttl: Option<Duration>,
    security: Security,
    questions: u64,
}

#[derive(Clone, Default)]
struct Entry {
    records: Vec<Record>,
    cname: Option<String>,
    trouble: Option<(Trouble, Times)>,
}

/// How often a trouble is met.
#[derive(Clone, Copy)]
enum Times {
    Always,
    Next(u32),
}

/// What the zone has for a question.
struct Found {
    /// The CNAMEs that lead to the records, in order.
    cnames: Vec<(String, String)>,
    /// The records at the last name; none: see `exists`.
    records: Vec<Record>,
    /// Whether the last name exists.
    exists: bool,
    ttl: Duration,
    security: Security,
}

impl Zone {
    /// An empty zone: nothing exists.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an MX record; the host `.` makes a null MX (RFC 7505).
    pub fn mx(&self, name: &str, preference: u16, host: &str) -> &Self {
        self.add(name, Record::Mx { preference, host: normal(host) })
    }

    /// Adds an IPv4 address.
    pub fn a(&self, name: &str, address: Ipv4Addr) -> &Self {
        self.add(name, Record::A(address))
    }

    /// Adds an IPv6 address.
    pub fn aaaa(&self, name: &str, address: Ipv6Addr) -> &Self {
        self.add(name, Record::Aaaa(address))
    }

    /// Adds an address of either kind.
    pub fn address(&self, name: &str, address: IpAddr) -> &Self {
        match address {
            IpAddr::V4(address) => self.a(name, address),
            IpAddr::V6(address) => self.aaaa(name, address),
        }
    }

    /// Adds a text.
    pub fn txt(&self, name: &str, text: &str) -> &Self {
        self.add(name, Record::Txt(text.as_bytes().to_vec()))
    }

    /// Adds a name for an address.
    pub fn ptr(&self, address: IpAddr, name: &str) -> &Self {
        self.add(reverse_name(address).as_str(), Record::Ptr(normal(name)))
    }

    /// Makes a name another name for `target`.
    pub fn cname(&self, name: &str, target: &str) -> &Self {
        self.state().entries.entry(normal(name)).or_default().cname = Some(normal(target));
        self
    }

    /// Forgets everything about a name, its trouble included.
    pub fn remove(&self, name: &str) -> &Self {
        self.state().entries.remove(&normal(name));
        self
    }

    /// From now on answers for a name go wrong; `None`: they no longer do.
    pub fn trouble(&self, name: &str, trouble: Option<Trouble>) -> &Self {
        let trouble = trouble.map(|trouble| (trouble, Times::Always));
        self.state().entries.entry(normal(name)).or_default().trouble = trouble;
        self
    }

    /// The next so many answers for a name go wrong.
    pub fn trouble_next(&self, name: &str, trouble: Trouble, times: u32) -> &Self {
        let trouble = Some((trouble, Times::Next(times)));
        self.state().entries.entry(normal(name)).or_default().trouble = trouble;
        self
    }

    /// From now on all answers go wrong; `None`: they no longer do.
    pub fn trouble_everywhere(&self, trouble: Option<Trouble>) -> &Self {
        self.state().trouble = trouble;
        self
    }

    /// How long answers may be kept; 300 s unless set.
    pub fn ttl(&self, ttl: Duration) -> &Self {
        self.state().ttl = Some(ttl);
        self
    }

    /// What DNSSEC says of all answers.
    pub fn security(&self, security: Security) -> &Self {
        self.state().security = security;
        self
    }

    /// How many questions have been asked so far.
    pub fn questions(&self) -> u64 {
        self.state().questions
    }

    fn add(&self, name: &str, record: Record) -> &Self {
        self.state().entries.entry(normal(name)).or_default().records.push(record);
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held, so a poisoned one is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a question, and says what is to go wrong with it.
    fn find(&self, name: &str, kind: Kind) -> (Found, Option<Trouble>) {
        let mut state = self.state();
        state.questions = state.questions.saturating_add(1);
        let name = normal(name);
        let trouble = state.take_trouble(&name);
        (state.find(&name, kind), trouble)
    }
}

impl State {
    fn find(&self, name: &str, kind: Kind) -> Found {
        let mut found = Found {
            cnames: Vec::new(),
            records: Vec::new(),
            exists: false,
            ttl: self.ttl.unwrap_or(TTL),
            security: self.security,
        };
        let mut name = name.to_owned();
        loop {
            let Some(entry) = self.key_for(&name).and_then(|key| self.entries.get(&key)) else {
                found.exists = self.stands_above_others(&name);
                return found;
            };
            match &entry.cname {
                Some(target) if found.cnames.len() < SERVED_CNAMES_MAX => {
                    let from = std::mem::replace(&mut name, target.clone());
                    found.cnames.push((from, target.clone()));
                }
                Some(_) => {
                    found.exists = true;
                    return found;
                }
                None => {
                    let records = entry.records.iter().filter(|record| kind_of(record) == kind);
                    found.records = records.cloned().collect();
                    found.exists = true;
                    return found;
                }
            }
        }
    }

    /// The key of the entry for a name: its own or that of the nearest `*` above it.
    fn key_for(&self, name: &str) -> Option<String> {
        if self.entries.contains_key(name) {
            return Some(name.to_owned());
        }
        if self.stands_above_others(name) {
            return None; // RFC 4592 §2.2.2: it exists, so no wildcard stands for it
        }
        let mut rest = name;
        while let Some((_, above)) = rest.split_once('.') {
            let wildcard = format!("*.{above}");
            if self.entries.contains_key(&wildcard) {
                return Some(wildcard);
            }
            rest = above;
        }
        self.entries.contains_key("*").then(|| "*".to_owned())
    }

    /// Whether there are names below this one.
    fn stands_above_others(&self, name: &str) -> bool {
        let below = format!(".{name}");
        self.entries.keys().any(|key| key.ends_with(&below))
    }

    fn take_trouble(&mut self, name: &str) -> Option<Trouble> {
        if self.trouble.is_some() {
            return self.trouble;
        }
        let key = self.key_for(name)?;
        match &mut self.entries.get_mut(&key)?.trouble {
            Some((trouble, Times::Always)) => Some(*trouble),
            Some((trouble, Times::Next(times))) if *times > 0 => {
                *times = times.saturating_sub(1);
                Some(*trouble)
            }
            _ => None,
        }
    }
}

/// In lower case, without the last dot.
fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn kind_of(record: &Record) -> Kind {
    match record {
        Record::A(_) => Kind::A,
        Record::Aaaa(_) => Kind::Aaaa,
        Record::Mx { .. } => Kind::Mx,
        Record::Txt(_) => Kind::Txt,
        Record::Ptr(_) => Kind::Ptr,
    }
}

impl Resolver for Zone {
    /// Answers at once, as a resolver would that asks this zone; silence does not take its time.
    fn lookup<'a>(
        &'a self,
        name: &'a Domain,
        kind: Kind,
    ) -> BoxFuture<'a, Result<Answer<Vec<Record>>, DnsError>> {
        Box::pin(async move {
            if name.literal().is_some() {
                return Err(DnsError::NotAName { name: name.clone() });
            }
            let (found, trouble) = self.find(name.as_str(), kind);
            let temporary = |reason: &str| {
                Err(DnsError::Temporary { name: name.clone(), kind, reason: reason.to_owned() })
            };
            match trouble {
                Some(Trouble::ServFail) => return temporary("the server failed (SERVFAIL)"),
                Some(Trouble::Refused) => return temporary("the server refused to answer"),
                Some(
                    Trouble::Silence | Trouble::WrongId | Trouble::WrongQuestion | Trouble::Garbage,
                ) => return temporary("no server answered in time"),
                Some(Trouble::Truncated) | None => {}
            }
            if found.cnames.len() > CNAMES_MAX {
                return temporary("too many CNAMEs");
            }
            if !found.exists {
                return Err(DnsError::NoSuchDomain { name: name.clone() });
            }
            if found.records.is_empty() {
                return Err(DnsError::NoRecords { name: name.clone(), kind });
            }
            Ok(Answer { records: found.records, ttl: found.ttl, security: found.security })
        })
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zone").field("entries", &self.state().entries.len()).finish()
    }
}
