//! Scenarios of the real store on a disk that fails and a machine that crashes.
//!
//! One seed is one history. `SIM_SEED=17 cargo test -p sim` repeats history 17;
//! `SIM_RUNS=20000` runs more of them.

mod check;
mod history;

use std::sync::atomic::{AtomicU64, Ordering};

use history::History;

/// Histories of one test run.
const RUNS: u64 = 500;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// The first history in which a law is broken, and how.
fn first_broken() -> Option<(u64, String)> {
    if let Some(seed) = number("SIM_SEED") {
        return History::run(seed).err().map(|broken| (seed, broken));
    }
    let runs = number("SIM_RUNS").unwrap_or(RUNS);
    let next = AtomicU64::new(0);
    let run = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= runs {
                return None;
            }
            if let Err(broken) = History::run(seed) {
                next.store(runs, Ordering::Relaxed);
                return Some((seed, broken));
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(run)).collect();
        threads.into_iter().find_map(|thread| thread.join().expect("no history panics"))
    })
}

/// Whatever was acknowledged is there, once and whole; whatever was refused is not.
#[cfg(not(any(feature = "fault-early-ack", feature = "fault-no-sync")))]
#[test]
fn accepted_mail_is_never_lost() {
    if let Some((seed, broken)) = first_broken() {
        panic!("{broken}; repeat it: SIM_SEED={seed} cargo test -p sim");
    }
}

/// The control: a store that answers before its commit, or does not sync, loses what it
/// acknowledged, and the scenario notices.
#[cfg(any(feature = "fault-early-ack", feature = "fault-no-sync"))]
#[test]
fn a_store_that_breaks_its_promise_is_found_out() {
    assert!(first_broken().is_some(), "{RUNS} histories of a store that lies, and no law broken");
}
