//! Work beside the writer: reading, and writing big content to segments of their own.
//!
//! Each thread has a read-only connection of its own and does one thing at a time, so that
//! nobody's long listing holds up an async runtime. A simulation does it inline. There are three
//! pools, so that short reads never wait behind what is slow: reads, content, verification.
//!
//! Not here: what is read (`mailboxes`, `queue`, `directory`).

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use store::StoreError;

use crate::database::{self, sql};

/// Reads that may wait. Each session has one at a time.
const WAITING_MAX: usize = 64 * 1024;

pub(crate) type Read = Box<dyn FnOnce(&mut Connection) + Send>;

/// Where reads are done.
#[derive(Debug)]
pub(crate) enum Readers {
    /// On threads of their own.
    Threads(Pool),
    /// Where they are asked for.
    Inline(Mutex<Connection>),
}

/// Reader threads and what waits for them.
#[derive(Debug)]
pub(crate) struct Pool {
    queue: Arc<Queue>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    woken: Condvar,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

#[derive(Default)]
struct State {
    reads: VecDeque<Read>,
    idle: usize,
    closed: bool,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Read> {
        let mut state = self.state();
        loop {
            if let Some(read) = state.reads.pop_front() {
                return Some(read);
            }
            if state.closed {
                return None;
            }
            state.idle = state.idle.saturating_add(1);
            state = self.woken.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle = state.idle.saturating_sub(1);
        }
    }
}

impl Readers {
    /// `threads` threads, called `name` and a number; none: reads are done where they are asked for.
    pub(crate) fn start(
        path: &Path,
        name: &'static str,
        threads: usize,
    ) -> Result<Self, StoreError> {
        if threads == 0 {
            return Ok(Self::Inline(Mutex::new(database::open_reader(path)?)));
        }
        let queue = Arc::new(Queue::default());
        let mut started = Vec::new();
        for number in 0..threads {
            let mut connection = database::open_reader(path)?;
            let queue = Arc::clone(&queue);
            let thread = std::thread::Builder::new()
                .name(format!("{name}-{number}"))
                .spawn(move || {
                    while let Some(read) = queue.next() {
                        outlive(read, &mut connection);
                    }
                })
                .map_err(database::disk("start a reader thread"))?;
            started.push(thread);
        }
        Ok(Self::Threads(Pool { queue, threads: Mutex::new(started) }))
    }

    /// Does `read` soon, or now.
    pub(crate) fn run(&self, read: Read) -> Result<(), StoreError> {
        match self {
            Self::Inline(connection) => {
                outlive(read, &mut connection.lock().unwrap_or_else(PoisonError::into_inner));
                Ok(())
            }
            Self::Threads(pool) => {
                let mut state = pool.queue.state();
                if state.closed {
                    return Err(StoreError::Closed);
                }
                if state.reads.len() >= WAITING_MAX {
                    return Err(StoreError::Busy { limit_octets: WAITING_MAX as u64 });
                }
                state.reads.push_back(read);
                let wake = state.idle > 0;
                drop(state);
                if wake {
                    pool.queue.woken.notify_one();
                }
                Ok(())
            }
        }
    }

    /// Does what waits, then ends the threads.
    pub(crate) fn close(&self) {
        let Self::Threads(pool) = self else { return };
        pool.queue.state().closed = true;
        pool.queue.woken.notify_all();
        let threads: Vec<_> =
            pool.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        for thread in threads {
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("a reader thread panicked");
            }
        }
    }
}

/// Does `read`. If it panics, its own caller hears that there is no answer, and the thread is
/// there for the others; its transaction was rolled back on the way.
fn outlive(read: Read, connection: &mut Connection) {
    let done = catch_unwind(AssertUnwindSafe(|| read(connection)));
    if done.is_err() {
        tracing::error!("a read panicked");
    }
}

/// Runs `read` in one transaction, so that all of its statements see the same commit.
pub(crate) fn snapshot<T>(
    connection: &mut Connection,
    read: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let failed = sql("begin to read");
    let transaction = connection.transaction().map_err(&failed)?;
    let result = read(&transaction)?;
    transaction.finish().map_err(&failed)?;
    Ok(result)
}
