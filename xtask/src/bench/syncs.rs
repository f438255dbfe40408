//! Counts calls of fsync and fdatasync, file by file, without slowing them down.
//!
//! The kernel's trace point `ext4_sync_file_enter` names device and inode of each call; a trace
//! instance of our own collects them. Where there is none (another file system, no root) the
//! count is absent, and the flushes of the device are what is left to look at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

const TRACE_FOLDER: &str = "/sys/kernel/tracing";

/// Memory for each core's events: enough for 100,000 of them.
const BUFFER_KIB: &str = "16384";

/// Programs of Postfix and OpenSMTPD, as the kernel calls them: the files that they sync are gone
/// when we look.
const RIVALS_PROGRAMS: &[&str] = &[
    "smtpd",
    "cleanup",
    "qmgr",
    "virtual",
    "smtp",
    "error",
    "bounce",
    "pickup",
    "postlogd",
    "trivial-rewrite",
    "mail.maildir",
];

/// Syncs of a server in one run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SyncCount {
    /// All but those of checkpoints.
    pub(super) accept: u64,
    /// Of a database's main file: SQLite moves there what its log holds.
    pub(super) checkpoint: u64,
}

/// A count under way.
#[derive(Debug)]
pub(super) struct SyncTrace {
    instance: PathBuf,
}

impl SyncTrace {
    /// Begins to count; nothing where the kernel cannot.
    pub(super) fn begin() -> Option<Self> {
        let root = Path::new(TRACE_FOLDER);
        if !root.join("instances").is_dir() {
            let mount = ["-t", "tracefs", "tracefs", TRACE_FOLDER];
            std::process::Command::new("mount").args(mount).output().ok()?;
        }
        let instance = root.join("instances").join("posthouse-bench");
        if instance.exists() {
            fs::remove_dir(&instance).ok()?;
        }
        fs::create_dir(&instance).ok()?;
        let trace = Self { instance };
        fs::write(trace.instance.join("buffer_size_kb"), BUFFER_KIB).ok()?;
        fs::write(trace.instance.join("events/ext4/ext4_sync_file_enter/enable"), "1").ok()?;
        Some(trace)
    }

    /// Ends; counts the syncs of files under `files` and of rivals.
    pub(super) fn end(self, files: &Path) -> Option<SyncCount> {
        fs::write(self.instance.join("tracing_on"), "0").ok()?;
        let text = fs::read_to_string(self.instance.join("trace")).ok()?;
        Some(count(&text, &inodes(files)))
    }
}

impl Drop for SyncTrace {
    fn drop(&mut self) {
        drop(fs::remove_dir(&self.instance));
    }
}

fn count(trace: &str, files: &BTreeMap<u64, Kind>) -> SyncCount {
    let rivals: BTreeSet<&str> = RIVALS_PROGRAMS.iter().copied().collect();
    let mut counted = SyncCount::default();
    for line in trace.lines().filter(|line| !line.starts_with('#')) {
        let Some((head, event)) = line.split_once("ext4_sync_file_enter:") else { continue };
        let inode = event.split_once(" ino ").and_then(|(_, rest)| rest.split(' ').next());
        let Some(inode) = inode.and_then(|word| word.parse::<u64>().ok()) else { continue };
        match files.get(&inode) {
            Some(Kind::Database) => counted.checkpoint += 1,
            Some(Kind::Other) => counted.accept += 1,
            None if rivals.contains(task_name(head)) => counted.accept += 1,
            None => {}
        }
    }
    counted
}

/// `cleanup` of `   cleanup-1234    [001] .....   12.345678: `.
fn task_name(head: &str) -> &str {
    let before_core = head.split('[').next().unwrap_or_default().trim();
    before_core.rsplit_once('-').map_or(before_core, |(name, _)| name)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Database,
    Other,
}

/// All files and folders below a folder, by inode.
fn inodes(folder: &Path) -> BTreeMap<u64, Kind> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).into_iter().flatten().flatten().map(|e| e.path()) {
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            let is_database = path.extension().is_some_and(|ext| ext == "db" || ext == "sqlite");
            let kind = if is_database { Kind::Database } else { Kind::Other };
            found.insert(metadata.ino(), kind);
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Kind, count};

    #[test]
    fn syncs_are_told_apart_by_file_and_program() {
        let trace = "# tracer: nop\n\
            writer-21  [001] .....  1.5: ext4_sync_file_enter: dev 254,0 ino 7 parent 2 datasync 1 \n\
            writer-21  [001] .....  1.6: ext4_sync_file_enter: dev 254,0 ino 8 parent 2 datasync 1 \n\
            trivial-rewrite-3  [000] ..... 1.6: ext4_sync_file_enter: dev 254,0 ino 99 parent 2 datasync 0 \n\
            firefox-33  [000] .....  1.7: ext4_sync_file_enter: dev 254,0 ino 98 parent 2 datasync 0 \n";
        let files = [(7, Kind::Other), (8, Kind::Database)].into();
        let counted = count(trace, &files);
        assert_eq!((counted.accept, counted.checkpoint), (2, 1));
    }
}
