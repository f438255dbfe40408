//! Standing orders and orders for what waits, beside a server and without one.

use crate::site::Site;
use crate::{relaying, waiting_letter};

#[test]
fn hold_rules_are_obeyed_at_once_and_outlive_the_server() {
    let site = Site::new(&relaying());
    let server = site.serve();
    let add = ["queue", "rule", "add", "--sender", "@here.example", "--reason", "looks odd"];
    let line = site.run(&add).done();
    assert!(line.contains("holds mail from @here.example: looks odd"), "{line}");
    let id = waiting_letter(&server);
    let trace = site.run(&["trace", &id]).done();
    assert!(trace.contains("rule 1 holds mail from @here.example: looks odd"), "{trace}");
    site.run(&["queue", "rule", "add"]).fails_with(2, "");
    assert_eq!(server.end(), Some(0));

    let listed = site.run(&["--json", "queue", "rule", "list"]).done();
    let rule: serde_json::Value = serde_json::from_str(&listed).expect("one rule");
    assert_eq!((&rule["rule"], &rule["sender"]), (&1.into(), &"@here.example".into()));
    let server = site.serve();
    let other = waiting_letter(&server);
    let shown = site.run(&["queue", "show", &other]).done();
    assert!(shown.contains("held"), "the next server obeys it, too: {shown}");
    site.run(&["queue", "rule", "remove", "1"]).done();
    site.run(&["queue", "rule", "remove", "1"]).fails_with(1, "hold rule 1");
    let free = waiting_letter(&server);
    assert!(!site.run(&["trace", &free]).done().contains("holds mail"), "it is gone");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn suppressed_mail_fails_and_its_sender_is_told() {
    let site = Site::new(&relaying());
    site.run(&["suppress", "add", "Bob@away.example", "--reason", "asked us to stop"]).done();
    let listed = site.run(&["suppress", "list"]).done();
    assert!(listed.contains("bob@away.example") && listed.contains("asked us"), "{listed}");
    assert_eq!(site.run(&["suppress", "list", "--suggested"]).done(), "");
    let server = site.serve();
    let id = waiting_letter(&server);
    let trace = site.run(&["trace", "--follow", &id]).done();
    for words in ["failed", "asked us to stop", "failure notice"] {
        assert!(trace.contains(words), "{words} in {trace}");
    }
    site.run(&["suppress", "remove", "bob@away.example"]).done();
    site.run(&["suppress", "remove", "bob@away.example"]).fails_with(1, "bob@away.example");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn what_waits_goes_another_way_or_is_taken_back_aloud() {
    let site = Site::new(&relaying());
    let server = site.serve();
    let id = waiting_letter(&server);
    site.run(&["queue", "route", &id, "--to", "127.0.0.1:1"]).done();
    let state = || site.run(&["queue", "show", &id]).done();
    assert!(state().contains("goes to 127.0.0.1:1"), "{}", state());
    site.run(&["queue", "route", &id]).fails_with(2, "");
    site.run(&["queue", "route", &id, "--to", "nowhere"]).fails_with(2, "nowhere");
    while !state().contains("sent there by an operator") {
        std::thread::yield_now();
    }
    assert_eq!(server.end(), Some(0));
    site.run(&["queue", "route", "--domain", "away.example", "--default"]).done();
    assert!(!state().contains("goes to 127.0.0.1:1\n"), "{}", state());
    site.run(&["queue", "cancel", &id, "--notify"]).done();
    assert!(!state().contains("notice"), "nobody is there to write one: {}", state());
    let server = site.serve();
    while !state().contains("failure notice") {
        std::thread::yield_now();
    }
    assert_eq!(server.end(), Some(0));
}
