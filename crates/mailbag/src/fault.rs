//! Everything that can go wrong, as a person and a script hear of it.
//!
//! Each error says what happened (its text), to what ([`Fault::place`]), what to do
//! ([`Fault::remedy`]) and how a script is told ([`Fault::exit`]).
//!
//! Not here: the line `error: WHAT (WHERE): REMEDY` itself (the command line writes it).

use store::StoreError;

use crate::account::AccountError;
use crate::compose::ComposeError;
use crate::dial::ServerError;
use crate::home::HomeError;

/// How a command ends, for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for is done.
    Done,
    /// It failed.
    Failed,
    /// It was asked for in a wrong way.
    WrongUse,
    /// There is nothing of the kind.
    NothingFound,
    /// At least one recipient was refused for good.
    Refused,
    /// It is queued and will be tried again.
    Queued,
    /// The server refused the login.
    LoginRefused,
}

impl Exit {
    /// The number that the system is told.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::WrongUse => 2,
            Self::NothingFound => 3,
            Self::Refused => 67,
            Self::Queued => 75,
            Self::LoginRefused => 77,
        }
    }
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The home folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The accounts and their secrets.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A letter that cannot be composed.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The local store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing has this id.
    #[error("nothing found")]
    NothingFound {
        /// What was looked for.
        what: String,
    },
    /// Several things have this short id.
    #[error("{given:?} stands for several messages")]
    Ambiguous {
        /// What was given.
        given: String,
        /// Their whole ids.
        ids: Vec<String>,
    },
    /// A part that the message does not have.
    #[error("the message has no part {part:?}")]
    NoSuchPart {
        /// Which was asked for.
        part: String,
        /// Those that it has.
        parts: Vec<String>,
    },
    /// The command line asks for something impossible.
    #[error("{what}")]
    WrongUse {
        /// What is wrong.
        what: String,
        /// What to write instead.
        remedy: String,
    },
    /// A file of the user's could not be read or written.
    #[error("cannot {action}: {reason}")]
    File {
        /// What was tried, such as `read`.
        action: &'static str,
        /// Which file.
        path: String,
        /// What the system said.
        reason: String,
    },
}

impl Fault {
    /// To what it happened; empty when the text says it already.
    pub fn place(&self) -> String {
        match self {
            Self::Home(error) => error.place(),
            Self::Account(error) => error.place(),
            Self::Server(error) => error.place(),
            Self::NothingFound { what } => what.clone(),
            Self::File { path, .. } => path.clone(),
            Self::Store(_) => "the local store".to_owned(),
            Self::Compose(_)
            | Self::Ambiguous { .. }
            | Self::NoSuchPart { .. }
            | Self::WrongUse { .. } => String::new(),
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Home(error) => error.remedy(),
            Self::Account(error) => error.remedy(),
            Self::Server(error) => error.remedy(),
            Self::Compose(error) => error.remedy(),
            Self::Store(StoreError::Full) => "free some space, then try again".to_owned(),
            Self::Store(error) if error.is_temporary() => "try again".to_owned(),
            Self::Store(_) => {
                "nothing was changed; keep a copy of the folder and report it".to_owned()
            }
            Self::NothingFound { .. } => {
                "see `mailbag list` and `mailbag track` for the ids there are".to_owned()
            }
            Self::Ambiguous { ids, .. } => format!("use one of {}", ids.join(", ")),
            Self::NoSuchPart { parts, .. } => format!("it has {}", parts.join(", ")),
            Self::WrongUse { remedy, .. } => remedy.clone(),
            Self::File { .. } => "check the path and your rights".to_owned(),
        }
    }

    /// How a script is told.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Account(error) => error.exit(),
            Self::Server(error) => error.exit(),
            Self::Compose(_) | Self::WrongUse { .. } | Self::Ambiguous { .. } => Exit::WrongUse,
            Self::NothingFound { .. } | Self::NoSuchPart { .. } => Exit::NothingFound,
            Self::Home(_) | Self::Store(_) | Self::File { .. } => Exit::Failed,
        }
    }
}

/// The text of an error with all of its causes, in one line.
pub fn whole(fault: &Fault) -> String {
    match fault {
        // Its own text has a remedy, which is told apart here.
        Fault::Store(StoreError::Full) => "the disk is full; nothing was changed".to_owned(),
        other => crate::dial::chain(other),
    }
}
