//! One transaction: MAIL, RCPT for each recipient, DATA, content, and who got what reply.
//!
//! The commands are counted: 0 is MAIL, then one for each recipient, then DATA. With
//! PIPELINING many are under way, and `answered` says whose reply comes next.
//!
//! Standards: RFC 5321 §3.3, RFC 2920 §3.1 (also what to do with a 354 that nobody wants),
//! RFC 1870, RFC 3461 §4, RFC 6152, RFC 6531 §3.4.
//! Not here: the choice of recipients, and what follows from an outcome (crate `mta`).

use envelope::{BodyType, Envelope, Recipient, Return};

use super::capabilities::{Capabilities, Size};
use super::{Event, Fault, Outcome, Phase, Session, Speaker, Stage, Verdict};
use crate::dots::{BareLineEnd, Stuffer};
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
    octets: u64,
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
            Some(index) if index == self.recipients.len() => {
                let undecided = self.answered <= self.recipients.len();
                (self.accepted > 0 || undecided).then_some("DATA")
            }
            Some(_) => None,
        }
    }
}

impl Session {
    /// Begins a transaction. `size` is the content's size in octets, where it is known.
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

    /// Gives a piece of the content, cut anywhere, after [`Event::ContentWanted`].
    ///
    /// # Errors
    ///
    /// [`BareLineEnd`] when a CR or LF stands alone and the configuration says to refuse it. The
    /// session then is closed without the final dot, and the outcomes say why.
    ///
    /// # Panics
    ///
    /// When no content is wanted and the session is not closed: that is a bug in the caller.
    pub fn content(&mut self, piece: &[u8]) -> Result<(), BareLineEnd> {
        match &mut self.phase {
            Phase::Closed => return Ok(()),
            Phase::Content(stuffer) => stuffer.feed(piece, &mut self.output),
            _ => panic!("content() without Event::ContentWanted"),
        }
        .inspect_err(|error| self.fail((*error).into()))?;
        self.progress = self.progress.wrapping_add(1);
        if let Some(transaction) = &mut self.transaction {
            let octets = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            transaction.octets = transaction.octets.saturating_add(octets);
        }
        Ok(())
    }

    /// Ends the content. A last line without CRLF gets it.
    ///
    /// # Errors
    ///
    /// As for [`content`](Self::content).
    ///
    /// # Panics
    ///
    /// As for [`content`](Self::content).
    pub fn content_end(&mut self) -> Result<(), BareLineEnd> {
        match &mut self.phase {
            Phase::Closed => return Ok(()),
            Phase::Content(stuffer) => stuffer.end(&mut self.output),
            _ => panic!("content_end() without Event::ContentWanted"),
        }
        .inspect_err(|error| self.fail((*error).into()))?;
        let octets = self.transaction.as_ref().map_or(0, |transaction| transaction.octets);
        self.transcript.add(Speaker::Client, &format!("({octets} octets of content)"));
        self.transcript.add(Speaker::Client, ".");
        self.phase = Phase::ContentEnd;
        Ok(())
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
            Stage::Mail => settle(&mut transaction.outcomes, stage, &reply),
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
        self.send_commands();
        self.finish_if_answered();
    }

    fn data_reply(&mut self, reply: Reply) {
        let Some(transaction) = &mut self.transaction else { return };
        if !reply.is_positive() {
            settle(&mut transaction.outcomes, Stage::Data, &reply);
            self.finish_if_answered();
        } else if transaction.accepted > 0 {
            self.phase = Phase::Content(Stuffer::new(self.config.line_ends));
            self.events.push_back(Event::ContentWanted);
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

    /// The reply to the final dot.
    pub(super) fn content_end_reply(&mut self, reply: Reply) {
        if (300..400).contains(&reply.code()) {
            self.fail(Fault::Unexpected(reply));
            return;
        }
        let Some(mut transaction) = self.transaction.take() else { return };
        settle(&mut transaction.outcomes, Stage::ContentEnd, &reply);
        self.done(transaction);
        self.ready();
    }

    /// Tells outcomes that are all settled.
    fn done(&mut self, transaction: Transaction) {
        let lost = Outcome { stage: Stage::Rcpt, verdict: Verdict::Failed(Fault::Lost) };
        self.events.push_back(Event::TransactionDone(transaction.outcomes(&lost)));
    }
}

/// Gives `reply` to every recipient that has no outcome yet.
fn settle(outcomes: &mut [Option<Outcome>], stage: Stage, reply: &Reply) {
    for outcome in outcomes {
        outcome.get_or_insert_with(|| Outcome {
            stage,
            verdict: match reply.is_positive() {
                true => Verdict::Accepted(reply.clone()),
                false => Verdict::Refused(reply.clone()),
            },
        });
    }
}

fn mail(envelope: &Envelope, size: Option<u64>, capabilities: &Capabilities) -> String {
    let mut line = format!("MAIL FROM:<{}>", envelope.reverse_path);
    if let Some(size) = size
        && capabilities.size != Size::NotOffered
    {
        line.push_str(&format!(" SIZE={size}"));
    }
    if capabilities.eight_bit_mime && envelope.body == BodyType::EightBitMime {
        line.push_str(" BODY=8BITMIME");
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
    line
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
