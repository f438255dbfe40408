//! Content on its way into the store.
//!
//! Standards: RFC 5321 §4.5.3.1.7 (message content has no small limit).
//! Not here: where a spool file lives (an engine's matter).

use std::fmt::Debug;
use std::io;

use bytes::Bytes;

use crate::StoreError;

/// Up to this much of one message stays in memory; more goes to an unnamed file.
pub const SPOOL_MEMORY_OCTETS_MAX: usize = 64 * 1024;

/// Takes content in chunks while it arrives. Dropping it forgets them.
pub trait Spool: Send + Debug {
    /// Adds octets.
    fn write(&mut self, octets: &[u8]) -> Result<(), StoreError>;
    /// How many there are by now.
    fn octets(&self) -> u64;
    /// No more will come.
    fn seal(self: Box<Self>) -> Result<Content, StoreError>;
}

/// A sealed spool file; the engine that made it reads it back at the commit.
pub trait SpoolFile: Send + Sync + Debug {
    /// Fills `buffer` from `offset`, as far as there are octets.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// How many octets it holds.
    fn octets(&self) -> u64;
}

/// A whole message's octets, ready for [`Store::accept`](crate::Store::accept).
#[derive(Debug)]
pub enum Content {
    /// In memory.
    Memory(Bytes),
    /// In an unnamed file.
    File(Box<dyn SpoolFile>),
}

impl Content {
    /// How many octets.
    pub fn octets(&self) -> u64 {
        match self {
            Self::Memory(octets) => octets.len() as u64,
            Self::File(file) => file.octets(),
        }
    }
}

impl From<Vec<u8>> for Content {
    fn from(octets: Vec<u8>) -> Self {
        Self::Memory(octets.into())
    }
}
