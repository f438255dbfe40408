//! Log lines on standard error, from a queue of their own.
//!
//! A log that cannot be written, because its pipe is full or closed, must never hold up mail.
//! Lines wait in a bounded queue; what does not fit is counted and said later.
//!
//! ```text
//!   tracing ─ a line ─▶ queue ─▶ thread ─▶ standard error
//!                         └ full: counted
//! ```
//!
//! Standards: RFC 3339 (times).
//! Not here: what is logged.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::Options;

/// Lines that may wait.
const LINES_MAX: usize = 4096;

/// The variable that sets the filter, as `tracing_subscriber` has it.
const FILTER_VARIABLE: &str = "POSTHOUSE_LOG";

/// How much is gathered for one write.
const WRITE_OCTETS: usize = 64 * 1024;

/// How long the last lines may take to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The log, from its begin to its end.
#[derive(Debug)]
pub(crate) struct Log {
    queue: SyncSender<Entry>,
}

/// What the thread is told.
#[derive(Debug)]
enum Entry {
    /// Write this.
    Line(Vec<u8>),
    /// Say when all before this is written.
    Flush(SyncSender<()>),
}

impl Log {
    /// Begins to log. Never fails: at worst nothing is logged.
    pub(crate) fn begin(options: &Options) -> Self {
        let fallback = match (options.quiet, options.verbose) {
            (true, _) => "warn",
            (false, 0) => "info",
            (false, 1) => "debug",
            (false, _) => "trace",
        };
        let filter = EnvFilter::try_from_env(FILTER_VARIABLE)
            .unwrap_or_else(|_| EnvFilter::new(format!("{fallback},hickory=warn,rustls=warn")));
        let colour = io::stderr().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let lines = Lines::new(io::stderr());
        let log = Self { queue: lines.queue.clone() };
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(lines)
            .with_target(false)
            .with_ansi(colour);
        // Who began before us goes on.
        if options.json {
            builder.json().try_init().ok();
        } else {
            builder.try_init().ok();
        }
        log
    }

    /// Waits a moment for the last lines to be written.
    pub(crate) fn end(self) {
        let (written, wait) = sync_channel(1);
        if self.queue.try_send(Entry::Flush(written)).is_ok() {
            wait.recv_timeout(LAST_LINES).ok();
        }
    }
}

/// Takes lines and hands them to a thread.
#[derive(Clone, Debug)]
struct Lines {
    queue: SyncSender<Entry>,
    lost: Arc<AtomicU64>,
}

impl Lines {
    fn new(out: impl Write + Send + 'static) -> Self {
        let (queue, waiting) = sync_channel(LINES_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        // Without the thread everything is lost, which is no reason to serve no mail.
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write(&waiting, &counter, out))
            .ok();
        Self { queue, lost }
    }
}

/// Writes lines as they come, those that wait together at once, and how many were lost. Each
/// write may fail without harm.
fn write(waiting: &Receiver<Entry>, lost: &AtomicU64, mut out: impl Write) {
    let mut text = Vec::new();
    while let Ok(first) = waiting.recv() {
        let mut next = Some(first);
        while let Some(entry) = next.take() {
            match entry {
                Entry::Line(line) => text.extend_from_slice(&line),
                Entry::Flush(written) => {
                    out.write_all(&text).and_then(|()| out.flush()).ok();
                    text.clear();
                    written.try_send(()).ok();
                }
            }
            if text.len() < WRITE_OCTETS {
                next = waiting.try_recv().ok();
            }
        }
        out.write_all(&text).ok();
        text.clear();
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            writeln!(out, "{lost} log lines were lost: nobody wrote them fast enough").ok();
        }
    }
}

impl Write for Lines {
    /// Takes a whole line: the formatter writes each event at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Entry::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A place that holds up whoever writes to it, until the other end lets go.
    #[derive(Clone, Debug)]
    struct Stuck(Arc<Mutex<Vec<u8>>>);

    impl Write for Stuck {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("whole").extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_that_nobody_reads_holds_nobody_up() {
        let place = Arc::new(Mutex::new(Vec::new()));
        let held = place.lock().expect("whole");
        let mut lines = Lines::new(Stuck(Arc::clone(&place)));
        let line = [b"x".repeat(99), b"\n".to_vec()].concat();
        for _ in 0..LINES_MAX * 2 {
            lines.write_all(&line).expect("taken");
        }
        drop(held);
        let (done, wait) = sync_channel(1);
        lines.queue.send(Entry::Flush(done)).expect("the thread lives");
        wait.recv().expect("written");
        // What was lost is said behind the batch in which that is noticed.
        let (done, wait) = sync_channel(1);
        lines.queue.send(Entry::Flush(done)).expect("the thread lives");
        wait.recv().expect("written");
        let written = String::from_utf8(place.lock().expect("whole").clone()).expect("text");
        let kept = written.lines().filter(|line| line.starts_with('x')).count();
        assert!((LINES_MAX..LINES_MAX * 2).contains(&kept), "{kept} were kept");
        assert!(written.contains("log lines were lost"));
    }
}
