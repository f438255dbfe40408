//! The folders in which a user's mail, accounts and passwords are kept.
//!
//! `$MAILBAG_HOME` holds everything, when it is set; otherwise the accounts and passwords are
//! in `$XDG_CONFIG_HOME/mailbag` and the mail in `$XDG_DATA_HOME/mailbag`. All of it is for
//! its owner only.
//!
//! Standards: XDG Base Directory Specification 0.8.
//! Not here: what the files say ([`account`](crate::account)), the store
//! ([`local`](crate::local)).

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use platform::{Disk, LockError};

/// The user's folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    config: PathBuf,
    mail: PathBuf,
}

/// Why the home folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
    /// Neither variable says where it is.
    #[error("there is no home folder")]
    Nowhere,
    /// A folder cannot be made or read.
    #[error("the folder cannot be used: {source}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another mailbag works with it.
    #[error("another mailbag (process {pid}) is working with your mail since {waited_s} s or more")]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Its process id.
        pid: u32,
        /// How long we waited, in seconds.
        waited_s: u64,
    },
    /// The lock file cannot be used.
    #[error("the folder cannot be locked")]
    Lock(#[source] LockError),
}

impl HomeError {
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Nowhere => "$MAILBAG_HOME, $HOME".to_owned(),
            Self::Folder { path, .. } | Self::InUse { path, .. } => path.display().to_string(),
            Self::Lock(error) => error.to_string(),
        }
    }

    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::Nowhere => "set MAILBAG_HOME to a folder".to_owned(),
            Self::Folder { .. } | Self::Lock(_) => {
                "check its owner, rights and free space, or set MAILBAG_HOME to another folder"
                    .to_owned()
            }
            Self::InUse { .. } => "wait until it is done, or end it, and try again".to_owned(),
        }
    }
}

impl Home {
    /// Finds the folders from environment variables.
    ///
    /// # Errors
    ///
    /// [`HomeError::Nowhere`] when none of them is set.
    pub fn locate(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, HomeError> {
        let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(folder) = set("MAILBAG_HOME") {
            return Ok(Self::at(folder));
        }
        let xdg = |name, below_home: &str| {
            // A relative path in these variables is invalid and to be ignored.
            let base = set(name).filter(|path| path.is_absolute());
            let base = base.or_else(|| set("HOME").map(|home| home.join(below_home)));
            base.map(|base| base.join("mailbag")).ok_or(HomeError::Nowhere)
        };
        Ok(Self {
            config: xdg("XDG_CONFIG_HOME", ".config")?,
            mail: xdg("XDG_DATA_HOME", ".local/share")?,
        })
    }

    /// Everything in one folder.
    pub fn at(folder: PathBuf) -> Self {
        Self { mail: folder.join("store"), config: folder }
    }

    /// Makes the folders, mode 0700, where they are missing.
    pub fn make(&self, disk: &dyn Disk) -> Result<(), HomeError> {
        for path in [self.config.clone(), self.mail.clone(), self.network()] {
            disk.make_dir(&path).map_err(|source| HomeError::Folder { path, source })?;
        }
        Ok(())
    }

    /// The folder of the local store.
    pub fn store(&self) -> &Path {
        &self.mail
    }

    /// The folder whose lock is the right to talk to servers.
    pub fn network(&self) -> PathBuf {
        self.mail.join("network")
    }

    /// The file that lists the accounts.
    pub fn accounts(&self) -> PathBuf {
        self.config.join("accounts.toml")
    }

    /// The file with the passwords, mode 0600.
    pub fn secrets(&self) -> PathBuf {
        self.config.join("secrets.toml")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_follow_the_variables() {
        type Row<'a> = (&'a [(&'a str, &'a str)], Option<(&'a str, &'a str)>, &'a str);
        #[rustfmt::skip]
        let table: [Row<'_>; 6] = [
            (&[("MAILBAG_HOME", "/bag"), ("HOME", "/h")], Some(("/bag/accounts.toml", "/bag/store")), "one folder for all"),
            (&[("HOME", "/h")], Some(("/h/.config/mailbag/accounts.toml", "/h/.local/share/mailbag")), "the XDG defaults"),
            (&[("HOME", "/h"), ("XDG_DATA_HOME", "/d"), ("XDG_CONFIG_HOME", "/c")], Some(("/c/mailbag/accounts.toml", "/d/mailbag")), "XDG says"),
            (&[("HOME", "/h"), ("XDG_DATA_HOME", "d")], Some(("/h/.config/mailbag/accounts.toml", "/h/.local/share/mailbag")), "relative paths are invalid"),
            (&[("MAILBAG_HOME", ""), ("HOME", "/h")], Some(("/h/.config/mailbag/accounts.toml", "/h/.local/share/mailbag")), "empty is not set"),
            (&[], None, "nothing is set"),
        ];
        for (variables, wanted, why) in table {
            let found = Home::locate(|name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
            });
            let found = found.ok().map(|home| (home.accounts(), home.store().to_owned()));
            let wanted = wanted.map(|(a, b)| (PathBuf::from(a), PathBuf::from(b)));
            assert_eq!(found, wanted, "{why}");
        }
    }
}
