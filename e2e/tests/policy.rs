//! Rules for mail from strangers, met by swaks.
//!
//! Standards: RFC 5321 §4.1.1.1, RFC 3463 §3.8, RFC 6647 §2.4.
//! Not here: each rule with all of its cases (crate `mta`).

use e2e::{Plan, Run, Server, Site, lacks, wait};

const RULES: &str = "[policy]\nrequire_full_name = true\n[limits]\nmessage_rate = \"2/1h\"\n";

/// swaks brings a letter as `helo`; its exit code and what it saw.
fn bring(server: &Server, helo: &str) -> (Option<i32>, String) {
    let port = server.port("smtp/starttls");
    let finished = Run::new("swaks")
        .args(["--server", "localhost", "--port", &port, "--helo", helo])
        .args(["--from", "x@else.test", "--to", "bob@home.test"])
        .finish();
    (finished.code, finished.output().to_owned())
}

#[test]
fn strangers_are_told_which_rule_they_broke() {
    if lacks(&["swaks"]) {
        return;
    }
    let site = Site::new(&Plan { sections: RULES, ..Plan::default() });
    let server = site.start();
    // swaks' exit code tells at which command it was refused.
    #[rustfmt::skip]
    let rows = [
        ("laptop", Some(22), "504 5.5.4 laptop is not a full host name", "no full name"),
        ("mail.else.test", Some(0), "250 2.0.0 Ok: delivered as ", "the first message"),
        ("mail.else.test", Some(0), "250 2.0.0 Ok: delivered as ", "the second"),
        ("mail.else.test", Some(23), "450 4.7.1 Too many messages from your address", "too fast"),
    ];
    let mut id = String::new();
    for (helo, code, reply, why) in rows {
        let (found, seen) = bring(&server, helo);
        assert!(seen.contains(reply), "{why}: {seen}");
        assert_eq!(found, code, "{why}: {seen}");
        if let Some((_, rest)) = seen.split_once("delivered as ") {
            id = rest.split_whitespace().next().expect("an id").to_owned();
        }
    }
    assert_eq!(site.messages("bob@home.test"), 2, "what was refused was not kept");
    let trace = site.posthouse(&["trace", &id]).succeed();
    let trace = trace.output();
    assert!(!trace.contains("checked"), "that nothing was found is no news: {trace}");
}

#[test]
fn a_stranger_comes_again() {
    if lacks(&["swaks"]) {
        return;
    }
    let sections = "[policy]\ngreylist = true\ngreylist_delay = \"2s\"\n";
    let site = Site::new(&Plan { sections, ..Plan::default() });
    let server = site.start();
    let (code, seen) = bring(&server, "mail.else.test");
    assert!(seen.contains("451 4.7.1 Greylisted") && seen.contains("again in 2 seconds"), "{seen}");
    assert_eq!(code, Some(24), "swaks has no recipient left: {seen}");
    assert_eq!(site.messages("bob@home.test"), 0);
    drop(server);
    // What was seen is durable.
    let server = site.start();
    let seen = wait::until("a second try that is taken", || {
        let (code, seen) = bring(&server, "mail.else.test");
        (code == Some(0)).then_some(seen)
    });
    let id = seen.split_once("delivered as ").expect("an id").1;
    let trace = site.trace(id.split_whitespace().next().expect("an id"));
    assert!(trace.contains("greylist at recipient") && trace.contains("it came again"), "{trace}");
    let (code, seen) = bring(&server, "mail.else.test");
    assert_eq!(code, Some(0), "it is known: {seen}");
    assert_eq!(site.messages("bob@home.test"), 2);
}
