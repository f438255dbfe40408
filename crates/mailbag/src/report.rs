//! Delivery reports that come back: which letter they are about, and what they tell.
//!
//! A report belongs to a letter by our envelope id, or else by the Message-ID in what it
//! returns, or else by a recipient that only one letter waits for. Within the letter the
//! original recipient names whom it is about. What cannot be matched stays ordinary mail.
//!
//! Standards: RFC 3464 §2.2.1 (Original-Envelope-Id), §2.3 (recipients and actions), RFC 3461.
//! Not here: reading a report (crate `message`).

use message::Message;
use message::report::{self, Action, Report, ReportKind, ReportedRecipient};
use store::{
    Accept, AccountId, Finish, Happening, NewEvent, OriginKind, Outcome, QueueFilter,
    RecipientState, RecipientView, StoreError, SubmissionId, SubmissionKey, Summary,
};

use crate::local::LocalStore;
use crate::outbox::is_ours;

/// Newest submissions that are looked through for one that a nameless report may be about.
const LETTERS_SEARCHED_MAX: u32 = 1000;

/// A report and the letter that it is about.
#[derive(Debug)]
pub struct Told {
    submission: SubmissionId,
    news: Vec<News>,
    by: Option<String>,
}

/// What a report tells of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
struct News {
    number: u32,
    action: Action,
    /// What the recipient becomes; `None` when the news changes nothing.
    state: Option<RecipientState>,
    /// Status and diagnostic.
    text: String,
    /// The host that the report speaks of.
    host: Option<String>,
}

/// The letter that a message reports on; `None` when it is no delivery report or nobody's.
pub async fn matching(
    local: &LocalStore,
    owner: AccountId,
    message: &Message<'_>,
) -> Result<Option<Told>, StoreError> {
    let Some(report) = report::read(message) else { return Ok(None) };
    if report.kind != ReportKind::Delivery {
        return Ok(None);
    }
    let Some(letter) = letter_of(local, owner, &report).await? else { return Ok(None) };
    let news = news(&report, &letter.recipients);
    if news.is_empty() {
        return Ok(None);
    }
    Ok(Some(Told { submission: letter.id, news, by: report.reporting_mta }))
}

async fn letter_of(
    local: &LocalStore,
    owner: AccountId,
    report: &Report,
) -> Result<Option<Summary>, StoreError> {
    let mut keys = Vec::new();
    if let Some(id) = &report.envelope_id {
        keys.push(SubmissionKey::EnvelopeId(id.clone()));
    }
    if let Some(id) = &report.original_message_id {
        keys.push(SubmissionKey::MessageId(id.as_str().to_owned()));
    }
    let names_letter = !keys.is_empty();
    for key in keys {
        for id in local.store().find_submissions(key).await? {
            let view = local.store().submission(id).await?;
            if let Some(view) = view.filter(|view| is_ours(&view.summary, owner)) {
                return Ok(Some(view.summary));
            }
        }
    }
    // One that names another letter is not about any of ours.
    if names_letter { Ok(None) } else { only_one_waiting(local, owner, report).await }
}

/// The only letter that waits for news of a recipient in the report.
async fn only_one_waiting(
    local: &LocalStore,
    owner: AccountId,
    report: &Report,
) -> Result<Option<Summary>, StoreError> {
    let limit = Some(LETTERS_SEARCHED_MAX);
    let filter = QueueFilter { settled: true, limit, ..QueueFilter::default() };
    let mut found = None;
    for summary in local.store().queue(filter).await? {
        if summary.origin.kind != OriginKind::Composed || !is_ours(&summary, owner) {
            continue;
        }
        let awaited = report.recipients.iter().any(|reported| {
            find(reported, &summary.recipients)
                .is_some_and(|recipient| recipient.state == RecipientState::Accepted)
        });
        if awaited && found.replace(summary).is_some() {
            return Ok(None);
        }
    }
    Ok(found)
}

fn news(report: &Report, recipients: &[RecipientView]) -> Vec<News> {
    let mut news: Vec<News> = Vec::new();
    for reported in &report.recipients {
        let (Some(action), Some(recipient)) = (reported.action, find(reported, recipients)) else {
            continue;
        };
        let becomes = match action {
            Action::Failed => Some(RecipientState::Failed),
            Action::Delivered => Some(RecipientState::Delivered),
            Action::Relayed => Some(RecipientState::Relayed),
            Action::Expanded => Some(RecipientState::Expanded),
            _ => None,
        };
        // A second report on the same recipient cannot take the first one back.
        let told = news.iter().any(|one| one.number == recipient.number && one.state.is_some());
        news.push(News {
            number: recipient.number,
            action,
            state: becomes.filter(|state| !told && recipient.state.may_become(*state)),
            text: text(reported),
            host: reported.remote_mta.clone(),
        });
    }
    news
}

/// Whom a report's recipient is: by the address that we wrote, or else the final one.
fn find<'a>(
    reported: &ReportedRecipient,
    recipients: &'a [RecipientView],
) -> Option<&'a RecipientView> {
    let named = |address: &str| {
        recipients.iter().find(|recipient| {
            let original = recipient.recipient.original.as_ref().map(|original| original.address());
            let ours = recipient.recipient.address.to_string();
            original.unwrap_or(&ours).eq_ignore_ascii_case(address)
                || ours.eq_ignore_ascii_case(address)
        })
    };
    named(reported.address.trim())
        .or_else(|| reported.final_address.as_deref().and_then(|address| named(address.trim())))
}

/// Diagnostic with its status in front, unless the diagnostic has one itself.
fn text(reported: &ReportedRecipient) -> String {
    let diagnostic = reported.diagnostic.as_deref().unwrap_or_default().trim();
    let status = reported.status.map(|status| status.to_string()).unwrap_or_default();
    match (diagnostic.is_empty(), diagnostic.contains(&status)) {
        (true, _) => status,
        (false, true) => diagnostic.to_owned(),
        (false, false) => format!("{status} {diagnostic}"),
    }
}

/// Writes down what a report tells, and files the report, in one commit.
pub async fn settle(local: &LocalStore, told: Told, report: Accept) -> Result<(), StoreError> {
    let at = local.now();
    let Told { submission, news, by } = told;
    let mut outcomes = Vec::new();
    let mut events = Vec::new();
    for one in news {
        let by = one.host.clone().or_else(|| by.clone());
        if let Some(state) = one.state {
            outcomes.push(Outcome {
                recipient: one.number,
                state,
                due: None,
                host: by.clone(),
                reply: None,
                attempted: false,
                delay_told: false,
                ends_hold: false,
            });
        }
        let action = one.action.as_str().to_owned();
        let happening = Happening::Reported { action, by, text: one.text };
        events.push(NewEvent::new(at, happening, "a delivery report came").of(one.number));
    }
    let notices = vec![report];
    local.store().finish(Finish { outcomes, events, notices, ..Finish::of(submission, at) }).await
}

#[cfg(test)]
mod tests {
    use envelope::{OriginalRecipient, Recipient};
    use store::UnixMillis;

    use super::*;

    fn recipient(number: u32, address: &str, state: RecipientState) -> RecipientView {
        RecipientView {
            number,
            recipient: Recipient {
                original: OriginalRecipient::rfc822(address).ok(),
                ..Recipient::new(address.parse().unwrap())
            },
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

    fn read(groups: &str) -> Report {
        let content = format!(
            "Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\n\r\nSorry.\r\n--x\r\n\
             Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.test\r\n\r\n\
             {groups}\r\n--x--\r\n"
        );
        report::read(&Message::parse(content.as_bytes())).unwrap()
    }

    #[test]
    fn reports_settle_whom_they_name() {
        use RecipientState::{Accepted, Delivered, Failed, Relayed};
        let bob = "Final-Recipient: rfc822; bob@b.test\r\n";
        let alias =
            "Original-Recipient: rfc822;bob@b.test\r\nFinal-Recipient: rfc822;robert@c.test\r\n";
        #[rustfmt::skip]
        let table: [(String, RecipientState, Option<RecipientState>, &str, &str); 8] = [
            (format!("{bob}Action: delivered\r\nStatus: 2.0.0\r\n"), Accepted, Some(Delivered), "2.0.0", "it is there"),
            (format!("{bob}Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 who?\r\n"), Accepted, Some(Failed), "550 5.1.1 who?", "it bounced"),
            (format!("{bob}Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 who?\r\n"), Accepted, Some(Failed), "5.1.1 550 who?", "the status is kept"),
            (format!("{alias}Action: relayed\r\nStatus: 2.0.0\r\n"), Accepted, Some(Relayed), "2.0.0", "the original recipient counts"),
            (format!("{bob}Action: delayed\r\nStatus: 4.4.1\r\n"), Accepted, None, "4.4.1", "a delay settles nothing"),
            (format!("{bob}Action: failed\r\nStatus: 5.0.0\r\n"), Delivered, None, "5.0.0", "what is delivered stays so"),
            (format!("{bob}Action: delivered\r\nStatus: 2.0.0\r\n"), RecipientState::Held, Some(Delivered), "2.0.0", "unknown no more"),
            ("Final-Recipient: rfc822; BOB@B.test\r\nAction: delivered\r\nStatus: 2.0.0\r\n".to_owned(), Accepted, Some(Delivered), "2.0.0", "in any case"),
        ];
        for (groups, before, wanted, text, why) in table {
            let others = recipient(0, "carol@b.test", Accepted);
            let found = news(&read(&groups), &[others, recipient(1, "bob@b.test", before)]);
            assert_eq!(found.len(), 1, "{why}");
            assert_eq!((found[0].number, found[0].state), (1, wanted), "{why}");
            assert_eq!(found[0].text, text, "{why}");
        }
    }

    #[test]
    fn reports_on_others_and_twice_change_nothing() {
        let stranger =
            read("Final-Recipient: rfc822; eve@b.test\r\nAction: failed\r\nStatus: 5.0.0\r\n");
        let bob = recipient(0, "bob@b.test", RecipientState::Accepted);
        assert_eq!(news(&stranger, std::slice::from_ref(&bob)), []);
        let group = |action: &str| {
            format!(
                "Final-Recipient: rfc822; bob@b.test\r\nAction: {action}\r\nStatus: 2.0.0\r\n\r\n"
            )
        };
        let twice = read(&format!("{}{}", group("delivered"), group("failed")));
        let states: Vec<_> = news(&twice, &[bob]).into_iter().map(|one| one.state).collect();
        assert_eq!(states, [Some(RecipientState::Delivered), None]);
    }
}
