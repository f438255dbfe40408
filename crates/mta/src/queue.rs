//! Mail that waits: tries it when its time has come, and settles what became of it.
//!
//! ```text
//!   commit ─wakes─▶ lease_due ─▶ by domain ─▶ turn ─▶ route ─▶ attempt … ─▶ settle ─▶ finish
//!                      ▲                        └ ours after all ─▶ local ──┘           │
//!                      └──────────── next due ◀──────────────────────────────────────────┘
//!                                           outcomes, attempts, events and notices: one commit
//! ```
//!
//! A recipient is in one of the states of [`store::RecipientState`]; only `finish` changes it. If
//! we die between the remote's 250 and that commit, the recipient is tried again: at least once,
//! never zero times.
//!
//! Standards: RFC 5321 §4.5.4 (retry strategies), RFC 3461 §5.2 (what the sender is told).
//! Not here: hosts (`routing`), conversations (`relay`), wording (`notice`).

mod forward;
mod in_time;
mod lanes;
mod local;
mod schedule;
mod settle;
mod stranded;
mod suppressed;
mod telling;
mod unreached;
mod work;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use envelope::{Address, Domain};
use platform::Shutdown;
use store::{Change, Due, FixedRoute, StoreError, SubmissionId, UnixMillis};
use tokio::sync::{broadcast, mpsc};
use tokio::task::{Id, JoinError, JoinSet};
use tracing::{debug, error};

pub(crate) use self::lanes::Lanes;
pub use self::lanes::Standing;
pub(crate) use self::schedule::Timeline;
pub use self::schedule::{FailureClass, pause_before_retry, plus};
pub(crate) use self::telling::Waiting as UntoldWaiting;
pub(crate) use self::unreached::Unreached;
use self::work::{Job, Work};
use crate::Mta;
use crate::relay::Leaving;
use crate::report::{self, News};

/// How long a leased recipient is ours. Longer than a try may take and its outcome may need to
/// get into the store: a second try beside the first would make a duplicate.
const LEASE: Duration = Duration::from_secs(24 * 60 * 60);
/// The safety net: look at the queue at least so often, whatever wakes us or does not.
const SCAN_PAUSE_MAX: Duration = Duration::from_secs(60);
/// After the store failed to answer, or answered that something is due which it did not lease.
const TROUBLE_PAUSE: Duration = Duration::from_secs(5);
/// Jobs that are leased for each that may be under way: those of busy domains wait their turn
/// without holding up the others.
const JOBS_PER_ATTEMPT: usize = 4;
/// Submissions whose senders are told together, one by one.
const TOLD_AT_A_TIME: u32 = 50;
/// Most delivery reports that are followed at a time.
const REPORTS_AT_A_TIME: usize = 8;

/// Runs the queue until we shut down. Attempts that have not come to the content are then given
/// up at once; those that have may finish until the shutdown is over.
pub async fn run(mta: Arc<Mta>, shutdown: Shutdown) {
    let _hold = shutdown.hold();
    let mut reports = mta.reports.open();
    let mut news = mta.world.store.subscribe();
    let mut queue = Queue::new(Arc::clone(&mta), shutdown.clone());
    queue.bring_back();
    mta.idle.open();
    while !shutdown.has_begun() {
        let pause = queue.start_due().await.min(queue.leave_idle()).min(queue.tell_due().await);
        tokio::select! {
            () = shutdown.begun() => break,
            Some(ended) = queue.running.join_next_with_id() => queue.ended(&ended),
            () = queue_news(&mut news), if !queue.is_full() => {}
            Some(told) = next_report(&mut reports), if queue.can_learn() => queue.learn(told),
            Some(_) = queue.learning.join_next() => {}
            Some(_) = queue.leaving.join_next() => {}
            Some(_) = queue.telling.join_next() => {}
            () = mta.untold.changed() => {}
            () = mta.world.clock.sleep(pause) => {}
        }
        while let Some(ended) = queue.running.try_join_next_with_id() {
            queue.ended(&ended);
        }
    }
    debug!(attempts = queue.running.len(), "queue stops; content under way may finish");
    queue.leave(mta.idle.close());
    tokio::select! {
        () = queue.end() => {}
        // What is cut off here is still in the queue, and tried again after the next start.
        () = shutdown.over() => {}
    }
}

/// What the loop keeps.
struct Queue {
    work: Arc<Work>,
    running: JoinSet<()>,
    learning: JoinSet<()>,
    /// Notices that are being written of what was gathered.
    telling: JoinSet<()>,
    /// Goodbyes on connections that nobody needs any more.
    leaving: JoinSet<()>,
    /// What each task works on.
    jobs: HashMap<Id, (SubmissionId, Vec<u32>)>,
    /// All of that: never tried by two at a time, whatever becomes of a lease when the clock
    /// jumps.
    under_way: BTreeSet<(SubmissionId, u32)>,
    /// What was leased once more while it is under way: its job has just put it off, or the
    /// clock jumped. It is let go when the job has ended.
    leased_twice: BTreeSet<(SubmissionId, u32)>,
}

impl Queue {
    fn new(mta: Arc<Mta>, shutdown: Shutdown) -> Self {
        Self {
            work: Arc::new(Work::new(mta, shutdown)),
            running: JoinSet::new(),
            learning: JoinSet::new(),
            telling: JoinSet::new(),
            leaving: JoinSet::new(),
            jobs: HashMap::new(),
            under_way: BTreeSet::new(),
            leased_twice: BTreeSet::new(),
        }
    }

    /// Looks once for what a wrong clock has put off too far.
    fn bring_back(&mut self) {
        let work = Arc::clone(&self.work);
        self.learning.spawn(async move { stranded::bring_back(&work.mta).await });
    }

    /// Leaves hosts that had no message for us to send for a while; when to look again.
    fn leave_idle(&mut self) -> Duration {
        let (outdated, next) = self.work.mta.idle.outdated(self.work.mta.world.clock.monotonic());
        self.leave(outdated);
        next.unwrap_or(SCAN_PAUSE_MAX)
    }

    fn leave(&mut self, connections: Vec<Leaving>) {
        for connection in connections {
            self.leaving.spawn(connection.leave(Arc::clone(&self.work.mta.world.clock)));
        }
    }

    /// Ends when all that is under way has.
    async fn end(&mut self) {
        while self.running.join_next().await.is_some() {}
        while self.leaving.join_next().await.is_some() {}
    }

    fn room(&self) -> usize {
        let jobs_max = self.work.mta.config.queue.attempts_max.max(1) * JOBS_PER_ATTEMPT;
        jobs_max.saturating_sub(self.running.len())
    }

    fn is_full(&self) -> bool {
        self.room() == 0
    }

    fn can_learn(&self) -> bool {
        self.learning.len() < REPORTS_AT_A_TIME
    }

    fn learn(&mut self, news: News) {
        let work = Arc::clone(&self.work);
        self.learning.spawn(async move { report::learn(&work.mta, news).await });
    }

    /// Starts jobs for what is due; how long to wait when nothing wakes us.
    async fn start_due(&mut self) -> Duration {
        let (mta, room) = (Arc::clone(&self.work.mta), self.room());
        if room == 0 {
            return SCAN_PAUSE_MAX;
        }
        let now = mta.queue_now();
        let limit = u32::try_from(room).unwrap_or(u32::MAX);
        let due = match mta.world.store.lease_due(now, plus(now, LEASE), limit).await {
            Ok(due) => due,
            Err(StoreError::Closed) => return SCAN_PAUSE_MAX,
            Err(error) => {
                error!(%error, "cannot read the queue");
                return TROUBLE_PAUSE;
            }
        };
        let leased = !due.is_empty();
        for submission in due {
            self.start(submission);
        }
        if self.is_full() {
            // More may be due right now; a job that ends makes room for it.
            return SCAN_PAUSE_MAX;
        }
        match mta.world.store.next_due().await {
            Ok(Some(next)) if next > now => until(now, next).min(SCAN_PAUSE_MAX),
            // It came in since we looked.
            Ok(Some(_)) if leased => Duration::ZERO,
            Ok(Some(_)) | Err(_) => TROUBLE_PAUSE,
            Ok(None) => SCAN_PAUSE_MAX,
        }
    }

    /// Starts telling what was gathered and is due; how long to wait when nothing wakes us.
    async fn tell_due(&mut self) -> Duration {
        let mta = Arc::clone(&self.work.mta);
        if !self.telling.is_empty() || !mta.untold.take() {
            return SCAN_PAUSE_MAX;
        }
        let now = mta.queue_now().max(mta.now());
        match mta.world.store.untold(now, TOLD_AT_A_TIME).await {
            Ok(found) => {
                if found.next.is_some() || !found.due.is_empty() {
                    mta.untold.expect();
                }
                if !found.due.is_empty() {
                    self.telling.spawn(async move { telling::tell_all(&mta, found.due).await });
                }
                telling::pause_until(now, found.next, SCAN_PAUSE_MAX)
            }
            Err(StoreError::Closed) => SCAN_PAUSE_MAX,
            Err(error) => {
                error!(%error, "cannot read what senders have to be told");
                mta.untold.expect();
                TROUBLE_PAUSE
            }
        }
    }

    fn start(&mut self, due: Due) {
        // One transaction has one reverse-path, which an alias may change, and goes one way.
        type Way = (Domain, Option<Address>, Option<FixedRoute>);
        let mut groups: BTreeMap<Way, Vec<u32>> = BTreeMap::new();
        for view in due.recipients() {
            let key = (due.summary.id, view.number);
            if self.under_way.insert(key) {
                let domain = view.recipient.address.domain().clone();
                let alias = view.expanded_from.clone();
                groups.entry((domain, alias, view.route.clone())).or_default().push(view.number);
            } else {
                self.leased_twice.insert(key);
            }
        }
        let summary = Arc::new(due.summary);
        for ((domain, alias, _), numbers) in groups {
            let seen_as = match alias {
                Some(alias) => forward::in_the_name_of(&self.work.mta, &summary, &alias),
                None => Arc::clone(&summary),
            };
            let job = Job { summary: seen_as, domain, numbers: numbers.clone() };
            let work = Arc::clone(&self.work);
            let task = self.running.spawn(async move { work.run(job).await });
            self.jobs.insert(task.id(), (summary.id, numbers));
        }
    }

    fn ended(&mut self, ended: &Result<(Id, ()), JoinError>) {
        let (id, broke_down) = match ended {
            Ok((id, ())) => (*id, None),
            Err(error) => (error.id(), Some(error)),
        };
        let Some((submission, numbers)) = self.jobs.remove(&id) else { return };
        for number in &numbers {
            let key = (submission, *number);
            self.under_way.remove(&key);
            if self.leased_twice.remove(&key) && broke_down.is_none() {
                let work = Arc::clone(&self.work);
                self.running.spawn(async move { work.let_go(key).await });
            }
        }
        if let Some(error) = broke_down {
            error!(id = %submission, %error, "an attempt broke down");
            let work = Arc::clone(&self.work);
            self.running.spawn(async move { work.put_off(submission, &numbers).await });
        }
    }
}

fn until(now: UnixMillis, then: UnixMillis) -> Duration {
    Duration::from_millis(u64::try_from(then.0.saturating_sub(now.0)).unwrap_or(0))
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

/// The next delivery report. Cancel safe.
async fn next_report(reports: &mut Option<mpsc::Receiver<News>>) -> Option<News> {
    match reports {
        Some(reports) => reports.recv().await,
        None => std::future::pending().await,
    }
}
