//! What the crate mail-parser found in messages, and where we differ.
//!
//! `POSTHOUSE_CORPORA` names the folder; without it this test says so and passes.
#![expect(clippy::disallowed_methods, reason = "test input lies on the developer's disk")]
#![expect(clippy::indexing_slicing, reason = "a golden file without a value fails the test")]

use std::fs;
use std::path::Path;

use message::{AddressList, Message, Part, PartKind};
use serde_json::Value;

/// Files in which we find something else, and the sentence that decides it.
const DIFFERENCES: [(&str, &str); 14] = [
    ("malformed/000", "RFC 2046 §5.1.1: each delimiter begins a part, whatever its header lacks"),
    ("malformed/001", "RFC 2046 §5.1.2: a delimiter of the outer multipart ends the inner one"),
    ("malformed/002", "RFC 5322 §2.1: without an empty line or a colon, text is body"),
    ("malformed/007", "RFC 2046 §5.1.1: a delimiter ends a header too"),
    ("malformed/009", "RFC 2046 §5.1.2: the last part follows the outer delimiter"),
    ("malformed/011", "RFC 2046 §5.1.2: as 009"),
    ("malformed/012", "RFC 2046 §5.1.2: as 009"),
    ("malformed/013", "RFC 2046 §5.1.1: an unclosed last part is a part"),
    ("malformed/014", "RFC 2046 §5.1.1: a delimiter begins a part, even at the very end"),
    ("malformed/016", "RFC 2046 §5.1.2: boundaries of multiparts that were left are text"),
    ("malformed/019", "RFC 5322 §2.2: lines that are no fields, among fields, stay in the header"),
    ("malformed/020", "RFC 2045 §5: the first Content-Type counts, so that all agree"),
    ("malformed/021", "RFC 2045 §5: the first Content-Type counts, so that all agree"),
    ("malformed/022", "RFC 2046 §5.2.1: message/rfc822 holds a message, however short"),
];

#[test]
fn mail_parser_agrees() {
    let Some(corpora) = std::env::var_os("POSTHOUSE_CORPORA") else {
        println!("POSTHOUSE_CORPORA is not set: nothing is compared with mail-parser");
        return;
    };
    let folder = Path::new(&corpora).join("mime/mail-parser-rfc");
    let mut count = 0;
    for kind in ["rfc", "malformed"] {
        for number in 0..60 {
            let name = format!("{kind}/{number:03}");
            let Ok(content) = fs::read(folder.join(format!("{name}.eml"))) else { continue };
            let golden = fs::read(folder.join(format!("{name}.json"))).expect("a golden file");
            let golden: Value = serde_json::from_slice(&golden).expect("JSON");
            let differences = compare(&content, &golden);
            let is_known = DIFFERENCES.iter().any(|(known, _)| *known == name);
            assert_eq!(differences.is_empty(), !is_known, "{name}: {differences:#?}");
            count += 1;
        }
    }
    assert!(count > 30, "{count} messages");
}

fn compare(content: &[u8], golden: &Value) -> Vec<String> {
    let message = Message::parse(content);
    let root = &golden["parts"][0];
    let mut differences = Vec::new();
    let mut check = |what: &str, ours: String, theirs: String| {
        if ours != theirs {
            differences.push(format!("{what}: {ours:?} instead of {theirs:?}"));
        }
    };
    let lists = [
        ("from", message.from()),
        ("to", message.to()),
        ("cc", message.cc()),
        ("sender", message.sender()),
        ("reply_to", message.reply_to()),
    ];
    for (name, list) in lists {
        check(name, show_list(&list), show_their_list(header(root, name)));
    }
    let subject = message.subject().unwrap_or_default().into_owned();
    check("subject", subject, header(root, "subject")["Text"].as_str().unwrap_or_default().into());
    let date = message.date().map(|date| date.to_rfc3339()).unwrap_or_default();
    check("date", date, show_their_date(&header(root, "date")["DateTime"]));
    let mut ours = Vec::new();
    let mut parts = vec![message.root()];
    while let Some(part) = parts.pop() {
        ours.push(show_part(&part));
        let inner: Vec<_> = part.parts().collect();
        parts.extend(inner.into_iter().rev());
    }
    let mut theirs = Vec::new();
    let mut indices = vec![0];
    while let Some(index) = indices.pop() {
        let part = &golden["parts"][index];
        theirs.push(show_their_part(part));
        let inner = part["body"]["Multipart"].as_array().cloned().unwrap_or_default();
        let inner = inner.iter().rev().filter_map(Value::as_u64);
        indices.extend(inner.filter_map(|index| usize::try_from(index).ok()));
    }
    // They show base64 that cannot be decoded as text.
    if ours.len() == theirs.len() {
        for (ours, theirs) in ours.iter().zip(&mut theirs).filter(|(ours, _)| *ours == "octets") {
            theirs.clone_from(ours);
        }
    }
    check("parts", ours.join("\n"), theirs.join("\n"));
    differences
}

fn header<'v>(part: &'v Value, name: &str) -> &'v Value {
    let headers = part["headers"].as_array().expect("a list");
    headers.iter().find(|header| header["name"] == name).map_or(&Value::Null, |one| &one["value"])
}

fn show_list(list: &AddressList) -> String {
    let shown = list.mailboxes().map(|one| {
        // They take a word without an `@` for a name.
        match (one.name.as_deref(), one.address.contains('@')) {
            (None, false) => format!("{} <>", one.address),
            (name, _) => format!("{} <{}>", name.unwrap_or_default(), one.address),
        }
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn show_their_list(value: &Value) -> String {
    let address = &value["Address"];
    let mut lists = vec![&address["List"]];
    lists
        .extend(address["Group"].as_array().into_iter().flatten().map(|group| &group["addresses"]));
    let all = lists.into_iter().filter_map(Value::as_array).flatten().map(|one| {
        let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
        format!("{} <{}>", text("name"), text("address"))
    });
    all.collect::<Vec<_>>().join(", ")
}

fn show_their_date(date: &Value) -> String {
    if date.is_null() {
        return String::new();
    }
    let number = |key: &str| date[key].as_u64().expect("a number");
    let zone = match (number("tz_hour"), number("tz_minute")) {
        (0, 0) => "Z".to_owned(),
        (hour, minute) => {
            let sign = if date["tz_before_gmt"] == true { '-' } else { '+' };
            format!("{sign}{hour:02}:{minute:02}")
        }
    };
    let (year, month, day) = (number("year"), number("month"), number("day"));
    let (hour, minute, second) = (number("hour"), number("minute"), number("second"));
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{zone}")
}

/// The kind of a part, and its text where it is one.
fn show_part(part: &Part<'_>) -> String {
    match (part.kind(), part.text()) {
        (PartKind::Multipart, _) => "multipart".to_owned(),
        (PartKind::Message, _) => "message".to_owned(),
        (_, Some(text)) => text.replace("\r\n", "\n"),
        _ => "octets".to_owned(),
    }
}

fn show_their_part(part: &Value) -> String {
    let body = &part["body"];
    let text = body["Text"].as_str().or_else(|| body["Html"].as_str());
    match text {
        Some(text) => text.replace("\r\n", "\n"),
        None if !body["Multipart"].is_null() => "multipart".to_owned(),
        None if !body["Message"].is_null() => "message".to_owned(),
        None => "octets".to_owned(),
    }
}
