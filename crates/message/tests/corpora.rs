//! Messages that others wrote, and what is known of them.
//!
//! `POSTHOUSE_CORPORA` names the folder; without it these tests say so and pass.
#![expect(clippy::disallowed_methods, reason = "test input lies on the developer's disk")]
#![expect(clippy::print_stdout, reason = "a test that tests nothing says so")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use message::fuzz::{fuzz_message, fuzz_tnef};
use message::{DateTime, Message, decode_text};
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

/// Where we differ from is_email, and why.
const ADDRESS_DIFFERENCES: [(&str, &str); 17] = [
    ("124", "RFC 5322 §4.1: obsolete; no address with a control character leaves us"),
    ("125", "RFC 5322 §4.1: obsolete; no address with a control character leaves us"),
    ("138", "RFC 5322 §4.1: obsolete; no address with a control character leaves us"),
    ("139", "RFC 5322 §4.1: obsolete; no address with a control character leaves us"),
    ("30", "RFC 5322 §3.2.3: an atom may begin with a hyphen"),
    ("31", "RFC 5322 §3.2.3: an atom may end with a hyphen"),
    ("102", "RFC 5322 §3.2.3: an atom may end with a hyphen"),
    ("150", "the line end is that of the field"),
    ("151", "RFC 5322 §4.2: folding may leave a line of white space"),
    ("152", "the line end is that of the field"),
    ("154", "RFC 5322 §4.2: folding may leave a line of white space"),
    ("155", "an empty line ends the header"),
    ("156", "an empty line ends the header"),
    ("58", "RFC 5322 §4.1: NUL is obsolete; we note it"),
    ("134", "a lone LF is a line end to us, as to most readers of files"),
    ("133", "a lone LF is a line end to us, as to most readers of files"),
    ("160", "RFC 6532 §3.2: a quoted pair may hold a letter outside of ASCII"),
];

#[test]
fn addresses_are_judged_as_rfc_5322_says() {
    let Some(folder) = corpora() else { return };
    let tests = fs::read_to_string(folder.join("address/is_email/tests.xml")).expect("tests");
    let mut count = 0;
    for test in tests.split("<test id=\"").skip(1) {
        let id = test.split('"').next().unwrap_or_default();
        let between = |tag: &str| {
            let text = test.split(&format!("<{tag}>")).nth(1)?;
            Some(text.split(&format!("</{tag}>")).next()?.to_owned())
        };
        let address = plain(&between("address").unwrap_or_default());
        let is_error = between("category").as_deref() == Some("ISEMAIL_ERR");
        let content =
            format!("From: a@b\r\nDate: 1 Jan 2020 0:00:00 +0000\r\nTo: {address}\r\n\r\n");
        let defects = Message::parse(content.as_bytes()).examine();
        count += 1;
        let is_known = ADDRESS_DIFFERENCES.iter().any(|(known, _)| *known == id);
        assert!(is_known || is_error != defects.is_empty(), "{id}: {address:?} {defects:?}");
    }
    assert!(count > 150, "{count} addresses");
}

/// XML without its references; signs of controls become the controls.
fn plain(xml: &str) -> String {
    let text = xml.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    let mut pieces = text.split("&#x");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (digits, rest) = piece.split_once(';').expect("a reference");
        let code = u32::from_str_radix(digits, 16).expect("a number");
        plain.extend(char::from_u32(code));
        plain.push_str(rest);
    }
    let control = |sign: char| char::from_u32(u32::from(sign).wrapping_sub(0x2400));
    let is_sign = |sign: &char| ('\u{2400}'..'\u{2420}').contains(sign);
    let plain = plain.replace("&amp;", "&");
    plain
        .chars()
        .map(|sign| if is_sign(&sign) { control(sign).unwrap_or(sign) } else { sign })
        .collect()
}

#[test]
fn dates_and_encoded_words_mean_what_dovecot_says() {
    let Some(folder) = corpora() else { return };
    let rows = |name: &str| -> Vec<Value> {
        let vectors = fs::read(folder.join("vectors").join(name)).expect("vectors");
        serde_json::from_slice(&vectors).expect("JSON")
    };
    for row in rows("dates-dovecot.json") {
        let text = row["in"].as_str().expect("a text");
        let date = DateTime::parse(text);
        assert_eq!(date.is_ok(), row["valid"] == true, "{text}");
        if let Ok(date) = date {
            assert_eq!(row["unix"], date.unix_seconds(), "{text}");
            assert_eq!(row["tz_minutes"], date.offset_minutes(), "{text}");
        }
    }
    for row in rows("rfc2047-dovecot.json") {
        let text = row["in"].as_str().expect("a text");
        let expected = row["out"].as_str().expect("a text").trim();
        let decoded = decode_text(text.as_bytes());
        // How many U+FFFD stand for damage is a matter of taste.
        let squeezed = decoded.replace("\u{fffd}\u{fffd}\u{fffd}", "\u{fffd}");
        assert_eq!(squeezed.replace('\t', ""), expected.replace('\t', ""), "{text}");
    }
}
