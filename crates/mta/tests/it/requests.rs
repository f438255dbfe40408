//! What senders ask of the transfer: kept back, by a time, before others, and what kind it is.

use std::sync::Arc;
use std::time::Duration;

use dns::Zone;
use envelope::Solicitation;
use mta::QueueConfig;
use mta::policy::PolicyConfig;
use platform::Shutdown;
use store::RecipientState::{Accepted, Deferred, Delivered, Failed, Queued};
use store::{Happening, RecipientState, SubmissionId, SubmissionView, TlsWish, UnixMillis};

use crate::peer::{Peer, Rule, on};
use crate::policy::{Client, Office};
use crate::support::{Ports, System, Wishes};

const LETTER: &str = "From: ada@a.test\r\nSubject: hello\r\n\r\nDear Bob\r\n";

/// When the office's clock stands.
const NOW: i64 = 1_800_000_000_000;

/// Sends a letter; its id, or the reply that refused it.
async fn send(
    client: &mut Client,
    mail: &str,
    to: &[&str],
    head: &str,
) -> Result<SubmissionId, String> {
    let taken = |reply: String, code: &str| match reply.starts_with(code) {
        true => Ok(reply),
        false => Err(reply),
    };
    taken(client.say(mail).await, "250")?;
    for to in to {
        taken(client.say(&format!("RCPT TO:<{to}>")).await, "250")?;
    }
    taken(client.say("DATA").await, "354")?;
    let reply = taken(client.say(&format!("{head}\r\n\r\nHello\r\n.")).await, "250")?;
    Ok(reply.trim_end().rsplit(' ').next().unwrap().parse().unwrap())
}

async fn view(office: &Office, id: SubmissionId) -> SubmissionView {
    office.store.submission(id).await.unwrap().unwrap()
}

fn states(view: &SubmissionView) -> Vec<RecipientState> {
    view.summary.recipients.iter().map(|recipient| recipient.state).collect()
}

#[tokio::test]
async fn only_authors_are_offered_that_a_message_is_kept_back() {
    let office = Office::open(PolicyConfig::default()).await;
    let mut author = office.author().await;
    let reply = author.say("EHLO author.test").await;
    // 30 days from 2027-01-15T08:00:00Z.
    assert!(reply.contains("250-FUTURERELEASE 2592000 2027-02-14T08:00:00Z\r\n"), "{reply}");
    let mut stranger = office.connect("198.51.100.7").await_greeting().await;
    let reply = stranger.say("EHLO else.test").await;
    assert!(!reply.contains("FUTURERELEASE"), "RFC 4865 §4.2 (2): {reply}");
    for line in ["250-DELIVERBY 60\r\n", "250-MT-PRIORITY MIXER\r\n"] {
        assert!(reply.contains(line), "{line}: {reply}");
    }
    assert!(!reply.contains("NO-SOLICITING"), "RFC 3865 §2.8: {reply}");
    assert!(!reply.contains("REQUIRETLS"), "{reply}");
}

#[tokio::test]
async fn a_message_is_released_when_its_sender_said_and_not_before() {
    let office = Office::open(PolicyConfig::default()).await;
    let mut author = office.author().await;
    let (from, to) = ("From: ada@a.test", ["bob@a.test", "eve@else.test"]);
    let mail = "MAIL FROM:<ada@a.test> HOLDUNTIL=2027-01-15T09:00:00Z";
    let id = send(&mut author, mail, &to, from).await.unwrap();
    let release = UnixMillis(NOW + 3_600_000);
    let before = view(&office, id).await;
    assert_eq!(states(&before), [Queued, Queued], "RFC 4865 §4.2 (6): who is here, too");
    for recipient in &before.summary.recipients {
        assert_eq!(recipient.due, Some(release));
    }
    let asked = before.events.iter().find_map(|event| match &event.event.happening {
        Happening::Asked { terms } => Some(terms.join("; ")),
        _ => None,
    });
    assert_eq!(asked.as_deref(), Some("released at 2027-01-15T09:00:00Z"));
    let reason = &before.events.last().unwrap().event.reason;
    assert_eq!(reason, "kept back until 2027-01-15T09:00:00Z, as its sender asked");

    let shutdown = Shutdown::new();
    let running = platform::Task::start(mta::queue::run(Arc::clone(&office.mta), shutdown.clone()));
    let mut news = office.store.subscribe();
    office.clock.step(Duration::from_secs(3599));
    // Whatever is due now is tried before this one is answered.
    let other = send(&mut author, "MAIL FROM:<ada@a.test>", &["bob@a.test"], from).await.unwrap();
    assert_eq!(states(&view(&office, other).await), [Delivered]);
    assert_eq!(view(&office, id).await.summary.recipients[0].state, Queued, "a second too early");
    // A queue that was just about to sleep sleeps from where the clock stands then.
    for _ in 0..200 {
        office.clock.step(Duration::from_secs(2));
        if view(&office, id).await.summary.recipients[0].state == Delivered {
            break;
        }
        tokio::time::timeout(Duration::from_millis(100), news.recv()).await.ok();
    }
    assert_eq!(view(&office, id).await.summary.recipients[0].state, Delivered);
    shutdown.begin();
    drop(running);
}

#[tokio::test]
async fn a_moment_that_is_over_holds_nothing_back() {
    let office = Office::open(PolicyConfig::default()).await;
    let mut author = office.author().await;
    let mail = "MAIL FROM:<ada@a.test> HOLDUNTIL=2027-01-15T07:59:59Z";
    let id = send(&mut author, mail, &["bob@a.test"], "From: ada@a.test").await.unwrap();
    assert_eq!(states(&view(&office, id).await), [Delivered]);
}

#[tokio::test]
async fn nobody_fills_the_store_with_letters_to_the_future() {
    let office = Office::open(PolicyConfig::default()).await;
    let mut author = office.author().await;
    let held = "MAIL FROM:<ada@a.test> HOLDFOR=86400";
    for _ in 0..200 {
        send(&mut author, held, &["bob@a.test"], "From: ada@a.test").await.unwrap();
    }
    let refusal = send(&mut author, held, &["bob@a.test"], "From: ada@a.test").await.unwrap_err();
    assert!(refusal.starts_with("552 5.7.16 "), "RFC 4865 §6: {refusal}");
    let usual = "MAIL FROM:<ada@a.test>";
    send(&mut author, usual, &["bob@a.test"], "From: ada@a.test").await.unwrap();
}

#[tokio::test]
async fn strangers_may_lower_a_priority_and_not_raise_it() {
    let office = Office::open(PolicyConfig::default()).await;
    #[rustfmt::skip]
    let rows = [
        // peer, asked, reply, kept, trace, why
        ("198.51.100.7", "4",  "250 2.3.6 0 ", 0,  "PRIORITY 0;",  "RFC 6710 §4.1: no upgrade, and it is said"),
        ("198.51.100.7", "-4", "250 2.1.0 ",   -4, "PRIORITY -4;", "RFC 6710 §4.1: it may lower it"),
        ("203.0.113.9",  "9",  "250 2.1.0 ",   9,  "PRIORITY 9;",  "one of ours"),
    ];
    for (peer, asked, reply, kept, trace, why) in rows {
        let mut client = office.connect(peer).await_greeting().await;
        client.say("EHLO else.test").await;
        let mail = format!("MAIL FROM:<x@else.test> MT-PRIORITY={asked}");
        let said = client.say(&mail).await;
        assert!(said.starts_with(reply), "{why}: {said}");
        client.say("RSET").await;
        let id = send(&mut client, &mail, &["bob@a.test"], "Subject: x").await.unwrap();
        let view = view(&office, id).await;
        assert_eq!(view.summary.terms.priority.number(), kept, "{why}");
        let message = view.summary.message.unwrap();
        let content = office.store.read(message, 0, 4096).await.unwrap();
        let content = String::from_utf8(content.to_vec()).unwrap();
        assert!(content.contains(trace), "RFC 6710 §4.1 (2): {content}");
    }
}

#[tokio::test]
async fn solicitation_is_refused_by_its_class_where_that_is_configured() {
    let no_soliciting = Solicitation::parse("org.example:ADV").ok();
    #[rustfmt::skip]
    let rows = [
        // configured, peer, MAIL, header, refused, why
        (true,  "198.51.100.7", " SOLICIT=net.example:X,org.example:ADV", "", true, "RFC 3865 §2.3"),
        (true,  "198.51.100.7", "", "\r\nSolicitation: org.example:ADV", true,  "RFC 3865 §2.3: the header alone"),
        (true,  "198.51.100.7", " SOLICIT=net.example:X", "",            false, "another class"),
        (true,  "203.0.113.9",  " SOLICIT=org.example:ADV", "",          false, "one of ours"),
        (false, "198.51.100.7", "", "\r\nSolicitation: org.example:ADV", false, "RFC 3865 §2.8: off"),
    ];
    for (configured, peer, parameter, header, refused, why) in rows {
        let no_soliciting = no_soliciting.clone().filter(|_| configured);
        let office = Office::open(PolicyConfig { no_soliciting, ..PolicyConfig::default() }).await;
        let mut client = office.connect(peer).await_greeting().await;
        let offers = client.say("EHLO else.test").await;
        assert_eq!(offers.contains("250-NO-SOLICITING org.example:ADV\r\n"), configured, "{why}");
        let mail = format!("MAIL FROM:<x@else.test>{parameter}");
        let head = format!("Subject: x{header}");
        match send(&mut client, &mail, &["bob@a.test"], &head).await {
            Ok(id) => {
                assert!(!refused, "{why}");
                let kept = view(&office, id).await.summary.terms.solicitation;
                assert!(kept.is_some(), "RFC 3865 §2.7: it goes along: {why}");
            }
            Err(reply) => {
                assert!(refused, "{why}: {reply}");
                let wanted = "550 5.7.1 No soliciting here: SOLICIT=org.example:ADV";
                assert!(reply.starts_with(wanted), "RFC 3865 §2.4: {reply}");
            }
        }
    }
}

#[tokio::test]
async fn what_the_header_says_of_tls_is_kept() {
    let office = Office::open(PolicyConfig::default()).await;
    #[rustfmt::skip]
    let rows = [
        ("TLS-Required: No",    TlsWish::Optional, "RFC 8689 §3"),
        ("tls-required:\tno ",  TlsWish::Optional, "in any case, with blanks"),
        ("TLS-Required: Yes",   TlsWish::Policy,   "RFC 8689 §3 knows No alone"),
        ("X-TLS-Required: No",  TlsWish::Policy,   "another field"),
    ];
    for (field, wanted, why) in rows {
        let mut client = office.connect("198.51.100.7").await_greeting().await;
        client.say("EHLO else.test").await;
        let head = format!("Subject: x\r\n{field}");
        let mail = "MAIL FROM:<x@else.test>";
        let id = send(&mut client, mail, &["bob@a.test"], &head).await.unwrap();
        assert_eq!(view(&office, id).await.summary.terms.tls, wanted, "{why}");
    }
}

#[tokio::test]
async fn whose_author_does_not_require_tls_reaches_servers_with_broken_tls() {
    let ehlo = "250-peer.test\r\n250 STARTTLS";
    let (a, peer) = with_peer(&[on("EHLO", ehlo), on("STARTTLS", "220 go")]).await;
    let mut author = a.author("ada@a.test").await;
    let letter = format!("TLS-Required: No\r\n{LETTER}");
    let id = author.submit("MAIL FROM:<ada@a.test>", &["<bob@b.test>"], &letter).await.unwrap();
    let view = a.wait_for(id, &[Accepted]).await;
    assert_eq!(view.summary.terms.tls, TlsWish::Optional);
    assert_eq!(peer.times("STARTTLS"), 1, "RFC 8689 §4.2.2: it is tried where it is offered");
    assert_eq!(peer.times("content: "), 1, "RFC 8689 §4.2.2: and does not fail without");
}

/// A system, and one server that all of b.test goes to.
async fn with_peer(rules: &[Rule]) -> (System, Peer) {
    let peer = Peer::start("127.0.0.1:0".parse().unwrap(), rules).await;
    let zone = Arc::new(Zone::new());
    zone.mx("b.test", 10, "mx.b.test").a("mx.b.test", [127, 0, 0, 1].into());
    let queue = QueueConfig {
        retry: vec![Duration::from_secs(3600)],
        deliver_by_min: Duration::from_secs(1),
        ..QueueConfig::default()
    };
    let outbound_port = peer.address.port();
    let wishes = Wishes { zone, queue, outbound_port, ..Wishes::default() };
    (System::start("a.test", &["ada"], Ports::bind().await, wishes).await, peer)
}

const BY: &str = "250-peer.test\r\n250-DSN\r\n250 DELIVERBY 60";
const BY_LATER: &str = "250-peer.test\r\n250-DSN\r\n250 DELIVERBY 240";
const NO_BY: &str = "250-peer.test\r\n250 DSN";

#[tokio::test]
async fn the_time_that_is_left_goes_along() {
    #[rustfmt::skip]
    let rows = [
        // EHLO, asked, NOTIFY, state, BY, NOTIFY of RCPT, notice, why
        (BY,       "120;R",  "", Accepted, Some(";R"),  "", None, "RFC 2852 §4.1.4"),
        (BY,       "120;RT", "", Accepted, Some(";RT"), "", Some(("relayed", "2.0.0")), "RFC 2852 §4.1.4: traced"),
        (BY,       "120;NT", " NOTIFY=NEVER", Accepted, Some(";NT"), " NOTIFY=NEVER", None, "RFC 2852 §4.1.4: not with NEVER"),
        (BY_LATER, "120;R",  "", Failed, None, "", Some(("failed", "5.3.3")), "RFC 2852 §4.1.4.1: less is left than it wants"),
        (BY_LATER, "120;N",  "", Accepted, Some(";N"), "", None, "RFC 2852 §2: the minimum is for R"),
        (BY,       "-7;N",   "", Accepted, Some(";N"), "", None, "RFC 2852 §4.1.4: over, and told so"),
        (NO_BY,    "120;R",  "", Failed, None, "", Some(("failed", "5.3.3")), "RFC 2852 §4.1.4.1: it does not know BY"),
        (NO_BY,    "120;N",  "", Accepted, None, " NOTIFY=FAILURE,DELAY", Some(("relayed", "2.0.0")), "RFC 2852 §4.1.4.2"),
        (NO_BY,    "120;N",  " NOTIFY=FAILURE", Accepted, None, " NOTIFY=FAILURE,DELAY", Some(("relayed", "2.0.0")), "RFC 2852 §4.1.4.2: DELAY is added"),
    ];
    for (ehlo, asked, notify, state, by, rcpt, notice, why) in rows {
        let (a, peer) = with_peer(&[on("EHLO", ehlo)]).await;
        let mut author = a.author("ada@a.test").await;
        let mail = format!("MAIL FROM:<ada@a.test> BY={asked}");
        let to = format!("<bob@b.test>{notify}");
        let id = author.submit(&mail, &[&to], LETTER).await.unwrap();
        a.wait_for(id, &[state]).await;
        let heard = peer.heard();
        let find = |start: &str| heard.iter().find(|line| line.starts_with(start));
        match (by, find("MAIL")) {
            (Some(mode), Some(mail)) => {
                let value = mail.split(" BY=").nth(1).unwrap_or_default();
                let (left, rest) = value.split_once(';').unwrap_or_default();
                let left: i64 = left.parse().unwrap();
                let asked: i64 = asked.split_once(';').unwrap().0.parse().unwrap();
                assert!((asked - 20..=asked).contains(&left), "{why}: {mail}");
                assert_eq!(format!(";{rest}").trim_end(), mode, "{why}: {mail}");
            }
            (None, Some(mail)) => assert!(state == Accepted && !mail.contains(" BY="), "{why}"),
            (by, None) => assert!(by.is_none() && state == Failed, "{why}: {heard:?}"),
        }
        if state == Accepted {
            assert_eq!(find("RCPT"), Some(&format!("RCPT TO:<bob@b.test>{rcpt}")), "{why}");
        }
        let told = a.inbox("ada@a.test").await;
        assert_eq!(told.len(), usize::from(notice.is_some()), "{why}: {told:?}");
        if let (Some((action, status)), [told]) = (notice, told.as_slice()) {
            for field in ["Arrival-Date: ", "Deliver-By-Date: "] {
                assert!(told.contains(field), "RFC 2852 §5: {told}");
            }
            assert!(told.contains(&format!("Action: {action}\r\n")), "{why}: {told}");
            assert!(told.contains(&format!("Status: {status}\r\n")), "{why}: {told}");
        }
    }
}

#[tokio::test]
async fn when_the_time_is_over_it_comes_back_or_its_sender_is_told() {
    #[rustfmt::skip]
    let rows = [
        ("1;R", Failed, "Action: failed", "Status: 5.4.7", "RFC 2852 §4.1.3: return"),
        ("1;N", Deferred, "Action: delayed", "Status: 4.4.7", "RFC 2852 §4.1.3: notify"),
    ];
    for (by, state, action, status, why) in rows {
        let ehlo = "250-peer.test\r\n250 DELIVERBY";
        let (a, _peer) = with_peer(&[on("EHLO", ehlo), on("RCPT", "451 4.2.1 busy")]).await;
        let mut author = a.author("ada@a.test").await;
        let mail = format!("MAIL FROM:<ada@a.test> BY={by}");
        let id = author.submit(&mail, &["<bob@b.test>"], LETTER).await.unwrap();
        let told = a.wait_for_inbox("ada@a.test", 1).await.concat();
        assert!(told.contains(action) && told.contains(status), "{why}: {told}");
        assert!(told.contains("It could not be delivered in time."), "{why}: {told}");
        let view = a.wait_for(id, &[state]).await;
        let attempts = view.summary.recipients[0].attempts;
        if state == Failed {
            assert_eq!(attempts, 1, "RFC 2852 §4.1.3: no further attempt: {view:#?}");
        } else {
            assert!(view.summary.recipients[0].due.is_some(), "we go on");
        }
    }
}

#[tokio::test]
async fn priority_and_kind_go_along_to_who_wants_to_know() {
    const EHLO: &str = "250-peer.test\r\n250-NO-SOLICITING\r\n250 MT-PRIORITY";
    #[rustfmt::skip]
    let rows = [
        (EHLO, " MT-PRIORITY=3", "", "MAIL FROM:<ada@a.test> MT-PRIORITY=3", "RFC 6710 §4.2"),
        (EHLO, "", "", "MAIL FROM:<ada@a.test> MT-PRIORITY=0", "RFC 6710 §4.2: usual mail, too"),
        (EHLO, "", "Solicitation: org.example:ADV\r\n", "MAIL FROM:<ada@a.test> MT-PRIORITY=0 SOLICIT=org.example:ADV", "RFC 3865 §2.7"),
        (EHLO, "", "Solicitation: not a class\r\n", "MAIL FROM:<ada@a.test> MT-PRIORITY=0", "RFC 3865 §2.7: only of the right form"),
        ("250 peer.test", " MT-PRIORITY=3", "Solicitation: org.example:ADV\r\n", "MAIL FROM:<ada@a.test>", "RFC 6710 §4.3"),
    ];
    for (ehlo, asked, field, wanted, why) in rows {
        let (a, peer) = with_peer(&[on("EHLO", ehlo)]).await;
        let mut author = a.author("ada@a.test").await;
        let mail = format!("MAIL FROM:<ada@a.test>{asked}");
        let letter = format!("{field}{LETTER}");
        let id = author.submit(&mail, &["<bob@b.test>"], &letter).await.unwrap();
        a.wait_for(id, &[Accepted]).await;
        let heard = peer.heard();
        let mail = heard.iter().find(|line| line.starts_with("MAIL")).unwrap();
        assert_eq!(mail, wanted, "{why}");
    }
}

#[tokio::test]
async fn a_notice_tells_how_its_message_was_kept_back() {
    let (a, _peer) = with_peer(&[on("RCPT", "550 5.1.1 unknown")]).await;
    let mut author = a.author("ada@a.test").await;
    let mail = "MAIL FROM:<ada@a.test> HOLDFOR=1 MT-PRIORITY=2";
    let id = author.submit(mail, &["<bob@b.test>"], LETTER).await.unwrap();
    let view = a.wait_for(id, &[Failed]).await;
    let told = a.wait_for_inbox("ada@a.test", 1).await.concat();
    assert!(told.contains("Future-Release-Request: for;1\r\n"), "RFC 4865 §5.1.2 (2): {told}");
    assert!(told.contains("Arrival-Date: "), "RFC 4865 §5.1.2 (1): {told}");
    let notice = view.events.iter().find_map(|event| match &event.event.happening {
        Happening::Noticed { notice, .. } => Some(*notice),
        _ => None,
    });
    let notice = a.store.submission(notice.unwrap()).await.unwrap().unwrap();
    assert_eq!(notice.summary.terms.priority.number(), 2, "RFC 6710 §4.6");
}
