//! What the server takes from itself before it speaks with anybody.
//!
//! Passwords and keys are in its memory: no core dump, and no other process of its user looks into
//! it. Whatever else it starts gets no more rights than it has. All of it holds without an init
//! system; `dist/posthouse.service` does more.
//!
//! Standards: prctl(2), core(5).
//! Not here: which files and ports it may use (the unit).

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use tracing::warn;

/// Takes it. What the system does not know is told and left.
pub(super) fn harden() {
    let all = [
        ("no new privileges", prctl::set_no_new_privs()),
        ("no core dump", setrlimit(Resource::RLIMIT_CORE, 0, 0)),
        ("no look into our memory", prctl::set_dumpable(false)),
    ];
    for (what, done) in all {
        if let Err(error) = done {
            warn!(what, %error, "the system does not harden this process");
        }
    }
}
