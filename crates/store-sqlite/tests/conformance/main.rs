//! This engine keeps what every store promises; and each law notices an engine that does not.

mod broken;

use std::sync::Arc;

use store::conformance::{Harness, LAWS};
use store::{Store, StoreError};
use store_sqlite::{Options, SqliteStore};
use tempfile::TempDir;

use broken::{Broken, Fault};

/// A store in a folder of its own, which a fault may stand in front of.
struct Folder {
    folder: TempDir,
    store: Arc<SqliteStore>,
    fault: Option<Fault>,
}

impl Folder {
    fn open(fault: Option<Fault>) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let store = SqliteStore::start(folder.path(), options()).expect("the store opens");
        Self { folder, store, fault }
    }
}

fn options() -> Options {
    // Small segments, so that laws meet many of them.
    Options { segment_octets_max: 300_000, ..Options::default() }
}

impl Harness for Folder {
    fn store(&self) -> Arc<dyn Store> {
        match self.fault {
            Some(fault) => Arc::new(Broken::new(Arc::clone(&self.store), fault)),
            None => Arc::clone(&self.store) as Arc<dyn Store>,
        }
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.store.close();
        self.store = SqliteStore::start(self.folder.path(), options())?;
        Ok(())
    }
}

fn open() -> Folder {
    Folder::open(None)
}

store::store_conformance!(open);

#[test]
fn every_law_is_broken_by_a_fault() {
    let mut unbroken = Vec::new();
    for law in LAWS {
        let faults: Vec<Fault> =
            Fault::ALL.iter().copied().filter(|fault| fault.breaks() == law.name).collect();
        assert!(!faults.is_empty(), "no fault breaks {}", law.name);
        for fault in faults {
            if (law.check)(&mut Folder::open(Some(fault))).is_ok() {
                unbroken.push((law.name, fault));
            }
        }
    }
    assert!(unbroken.is_empty(), "laws that did not notice: {unbroken:?}");
}
