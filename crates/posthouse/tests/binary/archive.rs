//! Backups, and what comes back of them.

#![expect(clippy::disallowed_methods, reason = "it looks at files from outside")]

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::site::{CONFIGURATION, Site, converse};

/// A site with an account and messages that a server took for it.
fn delivered(messages: usize) -> Site {
    let site = Site::new(CONFIGURATION);
    site.run(&["domain", "add", "example.org"]).done();
    site.run_with(&["account", "add", "anna@example.org", "--password-stdin"], "secret word\n")
        .done();
    let server = site.serve();
    for number in 0..messages {
        deliver(server.address("smtp/starttls"), number);
    }
    assert_eq!(server.end(), Some(0));
    site
}

fn deliver(smtp: &str, number: usize) {
    let id = format!("Message-ID: <{number}@away.example>");
    let reply = converse(
        smtp,
        &[
            "EHLO away.example",
            "MAIL FROM:<bob@away.example>",
            "RCPT TO:<anna@example.org>",
            "DATA",
            &format!("From: bob@away.example\r\n{id}\r\n\r\nletter {number}\r\n."),
        ],
    );
    assert!(reply.starts_with("250"), "{reply}");
}

/// A number that is known of the account.
fn account(site: &Site, what: &str) -> u64 {
    let account = site.run(&["--json", "account", "show", "anna@example.org"]).done();
    let account: serde_json::Value = serde_json::from_str(&account).expect("JSON");
    account.get(what).and_then(serde_json::Value::as_u64).expect("a number")
}

#[test]
fn a_backup_beside_a_server_brings_everything_back() {
    let site = delivered(3);
    let server = site.serve();
    let said = site.run(&["backup", "copies", "--check"]);
    assert!(said.err.contains("3 messages") && said.err.contains("of it new"), "{}", said.err);
    said.done();
    deliver(server.address("smtp/starttls"), 3);
    site.run(&["backup", "copies", "--check"]).done();
    let listed = site.run(&["restore", "copies", "--list"]).done();
    let names: Vec<_> =
        listed.lines().map(|line| line.split(' ').next().expect("a name")).collect();
    assert_eq!(names.len(), 2, "{listed}");
    site.run(&["restore", "copies"]).fails_with(1, "serves this data folder");

    server.signal(Signal::SIGKILL);
    drop(server);
    site.run(&["restore", "copies"]).fails_with(1, "never writes over one");
    let secret = fs::read(site.path("data/secret")).expect("there");
    fs::remove_dir_all(site.path("data")).expect("the disk is gone");
    let said = site.run(&["restore", "copies", "--generation", names[0]]);
    assert!(said.err.contains("3 messages of 1 account are back"), "{}", said.err);
    said.done();
    assert_eq!(account(&site, "messages"), 3);
    fs::remove_dir_all(site.path("data")).expect("once more");
    site.run(&["restore", "copies"]).done();
    assert_eq!(account(&site, "messages"), 4);
    assert_eq!(fs::read(site.path("data/secret")).expect("back"), secret);
    site.run(&["verify"]).done();
    let server = site.serve();
    deliver(server.address("smtp/starttls"), 4);
    assert_eq!(server.end(), Some(0));
    site.run(&["backup", "copies"]).fails_with(1, "another store");
}

#[test]
fn one_account_or_message_comes_back_beside_what_is_there() {
    let site = delivered(3);
    site.run(&["backup", "copies"]).done();
    let size = account(&site, "size");
    site.run(&["account", "remove", "anna@example.org"]).done();
    let server = site.serve();
    let one = ["restore", "copies", "--account", "anna@example.org", "--message", "1@away.example"];
    #[rustfmt::skip]
    let table: [(&[&str], &str, u64, &str); 4] = [
        (&one, "1 message brought back, 0 were there", 1, "the account is made again"),
        (&one, "0 messages brought back, 1 were there", 1, "never twice"),
        (&one[..4], "2 messages brought back, 1 were there", 3, "the rest"),
        (&one[..4], "0 messages brought back, 3 were there", 3, "all is there"),
    ];
    for (arguments, words, wanted, why) in table {
        let said = site.run(arguments);
        assert!(said.err.contains(words), "{why}: {said:?}");
        said.done();
        assert_eq!(account(&site, "messages"), wanted, "{why}");
    }
    assert_eq!(account(&site, "size"), size, "trace fields and all");
    let mut arguments = one;
    arguments[5] = "9@away.example";
    site.run(&arguments).fails_with(1, "no message 9@away.example is in the backup");
    arguments[3] = "eve@example.org";
    site.run(&arguments).fails_with(1, "there is no account eve@example.org in the backup");
    let mailbox = [&one[..4], &["--mailbox", "Sent"]].concat();
    site.run(&mailbox).fails_with(1, "mailbox Sent");
    arguments[1] = "nowhere";
    site.run(&arguments).fails_with(1, "nowhere");
    assert_eq!(server.end(), Some(0));
    site.run(&["verify"]).done();
}

#[test]
fn the_server_makes_and_proves_backups_by_itself() {
    let site = delivered(2);
    let configuration = format!("{CONFIGURATION}[backup]\ndir = \"copies\"\nkeep = 1\n");
    fs::write(site.path("posthouse.toml"), configuration).expect("written");
    let said = site.run(&["check"]).done();
    assert!(said.contains("no backup was made yet"), "{said}");
    let server = site.serve();
    while !site.path("data/backup.json").exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.end(), Some(0));
    let said = site.run(&["check"]).done();
    assert!(said.contains(": 2 messages, proven 0 h ago"), "{said}");
    assert_eq!(site.run(&["restore", "copies", "--list"]).done().lines().count(), 1);

    // Another server's backups are there: it cannot make one, and says so.
    fs::remove_dir_all(site.path("data")).expect("removed");
    let server = site.serve();
    while !site.path("data/backup.json").exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.end(), Some(0));
    let said = site.run(&["check"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("failed: ") && said.out.contains("another store"), "{said:?}");
}

/// Bad inputs C09 and C10.
#[test]
fn mailboxes_come_from_files_and_go_to_files() {
    let site = delivered(2);
    let server = site.serve();
    site.run(&["export", "anna@example.org", "out"]).done();
    site.run(&["export", "anna@example.org", "out"]).fails_with(1, "is there already");
    site.run(&["export", "anna@example.org", "box", "--format", "mbox"]).done();
    let before = account(&site, "size");
    for path in ["out", "box/INBOX.mbox"] {
        let said = site.run(&["import", "anna@example.org", path]);
        assert!(said.err.contains("0 messages taken in, 2 were there"), "{path}: {said:?}");
        said.done();
    }
    site.run(&["account", "remove", "anna@example.org"]).done();
    site.run(&["account", "add", "anna@example.org"]).done();
    site.run(&["import", "anna@example.org", "out"]).done();
    assert_eq!(account(&site, "size"), before, "every octet");

    let from = "From a@b Thu Jan  1 00:00:10 1970\n";
    let mbox = format!("junk\n{from}Subject: one\n\n>From x\r\n\n{from}Subject: two\n\ncut of");
    fs::write(site.path("some.mbox"), mbox).expect("written");
    let said = site.run(&["import", "anna@example.org", "some.mbox", "--mailbox", "Old"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("1 message taken in, 0 were there already, 2 left out"), "{said:?}");
    for words in
        ["message 0 at 0: left out: it does not begin", "message 2 at 63: left out: the file ends"]
    {
        assert!(said.out.contains(words), "{words} in {said:?}");
    }
    strange_maildir(&site);
    let said = site.run(&["import", "anna@example.org", "strange"]);
    assert!(said.err.contains("2 messages taken in, 0 were there already, 5 left out"), "{said:?}");
    assert!(!said.out.contains("secret"), "{said:?}");
    site.run(&["export", "anna@example.org", "again"]).done();
    let flagged = fs::read_dir(site.path("again/.Entw&APw-rfe/cur")).expect("there");
    let names: Vec<_> = flagged.map(|one| one.expect("a file").file_name()).collect();
    assert!(names.len() == 1 && names[0].to_string_lossy().ends_with(":2,FS"), "{names:?}");
    let old = fs::read_to_string(
        site.path("again/.Old/cur")
            .read_dir()
            .expect("there")
            .next()
            .expect("one")
            .expect("a file")
            .path(),
    );
    assert_eq!(old.expect("text"), "Subject: one\n\nFrom x\n");
    assert_eq!(server.end(), Some(0));
    site.run(&["verify"]).done();
    site.run(&["import", "anna@example.org", "box"]).fails_with(1, "it is no Maildir");
}

/// A Maildir with two messages, and much that is none.
fn strange_maildir(site: &Site) {
    for folder in ["strange/cur", "strange/new", "strange/tmp", "strange/.Entw&APw-rfe/cur"] {
        fs::create_dir_all(site.path(folder)).expect("made");
    }
    let letter = "Subject: hello\n\nhi\n";
    fs::write(site.path("strange/new/1.strange \u{fffd} name"), letter).expect("written");
    fs::write(site.path("strange/.Entw&APw-rfe/cur/2:2,FS"), letter).expect("written");
    fs::write(site.path("strange/cur/empty"), "").expect("written");
    fs::write(site.path("secret"), "Subject: a secret\n\n").expect("written");
    std::os::unix::fs::symlink(site.path("secret"), site.path("strange/cur/link")).expect("linked");
    fs::create_dir(site.path("strange/cur/folder")).expect("made");
    std::os::unix::fs::symlink(site.path("out"), site.path("strange/.Link")).expect("linked");
    nix::unistd::mkfifo(&site.path("strange/cur/fifo"), nix::sys::stat::Mode::S_IRWXU)
        .expect("made");
}
