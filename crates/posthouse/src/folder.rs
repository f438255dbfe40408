//! The data folder: what lies where in it, and who may use it.
//!
//! ```text
//!   DATA/lock           whoever holds it opens the store, nobody else
//!   DATA/control.sock   where that process takes commands
//!   DATA/secret         stays the same over restarts (see `sasl::ServerSecret`)
//!   DATA/tls/           certificates of our own making
//!   DATA/backup.json    what came of the last backup
//!   DATA/…              the store's files
//! ```
//!
//! Standards: none of its own.
//! Not here: the store's own files (crate `store-sqlite`).

use std::path::{Path, PathBuf};

use platform::{Disk, FolderLock, LockError, Random, RealDisk};

use crate::failure::{Failure, of_file};

/// Octets of `DATA/secret`.
const SECRET_OCTETS: usize = 32;

/// The data folder of one server.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at this path, whether it is there or not.
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where commands are taken.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path.join("control.sock")
    }

    /// Where certificates of our own making are.
    pub(crate) fn tls(&self) -> PathBuf {
        self.path.join("tls")
    }

    /// What came of the last backup that the server made by itself.
    pub(crate) fn backup_status(&self) -> PathBuf {
        self.path.join("backup.json")
    }

    /// Whether it is there.
    pub(crate) fn exists(&self) -> bool {
        RealDisk.exists(&self.path).unwrap_or(false)
    }

    /// Makes the folder, for our user only.
    pub(crate) fn make(&self) -> Result<(), Failure> {
        RealDisk
            .make_dir(&self.path)
            .map_err(|error| of_file("make the data folder", &self.path, &error))
    }

    /// Makes the folder and takes it.
    pub(crate) fn lock(&self) -> Result<FolderLock, Taken> {
        self.make().map_err(Taken::Failed)?;
        FolderLock::take(&self.path).map_err(|error| match error {
            LockError::HeldBy { pid, .. } => Taken::ByProcess(pid),
            LockError::Io { source, .. } => {
                Taken::Failed(of_file("lock the data folder", &self.path, &source))
            }
            other => Taken::Failed(Failure::new(other.to_string())),
        })
    }

    /// The server's secret; made when there is none yet.
    pub(crate) fn secret(&self, random: &dyn Random) -> Result<[u8; SECRET_OCTETS], Failure> {
        let path = self.path.join("secret");
        let there = RealDisk
            .exists(&path)
            .map_err(|error| of_file("look for the server's secret", &path, &error))?;
        if !there {
            let mut secret = [0; SECRET_OCTETS];
            random.fill(&mut secret);
            RealDisk
                .write_whole(&path, &secret)
                .map_err(|error| of_file("write the server's secret", &path, &error))?;
            return Ok(secret);
        }
        let octets = RealDisk
            .read_whole(&path, SECRET_OCTETS)
            .map_err(|error| of_file("read the server's secret", &path, &error))?;
        <[u8; SECRET_OCTETS]>::try_from(octets).map_err(|found| {
            Failure::new(format!(
                "the server's secret has {} octets instead of {SECRET_OCTETS}",
                found.len()
            ))
            .in_path(&path)
            .remedy("bring it back from a backup, or remove it: a new one will be made")
        })
    }
}

/// Why a data folder could not be taken.
#[derive(Debug)]
pub(crate) enum Taken {
    /// This process has it; 0 while it has not said so yet.
    ByProcess(u32),
    /// Something failed.
    Failed(Failure),
}

impl Taken {
    /// As a failure of a program that needs the folder for itself.
    pub(crate) fn into_failure(self, folder: &Folder) -> Failure {
        match self {
            Self::Failed(failure) => failure,
            Self::ByProcess(pid) => {
                Failure::new(format!("process {pid} serves this data folder already"))
                    .in_path(folder.path())
                    .remedy(format!("stop it first (kill {pid}), or use another data_dir"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use platform::SystemRandom;

    use super::*;

    #[test]
    fn the_secret_is_made_once() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = Folder::new(&place.path().join("data"));
        folder.make().expect("made");
        let first = folder.secret(&SystemRandom).expect("made");
        assert_eq!(folder.secret(&SystemRandom).expect("read"), first);
        assert_ne!(first, [0; SECRET_OCTETS]);

        let short = RealDisk.write_whole(&folder.path().join("secret"), b"short");
        short.expect("written");
        let said = folder.secret(&SystemRandom).expect_err("refused").to_string();
        assert!(said.contains("has 5 octets instead of 32"), "{said}");
    }

    #[test]
    fn the_second_one_hears_who_the_first_one_is() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = Folder::new(&place.path().join("data"));
        let lock = folder.lock().expect("free");
        let taken = folder.lock().expect_err("taken").into_failure(&folder).to_string();
        assert!(taken.contains(&format!("process {}", std::process::id())), "{taken}");
        drop(lock);
        drop(folder.lock().expect("free again"));
    }
}
