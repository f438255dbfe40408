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
fn pictures_are_found_by_their_id() {
    let content = multipart("related", &[HTML, PICTURE]);
    let message = Message::parse(content.as_bytes());
    assert_eq!(message.part_by_content_id("p@x").map(|part| part.id()).as_deref(), Some("2"));
    assert!(message.part_by_content_id("q@x").is_none());
}
