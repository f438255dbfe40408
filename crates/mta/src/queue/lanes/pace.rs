//! So many transactions in a time.
//!
//! A bucket that is full at first and fills evenly: `count` may go at once, then one each `per` /
//! `count`.
//!
//! Standards: none of its own.
//! Not here: who waits (`lane`).

use std::time::Duration;

use crate::reception::policy::Rate;

/// A destination's pace.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Rate,
    words: String,
    /// When the bucket would be full again.
    full_at: Duration,
}

impl Pace {
    pub(super) fn new(rate: Rate, rule: Option<&str>) -> Self {
        let Rate { count, per } = rate;
        let by = rule.map(|rule| format!(", by {rule}")).unwrap_or_default();
        let words = format!("at most {count} messages go there in {} s{by}", per.as_secs());
        Self { rate, words, full_at: Duration::ZERO }
    }

    /// The limit as a sentence.
    pub(super) fn words(&self) -> &str {
        &self.words
    }

    /// What one message takes of the bucket.
    pub(super) fn step(&self) -> Duration {
        self.rate.per / self.rate.count.max(1)
    }

    /// When one more may go behind so many others that may go before.
    pub(super) fn free_at(&self, others: usize) -> Duration {
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        let behind = self.full_at.saturating_add(self.step().saturating_mul(others));
        behind.saturating_sub(self.rate.per.saturating_sub(self.step()))
    }

    /// One goes.
    pub(super) fn take(&mut self, now: Duration) {
        self.full_at = self.full_at.max(now).saturating_add(self.step());
    }

    /// Whether nothing is lost when it is forgotten.
    pub(super) fn is_full(&self, now: Duration) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_then_one_after_the_other() {
        let second = Duration::from_secs;
        let mut pace = Pace::new(Rate { count: 3, per: second(30) }, Some("rule 2"));
        let mut went = Vec::new();
        let mut now = second(100);
        for _ in 0..6 {
            now = now.max(pace.free_at(0));
            pace.take(now);
            went.push(now.as_secs());
        }
        assert_eq!(went, [100, 100, 100, 110, 120, 130]);
        assert_eq!(pace.free_at(2), second(160), "behind two others");
        assert!(!pace.is_full(second(159)) && pace.is_full(second(160)));
        assert_eq!(pace.words(), "at most 3 messages go there in 30 s, by rule 2");
    }
}
