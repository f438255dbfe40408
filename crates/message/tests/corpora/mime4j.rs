//! The part trees that mime4j found in its test messages.

use std::fs;

use message::{Message, Part, PartKind};

use crate::support::{Comparison, corpora};

#[test]
fn mime4j_agrees_on_the_trees() {
    let Some(folder) = corpora() else { return };
    let folder = folder.join("mime/mime4j-testmsgs");
    let mut comparison = Comparison::new("mime4j");
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
        let difference = (ours != theirs).then(|| format!("{ours:?} instead of {theirs:?}"));
        comparison.case(&name, difference.as_slice());
    }
    comparison.finish(25);
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
