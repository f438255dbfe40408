//! later
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use envelope::Domain;
use platform::{BoxFuture, Clock, Disk, Net, Random};

use crate::{Answer, DnsError, Kind, Record, Resolver};

/// Most CNAMEs that are followed for one question.
pub const CNAMES_MAX: usize = 10;

/// How a [`StubResolver`] asks.
#[derive(Clone, Debug)]
pub struct StubOptions {
    /// Whom to ask, in this order; each is a resolver that follows delegations itself.
    pub servers: Vec<SocketAddr>,
    /// Time for a server's answer; doubled in the second round.
    pub patience: Duration,
}

impl StubOptions {
    /// Asks these servers.
    pub fn new(servers: Vec<SocketAddr>) -> Self {
        Self { servers, patience: Duration::from_secs(2) }
    }

    /// Asks the servers that the system uses (`/etc/resolv.conf`).
    pub fn from_system(disk: &dyn Disk) -> Result<Self, SystemServersError> {
        let _ = disk;
        Err(SystemServersError::None)
    }
}

/// Why the system's servers are not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SystemServersError {
    /// The file could not be read.
    #[error("cannot read /etc/resolv.conf")]
    File(#[source] std::io::Error),
    /// The file names none.
    #[error("/etc/resolv.conf names no server")]
    None,
}

/// Asks servers over the network, and keeps their answers for as long as they allow.
#[derive(Debug)]
pub struct StubResolver {
    options: StubOptions,
}

impl StubResolver {
    /// A resolver with an empty cache.
    pub fn new(
        net: Arc<dyn Net>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        options: StubOptions,
    ) -> Self {
        let _ = (&net, &clock, &random);
        Self { options }
    }
}

impl Resolver for StubResolver {
    fn lookup<'a>(
        &'a self,
        name: &'a Domain,
        kind: Kind,
    ) -> BoxFuture<'a, Result<Answer<Vec<Record>>, DnsError>> {
        let _ = &self.options;
        Box::pin(async move {
            Err(DnsError::Temporary { name: name.clone(), kind, reason: "later".to_owned() })
        })
    }
}
