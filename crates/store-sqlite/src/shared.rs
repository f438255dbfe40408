//! What callers, readers and the writer have in common.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use store::{Change, Counters};
use tokio::sync::{broadcast, watch};

use crate::leases::Leases;
use crate::segments::Segments;
use crate::turns::Turns;
use crate::waiting::Waiting;

/// News that a slow subscriber may be behind before it has to read anew.
const CHANGES_KEPT: usize = 4096;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) waiting: Arc<Waiting>,
    pub(crate) segments: Arc<Segments>,
    pub(crate) leases: Leases,
    pub(crate) turns: Turns,
    pub(crate) message_next: Arc<AtomicI64>,
    pub(crate) changes: broadcast::Sender<Change>,
    /// Whether the writer's thread has ended.
    pub(crate) ended: watch::Sender<bool>,
    /// Pages in the write-ahead log that are not in the database yet.
    pub(crate) wal_pages: AtomicU64,
    counters: Mutex<Counters>,
}

impl Shared {
    pub(crate) fn new(segments: Arc<Segments>, message_next: i64) -> Self {
        Self {
            waiting: Arc::default(),
            segments,
            leases: Leases::default(),
            turns: Turns::default(),
            message_next: Arc::new(AtomicI64::new(message_next)),
            changes: broadcast::Sender::new(CHANGES_KEPT),
            ended: watch::Sender::new(false),
            wal_pages: AtomicU64::new(0),
            counters: Mutex::default(),
        }
    }

    /// Counts a batch: syncs of segments, and the database's own if it changed.
    pub(crate) fn count(&self, segment_syncs: u64, changed: bool, octets: u64, accepted: u64) {
        self.with_counters(|counters| {
            let commit = u64::from(changed);
            counters.commits = counters.commits.saturating_add(commit);
            counters.syncs = counters.syncs.saturating_add(segment_syncs).saturating_add(commit);
            counters.content_octets = counters.content_octets.saturating_add(octets);
            counters.accepted = counters.accepted.saturating_add(accepted);
        });
    }

    /// Counts syncs for which the caller of one accept waited, not the batch.
    pub(crate) fn count_alone(&self, octets: u64) {
        self.with_counters(|counters| {
            counters.syncs = counters.syncs.saturating_add(1);
            counters.content_octets = counters.content_octets.saturating_add(octets);
        });
    }

    pub(crate) fn count_checkpoint(&self, syncs: u64) {
        self.with_counters(|counters| {
            counters.checkpoint_syncs = counters.checkpoint_syncs.saturating_add(syncs);
        });
    }

    pub(crate) fn counters(&self) -> Counters {
        *self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_counters(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.counters.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A message id for content that gets a segment of its own before the commit.
    pub(crate) fn take_message(&self) -> i64 {
        self.message_next.fetch_add(1, Ordering::Relaxed)
    }
}
