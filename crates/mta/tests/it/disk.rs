//! A disk that fails when a test wants it to.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use platform::{Disk, DiskFile, RealDisk};

/// A disk that fails when it is told to.
#[derive(Clone, Debug)]
pub(crate) struct Failing {
    disk: RealDisk,
    mode: Arc<Mutex<Mode>>,
}

impl Default for Failing {
    fn default() -> Self {
        Self { disk: RealDisk, mode: Arc::new(Mutex::new(Mode::Well)) }
    }
}

/// What does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Well,
    NoSpace,
    NoWrite,
    NoSync,
    NoRead,
}

impl Failing {
    /// From now on this does not work.
    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    fn fails(&self, mode: Mode) -> io::Result<()> {
        match *self.mode.lock().unwrap() == mode {
            true if mode == Mode::NoRead => Err(io::Error::other("unreadable")),
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }

    fn watched(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(FailingFile { file, disk: self.clone() })
    }
}

impl Disk for Failing {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.watched(self.disk.create(path)?))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.watched(self.disk.open(path)?))
    }
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.watched(self.disk.open_read(path)?))
    }
    fn unnamed(&self, dir: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.watched(self.disk.unnamed(dir)?))
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        self.disk.list(dir)
    }
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.make_dir(dir)
    }
    fn free_octets(&self, dir: &Path) -> io::Result<u64> {
        match self.fails(Mode::NoSpace) {
            Ok(()) => self.disk.free_octets(dir),
            Err(_) => Ok(0),
        }
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.disk.exists(path)
    }
}

#[derive(Debug)]
struct FailingFile {
    file: Box<dyn DiskFile>,
    disk: Failing,
}

impl DiskFile for FailingFile {
    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.disk.fails(Mode::NoWrite)?;
        self.file.write_at(offset, octets)
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.disk.fails(Mode::NoRead)?;
        self.file.read_at(offset, buffer)
    }
    fn sync(&self) -> io::Result<()> {
        self.disk.fails(Mode::NoSync)?;
        self.file.sync()
    }
    fn octets(&self) -> io::Result<u64> {
        self.file.octets()
    }
    fn truncate(&self, octets: u64) -> io::Result<()> {
        self.file.truncate(octets)
    }
}
