//! Whom we ask for names.
//!
//! Standards: RFC 1035 (DNS), resolv.conf(5).
//! Not here: asking (crate `dns`).

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use dns::{Resolver, StubOptions, StubResolver};
use platform::{RealDisk, SystemClock, SystemRandom, TokioNet};
use tracing::warn;

use crate::config::Config;

/// Where resolv.conf(5) expects a server when it names none.
const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 53);

/// The resolver of a configuration: the servers that it names, or the system's.
pub(crate) fn resolver(config: &Config) -> Arc<dyn Resolver> {
    let options = if config.dns_servers.is_empty() {
        StubOptions::from_system(&RealDisk).unwrap_or_else(|error| {
            warn!(%error, asking = %LOCAL, "the system's DNS servers are not known");
            StubOptions::new(vec![LOCAL])
        })
    } else {
        StubOptions::new(config.dns_servers.clone())
    };
    let (net, clock, random) = (Arc::new(TokioNet), Arc::new(SystemClock), Arc::new(SystemRandom));
    Arc::new(StubResolver::new(net, clock, random, options))
}
