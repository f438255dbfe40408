//! The command line, beside a running server and without one.
//!
//! Standards: none of its own.
//! Not here: configuration that is refused (`durability.rs`), the queue (`notices.rs`).

use std::os::unix::fs::MetadataExt as _;

use e2e::letters::plain;
use e2e::{Dialog, PASSWORD, Plan, Run, Server, Site};

const OTHER_PASSWORD: &str = "another one 5";

fn letter() -> Vec<u8> {
    plain("eve@else.test", "ada@home.test", "hello")
}

/// Whether a user gets into the maildrop with this password.
fn gets_in(server: &Server, user: &str, password: &str) -> bool {
    let mut dialog: Dialog = server.dial("pop3/none");
    dialog.command(&format!("USER {user}"));
    dialog.send(format!("PASS {password}\r\n"));
    dialog.line().is_some_and(|line| line.starts_with("+OK"))
}

fn add(site: &Site, address: &str) {
    site.posthouse(&["account", "add", address, "--password-stdin"])
        .input(format!("{OTHER_PASSWORD}\n"))
        .succeed();
}

#[test]
fn accounts_and_aliases_are_made_with_and_without_a_server() {
    let site = Site::default();
    add(&site, "without@home.test");
    site.posthouse(&["alias", "add", "before@home.test", "ada@home.test"]).succeed();
    let server = site.start();
    add(&site, "with@home.test");
    site.posthouse(&["alias", "add", "after@home.test", "ada@home.test"]).succeed();
    for (count, address) in (1..).zip(["before@home.test", "after@home.test"]) {
        server.deliver("eve@else.test", address, &letter());
        assert_eq!(site.messages("ada@home.test"), count, "{address}");
    }
    for address in ["without@home.test", "with@home.test"] {
        server.deliver("eve@else.test", address, &letter());
        assert_eq!(site.messages(address), 1, "{address}");
        assert!(gets_in(&server, address, OTHER_PASSWORD), "{address}");
    }
    site.posthouse(&["alias", "remove", "after@home.test"]).succeed();
    site.posthouse(&["account", "remove", "with@home.test"]).succeed();
    let mut dialog = server.smtp();
    dialog.say("MAIL FROM:<eve@else.test>", 250);
    for gone in ["after@home.test", "with@home.test"] {
        dialog.say(&format!("RCPT TO:<{gone}>"), 550);
    }
    assert!(!gets_in(&server, "with@home.test", OTHER_PASSWORD));
    site.verify();
}

#[test]
fn a_new_password_counts_at_once() {
    let site = Site::default();
    let server = site.start();
    assert!(gets_in(&server, "ada@home.test", PASSWORD));
    site.posthouse(&["account", "password", "ada@home.test", "--password-stdin"])
        .input(format!("{OTHER_PASSWORD}\n"))
        .succeed();
    assert!(!gets_in(&server, "ada@home.test", PASSWORD), "the old one has gone");
    assert!(gets_in(&server, "ada@home.test", OTHER_PASSWORD));
    assert!(gets_in(&server, "bob@home.test", PASSWORD), "nobody else's changed");
}

#[test]
fn wrong_use_is_said_and_changes_nothing() {
    let site = Site::default();
    #[rustfmt::skip]
    let rows: [(&[&str], i32, &str); 9] = [
        (&["frob"], 2, "C06: unknown command"),
        (&["account", "frob"], 2, "C06: unknown command below"),
        (&["account", "add"], 2, "C06: no address"),
        (&["account", "add", "x@home.test", "--password", "secret"], 2, "C07: a password on the command line"),
        (&["account", "add", "no address", "--password-stdin"], 2, "not an address"),
        (&["account", "add", "x@foreign.test", "--password-stdin"], 1, "not one of our domains"),
        (&["account", "add", "ada@home.test", "--password-stdin"], 1, "there already"),
        (&["queue", "show", "01ARZ3NDEKTSV4RRFFQ69G5FAV"], 1, "no such message"),
        (&["trace", "nothing@like.this"], 1, "no such message"),
    ];
    for (arguments, code, why) in rows {
        let finished = site.posthouse(arguments).input("some password 5\n").finish();
        assert_eq!(finished.code, Some(code), "{why}: {}", finished.words());
        assert!(!finished.stderr.is_empty(), "{why}: it is said");
        assert!(!finished.words().contains("panicked"), "{why}: {}", finished.words());
    }
    let accounts = site.json(&["account", "list"]);
    assert_eq!(accounts.len(), 2, "{accounts:?}");
}

#[test]
fn nobody_else_may_read_the_data_folder() {
    let site = Site::default();
    let server = site.start();
    server.deliver("eve@else.test", "ada@home.test", &letter());
    let found = Run::new("find").args([&site.folder.text_path("data"), "-perm", "/077"]).succeed();
    assert_eq!(found.output(), "", "files that others may read");
    let socket = std::fs::metadata(site.folder.path("data/control.sock")).expect("the socket");
    assert_eq!(socket.mode() & 0o777, 0o600);
}

#[test]
fn ipv6_listeners_are_listeners() {
    let listeners = [("smtp", "[::1]:0", "starttls"), ("pop3", "[::1]:0", "none")];
    let site = Site::new(&Plan { listeners: &listeners, ..Plan::default() });
    let server = site.start();
    server.deliver("eve@else.test", "ada@home.test", &letter());
    let messages = server.fetch("ada@home.test");
    let message = String::from_utf8_lossy(messages.first().expect("one")).into_owned();
    assert!(message.contains("([IPv6:::1])"), "RFC 5321 §4.1.3: {message}");
}

#[test]
fn check_finds_a_good_configuration_good() {
    let site = Site::default();
    let finished = site.posthouse(&["check"]).finish();
    assert_eq!(finished.code, Some(0), "{}", finished.words());
    let _server = site.start();
    let finished = site.posthouse(&["check"]).finish();
    assert_eq!(finished.code, Some(0), "beside the server: {}", finished.words());
}

#[test]
fn init_makes_a_server_that_works_and_never_overwrites() {
    let site = Site::default();
    let place = site.folder.text_path("fresh");
    let init = || {
        site.posthouse(&[
            "init",
            "--dir",
            &place,
            "--hostname",
            "mx.fresh.test",
            "--domain",
            "fresh.test",
        ])
        .args(["--admin", "boss@fresh.test", "--password-stdin"])
        .input(format!("{PASSWORD}\n"))
    };
    let finished = init().succeed();
    assert!(finished.words().contains("MX"), "the DNS records to publish: {}", finished.words());
    let configuration = site.folder.read("fresh/posthouse.toml");
    let again = init().finish();
    assert_ne!(again.code, Some(0), "{}", again.words());
    assert_eq!(site.folder.read("fresh/posthouse.toml"), configuration, "untouched");
    let listed = site
        .posthouse(&[
            "--config",
            &site.folder.text_path("fresh/posthouse.toml"),
            "account",
            "list",
            "--json",
        ])
        .finish();
    // `--config` may be given once only; the first one is ours.
    assert!(
        listed.code == Some(2) || listed.output().contains("boss@fresh.test"),
        "{}",
        listed.words()
    );
}
