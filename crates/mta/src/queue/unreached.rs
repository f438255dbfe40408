//! Addresses that could not be reached a moment ago.
//!
//! Standards: RFC 5321 §4.5.4.1 (a client should remember hosts that it cannot reach).
//! Not here: what follows for a message (`work`).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use platform::Endpoint;

/// Most addresses that are remembered; what does not fit is tried, which only takes longer.
const ADDRESSES_MAX: usize = 10_000;
/// Longest time that one is passed over.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Addresses that could not be reached, and until when they are passed over.
#[derive(Debug)]
pub(crate) struct Unreached {
    pause: Duration,
    until: Mutex<BTreeMap<Endpoint, (Duration, String)>>,
}

impl Unreached {
    /// `first_retry` is the shortest pause of the schedule: a retry is never passed over because
    /// of the try before it.
    pub(crate) fn new(first_retry: Duration) -> Self {
        Self { pause: PAUSE_MAX.min(first_retry / 2), until: Mutex::default() }
    }

    fn map(&self) -> MutexGuard<'_, BTreeMap<Endpoint, (Duration, String)>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers an address; `now` is of the monotonic clock.
    pub(super) fn remember(&self, address: &Endpoint, now: Duration, why: &str) {
        let mut map = self.map();
        if map.len() >= ADDRESSES_MAX {
            map.retain(|_, (until, _)| *until > now);
        }
        if map.len() < ADDRESSES_MAX {
            map.insert(address.clone(), (now.saturating_add(self.pause), why.to_owned()));
        }
    }

    /// Forgets all.
    pub(crate) fn try_again(&self) {
        self.map().clear();
    }

    /// Why an address is passed over now.
    pub(super) fn why(&self, address: &Endpoint, now: Duration) -> Option<String> {
        let mut map = self.map();
        match map.get(address) {
            Some((until, why)) if *until > now => Some(why.clone()),
            Some(_) => {
                map.remove(address);
                None
            }
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_passed_over_for_a_while() {
        let unreached = Unreached::new(Duration::from_secs(60));
        let endpoint = |text: &str| Endpoint::Tcp(text.parse().unwrap());
        let (address, other) = (&endpoint("192.0.2.1:25"), &endpoint("192.0.2.2:25"));
        let second = Duration::from_secs;
        unreached.remember(address, second(100), "refused");
        assert_eq!(unreached.why(address, second(129)).as_deref(), Some("refused"));
        assert_eq!(unreached.why(other, second(129)), None);
        assert_eq!(unreached.why(address, second(130)), None, "before the first retry");
        assert!(unreached.map().is_empty());
    }
}
