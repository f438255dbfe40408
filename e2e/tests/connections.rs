//! TLS and connections themselves: old versions, wrong protocols, too many, too slow.
//!
//! Standards: RFC 8446, RFC 8996 (no TLS 1.0 and 1.1), RFC 7301 (ALPN), RFC 5321 §4.2.
//! Not here: what is said over them (a file for each theme).

use e2e::letters::{assert_same_below_trace, plain};
use e2e::wait::until;
use e2e::{Dialog, Plan, Run, Server, Site, lacks};

const IMPLICIT: [(&str, &[&str]); 4] = [
    ("submission/implicit", &[]),
    ("pop3/implicit", &[]),
    ("smtp/starttls", &["-starttls", "smtp"]),
    ("pop3/starttls", &["-starttls", "pop3"]),
];

/// Says QUIT through OpenSSL's client.
fn openssl(site: &Site, server: &Server, label: &str, arguments: &[&str]) -> e2e::Finished {
    let address = format!("localhost:{}", server.port(label));
    Run::new("openssl")
        .args(["s_client", "-connect", &address, "-CAfile", &site.ca(), "-verify_return_error"])
        .args(["-verify_hostname", "localhost", "-crlf", "-quiet"])
        .args(arguments)
        .input("QUIT\n")
        .finish()
}

#[test]
fn modern_tls_is_spoken_and_old_tls_is_not() {
    if lacks(&["openssl"]) {
        return;
    }
    let site = Site::default();
    let server = site.start();
    for (label, starttls) in IMPLICIT {
        #[rustfmt::skip]
        let rows: [(&[&str], bool, &str); 6] = [
            (&["-tls1_3"], true, "TLS 1.3"),
            (&["-tls1_2"], true, "TLS 1.2"),
            (&["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], false, "T05: TLS 1.1"),
            (&["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"], false, "T05: TLS 1.0"),
            (&["-tls1_2", "-cipher", "AES128-SHA"], false, "T05: no forward secrecy"),
            (&["-alpn", "http/1.1"], false, "T06: another protocol"),
        ];
        for (how, wanted, why) in rows {
            let finished = openssl(&site, &server, label, &[starttls, how].concat());
            assert_eq!(finished.code == Some(0), wanted, "{label}: {why}: {}", finished.words());
        }
    }
}

#[test]
fn whoever_asks_for_another_name_gets_our_only_certificate() {
    if lacks(&["openssl"]) {
        return;
    }
    let site = Site::default();
    let server = site.start();
    for (label, starttls) in IMPLICIT {
        for name in ["elsewhere.test", "xn--bcher-kva.test"] {
            let arguments = [starttls, &["-servername", name]].concat();
            let finished = openssl(&site, &server, label, &arguments);
            assert_eq!(finished.code, Some(0), "T07: {label}: {name}: {}", finished.words());
        }
    }
}

#[test]
fn half_open_handshakes_are_counted_as_connections() {
    let plan = Plan { sections: "[limits]\nconnections_per_ip = 20\n", ..Plan::default() };
    let site = Site::new(&plan);
    let server = site.start();
    let address = server.address("submission/implicit");
    let mut half_open: Vec<_> = (0..20).map(|_| Dialog::connect(address)).collect();
    for dialog in &mut half_open {
        // The head of a record that never gets its body.
        dialog.send(b"\x16\x03\x01\x02\x00");
    }
    // T15: neither by name nor by number does one more get in; a handshake has ten seconds.
    let mut one_more = Dialog::connect(address);
    assert!(!one_more.try_enter_tls(&site.ca()), "T15: the limit counts handshakes too");
    drop(half_open);
    until("room again", || Dialog::connect(address).try_enter_tls(&site.ca()).then_some(()));
}

#[test]
fn garbage_instead_of_a_handshake_ends_the_connection() {
    let site = Site::default();
    let server = site.start();
    for label in ["submission/implicit", "pop3/implicit"] {
        let mut dialog = Dialog::connect(server.address(label));
        dialog.send("EHLO in.the.clear\r\n");
        // T04: an alert at the most, and the end.
        dialog.drain();
    }
    let mut dialog = server.dial("smtp/starttls");
    dialog.say("EHLO client.test", 250);
    dialog.say("STARTTLS", 220);
    dialog.send("this is no TLS\r\n");
    dialog.drain();
    server.smtp().say("NOOP", 250);
}

#[test]
fn too_many_connections_are_told_to_come_back_later() {
    let plan = Plan { sections: "[limits]\nconnections_per_ip = 20\n", ..Plan::default() };
    let site = Site::new(&plan);
    let server = site.start();
    let held: Vec<_> = (0..20).map(|_| server.dial("smtp/starttls")).collect();
    let mut one_more = Dialog::connect(server.address("smtp/starttls"));
    let lines = one_more.expect_end();
    assert!(
        lines.len() <= 1 && lines.iter().all(|line| line.starts_with("421 4.7.0")),
        "S45: {lines:?}"
    );
    drop(held);
    until("room again", || {
        let mut dialog = Dialog::connect(server.address("smtp/starttls"));
        (dialog.reply()?.code == 220).then_some(())
    });
}

#[test]
fn a_reader_who_stops_reading_holds_up_nobody() {
    let site = Site::default();
    let server = site.start();
    let big = [
        plain("eve@else.test", "bob@home.test", "big").as_slice(),
        "a line of a long letter\r\n".repeat(400_000).as_bytes(),
    ]
    .concat();
    server.deliver("eve@else.test", "bob@home.test", &big);
    let mut lazy = server.maildrop("bob@home.test");
    lazy.send("DELE 1\r\nRSET\r\nRETR 1\r\n");
    // P12: others are served meanwhile.
    for number in 0..10 {
        let subject = format!("number {number}");
        server.deliver(
            "eve@else.test",
            "ada@home.test",
            &plain("eve@else.test", "ada@home.test", &subject),
        );
    }
    assert_eq!(server.fetch("ada@home.test").len(), 10);
    drop(lazy);
    let messages = server.await_messages("bob@home.test", 1);
    assert_same_below_trace(messages.first().expect("one"), &big);
}

#[test]
fn chunks_carry_anything_and_end_where_they_say() {
    let site = Site::default();
    let server = site.start();
    let mut dialog = server.smtp();
    // S31: without a transaction the octets are swallowed.
    dialog.send("BDAT 8 LAST\r\nQUIT\r\n\r\n");
    let reply = dialog.reply().expect("a reply");
    assert!(reply.code == 503 || reply.code == 554, "S31: {reply}");
    dialog.say("NOOP", 250);
    // S33 and S34: borders anywhere, dots and commands inside.
    dialog.say("MAIL FROM:<eve@else.test>", 250);
    dialog.say("RCPT TO:<bob@home.test>", 250);
    let parts: [&[u8]; 4] =
        [b"Subject: chunks\r\n\r\n.\r", b"\nMAIL FROM:<x@y.test>\r\n", b".", b".\r\n.\r\n"];
    for part in parts {
        dialog.send([format!("BDAT {}\r\n", part.len()).as_bytes(), part].concat());
        dialog.expect(250);
    }
    dialog.say("DATA", 503);
    dialog.say("BDAT 0 LAST", 250);
    let messages = server.fetch("bob@home.test");
    assert_same_below_trace(messages.first().expect("one"), &parts.concat());
    for wrong in ["-1", "abc", "", "0x10", "99999999999999999999"] {
        let mut dialog = server.smtp();
        dialog.say("MAIL FROM:<eve@else.test>", 250);
        dialog.say("RCPT TO:<bob@home.test>", 250);
        dialog.send(format!("BDAT {wrong}\r\n"));
        let reply = dialog.reply().expect("a reply");
        assert!([501, 552].contains(&reply.code), "S32: {wrong}: {reply}");
    }
    assert_eq!(site.messages("bob@home.test"), 1);
}

#[test]
fn guessing_recipients_is_slow_and_ends() {
    let site = Site::default();
    let server = site.start();
    let mut dialog = server.smtp();
    dialog.say("MAIL FROM:<eve@else.test>", 250);
    for number in 0..300 {
        if !dialog.try_send(format!("RCPT TO:<guess{number}@home.test>\r\n")) {
            break;
        }
    }
    let lines = dialog.expect_end();
    assert!(lines.len() < 300, "S43: it ends before all are tried: {}", lines.len());
    assert!(lines.last().is_some_and(|line| line.starts_with("421 ")), "S43: {:?}", lines.last());
}

#[test]
fn the_log_holds_no_secret_and_no_control_character() {
    let site = Site::default();
    let server = site.start();
    let mut dialog = server.dial("smtp/starttls");
    dialog.send("EHLO \u{1b}[2J\u{7}evil\r\n");
    dialog.reply();
    dialog.send("MAIL FROM:<\u{1b}]0;x\u{7}@else.test>\r\n");
    dialog.reply();
    dialog.send("RCPT TO:<a\\\nINFO forged line@else.test>\r\n");
    dialog.reply();
    drop(dialog);
    let mut author = server.author("ada@home.test");
    author.transaction(
        "ada@home.test",
        &["bob@home.test"],
        &plain("ada@home.test", "bob@home.test", "canary subject"),
    );
    drop(server.maildrop("bob@home.test"));
    let log = server.log_text();
    assert!(log.contains("ada@home.test"), "logins are logged: {log}");
    for secret in [e2e::PASSWORD, "canary subject", "A line of text"] {
        assert!(!log.contains(secret), "{secret:?} is in the log");
    }
    let strange = log.chars().find(|character| character.is_control() && *character != '\n');
    assert_eq!(strange, None, "G5: {}", log.escape_debug());
    assert!(!log.lines().any(|line| line.starts_with("INFO forged")), "G5: no line is forged");
}

#[test]
fn memory_follows_neither_messages_nor_connections() {
    const MIB: u64 = 1024 * 1024;
    let plan = Plan { sections: "[limits]\nconnections_per_ip = 1000\n", ..Plan::default() };
    let site = Site::new(&plan);
    let server = site.start();
    server.deliver(
        "eve@else.test",
        "bob@home.test",
        &plain("eve@else.test", "bob@home.test", "warm"),
    );
    let before = server.memory_peak();
    let connections: Vec<_> = (0..300).map(|_| server.smtp()).collect();
    let idle = server.memory_peak() - before;
    assert!(idle < 300 * 64 * 1024, "64 KiB each are enough for idle sessions: {idle}");
    drop(connections);
    let before = server.memory_peak();
    let big = [
        plain("eve@else.test", "bob@home.test", "big").as_slice(),
        "a line of text\r\n".repeat(1_300_000).as_bytes(),
    ]
    .concat();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| server.deliver("eve@else.test", "bob@home.test", &big));
        }
    });
    let grown = server.memory_peak() - before;
    assert!(grown < 32 * MIB, "G1: 8 MiB for each of four sessions with 20 MB: {grown}");
    let messages = server.fetch("bob@home.test");
    assert_same_below_trace(messages.last().expect("five"), &big);
    let grown = server.memory_peak() - before;
    assert!(grown < 40 * MIB, "and for reading: {grown}");
}

#[test]
fn a_hundred_logins_at_once_take_turns() {
    const MIB: u64 = 1024 * 1024;
    let plan = Plan { sections: "[limits]\nconnections_per_ip = 1000\n", ..Plan::default() };
    let site = Site::new(&plan);
    let server = site.start();
    drop(server.maildrop("bob@home.test"));
    let before = server.memory_peak();
    std::thread::scope(|scope| {
        for number in 0..100 {
            let server = &server;
            scope.spawn(move || {
                let mut dialog = server.dial("pop3/none");
                // Half of them guess names that do not exist.
                let user = if number % 2 == 0 { "bob@home.test" } else { "nobody@home.test" };
                dialog.command(&format!("USER {user}"));
                dialog.refused("PASS wrong");
            });
        }
        // Others get in meanwhile.
        scope.spawn(|| server.fetch("ada@home.test"));
    });
    let grown = server.memory_peak() - before;
    assert!(grown < 200 * MIB, "password hashing is expensive, and therefore limited: {grown}");
}
