//! Content that is still arriving: a little in memory, more in an unnamed file.
//!
//! All content in flight together has a budget; what goes over it is refused as busy
//! (452 4.3.1), before memory or disk run out.
//!
//! Not here: reading a spool file back (`segments`).

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use platform::{Disk, DiskFile};
use store::{Content, SPOOL_MEMORY_OCTETS_MAX, Spool, SpoolFile, StoreError};

use crate::database::disk;

/// How much content may be in flight together, and how much is.
#[derive(Debug)]
pub(crate) struct Budget {
    limit_octets: u64,
    used: AtomicU64,
}

impl Budget {
    pub(crate) fn new(limit_octets: u64) -> Arc<Self> {
        Arc::new(Self { limit_octets, used: AtomicU64::new(0) })
    }
}

/// A part of the budget; given back when dropped.
#[derive(Debug)]
struct Share {
    budget: Arc<Budget>,
    octets: u64,
}

impl Share {
    fn grow(&mut self, octets: u64) -> Result<(), StoreError> {
        let limit_octets = self.budget.limit_octets;
        let before = self.budget.used.fetch_add(octets, Ordering::Relaxed);
        if before.saturating_add(octets) > limit_octets {
            self.budget.used.fetch_sub(octets, Ordering::Relaxed);
            return Err(StoreError::Busy { limit_octets });
        }
        self.octets = self.octets.saturating_add(octets);
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.octets, Ordering::Relaxed);
    }
}

/// Content that is arriving.
#[derive(Debug)]
pub(crate) struct ArrivingContent {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    share: Share,
    octets: u64,
    /// What is not in the file; all of it where there is none.
    memory: Vec<u8>,
    file: Option<Box<dyn DiskFile>>,
}

impl ArrivingContent {
    pub(crate) fn new(disk: Arc<dyn Disk>, folder: PathBuf, budget: &Arc<Budget>) -> Self {
        let share = Share { budget: Arc::clone(budget), octets: 0 };
        Self { disk, folder, share, octets: 0, memory: Vec::new(), file: None }
    }

    fn write_out(&mut self) -> Result<(), StoreError> {
        let file = match self.file.take() {
            Some(file) => file,
            None => self.disk.unnamed(&self.folder).map_err(disk("make a spool file"))?,
        };
        let at = self.octets.saturating_sub(self.memory.len() as u64);
        file.write_at(at, &self.memory).map_err(disk("write a spool file"))?;
        self.file = Some(file);
        self.memory.clear();
        Ok(())
    }
}

impl Spool for ArrivingContent {
    fn write(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        self.share.grow(octets.len() as u64)?;
        let (room, more) = match SPOOL_MEMORY_OCTETS_MAX.checked_sub(self.memory.len()) {
            Some(room) if octets.len() <= room => (octets, &[][..]),
            Some(room) => octets.split_at(room),
            None => (&[][..], octets),
        };
        self.memory.extend_from_slice(room);
        self.octets = self.octets.saturating_add(room.len() as u64);
        for chunk in more.chunks(SPOOL_MEMORY_OCTETS_MAX) {
            self.write_out()?;
            self.memory.extend_from_slice(chunk);
            self.octets = self.octets.saturating_add(chunk.len() as u64);
        }
        Ok(())
    }

    fn octets(&self) -> u64 {
        self.octets
    }

    fn seal(mut self: Box<Self>) -> Result<Content, StoreError> {
        if self.file.is_some() {
            self.write_out()?;
        }
        let Self { share, octets, memory, file, .. } = *self;
        Ok(match file {
            None => Content::Memory(Bytes::from_owner(InMemory { octets: memory, _share: share })),
            Some(file) => Content::File(Box::new(InFile { file, octets, _share: share })),
        })
    }
}

/// Sealed content in memory, with its share of the budget.
struct InMemory {
    octets: Vec<u8>,
    _share: Share,
}

impl AsRef<[u8]> for InMemory {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

/// Sealed content in a file, with its share of the budget.
#[derive(Debug)]
struct InFile {
    file: Box<dyn DiskFile>,
    octets: u64,
    _share: Share,
}

impl SpoolFile for InFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, buffer)
    }

    fn octets(&self) -> u64 {
        self.octets
    }
}
