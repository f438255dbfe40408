//! The program itself: what it prints, how it ends, and what is left when it is killed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use envelope::EnhancedStatus;
use mailbag::account::TlsMode;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::post::{ADDRESS, AtEnd, PASSWORD, Post};

/// Somebody who uses the program.
struct User {
    home: PathBuf,
    post: Post,
}

/// How a command ended.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl User {
    /// With a provider, and no account yet.
    async fn new(tls: TlsMode) -> Self {
        let post = Post::open(tls).await;
        Self { home: post.folder.path().join("bag"), post }
    }

    /// With an account.
    async fn set_up(tls: TlsMode) -> Self {
        let user = Self::new(tls).await;
        let ran = user.setup(PASSWORD).await;
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        user
    }

    async fn setup(&self, password: &str) -> Ran {
        let (pop3, smtp) = (self.post.pop3.to_string(), self.post.smtp.to_string());
        let ca = self.post.ca();
        let mut arguments = vec!["setup", ADDRESS, "--pop3", &pop3, "--submission", &smtp];
        arguments.extend(["--tls", self.post.tls.name(), "--password-stdin", "--ca"]);
        arguments.push(ca.to_str().unwrap());
        self.run_with(&arguments, &format!("{password}\n")).await
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailbag"));
        command
            .args(arguments)
            .env("MAILBAG_HOME", &self.home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ran {
        self.run_with(arguments, "").await
    }

    async fn run_with<S: AsRef<OsStr>>(&self, arguments: &[S], input: &str) -> Ran {
        let mut child = self.start(arguments, input).await;
        drop(child.stdin.take());
        let output = child.wait_with_output().await.unwrap();
        Ran {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    async fn start<S: AsRef<OsStr>>(&self, arguments: &[S], input: &str) -> Child {
        let mut child = self.command(arguments).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that does not read its input may have ended already.
        stdin.write_all(input.as_bytes()).await.ok();
        child
    }

    async fn list(&self, query: &str) -> Vec<Value> {
        self.run(&["list", "--json", query]).await.json()
    }

    /// Waits until something holds; nothing here depends on how long it takes.
    async fn until(&self, holds: impl Fn(&Post) -> bool) {
        for _ in 0..1000 {
            if holds(&self.post) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it does not come to that");
    }
}

const LETTER: &str = "From: =?utf-8?q?Bj=C3=B6rn?= <bjorn@example.net>\r\nTo: ada@example.org\r\n\
    Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: Wed, 25 Nov 2026 03:04:05 +0100\r\n\
    Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nHello \x1b[31mred\r\n\
    begin 644 ../cat.txt\r\n#0V%T\r\n`\r\nend\r\n--x\r\n\
    Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"../../a.bin\"\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nldw7WA==\r\n--x--\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_received_listed_shown_and_saved() {
    let user = User::set_up(TlsMode::Starttls).await;
    user.post.put("a", LETTER);
    let ran = user.run(&["sync"]).await;
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (Some(0), "", ""),
        "quiet in a pipe"
    );

    let listed = user.run(&["list", "--json"]).await.json();
    assert_eq!(listed.len(), 1);
    let letter = &listed[0];
    assert_eq!(letter["mailbox"], "INBOX");
    assert_eq!(letter["account"], ADDRESS);
    assert_eq!(letter["subject"], "Grüße");
    assert_eq!(letter["from"][0]["name"], "Björn");
    assert_eq!(letter["attachments"], serde_json::json!(["2", "1/1"]));
    assert_eq!(letter["flags"], serde_json::json!([]));
    assert_eq!(user.list("is:unread from:björn").await.len(), 1);
    let none = user.run(&["list", "from:nobody"]).await;
    assert_eq!(none.code, Some(3), "nothing found");

    let id = letter["id"].as_str().unwrap();
    let raw = user.run(&["show", id, "--raw"]).await;
    assert_eq!(raw.out, LETTER, "octet for octet");
    let shown = user.run(&["show", &id[18..]]).await;
    assert!(shown.out.contains("Subject:  Grüße\n"), "{}", shown.out);
    assert!(shown.out.ends_with("Hello \u{241b}[31mred\n[cat.txt]\n"), "{}", shown.out);
    for line in ["part 2: a.bin, application/octet-stream, 4", "part 1/1: cat.txt, uuencode, 3"] {
        assert!(shown.out.contains(&format!("Attached: {line} octets\n")), "{}", shown.out);
    }
    assert_eq!(user.run(&["show", id, "--part", "1/1"]).await.out, "Cat");
    assert!(user.list("is:unread").await.is_empty(), "it has been read");
    let headers = user.run(&["show", id, "--headers"]).await;
    assert!(headers.out.ends_with("boundary=x\r\n\r\n"), "{}", headers.out);

    let folder = user.post.folder.path().join("saved");
    std::fs::create_dir(&folder).unwrap();
    let to = folder.to_str().unwrap();
    let octets: &[u8] = &[0x95, 0xdc, 0x3b, 0x58];
    let saves = [("2", "a.bin", octets), ("2", "a (2).bin", octets), ("1/1", "cat.txt", b"Cat")];
    for (part, name, octets) in saves {
        let saved = user.run(&["save", id, "--part", part, "--to", to]).await;
        assert_eq!(saved.code, Some(0), "{}", saved.err);
        assert_eq!(Path::new(saved.out.trim_end()), folder.join(name));
        assert_eq!(tokio::fs::read(folder.join(name)).await.unwrap(), octets);
    }
    let missing = user.run(&["show", id, "--part", "9"]).await;
    assert_eq!(missing.code, Some(3));
    assert_eq!(missing.err, "error: the message has no part \"9\": it has 1, 1/1, 2\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_sent_and_tracked() {
    let user = User::set_up(TlsMode::Implicit).await;
    let no = (550, EnhancedStatus::new(5, 1, 1), "no such user");
    user.post.state().refused.insert("bad@example.net".to_owned(), no);
    let file = user.post.folder.path().join("a.bin");
    tokio::fs::write(&file, [0x95, 0xdc, 0x3b, 0x58]).await.unwrap();
    let arguments = ["send", "--to", "bob@example.net", "Bad <bad@example.net>", "--bcc"];
    let mut arguments = arguments.to_vec();
    arguments.extend(["eve@example.net", "--subject", "Grüße", "--attach", file.to_str().unwrap()]);
    let ran = user.run_with(&arguments, "Hello\n").await;
    assert_eq!(ran.code, Some(67), "{}", ran.err);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 3, "a line for each: {}", ran.out);
    assert!(lines[0].starts_with("accepted   bob@example.net"), "{}", lines[0]);
    assert!(lines[1].starts_with("failed     bad@example.net"), "{}", lines[1]);
    assert!(lines[1].contains("This address does not exist at example.net."), "{}", lines[1]);

    let tracked = user.run(&["track", "--json"]).await.json();
    assert_eq!(tracked.len(), 1);
    assert_eq!(tracked[0]["subject"], "Grüße");
    let recipient = &tracked[0]["recipients"][1];
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&tracked[0]), ["id", "message_id", "recipients", "subject"]);
    let fields = ["address", "host", "next_attempt", "plain", "reply", "state", "time"];
    assert_eq!(keys(recipient), fields, "scripts rely on them");
    assert_eq!(recipient["address"], "bad@example.net");
    assert_eq!(recipient["state"], "failed");
    assert_eq!(recipient["reply"], "550 5.1.1 no such user");
    assert_eq!(recipient["next_attempt"], Value::Null);
    let by_message_id = format!("<{}>", tracked[0]["message_id"].as_str().unwrap());
    let ran = user.run(&["track", &by_message_id]).await;
    assert!(ran.out.contains("Grüße"), "{}", ran.out);
    assert_eq!(user.list("mailbox:sent").await.len(), 1);
    assert!(user.run(&["outbox"]).await.out.is_empty(), "nothing waits");
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_has_its_exit_codes() {
    let user = User::new(TlsMode::None).await;
    let ran = user.run(&["sync"]).await;
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.err, "error: there is no account: make one by `mailbag setup ADDRESS`\n");
    let ran = user.setup("wrong").await;
    assert_eq!(ran.code, Some(77), "{}", ran.err);
    assert!(!user.home.join("secrets.toml").exists(), "nothing is written");
    assert_eq!(user.run(&["frobnicate"]).await.code, Some(2));
    let typed = user.run(&["setup", ADDRESS, "--password", PASSWORD]).await;
    assert_eq!(typed.code, Some(2), "not on the command line");
    assert!(!typed.err.contains(PASSWORD), "{}", typed.err);
    let far = ["setup", ADDRESS, "--pop3", "192.0.2.1:110", "--submission", "192.0.2.1:25"];
    let far: Vec<&str> = far.into_iter().chain(["--tls", "none", "--password-stdin"]).collect();
    let ran = user.run_with(&far, "x\n").await;
    assert_eq!(ran.code, Some(2), "{}", ran.err);

    assert_eq!(user.setup(PASSWORD).await.code, Some(0));
    for arguments in [&["show", "01ARZ3NDEKTSV4RRFFQ69G5FAV"][..], &["track", "nothing@x"]] {
        assert_eq!(user.run(arguments).await.code, Some(3), "{arguments:?}");
    }
    assert_eq!(user.run(&["list", "is:purple"]).await.code, Some(2));
    assert_eq!(user.run(&["send", "--to", "bob", "--subject", "x"]).await.code, Some(2));
    assert_eq!(user.run(&["search", "x"]).await.code, Some(2));

    user.post.state().deaf = true;
    let send = ["send", "--to", "bob@example.net", "--subject", "x"];
    let ran = user.run(&send).await;
    assert_eq!(ran.code, Some(75), "{}", ran.err);
    assert!(ran.out.starts_with("delayed"), "{}", ran.out);
    let waiting = user.run(&["outbox", "--json"]).await.json();
    assert_eq!(waiting[0]["recipients"][0]["state"], "deferred");
    user.post.state().deaf = false;
    let ran = user.run(&["sync"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(user.post.state().taken.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_to_encrypt_is_found_out() {
    for tls in [TlsMode::Implicit, TlsMode::Starttls] {
        let user = User::new(tls).await;
        let (pop3, smtp) = (user.post.pop3.to_string(), user.post.smtp.to_string());
        let mut arguments = vec!["setup", ADDRESS, "--pop3", &pop3, "--submission", &smtp];
        let ca = user.post.ca();
        arguments.extend(["--password-stdin", "--ca", ca.to_str().unwrap()]);
        let ran = user.run_with(&arguments, &format!("{PASSWORD}\n")).await;
        assert_eq!(ran.code, Some(0), "{tls:?}: {}", ran.err);
        let accounts = tokio::fs::read_to_string(user.home.join("accounts.toml")).await.unwrap();
        assert_eq!(accounts.matches(&format!("tls = \"{}\"", tls.name())).count(), 2, "{accounts}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_does_not_wait_for_a_slow_network() {
    let user = User::set_up(TlsMode::None).await;
    user.post.put("a", LETTER);
    assert_eq!(user.run(&["sync"]).await.code, Some(0));
    user.post.put("b", LETTER);
    user.post.state().stall_before = Some(1);
    let wanted = user.post.state().given + 1;
    let mut child = user.start(&["sync"], "").await;
    user.until(|post| post.state().given >= wanted).await;
    assert_eq!(user.list("").await.len(), 1, "while the other one waits for the server");
    user.post.state().silent = true;
    let before = user.post.state().submissions;
    child.kill().await.unwrap();
    let mut child = user.start(&["send", "--to", "bob@example.net", "--subject", "x"], "").await;
    user.until(|post| post.state().submissions > before).await;
    let waiting = user.run(&["outbox", "--json"]).await.json();
    assert_eq!(waiting[0]["recipients"][0]["state"], "queued");
    child.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let user = User::set_up(TlsMode::None).await;
    for (path, mode) in [("", 0o700), ("secrets.toml", 0o600), ("accounts.toml", 0o600)] {
        let found = std::fs::metadata(user.home.join(path)).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{path:?}");
    }
    let accounts = tokio::fs::read_to_string(user.home.join("accounts.toml")).await.unwrap();
    assert!(!accounts.contains(PASSWORD), "{accounts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_the_end_looks_for_reports() {
    let user = User::set_up(TlsMode::None).await;
    let send = ["send", "--to", "bob@example.net", "--subject", "x", "--wait", "final", "--json"];
    let child = user.start(&send, "Hello\n").await;
    user.until(|post| !post.state().taken.is_empty()).await;
    let id = user.post.state().taken[0].sender.envelope_id.clone().unwrap();
    let report = format!(
        "Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\n\r\nyes\r\n--x\r\n\
         Content-Type: message/delivery-status\r\n\r\nOriginal-Envelope-Id: {}\r\n\r\n\
         Final-Recipient: rfc822; bob@example.net\r\nAction: delivered\r\nStatus: 2.0.0\r\n\r\n--x--\r\n",
        id.as_str()
    );
    user.post.put("r", report);
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let letter: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(letter["recipients"][0]["state"], "delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_final_dot_nothing_goes_out_twice() {
    let user = User::set_up(TlsMode::None).await;
    user.post.state().at_end = AtEnd::TakeAndStall;
    let mut child = user.start(&["send", "--to", "bob@example.net", "--subject", "x"], "").await;
    user.until(|post| !post.state().taken.is_empty()).await;
    child.kill().await.unwrap();
    user.post.state().at_end = AtEnd::Accept;
    let ran = user.run(&["sync"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(user.post.state().taken.len(), 1);
    let tracked = user.run(&["track", "--json"]).await.json();
    assert_eq!(tracked[0]["recipients"][0]["state"], "unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_it_is_handed_over_it_goes_out_once() {
    let user = User::set_up(TlsMode::None).await;
    user.post.state().silent = true;
    let before = user.post.state().submissions;
    let mut child = user.start(&["send", "--to", "bob@example.net", "--subject", "x"], "").await;
    user.until(|post| post.state().submissions > before).await;
    child.kill().await.unwrap();
    user.post.state().silent = false;
    assert_eq!(user.run(&["sync"]).await.code, Some(0));
    assert_eq!(user.run(&["sync"]).await.code, Some(0));
    assert_eq!(user.post.state().taken.len(), 1, "exactly once");
    let tracked = user.run(&["track", "--json"]).await.json();
    assert_eq!(tracked[0]["recipients"][0]["state"], "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_fetches_every_message_comes_once() {
    let user = User::set_up(TlsMode::None).await;
    for number in 0..50 {
        user.post.put(
            &format!("u{number}"),
            LETTER.replace("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", &number.to_string()),
        );
    }
    for stall_before in [3, 40, 17] {
        user.post.state().stall_before = Some(stall_before);
        let wanted = user.post.state().given + stall_before;
        let mut child = user.start(&["sync"], "").await;
        user.until(|post| post.state().given >= wanted).await;
        child.kill().await.unwrap();
    }
    user.post.state().stall_before = None;
    assert_eq!(user.run(&["sync"]).await.code, Some(0));
    let listed = user.run(&["list", "--format", "{subject}"]).await;
    let mut subjects: Vec<u32> = listed.out.lines().map(|line| line.parse().unwrap()).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, (0..50).collect::<Vec<_>>(), "each is here exactly once");
    let mut bag = super::post::open_bag(&user.home);
    let report = bag.store().await.unwrap().store().verify(store::Repair::No).await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}
