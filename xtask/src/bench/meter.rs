//! What a run costs: CPU and memory of the server, octets and flushes of the device, syncs, and
//! noise.
//!
//! CPU time comes from a control group, so that children count that lived and died in between.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use crate::bench::memory::MemoryWatch;
use crate::bench::syncs::{SyncCount, SyncTrace};

/// Ticks of a second in /proc/stat; the same on every Linux that we know.
const TICKS_PER_SECOND: u64 = 100;

/// Octets of a sector in /sys/block/*/stat, whatever the disk.
const SECTOR_OCTETS: u64 = 512;

/// A control group: all processes of a server.
#[derive(Debug)]
pub(super) struct Group {
    folder: PathBuf,
}

impl Group {
    /// Makes it, for `cgroup` of version 1 or 2.
    pub(super) fn make(name: &str) -> Result<Self> {
        let first = Path::new("/sys/fs/cgroup/cpuacct");
        let parent = if first.is_dir() { first } else { Path::new("/sys/fs/cgroup") };
        let folder = parent.join(format!("posthouse-bench-{name}"));
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the control group {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// A command whose process, and all that it starts, belongs to the group.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]);
        command.arg(self.members()).arg(program);
        command
    }

    /// The file that lists its processes.
    pub(super) fn members(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    fn cpu(&self) -> Result<Duration> {
        if let Ok(text) = fs::read_to_string(self.folder.join("cpuacct.usage")) {
            return Ok(Duration::from_nanos(text.trim().parse()?));
        }
        let text = fs::read_to_string(self.folder.join("cpu.stat"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("usage_usec "));
        let micros = line.ok_or_else(|| anyhow!("no usage_usec in cpu.stat"))?;
        Ok(Duration::from_micros(micros.parse()?))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // It refuses as long as a process is in it, and a stopped server needs a moment to go.
        for _ in 0..50 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// What a run has cost.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) cpu: Duration,
    /// Written to the device, by anybody.
    pub(super) octets: u64,
    /// Flushes of the device's cache, by anybody.
    pub(super) flushes: Option<u64>,
    pub(super) syncs: Option<SyncCount>,
    /// Octets of memory of all processes of the server, at the worst moment.
    pub(super) memory: Option<u64>,
    /// Part of the machine's CPU time that neither the server nor the load, nor where it sends
    /// to, took.
    pub(super) noise: f64,
}

/// Whose costs are counted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Groups<'a> {
    /// The server; without one, this process itself.
    pub(super) server: Option<&'a Group>,
    /// Where the server sends to.
    pub(super) beyond: Option<&'a Group>,
}

/// A measurement under way.
#[derive(Debug)]
pub(super) struct Meter<'a> {
    groups: Groups<'a>,
    device: Device,
    syncs: Option<SyncTrace>,
    memory: Option<MemoryWatch>,
    before: Moment,
    begun: Instant,
}

#[derive(Debug)]
struct Moment {
    group_cpu: Duration,
    beyond_cpu: Duration,
    own_cpu: Duration,
    busy_cpu: Duration,
    octets: u64,
    flushes: Option<u64>,
}

impl<'a> Meter<'a> {
    /// Begins with a quiet disk: all that was written before is written out first.
    pub(super) fn begin(folder: &Path, groups: Groups<'a>) -> Result<Self> {
        let device = Device::of(folder)?;
        nix::unistd::sync();
        let memory = groups.server.map(|group| MemoryWatch::begin(&group.members())).transpose()?;
        let before = Moment::now(groups, &device)?;
        let begun = Instant::now();
        Ok(Self { groups, device, syncs: SyncTrace::begin(), memory, before, begun })
    }

    /// Ends; `files` is the folder with the server's files.
    pub(super) fn end(self, files: &Path) -> Result<Reading> {
        let wall = self.begun.elapsed();
        let busy = Moment::now(self.groups, &self.device)?;
        let syncs = self.syncs.and_then(|trace| trace.end(files));
        let memory = self.memory.map(MemoryWatch::end);
        nix::unistd::sync(); // what the run left in memory is part of its price
        let after = Moment::now(self.groups, &self.device)?;
        let own = busy.own_cpu.saturating_sub(self.before.own_cpu);
        let group = busy.group_cpu.saturating_sub(self.before.group_cpu);
        let beyond = busy.beyond_cpu.saturating_sub(self.before.beyond_cpu);
        let cpu = if self.groups.server.is_some() { group } else { own };
        let all = busy.busy_cpu.saturating_sub(self.before.busy_cpu);
        let others = all.saturating_sub(own).saturating_sub(group).saturating_sub(beyond);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Ok(Reading {
            cpu,
            octets: after.octets.saturating_sub(self.before.octets),
            flushes: busy
                .flushes
                .zip(self.before.flushes)
                .map(|(after, before)| after.saturating_sub(before)),
            syncs,
            memory,
            noise: others.as_secs_f64() / (wall.as_secs_f64() * cores as f64),
        })
    }
}

impl Moment {
    fn now(groups: Groups<'_>, device: &Device) -> Result<Self> {
        let usage = getrusage(UsageWho::RUSAGE_SELF)?;
        let own = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        let (octets, flushes) = device.written()?;
        let cpu_of = |group: Option<&Group>| group.map_or(Ok(Duration::ZERO), Group::cpu);
        Ok(Self {
            group_cpu: cpu_of(groups.server)?,
            beyond_cpu: cpu_of(groups.beyond)?,
            own_cpu: Duration::from_micros(u64::try_from(own)?),
            busy_cpu: busy_cpu()?,
            octets,
            flushes,
        })
    }
}

/// CPU time that the machine was not idle (user, nice, system, irq, softirq).
fn busy_cpu() -> Result<Duration> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line.split_whitespace().skip(1).map_while(|w| w.parse().ok()).collect();
    let busy: u64 = [0, 1, 2, 5, 6].iter().filter_map(|&column| ticks.get(column)).sum();
    Ok(Duration::from_millis(busy * 1000 / TICKS_PER_SECOND))
}

/// The block device under a folder.
#[derive(Debug)]
struct Device {
    statistics: PathBuf,
}

impl Device {
    fn of(folder: &Path) -> Result<Self> {
        let device = fs::metadata(folder)?.dev();
        let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
        let own = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"));
        let own = own.canonicalize().with_context(|| {
            format!("{} is not on a disk: choose another --dir", folder.display())
        })?;
        // A partition counts no flushes; the whole disk does.
        let whole = if own.join("partition").exists() { own.join("..") } else { own };
        Ok(Self { statistics: whole.join("stat") })
    }

    /// Octets written and flushes done, since the machine started.
    fn written(&self) -> Result<(u64, Option<u64>)> {
        let text = fs::read_to_string(&self.statistics)?;
        let columns: Vec<u64> = text.split_whitespace().map_while(|w| w.parse().ok()).collect();
        let sectors = columns.get(6).ok_or_else(|| anyhow!("unknown form of disk statistics"))?;
        Ok((sectors * SECTOR_OCTETS, columns.get(15).copied()))
    }
}
