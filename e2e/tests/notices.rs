//! What an author is told of a message that went elsewhere, and what nobody is told.
//!
//! The other MTA is one of ours that does what it is told ([`Sink`]); DNS is a zone of the test.
//!
//! Standards: RFC 3461, RFC 3464, RFC 6522, RFC 5321 §4.5.5, RFC 7505.
//! Not here: a real foreign MTA (`postfix.rs`).

use std::net::Ipv4Addr;

use dns::Zone;
use e2e::letters::{assert_same_below_trace, field, odd, plain};
use e2e::names::Names;
use e2e::sink::Sink;
use e2e::wait::until;
use e2e::{Plan, Run, Server, Site, lacks};

/// One server, and the world outside of it: `away.test` is at the sink.
struct World {
    sink: Sink,
    server: Server,
    site: Site,
    zone: Zone,
    _names: Names,
}

impl World {
    fn new(extensions: &[&str], queue: &str) -> Self {
        let sink = Sink::start(extensions);
        let zone = Zone::new();
        zone.mx("away.test", 10, "mx.away.test").a("mx.away.test", Ipv4Addr::LOCALHOST);
        let names = Names::serve(&zone);
        let sections = format!(
            "[dns]\nservers = [\"{}\"]\n[outbound]\nport = {}\nallow_private = true\n[queue]\n{queue}\n",
            names.address(),
            sink.address().port(),
        );
        let site = Site::new(&Plan { sections: &sections, ..Plan::default() });
        let server = site.start();
        Self { sink, server, site, zone, _names: names }
    }

    /// Submits with these parameters of MAIL, and recipients with theirs.
    fn submit(&self, mail: &str, recipients: &[&str], content: &[u8]) -> String {
        let mut author = self.server.author("ada@home.test");
        author.say(&format!("MAIL FROM:<ada@home.test>{mail}"), 250);
        for recipient in recipients {
            author.say(&format!("RCPT TO:{recipient}"), 250);
        }
        author.content(content, 250)
    }

    fn await_notices(&self, count: usize) -> Vec<String> {
        let messages = self.server.await_messages("ada@home.test", count);
        messages.iter().map(|message| String::from_utf8_lossy(message).into_owned()).collect()
    }

    fn await_empty_queue(&self) {
        until("an empty queue", || self.site.json(&["queue", "list"]).is_empty().then_some(()));
    }
}

fn letter(subject: &str) -> Vec<u8> {
    plain("ada@home.test", "x@away.test", subject)
}

/// Demands that all of these are in a notice.
fn assert_tells(notice: &str, words: &[&str]) {
    for words in words {
        assert!(notice.contains(words), "{words:?} is not in:\n{notice}");
    }
}

#[test]
fn a_refusal_is_told_with_the_words_of_the_host() {
    let world = World::new(&["DSN", "8BITMIME"], "");
    world.sink.answer("RCPT TO:<gone@away.test>", "550 5.1.1 gone for good");
    world.submit(
        " ENVID=QQ314159 RET=HDRS",
        &["<gone@away.test> ORCPT=rfc822;old+40name@first.test", "<there@away.test>"],
        &letter("half of you"),
    );
    let notices = world.await_notices(1);
    let notice = notices.first().expect("one");
    assert_tells(
        notice,
        &[
            "Return-Path: <>\r\n",
            "From: Mail Delivery System <postmaster@mx.home.test>\r\n",
            "To: ada@home.test\r\n",
            "Auto-Submitted: auto-replied\r\n",
            "Content-Type: multipart/report",
            "report-type=delivery-status",
            "Content-Type: message/delivery-status",
            "Reporting-MTA: dns; mx.home.test\r\n",
            "Original-Envelope-Id: QQ314159\r\n",
            "Arrival-Date: ",
            "Original-Recipient: rfc822; old@name@first.test\r\n",
            "Final-Recipient: rfc822; gone@away.test\r\n",
            "Action: failed\r\n",
            "Status: 5.1.1\r\n",
            "Remote-MTA: dns; mx.away.test\r\n",
            "Diagnostic-Code: smtp; 550 5.1.1 gone for good\r\n",
            "Content-Type: text/rfc822-headers",
            "Subject: half of you\r\n",
        ],
    );
    assert!(!notice.contains("there@away.test"), "who got it is not blamed:\n{notice}");
    assert!(!notice.contains("A line of text"), "RET=HDRS: only the header goes back:\n{notice}");
    let arrivals = world.sink.await_arrivals(1);
    let arrival = arrivals.first().expect("one");
    assert!(
        arrival.mail.contains("ENVID=QQ314159") && arrival.mail.contains("RET=HDRS"),
        "{}",
        arrival.mail
    );
    assert_eq!(arrival.recipients.len(), 1, "{:?}", arrival.recipients);
    assert_same_below_trace(&arrival.content, &letter("half of you"));
    world.await_empty_queue();
    world.site.verify();
}

#[test]
fn hostile_words_of_a_host_break_no_notice() {
    let world = World::new(&[], "");
    let long = "blah ".repeat(80);
    world.sink.answer("RCPT TO:<evil@", &format!("550 5.1.1 \u{1b}[2J caf\u{e9} {long}"));
    world.sink.answer(
        "RCPT TO:<many@",
        "550-5.1.1 one\r\n550-5.1.1 --boundary--\r\n550-5.1.1 Action: delivered\r\n550 5.1.1 end",
    );
    world.sink.answer("RCPT TO:<rogue@", "550 2.0.0 a code that contradicts itself");
    let long_value = "z".repeat(5000);
    let sent = [
        b"From: ada@home.test\r\nSubject: caf\xe9 \x1b[2J\r\nX-Long: ".as_slice(),
        long_value.as_bytes(),
        b"\r\n\r\nbody\r\n",
    ];
    let recipients = ["<evil@away.test>", "<many@away.test>", "<rogue@away.test>"];
    world.submit(" RET=HDRS ENVID=+3Cx+3E", &recipients, &sent.concat());
    let mut notices = Vec::new();
    until("notices about all three", || {
        notices = world.server.fetch("ada@home.test");
        let text: String = notices.iter().map(|notice| String::from_utf8_lossy(notice)).collect();
        let all = ["evil@", "many@", "rogue@"].iter().all(|name| text.contains(name));
        all.then_some(())
    });
    for notice in &notices {
        let text = String::from_utf8_lossy(notice).into_owned();
        let (ours, returned) =
            text.split_once("Content-Type: text/rfc822-headers").expect("the header");
        assert!(
            !ours.contains('\u{1b}'),
            "control characters are not passed on: {}",
            ours.escape_debug()
        );
        assert!(ours.lines().all(|line| line.len() <= 998), "RFC 5322 §2.1.1: {ours}");
        let fields = |name: &str| ours.lines().filter(|line| line.starts_with(name)).count();
        assert_eq!(fields("Action: failed"), fields("Final-Recipient:"), "{ours}");
        assert_eq!(fields("Action: delivered"), 0, "no field is forged: {ours}");
        assert!(!ours.contains("Status: 2."), "a failure is no success: {ours}");
        assert!(returned.contains("X-Long: zzzz"), "{returned}");
    }
    world.site.verify();
}

#[test]
fn a_refusal_of_the_content_returns_the_whole_message() {
    let world = World::new(&["8BITMIME", "PIPELINING", "SIZE"], "");
    world.sink.answer(".", "554 5.6.0 we do not like it");
    let sent = odd("x@away.test");
    world.submit(" BODY=8BITMIME RET=FULL", &["<x@away.test>"], &sent);
    let messages = world.server.await_messages("ada@home.test", 1);
    let notice = messages.first().expect("one");
    let text = String::from_utf8_lossy(notice).into_owned();
    assert_tells(
        &text,
        &[
            "Status: 5.6.0\r\n",
            "Content-Type: message/rfc822",
            "Diagnostic-Code: smtp; 554 5.6.0 we do not like it",
        ],
    );
    let whole = notice.windows(sent.len()).any(|window| window == sent);
    assert!(whole, "RET=FULL: the message goes back octet for octet:\n{text}");
}

/// What Python makes of the octets on standard input.
const DECODE: &str = r#"
import email, sys
message = email.message_from_bytes(sys.stdin.buffer.read())
sys.stdout.buffer.write(message.get_payload(decode=True))
"#;

#[test]
fn eight_bit_content_goes_in_seven_bits_to_a_host_that_takes_no_more() {
    let world = World::new(&[], "");
    let sent = odd("x@away.test");
    world.submit(" BODY=8BITMIME", &["<x@away.test>"], &sent);
    let arrivals = world.sink.await_arrivals(1);
    let arrival = arrivals.first().expect("one");
    assert!(!arrival.mail.contains("BODY="), "RFC 6152 §2: {}", arrival.mail);
    assert!(arrival.content.is_ascii(), "RFC 6152 §3");
    if !lacks(&["python3"]) {
        let decode = Run::new("python3").args(["-c", DECODE]);
        let decoded = decode.input(arrival.content.clone()).succeed().stdout;
        assert!(sent.ends_with(&[b"\r\n\r\n", decoded.as_slice()].concat()), "the same octets");
    }

    let signed = b"From: <ada@home.test>\r\nTo: <x@away.test>\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/signed; boundary=b; protocol=\"application/pgp-signature\"\r\n\r\n\
        --b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
        sm\xc3\xb8rrebr\xc3\xb8d\r\n\
        --b\r\nContent-Type: application/pgp-signature\r\n\r\nsigned\r\n--b--\r\n";
    world.submit(" BODY=8BITMIME", &["<x@away.test>"], signed);
    let notices = world.await_notices(1);
    assert_tells(notices.first().expect("one"), &["Action: failed\r\n", "Status: 5.6.3\r\n"]);
    assert_eq!(world.sink.arrivals().len(), 1, "RFC 1847 §2.1: what is signed is not changed");
}

#[test]
fn wishes_go_on_to_a_host_that_knows_them_and_are_answered_for_one_that_does_not() {
    let world = World::new(&["DSN"], "");
    world.submit(
        " ENVID=e2 RET=FULL",
        &[
            "<x@away.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@away.test",
            "<y@away.test> NOTIFY=NEVER",
        ],
        &letter("wishes"),
    );
    let arrivals = world.sink.await_arrivals(1);
    let arrival = arrivals.first().expect("one");
    let commands = arrival.recipients.join("\n");
    assert!(
        commands.contains("SUCCESS")
            && commands.contains("DELAY")
            && commands.contains("NOTIFY=NEVER"),
        "{commands}"
    );
    assert!(commands.contains("ORCPT=rfc822;x@away.test"), "{commands}");
    world.await_empty_queue();
    assert_eq!(world.site.messages("ada@home.test"), 0, "the next host tells, not we");

    let world = World::new(&[], "");
    world.submit(
        " ENVID=e3",
        &["<x@away.test> NOTIFY=SUCCESS", "<y@away.test>"],
        &letter("relayed"),
    );
    let notices = world.await_notices(1);
    let notice = notices.first().expect("one");
    assert_tells(
        notice,
        &[
            "Action: relayed\r\n",
            "Final-Recipient: rfc822; x@away.test\r\n",
            "Original-Envelope-Id: e3\r\n",
            "Status: 2.",
        ],
    );
    assert!(!notice.contains("y@away.test"), "who did not ask is not told:\n{notice}");
}

#[test]
fn local_success_is_told_when_it_was_asked_for() {
    let world = World::new(&[], "");
    world.submit(
        " ENVID=local",
        &["<bob@home.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@home.test"],
        &letter("here"),
    );
    let notices = world.await_notices(1);
    assert_tells(
        notices.first().expect("one"),
        &[
            "Return-Path: <>\r\n",
            "Action: delivered\r\n",
            "Status: 2.",
            "Original-Envelope-Id: local\r\n",
            "Original-Recipient: rfc822; bob@home.test\r\n",
            "Final-Recipient: rfc822; bob@home.test\r\n",
            "Message-ID: <here@client.test>\r\n",
        ],
    );
    world.submit("", &["<bob@home.test>"], &letter("quiet"));
    world.submit("", &["<bob@home.test> NOTIFY=NEVER"], &letter("quiet"));
    assert_eq!(world.site.messages("bob@home.test"), 3);
    assert_eq!(world.site.messages("ada@home.test"), 1, "nobody asked for more");
}

#[test]
fn nobody_is_told_of_a_notice_that_fails_or_against_their_wish() {
    let world = World::new(&[], "");
    world.sink.answer("RCPT", "550 5.1.1 nobody here");
    // A success notice for an author elsewhere cannot be delivered: that is the end of it.
    let mut dialog = world.server.smtp();
    dialog.say("MAIL FROM:<vanished@away.test>", 250);
    dialog.say("RCPT TO:<bob@home.test> NOTIFY=SUCCESS", 250);
    let id = dialog.content(&letter("from elsewhere"), 250);
    world.submit("", &["<x@away.test> NOTIFY=NEVER"], &letter("against my wish"));
    world.submit("", &["<x@away.test> NOTIFY=SUCCESS"], &letter("only good news"));
    world.await_empty_queue();
    let trace = world.site.trace(&id);
    assert!(trace.contains("notice") || trace.contains("told"), "{trace}");
    assert_eq!(
        world.site.messages("ada@home.test"),
        0,
        "no notice about a notice, none against a wish"
    );
    assert_eq!(world.site.messages("bob@home.test"), 1);
    world.site.verify();
}

#[test]
fn a_domain_without_mail_is_told_at_once_and_a_silent_dns_server_waits() {
    let world = World::new(&[], "retry = [\"1s\"]");
    world.zone.mx("null.test", 0, ".");
    world.zone.mx("later.test", 10, "mx.away.test");
    world.zone.trouble("later.test", Some(dns::Trouble::ServFail));
    let id = world.submit(
        "",
        &["<x@null.test>", "<x@nowhere.test>", "<x@later.test>"],
        &letter("three ways"),
    );
    let notices = until("failure notices", || {
        let notices = world.server.fetch("ada@home.test");
        let text = notices.iter().map(|notice| String::from_utf8_lossy(notice)).collect::<String>();
        let both = text.contains("x@null.test") && text.contains("x@nowhere.test");
        both.then_some(text)
    });
    assert_tells(&notices, &["Status: 5.1.10\r\n", "Status: 5.1.2\r\n"]);
    assert!(
        !notices.contains("x@later.test"),
        "D01: a failing DNS server bounces nothing: {notices}"
    );
    let waiting = world.site.json(&["queue", "show", &id]);
    assert!(!waiting.is_empty(), "it can be looked at");
    world.zone.trouble("later.test", None);
    world.sink.await_arrivals(1);
    world.await_empty_queue();
}

#[test]
fn a_host_that_is_busy_is_tried_again_and_given_up_in_the_end() {
    // Gathered, the news of a delay would be overtaken by that of the failure.
    let queue =
        "retry = [\"1s\"]\ndelay_notice = \"1s\"\nexpire = \"10s\"\n[notices]\ngather = \"0s\"";
    let world = World::new(&[], queue);
    world.sink.answer("RCPT TO:<busy@", "451 4.3.2 later, please");
    world.sink.answer("RCPT TO:<once@", "450 4.2.0 greylisted");
    world.submit(
        "",
        &["<busy@away.test> NOTIFY=FAILURE,DELAY", "<once@away.test> NOTIFY=FAILURE"],
        &letter("patience"),
    );
    until("a deferral in the queue", || {
        let queue = world.site.json(&["queue", "list"]);
        let deferred = queue.iter().any(|entry| entry.to_string().contains("greylisted"));
        deferred.then_some(())
    });
    world.sink.answer("RCPT TO:<once@", "250 2.1.5 welcome back");
    world.sink.await_arrivals(1);
    let notices = world.await_notices(2);
    assert_tells(
        notices.first().expect("two"),
        &[
            "Action: delayed\r\n",
            "Final-Recipient: rfc822; busy@away.test\r\n",
            "Status: 4.3.2\r\n",
            "Will-Retry-Until: ",
        ],
    );
    let last = notices.last().expect("two");
    assert_tells(
        last,
        &[
            "Action: failed\r\n",
            "Final-Recipient: rfc822; busy@away.test\r\n",
            "451 4.3.2 later, please",
        ],
    );
    assert!(!last.contains("once@"), "{last}");
    world.await_empty_queue();
}

#[test]
fn a_list_member_elsewhere_is_reached_and_its_failure_names_the_list() {
    let world = World::new(&[], "");
    world
        .site
        .posthouse(&[
            "alias",
            "add",
            "list@home.test",
            "bob@home.test",
            "far@away.test",
            "gone@away.test",
        ])
        .succeed();
    world.sink.answer("RCPT TO:<gone@", "550 5.1.1 gone");
    world.submit("", &["<list@home.test>"], &letter("to the list"));
    let notices = world.await_notices(1);
    assert_tells(
        notices.first().expect("one"),
        &[
            "Original-Recipient: rfc822; list@home.test\r\n",
            "Final-Recipient: rfc822; gone@away.test\r\n",
        ],
    );
    let arrivals = world.sink.await_arrivals(1);
    assert_same_below_trace(&arrivals.first().expect("one").content, &letter("to the list"));
    let here = world.server.fetch("bob@home.test");
    assert_same_below_trace(here.first().expect("one"), &letter("to the list"));
    assert_eq!(field(here.first().expect("one"), "Delivered-To").as_deref(), Some("bob@home.test"));
}

#[test]
fn an_administrator_holds_releases_and_cancels() {
    let world = World::new(&[], "retry = [\"1h\"]");
    world.sink.answer("RCPT", "451 4.3.2 not now");
    let id = world.submit("", &["<x@away.test>"], &letter("held"));
    let state = |wanted: &str| {
        until(&format!("state {wanted}"), || {
            let queue = world.site.json(&["queue", "list"]);
            queue.iter().any(|entry| entry["recipients"][0]["state"] == wanted).then_some(())
        });
    };
    state("deferred");
    world.site.posthouse(&["queue", "hold", &id]).succeed();
    state("held");
    world.site.posthouse(&["queue", "release", &id]).succeed();
    world.sink.answer("RCPT", "250 2.1.5 now");
    world.site.posthouse(&["queue", "retry", &id]).succeed();
    world.sink.await_arrivals(1);
    world.await_empty_queue();
    world.sink.answer("RCPT", "451 4.3.2 not now");
    let id = world.submit("", &["<x@away.test>"], &letter("cancelled"));
    state("deferred");
    world.site.posthouse(&["queue", "cancel", &id]).succeed();
    world.await_empty_queue();
    let trace = world.site.trace(&id);
    assert!(trace.contains("cancelled"), "{trace}");
}
