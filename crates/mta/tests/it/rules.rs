//! The operator's rules about mail that leaves.

use std::sync::Arc;
use std::time::Duration;

use dns::Zone;
use envelope::{Domain, ReversePath};
use mta::policy::Rate;
use mta::rules::{DomainPattern, Rule, SenderPattern, TlsRule, Way};
use mta::{NextHop, QueueConfig, Route};
use store::RecipientState::{Accepted, Deferred};
use store::{Happening, SubmissionView};

use crate::peer::{Peer, on};
use crate::support::{Ports, System, Wishes};

const LETTER: &str = "From: ada@a.test\r\nSubject: hello\r\n\r\nDear Bob\r\n";
const WITH_TLS: &str = "250-peer.test\r\n250-8BITMIME\r\n250 STARTTLS";

fn rule(name: &str, to: &[&str], from: &[&str]) -> Rule {
    Rule {
        name: name.to_owned(),
        to: to.iter().map(|text| DomainPattern::parse(text).unwrap()).collect(),
        from: from.iter().map(|text| SenderPattern::parse(text).unwrap()).collect(),
        way: None,
        tls: None,
        concurrency: None,
        rate: None,
        bind: Vec::new(),
    }
}

/// A system with rules, and a server that all domains named `bN.test` have.
async fn with_rules(peer: &Peer, rules: Vec<Rule>) -> System {
    let zone = Arc::new(Zone::new());
    for number in 0..5 {
        zone.mx(&format!("b{number}.test"), 10, "mx.b.test");
    }
    zone.a("mx.b.test", [127, 0, 0, 1].into());
    let queue = QueueConfig { retry: vec![Duration::from_secs(3600)], ..QueueConfig::default() };
    let outbound_port = peer.address.port();
    let wishes = Wishes { zone, queue, outbound_port, rules, ..Wishes::default() };
    System::start("a.test", &["ada", "eve"], Ports::bind().await, wishes).await
}

/// The reasons of a submission's routing and attempts.
fn reasons(view: &SubmissionView) -> Vec<String> {
    let about = |happening: &Happening| {
        matches!(happening, Happening::Routed { .. } | Happening::Attempted { .. })
    };
    let events = view.events.iter().filter(|event| about(&event.event.happening));
    events.map(|event| event.event.reason.clone()).collect()
}

#[tokio::test]
async fn a_rule_sends_some_mail_another_way_and_says_so() {
    let any = "127.0.0.1:0".parse().unwrap();
    let (usual, other) = (Peer::start(any, &[]).await, Peer::start(any, &[]).await);
    let route = Route { host: "127.0.0.1".to_owned(), port: other.address.port() };
    let by_sender = Rule {
        way: Some(Way::Route(NextHop::Smtp(route.clone()))),
        ..rule("rule 1 (from eve)", &[], &["eve@a.test"])
    };
    let by_domain = Rule {
        way: Some(Way::Route(NextHop::Smtp(route))),
        ..rule("rule 2 (to b3)", &["*.test"], &["a.test"])
    };
    let by_mx = Rule { way: Some(Way::Exchangers), ..rule("rule 1b", &["b1.test"], &[]) };
    let a = with_rules(&usual, vec![by_mx, by_sender, by_domain]).await;
    #[rustfmt::skip]
    let rows = [
        ("ada@a.test", "<bob@b1.test>", (1, 0), "by rule 1b", "the first that matches: by MX"),
        ("eve@a.test", "<bob@b2.test>", (0, 1), "by rule 1 (from eve)", "a sender's rule"),
        ("ada@a.test", "<bob@b2.test>", (0, 1), "by rule 2 (to b3)", "a wildcard"),
    ];
    let mut before = (0, 0);
    for (sender, to, (more, more_other), wanted, why) in rows {
        let mut author = a.author(sender).await;
        let mail = format!("MAIL FROM:<{sender}>");
        let letter = LETTER.replace("ada@a.test", sender);
        let id = author.submit(&mail, &[to], &letter).await.unwrap();
        let view = a.wait_for(id, &[Accepted]).await;
        before = (before.0 + more, before.1 + more_other);
        assert_eq!((usual.times("content: "), other.times("content: ")), before, "{why}");
        let reasons = reasons(&view);
        assert_eq!(reasons.len(), 2, "{why}: {reasons:?}");
        assert!(reasons.iter().all(|reason| reason.ends_with(wanted)), "{why}: {reasons:?}");
    }
}

#[tokio::test]
async fn a_rule_asks_for_tls_or_forbids_it() {
    #[rustfmt::skip]
    let rows = [
        (Some(TlsRule::Required), "250 peer.test", Deferred, 0, 0, "not offered: nothing is sent"),
        (Some(TlsRule::Required), WITH_TLS, Deferred, 1, 0, "it fails: nothing is sent"),
        (Some(TlsRule::Never), WITH_TLS, Accepted, 0, 1, "not even tried"),
        (Some(TlsRule::Opportunistic), WITH_TLS, Accepted, 1, 1, "RFC 7435: in clear"),
    ];
    for (tls, ehlo, wanted, tried, sent, why) in rows {
        let rules = [on("EHLO", ehlo), on("STARTTLS", "220 go")];
        let peer = Peer::start("127.0.0.1:0".parse().unwrap(), &rules).await;
        let a = with_rules(&peer, vec![Rule { tls, ..rule("rule 1", &["b1.test"], &[]) }]).await;
        let mut author = a.author("ada@a.test").await;
        let id = author.submit("MAIL FROM:<ada@a.test>", &["<x@b1.test>"], LETTER).await.unwrap();
        let view = a.wait_for(id, &[wanted]).await;
        assert_eq!((peer.times("STARTTLS"), peer.times("content: ")), (tried, sent), "{why}");
        if wanted == Deferred {
            let last = &view.events.last().unwrap().event.reason;
            assert!(last.contains("TLS") || last.contains("secure"), "{why}: {last}");
        }
    }
}

#[tokio::test]
async fn a_rate_makes_what_is_too_much_wait_and_says_why() {
    let peer = Peer::start("127.0.0.1:0".parse().unwrap(), &[]).await;
    let hour = Duration::from_secs(3600);
    let rate = Some(Rate { count: 2, per: hour });
    let slow = Rule { rate, concurrency: Some(1), ..rule("rule 1", &["b1.test"], &[]) };
    let a = with_rules(&peer, vec![slow]).await;
    let mut author = a.author("ada@a.test").await;
    let mut send =
        async |to: &str| author.submit("MAIL FROM:<ada@a.test>", &[to], LETTER).await.unwrap();
    for _ in 0..2 {
        let id = send("<bob@b1.test>").await;
        a.wait_for(id, &[Accepted]).await;
    }
    let third = send("<bob@b1.test>").await;
    let view = a.wait_for(third, &[Deferred]).await;
    let last = view.events.last().unwrap();
    let wanted =
        "it waits for its turn at b1.test: at most 2 messages go there in 3600 s, by rule 1";
    assert_eq!(last.event.reason, wanted);
    let recipient = &view.summary.recipients[0];
    assert_eq!(recipient.attempts, 0, "nothing was tried");
    let pause = recipient.due.unwrap().0 - last.event.at.0;
    assert!((1_790_000..=1_801_000).contains(&pause), "half an hour each: {pause} ms");
    let standing = a.mta.standing(&ReversePath::NULL, &Domain::parse("b1.test").unwrap()).unwrap();
    assert_eq!(standing.limit, 1, "one at a time");
    assert!(standing.pace.is_some_and(|(_, next)| next > hour / 3));
    let other = send("<bob@b2.test>").await;
    a.wait_for(other, &[Accepted]).await;
    assert_eq!(peer.times("content: "), 3, "others go on");
}
