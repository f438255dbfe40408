//! Waiting for something to be so, with a deadline.
//!
//! Standards: none of its own.
//! Not here: waiting for a program's end (`program`) or for octets (`dialog`).

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine. Reached only when a test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// Looks again and again until there is something.
///
/// # Panics
///
/// When there is nothing within [`PATIENCE`]; `what` says what was waited for.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
        thread::sleep(PAUSE);
    }
}
