//! Greylisting: who was never here comes again, by a clock that only the test moves.

use std::time::Duration;

use mta::policy::{Greylist, PolicyConfig};
use store::RecipientPattern;

use crate::policy::{Office, checks};
use crate::support::address;

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

fn rules() -> PolicyConfig {
    let greylist = Greylist {
        delay: Duration::from_secs(5 * MINUTE),
        exempt: vec![RecipientPattern::Address(address("bob@a.test"))],
        ..Greylist::default()
    };
    PolicyConfig {
        exempt: vec!["198.51.100.128/25".parse().expect("a network")],
        greylist: Some(greylist),
        ..PolicyConfig::default()
    }
}

/// A letter from somewhere; the reply to its recipient, or to its content where that was taken.
async fn bring(office: &Office, peer: &str, sender: &str, recipient: &str) -> String {
    let mut client = office.connect(peer);
    let mail = format!("MAIL FROM:<{sender}>");
    let rcpt = format!("RCPT TO:<{recipient}>");
    let reply = client.all(&["", "EHLO else.test", &mail, &rcpt]).await;
    if !reply.starts_with("250") {
        return reply;
    }
    client.all(&["DATA", "\r\nHi\r\n."]).await
}

#[tokio::test]
async fn who_was_never_here_comes_again() {
    let office = Office::open(rules()).await;
    let (x, ada) = ("x@else.test", "ada@a.test");
    let first = "451 4.7.1 Greylisted: mail from new places is taken at the second try; please \
                 try again in 5 minutes";
    let again = "recipient greylist: it came again after 5 minutes 1 second; 192.0.2.0/24 is \
                 known now";
    let known = "recipient greylist: 192.0.2.0/24 is known: it came again before";
    let exempt = "connect exempt: no rule concerns clients in 198.51.100.128/25";
    let nobody = "recipient greylist: bob@a.test waits for nobody";
    // Seconds since the row before, peer, sender, recipient, the reply or the event, why.
    #[rustfmt::skip]
    let rows = [
        (0, "192.0.2.1", x, ada, first, "RFC 6647 §2.4: not seen before"),
        (4 * MINUTE, "192.0.2.2", x, ada, "please try again in 1 minute", "too early, from a neighbour"),
        (0, "198.51.100.7", x, ada, "in 5 minutes", "another network"),
        (0, "192.0.2.1", "y@else.test", ada, "in 5 minutes", "another letter"),
        (61, "192.0.2.2", "X@else.test", "ADA@a.test", again, "RFC 6647 §5, no. 5: the network counts"),
        (0, "192.0.2.3", "z@else.test", ada, known, "RFC 6647 §5, no. 1: then all further traffic"),
        (0, "203.0.113.9", x, ada, "", "RFC 6647 §5, no. 7: who may relay"),
        (0, "198.51.100.200", x, ada, exempt, "RFC 6647 §5, no. 6: networks that bypass"),
        (0, "198.51.100.7", x, "bob@a.test", nobody, "RFC 6647 §2.7: a recipient of ours"),
        (0, "198.51.100.7", "", ada, "in 5 minutes", "notices are letters, too"),
        (0, "198.51.100.7", x, "nobody@a.test", "550 5.1.1", "what is refused for good is not put off"),
        (DAY, "198.51.100.7", x, ada, first, "RFC 6647 §5, no. 2: later than the range is new"),
        (34 * DAY, "192.0.2.1", "w@else.test", ada, known, "no. 3: mail keeps it known"),
        (35 * DAY, "192.0.2.1", "w@else.test", ada, known, "and again"),
        (37 * DAY, "192.0.2.1", "w@else.test", ada, first, "no. 3: no mail for long"),
    ];
    for (wait, peer, sender, recipient, wanted, why) in rows {
        office.clock.step(Duration::from_secs(wait));
        let reply = bring(&office, peer, sender, recipient).await;
        let told =
            if reply.starts_with("250") { checks(&office, &reply).await.join("; ") } else { reply };
        assert!(told.contains(wanted), "{peer} {sender} {recipient}: {why}: {told}");
        assert_eq!(told.is_empty(), wanted.is_empty(), "{why}: {told}");
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_keeps_nobody_out() {
    let office = Office::open(rules()).await;
    let letter = ("192.0.2.1", "x@else.test", "ada@a.test");
    let bring = async || bring(&office, letter.0, letter.1, letter.2).await;
    office.clock.set(platform::Timestamp::from_seconds(1_800_032_400));
    assert!(bring().await.contains("in 5 minutes"), "the first time");
    office.clock.set(platform::Timestamp::from_seconds(1_800_000_000));
    assert!(bring().await.contains("in 5 minutes"), "it lies ahead: begun anew");
    office.clock.step(Duration::from_secs(5 * MINUTE));
    assert!(bring().await.starts_with("250"), "not only after nine hours");
}

#[tokio::test]
async fn several_recipients_wait_once() {
    let office = Office::open(rules()).await;
    let mut client = office.connect("192.0.2.1");
    let both = ["RCPT TO:<ada@a.test>", "RCPT TO:<postmaster@a.test>"];
    client.all(&["", "EHLO else.test", "MAIL FROM:<x@else.test>"]).await;
    for rcpt in both {
        assert!(client.say(rcpt).await.starts_with("451 4.7.1"), "{rcpt}");
    }
    assert!(client.say("DATA").await.starts_with("554"), "RFC 5321 §3.3: nobody is left");
    office.clock.step(Duration::from_secs(5 * MINUTE));
    client.all(&["RSET", "MAIL FROM:<x@else.test>"]).await;
    for rcpt in both {
        assert!(client.say(rcpt).await.starts_with("250"), "{rcpt}");
    }
}

#[tokio::test]
async fn while_the_store_is_down_nobody_is_refused_for_good() {
    let down = "451 4.3.0 We cannot look up what we need to decide";
    #[rustfmt::skip]
    let rows = [
        (Some(Greylist::default()), None, down, "greylisting does not know who came"),
        (None, Some(5000), down, "nor is known how full the mailbox is"),
        (None, None, "451 4.3.0 Could not store the message safely", "nor is there a place for it"),
    ];
    for (greylist, quota, wanted, why) in rows {
        let office = Office::open(PolicyConfig { greylist, ..PolicyConfig::default() }).await;
        office.directory().set_quota(&address("ada@a.test"), quota).await.unwrap();
        office.close_store();
        let reply = bring(&office, "192.0.2.1", "x@else.test", "ada@a.test").await;
        assert!(reply.starts_with(wanted), "{why}: {reply}");
        let reply = bring(&office, "192.0.2.1", "x@else.test", "nobody@a.test").await;
        assert!(reply.starts_with("550 5.1.1"), "what is known without it is told: {reply}");
    }
}
