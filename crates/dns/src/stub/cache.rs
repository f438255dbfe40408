//! Answers that are kept for as long as they allow.
//!
//! Standards: RFC 1034 §3.6 (TTL), RFC 2308 §5 (negative answers).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Outcome;
use crate::Kind;

/// Most answers that are kept: some megabytes.
const ANSWERS_MAX: usize = 10_000;

type Key = (String, Kind);

/// Answers by name and kind.
#[derive(Debug, Default)]
pub(super) struct Cache {
    answers: BTreeMap<Key, Kept>,
    /// The same keys by the end of their time, to let go of the next to end when it is full.
    ends: BTreeSet<(Duration, Key)>,
}

#[derive(Debug)]
struct Kept {
    outcome: Outcome,
    /// On the monotonic clock.
    until: Duration,
}

impl Cache {
    /// What is known at `now`, and for how long still.
    pub(super) fn get(&self, name: &str, kind: Kind, now: Duration) -> Option<(Outcome, Duration)> {
        let kept = self.answers.get(&(name.to_owned(), kind))?;
        let left = kept.until.checked_sub(now).filter(|left| !left.is_zero())?;
        Some((kept.outcome.clone(), left))
    }

    /// Keeps an answer, unless it may not be kept at all.
    pub(super) fn put(
        &mut self,
        name: &str,
        kind: Kind,
        outcome: &Outcome,
        now: Duration,
        ttl: Duration,
    ) {
        if ttl.is_zero() {
            return;
        }
        let key = (name.to_owned(), kind);
        let until = now.saturating_add(ttl);
        let kept = Kept { outcome: outcome.clone(), until };
        if let Some(old) = self.answers.insert(key.clone(), kept) {
            self.ends.remove(&(old.until, key.clone()));
        }
        self.ends.insert((until, key));
        while self.answers.len() > ANSWERS_MAX
            && let Some((_, first)) = self.ends.pop_first()
        {
            self.answers.remove(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn answers_are_kept_for_their_time() {
        let mut cache = Cache::default();
        cache.put("a", Kind::A, &Outcome::NoRecords, 5 * SECOND, 10 * SECOND);
        cache.put("b", Kind::A, &Outcome::NoRecords, 5 * SECOND, Duration::ZERO);
        #[rustfmt::skip]
        let table = [
            ("a", Kind::A,  5, Some(10), "at once"),
            ("a", Kind::A, 14, Some(1),  "with the time that is left"),
            ("a", Kind::A, 15, None,     "not at its end"),
            ("a", Kind::Mx, 5, None,     "another kind"),
            ("b", Kind::A,  5, None,     "one that may not be kept"),
        ];
        for (name, kind, second, left, why) in table {
            let found = cache.get(name, kind, second * SECOND);
            assert_eq!(found.map(|(_, left)| left.as_secs()), left, "{why}");
        }
    }

    #[test]
    fn a_full_cache_lets_go_of_the_next_to_end() {
        let mut cache = Cache::default();
        for number in 0..ANSWERS_MAX + 10 {
            let ttl = Duration::from_secs(number as u64 + 1);
            cache.put(&number.to_string(), Kind::A, &Outcome::NoRecords, SECOND, ttl);
        }
        // One that is put again is not counted twice.
        cache.put("20", Kind::A, &Outcome::NoSuchDomain, SECOND, SECOND);
        assert_eq!((cache.answers.len(), cache.ends.len()), (ANSWERS_MAX, ANSWERS_MAX));
        assert!(cache.get("9", Kind::A, SECOND).is_none());
        assert!(cache.get("10", Kind::A, SECOND).is_some());
        assert!(matches!(cache.get("20", Kind::A, SECOND), Some((Outcome::NoSuchDomain, SECOND))));
    }
}
