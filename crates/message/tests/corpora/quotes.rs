//! What Talon takes for the reply and for the signature in texts of many programs.
//!
//! Its fixtures hold no results for whole replies but in its tests: `Hello`, `Hi. I am fine.
//! Thanks, Alex`, or the file `NAME_reply_text`. Words are compared; white space is not.

use std::fs;
use std::path::Path;

use message::{Letter, Message, SegmentKind};

use crate::support::{Comparison, corpora, files};

#[test]
fn quotes_and_signatures_are_what_talon_says() {
    let Some(folder) = corpora() else { return };
    let folder = folder.join("quote/talon");
    let mut comparison = Comparison::new("Talon");
    replies(&folder, &mut comparison);
    html_replies(&folder, &mut comparison);
    signatures(&folder, &mut comparison);
    marked_lines(&folder, &mut comparison);
    comparison.finish(32);
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn read(path: &Path) -> String {
    String::from_utf8(fs::read(path).expect("a file")).expect("UTF-8")
}

fn case(comparison: &mut Comparison, name: &str, ours: &str, theirs: &str) {
    let (ours, theirs) = (words(ours), words(theirs));
    let difference = (ours != theirs).then(|| format!("{ours:?} instead of {theirs:?}"));
    comparison.case(name, difference.as_slice());
}

fn reply(content: &[u8]) -> String {
    let text = Message::parse(content).text_to_show();
    Letter::read(&text, None).without_quotes()
}

fn replies(folder: &Path, comparison: &mut Comparison) {
    for path in files(&folder.join("standard_replies")) {
        if path.extension().is_none_or(|extension| extension != "eml") {
            continue;
        }
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let expected = path.with_file_name(format!("{name}_reply_text"));
        let expected = if expected.exists() { read(&expected) } else { "Hello".to_owned() };
        case(comparison, &name, &reply(&fs::read(&path).expect("a file")), &expected);
    }
    let content = fs::read(folder.join("reply-quotations-share-block.eml")).expect("a file");
    let text = Message::parse(&content).text_to_show();
    let expected = text.split("--- On ").next().expect("a beginning");
    case(comparison, "reply-quotations-share-block", &reply(&content), expected);
}

fn html_replies(folder: &Path, comparison: &mut Comparison) {
    let mut all = files(&folder.join("html_replies"));
    all.extend(
        ["OLK_SRC_BODY_SECTION.html", "reply-separated-by-hr.html"].map(|name| folder.join(name)),
    );
    for path in all {
        let mut content = b"Content-Type: text/html; charset=utf-8\r\n\r\n".to_vec();
        content.extend(fs::read(&path).expect("a file"));
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let expected = match name.as_str() {
            "OLK_SRC_BODY_SECTION.html" => "Reply",
            "reply-separated-by-hr.html" => "Hi there Bob",
            _ => "Hi. I am fine. Thanks, Alex",
        };
        case(comparison, &name, &reply(&content), expected);
    }
}

/// What a letter ends with, closing and signature together.
fn ending(text: &str, author: Option<&str>) -> String {
    let letter = Letter::read(text, author);
    let is_ending = |kind| matches!(kind, SegmentKind::Closing | SegmentKind::Signature);
    let segments = letter.segments().iter().filter(|one| is_ending(one.kind));
    segments.map(|one| letter.text(one)).collect()
}

fn signatures(folder: &Path, comparison: &mut Comparison) {
    for path in files(&folder.join("signature/emails/stripped")) {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix("_body") else { continue };
        let beside = |end: &str| read(&path.with_file_name(format!("{stem}_{end}")));
        let (author, expected) = (beside("sender"), beside("signature").replace("#sig#", ""));
        let ours = ending(&read(&path), Some(author.trim()));
        case(comparison, &format!("signature {stem}"), &ours, &expected);
    }
}

/// Messages whose lines are marked: `#sig#` for signatures, `#reply#` for quotes.
fn marked_lines(folder: &Path, comparison: &mut Comparison) {
    for name in ["102682_R_S", "unicode_msg"] {
        let marked = read(&folder.join("signature/emails/P").join(name));
        let author = marked.lines().next().expect("From");
        let author = author.split_once('(').map_or_else(
            || author.trim_start_matches("From: "),
            |(_, name)| name.trim_end_matches(')'),
        );
        let body = marked.split_once("\n\n").map_or(marked.as_str(), |(_, body)| body);
        let body = if name == "unicode_msg" { marked.as_str() } else { body };
        let text: String = body
            .split_inclusive('\n')
            .map(|line| line.trim_start_matches("#reply#").trim_start_matches("#sig#"))
            .collect();
        let expected: String = match name {
            "unicode_msg" => "С уважением,\nСергей Обухов".to_owned(),
            _ => body.lines().filter_map(|line| line.strip_prefix("#sig#")).collect(),
        };
        case(comparison, &format!("signature {name}"), &ending(&text, Some(author)), &expected);
    }
}
