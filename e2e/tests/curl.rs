//! curl submits by SMTP and fetches by POP3.
//!
//! Standards: RFC 6409, RFC 1939, RFC 2595, RFC 8314.
//! Not here: exact bad input (`bad_input.rs`).

use e2e::letters::{assert_same_below_trace, odd, plain, with_crlf, without_body};
use e2e::{PASSWORD, Run, Server, Site, lacks};

/// A row: the listener, the scheme of curl's URL, and what curl is told about TLS.
const POP3_WAYS: [(&str, &str, &[&str]); 3] = [
    ("pop3/none", "pop3", &[]),
    ("pop3/starttls", "pop3", &["--ssl-reqd"]),
    ("pop3/implicit", "pop3s", &[]),
];

fn curl(site: &Site, server: &Server, label: &str, scheme: &str, path: &str) -> Run {
    let url = format!("{scheme}://localhost:{}/{path}", server.port(label));
    Run::new("curl").args(["--silent", "--show-error", "--cacert", &site.ca(), "--url", &url])
}

fn login(user: &str) -> [String; 2] {
    ["--user".to_owned(), format!("{user}:{PASSWORD}")]
}

#[test]
fn curl_submits_octet_for_octet() {
    if lacks(&["curl"]) {
        return;
    }
    let site = Site::default();
    let server = site.start();
    let mut count = 0;
    for (label, scheme) in [("submission/starttls", "smtp"), ("submission/implicit", "smtps")] {
        for sent in [odd("bob@home.test"), without_body("bob@home.test")] {
            let file = site.folder.write("message", &sent);
            curl(&site, &server, label, scheme, "client.test")
                .args(["--ssl-reqd", "--upload-file", &file])
                .args(["--mail-from", "ada@home.test", "--mail-rcpt", "bob@home.test"])
                .args(login("ada@home.test"))
                .succeed();
            count += 1;
            let messages = server.await_messages("bob@home.test", count);
            assert_same_below_trace(messages.last().expect("one"), &sent);
        }
    }
}

#[test]
fn curl_fetches_by_every_kind_of_connection() {
    if lacks(&["curl"]) {
        return;
    }
    let site = Site::default();
    let server = site.start();
    let sent = odd("bob@home.test");
    server.deliver("ada@home.test", "bob@home.test", &sent);
    server.deliver(
        "ada@home.test",
        "bob@home.test",
        &plain("ada@home.test", "bob@home.test", "two"),
    );
    let stored = server.fetch("bob@home.test");
    let sizes: Vec<_> = stored.iter().map(Vec::len).collect();
    for (label, scheme, tls) in POP3_WAYS {
        let ask = |path: &str, more: &[&str]| {
            let run = curl(&site, &server, label, scheme, path).args(tls).args(more);
            run.args(login("bob@home.test")).succeed()
        };
        let list: Vec<_> =
            (1..).zip(&sizes).map(|(number, size)| format!("{number} {size}")).collect();
        assert_eq!(
            with_crlf(&ask("", &[]).stdout),
            with_crlf((list.join("\n") + "\n").as_bytes()),
            "{label}"
        );
        let fetched = ask("1", &[]).stdout;
        assert_eq!(Some(&fetched), stored.first(), "{label}: RETR");
        assert_same_below_trace(&fetched, &sent);
        let unique = ask("", &["--request", "UIDL"]).output();
        assert_eq!(unique.lines().count(), 2, "{label}: {unique}");
        let top = ask("", &["--request", "TOP 2 0"]).stdout;
        let second = stored.get(1).expect("two");
        assert!(
            second.starts_with(&top) && top.ends_with(b"\r\n\r\n"),
            "{label}: {}",
            top.escape_ascii()
        );
    }
}

#[test]
fn curl_deletes_a_message() {
    if lacks(&["curl"]) {
        return;
    }
    let site = Site::default();
    let server = site.start();
    for subject in ["one", "two"] {
        server.deliver(
            "ada@home.test",
            "bob@home.test",
            &plain("ada@home.test", "bob@home.test", subject),
        );
    }
    curl(&site, &server, "pop3/implicit", "pop3s", "1")
        .args(["--request", "DELE", "--list-only"])
        .args(login("bob@home.test"))
        .succeed();
    let left = server.fetch("bob@home.test");
    assert_eq!(left.len(), 1);
    let left = String::from_utf8_lossy(left.first().expect("one")).into_owned();
    assert!(left.contains("Subject: two"), "{left}");
}

#[test]
fn a_password_does_not_travel_in_clear() {
    if lacks(&["curl"]) {
        return;
    }
    const LOGIN_DENIED: i32 = 67;
    let site = Site::default();
    let server = site.start();
    let finished = curl(&site, &server, "pop3/implicit", "pop3s", "")
        .args(["--user", "bob@home.test:wrong"])
        .finish();
    assert_eq!(finished.code, Some(LOGIN_DENIED), "{}", finished.words());
}
