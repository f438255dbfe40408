//! One message on its way in: from MAIL to the commit, and the one place that says 250.
//!
//! ```text
//!   MAIL, RCPT … ─▶ DATA: incoming ─▶ end: delivery::plan ─▶ store.accept ─▶ 250 … as ID
//! ```
//!
//! Standards: RFC 5321 §4.1.1.4 (DATA), §6.1 (responsibility), §6.3 (loops).
//! Not here: who gets the message (`delivery`), what is looked at on the way (`incoming`).

use std::sync::Arc;

use directory::Login;
use envelope::{BodyType, EnhancedStatus, Recipient};
use smtp::Reply;
use smtp::server::{self, Answer};
use store::{
    Accept, Happening, NewEvent, NewFate, Origin, OriginKind, Release, Store, SubmissionId, Terms,
    UnixMillis,
};
use tracing::{info, warn};

use super::incoming::{Facts, Incoming, Keep, Whole};
use super::terms::{moment, told};
use super::{Purpose, Reception, Service, SmtpDrive, policy, reply};
use crate::delivery::{self, Plan};
use crate::notice::{self, Original};
use crate::trace;

/// A transaction from its MAIL on.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) sender: server::Sender,
    pub(super) recipients: Vec<Recipient>,
    terms: Terms,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Recipients come in.
    Envelope,
    /// Content comes in.
    Content(Box<Open>),
    /// Why the message cannot be taken; its content is thrown away as it comes.
    Refused(Reply),
}

/// Content that comes in, under its own Received field.
#[derive(Debug)]
struct Open {
    incoming: Incoming,
    received: String,
}

/// A message that is whole, and what we know of it.
struct Arrived {
    id: SubmissionId,
    at: UnixMillis,
    sender: server::Sender,
    received: String,
    terms: Terms,
    whole: Whole,
}

impl Transaction {
    pub(super) fn new(sender: server::Sender, terms: Terms) -> Self {
        Self { sender, recipients: Vec::new(), terms, stage: Stage::Envelope }
    }

    /// Takes the next piece of content.
    pub(super) fn content(&mut self, reception: &Reception, login: Option<&Login>, octets: &[u8]) {
        if let Stage::Content(open) = &mut self.stage
            && let Err(refusal) = open.incoming.take(reception, login, octets)
        {
            // What came before is let go of now, and not when the client is done.
            self.stage = Stage::Refused(refusal);
        }
    }

    /// What of the content is needed when it is whole.
    fn keep(&self) -> Keep {
        if self.sender.reverse_path.is_null() && self.recipients.len() == 1 {
            Keep::Report
        } else if self.recipients.iter().any(|recipient| recipient.notify().success) {
            Keep::Head
        } else {
            Keep::Nothing
        }
    }
}

impl SmtpDrive {
    /// DATA: from here on the message has its id.
    pub(super) fn content_begins(&mut self) -> Answer {
        match self.open_content() {
            Ok(()) => Answer::Accept,
            Err(refusal) => {
                warn!(peer = %self.peer, reply = %refusal, "content not taken");
                refusal.into()
            }
        }
    }

    fn open_content(&mut self) -> Result<(), Reply> {
        let keyword = self.transaction.as_ref().map_or("SMTP", |open| self.keyword(&open.sender));
        let mta = &self.reception.mta;
        let Some(transaction) = &mut self.transaction else {
            return Err(Reply::new(503, EnhancedStatus::new(5, 5, 1), "Send MAIL first"));
        };
        let (id, at) = (mta.new_id(), mta.now());
        let received = trace::received(&trace::Reception {
            helo: self.hello.as_ref().map_or("unknown", |hello| hello.name.as_str()),
            peer: self.peer,
            by: &mta.config.hostname,
            protocol: keyword,
            tls: self.tls.as_ref(),
            solicitation: transaction.sender.requests.solicitation.as_ref(),
            id,
            only_recipient: match transaction.recipients.as_slice() {
                // UTF-8 in this field alone would keep the message from servers without
                // SMTPUTF8, where an alias leads to (RFC 6531 §3.7.3).
                [only] if !only.address.is_international() => Some(&only.address),
                _ => None,
            },
            priority: transaction.sender.requests.priority.map(|_| transaction.terms.priority),
            at,
        });
        let keep = transaction.keep();
        let mut incoming = Incoming::new(&self.reception, (id, at), &received, keep)?;
        if transaction.sender.body == BodyType::BinaryMime {
            incoming.mind_lines();
        }
        transaction.stage = Stage::Content(Box::new(Open { incoming, received }));
        Ok(())
    }

    /// The content is whole: the commit, and only then the 250.
    pub(super) async fn content_ends(&mut self) -> Reply {
        match self.commit().await {
            Ok(reply) => reply,
            Err(refusal) => {
                info!(peer = %self.peer, reply = %refusal, "message refused");
                refusal
            }
        }
    }

    async fn commit(&mut self) -> Result<Reply, Reply> {
        let none_open = || Reply::new(503, EnhancedStatus::new(5, 5, 1), "No message is open");
        let Transaction { sender, recipients, mut terms, stage } =
            self.transaction.take().ok_or_else(none_open)?;
        let Open { incoming, received } = match stage {
            Stage::Content(open) => *open,
            Stage::Refused(refusal) => return Err(refusal),
            Stage::Envelope => return Err(none_open()),
        };
        let (id, at) = (incoming.id, incoming.at);
        let mut whole = incoming.seal(&self.reception, self.login.as_ref())?;
        self.judge_solicitation(policy::Stage::Content, whole.facts.solicitation.as_ref())?;
        terms.tls = whole.facts.tls;
        terms.solicitation = terms.solicitation.or_else(|| whole.facts.solicitation.take());
        let mut plan = self.plan(&sender, &recipients, at);
        refuse_circles(&plan, &whole.facts)?;
        let store = Arc::clone(&self.mta().world.store);
        mind_quotas(store.as_ref(), &mut plan, whole.content.octets(), at).await?;
        self.mta().orders.hold(&sender.reverse_path, &mut plan);
        let report = match recipients.as_slice() {
            [only] if !whole.body.is_empty() => {
                let body = std::mem::take(&mut whole.body);
                Some((only.address.clone(), [whole.head.as_slice(), &body].concat()))
            }
            _ => None,
        };
        let what = match terms.release {
            Some(release) => keep_back(&mut plan, release),
            None if plan.is_all_local() => "delivered".to_owned(),
            None => "queued".to_owned(),
        };
        if self.purpose == Purpose::Explain {
            self.would_be = Some(what);
            return Err(reply::only_asked());
        }
        let (accept, _announcement) =
            self.accept_of(Arrived { id, at, sender, received, terms, whole }, plan);
        match store.accept(accept).await {
            Ok(_) => {
                info!(peer = %self.peer, %id, "message accepted");
                if let Some((addressee, report)) = report {
                    self.mta().reports.put(&addressee, &report);
                }
                let text = format!("Ok: {what} as {id}");
                Ok(Reply::new(250, EnhancedStatus::new(2, 0, 0), text))
            }
            Err(error) => {
                warn!(peer = %self.peer, %id, %error, "message not stored");
                Err(reply::store_trouble(&error))
            }
        }
    }

    pub(super) fn plan(
        &self,
        sender: &server::Sender,
        recipients: &[Recipient],
        at: UnixMillis,
    ) -> Plan {
        let table = self.mta().world.directory.table();
        delivery::plan(&table, &sender.reverse_path, recipients, at)
    }

    fn accept_of(&self, arrived: Arrived, plan: Plan) -> (Accept, store::Announcement) {
        let Arrived { id, at, sender, received, terms, whole } = arrived;
        let Whole { content, head, facts, announcement, .. } = whole;
        let Facts { message_id, completed, .. } = facts;
        let origin = self.origin(&sender);
        let mut events = vec![NewEvent::new(
            at,
            Happening::Received {
                protocol: origin.protocol.clone(),
                peer: origin.peer,
                helo: origin.helo.clone(),
                tls: origin.tls.clone(),
                login: self.login.as_ref().map(|login| login.address.to_string()),
                octets: content.octets(),
            },
            "",
        )];
        if !terms.is_plain() {
            events.push(NewEvent::new(at, Happening::Asked { terms: told(&terms) }, ""));
        }
        events.extend(self.checks.iter().cloned().map(|check| check.event(at)));
        if !completed.is_empty() {
            events.push(NewEvent::new(at, Happening::Completed { changes: completed }, ""));
        }
        let original = Original {
            id,
            accepted_at: at,
            reverse_path: &sender.reverse_path,
            envelope_id: sender.envelope_id.as_ref(),
            message_id: message_id.as_ref(),
            terms: &terms,
        };
        let mut told = Vec::new();
        let header = || [received.as_bytes(), &head].concat();
        let notices = notice::of_arrival(self.mta(), &original, &plan, header, &mut told);
        events.extend(plan.events);
        events.extend(told);
        let accept = Accept {
            id,
            at,
            origin,
            reverse_path: sender.reverse_path,
            ret: sender.ret,
            envelope_id: sender.envelope_id,
            body: sender.body,
            terms,
            message_id: message_id.map(|id| id.as_str().to_owned()),
            content,
            recipients: plan.recipients,
            copies: Vec::new(),
            events,
            notes: Vec::new(),
            notices,
        };
        (accept, announcement)
    }

    /// The transaction's keyword for `with` (RFC 3848, RFC 6531 §4.3).
    fn keyword(&self, sender: &server::Sender) -> &'static str {
        let extended = self.hello.as_ref().is_some_and(|hello| hello.extended);
        let smtp = trace::protocol(extended, self.tls.is_some(), self.login.is_some());
        let keyword = match self.reception.config.service {
            Service::Lmtp => trace::as_lmtp(smtp),
            _ => smtp,
        };
        if sender.smtputf8 { trace::with_utf8(keyword) } else { keyword }
    }

    fn origin(&self, sender: &server::Sender) -> Origin {
        let protocol = self.keyword(sender);
        Origin {
            kind: match self.reception.config.service {
                Service::Smtp { .. } | Service::Lmtp => OriginKind::Reception,
                Service::Submission => OriginKind::Submission,
            },
            peer: Some(self.peer),
            helo: self.hello.as_ref().map(|hello| hello.name.clone()),
            protocol: Some(protocol.to_owned()),
            tls: self.tls.clone(),
            account: self.login.as_ref().map(|login| login.account),
        }
    }
}

/// Nobody gets it before its release, not even who is here (RFC 4865 §4.2).
fn keep_back(plan: &mut Plan, release: Release) -> String {
    let until = moment(release.at);
    let all: Vec<_> = (0..plan.recipients.len()).collect();
    plan.put_off(&all, release.at, &format!("kept back until {until}, as its sender asked"));
    format!("kept back until {until}")
}

/// Now that the size is known: one full mailbox among several recipients waits in the queue,
/// so that the others get the message. If it is the only one, the client keeps the message.
pub(super) async fn mind_quotas(
    store: &dyn Store,
    plan: &mut Plan,
    octets: u64,
    at: UnixMillis,
) -> Result<(), Reply> {
    let mut full = Vec::new();
    for limited in &plan.limited {
        match store.account_use(limited.account).await {
            Ok(used) if used.octets.saturating_add(octets) <= limited.quota_octets => {}
            Ok(_) => full.push(limited.number),
            Err(error) => return Err(reply::store_trouble(&error)),
        }
    }
    if full.is_empty() {
        return Ok(());
    }
    if let [only] = plan.recipients.as_slice() {
        return Err(reply::over_quota(&only.recipient.address));
    }
    plan.put_off(&full, at, "the mailbox is full");
    Ok(())
}

/// A message that was in this very mailbox before, or was handed on by this very alias, goes in
/// circles.
fn refuse_circles(plan: &Plan, facts: &Facts) -> Result<(), Reply> {
    for before in &facts.delivered_to {
        let again = plan.recipients.iter().any(|new| {
            let by = match new.fate {
                NewFate::Deliver(_) => Some(&new.recipient.address),
                NewFate::Queue { .. } | NewFate::Hold => new.expanded_from.as_ref(),
            };
            by.is_some_and(|by| before.eq_ignore_ascii_case(&by.to_string()))
        });
        if again {
            return Err(reply::loops());
        }
    }
    Ok(())
}
