//! What the crate mail-parser found in messages.

use std::fs;

use message::{AddressList, Message, Part, PartKind};
use serde_json::Value;

use crate::support::{Comparison, corpora};

#[test]
fn mail_parser_agrees() {
    let Some(folder) = corpora() else { return };
    let folder = folder.join("mime/mail-parser-rfc");
    let mut comparison = Comparison::new("mail-parser");
    for kind in ["rfc", "malformed"] {
        for number in 0..60 {
            let name = format!("{kind}/{number:03}");
            let Ok(content) = fs::read(folder.join(format!("{name}.eml"))) else { continue };
            let golden = fs::read(folder.join(format!("{name}.json"))).expect("a golden file");
            let golden: Value = serde_json::from_slice(&golden).expect("JSON");
            let differences = compare(&content, &golden);
            comparison.case(&name, &differences);
        }
    }
    comparison.finish(30);
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
