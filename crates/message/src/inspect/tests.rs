//! Small messages, seen from every side.

use super::*;

/// A report with multiparts in multiparts, an attachment, and a message that is not closed.
const NESTED: &str = "From: =?utf-8?q?Gr=C3=A4fin?= Ada <ada@example.org>\r\n\
    To: Team: b@example.net, \"C, D\" <c@example.net>;\r\n\
    Subject: All\r\n of it\r\n\
    Date: Mon, 23 Nov 2026 10:00:00 +0100\r\n\
    Message-ID: <a@b>\r\nIn-Reply-To: <r@b>\r\nReferences: <q@b> <r@b>\r\n\
    MIME-Version: 1.0\r\n\
    Content-Type: multipart/report; report-type=delivery-status; boundary=m\r\n\r\n\
    preamble\r\n--m\r\n\
    Content-Type: multipart/alternative; boundary=a\r\n\r\n\
    --a\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\
    Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe\r\n\
    --a\r\nContent-Type: text/html; charset=utf-8\r\nContent-Language: de, en\r\n\r\n<p>Hi</p>\r\n--a--\r\n\
    --m\r\nContent-Type: application/pdf; name=\"../../etc/in\x1bvoice.pdf\"\r\n\
    Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\
    Content-ID: <i@b>\r\nContent-Description: the bill\r\n\r\nAAEC\r\n\
    --m\r\nContent-Type: message/delivery-status\r\n\r\n\
    Reporting-MTA: dns; mx.example.net\r\nOriginal-Envelope-Id: e1\r\n\r\n\
    Final-Recipient: rfc822; no@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n\
    Remote-MTA: dns; far.example.net\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n\
    --m\r\nContent-Type: message/rfc822\r\n\r\n\
    From: c@example.net\r\nDate: Mon, 23 Nov 2026 09:00:00 +0100\r\nSubject: Before\r\n\
    Message-ID: <lost@b>\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n\
    --i\r\n\r\nLost.\r\n--i\r\nContent-Type: image/png\r\n\r\nPNG\r\n\
    --m--\r\nepilogue\r\n";

fn lines(content: &[u8], view: View, paint: Paint) -> String {
    match show(&Message::parse(content), &view, paint) {
        Ok(Shown::Lines(lines)) => lines,
        other => panic!("no lines: {other:?}"),
    }
}

#[test]
fn programs_get_everything() {
    let message = Message::parse(NESTED.as_bytes());
    let found = serde_json::to_string_pretty(&Inspection::new("x.eml", &message)).unwrap();
    insta::assert_snapshot!("nested", found);
}

#[test]
fn people_get_an_overview() {
    insta::assert_snapshot!("overview", lines(NESTED.as_bytes(), View::Overview, Paint::Plain));
}

#[test]
fn bounces_without_report_form_are_reports() {
    let content = b"From: MAILER-DAEMON@mx.example.net\r\nSubject: failure notice\r\n\r\n\
        Hi. This is the qmail-send program at mx.example.net.\r\n\
        I'm afraid I wasn't able to deliver your message to the following addresses.\r\n\r\n\
        <no@example.net>:\r\n192.0.2.1 does not like recipient.\r\n\
        Remote host said: 550 5.1.1 no such user\r\n";
    let message = Message::parse(content);
    let found = serde_json::to_value(Inspection::new("-", &message)).unwrap();
    assert_eq!(found["report"]["kind"], "delivery", "{found}");
    assert_eq!(found["report"]["recipients"][0]["address"], "no@example.net");
    assert!(lines(content, View::Overview, Paint::Plain).contains("Delivery report"));
}

#[test]
fn parts_are_decoded_octets() {
    let simple = b"Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n";
    type Row<'t> = (&'t [u8], &'t str, Option<&'t [u8]>, &'t str);
    let table: [Row<'_>; 7] = [
        (NESTED.as_bytes(), "1.1", Some(b"Gr\xfc\xdfe"), "quoted-printable, in its own charset"),
        (NESTED.as_bytes(), "2", Some(b"\0\x01\x02"), "base64"),
        (NESTED.as_bytes(), "4.1", Some(b"Lost."), "inside a message"),
        (NESTED.as_bytes(), "5", None, "no such part"),
        (NESTED.as_bytes(), "1.", None, "no number"),
        (simple, "1", Some(b"\0\x01\x02"), "the only part"),
        (simple, "", None, "a leaf has a number"),
    ];
    for (content, id, wanted, why) in table {
        let message = Message::parse(content);
        let shown = show(&message, &View::Part(id.to_owned()), Paint::Plain);
        match wanted {
            Some(octets) => assert_eq!(shown, Ok(Shown::Octets(octets.into())), "{why}"),
            None => assert!(shown.unwrap_err().parts.contains(&"1".to_owned()), "{why}"),
        }
    }
}

#[test]
fn what_was_parsed_is_printed_again() {
    let table: [(&[u8], &str); 12] = [
        (NESTED.as_bytes(), "a tree"),
        (b"", "nothing"),
        (b"\r\n", "only an empty line"),
        (b"A: b", "no line end"),
        (b"no field\r\n: x\r\n\r\nbody", "lines that are no fields"),
        (b"A: b\n\nLF only\n", "LF"),
        (b"A: b\r\r\n\n\rmixed\r", "mixed line ends"),
        (b"A: \xff\0\xfe\r\n\r\n\xff\0\xfe", "octets that are no text"),
        (b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\na\r\n--x", "no end"),
        (b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\n--x--y\r\n--x--  \r\nz", "odd"),
        (b"Content-Type: multipart/mixed; boundary=x\r\n\r\nno parts", "no parts"),
        (b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQTog", "coded"),
    ];
    for (content, why) in table {
        let message = Message::parse(content);
        let shown = show(&message, &View::Reprint, Paint::Plain);
        assert_eq!(shown, Ok(Shown::Octets(content.into())), "{why}");
    }
}

#[test]
fn defects_have_a_line_and_an_octet() {
    let content = b"From: a@b\r\nDate: never\r\nFrom: c@d\r\n\r\na\r\nb\0c\r\n";
    let wanted = "bad-date: line 2, octet 16, part 1: a date cannot be read\n\
        duplicate-field: line 3, octet 24, part 1: a field occurs more often than it may\n\
        nul-octet: line 6, octet 41, part 1: there is a NUL octet\n";
    assert_eq!(lines(content, View::Defects, Paint::Plain), wanted);
    let good = b"From: a@b\r\nDate: Mon, 23 Nov 2026 10:00:00 +0100\r\n\r\nx\r\n";
    assert_eq!(lines(good, View::Defects, Paint::Plain), "", "nothing wrong, nothing said");
}

#[test]
fn only_our_own_escapes_reach_a_terminal() {
    let nasty = b"From: \"\x1b[2J\" <a@b>\r\nSubject: =?utf-8?q?=1B]0;owned=07?=\r\n\
        Message-ID: <\x9b@b>\r\nContent-Description: \x1bc\r\n\
        Content-Type: text/plain\x1b; charset=\"\x1b[31m\"; name=\"\x1b\x07\"\r\n\r\n\x1b[5mtext\r\n";
    for view in [View::Overview, View::Tree, View::Text, View::Defects] {
        let plain = lines(nasty, view.clone(), Paint::Plain);
        assert!(!plain.contains(|sign: char| sign.is_control() && sign != '\n'), "{plain:?}");
        let coloured = lines(nasty, view, Paint::Coloured);
        let codes = coloured.split('\u{1b}').skip(1);
        for code in codes {
            let ours = ["[0m", "[1m", "[2m", "[31m", "[32m", "[33m"];
            assert!(ours.iter().any(|own| code.starts_with(own)), "{coloured:?}");
        }
    }
}

#[test]
fn deep_and_wide_messages_take_linear_time() {
    let mut deep = String::new();
    for level in 0..500 {
        deep.push_str(&format!(
            "Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"
        ));
    }
    let wide = format!(
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n{}",
        "--x\r\n\r\na\r\n".repeat(12_000)
    );
    for content in [deep, wide] {
        let message = Message::parse(content.as_bytes());
        let found = serde_json::to_string(&Inspection::new("x", &message)).unwrap();
        assert!(found.starts_with("{\"file\":\"x\""));
        assert!(!lines(content.as_bytes(), View::Overview, Paint::Plain).is_empty());
    }
}

#[test]
fn an_encoded_message_is_shown_decoded() {
    let content = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        U3ViamVjdDogeAoKSGkK\r\n";
    let message = Message::parse(content);
    let shown = show(&message, &View::Tree, Paint::Plain).unwrap();
    let Shown::Lines(lines) = shown else { panic!("a tree is lines") };
    assert_eq!(
        lines,
        "1 message/rfc822  15 B  base64\ndecoded from 1:\n  1 text/plain  3 B  7bit\n"
    );
}

#[test]
fn files_in_a_text_are_listed_and_decoded() {
    let content = b"\r\nLook:\r\nbegin 644 a/cat.txt\r\n#0V%T\r\n`\r\nend\r\n\
        =ybegin line=1 size=3 name=\x1bb\r\nm\r\n=yend size=3\r\n";
    let message = Message::parse(content);
    let tree = lines(content, View::Tree, Paint::Plain);
    let files = "in the text of 1:\n  1/1 \"cat.txt\"  3 B  uuencode\n  1/2 \"_b\"  1 B  yenc\n";
    assert!(tree.ends_with(files), "{tree:?}");
    let part = |id: &str| show(&message, &View::Part(id.to_owned()), Paint::Plain);
    assert_eq!(part("1/1"), Ok(Shown::Octets(b"Cat".as_slice().into())));
    assert_eq!(part("1/3").unwrap_err().parts, ["1", "1/1", "1/2"]);
    let found = serde_json::to_value(Inspection::new("-", &message)).unwrap();
    assert_eq!(found["attachments"], serde_json::json!(["1/1", "1/2"]));
    let file = &found["root"]["files"][0];
    assert_eq!((&file["filename"], &file["decoded_size"]), (&"cat.txt".into(), &3.into()));
    assert_eq!(found["root"]["files"][1]["defect"], "wrong-yenc-size");
    assert!(found["root"]["sha256"].is_string() && found["root"]["parts"] == serde_json::json!([]));
}

#[test]
fn programs_get_encoded_messages_one_level_deep() {
    use crate::transfer::base64::encode_all;
    let inner = encode_all(b"Subject: deep\r\n\r\nx\r\n");
    let fields = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64";
    let middle = encode_all(format!("Subject: middle\r\n{fields}\r\n\r\n{inner}\r\n").as_bytes());
    let content = format!("{fields}\r\n\r\n{middle}\r\n");
    let message = Message::parse(content.as_bytes());
    let found = serde_json::to_value(Inspection::new("a.eml", &message)).unwrap();
    let opened = &found["root"]["opened"];
    assert_eq!((&found["file"], opened.get("file")), (&"a.eml".into(), None), "it is no file");
    assert_eq!((&opened["subject"], &opened["root"]["id"]), (&"middle".into(), &"1".into()));
    assert_eq!(opened["root"]["type"], "message/rfc822");
    assert!(opened["root"]["opened"].is_null(), "what is in it costs another look");
    assert!(found["root"]["message"].is_null(), "the tree stays as it is");
}
