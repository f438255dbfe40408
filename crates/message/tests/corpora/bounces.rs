//! What Sisimai finds in bounces, complaints and automatic replies.

use std::collections::BTreeMap;
use std::fs;

use message::{Automation, Message};
use serde_json::Value;

use crate::support::{Comparison, corpora, files};

#[test]
fn failing_recipients_are_found_in_bounces() {
    let Some(folder) = corpora() else { return };
    let vectors = fs::read(folder.join("vectors/dsn-sisimai-standard.json")).expect("vectors");
    let vectors: BTreeMap<String, Vec<Value>> = serde_json::from_slice(&vectors).expect("JSON");
    let bounces = files(&folder.join("dsn/sisimai-standard"));
    let (mut right, mut count) = (0, 0);
    let mut comparison = Comparison::new("Sisimai");
    for (name, expected) in vectors {
        let reason = expected[0]["reason"].as_str().unwrap_or_default();
        if reason == "vacation" {
            continue; // no report; see below
        }
        let path = bounces.iter().find(|path| path.file_stem().is_some_and(|stem| *stem == *name));
        let content = fs::read(path.expect("a bounce")).expect("a bounce");
        let recipients: Vec<_> = messages(&content)
            .into_iter()
            .filter_map(|content| message::report::read(&Message::parse(content)))
            .flat_map(|report| report.recipients)
            .collect();
        let mut differences = Vec::new();
        if recipients.len() != expected.len() {
            differences.push(format!("{} recipients, not {}", recipients.len(), expected.len()));
        }
        // An unsubscription by mail: no report, and no recipient that could be judged.
        count += if name == "arf-26" { 0 } else { expected.len() };
        for (recipient, expected) in recipients.iter().zip(&expected) {
            if !recipient.address.contains('@') && reason != "feedback" {
                differences.push(format!("no address: {recipient:?}"));
            } else if expected["hard"] != recipient.is_address_bad {
                differences.push(format!("not hard={}: {recipient:?}", expected["hard"]));
            } else {
                right += 1;
            }
        }
        comparison.case(&name, &differences);
    }
    comparison.finish(70);
    assert!(count > 80 && right * 100 >= count * 97, "{right} of {count}");
}

/// The messages of a file: some files are mailboxes of two.
fn messages(content: &[u8]) -> Vec<&[u8]> {
    let mark = b"\nFrom MAILER-DAEMON ";
    let at = content.windows(mark.len()).position(|window| window == mark);
    let (first, second) = content.split_at(at.map_or(content.len(), |at| at + 1));
    [first, second].into_iter().filter(|message| !message.is_empty()).collect()
}

#[test]
fn automatic_replies_are_known_as_such() {
    let Some(folder) = corpora() else { return };
    for path in files(&folder.join("dsn/sisimai-standard")) {
        let content = fs::read(&path).expect("a message");
        let message = Message::parse(&content);
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if name.starts_with("rfc3834") {
            assert_eq!(message.automation(), Automation::Replied, "{name}");
            assert_eq!(message::report::read(&message), None, "{name}");
        }
        if name.starts_with("is-not-bounce") {
            assert_eq!(message::report::read(&message), None, "{name}");
        }
    }
}
