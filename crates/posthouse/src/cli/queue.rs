//! `posthouse queue`: mail that waits.
//!
//! Standards: RFC 5321 §4.5.4 (queueing).
//! Not here: when it is tried again (crate `mta`).

use clap::{Args, Subcommand};
use envelope::Address;
use store::SubmissionId;

use super::table::size;
use super::timeline::Timeline;
use super::{Office, Output, Talk, visible};
use crate::control::{Item, QueueItem, RecipientItem, Request, Steering};
use crate::failure::{Exit, Failure};

/// What to do with mail that waits.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List what waits, oldest first
    List,
    /// Show one message of the queue
    Show {
        /// The id, as in `queue list`
        id: SubmissionId,
    },
    /// Try to deliver now
    Retry(One),
    /// Do not try until it is released
    Hold(One),
    /// Try again what was held
    Release(One),
    /// Give up; the sender is not told
    Cancel(One),
}

/// One message, or one recipient of it.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct One {
    /// The id, as in `queue list`
    id: SubmissionId,
    /// Only this recipient
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<Address>,
}

pub(super) async fn run(
    command: Command,
    office: &Office,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    let (one, action) = match command {
        Command::List => {
            return office.list(Request::QueueList, |item| list(&item, output)).await;
        }
        Command::Show { id } => return show(id, office, output).await,
        Command::Retry(one) => (one, Steering::Retry),
        Command::Hold(one) => (one, Steering::Hold),
        Command::Release(one) => (one, Steering::Release),
        Command::Cancel(one) => (one, Steering::Cancel),
    };
    let request = Request::QueueSteer { id: one.id, recipient: one.recipient, action };
    let told = |item| {
        if let Item::Changed(recipients) = item {
            for address in recipients {
                talk.say(format_args!("{address} {}", done(action)));
            }
        }
        Ok(())
    };
    office.list(request, told).await
}

fn done(action: Steering) -> &'static str {
    match action {
        Steering::Retry => "is tried now",
        Steering::Hold => "is held",
        Steering::Release => "is not held any more",
        Steering::Cancel => "will not be tried again",
    }
}

async fn show(id: SubmissionId, office: &Office, output: &mut Output) -> Result<Exit, Failure> {
    let mut timeline = Timeline::new();
    office.list(Request::QueueShow { id }, |item| timeline.take(item, output)).await?;
    timeline.end(output)?;
    Ok(Exit::Done)
}

fn list(item: &Item, output: &mut Output) -> Result<(), Failure> {
    let Item::Queued(queued) = item else { return Ok(()) };
    output.tell(queued, || block(queued))
}

fn block(queued: &QueueItem) -> String {
    let QueueItem { id, created, sender, size: octets, recipients } = queued;
    let mut lines = vec![format!("{id}  {created}  {:>9}  from <{sender}>", size(*octets))];
    lines.extend(recipients.iter().map(recipient));
    lines.join("\n")
}

/// One recipient and its fate, on one line.
pub(super) fn recipient(recipient: &RecipientItem) -> String {
    let mut line = format!("  {:<32}  {:<9}", recipient.address, recipient.state);
    if let Some(next) = &recipient.next_attempt {
        line.push_str(&format!("  next {next}"));
    }
    if recipient.attempts > 0 {
        line.push_str(&format!(
            "  after {}",
            super::table::count(recipient.attempts.into(), "attempt")
        ));
    }
    if let Some(reply) = &recipient.last_reply {
        let host = recipient.host.as_deref().unwrap_or("the host");
        line.push_str(&format!("  {} said: {}", visible(host), visible(reply)));
    }
    if let Some(what) = &recipient.waits_for {
        line.push_str(&format!("\n    now: {}", visible(what)));
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_entry_tells_each_recipient() {
        let waits = RecipientItem {
            number: 0,
            address: "bob@harbour.example".into(),
            state: "deferred".into(),
            attempts: 2,
            next_attempt: Some("2026-11-25T02:30:00Z".into()),
            last_reply: Some("451 4.7.1 later\u{1b}[2J".into()),
            host: Some("mx.harbour.example".into()),
            expanded_from: None,
            changed: "2026-11-25T02:22:00Z".into(),
            settled: false,
            waits_for: Some("at harbour.example 2 of 2 connections are busy\u{7}".into()),
        };
        let queued = QueueItem {
            id: "01KAV3M2Q0T9D7S5XW8Y4Z6B1C".into(),
            created: "2026-11-25T02:20:00Z".into(),
            sender: "anna@castle.example".into(),
            size: 4300,
            recipients: vec![waits],
        };
        insta::assert_snapshot!(block(&queued), @r"
    01KAV3M2Q0T9D7S5XW8Y4Z6B1C  2026-11-25T02:20:00Z    4.1 KiB  from <anna@castle.example>
      bob@harbour.example               deferred   next 2026-11-25T02:30:00Z  after 2 attempts  mx.harbour.example said: 451 4.7.1 later␛[2J
        now: at harbour.example 2 of 2 connections are busy␇
    ");
    }
}
