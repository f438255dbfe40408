//! yEnc, as newsgroups have it: read only.
//!
//! ```text
//!   =ybegin line=128 size=N name=…     or, of a file in parts, with part=P total=T
//!   =ypart begin=A end=B               only in parts
//!   octets + 42, the critical ones after = and + 64 more
//!   =yend size=N crc32=…               or, in parts, pcrc32=…
//! ```
//!
//! Standards: none; yEnc draft 1.3 of 2002.
//! Not here: writing it; finding files in text (module `embedded`).

mod join;

pub use self::join::{Claim, Joiner, Missing, NotJoined, PartRefused};

use std::str::FromStr;
use std::sync::LazyLock;

use memchr::memmem;

use super::{Damage, Decoded};
use crate::defect::DefectCode;

/// Octets of a line of control that are looked at; the name stands last, and every file system
/// cuts it at 255 octets.
const CONTROL_MAX: usize = 512;

/// Decodes the first file in what it is fed, in chunks of any size, and checks its size and
/// checksum.
///
/// ```
/// let mut decoder = message::transfer::yenc::Decoder::default();
/// let mut octets = Vec::new();
/// decoder.feed(b"=ybegin line=128 size=3 name=cat.txt\r\nm\x8b", &mut octets);
/// decoder.feed(b"\x9e\r\n=yend size=3 crc32=a6130548\r\n", &mut octets);
/// assert_eq!((octets.as_slice(), decoder.finish()), (&b"Cat"[..], None));
/// ```
#[derive(Clone, Debug)]
pub struct Decoder {
    phase: Phase,
    place: Place,
    control: Vec<u8>,
    control_start: usize,
    fed: usize,
    count: u64,
    crc: u32,
    /// What the first lines say of the octets that follow.
    announced: Option<u64>,
    says: Control,
    damage: Option<Damage>,
}

/// What the lines of control say of a file and of the part that this is.
#[derive(Clone, Debug, Default)]
struct Control {
    name: Option<Vec<u8>>,
    size: Option<u64>,
    part: Option<u32>,
    total: Option<u32>,
    /// Where the part begins in the file, counted from 1.
    begin: Option<u64>,
    /// The CRC-32 of the whole file.
    crc: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Before,
    Inside,
    After,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    LineStart,
    /// After an equals sign at the start of a line: control or an escape.
    Equals,
    Control,
    Line,
    Escape,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            phase: Phase::Before,
            place: Place::LineStart,
            control: Vec::new(),
            control_start: 0,
            fed: 0,
            count: 0,
            crc: u32::MAX,
            announced: None,
            says: Control::default(),
            damage: None,
        }
    }
}

impl Decoder {
    /// Takes a chunk; octets before the file and after its end count for nothing.
    pub fn feed(&mut self, chunk: &[u8], octets: &mut Vec<u8>) {
        for octet in chunk {
            if self.phase == Phase::After {
                return;
            }
            self.place = self.octet(*octet, octets);
            self.fed += 1;
        }
    }

    /// Reads the last line and tells the first damage.
    pub fn finish(self) -> Option<Damage> {
        self.end_with_control().1
    }

    fn end_with_control(mut self) -> (Control, Option<Damage>) {
        if self.place == Place::Control {
            self.control();
        }
        if self.phase != Phase::After {
            self.note(DefectCode::TruncatedYenc, self.fed);
        }
        (self.says, self.damage)
    }

    fn note(&mut self, code: DefectCode, offset: usize) {
        self.damage.get_or_insert(Damage { code, offset });
    }

    fn octet(&mut self, octet: u8, octets: &mut Vec<u8>) -> Place {
        match (self.place, octet) {
            (Place::Control, b'\n') => {
                self.control();
                Place::LineStart
            }
            (Place::Control, _) => {
                if self.control.len() < CONTROL_MAX {
                    self.control.push(octet);
                }
                Place::Control
            }
            (Place::Equals, b'y') => {
                self.control_start = self.fed.saturating_sub(1);
                self.control = b"=y".to_vec();
                Place::Control
            }
            (_, b'\n') => Place::LineStart,
            (place, b'\r') => place,
            (Place::LineStart, b'=') => Place::Equals,
            (Place::Line, b'=') => Place::Escape,
            (Place::Equals | Place::Escape, _) => {
                self.write(octet.wrapping_sub(64 + 42), octets);
                Place::Line
            }
            (Place::LineStart | Place::Line, _) => {
                self.write(octet.wrapping_sub(42), octets);
                Place::Line
            }
        }
    }

    fn write(&mut self, octet: u8, octets: &mut Vec<u8>) {
        if self.phase == Phase::Inside {
            octets.push(octet);
            self.count += 1;
            self.crc = crc32_step(self.crc, octet);
        }
    }

    fn control(&mut self) {
        let line = std::mem::take(&mut self.control);
        let (keyword, rest) = line.split_at(line.len().min(8));
        match (self.phase, keyword) {
            (Phase::Before, b"=ybegin ") => {
                self.phase = Phase::Inside;
                self.announced = number(rest, "size");
                self.says = Control {
                    name: file_name(&line).map(<[u8]>::to_vec),
                    size: self.announced,
                    part: number(rest, "part"),
                    total: number(rest, "total"),
                    ..Control::default()
                };
            }
            (Phase::Inside, b"=ypart b") => {
                let (begin, end) = (number(&line, "begin"), number::<u64>(&line, "end"));
                let length = begin.zip(end).and_then(|(begin, end)| end.checked_sub(begin));
                self.announced = length.and_then(|length| length.checked_add(1));
                self.says.begin = begin;
            }
            (Phase::Inside, _) if line.starts_with(b"=yend") => {
                self.phase = Phase::After;
                self.end(&line);
            }
            _ => {}
        }
    }

    /// Compares what was read with what the last line says.
    fn end(&mut self, line: &[u8]) {
        let sizes = [number(line, "size"), self.announced];
        if sizes.into_iter().flatten().any(|wanted| wanted != self.count) {
            self.note(DefectCode::WrongYencSize, self.control_start);
        }
        let sum = |name| u32::from_str_radix(value(line, name)?, 16).ok();
        self.says.crc = sum("crc32");
        // In parts, `crc32` is that of the whole file.
        let wanted = if self.says.part.is_some() { sum("pcrc32") } else { self.says.crc };
        if wanted.is_some_and(|wanted| wanted != !self.crc) {
            self.note(DefectCode::WrongYencChecksum, self.control_start);
        }
    }
}

fn number<N: FromStr>(line: &[u8], name: &str) -> Option<N> {
    value(line, name)?.parse().ok()
}

/// The value of `name=value` in a line of control.
pub(crate) fn value<'l>(line: &'l [u8], name: &str) -> Option<&'l str> {
    let mut words = line.split(u8::is_ascii_whitespace);
    let value = words.find_map(|word| word.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
    std::str::from_utf8(value?).ok()
}

/// The name in a line of control: it stands last and may have spaces.
pub(crate) fn file_name(line: &[u8]) -> Option<&[u8]> {
    let at = memmem::find(line, b" name=")? + b" name=".len();
    let name = line.get(at..)?.trim_ascii();
    let name = name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or(name);
    (!name.is_empty()).then_some(name)
}

/// The CRC-32 of each octet (ITU-T V.42).
static CRC32: LazyLock<[u32; 256]> =
    LazyLock::new(|| {
        let mut octet = 0;
        std::array::from_fn(|_| {
            let steps = (0..8).fold(octet, |value, _| {
                if value & 1 == 1 { value >> 1 ^ 0xEDB8_8320 } else { value >> 1 }
            });
            octet += 1;
            steps
        })
    });

fn crc32_step(crc: u32, octet: u8) -> u32 {
    let [low, ..] = crc.to_le_bytes();
    crc >> 8 ^ CRC32.get(usize::from(low ^ octet)).copied().unwrap_or_default()
}

fn crc32_of(octets: &[u8]) -> u32 {
    !octets.iter().fold(u32::MAX, |crc, octet| crc32_step(crc, *octet))
}

/// Decodes the first file, and tells what is wrong with it.
pub fn decode_all(body: &[u8]) -> Decoded {
    let (mut decoder, mut octets) = (Decoder::default(), Vec::new());
    decoder.feed(body, &mut octets);
    Decoded { octets, damage: decoder.finish() }
}

#[cfg(test)]
mod tests {
    use super::{Decoder, decode_all};
    use crate::defect::DefectCode;

    #[test]
    fn size_and_checksum_are_checked() {
        use DefectCode::{TruncatedYenc, WrongYencChecksum, WrongYencSize};
        const BEGIN: &str = "=ybegin line=128 size=3 name=a b\n";
        const PART: &str = "=ybegin part=2 total=2 line=128 size=9 name=a\n=ypart begin=7 end=9\n";
        type Row<'t> = (&'t str, &'t [u8], &'t str, Option<DefectCode>, &'t str);
        #[rustfmt::skip]
        let table: [Row<'_>; 9] = [
            (BEGIN, b"m\x8b\x9e", "=yend size=3 crc32=A6130548", None, "in capitals"),
            (BEGIN, b"m\x8b\x9e", "=yend size=3", None, "the checksum is optional"),
            (BEGIN, b"m\x8b\x9e", "=yend size=3 crc32=a6130541", Some(WrongYencChecksum), "changed"),
            (BEGIN, b"m\x8b", "=yend size=3 crc32=a6130548", Some(WrongYencSize), "an octet lost"),
            (BEGIN, b"m\x8b\x9e", "=yend size=4", Some(WrongYencSize), "two sizes"),
            (BEGIN, b"m\x8b\x9e", "", Some(TruncatedYenc), "no end"),
            (PART, b"m\x8b\x9e", "=yend size=3 part=2 pcrc32=a6130548 crc32=1", None, "of a part"),
            (PART, b"m\x8b\x9e", "=yend size=3 part=2 pcrc32=1", Some(WrongYencChecksum), "a part"),
            (PART, b"m\x8b", "=yend size=2 part=2", Some(WrongYencSize), "the part is longer"),
        ];
        for (begin, data, end, damage, why) in table {
            let body = [begin.as_bytes(), data, b"\r\n", end.as_bytes(), b"\r\n"].concat();
            let found = decode_all(&body);
            assert_eq!(found.octets, &b"Cat"[..data.len()], "{why}");
            assert_eq!(found.damage.map(|one| one.code), damage, "{why}");
        }
    }

    #[test]
    fn every_octet_survives_in_every_chunk() {
        let all: Vec<u8> = (0..=255).collect();
        let mut body = b"=ybegin line=64 size=256 name=all\r\n".to_vec();
        for (index, octet) in all.iter().enumerate() {
            match octet.wrapping_add(42) {
                critical @ (b'\0' | b'\r' | b'\n' | b'=') => {
                    body.extend_from_slice(&[b'=', critical.wrapping_add(64)]);
                }
                plain => body.push(plain),
            }
            if index % 64 == 63 {
                body.extend_from_slice(b"\r\n");
            }
        }
        body.extend_from_slice(b"=yend size=256 crc32=29058c73\r\n");
        for length in [1, 2, 3, 7, 1000] {
            let (mut decoder, mut octets) = (Decoder::default(), Vec::new());
            body.chunks(length).for_each(|chunk| decoder.feed(chunk, &mut octets));
            assert_eq!((&octets, decoder.finish()), (&all, None), "chunks of {length}");
        }
    }
}
