//! Where everything is: loopback addresses, and ports that are free on all of them.
//!
//! Standards: RFC 1122 §3.2.1.3 (127.0.0.0/8 is this host), RFC 2606 §2 (`example`).
//! Not here: what runs there.

use std::net::{Ipv4Addr, SocketAddr};

use platform::{Net, Random, SystemRandom, TokioNet};

use crate::failure::Failure;

/// One of the two made-up mail systems.
#[derive(Debug)]
pub(super) struct Plan {
    /// Its domain.
    pub(super) domain: &'static str,
    /// Its host, as the MX record names it.
    pub(super) hostname: &'static str,
    /// That host's address.
    pub(super) address: Ipv4Addr,
    /// Its folder within that of the rehearsal.
    pub(super) folder: &'static str,
    /// The local part of its account.
    pub(super) user: &'static str,
}

/// The two systems.
pub(super) const SYSTEMS: [Plan; 2] = [
    Plan {
        domain: "castle.example",
        hostname: "mx.castle.example",
        address: Ipv4Addr::new(127, 0, 0, 11),
        folder: "castle",
        user: "anna",
    },
    Plan {
        domain: "harbour.example",
        hostname: "mx.harbour.example",
        address: Ipv4Addr::new(127, 0, 0, 12),
        folder: "harbour",
        user: "bob",
    },
];

/// The host that takes the mail of all other domains.
pub(super) const CATCHER: (&str, Ipv4Addr) = ("catcher.example", Ipv4Addr::new(127, 0, 0, 13));

/// Where the DNS server is.
const DNS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 10);

/// Offsets from the first port; like the ports of the real services, as far as that goes.
pub(super) const SMTP: u16 = 25;
pub(super) const SUBMISSION: u16 = 87;
pub(super) const SUBMISSIONS: u16 = 65;
pub(super) const POP3: u16 = 10;
pub(super) const POP3S: u16 = 95;
const DOMAIN: u16 = 53;

/// The first port, unless it is taken or another was asked for.
const USUAL_BASE: u16 = 2500;
/// Ports of one rehearsal.
const SPAN: u16 = 100;
/// How often we look for free ports.
const TRIES_MAX: usize = 50;

/// Which ports are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// These and no others.
    Base(u16),
    /// The usual ones, or the next that are free: people remember them.
    Usual,
    /// Anywhere below the system's own range: others may look for some at the same time.
    Any,
}

/// The ports of one rehearsal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    base: u16,
}

impl Place {
    /// Ports that are free on all addresses.
    pub(super) async fn find(wish: Wish) -> Result<Self, Failure> {
        if let Wish::Base(base) = wish {
            let place = Self { base };
            return match place.taken().await {
                None => Ok(place),
                Some((address, error)) => {
                    Err(Failure::new(format!("{address} is not free: {error}"))
                        .remedy("choose another --port-base, or leave it out"))
                }
            };
        }
        for attempt in 0..TRIES_MAX {
            let base = if wish == Wish::Any {
                let hundred = SystemRandom.below(200);
                20_000u16.saturating_add(u16::try_from(hundred).unwrap_or(0).saturating_mul(SPAN))
            } else {
                let step = u16::try_from(attempt).unwrap_or(0).saturating_mul(SPAN);
                USUAL_BASE.saturating_add(step)
            };
            let place = Self { base };
            if place.taken().await.is_none() {
                return Ok(place);
            }
        }
        Err(Failure::new("there are no free ports on 127.0.0.10 to 127.0.0.13")
            .remedy("see whether this system has 127.0.0.0/8 on loopback, or give --port-base"))
    }

    /// The first address that somebody else has.
    async fn taken(self) -> Option<(SocketAddr, std::io::Error)> {
        let mut addresses = vec![self.dns(), self.catcher()];
        for plan in &SYSTEMS {
            for offset in [SMTP, SUBMISSION, SUBMISSIONS, POP3, POP3S] {
                addresses.push(self.of(plan, offset));
            }
        }
        for address in addresses {
            if let Err(error) = TokioNet.listen(address).await {
                return Some((address, error));
            }
        }
        None
    }

    /// A port by its offset.
    pub(super) fn port(self, offset: u16) -> u16 {
        self.base.saturating_add(offset)
    }

    /// A service of a system.
    pub(super) fn of(self, plan: &Plan, offset: u16) -> SocketAddr {
        SocketAddr::from((plan.address, self.port(offset)))
    }

    /// The DNS server.
    pub(super) fn dns(self) -> SocketAddr {
        SocketAddr::from((DNS, self.port(DOMAIN)))
    }

    /// The host that takes all other mail.
    pub(super) fn catcher(self) -> SocketAddr {
        SocketAddr::from((CATCHER.1, self.port(SMTP)))
    }
}
