//! An ext4 file system in a file, whose power can be cut.
//!
//! `EXT4_IOC_SHUTDOWN` with "no log flush" is what a power cut looks like from inside: dirty
//! pages and the journal's uncommitted part are gone, and every later write fails.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Size of the image; it is sparse.
const IMAGE_OCTETS: u64 = 4 << 30;

/// Nothing is written before somebody asks: no commit every five seconds, no flush of files that
/// were renamed or truncated. So only a sync makes anything durable.
const MOUNT_OPTIONS: &str = "loop,commit=300,noauto_da_alloc";

/// The ioctl `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`, in a language that has ioctl
/// without `unsafe`.
const CUT: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

/// Tries to unmount while the last descriptor of a dead process goes away.
const UNMOUNT_TRIES: u32 = 100;

/// The image and where it is mounted. Dropping it unmounts it.
#[derive(Debug)]
pub(super) struct Volume {
    image: PathBuf,
    mount_point: PathBuf,
    is_mounted: bool,
}

impl Volume {
    /// Makes a fresh one in `folder` and mounts it.
    pub(super) fn make(folder: &Path) -> Result<Self> {
        let mount_point = folder.join("mnt");
        fs::create_dir_all(&mount_point)?;
        let image = folder.join("ext4.img");
        File::create(&image)?.set_len(IMAGE_OCTETS)?;
        call(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))?;
        let mut volume = Self { image, mount_point, is_mounted: false };
        volume.mount()?;
        Ok(volume)
    }

    pub(super) fn mount_point(&self) -> &Path {
        &self.mount_point
    }

    /// Writes out everything.
    pub(super) fn sync(&self) -> Result<()> {
        call(Command::new("sync").arg("-f").arg(&self.mount_point))
    }

    /// From here on nothing is written any more, and what was not synced is lost.
    pub(super) fn cut_power(&self) -> Result<()> {
        call(Command::new("python3").args(["-c", CUT]).arg(&self.mount_point))
    }

    /// Comes back as a machine does: unmounted, then mounted with its journal replayed.
    pub(super) fn mount_again(&mut self) -> Result<()> {
        self.unmount()?;
        self.mount()
    }

    fn mount(&mut self) -> Result<()> {
        let mut command = Command::new("mount");
        command.args(["-t", "ext4", "-o", MOUNT_OPTIONS]).arg(&self.image).arg(&self.mount_point);
        call(&mut command)?;
        self.is_mounted = true;
        Ok(())
    }

    fn unmount(&mut self) -> Result<()> {
        for _ in 1..UNMOUNT_TRIES {
            let output = Command::new("umount").arg(&self.mount_point).output()?;
            if output.status.success() {
                self.is_mounted = false;
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        call(Command::new("umount").arg(&self.mount_point))?;
        self.is_mounted = false;
        Ok(())
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if self.is_mounted
            && let Err(error) = self.unmount()
        {
            eprintln!("{} stays mounted: {error:#}", self.mount_point.display());
        }
        drop(fs::remove_file(&self.image));
    }
}

fn call(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {name}"))?;
    if output.status.success() {
        return Ok(());
    }
    bail!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim_end());
}
