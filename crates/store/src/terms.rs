//! What a sender asked of the transfer, in our own time.
//!
//! ```text
//!   MAIL … HOLDFOR=3600 BY=7200;R MT-PRIORITY=4      header: TLS-Required: no
//!          └─ envelope::Requests ─ at MAIL ─▶ Terms ◀─ at the end of the header ─┘
//! ```
//!
//! Kept with a submission as long as that is. For nearly all mail there is nothing to keep.
//!
//! Standards: RFC 4865, RFC 2852, RFC 6710, RFC 3865, RFC 8689 §4.1.
//! Not here: the parameters' syntax (crate `envelope`), what follows (crate `mta`).

use std::time::Duration;

use envelope::{ByMode, ByTrace, Hold, Priority, Solicitation};
use serde::{Deserialize, Serialize};

use crate::UnixMillis;

/// Urgent recipients are leased as if they had been due for so much longer than they are, and
/// non-urgent ones as if for so much shorter: about a first retry pause. So they overtake, and
/// nobody waits for ever.
pub const URGENCY_LEAD: Duration = Duration::from_secs(15 * 60);

/// A release that was asked for while our clock was more than this ahead is not waited for.
const CLOCK_SLACK_MS: i64 = 24 * 60 * 60 * 1000;

/// What a sender asked of the transfer. By default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// It is kept back until then (RFC 4865).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    /// It should be delivered by then (RFC 2852).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deliver_by: Option<Deadline>,
    /// How urgent it is (RFC 6710).
    #[serde(skip_serializing_if = "is_default")]
    pub priority: Priority,
    /// Which kinds of solicitation it says to be (RFC 3865).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub solicitation: Option<Solicitation>,
    /// What its header says about TLS (RFC 8689 §4).
    #[serde(skip_serializing_if = "is_default")]
    pub tls: TlsWish,
}

/// When a message is released, and how its sender asked for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Release {
    /// When.
    pub at: UnixMillis,
    /// As it was asked for: notices repeat it (RFC 4865 §5.1.2).
    pub asked: Hold,
}

/// By when a message should be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Deadline {
    /// When.
    pub at: UnixMillis,
    /// What follows when it takes longer.
    pub mode: ByMode,
    /// Whether each relaying is told.
    pub trace: ByTrace,
}

/// What a message's author says about TLS on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsWish {
    /// Nothing: what the recipient's domain asks for holds.
    #[default]
    Policy,
    /// `TLS-Required: No`: rather without than not at all (RFC 8689 §3).
    Optional,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Terms {
    /// Whether nothing was asked.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// When a message that was accepted then is released, if that lies ahead of `now`. A moment
    /// that a clock made which was days ahead says nothing.
    pub fn held_until(&self, accepted_at: UnixMillis, now: UnixMillis) -> Option<UnixMillis> {
        let known = accepted_at.0 <= now.0.saturating_add(CLOCK_SLACK_MS);
        self.release.map(|release| release.at).filter(|at| known && *at > now)
    }

    /// From when on the time in the queue counts: a message that was kept back had none of it.
    pub fn begins_at(&self, accepted_at: UnixMillis) -> UnixMillis {
        self.release.map_or(accepted_at, |release| release.at.max(accepted_at))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn a_release_is_waited_for_unless_a_wrong_clock_made_it() {
        const DAY: i64 = 24 * 60 * 60 * 1000;
        let asked = Hold::For(NonZeroU32::MIN);
        let until =
            |at| Terms { release: Some(Release { at: UnixMillis(at), asked }), ..Terms::default() };
        #[rustfmt::skip]
        let rows = [
            // release, accepted, now, wanted, why
            (5 * DAY, 0, DAY, true, "it lies ahead"),
            (5 * DAY, 0, 5 * DAY, false, "it is over"),
            (5 * DAY, DAY + 10, DAY, true, "the clock was set back a little"),
            (3650 * DAY, 3640 * DAY, DAY, false, "R15: the clock was ten years ahead"),
        ];
        for (at, accepted, now, wanted, why) in rows {
            let held = until(at).held_until(UnixMillis(accepted), UnixMillis(now));
            assert_eq!(held, wanted.then_some(UnixMillis(at)), "{why}");
        }
        assert_eq!(until(7).begins_at(UnixMillis(3)), UnixMillis(7));
        assert_eq!(Terms::default().begins_at(UnixMillis(3)), UnixMillis(3));
    }

    #[test]
    fn nothing_asked_is_nothing_kept() {
        let text = serde_json::to_string(&Terms::default()).unwrap();
        assert_eq!(text, "{}");
        assert_eq!(serde_json::from_str::<Terms>("{}").unwrap(), Terms::default());
    }
}
