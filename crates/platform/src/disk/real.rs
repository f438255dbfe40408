//! The system's disk.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::libc::O_TMPFILE;
use nix::sys::statvfs::statvfs;

use super::{Disk, DiskFile};

/// Files of ours are for us only.
const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

/// The system's disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        boxed(options.read(true).write(true).create_new(true).mode(FILE_MODE).open(path)?)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        boxed(OpenOptions::new().read(true).write(true).open(path)?)
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        boxed(OpenOptions::new().read(true).open(path)?)
    }

    fn unnamed(&self, dir: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(FILE_MODE);
        match options.clone().custom_flags(O_TMPFILE).open(dir) {
            Ok(file) => boxed(file),
            // What systems and file systems without O_TMPFILE say (open(2)).
            Err(error)
                if matches!(
                    error.raw_os_error().map(Errno::from_raw),
                    Some(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::ENOENT)
                ) =>
            {
                unlinked(&mut options, dir)
            }
            Err(error) => Err(error),
        }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        OpenOptions::new().read(true).open(dir)?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        let names = fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name()));
        let mut names = names.collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        // From the top down, so that each new name is safe before something stands below it.
        let mut ancestors: Vec<&Path> = dir.ancestors().collect();
        ancestors.reverse();
        for ancestor in ancestors {
            if ancestor.as_os_str().is_empty() || ancestor.is_dir() {
                continue;
            }
            match DirBuilder::new().mode(DIR_MODE).create(ancestor) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            match ancestor.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => self.sync_dir(parent)?,
                _ => self.sync_dir(Path::new("."))?,
            }
        }
        if dir.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    fn free_octets(&self, dir: &Path) -> io::Result<u64> {
        let facts = statvfs(dir)?;
        Ok(facts.blocks_available().saturating_mul(facts.fragment_size()))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        match fs::symlink_metadata(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn others_may_read(&self, path: &Path) -> io::Result<bool> {
        const OTHERS: u32 = 0o006;
        Ok(fs::metadata(path)?.permissions().mode() & OTHERS != 0)
    }
}

/// A new file in `dir` whose name is removed at once.
fn unlinked(options: &mut OpenOptions, dir: &Path) -> io::Result<Box<dyn DiskFile>> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!(".unnamed-{}-{count}", std::process::id()));
        match options.create_new(true).open(&path) {
            // One that a crash left behind, by a process with our id.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error),
            Ok(file) => {
                fs::remove_file(&path)?;
                return boxed(file);
            }
        }
    }
}

fn boxed(file: File) -> io::Result<Box<dyn DiskFile>> {
    Ok(Box::new(RealFile(file)))
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.0.write_all_at(octets, offset)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
            match self.0.read_at(rest, at) {
                Ok(0) => break,
                Ok(read) => filled = filled.saturating_add(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn octets(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn truncate(&self, octets: u64) -> io::Result<()> {
        self.0.set_len(octets)
    }
}
