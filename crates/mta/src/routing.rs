//! Which hosts a domain's mail goes to, in which order.
//!
//! ```text
//!   domain ─ taken for a route of its own? a rule's way, a route, a smart host? ─▶ that host
//!          └ MX ─▶ by preference, equals shuffled, nothing from our own preference on
//!                 └ none ─▶ the domain itself (RFC 5321 §5.1)
//!   host ─▶ addresses, IPv6 first, without private ones; one that is ours is our preference
//! ```
//!
//! Standards: RFC 5321 §5.1 (MX look-up), RFC 7505 (null MX), RFC 5321 §4.1.3 (literals),
//! RFC 2033 §5 (LMTP: only to hosts that an operator names).
//! Not here: DNS packets (crate `dns`), what is said to a host (`relay`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use dns::{DnsError, Mx};
use envelope::{Domain, EnhancedStatus};
use platform::{Endpoint, Random};
use store::{DomainRelay, FixedRoute};

use crate::rules::{Outgoing, Target};
use crate::{Mta, NextHop, PrivateTargets, Route};

/// Most hosts that are tried for a domain in one attempt (RFC 5321 §5.1 asks for two at least).
pub const HOSTS_MAX: usize = 20;
/// Most addresses that are tried in one attempt.
pub const ADDRESSES_MAX: usize = 10;

/// A host to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name, as the MX record or route gives it.
    pub name: String,
    /// Where it listens, in the order of trying.
    pub addresses: Vec<Endpoint>,
    /// What kind of host it is.
    pub kind: HostKind,
}

/// What kind of host it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostKind {
    /// A server of the domain: TLS if it can, nothing to prove.
    Exchanger,
    /// Our smart host.
    SmartHost,
    /// A server that puts mail into mailboxes, by LMTP.
    Lmtp,
}

/// Why there is no host to try.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NoRoute {
    /// For reports; its class says whether trying again may help.
    pub status: EnhancedStatus,
    /// In a sentence, for the sender.
    pub reason: String,
}

impl NoRoute {
    fn new(status: EnhancedStatus, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }
}

/// Where a domain's mail goes.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Hosts in the order of trying, each with an address.
    pub(crate) hosts: Vec<Host>,
    /// Why a further host could not be looked up, if trying again may help: then what these
    /// hosts say of themselves is not the last word.
    pub(crate) missing: Option<NoRoute>,
}

/// Hosts for mail to a domain: those that an operator named for this mail, or the domain's.
pub(crate) async fn route_of(
    mta: &Mta,
    outgoing: &Outgoing<'_>,
    domain: &Domain,
    by_hand: Option<&FixedRoute>,
) -> Result<Plan, NoRoute> {
    match by_hand {
        Some(FixedRoute { host, port }) => {
            let route = Route { host: host.clone(), port: *port };
            fixed(mta, domain, &route, HostKind::Exchanger).await
        }
        None => route(mta, outgoing, domain).await,
    }
}

/// Hosts for a domain, in the order of trying, with their addresses.
pub(crate) async fn route(
    mta: &Mta,
    outgoing: &Outgoing<'_>,
    domain: &Domain,
) -> Result<Plan, NoRoute> {
    match mta.world.directory.table().relay(domain) {
        Some(DomainRelay::Route { host, port }) => {
            let host = host.literal().map_or_else(|| host.to_string(), |ip| ip.to_string());
            return fixed(mta, domain, &Route { host, port: *port }, HostKind::Exchanger).await;
        }
        // A smart host would look up the MX records, too, and could bring it back to us.
        Some(DomainRelay::BackupMx) => {
            return by_exchangers(mta, domain).await.map_err(|error| as_backup(domain, error));
        }
        None => {}
    }
    match outgoing.target(domain) {
        Target::Route(NextHop::Smtp(route)) => {
            return fixed(mta, domain, route, HostKind::Exchanger).await;
        }
        Target::Route(NextHop::Lmtp(route)) => {
            return fixed(mta, domain, route, HostKind::Lmtp).await;
        }
        Target::Route(NextHop::LmtpFile(socket)) => {
            return Ok(Plan {
                hosts: vec![Host {
                    name: socket.display().to_string(),
                    addresses: vec![Endpoint::File(socket.clone())],
                    kind: HostKind::Lmtp,
                }],
                missing: None,
            });
        }
        Target::Relay(relay) => {
            return fixed(mta, domain, &relay.route, HostKind::SmartHost).await;
        }
        Target::Exchangers => {}
    }
    if let Some(address) = domain.literal() {
        let found = vec![(0, address.to_string(), Ok(vec![address]))];
        return plan(mta, domain, found);
    }
    by_exchangers(mta, domain).await
}

async fn by_exchangers(mta: &Mta, domain: &Domain) -> Result<Plan, NoRoute> {
    let mut found = Vec::new();
    for (preference, name) in exchangers(mta, domain).await? {
        let addresses = match mta.world.resolver.addresses(&name).await {
            Ok(answer) => Ok(answer.records),
            Err(error) => Err(no_address(&name, &error)),
        };
        found.push((preference, name.to_string(), addresses));
    }
    plan(mta, domain, found)
}

/// A host's preference, name and addresses, or why they are not known.
type Found = (u16, String, Result<Vec<IpAddr>, NoRoute>);

/// Leaves what may be tried: nothing from our own preference on, only addresses that may be
/// spoken to.
fn plan(mta: &Mta, domain: &Domain, found: Vec<Found>) -> Result<Plan, NoRoute> {
    let outbound = &mta.config.outbound;
    let private_ok = outbound.private_targets == PrivateTargets::Allowed;
    let is_own = |ip: &IpAddr| is_ours(SocketAddr::new(*ip, outbound.port), &mta.config.listening);
    // RFC 5321 §5.1: the host is ourselves, so that mail would come back from it and those behind.
    let own = found.iter().filter(|(_, _, addresses)| {
        addresses.as_ref().is_ok_and(|addresses| addresses.iter().any(is_own))
    });
    let own = own.map(|(preference, ..)| *preference).min();
    let mut hosts = Vec::new();
    let (mut missing, mut gone): (Option<NoRoute>, Option<NoRoute>) = (None, None);
    let mut private = false;
    for (preference, name, addresses) in found {
        if own.is_some_and(|own| preference >= own) {
            continue;
        }
        match addresses {
            Ok(mut addresses) => {
                addresses.sort_by_key(IpAddr::is_ipv4);
                let before = addresses.len();
                addresses.retain(|ip| private_ok || is_public(*ip));
                private |= addresses.len() < before;
                let addresses: Vec<_> = addresses
                    .into_iter()
                    .map(|ip| Endpoint::Tcp(SocketAddr::new(ip, outbound.port)))
                    .take(ADDRESSES_MAX)
                    .collect();
                if !addresses.is_empty() {
                    hosts.push(Host { name, addresses, kind: HostKind::Exchanger });
                }
            }
            Err(error) if error.status.is_temporary() => missing = missing.or(Some(error)),
            Err(error) => gone = gone.or(Some(error)),
        }
    }
    if !hosts.is_empty() {
        return Ok(Plan { hosts, missing });
    }
    Err(match (missing, private, own, gone) {
        (Some(missing), ..) => missing,
        (None, true, ..) => NoRoute::new(
            EnhancedStatus::new(5, 4, 4),
            format!(
                "The mail servers of {domain} have only loopback or private addresses, which we \
                 do not deliver to"
            ),
        ),
        (None, false, Some(_), _) => loops_to_us(domain),
        (None, false, None, Some(gone)) => gone,
        (None, false, None, None) => NoRoute::new(
            EnhancedStatus::new(5, 4, 4),
            format!("{domain} has no mail server with an address"),
        ),
    })
}

/// A domain's exchangers with their preferences, in the order of trying.
async fn exchangers(mta: &Mta, domain: &Domain) -> Result<Vec<(u16, Domain)>, NoRoute> {
    let records = match mta.world.resolver.mx(domain).await {
        Ok(answer) => answer.records,
        // RFC 5321 §5.1: no MX at all: the domain is its own exchanger.
        Err(DnsError::NoRecords { .. }) => return Ok(vec![(0, domain.clone())]),
        Err(DnsError::NoSuchDomain { .. }) => {
            return Err(NoRoute::new(
                EnhancedStatus::new(5, 1, 2),
                format!("The domain {domain} does not exist"),
            ));
        }
        Err(error) => {
            return Err(NoRoute::new(
                EnhancedStatus::new(4, 4, 3),
                format!("Looking up the mail servers of {domain} failed: {error}"),
            ));
        }
    };
    if records.iter().any(Mx::is_null) {
        return Err(NoRoute::new(
            EnhancedStatus::new(5, 1, 10), // RFC 7505 §4.1
            format!("The domain {domain} does not receive mail (null MX)"),
        ));
    }
    let ordered = in_order(records, &mta.config.hostname, mta.world.random.as_ref());
    if ordered.is_empty() {
        return Err(loops_to_us(domain));
    }
    Ok(ordered)
}

/// By preference, equals shuffled. Where we are one of them ourselves, only those before us are
/// left (RFC 5321 §5.1: otherwise mail would go round in circles).
fn in_order(records: Vec<Mx>, ourselves: &Domain, random: &dyn Random) -> Vec<(u16, Domain)> {
    let mut keyed: Vec<_> = records
        .into_iter()
        .filter_map(|mx| Some((mx.preference, random.u64(), mx.host?)))
        .collect();
    let own = keyed.iter().filter(|(_, _, host)| host == ourselves).map(|(own, ..)| *own).min();
    keyed.retain(|(preference, ..)| own.is_none_or(|own| *preference < own));
    keyed.sort_by_key(|(preference, luck, _)| (*preference, *luck));
    keyed.into_iter().map(|(preference, _, host)| (preference, host)).take(HOSTS_MAX).collect()
}

/// A route or smart host: given by the operator, so private addresses are fine. We ourselves are
/// not.
async fn fixed(mta: &Mta, domain: &Domain, route: &Route, kind: HostKind) -> Result<Plan, NoRoute> {
    let wrong = |why: &dyn std::fmt::Display| {
        let reason = format!("The route for {domain} to {} cannot be used: {why}", route.host);
        // It is our operator's mistake, who may correct it.
        NoRoute::new(EnhancedStatus::new(4, 3, 5), reason)
    };
    let addresses = match route.host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => {
            let name = Domain::parse(&route.host).map_err(|error| wrong(&error))?;
            let answer = mta.world.resolver.addresses(&name).await;
            answer.map_err(|error| wrong(&error))?.records
        }
    };
    let targets: Vec<_> = addresses.iter().map(|ip| SocketAddr::new(*ip, route.port)).collect();
    if targets.iter().any(|target| is_ours(*target, &mta.config.listening)) {
        return Err(wrong(&"it leads to this server itself"));
    }
    if targets.is_empty() {
        return Err(wrong(&"it has no address"));
    }
    let addresses = targets.into_iter().map(Endpoint::Tcp).collect();
    let host = Host { name: route.host.clone(), addresses, kind };
    Ok(Plan { hosts: vec![host], missing: None })
}

fn no_address(host: &Domain, error: &DnsError) -> NoRoute {
    match error {
        DnsError::NoSuchDomain { .. } | DnsError::NoRecords { .. } => NoRoute::new(
            EnhancedStatus::new(5, 4, 4), // RFC 3463 §3.5: unable to route
            format!("The mail server {host} has no address"),
        ),
        error => NoRoute::new(
            EnhancedStatus::new(4, 4, 3),
            format!("Looking up the address of {host} failed: {error}"),
        ),
    }
}

fn loops_to_us(domain: &Domain) -> NoRoute {
    NoRoute::new(
        EnhancedStatus::new(5, 4, 6),
        format!("Mail for {domain} comes back to this server, which does not take it"),
    )
}

/// Why a domain's mail cannot be handed on by us, who are only its backup.
fn as_backup(domain: &Domain, error: NoRoute) -> NoRoute {
    let loops = loops_to_us(domain);
    if error != loops {
        return error;
    }
    let reason = format!("{domain} has no better mail server than this one, its backup");
    NoRoute::new(loops.status, reason)
}

/// Whether one of our own listeners answers there.
fn is_ours(target: SocketAddr, listening: &[SocketAddr]) -> bool {
    listening.iter().any(|own| {
        own.port() == target.port()
            && (own.ip() == target.ip()
                || (own.ip().is_unspecified() && target.ip().is_loopback())
                || target.ip().is_unspecified())
    })
}

/// Whether an address can be somebody else's server on the Internet.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Not of RFC 6890's special-purpose blocks.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        || a == 0
        || (a == 100 && (64..128).contains(&b)) // RFC 6598: shared address space
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b)) // RFC 2544: benchmarks
        || a >= 240)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let special = match address.segments() {
        // RFC 4291 §2.5.5.1, RFC 6052, RFC 8215, RFC 3056: an IPv4 address in other clothes.
        [0, ..] | [0x64, 0xff9b, ..] | [0x2002, ..] => true,
        [0x2001, 0, ..] => true,                   // RFC 4380: Teredo
        [0x2001, 0xdb8, ..] => true,               // RFC 3849: documentation
        [0x100, 0, ..] => true,                    // RFC 6666: discard
        [first, ..] => (first & 0xffc0) == 0xfec0, // RFC 3879: site-local
    };
    !(special
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Counts up: what is asked first stays first among equals.
    #[derive(Debug, Default)]
    struct Counting(AtomicU64);

    impl Random for Counting {
        fn fill(&self, octets: &mut [u8]) {
            let next = self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes();
            for (octet, value) in octets.iter_mut().zip(next) {
                *octet = value;
            }
        }
    }

    #[derive(Debug, Default)]
    struct CountingDown(AtomicU64);

    impl Random for CountingDown {
        fn fill(&self, octets: &mut [u8]) {
            let next = (u64::MAX - self.0.fetch_add(1, Ordering::Relaxed)).to_le_bytes();
            for (octet, value) in octets.iter_mut().zip(next) {
                *octet = value;
            }
        }
    }

    fn records(list: &[(u16, &str)]) -> Vec<Mx> {
        let mx = |(preference, host): &(u16, &str)| Mx {
            preference: *preference,
            host: Some(Domain::parse(host).unwrap()),
        };
        list.iter().map(mx).collect()
    }

    /// Records, the hosts in order, why.
    type Row<'a> = (&'a [(u16, &'a str)], &'a [&'a str], &'a str);

    #[test]
    fn exchangers_are_tried_by_preference_and_never_past_ourselves() {
        let us = Domain::parse("us.test").unwrap();
        #[rustfmt::skip]
        let rows: [Row<'_>; 4] = [
            (&[(20, "b.test"), (10, "a.test")], &["a.test", "b.test"], "lowest number first"),
            (&[(10, "a.test"), (20, "us.test"), (20, "b.test"), (30, "c.test")], &["a.test"], "RFC 5321 §5.1: equal or worse than ours goes"),
            (&[(10, "us.test"), (20, "b.test")], &[], "we are the best: a loop"),
            (&[(10, "a.test"), (10, "b.test")], &["a.test", "b.test"], "equals by luck"),
        ];
        for (list, wanted, why) in rows {
            let found = in_order(records(list), &us, &Counting::default());
            let found: Vec<_> = found.iter().map(|(_, host)| host.as_str()).collect();
            assert_eq!(found, wanted, "{why}");
        }
        let other_luck =
            in_order(records(&[(10, "a.test"), (10, "b.test")]), &us, &CountingDown::default());
        assert_eq!(other_luck[0].1.as_str(), "b.test", "equals are shuffled");
    }

    #[test]
    fn only_public_addresses_are_public() {
        #[rustfmt::skip]
        let rows = [
            ("192.0.3.1", true), ("127.0.0.1", false), ("10.1.2.3", false), ("172.16.0.1", false),
            ("192.168.1.1", false), ("169.254.169.254", false), ("0.0.0.0", false),
            ("100.64.0.1", false), ("224.0.0.1", false), ("255.255.255.255", false),
            ("2a00::1", true), ("::1", false), ("::", false), ("fe80::1", false), ("fd00::1", false),
            ("::ffff:127.0.0.1", false), ("64:ff9b::7f00:1", false), ("64:ff9b:1::7f00:1", false),
            ("::7f00:1", false), ("2002:7f00:1::", false), ("2001:0:1::1", false),
            ("2001:db8::1", false), ("fec0::1", false), ("100::1", false), ("2001:4860::1", true),
        ];
        for (address, wanted) in rows {
            assert_eq!(is_public(address.parse().unwrap()), wanted, "{address}");
        }
    }

    #[test]
    fn our_own_listeners_are_recognised() {
        let listening = ["192.0.2.1:25".parse().unwrap(), "0.0.0.0:2525".parse().unwrap()];
        #[rustfmt::skip]
        let rows = [
            ("192.0.2.1:25", true, "a listener"),
            ("192.0.2.1:26", false, "another port"),
            ("127.0.0.1:2525", true, "loopback of a listener on every address"),
            ("0.0.0.0:25", true, "the unspecified address is this host"),
            ("192.0.2.2:25", false, "another host"),
        ];
        for (target, wanted, why) in rows {
            assert_eq!(is_ours(target.parse().unwrap(), &listening), wanted, "{why}");
        }
    }
}
