//! Entry points for fuzzers: whatever the octets are, nothing panics and laws hold.
//!
//! Standards: none.
//! Not here: the fuzzers.
#![doc(hidden)]

mod fields;
mod texts;
mod writing;

pub use self::fields::{
    fuzz_authentication, fuzz_encoded_word, fuzz_list, fuzz_message_id, fuzz_resent,
};
pub use self::texts::{fuzz_embedded, fuzz_letter};
pub use self::writing::{fuzz_downgrade, fuzz_markdown, fuzz_report};

use crate::transfer::{base64, quoted_printable, uuencode, yenc};
use crate::{AddressList, ContentType, DateTime, Disposition, HeaderSection, Message, decode_text};

/// A whole message, through every view.
pub fn fuzz_message(octets: &[u8]) {
    let message = Message::parse(octets);
    let mut at = 0;
    for range in message.ranges() {
        assert_eq!(range.start, at, "ranges leave nothing out");
        at = range.end;
    }
    assert_eq!(at, octets.len(), "ranges reach the end");
    for part in message.parts() {
        let (range, body) = (part.range(), part.body_range());
        assert!(range.start <= body.start && body.end <= octets.len(), "a part is in its message");
        part.decoded();
        part.text();
        part.file_name();
        part.content_id();
        part.languages();
        for file in part.embedded_files() {
            let length = file.decoded().octets.len();
            assert!(length <= file.encoded().len() * 3, "a file is not much longer than its lines");
        }
    }
    message.text_to_show();
    message.html();
    message.attachments();
    drop((message.subject(), message.date(), message.message_id(), message.references()));
    drop((message.from(), message.to(), message.reply_to()));
    crate::report::read(&message);
    message.automation();
    message.examine();
}

/// A container of Outlook.
pub fn fuzz_tnef(octets: &[u8]) {
    for file in crate::tnef::files(octets).unwrap_or_default() {
        assert!(file.octets.len() <= octets.len(), "a file is in its container");
    }
}

/// The kept form of a tree; what can be read is written the same again.
pub fn fuzz_structure(octets: &[u8]) {
    if let Some(structure) = crate::Structure::from_octets(octets) {
        let again = crate::Structure::from_octets(&structure.to_octets());
        assert_eq!(again, Some(structure), "a tree that was read can be written");
    }
}

/// A header alone.
pub fn fuzz_header(octets: &[u8]) {
    let section = HeaderSection::parse(octets);
    assert!(section.end() <= octets.len(), "a header is in its message");
    section.rewritten("", &["Bcc"], "");
}

/// The value of an address field.
pub fn fuzz_address(octets: &[u8]) {
    AddressList::parse(octets);
}

/// A date; what can be read can be printed and read again.
pub fn fuzz_date(octets: &[u8]) {
    if let Some(date) = DateTime::parse_octets(octets) {
        drop((date.to_string(), date.to_rfc3339()));
    }
}

/// Text with encoded words.
pub fn fuzz_text(octets: &[u8]) {
    let text = decode_text(octets);
    assert!(!text.contains(['\r', '\n', '\0']), "decoded text is one line");
}

/// MIME fields with parameters.
pub fn fuzz_parameters(octets: &[u8]) {
    ContentType::parse(octets);
    Disposition::parse(octets);
}

/// Encoded bodies, whole and cut in two: both decode to the same.
pub fn fuzz_transfer(octets: &[u8]) {
    let (head, tail) = octets.split_at(octets.len() / 2);
    let mut decoder = base64::Decoder::default();
    let mut decoded = Vec::new();
    decoder.feed(head, &mut decoded);
    decoder.feed(tail, &mut decoded);
    let damage = decoder.finish(&mut decoded);
    let whole = base64::decode_all(octets);
    assert_eq!((whole.octets, whole.damage), (decoded, damage), "base64 in chunks");
    let (mut decoder, mut decoded) = (uuencode::Decoder::default(), Vec::new());
    decoder.feed(head, &mut decoded);
    decoder.feed(tail, &mut decoded);
    let damage = decoder.finish(&mut decoded);
    let whole = uuencode::decode_with_damage(octets);
    assert_eq!((whole.octets, whole.damage), (decoded, damage), "uuencode in chunks");
    let (mut decoder, mut decoded) = (yenc::Decoder::default(), Vec::new());
    decoder.feed(head, &mut decoded);
    decoder.feed(tail, &mut decoded);
    let whole = yenc::decode_all(octets);
    assert_eq!((whole.octets, whole.damage), (decoded, decoder.finish()), "yEnc in chunks");
    let mut decoder = quoted_printable::Decoder::default();
    let mut decoded = Vec::new();
    decoder.feed(head, &mut decoded);
    decoder.feed(tail, &mut decoded);
    let damage = decoder.finish(&mut decoded);
    let whole = quoted_printable::decode_all(octets);
    assert_eq!((whole.octets, whole.damage), (decoded, damage), "quoted-printable in chunks");
}
