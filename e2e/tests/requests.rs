//! What authors ask of the transfer, by Python's smtplib: a letter for later, one that is urgent.
//!
//! Standards: RFC 4865 (FUTURERELEASE), RFC 6710 (MT-PRIORITY), RFC 2852 (DELIVERBY).
//! Not here: what servers ask each other (crate `mta`'s tests).

use e2e::letters::field;

use e2e::{PASSWORD, Plan, Run, Site, lacks};

/// Submits a letter for a few seconds later, an urgent one, and what must be refused.
const SUBMIT: &str = r#"
import os, smtplib, ssl
user, password = os.environ["USER_ADDRESS"], os.environ["PASSWORD"]
tls = ssl.create_default_context(cafile=os.environ["CA"])
letter = "From: %s\r\nTo: bob@home.test\r\nSubject: %s\r\n\r\nHello\r\n"
with smtplib.SMTP_SSL("localhost", int(os.environ["IMPLICIT"]), context=tls) as client:
    client.ehlo("python.test")
    client.login(user, password)
    client.ehlo("python.test")
    interval, until = client.esmtp_features["futurerelease"].split()
    assert interval == "86400" and until.endswith("Z"), client.esmtp_features
    assert client.esmtp_features["mt-priority"] == "MIXER", client.esmtp_features
    assert client.esmtp_features["deliverby"] == "60", client.esmtp_features
    bob = ["bob@home.test"]
    client.sendmail(user, bob, letter % (user, "later"), ["HOLDFOR=10", "BY=600;R"])
    client.sendmail(user, bob, letter % (user, "urgent"), ["MT-PRIORITY=4"])
    for option in ["HOLDFOR=86401", "HOLDUNTIL=2999-01-01T00:00:00Z", "BY=-1;R", "MT-PRIORITY=12"]:
        try:
            client.sendmail(user, bob, letter % (user, "never"), [option])
        except smtplib.SMTPSenderRefused as refusal:
            assert refusal.smtp_code == 501, (option, refusal)
        else:
            raise AssertionError(option + " was taken")
"#;

#[test]
fn smtplib_sends_a_letter_for_later_and_an_urgent_one() {
    if lacks(&["python3"]) {
        return;
    }
    let site = Site::new(&Plan { sections: "[queue]\nhold_max = \"1d\"\n", ..Plan::default() });
    let server = site.start();
    Run::new("python3")
        .args(["-c", SUBMIT])
        .env("CA", &site.ca())
        .env("USER_ADDRESS", "ada@home.test")
        .env("PASSWORD", PASSWORD)
        .env("IMPLICIT", &server.port("submission/implicit"))
        .succeed();
    let queue = site.json(&["queue", "list"]);
    let [waits] = queue.as_slice() else { panic!("one letter waits: {queue:?}") };
    let released_at = waits["released_at"].as_str().expect("a time").to_owned();
    assert_eq!(waits["recipients"][0]["next_attempt"], waits["released_at"]);
    assert!(waits["deliver_by"].is_string(), "{waits}");
    let id = waits["id"].as_str().expect("an id").to_owned();
    let shown = site.posthouse(&["queue", "show", &id]).succeed().output();
    assert!(shown.contains(&format!("released at {released_at}")), "{shown}");
    let retried = site.posthouse(&["queue", "retry", &id]).finish();
    assert_eq!(retried.code, Some(1), "nobody releases it early: {}", retried.words());
    let messages = server.await_messages("bob@home.test", 1);
    assert_eq!(field(&messages[0], "Subject").as_deref(), Some("urgent"), "RFC 4865 §4.2");
    let trace = field(&messages[0], "Received").expect("a trace");
    assert!(trace.contains("PRIORITY 4;"), "RFC 6710 §4.1: {trace}");
    let messages = server.await_messages("bob@home.test", 2);
    assert_eq!(field(&messages[1], "Subject").as_deref(), Some("later"));
    site.verify();
}
