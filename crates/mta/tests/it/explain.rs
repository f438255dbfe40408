//! What would become of a message: told by the session that would take it, and without a trace.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use envelope::{Address, Domain, ReversePath};
use mta::policy::{
    Greylist, HelloRules, NameForm, OwnName, PolicyConfig, Rate, Rates, SenderDomain,
};
use mta::reception::Service;
use mta::reception::explain::Question;
use store::{Alias, AliasKey, DomainRelay};

use crate::policy::Office;
use crate::support::address;

const STRANGER: &str = "198.51.100.7";

async fn explain(office: &Office, peer: &str, from: &str, to: &[&str], text: &str) -> String {
    let relay_from = vec!["203.0.113.0/24".parse().unwrap()];
    let reception = office.reception(Service::Smtp { relay_from });
    let question = Question {
        peer: peer.parse().unwrap(),
        hello: "mail.else.test".to_owned(),
        reverse_path: match from {
            "" => ReversePath::NULL,
            from => ReversePath::from(address(from)),
        },
        recipients: to.iter().map(|to| Address::parse(to).unwrap()).collect(),
        content: (!text.is_empty()).then(|| Bytes::copy_from_slice(text.as_bytes())),
    };
    let mut told = String::new();
    for step in reception.explain(&question).await {
        let about = step.about.map(|about| format!(" {about}")).unwrap_or_default();
        told.push_str(&format!("{}{about} {}: {}\n", step.stage, step.outcome.name(), step.text));
    }
    told
}

async fn office() -> Office {
    let office = Office::open(PolicyConfig {
        greeting_delay: Duration::from_secs(2),
        hello: HelloRules { own_name: OwnName::Refused, form: NameForm::Full },
        sender_domain: SenderDomain::TakesMail,
        greylist: Some(Greylist::default()),
        rates: Rates {
            connections: Some(Rate { count: 1, per: Duration::from_secs(3600) }),
            ..Rates::default()
        },
        ..PolicyConfig::default()
    })
    .await;
    let zone = &office.zone;
    let public = |last| Ipv4Addr::new(192, 0, 3, last);
    zone.mx("else.test", 10, "mx.else.test").a("mx.else.test", public(1));
    zone.mx("b.test", 10, "mx1.b.test").mx("b.test", 20, "mx.a.test").a("mx1.b.test", public(2));
    let directory = office.directory();
    let lead = |from: &str, to: &[&str]| Alias {
        key: AliasKey::Address(address(from)),
        targets: to.iter().map(|to| address(to)).collect(),
        owner: None,
    };
    directory.set_alias(lead("both@a.test", &["ada@a.test", "x@else.test"])).await.unwrap();
    let backup = Domain::parse("b.test").unwrap();
    directory.relay_domain(backup, DomainRelay::BackupMx).await.unwrap();
    directory.set_quota(&address("bob@a.test"), Some(5000)).await.unwrap();
    office
}

#[tokio::test]
async fn every_stage_tells_why() {
    let office = office().await;
    let to = ["both@a.test", "bob@a.test", "nobody@a.test", "x@b.test", "x@far.test"];
    let told = explain(&office, "203.0.113.9", "ann@else.test", &to, "").await;
    let wanted = "\
connect noted: 203.0.113.9 may send to anybody: it is in relay_from
connect accepted: 220 mx.a.test ESMTP Posthouse
hello accepted: 250 mx.a.test
sender accepted: 250 2.1.0 Sender ok
recipient both@a.test accepted: 250 2.1.5 Recipient ok
recipient bob@a.test accepted: 250 2.1.5 Recipient ok
recipient nobody@a.test refused: 550 5.1.1 There is no mailbox nobody@a.test here
recipient x@b.test accepted: 250 2.1.5 Recipient ok
recipient x@far.test accepted: 250 2.1.5 Recipient ok
delivery ada@a.test accepted: it goes into INBOX of ada@a.test, a target of alias both@a.test
queue x@else.test accepted: it goes into the queue, and on from both@a.test with the reverse-path \
<SRS0=VH7D2OFE=LB=else.test=ann@a.test>
delivery bob@a.test accepted: it goes into INBOX of bob@a.test, which holds 0 of 5000 octets
queue x@b.test accepted: it goes into the queue, and on from there
queue x@far.test accepted: it goes into the queue, and on from there
route b.test noted: we take its mail to hand it on: backup MX
route b.test accepted: tried there: mx1.b.test (192.0.3.2:25)
route else.test accepted: tried there: mx.else.test (192.0.3.1:25)
route far.test refused: 5.1.2 The domain far.test does not exist
queue noted: what can be tried again is, after 1 minute, 5 minutes, 15 minutes, 1 hour, 2 hours, \
4 hours and so on, and given up after 5 days
";
    assert_eq!(told, wanted);
}

#[tokio::test]
async fn a_stranger_is_told_each_rule() {
    let office = office().await;
    let to = ["ada@a.test", "x@far.test"];
    let told = explain(&office, STRANGER, "ann@else.test", &to, "Subject: x\r\n\r\nHi\r\n").await;
    let wanted = "\
connect noted: 198.51.100.7 is a stranger: it may send to domains that we take mail for
connect noted: early-talker: the client waited for the greeting
connect accepted: 220 mx.a.test ESMTP Posthouse
hello noted: hello-name: a full name
hello accepted: 250 mx.a.test
sender noted: sender-domain: else.test has mail servers
sender accepted: 250 2.1.0 Sender ok
recipient ada@a.test deferred: 451 4.7.1 Greylisted: mail from new places is taken at the second \
try; please try again in 1 minute
recipient x@far.test refused: 550 5.7.1 We do not relay to x@far.test: far.test is not ours; \
authors use the submission port with a login
";
    assert_eq!(told, wanted);
}

#[tokio::test]
async fn content_is_looked_at_as_if_it_came() {
    let office = office().await;
    let circles = "Received: x\r\n".repeat(101) + "\r\nHi\r\n";
    let big = format!("\r\n{}", "x\r\n".repeat(2000));
    let peer = "203.0.113.9";
    #[rustfmt::skip]
    let rows = [
        ("ada@a.test", "Subject: x\r\n\r\n.Hi", "content accepted: it is taken: 250 2.0.0 Ok: delivered", "all is well"),
        ("x@b.test", "\r\nHi\r\n", "content accepted: it is taken: 250 2.0.0 Ok: queued", "to others"),
        ("ada@a.test", &circles, "content refused: 554 5.4.6", "RFC 5321 §6.3"),
        ("ada@a.test", "a: b\r\n\r\nHi\nthere\r\n", "content refused: 5", "S1: a bare LF"),
        ("bob@a.test", &big, "recipient bob@a.test refused: 552 5.2.2", "larger than the mailbox"),
        ("nobody@a.test", "\r\nHi\r\n", "recipient nobody@a.test refused: 550 5.1.1", "nobody is left to take it"),
    ];
    for (to, content, wanted, why) in rows {
        let told = explain(&office, peer, "ann@else.test", &[to], content).await;
        assert!(told.contains(wanted), "{why}: {told}");
        assert_eq!(told.contains("\ncontent"), wanted.starts_with("content"), "{why}: {told}");
    }
}

#[tokio::test]
async fn nothing_comes_of_it() {
    let office = office().await;
    let before = office.store.counters();
    for _ in 0..3 {
        let told = explain(&office, STRANGER, "ann@else.test", &["ada@a.test"], "\r\nHi\r\n").await;
        assert!(told.contains("Greylisted"), "never remembered: {told}");
        assert!(!told.contains("Too many"), "never counted: {told}");
        explain(&office, "203.0.113.9", "", &["ada@a.test"], "\r\nHi\r\n").await;
    }
    assert_eq!(office.store.counters(), before, "no commit");
    assert!(
        office
            .store
            .queue(store::QueueFilter { settled: true, ..store::QueueFilter::default() })
            .await
            .unwrap()
            .is_empty(),
        "no submission"
    );
    // And what was counted for others is told.
    assert!(office.connect(STRANGER).say("").await.starts_with("220"));
    let told = explain(&office, STRANGER, "ann@else.test", &["ada@a.test"], "").await;
    assert!(told.contains("connect deferred: 421 4.7.1 Too many connections"), "{told}");
}
