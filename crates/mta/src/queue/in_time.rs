//! Messages that should be delivered by a time.
//!
//! ```text
//!   R, the time is over ───────────▶ no more tries: failed 5.4.7, back to the sender
//!   N, the time is over ───────────▶ delayed 4.4.7, told once; we go on
//!   handed on to who knows BY ─────▶ what is left goes along; T: told
//!   handed on to who does not, N ──▶ relayed, told: nobody minds the time any more
//! ```
//!
//! Standards: RFC 2852 §4.1.2, §4.1.3 (time has expired), §4.1.4 (relaying).
//! Not here: what a server is told (`relay`), wording (`notice`).

use envelope::{ByMode, ByTrace, EnhancedStatus, Moment, Notify};
use store::{Deadline, UnixMillis};

use crate::relay::{Kind, Told};

/// What the end of a message's time means for a recipient that still waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing yet, or nothing was asked.
    Open,
    /// Its sender should hear that it is late, with this.
    Late(Box<Told>),
    /// It goes back, with this.
    Over(Box<Told>),
}

/// Looks at the clock, after `told`.
pub(super) fn look(deadline: Option<Deadline>, now: UnixMillis, told: &Told) -> Due {
    let Some(deadline) = deadline.filter(|deadline| now >= deadline.at) else { return Due::Open };
    match deadline.mode {
        ByMode::Return => {
            let text = format!("{}; the last answer: {}", too_late(deadline), told.text);
            let status = EnhancedStatus::new(5, 4, 7);
            Due::Over(Box::new(Told { status, text, ..told.clone() }))
        }
        ByMode::Notify => {
            let status = EnhancedStatus::new(4, 4, 7);
            Due::Late(Box::new(Told { status, ..told.clone() }))
        }
    }
}

/// RFC 2852 §4.1.3: after its time no further attempt is made for what should come back.
pub(super) fn too_late_to_try(deadline: Option<Deadline>, now: UnixMillis) -> Option<Told> {
    let over = |deadline: &Deadline| deadline.mode == ByMode::Return && now >= deadline.at;
    let deadline = deadline.filter(over)?;
    Some(Told::ours(Kind::NotTried, EnhancedStatus::new(5, 4, 7), too_late(deadline)))
}

fn too_late(deadline: Deadline) -> String {
    let by = Moment::from_unix(deadline.at.0.div_euclid(1000));
    format!("not delivered by {by}, and so it comes back, as its sender asked")
}

/// Whether the sender is told that a message was handed on, whatever it asked with NOTIFY (RFC
/// 2852 §4.1.4).
pub(super) fn tells_relaying(
    deadline: Option<Deadline>,
    now: UnixMillis,
    told: &Told,
    notify: Notify,
) -> bool {
    let Some(deadline) = deadline.filter(|_| notify != Notify::NEVER) else { return false };
    let nobody_minds =
        deadline.mode == ByMode::Notify && !told.knows_deliver_by && now < deadline.at;
    deadline.trace == ByTrace::Each || nobody_minds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deadline(mode: ByMode, trace: ByTrace) -> Option<Deadline> {
        Some(Deadline { at: UnixMillis(1000), mode, trace })
    }

    fn told() -> Told {
        Told::ours(Kind::NotTaken, EnhancedStatus::new(4, 2, 1), "busy".to_owned())
    }

    #[test]
    fn the_end_of_its_time_means_what_its_sender_said() {
        use ByMode::{Notify, Return};
        let of = |mode| deadline(mode, ByTrace::None);
        #[rustfmt::skip]
        let rows = [
            (None,         2000, None,            "nothing was asked"),
            (of(Return),   999,  None,            "RFC 2852 §4.1.2: not yet"),
            (of(Return),   1000, Some("5.4.7"),   "RFC 2852 §4.1.3: reached"),
            (of(Notify),   999,  None,            "RFC 2852 §4.1.2: not yet"),
            (of(Notify),   1000, Some("4.4.7"),   "RFC 2852 §4.1.3: reached"),
        ];
        for (deadline, now, wanted, why) in rows {
            let status = match look(deadline, UnixMillis(now), &told()) {
                Due::Open => None,
                Due::Late(told) | Due::Over(told) => Some(told.status.to_string()),
            };
            assert_eq!(status.as_deref(), wanted, "{why}");
            let tried = too_late_to_try(deadline, UnixMillis(now)).is_none();
            assert_eq!(tried, wanted != Some("5.4.7"), "{why}");
        }
    }

    #[test]
    fn relaying_is_told_where_nobody_minds_the_time_any_more() {
        use ByMode::{Notify as N, Return as R};
        use ByTrace::{Each, None as No};
        let (usual, never) = (Notify::DEFAULT, Notify::NEVER);
        #[rustfmt::skip]
        let rows = [
            // deadline, knows BY, notify, told, why
            (deadline(N, No),   true,  usual, false, "the next server minds it"),
            (deadline(N, No),   false, usual, true,  "RFC 2852 §4.1.4.2"),
            (deadline(N, No),   false, never, false, "RFC 2852 §4.1.4.2: not with NEVER"),
            (deadline(N, Each), true,  usual, true,  "RFC 2852 §4.1.4: T"),
            (deadline(R, Each), true,  never, false, "RFC 2852 §4.1.4: not with NEVER"),
            (deadline(R, No),   true,  usual, false, "no trace was asked for"),
            (None,              false, usual, false, "nothing was asked"),
        ];
        for (deadline, knows_deliver_by, notify, wanted, why) in rows {
            let told = Told { knows_deliver_by, ..told() };
            assert_eq!(tells_relaying(deadline, UnixMillis(5), &told, notify), wanted, "{why}");
        }
        let late = deadline(N, No);
        assert!(!tells_relaying(late, UnixMillis(1000), &told(), usual), "it was told to be late");
    }
}
