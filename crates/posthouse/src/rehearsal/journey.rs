//! One letter's way, from its author's client to its reader's, and back as news.
//!
//! Standards: RFC 3461 §4 (what the author asks for), RFC 3464 (what comes back).
//! Not here: the two clients, and what happens in between.

use envelope::{Address, Envelope, EnvelopeId, Notify, OriginalRecipient, Recipient, Return};
use message::Message;
use message::report::{self, Action};
use platform::clock::within;
use platform::{Random, SystemClock, SystemRandom};
use store::{Happening, RecipientState};

use super::PATIENCE;
use super::author;
use super::letter::{Check, Letter, Written};
use super::place::{POP3, SUBMISSION};
use super::reader;
use super::system::System;
use crate::cli::timeline::{Timeline, conversation};
use crate::cli::{Output, Style, Talk, visible};
use crate::control::{Answer, Follow, Item, RecipientItem, Request, Secret};
use crate::failure::Failure;

/// A letter, and between whom it travels.
#[derive(Debug)]
pub(super) struct Journey<'a> {
    /// What is written.
    pub(super) letter: &'a Letter,
    /// The author's system.
    pub(super) from: &'a System,
    /// The reader's system.
    pub(super) to: &'a System,
    /// The password of both accounts.
    pub(super) password: &'a Secret,
}

impl Journey<'_> {
    /// Sends the letter and shows its way. False when something of it is not as it should be.
    pub(super) async fn travel(&self, output: &mut Output, talk: &Talk) -> Result<bool, Failure> {
        let (author, reader) = (&self.from.account, &self.to.account);
        let title = format!("\nA letter from {author} to {reader}");
        output.line(output.paint(Style::Strong, &title))?;
        let written = self.letter.write(author, reader)?;
        let envelope_id = format!("try-{:016x}", SystemRandom.u64());
        self.show_written(&written, output)?;

        let Some(id) = self.submit(&written, &envelope_id, output).await? else {
            return Ok(false);
        };
        let follow = Request::Trace { key: id, follow: Follow::UntilSettled };
        let mut answer = self.from.ask(follow).await?;
        let mut timeline = Timeline::following();
        let mut fate = Fate::default();

        step(
            output,
            &format!("on {} (its stored events and transcripts)", self.from.plan.hostname),
        )?;
        fate.follow(&mut answer, &mut timeline, Until::HandedOn, output).await?;
        let whole = self.arrive(&written, &fate, output).await?;

        talk.say("waiting for the success notice to come back …");
        step(output, &format!("news for the author, on {}", self.from.plan.hostname))?;
        fate.follow(&mut answer, &mut timeline, Until::Settled, output).await?;
        let told = self.notice(&envelope_id, output).await?;
        fate.show(reader, output)?;
        Ok(whole && told && fate.is_good())
    }

    fn show_written(&self, written: &Written, output: &mut Output) -> Result<(), Failure> {
        step(output, "formatted")?;
        output.line(format!("  Subject: {}", self.letter.subject))?;
        output.line(format!("  Message-ID: <{}>", written.message_id))?;
        for part in written.parts() {
            output.line(format!("  {part}"))?;
        }
        output.line(format!("  {} octets in all", written.content.len()))
    }

    /// Submits the letter. The id in the server's 250; `None` when it was refused.
    async fn submit(
        &self,
        written: &Written,
        envelope_id: &str,
        output: &mut Output,
    ) -> Result<Option<String>, Failure> {
        let envelope = envelope(&self.from.account, &self.to.account, envelope_id)?;
        let account = self.from.login(SUBMISSION, self.password);
        step(output, &format!("submitted to {} by the author's client", account.server))?;
        let submitted = author::submit(account, &envelope, &written.content).await?;
        conversation(output, submitted.transcript.iter().map(String::as_str))?;
        if let Some(reply) = &submitted.accepted {
            return Ok(Some(id_in(reply).to_owned()));
        }
        let why = submitted.refused.unwrap_or_else(|| "the server took nothing".to_owned());
        bad(output, &format!("not submitted: {}", visible(&why)))?;
        Ok(None)
    }

    /// What the reader's system says of the letter, and what the reader's client finds.
    async fn arrive(
        &self,
        written: &Written,
        fate: &Fate,
        output: &mut Output,
    ) -> Result<bool, Failure> {
        let Some(reply) = &fate.accepted_with else {
            bad(output, "it was not accepted")?;
            return Ok(false);
        };
        step(output, &format!("on {} (its stored events)", self.to.plan.hostname))?;
        let trace = Request::Trace { key: id_in(reply).to_owned(), follow: Follow::No };
        let mut answer = self.to.ask(trace).await?;
        let mut timeline = Timeline::new();
        while let Some(item) = answer.next().await? {
            timeline.take(item, output)?;
        }
        timeline.end(output)?;

        let account = self.to.login(POP3, self.password);
        step(output, &format!("fetched from {} by the reader's client", account.server))?;
        let fetched = reader::fetch(account).await?;
        conversation(output, fetched.transcript.iter().map(String::as_str))?;
        let is_it = |content: &&Vec<u8>| {
            let message_id = Message::parse(content).header().message_id();
            message_id.is_some_and(|found| found.as_str() == written.message_id)
        };
        let found: Vec<&Vec<u8>> = fetched.messages.iter().filter(is_it).collect();
        step(output, "compared with what was submitted")?;
        let &[content] = found.as_slice() else {
            bad(output, &format!("it is there {} times", found.len()))?;
            return Ok(false);
        };
        let checks = written.compare(content);
        for Check { what, good } in &checks {
            if *good { well(output, what)? } else { bad(output, what)? }
        }
        Ok(checks.iter().all(|check| check.good))
    }

    /// The notice in the author's own mailbox.
    async fn notice(&self, envelope_id: &str, output: &mut Output) -> Result<bool, Failure> {
        let fetched = reader::fetch(self.from.login(POP3, self.password)).await?;
        for content in &fetched.messages {
            let message = Message::parse(content);
            let Some(report) = report::read(&message) else { continue };
            if report.envelope_id.as_deref() != Some(envelope_id) {
                continue;
            }
            let subject = message.subject().unwrap_or_default().into_owned();
            let by = report.reporting_mta.clone().unwrap_or_default();
            for told in &report.recipients {
                let action = told.action.map_or("unknown", Action::as_str);
                let words = format!(
                    "a notice in the author's mailbox, {:?}: {} {action}, says {}",
                    visible(&subject),
                    visible(&told.address),
                    visible(&by),
                );
                if told.action == Some(Action::Delivered) {
                    well(output, &words)?;
                    return Ok(true);
                }
                bad(output, &words)?;
            }
            return Ok(false);
        }
        bad(output, "there is no notice in the author's mailbox")?;
        Ok(false)
    }
}

/// Who sends to whom, and what the author wants to hear.
fn envelope(from: &str, to: &str, envelope_id: &str) -> Result<Envelope, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::new(error.to_string());
    let address = |text: &str| Address::parse(text).map_err(|error| wrong(&error));
    Ok(Envelope {
        reverse_path: address(from)?.into(),
        recipients: vec![Recipient {
            address: address(to)?,
            notify: Some(Notify::ALL),
            original: Some(OriginalRecipient::rfc822(to).map_err(|error| wrong(&error))?),
        }],
        ret: Some(Return::Headers),
        envelope_id: Some(EnvelopeId::new(envelope_id).map_err(|error| wrong(&error))?),
        ..Envelope::default()
    })
}

/// The id that a 250 gives out: its last word.
fn id_in(reply: &str) -> &str {
    reply.split_whitespace().next_back().unwrap_or_default()
}

/// What the author's system knows of the recipient.
#[derive(Debug, Default)]
struct Fate {
    /// Each state once, in their order, with what the remote host said then.
    states: Vec<(String, Option<String>)>,
    /// The remote host's 250.
    accepted_with: Option<String>,
}

impl Fate {
    /// Shows what happens.
    async fn follow(
        &mut self,
        answer: &mut Answer,
        timeline: &mut Timeline,
        until: Until,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let late = |_| Failure::new("it takes too long").remedy("see the servers' logs with --dir");
        while let Some(item) =
            within(&SystemClock, PATIENCE, answer.next()).await.map_err(late)??
        {
            let handed_on = matches!(&item, Item::Event(event)
                if matches!(event.happening, Happening::Accepted { .. } | Happening::Failed { .. }));
            if let Item::Recipient(recipient) = &item {
                self.learn(recipient);
            }
            timeline.take(item, output)?;
            if handed_on && until == Until::HandedOn {
                break;
            }
        }
        Ok(())
    }

    fn learn(&mut self, recipient: &RecipientItem) {
        let RecipientItem { state, last_reply, .. } = recipient;
        if self.states.last().is_none_or(|(last, _)| last != state) {
            self.states.push((state.clone(), last_reply.clone()));
        }
        if state == RecipientState::Accepted.name() {
            self.accepted_with.clone_from(last_reply);
        }
    }

    /// Accepted by the other host's word, and delivered by the notice's.
    fn is_good(&self) -> bool {
        let names: Vec<&str> = self.states.iter().map(|(name, _)| name.as_str()).collect();
        let wanted = [RecipientState::Accepted.name(), RecipientState::Delivered.name()];
        names.ends_with(&wanted) && self.accepted_with.is_some()
    }

    fn show(&self, recipient: &str, output: &mut Output) -> Result<(), Failure> {
        let state = |(name, reply): &(String, Option<String>)| match reply {
            Some(reply) if name == RecipientState::Accepted.name() => {
                format!("{name} ({})", visible(reply))
            }
            _ => name.clone(),
        };
        let states: Vec<String> = self.states.iter().map(state).collect();
        let line = format!("the author's status of {recipient}: {}", states.join(" → "));
        if self.is_good() { well(output, &line) } else { bad(output, &line) }
    }
}

/// How far a message is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// Another host has taken it, or refused it for good.
    HandedOn,
    /// Nothing more will happen.
    Settled,
}

fn step(output: &mut Output, name: &str) -> Result<(), Failure> {
    let name = output.paint(Style::Strong, name);
    output.line(format!("\n{name}"))
}

fn well(output: &mut Output, words: &str) -> Result<(), Failure> {
    let sign = output.paint(Style::Good, "✓");
    output.line(format!("  {sign} {words}"))
}

fn bad(output: &mut Output, words: &str) -> Result<(), Failure> {
    let sign = output.paint(Style::Bad, "✗");
    output.line(format!("  {sign} {words}"))
}
