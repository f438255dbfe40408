//! Whoever sends much, or to one place, holds up nobody else.

use std::sync::Arc;
use std::time::Duration;

use dns::{Trouble, Zone};
use envelope::{Recipient, ReversePath};
use mta::QueueConfig;
use platform::{Clock, SystemClock};
use store::RecipientState::Deferred;
use store::{
    Accept, Content, IdSource, NewFate, NewRecipient, Origin, OriginKind, Store, UnixMillis,
};

use crate::peer::Peer;
use crate::support::{Ports, System, Wishes, address};

const LETTER: &str = "From: ada@a.test\r\nSubject: hello\r\n\r\nDear Bob\r\n";

/// A letter that waits, put into the store as a session would.
async fn waits(store: &Arc<dyn Store>, ids: &IdSource, from: &str, to: &str) {
    let at = UnixMillis(SystemClock.now().millis());
    let recipient = NewRecipient {
        recipient: Recipient::new(address(to)),
        expanded_from: None,
        fate: NewFate::Queue { due: at },
    };
    let content = format!("From: {from}\r\nTo: {to}\r\n\r\nHello\r\n");
    let accept = Accept {
        id: ids.next(at, 7),
        at,
        origin: Origin::of(OriginKind::Reception),
        reverse_path: ReversePath::from(address(from)),
        ret: None,
        envelope_id: None,
        body: envelope::BodyType::SevenBit,
        message_id: None,
        content: Content::from(content.into_bytes()),
        terms: store::Terms::default(),
        recipients: vec![recipient],
        copies: Vec::new(),
        events: Vec::new(),
        notes: Vec::new(),
        notices: Vec::new(),
    };
    store.accept(accept).await.unwrap();
}

#[tokio::test]
async fn a_flood_of_one_sender_delays_anothers_message_by_its_share_only() {
    const FLOOD: usize = 300;
    let zone = Arc::new(Zone::new());
    let peer = Peer::start("127.0.0.1:0".parse().unwrap(), &[]).await;
    zone.a("mx.b.test", [127, 0, 0, 1].into());
    let queue = QueueConfig { attempts_max: 5, ..QueueConfig::default() };
    let wishes = Wishes {
        zone: Arc::clone(&zone),
        queue,
        outbound_port: peer.address.port(),
        ..Wishes::default()
    };
    let mut a = System::start("a.test", &["ada"], Ports::bind().await, wishes).await;
    a.stop_queue();
    let ids = IdSource::default();
    for number in 0..FLOOD {
        // Half to one destination, half to one each.
        let domain = match number % 2 {
            0 => "b.test".to_owned(),
            _ => format!("b{number}.test"),
        };
        zone.mx(&domain, 10, "mx.b.test");
        waits(&a.store, &ids, "flood@a.test", &format!("r@{domain}")).await;
    }
    waits(&a.store, &ids, "ada@a.test", "bob@b.test").await;
    a.start_queue();
    peer.wait_for("content: \r\nFrom: ada@a.test").await;
    let before = peer.times("content: \r\nFrom: flood@a.test");
    // Twenty jobs are in hand at a time, and every second turn is hers.
    assert!(before <= 20, "{before} of the flood went before her one");
}

#[tokio::test]
async fn a_domain_whose_dns_fails_is_not_asked_for_each_message() {
    let zone = Arc::new(Zone::new());
    zone.trouble("b.test", Some(Trouble::ServFail));
    let queue = QueueConfig { retry: vec![Duration::from_secs(3600)], ..QueueConfig::default() };
    let wishes = Wishes { zone, queue, ..Wishes::default() };
    let a = System::start("a.test", &["ada"], Ports::bind().await, wishes).await;
    let mut author = a.author("ada@a.test").await;
    for (words, why) in [
        ("Looking up the mail servers of b.test failed", "the first one finds out"),
        ("b.test is left alone for a while: Looking up", "RFC 5321 §4.5.4.1: the next one knows"),
    ] {
        let id = author.submit("MAIL FROM:<ada@a.test>", &["<bob@b.test>"], LETTER).await.unwrap();
        let view = a.wait_for(id, &[Deferred]).await;
        let reason = &view.events.last().unwrap().event.reason;
        assert!(reason.starts_with(words), "{why}: {reason}");
    }
}
