//! A disk in memory that keeps what was not synced apart, and loses it in a crash.
//!
//! It behaves like the worst disk that keeps its promises:
//! - what was written but not synced survives a crash in part, in any order, torn at sectors;
//! - a name that was made, changed or removed but whose folder was not synced may be as before;
//! - after a failed sync the system believes that all is written: a second sync says so too,
//!   and what was lost stays lost;
//! - a failed write may have written a part.
//!
//! Not here: SQLite's files, which are on the real disk.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use platform::{Disk, DiskFile, Random};

use crate::SimRandom;

/// What a disk writes in one piece.
const SECTOR_OCTETS: usize = 512;

/// How often things fail: once in so many times; zero is never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// A sync fails.
    pub sync: u64,
    /// A write fails, perhaps after a part.
    pub write: u64,
    /// A file cannot be made.
    pub create: u64,
    /// A folder's sync fails.
    pub sync_dir: u64,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    random: SimRandom,
    faults: Faults,
    capacity_octets: u64,
    /// After so many more operations the machine stands still: nothing works until the crash.
    operations_left: Option<u64>,
    /// Grows with each crash; files opened before it are dead.
    life: u64,
    next_file: u64,
    files: BTreeMap<u64, File>,
    names: BTreeMap<PathBuf, u64>,
    synced_names: BTreeMap<PathBuf, u64>,
}

#[derive(Debug, Default)]
struct File {
    /// What reads see.
    seen: Vec<u8>,
    /// What is on the platter.
    synced: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, octets: Vec<u8> },
    Truncate(usize),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { at, octets } => {
                let end = at.saturating_add(octets.len());
                if content.len() < end {
                    content.resize(end, 0);
                }
                if let Some(place) = content.get_mut(*at..end) {
                    place.copy_from_slice(octets);
                }
            }
            Self::Truncate(octets) => content.resize(*octets, 0),
        }
    }

    /// The pieces that the disk writes one by one.
    fn sectors(&self) -> Vec<Self> {
        let Self::Write { at, octets } = self else { return vec![self.clone()] };
        let mut sectors = Vec::new();
        let (mut at, mut rest) = (*at, octets.as_slice());
        while !rest.is_empty() {
            let room = (SECTOR_OCTETS - at % SECTOR_OCTETS).min(rest.len());
            let (sector, behind) = rest.split_at(room);
            sectors.push(Self::Write { at, octets: sector.to_vec() });
            (at, rest) = (at.saturating_add(room), behind);
        }
        sectors
    }
}

impl File {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.unsynced.push(change);
    }

    /// Brings some of what was not synced onto the platter, as luck has it.
    fn lose(&mut self, random: &SimRandom) {
        let unsynced = std::mem::take(&mut self.unsynced);
        let kept = match random.below(4) {
            0 => 0,
            1 => unsynced.len(),
            _ => usize::try_from(random.below(unsynced.len() as u64 + 1)).unwrap_or(0),
        };
        for change in unsynced.iter().take(kept) {
            match random.below(3) {
                0 => change.apply(&mut self.synced),
                1 => {
                    for sector in change.sectors() {
                        if random.once_in(2) {
                            sector.apply(&mut self.synced);
                        }
                    }
                }
                _ if random.once_in(3) => {} // a later one overtook it
                _ => change.apply(&mut self.synced),
            }
        }
    }
}

impl State {
    /// Counts an operation; says whether it fails because the machine stands still.
    fn operation(&mut self) -> io::Result<()> {
        match &mut self.operations_left {
            None => Ok(()),
            Some(0) => Err(broken("the machine stands still")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    fn used_octets(&self) -> u64 {
        self.files.values().map(|file| file.seen.len() as u64).sum()
    }

    fn file(&mut self, number: u64, life: u64) -> io::Result<&mut File> {
        if life != self.life {
            return Err(broken("the file was opened before the crash"));
        }
        self.files.get_mut(&number).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn new_file(&mut self) -> u64 {
        self.next_file = self.next_file.saturating_add(1);
        self.files.insert(self.next_file, File::default());
        self.next_file
    }

    /// Forgets files without any name.
    fn sweep(&mut self, open: u64) {
        let named = |number: &u64| {
            self.names.values().chain(self.synced_names.values()).any(|named| named == number)
        };
        if !named(&open) {
            self.files.remove(&open);
        }
    }
}

fn broken(words: &str) -> io::Error {
    io::Error::other(words.to_owned())
}

impl SimDisk {
    /// An empty disk whose luck follows from `seed`.
    pub fn new(seed: u64, capacity_octets: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: SimRandom::new(seed),
            faults: Faults::default(),
            capacity_octets,
            operations_left: None,
            life: 0,
            next_file: 0,
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            synced_names: BTreeMap::new(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on things fail this often.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Lets the machine stand still after so many more operations, until the next crash.
    pub fn halt_after(&self, operations: u64) {
        self.state().operations_left = Some(operations);
    }

    /// Changes how much fits.
    pub fn set_capacity(&self, octets: u64) {
        self.state().capacity_octets = octets;
    }

    /// The power goes and comes back: what was not synced is lost, in part, as luck has it.
    pub fn crash(&self) {
        let mut guard = self.state();
        let state = &mut *guard;
        state.life = state.life.saturating_add(1);
        state.operations_left = None;
        for file in state.files.values_mut() {
            file.lose(&state.random);
            file.seen = file.synced.clone();
        }
        let mut paths: Vec<PathBuf> = state.names.keys().cloned().collect();
        paths.extend(state.synced_names.keys().cloned());
        for path in paths {
            let (now, safe) = (state.names.get(&path), state.synced_names.get(&path));
            if now != safe && state.random.once_in(2) {
                match safe.copied() {
                    Some(number) => state.names.insert(path, number),
                    None => state.names.remove(&path),
                };
            }
        }
        state.synced_names = state.names.clone();
        let named: Vec<u64> = state.names.values().copied().collect();
        state.files.retain(|number, _| named.contains(number));
    }

    /// Flips one bit of a file, also of what is on the platter. False: it has no such octet.
    pub fn flip_bit(&self, path: &Path, octet: usize, bit: u32) -> bool {
        let mut state = self.state();
        let Some(number) = state.names.get(path).copied() else { return false };
        let Some(file) = state.files.get_mut(&number) else { return false };
        let mut flipped = false;
        for content in [&mut file.seen, &mut file.synced] {
            if let Some(octet) = content.get_mut(octet) {
                *octet ^= 1 << (bit % 8);
                flipped = true;
            }
        }
        flipped
    }

    fn opened(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.operation()?;
        let number = state.names.get(path).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(SimFile { disk: self.clone(), number, life: state.life }))
    }
}

impl Disk for SimDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.operation()?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if state.random.once_in(state.faults.create) {
            return Err(broken("no file can be made"));
        }
        let number = state.new_file();
        state.names.insert(path.to_owned(), number);
        Ok(Box::new(SimFile { disk: self.clone(), number, life: state.life }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.opened(path)
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.opened(path)
    }

    fn unnamed(&self, _dir: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.operation()?;
        let number = state.new_file();
        Ok(Box::new(SimFile { disk: self.clone(), number, life: state.life }))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut guard = self.state();
        let state = &mut *guard;
        state.operation()?;
        if state.random.once_in(state.faults.sync_dir) {
            return Err(broken("the folder's sync failed"));
        }
        state.synced_names.retain(|path, _| path.parent() != Some(dir));
        let here = state.names.iter().filter(|(path, _)| path.parent() == Some(dir));
        state.synced_names.extend(here.map(|(path, number)| (path.clone(), *number)));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operation()?;
        state.names.remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operation()?;
        let number = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), number);
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        let state = self.state();
        let here = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(here.filter_map(|path| path.file_name().map(ToOwned::to_owned)).collect())
    }

    fn make_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(()) // every folder is there
    }

    fn free_octets(&self, _dir: &Path) -> io::Result<u64> {
        let state = self.state();
        Ok(state.capacity_octets.saturating_sub(state.used_octets()))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(self.state().names.contains_key(path))
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    number: u64,
    life: u64,
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.life == self.life {
            state.sweep(self.number);
        }
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl DiskFile for SimFile {
    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        state.operation()?;
        let room = place(state.capacity_octets.saturating_sub(state.used_octets()));
        let fails = state.random.once_in(state.faults.write);
        let written = match fails {
            true => place(state.random.below(octets.len() as u64 + 1)),
            false => octets.len(),
        };
        let file = state.file(self.number, self.life)?;
        let grows = place(offset).saturating_add(octets.len()).saturating_sub(file.seen.len());
        let full = grows > room;
        let written = if full { written.min(room) } else { written };
        let part = octets.get(..written).unwrap_or_default().to_vec();
        file.change(Change::Write { at: place(offset), octets: part });
        match (full, fails) {
            (true, _) => Err(io::ErrorKind::StorageFull.into()),
            (false, true) => Err(broken("the write failed")),
            (false, false) => Ok(()),
        }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.disk.state();
        let file = state.file(self.number, self.life)?;
        let there = file.seen.get(place(offset)..).unwrap_or_default();
        let octets = there.len().min(buffer.len());
        if let (Some(room), Some(read)) = (buffer.get_mut(..octets), there.get(..octets)) {
            room.copy_from_slice(read);
        }
        Ok(octets)
    }

    fn sync(&self) -> io::Result<()> {
        let mut guard = self.disk.state();
        let state = &mut *guard;
        state.operation()?;
        let fails = state.random.once_in(state.faults.sync);
        let random = SimRandom::new(state.random.u64());
        let file = state.file(self.number, self.life)?;
        if fails {
            file.lose(&random);
            return Err(broken("the sync failed"));
        }
        for change in std::mem::take(&mut file.unsynced) {
            change.apply(&mut file.synced);
        }
        Ok(())
    }

    fn octets(&self) -> io::Result<u64> {
        Ok(self.disk.state().file(self.number, self.life)?.seen.len() as u64)
    }

    fn truncate(&self, octets: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.operation()?;
        state.file(self.number, self.life)?.change(Change::Truncate(place(octets)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIR: &str = "/sim";

    fn content(disk: &SimDisk, name: &str) -> Option<Vec<u8>> {
        disk.read_whole(&Path::new(DIR).join(name), 1 << 20).ok()
    }

    #[test]
    fn what_was_synced_survives_and_what_was_not_may_not() {
        let (mut torn, mut lost, mut kept, mut nameless) = (0, 0, 0, 0);
        for seed in 0..200 {
            let disk = SimDisk::new(seed, 1 << 20);
            let file = disk.create(&Path::new(DIR).join("a")).unwrap();
            file.write_at(0, b"safe").unwrap();
            file.sync().unwrap();
            disk.sync_dir(Path::new(DIR)).unwrap();
            let more = vec![b'x'; 3 * SECTOR_OCTETS];
            file.write_at(4, &more).unwrap();
            let other = disk.create(&Path::new(DIR).join("b")).unwrap();
            other.write_at(0, b"b").unwrap();
            other.sync().unwrap();
            disk.crash();
            let found = content(&disk, "a").expect("its name was synced");
            assert!(found.starts_with(b"safe"), "seed {seed}");
            match found.get(4..).unwrap_or_default() {
                [] => lost += 1,
                rest if rest == more => kept += 1,
                _ => torn += 1,
            }
            nameless += u32::from(content(&disk, "b").is_none());
            assert!(file.sync().is_err(), "a file from before the crash is dead");
        }
        for (count, what) in [(torn, "torn"), (lost, "lost"), (kept, "kept"), (nameless, "named")] {
            assert!(count > 10, "{what} only {count} times");
        }
    }

    #[test]
    fn after_a_failed_sync_a_good_one_means_nothing() {
        let mut lost = 0;
        for seed in 0..50 {
            let disk = SimDisk::new(seed, 1 << 20);
            let file = disk.create(&Path::new(DIR).join("a")).unwrap();
            disk.sync_dir(Path::new(DIR)).unwrap();
            file.write_at(0, b"octets").unwrap();
            disk.set_faults(Faults { sync: 1, ..Faults::default() });
            assert!(file.sync().is_err());
            disk.set_faults(Faults::default());
            assert!(file.sync().is_ok());
            disk.crash();
            lost += u32::from(content(&disk, "a").unwrap() != b"octets");
        }
        assert!(lost > 5, "{lost}");
    }

    #[test]
    fn a_full_disk_says_so() {
        let disk = SimDisk::new(1, 10);
        let file = disk.create(&Path::new(DIR).join("a")).unwrap();
        file.write_at(0, &[1; 8]).unwrap();
        let error = file.write_at(8, &[2; 8]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.free_octets(Path::new(DIR)).unwrap(), 0);
        disk.halt_after(0);
        assert!(file.write_at(0, &[1]).is_err());
        assert!(disk.flip_bit(&Path::new(DIR).join("a"), 0, 1));
        assert_eq!(content(&disk, "a"), None, "a machine that stands still opens nothing");
    }
}
