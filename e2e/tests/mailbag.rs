//! `mailbag` as a user and as a script: from the author's outbox to the reader's attachment.
//!
//! Standards: RFC 5322, RFC 2045, RFC 3464 as far as people see them.
//! Not here: foreign clients (a file for each), the client's own rules (crate `mailbag`).

use e2e::letters::plain;
use e2e::program::ours;
use e2e::wait::until;
use e2e::{Folder, PASSWORD, Run, Server, Site};
use serde_json::Value;

/// Exit codes that scripts rely on.
const DONE: Option<i32> = Some(0);
const NOTHING_FOUND: Option<i32> = Some(3);
const SOME_REFUSED: Option<i32> = Some(67);
const QUEUED: Option<i32> = Some(75);
const LOGIN_REFUSED: Option<i32> = Some(77);

/// One person's mailbag.
struct Person {
    home: Folder,
}

impl Person {
    /// Sets up an account of a server.
    fn new(site: &Site, server: &Server, address: &str) -> Self {
        let person = Self { home: Folder::new() };
        person.set_up(site, server, address);
        person
    }

    /// Makes the account, or tells it where the server is now.
    fn set_up(&self, site: &Site, server: &Server, address: &str) {
        let pop3 = format!("localhost:{}", server.port("pop3/implicit"));
        let submission = format!("localhost:{}", server.port("submission/implicit"));
        self.mailbag(&["setup", address, "--pop3", &pop3, "--submission", &submission])
            .args(["--tls", "implicit", "--ca", &site.ca(), "--password-stdin"])
            .input(format!("{PASSWORD}\n"))
            .succeed();
    }

    fn mailbag(&self, arguments: &[&str]) -> Run {
        let command = std::process::Command::new(ours("mailbag"));
        Run::command(command).args(arguments).env("MAILBAG_HOME", &self.home.text_path("home"))
    }

    fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.mailbag(arguments).args(["--json"]).succeed().output();
        output.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// The states of a sent letter's recipients, as `track` knows them.
    fn states(&self, id: &str) -> Vec<String> {
        let letters = self.json(&["track", id]);
        let recipients = letters.first().and_then(|letter| letter["recipients"].as_array());
        let state = |recipient: &Value| recipient["state"].as_str().unwrap_or("none").to_owned();
        recipients.expect("recipients").iter().map(state).collect()
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text {key} in {value}"))
}

#[test]
fn a_letter_travels_with_its_attachment_and_comes_back_as_news() {
    let site = Site::default();
    let server = site.start();
    let ada = Person::new(&site, &server, "ada@home.test");
    let bob = Person::new(&site, &server, "bob@home.test");
    let picture: Vec<u8> = (0..=255_u8).cycle().take(100_000).collect();
    let file = ada.home.write("bild ü.png", &picture);
    let body = "Grüße, καλημέρα, 漢字\n.\nFrom the beginning of a line\n";
    let sent = ada
        .mailbag(&[
            "send",
            "--to",
            "Bob <bob@home.test>",
            "--subject",
            "Ein Brief: åäö 🐎",
            "--wait",
            "final",
        ])
        .args(["--attach", &file])
        .input(body)
        .succeed();
    assert!(sent.output().contains("delivered"), "{}", sent.words());
    bob.mailbag(&["sync"]).succeed();
    let list = bob.json(&["list"]);
    let [letter] = list.as_slice() else { panic!("one letter: {list:?}") };
    assert_eq!(text(letter, "subject"), "Ein Brief: åäö 🐎");
    let id = text(letter, "id");
    let shown = bob.mailbag(&["show", id, "--text"]).succeed().output();
    assert!(shown.contains(body.trim_end()), "{shown}");
    bob.home.make("saved");
    bob.mailbag(&["save", id, "--part", "2", "--to", &bob.home.text_path("saved")]).succeed();
    let names = bob.home.list("saved");
    let [name] = names.as_slice() else { panic!("one file: {names:?}") };
    assert_eq!(name, "bild ü.png");
    assert_eq!(bob.home.read(&format!("saved/{name}")), picture, "octet for octet");
    // A second sync brings nothing twice; what was fetched stays on the server.
    bob.mailbag(&["sync"]).succeed();
    assert_eq!(bob.json(&["list"]).len(), 1);
    assert_eq!(site.messages("bob@home.test"), 1);
}

#[test]
fn what_is_shown_raw_is_what_the_server_has() {
    let site = Site::default();
    let server = site.start();
    let bob = Person::new(&site, &server, "bob@home.test");
    let sent = e2e::letters::odd("bob@home.test");
    server.deliver("eve@else.test", "bob@home.test", &sent);
    bob.mailbag(&["sync"]).succeed();
    let list = bob.json(&["list"]);
    let id = text(list.first().expect("one"), "id");
    let raw = bob.mailbag(&["show", id, "--raw"]).succeed().stdout;
    assert_eq!(Some(&raw), server.fetch("bob@home.test").first());
    assert_eq!(bob.mailbag(&["show", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]).finish().code, NOTHING_FOUND);
}

#[test]
fn one_refused_recipient_never_stops_the_others() {
    let site = Site::default();
    let server = site.start();
    let ada = Person::new(&site, &server, "ada@home.test");
    let finished = ada
        .mailbag(&[
            "send",
            "--to",
            "nobody@home.test",
            "bob@home.test",
            "--subject",
            "both",
            "--json",
        ])
        .input("text\n")
        .finish();
    assert_eq!(finished.code, SOME_REFUSED, "{}", finished.words());
    assert_eq!(site.messages("bob@home.test"), 1);
    let told: Value = serde_json::from_str(finished.output().trim()).expect("JSON");
    let id = text(&told, "id");
    until("the report of success", || {
        ada.mailbag(&["sync"]).succeed();
        let states = ada.states(id);
        (states == ["failed", "delivered"]).then_some(())
    });
}

#[test]
fn the_outbox_survives_a_server_that_is_away() {
    let site = Site::default();
    let server = site.start();
    let ada = Person::new(&site, &server, "ada@home.test");
    drop(server);
    let finished = ada
        .mailbag(&["send", "--to", "bob@home.test", "--subject", "later"])
        .input("text\n")
        .finish();
    assert_eq!(finished.code, QUEUED, "{}", finished.words());
    let outbox = ada.mailbag(&["outbox"]).succeed().output();
    assert!(outbox.contains("later"), "{outbox}");
    // The server comes back at other ports, which the account is told.
    let server = site.start();
    ada.set_up(&site, &server, "ada@home.test");
    ada.mailbag(&["sync"]).succeed();
    until("the letter at bob's", || {
        ada.mailbag(&["sync"]).finish();
        (site.messages("bob@home.test") == 1).then_some(())
    });
    assert_eq!(site.messages("bob@home.test"), 1, "once");
}

#[test]
fn a_wrong_password_is_said_and_nothing_is_kept_of_it() {
    let site = Site::default();
    let server = site.start();
    let person = Person { home: Folder::new() };
    let finished = person
        .mailbag(&[
            "setup",
            "ada@home.test",
            "--tls",
            "implicit",
            "--ca",
            &site.ca(),
            "--password-stdin",
        ])
        .args(["--pop3", &format!("localhost:{}", server.port("pop3/implicit"))])
        .args(["--submission", &format!("localhost:{}", server.port("submission/implicit"))])
        .input("wrong\n")
        .finish();
    assert_eq!(finished.code, LOGIN_REFUSED, "{}", finished.words());
    let unknown_authority = person
        .mailbag(&["setup", "ada@home.test", "--tls", "implicit", "--password-stdin"])
        .args(["--pop3", &format!("localhost:{}", server.port("pop3/implicit"))])
        .args(["--submission", &format!("localhost:{}", server.port("submission/implicit"))])
        .input(format!("{PASSWORD}\n"))
        .finish();
    assert_ne!(unknown_authority.code, DONE, "a certificate that nobody vouches for is refused");
}

#[test]
fn the_password_is_in_no_file_that_others_may_read() {
    let site = Site::default();
    let server = site.start();
    let ada = Person::new(&site, &server, "ada@home.test");
    ada.mailbag(&["send", "--to", "bob@home.test", "--subject", "x"]).input("text\n").succeed();
    let found = Run::new("grep")
        .args([
            "--recursive",
            "--files-with-matches",
            "--fixed-strings",
            PASSWORD,
            &ada.home.text_path("home"),
        ])
        .finish();
    for file in found.output().lines() {
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(file).expect("a file"));
        assert_eq!(mode & 0o077, 0, "{file} may be read by others");
    }
    let in_server = Run::new("grep")
        .args([
            "--recursive",
            "--files-with-matches",
            "--fixed-strings",
            PASSWORD,
            &site.folder.text_path(""),
        ])
        .finish();
    assert_eq!(in_server.output(), "", "the server keeps verifiers, and logs no password");
}

#[test]
fn a_letter_with_control_characters_moves_no_terminal() {
    let site = Site::default();
    let server = site.start();
    let bob = Person::new(&site, &server, "bob@home.test");
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J";
    let content = [
        plain("eve@else.test", "bob@home.test", &format!("C08 {evil}")).as_slice(),
        evil.as_bytes(),
        b"\r\n",
    ]
    .concat();
    server.deliver("eve@else.test", "bob@home.test", &content);
    bob.mailbag(&["sync"]).succeed();
    let listed = bob.mailbag(&["list"]).succeed().output();
    assert!(listed.contains("C08"), "{}", listed.escape_debug());
    let list = bob.json(&["list"]);
    let id = text(list.first().expect("one"), "id");
    let shown = bob.mailbag(&["show", id]).succeed().output();
    let trace = site.posthouse(&["queue", "list"]).succeed().output();
    for output in [listed, shown, trace] {
        assert!(
            !output.contains('\u{1b}') && !output.contains('\u{7}'),
            "{}",
            output.escape_debug()
        );
    }
}
