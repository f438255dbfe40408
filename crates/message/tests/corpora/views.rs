//! Laws of what is asked of a message, over every file of the corpora.

use std::fs;

use message::{Integrity, Message, PartKind, TEXT_GROWTH_MAX, join_fragments};

use crate::support::{corpora, files};

#[test]
fn sections_names_and_sizes_agree() {
    let Some(folder) = corpora() else { return };
    let (mut parts, mut checksums, mut pieces) = (0, 0, 0);
    for path in files(&folder) {
        let content = fs::read(&path).expect("a corpus file");
        let message = Message::parse(&content);
        let why = path.display();
        assert_eq!(message.section(""), Some(0..content.len()), "{why}");
        assert_eq!(message.section("HEADER"), Some(message.root().header_range()), "{why}");
        for part in message.parts() {
            parts += 1;
            let id = part.id();
            if let Some(first) = message.part(&id).filter(|_| !id.is_empty()) {
                assert_eq!(message.section(&id), Some(first.body_range()), "{why} {id}");
            }
            let decoded = part.decoded().len();
            assert!(decoded <= part.body().len() * TEXT_GROWTH_MAX, "{why} {id}");
            let text = part.text().map_or(0, |text| text.len());
            assert!(text <= decoded * TEXT_GROWTH_MAX, "{why} {id}");
            checksums += usize::from(part.integrity() != Integrity::Unknown);
            if let Some(root) = part.related_root() {
                let parent = root.parent().expect("a part of the multipart");
                assert_eq!(parent.range(), part.range(), "{why} {id}");
            }
            if let Some(id) = part.content_id().filter(|_| part.kind() == PartKind::Leaf) {
                let found = message.part_by_content_id(&id).expect("there is one");
                assert_eq!(found.content_id(), Some(id), "{why}");
            }
        }
        for piece in message.attached() {
            pieces += 1;
            let found = message.piece(&piece.id()).expect("it has a number");
            assert_eq!(found.octets(), piece.octets(), "{why} {}", piece.id());
            let name = piece.file_name().unwrap_or_default();
            assert!(!name.contains(['/', '\\', '\0']) && !name.starts_with('.'), "{why} {name:?}");
        }
        let ancestors = message.header().ancestors();
        assert!(ancestors.iter().all(|id| Some(id) != message.message_id().as_ref()), "{why}");
        drop((message.receipt_wish(), join_fragments(&[&message])));
    }
    assert!(parts > 3000 && pieces > 300, "{parts} parts, {pieces} pieces");
    assert!(checksums > 0, "{checksums} checksums");
}
