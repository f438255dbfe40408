//! Mbox files: many messages one behind the other, each after a line that begins with `From `.
//!
//! There is no standard that all writers keep. We read what mboxo and mboxrd writers make, with LF
//! or CRLF, and write mboxrd, from which every message comes back as it was.
//!
//! ```
//! use message::mbox::{Found, Reader};
//!
//! let file = b"From ada@example.org Thu Jan  1 00:00:10 1970\nSubject: hello\n\n>From here.\n\n";
//! let mut reader = Reader::new(&file[..], 1_000_000);
//! let Some(Ok(Found::Message(message))) = reader.next() else { panic!("one message") };
//! assert_eq!(message.content, b"Subject: hello\r\n\r\nFrom here.\r\n");
//! assert_eq!(message.delivered_at.map(|at| at.unix_seconds()), Some(10));
//! assert!(reader.next().is_none());
//! ```
//!
//! Standards: RFC 4155 (the default mbox format, and that there are others).
//! Not here: folders of files (whoever walks them).

mod write;

use std::io::{self, BufRead};

use crate::date::DateTime;

pub use self::write::Writer;

/// Lines that are longer are read in pieces; so a file without any line end needs no memory.
const LINE_OCTETS_MAX: usize = 64 * 1024;

/// A message of an mbox file.
///
/// Example: [`Reader`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which one it is, counted from 1.
    pub number: u64,
    /// Where its `From ` line begins in the file.
    pub at: u64,
    /// When it was delivered, as the `From ` line tells it, in UTC.
    pub delivered_at: Option<DateTime>,
    /// The message, with CRLF at its line ends, without the fields that mail readers keep their
    /// marks in.
    pub content: Vec<u8>,
    /// Those marks.
    pub marks: Marks,
}

/// What mail readers note of a message in the fields Status, X-Status and X-Keywords.
///
/// Example: [`Writer`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// It was read.
    pub seen: bool,
    /// It was answered.
    pub answered: bool,
    /// It is flagged for attention.
    pub flagged: bool,
    /// It is to be removed.
    pub deleted: bool,
    /// It is not finished.
    pub draft: bool,
    /// Keywords, as they are written.
    pub keywords: Vec<String>,
}

/// Something of an mbox file.
///
/// Example: [`Reader`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A whole message.
    Message(Entry),
    /// What is none.
    Damaged(Damage),
}

/// Something of an mbox file that is no whole message.
///
/// Example: [`Reader`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The message's number, counted from 1; 0 is before the first one.
    pub number: u64,
    /// Where it begins in the file.
    pub at: u64,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a part of an mbox file.
///
/// Example: [`Reader`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// There are octets before the first `From ` line.
    #[error("it does not begin with a From line")]
    NoFromLine,
    /// The message has more octets than whoever reads it allows.
    #[error("it is longer than may be taken")]
    TooLong,
    /// The file ends within a line.
    #[error("the file ends within it")]
    CutOff,
    /// There is nothing but empty lines.
    #[error("it is empty")]
    Empty,
}

/// Reads an mbox file, message by message; each takes the memory that it needs itself.
///
/// ```
/// use message::mbox::{Found, Reader, Reason};
/// let file = b"lost\nFrom a@b Thu Jan  1 00:00:10 1970\nSubject: x\n\nHi\n\n";
/// let found: Vec<Found> = Reader::new(&file[..], 1_000_000).collect::<Result<_, _>>().unwrap();
/// let [Found::Damaged(damage), Found::Message(entry)] = found.as_slice() else { panic!() };
/// assert_eq!((damage.reason, damage.at), (Reason::NoFromLine, 0));
/// assert_eq!((entry.number, entry.content.as_slice()), (1, &b"Subject: x\r\n\r\nHi\r\n"[..]));
/// ```
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    octets_max: usize,
    /// Where the next line begins.
    at: u64,
    number: u64,
    /// The `From ` line of the message that comes next, and where it is.
    next: Option<(u64, Vec<u8>)>,
    started: bool,
}

/// A line, or a piece of one that is too long.
struct Line {
    octets: Vec<u8>,
    /// Whether it is not the rest of a line that was read before.
    begins: bool,
    /// Whether its end is there.
    ends: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads from `input`; a message of more than `octets_max` octets is passed over.
    pub fn new(input: R, octets_max: usize) -> Self {
        Self { input, octets_max, at: 0, number: 0, next: None, started: false }
    }

    fn line(&mut self, begins: bool) -> io::Result<Option<Line>> {
        let mut octets = Vec::new();
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let room = LINE_OCTETS_MAX.saturating_sub(octets.len());
            let piece = buffer.get(..buffer.len().min(room)).unwrap_or_default();
            let (piece, ends) = match memchr::memchr(b'\n', piece) {
                Some(end) => (piece.get(..=end).unwrap_or_default(), true),
                None => (piece, false),
            };
            let taken = piece.len();
            octets.extend_from_slice(piece);
            self.input.consume(taken);
            self.at = self.at.saturating_add(taken as u64);
            if ends || taken == 0 {
                let some = !octets.is_empty();
                return Ok(some.then_some(Line { octets, begins, ends }));
            }
        }
    }

    /// What stands before the first `From ` line.
    fn start(&mut self) -> io::Result<Option<Damage>> {
        self.started = true;
        let (mut stray, mut begins) = (false, true);
        loop {
            let at = self.at;
            let Some(line) = self.line(begins)? else { break };
            begins = line.ends;
            if line.begins && is_from_line(&line.octets) {
                self.next = Some((at, line.octets));
                break;
            }
            stray |= line.octets.iter().any(|octet| !octet.is_ascii_whitespace());
        }
        Ok(stray.then_some(Damage { number: 0, at: 0, reason: Reason::NoFromLine }))
    }

    fn message(&mut self, at: u64, from_line: &[u8]) -> io::Result<Found> {
        self.number = self.number.saturating_add(1);
        let mut building = Building::default();
        let (mut begins, mut too_long, mut whole) = (true, false, true);
        loop {
            let here = self.at;
            let Some(line) = self.line(begins)? else { break };
            if line.begins && is_from_line(&line.octets) {
                self.next = Some((here, line.octets));
                break;
            }
            (begins, whole) = (line.ends, line.ends);
            too_long |= building.octets().saturating_add(line.octets.len()) > self.octets_max;
            if too_long {
                building = Building::default();
            } else {
                building.add(&line);
            }
        }
        let number = self.number;
        let damaged = |reason| Ok(Found::Damaged(Damage { number, at, reason }));
        if too_long {
            return damaged(Reason::TooLong);
        }
        if !whole {
            return damaged(Reason::CutOff);
        }
        let Some((content, marks)) = building.end() else { return damaged(Reason::Empty) };
        let delivered_at = delivery_time(from_line);
        Ok(Found::Message(Entry { number, at, delivered_at, content, marks }))
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = io::Result<Found>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.started {
            match self.start() {
                Ok(None) => {}
                Ok(Some(damage)) => return Some(Ok(Found::Damaged(damage))),
                Err(error) => return Some(Err(error)),
            }
        }
        let (at, from_line) = self.next.take()?;
        Some(self.message(at, &from_line))
    }
}

/// A message whose lines come one by one.
#[derive(Debug, Default)]
struct Building {
    content: Vec<u8>,
    marks: Marks,
    in_body: bool,
    has_text: bool,
    /// Whether the last field was one of marks; then its continuation is as well.
    in_marks: bool,
    /// An empty line that may belong to the message or stand before the next one.
    blank: Option<Vec<u8>>,
}

impl Building {
    fn octets(&self) -> usize {
        self.content.len()
    }

    fn add(&mut self, line: &Line) {
        if let Some(blank) = self.blank.take() {
            self.take(&blank);
        }
        if line.begins && matches!(line.octets.as_slice(), b"\n" | b"\r\n") {
            self.blank = Some(line.octets.clone());
            return;
        }
        if !self.in_body {
            let is_mark = if line.begins { self.is_mark(&line.octets) } else { self.in_marks };
            if is_mark {
                return;
            }
        }
        let quoted = line.begins && self.in_body && is_quoted(&line.octets);
        let octets = line.octets.get(usize::from(quoted)..).unwrap_or_default();
        self.take(octets);
    }

    /// Adds octets, with CRLF where they end a line.
    fn take(&mut self, octets: &[u8]) {
        let bare = octets.strip_suffix(b"\n").map(|rest| rest.strip_suffix(b"\r").unwrap_or(rest));
        match bare {
            None => self.content.extend_from_slice(octets),
            Some(line) => {
                self.content.extend_from_slice(line);
                self.content.extend_from_slice(b"\r\n");
                if line.is_empty() {
                    self.in_body = true;
                }
                self.has_text |= !line.is_empty();
            }
        }
    }

    /// Whether a header's line is one of mail readers' marks, which are taken out.
    fn is_mark(&mut self, line: &[u8]) -> bool {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return self.in_marks;
        }
        let (name, value) = match memchr::memchr(b':', line) {
            Some(colon) => (
                line.get(..colon).unwrap_or_default().to_ascii_lowercase(),
                String::from_utf8_lossy(line.get(colon.saturating_add(1)..).unwrap_or_default()),
            ),
            None => (Vec::new(), String::new().into()),
        };
        self.in_marks = true;
        match name.as_slice() {
            b"status" | b"x-status" if is_letters(&value) => self.marks.read(&value),
            b"x-keywords" => {
                self.marks.keywords.extend(value.split_ascii_whitespace().map(str::to_owned));
            }
            _ => self.in_marks = false,
        }
        self.in_marks
    }

    fn end(mut self) -> Option<(Vec<u8>, Marks)> {
        // One empty line belongs to the file; a header that ends with it has no body.
        if let Some(blank) = self.blank.take()
            && !self.in_body
        {
            self.take(&blank);
        }
        self.has_text.then_some((self.content, self.marks))
    }
}

/// Whether a Status field is one of mail readers', and not, say, a bug tracker's.
fn is_letters(value: &str) -> bool {
    value.trim().bytes().all(|octet| b"RONADFTU".contains(&octet))
}

impl Marks {
    fn read(&mut self, letters: &str) {
        for letter in letters.bytes() {
            match letter {
                b'R' => self.seen = true,
                b'A' => self.answered = true,
                b'F' => self.flagged = true,
                b'D' => self.deleted = true,
                b'T' => self.draft = true,
                _ => {} // O, N, U: old and new are nothing that is kept
            }
        }
    }
}

/// Whether a line of a body is a `From ` line that was quoted: `>From `, `>>From `, …
fn is_quoted(line: &[u8]) -> bool {
    let rest = line.iter().position(|octet| *octet != b'>').unwrap_or(line.len());
    rest > 0 && line.get(rest..).is_some_and(|rest| rest.starts_with(b"From "))
}

/// Words of a `From ` line that are looked at; real ones have up to ten.
const WORDS_MAX: usize = 32;

/// Whether a line begins a message: `From `, somebody, and a time with a year. Only so is a
/// sentence that begins with "From" and was not quoted kept where it is; an empty line before it
/// is not asked for, since not all writers make one.
fn is_from_line(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else { return false };
    if rest.trim_ascii() == b"-" {
        return true; // some Mozilla versions
    }
    let mut words = rest.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let (mut time, mut year) = (false, false);
    for word in words.by_ref().take(WORDS_MAX) {
        let digits = word.iter().filter(|octet| octet.is_ascii_digit()).count();
        time |= word.contains(&b':') && digits >= 3 && digits.saturating_add(2) >= word.len();
        year |= word.len() == 4 && digits == 4;
    }
    time && year
}

/// The time of a `From ` line, such as `From ada@example.org Thu Jan  1 00:00:00 1970`. In UTC
/// (RFC 4155), unless it says otherwise.
fn delivery_time(line: &[u8]) -> Option<DateTime> {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let sender = words.nth(1)?;
    let rest = words.take(WORDS_MAX).collect::<Vec<_>>();
    // Some senders have spaces in them, some are missing.
    let with_sender = [&[sender], rest.as_slice()].concat();
    (0..with_sender.len()).find_map(|from| {
        let words = with_sender.get(from..).filter(|words| words.len() >= 4)?;
        DateTime::parse_octets(&words.join(&b' '))
    })
}

#[cfg(test)]
mod tests;
