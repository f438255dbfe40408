//! One record of a segment file: a message's content with its checksums.
//!
//! ```text
//!   segment = file header (16 octets), records one after the other
//!   record  = header (32 octets), one CRC32C for each chunk (4 octets each), content
//! ```
//!
//! Content is cut into chunks of 64 KiB, so that any range can be read and verified without
//! reading the rest. All numbers are little-endian. A record is never changed.
//!
//! Standards: RFC 3720 §B.4 (CRC32C).
//! Not here: which segments there are (`segments`).

use store::StoreError;

use crate::database::damaged;

/// Octets of a chunk; the last one may be shorter.
pub(crate) const CHUNK_OCTETS: usize = 64 * 1024;

/// Octets of a record's header.
pub(crate) const HEADER_OCTETS: usize = 32;

/// Octets before the first record.
pub(crate) const FILE_HEADER_OCTETS: usize = 16;

const CRC_OCTETS: usize = 4;
const FILE_MAGIC: &[u8; 8] = b"PHSEGMNT";
const FILE_VERSION: u32 = 1;
const RECORD_MAGIC: &[u8; 4] = b"PHRC";
const RECORD_VERSION: u8 = 1;
/// The content as it is. Other codecs may come.
const CODEC_STORED: u8 = 0;

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// In which segment.
    pub(crate) segment: u32,
    /// Where it begins there.
    pub(crate) at: u64,
    /// Octets of its content.
    pub(crate) octets: u64,
}

impl Place {
    /// Where its content begins in the segment.
    pub(crate) fn content_at(&self) -> u64 {
        self.at.saturating_add(head_octets(self.octets))
    }

    /// Where the checksum of chunk `index` stands in the segment.
    pub(crate) fn crc_at(&self, index: u64) -> u64 {
        self.at
            .saturating_add(HEADER_OCTETS as u64)
            .saturating_add(index.saturating_mul(CRC_OCTETS as u64))
    }

    /// Octets of the whole record.
    pub(crate) fn record_octets(&self) -> u64 {
        head_octets(self.octets).saturating_add(self.octets)
    }
}

/// How many chunks content has.
pub(crate) fn chunks(octets: u64) -> u64 {
    octets.div_ceil(CHUNK_OCTETS as u64)
}

/// Octets of a record before its content.
pub(crate) fn head_octets(octets: u64) -> u64 {
    chunks(octets).saturating_mul(CRC_OCTETS as u64).saturating_add(HEADER_OCTETS as u64)
}

/// The first octets of every segment.
pub(crate) fn file_header() -> [u8; FILE_HEADER_OCTETS] {
    let mut header = [0; FILE_HEADER_OCTETS];
    let (body, crc) = header.split_at_mut(12);
    let (magic, version) = body.split_at_mut(8);
    magic.copy_from_slice(FILE_MAGIC);
    version.copy_from_slice(&FILE_VERSION.to_le_bytes());
    crc.copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    header
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Whose content it is.
    pub(crate) message: i64,
    /// How much.
    pub(crate) octets: u64,
}

impl Header {
    /// The header as it stands in the file.
    pub(crate) fn to_octets(self) -> [u8; HEADER_OCTETS] {
        let mut header = [0; HEADER_OCTETS];
        let (body, crc) = header.split_at_mut(HEADER_OCTETS - CRC_OCTETS);
        let fields: [&[u8]; 5] = [
            RECORD_MAGIC,
            &[RECORD_VERSION, CODEC_STORED, 0, 0],
            &self.message.to_le_bytes(),
            &self.octets.to_le_bytes(),
            &[0; 4], // for a codec whose stored size differs
        ];
        let mut rest = &mut *body;
        for field in fields {
            let (here, behind) = rest.split_at_mut(field.len());
            here.copy_from_slice(field);
            rest = behind;
        }
        crc.copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
        header
    }

    /// Reads a header; the error says what is wrong with it.
    pub(crate) fn from_octets(octets: &[u8; HEADER_OCTETS]) -> Result<Self, &'static str> {
        let (body, crc) = octets.split_at(HEADER_OCTETS - CRC_OCTETS);
        if crc != crc32c::crc32c(body).to_le_bytes() {
            return Err("the record header's checksum is wrong");
        }
        let magic = body.first_chunk::<4>();
        let (version, codec) = (octets.get(4).copied(), octets.get(5).copied());
        if magic != Some(RECORD_MAGIC) {
            return Err("there is no record here");
        }
        if version != Some(RECORD_VERSION) || codec != Some(CODEC_STORED) {
            return Err("the record has a version or codec that this program does not know");
        }
        let number = |at: usize| {
            body.get(at..).and_then(|rest| rest.first_chunk::<8>()).copied().unwrap_or_default()
        };
        Ok(Self { message: i64::from_le_bytes(number(8)), octets: u64::from_le_bytes(number(16)) })
    }
}

/// Appends a record with `content` to `buffer`.
pub(crate) fn append_record(buffer: &mut Vec<u8>, message: i64, content: &[u8]) {
    let octets = content.len() as u64;
    buffer.extend_from_slice(&Header { message, octets }.to_octets());
    for chunk in content.chunks(CHUNK_OCTETS) {
        buffer.extend_from_slice(&crc32c::crc32c(chunk).to_le_bytes());
    }
    buffer.extend_from_slice(content);
}

/// Whether chunks have the checksums that stand in the record.
pub(crate) fn check_chunks(content: &[u8], crcs: &[u8], place: Place) -> Result<(), StoreError> {
    let (crcs, _) = crcs.as_chunks::<CRC_OCTETS>();
    let right = content
        .chunks(CHUNK_OCTETS)
        .zip(crcs)
        .all(|(chunk, crc)| crc32c::crc32c(chunk).to_le_bytes() == *crc);
    if right && crcs.len() as u64 == chunks(content.len() as u64) {
        return Ok(());
    }
    Err(damaged(place.to_string(), "its checksum is wrong"))
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the content in segment {} at {}", self.segment, self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_and_damage_shows() {
        let header = Header { message: 77, octets: 70_000 };
        let octets = header.to_octets();
        assert_eq!(Header::from_octets(&octets), Ok(header));
        for bit in 0..HEADER_OCTETS * 8 {
            let mut broken = octets;
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::from_octets(&broken).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn records_know_their_places() {
        #[rustfmt::skip]
        let table = [
            // content, chunks, record, why
            (0, 0, 32, "empty content has no chunk"),
            (1, 1, 37, "one octet has one"),
            (65_536, 1, 65_572, "a full chunk"),
            (65_537, 2, 65_577, "one octet more"),
        ];
        for (octets, expected, record, why) in table {
            let mut buffer = Vec::new();
            append_record(&mut buffer, 1, &vec![7; octets]);
            let place = Place { segment: 1, at: 100, octets: octets as u64 };
            assert_eq!(chunks(octets as u64), expected, "{why}");
            assert_eq!(place.record_octets(), record, "{why}");
            assert_eq!(buffer.len() as u64, record, "{why}");
            assert_eq!(place.content_at() + octets as u64, 100 + record, "{why}");
        }
    }
}
