//! Everything that is known of a message, and what happens to it from now on.
//!
//! Standards: none of its own.
//! Not here: how it is laid out for reading (`cli::timeline`).

use std::collections::BTreeMap;

use envelope::{Domain, ReversePath};
use mta::queue::Standing;
use store::{Change, RecipientState, RecipientView, SubmissionId, SubmissionKey, SubmissionView};
use tokio::sync::broadcast::error::RecvError;

use super::item::{AttemptItem, EventItem, Item, RecipientItem, SubmissionItem};
use super::perform::Items;
use super::request::Follow;
use crate::engine::Engine;
use crate::failure::Failure;

/// Tells of every submission that a key names, oldest first.
pub(super) async fn trace(
    key: &str,
    follow: Follow,
    engine: &Engine,
    items: &Items,
) -> Result<(), Failure> {
    // Before anything is read, so that nothing happens in between unseen.
    let mut changes = engine.store.subscribe();
    let mut told = BTreeMap::new();
    for id in find(key, engine).await? {
        let mut progress = Progress::default();
        progress.tell(id, engine, items).await?;
        told.insert(id, progress);
    }
    if told.is_empty() {
        return Err(Failure::new(format!("nothing is known of {key}")).remedy(
            "use the id of our 250 reply, a queue id or a Message-ID; old ones are forgotten",
        ));
    }
    while follow == Follow::UntilSettled && told.values().any(|progress| progress.open) {
        let change = tokio::select! {
            change = changes.recv() => change,
            () = items.closed() => return Err(Failure::unread()),
        };
        match change {
            Ok(Change::Submission(id)) => {
                if let Some(progress) = told.get_mut(&id) {
                    progress.tell(id, engine, items).await?;
                }
            }
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => {
                for (id, progress) in &mut told {
                    progress.tell(*id, engine, items).await?;
                }
            }
            Err(RecvError::Closed) => return Err(Failure::new("the server is ending")),
        }
    }
    Ok(())
}

/// Tells of one submission.
pub(super) async fn show(id: SubmissionId, engine: &Engine, items: &Items) -> Result<(), Failure> {
    let mut progress = Progress::default();
    progress.tell(id, engine, items).await?;
    if progress.begun {
        return Ok(());
    }
    Err(Failure::new(format!("there is no submission {id}")).remedy("see `posthouse queue list`"))
}

async fn find(key: &str, engine: &Engine) -> Result<Vec<SubmissionId>, Failure> {
    let bare = key.trim().trim_start_matches('<').trim_end_matches('>').to_owned();
    let keys = match bare.parse::<SubmissionId>() {
        Ok(id) => vec![SubmissionKey::Id(id)],
        Err(_) => vec![SubmissionKey::MessageId(bare.clone()), SubmissionKey::EnvelopeId(bare)],
    };
    for key in keys {
        let mut found = engine.store.find_submissions(key).await?;
        if !found.is_empty() {
            found.sort_unstable();
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// What of a submission has been told.
#[derive(Debug, Default)]
struct Progress {
    begun: bool,
    /// Whether something may still happen by itself.
    open: bool,
    events: usize,
    attempts: usize,
    states: BTreeMap<u32, (RecipientState, u32)>,
}

impl Progress {
    /// Tells what is new: recipients first, so that events can name them, then attempts and
    /// the events that speak of them.
    async fn tell(
        &mut self,
        id: SubmissionId,
        engine: &Engine,
        items: &Items,
    ) -> Result<(), Failure> {
        let Some(view) = engine.store.submission(id).await? else {
            self.open = false;
            return Ok(());
        };
        if !self.begun {
            items.tell(Item::Submission(SubmissionItem::from(&view.summary))).await?;
            self.begun = true;
        }
        self.states(&view, engine, items).await?;
        for attempt in view.attempts.iter().skip(self.attempts) {
            items.tell(Item::Attempt(AttemptItem::from(attempt))).await?;
        }
        for event in view.events.iter().skip(self.events) {
            items.tell(Item::Event(EventItem::from(event))).await?;
        }
        self.attempts = view.attempts.len();
        self.events = view.events.len();
        Ok(())
    }

    async fn states(
        &mut self,
        view: &SubmissionView,
        engine: &Engine,
        items: &Items,
    ) -> Result<(), Failure> {
        for recipient in &view.summary.recipients {
            let now = (recipient.state, recipient.attempts);
            if self.states.insert(recipient.number, now) != Some(now) {
                let mut item = RecipientItem::from(recipient);
                item.waits_for = waits_for(recipient, &view.summary.reverse_path, engine);
                items.tell(Item::Recipient(item)).await?;
            }
        }
        self.open = view.summary.recipients.iter().any(|recipient| {
            // A remote 250 may still be followed by a notice, but only if it was asked for.
            recipient.state.is_open()
                || (recipient.state == RecipientState::Accepted
                    && recipient.recipient.notify().success)
        });
        Ok(())
    }
}

/// What a recipient waits for at its destination.
fn waits_for(recipient: &RecipientView, sender: &ReversePath, engine: &Engine) -> Option<String> {
    let waits = matches!(recipient.state, RecipientState::Queued | RecipientState::Deferred);
    let mta = engine.in_motion.get().filter(|_| waits)?;
    let domain = recipient.recipient.address.domain();
    Some(sentence(domain, &mta.standing(sender, domain)?))
}

fn sentence(domain: &Domain, standing: &Standing) -> String {
    let Standing { busy, limit, waiting, .. } = standing;
    if let Some((pace, next)) = standing.pace.as_ref().filter(|(_, next)| !next.is_zero()) {
        return format!(
            "waits for its turn at {domain}: {pace}; the next one goes in {} s",
            next.as_secs()
        );
    }
    match (&standing.rests_for, &standing.why) {
        (Some(pause), Some(why)) => {
            format!("nothing is tried at {domain} for {} s more: {why}", pause.as_secs())
        }
        _ => format!("at {domain} {busy} of {limit} connections are busy, and {waiting} wait"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_mail_waits_for_is_a_sentence() {
        let busy =
            Standing { busy: 3, limit: 3, waiting: 4, rests_for: None, why: None, pace: None };
        let rests = Standing {
            rests_for: Some(Duration::from_secs(25)),
            why: Some("421 slow down".to_owned()),
            ..busy.clone()
        };
        let paced = Standing {
            pace: Some(("at most 5 messages go there in 60 s".to_owned(), Duration::from_secs(12))),
            ..busy.clone()
        };
        let rows = [
            (
                paced,
                "waits for its turn at b.test: at most 5 messages go there in 60 s; the next one \
                 goes in 12 s",
            ),
            (busy, "at b.test 3 of 3 connections are busy, and 4 wait"),
            (rests, "nothing is tried at b.test for 25 s more: 421 slow down"),
        ];
        for (standing, wanted) in rows {
            assert_eq!(sentence(&Domain::parse("b.test").unwrap(), &standing), wanted);
        }
    }
}
