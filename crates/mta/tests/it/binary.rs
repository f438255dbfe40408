//! Content that is not made of lines: in by BDAT, and out by it or in another form.

use std::time::Duration;

use store::RecipientState::{Accepted, Failed};
use store::SubmissionId;

use crate::hosts::{Net, last_words};
use crate::peer::{FULL_EHLO, on};
use crate::support::Typist;

const LATER: Duration = Duration::from_secs(3600);
const BINARY_EHLO: &str = "250-peer.test\r\n250-CHUNKING\r\n250-SIZE\r\n250 BINARYMIME";
const ONLY_BINARY: &str = "250-peer.test\r\n250 BINARYMIME";
const HEAD: &str = "From: ada@a.test\r\nSubject: binary\r\nMIME-Version: 1.0\r\n";
/// Line ends of all kinds, dots, a NUL, and no line end at its end.
const BODY: &str = "a\nb\rc\r\n.\r\n\0\n.";

fn binary() -> String {
    let kind = "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary";
    format!("{HEAD}{kind}\r\n\r\n{BODY}")
}

/// Hands in content as it is.
async fn submit(author: &mut Typist, to: &str, content: &str) -> Result<SubmissionId, String> {
    author.say("MAIL FROM:<ada@a.test> BODY=BINARYMIME RET=FULL").await;
    author.say(&format!("RCPT TO:<{to}>")).await;
    author.send(&format!("BDAT {} LAST\r\n{content}", content.len())).await;
    let reply = author.reply().await;
    match reply.strip_prefix("250 ").and_then(|text| text.rsplit_once(" as ")) {
        Some((_, id)) => Ok(id.parse().unwrap()),
        None => Err(reply),
    }
}

#[tokio::test]
async fn binary_content_goes_to_who_takes_it_and_in_base64_to_others() {
    let mut net = Net::new(LATER).await;
    #[rustfmt::skip]
    let rows = [
        (BINARY_EHLO, true,  "RFC 3030 §3: all bits of each octet"),
        (FULL_EHLO,   false, "RFC 3030 §3: never binary to a server without BINARYMIME"),
        (ONLY_BINARY, false, "RFC 3030 §3: BINARYMIME without CHUNKING is none"),
    ];
    for (number, (ehlo, as_it_is, why)) in rows.into_iter().enumerate() {
        let domain = format!("r{number}.test");
        let peer = net.peer(&domain, &[on("EHLO", ehlo)]).await;
        let mut author = net.author().await;
        let id = submit(&mut author, &format!("bob@{domain}"), &binary()).await.unwrap();
        net.a.wait_for(id, &[Accepted]).await;
        let heard = peer.heard();
        let content = heard.iter().find(|line| line.starts_with("content: ")).unwrap();
        assert_eq!(content.ends_with(BODY), as_it_is, "{why}: {content:?}");
        let told = heard.iter().any(|line| line.ends_with(" BODY=BINARYMIME"));
        assert_eq!((told, peer.times("BDAT") == 1), (as_it_is, as_it_is), "{why}");
        if !as_it_is {
            let encoded = sasl::encode_base64(BODY.as_bytes());
            assert!(content.contains("Content-Transfer-Encoding: base64"), "{why}: {content}");
            assert!(content.contains(encoded.as_str()), "{why}: no loss: {content}");
            assert_eq!(peer.times("DATA"), 1, "{why}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_converted_fails_honestly() {
    let part = format!("Content-Transfer-Encoding: binary\r\n\r\n{BODY}");
    let signed = format!(
        "{HEAD}Content-Type: multipart/signed; protocol=\"a/b\"; micalg=x; boundary=s\r\n\r\n\
         --s\r\n{part}\r\n--s\r\nContent-Type: a/b\r\n\r\nx\r\n--s--\r\n"
    );
    let undeclared = format!("{HEAD}\r\na\nb\r\n");
    let mut net = Net::new(LATER).await;
    let peer = net.peer("b.test", &[]).await;
    for (content, words) in [(&signed, "signed"), (&undeclared, "encodings do not tell")] {
        let mut author = net.author().await;
        let id = submit(&mut author, "bob@b.test", content).await.unwrap();
        let view = net.a.wait_for(id, &[Failed]).await;
        assert!(last_words(&view).contains(words), "{view:#?}");
    }
    assert_eq!(peer.times("MAIL"), 0, "RFC 3030 §3: under no circumstances");
    let notices = net.a.wait_for_inbox("ada@a.test", 2).await;
    for notice in notices {
        assert!(notice.contains("Status: 5.6.3") && notice.contains("Subject: binary"), "{notice}");
        assert!(!notice.contains("a\nb"), "a notice is made of lines: {notice:?}");
    }
}

#[tokio::test]
async fn the_header_is_made_of_lines_in_any_case() {
    let net = Net::new(LATER).await;
    let mut author = net.author().await;
    for content in
        ["From: ada@a.test\nTo: b@b.test\r\n\r\nx", "From: ada@a.test\n\nx", "A: b\rc\r\n"]
    {
        let reply = submit(&mut author, "ada@a.test", content).await.unwrap_err();
        assert!(reply.starts_with("550 5.6.0 "), "{content:?}: {reply}");
    }
    submit(&mut author, "ada@a.test", &binary()).await.unwrap();
    let inbox = net.a.wait_for_inbox("ada@a.test", 1).await;
    assert!(inbox[0].ends_with(BODY), "RFC 3030 §3: all bits: {:?}", inbox[0]);
}
