//! What was acknowledged is there, and what was not is not: dropped lines, full disks, signals.
//!
//! Standards: RFC 5321 §4.2.5 (when responsibility begins), §6.1.
//! Not here: thousands of rounds under load, and power cuts (`cargo xtask crash`).

use std::sync::Arc;

use e2e::dialog::{Reply, stuffed};
use e2e::letters::{assert_same_below_trace, plain};
use e2e::wait::until;
use e2e::{Dialog, Folder, Network, Plan, Run, Server, Site, lacks, lacks_root};

fn letter(number: usize) -> Vec<u8> {
    plain("eve@else.test", "bob@home.test", &format!("number {number}"))
}

/// A session in the middle of its content.
fn half_a_message(mut dialog: Dialog) -> Dialog {
    dialog.say("MAIL FROM:<eve@else.test>", 250);
    dialog.say("RCPT TO:<bob@home.test>", 250);
    dialog.say("DATA", 354);
    dialog.send("Subject: half\r\n\r\nThis is only the begin");
    dialog
}

#[test]
fn a_dropped_line_leaves_nothing() {
    let site = Site::default();
    let server = site.start();
    drop(half_a_message(server.smtp()));
    let mut almost = half_a_message(server.smtp());
    almost.send("ning.\r\n.");
    drop(almost);
    let mut bdat = server.smtp();
    bdat.say("MAIL FROM:<eve@else.test>", 250);
    bdat.say("RCPT TO:<bob@home.test>", 250);
    bdat.send("BDAT 1000 LAST\r\nSubject: half\r\n\r\n");
    drop(bdat);
    let mut maildrop = server.maildrop("bob@home.test");
    maildrop.send("RETR");
    drop(maildrop);
    server.deliver("eve@else.test", "bob@home.test", &letter(1));
    let messages = server.await_messages("bob@home.test", 1);
    assert_eq!(messages.len(), 1);
    assert_same_below_trace(messages.first().expect("one"), &letter(1));
    site.verify();
}

#[test]
fn a_second_server_on_the_same_folder_says_who_the_first_is() {
    let site = Site::default();
    let server = site.start();
    let second = site.posthouse(&["serve"]).finish();
    assert_eq!(second.code, Some(1), "{}", second.words());
    let words = String::from_utf8_lossy(&second.stderr).into_owned();
    let last = words.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: "), "one clear line: {words}");
    assert!(last.contains(&server.pid().to_string()), "C05: the process is named: {words}");
    server.deliver("eve@else.test", "bob@home.test", &letter(1));
    assert_eq!(server.fetch("bob@home.test").len(), 1, "the first one has not noticed");
}

#[test]
fn a_configuration_that_cannot_be_read_is_refused_with_its_place_and_a_remedy() {
    let site = Site::default();
    let good = String::from_utf8(site.folder.read("posthouse.toml")).expect("text");
    #[rustfmt::skip]
    let rows: [(String, &str, &str); 7] = [
        (good.replace("hostname", "hostnam"), "posthouse.toml:1:", "C01: unknown key"),
        (good.replace("\"127.0.0.1:0\"", "17"), "posthouse.toml:", "C01: wrong type"),
        (format!("{good}\n[queue]\nretry = \"often\"\n"), "posthouse.toml:", "C01: not a time"),
        (format!("{good}\nhostname = \"again.test\"\n"), "posthouse.toml:", "C01: unknown key in its section"),
        (good.replace("starttls", "sometimes"), "sometimes", "C01: unknown word"),
        (good.replace("protocol = \"pop3\"", "protocol = \"imap\""), "not available in this version", "a later part"),
        ("hostname = [unclosed".to_owned(), "posthouse.toml:1:", "no TOML"),
    ];
    for (text, place, why) in rows {
        site.folder.write("posthouse.toml", text);
        for command in ["serve", "check"] {
            let finished = site.posthouse(&[command]).finish();
            let words = finished.words();
            assert_eq!(finished.code, Some(1), "{why}: {command}: {words}");
            assert!(words.contains(place), "{why}: {command}: {words}");
        }
    }
    let missing = site.folder.text_path("missing.toml");
    let finished = site.posthouse(&["--config", &missing, "serve"]).finish();
    assert_ne!(finished.code, Some(0));
    assert!(!finished.words().contains("panicked"), "{}", finished.words());
    site.folder.write("posthouse.toml", good);
    site.start();
}

#[test]
fn a_taken_port_is_said_in_one_line() {
    let site = Site::default();
    let server = site.start();
    let address = server.address("smtp/starttls").to_string();
    let other = Plan { listeners: &[("smtp", &address, "starttls")], ..Plan::default() };
    let finished = Site::new(&other).posthouse(&["serve"]).finish();
    assert_eq!(finished.code, Some(1), "C03");
    assert!(finished.words().contains(&address), "C03: {}", finished.words());
    assert!(finished.words().contains("error: "), "C03: {}", finished.words());
}

#[test]
fn sigterm_lets_a_running_transaction_finish() {
    let site = Site::default();
    let mut server = site.start();
    let mut idle = server.smtp();
    let mut dialog = half_a_message(server.smtp());
    server.ask_to_end();
    // The idle session is told, and no new one is taken.
    let lines = idle.expect_end();
    assert!(lines.len() <= 1 && lines.iter().all(|line| line.starts_with("421 ")), "{lines:?}");
    dialog.send("ning.\r\n.\r\n");
    dialog.expect(250);
    drop(dialog);
    assert_eq!(server.end().code(), Some(0), "an orderly end");
    let server = site.start();
    let messages = server.fetch("bob@home.test");
    assert_eq!(messages.len(), 1);
    let sent = b"Subject: half\r\n\r\nThis is only the beginning.\r\n";
    assert_same_below_trace(messages.first().expect("one"), sent);
    site.verify();
}

#[test]
fn kill_loses_nothing_acknowledged() {
    const ROUNDS: usize = 3;
    const SENDERS: usize = 8;
    let plan = Plan { sections: "[limits]\nconnections_per_ip = 1000\n", ..Plan::default() };
    let site = Site::new(&plan);
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let mut server = site.start();
        let (ids, sent) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            for sender in 0..SENDERS {
                let (ids, mut dialog) = (ids.clone(), server.smtp());
                scope.spawn(move || {
                    for number in 0.. {
                        let name = format!("r{round}s{sender}n{number}");
                        let content = plain("eve@else.test", "bob@home.test", &name);
                        if !dialog.try_transaction("eve@else.test", "bob@home.test", &content) {
                            return;
                        }
                        ids.send(name).ok();
                    }
                });
            }
            drop(ids);
            // The blow falls in the midst of it: each sender has got through a few times.
            acknowledged.extend(sent.iter().take(SENDERS * 5));
            server.kill();
            acknowledged.extend(sent.iter());
        });
    }
    let server = site.start();
    let messages = server.fetch("bob@home.test");
    let subjects: Vec<_> = messages
        .iter()
        .map(|message| e2e::letters::field(message, "Subject").expect("a whole message"))
        .collect();
    for name in &acknowledged {
        let count = subjects.iter().filter(|subject| *subject == name).count();
        assert_eq!(count, 1, "{name} was acknowledged");
    }
    // Each sender may have one more there, whose 250 was lost with the server.
    assert!(subjects.len() <= acknowledged.len() + ROUNDS * SENDERS, "nothing else is there");
    for (message, subject) in messages.iter().zip(&subjects) {
        assert_same_below_trace(message, &plain("eve@else.test", "bob@home.test", subject));
    }
    site.verify();
}

/// A whole transaction; tells the reply that ended it.
fn offer(dialog: &mut Dialog, content: &[u8]) -> Reply {
    dialog.say("RSET", 250);
    dialog.say("MAIL FROM:<eve@else.test>", 250);
    dialog.say("RCPT TO:<bob@home.test>", 250);
    dialog.send("DATA\r\n");
    let reply = dialog.reply().expect("the server stays");
    if reply.code != 354 {
        return reply;
    }
    dialog.send(stuffed(content));
    dialog.reply().expect("the server stays")
}

/// A server on a small disk of its own; it keeps 64 MiB free for what must go on.
struct SmallDisk {
    place: Folder,
    network: Arc<Network>,
    site: Site,
    server: Server,
}

impl SmallDisk {
    fn new() -> Self {
        let place = Folder::new();
        let disk = place.make("disk");
        let mount = format!("mount -t tmpfs -o size=80m tmpfs '{disk}'");
        let network = Network::with(&mount);
        let plan = Plan {
            data_dir: &format!("{disk}/data"),
            network: Some(Arc::clone(&network)),
            listeners: &[("smtp", "127.0.0.2:25", "none"), ("pop3", "127.0.0.2:110", "none")],
            ..Plan::default()
        };
        let site = Site::new(&plan);
        let server = site.start();
        Self { place, network, site, server }
    }

    /// Where it is mounted, for whoever is inside.
    fn path(&self) -> String {
        self.place.text_path("disk")
    }

    fn dial(&self) -> Dialog {
        let mut dialog = self.server.dial("smtp/none");
        dialog.say("EHLO client.test", 250);
        dialog
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = self.network.command(program);
        command.args(arguments);
        Run::command(command).succeed();
    }
}

/// About a megabyte.
fn big_letter() -> Vec<u8> {
    [letter(0).as_slice(), "filling line\r\n".repeat(80_000).as_bytes()].concat()
}

#[test]
fn a_full_disk_refuses_for_now_and_recovers_by_itself() {
    if lacks(&["unshare", "nsenter", "mount"]) || lacks_root() {
        return;
    }
    let disk = SmallDisk::new();
    let SmallDisk { network, site, server, .. } = &disk;
    network.inside(|| {
        let big = big_letter();
        let mut kept = 0;
        let mut dialog = disk.dial();
        let refusal = until("a full disk", || {
            let reply = offer(&mut dialog, &big);
            kept += usize::from(reply.code == 250);
            (reply.code != 250).then_some(reply)
        });
        assert!(kept > 3, "there was room for some");
        assert_eq!(refusal.code, 452, "C12: {refusal}");
        assert!(refusal.to_string().contains("4.3.1"), "C12: {refusal}");
        // Reading goes on, and so does the session.
        dialog.say("NOOP", 250);
        let messages = server.fetch("bob@home.test");
        assert_eq!(messages.len(), kept, "what was refused is not there");
        for message in &messages {
            assert_same_below_trace(message, &big);
        }
        disk.run("mount", &["-o", "remount,size=160m", &disk.path()]);
        until("the server to take mail again", || {
            (offer(&mut dialog, &big).code == 250).then_some(())
        });
        assert_eq!(server.fetch("bob@home.test").len(), kept + 1);
    });
    site.verify();
}

#[test]
fn a_disk_that_fills_in_the_midst_of_a_message_takes_nothing_of_it() {
    if lacks(&["unshare", "nsenter", "fallocate"]) || lacks_root() {
        return;
    }
    let disk = SmallDisk::new();
    let SmallDisk { network, site, server, .. } = &disk;
    network.inside(|| {
        let big = big_letter();
        let small = letter(1);
        let mut dialog = disk.dial();
        let mut little = disk.dial();
        for dialog in [&mut dialog, &mut little] {
            dialog.say("MAIL FROM:<eve@else.test>", 250);
            dialog.say("RCPT TO:<bob@home.test>", 250);
            dialog.say("DATA", 354);
        }
        let content = stuffed(&big);
        let (first, second) = content.split_at(big.len() / 2);
        dialog.send(first);
        // Somebody else takes all the rest, the reserve as well.
        let filler = format!("{}/filler", disk.path());
        let fill = format!("dd if=/dev/zero of='{filler}' bs=64k 2>/dev/null || true");
        disk.run("sh", &["-c", &fill]);
        dialog.send(second);
        little.send(stuffed(&small));
        for dialog in [&mut dialog, &mut little] {
            let reply = dialog.reply().expect("the server stays");
            assert_eq!(reply.code, 452, "C12: {reply}");
        }
        assert!(server.fetch("bob@home.test").is_empty(), "nothing of them is there");
        disk.run("rm", &[&filler]);
        let mut accepted = 0;
        until("the server to take mail again", || {
            accepted += usize::from(offer(&mut little, &small).code == 250);
            (accepted == 2).then_some(())
        });
        let messages = server.fetch("bob@home.test");
        assert_eq!(messages.len(), 2);
        for message in &messages {
            assert_same_below_trace(message, &small);
        }
    });
    site.verify();
}
