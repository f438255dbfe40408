//! Mail that waits: tries it when its time has come, and settles what became of it.
//!
//! ```text
//!   commit ─wakes─▶ lease_due ─▶ by domain ─▶ route ─▶ attempt … ─▶ settle ─▶ store.finish
//!                      ▲                                              │ outcomes, attempts,
//!                      └──────────── next due ◀───────────────────────┘ events and notices:
//!                                                                       one commit
//! ```
//!
//! A recipient is in one of the states of [`RecipientState`]; only `finish` changes it. If we
//! die between the remote's 250 and that commit, the recipient is tried again: at least once,
//! never zero times.
//!
//! Standards: RFC 5321 §4.5.4 (retry strategies), RFC 3461 §5.2 (what the sender is told).
//! Not here: hosts (`routing`), conversations (`relay`), wording (`notice`).

mod schedule;
mod settle;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use envelope::Domain;
use platform::Shutdown;
use store::{Attempt, Change, Due, Finish, Happening, NewEvent, StoreError, Summary, UnixMillis};
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tracing::{debug, error, info, warn};

pub use self::schedule::{pause_before_retry, plus};
use self::settle::Settled;
use crate::relay::{Cargo, Told, Tried};
use crate::routing::{ADDRESSES_MAX, Host, NoRoute};
use crate::{Mta, relay, routing};

/// How long a leased recipient is ours. All time limits of an attempt together are shorter.
const LEASE: Duration = Duration::from_secs(2 * 60 * 60);
/// The safety net: look at the queue at least so often, whatever wakes us or does not.
const SCAN_PAUSE_MAX: Duration = Duration::from_secs(60);
/// After the store failed to answer.
const TROUBLE_PAUSE: Duration = Duration::from_secs(5);
/// How often a commit of outcomes is tried before the lease brings the recipient back.
const FINISH_TRIES: u32 = 6;

/// Runs the queue until we shut down; attempts that are under way are then let finish, as long
/// as the caller waits for it.
pub async fn run(mta: Arc<Mta>, shutdown: Shutdown) {
    let mut news = mta.world.store.subscribe();
    let mut running = JoinSet::new();
    while !shutdown.has_begun() {
        let pause = start_due(&mta, &mut running).await;
        let full = running.len() >= mta.config.queue.attempts_max;
        tokio::select! {
            () = shutdown.begun() => break,
            Some(_) = running.join_next() => {}
            () = queue_news(&mut news), if !full => {}
            () = mta.world.clock.sleep(pause) => {}
        }
        while running.try_join_next().is_some() {}
    }
    debug!(attempts = running.len(), "queue stops; attempts under way may finish");
    while running.join_next().await.is_some() {}
}

/// Starts attempts for what is due; how long to wait when nothing wakes us.
async fn start_due(mta: &Arc<Mta>, running: &mut JoinSet<()>) -> Duration {
    let room = mta.config.queue.attempts_max.saturating_sub(running.len());
    let limit = u32::try_from(room).unwrap_or(u32::MAX);
    if limit == 0 {
        return SCAN_PAUSE_MAX;
    }
    let now = mta.now();
    let due = match mta.world.store.lease_due(now, plus(now, LEASE), limit).await {
        Ok(due) => due,
        Err(StoreError::Closed) => return SCAN_PAUSE_MAX,
        Err(error) => {
            error!(%error, "cannot read the queue");
            return TROUBLE_PAUSE;
        }
    };
    let all = due.len() < room;
    for submission in due {
        for (domain, numbers) in by_domain(&submission) {
            let (mta, summary) = (Arc::clone(mta), submission.summary.clone());
            running.spawn(async move { deliver(&mta, summary, domain, numbers).await });
        }
    }
    match all {
        // More may be due right now; a finished attempt makes room for it.
        false => SCAN_PAUSE_MAX,
        true => match mta.world.store.next_due().await {
            Ok(Some(next)) => until(mta.now(), next).min(SCAN_PAUSE_MAX),
            Ok(None) => SCAN_PAUSE_MAX,
            Err(_) => TROUBLE_PAUSE,
        },
    }
}

fn until(now: UnixMillis, then: UnixMillis) -> Duration {
    Duration::from_millis(u64::try_from(then.0.saturating_sub(now.0)).unwrap_or(0))
}

fn by_domain(due: &Due) -> BTreeMap<Domain, Vec<u32>> {
    let mut groups: BTreeMap<Domain, Vec<u32>> = BTreeMap::new();
    for view in due.recipients() {
        groups.entry(view.recipient.address.domain().clone()).or_default().push(view.number);
    }
    groups
}

/// Waits for a commit that put something into the queue or changed its time.
///
/// Cancel safety: nothing is lost; a missed piece of news only means a later look.
async fn queue_news(news: &mut broadcast::Receiver<Change>) {
    loop {
        match news.recv().await {
            Ok(Change::Queue) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            Ok(_) => {}
            // The store is closed; the shutdown wakes us.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// What an attempt at a domain found out.
#[derive(Debug, Default)]
struct Found {
    attempts: Vec<Attempt>,
    events: Vec<NewEvent>,
    /// One for each recipient, in their order.
    told: Vec<Told>,
    host: Option<String>,
    tells_success: bool,
}

/// Tries a submission's recipients at one domain, and commits what became of them.
#[tracing::instrument(skip_all, fields(id = %summary.id, %domain))]
async fn deliver(mta: &Mta, summary: Summary, domain: Domain, numbers: Vec<u32>) {
    let views: Vec<_> =
        summary.recipients.iter().filter(|view| numbers.contains(&view.number)).collect();
    let Some(message) = summary.message else {
        error!("a waiting submission has no content: run `posthouse verify`");
        return;
    };
    let envelope = relay::envelope_for(&summary, &views);
    let cargo = Cargo { envelope: &envelope, message, octets: summary.octets, numbers: &numbers };
    let found = match routing::route(mta, &domain).await {
        Ok(hosts) => try_hosts(mta, &hosts, &cargo).await,
        Err(no_route) => {
            let told = Told::no_route(&no_route);
            Found { told: vec![told; views.len()], ..Found::default() }
        }
    };
    let settled = settle::settle(mta, &summary, &views, found).await;
    commit(mta, &summary, settled).await;
}

/// Tries host after host until one answers for itself.
async fn try_hosts(mta: &Mta, hosts: &[Host], cargo: &Cargo<'_>) -> Found {
    let mut found = Found::default();
    let mut targets = Vec::new();
    let mut listed = Vec::new();
    for host in hosts {
        let addresses: Vec<_> = host.addresses.iter().map(ToString::to_string).collect();
        listed.push(format!("{} ({})", host.name, addresses.join(", ")));
        targets.extend(host.addresses.iter().map(|address| (host, *address)));
    }
    targets.truncate(ADDRESSES_MAX);
    found.events.push(NewEvent::new(mta.now(), Happening::Routed { hosts: listed }, ""));
    for (host, address) in targets {
        let tried = relay::attempt(mta, host, address, cargo).await;
        found.events.push(attempted(mta, &tried));
        found.told = tried.results;
        found.host = Some(tried.attempt.host.clone());
        found.tells_success = tried.tells_success;
        found.attempts.push(tried.attempt);
        if !tried.worth_another_host {
            break;
        }
    }
    found
}

fn attempted(mta: &Mta, tried: &Tried) -> NewEvent {
    let last = tried.results.first();
    let attempt = &tried.attempt;
    let happening = Happening::Attempted {
        host: attempt.host.clone(),
        address: attempt.address,
        port: attempt.port,
        tls: attempt.tls.clone(),
        stage: last.map(|told| told.stage.to_owned()).unwrap_or_default(),
        reply: last.and_then(|told| told.reply.clone()),
    };
    let reason = last.filter(|told| told.reply.is_none()).map(|told| told.text.clone());
    NewEvent::new(mta.now(), happening, reason.unwrap_or_default())
}

impl Told {
    fn no_route(no_route: &NoRoute) -> Self {
        Self {
            stage: "route",
            accepted: false,
            status: no_route.status,
            reply: None,
            text: no_route.reason.clone(),
        }
    }
}

/// Commits outcomes; a store in trouble is asked again, since the remote has the message.
async fn commit(mta: &Mta, summary: &Summary, settled: Settled) {
    let mut settled = settled;
    for attempt in 0..FINISH_TRIES {
        let notices = settled.notices(mta);
        let finish = Finish {
            submission: summary.id,
            at: settled.at,
            outcomes: settled.outcomes.clone(),
            attempts: settled.attempts.clone(),
            events: settled.events_with(&notices),
            notices: notices.into_iter().map(|notice| notice.accept).collect(),
        };
        match mta.world.store.finish(finish).await {
            Ok(()) => {
                for outcome in &settled.outcomes {
                    info!(recipient = outcome.recipient, state = outcome.state.name(), "attempted");
                }
                return;
            }
            Err(error) if error.is_temporary() && attempt + 1 < FINISH_TRIES => {
                warn!(%error, "outcome not stored yet");
                mta.world.clock.sleep(TROUBLE_PAUSE * (1 << attempt)).await;
            }
            Err(error) => {
                error!(%error, "outcome not stored; the recipient will be tried again");
                return;
            }
        }
    }
}
