//! Files in the midst of texts, of GMime and Roundcube.

use std::fs;

use message::Message;

use crate::support::corpora;

/// A text with a file, its name, and the file as it was before.
const PLAIN: [(&str, &str, &str); 2] = [
    ("mime/gmime/encodings/photo.uu", "photo.jpg", "mime/gmime/encodings/photo.jpg"),
    ("html/roundcube/src/test.uuencode", "test.pdf", "html/roundcube/src/test.pdf"),
];

#[test]
fn files_in_texts_are_found_and_not_shown() {
    let Some(folder) = corpora() else { return };
    for (text, name, file) in PLAIN {
        let text = fs::read(folder.join(text)).expect("a text");
        let file = fs::read(folder.join(file)).expect("a file");
        for (before, after) in [("", ""), ("Look:\n\n", "\n-- \nAda\n")] {
            let content = ["\r\n".as_bytes(), before.as_bytes(), &text, after.as_bytes()].concat();
            let message = Message::parse(&content);
            let files = message.embedded_files();
            assert_eq!(files.len(), 1, "{name}");
            assert_eq!(files[0].file_name(), name);
            let decoded = files[0].decoded();
            assert!(decoded.octets == file && decoded.damage.is_none(), "{name}");
            let shown = message.text_to_show();
            assert_eq!(shown, format!("{before}[{name}]\n{after}"));
        }
    }
}
