//! Whom among strangers we take mail from: rules, each in a file of its own.
//!
//! A rule looks at one stage of a session and says nothing, finds nothing wrong, lets somebody
//! pass for a reason, or refuses. Why somebody was let pass stands among the events of a message
//! that was accepted; that nothing was found does not, since it is so for nearly every message. A
//! refusal is logged and told to the client in the same words.
//!
//! ```text
//!   connect ── exempt, early talkers, rates ┐
//!   hello ──── our own name, full names     │
//!   sender ─── its domain, rates, kind      ├─▶ Verdict ─▶ reply, log, Happening::Checked
//!   recipient  rates, greylisting           │
//!   content ── kind                         ┘
//! ```
//!
//! Who logged in, may relay here or is exempt is no stranger; only rates of accounts concern
//! authors. A rule that is off is one comparison.
//!
//! Standards: RFC 5321 §7.8 (resistance to attacks), §7.9 (scope of operation).
//! Not here: whether an address exists (`recipient`), limits at a time (crate `platform`).

mod early;
mod greylist;
mod hello;
mod rate;
mod sender;
mod soliciting;

use std::sync::Arc;
use std::time::Duration;

use envelope::Solicitation;
use smtp::Reply;
use smtp::server::{Answer, Sender};
use store::{Happening, NewEvent, UnixMillis};
use tracing::info;

pub use self::greylist::Greylist;
pub use self::hello::{HelloRules, NameForm, OwnName};
pub use self::rate::{Rate, Rates};
pub use self::sender::SenderDomain;

use self::rate::Buckets;
pub(super) use self::rate::Subject;
use super::{Network, Purpose, Service, SmtpDrive};

/// Most checks that are kept for a message: enough for each rule, while a message to a thousand
/// recipients stays small.
const CHECKS_MAX: usize = 16;

/// Rules for strangers' mail, and rates. By default all are off.
#[derive(Clone, Debug, Default)]
pub struct PolicyConfig {
    /// Networks whose clients are no strangers.
    pub exempt: Vec<Network>,
    /// How long a client must wait for the greeting; whoever does not is sent away.
    pub greeting_delay: Duration,
    /// What a client may call itself.
    pub hello: HelloRules,
    /// What is asked of the domain of a reverse-path.
    pub sender_domain: SenderDomain,
    /// Who must come again before its mail is taken.
    pub greylist: Option<Greylist>,
    /// Kinds of solicitation that are not wanted, as EHLO tells.
    pub no_soliciting: Option<Solicitation>,
    /// How much may come.
    pub rates: Rates,
}

/// The rules and what they remember; one for all listeners of a server.
#[derive(Debug, Default)]
pub struct Policy {
    config: PolicyConfig,
    buckets: Buckets,
}

impl Policy {
    /// With these rules.
    pub fn new(config: PolicyConfig) -> Arc<Self> {
        Arc::new(Self { config, buckets: Buckets::default() })
    }

    /// Kinds of solicitation that are not wanted.
    pub(super) fn no_soliciting(&self) -> Option<&Solicitation> {
        self.config.no_soliciting.as_ref()
    }
}

/// When in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before the greeting.
    Connect,
    /// HELO or EHLO.
    Hello,
    /// MAIL.
    Sender,
    /// RCPT.
    Recipient,
    /// The end of the content.
    Content,
}

impl Stage {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Hello => "hello",
            Self::Sender => "sender",
            Self::Recipient => "recipient",
            Self::Content => "content",
        }
    }
}

/// Which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Exempt,
    EarlyTalker,
    Rate,
    HelloName,
    SenderDomain,
    Greylist,
    Soliciting,
}

impl Rule {
    fn name(self) -> &'static str {
        match self {
            Self::Exempt => "exempt",
            Self::EarlyTalker => "early-talker",
            Self::Rate => "rate",
            Self::HelloName => "hello-name",
            Self::SenderDomain => "sender-domain",
            Self::Greylist => "greylist",
            Self::Soliciting => "soliciting",
        }
    }
}

/// What a rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: it is off or does not concern this client.
    Silent,
    /// It looked, and found nothing wrong.
    Sound(String),
    /// It lets pass what it might have stopped, for this reason.
    Passed(String),
    /// No; the reply tells why.
    Refused(Reply),
}

/// Why somebody was let pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) stage: Stage,
    pub(super) rule: &'static str,
    pub(super) reason: String,
}

impl Check {
    /// As it stands among a message's events.
    pub(super) fn event(self, at: UnixMillis) -> NewEvent {
        let (stage, rule) = (self.stage.name().to_owned(), self.rule.to_owned());
        NewEvent::new(at, Happening::Checked { stage, rule }, self.reason)
    }
}

impl SmtpDrive {
    /// Whether the client is nobody whom we know.
    pub(super) fn is_stranger(&self) -> bool {
        match self.reception.config.service {
            // Who brings mail by LMTP is a server of ours.
            Service::Submission | Service::Lmtp => false,
            Service::Smtp { .. } => {
                self.login.is_none()
                    && !self.reception.may_relay(self.peer)
                    && self.exemption().is_none()
            }
        }
    }

    /// The network that exempts the client from all rules.
    fn exemption(&self) -> Option<&Network> {
        let exempt = &self.reception.policy.config.exempt;
        exempt.iter().find(|network| network.contains(self.peer))
    }

    /// Connect: early talkers and those of whom there was too much lately.
    pub(super) fn judge_connection(&mut self) -> Answer {
        let policy = Arc::clone(&self.reception.policy);
        if !self.is_stranger() {
            let exemption = self.exemption().map_or(Verdict::Silent, |network| {
                Verdict::Passed(format!("no rule concerns clients in {network}"))
            });
            return self.answer(Stage::Connect, Rule::Exempt, exemption);
        }
        let early = early::check(policy.config.greeting_delay, self.session.talked_early());
        if let Err(reply) = self.heed(Stage::Connect, Rule::EarlyTalker, early) {
            self.send_away = true;
            return reply.into();
        }
        let spent = self.spent(Subject::UnknownRecipients);
        let rate = if spent == Verdict::Silent { self.charge(Subject::Connections) } else { spent };
        self.answer(Stage::Connect, Rule::Rate, rate)
    }

    /// HELO or EHLO: the name.
    pub(super) fn judge_hello(&mut self, name: &str) -> Answer {
        let policy = Arc::clone(&self.reception.policy);
        if !self.is_stranger() {
            return Answer::Accept;
        }
        // What was noted of another name is no longer so.
        self.checks.retain(|check| check.stage != Stage::Hello);
        let mta = self.mta();
        let ours = hello::Ours { hostname: &mta.config.hostname, listening: &mta.config.listening };
        let verdict = hello::check(policy.config.hello, &ours, self.peer, name);
        self.answer(Stage::Hello, Rule::HelloName, verdict)
    }

    /// MAIL: how many messages came lately, and the domain of the reverse-path.
    pub(super) async fn judge_sender(&mut self, sender: &Sender) -> Result<(), Reply> {
        self.checks.retain(|check| matches!(check.stage, Stage::Connect | Stage::Hello));
        let policy = Arc::clone(&self.reception.policy);
        if self.login.is_some() {
            let rate = self.charge(Subject::AccountMessages);
            return self.heed(Stage::Sender, Rule::Rate, rate);
        }
        if !self.is_stranger() {
            return Ok(());
        }
        let rate = self.charge(Subject::Messages);
        self.heed(Stage::Sender, Rule::Rate, rate)?;
        let mta = Arc::clone(&self.reception.mta);
        let verdict = sender::check(policy.config.sender_domain, &mta, &sender.reverse_path).await;
        self.heed(Stage::Sender, Rule::SenderDomain, verdict)?;
        self.judge_solicitation(Stage::Sender, sender.requests.solicitation.as_ref())
    }

    /// What the message says it is, with MAIL or in its header.
    pub(super) fn judge_solicitation(
        &mut self,
        stage: Stage,
        told: Option<&Solicitation>,
    ) -> Result<(), Reply> {
        if told.is_none() || !self.is_stranger() {
            return Ok(());
        }
        let verdict = soliciting::check(self.reception.policy.no_soliciting(), told);
        self.heed(stage, Rule::Soliciting, verdict)
    }

    /// RCPT, once the address is known to be good.
    ///
    /// Cancel safety: what greylisting remembers may be remembered all the same.
    pub(super) async fn judge_recipient(
        &mut self,
        recipient: &envelope::Address,
    ) -> Result<(), Reply> {
        let subject = match (&self.login, self.is_stranger()) {
            (Some(_), _) => Subject::AccountRecipients,
            (None, true) => Subject::Recipients,
            (None, false) => return Ok(()),
        };
        let rate = self.charge(subject);
        self.heed(Stage::Recipient, Rule::Rate, rate)?;
        let policy = Arc::clone(&self.reception.policy);
        let (None, Some(rules), Some(transaction)) =
            (&self.login, &policy.config.greylist, &self.transaction)
        else {
            return Ok(());
        };
        let reverse_path = &transaction.sender.reverse_path;
        let letter = greylist::Letter { peer: self.peer, reverse_path, recipient };
        let verdict = greylist::check(rules, self.mta(), letter, self.purpose).await;
        self.heed(Stage::Recipient, Rule::Greylist, verdict)
    }

    /// RCPT named nobody: who tries too many names is sent away, and not let in for a while.
    pub(super) fn judge_guess(&mut self, usual: Reply) -> Reply {
        if !self.is_stranger() {
            return usual;
        }
        let rate = self.charge(Subject::UnknownRecipients);
        self.heed(Stage::Recipient, Rule::Rate, rate).err().unwrap_or(usual)
    }

    fn answer(&mut self, stage: Stage, rule: Rule, verdict: Verdict) -> Answer {
        match self.heed(stage, rule, verdict) {
            Ok(()) => Answer::Accept,
            Err(reply) => reply.into(),
        }
    }

    /// Notes or logs what a rule said.
    fn heed(&mut self, stage: Stage, rule: Rule, verdict: Verdict) -> Result<(), Reply> {
        let reason = match verdict {
            Verdict::Silent => return Ok(()),
            Verdict::Sound(_) if self.purpose == Purpose::Mail => return Ok(()),
            Verdict::Sound(reason) => reason,
            Verdict::Passed(reason) => reason,
            Verdict::Refused(reply) => {
                info!(
                    peer = %self.peer, stage = stage.name(), rule = rule.name(), %reply,
                    "refused by policy"
                );
                return Err(reply);
            }
        };
        let check = Check { stage, rule: rule.name(), reason };
        if self.checks.len() < CHECKS_MAX && !self.checks.contains(&check) {
            self.checks.push(check);
        }
        Ok(())
    }

    /// Counts one more, if there is a rate for it.
    fn charge(&self, subject: Subject) -> Verdict {
        let policy = &self.reception.policy;
        let Some(rate) = policy.config.rates.of(subject) else { return Verdict::Silent };
        if self.purpose == Purpose::Explain {
            return self.spent(subject);
        }
        let account = self.login.as_ref().map(|login| login.account);
        let now = self.mta().world.clock.monotonic();
        match policy.buckets.charge(subject, rate, (self.peer, account), now) {
            Ok(()) => Verdict::Silent,
            Err(over) => Verdict::Refused(rate::reply(subject, rate, over)),
        }
    }

    /// Whether there were too many, without counting.
    fn spent(&self, subject: Subject) -> Verdict {
        let policy = &self.reception.policy;
        let Some(rate) = policy.config.rates.of(subject) else { return Verdict::Silent };
        let account = self.login.as_ref().map(|login| login.account);
        let now = self.mta().world.clock.monotonic();
        match policy.buckets.look(subject, rate, (self.peer, account), now) {
            Ok(()) => Verdict::Silent,
            Err(over) => Verdict::Refused(rate::reply(subject, rate, over)),
        }
    }

    /// How long the client must still be listened to before it is greeted.
    pub(super) fn greeting_delay(&mut self) -> Option<Duration> {
        let delay = self.reception.policy.config.greeting_delay;
        let waits = !delay.is_zero() && !self.was_listened_to && self.is_stranger();
        self.was_listened_to = true;
        waits.then_some(delay)
    }
}
