//! The disk, as the store's writer and the spools need it: synchronous, and honest about
//! what is on the platter.
//!
//! A new file is safe once [`DiskFile::sync`] and [`Disk::sync_dir`] of its folder have both
//! returned. All files are for our user only: mail is nobody else's business.
//!
//! Not here: SQLite's own files, which its VFS opens.

mod lock;
mod real;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::Path;

pub use lock::{FolderLock, LockError};
pub use real::RealDisk;

/// Folders and files.
pub trait Disk: Send + Sync + fmt::Debug + 'static {
    /// Makes a new file, mode 0600. Fails with `AlreadyExists` if there is one.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for reading.
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Makes a file without a name on the file system of `dir`; it is gone when dropped.
    fn unnamed(&self, dir: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Makes the names in `dir` safe: what was created, renamed and removed.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name, in place of whatever has that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// The names in a folder, sorted; without `.` and `..`.
    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>>;

    /// Makes a folder, mode 0700, and those above it as needed; each is safe on return. Fine
    /// if it is there.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;

    /// Octets that we may still write to the file system of `dir`.
    fn free_octets(&self, dir: &Path) -> io::Result<u64>;

    /// Whether there is something of that name.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Whether every user of the system may read or write this file. A disk without users says
    /// no.
    fn others_may_read(&self, path: &Path) -> io::Result<bool> {
        self.exists(path).map(|_| false)
    }

    /// Puts `octets` into the file `path`, mode 0600: whoever opens it, also after a crash,
    /// finds all of the old content or all of the new. One writer for each path at a time.
    fn write_whole(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        let dir = match path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            _ => Path::new("."),
        };
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or(OsStr::new("")));
        name.push(".new");
        let new = dir.join(name);
        match self.remove(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {} // one that a crash left behind
        }
        let file = self.create(&new)?;
        file.write_at(0, octets)?;
        file.sync()?;
        drop(file);
        self.rename(&new, path)?;
        self.sync_dir(dir)
    }

    /// The content of a file of at most `octets_max` octets.
    ///
    /// # Errors
    ///
    /// `FileTooLarge` when it has more.
    fn read_whole(&self, path: &Path, octets_max: usize) -> io::Result<Vec<u8>> {
        let file = self.open_read(path)?;
        let octets = usize::try_from(file.octets()?).unwrap_or(usize::MAX);
        if octets > octets_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        // One octet more than it has, to notice a file that grows meanwhile.
        let mut content = vec![0; octets.saturating_add(1)];
        let mut filled = 0;
        loop {
            let Some(rest) = content.get_mut(filled..).filter(|rest| !rest.is_empty()) else {
                return Err(io::Error::other("the file grew while it was read"));
            };
            match file.read_at(u64::try_from(filled).unwrap_or(u64::MAX), rest)? {
                0 => break,
                read => filled = filled.saturating_add(read),
            }
        }
        content.truncate(filled);
        Ok(content)
    }
}

/// An open file. It may be read and written from several threads.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Writes all of `octets` at `offset`.
    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()>;

    /// Reads at `offset`; fewer octets than asked for only at the end, zero behind it.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Makes the content and size safe (`fdatasync`). After an error nothing is known about
    /// what was written since the last sync: the system may have dropped it.
    fn sync(&self) -> io::Result<()>;

    /// The size.
    fn octets(&self) -> io::Result<u64>;

    /// Makes the file this long.
    fn truncate(&self, octets: u64) -> io::Result<()>;
}
