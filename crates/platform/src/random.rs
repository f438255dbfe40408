//! Luck: random numbers for ids, ports, jitter, salts and nonces.
//!
//! Not here: keys of TLS, which rustls makes itself.

use std::fmt;

use rand::Rng;

/// Gives random octets that nobody can guess.
pub trait Random: Send + Sync + fmt::Debug + 'static {
    /// Fills `octets` with random ones.
    fn fill(&self, octets: &mut [u8]);

    /// A random number.
    fn u64(&self) -> u64 {
        let mut octets = [0; 8];
        self.fill(&mut octets);
        u64::from_le_bytes(octets)
    }

    /// A random number below `n`, each equally likely; zero when `n` is zero.
    fn below(&self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        // Numbers of the last, incomplete round would favour the small results.
        let unfair_from = u64::MAX - u64::MAX % n;
        loop {
            let number = self.u64();
            if number < unfair_from {
                return number % n;
            }
        }
    }
}

/// The generator of the `rand` crate for cryptography, seeded by the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, octets: &mut [u8]) {
        rand::rng().fill_bytes(octets);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Counts down from the largest number.
    #[derive(Debug)]
    struct Falling(AtomicU64);

    impl Random for Falling {
        fn fill(&self, octets: &mut [u8]) {
            let number = self.0.fetch_sub(1, Ordering::Relaxed);
            octets.copy_from_slice(&number.to_le_bytes());
        }
    }

    #[test]
    fn below_rejects_the_incomplete_round() {
        // 2^64 - 1 is 5 times something: the round of 10 that begins below it is incomplete.
        let random = Falling(AtomicU64::new(u64::MAX));
        assert_eq!(random.below(10), 9);
        assert_eq!(Falling(AtomicU64::new(3)).below(0), 0);
        assert_eq!(Falling(AtomicU64::new(3)).below(1), 0);
    }

    #[test]
    fn the_system_gives_all_results() {
        let mut seen = [false; 6];
        for _ in 0..1000 {
            seen[usize::try_from(SystemRandom.below(6)).unwrap()] = true;
        }
        assert_eq!(seen, [true; 6]);
        assert_ne!(SystemRandom.u64(), SystemRandom.u64());
    }
}
