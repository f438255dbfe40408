//! Mbox files of others: mime4j's with the messages in it, Dovecot's and GMime's with theirs counted.

use std::fs;
use std::path::Path;

use message::DateTime;
use message::mbox::{Entry, Found, Reader, Writer};

use crate::support::{corpora, files};

fn messages(file: &[u8]) -> Vec<Entry> {
    let whole = |found: std::io::Result<Found>| match found.expect("it is in memory") {
        Found::Message(entry) => entry,
        Found::Damaged(damage) => panic!("{damage:?}"),
    };
    Reader::new(file, usize::MAX).map(whole).collect()
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Line ends as in a message, and none after the last line with something in it.
fn lines(content: &[u8]) -> String {
    String::from_utf8_lossy(content).replace("\r\n", "\n").trim_end().to_owned()
}

#[test]
fn mime4j_finds_the_same_messages() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("store/mime4j-mbox/test-1");
    let found = messages(&read(&folder.join("mbox.rlug")));
    assert_eq!(found.len(), 5);
    for (number, entry) in found.iter().enumerate() {
        let wanted = read(&folder.join(format!("mbox.rlug-{number}")));
        assert_eq!(lines(&entry.content), lines(&wanted), "message {number}");
        assert!(entry.delivered_at.is_some());
    }
}

#[test]
fn what_is_in_an_mbox_file_is_the_same_after_it_was_written_again() {
    let Some(corpora) = corpora() else { return };
    let mut count = 0;
    for path in files(&corpora).iter().filter(|path| path.extension().is_some_and(|e| e == "mbox"))
    {
        let file = read(path);
        // GMime's outputs are descriptions; NeoMutt's plain ones are compressed or encrypted.
        if !file.starts_with(b"From ") {
            continue;
        }
        let found = messages(&file);
        let begins = file.split(|octet| *octet == b'\n').filter(|line| line.starts_with(b"From "));
        assert_eq!(found.len(), begins.count(), "{}", path.display());
        let mut writer = Writer::new(Vec::new());
        for entry in &found {
            let at = entry.delivered_at.unwrap_or(DateTime::from_unix(0));
            writer.add("a@b", at, &entry.marks, &entry.content).expect("into memory");
        }
        for (one, other) in found.iter().zip(messages(&writer.into_inner())) {
            assert_eq!(one.content, other.content, "{}", path.display());
            assert_eq!(one.marks, other.marks, "{}", path.display());
        }
        count += found.len();
    }
    assert!(count > 100, "only {count} messages");
}
