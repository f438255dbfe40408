//! A message's way, laid out for reading: every event, decision and conversation in order.
//!
//! ```text
//!   01KAV3M2Q0T9D7S5XW8Y4Z6B1C  from <anna@castle.example>  4.2 KiB
//!   02:22:10.123  queued      bob@harbour.example
//!   02:22:10.180  connected   mx.harbour.example [127.0.0.12]:2525, TLSv1.3 …
//!                   C: MAIL FROM:<anna@castle.example> …
//!                   S: 250 2.1.0 Ok
//! ```
//!
//! Standards: none of its own.
//! Not here: what happened (the store's events), finding it (`control`).

mod words;

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use store::Happening;

use super::output::Style;
use super::table::size;
use super::{Output, queue, visible};
use crate::control::{AttemptItem, EventItem, Item, RecipientItem, SubmissionItem};
use crate::failure::Failure;

/// Width of the column of times, with the spaces behind it.
const MARGIN: &str = "              ";

/// How much of a line of a conversation is shown: challenges of a login are long and say
/// nothing to people.
const WORDS_CHARS_MAX: usize = 120;

/// Lays out the pieces of a trace.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    /// Show each piece when it comes, instead of all in their order at the end.
    following: bool,
    current: Option<Whole>,
}

/// One submission with everything that belongs to it.
#[derive(Debug)]
struct Whole {
    submission: SubmissionItem,
    recipients: BTreeMap<u32, RecipientItem>,
    /// Those that were not shown yet.
    attempts: VecDeque<AttemptItem>,
    events: Vec<EventItem>,
}

/// The same for scripts: recipients as a list.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    submission: &'a SubmissionItem,
    recipients: Vec<&'a RecipientItem>,
    attempts: Vec<&'a AttemptItem>,
    events: &'a [EventItem],
}

impl Timeline {
    /// Shows whole submissions.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Shows each piece when it comes.
    pub(crate) fn following() -> Self {
        Self { following: true, ..Self::default() }
    }

    /// Takes one piece.
    pub(crate) fn take(&mut self, item: Item, output: &mut Output) -> Result<(), Failure> {
        if self.following && output.is_json() {
            output.object(&item)?;
            return output.flush();
        }
        if let Item::Submission(submission) = item {
            self.end(output)?;
            if self.following {
                head(output, &submission)?;
            }
            self.current = Some(Whole::new(submission));
            return Ok(());
        }
        let Some(whole) = &mut self.current else { return Ok(()) };
        match item {
            Item::Recipient(recipient) => {
                whole.recipients.insert(recipient.number, recipient);
            }
            Item::Attempt(attempt) => whole.attempts.push_back(attempt),
            Item::Event(happened) if self.following => {
                whole.show(&happened, output)?;
                output.flush()?;
            }
            Item::Event(event) => whole.events.push(event),
            _ => {}
        }
        Ok(())
    }

    /// Shows what is still to be shown.
    pub(crate) fn end(&mut self, output: &mut Output) -> Result<(), Failure> {
        let Some(mut whole) = self.current.take() else { return Ok(()) };
        if output.is_json() {
            return output.object(&whole.document());
        }
        if !self.following {
            head(output, &whole.submission)?;
        }
        for happened in std::mem::take(&mut whole.events) {
            whole.show(&happened, output)?;
        }
        for said in &whole.attempts {
            attempt(output, said)?;
        }
        for recipient in whole.recipients.values() {
            output.line(queue::recipient(recipient))?;
        }
        Ok(())
    }
}

impl Whole {
    fn new(submission: SubmissionItem) -> Self {
        Self {
            submission,
            recipients: BTreeMap::new(),
            attempts: VecDeque::new(),
            events: Vec::new(),
        }
    }

    /// Shows an event; in the place of the one that tells of an attempt, the attempt.
    fn show(&mut self, happened: &EventItem, output: &mut Output) -> Result<(), Failure> {
        if matches!(happened.happening, Happening::Attempted { .. })
            && let Some(said) = self.attempts.pop_front()
        {
            return attempt(output, &said);
        }
        event(output, &self.recipients, happened)
    }

    fn document(&self) -> Document<'_> {
        Document {
            submission: &self.submission,
            recipients: self.recipients.values().collect(),
            attempts: self.attempts.iter().collect(),
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
    line.push_str(&format!("  {}{}", submission.created, submission.terms));
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
    let mut told = vec![whom, words.as_str()];
    if !words.contains(&event.reason) {
        told.push(&event.reason);
    }
    told.retain(|part| !part.is_empty());
    output.line(format!("{}  {name} {}", clock(&event.at), visible(&told.join("; "))))
}

/// An attempt with all that was said.
fn attempt(output: &mut Output, attempt: &AttemptItem) -> Result<(), Failure> {
    let (style, name) = if attempt.transcript.lines().any(|line| line.starts_with("< ")) {
        (Style::Strong, "connected  ")
    } else {
        (Style::Doubtful, "no answer  ")
    };
    let name = output.paint(style, name);
    let host = visible(&attempt.host);
    let address = attempt.address.as_deref().map(|ip| format!(" [{ip}]:{}", attempt.port));
    let tls = attempt.tls.as_ref().map_or_else(|| "no TLS".to_owned(), words::tls);
    output.line(format!(
        "{}  {name} {host}{}, {tls}: {}",
        clock(&attempt.began),
        address.unwrap_or_default(),
        visible(&attempt.result),
    ))?;
    conversation(output, attempt.transcript.lines())
}

/// What was said: `> ` is the client, `< ` the server, `* ` a remark.
pub(crate) fn conversation<'a>(
    output: &mut Output,
    lines: impl Iterator<Item = &'a str>,
) -> Result<(), Failure> {
    for line in lines {
        let (style, speaker, words) = match line.split_at_checked(2) {
            Some(("> ", words)) => (Style::Plain, "C: ", words),
            Some(("< ", words)) => (Style::Good, "S: ", words),
            Some(("* ", words)) => (Style::Faint, "   ", words),
            _ => (Style::Faint, "   ", line),
        };
        let words = visible(words);
        let shown: String = words.chars().take(WORDS_CHARS_MAX).collect();
        let rest = if shown.len() < words.len() { "…" } else { "" };
        let words = output.paint(style, &format!("{speaker}{shown}{rest}"));
        output.line(format!("{MARGIN}{words}"))?;
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

#[cfg(test)]
mod tests;
