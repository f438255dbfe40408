//! Messages that others wrote, and what is known of them.
//!
//! `POSTHOUSE_CORPORA` names the folder; without it these tests say so and pass.
#![expect(clippy::disallowed_methods, reason = "test input lies on the developer's disk")]
#![expect(clippy::print_stdout, reason = "a test that tests nothing says so")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use message::Message;
use message::fuzz::{fuzz_message, fuzz_tnef};
use serde_json::Value;

/// Files larger than this are read once only: cutting them up takes too long for a test.
const CUT_OCTETS_MAX: usize = 20_000;

fn corpora() -> Option<PathBuf> {
    let folder = std::env::var_os("POSTHOUSE_CORPORA").map(PathBuf::from);
    if folder.is_none() {
        println!("POSTHOUSE_CORPORA is not set: the corpora are not tested");
    }
    folder
}

/// All files under a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the corpora can be read") {
            let path = entry.expect("a folder entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_file_is_read_and_its_ranges_are_the_file() {
    let Some(folder) = corpora() else { return };
    let mut count = 0;
    for path in files(&folder) {
        let content = fs::read(&path).expect("a corpus file");
        fuzz_message(&content);
        count += 1;
    }
    assert!(count > 1000, "only {count} files");
}

#[test]
fn cut_and_flipped_files_are_read_too() {
    let Some(folder) = corpora() else { return };
    for path in files(&folder.join("mime")) {
        let mut content = fs::read(&path).expect("a corpus file");
        if content.len() > CUT_OCTETS_MAX {
            continue;
        }
        for part in 0..4 {
            fuzz_message(&content[..content.len() * part / 4]);
        }
        for (index, octet) in content.iter_mut().enumerate().step_by(97) {
            *octet ^= 1 << (index % 8);
        }
        fuzz_message(&content);
    }
}

#[test]
fn failing_recipients_are_found_in_bounces() {
    let Some(folder) = corpora() else { return };
    let vectors = fs::read(folder.join("vectors/dsn-sisimai-standard.json")).expect("vectors");
    let vectors: BTreeMap<String, Vec<Value>> = serde_json::from_slice(&vectors).expect("JSON");
    let bounces = files(&folder.join("dsn/sisimai-standard"));
    let (mut right, mut count) = (0, 0);
    for (name, expected) in vectors {
        let reason = expected[0]["reason"].as_str().unwrap_or_default();
        // A vacation reply is no report on delivery, nor is an unsubscription; the file with two
        // recipients is a mailbox of two messages.
        if reason == "vacation" || name == "arf-26" || name == "rfc3464-28" {
            continue;
        }
        let path = bounces.iter().find(|path| path.file_stem().is_some_and(|stem| *stem == *name));
        let content = fs::read(path.expect("a bounce")).expect("a bounce");
        let report = message::report::read(&Message::parse(&content));
        let recipients = report.map(|report| report.recipients).unwrap_or_default();
        assert_eq!(recipients.len(), expected.len(), "recipients of {name}");
        for (recipient, expected) in recipients.iter().zip(&expected) {
            assert!(recipient.address.contains('@') || reason == "feedback", "{name}");
            count += 1;
            right += usize::from(expected["hard"] == recipient.is_address_bad);
        }
    }
    assert!(count > 80 && right * 100 >= count * 97, "{right} of {count}");
}

#[test]
fn files_in_winmail_containers_are_found() {
    let Some(folder) = corpora() else { return };
    let mut count = 0;
    for path in files(&folder.join("tnef/ytnef")) {
        let content = fs::read(&path).expect("a corpus file");
        fuzz_tnef(&content);
        count += message::tnef::files(&content).map_or(0, |files| files.len());
    }
    assert!(count >= 5, "{count} files");
}
