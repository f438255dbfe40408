//! A folder for one test, gone when the test ends.
//!
//! Other users may pass through it: Postfix and mail clients do not run as root.
//!
//! Standards: none of its own.
//! Not here: what our servers keep in it (`site`).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A folder for one test.
#[derive(Debug)]
pub struct Folder {
    place: TempDir,
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Folder {
    /// An empty folder.
    pub fn new() -> Self {
        let place = tempfile::Builder::new().prefix("e2e-").tempdir().expect("a temporary folder");
        let folder = Self { place };
        folder.set_mode("", 0o755);
        folder
    }

    /// Its path.
    pub fn root(&self) -> &Path {
        self.place.path()
    }

    /// The path of something in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// The same as text, for configuration files and command lines.
    pub fn text_path(&self, name: &str) -> String {
        self.path(name).to_str().expect("a UTF-8 path").to_owned()
    }

    /// Writes a file and tells its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), content).unwrap_or_else(|error| panic!("write {name}: {error}"));
        self.text_path(name)
    }

    /// Writes a file that only its owner may read, as mail clients want it for passwords.
    pub fn write_secret(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.write(name, content);
        self.set_mode(name, 0o600);
        path
    }

    /// Writes a file that may be run.
    pub fn write_script(&self, name: &str, content: &str) -> String {
        let path = self.write(name, content);
        self.set_mode(name, 0o755);
        path
    }

    /// Makes a folder in it and tells its path.
    pub fn make(&self, name: &str) -> String {
        fs::create_dir_all(self.path(name)).unwrap_or_else(|error| panic!("make {name}: {error}"));
        self.text_path(name)
    }

    /// A file's octets; `None` when it is not there.
    pub fn find(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.path(name)).ok()
    }

    /// A file's octets.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("read {name}: {error}"))
    }

    /// Names of what is in a folder of it, sorted; none when it is not there.
    pub fn list(&self, name: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(name)) else { return Vec::new() };
        let mut names: Vec<_> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// The messages in a Maildir, in no meaningful order.
    pub fn maildir(&self, name: &str) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        for part in ["new", "cur"] {
            let part = format!("{name}/{part}");
            for file in self.list(&part) {
                // One that has just been moved is found at the next look.
                messages.extend(self.find(&format!("{part}/{file}")));
            }
        }
        messages
    }

    /// Sets who may read, write and enter.
    pub fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode))
            .unwrap_or_else(|error| panic!("chmod {name}: {error}"));
    }

    /// Gives something to another user.
    pub fn give_to(&self, name: &str, user: &str) {
        let user =
            nix::unistd::User::from_name(user).ok().flatten().expect("a user of this system");
        nix::unistd::chown(&self.path(name), Some(user.uid), Some(user.gid))
            .unwrap_or_else(|error| panic!("chown {name}: {error}"));
    }
}
