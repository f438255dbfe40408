//! A directory over a store in a folder of its own.

use std::sync::Arc;

use directory::Directory;
use envelope::{Address, Domain};
use platform::{SystemClock, SystemRandom};
use sasl::Password;
use store::Store;
use store_sqlite::{Options, SqliteStore};

pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct World {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) directory: Arc<Directory>,
    _folder: tempfile::TempDir,
}

impl World {
    /// With the domain `a.test` and nobody in it.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> =
            SqliteStore::start(&folder.path().join("data"), Options::default()).unwrap();
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let directory = Directory::open(Arc::clone(&store), clock, random, [7; 32]).await.unwrap();
        directory.add_domain(Domain::parse("a.test").unwrap()).await.unwrap();
        Self { store, directory, _folder: folder }
    }

    pub(crate) async fn add(&self, who: &str, password: Option<&str>) {
        let password = password.map(Password::new);
        self.directory.add_accounts(vec![address(who)], password, None, None).await.unwrap();
    }
}

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}
