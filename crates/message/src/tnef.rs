//! Files in `winmail.dat`, which old Outlooks send instead of MIME.
//!
//! ```text
//!   signature, key, then attributes: level, id, length, octets, checksum
//!                                        │
//!     attAttachRenddata begins a file; its title, its octets and its MAPI properties follow
//! ```
//!
//! Standards: none of the IETF; MS-OXTNEF describes the format.
//! Not here: the message's own properties and its RTF text.

use std::borrow::Cow;

use crate::charset::decode_unlabelled;
use crate::file_name::safe_file_name;
use crate::part::{Part, PartKind};

/// Files taken from one container.
pub const TNEF_FILES_MAX: usize = 1_000;
/// Properties looked at in one attribute.
const PROPERTIES_MAX: usize = 1_000;

const SIGNATURE: [u8; 4] = 0x223E_9F78_u32.to_le_bytes();
const ATTACH_RENDDATA: u32 = 0x0006_9002;
const ATTACH_TITLE: u32 = 0x0001_8010;
const ATTACH_OCTETS: u32 = 0x0006_800F;
const ATTACH_PROPERTIES: u32 = 0x0006_9005;
const LONG_FILE_NAME: u32 = 0x3707;
const MIME_TAG: u32 = 0x370E;

/// One file in the container.
///
/// Example: [`Part::tnef_files`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TnefFile<'a> {
    /// The name that the sender gave; make it safe before saving.
    pub name: String,
    /// The MIME type, if it is said.
    pub content_type: Option<String>,
    /// The octets.
    pub octets: Cow<'a, [u8]>,
}

impl TnefFile<'_> {
    /// A name under which it can be saved anywhere.
    pub fn file_name(&self) -> String {
        safe_file_name(&self.name)
    }

    fn into_owned(self) -> TnefFile<'static> {
        let Self { name, content_type, octets } = self;
        TnefFile { name, content_type, octets: Cow::Owned(octets.into_owned()) }
    }
}

impl<'a> Part<'a> {
    /// The files in this part, if it is a `winmail.dat`: by its type, or by its first octets
    /// where it says that it is just octets.
    ///
    /// ```
    /// let container = b"\x78\x9f\x3e\x22\0\0\
    ///     \x02\x02\x90\x06\x00\x01\0\0\0\0\0\0\
    ///     \x02\x10\x80\x01\x00\x08\0\0\0cat.txt\0\0\0\
    ///     \x02\x0f\x80\x06\x00\x03\0\0\0Cat\0\0";
    /// let content = [b"Content-Type: application/ms-tnef\r\n\r\n", &container[..]].concat();
    /// let message = message::Message::parse(&content);
    /// let files = message.root().tnef_files();
    /// assert_eq!((files[0].file_name().as_str(), &*files[0].octets), ("cat.txt", &b"Cat"[..]));
    /// ```
    pub fn tnef_files(&self) -> Vec<TnefFile<'a>> {
        let content_type = self.content_type();
        let is_declared = content_type.main() == "application"
            && matches!(content_type.sub(), "ms-tnef" | "vnd.ms-tnef" | "octet-stream");
        if self.kind() != PartKind::Leaf || !is_declared {
            return Vec::new();
        }
        match self.decoded() {
            Cow::Borrowed(octets) => files(octets).unwrap_or_default(),
            Cow::Owned(octets) => {
                let files = files(&octets).unwrap_or_default();
                files.into_iter().map(TnefFile::into_owned).collect()
            }
        }
    }
}

/// The files in the decoded octets of an application/ms-tnef part; `None` if it is none.
pub fn files(octets: &[u8]) -> Option<Vec<TnefFile<'_>>> {
    let mut reader = Reader { rest: octets.strip_prefix(&SIGNATURE)? };
    reader.take(2)?;
    let mut files: Vec<TnefFile<'_>> = Vec::new();
    while let Some((id, value)) = reader.attribute() {
        if id == ATTACH_RENDDATA {
            if files.len() >= TNEF_FILES_MAX {
                break;
            }
            files.push(TnefFile::default());
        }
        let Some(file) = files.last_mut() else { continue };
        match id {
            ATTACH_TITLE if file.name.is_empty() => file.name = text(value),
            ATTACH_OCTETS => file.octets = Cow::Borrowed(value),
            ATTACH_PROPERTIES => properties(value, file),
            _ => {}
        }
    }
    files.retain(|file| !file.octets.is_empty() || !file.name.is_empty());
    Some(files)
}

fn text(value: &[u8]) -> String {
    let value = value.split(|octet| *octet == 0).next().unwrap_or_default();
    decode_unlabelled(value).into_owned()
}

fn wide_text(value: &[u8]) -> String {
    let units = value.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit));
    let units: Vec<_> = units.take_while(|unit| *unit != 0).collect();
    String::from_utf16_lossy(&units)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        let (octets, rest) = self.rest.split_first_chunk::<4>()?;
        self.rest = rest;
        Some(u32::from_le_bytes(*octets))
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    /// Octets that are filled up to a multiple of four.
    fn padded(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.take(length)?;
        let padding = length.next_multiple_of(4).checked_sub(length)?;
        self.take(padding.min(self.rest.len()))?;
        Some(taken)
    }

    fn attribute(&mut self) -> Option<(u32, &'a [u8])> {
        self.take(1)?; // level
        let id = self.number()?;
        let length = self.length()?;
        let value = self.take(length.min(self.rest.len()))?;
        self.take(2.min(self.rest.len()))?; // checksum
        Some((id, value))
    }
}

/// Reads the name and type among the MAPI properties of a file.
fn properties(value: &[u8], file: &mut TnefFile<'_>) {
    let mut reader = Reader { rest: value };
    let Some(count) = reader.length() else { return };
    for _ in 0..count.min(PROPERTIES_MAX) {
        let Some(found) = property(&mut reader) else { return };
        match found {
            (LONG_FILE_NAME, Some(name)) if !name.is_empty() => file.name = name,
            (MIME_TAG, Some(name)) if !name.is_empty() => file.content_type = Some(name),
            _ => {}
        }
    }
}

/// One property: its id, and its value where that is a text.
fn property(reader: &mut Reader<'_>) -> Option<(u32, Option<String>)> {
    let tag = reader.number()?;
    let (kind, id) = (tag & 0xFFFF, tag >> 16);
    if id >= 0x8000 {
        reader.take(16)?; // a named property has a GUID
        if reader.number()? != 0 {
            let length = reader.length()?;
            reader.padded(length)?;
        } else {
            reader.take(4)?;
        }
    }
    let is_multiple = kind & 0x1000 != 0;
    match kind & 0x0FFF {
        0x02 | 0x03 | 0x04 | 0x0A | 0x0B if !is_multiple => {
            reader.take(4)?;
            Some((id, None))
        }
        0x05 | 0x06 | 0x07 | 0x14 | 0x40 if !is_multiple => {
            reader.take(8)?;
            Some((id, None))
        }
        0x48 if !is_multiple => {
            reader.take(16)?;
            Some((id, None))
        }
        kind @ (0x0D | 0x1E | 0x1F | 0x102) => {
            let count = reader.length()?;
            let mut shown = None;
            for _ in 0..count.min(PROPERTIES_MAX) {
                let length = reader.length()?;
                let value = reader.padded(length)?;
                shown = match kind {
                    0x1E => Some(text(value)),
                    0x1F => Some(wide_text(value)),
                    _ => None,
                };
            }
            Some((id, shown))
        }
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{ATTACH_OCTETS, ATTACH_RENDDATA, ATTACH_TITLE, SIGNATURE, files};

    fn attribute(id: u32, value: &[u8]) -> Vec<u8> {
        let length = u32::try_from(value.len()).unwrap();
        [&[2], &id.to_le_bytes()[..], &length.to_le_bytes(), value, &[0, 0]].concat()
    }

    /// A container with files of these names and octets.
    pub(crate) fn container(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut octets = [SIGNATURE.to_vec(), vec![1, 0]].concat();
        for (name, content) in files {
            octets.extend(attribute(ATTACH_RENDDATA, &[0; 14]));
            octets.extend(attribute(ATTACH_TITLE, format!("{name}\0").as_bytes()));
            octets.extend(attribute(ATTACH_OCTETS, content));
        }
        octets
    }

    #[test]
    fn files_are_taken_out() {
        let octets = container(&[("a.txt", b"hello")]);
        let found = files(&octets).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].name.as_str(), found[0].octets.as_ref()),
            ("a.txt", b"hello".as_slice())
        );
        for length in 0..octets.len() {
            files(&octets[..length]);
        }
        assert_eq!(files(b"PK"), None);
    }
}
