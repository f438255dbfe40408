//! Domains whose mail we take from anybody, only to hand it on.

use std::sync::Arc;
use std::time::Duration;

use dns::Zone;
use envelope::Domain;
use store::DomainRelay;
use store::RecipientState::{self, Accepted, Deferred, Failed};

use crate::hosts::{Net, last_words};
use crate::peer::{CUT, Rule, on};

const LATER: Duration = Duration::from_secs(3600);
const LETTER: &str = "Subject: hello\r\n\r\nDear Bob\r\n";

/// Rules of a server with preference 2 or more, our preference, what becomes of a letter, in which
/// words, why.
type Row<'a> = (Option<&'a [Rule]>, Option<u16>, RecipientState, &'a str, &'a str);

/// Our own MX record of a domain.
fn we(zone: &Arc<Zone>, domain: &str, preference: u16) {
    zone.mx(domain, preference, "mx.a.test");
}

#[tokio::test]
async fn a_backup_hands_on_to_better_servers_only() {
    #[rustfmt::skip]
    let rows: [Row<'_>; 5] = [
        (Some(&[]), Some(100), Accepted, "250 taken", "the better one takes it"),
        (Some(&[on("CONNECT", CUT)]), Some(100), Deferred, "closed", "it is down: the backup waits for it"),
        (Some(&[]), Some(1), Failed, "no better mail server than this one, its backup", "RFC 5321 §5.1: worse than we"),
        (None, Some(10), Failed, "no better mail server than this one, its backup", "we are the only one"),
        (Some(&[]), None, Accepted, "250 taken", "we are no longer listed: all are better"),
    ];
    let mut net = Net::new(LATER).await;
    for (number, (rules, own, wanted, words, why)) in rows.into_iter().enumerate() {
        let domain = format!("b{number}.test");
        let name = Domain::parse(&domain).unwrap();
        net.a.directory.relay_domain(name, DomainRelay::BackupMx).await.unwrap();
        let peer = match rules {
            Some(rules) => Some(net.peer(&domain, rules).await),
            None => None,
        };
        if let Some(own) = own {
            we(&net.zone, &domain, own);
        }
        let mut stranger = net.a.stranger().await;
        let to = format!("<bob@{domain}>");
        let id = stranger.submit("MAIL FROM:<x@else.test>", &[&to], LETTER).await;
        let view = net.a.wait_for(id.expect(why), &[wanted]).await;
        let found = last_words(&view);
        assert!(found.contains(words), "{why}: {found}");
        drop(peer);
    }
}

#[tokio::test]
async fn a_domain_with_a_route_goes_there_and_nowhere_else() {
    let mut net = Net::new(LATER).await;
    let inside = net.peer("inside.test", &[]).await;
    let by_mx = net.peer("b.test", &[]).await;
    let domain = |text: &str| Domain::parse(text).unwrap();
    let own = net.a.smtp;
    let to =
        |at: std::net::SocketAddr| DomainRelay::Route { host: at.ip().into(), port: at.port() };
    net.a.directory.relay_domain(domain("b.test"), to(inside.address)).await.unwrap();
    net.a.directory.relay_domain(domain("loop.test"), to(own)).await.unwrap();
    let mut stranger = net.a.stranger().await;
    let mail = "MAIL FROM:<x@else.test>";
    let id = stranger.submit(mail, &["<bob@b.test>"], LETTER).await.unwrap();
    net.a.wait_for(id, &[Accepted]).await;
    assert_eq!((inside.times("RCPT"), by_mx.times("RCPT")), (1, 0), "not to its MX");
    let id = stranger.submit(mail, &["<bob@loop.test>"], LETTER).await.unwrap();
    let view = net.a.wait_for(id, &[Deferred]).await;
    assert!(last_words(&view).contains("leads to this server itself"), "{}", last_words(&view));
    let refused = stranger.submit(mail, &["<bob@c.test>"], LETTER).await.unwrap_err();
    assert!(refused.starts_with("550 5.7.1"), "others' mail is not relayed: {refused}");
    let refused = net.a.directory.add_accounts(vec!["x@b.test".parse().unwrap()], None, None, None);
    let refused = refused.await.unwrap_err().to_string();
    assert!(refused.contains("is handed on (route to 127.0.1."), "{refused}");
}
