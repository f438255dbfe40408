//! Names that users' scripts rely on: fields of JSON, the first words of replies and lines.
//!
//! Standards: none of its own.
//! Not here: what the values mean (a file for each theme).

use e2e::letters::plain;
use e2e::program::ours;
use e2e::wait::until;
use e2e::{PASSWORD, Plan, Run, Site};
use serde_json::Value;

/// Demands that an object has all of these fields.
fn assert_has(object: &Value, fields: &[&str]) {
    for field in fields {
        assert!(object.get(field).is_some(), "no {field} in {object}");
    }
}

#[test]
fn json_of_the_server_has_its_fields() {
    // Nobody answers there, so the message stays in the queue.
    let sections = "[dns]\nservers = [\"127.0.0.1:9\"]\n[queue]\nretry = [\"1h\"]\n";
    let site = Site::new(&Plan { sections, ..Plan::default() });
    let server = site.start();
    assert_eq!(site.posthouse(&["queue", "list", "--json"]).succeed().output(), "", "no entries");
    let mut author = server.author("ada@home.test");
    let reply = {
        author.say("MAIL FROM:<ada@home.test>", 250);
        author.say("RCPT TO:<x@away.test>", 250);
        author.say("DATA", 354);
        author.send(e2e::dialog::stuffed(&plain("ada@home.test", "x@away.test", "waits")));
        author.expect(250).to_string()
    };
    let id = reply.strip_prefix("250 2.0.0 Ok: queued as ").unwrap_or_else(|| panic!("{reply}"));
    assert!(id.len() == 26 && id.chars().all(|digit| digit.is_ascii_alphanumeric()), "{id}");
    let queue = site.json(&["queue", "list"]);
    let [entry] = queue.as_slice() else { panic!("one entry: {queue:?}") };
    assert_has(entry, &["id", "created", "sender", "size", "recipients"]);
    let recipient = entry.pointer("/recipients/0").expect("a recipient");
    assert_has(recipient, &["address", "state", "attempts", "next_attempt", "last_reply"]);
    let accounts = site.json(&["account", "list"]);
    assert_eq!(accounts.len(), 2, "one object a line");
    assert_has(accounts.first().expect("two"), &["address", "messages", "size", "quota"]);
    let mut dialog = server.smtp();
    dialog.say("MAIL FROM:<eve@else.test>", 250);
    dialog.say("RCPT TO:<bob@home.test>", 250);
    dialog.say("DATA", 354);
    dialog.send(e2e::dialog::stuffed(&plain("eve@else.test", "bob@home.test", "here")));
    let reply = dialog.expect(250).to_string();
    assert!(reply.starts_with("250 2.0.0 Ok: delivered as "), "{reply}");
    for command in [["domain", "list"], ["alias", "list"], ["queue", "show"]] {
        let mut arguments = command.to_vec();
        if command == ["queue", "show"] {
            arguments.push(id);
        }
        // Whatever they print is JSON; `json` demands it.
        site.json(&arguments);
    }
}

#[test]
fn json_of_mailbag_has_its_fields() {
    let site = Site::default();
    let server = site.start();
    let home = site.folder.text_path("mailbag");
    let mailbag = |arguments: &[&str]| {
        Run::command(std::process::Command::new(ours("mailbag")))
            .args(arguments)
            .env("MAILBAG_HOME", &home)
    };
    mailbag(&[
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
    .input(format!("{PASSWORD}\n"))
    .succeed();
    let finished = mailbag(&["send", "--to", "ada@home.test", "--subject", "to myself", "--json"])
        .input("text\n")
        .succeed();
    let sent: Value = serde_json::from_str(finished.output().trim()).expect("JSON");
    let recipient_fields = ["address", "state", "host", "reply", "time", "next_attempt", "plain"];
    assert_has(&sent, &["id", "message_id", "subject", "recipients"]);
    assert_has(sent.pointer("/recipients/0").expect("one"), &recipient_fields);
    let listed = until("the letter", || {
        mailbag(&["sync"]).succeed();
        let output = mailbag(&["list", "--json"]).finish().output();
        output.lines().next().map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
    });
    assert_has(&listed, &["id", "account", "mailbox", "date", "from", "to"]);
    assert_has(&listed, &["subject", "flags", "size", "attachments"]);
    let tracked = mailbag(&["track", "--json"]).succeed().output();
    let tracked: Value = serde_json::from_str(tracked.lines().next().expect("one")).expect("JSON");
    assert_has(&tracked, &["id", "message_id", "subject", "recipients"]);
    assert_has(tracked.pointer("/recipients/0").expect("one"), &recipient_fields);
}

#[test]
fn both_programs_tell_their_version_and_their_commands() {
    #[rustfmt::skip]
    let rows: [(&str, &[&str]); 2] = [
        ("posthouse", &["try", "init", "serve", "check", "domain", "account", "alias", "queue", "explain", "suppress", "trace", "verify"]),
        ("mailbag", &["setup", "sync", "list", "show", "save", "send", "track", "outbox"]),
    ];
    for (program, commands) in rows {
        let run = |argument: &str| {
            Run::command(std::process::Command::new(ours(program))).args([argument]).succeed()
        };
        assert!(run("--version").output().starts_with(&format!("{program} ")));
        let help = run("--help").output();
        for command in commands {
            let is_told = help.lines().any(|line| line.trim_start().starts_with(command));
            assert!(is_told, "{program} --help tells of {command}: {help}");
        }
    }
}
