//! From our configuration to the transfer agent's.
//!
//! Standards: none of its own.
//! Not here: what the values mean (crate `mta`).

use std::net::SocketAddr;
use std::sync::Arc;

use mta::policy::{self, PolicyConfig};
use mta::rules::{self, TlsRule};
use mta::{Mta, PrivateTargets, RelayLogin, Route};
use platform::{ClientTls, Disk, RealDisk, TokioNet};
use sasl::Password;
use tracing::warn;

use crate::config::{Config, HostPort, NextHop, OutboundRule, Rate, Relay, RelayTls, Way};
use crate::engine::Engine;
use crate::failure::{Failure, of_file};

/// Longest password file that is read, in octets.
const PASSWORD_FILE_OCTETS_MAX: usize = 4096;

/// The transfer agent of a configuration.
pub(super) fn mta(
    config: &Config,
    engine: &Engine,
    listening: Vec<SocketAddr>,
) -> Result<Arc<Mta>, Failure> {
    let world = mta::World {
        store: Arc::clone(&engine.store),
        directory: Arc::clone(&engine.directory),
        resolver: crate::resolver::resolver(config),
        net: Arc::new(TokioNet),
        clock: Arc::clone(&engine.clock),
        random: Arc::clone(&engine.random),
        opportunistic_tls: ClientTls::opportunistic(&RealDisk, &[]).map_err(no_tls)?,
        verified_tls: verified_tls(config)?,
    };
    Ok(Mta::new(settings(config, found_at(listening))?, world))
}

/// Where others find us: a listener on every address is found at each address of the machine.
fn found_at(listening: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let unspecified = |own: &SocketAddr| own.ip().is_unspecified();
    if !listening.iter().any(unspecified) {
        return listening;
    }
    let addresses = platform::own_addresses().unwrap_or_else(|error| {
        warn!(%error, "loops to this server are recognised by its name alone");
        Vec::new()
    });
    let mut found = Vec::new();
    for own in listening {
        found.push(own);
        if unspecified(&own) {
            let same_family = addresses.iter().filter(|ip| ip.is_ipv4() == own.is_ipv4());
            found.extend(same_family.map(|ip| SocketAddr::new(*ip, own.port())));
        }
    }
    found
}

/// TLS that proves the smart host. Without certificate authorities it would prove nothing, and
/// our password would go to anybody; a server that has no smart host needs none.
fn verified_tls(config: &Config) -> Result<ClientTls, Failure> {
    let proved = |relay: &Relay| match relay.tls {
        RelayTls::StartTls => true,
        RelayTls::None => false,
    };
    let by_rule = |rule: &OutboundRule| {
        rule.tls == Some(TlsRule::Required)
            || matches!(&rule.way, Some(Way::Relay(relay)) if proved(relay))
    };
    let must_prove = config.outbound.relay.as_ref().is_some_and(proved)
        || config.outbound.rules.iter().any(by_rule);
    match ClientTls::verified(&RealDisk, &[]) {
        Err(error) if must_prove => Err(no_tls(error)),
        Err(_) => ClientTls::opportunistic(&RealDisk, &[]).map_err(no_tls),
        Ok(tls) => Ok(tls),
    }
}

fn no_tls(error: platform::tls::TlsError) -> Failure {
    Failure::new(format!("TLS towards other servers is not possible: {error}"))
        .remedy("install ca-certificates")
}

fn settings(config: &Config, listening: Vec<SocketAddr>) -> Result<mta::Config, Failure> {
    let relay = match &config.outbound.relay {
        Some(written) => Some(relay(written)?),
        None => None,
    };
    let recipients = config.limits.recipients_per_message;
    Ok(mta::Config {
        hostname: config.hostname.clone(),
        message_size_max: config.limits.message_octets,
        recipients_max: usize::try_from(recipients).unwrap_or(usize::MAX),
        queue: mta::QueueConfig {
            retry: config.queue.retry.clone(),
            retry_greylisted: config.queue.retry_greylisted.clone(),
            retry_unreachable: config.queue.retry_unreachable.clone(),
            retry_full: config.queue.retry_full.clone(),
            jitter_percent: config.queue.jitter_percent,
            expire: config.queue.expire,
            delay_notice: config.queue.delay_notice,
            hold_max: config.queue.hold_max,
            deliver_by_min: config.queue.deliver_by_min,
            gather: config.notices.gather,
            suppress_after: config.queue.suppress_after,
            ..mta::QueueConfig::default()
        },
        outbound: mta::OutboundConfig {
            port: config.outbound.port,
            private_targets: match config.outbound.allow_private {
                true => PrivateTargets::Allowed,
                false => PrivateTargets::Refused,
            },
            bind: config.outbound.bind.clone(),
            routes: config
                .outbound
                .routes
                .iter()
                .map(|(domain, target)| (domain.clone(), next_hop(target)))
                .collect(),
            relay,
            rules: config.outbound.rules.iter().map(rule).collect::<Result<_, _>>()?,
        },
        language: config.notices.language,
        listening,
    })
}

/// The rules about strangers of a configuration.
pub(super) fn policy(config: &Config) -> Arc<policy::Policy> {
    let (written, limits) = (&config.policy, &config.limits);
    let rate = |rate: Option<Rate>| rate.map(|Rate { count, per }| policy::Rate { count, per });
    // Both crates read the same notation.
    let exempt = written.exempt.iter().filter_map(|network| network.to_string().parse().ok());
    policy::Policy::new(PolicyConfig {
        exempt: exempt.collect(),
        greeting_delay: written.greeting_delay,
        hello: policy::HelloRules {
            own_name: match written.refuse_own_name {
                true => policy::OwnName::Refused,
                false => policy::OwnName::Taken,
            },
            form: match written.require_full_name {
                true => policy::NameForm::Full,
                false => policy::NameForm::Any,
            },
        },
        sender_domain: match written.check_sender_domain {
            true => policy::SenderDomain::TakesMail,
            false => policy::SenderDomain::Any,
        },
        greylist: written.greylist.clone(),
        no_soliciting: written.no_soliciting.clone(),
        rates: policy::Rates {
            connections: rate(limits.connection_rate),
            messages: rate(limits.message_rate),
            recipients: rate(limits.recipient_rate),
            unknown_recipients: rate(limits.unknown_recipient_rate),
            account_messages: rate(limits.account_message_rate),
            account_recipients: rate(limits.account_recipient_rate),
        },
    })
}

fn next_hop(target: &NextHop) -> mta::NextHop {
    match target {
        NextHop::Smtp(target) => mta::NextHop::Smtp(route(target)),
        NextHop::Lmtp(target) => mta::NextHop::Lmtp(route(target)),
        NextHop::LmtpFile(socket) => mta::NextHop::LmtpFile(socket.clone()),
    }
}

/// A rule about mail that leaves.
fn rule(written: &OutboundRule) -> Result<rules::Rule, Failure> {
    let way = match &written.way {
        None => None,
        Some(Way::Mx) => Some(rules::Way::Exchangers),
        Some(Way::Route(target)) => Some(rules::Way::Route(next_hop(target))),
        Some(Way::Relay(target)) => Some(rules::Way::Relay(relay(target)?)),
    };
    Ok(rules::Rule {
        name: written.name.clone(),
        to: written.to.clone(),
        from: written.from.clone(),
        way,
        tls: written.tls,
        concurrency: written.concurrency.map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
        rate: written.rate.map(|Rate { count, per }| policy::Rate { count, per }),
        bind: written.bind.clone(),
    })
}

fn route(target: &HostPort) -> Route {
    // The agent looks a name up and takes an address as it is, without brackets.
    let host = match target.host.literal() {
        Some(address) => address.to_string(),
        None => target.host.to_string(),
    };
    Route { host, port: target.port }
}

fn relay(relay: &Relay) -> Result<mta::Relay, Failure> {
    let login = match &relay.login {
        None => None,
        Some((username, file)) => {
            let octets = RealDisk
                .read_whole(file, PASSWORD_FILE_OCTETS_MAX)
                .map_err(|error| of_file("read the relay's password", file, &error))?;
            let text = String::from_utf8(octets).map_err(|_| {
                Failure::new("the relay's password is not UTF-8 text").in_path(file)
            })?;
            let password = text.lines().next().unwrap_or_default();
            Some(RelayLogin { username: username.clone(), password: Password::new(password) })
        }
    };
    Ok(mta::Relay {
        route: route(&relay.host),
        tls: match relay.tls {
            RelayTls::None => mta::RelayTls::Opportunistic,
            RelayTls::StartTls => mta::RelayTls::StartTls,
        },
        login,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_found_at_each_of_them() {
        let written: Vec<SocketAddr> =
            ["0.0.0.0:25", "192.0.2.1:2525"].map(|at| at.parse().unwrap()).to_vec();
        let found = found_at(written.clone());
        for at in ["0.0.0.0:25", "127.0.0.1:25", "192.0.2.1:2525"] {
            assert!(found.contains(&at.parse().unwrap()), "{at} in {found:?}");
        }
        let wrong_port = found.iter().any(|own| own.ip().is_loopback() && own.port() != 25);
        assert!(!wrong_port && found.iter().all(SocketAddr::is_ipv4), "{found:?}");
        assert_eq!(found_at(written[1..].to_vec()), written[1..]);
    }
}
