//! Mail in the queue that is for an address of ours.
//!
//! There is little of it: a notice for a mailbox that was full, or a message whose recipient's
//! domain became ours after it was queued. Such a message enters once more by the one door, as a
//! submission of its own, in the commit that settles it here: it cannot be lost in between.
//!
//! Standards: RFC 5321 §3.9 (aliases), RFC 3463 §3.2 (5.1.1), §3.3 (4.2.2).
//! Not here: who gets it (`delivery`).

use directory::Resolution;
use envelope::EnhancedStatus;
use store::{
    Accept, Content, Finish, Happening, MessageId, NewEvent, NewFate, Outcome, RecipientState,
    RecipientView, StoreError, Summary, Terms,
};
use tracing::{info, warn};

use super::work::Found;
use crate::notice::{self, Original};
use crate::relay::{Kind, Told};
use crate::{Mta, delivery};

/// The content is copied in pieces of this size.
const PIECE_OCTETS: usize = 64 * 1024;

/// Delivers recipients at a domain of ours, one by one.
pub(super) async fn deliver(
    mta: &Mta,
    summary: &Summary,
    message: MessageId,
    views: &[&RecipientView],
) -> Found {
    let mut told = Vec::with_capacity(views.len());
    for view in views {
        let address = &view.recipient.address;
        let table = mta.world.directory.table();
        let refused = match table.resolve(address) {
            Resolution::Unknown => {
                let text = format!("there is no mailbox {address} here");
                Some((EnhancedStatus::new(5, 1, 1), text))
            }
            Resolution::TooMany => {
                let text = format!("{address} leads to too many addresses");
                Some((EnhancedStatus::new(4, 3, 5), text))
            }
            Resolution::Local(_) | Resolution::Remote => None,
        };
        if let Some((status, text)) = refused {
            told.push(Told::ours(Kind::NotTaken, status, text));
            continue;
        }
        told.push(match enter(mta, summary, message, view).await {
            Ok(()) => Told::ours(Kind::CameBack, EnhancedStatus::new(2, 0, 0), String::new()),
            Err(error) => {
                warn!(%error, %address, "could not be delivered here");
                let status = match error {
                    StoreError::OverQuota { .. } => EnhancedStatus::new(4, 2, 2),
                    StoreError::Full | StoreError::Busy { .. } => EnhancedStatus::new(4, 3, 1),
                    _ => EnhancedStatus::new(4, 3, 0),
                };
                Told::ours(Kind::NotTaken, status, error.to_string())
            }
        });
    }
    Found { told, ..Found::default() }
}

/// Settles a recipient, and lets the message enter for where its address leads now.
async fn enter(
    mta: &Mta,
    summary: &Summary,
    message: MessageId,
    view: &RecipientView,
) -> Result<(), StoreError> {
    let content = copy(mta, message, summary.octets).await?;
    let (id, at) = (mta.new_id(), mta.now());
    let table = mta.world.directory.table();
    let recipients = [view.recipient.clone()];
    let plan = delivery::plan(&table, &summary.reverse_path, &recipients, at);
    let stays = plan.recipients.iter().all(|new| matches!(new.fate, NewFate::Deliver(_)));
    let received = Happening::Received {
        protocol: None,
        peer: summary.origin.peer,
        helo: summary.origin.helo.clone(),
        tls: None,
        login: None,
        octets: summary.octets,
    };
    let mut events = vec![NewEvent::new(at, received, format!("goes on from {}", summary.id))];
    events.extend(plan.events.iter().cloned());
    let message_id = summary.message_id.as_deref().and_then(|text| text.parse().ok());
    let original = Original {
        id,
        accepted_at: summary.accepted_at,
        reverse_path: &summary.reverse_path,
        envelope_id: summary.envelope_id.as_ref(),
        message_id: message_id.as_ref(),
        terms: &summary.terms,
    };
    let mut notices = notice::of_arrival(mta, &original, &plan, Vec::new, &mut events);
    let accept = Accept {
        id,
        at,
        origin: summary.origin.clone(),
        reverse_path: summary.reverse_path.clone(),
        ret: summary.ret,
        envelope_id: summary.envelope_id.clone(),
        body: summary.body,
        terms: Terms { release: None, ..summary.terms.clone() },
        message_id: summary.message_id.clone(),
        content,
        recipients: plan.recipients,
        copies: Vec::new(),
        events,
        notes: Vec::new(),
        notices: Vec::new(),
    };
    notices.insert(0, accept);
    let state = if stays { RecipientState::Delivered } else { RecipientState::Expanded };
    let finish = Finish {
        outcomes: vec![outcome(view, state)],
        events: vec![went_on(view, id, at)],
        notices,
        ..Finish::of(summary.id, at)
    };
    mta.world.store.finish(finish).await?;
    info!(recipient = view.number, as_id = %id, "is ours; delivered here");
    Ok(())
}

fn outcome(view: &RecipientView, state: RecipientState) -> Outcome {
    Outcome {
        recipient: view.number,
        state,
        due: None,
        host: None,
        reply: None,
        attempted: true,
        delay_told: false,
        ends_hold: false,
    }
}

fn went_on(view: &RecipientView, id: store::SubmissionId, at: store::UnixMillis) -> NewEvent {
    let mailbox = format!("that of {}", view.recipient.address);
    let reason = format!("the address is ours; goes on as {id}");
    NewEvent::new(at, Happening::Delivered { mailbox }, reason).of(view.number)
}

/// The whole content once more, ready to enter.
async fn copy(mta: &Mta, message: MessageId, octets: u64) -> Result<Content, StoreError> {
    let mut spool = mta.world.store.spool()?;
    let mut offset = 0u64;
    while offset < octets {
        let piece = mta.world.store.read(message, offset, PIECE_OCTETS).await?;
        if piece.is_empty() {
            return Err(StoreError::Damaged {
                what: format!("message {}", message.0),
                reason: format!("it has {offset} octets and not {octets}"),
            });
        }
        spool.write(&piece)?;
        offset = offset.saturating_add(piece.len() as u64);
    }
    spool.seal()
}
