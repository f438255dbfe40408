//! One domain's line: who waits, how many go at a time, and what the last attempts taught us.
//!
//! Standards: RFC 5321 §4.5.4.1.
//! Not here: all lines together, and luck (`lanes`).

use std::collections::VecDeque;
use std::time::Duration;

use envelope::EnhancedStatus;
use tokio::sync::oneshot;

use super::pace::Pace;
use super::{DEAD_PAUSE, SLOW_DOWN_PAUSE, Turn};
use crate::reception::policy::Rate;

/// At a time, before we know a destination.
const AT_FIRST: usize = 2;
/// For each attempt at a time so many may wait, before we know how long one takes.
const WAITING_AT_FIRST: usize = 2;
/// Nobody joins a line that takes longer than this.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Whoever is put off comes again after this time at the soonest and at the latest.
const PUT_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5 * 60));

/// Whoever waits for a rate comes again after this time at the latest: rates may be changed.
const PACED_MAX: Duration = Duration::from_secs(60 * 60);

/// How an attempt went, as far as it concerns those that follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::queue) enum Went {
    /// A server took or refused it.
    Well,
    /// A server wants fewer of us: 421, or 4.7.x before a recipient.
    SlowDown(String),
    /// None could be reached, or even found.
    Unreached(EnhancedStatus, String),
}

/// Whether what wants a turn was here before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::queue) enum Came {
    /// It is new.
    First,
    /// It was told to come again, perhaps by this very line.
    Again,
}

/// How things are at a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Attempts under way.
    pub busy: usize,
    /// Attempts that may be under way at a time, now.
    pub limit: usize,
    /// Mail that waits for its turn within the next moments.
    pub waiting: usize,
    /// How long nothing is tried there.
    pub rests_for: Option<Duration>,
    /// What the last attempt was told that made us rest.
    pub why: Option<String>,
    /// How many may go in a time, in words, where there is such a limit, and when the next may.
    pub pace: Option<(String, Duration)>,
}

/// A destination's line.
#[derive(Debug)]
pub(super) struct Lane {
    busy: usize,
    limit: usize,
    limit_max: usize,
    /// Attempts that went well since the limit was raised.
    well: usize,
    /// Setbacks in a row.
    setbacks: u32,
    rests: Option<Rest>,
    /// What a turn takes, on average.
    takes: Option<Duration>,
    /// When a turn began or ended last.
    moved: Duration,
    /// When the next one that is put off is likely to have its turn.
    slot: Duration,
    /// Each sender's places; the first sender is next.
    waiting: VecDeque<(String, VecDeque<oneshot::Sender<Turn>>)>,
    waiting_count: usize,
    pace: Option<Pace>,
}

/// Nobody goes until then.
#[derive(Debug)]
struct Rest {
    until: Duration,
    why: String,
    /// None of it can be reached.
    dead: Option<EnhancedStatus>,
}

impl Lane {
    pub(super) fn new(limit_max: usize, rate: Option<Rate>, rule: Option<&str>) -> Self {
        Self {
            busy: 0,
            limit: AT_FIRST.min(limit_max),
            limit_max,
            well: 0,
            setbacks: 0,
            rests: None,
            takes: None,
            moved: Duration::ZERO,
            slot: Duration::ZERO,
            waiting: VecDeque::new(),
            waiting_count: 0,
            pace: rate.map(|rate| Pace::new(rate, rule)),
        }
    }

    #[cfg(test)]
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    fn rest(&self, now: Duration) -> Option<&Rest> {
        self.rests.as_ref().filter(|rest| rest.until > now)
    }

    /// Why nobody is let try at all.
    pub(super) fn why_dead(&self, now: Duration) -> Option<(EnhancedStatus, &str)> {
        let rest = self.rest(now)?;
        Some((rest.dead?, rest.why.as_str()))
    }

    /// Whether whoever joins now will have its turn soon.
    pub(super) fn is_soon(&self, now: Duration, came: Came) -> bool {
        if self.rest(now).is_some() {
            return false;
        }
        if let Some(pace) = &self.pace {
            // Whoever was put off has the places up to the last one that was promised.
            let promised = came == Came::First && self.slot > now;
            if promised || pace.free_at(self.waiting_count) > now {
                return false;
            }
        }
        if self.busy + self.waiting_count < self.limit {
            return true;
        }
        match self.takes {
            None => self.waiting_count < self.limit * WAITING_AT_FIRST,
            Some(takes) => {
                // One that hangs teaches us before it ends.
                let takes = takes.max(now.saturating_sub(self.moved));
                self.time_for(self.waiting_count, takes) <= WAIT_MAX
            }
        }
    }

    fn time_for(&self, turns: usize, takes: Duration) -> Duration {
        let turns = u32::try_from(turns).unwrap_or(u32::MAX);
        let at_a_time = u32::try_from(self.limit.max(1)).unwrap_or(u32::MAX);
        takes.saturating_mul(turns) / at_a_time
    }

    /// When whoever cannot wait should come again, and why.
    pub(super) fn put_off(&mut self, now: Duration) -> (Duration, String) {
        let from = self.rest(now).map_or(now, |rest| rest.until);
        if let Some(pace) = &self.pace {
            let free_at = pace.free_at(self.waiting_count).max(from);
            if free_at > now || self.slot > now {
                let most = now.saturating_add(PACED_MAX);
                self.slot = free_at.max(self.slot.saturating_add(pace.step())).min(most);
                let pause = self.slot.saturating_sub(now).max(PUT_OFF.0);
                return (pause, pace.words().to_owned());
            }
        }
        let pause = match self.takes {
            Some(takes) => {
                self.slot = self.slot.max(from).saturating_add(self.time_for(1, takes));
                self.slot.saturating_sub(now)
            }
            // Soon we know; the longer that takes, the longer an attempt will.
            None => {
                let without_news = now.saturating_sub(self.moved).saturating_mul(2);
                from.saturating_sub(now).max(without_news)
            }
        };
        let pause = pause.clamp(PUT_OFF.0, PUT_OFF.1);
        let busy = format!("{} of {} connections are busy", self.busy, self.limit);
        (
            pause,
            match self.rest(now) {
                Some(rest) => format!("we slow down: {}", rest.why),
                None => format!("{busy} and {} wait", self.waiting_count),
            },
        )
    }

    pub(super) fn join(&mut self, sender: &str) -> oneshot::Receiver<Turn> {
        let (place, turn) = oneshot::channel();
        self.waiting_count += 1;
        match self.waiting.iter_mut().find(|(known, _)| known == sender) {
            Some((_, places)) => places.push_back(place),
            None => self.waiting.push_back((sender.to_owned(), VecDeque::from([place]))),
        }
        turn
    }

    /// Whether somebody waits and may go.
    pub(super) fn can_go(&self, now: Duration) -> bool {
        let paced = self.pace.as_ref().is_some_and(|pace| pace.free_at(0) > now);
        self.waiting_count > 0 && self.busy < self.limit && self.rest(now).is_none() && !paced
    }

    /// The next who waits: of the sender whose turn it is, who then is the last.
    pub(super) fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let (sender, mut places) = self.waiting.pop_front()?;
        let place = places.pop_front();
        if !places.is_empty() {
            self.waiting.push_back((sender, places));
        }
        self.waiting_count = self.waiting_count.saturating_sub(1);
        place
    }

    /// Whether somebody waits.
    pub(super) fn is_waited_in(&self) -> bool {
        self.waiting_count > 0
    }

    pub(super) fn begin(&mut self, now: Duration) {
        self.moved = now;
        self.busy += 1;
        if let Some(pace) = &mut self.pace {
            pace.take(now);
        }
    }

    pub(super) fn end(&mut self) {
        self.busy = self.busy.saturating_sub(1);
    }

    /// Why somebody goes now.
    pub(super) fn why(&self) -> String {
        match self.setbacks {
            0 => format!("{} of {} connections were busy", self.busy, self.limit),
            _ => format!("one first, after {} setbacks", self.setbacks),
        }
    }

    /// The first pause and the number of setbacks in a row, with this one.
    pub(super) fn setback(&self, went: &Went) -> (Duration, u32) {
        let first = match went {
            Went::Well => Duration::ZERO,
            Went::SlowDown(_) => SLOW_DOWN_PAUSE,
            Went::Unreached(..) => DEAD_PAUSE,
        };
        (first, self.setbacks.saturating_add(1))
    }

    /// Learns from an attempt; after a setback nobody goes for `pause`.
    pub(super) fn learn(&mut self, went: Went, took: Duration, now: Duration, pause: Duration) {
        self.moved = now;
        let (why, dead) = match went {
            Went::Well => {
                self.takes = Some(self.takes.map_or(took, |before| (before * 3 + took) / 4));
                (self.setbacks, self.rests) = (0, None);
                self.well += 1;
                if self.well >= self.limit {
                    self.well = 0;
                    self.limit = (self.limit + 1).min(self.limit_max);
                }
                return;
            }
            Went::SlowDown(why) => (why, None),
            Went::Unreached(status, why) => (why, Some(status)),
        };
        // Those that were under way together are one setback.
        if self.rest(now).is_some() {
            return;
        }
        self.setbacks = self.setbacks.saturating_add(1);
        self.well = 0;
        self.limit = if dead.is_some() { 1 } else { (self.limit / 2).max(1) };
        self.rests = Some(Rest { until: now.saturating_add(pause), why, dead });
        // All who wait shall hear of it: their places close.
        self.waiting.clear();
        self.waiting_count = 0;
    }

    /// Forgets setbacks.
    pub(super) fn try_again(&mut self) {
        (self.setbacks, self.rests) = (0, None);
    }

    pub(super) fn standing(&self, now: Duration) -> Standing {
        let rest = self.rest(now);
        Standing {
            busy: self.busy,
            limit: self.limit,
            waiting: self.waiting_count,
            rests_for: rest.map(|rest| rest.until.saturating_sub(now)),
            why: rest.map(|rest| rest.why.clone()),
            pace: self
                .pace
                .as_ref()
                .map(|pace| (pace.words().to_owned(), pace.free_at(0).saturating_sub(now))),
        }
    }

    /// Whether somebody waits or is under way.
    pub(super) fn is_used(&self) -> bool {
        self.busy > 0 || self.waiting_count > 0
    }

    /// Whether nothing is lost when it is forgotten.
    pub(super) fn is_forgettable(&self, now: Duration) -> bool {
        /// So long after the end of a rest, a further setback counts as one more in a row.
        const MEMORY: Duration = Duration::from_secs(10 * 60);
        let remembered = self.setbacks > 0
            && self.rests.as_ref().is_some_and(|rest| rest.until.saturating_add(MEMORY) > now);
        let paced = self.pace.as_ref().is_some_and(|pace| !pace.is_full(now));
        !self.is_used() && self.slot <= now && !remembered && !paced
    }
}
