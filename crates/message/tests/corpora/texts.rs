//! What Dovecot reads in dates and encoded words.

use std::fs;

use message::{DateTime, decode_text};
use serde_json::Value;

use crate::support::{Comparison, corpora};

#[test]
fn dates_and_encoded_words_mean_what_dovecot_says() {
    let Some(folder) = corpora() else { return };
    let rows = |name: &str| -> Vec<Value> {
        let vectors = fs::read(folder.join("vectors").join(name)).expect("vectors");
        serde_json::from_slice(&vectors).expect("JSON")
    };
    let mut comparison = Comparison::new("Dovecot");
    for (number, row) in rows("dates-dovecot.json").iter().enumerate() {
        let text = row["in"].as_str().expect("a text");
        let date = DateTime::parse(text);
        let ours = date.ok().map(|date| (date.unix_seconds(), i64::from(date.offset_minutes())));
        let is_valid = row["valid"] == true;
        let theirs = row["unix"].as_i64().zip(row["tz_minutes"].as_i64()).filter(|_| is_valid);
        let difference = (ours != theirs).then(|| format!("{ours:?} instead of {theirs:?}"));
        comparison.case(&format!("date {number}"), difference.as_slice());
    }
    for (number, row) in rows("rfc2047-dovecot.json").iter().enumerate() {
        let text = row["in"].as_str().expect("a text");
        let expected = row["out"].as_str().expect("a text").trim();
        let decoded = decode_text(text.as_bytes());
        let difference = (decoded != expected).then(|| format!("{decoded:?}, not {expected:?}"));
        comparison.case(&format!("encoded words {number}"), difference.as_slice());
    }
    comparison.finish(25);
}
