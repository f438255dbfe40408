//! What these tests share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dns::{StubOptions, StubResolver, Zone, ZoneServer};
use envelope::Domain;
use platform::{Clock, Pause, SystemClock, SystemRandom, Timestamp, TokioNet};

pub(crate) const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

pub(crate) fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

/// The system's clock, but a test can set it forward.
#[derive(Debug, Default)]
pub(crate) struct Shifted(AtomicU64);

impl Shifted {
    pub(crate) fn forward(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for Shifted {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic() + Duration::from_secs(self.0.load(Ordering::Relaxed))
    }

    fn sleep(&self, how_long: Duration) -> Pause {
        SystemClock.sleep(how_long)
    }
}

pub(crate) async fn serve(zone: &Zone) -> ZoneServer {
    let clock = Arc::new(SystemClock);
    ZoneServer::serve(&TokioNet, clock, LOOPBACK, zone.clone()).await.unwrap()
}

pub(crate) fn asking(servers: &[SocketAddr], patience: Duration) -> StubResolver {
    let mut options = StubOptions::new(servers.to_vec());
    options.patience = patience;
    asking_by(Arc::new(SystemClock), options)
}

pub(crate) fn asking_by(clock: Arc<dyn Clock>, options: StubOptions) -> StubResolver {
    StubResolver::new(Arc::new(TokioNet), clock, Arc::new(SystemRandom), options)
}
