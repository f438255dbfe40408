//! Our certificate: loaded at the start, renewed while we run.
//!
//! Standards: RFC 8446 (TLS 1.3).
//! Not here: making and reading it (crate `platform`).

use std::net::IpAddr;
use std::time::Duration;

use platform::tls::{Identity, TlsError};
use platform::{RealDisk, SystemClock};
use tracing::{info, warn};

use crate::config::{Config, Tls};
use crate::failure::Failure;
use crate::folder::Folder;

/// How often it is read anew: those that renew certificates do it weeks before the end.
pub(super) const RENEWAL: Duration = Duration::from_secs(6 * 60 * 60);

/// Our certificate and where it comes from.
#[derive(Debug)]
pub(crate) struct Certificate {
    identity: Identity,
    source: Source,
}

#[derive(Clone, Debug)]
struct Source {
    tls: Tls,
    folder: Folder,
    hostname: String,
    addresses: Vec<IpAddr>,
}

impl Certificate {
    /// Loads it, or makes it.
    pub(crate) fn load(config: &Config, folder: &Folder) -> Result<Self, Failure> {
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in config.listeners.iter().flat_map(|listener| &listener.bind) {
            if !address.ip().is_unspecified() && !addresses.contains(&address.ip()) {
                addresses.push(address.ip());
            }
        }
        let hostname = config.hostname.to_string();
        let source =
            Source { tls: config.tls.clone(), folder: folder.clone(), hostname, addresses };
        let identity = source.load().map_err(|error| source.failure(&error))?;
        Ok(Self { identity, source })
    }

    /// For the servers of each protocol; exchanged for all of them by [`renew`](Self::renew).
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Reads it anew. One that cannot be used changes nothing.
    pub(super) fn renew(&self) {
        match self.source.load() {
            // A new key may come with the old dates: whatever is there counts.
            Ok(identity) => {
                self.identity.replace_by(&identity);
                info!(expires = %identity.expires(), "certificate read anew");
            }
            Err(error) => warn!(error = chain(&error), "certificate not renewed"),
        }
    }
}

impl Source {
    fn load(&self) -> Result<Identity, TlsError> {
        match &self.tls {
            Tls::SelfSigned => Identity::self_signed(
                &RealDisk,
                &SystemClock,
                &self.folder.tls(),
                &self.hostname,
                &self.addresses,
            ),
            Tls::Files { certificate, key } => {
                Identity::from_files(&RealDisk, &SystemClock, certificate, key)
            }
        }
    }

    fn failure(&self, error: &TlsError) -> Failure {
        let remedy = match &self.tls {
            Tls::SelfSigned => "see whether the data folder can be written to",
            Tls::Files { .. } => "correct certificate and key under [tls]",
        };
        Failure::new(chain(error)).remedy(remedy)
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}
