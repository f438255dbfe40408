//! What other servers say, and what becomes of a recipient by it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dns::{Trouble, Zone};
use mta::QueueConfig;
use store::RecipientState::{self, Accepted, Deferred, Failed};
use store::{Happening, SubmissionView};

use crate::peer::{CUT, FULL_EHLO, Peer, Rule, at_first, on};
use crate::support::{Ports, System, Typist, Wishes};

const LETTER: &str = "From: ada@a.test\r\nSubject: hello\r\n\r\nDear Bob\r\n";

/// A system, and servers elsewhere on one port at addresses of their own.
pub(crate) struct Net {
    pub(crate) a: System,
    pub(crate) zone: Arc<Zone>,
    port: u16,
    hosts: u8,
}

impl Net {
    /// Whose retries come after `retry`.
    pub(crate) async fn new(retry: Duration) -> Self {
        Self::with(QueueConfig { retry: vec![retry], ..QueueConfig::default() }).await
    }

    /// With a queue that waits and tells as it is wanted.
    pub(crate) async fn with(queue: QueueConfig) -> Self {
        let zone = Arc::new(Zone::new());
        let ports = Ports::bind().await;
        // A port that is free on one loopback address hardly ever is taken on the next.
        let probe = Peer::start("127.0.1.1:0".parse().unwrap(), &[]).await;
        let port = probe.address.port();
        let wishes =
            Wishes { zone: Arc::clone(&zone), outbound_port: port, queue, ..Wishes::default() };
        let a = System::start("a.test", &["ada"], ports, wishes).await;
        Self { a, zone, port, hosts: 1 }
    }

    /// A further address for a server of `domain`.
    fn host(&mut self, domain: &str) -> SocketAddr {
        self.hosts += 1;
        let ip = [127, 0, 1, self.hosts];
        let name = format!("mx{}.{domain}", self.hosts);
        self.zone.mx(domain, u16::from(self.hosts), &name).a(&name, ip.into());
        SocketAddr::from((ip, self.port))
    }

    /// A server of `domain`, behind those that it has.
    pub(crate) async fn peer(&mut self, domain: &str, rules: &[Rule]) -> Peer {
        let at = self.host(domain);
        Peer::start(at, rules).await
    }

    pub(crate) async fn author(&self) -> Typist {
        self.a.author("ada@a.test").await
    }
}

/// The reason and reply of the event that settled or put off a recipient.
pub(crate) fn last_words(view: &SubmissionView) -> String {
    let told = |happening: &Happening| match happening {
        Happening::Deferred { reply, .. } | Happening::Failed { reply, .. } => Some(reply.clone()),
        Happening::Accepted { reply, .. } => Some(Some(reply.clone())),
        _ => None,
    };
    let mut told =
        view.events.iter().filter_map(|event| Some((told(&event.event.happening)?, event)));
    let (reply, event) = told.next_back().unwrap();
    let reply = reply.map(|reply| format!("{} {}", reply.code, reply.text)).unwrap_or_default();
    format!("{reply} | {}", event.event.reason)
}

const LATER: Duration = Duration::from_secs(3600);
const NO_8BIT: &str = "250-peer.test\r\n250-PIPELINING\r\n250 SIZE";
const WITH_TLS: &str = "250-peer.test\r\n250-8BITMIME\r\n250 STARTTLS";
const SIGNED: &str = "From: ada@a.test\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\n\
     Gr\u{fc}\u{df}e\r\n--s\r\nContent-Type: a/b\r\n\r\n--s--\r\n";

#[tokio::test]
async fn what_a_host_says_decides() {
    #[rustfmt::skip]
    let rows: [(&[Rule], &str, RecipientState, &str, &str); 25] = [
        (&[], LETTER, Accepted, "250 taken", "all is well"),
        (&[on("CONNECT", "421 4.3.2 busy")], LETTER, Deferred, "421 busy", "RFC 5321 §3.8 in the greeting"),
        (&[on("CONNECT", "554 5.3.2 no mail here")], LETTER, Failed, "554 no mail here", "the only host says never"),
        (&[on("CONNECT", CUT)], LETTER, Deferred, "closed the connection", "no greeting"),
        (&[on("CONNECT", "SSH-2.0-x")], LETTER, Deferred, "no SMTP reply", "D: another service"),
        (&[on("EHLO", "421 4.3.2 busy")], LETTER, Deferred, "421 busy", "421 to EHLO"),
        (&[on("EHLO", "502 what"), on("MAIL", "250 ok")], LETTER, Accepted, "250 taken", "HELO is enough for 7-bit content"),
        (&[on("MAIL", "421 4.3.2 busy")], LETTER, Deferred, "421 busy", "421 to MAIL"),
        (&[on("MAIL", "550 5.7.1 not you")], LETTER, Failed, "550 not you", "no to MAIL"),
        (&[on("RCPT", "421 4.3.2 busy")], LETTER, Deferred, "421 busy", "421 to RCPT"),
        (&[on("RCPT", "451 4.7.1 greylisted")], LETTER, Deferred, "451 greylisted", "greylisting"),
        (&[on("RCPT", "550-5.1.1 no such\r\n550 5.1.1 user")], LETTER, Failed, "550 no such\nuser", "a reply of two lines is kept"),
        (&[on("RCPT", "250-ok\r\n550 no")], LETTER, Deferred, "different codes", "a reply that contradicts itself"),
        (&[on("DATA", "421 4.3.2 busy")], LETTER, Deferred, "421 busy", "421 to DATA"),
        (&[on("DATA", "554 5.7.1 spam")], LETTER, Failed, "554 spam", "no to DATA"),
        (&[on("DATA", "250 ok")], LETTER, Deferred, "does not fit", "a reply that DATA cannot have"),
        (&[on("DATA", CUT)], LETTER, Deferred, "closed the connection", "cut before the content"),
        (&[on(".", "421 4.3.2 busy")], LETTER, Deferred, "421 busy", "421 to the content"),
        (&[on(".", "552 5.3.4 too big")], LETTER, Failed, "552 too big", "no to the content"),
        (&[on(".", CUT)], LETTER, Deferred, "get it twice", "R2: perhaps it has the message"),
        (&[on("EHLO", NO_8BIT)], LETTER, Accepted, "250 taken", "RFC 6152 §3: 7-bit content needs nothing"),
        (&[on("EHLO", NO_8BIT)], SIGNED, Failed, "takes no 8-bit content", "RFC 6152 §3: never sent as it is"),
        (&[on("EHLO", WITH_TLS), on("STARTTLS", "454 4.7.0 not now")], LETTER, Accepted, "250 taken", "RFC 7435: in clear"),
        (&[on("EHLO", WITH_TLS), on("STARTTLS", "220 go")], LETTER, Accepted, "250 taken", "RFC 7435 §3: TLS fails, in clear"),
        (&[on("EHLO", WITH_TLS), on("STARTTLS", "220 go\r\n250 me")], LETTER, Deferred, "injected", "RFC 3207 §4.2: more than the 220"),
    ];
    let mut net = Net::new(LATER).await;
    let mut failed = 0;
    for (number, (rules, letter, wanted, words, why)) in rows.into_iter().enumerate() {
        let domain = format!("r{number}.test");
        let peer = net.peer(&domain, rules).await;
        let to = format!("<bob@{domain}>");
        let id = net.author().await.submit("MAIL FROM:<ada@a.test>", &[&to], letter).await;
        let view = net.a.wait_for(id.unwrap(), &[wanted]).await;
        let found = last_words(&view);
        assert!(found.contains(words), "{why}: {found}\n{:#?}", view.attempts);
        assert_eq!(view.attempts.len(), 1, "{why}");
        assert!(view.attempts[0].transcript.contains("connecting to mx"), "{why}");
        if wanted == Accepted {
            assert_eq!(peer.times("content: "), 1, "{why}");
        }
        failed += usize::from(wanted == Failed);
        if letter == SIGNED {
            assert_eq!(peer.times("MAIL"), 0, "{why}");
        }
    }
    let notices = net.a.inbox("ada@a.test").await;
    assert_eq!(notices.len(), failed, "R21: one notice for each that failed");
    let eight = notices.iter().find(|notice| notice.contains("Status: 5.6.3")).unwrap();
    assert!(eight.contains("8-bit"), "{eight}");
}

/// What the first and the second host say (`None`: it is down), the outcome, how many contents
/// the second one got, the last words, why.
type TwoHosts<'a> =
    (Option<&'a [Rule]>, Option<&'a [Rule]>, RecipientState, usize, &'a str, &'a str);

#[tokio::test]
async fn hosts_are_tried_in_order_until_one_answers_for_the_recipient() {
    let mut net = Net::new(LATER).await;
    let down: &[Rule] = &[];
    #[rustfmt::skip]
    let rows: [TwoHosts<'_>; 9] = [
        (None, Some(down), Accepted, 1, "250 taken", "the first is down"),
        (Some(&[on("CONNECT", "421 4.3.2 busy")]), Some(&[]), Accepted, 1, "250 taken", "busy"),
        (Some(&[on("CONNECT", "554 5.3.2 no mail here")]), Some(&[]), Accepted, 1, "250 taken", "it takes no mail"),
        (Some(&[on("CONNECT", "554 5.3.2 no mail here")]), None, Deferred, 0, "could not", "the second may be back"),
        (Some(&[on("RCPT", "452 4.3.1 full")]), Some(&[]), Accepted, 1, "250 taken", "RFC 5321 §5.1: full today"),
        (Some(&[on("RCPT", "452 4.3.1 full")]), None, Deferred, 0, "452 full", "words before silence"),
        (Some(&[on("RCPT", "550 5.1.1 unknown")]), Some(&[]), Failed, 0, "550 unknown", "the last word"),
        (Some(&[on(".", "451 4.3.0 disk")]), Some(&[]), Accepted, 1, "250 taken", "it says that it has nothing"),
        (Some(&[on(".", CUT)]), Some(&[]), Deferred, 0, "get it twice", "R2: no second copy to the second host"),
    ];
    for (number, (first, second, wanted, contents, words, why)) in rows.into_iter().enumerate() {
        let domain = format!("h{number}.test");
        let mut peers = Vec::new();
        for rules in [first, second] {
            let at = net.host(&domain);
            peers.push(match rules {
                Some(rules) => Some(Peer::start(at, rules).await),
                None => None,
            });
        }
        let to = format!("<bob@{domain}>");
        let id = net.author().await.submit("MAIL FROM:<ada@a.test>", &[&to], LETTER).await;
        let view = net.a.wait_for(id.unwrap(), &[wanted]).await;
        let found = last_words(&view);
        let found = found.replace("the connection failed", "could not");
        assert!(found.contains(words), "{why}: {found}");
        let got = peers[1].as_ref().map_or(0, |peer| peer.times("content: "));
        assert_eq!(got, contents, "{why}");
    }
}

#[tokio::test]
async fn a_host_that_dns_hides_may_be_the_one_that_takes_it() {
    let mut net = Net::new(LATER).await;
    let _first = net.peer("b.test", &[on("CONNECT", "554 5.3.2 no mail here")]).await;
    net.zone.mx("b.test", 50, "hidden.b.test").trouble("hidden.b.test", Some(Trouble::ServFail));
    let id = net.author().await.submit("MAIL FROM:<ada@a.test>", &["<bob@b.test>"], LETTER).await;
    let view = net.a.wait_for(id.unwrap(), &[Deferred]).await;
    assert!(last_words(&view).contains("hidden.b.test"), "R14: {}", last_words(&view));

    net.zone.mx("c.test", 10, "gone.c.test");
    net.zone.mx("c.test", 20, "hidden.c.test").trouble("hidden.c.test", Some(Trouble::ServFail));
    let id = net.author().await.submit("MAIL FROM:<ada@a.test>", &["<bob@c.test>"], LETTER).await;
    let view = net.a.wait_for(id.unwrap(), &[Deferred]).await;
    assert!(last_words(&view).contains("hidden.c.test"), "R14: {}", last_words(&view));
}

#[tokio::test]
async fn each_recipient_has_its_own_answer_from_its_own_host() {
    let mut net = Net::new(LATER).await;
    let first = [
        on("RCPT TO:<late@b.test>", "450 4.2.0 later"),
        on("RCPT TO:<gone@b.test>", "550 5.1.1 unknown"),
    ];
    let first = net.peer("b.test", &first).await;
    let second = net.peer("b.test", &[on(".", "250 2.0.0 taken by the second")]).await;
    let recipients = ["<bob@b.test>", "<late@b.test>", "<gone@b.test>"];
    let id = net.author().await.submit("MAIL FROM:<ada@a.test>", &recipients, LETTER).await;
    let view = net.a.wait_for(id.unwrap(), &[Accepted, Accepted, Failed]).await;
    let said: Vec<_> = view
        .summary
        .recipients
        .iter()
        .map(|view| view.reply.as_ref().map(|reply| reply.text.as_str()).unwrap())
        .collect();
    assert_eq!(said, ["taken", "taken by the second", "unknown"]);
    assert_eq!(second.times("RCPT"), 1, "only who was left");
    assert_eq!(first.times("content: ") + second.times("content: "), 2);
    let whom: Vec<_> = view.attempts.iter().map(|attempt| attempt.recipients.clone()).collect();
    assert_eq!(whom, [vec![0, 1, 2], vec![1]]);
    let notices = net.a.wait_for_inbox("ada@a.test", 1).await;
    assert!(notices[0].contains("gone@b.test") && !notices[0].contains("late@b.test"));
}

#[tokio::test]
async fn a_host_that_takes_few_recipients_at_a_time_gets_the_others_at_once() {
    let mut net = Net::new(LATER).await;
    let rules = [
        at_first(2, "RCPT", "250 2.1.5 fine"),
        at_first(3, "RCPT", "452 4.5.3 too many"),
        at_first(2, "RCPT", "250 2.1.5 fine"),
        at_first(1, "RCPT", "452 4.5.3 too many"),
    ];
    let peer = net.peer("b.test", &rules).await;
    let to = ["<a@b.test>", "<b@b.test>", "<c@b.test>", "<d@b.test>", "<e@b.test>"];
    let id = net.author().await.submit("MAIL FROM:<ada@a.test>", &to, LETTER).await;
    net.a.wait_for(id.unwrap(), &[Accepted; 5]).await;
    assert_eq!(
        peer.times("content: "),
        3,
        "RFC 5321 §4.5.3.1.10: the rest by further transactions"
    );
}

#[tokio::test]
async fn greylisting_only_delays() {
    let mut net = Net::new(Duration::from_millis(100)).await;
    let peer = net.peer("b.test", &[at_first(1, "RCPT", "451 4.7.1 come back")]).await;
    let id = net.author().await.submit("MAIL FROM:<ada@a.test>", &["<bob@b.test>"], LETTER).await;
    let view = net.a.wait_for(id.unwrap(), &[Accepted]).await;
    assert_eq!((view.attempts.len(), view.summary.recipients[0].attempts), (2, 2));
    assert_eq!(peer.times("content: "), 1);
    assert!(net.a.inbox("ada@a.test").await.is_empty(), "nothing to tell yet");
}

#[tokio::test]
async fn wishes_for_notices_go_to_those_who_understand_them() {
    let mut net = Net::new(LATER).await;
    let knows = net.peer("knows.test", &[on("EHLO", FULL_EHLO)]).await;
    let old = net.peer("old.test", &[on("EHLO", "250-old\r\n250 8BITMIME")]).await;
    let recipients = [
        "<bob@knows.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob+2Bx@knows.test",
        "<bob@old.test> NOTIFY=SUCCESS",
        "<eve@old.test> NOTIFY=NEVER",
    ];
    let mail = "MAIL FROM:<ada@a.test> RET=FULL ENVID=letter+2B1";
    let id = net.author().await.submit(mail, &recipients, LETTER).await.unwrap();
    net.a.wait_for(id, &[Accepted, Accepted, Accepted]).await;
    let line = |peer: &Peer, start: &str| {
        peer.heard().into_iter().find(|line| line.starts_with(start)).unwrap()
    };
    let mail = line(&knows, "MAIL");
    assert!(mail.ends_with(" RET=FULL ENVID=letter+2B1"), "RFC 3461 §5.2.1: {mail}");
    let rcpt = line(&knows, "RCPT");
    assert!(rcpt.ends_with(" NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob+2Bx@knows.test"), "{rcpt}");
    assert!(!line(&old, "MAIL").contains("ENVID"), "RFC 3461 §5.2.2 (a)");
    assert_eq!(line(&old, "RCPT"), "RCPT TO:<bob@old.test>", "RFC 3461 §5.2.2 (a)");
    let notices = net.a.wait_for_inbox("ada@a.test", 1).await;
    assert_eq!(notices.len(), 1, "only for whom nobody else will tell: {notices:?}");
    assert!(notices[0].contains("Action: relayed"), "RFC 3461 §5.2.2 (b): {}", notices[0]);
    assert!(notices[0].contains("bob@old.test") && !notices[0].contains("eve@old.test"));
    assert!(notices[0].contains("Original-Envelope-Id: letter+1"), "{}", notices[0]);
    assert!(!notices[0].contains("Dear Bob"), "RFC 3461 §4.3: headers only, nothing failed");
}

#[tokio::test]
async fn a_failure_returns_what_the_sender_asked_for() {
    let mut net = Net::new(LATER).await;
    let _peer = net.peer("b.test", &[on("RCPT", "550 5.1.1 unknown")]).await;
    #[rustfmt::skip]
    let rows = [
        ("", "", true, false, "the header, if nothing was said"),
        (" RET=HDRS", "", true, false, "the header"),
        (" RET=FULL", "", true, true, "all of it"),
        ("", " NOTIFY=NEVER", false, false, "RFC 3461 §4.1: nothing at all"),
        ("", " NOTIFY=SUCCESS", false, false, "only success"),
    ];
    let mut before = 0;
    for (parameters, notify, told, whole, why) in rows {
        let mail = format!("MAIL FROM:<ada@a.test>{parameters}");
        let to = format!("<bob@b.test>{notify}");
        let id = net.author().await.submit(&mail, &[&to], LETTER).await.unwrap();
        let view = net.a.wait_for(id, &[Failed]).await;
        let notices = net.a.inbox("ada@a.test").await;
        assert_eq!(notices.len() - before, usize::from(told), "{why}");
        let untold = view.events.iter().any(|event| event.event.happening == Happening::NotNoticed);
        assert_eq!(untold, !told, "{why}: it is written down");
        if told {
            let notice = notices.last().unwrap();
            assert!(notice.contains("Subject: hello"), "{why}: {notice}");
            assert_eq!(notice.contains("Dear Bob"), whole, "{why}: {notice}");
        }
        before = notices.len();
    }
}
