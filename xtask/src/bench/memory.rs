//! The memory that all processes of a control group take, at the worst moment of a run.
//!
//! ```text
//!   five times a second:  what each process has for itself, added up
//!                         + the files that the largest maps: its program, shared by all
//! ```
//!
//! Not here: the page cache, which is the system's.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};

/// Between two looks: short against a run, and long against what a look takes.
const PAUSE: Duration = Duration::from_millis(200);

/// A watch under way; dropping it ends it too.
#[derive(Debug)]
pub(super) struct MemoryWatch {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    peak_octets: AtomicU64,
    is_over: AtomicBool,
}

impl MemoryWatch {
    /// Begins to look at the processes that this file lists.
    pub(super) fn begin(members: &Path) -> Result<Self> {
        let state = Arc::new(State::default());
        let (shared, members) = (Arc::clone(&state), members.to_path_buf());
        let thread = thread::Builder::new()
            .name("memory".to_owned())
            .spawn(move || watch(&shared, &members))
            .context("cannot start a thread")?;
        Ok(Self { state, thread: Some(thread) })
    }

    /// Ends; the peak in octets.
    pub(super) fn end(self) -> u64 {
        self.state.peak_octets.load(Ordering::Relaxed)
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            drop(thread.join());
        }
    }
}

fn watch(state: &State, members: &PathBuf) {
    while !state.is_over.load(Ordering::Relaxed) {
        // Processes come and go; who is gone takes no memory.
        let list = fs::read_to_string(members).unwrap_or_default();
        let statuses =
            list.lines().filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok());
        state.peak_octets.fetch_max(total(statuses), Ordering::Relaxed);
        thread::park_timeout(PAUSE);
    }
}

fn total(statuses: impl Iterator<Item = String>) -> u64 {
    let (mut own, mut files) = (0, 0);
    for status in statuses {
        own += octets(&status, "RssAnon:") + octets(&status, "RssShmem:");
        files = octets(&status, "RssFile:").max(files);
    }
    own + files
}

fn octets(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    number.and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn shared_programs_count_once() {
        let one = "Name:\tsmtpd\nRssAnon:\t     100 kB\nRssFile:\t    4000 kB\nRssShmem:\t 1 kB\n";
        let two = "Name:\tqmgr\nRssAnon:\t      20 kB\nRssFile:\t    5000 kB\nRssShmem:\t 0 kB\n";
        let statuses = [one, two, "Name:\tzombie\n"].map(str::to_owned);
        assert_eq!(total(statuses.into_iter()), (100 + 1 + 20 + 5000) * 1024);
    }
}
