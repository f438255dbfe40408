//! Standing orders: what is held, to whom nothing is sent; and mail that is sent another way.

use std::time::Duration;

use envelope::Domain;
use mta::QueueConfig;
use store::RecipientState::{Accepted, Deferred, Delivered, Failed, Held};
use store::{
    FixedRoute, Happening, NewHoldRule, RecipientPattern, SenderPattern, Steer, SteerAction,
    SubmissionId, Suppression, UnixMillis,
};

use crate::hosts::{Net, last_words};
use crate::peer::{Peer, on};
use crate::support::address;

const LETTER: &str = "From: ada@a.test\r\nSubject: hello\r\n\r\nDear Bob\r\n";
const HOUR: Duration = Duration::from_secs(3600);
const MAIL: &str = "MAIL FROM:<ada@a.test>";

async fn steer(net: &Net, submission: SubmissionId, action: SteerAction) {
    let at = net.a.store.submission(submission).await.unwrap().unwrap().summary.accepted_at;
    let steer = Steer { submission, recipient: None, action, at };
    net.a.store.steer(steer).await.unwrap();
}

fn rule(sender: Option<SenderPattern>, recipient: Option<RecipientPattern>) -> NewHoldRule {
    let reason = Some("looks odd".to_owned());
    NewHoldRule { sender, recipient, reason, added_at: UnixMillis(5) }
}

#[tokio::test]
async fn new_mail_that_a_rule_names_is_held_until_it_is_released() {
    let mut net = Net::new(HOUR).await;
    let b = net.peer("b.test", &[]).await;
    let domain = |name| Domain::parse(name).unwrap();
    let to_b = RecipientPattern::Domain(domain("B.test"));
    let of_ada = rule(Some(SenderPattern::Domain(domain("a.test"))), Some(to_b));
    let to_ada = rule(None, Some(RecipientPattern::Address(address("ada@a.test"))));
    net.a.store.add_hold_rule(of_ada).await.unwrap();
    let second = net.a.store.add_hold_rule(to_ada).await.unwrap();
    net.a.mta.read_orders().await.unwrap();

    let to = ["<bob@b.test>", "<ada@a.test>"];
    let id = net.author().await.submit(MAIL, &to, LETTER).await.unwrap();
    let view = net.a.wait_for(id, &[Held, Held]).await;
    let held: Vec<_> = view
        .events
        .iter()
        .filter(|event| event.event.happening == Happening::Held)
        .map(|event| event.event.reason.as_str())
        .collect();
    let wanted = [
        "rule 1 holds mail from @a.test to @b.test: looks odd",
        "rule 2 holds mail to ada@a.test: looks odd",
    ];
    assert_eq!(held, wanted);
    assert_eq!(net.a.inbox("ada@a.test").await.len(), 0, "a mailbox here waits as well");

    net.a.store.remove_hold_rule(second).await.unwrap();
    net.a.mta.read_orders().await.unwrap();
    let other = net.author().await.submit(MAIL, &["<ada@a.test>"], LETTER).await.unwrap();
    net.a.wait_for(other, &[Delivered]).await;
    assert_eq!(net.a.inbox("ada@a.test").await.len(), 1, "the rule is gone, what it held is not");

    steer(&net, id, SteerAction::Release).await;
    net.a.wait_for(id, &[Accepted, Delivered]).await;
    assert_eq!(b.times("content: "), 1);
    assert_eq!(net.a.inbox("ada@a.test").await.len(), 2, "released mail is not held once more");
}

#[tokio::test]
async fn who_is_suppressed_fails_at_once_and_the_notice_says_why() {
    let mut net = Net::new(HOUR).await;
    let b = net.peer("b.test", &[]).await;
    let suppression = Suppression {
        address: address("Bob@b.test"),
        reason: "he asked us to stop".to_owned(),
        added_at: UnixMillis(5),
    };
    net.a.store.suppress(suppression).await.unwrap();
    net.a.mta.read_orders().await.unwrap();
    let to = ["<bob@B.test>", "<eve@b.test>"];
    let id = net.author().await.submit(MAIL, &to, LETTER).await.unwrap();
    net.a.wait_for(id, &[Failed, Accepted]).await;
    assert_eq!((b.times("RCPT"), b.times("content: ")), (1, 1), "only Eve was named");
    let notices = net.a.wait_for_inbox("ada@a.test", 1).await;
    for words in ["sends nothing to this address", "he asked us to stop", "Status: 5.7.1"] {
        assert!(notices[0].contains(words), "{words} in {}", notices[0]);
    }

    net.a.store.unsuppress(address("bob@b.test")).await.unwrap();
    net.a.mta.read_orders().await.unwrap();
    let id = net.author().await.submit(MAIL, &["<bob@b.test>"], LETTER).await.unwrap();
    net.a.wait_for(id, &[Accepted]).await;
}

#[tokio::test]
async fn addresses_that_do_not_exist_are_counted_and_suppressed_where_that_is_wanted() {
    for (suppress_after, sent) in [(None, 4), (Some(3), 3)] {
        let queue = QueueConfig { retry: vec![HOUR], suppress_after, ..QueueConfig::default() };
        let mut net = Net::with(queue).await;
        let b = net.peer("b.test", &[on("RCPT", "550 5.1.1 no such user")]).await;
        let c = net.peer("c.test", &[on("RCPT", "550 5.7.1 not you")]).await;
        for round in 1..=4 {
            let to = ["<bob@b.test>", "<eve@c.test>"];
            let id = net.author().await.submit(MAIL, &to, LETTER).await.unwrap();
            net.a.wait_for(id, &[Failed, Failed]).await;
            // It is counted behind the commit.
            let counted = async {
                while net.a.store.refused(round.min(sent), None, 9).await.unwrap().is_empty()
                    && net.a.store.suppressions(None, 9).await.unwrap().is_empty()
                {
                    tokio::task::yield_now().await;
                }
            };
            counted.await;
        }
        assert_eq!(b.times("RCPT"), usize::try_from(sent).unwrap(), "{suppress_after:?}");
        assert_eq!(c.times("RCPT"), 4, "a refusal for another reason does not count");
        let suppressed = net.a.store.suppressions(None, 9).await.unwrap();
        assert_eq!(suppressed.len(), usize::from(suppress_after.is_some()), "never silently");
        let suggested = net.a.store.refused(3, None, 9).await.unwrap();
        assert_eq!(suggested.len(), usize::from(suppress_after.is_none()), "{suggested:?}");
    }
}

#[tokio::test]
async fn mail_goes_where_an_operator_sends_it_and_back() {
    let mut net = Net::new(HOUR).await;
    let b = net.peer("b.test", &[on("RCPT", "451 4.3.0 broken")]).await;
    let other = Peer::start("127.0.2.1:0".parse().unwrap(), &[on("RCPT", "450 4.2.0 no")]).await;
    let id = net.author().await.submit(MAIL, &["<bob@b.test>"], LETTER).await.unwrap();
    net.a.wait_for(id, &[Deferred]).await;
    let route = FixedRoute { host: other.address.ip().to_string(), port: other.address.port() };
    net.a.mta.try_again();
    steer(&net, id, SteerAction::Route(Some(route.clone()))).await;
    let view = net.a.wait_until(id, |view| view.attempts.len() == 2).await;
    assert_eq!(view.attempts[1].port, route.port);
    assert!(last_words(&view).contains("450 no"), "{}", last_words(&view));
    let why = view.events.iter().map(|event| event.event.reason.as_str());
    assert!(why.clone().any(|why| why.contains("sent there by an operator")), "{view:#?}");

    b.now(on("RCPT", "250 ok"));
    net.a.mta.try_again();
    steer(&net, id, SteerAction::Route(None)).await;
    net.a.wait_for(id, &[Accepted]).await;
    assert_eq!((b.times("content: "), other.times("content: ")), (1, 0));
}
