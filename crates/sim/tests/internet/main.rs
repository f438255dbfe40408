//! A simulated internet: the real transfer agent on the real store, destinations that
//! misbehave each in its own way, two weeks in a second.
//!
//! One seed is one history. `SIM_RUNS=1000 cargo test -p sim --test internet` runs so many,
//! `SIM_SEED=17` repeats history 17. Both are long histories; without either there are two short
//! ones, and `SIM_SHORT=1 SIM_SEED=0` repeats the first of these.
//!
//! ```text
//!   author ─SMTP─▶ Posthouse (reception, queue, relay, notices; crashes once) ─SMTP─▶ peers
//!                       └─▶ its store ─▶ laws ◀─ what peers and authors saw ◀──────────┘
//! ```
#![cfg(not(any(feature = "fault-early-ack", feature = "fault-no-sync")))]

mod author;
mod laws;
mod peer;
mod plan;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

/// Short histories of one test run: enough to see that all is well; `cargo xtask sim` runs many.
const RUNS: u64 = 2;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

fn is_short() -> bool {
    let asked = ["SIM_SEED", "SIM_RUNS"].into_iter().find_map(number);
    number("SIM_SHORT").is_some() || asked.is_none()
}

/// The first history in which a law is broken, and how.
fn first_broken() -> Option<(u64, String)> {
    let size = if is_short() { plan::SHORT } else { plan::LONG };
    if let Some(seed) = number("SIM_SEED") {
        return world::run(seed, size).err().map(|broken| (seed, broken));
    }
    let runs = number("SIM_RUNS").unwrap_or(RUNS);
    let next = AtomicU64::new(0);
    let run = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= runs {
                return None;
            }
            if let Err(broken) = world::run(seed, size) {
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

const FAULTY: bool = cfg!(any(
    feature = "fault-forgets-notice",
    feature = "fault-ignores-due",
    feature = "fault-retries-accepted",
    feature = "fault-accepts-refused"
));

/// Every message ends at its peer once, or in one right notice. With a fault built in, the laws
/// notice it.
#[test]
fn every_message_ends_delivered_or_in_a_notice() {
    match (first_broken(), FAULTY) {
        (Some((seed, broken)), false) => {
            let short = if is_short() { "SIM_SHORT=1 " } else { "" };
            panic!("{broken}\nrepeat it: {short}SIM_SEED={seed} cargo test -p sim --test internet")
        }
        (None, true) => panic!("a transfer agent with a mistake, and no law broken"),
        (Some((seed, broken)), true) => println!("found out by seed {seed}: {broken}"),
        (None, false) => {}
    }
}
