//! Why a command did not do what it was asked, in the one form that users see.
//!
//! `error: WHAT (WHERE): REMEDY` on standard error, and the exit code.
//!
//! Standards: none of its own.
//! Not here: wording of single failures (where they happen).

use std::fmt;
use std::io;
use std::path::Path;

use directory::DirectoryError;
use serde::{Deserialize, Serialize};
use store::StoreError;

use crate::config;

/// The program's exit codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Exit {
    /// All was done.
    Done,
    /// Something failed.
    #[default]
    Failed,
    /// The command was not understood.
    WrongUse,
}

impl Exit {
    /// The number that the caller's shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::WrongUse => 2,
        }
    }
}

/// Why a command did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    what: String,
    place: Option<String>,
    remedy: Option<String>,
    exit: Exit,
    silent: bool,
}

impl Failure {
    /// Something failed.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), place: None, remedy: None, exit: Exit::Failed, silent: false }
    }

    /// The command was not understood.
    pub(crate) fn wrong_use(what: impl Into<String>) -> Self {
        Self::with_exit(what, Exit::WrongUse)
    }

    /// Something failed that leads to this exit code.
    pub(crate) fn with_exit(what: impl Into<String>, exit: Exit) -> Self {
        Self { exit, ..Self::new(what) }
    }

    /// Whoever reads our output has gone: nothing is to be said.
    pub(crate) fn unread() -> Self {
        Self { silent: true, exit: Exit::Done, ..Self::new("the output was not read to its end") }
    }

    /// Where: a file, an address.
    pub(crate) fn at(mut self, place: impl fmt::Display) -> Self {
        self.place = Some(place.to_string());
        self
    }

    /// Where: a path.
    pub(crate) fn in_path(self, path: &Path) -> Self {
        self.at(path.display())
    }

    /// What to do about it.
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// What to do about it, where somebody knows.
    pub(crate) fn remedy_if(mut self, remedy: Option<String>) -> Self {
        self.remedy = remedy.or(self.remedy);
        self
    }

    /// The exit code that it leads to.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Whether nothing is to be said about it.
    pub(crate) fn is_silent(&self) -> bool {
        self.silent
    }

    /// The parts of it: what, and the remedy.
    pub(crate) fn into_parts(self) -> (String, Option<String>) {
        let what = match &self.place {
            Some(place) => format!("{} ({place})", self.what),
            None => self.what,
        };
        (what, self.remedy)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(place) = &self.place {
            write!(f, " ({place})")?;
        }
        match &self.remedy {
            Some(remedy) => write!(f, ": {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

impl From<config::Fault> for Failure {
    fn from(fault: config::Fault) -> Self {
        Self::new(fault.what).at(fault.place).remedy(fault.remedy)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let remedy = match &error {
            StoreError::InUse { .. } => Some("remove those first"),
            StoreError::Damaged { .. } => None,
            StoreError::Io { .. } => Some("see what the system says about this disk"),
            _ => None,
        };
        Self::new(error.to_string()).remedy_if(remedy.map(str::to_owned))
    }
}

impl From<DirectoryError> for Failure {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Store(error) => error.into(),
            other => Self::new(other.to_string()),
        }
    }
}

/// What went wrong with a file or folder, and what to do about it.
pub(crate) fn of_file(doing: &str, path: &Path, error: &io::Error) -> Failure {
    let remedy = match error.kind() {
        io::ErrorKind::PermissionDenied => Some("run as the user who owns it, or change its owner"),
        io::ErrorKind::NotFound => Some("see whether the path is right"),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            Some("a file is in the way: remove it, or choose another folder")
        }
        io::ErrorKind::StorageFull => Some("free some space"),
        io::ErrorKind::ReadOnlyFilesystem => Some("choose a folder that can be written to"),
        _ => None,
    };
    Failure::new(format!("cannot {doing}: {error}"))
        .in_path(path)
        .remedy_if(remedy.map(str::to_owned))
}
