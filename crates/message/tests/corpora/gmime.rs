//! Pairs of encoded and plain files, of GMime and Roundcube.

use std::fs;

use message::Message;
use message::transfer::{base64, quoted_printable, uuencode};

use crate::support::{Comparison, corpora};

/// Encoded file, plain file.
const PAIRS: [(&str, &str); 5] = [
    ("mime/gmime/encodings/photo.b64", "mime/gmime/encodings/photo.jpg"),
    ("mime/gmime/encodings/photo.uu", "mime/gmime/encodings/photo.jpg"),
    ("mime/gmime/encodings/wikipedia.qp", "mime/gmime/encodings/wikipedia.txt"),
    ("html/roundcube/src/test.uuencode", "html/roundcube/src/test.pdf"),
    ("html/roundcube/src/test.base64", "html/roundcube/src/test.pdf"),
];

#[test]
fn encoded_files_are_decoded_and_encoded_again() {
    let Some(folder) = corpora() else { return };
    let mut comparison = Comparison::new("GMime and Roundcube");
    for (encoded_name, plain_name) in PAIRS {
        let encoded = fs::read(folder.join(encoded_name)).expect("an encoded file");
        let plain = fs::read(folder.join(plain_name)).expect("a plain file");
        let lines = |octets: &[u8]| String::from_utf8_lossy(octets).replace("\r\n", "\n");
        let (decoded, again) = match encoded_name.rsplit('.').next() {
            Some("b64" | "base64") => {
                let mut encoder = base64::Encoder::default();
                let mut again = Vec::new();
                encoder.feed(&plain, &mut again);
                encoder.finish(&mut again);
                (base64::decode_all(&encoded).octets, Some(again))
            }
            Some("qp") => {
                let again = quoted_printable::encode_all(&plain, quoted_printable::Mode::Text);
                (quoted_printable::decode_all(&encoded).octets, Some(again))
            }
            _ => (uuencode::decode_all(&encoded).into_owned(), None),
        };
        let mut differences = Vec::new();
        if decoded != plain && lines(&decoded) != lines(&plain) {
            differences.push("decoded".to_owned());
        }
        comparison.case(encoded_name, &differences);
        if let Some(again) = again {
            let is_equal = lines(&again).trim_end() == lines(&encoded).trim_end();
            let difference = (!is_equal).then(|| "encoded".to_owned());
            comparison.case(&format!("{encoded_name}, encoded"), difference.as_slice());
        }
    }
    for (name, decoded) in [("raptors.b64", "raptors.png"), ("raptors.uu", "raptors.png")] {
        let folder = folder.join("mime/gmime/mime-part");
        let content = fs::read(folder.join(format!("{name}.txt"))).expect("a message");
        let plain = fs::read(folder.join(decoded)).expect("a picture");
        let part = Message::parse(&content);
        let difference = (part.root().decoded() != plain).then(|| "decoded".to_owned());
        comparison.case(name, difference.as_slice());
    }
    comparison.finish(10);
}

/// Text in a charset, and the same in UTF-8.
const CHARSETS: [(&str, &str, &str); 6] = [
    ("chinese.big5.txt", "big5", "chinese.utf-8.txt"),
    ("cyrillic.koi8-r.txt", "koi8-r", "cyrillic.utf-8.txt"),
    ("cyrillic.cp1251.txt", "windows-1251", "cyrillic.utf-8.txt"),
    ("cyrillic.iso-8859-5.txt", "iso-8859-5", "cyrillic.utf-8.txt"),
    ("japanese.iso-2022-jp.txt", "iso-2022-jp", "japanese.utf-8.txt"),
    ("japanese.shift-jis.txt", "shift_jis", "japanese.utf-8.txt"),
];

#[test]
fn charsets_mean_what_gmime_says() {
    let Some(folder) = corpora() else { return };
    let folder = folder.join("mime/gmime/filters");
    let mut comparison = Comparison::new("GMime's charsets");
    for (name, charset, plain) in CHARSETS {
        let mut content =
            format!("Content-Type: text/plain; charset={charset}\r\n\r\n").into_bytes();
        content.extend(fs::read(folder.join(name)).expect("a text"));
        let plain = fs::read_to_string(folder.join(plain)).expect("a text");
        let message = Message::parse(&content);
        let text = message.root().text().unwrap_or_default().into_owned();
        let place = text.chars().zip(plain.chars()).find(|(ours, theirs)| ours != theirs);
        let difference = (text != plain).then(|| format!("{place:?}"));
        comparison.case(name, difference.as_slice());
    }
    comparison.finish(6);
}

#[test]
fn flowed_text_is_joined_as_roundcube_does() {
    let Some(folder) = corpora() else { return };
    let folder = folder.join("html/roundcube/src");
    let mut content = b"Content-Type: text/plain; format=flowed\r\n\r\n".to_vec();
    content.extend(fs::read(folder.join("format-flowed.txt")).expect("a text"));
    let unfolded = fs::read_to_string(folder.join("format-flowed-unfolded.txt")).expect("a text");
    let unfolded = unfolded.replace("\r\n", "\n");
    let message = Message::parse(&content);
    let text = message.text_to_show();
    let mut comparison = Comparison::new("Roundcube's flowed text");
    for (line, expected) in text.lines().zip(unfolded.lines()) {
        let difference = (line != expected).then(|| format!("{line:?}"));
        comparison.case(expected, difference.as_slice());
    }
    assert_eq!(text.lines().count(), unfolded.lines().count(), "lines of\n{text}");
    comparison.finish(15);
}

#[test]
fn dots_are_stuffed_as_gmime_does() {
    let Some(folder) = corpora() else { return };
    let folder = folder.join("mime/gmime/filters");
    let input = fs::read_to_string(folder.join("smtp-input.txt")).expect("a text");
    let expected = fs::read_to_string(folder.join("smtp-output.txt")).expect("a text");
    let input = input.replace('\n', "\r\n");
    let mut stuffer = message::transfer::lines::Stuffer::default();
    let mut written = Vec::new();
    stuffer.feed(input.as_bytes(), &mut written);
    stuffer.finish(&mut written);
    let written = String::from_utf8_lossy(&written).replace("\r\n", "\n");
    let written = written.strip_suffix(".\n").unwrap_or(&written);
    assert_eq!(written, expected.replace("\r\n", "\n"));
}
