//! All segment files: which there are, reading from them, and the one that is appended to.
//!
//! ```text
//!   accept ─ append ─▶ buffer ─ write, one sync ─▶ DATA/segments/NNNNNNNN.seg ─ read ─▶ chunks
//!   accept (big) ─────── a segment of its own ───▶ DATA/segments/NNNNNNNN.seg
//! ```
//!
//! A segment counts once its row is committed; until then it is *unlisted*, and it is removed
//! when the commit fails. What the start finds is sorted by `leftovers`. A file whose write or sync failed is never appended to again.
//!
//! Not here: what a record looks like (`segment`), which rows name it (`batch`).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use platform::{Disk, DiskFile};
use store::{Content, SpoolFile, StoreError};

use crate::database::{damaged, disk};
use crate::segment::{
    self, CHUNK_OCTETS, FILE_HEADER_OCTETS, HEADER_OCTETS, Header, Place, append_record,
    check_chunks,
};

/// Most octets that one read hands out, so that a reader's memory is bounded.
pub(crate) const READ_OCTETS_MAX: usize = 1024 * 1024;

/// Segments kept open for reading.
const OPEN_FILES_MAX: usize = 128;

/// Where segments go that hold whole records and that no row names, within the segments' folder.
pub(crate) const LOST_FOLDER: &str = "lost";

/// The buffer of a batch is written out when it has grown to this.
const BUFFER_OCTETS_MAX: usize = 1024 * 1024;

/// The segment files of a store.
#[derive(Debug)]
pub(crate) struct Segments {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    octets_max: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u32,
    /// Files that have no committed row yet.
    unlisted: BTreeSet<u32>,
    open: BTreeMap<u32, Arc<dyn DiskFile>>,
    /// How many want all files to stay.
    pins: u32,
    /// Files that go when nobody wants that any more.
    doomed: BTreeSet<u32>,
}

/// While it is there no segment's file goes; see [`Segments::pin`].
#[derive(Debug)]
pub(crate) struct Pin(Arc<Segments>);

impl Drop for Pin {
    fn drop(&mut self) {
        let doomed = {
            let mut state = self.0.state();
            state.pins = state.pins.saturating_sub(1);
            if state.pins > 0 {
                return;
            }
            std::mem::take(&mut state.doomed)
        };
        for number in doomed {
            self.0.discard(number);
        }
    }
}

impl Segments {
    /// The files in `folder`, of which `listed` have rows.
    pub(crate) fn open(
        disk_of: Arc<dyn Disk>,
        folder: PathBuf,
        octets_max: u64,
        listed: &BTreeSet<u32>,
    ) -> Result<Self, StoreError> {
        disk_of.make_dir(&folder).map_err(disk(format!("make {}", folder.display())))?;
        let lost = match disk_of.list(&folder.join(LOST_FOLDER)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            names => names.map_err(disk("list the lost segments"))?,
        };
        let names = disk_of.list(&folder).map_err(disk(format!("list {}", folder.display())))?;
        let files = names.iter().chain(&lost).filter_map(|name| number_of(name));
        // No number is used twice, not even that of a lost one.
        let last = files.chain(listed.last().copied()).max();
        let next = last.map_or(1, |last| last.saturating_add(1));
        let state = Mutex::new(State { next, ..State::default() });
        Ok(Self { disk: disk_of, folder, octets_max, state })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a segment is.
    pub(crate) fn path(&self, number: u32) -> PathBuf {
        self.folder.join(file_name(number))
    }

    /// The folder of the segments.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The disk that they are on.
    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Numbers of all segment files.
    pub(crate) fn files(&self) -> Result<BTreeSet<u32>, StoreError> {
        let names = self.disk.list(&self.folder).map_err(disk("list the segments"))?;
        Ok(names.iter().filter_map(|name| number_of(name)).collect())
    }

    /// Numbers of those that have no committed row yet.
    pub(crate) fn unlisted(&self) -> BTreeSet<u32> {
        self.state().unlisted.clone()
    }

    /// Whether a segment's file is there.
    pub(crate) fn exists(&self, number: u32) -> bool {
        self.disk.exists(&self.path(number)).unwrap_or(true)
    }

    /// Makes a segment: its name is safe, its header is written but not synced yet.
    fn begin(&self) -> Result<(u32, Arc<dyn DiskFile>), StoreError> {
        let number = {
            let mut state = self.state();
            let number = state.next;
            state.next = number
                .checked_add(1)
                .ok_or_else(|| StoreError::Refused { reason: "too many segments".to_owned() })?;
            state.unlisted.insert(number);
            number
        };
        let made = self.create(number);
        if made.is_err() {
            self.discard(number);
        }
        Ok((number, made?))
    }

    fn create(&self, number: u32) -> Result<Arc<dyn DiskFile>, StoreError> {
        let failed = || disk(format!("make segment {number}"));
        let file = self.disk.create(&self.path(number)).map_err(failed())?;
        file.write_at(0, &segment::file_header()).map_err(failed())?;
        self.disk.sync_dir(&self.folder).map_err(failed())?;
        Ok(file.into())
    }

    /// The row of a segment is committed.
    pub(crate) fn list(&self, number: u32) {
        self.state().unlisted.remove(&number);
    }

    /// The rows of segments are about to be removed, and their files after them.
    pub(crate) fn expect_removal(&self, numbers: &[u32]) {
        self.state().unlisted.extend(numbers);
    }

    /// Closes a segment's file.
    pub(crate) fn forget(&self, number: u32) {
        self.state().open.remove(&number);
    }

    /// Keeps all files that are there, until the pin is dropped.
    pub(crate) fn pin(self: &Arc<Self>) -> Pin {
        let mut state = self.state();
        state.pins = state.pins.saturating_add(1);
        Pin(Arc::clone(self))
    }

    /// Removes the file of a segment that has no row, or none any more; as soon as nobody wants
    /// it to stay.
    pub(crate) fn discard(&self, number: u32) {
        self.forget(number);
        {
            let mut state = self.state();
            if state.pins > 0 {
                state.doomed.insert(number);
                return;
            }
        }
        if let Err(error) = self.disk.remove(&self.path(number))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            // The next start finds it.
            tracing::warn!(segment = number, %error, "dead segment not removed");
        }
        self.state().unlisted.remove(&number);
    }

    fn file(&self, number: u32) -> Result<Arc<dyn DiskFile>, StoreError> {
        if let Some(file) = self.state().open.get(&number) {
            return Ok(Arc::clone(file));
        }
        let opened = self.disk.open_read(&self.path(number));
        let file: Arc<dyn DiskFile> = match opened {
            Ok(file) => file.into(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(damaged(format!("segment {number}"), "its file is missing"));
            }
            Err(error) => return Err(disk(format!("open segment {number}"))(error)),
        };
        let mut state = self.state();
        if state.open.len() >= OPEN_FILES_MAX {
            state.open.pop_first(); // the oldest mail is the least read
        }
        state.open.insert(number, Arc::clone(&file));
        Ok(file)
    }

    fn fill(
        file: &dyn DiskFile,
        place: Place,
        at: u64,
        octets: usize,
    ) -> Result<Vec<u8>, StoreError> {
        let mut buffer = vec![0; octets];
        let filled = file
            .read_at(at, &mut buffer)
            .map_err(disk(format!("read segment {}", place.segment)))?;
        if filled < octets {
            return Err(damaged(place.to_string(), "the segment ends before it"));
        }
        Ok(buffer)
    }

    /// Octets of a record's content from `offset`, at most `octets_max`; each chunk that they
    /// are in was verified.
    pub(crate) fn read(
        &self,
        place: Place,
        offset: u64,
        octets_max: usize,
    ) -> Result<Bytes, StoreError> {
        let wanted = octets_max.clamp(1, READ_OCTETS_MAX) as u64;
        let end = offset.saturating_add(wanted).min(place.octets);
        if offset >= end {
            return Ok(Bytes::new());
        }
        let file = self.file(place.segment)?;
        let chunk = CHUNK_OCTETS as u64;
        let (first, last) = (offset / chunk, (end - 1) / chunk);
        let from = first * chunk;
        let till = ((last + 1) * chunk).min(place.octets);
        let (content, crcs) = if segment::chunks(place.octets) == 1 {
            let mut both =
                Self::fill(&*file, place, place.crc_at(0), size(till.saturating_add(4)))?;
            let content = both.split_off(4);
            (content, both)
        } else {
            let crcs =
                Self::fill(&*file, place, place.crc_at(first), size((last - first + 1) * 4))?;
            let at = place.content_at().saturating_add(from);
            (Self::fill(&*file, place, at, size(till - from))?, crcs)
        };
        check_chunks(&content, &crcs, place)?;
        Ok(Bytes::from(content).slice(size(offset - from)..size(end - from)))
    }

    /// Reads the header of the record that begins at a place.
    pub(crate) fn header(&self, segment: u32, at: u64) -> Result<Header, StoreError> {
        let file = self.file(segment)?;
        let place = Place { segment, at, octets: 0 };
        let octets = Self::fill(&*file, place, at, HEADER_OCTETS)?;
        octets
            .first_chunk()
            .ok_or("there is no record here")
            .and_then(Header::from_octets)
            .map_err(|reason| damaged(place.to_string(), reason))
    }

    /// Checks that the record at a place is the one that a row names.
    pub(crate) fn check_header(&self, place: Place, message: i64) -> Result<(), StoreError> {
        if self.header(place.segment, place.at)? != (Header { message, octets: place.octets }) {
            return Err(damaged(place.to_string(), "the record there is of another message"));
        }
        Ok(())
    }

    /// Writes `content` to a segment of its own and syncs it. For content that is so big that
    /// the writer would be held up by it.
    pub(crate) fn write_alone(
        self: &Arc<Self>,
        message: i64,
        content: &Content,
    ) -> Result<Alone, StoreError> {
        let octets = content.octets();
        let (number, file) = self.begin()?;
        let place = Place { segment: number, at: FILE_HEADER_OCTETS as u64, octets };
        let mut alone =
            Alone { segments: Arc::clone(self), place, blake3: [0; 32], kept: Kept::No };
        let writing = || disk(format!("write segment {number}"));
        let mut hasher = blake3::Hasher::new();
        let mut crcs = Vec::new();
        let mut offset = 0;
        let mut buffer = vec![0; CHUNK_OCTETS];
        while offset < octets {
            let room = size((octets - offset).min(CHUNK_OCTETS as u64));
            let chunk = buffer.get_mut(..room).unwrap_or_default();
            read_content(content, offset, chunk)?;
            hasher.update(chunk);
            crcs.extend_from_slice(&crc32c::crc32c(chunk).to_le_bytes());
            file.write_at(place.content_at().saturating_add(offset), chunk).map_err(writing())?;
            offset = offset.saturating_add(room as u64);
        }
        let mut head = Header { message, octets }.to_octets().to_vec();
        head.append(&mut crcs);
        file.write_at(place.at, &head).map_err(writing())?;
        sync(&*file).map_err(disk(format!("sync segment {number}")))?;
        alone.blake3 = *hasher.finalize().as_bytes();
        Ok(alone)
    }
}

/// All octets of small content. They keep its share of the budget: until the writer has taken
/// them, they are in flight like any other.
pub(crate) fn whole(content: Content) -> Result<Bytes, StoreError> {
    let mut octets = Vec::new();
    if let Content::File(_) = &content {
        octets.resize(size(content.octets()), 0);
        read_content(&content, 0, &mut octets)?;
    }
    Ok(match content {
        Content::Memory(octets) => octets,
        Content::File(file) => Bytes::from_owner(Whole { octets, _file: file }),
    })
}

/// Octets of a file, and what is held by holding it.
struct Whole {
    octets: Vec<u8>,
    _file: Box<dyn SpoolFile>,
}

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

/// Fills `buffer` from `offset`; content that ends too early was changed under our hands.
fn read_content(content: &Content, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
    match content {
        Content::Memory(octets) => {
            let from = size(offset);
            let part = octets
                .get(from..from.saturating_add(buffer.len()))
                .ok_or_else(|| damaged("content in memory", "it is too short"))?;
            buffer.copy_from_slice(part);
        }
        Content::File(file) => {
            let mut filled = 0;
            while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                let at = offset.saturating_add(filled as u64);
                match file.read_at(at, rest).map_err(disk("read a spool file"))? {
                    0 => return Err(damaged("a spool file", "it is too short")),
                    read => filled = filled.saturating_add(read),
                }
            }
        }
    }
    Ok(())
}

/// Content in a segment of its own, whose row is not committed yet. Dropped before that, the
/// file goes too.
#[derive(Debug)]
pub(crate) struct Alone {
    segments: Arc<Segments>,
    pub(crate) place: Place,
    pub(crate) blake3: [u8; 32],
    kept: Kept,
}

#[derive(Debug, PartialEq, Eq)]
enum Kept {
    No,
    Yes,
}

impl Alone {
    /// Its row is committed.
    pub(crate) fn keep(mut self) {
        self.kept = Kept::Yes;
        self.segments.list(self.place.segment);
    }

    /// Nobody knows whether its row is committed: the file stays. Its number.
    pub(crate) fn doubt(mut self) -> u32 {
        self.kept = Kept::Yes;
        self.place.segment
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        if self.kept == Kept::No {
            self.segments.discard(self.place.segment);
        }
    }
}

/// Appends to the newest segment; owned by the writer.
#[derive(Debug)]
pub(crate) struct Appender {
    segments: Arc<Segments>,
    current: Option<Current>,
    /// What follows the current segment's end.
    buffer: Vec<u8>,
    /// Segments that were begun in this batch.
    began: Vec<u32>,
    /// Segments that were left in this batch, with their ends.
    sealed: Vec<(u32, u64)>,
    /// Segments of commits that failed: a crash could still bring these commits back.
    doubtful: Vec<u32>,
    /// Syncs since the last question.
    syncs: u64,
    /// Octets written since the last question.
    written: u64,
}

#[derive(Debug)]
struct Current {
    number: u32,
    file: Arc<dyn DiskFile>,
    /// What was written so far, synced or not.
    end: u64,
    unsynced: bool,
}

impl Appender {
    /// Goes on behind the newest segment, whose records go up to `end`. Torn octets behind it are
    /// what a crash left behind, and are cut off; but where whole records follow, the segment is
    /// left alone and a new one begun. `named_end` looks up to where messages' rows name records,
    /// should there be such a rest: nothing that a row names is ever cut off.
    pub(crate) fn new(
        segments: Arc<Segments>,
        newest: Option<(u32, u64)>,
        named_end: impl Fn(u32) -> Result<u64, StoreError>,
    ) -> Result<Self, StoreError> {
        let current = match newest.filter(|(_, end)| *end < segments.octets_max) {
            Some((number, end)) => Self::go_on(&segments, number, end, named_end)?,
            None => None,
        };
        let (buffer, began, sealed) = (Vec::new(), Vec::new(), Vec::new());
        let doubtful = Vec::new();
        Ok(Self { segments, current, buffer, began, sealed, doubtful, syncs: 0, written: 0 })
    }

    fn go_on(
        segments: &Segments,
        number: u32,
        end: u64,
        named_end: impl Fn(u32) -> Result<u64, StoreError>,
    ) -> Result<Option<Current>, StoreError> {
        // A missing or short file is for `verify` to tell; we begin a new one.
        let Ok(file) = segments.disk.open(&segments.path(number)) else { return Ok(None) };
        let octets = file.octets().map_err(disk(format!("look at segment {number}")))?;
        if octets < end {
            return Ok(None);
        }
        let end = if octets > end { end.max(named_end(number)?) } else { end };
        if octets > end && segments.holds_record(number, end) {
            tracing::warn!(
                segment = number,
                at = end,
                "content behind the last that was committed is kept: of a crash, or the database \
                 is an older one"
            );
            return Ok(None);
        }
        if octets > end {
            file.truncate(end).map_err(disk(format!("cut segment {number}")))?;
        }
        Ok(Some(Current { number, file: file.into(), end, unsynced: false }))
    }

    /// All segments.
    pub(crate) fn segments(&self) -> &Segments {
        &self.segments
    }

    /// All segments, to keep.
    pub(crate) fn shared_segments(&self) -> Arc<Segments> {
        Arc::clone(&self.segments)
    }

    /// The segment that is appended to.
    pub(crate) fn current(&self) -> Option<u32> {
        self.current.as_ref().map(|current| current.number)
    }

    /// Appends a record; it is safe after [`sync`](Self::sync).
    pub(crate) fn append(&mut self, message: i64, content: &[u8]) -> Result<Place, StoreError> {
        let octets = content.len() as u64;
        let record = segment::head_octets(octets).saturating_add(octets);
        let fits = self.end().is_some_and(|end| {
            end.saturating_add(record) <= self.segments.octets_max
                || end == FILE_HEADER_OCTETS as u64
        });
        if !fits {
            self.sync()?;
            if let Some(full) = self.current.take() {
                self.sealed.push((full.number, full.end));
            }
            let (number, file) = self.segments.begin()?;
            self.began.push(number);
            let end = FILE_HEADER_OCTETS as u64;
            self.current = Some(Current { number, file, end, unsynced: true });
        }
        let (Some(at), Some(segment)) = (self.end(), self.current()) else {
            return Err(damaged("the newest segment", "there is none"));
        };
        append_record(&mut self.buffer, message, content);
        if self.buffer.len() >= BUFFER_OCTETS_MAX {
            self.write_out()?;
        }
        Ok(Place { segment, at, octets })
    }

    /// Up to where records of the current segment go, the buffer included.
    pub(crate) fn end(&self) -> Option<u64> {
        let current = self.current.as_ref()?;
        Some(current.end.saturating_add(self.buffer.len() as u64))
    }

    fn write_out(&mut self) -> Result<(), StoreError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let Some(current) = self.current.as_mut() else { return Ok(()) };
        let result = current.file.write_at(current.end, &self.buffer);
        if let Err(error) = result {
            let number = current.number;
            self.abandon();
            return Err(disk(format!("write segment {number}"))(error));
        }
        let octets = self.buffer.len() as u64;
        current.end = current.end.saturating_add(octets);
        current.unsynced = true;
        self.written = self.written.saturating_add(octets);
        self.buffer.clear();
        Ok(())
    }

    /// Writes and syncs whatever was appended.
    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        self.write_out()?;
        let Some(current) = self.current.as_mut().filter(|current| current.unsynced) else {
            return Ok(());
        };
        self.syncs = self.syncs.saturating_add(1);
        if let Err(error) = sync(&*current.file) {
            let number = current.number;
            self.abandon();
            return Err(disk(format!("sync segment {number}"))(error));
        }
        current.unsynced = false;
        Ok(())
    }

    /// Never touches the current file again: after a failed write or sync nobody knows what is
    /// in it, and a second sync may say that all is well.
    fn abandon(&mut self) {
        self.current = None;
        self.buffer.clear();
    }

    /// The batch is committed: its segments count.
    pub(crate) fn committed(&mut self) {
        self.sealed.clear();
        for number in self.began.drain(..) {
            self.segments.list(number);
        }
    }

    /// The commit itself failed, so that nobody knows whether it happened: a crash may bring it
    /// back from the write-ahead log. Its files and `alone` stay until it is known.
    pub(crate) fn doubt(&mut self, alone: impl Iterator<Item = u32>) {
        if self.current().is_some_and(|current| self.began.contains(&current)) {
            self.abandon();
        }
        self.doubtful.append(&mut self.began);
        self.doubtful.extend(alone);
    }

    /// A later commit took the failed ones' place in the log: they did not happen, and their files
    /// go, unless a row names them nevertheless.
    pub(crate) fn end_doubt(&mut self, is_named: impl Fn(u32) -> Result<bool, StoreError>) {
        for number in std::mem::take(&mut self.doubtful) {
            match is_named(number) {
                Ok(true) => self.segments.list(number),
                Ok(false) => self.segments.discard(number),
                Err(_) => self.doubtful.push(number),
            }
        }
    }

    /// The batch failed: what it wrote is dead, and files of its own go.
    pub(crate) fn rolled_back(&mut self) {
        self.buffer.clear();
        self.sealed.clear();
        let current = self.current();
        let began = std::mem::take(&mut self.began);
        for number in began {
            if Some(number) == current {
                self.began.push(number);
            } else {
                self.segments.discard(number);
            }
        }
    }

    /// The end of a segment that was left in this batch; zero for older ones.
    pub(crate) fn sealed_octets(&self, segment: u32) -> u64 {
        let sealed = self.sealed.iter().find(|(number, _)| *number == segment);
        sealed.map_or(0, |(_, end)| *end)
    }

    /// Segments that were begun in this batch.
    pub(crate) fn began(&self) -> &[u32] {
        &self.began
    }

    /// Syncs and octets since the last call.
    pub(crate) fn take_counts(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.syncs), std::mem::take(&mut self.written))
    }
}

fn sync(file: &dyn DiskFile) -> std::io::Result<()> {
    if cfg!(feature = "fault-no-sync") {
        return Ok(());
    }
    file.sync()
}

/// A size that is known to fit into memory.
fn size(octets: u64) -> usize {
    usize::try_from(octets).unwrap_or(usize::MAX)
}

pub(crate) fn file_name(number: u32) -> String {
    format!("{number:08}.seg")
}

pub(crate) fn number_of(name: &OsStr) -> Option<u32> {
    let digits = name.to_str()?.strip_suffix(".seg")?;
    let plain = digits.len() >= 8 && digits.bytes().all(|octet| octet.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}
