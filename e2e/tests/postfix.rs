//! Postfix and we exchange mail, both ways, each of us found by the other through MX records.
//!
//! ```text
//!   network of the test's own:   127.0.0.1:53  DNS   home.test MX mx.home.test  A 127.0.0.2
//!                                127.0.0.2:25  us    away.test MX mx.away.test  A 127.0.0.3
//!                                127.0.0.3:25  Postfix
//! ```
//!
//! Standards: RFC 5321 §5 (MX), RFC 3464 (notices), RFC 7505 (null MX).
//! Not here: which host is chosen among many (crate `mta`).

use std::net::Ipv4Addr;
use std::sync::Arc;

use dns::Zone;
use e2e::letters::{assert_same_below_trace, field, odd, plain, with_lf, without_body};
use e2e::names::Names;
use e2e::postfix::Postfix;
use e2e::wait::until;
use e2e::{Dialog, Folder, Network, Plan, Run, Server, Site, lacks, lacks_root};

/// Ports 25, 587 and 110 of one address.
const LISTENERS: &[(&str, &str, &str)] = &[
    ("smtp", "127.0.0.2:25", "starttls"),
    ("submission", "127.0.0.2:587", "none"),
    ("pop3", "127.0.0.2:110", "none"),
];

const SECTIONS: &str = "
[outbound]
allow_private = true
bind = [\"127.0.0.2\"]
[queue]
retry = [\"1s\"]
";

/// Two mail systems and the DNS between them.
struct Internet {
    postfix: Postfix,
    server: Server,
    site: Site,
    zone: Zone,
    _names: Names,
    network: Arc<Network>,
}

impl Internet {
    fn new(settings: &str) -> Self {
        let network = Network::new();
        let zone = Zone::new();
        zone.mx("home.test", 10, "mx.home.test").a("mx.home.test", Ipv4Addr::new(127, 0, 0, 2));
        zone.mx("away.test", 10, "mx.away.test").a("mx.away.test", Ipv4Addr::new(127, 0, 0, 3));
        let names = Names::serve_in(&network, &zone);
        let plan = Plan {
            listeners: LISTENERS,
            sections: SECTIONS,
            network: Some(Arc::clone(&network)),
            ..Plan::default()
        };
        let site = Site::new(&plan);
        let server = site.start();
        let postfix = Postfix::start(&network, "127.0.0.3", "mx.away.test", "away.test", settings);
        Self { postfix, server, site, zone, _names: names, network }
    }

    /// Hands a message to Postfix, as one of its own users does.
    fn give_postfix(&self, from: &str, to: &str, content: &[u8]) {
        let address = self.postfix.smtp();
        self.network.inside(|| {
            let mut dialog = Dialog::connect(address);
            dialog.expect(220);
            dialog.say("EHLO client.test", 250);
            dialog.say(&format!("MAIL FROM:<{from}> BODY=8BITMIME"), 250);
            dialog.say(&format!("RCPT TO:<{to}> NOTIFY=SUCCESS,FAILURE"), 250);
            dialog.content(content, 250);
        });
    }

    /// Submits a message to us, and tells its id.
    fn submit(&self, to: &str, notify: &str, content: &[u8]) -> String {
        self.network.inside(|| {
            let mut dialog = self.server.dial("submission/none");
            dialog.say("EHLO client.test", 250);
            dialog.login("ada@home.test", e2e::PASSWORD);
            dialog.say("MAIL FROM:<ada@home.test> BODY=8BITMIME ENVID=e1", 250);
            dialog.say(&format!("RCPT TO:<{to}> NOTIFY={notify}"), 250);
            dialog.content(content, 250)
        })
    }

    fn await_messages(&self, address: &str, count: usize) -> Vec<Vec<u8>> {
        self.network.inside(|| self.server.await_messages(address, count))
    }
}

fn cannot_run() -> bool {
    lacks(&["postfix", "unshare", "nsenter", "ip"]) || lacks_root()
}

#[test]
fn what_postfix_relays_to_us_arrives_octet_for_octet() {
    if cannot_run() {
        return;
    }
    let internet = Internet::new("");
    for (count, sent) in (1..).zip([odd("bob@home.test"), without_body("bob@home.test")]) {
        internet.give_postfix("eve@away.test", "bob@home.test", &sent);
        let messages = internet.await_messages("bob@home.test", count);
        let message = messages.last().expect("one");
        assert_same_below_trace(message, &sent);
        let received = field(message, "Received").expect("our trace field");
        assert!(received.starts_with("from mx.away.test ([127.0.0.3])"), "{received}");
        assert!(received.contains("by mx.home.test with ESMTP"), "{received}");
    }
    internet.site.verify();
}

#[test]
fn what_we_relay_to_postfix_arrives_octet_for_octet() {
    if cannot_run() {
        return;
    }
    let internet = Internet::new("");
    for (count, sent) in (1..).zip([odd("eve@away.test"), without_body("eve@away.test")]) {
        let id = internet.submit("eve@away.test", "FAILURE", &sent);
        let mail = internet.postfix.await_mail(count);
        let arrived = mail.iter().find(|message| message.ends_with(&with_lf(&sent)));
        let arrived = arrived.unwrap_or_else(|| {
            panic!("not as sent: {:?}", mail.last().map(|m| m.escape_ascii().to_string()))
        });
        assert_same_below_trace(arrived, &with_lf(&sent));
        let trace = until("the way in the trace", || {
            let trace = internet.site.trace(&id);
            trace.contains("mx.away.test").then_some(trace)
        });
        assert!(trace.contains("127.0.0.3"), "{trace}");
    }
    assert!(internet.site.json(&["queue", "list"]).is_empty(), "nothing waits any more");
}

#[test]
fn tls_is_used_both_ways_where_it_is_offered() {
    if cannot_run() || lacks(&["openssl"]) {
        return;
    }
    let keys = Folder::new();
    let (key, certificate) = (keys.text_path("key.pem"), keys.text_path("certificate.pem"));
    Run::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-subj", "/CN=mx.away.test", "-keyout", &key, "-out", &certificate])
        .succeed();
    let internet = Internet::new(&format!(
        "smtp_tls_security_level = encrypt\nsmtpd_tls_security_level = may\n\
         smtpd_tls_cert_file = {certificate}\nsmtpd_tls_key_file = {key}\n\
         smtpd_tls_received_header = yes\n"
    ));
    let sent = odd("bob@home.test");
    internet.give_postfix("eve@away.test", "bob@home.test", &sent);
    let messages = internet.await_messages("bob@home.test", 1);
    let message = messages.first().expect("one");
    assert_same_below_trace(message, &sent);
    let received = field(message, "Received").expect("our trace field");
    assert!(received.contains("with ESMTPS (TLSv1.3 "), "{received}");
    let sent = odd("eve@away.test");
    let id = internet.submit("eve@away.test", "FAILURE", &sent);
    // The other message there is our notice about the first letter.
    let has_arrived = |mail: &Vec<u8>| mail.ends_with(&with_lf(&sent));
    let arrived =
        until("the letter in Postfix", || internet.postfix.mail().into_iter().find(has_arrived));
    let received = field(&arrived, "Received").expect("Postfix's trace field");
    assert!(received.contains("using TLSv1.3") && received.contains("with ESMTPS"), "{received}");
    until("TLS in the trace", || internet.site.trace(&id).contains("TLSv1.3").then_some(()));
}

#[test]
fn a_host_with_broken_tls_gets_its_mail_all_the_same() {
    if cannot_run() || lacks(&["openssl"]) {
        return;
    }
    let keys = Folder::new();
    let (key, certificate) = (keys.text_path("key.pem"), keys.text_path("certificate.pem"));
    Run::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=mx.away.test"])
        .args(["-keyout", &key, "-out", &certificate])
        .succeed();
    // It offers STARTTLS and then knows nothing newer than TLS 1.1.
    let internet = Internet::new(&format!(
        "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {certificate}\n\
         smtpd_tls_key_file = {key}\nsmtpd_tls_protocols = TLSv1.1\n"
    ));
    internet.submit(
        "eve@away.test",
        "FAILURE",
        &plain("ada@home.test", "eve@away.test", "opportunistic"),
    );
    // RFC 7435: TLS that cannot be had is no reason to keep the letter.
    internet.postfix.await_mail(1);
    let log = internet.postfix.log();
    assert!(log.contains("SSL_accept error"), "TLS was tried: {log}");
}

#[test]
fn a_large_message_and_many_small_ones_go_both_ways() {
    if cannot_run() {
        return;
    }
    const MANY: usize = 30;
    let internet = Internet::new("");
    let large = |to: &str| {
        let lines = "0123456789.abcdefghijklmnopqrstuvwxyz\r\n.\r\n".repeat(100_000);
        [plain("ada@home.test", to, "large").as_slice(), lines.as_bytes()].concat()
    };
    internet.network.inside(|| {
        let mut author = internet.server.dial("submission/none");
        author.say("EHLO client.test", 250);
        author.login("ada@home.test", e2e::PASSWORD);
        author.transaction("ada@home.test", &["eve@away.test"], &large("eve@away.test"));
        for number in 0..MANY {
            let letter = plain("ada@home.test", "eve@away.test", &format!("number {number}"));
            author.transaction("ada@home.test", &["eve@away.test"], &letter);
        }
    });
    internet.give_postfix("eve@away.test", "bob@home.test", &large("bob@home.test"));
    for number in 0..MANY {
        let letter = plain("ada@home.test", "bob@home.test", &format!("number {number}"));
        // A null reverse-path: no success notice is to come back between the others.
        internet.give_postfix("", "bob@home.test", &letter);
    }
    let here = internet.await_messages("bob@home.test", MANY + 1);
    // And the notice that she asked for of the large one.
    let there = internet.postfix.await_mail(MANY + 2);
    let with_crlf: Vec<_> = there.iter().map(|message| e2e::letters::with_crlf(message)).collect();
    for (messages, to) in [(here, "bob@home.test"), (with_crlf, "eve@away.test")] {
        let arrived =
            |sent: &[u8]| messages.iter().filter(|message| message.ends_with(sent)).count();
        assert_eq!(arrived(&large(to)), 1, "{to}");
        for number in 0..MANY {
            let subject = format!("number {number}");
            assert_eq!(arrived(&plain("ada@home.test", to, &subject)), 1, "{to}: {subject}");
        }
    }
    until("an empty queue", || internet.site.json(&["queue", "list"]).is_empty().then_some(()));
    internet.site.verify();
}

#[test]
fn a_circle_through_both_of_us_ends_with_one_notice() {
    if cannot_run() {
        return;
    }
    let internet = Internet::new("virtual_alias_maps = inline:{round@away.test=round@home.test}\n");
    internet.site.posthouse(&["alias", "add", "round@home.test", "round@away.test"]).succeed();
    let letter = plain("ada@home.test", "round@home.test", "round and round");
    internet.submit("round@home.test", "FAILURE", &letter);
    let messages = internet.await_messages("ada@home.test", 1);
    let notice = String::from_utf8_lossy(messages.first().expect("one")).into_owned();
    assert!(notice.contains("Action: failed"), "{notice}");
    assert!(notice.contains("hop") || notice.contains("loop"), "RFC 5321 §6.3: {notice}");
    until("an empty queue", || internet.site.json(&["queue", "list"]).is_empty().then_some(()));
    assert_eq!(internet.site.messages("ada@home.test"), 1, "one letter, one notice");
}

#[test]
fn success_and_failure_at_postfix_are_told_to_our_author() {
    if cannot_run() {
        return;
    }
    let internet = Internet::new("virtual_mailbox_maps = inline:{eve@away.test=all/}");
    // Postfix knows no `nobody`, and says so at RCPT: the notice about that is ours.
    internet.submit(
        "nobody@away.test",
        "FAILURE",
        &plain("ada@home.test", "nobody@away.test", "to nobody"),
    );
    let messages = internet.await_messages("ada@home.test", 1);
    let notice = String::from_utf8_lossy(messages.first().expect("one")).into_owned();
    for words in [
        "Return-Path: <>\r\n",
        "Content-Type: multipart/report",
        "Reporting-MTA: dns; mx.home.test\r\n",
        "Original-Envelope-Id: e1\r\n",
        "Final-Recipient: rfc822; nobody@away.test\r\n",
        "Action: failed\r\n",
        "Status: 5.1.1\r\n",
        "Remote-MTA: dns; mx.away.test\r\n",
        "Diagnostic-Code: smtp; 550 5.1.1 ",
        "Subject: to nobody\r\n",
    ] {
        assert!(notice.contains(words), "{words:?} is not in:\n{notice}");
    }
    // Postfix takes the one to `eve`, delivers it and tells of success itself.
    internet.submit("eve@away.test", "SUCCESS", &plain("ada@home.test", "eve@away.test", "to eve"));
    internet.postfix.await_mail(1);
    let messages = internet.await_messages("ada@home.test", 2);
    let notice = String::from_utf8_lossy(messages.last().expect("two")).into_owned();
    for words in [
        "Return-Path: <>\r\n",
        "Reporting-MTA: dns; mx.away.test\r\n",
        "Action: delivered\r\n",
        "Original-Envelope-Id: e1\r\n",
    ] {
        assert!(notice.contains(words), "{words:?} is not in:\n{notice}");
    }
}

#[test]
fn our_success_notice_reaches_postfix_and_our_refusal_makes_it_write_one() {
    if cannot_run() {
        return;
    }
    let internet = Internet::new("");
    internet.give_postfix(
        "eve@away.test",
        "bob@home.test",
        &plain("eve@away.test", "bob@home.test", "to bob"),
    );
    internet.await_messages("bob@home.test", 1);
    let mail = internet.postfix.await_mail(1);
    let notice = String::from_utf8_lossy(mail.first().expect("one")).into_owned();
    for words in [
        "Return-Path: <>\n",
        "Reporting-MTA: dns; mx.home.test\n",
        "Final-Recipient: rfc822; bob@home.test\n",
        "Action: delivered\n",
    ] {
        assert!(notice.contains(words), "{words:?} is not in:\n{notice}");
    }
    internet.give_postfix(
        "eve@away.test",
        "nobody@home.test",
        &plain("eve@away.test", "nobody@home.test", "to nobody"),
    );
    let mail = internet.postfix.await_mail(2);
    let bounce = mail.iter().map(|mail| String::from_utf8_lossy(mail).into_owned());
    let bounce =
        bounce.into_iter().find(|mail| mail.contains("Action: failed")).expect("a failure notice");
    assert!(bounce.contains("550 5.1.1"), "our words are in it:\n{bounce}");
}

#[test]
fn mail_waits_for_dns_and_for_the_host() {
    if cannot_run() {
        return;
    }
    let internet = Internet::new("");
    internet.zone.trouble_next("away.test", dns::Trouble::ServFail, 3);
    internet.submit(
        "eve@away.test",
        "FAILURE",
        &plain("ada@home.test", "eve@away.test", "patience"),
    );
    internet.postfix.await_mail(1);
    until("an empty queue", || internet.site.json(&["queue", "list"]).is_empty().then_some(()));
    assert_eq!(
        internet.site.messages("ada@home.test"),
        0,
        "D01: a failing DNS server bounces nothing"
    );
}

#[test]
fn a_domain_that_takes_no_mail_is_told_at_once() {
    if cannot_run() {
        return;
    }
    let internet = Internet::new("");
    internet.zone.mx("nomail.test", 0, ".");
    internet.submit(
        "x@nomail.test",
        "FAILURE",
        &plain("ada@home.test", "x@nomail.test", "null MX"),
    );
    internet.submit(
        "x@nowhere.test",
        "FAILURE",
        &plain("ada@home.test", "x@nowhere.test", "no such domain"),
    );
    let messages = internet.await_messages("ada@home.test", 2);
    let text = messages.iter().map(|message| String::from_utf8_lossy(message)).collect::<String>();
    assert!(text.contains("Status: 5.1.10\r\n"), "D02: RFC 7505 §4.2: {text}");
    assert!(text.contains("Status: 5.1.2\r\n"), "D02: RFC 3463 §3.2: {text}");
}
