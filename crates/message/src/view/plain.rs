//! Plain text as people read it: Unicode, LF, paragraphs joined, files not in their encoding.
//!
//! ```text
//!   Look:                    Look:
//!   begin 644 cat.txt   →    [cat.txt]
//!   #0V%T
//!   end
//! ```
//!
//! Standards: RFC 2046 §4.1 (text), RFC 3676 (by module `flowed`).
//! Not here: HTML (module `html`), which files are attached (module `embedded`).

use crate::charset;
use crate::content::ContentType;
use crate::embedded::{Found, find};
use crate::file_name::safe_file_name;
use crate::part::Part;

use super::flowed;

/// The text of a part that is no HTML; `None` for other types than text.
pub(super) fn shown(part: &Part<'_>, content_type: &ContentType) -> Option<String> {
    if !part.may_embed_files() {
        return Some(flowed::joined(&part.text()?, content_type));
    }
    let octets = part.decoded();
    let label = content_type.charset().unwrap_or_default().as_bytes();
    let words = |start: usize, end: usize| {
        let octets = octets.get(start..end).unwrap_or_default();
        flowed::joined(&charset::decode(octets, label).text, content_type)
    };
    let files = find(&octets);
    if files.is_empty() {
        return Some(words(0, octets.len()));
    }
    let mut text = String::new();
    let mut at = 0;
    for file in files {
        text.push_str(&words(at, file.range.start));
        text.push_str(&place_of(&file, &octets));
        at = file.range.end;
    }
    text.push_str(&words(at, octets.len()));
    Some(text)
}

/// The line that stands for a file, quoted as the file was.
fn place_of(file: &Found, octets: &[u8]) -> String {
    let marks = octets.get(file.range.start..).and_then(|rest| rest.get(..file.marks));
    let marks = String::from_utf8_lossy(marks.unwrap_or_default());
    format!("{marks}[{}]\n", safe_file_name(&file.name))
}
