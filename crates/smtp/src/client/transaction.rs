//! One transaction: MAIL, RCPT for each recipient, DATA, and who got what reply.
//!
//! The commands are counted: 0 is MAIL, then one for each recipient, then DATA. With
//! PIPELINING many are under way, and `answered` says whose reply comes next.
//!
//! Standards: RFC 5321 §3.3, RFC 2920 §3.1 (also what to do with a 354 that nobody wants),
//! RFC 1870, RFC 3030, RFC 3461 §4, RFC 6152, RFC 6531 §3.4, RFC 4865 §4.1, RFC 2852 §4,
//! RFC 6710 §4.2, RFC 3865 §2.7.
//! Not here: the content (`content`), the choice of recipients, and what follows from an outcome (crate `mta`).

use envelope::{BodyType, Envelope, Recipient, Requests, Return};

use super::capabilities::{Capabilities, DeliverByOffer, Size};
use super::content::Framing;
use super::{Event, Fault, Outcome, Phase, Protocol, Session, Stage, Verdict};
use crate::dots::LineEnds;
use crate::limits::PIPELINED_COMMANDS_MAX;
use crate::reply::Reply;

/// A transaction under way.
#[derive(Debug)]
pub(super) struct Transaction {
    mail: String,
    recipients: Vec<String>,
    /// What is settled, for each recipient.
    outcomes: Vec<Option<Outcome>>,
    /// Commands sent, and of those answered.
    sent: usize,
    answered: usize,
    /// MAIL was accepted, so that the server has something to forget.
    opened: bool,
    /// Recipients accepted and not settled.
    accepted: usize,
    /// Octets of content given so far.
    pub(super) octets: u64,
    /// What comes behind the recipients.
    body: Body,
}

/// How the content goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// Behind DATA, as it is or with line ends made good.
    Lines,
    /// Behind DATA, and not if a CR or LF stands alone: the content may be binary, and this
    /// server takes no such.
    StrictLines,
    /// Behind BDAT, so many octets.
    Chunk(u64),
}

impl Transaction {
    fn new(envelope: &Envelope, size: Option<u64>, capabilities: &Capabilities) -> Self {
        Self {
            mail: mail(envelope, size, capabilities),
            recipients: envelope.recipients.iter().map(|to| rcpt(to, capabilities)).collect(),
            outcomes: vec![None; envelope.recipients.len()],
            sent: 0,
            answered: 0,
            opened: false,
            accepted: 0,
            octets: 0,
            body: match (envelope.body, size) {
                (BodyType::BinaryMime, Some(size)) if capabilities.binary_mime => Body::Chunk(size),
                (BodyType::BinaryMime, _) => Body::StrictLines,
                _ => Body::Lines,
            },
        }
    }

    /// What the next reply answers.
    pub(super) fn stage(&self) -> Stage {
        match self.answered {
            0 => Stage::Mail,
            index if index <= self.recipients.len() => Stage::Rcpt,
            _ => Stage::Data,
        }
    }

    /// All outcomes; what is not settled yet gets `rest`.
    pub(super) fn outcomes(self, rest: &Outcome) -> Vec<Outcome> {
        self.outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| rest.clone())).collect()
    }

    /// Gives `reply` to every recipient that has no outcome yet.
    pub(super) fn settle_all(&mut self, stage: Stage, reply: &Reply) {
        for open in &mut self.outcomes {
            open.get_or_insert_with(|| outcome(stage, reply));
        }
    }

    /// Gives `reply` to the first recipient that has no outcome yet.
    pub(super) fn settle_next(&mut self, stage: Stage, reply: &Reply) {
        if let Some(open) = self.outcomes.iter_mut().find(|outcome| outcome.is_none()) {
            *open = Some(outcome(stage, reply));
        }
    }

    /// Whether every recipient has an outcome.
    pub(super) fn is_settled(&self) -> bool {
        self.outcomes.iter().all(Option::is_some)
    }

    /// The size of the chunk that is to be sent now.
    fn due_chunk(&self) -> Option<u64> {
        let answered = self.answered > self.recipients.len();
        match self.body {
            Body::Chunk(octets) if answered && self.accepted > 0 => Some(octets),
            _ => None,
        }
    }

    /// MAIL was answered with no.
    fn is_refused(&self) -> bool {
        self.answered > 0 && !self.opened
    }

    /// The next command, when there is reason to send it.
    fn next_command(&self) -> Option<&str> {
        if self.is_refused() {
            return None;
        }
        match self.sent.checked_sub(1) {
            None => Some(&self.mail),
            Some(index) if index < self.recipients.len() => {
                self.recipients.get(index).map(String::as_str)
            }
            // A chunk follows its command at once, so that one waits for the replies.
            Some(_) if matches!(self.body, Body::Chunk(_)) => None,
            Some(index) if index == self.recipients.len() => {
                let undecided = self.answered <= self.recipients.len();
                (self.accepted > 0 || undecided).then_some("DATA")
            }
            Some(_) => None,
        }
    }
}

impl Session {
    /// Begins a transaction. `size` is the content's size in octets, where it is known; for
    /// content that is binary it must be, and hold.
    ///
    /// Parameters that the server does not offer are left out: see
    /// [`capabilities`](Session::capabilities) for what that means for the message.
    ///
    /// # Panics
    ///
    /// When the session is neither ready nor closed, or there are no recipients: that is a bug
    /// in the caller. On a closed session every recipient's outcome is [`Fault::Lost`].
    pub fn send(&mut self, envelope: &Envelope, size: Option<u64>) {
        assert!(!envelope.recipients.is_empty(), "a transaction needs a recipient");
        let transaction = Transaction::new(envelope, size, &self.capabilities);
        if self.is_closed() {
            let lost = Outcome { stage: Stage::Idle, verdict: Verdict::Failed(Fault::Lost) };
            self.events.push_back(Event::TransactionDone(transaction.outcomes(&lost)));
            return;
        }
        assert!(self.is_ready(), "send() while something else is going on");
        self.transaction = Some(transaction);
        self.phase = Phase::Envelope;
        self.send_commands();
    }

    /// Sends as many commands as may be under way.
    fn send_commands(&mut self) {
        let window = if self.capabilities.pipelining { PIPELINED_COMMANDS_MAX } else { 1 };
        loop {
            let Some(transaction) = &mut self.transaction else { return };
            if transaction.sent.saturating_sub(transaction.answered) >= window {
                return;
            }
            let Some(line) = transaction.next_command().map(str::to_owned) else { return };
            transaction.sent += 1;
            self.command(&line);
        }
    }

    /// The reply to MAIL, RCPT or DATA.
    pub(super) fn envelope_reply(&mut self, reply: Reply) {
        let Some(transaction) = &mut self.transaction else { return };
        let stage = transaction.stage();
        let index = transaction.answered.saturating_sub(1);
        let fits = match stage {
            Stage::Data => reply.code() == 354 || !reply.is_positive(),
            _ => reply.code() < 300 || !reply.is_positive(),
        };
        if !fits {
            self.fail(Fault::Unexpected(reply));
            return;
        }
        let refused = transaction.is_refused();
        transaction.answered += 1;
        match stage {
            Stage::Mail if reply.is_positive() => transaction.opened = true,
            Stage::Mail => transaction.settle_all(stage, &reply),
            // The server cannot mean it after it refused MAIL.
            Stage::Rcpt if refused => {}
            Stage::Rcpt => {
                if reply.is_positive() {
                    transaction.accepted += 1;
                } else if let Some(outcome) = transaction.outcomes.get_mut(index) {
                    let verdict = Verdict::Refused(reply.clone());
                    *outcome = Some(Outcome { stage, verdict });
                }
                self.events.push_back(Event::RecipientAnswered { index, reply });
            }
            _ => {
                self.data_reply(reply);
                return;
            }
        }
        if let Some(octets) = transaction.due_chunk() {
            self.command(&format!("BDAT {octets} LAST"));
            self.phase = Phase::Content(Framing::Chunk { left: octets });
            self.events.push_back(Event::ContentWanted);
            return;
        }
        self.send_commands();
        self.finish_if_answered();
    }

    fn data_reply(&mut self, reply: Reply) {
        let Some(transaction) = &mut self.transaction else { return };
        if !reply.is_positive() {
            transaction.settle_all(Stage::Data, &reply);
            self.finish_if_answered();
        } else if transaction.accepted > 0 {
            let line_ends = match transaction.body {
                Body::Lines => self.config.line_ends,
                Body::StrictLines | Body::Chunk(_) => LineEnds::Refuse,
            };
            self.phase = Phase::Content(Framing::dots(line_ends));
            self.events.push_back(Event::ContentWanted);
        } else if self.config.protocol == Protocol::Lmtp {
            // RFC 2033 §4.2 has no reply to what would follow.
            self.fail(Fault::Unexpected(reply));
        } else {
            // RFC 2920 §3.1: 354 although nobody was accepted is answered by no content at all.
            self.command(".");
            self.phase = Phase::ContentEnd;
        }
    }

    /// Every command has its reply and no further one will be sent: the transaction is over.
    fn finish_if_answered(&mut self) {
        let all = |transaction: &mut Transaction| {
            transaction.sent == transaction.answered && transaction.next_command().is_none()
        };
        let Some(transaction) = self.transaction.take_if(all) else { return };
        let opened = transaction.opened;
        self.done(transaction);
        if opened {
            self.command("RSET");
            self.phase = Phase::Rset;
        } else {
            self.ready();
        }
    }

    /// Tells outcomes that are all settled.
    pub(super) fn done(&mut self, transaction: Transaction) {
        let lost = Outcome { stage: Stage::Rcpt, verdict: Verdict::Failed(Fault::Lost) };
        self.events.push_back(Event::TransactionDone(transaction.outcomes(&lost)));
    }
}

/// What became of a recipient by a server's words.
fn outcome(stage: Stage, reply: &Reply) -> Outcome {
    Outcome {
        stage,
        verdict: match reply.is_positive() {
            true => Verdict::Accepted(reply.clone()),
            false => Verdict::Refused(reply.clone()),
        },
    }
}

fn mail(envelope: &Envelope, size: Option<u64>, capabilities: &Capabilities) -> String {
    let mut line = format!("MAIL FROM:<{}>", envelope.reverse_path);
    if let Some(size) = size
        && capabilities.size != Size::NotOffered
    {
        line.push_str(&format!(" SIZE={size}"));
    }
    match envelope.body {
        BodyType::EightBitMime if capabilities.eight_bit_mime => line.push_str(" BODY=8BITMIME"),
        BodyType::BinaryMime if capabilities.binary_mime && size.is_some() => {
            line.push_str(" BODY=BINARYMIME");
        }
        _ => {}
    }
    if capabilities.smtputf8 && envelope.smtputf8 {
        line.push_str(" SMTPUTF8");
    }
    if capabilities.dsn {
        match envelope.ret {
            None => {}
            Some(Return::Full) => line.push_str(" RET=FULL"),
            Some(Return::Headers) => line.push_str(" RET=HDRS"),
        }
        if let Some(id) = &envelope.envelope_id {
            line.push_str(&format!(" ENVID={}", id.to_xtext()));
        }
    }
    push_requests(&mut line, &envelope.requests, capabilities);
    line
}

fn push_requests(line: &mut String, requests: &Requests, capabilities: &Capabilities) {
    if let Some(hold) = requests.hold.filter(|_| capabilities.future_release) {
        line.push_str(&format!(" {hold}"));
    }
    if let Some(by) = requests.deliver_by
        && capabilities.deliver_by != DeliverByOffer::NotOffered
    {
        line.push_str(&format!(" BY={by}"));
    }
    if let Some(priority) = requests.priority.filter(|_| capabilities.mt_priority) {
        line.push_str(&format!(" MT-PRIORITY={priority}"));
    }
    if let Some(classes) = requests.solicitation.as_ref().filter(|_| capabilities.no_soliciting) {
        line.push_str(&format!(" SOLICIT={}", classes.as_str()));
    }
}

fn rcpt(recipient: &Recipient, capabilities: &Capabilities) -> String {
    let mut line = format!("RCPT TO:<{}>", recipient.address);
    if capabilities.dsn {
        if let Some(notify) = recipient.notify {
            line.push_str(&format!(" NOTIFY={notify}"));
        }
        if let Some(original) = &recipient.original {
            line.push_str(&format!(" ORCPT={}", original.to_parameter()));
        }
    }
    line
}
