//! One job: a submission's recipients at one domain.
//!
//! Standards: RFC 5321 §5.1 (hosts in order, until one takes it).
//! Not here: what follows from the answers (`settle`).

use std::sync::Arc;
use std::time::Duration;

use envelope::{Domain, EnhancedStatus};
use platform::{Endpoint, Shutdown};
use smtp::client::Stage;
use store::{
    Attempt, Finish, Happening, MessageId, NewEvent, Outcome, RecipientState, RecipientView,
    StoreError, SubmissionId, Summary, UnixMillis,
};
use tracing::{Instrument, error, info, info_span, warn};

use super::lanes::{Came, NoTurn, Went};
use super::settle::{self, Settled};
use super::{LEASE, TROUBLE_PAUSE, plus};
use crate::Mta;
use crate::notice::Way;
use crate::queue::{forward, in_time, local, suppressed};
use crate::relay::{self, Cargo, Ending, Kind, Others, Told, Tried};
use crate::routing::{self, ADDRESSES_MAX, Host};
use crate::rules::Outgoing;

/// How long a job may talk to hosts, all of them together: enough for the largest message over a
/// slow line. A host that answers each command just in time could go on for days otherwise.
const TALK_MAX: Duration = Duration::from_secs(2 * 60 * 60);
/// Hosts that are spoken to in one job; more that cannot be reached may be tried besides.
const CONVERSATIONS_MAX: usize = 5;
/// A commit of outcomes is tried until shortly before the lease ends.
const COMMIT_MAX: Duration = Duration::from_secs(20 * 60 * 60);
/// Pause after a job that broke down.
const BROKEN_PAUSE: Duration = Duration::from_secs(60 * 60);
/// Longest pause between those tries.
const COMMIT_PAUSE_MAX: Duration = Duration::from_secs(5 * 60);

const _: () = assert!(
    LEASE.as_secs() > TALK_MAX.as_secs() + COMMIT_MAX.as_secs() + COMMIT_PAUSE_MAX.as_secs(),
    "a job must end before its lease does"
);

/// What all jobs share.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) mta: Arc<Mta>,
    shutdown: Shutdown,
}

/// A submission's recipients at one domain.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) summary: Arc<Summary>,
    pub(super) domain: Domain,
    pub(super) numbers: Vec<u32>,
}

/// What a job found out.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) attempts: Vec<Attempt>,
    pub(super) events: Vec<NewEvent>,
    /// One for each recipient, in their order.
    pub(super) told: Vec<Told>,
}

impl Found {
    /// The same for all.
    fn all(told: &Told, recipients: usize) -> Self {
        Self { told: vec![told.clone(); recipients], ..Self::default() }
    }
}

impl Found {
    /// What those that follow to the same domain should know.
    fn went(&self) -> Option<Went> {
        if self.told.iter().any(Told::is_taken) {
            return Some(Went::Well);
        }
        let last = self.told.last().filter(|told| !told.is_ours())?;
        Some(match self.told.iter().find(|told| told.wants_fewer()) {
            Some(told) => Went::SlowDown(told.text.clone()),
            None if last.is_without_connection() => Went::Unreached(last.status, last.text.clone()),
            None => Went::Well,
        })
    }
}

/// What a recipient is told that has no turn.
fn without_turn(no_turn: NoTurn) -> Told {
    match no_turn {
        NoTurn::Busy(pause, text) => {
            let told = Told::ours(Kind::NotTried, EnhancedStatus::new(4, 4, 5), text);
            Told { pause: Some(pause), ..told }
        }
        // It counts: the attempt that failed was one for all.
        NoTurn::Dead(status, text) => Told::ours(Kind::NotTaken, status, text),
    }
}

/// We shut down before anything was handed over.
pub(super) struct GivenUp;

impl Work {
    pub(super) fn new(mta: Arc<Mta>, shutdown: Shutdown) -> Self {
        Self { shutdown, mta }
    }

    /// Tries a job's recipients, and commits what became of them.
    pub(super) async fn run(&self, job: Job) {
        let span = info_span!("deliver", id = %job.summary.id, domain = %job.domain);
        self.deliver(job).instrument(span).await;
    }

    async fn deliver(&self, job: Job) {
        let Job { summary, domain, numbers } = job;
        let views: Vec<_> =
            summary.recipients.iter().filter(|view| numbers.contains(&view.number)).collect();
        let found = match self.find_out_unless_suppressed(&summary, &domain, &views).await {
            Ok(found) => found,
            // Nothing happened. It is in the queue as before, and due.
            Err(GivenUp) => return,
        };
        let settled = settle::settle(&self.mta, &summary, &views, found).await;
        if !settled.is_empty() {
            self.commit(&summary, settled).await;
        }
    }

    /// A job broke down, which is a bug of ours. Its recipients come again later.
    pub(super) async fn put_off(&self, submission: SubmissionId, numbers: &[u32]) {
        let at = self.mta.now();
        let until = plus(self.mta.queue_now(), BROKEN_PAUSE);
        let deferred = |number: &u32| {
            let happening = Happening::deferred(until, None);
            NewEvent::new(at, happening, "our attempt broke down, which the log tells of")
                .of(*number)
        };
        let finish = Finish {
            outcomes: numbers.iter().map(|number| waits(*number, until, Counts::Yes)).collect(),
            events: numbers.iter().map(deferred).collect(),
            ..Finish::of(submission, at)
        };
        if let Err(error) = self.mta.world.store.finish(finish).await {
            error!(id = %submission, %error, "what broke down waits until its lease ends");
        }
    }

    /// Ends the lease of a recipient that we do not work on: it is due, if it still waits.
    pub(super) async fn let_go(&self, (submission, number): (SubmissionId, u32)) {
        let finish = Finish {
            outcomes: vec![waits(number, self.mta.queue_now(), Counts::No)],
            ..Finish::of(submission, self.mta.now())
        };
        match self.mta.world.store.finish(finish).await {
            // Refused: it is settled, so that its lease does not matter.
            Ok(()) | Err(StoreError::Refused { .. }) => {}
            Err(error) => warn!(id = %submission, %error, "a recipient waits for its lease"),
        }
    }

    pub(super) async fn find_out(
        &self,
        summary: &Summary,
        domain: &Domain,
        views: &[&RecipientView],
    ) -> Result<Found, GivenUp> {
        let now = self.mta.queue_now();
        if let Some(told) = in_time::too_late_to_try(summary.terms.deliver_by, now) {
            return Ok(Found::all(&told, views.len()));
        }
        let Some(message) = summary.message else {
            // Perhaps a repair brings it back; until the time limit we wait for that.
            error!("a waiting submission has no content: run `posthouse verify`");
            let text = "we cannot find its content in our own store".to_owned();
            let told = Told::ours(Kind::NotTaken, EnhancedStatus::new(4, 3, 0), text);
            return Ok(Found::all(&told, views.len()));
        };
        let by_hand = views.first().and_then(|view| view.route.as_ref());
        let is_ours = by_hand.is_none() && self.mta.world.directory.is_local(domain);
        let clock = self.mta.world.clock.as_ref();
        let sender = summary.reverse_path.to_string();
        let outgoing = Outgoing::of(&self.mta.config.outbound, &summary.reverse_path, domain);
        let destination = outgoing.destination(domain, by_hand);
        let came = match views.iter().all(|view| view.state == RecipientState::Deferred) {
            true => Came::Again,
            false => Came::First,
        };
        let turn = tokio::select! {
            turn = self.mta.lanes.turn(clock, &destination, &sender, came) => turn,
            () = self.shutdown.begun() => return Err(GivenUp),
        };
        let mut turn = match turn {
            Ok(turn) => turn,
            // It became ours: how others were, does not matter.
            Err(NoTurn::Dead(..)) if is_ours => {
                return Ok(local::deliver(&self.mta, summary, message, views).await);
            }
            Err(no_turn) => return Ok(Found::all(&without_turn(no_turn), views.len())),
        };
        if is_ours {
            let found = local::deliver(&self.mta, summary, message, views).await;
            turn.went(Went::Well, clock.monotonic());
            return Ok(found);
        }
        let route = tokio::select! {
            route = routing::route_of(&self.mta, &outgoing, domain, by_hand) => route,
            () = self.shutdown.begun() => return Err(GivenUp),
        };
        match route {
            Ok(plan) => {
                let by_hand = by_hand.map(|_| "sent there by an operator".to_owned());
                let why = both(std::mem::take(&mut turn.why), outgoing.why());
                let why = both(by_hand.unwrap_or_default(), why);
                let found =
                    self.try_hosts(summary, message, views, (&outgoing, &plan), why).await?;
                if let Some(went) = found.went() {
                    turn.went(went, clock.monotonic());
                }
                Ok(found)
            }
            Err(no_route) => {
                // RFC 5321 §4.5.4.1: who does not answer us is not asked for each message.
                if no_route.status.is_temporary() {
                    let why = Went::Unreached(no_route.status, no_route.reason.clone());
                    turn.went(why, clock.monotonic());
                }
                let told = Told::ours(Kind::NotTaken, no_route.status, no_route.reason);
                Ok(Found::all(&told, views.len()))
            }
        }
    }

    /// Tries host after host, until each recipient has an answer that counts.
    async fn try_hosts(
        &self,
        summary: &Summary,
        message: MessageId,
        views: &[&RecipientView],
        (outgoing, plan): (&Outgoing<'_>, &routing::Plan),
        why: String,
    ) -> Result<Found, GivenUp> {
        let mta = &self.mta;
        let handed = forward::handed_on(mta, summary, views);
        let mut events = vec![routed(mta, &plan.hosts, handed.told_after(why))];
        let mut attempts = Vec::new();
        let mut told: Vec<Option<Told>> = vec![None; views.len()];
        let deadline = mta.world.clock.monotonic().saturating_add(TALK_MAX);
        let mut conversations = 0;
        let mut targets = targets(plan).into_iter();
        let mut target = targets.next();
        while let Some((host, address)) = target {
            let left = worth_another(&told);
            let now = mta.world.clock.monotonic();
            if left.is_empty() || conversations >= CONVERSATIONS_MAX || now >= deadline {
                break;
            }
            let results = if let Some(why) = self.mta.unreached.why(address, now) {
                let text = format!("not tried again so soon: {why}");
                let status = EnhancedStatus::new(4, 4, 1);
                vec![Told::silent(Stage::Connect, &host.name, status, text); left.len()]
            } else {
                let chosen: Vec<_> = left.iter().filter_map(|at| views.get(*at).copied()).collect();
                let numbers: Vec<_> = chosen.iter().map(|view| view.number).collect();
                let cargo = Cargo {
                    envelope: &relay::envelope_for(summary, &handed.reverse_path, &chosen),
                    message,
                    octets: summary.octets,
                    prefix: &handed.prefix,
                    numbers: &numbers,
                    terms: &summary.terms,
                    deadline,
                    outgoing,
                    others: if targets.len() > 0 { Others::Left } else { Others::None },
                    shutdown: &self.shutdown,
                };
                let tried = relay::attempt(mta, host, address, &cargo).await;
                match tried.ending {
                    Ending::GivenUp => return Err(GivenUp),
                    Ending::Reached => conversations += 1,
                    Ending::Unreached => {
                        let now = mta.world.clock.monotonic();
                        self.mta.unreached.remember(address, now, &tried.attempt.result);
                    }
                }
                events.push(attempted(mta, &tried, (summary, outgoing)));
                attempts.push(tried.attempt);
                tried.results
            };
            if takes_more(&results) {
                conversations = 0;
            } else {
                target = targets.next();
            }
            for (at, later) in left.into_iter().zip(results) {
                if let Some(told) = told.get_mut(at) {
                    *told = Some(match told.take() {
                        Some(before) => before.and_then(later),
                        None => later,
                    });
                }
            }
        }
        Ok(Found { attempts, events, told: completed(told, plan) })
    }

    /// Commits outcomes. The remote may have the message, so a store in trouble is asked again
    /// for as long as the lease holds; what then is not stored would be sent once more.
    async fn commit(&self, summary: &Summary, settled: Settled) {
        let clock = &self.mta.world.clock;
        let begun = clock.monotonic();
        let mut pause = TROUBLE_PAUSE;
        let mut way = Way::Direct;
        loop {
            let finish = settled.finish(&self.mta, way);
            let error = match self.mta.world.store.finish(finish).await {
                Ok(()) => {
                    for outcome in &settled.outcomes {
                        let state = outcome.state.name();
                        info!(recipient = outcome.recipient, state, "attempted");
                    }
                    if settled.tells_later() {
                        self.mta.untold.more();
                    }
                    suppressed::learn(&self.mta, summary, &settled).await;
                    return;
                }
                Err(error) => error,
            };
            let over = clock.monotonic().saturating_sub(begun) >= COMMIT_MAX;
            if way == Way::Direct && is_of_notice(&error) {
                // A notice cannot go into its mailbox; the queue will see about that.
                way = Way::Queue;
            } else if error.is_temporary() && !over {
                warn!(%error, "outcome not stored yet");
                clock.sleep(pause).await;
                pause = (pause * 2).min(COMMIT_PAUSE_MAX);
            } else {
                error!(%error, "outcome not stored; what is still in the queue is tried again");
                return;
            }
        }
    }
}

/// Whether something counts as an attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counts {
    Yes,
    No,
}

/// A recipient waits until then; nobody said anything new about it.
fn waits(recipient: u32, until: UnixMillis, counts: Counts) -> Outcome {
    Outcome {
        recipient,
        state: RecipientState::Deferred,
        due: Some(until),
        host: None,
        reply: None,
        attempted: counts == Counts::Yes,
        delay_told: false,
        ends_hold: false,
    }
}

/// Whether a commit of outcomes may have failed because of a notice in it.
fn is_of_notice(error: &StoreError) -> bool {
    !matches!(error, StoreError::Full | StoreError::Io { .. } | StoreError::Closed)
}

/// The addresses to try, in their order.
fn targets(plan: &routing::Plan) -> Vec<(&Host, &Endpoint)> {
    let mut targets = Vec::new();
    for host in &plan.hosts {
        targets.extend(host.addresses.iter().map(|address| (host, address)));
    }
    targets.truncate(ADDRESSES_MAX);
    targets
}

/// Places of recipients that have no answer yet which counts.
fn worth_another(told: &[Option<Told>]) -> Vec<usize> {
    let open = |told: &Option<Told>| told.as_ref().is_none_or(Told::is_worth_another_host);
    told.iter().enumerate().filter(|(_, told)| open(told)).map(|(at, _)| at).collect()
}

/// Whether a host took the message for some and had only too many recipients at a time, so that
/// the others should follow at once (RFC 5321 §4.5.3.1.10). Each time fewer are left.
fn takes_more(results: &[Told]) -> bool {
    results.iter().any(Told::is_taken) && results.iter().any(Told::is_one_too_many)
}

/// One answer for each recipient. A host that could not be looked up may be the one that takes
/// what the others turned away.
fn completed(told: Vec<Option<Told>>, plan: &routing::Plan) -> Vec<Told> {
    let missing = plan
        .missing
        .as_ref()
        .map(|missing| Told::ours(Kind::NotTaken, missing.status, missing.reason.clone()));
    let none = || {
        let text = "no host of the domain could be tried".to_owned();
        Told::ours(Kind::NotTaken, EnhancedStatus::new(4, 4, 1), text)
    };
    let complete = |told: Option<Told>| {
        let told = told.or_else(|| missing.clone()).unwrap_or_else(none);
        match &missing {
            Some(missing) if told.is_worth_another_host() && told.status.is_permanent() => {
                missing.clone()
            }
            _ => told,
        }
    };
    told.into_iter().map(complete).collect()
}

/// Two reasons as one; either may be empty.
fn both(first: String, second: String) -> String {
    match (first.is_empty(), second.is_empty()) {
        (_, true) => first,
        (true, false) => second,
        (false, false) => format!("{first}; {second}"),
    }
}

fn routed(mta: &Mta, hosts: &[Host], why: String) -> NewEvent {
    let listed = hosts.iter().map(|host| {
        let addresses: Vec<_> = host.addresses.iter().map(ToString::to_string).collect();
        format!("{} ({})", host.name, addresses.join(", "))
    });
    NewEvent::new(mta.now(), Happening::Routed { hosts: listed.collect() }, why)
}

/// Which attempt it is of those whom it is for; the highest where they differ.
fn which_attempt(summary: &Summary, numbers: &[u32]) -> Option<u32> {
    let views = summary.recipients.iter().filter(|view| numbers.contains(&view.number));
    views.map(|view| view.attempts.saturating_add(1)).max()
}

fn attempted(mta: &Mta, tried: &Tried, (summary, outgoing): (&Summary, &Outgoing<'_>)) -> NewEvent {
    let last = tried.results.first();
    let attempt = &tried.attempt;
    let happening = Happening::Attempted {
        host: attempt.host.clone(),
        address: attempt.address,
        port: attempt.port,
        tls: attempt.tls.clone(),
        stage: last.map(|told| told.stage.to_owned()).unwrap_or_default(),
        reply: last.and_then(|told| told.reply.clone()),
        attempt: which_attempt(summary, &attempt.recipients),
    };
    let text = last.filter(|told| told.reply.is_none()).map(|told| told.text.clone());
    NewEvent::new(mta.now(), happening, both(text.unwrap_or_default(), outgoing.why()))
}
