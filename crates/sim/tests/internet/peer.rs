//! Servers elsewhere, each with a way of its own, and what they saw.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use envelope::EnhancedStatus;
use platform::{
    Clock, Drive, Interrupt, Listener, Net, Next, Pump, PumpLimits, Shutdown, Start, Task,
    TlsFacts, serve,
};
use sim::{SimClock, SimNet, SimRandom};
use smtp::Reply;
use smtp::server::{self, Answer, Event, ForwardPath, Session};
use tokio::task::JoinSet;

use crate::plan::{Destination, Kind};

/// How long a greylisting peer says no.
pub(crate) const GREYLISTED: Duration = Duration::from_secs(5 * 60);

/// A message that a peer took, for one recipient.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    pub(crate) at: Duration,
    pub(crate) body: String,
    /// The peer never said so.
    pub(crate) reply_lost: bool,
}

/// What a peer saw. Keys are the token of the letter and the recipient.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) copies: BTreeMap<(String, String), Vec<Copy>>,
    /// When each recipient was asked for, on a connection's first transaction. On later ones a
    /// connection may turn out to be gone, and is asked for again at once on a fresh one.
    pub(crate) asked: BTreeMap<(String, String), Vec<Duration>>,
    first_asked: BTreeMap<(String, String), Duration>,
    /// Who has a transaction open, as far as the peer knows.
    transactions: BTreeSet<SocketAddr>,
    /// So many had one open at a time. Who had gone is not counted: a peer that pauses, or sits
    /// behind a partition, hears late of it.
    pub(crate) transactions_most: usize,
}

/// A peer; its sessions share it.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) destination: Destination,
    pub(crate) seen: Mutex<Seen>,
    at: SocketAddr,
    net: SimNet,
    clock: SimClock,
    random: SimRandom,
}

impl Peer {
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens for ever.
    pub(crate) async fn start(
        destination: Destination,
        net: &SimNet,
        clock: &SimClock,
        seed: u64,
    ) -> Result<(Arc<Self>, Task), String> {
        let at = SocketAddr::new(destination.address, 25);
        let listener = net.listen(at).await.map_err(|error| error.to_string())?;
        let peer = Arc::new(Self {
            destination,
            seen: Mutex::default(),
            at,
            net: net.clone(),
            clock: clock.clone(),
            random: SimRandom::new(seed),
        });
        let sessions = Arc::clone(&peer);
        let pump = pump(clock);
        let task = Task::start(accept(listener, pump, move |from| PeerDrive::new(&sessions, from)));
        Ok((peer, task))
    }
}

pub(crate) fn pump(clock: &SimClock) -> Pump {
    Pump {
        clock: Arc::new(clock.clone()),
        tls: None,
        shutdown: Shutdown::new(),
        limits: PumpLimits { octets_per_second_min: 0, ..PumpLimits::default() },
    }
}

/// Serves whoever connects; all sessions end with it, as those of a process do.
pub(crate) async fn accept<D: Drive + 'static>(
    listener: Box<dyn Listener>,
    pump: Pump,
    drive: impl Fn(SocketAddr) -> D,
) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            Ok(stream) = listener.accept() => {
                let (drive, pump) = (drive(stream.peer()), pump.clone());
                sessions.spawn(async move { drop(serve(stream, Start::Clear, drive, &pump).await) });
            }
            Some(_) = sessions.join_next() => {}
            else => return,
        }
    }
}

/// A transaction is open as long as this is there.
struct Open {
    peer: Arc<Peer>,
    from: SocketAddr,
}

impl Open {
    fn new(peer: &Arc<Peer>, from: SocketAddr) -> Self {
        let mut seen = peer.seen();
        seen.transactions.insert(from);
        let there = |from: &&SocketAddr| peer.net.stands(**from, peer.at);
        let count = seen.transactions.iter().filter(there).count();
        seen.transactions_most = seen.transactions_most.max(count);
        Self { peer: Arc::clone(peer), from }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.peer.seen().transactions.remove(&self.from);
    }
}

/// What the peer does about an event.
enum Does {
    Answers(Answer),
    /// Says 421 and goes.
    Goes,
    /// Goes without a word.
    Vanishes,
    Nothing,
}

struct PeerDrive {
    peer: Arc<Peer>,
    from: SocketAddr,
    session: Session,
    transactions: u64,
    token: String,
    recipients: Vec<String>,
    content: Vec<u8>,
    open: Option<Open>,
}

impl PeerDrive {
    fn new(peer: &Arc<Peer>, from: SocketAddr) -> Self {
        let tls = match peer.destination.kind {
            Kind::BreaksTls => server::Tls::Offered,
            _ => server::Tls::None,
        };
        let hostname = format!("mx.{}", peer.destination.domain);
        let config = server::Config { hostname, tls, ..server::Config::default() };
        Self {
            peer: Arc::clone(peer),
            from,
            session: Session::new(config),
            transactions: 0,
            token: String::new(),
            recipients: Vec::new(),
            content: Vec::new(),
            open: None,
        }
    }

    fn decide(&mut self, event: Event) -> Does {
        let asks =
            !matches!(event, Event::Content(_) | Event::Reset | Event::Quit | Event::StartTls);
        let kind = self.peer.destination.kind;
        if asks && kind == Kind::Stumbles && self.peer.random.once_in(8) {
            return Does::Goes;
        }
        match event {
            Event::Sender(sender) => {
                self.token = sender.envelope_id.map(String::from).unwrap_or_default();
                self.transactions += 1;
                self.recipients.clear();
                self.content.clear();
                self.open = None;
                self.open = Some(Open::new(&self.peer, self.from));
                Does::Answers(Answer::Accept)
            }
            Event::Recipient(recipient) => match recipient.forward_path {
                ForwardPath::Address(address) => self.recipient(address.to_string()),
                ForwardPath::Postmaster => Does::Answers(refusal(550, (5, 1, 1))),
            },
            Event::Content(octets) => {
                self.content.extend_from_slice(&octets);
                Does::Nothing
            }
            Event::ContentEnds { fault: None } => self.keep(kind),
            Event::ContentEnds { fault: Some(_) } | Event::Reset | Event::Quit => {
                self.open = None;
                Does::Nothing
            }
            Event::StartTls => Does::Nothing,
            _ => Does::Answers(Answer::Accept),
        }
    }

    fn recipient(&mut self, recipient: String) -> Does {
        let now = self.peer.clock.monotonic();
        let key = (self.token.clone(), recipient.clone());
        let first = {
            let mut seen = self.peer.seen();
            if self.transactions == 1 {
                seen.asked.entry(key.clone()).or_default().push(now);
            }
            *seen.first_asked.entry(key).or_insert(now)
        };
        let refused = match self.peer.destination.kind {
            Kind::Greylists if now.saturating_sub(first) < GREYLISTED => Some((450, (4, 7, 1))),
            Kind::Choosy if recipient.starts_with("nobody") => Some((550, (5, 1, 1))),
            Kind::Full => Some((452, (4, 2, 2))),
            Kind::FewRecipients if self.recipients.len() >= 2 => Some((452, (4, 5, 3))),
            _ => None,
        };
        if let Some((code, status)) = refused {
            return Does::Answers(refusal(code, status));
        }
        self.recipients.push(recipient);
        Does::Answers(Answer::Accept)
    }

    fn keep(&mut self, kind: Kind) -> Does {
        self.open = None;
        let reply_lost = kind == Kind::LosesReply && self.peer.random.once_in(3);
        let whole = String::from_utf8_lossy(&self.content);
        let body = whole.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        let at = self.peer.clock.monotonic();
        let mut seen = self.peer.seen();
        for recipient in &self.recipients {
            let copy = Copy { at, body: body.clone().unwrap_or_default(), reply_lost };
            let key = (self.token.clone(), recipient.clone());
            seen.copies.entry(key).or_default().push(copy);
        }
        if reply_lost {
            return Does::Vanishes;
        }
        Does::Answers(Reply::new(250, EnhancedStatus::new(2, 0, 0), "Taken").into())
    }
}

fn refusal(code: u16, (class, subject, detail): (u8, u16, u16)) -> Answer {
    let status = EnhancedStatus::new(class, subject, detail);
    Reply::new(code, status, "Not now, or never").into()
}

impl Drive for PeerDrive {
    fn receive(&mut self, octets: &[u8]) {
        self.session.receive(octets);
    }

    async fn advance(&mut self, output: &mut Vec<u8>) -> Next {
        while let Some(event) = self.session.poll() {
            if self.peer.destination.kind == Kind::Slow {
                let pause = Duration::from_secs(self.peer.random_below(90));
                self.peer.clock.sleep(pause).await;
            }
            let start_tls = event == Event::StartTls;
            match self.decide(event) {
                Does::Answers(answer) => self.session.answer(answer),
                Does::Goes => {
                    self.session.interrupt(server::Interrupt::Shutdown);
                    break;
                }
                Does::Vanishes => return Next::Close,
                Does::Nothing => {}
            }
            if start_tls {
                self.session.output_into(output);
                return Next::EnterTls;
            }
        }
        self.session.output_into(output);
        if self.session.is_closed() {
            self.open = None;
            return Next::Close;
        }
        Next::Read { within: self.session.timeout() }
    }

    fn enter_tls(&mut self, _: TlsFacts) {
        self.session.enter_tls();
    }

    async fn interrupt(&mut self, _: Interrupt, _: &mut Vec<u8>) {
        self.open = None;
    }
}

impl Peer {
    fn random_below(&self, limit: u64) -> u64 {
        platform::Random::below(&self.random, limit)
    }
}
