//! The part trees that mime4j found in its test messages, and where we differ.
//!
//! `POSTHOUSE_CORPORA` names the folder; without it this test says so and passes.
#![expect(clippy::disallowed_methods, reason = "test input lies on the developer's disk")]

use std::fs;
use std::path::Path;

use message::{Message, Part, PartKind};

/// Messages in which we find something else, and why.
const DIFFERENCES: [(&str, &str); 9] = [
    ("weird-boundary", "RFC 2046 §5.1.1: a boundary does not end with white space"),
    ("bad-newlines-multiple-parts-base64", "RFC 2045 §6.4: a message must not be encoded"),
    ("base64encoded-rfc822message", "RFC 2045 §6.4: a message must not be encoded"),
    ("base64encoded-rfc822message-nested", "RFC 2045 §6.4: a message must not be encoded"),
    ("malformedHeader-nocrlfcrlf", "RFC 5322 §2.2: we keep the line that is no field"),
    ("malformedHeaderStartsBody-nocrlfcrlf", "its other mode; as the one before"),
    ("obsolete", "RFC 5322 §2.2: we keep the line that is no field"),
    ("very-long-boundary", "RFC 2046 §5.1.1: a boundary does not end with white space"),
    ("very-very-long-boundary", "RFC 2046 §5.1.1: a boundary does not end with white space"),
];

#[test]
fn mime4j_agrees_on_the_trees() {
    let Some(corpora) = std::env::var_os("POSTHOUSE_CORPORA") else {
        println!("POSTHOUSE_CORPORA is not set: nothing is compared with mime4j");
        return;
    };
    let folder = Path::new(&corpora).join("mime/mime4j-testmsgs");
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("the corpora can be read") {
        let path = entry.expect("a folder entry").path();
        if path.extension().is_none_or(|ending| ending != "msg") {
            continue;
        }
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        let content = fs::read(&path).expect("a message");
        let Ok(xml) = fs::read(path.with_extension("xml")) else { continue };
        let message = Message::parse(&content);
        let mut ours = Vec::new();
        let mut parts = vec![message.root()];
        while let Some(part) = parts.pop() {
            ours.push(show(&part));
            let inner: Vec<_> = part.parts().chain(part.message()).collect();
            parts.extend(inner.into_iter().rev());
        }
        let theirs = tree(&String::from_utf8_lossy(&xml));
        let is_known = DIFFERENCES.iter().any(|(known, _)| *known == name);
        assert_eq!(ours == theirs, !is_known, "{name}: {ours:?} instead of {theirs:?}");
        count += 1;
    }
    assert!(count > 25, "{count} messages");
}

fn show(part: &Part<'_>) -> String {
    let kind = match part.kind() {
        PartKind::Multipart => "multipart",
        PartKind::Message => "message",
        _ => "body",
    };
    format!("{kind} {}", part.header().fields().count())
}

/// Kind and number of fields of each part, from the events that mime4j writes as XML.
fn tree(xml: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fields = Vec::new();
    for tag in xml.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
        match tag {
            "header" => fields.push(0),
            "field" => *fields.last_mut().expect("a header") += 1,
            "multipart" | "body" => {
                found.push(format!("{tag} {}", fields.pop().unwrap_or(0)));
            }
            // A message after a header is in a part; the first one has none before it.
            "message" if !fields.is_empty() => {
                found.push(format!("{tag} {}", fields.pop().unwrap_or(0)));
            }
            _ => {}
        }
    }
    found
}
