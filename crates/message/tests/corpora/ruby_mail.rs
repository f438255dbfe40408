//! What imap_tools, on top of Python's `email`, reads in the messages of Ruby's mail.

use std::collections::BTreeMap;
use std::fs;

use message::{AddressList, DateTime, Message, PartKind};
use serde_json::Value;

use crate::support::{Comparison, corpora};

#[test]
fn imap_tools_reads_the_same() {
    let Some(folder) = corpora() else { return };
    let vectors = fs::read(folder.join("vectors/ruby-mail-expected.json")).expect("vectors");
    let vectors: BTreeMap<String, Value> = serde_json::from_slice(&vectors).expect("JSON");
    let mut comparison = Comparison::new("ruby-mail");
    for (name, row) in &vectors {
        let Some(file) = row["file"].as_str() else { continue };
        let content = fs::read(folder.join(file)).expect("a message");
        comparison.case(name, &compare(&Message::parse(&content), &row["expect"]));
    }
    comparison.finish(90);
}

fn compare(message: &Message<'_>, expected: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    let mut check = |what: &str, ours: &str, theirs: &str| {
        if squeezed(ours) != squeezed(theirs) {
            differences.push(format!("{what}: {ours:?} instead of {theirs:?}"));
        }
    };
    let text = |key: &str| expected[key].as_str().unwrap_or_default();
    check("subject", &message.subject().unwrap_or_default(), text("subject"));
    let from = message.from().mailboxes().next().map(|one| one.address.clone());
    check("from", &from.unwrap_or_default(), text("from_"));
    let lists = [
        ("to", message.to()),
        ("cc", message.cc()),
        ("bcc", message.bcc()),
        ("reply_to", message.reply_to()),
    ];
    for (name, list) in lists {
        let theirs = expected[name].as_array().expect("a list");
        let theirs: Vec<_> = theirs.iter().filter_map(Value::as_str).collect();
        check(name, &addresses(&list), &theirs.join(" "));
    }
    check("date", &show_date(message.date()), &show_their_date(&expected["date"]));
    for (name, main, sub) in [("text", "text", "plain"), ("html", "text", "html")] {
        let parts = message.parts().filter(|part| {
            part.declared_file_name().is_none() && part.content_type().is(main, sub)
        });
        let ours: Vec<_> = parts.filter_map(|part| part.text()).collect();
        // imap_tools changes the charset that HTML names.
        check(name, &without_charsets(&ours.concat()), &without_charsets(text(name)));
    }
    for attachment in expected["attachments"].as_array().expect("a list") {
        let name = attachment["filename"].as_str().unwrap_or_default();
        let payload = attachment["payload"]["bytes_hex"].as_str().unwrap_or_default();
        let is_there = message.parts().any(|part| {
            let is_named = part.declared_file_name().unwrap_or_default() == name;
            let is_whole = part.kind() != PartKind::Leaf || payload == hex(&part.decoded());
            is_named && is_whole
        });
        if !is_there {
            differences.push(format!("no attachment {name:?}"));
        }
    }
    differences
}

/// White space differs with folding and line ends.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn without_charsets(text: &str) -> String {
    let mut pieces = text.split("charset=");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        plain
            .push_str(piece.trim_start_matches(|sign: char| sign.is_alphanumeric() || sign == '-'));
    }
    plain
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn addresses(list: &AddressList) -> String {
    list.mailboxes().map(|one| one.address.as_str()).collect::<Vec<_>>().join(" ")
}

fn show_date(date: Option<DateTime>) -> String {
    // What imap_tools says instead of nothing.
    date.map_or_else(|| "1900-01-01T00:00:00Z".to_owned(), |date| date.to_rfc3339())
}

fn show_their_date(date: &Value) -> String {
    let number = |index: usize| date["args"][index].as_i64().unwrap_or(0);
    let delta = &date["tzinfo"]["args"][0];
    let part = |key: &str| delta[key].as_i64().unwrap_or(0);
    let zone = match part("days") * 1440 + part("seconds") / 60 {
        0 => "Z".to_owned(),
        minutes => {
            let sign = if minutes < 0 { '-' } else { '+' };
            format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
        }
    };
    let (year, month, day) = (number(0), number(1), number(2));
    let (hour, minute, second) = (number(3), number(4), number(5));
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{zone}")
}
