//! Letters out and mail in, against our own server sessions over real sockets.

use std::path::Path;

use mailbag::account::{Account, TlsMode};
use mailbag::compose::{Wanted, compose};
use mailbag::dial::ServerError;
use mailbag::local::{Letter, REPORTS, SENT};
use mailbag::outbox::{self, Round, Which};
use mailbag::sync::{self, Received};
use mailbag::track::Tracked;
use mailbag::{Bag, Exit, Fault, LocalStore};
use platform::{Net, TokioNet};
use sasl::Password;
use store::{INBOX, SubmissionId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::post::{AtEnd, Post, open_bag, password, world};
use envelope::{EnhancedStatus, Notify, Return};

const MESSAGE: &str = "From: bob@example.net\r\nTo: ada@example.org\r\nSubject: one\r\n\
    Message-ID: <1@example.net>\r\n\r\nHello\r\n.dot\r\n";

fn wanted(to: &[&str], bcc: &[&str]) -> Wanted {
    let all = |list: &[&str]| list.iter().map(|&one| one.to_owned()).collect();
    Wanted {
        to: all(to),
        bcc: all(bcc),
        subject: "Grüße".to_owned(),
        text: "Hello\n.dot\n".to_owned(),
        ..Wanted::default()
    }
}

async fn put(bag: &mut Bag, account: &Account, to: &[&str], bcc: &[&str]) -> SubmissionId {
    let letter = compose(&world(), account, wanted(to, bcc)).unwrap();
    outbox::put(bag.store().await.unwrap(), account, letter).await.unwrap()
}

async fn send(bag: &mut Bag, account: &Account, which: Which) -> Round {
    outbox::send(bag, account, &password(), which).await.unwrap()
}

async fn receive(bag: &mut Bag, account: &Account) -> Result<Received, Fault> {
    sync::receive(bag, account, &password(), &|_| {}).await
}

async fn track(bag: &mut Bag, id: SubmissionId) -> Tracked {
    Tracked::of(&bag.store().await.unwrap().store().submission(id).await.unwrap().unwrap(), "")
}

async fn states(bag: &mut Bag, id: SubmissionId) -> Vec<&'static str> {
    track(bag, id).await.recipients.iter().map(|recipient| recipient.state).collect()
}

async fn mailbox(bag: &mut Bag, name: &str) -> Vec<Letter> {
    bag.store().await.unwrap().letters(|_, mailbox| mailbox.name == name).await.unwrap()
}

fn report(id: SubmissionId, groups: &str) -> String {
    format!(
        "From: postmaster@example.org\r\nTo: ada@example.org\r\nSubject: report\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n\
         --x\r\n\r\nnews\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n\
         Original-Envelope-Id: {id}\r\nReporting-MTA: dns; mx.example.net\r\n\r\n{groups}\r\n--x--\r\n"
    )
}

fn group(address: &str, action: &str, status: &str) -> String {
    format!("Final-Recipient: rfc822; {address}\r\nAction: {action}\r\nStatus: {status}\r\n\r\n")
}

#[tokio::test]
async fn a_letter_goes_out_and_its_reports_come_back() {
    let post = Post::open(TlsMode::None).await;
    let account = post.account();
    let mut bag = open_bag(&post.folder.path().join("bag"));
    let id = put(&mut bag, &account, &["bob@example.net"], &["eve@example.net"]).await;
    assert_eq!(post.state().submissions, 0, "nothing goes out before it is in the outbox");
    assert_eq!(states(&mut bag, id).await, ["queued", "queued"]);

    let round = send(&mut bag, &account, Which::Only(id)).await;
    assert!(round.trouble.is_none(), "{:?}", round.trouble);
    assert_eq!(states(&mut bag, id).await, ["accepted", "accepted"]);
    let taken = post.state().taken.remove(0);
    assert_eq!(taken.addresses(), ["bob@example.net", "eve@example.net"]);
    assert_eq!(taken.sender.envelope_id.unwrap().as_str(), id.to_string());
    assert_eq!(taken.sender.ret, Some(Return::Headers));
    for recipient in &taken.recipients {
        assert_eq!(recipient.notify, Some(Notify::ALL));
        assert!(recipient.original.is_some());
    }
    let content = String::from_utf8(taken.content).unwrap();
    assert!(!content.contains("eve@"), "nobody sees the blind copy: {content}");
    assert!(content.ends_with("\r\n\r\nHello\r\n.dot\r\n"), "{content}");
    let copy = mailbox(&mut bag, SENT).await.remove(0);
    assert_eq!(copy.entry.submission, id);
    let kept =
        String::from_utf8(bag.store().await.unwrap().content(copy.entry.message).await.unwrap())
            .unwrap();
    assert!(kept.contains("Bcc: eve@example.net\r\n"), "{kept}");

    let bob = group("bob@example.net", "delivered", "2.0.0");
    let eve = group("eve@example.net", "failed", "5.1.1");
    post.put("r1", report(id, &format!("{bob}{eve}")));
    post.put("m1", MESSAGE);
    let received = receive(&mut bag, &account).await.unwrap();
    assert_eq!(received, Received { new: 1, reports: 1, too_large: 0 });
    let tracked = track(&mut bag, id).await;
    assert_eq!(tracked.recipients[0].state, "delivered");
    let words = tracked.recipients[0].reply.as_deref();
    assert_eq!(words, Some("250 2.0.0 Ok: queued as T1"), "the report had none of its own");
    assert_eq!(tracked.recipients[1].state, "failed");
    assert_eq!(tracked.recipients[1].plain, "This address does not exist at example.net.");
    assert!(tracked.is_settled() && tracked.has_failed());
    assert_eq!(mailbox(&mut bag, REPORTS).await.len(), 1);
    assert_eq!(mailbox(&mut bag, INBOX).await.len(), 1, "the report is not among the mail");
}

#[tokio::test]
async fn one_refused_recipient_does_not_stop_the_others() {
    let post = Post::open(TlsMode::None).await;
    let account = post.account();
    let mut bag = open_bag(&post.folder.path().join("bag"));
    let no = (550, EnhancedStatus::new(5, 1, 1), "no such user");
    let later = (450, EnhancedStatus::new(4, 2, 1), "greylisted");
    post.state().refused.insert("bad@example.net".to_owned(), no);
    post.state().refused.insert("slow@example.net".to_owned(), later);
    let to = ["bad@example.net", "good@example.net", "slow@example.net"];
    let id = put(&mut bag, &account, &to, &[]).await;
    send(&mut bag, &account, Which::Only(id)).await;
    assert_eq!(states(&mut bag, id).await, ["failed", "accepted", "deferred"]);
    assert_eq!(post.state().taken.len(), 1);
    let tracked = track(&mut bag, id).await;
    assert_eq!(tracked.recipients[0].reply.as_deref(), Some("550 5.1.1 no such user"));
    assert!(tracked.recipients[2].next_attempt.is_some());

    // Not before its time, unless somebody asks for it.
    send(&mut bag, &account, Which::Due).await;
    assert_eq!(post.state().submissions, 1);
    post.state().refused.clear();
    send(&mut bag, &account, Which::Waiting).await;
    assert_eq!(states(&mut bag, id).await, ["failed", "accepted", "accepted"]);
    assert_eq!(post.state().taken[1].addresses(), ["slow@example.net"], "only who was missing");
}

#[tokio::test]
async fn one_refused_letter_does_not_stop_the_others() {
    let post = Post::open(TlsMode::None).await;
    let account = post.account();
    let mut bag = open_bag(&post.folder.path().join("bag"));
    let no = (550, EnhancedStatus::new(5, 1, 1), "no such user");
    post.state().refused.insert("bad@example.net".to_owned(), no);
    let bad = put(&mut bag, &account, &["bad@example.net"], &[]).await;
    let good = put(&mut bag, &account, &["good@example.net"], &[]).await;
    send(&mut bag, &account, Which::Waiting).await;
    assert_eq!(states(&mut bag, bad).await, ["failed"]);
    assert_eq!(states(&mut bag, good).await, ["accepted"]);
    assert_eq!(post.state().submissions, 1, "over one connection");
}

#[tokio::test]
async fn silence_after_the_final_dot_is_unknown_and_nothing_is_sent_again() {
    let post = Post::open(TlsMode::None).await;
    let account = post.account();
    let mut bag = open_bag(&post.folder.path().join("bag"));
    post.state().at_end = AtEnd::TakeAndHangUp;
    let id = put(&mut bag, &account, &["bob@example.net"], &[]).await;
    send(&mut bag, &account, Which::Only(id)).await;
    assert_eq!(states(&mut bag, id).await, ["unknown"]);
    assert!(track(&mut bag, id).await.recipients[0].plain.contains("nobody knows"));

    post.state().at_end = AtEnd::Accept;
    let round = send(&mut bag, &account, Which::Waiting).await;
    assert!(round.tried.is_empty());
    assert_eq!(post.state().taken.len(), 1, "it may have it, so it is not sent again");

    // A report tells that it was taken after all.
    post.put("r1", report(id, &group("bob@example.net", "delivered", "2.0.0")));
    receive(&mut bag, &account).await.unwrap();
    assert_eq!(states(&mut bag, id).await, ["delivered"]);
}

#[tokio::test]
async fn unknown_letters_are_sent_again_when_somebody_says_so() {
    let post = Post::open(TlsMode::None).await;
    let account = post.account();
    let mut bag = open_bag(&post.folder.path().join("bag"));
    post.state().at_end = AtEnd::TakeAndHangUp;
    let id = put(&mut bag, &account, &["bob@example.net"], &[]).await;
    send(&mut bag, &account, Which::Only(id)).await;
    post.state().at_end = AtEnd::Accept;
    assert_eq!(outbox::retry(&mut bag, id).await.unwrap(), 1);
    send(&mut bag, &account, Which::Waiting).await;
    assert_eq!(states(&mut bag, id).await, ["accepted"]);
    assert_eq!(post.state().taken.len(), 2);
}

#[tokio::test]
async fn replies_to_the_final_dot_are_believed() {
    for (at_end, wanted) in [(AtEnd::Later, "deferred"), (AtEnd::Refuse, "failed")] {
        let post = Post::open(TlsMode::None).await;
        let account = post.account();
        let mut bag = open_bag(&post.folder.path().join("bag"));
        post.state().at_end = at_end;
        let id = put(&mut bag, &account, &["bob@example.net"], &[]).await;
        send(&mut bag, &account, Which::Only(id)).await;
        assert_eq!(states(&mut bag, id).await, [wanted]);
    }
}

#[tokio::test]
async fn what_is_in_the_outbox_survives_and_goes_out_once() {
    let post = Post::open(TlsMode::None).await;
    let account = post.account();
    let folder = post.folder.path().join("bag");
    let mut bag = open_bag(&folder);
    let id = put(&mut bag, &account, &["bob@example.net"], &[]).await;
    drop(bag);
    let mut bag = open_bag(&folder);
    assert_eq!(states(&mut bag, id).await, ["queued"]);
    send(&mut bag, &account, Which::Waiting).await;
    send(&mut bag, &account, Which::Waiting).await;
    assert_eq!(states(&mut bag, id).await, ["accepted"]);
    assert_eq!(post.state().taken.len(), 1);
}

#[tokio::test]
async fn a_letter_that_is_taken_back_never_goes_out() {
    let post = Post::open(TlsMode::None).await;
    let account = post.account();
    let mut bag = open_bag(&post.folder.path().join("bag"));
    let id = put(&mut bag, &account, &["bob@example.net"], &[]).await;
    assert_eq!(outbox::cancel(&mut bag, id).await.unwrap(), 1);
    send(&mut bag, &account, Which::Waiting).await;
    assert_eq!(states(&mut bag, id).await, ["cancelled"]);
    assert!(post.state().taken.is_empty());
}

#[tokio::test]
async fn servers_that_are_away_leave_the_letter_in_the_outbox() {
    let post = Post::open(TlsMode::None).await;
    let mut account = post.account();
    let mut bag = open_bag(&post.folder.path().join("bag"));
    let id = put(&mut bag, &account, &["bob@example.net"], &[]).await;
    let port = account.submission.port;
    account.submission.port = closed_port().await;
    let round = send(&mut bag, &account, Which::Only(id)).await;
    assert!(matches!(round.trouble, Some(ServerError::Unreachable { .. })), "{round:?}");
    assert_eq!(states(&mut bag, id).await, ["deferred"]);
    account.submission.port = port;
    post.state().deaf = true;
    let round = send(&mut bag, &account, Which::Waiting).await;
    assert!(matches!(round.trouble, Some(ServerError::Refused { .. })), "{round:?}");
    post.state().deaf = false;
    send(&mut bag, &account, Which::Waiting).await;
    assert_eq!(states(&mut bag, id).await, ["accepted"]);
}

async fn closed_port() -> u16 {
    let listener = TokioNet.listen(([127, 0, 0, 1], 0).into()).await.unwrap();
    listener.local().port()
}

#[tokio::test]
async fn messages_are_fetched_once_however_the_session_ends() {
    let post = Post::open(TlsMode::None).await;
    let account = post.account();
    let folder = post.folder.path().join("bag");
    for number in 0..40 {
        post.put(&format!("u{number}"), MESSAGE.replace("one", &number.to_string()));
    }
    post.state().break_before = Some(35);
    let mut bag = open_bag(&folder);
    let broken = receive(&mut bag, &account).await.unwrap_err();
    assert!(matches!(broken, Fault::Server(ServerError::Lost { .. })), "{broken}");
    drop(bag);

    post.state().break_before = None;
    let mut bag = open_bag(&folder);
    receive(&mut bag, &account).await.unwrap();
    assert_eq!(receive(&mut bag, &account).await.unwrap(), Received::default(), "nothing is new");
    let mut subjects: Vec<u32> = mailbox(&mut bag, INBOX)
        .await
        .iter()
        .map(|letter| letter.card.subject.parse().unwrap())
        .collect();
    subjects.sort_unstable();
    assert_eq!(subjects, (0..40).collect::<Vec<_>>(), "each is here exactly once");
    assert_eq!(post.state().maildrop.len(), 40, "all of it stays on the server");
    let message = mailbox(&mut bag, INBOX).await[0].entry.message;
    let content = bag.store().await.unwrap().content(message).await.unwrap();
    assert!(content.ends_with(b"\r\n\r\nHello\r\n.dot\r\n"), "octet for octet");
}

#[tokio::test]
async fn mail_is_deleted_on_the_server_only_when_that_is_wanted() {
    let post = Post::open(TlsMode::None).await;
    let mut account = post.account();
    let mut bag = open_bag(&post.folder.path().join("bag"));
    post.put("a", MESSAGE);
    receive(&mut bag, &account).await.unwrap();
    assert_eq!(post.state().maildrop.len(), 1);
    account.leave_on_server = false;
    post.put("b", MESSAGE);
    let received = receive(&mut bag, &account).await.unwrap();
    assert_eq!(received.new, 1);
    assert_eq!(post.state().maildrop.len(), 0, "also what was fetched before");
    assert_eq!(mailbox(&mut bag, INBOX).await.len(), 2);
}

#[tokio::test]
async fn connections_are_encrypted_and_servers_verified() {
    for tls in [TlsMode::Implicit, TlsMode::Starttls] {
        let post = Post::open(tls).await;
        let account = post.account();
        let mut bag = open_bag(&post.folder.path().join("bag"));
        let id = put(&mut bag, &account, &["bob@example.net"], &[]).await;
        let round = send(&mut bag, &account, Which::Only(id)).await;
        assert!(round.trouble.is_none(), "{:?}", round.trouble);
        assert_eq!(states(&mut bag, id).await, ["accepted"], "{tls:?}");
        post.put("a", MESSAGE);
        assert_eq!(receive(&mut bag, &account).await.unwrap().new, 1, "{tls:?}");

        let stranger = Account { ca: None, ..account };
        let error = receive(&mut bag, &stranger).await.unwrap_err();
        assert!(matches!(error, Fault::Server(ServerError::Tls { .. })), "{tls:?}: {error}");
    }
}

#[tokio::test]
async fn wrong_passwords_are_told_apart_from_other_trouble() {
    let post = Post::open(TlsMode::None).await;
    let account = post.account();
    let mut bag = open_bag(&post.folder.path().join("bag"));
    let wrong = Password::new("wrong");
    let error = sync::receive(&mut bag, &account, &wrong, &|_| {}).await.unwrap_err();
    assert_eq!(error.exit(), Exit::LoginRefused, "{error}");
    let id = put(&mut bag, &account, &["bob@example.net"], &[]).await;
    let round = outbox::send(&mut bag, &account, &wrong, Which::Only(id)).await.unwrap();
    assert!(matches!(round.trouble, Some(ServerError::Login { .. })), "{round:?}");
    assert_eq!(states(&mut bag, id).await, ["deferred"], "the letter is not lost");
}

/// A server that says all of its lines at once, whatever the client does.
async fn chatter(text: &'static str) -> u16 {
    let listener = TokioNet.listen(([127, 0, 0, 1], 0).into()).await.unwrap();
    let port = listener.local().port();
    tokio::spawn(async move {
        while let Ok(mut stream) = listener.accept().await {
            stream.write_all(text.as_bytes()).await.ok();
            stream.flush().await.ok();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.ok();
        }
    });
    port
}

#[tokio::test]
async fn octets_slipped_in_before_tls_end_everything() {
    let post = Post::open(TlsMode::Starttls).await;
    let mut account = post.account();
    account.submission.port =
        chatter("220 mx\r\n250-mx\r\n250 STARTTLS\r\n220 go\r\n250-mx\r\n250 AUTH PLAIN\r\n").await;
    account.pop3.port =
        chatter("+OK\r\n+OK\r\nSTLS\r\n.\r\n+OK go\r\n+OK\r\nSASL PLAIN\r\n.\r\n").await;
    let mut bag = open_bag(&post.folder.path().join("bag"));
    let id = put(&mut bag, &account, &["bob@example.net"], &[]).await;
    let round = send(&mut bag, &account, Which::Only(id)).await;
    assert!(matches!(round.trouble, Some(ServerError::Injected { .. })), "{round:?}");
    let error = receive(&mut bag, &account).await.unwrap_err();
    assert!(matches!(error, Fault::Server(ServerError::Injected { .. })), "{error}");
}

#[tokio::test]
async fn servers_without_the_wanted_tls_hear_nothing() {
    let post = Post::open(TlsMode::None).await;
    let mut account = post.account();
    account.submission.tls = TlsMode::Starttls;
    account.pop3.tls = TlsMode::Starttls;
    account.ca = Some(post.ca());
    let mut bag = open_bag(&post.folder.path().join("bag"));
    let id = put(&mut bag, &account, &["bob@example.net"], &[]).await;
    let round = send(&mut bag, &account, Which::Only(id)).await;
    assert!(matches!(round.trouble, Some(ServerError::TlsNotOffered { .. })), "{round:?}");
    let error = receive(&mut bag, &account).await.unwrap_err();
    assert!(matches!(error, Fault::Server(ServerError::TlsNotOffered { .. })), "{error}");
}

#[tokio::test]
async fn many_recipients_go_out_in_transactions_that_every_server_takes() {
    let post = Post::open(TlsMode::None).await;
    let account = post.account();
    let mut bag = open_bag(&post.folder.path().join("bag"));
    let to: Vec<String> = (0..150).map(|number| format!("r{number}@example.net")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let id = put(&mut bag, &account, &to, &[]).await;
    send(&mut bag, &account, Which::Only(id)).await;
    let counts: Vec<usize> = post.state().taken.iter().map(|one| one.recipients.len()).collect();
    assert_eq!(counts, [100, 50], "RFC 5321 §4.5.3.1.8");
    assert!(states(&mut bag, id).await.iter().all(|state| *state == "accepted"));
    assert_eq!(post.state().submissions, 1, "over one connection");
}

#[tokio::test]
async fn the_store_has_one_user_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let home = mailbag::Home::at(Path::new(dir.path()).to_owned());
    let patience = std::time::Duration::from_millis(100);
    let first = LocalStore::open(&home, &world(), patience).await.unwrap();
    let error = LocalStore::open(&home, &world(), patience).await.unwrap_err();
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    drop(first);
    LocalStore::open(&home, &world(), patience).await.unwrap();

    let bag = Bag::new(home.clone(), world(), patience);
    let network = bag.network().await.unwrap();
    bag.network().await.unwrap_err();
    LocalStore::open(&home, &world(), patience).await.expect("reading does not need it");
    drop(network);
    bag.network().await.unwrap();
}
