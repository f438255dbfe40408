//! Who is there, how they behave, and what must become of mail to them.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use dns::{Trouble, Zone};
use platform::Random;
use sim::{Break, Reach, SimNet, SimRandom, Way};

/// How much there is of everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) destinations: usize,
    pub(crate) letters: u64,
}

/// One destination of each kind: what every `cargo test` has time for.
pub(crate) const SHORT: Size = Size { destinations: KINDS.len(), letters: 40 };
pub(crate) const LONG: Size = Size { destinations: 10 * KINDS.len(), letters: 260 };
/// Letters are written within this time.
pub(crate) const WRITING: Duration = Duration::from_secs(2 * DAY_S);
pub(crate) const DAY_S: u64 = 24 * 60 * 60;
/// Letters to one slow destination that are written at the same moment.
const BURST: u64 = 12;

/// How a destination behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Good,
    /// 450 until the recipient has been asked for again after some time.
    Greylists,
    /// 421 at any stage.
    Stumbles,
    /// Each answer takes up to 90 seconds.
    Slow,
    /// Nobody listens.
    Refuses,
    /// No answer at all.
    Silent,
    /// Silent for two days.
    ComesBack,
    /// Silent now and then.
    Partitioned,
    /// STARTTLS leads nowhere.
    BreaksTls,
    /// Takes messages and loses the reply to some.
    LosesReply,
    /// Connections are reset in the middle.
    Resets,
    /// Knows no `nobody`.
    Choosy,
    /// 452 for each recipient, for ever.
    Full,
    /// Takes two recipients at a time.
    FewRecipients,
    /// The first of two MX hosts is dead.
    SecondHost,
    DnsFails,
    DnsSilent,
    /// The first questions fail.
    DnsStumbles,
    NoSuchDomain,
    NullMx,
}

const KINDS: [Kind; 20] = [
    Kind::Good,
    Kind::Greylists,
    Kind::Stumbles,
    Kind::Slow,
    Kind::Refuses,
    Kind::Silent,
    Kind::ComesBack,
    Kind::Partitioned,
    Kind::BreaksTls,
    Kind::LosesReply,
    Kind::Resets,
    Kind::Choosy,
    Kind::Full,
    Kind::FewRecipients,
    Kind::SecondHost,
    Kind::DnsFails,
    Kind::DnsSilent,
    Kind::DnsStumbles,
    Kind::NoSuchDomain,
    Kind::NullMx,
];

/// What must become of a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered,
    /// With the status that a notice tells.
    Failed(&'static str),
}

/// Time ran out, whatever the last answer was (RFC 3463 §3.5).
const EXPIRED: Fate = Fate::Failed("5.4.7");

impl Kind {
    pub(crate) fn fate(self, recipient: &str) -> Fate {
        match self {
            Self::Refuses | Self::Silent | Self::Full | Self::DnsFails | Self::DnsSilent => EXPIRED,
            Self::NoSuchDomain => Fate::Failed("5.1.2"),
            Self::NullMx => Fate::Failed("5.1.10"),
            Self::Choosy if recipient.starts_with("nobody") => Fate::Failed("5.1.1"),
            _ => Fate::Delivered,
        }
    }

    /// Whether the peer may have got a message without our hearing so: a second copy is then
    /// what RFC 5321 §4.5.3.2.6 accepts, and a loss would be worse.
    pub(crate) fn may_lose_replies(self) -> bool {
        matches!(self, Self::LosesReply | Self::Resets | Self::Partitioned | Self::ComesBack)
    }

    fn way(self, random: &SimRandom) -> Way {
        let way = Way {
            latency: Duration::from_millis(5 + random.below(300)),
            octets_per_second: 2_000 + random.below(1_000_000),
            ..Way::default()
        };
        match self {
            Self::Refuses => Way { reach: Reach::Refusing, ..way },
            Self::Silent | Self::ComesBack => Way { reach: Reach::Silent, ..way },
            Self::Resets => Way { breaks: Some(Break { one_in: 2, octets_max: 3_000 }), ..way },
            _ => way,
        }
    }
}

/// One destination.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) domain: String,
    pub(crate) kind: Kind,
    pub(crate) address: IpAddr,
}

/// Destinations with their hosts and names; listeners are not yet there.
pub(crate) fn destinations(
    size: Size,
    random: &SimRandom,
    net: &SimNet,
    zone: &Zone,
) -> Vec<Destination> {
    let build = |number: usize| {
        let kind = KINDS.get(number % KINDS.len()).copied().unwrap_or(Kind::Good);
        let domain = format!("d{number}.test");
        let last = u8::try_from(number % 250).unwrap_or(0);
        let address = IpAddr::V4(Ipv4Addr::new(5, 1, 0, last));
        net.set_way(address, kind.way(random));
        let host = format!("mx.{domain}");
        match kind {
            Kind::NoSuchDomain => {}
            Kind::NullMx => {
                zone.mx(&domain, 0, ".");
            }
            Kind::SecondHost => {
                let dead = IpAddr::V4(Ipv4Addr::new(5, 2, 0, last));
                let reach = if random.once_in(2) { Reach::Silent } else { Reach::Refusing };
                net.set_way(dead, Way { reach, ..Way::default() });
                let first = format!("mx1.{domain}");
                zone.mx(&domain, 10, &first).address(&first, dead);
                zone.mx(&domain, 20, &host).address(&host, address);
            }
            _ => {
                zone.mx(&domain, 10, &host).address(&host, address);
            }
        }
        match kind {
            Kind::DnsFails => {
                zone.trouble(&domain, Some(Trouble::ServFail));
            }
            Kind::DnsSilent => {
                zone.trouble(&domain, Some(Trouble::Silence));
            }
            Kind::DnsStumbles => {
                zone.trouble_next(&domain, Trouble::ServFail, 1 + small(random, 20));
            }
            _ => {}
        }
        Destination { domain, kind, address }
    };
    (0..size.destinations).map(build).collect()
}

fn small(random: &SimRandom, below: u64) -> u32 {
    u32::try_from(random.below(below)).unwrap_or(0)
}

/// A message to be written.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) token: String,
    pub(crate) at: Duration,
    /// Recipients with their destinations.
    pub(crate) to: Vec<(String, Destination)>,
    /// The author does not want to hear of failures.
    pub(crate) never: bool,
    pub(crate) body: String,
}

pub(crate) fn letters(size: Size, random: &SimRandom, destinations: &[Destination]) -> Vec<Letter> {
    let slow = destinations.iter().find(|destination| destination.kind == Kind::Slow);
    let burst_at = Duration::from_secs(random.below(WRITING.as_secs()));
    let any = |slow: Option<&Destination>| {
        let place = usize::try_from(random.below(destinations.len() as u64)).unwrap_or(0);
        slow.or(destinations.get(place)).cloned()
    };
    let write = |number: u64| {
        let token = format!("letter-{number}");
        let in_burst = number < BURST;
        let at = Duration::from_secs(random.below(WRITING.as_secs()));
        let one = |of: u64| {
            let destination = any(slow.filter(|_| in_burst))?;
            let name = if random.once_in(3) { "nobody" } else { "somebody" };
            Some((format!("{name}{of}@{}", destination.domain), destination))
        };
        let many = if in_burst { 1 } else { 1 + random.below(4) };
        let mut to: Vec<_> = (0..many).filter_map(one).collect();
        // Some are to several people at one place.
        if let Some((_, first)) = to.first().cloned().filter(|_| !in_burst && random.once_in(3)) {
            to.extend((10..15).map(|of| (format!("somebody{of}@{}", first.domain), first.clone())));
        }
        let lines = random.below(if random.once_in(10) { 2_000 } else { 40 });
        let mut body = format!("Token: {token}\r\n.\r\n..two\r\n");
        for line in 0..lines {
            body.push_str(&format!("line {line} of {token}, which nobody may change\r\n"));
        }
        Letter {
            at: if in_burst { burst_at } else { at },
            never: random.once_in(10),
            token,
            to,
            body,
        }
    };
    (0..size.letters).map(write).collect()
}
