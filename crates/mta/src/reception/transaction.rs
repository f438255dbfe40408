//! One message on its way in: from DATA to the commit, and the one place that says 250.
//!
//! ```text
//!   content ─▶ head (until the empty line: checked, on submission completed) ─▶ spool
//!           └▶ body ─────────────────────────────────────────────────────────▶ spool
//!   end ─▶ delivery::plan ─▶ store.accept ─▶ 250 … as ID
//! ```
//!
//! Standards: RFC 5321 §4.1.1.4 (DATA), §6.1 (responsibility), §6.3 (loops).
//! Not here: who gets the message (`delivery`), what a submission's header lacks (`submission`).

use directory::Login;
use envelope::{EnhancedStatus, Recipient};
use message::MessageId;
use message::header::{self, HeaderSection};
use smtp::Reply;
use smtp::server::{self, Answer};
use store::{
    Accept, Announcement, Happening, NewEvent, Origin, OriginKind, Spool, SubmissionId, UnixMillis,
};
use tracing::{info, warn};

use super::{Reception, Service, SmtpDrive, reply};
use crate::delivery::{self, Plan};
use crate::notice::{self, Original};
use crate::report::{self, REPORT_OCTETS_MAX};
use crate::{submission, trace};

/// Most of a header section that is looked at. Longer ones are taken from other MTAs as they
/// are, and refused on submission, where the header must be checked whole.
const HEAD_OCTETS_MAX: usize = 1024 * 1024;

/// A message with more Received fields goes in circles (RFC 5321 §6.3: at least 100).
const RECEIVED_FIELDS_MAX: usize = 100;

/// A transaction from its MAIL on.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) sender: server::Sender,
    pub(super) recipients: Vec<Recipient>,
    incoming: Option<Incoming>,
}

/// Content that is arriving.
#[derive(Debug)]
struct Incoming {
    id: SubmissionId,
    at: UnixMillis,
    received: String,
    spool: Box<dyn Spool>,
    /// The header section, as far as it is known; as received, or as completed.
    head: Vec<u8>,
    head_ended: bool,
    message_id: Option<MessageId>,
    completed: Vec<String>,
    /// The beginning of a notice's body, which may be a report about mail of ours.
    report: Option<Vec<u8>>,
    /// Why the message cannot be taken; what comes after it is thrown away.
    refused: Option<Reply>,
    /// Tells the store that a commit is coming.
    _announcement: Announcement,
}

impl Transaction {
    pub(super) fn new(sender: server::Sender) -> Self {
        Self { sender, recipients: Vec::new(), incoming: None }
    }

    /// Takes the next piece of content.
    pub(super) fn content(&mut self, reception: &Reception, login: Option<&Login>, octets: &[u8]) {
        if let Some(incoming) = &mut self.incoming
            && incoming.refused.is_none()
            && let Err(refusal) = incoming.take(reception, login, octets)
        {
            incoming.refused = Some(refusal);
        }
    }
}

impl Incoming {
    fn take(
        &mut self,
        reception: &Reception,
        login: Option<&Login>,
        octets: &[u8],
    ) -> Result<(), Reply> {
        if self.head_ended {
            self.keep_report(octets);
            return self.write(octets);
        }
        // The end of the head may straddle two pieces; a search never starts over.
        let from = self.head.len().saturating_sub(3);
        self.head.extend_from_slice(octets);
        match header::head_end_from(&self.head, from) {
            Some(end) => {
                let body = self.head.split_off(end);
                self.end_head(reception, login)?;
                self.keep_report(&body);
                self.write(&body)
            }
            None if self.head.len() > HEAD_OCTETS_MAX => match reception.config.service {
                Service::Smtp { .. } => self.end_head(reception, login),
                Service::Submission => Err(Reply::new(
                    552,
                    EnhancedStatus::new(5, 3, 4),
                    "The header is larger than 1 MiB; send long lists in the body",
                )),
            },
            None => Ok(()),
        }
    }

    /// The head is known: checks and, on submission, completes it.
    fn end_head(&mut self, reception: &Reception, login: Option<&Login>) -> Result<(), Reply> {
        self.head_ended = true;
        if let (Service::Submission, Some(login)) = (&reception.config.service, login) {
            let (head, changes) =
                submission::complete(&reception.mta, login, &self.head, self.at, self.id)?;
            self.head = head;
            self.completed = changes;
        }
        let section = HeaderSection::parse(&self.head);
        if section.header().count("Received") > RECEIVED_FIELDS_MAX {
            return Err(reply::loops());
        }
        self.message_id = section.message_id();
        let head = std::mem::take(&mut self.head);
        let written = self.write(&head);
        self.head = head;
        written
    }

    fn keep_report(&mut self, octets: &[u8]) {
        if let Some(report) = &mut self.report {
            let room = REPORT_OCTETS_MAX.saturating_sub(report.len());
            report.extend_from_slice(octets.get(..room).unwrap_or(octets));
        }
    }

    fn write(&mut self, octets: &[u8]) -> Result<(), Reply> {
        self.spool.write(octets).map_err(|error| reply::store_trouble(&error))
    }
}

impl SmtpDrive {
    /// DATA: from here on the message has its id.
    pub(super) fn content_begins(&mut self) -> Answer {
        match self.open_content() {
            Ok(()) => Answer::Accept,
            Err(refusal) => refusal.into(),
        }
    }

    fn open_content(&mut self) -> Result<(), Reply> {
        let mta = &self.reception.mta;
        let Some(transaction) = &mut self.transaction else {
            return Err(Reply::new(503, EnhancedStatus::new(5, 5, 1), "Send MAIL first"));
        };
        let (id, at) = (mta.new_id(), mta.now());
        let extended = self.hello.as_ref().is_some_and(|hello| hello.extended);
        let received = trace::received(&trace::Reception {
            helo: self.hello.as_ref().map_or("unknown", |hello| hello.name.as_str()),
            peer: self.peer,
            by: &mta.config.hostname,
            protocol: trace::protocol(extended, self.tls.is_some(), self.login.is_some()),
            tls: self.tls.as_ref(),
            id,
            only_recipient: match transaction.recipients.as_slice() {
                [only] => Some(&only.address),
                _ => None,
            },
            at,
        });
        let mut spool = mta.world.store.spool().map_err(|error| reply::store_trouble(&error))?;
        spool.write(received.as_bytes()).map_err(|error| reply::store_trouble(&error))?;
        transaction.incoming = Some(Incoming {
            id,
            at,
            received,
            spool,
            head: Vec::new(),
            head_ended: false,
            message_id: None,
            completed: Vec::new(),
            report: transaction.sender.reverse_path.is_null().then(Vec::new),
            refused: None,
            _announcement: mta.world.store.announce(),
        });
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
        let mut transaction = self.transaction.take().ok_or_else(none_open)?;
        let mut incoming = transaction.incoming.take().ok_or_else(none_open)?;
        if let Some(refusal) = incoming.refused.take() {
            return Err(refusal);
        }
        if !incoming.head_ended {
            incoming.end_head(&self.reception, self.login.as_ref())?;
        }
        let table = self.mta().world.directory.table();
        let Transaction { sender, recipients, .. } = transaction;
        let plan = delivery::plan(&table, &sender.reverse_path, &recipients, incoming.at);
        self.refuse_circles(&plan, &incoming.head)?;
        let all_local = plan.is_all_local();
        let id = incoming.id;
        let report = incoming.report.take().map(|body| [&incoming.head, body.as_slice()].concat());
        let accept = self.accept_of(sender, plan, incoming)?;
        match self.mta().world.store.accept(accept).await {
            Ok(_) => {
                info!(peer = %self.peer, %id, "message accepted");
                if let (Some(report), [addressee]) = (report, recipients.as_slice()) {
                    report::learn(self.mta(), &addressee.address, &report).await;
                }
                let what = if all_local { "delivered" } else { "queued" };
                let text = format!("Ok: {what} as {id}");
                Ok(Reply::new(250, EnhancedStatus::new(2, 0, 0), text))
            }
            Err(error) => {
                warn!(peer = %self.peer, %id, %error, "message not stored");
                Err(reply::store_trouble(&error))
            }
        }
    }

    /// A message that was in this very mailbox before goes in circles.
    fn refuse_circles(&self, plan: &Plan, head: &[u8]) -> Result<(), Reply> {
        let section = HeaderSection::parse(head);
        for field in section.header().all("Delivered-To") {
            let value = field.value();
            let again = plan.recipients.iter().any(|new| {
                value.trim().eq_ignore_ascii_case(&new.recipient.address.to_string())
                    && matches!(new.fate, store::NewFate::Deliver(_))
            });
            if again {
                return Err(reply::loops());
            }
        }
        Ok(())
    }

    fn accept_of(
        &self,
        sender: server::Sender,
        plan: Plan,
        incoming: Incoming,
    ) -> Result<Accept, Reply> {
        let Incoming { id, at, received, spool, head, message_id, completed, .. } = incoming;
        let content = spool.seal().map_err(|error| reply::store_trouble(&error))?;
        let extended = self.hello.as_ref().is_some_and(|hello| hello.extended);
        let protocol = trace::protocol(extended, self.tls.is_some(), self.login.is_some());
        let origin = Origin {
            kind: match self.reception.config.service {
                Service::Smtp { .. } => OriginKind::Reception,
                Service::Submission => OriginKind::Submission,
            },
            peer: Some(self.peer),
            helo: self.hello.as_ref().map(|hello| hello.name.clone()),
            protocol: Some(protocol.to_owned()),
            tls: self.tls.clone(),
            account: self.login.as_ref().map(|login| login.account),
        };
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
        if !completed.is_empty() {
            events.push(NewEvent::new(at, Happening::Completed { changes: completed }, ""));
        }
        events.extend(plan.events);
        let original = Original {
            id,
            accepted_at: at,
            reverse_path: &sender.reverse_path,
            envelope_id: sender.envelope_id.as_ref(),
            message_id: message_id.as_ref(),
        };
        let header = [received.as_bytes(), &head].concat();
        let notices = notice::of_local_deliveries(
            self.mta(),
            &original,
            &plan.recipients,
            &header,
            &mut events,
        );
        Ok(Accept {
            id,
            at,
            origin,
            reverse_path: sender.reverse_path,
            ret: sender.ret,
            envelope_id: sender.envelope_id,
            body: sender.body,
            message_id: message_id.map(|id| id.as_str().to_owned()),
            content,
            recipients: plan.recipients,
            copies: Vec::new(),
            events,
            notes: Vec::new(),
            notices,
        })
    }
}
