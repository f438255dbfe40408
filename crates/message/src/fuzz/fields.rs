//! Entry points for values of fields: what was read can be written, and is read the same.
//!
//! Standards: those of each field.
//! Not here: whole messages.

use crate::encoded_word::decode_text;
use crate::header::HeaderSection;
use crate::list::LIST_LINKS_MAX;
use crate::message_id::{MessageId, REFERENCES_MAX};
use crate::resent::RESENT_BLOCKS_MAX;
use crate::write::fold::FieldWriter;
use crate::{AuthenticationResults, PROPERTIES_MAX, RESULTS_MAX};

/// The value of an Authentication-Results field; what we write of it is read the same, and is
/// one field.
pub fn fuzz_authentication(octets: &[u8]) {
    let Some(read) = AuthenticationResults::parse(octets) else { return };
    assert!(read.results.len() <= RESULTS_MAX, "results are bounded");
    for result in &read.results {
        assert!(result.properties.len() <= PROPERTIES_MAX, "properties are bounded");
    }
    let written = read.to_field();
    is_one_field(&written);
    assert!(written.is_ascii(), "a header needs no SMTPUTF8 because of a peer's words");
    let (_, value) = written.split_once(':').unwrap_or_default();
    let again = AuthenticationResults::parse(value.as_bytes());
    let again = again.expect("what was written can be read");
    assert_eq!(again.results.len(), read.results.len(), "no result comes or goes");
    for (one, other) in again.results.iter().zip(&read.results) {
        assert_eq!(one.reason.is_some(), other.reason.is_some(), "nor a reason");
        assert_eq!(one.properties.len(), other.properties.len(), "nor a property");
    }
    assert_eq!(again.to_field(), written, "written twice, it is the same");
}

/// A header with blocks of Resent fields, and its message; a block that is put on top again
/// is the first one.
pub fn fuzz_resent(octets: &[u8]) {
    let section = HeaderSection::parse(octets);
    let blocks = section.header().resent();
    assert!(blocks.len() <= RESENT_BLOCKS_MAX, "blocks are bounded");
    for mut block in blocks {
        let Ok(above) = block.put_on(b"X: y\r\n\r\n") else { continue };
        let above = above.strip_suffix(b"\r\n\r\n").unwrap_or_default();
        let content = [above, b"\r\n", octets].concat();
        let found = HeaderSection::parse(&content).header().resent();
        block.bcc = crate::AddressList::default();
        let first = found.into_iter().next().expect("it is there");
        assert_eq!(first, block, "and it is the same");
    }
}

/// A header of a list.
pub fn fuzz_list(octets: &[u8]) {
    let section = HeaderSection::parse(octets);
    let Some(list) = section.header().list() else { return };
    let fields =
        [&list.post, &list.help, &list.subscribe, &list.unsubscribe, &list.owner, &list.archive];
    for links in fields {
        assert!(links.len() <= LIST_LINKS_MAX, "links are bounded");
        for link in links {
            let is_clean = |sign: char| !sign.is_control() && !sign.is_whitespace();
            assert!(link.chars().all(is_clean), "a link is one line: {link:?}");
            assert!(link.contains(':') && !link.contains(['<', '>']), "a link: {link:?}");
        }
    }
    for text in [&list.id, &list.name].into_iter().flatten() {
        assert!(!text.is_empty() && !text.contains(['\r', '\n', '\0']), "one line: {text:?}");
    }
    if let Some(link) = list.one_click() {
        let start = link.get(..8).unwrap_or_default();
        assert!(start.eq_ignore_ascii_case("https://") && list.has_one_click, "{link:?}");
    }
    assert!(!list.is_closed || list.post.is_empty(), "a closed list has no way in");
}

/// The value of a References field; what is written of it is read the same.
pub fn fuzz_message_id(octets: &[u8]) {
    let ids = MessageId::read_all(octets);
    assert!(ids.len() <= REFERENCES_MAX, "ids are bounded");
    let length: usize = ids.iter().map(|id| id.as_str().len()).sum();
    assert!(length <= octets.len().saturating_mul(3), "nothing is read twice");
    assert_eq!(MessageId::read_one(octets).as_ref(), ids.first().or(only(octets).as_ref()));
    for id in &ids {
        assert_eq!(id.to_string().parse().as_ref(), Ok(id));
        assert_eq!(format!("<{id}>").parse().as_ref(), Ok(id), "in brackets");
    }
    let mut writer = FieldWriter::default();
    writer.ids("References", &ids);
    let written = writer.finish();
    if written.is_empty() {
        return;
    }
    is_one_field(&written);
    let section = HeaderSection::parse(written.as_bytes());
    let again = section.header().references();
    let kept: Vec<_> = ids.into_iter().filter(MessageId::fits_a_line).collect();
    assert_eq!(again, kept, "all that fit a line are there");
}

/// What a value is that has neither brackets nor an `@`.
fn only(octets: &[u8]) -> Option<MessageId> {
    let text = crate::charset::decode_unlabelled(octets);
    let text: String =
        text.chars().filter(|sign| !sign.is_whitespace() && !sign.is_control()).collect();
    text.replace(['<', '>'], "").parse().ok()
}

/// Text with encoded words, as the value of a field; what it says can be written again.
pub fn fuzz_encoded_word(octets: &[u8]) {
    let text = decode_text(octets);
    let is_line = |sign: char| !sign.is_control() || sign == '\t';
    assert!(text.chars().all(is_line), "decoded text is one line: {text:?}");
    assert!(text.len() <= octets.len().saturating_mul(3), "it is not much longer than it was");
    let mut writer = FieldWriter::default();
    writer.text("Subject", &text).expect("one line can be written");
    let written = writer.finish();
    is_one_field(&written);
    let section = HeaderSection::parse(written.as_bytes());
    assert_eq!(section.header().subject().as_deref(), Some(&*text), "it is read the same");
}

/// Asserts that these lines are one field as RFC 5322 §2.1.1 and §2.2.3 want it.
pub(super) fn is_one_field(written: &str) {
    let lines = written.strip_suffix("\r\n").expect("a line end at the end");
    for (index, line) in lines.split("\r\n").enumerate() {
        assert!(!line.contains(['\r', '\n']), "only CRLF ends a line: {line:?}");
        assert!(line.len() <= crate::write::LINE_OCTETS_MAX, "a line that fits: {line:?}");
        assert!(!line.trim().is_empty(), "no line of white space: {written:?}");
        assert!(index == 0 || line.starts_with([' ', '\t']), "all other lines are folded");
    }
    let section = HeaderSection::parse(written.as_bytes());
    assert_eq!(section.header().fields().count(), 1, "one field: {written:?}");
    assert_eq!(section.end(), written.len(), "and no more");
}
