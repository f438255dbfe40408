//! Delivery reports that come in: what they tell of a message that we sent.
//!
//! A report is an ordinary message to the sender, and is delivered like one. Besides, where it
//! names a submission of ours, that submission's recipients learn from it: *accepted* becomes
//! *delivered*, *relayed*, *expanded* or *failed*. A report counts only for submissions of the
//! one whom it is addressed to, so that nobody can tell tales about other people's mail.
//!
//! Standards: RFC 3464 §2 (fields), RFC 3461 §6.3 (Original-Envelope-Id).
//! Not here: the report's syntax (crate `message`).

use envelope::Address;
use message::Message;
use message::report::{self, Action, Report, ReportedRecipient};
use store::{
    Finish, Happening, NewEvent, Outcome, RecipientState, RecipientView, SubmissionKey, Summary,
};
use tracing::{info, warn};

use crate::Mta;

/// Most of a report that is read: the parts for people and programs come first.
pub(crate) const REPORT_OCTETS_MAX: usize = 256 * 1024;

/// Takes a report's news over, if it is a report and tells of a submission of `addressee`'s.
pub(crate) async fn learn(mta: &Mta, addressee: &Address, content: &[u8]) {
    let message = Message::parse(content);
    let Some(report) = report::read(&message) else { return };
    let Some(envelope_id) = report.envelope_id.clone() else { return };
    let key = SubmissionKey::EnvelopeId(envelope_id);
    let found = match mta.world.store.find_submissions(key).await {
        Ok(found) => found,
        Err(error) => {
            warn!(%error, "cannot look for the submission of a report");
            return;
        }
    };
    for id in found {
        let Ok(Some(view)) = mta.world.store.submission(id).await else { continue };
        let is_senders = view
            .summary
            .reverse_path
            .address()
            .is_some_and(|sender| sender.folded() == addressee.folded());
        if is_senders {
            apply(mta, &view.summary, &report).await;
        }
    }
}

async fn apply(mta: &Mta, summary: &Summary, report: &Report) {
    let at = mta.now();
    let (mut outcomes, mut events) = (Vec::new(), Vec::new());
    for told in &report.recipients {
        let Some(view) = summary.recipients.iter().find(|view| is_about(told, view)) else {
            continue;
        };
        let Some(action) = told.action else { continue };
        let text = [told.status.map(|status| status.to_string()), told.diagnostic.clone()];
        let happening = Happening::Reported {
            action: action.as_str().to_owned(),
            by: report.reporting_mta.clone(),
            text: text.into_iter().flatten().collect::<Vec<_>>().join(" "),
        };
        events.push(NewEvent::new(at, happening, "").of(view.number));
        if let Some(state) = state_of(action)
            && view.state.may_become(state)
        {
            outcomes.push(Outcome {
                recipient: view.number,
                state,
                due: None,
                host: report.reporting_mta.clone().or_else(|| view.host.clone()),
                reply: view.reply.clone(),
                attempted: false,
                delay_told: view.delay_told,
            });
        }
    }
    if events.is_empty() {
        return;
    }
    let finish = Finish {
        submission: summary.id,
        at,
        outcomes,
        attempts: Vec::new(),
        events,
        notices: Vec::new(),
    };
    match mta.world.store.finish(finish).await {
        Ok(()) => info!(id = %summary.id, "learnt from a delivery report"),
        Err(error) => warn!(id = %summary.id, %error, "news of a delivery report not stored"),
    }
}

fn state_of(action: Action) -> Option<RecipientState> {
    match action {
        Action::Failed => Some(RecipientState::Failed),
        Action::Delivered => Some(RecipientState::Delivered),
        Action::Relayed => Some(RecipientState::Relayed),
        Action::Expanded => Some(RecipientState::Expanded),
        _ => None,
    }
}

/// Whether a report's recipient is one of ours: by the address that the sender first wrote, or
/// by the last one.
fn is_about(told: &ReportedRecipient, view: &RecipientView) -> bool {
    let address = view.recipient.address.to_string();
    let known = view.recipient.original.as_ref().map_or(address.as_str(), |known| known.address());
    told.address.eq_ignore_ascii_case(known)
        || told.final_address.as_ref().is_some_and(|last| last.eq_ignore_ascii_case(&address))
}
