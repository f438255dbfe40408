//! A message's way, laid out for reading: every event, decision and conversation in order.
//!
//! ```text
//!   01KAV3M2Q0T9D7S5XW8Y4Z6B1C  from <anna@castle.example>  4.2 KiB
//!   02:22:10.123  queued      bob@harbour.example
//!   02:22:10.180  spoke with  mx.harbour.example [127.0.0.12]:2525, TLSv1.3 …
//!                   C: MAIL FROM:<anna@castle.example> …
//!                   S: 250 2.1.0 Ok
//! ```
//!
//! Standards: none of its own.
//! Not here: what happened (the store's events), finding it (`control`).

mod words;

use std::collections::BTreeMap;

use serde::Serialize;

use super::output::Style;
use super::table::size;
use super::{Output, queue, visible};
use crate::control::{AttemptItem, EventItem, Item, RecipientItem, SubmissionItem};
use crate::failure::Failure;

/// Width of the column of times, with the spaces behind it.
const MARGIN: &str = "              ";

/// Lays out the pieces of a trace.
#[derive(Debug)]
pub(crate) struct Timeline<'a> {
    output: &'a mut Output,
    /// Show each piece when it comes, instead of all in their order at the end.
    following: bool,
    current: Option<Whole>,
}

/// One submission with everything that belongs to it.
#[derive(Debug)]
struct Whole {
    submission: SubmissionItem,
    recipients: BTreeMap<u32, RecipientItem>,
    attempts: Vec<AttemptItem>,
    events: Vec<EventItem>,
}

/// The same for scripts: recipients as a list.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    submission: &'a SubmissionItem,
    recipients: Vec<&'a RecipientItem>,
    attempts: &'a [AttemptItem],
    events: &'a [EventItem],
}

impl<'a> Timeline<'a> {
    /// Shows whole submissions.
    pub(crate) fn new(output: &'a mut Output) -> Self {
        Self { output, following: false, current: None }
    }

    /// Shows each piece when it comes.
    pub(crate) fn following(mut self) -> Self {
        self.following = true;
        self
    }

    /// Takes one piece.
    pub(crate) fn take(&mut self, item: Item) -> Result<(), Failure> {
        if self.following && self.output.is_json() {
            self.output.object(&item)?;
            return self.output.flush();
        }
        if let Item::Submission(submission) = item {
            self.end()?;
            if self.following {
                head(self.output, &submission)?;
            }
            self.current = Some(Whole::new(submission));
            return Ok(());
        }
        let Some(whole) = &mut self.current else { return Ok(()) };
        match item {
            Item::Recipient(recipient) => {
                whole.recipients.insert(recipient.number, recipient);
            }
            Item::Attempt(said) if self.following => attempt(self.output, &said)?,
            Item::Event(happened) if self.following => {
                event(self.output, &whole.recipients, &happened)?;
                self.output.flush()?;
            }
            Item::Attempt(attempt) => whole.attempts.push(attempt),
            Item::Event(event) => whole.events.push(event),
            _ => {}
        }
        Ok(())
    }

    /// Shows what is still to be shown.
    pub(crate) fn end(&mut self) -> Result<(), Failure> {
        let Some(whole) = self.current.take() else { return Ok(()) };
        if self.output.is_json() {
            return self.output.object(&whole.document());
        }
        if !self.following {
            head(self.output, &whole.submission)?;
        }
        let mut attempts = whole.attempts.iter().peekable();
        for happened in &whole.events {
            // RFC 3339 in UTC sorts like the times themselves.
            while let Some(said) = attempts.next_if(|said| said.ended <= happened.at) {
                attempt(self.output, said)?;
            }
            event(self.output, &whole.recipients, happened)?;
        }
        for said in attempts {
            attempt(self.output, said)?;
        }
        for recipient in whole.recipients.values() {
            self.output.line(queue::recipient(recipient))?;
        }
        Ok(())
    }
}

impl Whole {
    fn new(submission: SubmissionItem) -> Self {
        Self { submission, recipients: BTreeMap::new(), attempts: Vec::new(), events: Vec::new() }
    }

    fn document(&self) -> Document<'_> {
        Document {
            submission: &self.submission,
            recipients: self.recipients.values().collect(),
            attempts: &self.attempts,
            events: &self.events,
        }
    }
}

/// What the submission is.
fn head(output: &mut Output, submission: &SubmissionItem) -> Result<(), Failure> {
    let id = output.paint(Style::Strong, &submission.id);
    let sender = visible(&submission.sender);
    let mut line = format!("{id}  from <{sender}>  {}", size(submission.size));
    if let Some(message_id) = &submission.message_id {
        line.push_str(&format!("  Message-ID <{}>", visible(message_id)));
    }
    if let Some(envelope_id) = &submission.envelope_id {
        line.push_str(&format!("  ENVID {}", visible(envelope_id)));
    }
    line.push_str(&format!("  {}", submission.created));
    output.line(line)
}

/// An event on one line.
fn event(
    output: &mut Output,
    recipients: &BTreeMap<u32, RecipientItem>,
    event: &EventItem,
) -> Result<(), Failure> {
    let (style, name, words) = words::of(&event.happening);
    let name = output.paint(style, &format!("{name:<11}"));
    let whom = event.recipient.and_then(|number| recipients.get(&number));
    let whom = whom.map(|recipient| recipient.address.as_str()).unwrap_or_default();
    let told = [whom, words.as_str(), event.reason.as_str()];
    let told: Vec<&str> = told.into_iter().filter(|part| !part.is_empty()).collect();
    output.line(format!("{}  {name} {}", clock(&event.at), visible(&told.join("; "))))
}

/// An attempt with all that was said.
fn attempt(output: &mut Output, attempt: &AttemptItem) -> Result<(), Failure> {
    let name = output.paint(Style::Strong, "spoke with ");
    let host = visible(&attempt.host);
    let address = attempt.address.as_deref().map(|ip| format!(" [{ip}]:{}", attempt.port));
    let tls = attempt.tls.as_ref().map_or_else(|| "no TLS".to_owned(), words::tls);
    output.line(format!(
        "{}  {name} {host}{}, {tls}: {}",
        clock(&attempt.began),
        address.unwrap_or_default(),
        visible(&attempt.result),
    ))?;
    for line in attempt.transcript.lines() {
        let line = visible(line);
        let style = if line.starts_with("S:") { Style::Good } else { Style::Faint };
        let line = output.paint(style, &line);
        output.line(format!("{MARGIN}  {line}"))?;
    }
    Ok(())
}

/// The time of day of an RFC 3339 time, with milliseconds.
fn clock(time: &str) -> String {
    let time = time.split_once('T').map_or(time, |(_, time)| time).trim_end_matches('Z');
    match time.split_once('.') {
        Some((seconds, fraction)) => format!("{seconds}.{fraction:0<3}"),
        None => format!("{time}.000"),
    }
}
