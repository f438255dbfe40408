//! One owner for one folder.
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Name of the lock file in the folder.
const LOCK_NAME: &str = "lock";

/// Why a folder could not be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another program has it.
    #[error("{} is in use by process {pid}", dir.display())]
    HeldBy {
        /// The folder.
        dir: PathBuf,
        /// Its process id; 0 when it has not written it yet.
        pid: u32,
    },
    /// The lock file could not be opened, read or written.
    #[error("cannot lock {}", dir.display())]
    Io {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A folder that is ours until this is dropped or the program ends, however it ends.
///
/// The lock is the system's (`flock`) on the file `lock` in the folder; that file stays when
/// it is let go, for a removed file could be locked by two at once.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the folder, without waiting, and writes our process id into its lock file.
    pub fn take(dir: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { dir: dir.to_owned(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false) // its content tells who holds it
            .mode(0o600)
            .open(dir.join(LOCK_NAME))
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text).map_err(failed)?;
                let pid = text.trim().parse().unwrap_or(0);
                return Err(LockError::HeldBy { dir: dir.to_owned(), pid });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(dir.path()).unwrap();
        match FolderLock::take(dir.path()) {
            Err(LockError::HeldBy { pid, .. }) => assert_eq!(pid, std::process::id()),
            other => panic!("{other:?}"),
        }
        drop(lock);
        FolderLock::take(dir.path()).unwrap();
        let missing = dir.path().join("missing");
        assert!(matches!(FolderLock::take(&missing), Err(LockError::Io { .. })));
    }
}
