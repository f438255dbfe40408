//! swaks, the Swiss army knife for SMTP, submits, delivers and is refused.
//!
//! Standards: RFC 5321, RFC 6409, RFC 3207, RFC 4954.
//! Not here: conversations that no client should have (`smuggling.rs`, `bad_input.rs`).

use e2e::dialog::stuffed;
use e2e::letters::{assert_same_below_trace, field, odd};
use e2e::{PASSWORD, Run, Server, Site, lacks};

/// swaks, up to the server's name.
fn swaks(server: &Server, label: &str) -> Run {
    Run::new("swaks").args([
        "--server",
        "localhost",
        "--port",
        &server.port(label),
        "--helo",
        "swaks.test",
    ])
}

#[test]
fn every_way_to_log_in_submits() {
    if lacks(&["swaks"]) {
        return;
    }
    let site = Site::default();
    let server = site.start();
    let ca = site.ca();
    #[rustfmt::skip]
    let rows: [(&str, &[&str], &str); 4] = [
        ("submission/starttls", &["--tls", "--auth", "PLAIN"], "ESMTPSA"),
        ("submission/starttls", &["--tls", "--auth", "LOGIN"], "ESMTPSA"),
        ("submission/implicit", &["--tls-on-connect", "--auth", "PLAIN"], "ESMTPSA"),
        ("submission/implicit", &["--tls-on-connect", "--auth", "LOGIN"], "ESMTPSA"),
    ];
    for (count, (label, how, protocol)) in (1..).zip(rows) {
        let finished = swaks(&server, label)
            .args(how)
            .args(["--tls-verify", "--tls-ca-path", &ca])
            .args(["--auth-user", "ada@home.test", "--auth-password", PASSWORD])
            .args(["--from", "ada@home.test", "--to", "bob@home.test"])
            .args(["--header", "Subject: by swaks"])
            .succeed();
        assert!(finished.output().contains("250 2.0.0 Ok: delivered as "), "{}", finished.words());
        let messages = server.await_messages("bob@home.test", count);
        let message = messages.last().expect("one");
        assert_eq!(field(message, "Subject").as_deref(), Some("by swaks"));
        let received = field(message, "Received").expect("a trace");
        assert!(received.contains(&format!("with {protocol} (TLS")), "{label} {how:?}: {received}");
    }
}

#[test]
fn what_another_server_brings_arrives_octet_for_octet() {
    if lacks(&["swaks"]) {
        return;
    }
    let site = Site::default();
    let server = site.start();
    let sent = odd("bob@home.test");
    // swaks sends the file as it is, and one more line end.
    let octets = stuffed(&sent);
    let file = site.folder.write("message", octets.strip_suffix(b"\r\n").expect("a last line"));
    swaks(&server, "smtp/starttls")
        .args(["--tls", "--tls-verify", "--tls-ca-path", &site.ca()])
        .args(["--from", "ada@elsewhere.test", "--to", "bob@home.test"])
        .args(["--no-data-fixup", "--data", &format!("@{file}")])
        .succeed();
    let messages = server.await_messages("bob@home.test", 1);
    let message = messages.first().expect("one");
    assert_same_below_trace(message, &sent);
    assert_eq!(field(message, "Return-Path").as_deref(), Some("<ada@elsewhere.test>"));
    assert_eq!(field(message, "Delivered-To").as_deref(), Some("bob@home.test"));
}

/// A listener, groups of arguments, how the reply begins, swaks' exit code, and why.
type Refusal<'a> = (&'a str, &'a [&'a [&'a str]], &'a str, i32, &'a str);

#[test]
fn refusals_are_told_and_nothing_is_kept() {
    if lacks(&["swaks"]) {
        return;
    }
    let site = Site::default();
    let server = site.start();
    let login = ["--tls-on-connect", "--auth", "PLAIN", "--auth-user", "ada@home.test"];
    let right = ["--auth-password", PASSWORD];
    // swaks' exit code tells at which command it was refused.
    #[rustfmt::skip]
    let rows: [Refusal<'_>; 7] = [
        ("smtp/starttls", &[&["--from", "x@else.test", "--to", "y@other.test"]], "550 5.7.1 ", 24, "no open relay"),
        ("smtp/starttls", &[&["--from", "ada@home.test", "--to", "y@other.test"]], "550 5.7.1 ", 24, "a local sender proves nothing"),
        ("smtp/starttls", &[&["--from", "x@else.test", "--to", "nobody@home.test"]], "550 5.1.1 ", 24, "no such mailbox"),
        ("submission/implicit", &[&login, &["--auth-password", "wrong"], &["--from", "ada@home.test", "--to", "bob@home.test"]], "535 5.7.8 ", 28, "wrong password"),
        ("submission/implicit", &[&login, &right, &["--from", "bob@home.test", "--to", "bob@home.test"]], "550 5.7.1 ", 23, "another user's reverse-path"),
        ("submission/implicit", &[&login, &right, &["--from", "ada@home.test", "--to", "bob@home.test", "--h-From", "<bob@home.test>"]], "550 5.7.1 ", 26, "another user's From"),
        ("submission/implicit", &[&["--tls-on-connect", "--from", "ada@home.test", "--to", "bob@home.test"]], "530 5.7.0 ", 23, "no login"),
    ];
    for (label, arguments, reply, code, why) in rows {
        let run = arguments.iter().fold(swaks(&server, label), |run, some| run.args(*some));
        let finished = run.finish();
        assert!(finished.output().contains(reply), "{why}: {}", finished.words());
        assert_eq!(finished.code, Some(code), "{why}: {}", finished.words());
    }
    assert_eq!(site.messages("bob@home.test"), 0, "nothing was kept");
    assert!(site.json(&["queue", "list"]).is_empty(), "nothing waits");
}
