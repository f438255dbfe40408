//! Turns: so many attempts at a time, and only a part of them at one domain.
//!
//! ```text
//!   turn ─ room ─▶ Turn ─▶ attempt ─▶ end(how it went) ─▶ more or fewer at a time
//!        ├ busy, but quick ─▶ waits; senders take turns
//!        ├ busy and slow ──▶ put off until its turn is likely
//!        └ dead ───────────▶ the answer of the last attempt, until a single one is let try
//! ```
//!
//! Standards: RFC 5321 §4.5.4.1 (concurrency and retries are the sender's strategy; a host that
//! cannot be reached is not tried for each message).
//! Not here: when a message comes again (`settle`), single addresses (`unreached`).

mod lane;
mod pace;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use envelope::EnhancedStatus;
use platform::{Clock, Random};
use tokio::sync::oneshot;

use self::lane::Lane;
pub use self::lane::Standing;
pub(super) use self::lane::{Came, Went};
use super::schedule::pause_before_retry;
use crate::QueueConfig;
use crate::rules::Destination;

/// One domain gets this part of all attempts.
const DOMAIN_PART: usize = 5;
/// How long a turn is waited for, when it was expected soon.
const PATIENCE: Duration = Duration::from_secs(15);
/// First time for which a dead destination is left alone; it doubles.
const DEAD_PAUSE: Duration = Duration::from_secs(30);
/// First time for which a destination rests that told us to slow down; it doubles.
const SLOW_DOWN_PAUSE: Duration = Duration::from_secs(5);
/// Longest of both: when it is well again, we shall know soon.
const PAUSE_MAX: Duration = Duration::from_secs(10 * 60);

/// Lanes that are kept before those are looked for that nobody needs.
const LANES_KEPT: usize = 1000;
/// Most lanes that are remembered for their setbacks alone; what is forgotten is tried once more.
const LANES_MAX: usize = 20_000;

/// All turns.
#[derive(Debug)]
pub(crate) struct Lanes {
    all_max: usize,
    domain_max: usize,
    queue: QueueConfig,
    random: Arc<dyn Random>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Attempts under way.
    busy: usize,
    lanes: BTreeMap<String, Lane>,
    /// Those of them in which somebody waits.
    waiting: BTreeSet<String>,
    /// How many lanes were left when they were last looked through.
    kept: usize,
    /// Whose waiting job had its turn last: the next one's comes next.
    last: Option<String>,
}

/// A turn; its drop gives it to the next.
#[derive(Debug)]
pub(super) struct Turn {
    lanes: Arc<Lanes>,
    name: String,
    began: Duration,
    went: Option<(Went, Duration)>,
    /// Why it has its turn now.
    pub(super) why: String,
    counts: bool,
}

/// Why there is no turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoTurn {
    /// It may come again after this time.
    Busy(Duration, String),
    /// The destination could not be reached a moment ago.
    Dead(EnhancedStatus, String),
}

impl Lanes {
    pub(crate) fn new(queue: QueueConfig, random: Arc<dyn Random>) -> Arc<Self> {
        let all_max = queue.attempts_max.max(1);
        let domain_max = (queue.attempts_max / DOMAIN_PART).max(1);
        Arc::new(Self { all_max, domain_max, queue, random, state: Mutex::default() })
    }

    /// Waits for a turn at a domain, for mail of a sender.
    ///
    /// Cancel safety: the place in the line is lost, nothing else.
    pub(super) async fn turn(
        self: &Arc<Self>,
        clock: &dyn Clock,
        to: &Destination,
        sender: &str,
        came: Came,
    ) -> Result<Turn, NoTurn> {
        let until = clock.monotonic().saturating_add(PATIENCE);
        loop {
            let now = clock.monotonic();
            let place = self.place(to, (sender, came), now, until)?;
            self.give(now);
            let left = until.saturating_sub(now);
            match platform::clock::within(clock, left, place).await {
                Ok(Ok(turn)) => return Ok(turn),
                // Everybody was sent away, to hear what has happened.
                Ok(Err(_)) => {}
                Err(_) => return Err(self.put_off(to, clock.monotonic())),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place in the line of a domain.
    fn place(
        &self,
        to: &Destination,
        (sender, came): (&str, Came),
        now: Duration,
        until: Duration,
    ) -> Result<oneshot::Receiver<Turn>, NoTurn> {
        let mut state = self.state();
        let name = &to.name;
        let lane = self.lane(&mut state, to);
        if let Some((status, why)) = lane.why_dead(now) {
            let text = format!("{name} is left alone for a while: {why}");
            return Err(NoTurn::Dead(status, text));
        }
        if now >= until || !lane.is_soon(now, came) {
            let (pause, why) = lane.put_off(now);
            return Err(NoTurn::Busy(pause, format!("it waits for its turn at {name}: {why}")));
        }
        let place = lane.join(sender);
        state.waiting.insert(name.clone());
        Ok(place)
    }

    fn put_off(&self, to: &Destination, now: Duration) -> NoTurn {
        let mut state = self.state();
        let (pause, why) = self.lane(&mut state, to).put_off(now);
        NoTurn::Busy(pause, format!("it waited for its turn at {}: {why}", to.name))
    }

    /// A destination's line, made where there is none.
    fn lane<'s>(&self, state: &'s mut State, to: &Destination) -> &'s mut Lane {
        let limit_max = to.concurrency.map_or(self.domain_max, |most| most.clamp(1, self.all_max));
        let lane = || Lane::new(limit_max, to.rate, to.rule.as_deref());
        state.lanes.entry(to.name.clone()).or_insert_with(lane)
    }

    /// Gives away the turns that there are, to one domain after the other.
    fn give(self: &Arc<Self>, now: Duration) {
        let mut state = self.state();
        while state.busy < self.all_max {
            let Some(name) = state.whose_turn(now) else { return };
            state.last = Some(name.clone());
            let State { busy, lanes, waiting, .. } = &mut *state;
            let Some(lane) = lanes.get_mut(&name) else { return };
            let place = lane.next();
            if !lane.is_waited_in() {
                waiting.remove(&name);
            }
            let Some(place) = place else { continue };
            let turn = Turn {
                lanes: Arc::clone(self),
                name,
                began: now,
                went: None,
                why: lane.why(),
                counts: true,
            };
            match place.send(turn) {
                Ok(()) => {
                    lane.begin(now);
                    *busy += 1;
                }
                // Nobody waits there any more, and we hold the lock that its drop needs.
                Err(mut turn) => turn.counts = false,
            }
        }
    }

    /// A turn is over.
    fn end(self: &Arc<Self>, name: &str, began: Duration, went: Option<(Went, Duration)>) {
        let now = went.as_ref().map_or(began, |(_, now)| *now);
        {
            let mut state = self.state();
            let State { busy, lanes, waiting, .. } = &mut *state;
            *busy = busy.saturating_sub(1);
            if let Some(lane) = lanes.get_mut(name) {
                lane.end();
                if let Some((went, _)) = went {
                    let (first, times) = lane.setback(&went);
                    let pause = self.pause(first, times);
                    lane.learn(went, now.saturating_sub(began), now, pause);
                }
                if !lane.is_waited_in() {
                    waiting.remove(name);
                }
            }
            state.forget(now);
        }
        self.give(now);
    }

    /// Forgets all setbacks: an operator wants it tried now.
    pub(crate) fn try_again(&self) {
        for lane in self.state().lanes.values_mut() {
            lane.try_again();
        }
    }

    /// What mail for a destination waits for, when there is something.
    pub(crate) fn standing(&self, name: &str, now: Duration) -> Option<Standing> {
        self.state().lanes.get(name).map(|lane| lane.standing(now))
    }

    /// The pause after so many setbacks in a row: doubling, and a quarter of it by chance, so that
    /// not all come back together. Never so long that a message's next try would fall into the
    /// pause that its own last try began.
    fn pause(&self, first: Duration, times: u32) -> Duration {
        let doubled = first.saturating_mul(1 << times.saturating_sub(1).min(16));
        let own_next = pause_before_retry(&self.queue, times) / 2;
        let longest = doubled.min(own_next).min(PAUSE_MAX);
        let millis = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        longest.saturating_sub(Duration::from_millis(self.random.below(millis / 4)))
    }
}

impl State {
    /// The domain whose waiting mail may go: the next one behind the last.
    fn whose_turn(&self, now: Duration) -> Option<String> {
        let can = |name: &&String| self.lanes.get(*name).is_some_and(|lane| lane.can_go(now));
        let behind = |last: &String| (Bound::Excluded(last.clone()), Bound::Unbounded);
        let next = self.last.as_ref().map(behind);
        let next = next.and_then(|behind| self.waiting.range::<String, _>(behind).find(can));
        next.or_else(|| self.waiting.iter().find(can)).cloned()
    }

    /// Forgets lanes that nobody needs, when there have come as many as there were.
    fn forget(&mut self, now: Duration) {
        if self.lanes.len() < LANES_KEPT.max(self.kept.saturating_mul(2)) {
            return;
        }
        self.lanes.retain(|_, lane| !lane.is_forgettable(now));
        if self.lanes.len() > LANES_MAX {
            self.lanes.retain(|_, lane| lane.is_used());
        }
        self.kept = self.lanes.len();
    }
}

impl Turn {
    /// Tells how it went, for those that follow.
    pub(super) fn went(&mut self, went: Went, now: Duration) {
        self.went = Some((went, now));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.counts {
            self.lanes.end(&self.name, self.began, self.went.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use platform::{SystemClock, SystemRandom};

    use super::*;

    fn lanes(attempts_max: usize) -> Arc<Lanes> {
        let queue = QueueConfig { attempts_max, ..QueueConfig::default() };
        Lanes::new(queue, Arc::new(SystemRandom))
    }

    fn to(name: &str) -> Destination {
        Destination { name: name.to_owned(), concurrency: None, rate: None, rule: None }
    }

    /// A turn that is there at once.
    async fn turn(lanes: &Arc<Lanes>, name: &str) -> Option<Turn> {
        let now = SystemClock.monotonic();
        let mut place = lanes.place(&to(name), ("ada", Came::First), now, now + PATIENCE).ok()?;
        lanes.give(now);
        place.try_recv().ok()
    }

    #[tokio::test]
    async fn a_busy_domain_leaves_turns_to_the_others() {
        let lanes = lanes(10);
        let held =
            [turn(&lanes, "slow.test").await.unwrap(), turn(&lanes, "slow.test").await.unwrap()];
        assert!(turn(&lanes, "slow.test").await.is_none(), "R13: two of ten");
        assert!(turn(&lanes, "quick.test").await.is_some(), "R13: others go on");
        drop(held);
        assert!(turn(&lanes, "slow.test").await.is_some());
        let mut state = lanes.state();
        state.lanes.retain(|_, lane| !lane.is_forgettable(SystemClock.monotonic()));
        assert!(state.lanes.is_empty(), "nothing is kept of domains that are done");
        assert!(state.waiting.is_empty() && state.busy == 0);
    }

    #[tokio::test]
    async fn a_slow_line_is_not_joined() {
        let lanes = lanes(5);
        let now = SystemClock.monotonic();
        let _held = turn(&lanes, "slow.test").await.unwrap();
        let mut places = Vec::new();
        let refused = loop {
            match lanes.place(&to("slow.test"), ("ada", Came::First), now, now + PATIENCE) {
                Ok(place) => places.push(place),
                Err(refused) => break refused,
            }
        };
        assert_eq!(places.len(), 2, "nobody knows yet how long it takes");
        let NoTurn::Busy(pause, why) = refused else { panic!("{refused:?}") };
        assert_eq!(pause, Duration::from_secs(1), "a burst waits no longer than it must");
        assert!(why.contains("1 of 1"), "{why}");
        let later = now + Duration::from_secs(20);
        let NoTurn::Busy(pause, _) = lanes.put_off(&to("slow.test"), later) else { panic!() };
        assert!(
            pause >= Duration::from_secs(39),
            "it hangs, so that asking often helps nobody: {pause:?}"
        );
    }

    #[tokio::test]
    async fn success_brings_more_turns_and_slow_down_fewer() {
        let lanes = lanes(50);
        let mut at = SystemClock.monotonic();
        let _kept = turn(&lanes, "b.test").await.unwrap();
        let limit = |lanes: &Arc<Lanes>| lanes.state().lanes.get("b.test").unwrap().limit();
        let start = limit(&lanes);
        for _ in 0..100 {
            turn(&lanes, "b.test").await.unwrap().went(Went::Well, at);
        }
        assert_eq!((start, limit(&lanes)), (2, 10), "from low to its part of all");
        turn(&lanes, "b.test").await.unwrap().went(Went::SlowDown("421 slow".to_owned()), at);
        assert_eq!(limit(&lanes), 5, "half");
        assert!(!lanes.state().lanes.get("b.test").unwrap().can_go(at), "and a rest");
        at += PAUSE_MAX;
        assert!(lanes.state().lanes.get("b.test").unwrap().why_dead(at).is_none());
    }

    #[tokio::test]
    async fn a_dead_destination_is_left_alone_and_then_tried_by_one() {
        let lanes = lanes(50);
        let dead = to("dead.test");
        let at = SystemClock.monotonic();
        let status = EnhancedStatus::new(4, 4, 1);
        let unreached = |why: &str| Went::Unreached(status, why.to_owned());
        turn(&lanes, "dead.test").await.unwrap().went(unreached("no route"), at);
        let refused = lanes.place(&dead, ("ada", Came::First), at, at + PATIENCE).unwrap_err();
        assert!(
            matches!(&refused, NoTurn::Dead(_, why) if why.contains("no route")),
            "{refused:?}"
        );
        let later = at + DEAD_PAUSE;
        let mut places: Vec<_> = (0..2)
            .map(|_| lanes.place(&dead, ("ada", Came::First), later, later + PATIENCE).unwrap())
            .collect();
        lanes.give(later);
        let mut probe = places[0].try_recv().unwrap();
        assert!(places[1].try_recv().is_err(), "one first");
        probe.went(unreached("still no route"), later);
        drop(probe);
        let sent_away = |place: &mut oneshot::Receiver<Turn>| {
            matches!(place.try_recv(), Err(oneshot::error::TryRecvError::Closed))
        };
        assert!(sent_away(&mut places[1]), "all hear of it");
        let standing = lanes.standing("dead.test", later).unwrap();
        assert!(standing.why.unwrap().contains("still no route"));
        lanes.try_again();
        assert!(turn(&lanes, "dead.test").await.is_some(), "the operator wants it now");
        let again = lanes.pause(DEAD_PAUSE, 2);
        assert!(again > DEAD_PAUSE && again <= DEAD_PAUSE * 2, "longer, by chance: {again:?}");
    }

    #[tokio::test]
    async fn senders_take_turns() {
        let lanes = lanes(5);
        let (to, now) = (to("b.test"), SystemClock.monotonic());
        let mut first = turn(&lanes, "b.test").await.unwrap();
        first.went(Went::Well, now);
        drop(first);
        let held = turn(&lanes, "b.test").await.unwrap();
        let place =
            |sender: &str| lanes.place(&to, (sender, Came::First), now, now + PATIENCE).unwrap();
        let mut flood: Vec<_> = (0..50).map(|_| place("flood@a.test")).collect();
        let mut other = place("ada@a.test");
        drop(held);
        let one = flood[0].try_recv().unwrap();
        drop(one);
        assert!(other.try_recv().is_ok(), "her one is the second, not the fifty-first");
    }
}
