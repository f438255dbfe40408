//! What Python's `email` (policy default) finds in the messages of the corpora.
//!
//! `tests/python/read.py` reads them; without `python3` this test says so and passes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use message::{AddressList, Message, Part, PartKind};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::support::{Comparison, corpora, files};

/// Larger files take Python too long for a test.
const OCTETS_MAX: u64 = 200_000;

#[test]
fn python_finds_the_same() {
    let Some(folder) = corpora() else { return };
    let Some((version, results)) = read_by_python(&messages(&folder)) else { return };
    let mut comparison = Comparison::new("Python's email");
    let mut kinds = BTreeMap::<String, usize>::new();
    for (path, theirs) in results {
        let content = fs::read(&path).expect("a message");
        let name = path.strip_prefix(&folder).expect("in the folder").display().to_string();
        let differences = compare(&Message::parse(&content), &theirs);
        for difference in &differences {
            *kinds
                .entry(difference.split(':').next().unwrap_or_default().to_owned())
                .or_default() += 1;
        }
        comparison.case(&name, &differences);
    }
    println!("{version}: {kinds:?}");
    comparison.finish(600);
}

fn messages(folder: &Path) -> Vec<PathBuf> {
    let folders = ["mime", "dsn", "jmap", "store/notmuch"].map(|name| files(&folder.join(name)));
    let is_message = |path: &PathBuf| {
        let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        let is_small = fs::metadata(path).is_ok_and(|file| file.len() <= OCTETS_MAX);
        let is_in_maildir = path.parent().is_some_and(|folder| folder.ends_with("cur"));
        is_small && (is_in_maildir || matches!(ending.as_str(), "eml" | "msg" | "raw"))
    };
    folders.into_iter().flatten().filter(is_message).collect()
}

/// Version of Python, and what it found in each file.
fn read_by_python(paths: &[PathBuf]) -> Option<(String, Vec<(PathBuf, Value)>)> {
    let Ok(version) = Command::new("python3").arg("--version").output() else {
        println!("there is no python3: nothing is compared with Python's email");
        return None;
    };
    let list = std::env::temp_dir().join(format!("message-corpora-{}", std::process::id()));
    let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    fs::write(&list, names.join("\n")).expect("a list of files");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/read.py");
    let output = Command::new("python3").arg(script).arg(&list).output().expect("python3 runs");
    fs::remove_file(&list).expect("the list goes");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let results = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    Some((version, paths.iter().cloned().zip(results).collect()))
}

fn compare(message: &Message<'_>, theirs: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    let mut check = |what: &str, ours: String, theirs: &Value| {
        // Where Python raises an exception there is nothing to compare.
        let Some(shown) = shown(theirs) else { return };
        if ours != shown {
            differences.push(format!("{what}: {ours:?} instead of {shown:?}"));
        }
    };
    check("subject", squeezed(&message.subject().unwrap_or_default()), &theirs["subject"]);
    for (name, list) in [("from", message.from()), ("to", message.to()), ("cc", message.cc())] {
        check(name, addresses(&list), &theirs[name]);
    }
    let date = message.date().map(|date| date.to_rfc3339().replace('Z', "+00:00"));
    let mut date = date.unwrap_or_default();
    let their_date = theirs["date"].as_str().unwrap_or_default();
    if format!("{their_date}+00:00") == date {
        date.truncate(their_date.len()); // Python has no zone for -0000 and for names
    }
    check("date", date, &theirs["date"]);
    let Some(their_parts) = theirs["parts"].as_array() else { return differences };
    let mut ours = Vec::new();
    let mut parts = vec![message.root()];
    while let Some(part) = parts.pop() {
        let inner: Vec<_> = part.parts().chain(part.message()).collect();
        parts.extend(inner.into_iter().rev());
        ours.push(part);
    }
    let kinds: Vec<_> = ours.iter().map(kind).collect();
    let their_kinds: Vec<_> =
        their_parts.iter().map(|part| part["kind"].as_str().unwrap_or_default()).collect();
    if kinds != their_kinds {
        differences.push(format!("parts: {kinds:?} instead of {their_kinds:?}"));
        return differences;
    }
    for (part, theirs) in ours.iter().zip(their_parts) {
        let mut check = |what: &str, ours: String, theirs: &Value| {
            let Some(shown) = shown(theirs) else { return };
            if ours != shown {
                differences.push(format!("{what}: {}: {ours:?} instead of {shown:?}", part.id()));
            }
        };
        check("type", part.content_type().to_string(), &theirs["type"]);
        // Python drops the line `From ` of a mailbox.
        let fields = part.header().fields().map(|field| field.name());
        let fields: Vec<_> = fields.filter(|name| !name.is_empty()).collect();
        check("fields", fields.join(" "), &theirs["fields"]);
        check("file name", part.declared_file_name().unwrap_or_default(), &theirs["file_name"]);
        if part.kind() == PartKind::Leaf {
            check("body", checksum(&part.decoded()), &theirs["body"]);
        }
    }
    differences
}

fn shown(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(squeezed(text)),
        Value::Array(list) => {
            Some(list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
        }
        _ => None,
    }
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn addresses(list: &AddressList) -> String {
    list.mailboxes().map(|one| one.address.as_str()).collect::<Vec<_>>().join(" ")
}

fn kind(part: &Part<'_>) -> &'static str {
    match part.kind() {
        // To Python a multipart without parts is none.
        PartKind::Multipart if part.parts().next().is_some() => "multipart",
        PartKind::Message => "message",
        _ => "leaf",
    }
}

/// Of the octets with LF line ends and without white space around.
fn checksum(octets: &[u8]) -> String {
    let mut plain = Vec::with_capacity(octets.len());
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(line) => plain.extend([line, b"\n"].concat()),
            None => plain.extend(line),
        }
    }
    Sha256::digest(trimmed(&plain)).iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Python's `strip` takes vertical tabs too.
fn trimmed(octets: &[u8]) -> &[u8] {
    let is_kept = |octet: &u8| !octet.is_ascii_whitespace() && *octet != 0x0B;
    let start = octets.iter().position(is_kept).unwrap_or(octets.len());
    let end = octets.iter().rposition(is_kept).map_or(start, |last| last + 1);
    octets.get(start..end).unwrap_or_default()
}
