//! One file from parts in several messages.
//!
//! ```text
//!   part 3 ─┐
//!   part 1 ─┼→ Joiner ─→ the file, or what is missing
//!   part 3 ─┘
//! ```
//!
//! Parts come in any order, and twice. One that is damaged is refused, so that a good copy of it
//! can still be given. Memory is what the parts need, whatever size they claim.
//!
//! Standards: none; yEnc draft 1.3 of 2002.
//! Not here: looking for the messages.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use super::{Control, Decoder, crc32_of};
use crate::transfer::Damage;

/// Puts the parts of a file together.
///
/// ```
/// use message::transfer::yenc::Joiner;
/// let mut joiner = Joiner::default();
/// joiner.add(b"=ybegin part=2 total=2 line=1 size=3 name=cat.txt\n=ypart begin=3 end=3\n\x9e\n\
///     =yend size=1 part=2\n").unwrap();
/// assert_eq!(joiner.missing().octets, [0..2]);
/// joiner.add(b"=ybegin part=1 total=2 line=2 size=3 name=cat.txt\n=ypart begin=1 end=2\nm\x8b\n\
///     =yend size=2 part=1 crc32=a6130548\n").unwrap();
/// assert_eq!(joiner.join().unwrap(), b"Cat");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Joiner {
    /// What the first part says of the file.
    file: Option<File>,
    /// The last CRC-32 is enough; parts that do not agree are refused.
    crc: Option<u32>,
    /// By their place in the file; they do not overlap.
    parts: BTreeMap<u64, Part>,
    /// Where each number is.
    places: BTreeMap<u32, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct File {
    name: Vec<u8>,
    size: u64,
    total: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    number: u32,
    octets: Vec<u8>,
}

/// What parts of a file must agree on.
///
/// Example: [`PartRefused`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Claim {
    /// The name of the file.
    Name,
    /// Its size.
    Size,
    /// How many parts it has.
    Total,
    /// The checksum of the whole file.
    Checksum,
}

impl Claim {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Size => "size",
            Self::Total => "number of parts",
            Self::Checksum => "checksum",
        }
    }
}

/// Why a part was not taken; what was given before stays good.
///
/// ```
/// use message::transfer::yenc::{Joiner, PartRefused};
/// assert_eq!(Joiner::default().add(b"a letter"), Err(PartRefused::NotPart));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartRefused {
    /// There is no `=ybegin` with a name and a size, or no number and place of a part.
    #[error("this is no part of a yEnc file")]
    NotPart,
    /// It is not as it was sent.
    #[error("the part is damaged: {} at octet {}", .0.code.explanation(), .0.offset)]
    Damaged(Damage),
    /// It is of another file than the first part.
    #[error("the part says another {} than those before it", .0.as_str())]
    OtherFile(Claim),
    /// Its place or number is outside of the file.
    #[error("part {number} cannot be at octets {} to {} of {size}", range.start, range.end)]
    Outside {
        /// Its number.
        number: u32,
        /// Its place.
        range: Range<u64>,
        /// The size of the file.
        size: u64,
    },
    /// Other octets are there already, or the number has another place.
    #[error("part {number} contradicts part {other}")]
    Contradicts {
        /// Its number.
        number: u32,
        /// The number of a part that was given before.
        other: u32,
    },
}

/// What is not there of a file.
///
/// Example: [`Joiner`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Places in the file, counted from 0.
    pub octets: Vec<Range<u64>>,
    /// Numbers of parts, as far as they are known: the last ones are not, unless a part says
    /// how many there are.
    pub parts: Vec<RangeInclusive<u32>>,
}

/// Why the parts do not make a file.
///
/// ```
/// use message::transfer::yenc::{Joiner, NotJoined};
/// assert_eq!(Joiner::default().join(), Err(NotJoined::Empty));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotJoined {
    /// No part was taken.
    #[error("there are no parts")]
    Empty,
    /// Something is missing.
    #[error("{}", .0.in_words())]
    Missing(Missing),
    /// Every part is good, yet the file is another one.
    #[error("the file has the checksum {found:08x} and not {wanted:08x}")]
    WrongChecksum {
        /// What the parts say.
        wanted: u32,
        /// That of the file.
        found: u32,
    },
}

impl Joiner {
    /// Takes a part: its lines from `=ybegin` to `=yend`, as
    /// [`EmbeddedFile::encoded`](crate::EmbeddedFile::encoded) gives them. A file that is not in
    /// parts counts as its only part; a copy of a part that is there already changes nothing.
    ///
    /// # Errors
    ///
    /// [`PartRefused`]; another copy of the part may be better.
    pub fn add(&mut self, encoded: &[u8]) -> Result<(), PartRefused> {
        let (mut decoder, mut octets) = (Decoder::default(), Vec::new());
        decoder.feed(encoded, &mut octets);
        let (control, damage) = decoder.end_with_control();
        let Control { name: Some(name), size: Some(size), part, begin, total, crc } = control
        else {
            return Err(PartRefused::NotPart);
        };
        let (number, begin) = match (part, begin) {
            (Some(number), Some(begin)) if number > 0 => (number, begin),
            (None, None) => (1, 1),
            _ => return Err(PartRefused::NotPart),
        };
        if let Some(damage) = damage {
            return Err(PartRefused::Damaged(damage));
        }
        let total = if part.is_none() { Some(1) } else { total };
        let file = self.agreed(File { name, size, total }, crc)?;
        let outside = |range| PartRefused::Outside { number, range, size };
        let start = begin.checked_sub(1).ok_or_else(|| outside(0..0))?;
        let range = start..start.saturating_add(octets_of(&octets));
        if range.end > size || file.total.is_some_and(|total| number > total) {
            return Err(outside(range));
        }
        let part = Part { number, octets };
        if let Some(other) = self.contradiction(&range, &part) {
            return Err(PartRefused::Contradicts { number, other });
        }
        self.places.insert(number, range.start);
        self.parts.insert(range.start, part);
        self.file = Some(file);
        self.crc = self.crc.or(crc);
        Ok(())
    }

    /// What a part says of the file, if it is the same as the others say.
    fn agreed(&self, file: File, crc: Option<u32>) -> Result<File, PartRefused> {
        let Some(known) = &self.file else { return Ok(file) };
        let differs = |(one, other): (Option<u32>, Option<u32>)| {
            one.zip(other).is_some_and(|(one, other)| one != other)
        };
        let last = self.places.last_key_value().map(|(number, _)| *number);
        let is_short = file.total.zip(last).is_some_and(|(total, last)| last > total);
        let claims = [
            (Claim::Name, known.name != file.name),
            (Claim::Size, known.size != file.size),
            (Claim::Total, differs((known.total, file.total)) || is_short),
            (Claim::Checksum, differs((self.crc, crc))),
        ];
        match claims.iter().find(|(_, is_other)| *is_other) {
            Some((claim, _)) => Err(PartRefused::OtherFile(*claim)),
            None => Ok(File { total: known.total.or(file.total), ..file }),
        }
    }

    /// The number of a part that cannot be there together with this one.
    fn contradiction(&self, range: &Range<u64>, part: &Part) -> Option<u32> {
        if self.places.get(&part.number).is_some_and(|place| *place != range.start) {
            return Some(part.number);
        }
        if let Some(same) = self.parts.get(&range.start) {
            return (same != part).then_some(same.number);
        }
        let before = self.parts.range(..range.start).next_back();
        let before = before.filter(|(start, one)| *start + octets_of(&one.octets) > range.start);
        let after = self.parts.range(range.start..range.end).next();
        before.or(after).map(|(_, other)| other.number)
    }

    /// What is not there yet; everything, and so nothing with a name, before the first part.
    pub fn missing(&self) -> Missing {
        let mut missing = Missing::default();
        let Some(file) = &self.file else { return missing };
        let mut at = 0;
        for (start, part) in &self.parts {
            missing.octets.extend((*start > at).then_some(at..*start));
            at = start + octets_of(&part.octets);
        }
        missing.octets.extend((at < file.size).then_some(at..file.size));
        let mut before = 0;
        for number in self.places.keys().copied() {
            missing.parts.extend((number - before > 1).then_some(before + 1..=number - 1));
            before = number;
        }
        if let Some(total) = file.total.filter(|total| *total > before) {
            missing.parts.push(before + 1..=total);
        }
        missing
    }

    /// The whole file.
    ///
    /// # Errors
    ///
    /// [`NotJoined`]; more parts can be given after [`NotJoined::Missing`].
    pub fn join(&self) -> Result<Vec<u8>, NotJoined> {
        if self.file.is_none() {
            return Err(NotJoined::Empty);
        }
        let missing = self.missing();
        if !missing.octets.is_empty() {
            return Err(NotJoined::Missing(missing));
        }
        let octets: Vec<u8> =
            self.parts.values().flat_map(|part| part.octets.iter().copied()).collect();
        let found = crc32_of(&octets);
        match self.crc {
            Some(wanted) if wanted != found => Err(NotJoined::WrongChecksum { wanted, found }),
            _ => Ok(octets),
        }
    }
}

fn octets_of(octets: &[u8]) -> u64 {
    u64::try_from(octets.len()).unwrap_or(u64::MAX)
}

/// Gaps that are named in a sentence; the others are counted.
const NAMED_MAX: usize = 5;

impl Missing {
    fn in_words(&self) -> String {
        let octets = self.octets.iter().map(|range| (range.start, range.end.saturating_sub(1)));
        let parts = self.parts.iter().map(|range| (*range.start(), *range.end()));
        let octets = list(octets, self.octets.len());
        match self.parts.len() {
            0 => format!("missing: octets {octets}"),
            count => format!("missing: octets {octets}; parts {}", list(parts, count)),
        }
    }
}

fn list<N: PartialEq + std::fmt::Display>(
    gaps: impl Iterator<Item = (N, N)>,
    count: usize,
) -> String {
    let named = gaps.take(NAMED_MAX).map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first} to {last}"),
    });
    let mut text = named.collect::<Vec<_>>().join(", ");
    if count > NAMED_MAX {
        text.push_str(&format!(" and {} more", count - NAMED_MAX));
    }
    text
}

#[cfg(test)]
mod tests;
