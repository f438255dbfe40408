//! What would happen to a message: the same with and without a server, and nothing comes of it.

use crate::site::{CONFIGURATION, Site};

const RULES: &str = "[policy]\ngreylist = true\ngreylist_exempt = [\"bob@example.org\"]\n";

fn explained(site: &Site) {
    site.write("letter.eml", "Subject: hello\n\nHi\n");
    let ask = |to: &[&str], more: &[&str]| {
        let mut arguments = vec!["explain", "--from", "ann@else.example", "--ip", "192.0.2.7"];
        arguments.push("--to");
        arguments.extend(to);
        arguments.extend(more);
        site.run(&arguments).done()
    };
    let told = ask(&["anna@example.org", "no@example.org", "x@far.example"], &[]);
    #[rustfmt::skip]
    let lines = [
        "connect    noted     192.0.2.7 is a stranger: ",
        "hello      accepted  250 mx.example.org",
        "sender     accepted  250 2.1.0 ",
        "recipient  deferred  anna@example.org: 451 4.7.1 Greylisted: ",
        "recipient  refused   no@example.org: 550 5.1.1 There is no mailbox no@example.org here",
        "recipient  refused   x@far.example: 550 5.7.1 We do not relay to x@far.example",
    ];
    for line in lines {
        assert!(told.lines().any(|found| found.starts_with(line)), "{line} in {told}");
    }
    let told =
        ask(&["bob@example.org"], &["--message", "letter.eml", "--helo", "mail.else.example"]);
    #[rustfmt::skip]
    let lines = [
        "recipient  noted     bob@example.org: greylist: bob@example.org waits for nobody",
        "delivery   accepted  bob@example.org: it goes into INBOX of bob@example.org",
        "content    accepted  it is taken: 250 2.0.0 Ok: delivered",
    ];
    for line in lines {
        assert!(told.lines().any(|found| found.starts_with(line)), "{line} in {told}");
    }
    let told = ask(&["anna@example.org"], &["--helo", "mx.example.org", "--json"]);
    let steps: Vec<serde_json::Value> =
        told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let last = steps.last().expect("a step");
    assert_eq!((&last["stage"], &last["outcome"]), (&"hello".into(), &"refused".into()), "{told}");
    assert_eq!(last["about"], serde_json::Value::Null);
    let inbox = site.run(&["--json", "account", "show", "bob@example.org"]).done();
    assert!(inbox.contains(r#""messages":0"#), "nothing was delivered: {inbox}");
}

fn site() -> Site {
    let site = Site::new(&(CONFIGURATION.to_owned() + RULES));
    site.run(&["domain", "add", "example.org"]).done();
    site.run(&["account", "add", "anna@example.org", "bob@example.org"]).done();
    site
}

#[test]
fn a_question_is_answered_without_a_server() {
    explained(&site());
}

#[test]
fn a_question_is_answered_by_the_server() {
    let site = site();
    let server = site.serve();
    explained(&site);
    // Twice the same: it did not become known by being asked about.
    explained(&site);
    assert_eq!(server.end(), Some(0));
}

#[test]
fn questions_that_cannot_be_asked() {
    let site = site();
    let ip = ["--ip", "192.0.2.7"];
    #[rustfmt::skip]
    let rows: [(&[&str], i32, &str); 4] = [
        (&["--from", "<>", "--to", "bob@example.org"], 2, "--ip"),
        (&["--from", "nobody", "--to", "bob@example.org", ip[0], ip[1]], 2, "<> for a notice"),
        (&["--from", "<>", ip[0], ip[1]], 2, "--to"),
        (&["--from", "<>", "--to", "a@b.example", ip[0], ip[1], "--message", "none"], 1, "none"),
    ];
    for (arguments, code, words) in rows {
        let arguments = [&["explain"], arguments].concat();
        site.run(&arguments).fails_with(code, words);
    }
}
