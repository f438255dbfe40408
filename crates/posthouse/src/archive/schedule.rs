//! Backups that the server makes by itself, and what is known of the last one.
//!
//! After each one it is read again, every checksum and row of it: what is told of it is that it
//! can be brought back, not that it was made.
//!
//! Standards: none of its own.
//! Not here: making one (`backup`).

use std::sync::Arc;
use std::time::Duration;

use platform::{Disk, RealDisk, Shutdown, Timestamp};
use serde::{Deserialize, Serialize};
use store::Finding;
use store_sqlite::check_backup;
use tracing::{error, info, warn};

use super::back_up;
use crate::config::Backup;
use crate::engine::Engine;
use crate::failure::{Failure, of_file};
use crate::folder::Folder;

/// Pause after one that failed, if the next is not due before.
const PAUSE: Duration = Duration::from_secs(15 * 60);

/// What `DATA/backup.json` may have: more findings than that nobody reads.
const STATUS_OCTETS_MAX: usize = 16 * 1024 * 1024;

/// Findings that are kept of a backup.
const FINDINGS_MAX: usize = 100;

/// What is known of the last backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// When it was begun, in milliseconds since 1970.
    pub(crate) begun_at: i64,
    /// What came of it.
    pub(crate) result: BackupResult,
}

/// What came of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BackupResult {
    /// It was read again, and can be brought back whole.
    Proven { generation: String, messages: u64 },
    /// Something of it could not be read.
    Damaged { generation: String, findings: Vec<Finding> },
    /// There is none.
    Failed { reason: String },
}

impl Status {
    /// What the server wrote last; `None`: it made no backup yet.
    pub(crate) fn read(folder: &Folder) -> Result<Option<Self>, Failure> {
        let path = folder.backup_status();
        let unread = |error: &_| of_file("read what is known of the last backup", &path, error);
        if !RealDisk.exists(&path).map_err(|error| unread(&error))? {
            return Ok(None);
        }
        let octets =
            RealDisk.read_whole(&path, STATUS_OCTETS_MAX).map_err(|error| unread(&error))?;
        serde_json::from_slice(&octets).map(Some).map_err(|error| {
            Failure::new(format!("what is known of the last backup cannot be understood: {error}"))
                .in_path(&path)
                .remedy("remove it: the next backup writes it anew")
        })
    }

    fn write(&self, folder: &Folder) -> Result<(), Failure> {
        let path = folder.backup_status();
        let octets = serde_json::to_vec(self)
            .map_err(|error| Failure::new(format!("what came of a backup: {error}")))?;
        RealDisk
            .write_whole(&path, &octets)
            .map_err(|error| of_file("write what came of the backup", &path, &error))
    }

    fn begun_at(&self) -> Timestamp {
        Timestamp::from_millis(self.begun_at)
    }

    fn is_good(&self) -> bool {
        matches!(self.result, BackupResult::Proven { .. })
    }
}

/// Makes backups until we shut down.
pub(crate) async fn run(engine: Arc<Engine>, backup: Backup, shutdown: Shutdown) {
    let mut last = match Status::read(engine.folder()) {
        Ok(last) => last,
        Err(failure) => {
            warn!(%failure, "the next backup is made at once");
            None
        }
    };
    loop {
        tokio::select! {
            () = engine.clock.sleep(wait(last.as_ref(), engine.clock.now(), backup.every)) => {}
            () = shutdown.begun() => return,
        }
        // A copy takes long, and what is left of it when we end does not count.
        let status = tokio::select! {
            status = make(&engine, &backup) => status,
            () = shutdown.begun() => return,
        };
        if let Err(failure) = status.write(engine.folder()) {
            warn!(%failure, "`check` will not know of the backup");
        }
        last = Some(status);
    }
}

/// How long until the next one. A clock that was set back delays it by no more than a period.
fn wait(last: Option<&Status>, now: Timestamp, every: Duration) -> Duration {
    let Some(last) = last else { return Duration::ZERO };
    let period = if last.is_good() { every } else { every.min(PAUSE) };
    period.saturating_sub(now.since(last.begun_at()))
}

async fn make(engine: &Engine, backup: &Backup) -> Status {
    let begun_at = engine.clock.now().millis();
    let result = match back_up(engine, backup.folder.clone(), Some(backup.keep)).await {
        Ok(report) => prove(backup, report.generation, report.findings).await,
        Err(failure) => BackupResult::Failed { reason: failure.to_string() },
    };
    match &result {
        BackupResult::Proven { generation, messages } => {
            info!(generation, messages, "backup made, read again, and found whole");
        }
        BackupResult::Damaged { generation, findings } => {
            error!(generation, findings = findings.len(), "backup made, but it is not whole");
        }
        BackupResult::Failed { reason } => error!(reason, "no backup"),
    }
    Status { begun_at, result }
}

/// Reads a backup again.
async fn prove(backup: &Backup, generation: String, mut findings: Vec<Finding>) -> BackupResult {
    let (folder, name) = (backup.folder.clone(), generation.clone());
    let read = tokio::task::spawn_blocking(move || check_backup(&folder, Some(&name))).await;
    let report = match read {
        Ok(Ok(report)) => report,
        Ok(Err(error)) => return BackupResult::Failed { reason: error.to_string() },
        Err(_) => {
            let reason = "reading it again broke down, which is a bug of ours".to_owned();
            return BackupResult::Failed { reason };
        }
    };
    findings.extend(report.findings);
    findings.truncate(FINDINGS_MAX);
    if findings.is_empty() {
        BackupResult::Proven { generation, messages: report.messages }
    } else {
        BackupResult::Damaged { generation, findings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_the_next_backup_is_due() {
        let proven = BackupResult::Proven { generation: String::new(), messages: 0 };
        let failed = BackupResult::Failed { reason: String::new() };
        let (day, hour, minute) = (86_400_u32, 3_600_u32, 60_u32);
        #[rustfmt::skip]
        let table = [
            (Some((&proven, 0)), 0, day, day, "just made"),
            (Some((&proven, 0)), day - hour, day, hour, "nearly"),
            (Some((&proven, 0)), 3 * day, day, 0, "the server was off for days"),
            (Some((&proven, day)), 0, day, day, "the clock was set back"),
            (Some((&failed, 0)), 0, day, 15 * minute, "one that failed is tried again soon"),
            (Some((&failed, 0)), 0, 5 * minute, 5 * minute, "but not later than usual"),
            (None, 0, day, 0, "never"),
        ];
        for (last, now, every, wanted, why) in table {
            let status = last.map(|(result, at)| Status {
                begun_at: i64::from(at) * 1000,
                result: result.clone(),
            });
            let now = Timestamp::from_seconds(i64::from(now));
            let found = wait(status.as_ref(), now, Duration::from_secs(every.into()));
            assert_eq!(found, Duration::from_secs(wanted.into()), "{why}");
        }
    }
}
