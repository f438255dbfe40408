//! Reading everything and telling what is wrong.
//!
//! Standards: none of its own.
//! Not here: how an engine finds it.

use serde::{Deserialize, Serialize};

/// Whether to mend what can be mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repair {
    /// Only look.
    #[default]
    No,
    /// Mend counts and references; what cannot be mended is listed. No content is removed, and
    /// nothing is changed where the engine's own files are damaged.
    Yes,
    /// Mend, and remove content that nothing refers to.
    Remove,
}

/// Something is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which rule is broken, such as `content-checksum`.
    pub rule: String,
    /// Where, such as `message 12 in segment 3 at 4096`.
    pub place: String,
    /// What was found instead.
    pub found: String,
    /// Whether it was mended.
    pub repaired: bool,
}

/// The result of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// Messages whose content was read.
    pub messages: u64,
    /// Octets of content read.
    pub octets: u64,
    /// Mailbox entries checked.
    pub entries: u64,
    /// Submissions checked.
    pub submissions: u64,
    /// Segments or other files read.
    pub files: u64,
    /// What is wrong; empty: nothing is.
    pub findings: Vec<Finding>,
}

/// What a store has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Accepted messages.
    pub accepted: u64,
    /// Commits.
    pub commits: u64,
    /// Syncs that a commit waited for.
    pub syncs: u64,
    /// Syncs of checkpoints, for which nobody waits.
    pub checkpoint_syncs: u64,
    /// Octets written for content.
    pub content_octets: u64,
}
