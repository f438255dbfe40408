//! Why a store operation did not happen.
//!
//! Standards: RFC 3463 §3 (the codes that a peer hears).
//! Not here: a protocol's own words for it (crates `mta` and `access`).

use envelope::EnhancedStatus;

/// Why a store operation changed nothing. Each answers: can trying again help
/// ([`is_temporary`](Self::is_temporary)), and what does a peer hear
/// ([`status`](Self::status)).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk has no room left.
    #[error("the disk that holds the store is full: free some space; nothing was changed")]
    Full,
    /// Too much is going on at once; a budget is used up.
    #[error("too much content is in flight at once (limit {limit_octets} octets)")]
    Busy {
        /// The budget.
        limit_octets: u64,
    },
    /// Reading or writing failed, or a sync did; what was asked for is not on stable storage.
    #[error("the store cannot {action}: {reason}")]
    Io {
        /// What it was doing, such as `sync segment 12`.
        action: String,
        /// What the operating system or database said.
        reason: String,
    },
    /// What is stored does not match its checksum or its references.
    #[error("{what} is damaged: {reason}; run `posthouse verify`")]
    Damaged {
        /// Which thing, such as `message 12`.
        what: String,
        /// How it shows.
        reason: String,
    },
    /// There is no such thing.
    #[error("there is no {what}")]
    NotFound {
        /// Which thing, such as `account ada@example.org`.
        what: String,
    },
    /// There is one already.
    #[error("{what} exists already")]
    Exists {
        /// Which thing.
        what: String,
    },
    /// It cannot be removed while others need it.
    #[error("{what} is in use by {by}")]
    InUse {
        /// Which thing.
        what: String,
        /// What needs it.
        by: String,
    },
    /// The account would hold more than it may.
    #[error("account {address} is over its quota")]
    OverQuota {
        /// Whose.
        address: String,
    },
    /// The request contradicts itself or breaks a rule of the store.
    #[error("the request is not possible: {reason}")]
    Refused {
        /// Which rule.
        reason: String,
    },
    /// The data folder was written by a newer version.
    #[error(
        "the data folder has schema version {found}, this program knows up to {known}: use a newer posthouse"
    )]
    Newer {
        /// Version found.
        found: u32,
        /// Newest version known.
        known: u32,
    },
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether trying again later may help.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Full | Self::Busy { .. } | Self::Io { .. } | Self::Closed)
            || matches!(self, Self::OverQuota { .. })
    }

    /// Enhanced status code for a peer (RFC 3463 §3).
    pub fn status(&self) -> EnhancedStatus {
        match self {
            Self::Full | Self::Busy { .. } => EnhancedStatus::new(4, 3, 1),
            Self::OverQuota { .. } => EnhancedStatus::new(4, 2, 2),
            Self::Io { .. } | Self::Closed => EnhancedStatus::new(4, 3, 0),
            Self::NotFound { .. } => EnhancedStatus::new(5, 1, 1),
            _ => EnhancedStatus::new(5, 3, 0),
        }
    }
}
