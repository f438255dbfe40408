//! What no client should send, to a server that must neither fall nor believe it.
//!
//! Each row is one line of a session; the session goes on after it.
//!
//! Standards: RFC 5321 §4.1 to §4.3, RFC 4954, RFC 1939.
//! Not here: ends of content (`smuggling.rs`), crashes and full disks (`durability.rs`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::dialog::stuffed;
use e2e::letters::{assert_same_below_trace, plain};
use e2e::{Dialog, PASSWORD, Plan, Site};

/// Says each line in a session of its own and compares the code of the reply.
fn check(site_and_start: impl Fn() -> Dialog, rows: &[(&str, &[u16], &str)]) {
    for (line, codes, why) in rows {
        let mut dialog = site_and_start();
        dialog.send(format!("{line}\r\n"));
        let reply = dialog.reply().unwrap_or_else(|| panic!("{why}: closed after {line:?}"));
        assert!(codes.contains(&reply.code), "{why}: {line:?} → {reply}");
        dialog.say("NOOP", 250);
    }
}

#[test]
fn commands_in_wrong_order_or_shape_are_refused_and_the_session_goes_on() {
    let site = Site::default();
    let server = site.start();
    #[rustfmt::skip]
    check(|| server.smtp(), &[
        ("RCPT TO:<bob@home.test>", &[503], "S20: RCPT before MAIL"),
        ("DATA", &[503], "S20: DATA before RCPT"),
        ("FROB", &[500], "S22: unknown command"),
        ("", &[500], "S22: empty line"),
        ("EHLO", &[501], "S23: no name"),
        ("EHLO [300.1.1.1]", &[501], "S23: no address"),
        ("DATA x", &[501], "S25"),
        ("RSET x", &[501], "S25"),
        ("QUIT x", &[501], "S25"),
        ("STARTTLS x", &[501], "S25"),
        ("MAIL FROM:<a@b.test> SIZE=-1", &[501], "S26"),
        ("MAIL FROM:<a@b.test> SIZE=abc", &[501], "S26"),
        ("MAIL FROM:<a@b.test> SIZE=", &[501], "S26"),
        ("MAIL FROM:<a@b.test> SIZE=1 SIZE=1", &[501], "S26"),
        ("MAIL FROM:<a@b.test> SIZE=99999999", &[552], "S27: above the limit"),
        ("MAIL FROM:<a@b.test> SIZE=99999999999999999999999", &[552], "S27: above every number"),
        ("MAIL FROM:<a@b.test> BODY=FOO", &[501], "S29"),
        ("MAIL FROM:<a@b.test> RET=SOME", &[501], "S29"),
        ("MAIL FROM:<a@b.test> FROB=1", &[555], "S29"),
        ("MAIL FROM:<a@b.test> ENVID=a+0D+0Ab", &[501], "S30: a line end in xtext"),
        ("MAIL FROM:<a@b.test> ENVID=a+0", &[501], "S30: bad xtext"),
        ("VRFY bob@home.test", &[252], "S42"),
        ("VRFY nobody@home.test", &[252], "S42: the same for unknown names"),
        ("EXPN all", &[502], "S42"),
        ("MAIL FROM:<ünï@b.test>", &[553, 501], "S46"),
        ("MAIL FROM:<a@>", &[501], "S53"),
        ("MAIL FROM:<$(id)@x.test>", &[250, 501], "S56: no shell"),
        ("AUTH PLAIN", &[503, 502, 504, 500, 530, 538], "a server for MTAs knows no AUTH"),
    ]);
}

#[test]
fn mail_begins_with_a_hello() {
    let site = Site::default();
    let server = site.start();
    for label in ["smtp/starttls", "submission/starttls"] {
        let mut dialog = server.dial(label);
        let refused = dialog.say("MAIL FROM:<a@b.test>", 503);
        assert!(refused.lines.iter().all(|line| line.starts_with("5.5.1 ")), "S21: {refused}");
        dialog.say("RCPT TO:<bob@home.test>", 503);
        dialog.say("DATA", 503);
        dialog.say("EHLO client.test", 250);
        // S21: the refused MAIL has begun nothing.
        dialog.say("RCPT TO:<bob@home.test>", 503);
    }
}

#[test]
fn half_a_content_is_nobodys_mail() {
    let site = Site::default();
    let server = site.start();
    #[rustfmt::skip]
    let rows: [(&[u8], &str); 5] = [
        (b"DATA\r\nSubject: half\r\n\r\nof it", "S09: in the middle of a line"),
        (b"DATA\r\nSubject: half\r\n\r\nof it\r\n.", "S09: behind the dot"),
        (b"BDAT 40 LAST\r\nSubject: half\r\n\r\nof it", "S36: in the middle of the last chunk"),
        (b"BDAT 23\r\nSubject: half\r\n\r\nof it\r\n", "S36: a whole chunk that is not the last"),
        (b"BDAT 23\r\nSubject: half\r\n\r\nof it\r\nBDAT 5 LAST\r\n", "S36: nothing of the last chunk"),
    ];
    for (octets, why) in rows {
        let mut dialog = server.smtp();
        dialog.say("MAIL FROM:<eve@else.test>", 250);
        dialog.say("RCPT TO:<bob@home.test>", 250);
        dialog.send(octets);
        dialog.end();
        let lines = dialog.expect_end();
        assert!(!lines.iter().any(|line| line.contains("queued")), "{why}: {lines:?}");
        server.smtp().say("NOOP", 250);
    }
    assert_eq!(site.messages("bob@home.test"), 0, "S09, S36: nothing is stored");
    site.verify();
}

#[test]
fn recipients_that_would_leave_are_refused_however_they_are_written() {
    let site = Site::default();
    let server = site.start();
    let session = || {
        let mut dialog = server.smtp();
        dialog.say("MAIL FROM:<ada@home.test>", 250);
        dialog
    };
    let long = "x".repeat(65);
    let long_local = format!("RCPT TO:<{long}@home.test>");
    let long_label = format!("RCPT TO:<a@{long}.test>");
    #[rustfmt::skip]
    check(session, &[
        ("RCPT TO:<victim@outside.test>", &[550], "S50"),
        ("RCPT TO:<victim%outside.test@home.test>", &[550], "S51: percent hack"),
        ("RCPT TO:<outside.test!victim@home.test>", &[550], "S51: bang path"),
        ("RCPT TO:<\"victim@outside.test\"@home.test>", &[550], "S51: quoted"),
        ("RCPT TO:<@home.test:victim@outside.test>", &[550], "S52: source route"),
        ("RCPT TO:<victim@outside.test@home.test>", &[501], "S53"),
        ("RCPT TO:<@>", &[501], "S53"),
        ("RCPT TO:<a@>", &[501], "S53"),
        ("RCPT TO:<<a@home.test>>", &[501], "S53"),
        ("RCPT TO:<\"a@home.test>", &[501], "S53: unbalanced quote"),
        ("RCPT TO:<a\u{1}b@home.test>", &[501], "S53: control character"),
        ("RCPT TO:<>", &[501, 550], "S55"),
        ("RCPT TO:<|/bin/id@home.test>", &[550, 501], "S56"),
        (&long_local, &[501, 550], "S57: local part of 65"),
        (&long_label, &[501], "S57: label of 65"),
        ("RCPT TO:<a@home..test>", &[501], "S57: empty label"),
        ("RCPT TO:<victim@[127.0.0.1]>", &[550], "S50: address literal"),
        ("RCPT TO:<Bob@HOME.TEST>", &[250], "S58: case does not matter here"),
        ("RCPT TO:<\"bob\"@home.test>", &[250], "S58: quotes mean nothing"),
        ("RCPT TO:<postmaster@home.test>", &[250, 550], "postmaster of the domain"),
        ("RCPT TO:<bob@home.test> NOTIFY=NEVER,FAILURE", &[501], "S29"),
        ("RCPT TO:<bob@home.test> ORCPT=rfc822;a+0D+0Ab", &[501], "S30"),
        ("MAIL FROM:<x@else.test>", &[503], "S20: MAIL twice"),
        ("EHLO again.test", &[250], "S24"),
    ]);
}

#[test]
fn what_is_no_mail_is_sent_away() {
    let site = Site::default();
    let server = site.start();
    for request in [
        "GET / HTTP/1.1\r\nHost: mx\r\n\r\nMAIL FROM:<a@b.test>\r\n",
        "POST / HTTP/1.1\r\n\r\n",
        "CONNECT mx:25 HTTP/1.1\r\n\r\n",
    ] {
        let mut dialog = server.dial("smtp/starttls");
        dialog.send(request);
        let lines = dialog.expect_end();
        assert!(
            lines.len() <= 1 && lines.iter().all(|line| line.starts_with("421")),
            "S38: {lines:?}"
        );
    }
    // A TLS hello where none is expected.
    let mut dialog = server.dial("smtp/starttls");
    dialog.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    dialog.send([0; 600]);
    dialog.send(b"\r\n");
    let lines = dialog.expect_end();
    assert!(
        lines.iter().all(|line| line.starts_with("421") || line.starts_with("500")),
        "S38: {lines:?}"
    );
    server.smtp().say("NOOP", 250);
}

#[test]
fn long_lines_are_thrown_away_and_endless_ones_end_the_session() {
    let site = Site::default();
    let server = site.start();
    for octets in [4 * 1024, 60 * 1024] {
        let mut dialog = server.smtp();
        dialog.say(&format!("NOOP {}", "x".repeat(octets)), 500);
        dialog.say("NOOP", 250);
    }
    let mut dialog = server.smtp();
    // Whether the server still reads when we send does not matter.
    for _ in 0..64 {
        if !dialog.try_send([b'x'; 64 * 1024]) {
            break;
        }
    }
    let lines = dialog.expect_end();
    assert!(
        lines.len() <= 2
            && lines.iter().all(|line| line.starts_with('5') || line.starts_with("421")),
        "S15: {lines:?}"
    );
}

#[test]
fn a_client_that_errs_too_often_is_sent_away() {
    let site = Site::default();
    let server = site.start();
    let mut dialog = server.smtp();
    dialog.send("FROB\r\n".repeat(30));
    let lines = dialog.expect_end();
    assert!(lines.len() <= 21, "S22: {} replies", lines.len());
    assert!(lines.last().is_some_and(|line| line.starts_with("421 ")), "S22: {lines:?}");
}

#[test]
fn pipelined_commands_are_all_answered() {
    let site = Site::default();
    let server = site.start();
    let mut dialog = server.smtp();
    dialog.send("NOOP\r\n".repeat(3000));
    for _ in 0..3000 {
        dialog.expect(250);
    }
    // S41: the same recipient again and again is one recipient.
    dialog.say("MAIL FROM:<eve@else.test>", 250);
    dialog.send("RCPT TO:<bob@home.test>\r\n".repeat(900));
    for _ in 0..900 {
        dialog.expect(250);
    }
    dialog.content(&plain("eve@else.test", "bob@home.test", "once"), 250);
    assert_eq!(site.messages("bob@home.test"), 1, "S41");
    let mut maildrop = server.maildrop("bob@home.test");
    maildrop.send("NOOP\r\n".repeat(2000));
    for _ in 0..2000 {
        maildrop.expect_ok();
    }
}

#[test]
fn content_is_kept_as_it_is() {
    let site = Site::default();
    let server = site.start();
    let long = |octets: usize| {
        [b"Subject: long\r\n\r\n".as_slice(), "y".repeat(octets).as_bytes(), b"\r\n"].concat()
    };
    #[rustfmt::skip]
    let rows: [(Vec<u8>, &str); 8] = [
        (b"".to_vec(), "S19: nothing at all"),
        (b"\r\n".to_vec(), "S19: an empty line"),
        (b"no header here\r\n".to_vec(), "S19: no header"),
        (b"Subject: eight\r\n\r\n\xe4\xf6\xfc\xff\r\n".to_vec(), "S17: 8-bit without BODY"),
        (b"Subject: nul\r\n\r\na\0b\r\n".to_vec(), "S18: NUL"),
        (long(2000), "S16"),
        (long(100_000), "S16"),
        (long(1_000_000), "S16"),
    ];
    let mut kept = Vec::new();
    for (content, why) in rows {
        let mut dialog = server.smtp();
        dialog.say("MAIL FROM:<eve@else.test>", 250);
        dialog.say("RCPT TO:<bob@home.test>", 250);
        dialog.say("DATA", 354);
        dialog.send(stuffed(&content));
        let reply = dialog.reply().expect("a reply");
        assert!([250, 550, 552].contains(&reply.code), "{why}: {reply}");
        if reply.code == 250 {
            kept.push((content, why));
        }
        dialog.say("NOOP", 250);
    }
    let messages = server.fetch("bob@home.test");
    assert_eq!(messages.len(), kept.len());
    for (message, (content, why)) in messages.iter().zip(&kept) {
        assert!(message.ends_with(content), "{why}");
        assert_same_below_trace(message, content);
    }
    assert!(kept.len() >= 6, "at the least the usual ones are kept: {}", kept.len());
    site.verify();
}

#[test]
fn no_message_continues_our_trace_field() {
    let site = Site::default();
    let server = site.start();
    for content in [" for <forged@home.test>\r\nSubject: x\r\n\r\n", "\tby elsewhere\r\n", " \r\n"]
    {
        let mut dialog = server.smtp();
        dialog.say("MAIL FROM:<eve@else.test>", 250);
        dialog.say("RCPT TO:<bob@home.test>", 250);
        dialog.content(content.as_bytes(), 550);
    }
    assert_eq!(site.messages("bob@home.test"), 0, "G6");
}

#[test]
fn a_message_above_the_limit_leaves_nothing_behind() {
    let plan = Plan {
        sections: "[limits]\nmessage_size = \"100KiB\"\nrecipients_per_message = 100\n",
        ..Plan::default()
    };
    let site = Site::new(&plan);
    let server = site.start();
    let mut dialog = server.smtp();
    dialog.say("MAIL FROM:<eve@else.test>", 250);
    dialog.say("RCPT TO:<bob@home.test>", 250);
    dialog.content(&vec![b'z'; 300 * 1024], 552);
    dialog.say("MAIL FROM:<eve@else.test> SIZE=300000", 552);
    dialog.say("MAIL FROM:<eve@else.test>", 250);
    // S40: more recipients than may be.
    for number in 0..120 {
        dialog.send("RCPT TO:<bob@home.test>\r\n");
        let reply = dialog.reply().expect("a reply");
        assert_eq!(reply.code, if number < 100 { 250 } else { 452 }, "S40: {number}: {reply}");
    }
    dialog.content(&plain("eve@else.test", "bob@home.test", "small"), 250);
    assert_eq!(site.messages("bob@home.test"), 1);
}

#[test]
fn logins_are_refused_in_the_same_words_for_everybody() {
    // No password may travel in clear here.
    let plan = Plan {
        listeners: &[
            ("submission", "127.0.0.1:0", "starttls"),
            ("submission", "127.0.0.1:0", "implicit"),
            ("pop3", "127.0.0.1:0", "starttls"),
            ("pop3", "127.0.0.1:0", "implicit"),
        ],
        ..Plan::default()
    };
    let site = Site::new(&plan);
    let server = site.start();
    let mut dialog = server.dial("submission/starttls");
    let offered = dialog.say("EHLO client.test", 250);
    assert!(!offered.lines.iter().any(|line| line.starts_with("AUTH")), "T08: {offered}");
    let response = STANDARD.encode(format!("\0ada@home.test\0{PASSWORD}"));
    dialog.send(format!("AUTH PLAIN {response}\r\n"));
    let reply = dialog.reply().expect("a reply");
    assert!([538, 530, 503].contains(&reply.code), "T08: {reply}");
    let wrong = |user: &str| {
        let mut dialog = server.dial("submission/implicit");
        dialog.say("EHLO client.test", 250);
        let response = STANDARD.encode(format!("\0{user}\0wrong"));
        dialog.say(&format!("AUTH PLAIN {response}"), 535).to_string()
    };
    assert_eq!(wrong("ada@home.test"), wrong("nobody@home.test"), "T11");
    let mut pop3 = server.dial("pop3/starttls");
    let capabilities = String::from_utf8_lossy(&pop3.multiline("CAPA")).into_owned();
    let offers_login = |line: &str| line.starts_with("USER") || line.starts_with("SASL");
    assert!(!capabilities.lines().any(offers_login), "P05: {capabilities}");
    pop3.refused("USER ada@home.test");
    let wrong = |user: &str| {
        let mut dialog = server.dial("pop3/implicit");
        dialog.command(&format!("USER {user}"));
        dialog.refused("PASS wrong")
    };
    assert_eq!(wrong("ada@home.test"), wrong("nobody@home.test"), "P07");
    assert!(wrong("ada@home.test").starts_with("-ERR [AUTH]"), "P07");
}

#[test]
fn auth_in_wrong_shape_is_refused() {
    let site = Site::default();
    let server = site.start();
    let session = || {
        let mut dialog = server.dial("submission/implicit");
        dialog.say("EHLO client.test", 250);
        dialog
    };
    let other = format!(
        "AUTH PLAIN {}",
        STANDARD.encode(format!("bob@home.test\0ada@home.test\0{PASSWORD}"))
    );
    #[rustfmt::skip]
    check(session, &[
        ("AUTH PLAIN !!!", &[501], "T09: not base64"),
        ("AUTH PLAIN YWJj", &[501, 535], "T09: no NULs"),
        ("AUTH PLAIN AAAAAAA=", &[501, 535], "T09: too many NULs"),
        (&other, &[535], "T09: another authorization identity"),
        ("AUTH FROB", &[504], "unknown mechanism"),
        ("MAIL FROM:<ada@home.test>", &[530], "no login"),
    ]);
    let mut dialog = session();
    dialog.say("AUTH PLAIN", 334);
    let cancelled = dialog.say("*", 501);
    assert!(cancelled.lines.iter().all(|line| line.starts_with("5.")), "T10: {cancelled}");
    // T10: whoever cancelled is nobody yet, and may try again.
    dialog.say("MAIL FROM:<ada@home.test>", 530);
    dialog.login("ada@home.test", PASSWORD);
    // T12: once is enough, and never in a transaction; the transaction goes on.
    dialog.say("AUTH PLAIN", 503);
    dialog.say("MAIL FROM:<ada@home.test>", 250);
    dialog.say("AUTH PLAIN", 503);
    dialog.say("RCPT TO:<bob@home.test>", 250);
    dialog.content(&plain("ada@home.test", "bob@home.test", "after all"), 250);
    assert_eq!(site.messages("bob@home.test"), 1, "T12: the transaction was not disturbed");
    let mut dialog = session();
    for _ in 0..5 {
        dialog.send("AUTH PLAIN AGFkYQB3cm9uZw==\r\n");
        if dialog.reply().is_none() {
            return;
        }
    }
    let lines = dialog.expect_end_after("NOOP\r\n");
    assert!(lines.len() <= 1, "T11: five wrong passwords end the session: {lines:?}");
}

#[test]
fn pop3_refuses_and_goes_on() {
    let site = Site::default();
    let server = site.start();
    server.deliver(
        "eve@else.test",
        "bob@home.test",
        &plain("eve@else.test", "bob@home.test", "one"),
    );
    let mut early = server.dial("pop3/none");
    for command in ["PASS x", "STAT", "RETR 1", "DELE 1", "UIDL", "TOP 1 0", "FROB", "", "LIST"] {
        early.refused(command);
    }
    let refusal = early.refused("APOP ada@home.test c4c9334bac560ecc979e58001b3e22fb");
    assert!(refusal.len() > "-ERR unknown command".len(), "APOP: a clear reason: {refusal}");
    drop(early);
    let mut maildrop = server.maildrop("bob@home.test");
    for number in ["0", "-1", "abc", "1x", "999999", "4294967297", "18446744073709551617", ""] {
        maildrop.refused(&format!("RETR {number}"));
        maildrop.refused(&format!("DELE {number}"));
    }
    for command in ["TOP 1", "TOP 1 -1", "TOP 1 x", "LIST 7", "UIDL 7", "FROB", "RETR 1 1"] {
        maildrop.refused(command);
    }
    // P10: the maildrop is taken.
    let mut second = server.dial("pop3/none");
    second.command("USER bob@home.test");
    let response = second.refused(&format!("PASS {PASSWORD}"));
    assert!(response.starts_with("-ERR [IN-USE]"), "P10: {response}");
    maildrop.command("DELE 1");
    maildrop.refused("DELE 1");
    maildrop.refused("RETR 1");
    // P15: what arrives meanwhile is for the next session.
    server.deliver(
        "eve@else.test",
        "bob@home.test",
        &plain("eve@else.test", "bob@home.test", "two"),
    );
    assert!(maildrop.command("STAT").starts_with("+OK 0 "), "P15");
    // P04: a dropped line deletes nothing.
    drop(maildrop);
    assert_eq!(server.await_messages("bob@home.test", 2).len(), 2, "P04");
}
