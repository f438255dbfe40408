//! Which parts are text and which are attachments, and what is shown.

use crate::Message;

fn multipart(sub: &str, parts: &[&str]) -> String {
    let boundary = format!("b-{sub}");
    let mut text = format!("Content-Type: multipart/{sub}; boundary={boundary}\r\n\r\n");
    for part in parts {
        text.push_str(&format!("--{boundary}\r\n{part}\r\n"));
    }
    text + &format!("--{boundary}--\r\n")
}

const PLAIN: &str = "Content-Type: text/plain\r\n\r\nplain";
const HTML: &str = "Content-Type: text/html\r\n\r\n<p>html";
const PICTURE: &str = "Content-Type: image/png\r\nContent-ID: <p@x>\r\n\r\nPNG";
const FILE: &str =
    "Content-Type: text/plain; name=a.txt\r\nContent-Disposition: attachment\r\n\r\nfile";

#[test]
fn parts_are_sorted_as_rfc_8621_says() {
    let letter = multipart("alternative", &[PLAIN, HTML]);
    let related = multipart("related", &[HTML, PICTURE]);
    #[rustfmt::skip]
    let table = [
        (PLAIN.to_owned(), "1", "1", "", "text alone"),
        (HTML.to_owned(), "1", "1", "", "HTML alone"),
        (letter.clone(), "1", "2", "", "both"),
        (multipart("mixed", &[&letter, FILE]), "1.1", "1.2", "2", "with a file"),
        (multipart("alternative", &[PLAIN, &related]), "1", "2.1", "2.2", "HTML with pictures"),
        (multipart("alternative", &[HTML]), "1", "1", "", "an alternative without choice"),
        (multipart("mixed", &[PLAIN, PICTURE, PLAIN]), "1 2 3", "1 2 3", "", "pictures between text"),
        (multipart("mixed", &[FILE]), "", "", "1", "a file alone"),
        (multipart("mixed", &[PLAIN, "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ny"]), "1", "1", "2", "a message is attached"),
    ];
    for (content, text, html, attachments, why) in table {
        let message = Message::parse(content.as_bytes());
        let parts = message.body_parts();
        let ids = |parts: &[crate::Part<'_>]| {
            parts.iter().map(crate::Part::id).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            (ids(&parts.text), ids(&parts.html), ids(&parts.attachments)),
            (text.to_owned(), html.to_owned(), attachments.to_owned()),
            "{why}"
        );
    }
}

#[test]
fn text_is_shown_once() {
    let content = multipart("mixed", &[&multipart("alternative", &[PLAIN, HTML]), PLAIN]);
    assert_eq!(Message::parse(content.as_bytes()).text_to_show(), "plain\nplain");
    assert_eq!(Message::parse(HTML.as_bytes()).text_to_show(), "html\n");
    assert_eq!(Message::parse(HTML.as_bytes()).html().as_deref(), Some("<p>html"));
}

#[test]
fn previews_show_what_is_new() {
    #[rustfmt::skip]
    let table = [
        ("Hello\r\n  Ada\r\n", "Hello Ada", "one line"),
        ("> old\r\nnew\r\n-- \r\nme\r\n", "new", "no quotes, no signature"),
        ("> only old\r\n", "> only old", "unless there is nothing else"),
        ("", "", "nothing"),
    ];
    for (body, preview, why) in table {
        let content = format!("\r\n{body}");
        assert_eq!(Message::parse(content.as_bytes()).preview(), preview, "{why}");
    }
    let long = format!("\r\n{}", "ä ".repeat(10_000));
    assert_eq!(Message::parse(long.as_bytes()).preview().chars().count(), 256);
}

#[test]
fn files_are_lines_with_their_names() {
    const UU: &str = "begin 644 ../a/cat.txt\r\n#0V%T\r\n`\r\nend\r\n";
    let yenc = "=ybegin line=128 size=3 name=a \u{1b}cat\r\nmxx\r\n=yend size=3\r\n";
    let cut = "=ybegin line=4 size=4 name=a\r\nmxxx\r\nyyyy\r\nHi\r\n";
    let quoted = format!("> {}", UU.trim_end().replace("\r\n", "\r\n> ")) + "\r\n";
    let trimmed = ">> begin-base64 644 x.y\n>> Q2F0\n>> ====\n";
    #[rustfmt::skip]
    let table = [
        ("", format!("Look:\r\n\r\n{UU}\r\nBye\r\n"), "Look:\n\n[cat.txt]\n\nBye\n", "among words"),
        ("", format!("{UU}{UU}{yenc}"), "[cat.txt]\n[cat.txt]\n[a _cat]\n", "nothing but files"),
        ("", cut.to_owned(), "[a]\nHi\n", "without an end it is as long as it says"),
        ("", "begin 644 x\n#0V%T\nand so on\n".to_owned(), "[x]\nand so on\n", "words end it"),
        ("", "begin-base64 644 x\nQ2F0\n====\n-- \nme".to_owned(), "[x]\n-- \nme", "base64"),
        ("", "begin-base64 644 x\nof words\n".to_owned(), "begin-base64 644 x\nof words\n", "words are no base64"),
        ("", format!("Ada wrote:\r\n{quoted}> so?\r\n"), "Ada wrote:\n> [cat.txt]\n> so?\n", "quoted"),
        ("", format!("{trimmed}>> so?\n"), ">> [x.y]\n>> so?\n", "quoted twice"),
        ("", "> begin 644 x\n#0V%T\nend\n".to_owned(), "> begin 644 x\n#0V%T\nend\n", "lines that are not quoted are no lines of it"),
        ("", "| begin 644 x\n| #0V%T\n| end\n".to_owned(), "| begin 644 x\n| #0V%T\n| end\n", "no marks of quotes"),
        ("; format=flowed", format!("a \r\nb \r\n{UU}c \r\nd\r\n"), "a b \n[cat.txt]\nc d\n", "paragraphs end at a file"),
        ("; charset=iso-2022-jp", format!("\x1b$B8@8l\x1b(B\r\n{UU}\x1b$B8@8l\x1b(B\r\n"), "言語\n[cat.txt]\n言語\n", "a charset with escapes"),
    ];
    for (parameters, body, shown, why) in table {
        let content = format!("Content-Type: text/plain{parameters}\r\n\r\n{body}");
        let message = Message::parse(content.as_bytes());
        assert_eq!(message.text_to_show(), shown, "{why}");
    }
    let letter = format!("\r\n{quoted}{UU}Meow!\r\n");
    let message = Message::parse(letter.as_bytes());
    assert_eq!(message.preview(), "[cat.txt] Meow!");
    assert_eq!(message.embedded_files().len(), 1, "the quoted one belongs to another message");
    let html = format!("Content-Type: text/html\r\n\r\n<pre>{UU}</pre>");
    assert!(Message::parse(html.as_bytes()).text_to_show().contains("#0V%T"), "HTML has none");
}

#[test]
fn pictures_are_found_by_their_id() {
    let content = multipart("related", &[HTML, PICTURE]);
    let message = Message::parse(content.as_bytes());
    assert_eq!(message.part_by_content_id("p@x").map(|part| part.id()).as_deref(), Some("2"));
    assert!(message.part_by_content_id("q@x").is_none());
}
