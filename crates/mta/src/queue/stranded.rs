//! Mail that a wrong clock has put off: looked for once at each start.
//!
//! While the clock is years ahead, the next attempts are written down years ahead. When it is
//! right again those would wait for years, so whatever waits for longer than any schedule asks
//! is tried now.
//!
//! Standards: RFC 5321 §4.5.4.1 (retries).
//! Not here: jumps while we run (`schedule`).

use std::time::Duration;

use store::{QueueFilter, RecipientState, Steer, SteerAction, StoreError};
use tracing::warn;

use super::plus;
use super::schedule::longest_pause;
use crate::Mta;

/// Submissions that are looked at together.
const PAGE: u32 = 500;

/// How much longer than its longest pause something may wait before it is taken for stranded.
const SLACK: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes due now what waits for longer than the schedule can ask.
pub(super) async fn bring_back(mta: &Mta) {
    if let Err(error) = look(mta).await {
        warn!(%error, "cannot look for mail that a wrong clock has put off");
    }
}

async fn look(mta: &Mta) -> Result<(), StoreError> {
    let at = mta.queue_now();
    let longest = longest_pause(&mta.config.queue);
    let too_late = plus(at, longest.saturating_add(SLACK));
    let mut before = None;
    loop {
        let limit = Some(PAGE);
        let due_after = Some(too_late);
        let filter = QueueFilter { before, limit, due_after, ..QueueFilter::default() };
        let page = mta.world.store.queue(filter).await?;
        let Some(oldest) = page.iter().map(|summary| summary.id).min() else { return Ok(()) };
        before = Some(oldest);
        for summary in page {
            let waits = |state| matches!(state, RecipientState::Queued | RecipientState::Deferred);
            // What its sender wants kept back waits for longer by right (RFC 4865 §4.2).
            let too_late = match summary.terms.held_until(summary.accepted_at, at) {
                Some(release) => too_late.max(release),
                None => too_late,
            };
            for view in summary.recipients.iter().filter(|view| waits(view.state)) {
                if view.due.is_some_and(|due| due > too_late) {
                    warn!(id = %summary.id, "put off too far by a wrong clock; due now");
                    let steer = Steer {
                        submission: summary.id,
                        recipient: Some(view.recipient.address.clone()),
                        action: SteerAction::Retry,
                        at,
                    };
                    mta.world.store.steer(steer).await?;
                }
            }
        }
    }
}
