//! What servers can take: UTF-8 in addresses and headers, 8-bit content, many recipients.

use std::time::Duration;

use store::RecipientState::{self, Accepted, Failed};

use crate::hosts::{Net, last_words};
use crate::peer::{FULL_EHLO, on};

const LATER: Duration = Duration::from_secs(3600);
const UTF8_EHLO: &str = "250-peer.test\r\n250-8BITMIME\r\n250-DSN\r\n250 SMTPUTF8";
const PLAIN: &str = "From: ada@a.test\r\nSubject: hello\r\n\r\nDear Bob\r\n";
const UTF8_HEADER: &str = "From: ada@a.test\r\nSubject: gr\u{fc}n\r\n\r\nDear Bob\r\n";
const SMTPUTF8: &str = "MAIL FROM:<ada@a.test> SMTPUTF8";
const ASCII: &str = "MAIL FROM:<ada@a.test>";

#[tokio::test]
async fn smtputf8_is_asked_for_where_it_is_needed() {
    #[rustfmt::skip]
    let rows: [(&str, &str, &str, &str, RecipientState, bool, &str); 7] = [
        (UTF8_EHLO, SMTPUTF8, "b\u{f6}b", PLAIN,       Accepted, true,  "RFC 6531 §3.4: an address in UTF-8"),
        (UTF8_EHLO, SMTPUTF8, "bob",     UTF8_HEADER, Accepted, true,  "RFC 6531 §3.4: a header in UTF-8"),
        (UTF8_EHLO, SMTPUTF8, "bob",     PLAIN,       Accepted, false, "RFC 6531 §3.4: nothing needs it"),
        (FULL_EHLO, SMTPUTF8, "bob",     PLAIN,       Accepted, false, "RFC 6531 §3.6: nothing needs it"),
        (FULL_EHLO, SMTPUTF8, "b\u{f6}b", PLAIN,       Failed,   false, "RFC 6531 §3.6: an address in UTF-8"),
        (FULL_EHLO, SMTPUTF8, "bob",     UTF8_HEADER, Failed,   false, "RFC 6531 §3.6: a header in UTF-8"),
        (FULL_EHLO, ASCII,    "bob",     UTF8_HEADER, Accepted, false, "8-bit header that nobody declared goes as before"),
    ];
    let mut net = Net::new(LATER).await;
    for (number, (ehlo, mail, local, letter, wanted, asked, why)) in rows.into_iter().enumerate() {
        let domain = format!("r{number}.test");
        let peer = net.peer(&domain, &[on("EHLO", ehlo)]).await;
        let to = format!("<{local}@{domain}>");
        let id = net.author().await.submit(mail, &[&to], letter).await;
        let view = net.a.wait_for(id.unwrap(), &[wanted]).await;
        assert_eq!(peer.times(&format!("RCPT TO:{to}")), usize::from(wanted == Accepted), "{why}");
        let heard = peer.heard().join("\n");
        let mail = heard.lines().find(|line| line.starts_with("MAIL")).unwrap_or_default();
        assert_eq!(mail.ends_with(" SMTPUTF8"), asked, "{why}: {heard}");
        if wanted == Failed {
            assert!(last_words(&view).contains("SMTPUTF8"), "{why}: {view:#?}");
            let notices = net.a.inbox("ada@a.test").await;
            let notice = notices.last().unwrap();
            assert!(notice.contains("Status: 5.6.7"), "{why}: {notice}");
        } else {
            let keyword =
                if mail_is_utf8(&view) { "with UTF8SMTPA\r\n" } else { "with ESMTPA\r\n" };
            assert!(heard.contains(keyword), "RFC 6531 §4.3: {why}: {heard}");
        }
    }
    let notices = net.a.inbox("ada@a.test").await;
    assert_eq!(notices.len(), 2, "one notice for each that failed");
    let safe = r"Final-Recipient: utf-8; b\x{F6}b@r4.test";
    assert!(notices.iter().any(|notice| notice.contains(safe)), "RFC 6533 §3: {notices:?}");
    let global = "message/global-delivery-status";
    assert!(notices.iter().any(|notice| notice.contains(global)), "RFC 6533 §4: {notices:?}");
}

fn mail_is_utf8(view: &store::SubmissionView) -> bool {
    view.summary.origin.is_smtputf8()
}

#[tokio::test]
async fn one_address_in_utf8_does_not_stop_the_others() {
    let mut net = Net::new(LATER).await;
    let peer = net.peer("b.test", &[]).await;
    let to = ["<one@b.test>", "<b\u{f6}b@b.test>", "<two@b.test>"];
    let id = net.author().await.submit(SMTPUTF8, &to, PLAIN).await;
    let view = net.a.wait_for(id.unwrap(), &[Accepted, Failed, Accepted]).await;
    assert_eq!(peer.times("RCPT"), 2, "{view:#?}");
    assert_eq!(peer.times("content: "), 1);
}

#[tokio::test]
async fn eight_bit_content_is_made_seven_bit_or_fails_honestly() {
    const NO_8BIT: &str = "250-peer.test\r\n250 SIZE";
    let head = "From: ada@a.test\r\nMIME-Version: 1.0\r\n";
    let eight = "Content-Type: text/plain; charset=utf-8\r\n\
                 Content-Transfer-Encoding: 8bit\r\n\r\nGr\u{fc}n = a\r\n";
    let plain = format!("{head}{eight}");
    let signed = format!(
        "{head}Content-Type: multipart/signed; protocol=\"a/b\"; micalg=x; boundary=s\r\n\r\n\
         --s\r\n{eight}\r\n--s\r\nContent-Type: a/b\r\n\r\nx\r\n--s--\r\n"
    );
    let mut net = Net::new(LATER).await;
    let peer = net.peer("b.test", &[on("EHLO", NO_8BIT)]).await;
    let id = net.author().await.submit(ASCII, &["<bob@b.test>"], &plain).await;
    net.a.wait_for(id.unwrap(), &[Accepted]).await;
    let heard = peer.heard().join("\n");
    assert!(heard.contains("Gr=C3=BCn =3D a"), "RFC 6152 §3: {heard}");
    assert!(heard.contains("Content-Transfer-Encoding: quoted-printable"), "{heard}");
    assert!(heard.is_ascii() && !heard.contains("BODY="), "{heard}");

    let id = net.author().await.submit(ASCII, &["<bob@b.test>"], &signed).await;
    let view = net.a.wait_for(id.unwrap(), &[Failed]).await;
    assert!(last_words(&view).contains("signed"), "{view:#?}");
    assert_eq!(peer.times("content: "), 1, "a signature is never broken");
    let notices = net.a.inbox("ada@a.test").await;
    assert!(notices[0].contains("Status: 5.6.3"), "{notices:?}");
}

#[tokio::test]
async fn a_server_gets_no_more_recipients_than_it_said() {
    const LIMITED: &str = "250-peer.test\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=2";
    let mut net = Net::new(LATER).await;
    let peer = net.peer("b.test", &[on("EHLO", LIMITED)]).await;
    let to = ["<r1@b.test>", "<r2@b.test>", "<r3@b.test>", "<r4@b.test>", "<r5@b.test>"];
    let id = net.author().await.submit(ASCII, &to, PLAIN).await;
    net.a.wait_for(id.unwrap(), &[Accepted; 5]).await;
    let heard = peer.heard();
    let sent: Vec<_> = heard
        .split(|line| line.starts_with("MAIL"))
        .skip(1)
        .map(|lines| lines.iter().filter(|line| line.starts_with("RCPT")).count())
        .collect();
    assert_eq!(sent, [2, 2, 1], "RFC 9422 §4.2: {heard:?}");
}

#[tokio::test]
async fn a_connection_carries_no_more_messages_than_the_server_said() {
    const LIMITED: &str = "250-peer.test\r\n250 LIMITS MAILMAX=2";
    let mut net = Net::new(LATER).await;
    let peer = net.peer("b.test", &[on("EHLO", LIMITED)]).await;
    for _ in 0..5 {
        let id = net.author().await.submit(ASCII, &["<bob@b.test>"], PLAIN).await;
        net.a.wait_for(id.unwrap(), &[Accepted]).await;
    }
    assert_eq!(peer.times("MAIL"), 5);
    assert_eq!(peer.times("EHLO"), 3, "RFC 9422 §4.1: {:?}", peer.heard());
}
