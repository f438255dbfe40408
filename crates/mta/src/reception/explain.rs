//! What would become of a message, and why: a session whose client is an operator with a question.
//!
//! The commands go through the very session, rules and decisions that mail goes through. Nothing
//! is counted, remembered or stored: see [`Purpose::Explain`].
//!
//! ```text
//!   Question ─▶ EHLO, MAIL, RCPT …, DATA ─▶ SmtpDrive ─▶ replies, notes of the rules ─┐
//!                                              └ plan ─▶ mailboxes, queue, routes ────┴▶ Step …
//! ```
//!
//! Standards: RFC 5321 §3.3 (the dialogue).
//! Not here: the decisions (`reception`, `policy`, `delivery`, `routing`), how steps look.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use envelope::{Address, Domain, ReversePath};
use platform::{Drive, Next};
use store::{NewFate, NewRecipient};
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use super::transaction::{Transaction, mind_quotas};
use super::{Purpose, Reception, Service, SmtpDrive, policy};
use crate::rules::Outgoing;
use crate::words::in_words;
use crate::{Mta, delivery, routing};

/// Pauses of the retry schedule that are told.
const PAUSES_TOLD_MAX: usize = 6;

/// A message that somebody asks about.
#[derive(Clone, Debug)]
pub struct Question {
    /// Whose connection it would come over.
    pub peer: IpAddr,
    /// What that client would call itself.
    pub hello: String,
    /// From whom.
    pub reverse_path: ReversePath,
    /// To whom.
    pub recipients: Vec<Address>,
    /// Its octets, with CRLF at the ends of lines.
    pub content: Option<Bytes>,
}

/// One thing that would happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When: connect, hello, sender, recipient, content, delivery, queue or route.
    pub stage: &'static str,
    /// To which recipient or domain, if to one.
    pub about: Option<String>,
    /// Whether it goes on.
    pub outcome: Outcome,
    /// What and why, in a sentence or in the words of a reply.
    pub text: String,
}

/// Whether it goes on after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Something to know.
    Noted,
    /// Yes.
    Accepted,
    /// Not now.
    Deferred,
    /// No.
    Refused,
}

impl Outcome {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Noted => "noted",
            Self::Accepted => "accepted",
            Self::Deferred => "deferred",
            Self::Refused => "refused",
        }
    }

    fn of_reply(reply: &str) -> Self {
        match reply.as_bytes().first() {
            Some(b'2' | b'3') => Self::Accepted,
            Some(b'4') => Self::Deferred,
            _ => Self::Refused,
        }
    }
}

impl Reception {
    /// What would happen to a message at this listener, which is one for other mail servers.
    ///
    /// Cancel safety: it changes nothing.
    pub async fn explain(self: &Arc<Self>, question: &Question) -> Vec<Step> {
        let drive = self.session_for(Purpose::Explain, SocketAddr::new(question.peer, 0));
        let mut rehearsal = Rehearsal { drive, steps: Vec::new() };
        // What is only asked about must not stand in the log as if it had happened.
        rehearsal.run(question).with_subscriber(NoSubscriber::default()).await;
        rehearsal.steps
    }
}

/// A session in which nothing happens.
struct Rehearsal {
    drive: SmtpDrive,
    steps: Vec<Step>,
}

impl Rehearsal {
    async fn run(&mut self, question: &Question) {
        let who = self.who();
        self.note("connect", None, who);
        let mail = mail_command(question);
        let hello = format!("EHLO {}", question.hello);
        let opening = [("connect", ""), ("hello", hello.as_str()), ("sender", mail.as_str())];
        for (stage, line) in opening {
            if self.say(stage, None, line).await != Outcome::Accepted {
                return;
            }
        }
        for recipient in &question.recipients {
            let address = recipient.to_string();
            self.drive.checks.retain(|check| check.stage != policy::Stage::Recipient);
            self.say("recipient", Some(&address), &format!("RCPT TO:<{address}>")).await;
        }
        let size = question.content.as_ref().map_or(0, |content| content.len() as u64);
        self.places(size).await;
        let taken = self.drive.transaction.as_ref();
        if let Some(content) = &question.content
            && taken.is_some_and(|transaction| !transaction.recipients.is_empty())
            && self.ask("DATA").await.starts_with("354")
        {
            self.drive.receive(&with_dots(content));
            let reply = self.ask(".").await;
            match self.drive.would_be.take() {
                Some(what) => {
                    let text = format!("it is taken: 250 2.0.0 Ok: {what}");
                    self.step("content", None, Outcome::Accepted, text);
                }
                None => self.step("content", None, Outcome::of_reply(&reply), reply),
            }
        }
    }

    /// Who the client is to us.
    fn who(&self) -> String {
        let peer = self.drive.peer;
        match &self.drive.reception.config.service {
            Service::Smtp { .. } if self.drive.reception.may_relay(peer) => {
                format!("{peer} may send to anybody: it is in relay_from")
            }
            Service::Smtp { .. } if self.drive.is_stranger() => {
                format!("{peer} is a stranger: it may send to domains that we take mail for")
            }
            Service::Smtp { .. } => format!("{peer} may send to domains that we take mail for"),
            Service::Lmtp => format!("{peer} delivers to mailboxes of ours"),
            Service::Submission => format!("{peer} has to log in"),
        }
    }

    fn note(&mut self, stage: &'static str, about: Option<&str>, text: String) {
        self.step(stage, about, Outcome::Noted, text);
    }

    fn step(&mut self, stage: &'static str, about: Option<&str>, outcome: Outcome, text: String) {
        let about = about.map(str::to_owned);
        self.steps.push(Step { stage, about, outcome, text });
    }

    /// Sends a line, and tells what the rules noted and what the reply was.
    async fn say(&mut self, stage: &'static str, about: Option<&str>, line: &str) -> Outcome {
        let reply = self.ask(line).await;
        let found = self.drive.checks.iter().filter(|check| check.stage.name() == stage);
        let notes: Vec<_> =
            found.map(|check| format!("{}: {}", check.rule, check.reason)).collect();
        for note in notes {
            self.note(stage, about, note);
        }
        let outcome = Outcome::of_reply(&reply);
        self.step(stage, about, outcome, reply);
        outcome
    }

    /// Sends a line, or nothing where it is empty; the reply, without what only programs read.
    async fn ask(&mut self, line: &str) -> String {
        // Only what stands on one line is one command.
        if let Some(line) = line.lines().next() {
            self.drive.receive(format!("{line}\r\n").as_bytes());
        }
        let mut output = Vec::new();
        while let Next::More | Next::Listen { .. } = self.drive.advance(&mut output).await {}
        first_line(&output)
    }

    /// Where the message would go for those recipients that were taken.
    async fn places(&mut self, octets: u64) {
        let mta = Arc::clone(&self.drive.reception.mta);
        let Some(Transaction { sender, recipients, .. }) = &self.drive.transaction else { return };
        let reverse_path = sender.reverse_path.clone();
        let mut plan = self.drive.plan(sender, recipients, mta.now());
        // A refusal is what the end of the content is answered with.
        mind_quotas(mta.world.store.as_ref(), &mut plan, octets, mta.now()).await.ok();
        let held = mta.orders.hold(&reverse_path, &mut plan);
        let mut domains = BTreeSet::new();
        for (number, new) in plan.recipients.iter().enumerate() {
            let address = new.recipient.address.to_string();
            match &new.fate {
                NewFate::Deliver(delivery) => {
                    let text = mailbox(&mta, new, delivery).await;
                    self.step("delivery", Some(&address), Outcome::Accepted, text);
                }
                NewFate::Hold => {
                    let text = held.get(&number).cloned().unwrap_or_default();
                    self.step("queue", Some(&address), Outcome::Accepted, format!("held: {text}"));
                }
                NewFate::Queue { .. } => {
                    let text = queued(&mta, &reverse_path, new);
                    self.step("queue", Some(&address), Outcome::Accepted, text);
                    if !mta.world.directory.is_local(new.recipient.address.domain()) {
                        domains.insert(new.recipient.address.domain().clone());
                    }
                }
            }
        }
        let mut reachable = false;
        for domain in domains {
            reachable |= self.route(&mta, &reverse_path, &domain).await != Outcome::Refused;
        }
        if reachable {
            self.note("queue", None, schedule(&mta));
        }
    }

    async fn route(&mut self, mta: &Mta, sender: &ReversePath, domain: &Domain) -> Outcome {
        let about = Some(domain.as_str());
        let outgoing = Outgoing::of(&mta.config.outbound, sender, domain);
        if let Some(rule) = outgoing.rule {
            self.note("route", about, format!("what counts is {}", rule.name));
        }
        if let Some(relay) = mta.world.directory.table().relay(domain) {
            self.note("route", about, format!("we take its mail to hand it on: {relay}"));
        }
        let (outcome, text) = match routing::route(mta, &outgoing, domain).await {
            Ok(plan) => (Outcome::Accepted, hosts(&plan)),
            Err(none) if none.status.is_temporary() => {
                (Outcome::Deferred, format!("{} {}", none.status, none.reason))
            }
            Err(none) => (Outcome::Refused, format!("{} {}", none.status, none.reason)),
        };
        self.step("route", about, outcome, text);
        if let Some(rest) = mta.standing(sender, domain).and_then(|standing| standing.rests_for) {
            let text = format!("nothing is tried there for {}", in_words(rest));
            self.step("route", about, Outcome::Deferred, text);
        }
        outcome
    }
}

/// MAIL with what the message needs.
fn mail_command(question: &Question) -> String {
    let addresses = question.reverse_path.address().into_iter().chain(&question.recipients);
    let mut command = format!("MAIL FROM:<{}>", question.reverse_path);
    if addresses.into_iter().any(Address::is_international) {
        command.push_str(" SMTPUTF8");
    }
    if let Some(content) = &question.content {
        command.push_str(&format!(" SIZE={}", content.len()));
        if !content.is_ascii() {
            command.push_str(" BODY=8BITMIME");
        }
    }
    command
}

/// RFC 5321 §4.5.2: a line that begins with a dot gets another one; the last line ends.
fn with_dots(content: &[u8]) -> Vec<u8> {
    let mut sent = Vec::with_capacity(content.len().saturating_add(64));
    for line in content.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            sent.push(b'.');
        }
        sent.extend_from_slice(line);
    }
    if !content.is_empty() && !content.ends_with(b"\r\n") {
        sent.extend_from_slice(b"\r\n");
    }
    sent
}

/// The first line of a reply: EHLO's others list extensions.
fn first_line(reply: &[u8]) -> String {
    let text = String::from_utf8_lossy(reply);
    let line = text.lines().next().unwrap_or("no reply");
    match line.split_at_checked(4) {
        Some((code, rest)) => format!("{} {rest}", code.trim_end_matches(['-', ' '])),
        None => line.to_owned(),
    }
}

async fn mailbox(mta: &Mta, new: &NewRecipient, delivery: &store::LocalDelivery) -> String {
    let table = mta.world.directory.table();
    let account = table.address(delivery.account).unwrap_or(&new.recipient.address);
    let mut text = format!("it goes into {} of {account}", delivery.mailbox);
    if let Some(alias) = &new.expanded_from {
        text.push_str(&format!(", a target of alias {alias}"));
    }
    if let Some(quota) = table.quota(delivery.account) {
        let held = match mta.world.store.account_use(delivery.account).await {
            Ok(used) => format!("holds {} of {quota} octets", used.octets),
            Err(error) => {
                format!("may hold {quota} octets; how much it holds is not known: {error}")
            }
        };
        text.push_str(&format!(", which {held}"));
    }
    text
}

fn queued(mta: &Mta, reverse_path: &ReversePath, new: &NewRecipient) -> String {
    let table = mta.world.directory.table();
    if table.is_local(new.recipient.address.domain()) {
        return "it waits in the queue until there is room in the mailbox".to_owned();
    }
    let Some(alias) = &new.expanded_from else {
        return "it goes into the queue, and on from there".to_owned();
    };
    let owner = delivery::owner(&table, reverse_path, alias);
    let from = owner.as_ref().unwrap_or(reverse_path);
    let forwarded = from
        .address()
        .and_then(|sender| mta.world.directory.forwarded(sender, alias.domain()))
        .map_or_else(|| from.clone(), ReversePath::from);
    format!("it goes into the queue, and on from {alias} with the reverse-path <{forwarded}>")
}

fn hosts(plan: &routing::Plan) -> String {
    let host = |host: &routing::Host| {
        let addresses: Vec<_> = host.addresses.iter().map(ToString::to_string).collect();
        format!("{} ({})", host.name, addresses.join(", "))
    };
    let hosts: Vec<_> = plan.hosts.iter().map(host).collect();
    let mut text = format!("tried there: {}", hosts.join(", then "));
    if let Some(missing) = &plan.missing {
        text.push_str(&format!("; {missing}"));
    }
    text
}

fn schedule(mta: &Mta) -> String {
    let queue = &mta.config.queue;
    let pauses: Vec<_> = queue.retry.iter().take(PAUSES_TOLD_MAX).map(|p| in_words(*p)).collect();
    format!(
        "what can be tried again is, after {} and so on, and given up after {}",
        pauses.join(", "),
        in_words(queue.expire)
    )
}
