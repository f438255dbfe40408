//! Entry points for what people see: letters, and the files in their texts.
//!
//! Standards: those of module `view`.
//! Not here: whole messages.

use crate::embedded::EMBEDDED_FILES_MAX;
use crate::transfer::yenc::{Joiner, NotJoined};
use crate::view::{Letter, SegmentKind};
use crate::{EmbeddedEncoding, Message};

/// A text with files; none of them is left in what is shown.
pub fn fuzz_embedded(octets: &[u8]) {
    let content = [b"\r\n", octets].concat();
    let message = Message::parse(&content);
    let files = message.embedded_files();
    assert!(files.len() <= EMBEDDED_FILES_MAX, "files are bounded");
    let mut at = 0;
    let mut joiner = Joiner::default();
    for file in &files {
        let range = file.range();
        assert!(range.start >= at && range.end <= octets.len(), "one after the other");
        at = range.end;
        assert_eq!(octets.get(range), Some(file.encoded()), "a file is in its text");
        let decoded = file.decoded();
        assert!(decoded.octets.len() <= file.encoded().len(), "it is no longer than its lines");
        let offset = decoded.damage.map(|damage| damage.offset);
        assert!(offset.is_none_or(|offset| offset <= file.encoded().len()), "damage is in it");
        let is_taken = joiner.add(file.encoded()).is_ok();
        assert!(!is_taken || file.encoding() == EmbeddedEncoding::Yenc, "only yEnc has parts");
        assert!(!is_taken || decoded.damage.is_none(), "only good parts are taken");
    }
    if let Some(last) = files.last() {
        assert_eq!(message.embedded_file(last.id()).as_ref(), Some(last), "its id is its own");
    }
    match joiner.join() {
        Ok(joined) => {
            assert!(joined.len() <= octets.len(), "a file is as long as its parts");
            assert_eq!(joiner.missing().octets, [], "nothing is missing");
        }
        Err(NotJoined::Missing(missing)) => {
            assert!(!missing.octets.is_empty(), "gaps have names");
            assert!(missing.octets.len() + missing.parts.len() <= files.len() * 2 + 2);
        }
        Err(_) => {}
    }
    let shown = message.text_to_show();
    let places = shown.lines().filter(|line| line.starts_with('[') || line.starts_with('>'));
    assert!(places.count() >= files.len(), "each has a line: {shown:?}");
    if files.len() < EMBEDDED_FILES_MAX {
        // A name in brackets can look like a line of another file.
        let line = |line: &str| if line.contains('[') { "(words)\n" } else { line }.to_owned();
        let words: String = shown.split_inclusive('\n').map(line).collect();
        let again = format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{words}");
        let again = Message::parse(again.as_bytes());
        assert_eq!(again.embedded_files(), [], "no file is left in {shown:?}");
        assert_eq!(again.text_to_show(), words.replace("\r\n", "\n"), "nothing more is hidden");
    }
}

/// A text for people, after the line of its author's name; its segments are the text.
pub fn fuzz_letter(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let (author, text) = text.split_once('\n').unwrap_or(("", &text));
    let letter = Letter::read(text, Some(author).filter(|author| !author.is_empty()));
    let mut at = 0;
    let mut before = None;
    let mut own = 0;
    for segment in letter.segments() {
        assert_eq!(segment.range.start, at, "segments leave nothing out");
        assert!(!segment.range.is_empty() && Some(segment.kind) != before, "none in vain");
        let lines = text.get(segment.range.clone()).expect("whole characters");
        assert_eq!(letter.text(segment), lines);
        assert!(lines.ends_with('\n') || segment.range.end == text.len(), "whole lines");
        match segment.kind {
            SegmentKind::Quoted(level) => {
                assert!(level > 0 && lines.starts_with('>'), "RFC 3676 §4.5: {lines:?}");
            }
            SegmentKind::Original => assert_eq!(segment.range.end, text.len(), "to the end"),
            SegmentKind::Own => own += lines.len(),
            _ => {}
        }
        (at, before) = (segment.range.end, Some(segment.kind));
    }
    assert_eq!(at, text.len(), "segments reach the end");
    assert!(letter.own().len() <= own && letter.without_quotes().len() <= text.len());
    assert!(letter.signature().is_none_or(|signature| text.contains(signature)));
}
