//! What the client is handed of the outside world.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use platform::{Clock, Disk, Net, Random};
use store::{Store, StoreError};
use store_sqlite::{Options, SqliteStore};

/// Time, luck, network, disk and names.
#[derive(Clone, Debug)]
pub struct World {
    /// Tells the time and waits.
    pub clock: Arc<dyn Clock>,
    /// Random numbers.
    pub random: Arc<dyn Random>,
    /// Connections.
    pub net: Arc<dyn Net>,
    /// Files.
    pub disk: Arc<dyn Disk>,
}

impl World {
    /// The system's.
    pub fn system(
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        net: Arc<dyn Net>,
        disk: Arc<dyn Disk>,
    ) -> Self {
        Self { clock, random, net, disk }
    }

    /// Opens the store in a folder.
    pub(crate) fn open_store(&self, folder: &Path) -> Result<Arc<dyn Store>, StoreError> {
        let options = Options {
            disk: Arc::clone(&self.disk),
            clock: Arc::clone(&self.clock),
            reader_threads: 1,
            ..Options::default()
        };
        let store: Arc<dyn Store> = SqliteStore::start(folder, options)?;
        Ok(store)
    }

    /// The addresses of a host, as every program on this machine finds them: also from its
    /// hosts file or a private network, which DNS alone does not know.
    pub(crate) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        const PREFIX: &str = "failed to lookup address information: ";
        let found = tokio::net::lookup_host((host, 0)).await.map_err(|error| {
            let text = error.to_string();
            text.strip_prefix(PREFIX).unwrap_or(&text).to_owned()
        })?;
        let mut seen = BTreeSet::new();
        Ok(found.map(|address| address.ip()).filter(|address| seen.insert(*address)).collect())
    }
}
