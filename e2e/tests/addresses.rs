//! Who may write to whom, under which name: relaying, postmaster, aliases, lists, blind copies.
//!
//! Standards: RFC 5321 §3.3, §3.9, §4.5.1, RFC 6409 §6.1 and §8, RFC 5322 §3.6.3.
//! Not here: what happens to mail that goes elsewhere (`notices.rs`, `postfix.rs`).

use e2e::letters::{assert_same_below_trace, field, fields, plain};
use e2e::{Server, Site};

fn alias(site: &Site, arguments: &[&str]) {
    let mut all = vec!["alias", "add"];
    all.extend(arguments);
    site.posthouse(&all).succeed();
}

/// Subjects of what an account has.
fn subjects(server: &Server, address: &str) -> Vec<String> {
    let messages = server.fetch(address);
    messages.iter().filter_map(|message| field(message, "Subject")).collect()
}

#[test]
fn postmaster_is_reached_under_every_spelling() {
    let site = Site::default();
    alias(&site, &["postmaster@home.test", "ada@home.test"]);
    let server = site.start();
    let spellings = ["postmaster", "POSTMASTER", "PostMaster@HOME.test", "postmaster@mx.home.test"];
    for (count, spelling) in (1..).zip(spellings) {
        let mut dialog = server.smtp();
        dialog.transaction(
            "eve@else.test",
            &[spelling],
            &plain("eve@else.test", "postmaster@home.test", "hello"),
        );
        assert_eq!(server.fetch("ada@home.test").len(), count, "S54: {spelling}");
    }
    // The answer to a notice of ours has a null reverse-path.
    server.smtp().transaction("", &["postmaster@mx.home.test"], b"Subject: reply\r\n\r\n");
    assert_eq!(subjects(&server, "ada@home.test").len(), 5);
}

#[test]
fn without_a_postmaster_there_is_somebody_who_reads_it_or_a_clear_no() {
    let site = Site::default();
    let server = site.start();
    let mut dialog = server.smtp();
    dialog.say("MAIL FROM:<eve@else.test>", 250);
    dialog.send("RCPT TO:<postmaster>\r\n");
    let reply = dialog.reply().expect("a reply");
    // RFC 5321 §4.5.1: a server that takes mail must take this.
    assert_eq!(reply.code, 250, "{reply}");
}

#[test]
fn lists_reach_everybody_once() {
    let site = Site::default();
    alias(&site, &["all@home.test", "ada@home.test", "bob@home.test"]);
    alias(&site, &["team@home.test", "all@home.test", "bob@home.test"]);
    alias(&site, &["@home.test", "ada@home.test"]);
    let server = site.start();
    let sent = plain("eve@else.test", "team@home.test", "to the team");
    server.smtp().transaction(
        "eve@else.test",
        &["team@home.test", "all@home.test", "bob@home.test"],
        &sent,
    );
    for reader in ["ada@home.test", "bob@home.test"] {
        let messages = server.fetch(reader);
        assert_eq!(messages.len(), 1, "{reader} is reached in several ways, and reads it once");
        let message = messages.first().expect("one");
        assert_same_below_trace(message, &sent);
        assert_eq!(field(message, "Delivered-To").as_deref(), Some(reader));
        assert_eq!(field(message, "Return-Path").as_deref(), Some("<eve@else.test>"));
    }
    server.deliver(
        "eve@else.test",
        "whoever@home.test",
        &plain("eve@else.test", "whoever@home.test", "catch me"),
    );
    assert_eq!(subjects(&server, "ada@home.test"), ["to the team", "catch me"], "the catch-all");
    assert_eq!(site.messages("bob@home.test"), 1);
}

#[test]
fn aliases_that_lead_in_circles_hang_nobody() {
    let site = Site::default();
    site.posthouse(&["alias", "add", "one@home.test", "two@home.test"]).finish();
    site.posthouse(&["alias", "add", "two@home.test", "one@home.test"]).finish();
    let server = site.start();
    let mut dialog = server.smtp();
    dialog.say("MAIL FROM:<eve@else.test>", 250);
    dialog.send("RCPT TO:<one@home.test>\r\n");
    let reply = dialog.reply().expect("a reply");
    assert!(reply.code >= 400, "nobody would get it: {reply}");
    dialog.say("RCPT TO:<ada@home.test>", 250);
}

#[test]
fn mail_that_goes_in_circles_is_refused() {
    let site = Site::default();
    let server = site.start();
    let mut dialog = server.smtp();
    dialog.say("MAIL FROM:<eve@else.test>", 250);
    dialog.say("RCPT TO:<bob@home.test>", 250);
    dialog.content(b"Delivered-To: bob@home.test\r\nSubject: again\r\n\r\n", 554);
    dialog.say("MAIL FROM:<eve@else.test>", 250);
    dialog.say("RCPT TO:<bob@home.test>", 250);
    let hops = "Received: from a by b; Wed, 25 Nov 2026 03:00:00 +0000\r\n".repeat(120);
    dialog.content(format!("{hops}Subject: far\r\n\r\n").as_bytes(), 554);
    assert_eq!(site.messages("bob@home.test"), 0, "M18");
}

#[test]
fn an_author_writes_under_their_own_name_only() {
    let site = Site::default();
    let server = site.start();
    let mut author = server.author("ada@home.test");
    author.say("MAIL FROM:<bob@home.test>", 550);
    author.say("MAIL FROM:<eve@else.test>", 550);
    #[rustfmt::skip]
    let rows = [
        ("From: bob@home.test\r\n", "T13: somebody else"),
        ("From: \"ada@home.test\" <bob@home.test>\r\n", "M15: the name is not the address"),
        ("From: ada@home.test, bob@home.test\r\n", "two authors, one of them not logged in"),
        ("From: ada@home.test\r\nFrom: bob@home.test\r\n", "M14: two fields"),
        ("From: ada@home.test\r\nSender: bob@home.test\r\n", "T13: Sender counts as well"),
        ("Subject: nobody\r\n", "no From at all"),
        ("From: undisclosed:;\r\n", "M14: an empty group"),
    ];
    for (header, why) in rows {
        author.say("MAIL FROM:<ada@home.test>", 250);
        author.say("RCPT TO:<bob@home.test>", 250);
        author.say("DATA", 354);
        author.send(format!("{header}To: bob@home.test\r\n\r\nhello\r\n.\r\n"));
        let reply = author.reply().expect("a reply");
        assert_eq!(reply.code, 550, "{why}: {reply}");
    }
    assert_eq!(site.messages("bob@home.test"), 0);
    author.transaction(
        "ada@home.test",
        &["bob@home.test"],
        &plain("ada@home.test", "bob@home.test", "me"),
    );
    assert_eq!(site.messages("bob@home.test"), 1, "the session went on");
}

#[test]
fn a_submission_is_completed_and_otherwise_left_alone() {
    let site = Site::default();
    let server = site.start();
    let mut author = server.author("ada@home.test");
    let bare = b"From: ada@home.test\r\nTo: bob@home.test\r\nBcc: secret@home.test,\r\n\tmore@home.test\r\nReturn-Path: <x@y.test>\r\nX-Odd :  kept\r\nsubject:  two blanks\r\n\r\nBcc: stays in the body\r\n";
    let id = author.transaction("ada@home.test", &["bob@home.test"], bare);
    let whole = plain("ada@home.test", "bob@home.test", "complete");
    author.transaction("ada@home.test", &["bob@home.test"], &whole);
    let messages = server.fetch("bob@home.test");
    let [completed, untouched] = messages.as_slice() else { panic!("two: {}", messages.len()) };
    assert_same_below_trace(untouched, &whole);
    assert_eq!(fields(completed, "Bcc"), Vec::<String>::new());
    assert_eq!(fields(completed, "Return-Path"), ["<ada@home.test>"], "ours alone");
    assert_eq!(fields(completed, "Date").len(), 1);
    let message_id = field(completed, "Message-ID").expect("one was added");
    assert!(message_id.starts_with('<') && message_id.ends_with("@mx.home.test>"), "{message_id}");
    let text = String::from_utf8_lossy(completed).into_owned();
    for kept in
        ["\r\nX-Odd :  kept\r\nsubject:  two blanks\r\n", "\r\n\r\nBcc: stays in the body\r\n"]
    {
        assert!(text.contains(kept), "{kept:?}: {text}");
    }
    assert!(!text.contains("secret") && !text.contains("more@"), "{text}");
    let trace = site.trace(&id);
    assert!(trace.contains("Bcc") && trace.contains("Message-ID"), "the trace tells: {trace}");
    // By its Message-ID it is found as well.
    let by_message_id = site.trace(message_id.trim_matches(['<', '>']));
    assert!(by_message_id.contains(&id), "{by_message_id}");
}

#[test]
fn a_full_mailbox_is_said_while_the_sender_is_there() {
    let site = Site::default();
    site.posthouse(&["account", "add", "tiny@home.test", "--quota", "4KiB", "--password-stdin"])
        .input("some password 5\n")
        .succeed();
    let server = site.start();
    let filler = [
        plain("eve@else.test", "tiny@home.test", "big").as_slice(),
        "z\r\n".repeat(900).as_bytes(),
    ]
    .concat();
    server.deliver("eve@else.test", "tiny@home.test", &filler);
    let mut dialog = server.smtp();
    dialog.say("MAIL FROM:<eve@else.test> SIZE=3000", 250);
    dialog.say("RCPT TO:<tiny@home.test>", 452);
    dialog.say("RCPT TO:<bob@home.test>", 250);
    // Without a size at MAIL it is found out at the end; nobody gets half of it.
    dialog.say("RSET", 250);
    dialog.say("MAIL FROM:<eve@else.test>", 250);
    dialog.say("RCPT TO:<tiny@home.test>", 250);
    dialog.content(&filler, 452);
    assert_eq!(site.messages("tiny@home.test"), 1);
}
