//! Luck from a seed.

use std::sync::{Mutex, PoisonError};

use platform::Random;

/// Random numbers that follow from a seed (SplitMix64: nobody needs to be unable to guess them).
#[derive(Debug)]
pub struct SimRandom(Mutex<u64>);

impl SimRandom {
    /// All numbers follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    /// True once in `times`; never for zero.
    pub fn once_in(&self, times: u64) -> bool {
        times != 0 && self.below(times) == 0
    }

    fn next(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut number = *state;
        number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        number ^ (number >> 31)
    }
}

impl Random for SimRandom {
    fn fill(&self, octets: &mut [u8]) {
        for chunk in octets.chunks_mut(8) {
            let number = self.next().to_le_bytes();
            for (octet, random) in chunk.iter_mut().zip(number) {
                *octet = random;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_history() {
        let numbers = |seed| {
            let random = SimRandom::new(seed);
            [random.u64(), random.below(1000), random.u64()]
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
        let random = SimRandom::new(1);
        assert!(!random.once_in(0) && random.once_in(1));
    }
}
