//! Clients that talk before they are greeted, as programs do that never listen.
//!
//! They can be found only where the greeting comes a moment later than it could.
//!
//! Standards: RFC 5321 §3.1 (a client waits for the greeting).
//! Not here: waiting (crate `platform`).

use std::time::Duration;

use envelope::EnhancedStatus;
use smtp::Reply;

use super::Verdict;

pub(super) fn check(greeting_delay: Duration, talked_early: bool) -> Verdict {
    match (greeting_delay.is_zero(), talked_early) {
        (true, _) => Verdict::Silent,
        (false, true) => Verdict::Refused(Reply::new(
            554,
            EnhancedStatus::new(5, 5, 1),
            "You talked before you were greeted (RFC 5321 3.1), closing",
        )),
        (false, false) => Verdict::Sound("the client waited for the greeting".to_owned()),
    }
}
