//! A simulated world for tests: a clock that is stepped, luck from a seed, a disk that forgets
//! what was not synced, and a network of hosts that are slow, silent or break off.
//!
//! Everything that happens follows from the seed, so a failing run is repeated by its seed. The
//! scenarios are this crate's test binaries.
//!
//! Standards: none of its own.
//! Not here: what is tested; and nothing here looks at the real time, disk or luck.

mod clock;
mod disk;
mod net;
mod random;

pub use clock::SimClock;
pub use disk::{Faults, SimDisk};
pub use net::{Break, Reach, SimNet, Way};
pub use random::SimRandom;
