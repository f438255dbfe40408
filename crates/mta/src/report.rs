//! Delivery reports that come in: what they tell of a message that we sent.
//!
//! A report is an ordinary message to the sender, and is delivered like one. Besides, where it
//! names a submission of ours, that submission's recipients learn from it: *accepted* becomes
//! *delivered*, *relayed*, *expanded* or *failed*. A report counts only for submissions of the
//! one whom it is addressed to, so that nobody can tell tales about other people's mail, and only
//! for recipients that another server has taken.
//!
//! ```text
//!   session ─ put ─▶ Desk (bounded) ─▶ queue ─ learn ─▶ store.finish
//! ```
//!
//! Standards: RFC 3464 §2 (fields), RFC 3461 §6.3 (Original-Envelope-Id).
//! Not here: the report's syntax (crate `message`).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use envelope::Address;
use message::Message;
use message::report::{self, Action, Report, ReportedRecipient};
use store::{
    Finish, Happening, NewEvent, Outcome, RecipientState, RecipientView, StoreError, SubmissionKey,
    Summary,
};
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use crate::Mta;

/// Most of a report that is read: the parts for people and programs come first.
pub(crate) const REPORT_OCTETS_MAX: usize = 256 * 1024;
/// Most recipients that are taken from a report: as many as a transaction may have.
const RECIPIENTS_MAX: usize = 1000;
/// Most reports that wait to be looked at. More is a flood; they are delivered all the same.
const WAITING_MAX: usize = 64;
/// Most submissions that one report can be about: an ENVID is the sender's own.
const SUBMISSIONS_MAX: usize = 10;
/// Pauses in which the attempt that a report tells of may still be on its way into the store.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_secs(3), Duration::from_secs(60)];

/// Where reports wait for the queue, so that no session waits for what they change.
#[derive(Debug)]
pub(crate) struct Desk {
    incoming: mpsc::Sender<News>,
    taken: Mutex<Option<mpsc::Receiver<News>>>,
}

/// A report, and to whom it came.
#[derive(Debug)]
pub(crate) struct News {
    addressee: Address,
    report: Report,
}

impl Default for Desk {
    fn default() -> Self {
        let (incoming, waiting) = mpsc::channel(WAITING_MAX);
        Self { incoming, taken: Mutex::new(Some(waiting)) }
    }
}

impl Desk {
    /// The reports; for the first who asks.
    pub(crate) fn open(&self) -> Option<mpsc::Receiver<News>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Puts a message down that was delivered to `addressee`, if it is a report about mail of
    /// ours. Never waits: without room the report is only what it is to its reader, a message.
    pub(crate) fn put(&self, addressee: &Address, content: &[u8]) {
        let message = Message::parse(content);
        let Some(mut report) = report::read(&message) else { return };
        if report.envelope_id.is_none() {
            return;
        }
        report.recipients.truncate(RECIPIENTS_MAX);
        let news = News { addressee: addressee.clone(), report };
        if self.incoming.try_send(news).is_err() {
            debug!("too many delivery reports at once; one is not followed");
        }
    }
}

/// Takes a report's news over, if it tells of a submission of its addressee's.
pub(crate) async fn learn(mta: &Mta, news: News) {
    let Some(envelope_id) = news.report.envelope_id.clone() else { return };
    let key = SubmissionKey::EnvelopeId(envelope_id);
    let found = match mta.world.store.find_submissions(key).await {
        Ok(found) => found,
        Err(error) => {
            warn!(%error, "cannot look for the submission of a report");
            return;
        }
    };
    for id in found.into_iter().take(SUBMISSIONS_MAX) {
        let mut pauses = PAUSES.iter();
        loop {
            let Ok(Some(view)) = mta.world.store.submission(id).await else { break };
            if !is_senders(&view.summary, &news.addressee) {
                break;
            }
            let undecided = pairs(&view.summary, &news.report).any(|(_, it)| it.state.is_open());
            match pauses.next().filter(|_| undecided) {
                Some(pause) => mta.world.clock.sleep(*pause).await,
                None => {
                    apply(mta, &view.summary, &news.report).await;
                    break;
                }
            }
        }
    }
}

fn is_senders(summary: &Summary, addressee: &Address) -> bool {
    let sender = summary.reverse_path.address();
    sender.is_some_and(|sender| sender.folded() == addressee.folded())
}

/// What is told, with the recipient that it is about.
fn pairs<'a>(
    summary: &'a Summary,
    report: &'a Report,
) -> impl Iterator<Item = (&'a ReportedRecipient, &'a RecipientView)> {
    report.recipients.iter().filter_map(|told| Some((told, subject(told, &summary.recipients)?)))
}

/// The recipient that a report means: the one of the last address, or else the first one that
/// the sender knows by the address told, best one whose fate is not known yet.
fn subject<'a>(told: &ReportedRecipient, views: &'a [RecipientView]) -> Option<&'a RecipientView> {
    let last = told.final_address.as_deref();
    let by_last = |view: &&RecipientView| {
        last.is_some_and(|last| last.eq_ignore_ascii_case(&view.recipient.address.to_string()))
    };
    let by_first = |view: &&RecipientView| match &view.recipient.original {
        Some(known) => told.address.eq_ignore_ascii_case(known.address()),
        None => told.address.eq_ignore_ascii_case(&view.recipient.address.to_string()),
    };
    let waits = |view: &&RecipientView| view.state == RecipientState::Accepted;
    views
        .iter()
        .find(by_last)
        .or_else(|| views.iter().find(|view| by_first(view) && waits(view)))
        .or_else(|| views.iter().find(by_first))
}

async fn apply(mta: &Mta, summary: &Summary, report: &Report) {
    let at = mta.now();
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut events = Vec::new();
    for (told, view) in pairs(summary, report) {
        let Some(action) = told.action else { continue };
        let text = [told.status.map(|status| status.to_string()), told.diagnostic.clone()];
        let happening = Happening::Reported {
            action: action.as_str().to_owned(),
            by: report.reporting_mta.clone(),
            text: text.into_iter().flatten().collect::<Vec<_>>().join(" "),
        };
        let state = state_of(action).filter(|state| may_learn(view, *state));
        let known = outcomes.iter().any(|outcome| outcome.recipient == view.number);
        let reason = match state {
            Some(_) if !known => "",
            _ => "a report; it changes nothing",
        };
        events.push(NewEvent::new(at, happening, reason).of(view.number));
        if let (Some(state), false) = (state, known) {
            outcomes.push(Outcome {
                recipient: view.number,
                state,
                due: None,
                host: report.reporting_mta.clone().or_else(|| view.host.clone()),
                reply: view.reply.clone(),
                attempted: false,
                delay_told: view.delay_told,
                ends_hold: false,
            });
        }
    }
    if events.is_empty() {
        return;
    }
    let finish = Finish { outcomes, events, ..Finish::of(summary.id, at) };
    match mta.world.store.finish(finish).await {
        Ok(()) => info!(id = %summary.id, "learnt from a delivery report"),
        // Another report was faster.
        Err(StoreError::Refused { reason }) => debug!(id = %summary.id, reason, "old news"),
        Err(error) => warn!(id = %summary.id, %error, "news of a delivery report not stored"),
    }
}

/// A report tells only what became of a message after another server took it. What still waits
/// here stays ours: nobody can talk us out of delivering it.
fn may_learn(view: &RecipientView, state: RecipientState) -> bool {
    view.state == RecipientState::Accepted && view.state.may_become(state)
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

#[cfg(test)]
mod tests {
    use envelope::{OriginalRecipient, Recipient};
    use store::UnixMillis;

    use super::*;

    fn view(
        number: u32,
        address: &str,
        original: Option<&str>,
        state: RecipientState,
    ) -> RecipientView {
        let recipient = Recipient {
            original: original.map(|text| OriginalRecipient::rfc822(text).unwrap()),
            ..Recipient::new(Address::parse(address).unwrap())
        };
        RecipientView {
            number,
            recipient,
            expanded_from: None,
            state,
            changed_at: UnixMillis(0),
            attempts: 1,
            due: None,
            host: None,
            reply: None,
            delay_told: false,
            route: None,
        }
    }

    fn told(address: &str, final_address: Option<&str>) -> ReportedRecipient {
        let last = final_address.unwrap_or(address);
        let first = if final_address.is_some() {
            format!("Original-Recipient: rfc822; {address}\r\n")
        } else {
            String::new()
        };
        let content = format!(
            "Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\n\r\nHello.\r\n--x\r\n\
             Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx\r\n\r\n\
             {first}Final-Recipient: rfc822; {last}\r\nAction: delivered\r\nStatus: 2.0.0\r\n\
             \r\n--x--\r\n"
        );
        report::read(&Message::parse(content.as_bytes())).unwrap().recipients.pop().unwrap()
    }

    #[test]
    fn a_report_finds_the_recipient_that_it_means() {
        use RecipientState::{Accepted, Delivered};
        let views = [
            view(0, "x@one.test", Some("all@a.test"), Delivered),
            view(1, "y@two.test", Some("all@a.test"), Accepted),
            view(2, "bob@b.test", None, Accepted),
        ];
        #[rustfmt::skip]
        let rows = [
            (told("all@a.test", Some("X@one.test")), Some(0), "the last address decides"),
            (told("all@a.test", Some("far@away.test")), Some(1), "the first whose fate is open"),
            (told("BOB@b.test", None), Some(2), "by the address we know"),
            (told("x@one.test", None), Some(0), "the last address alone"),
            (told("eve@b.test", Some("eve@b.test")), None, "nobody of ours"),
        ];
        for (told, wanted, why) in rows {
            assert_eq!(subject(&told, &views).map(|view| view.number), wanted, "{why}");
        }
    }

    #[test]
    fn only_what_another_server_took_can_be_reported_on() {
        for state in RecipientState::ALL {
            let learns = may_learn(&view(0, "x@one.test", None, state), RecipientState::Failed);
            assert_eq!(learns, state == RecipientState::Accepted, "{}", state.name());
        }
    }
}
