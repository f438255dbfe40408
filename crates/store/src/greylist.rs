//! What greylisting remembers of those who came.
//!
//! Standards: RFC 6647 §5 (what is remembered, and how long).
//! Not here: whom it makes wait (crate `mta`).

use crate::UnixMillis;

/// Most keys that an engine remembers for greylisting; those that were written longest ago go
/// first. Strangers choose how many there are: at about 150 octets these are 30 MB, and at most
/// 120 MB of the longest addresses.
pub const SEEN_MAX: u32 = 200_000;

/// Somebody came: a network, or a letter from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who.
    pub key: String,
    /// When it was seen first.
    pub first_at: UnixMillis,
    /// When it is forgotten.
    pub until: UnixMillis,
}
