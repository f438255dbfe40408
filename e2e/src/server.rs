//! A running `posthouse serve`.
//!
//! Standards: none of its own.
//! Not here: its configuration and accounts (`site`).

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::dialog::Dialog;
use crate::site::{PASSWORD, Site};
use crate::wait::{PATIENCE, until};

/// A running server. It is told to end when dropped, and killed if it does not.
#[derive(Debug)]
pub struct Server {
    child: Child,
    addresses: Vec<(String, SocketAddr)>,
    log: std::path::PathBuf,
    ca: String,
    has_ended: bool,
}

impl Server {
    pub(crate) fn start(site: &Site) -> Self {
        let log = site.folder.path("posthouse.log");
        let file = File::options().create(true).append(true).open(&log).expect("a log");
        let mut command = site.command();
        command.arg("serve").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().expect("posthouse starts");
        let output = child.stdout.take().expect("piped");
        let mut server =
            Self { child, addresses: Vec::new(), log, ca: site.ca(), has_ended: false };
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Nobody waits any more once it is ready.
                sender.send(line).ok();
            }
        });
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => server.addresses = addresses(&line),
            Err(_) => panic!("posthouse did not become ready:\n{}", server.log_text()),
        }
        server
    }

    /// Where a listener is, such as `smtp/starttls`.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn address(&self, label: &str) -> SocketAddr {
        let found = self.addresses.iter().find(|(name, _)| name == label);
        found.unwrap_or_else(|| panic!("no listener {label}: {:?}", self.addresses)).1
    }

    /// Its port as text, for command lines.
    pub fn port(&self, label: &str) -> String {
        self.address(label).port().to_string()
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it has used so far, in octets.
    pub fn memory_peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("the system tells");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kibibytes * 1024
    }

    /// Tells it to read its certificate anew.
    pub fn hang_up(&self) {
        self.signal(Signal::SIGHUP);
    }

    /// What it has logged so far.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Connects to a listener; with TLS where that is implicit. The greeting is read.
    pub fn dial(&self, label: &str) -> Dialog {
        let mut dialog = Dialog::connect(self.address(label));
        if label.ends_with("/implicit") {
            dialog.enter_tls(&self.ca);
        }
        if label.starts_with("pop3") {
            dialog.expect_ok();
        } else {
            dialog.expect(220);
        }
        dialog
    }

    /// An SMTP session after EHLO.
    pub fn smtp(&self) -> Dialog {
        let mut dialog = self.dial("smtp/starttls");
        dialog.say("EHLO client.test", 250);
        dialog
    }

    /// A submission session of a user who has logged in.
    pub fn author(&self, address: &str) -> Dialog {
        let mut dialog = self.dial("submission/implicit");
        dialog.say("EHLO client.test", 250);
        dialog.login(address, PASSWORD);
        dialog
    }

    /// Brings a message as another MTA does, and tells the id that it was given.
    pub fn deliver(&self, from: &str, to: &str, content: &[u8]) -> String {
        self.smtp().transaction(from, &[to], content)
    }

    /// A POP3 session of a user who has logged in.
    pub fn maildrop(&self, address: &str) -> Dialog {
        let mut dialog = self.dial("pop3/none");
        dialog.command(&format!("USER {address}"));
        dialog.command(&format!("PASS {PASSWORD}"));
        dialog
    }

    /// All messages of an account, oldest first.
    pub fn fetch(&self, address: &str) -> Vec<Vec<u8>> {
        let mut maildrop = self.maildrop(address);
        let stat = maildrop.command("STAT");
        let count: u32 = stat.split(' ').nth(1).and_then(|count| count.parse().ok()).expect("STAT");
        let messages = (1..=count).map(|number| maildrop.multiline(&format!("RETR {number}")));
        let messages = messages.collect();
        maildrop.command("QUIT");
        messages
    }

    /// Waits until an account has so many messages, and fetches them.
    pub fn await_messages(&self, address: &str, count: usize) -> Vec<Vec<u8>> {
        until(&format!("{count} messages of {address}"), || {
            let messages = self.fetch(address);
            (messages.len() >= count).then_some(messages)
        })
    }

    /// Ends it as an administrator does.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.end()
    }

    /// Tells it to end, and does not wait.
    pub fn ask_to_end(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Waits for its end.
    pub fn end(&mut self) -> ExitStatus {
        let status = until("the end of posthouse", || self.child.try_wait().expect("our child"));
        self.has_ended = true;
        status
    }

    /// Ends it as a crash does: frozen first, so that nothing in it can react.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGSTOP);
        self.signal(Signal::SIGKILL);
        self.end();
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).ok();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log_text();
            let lines: Vec<_> = log.lines().rev().take(60).collect();
            let tail: Vec<_> = lines.into_iter().rev().collect();
            let text = format!("the server's last words:\n{}\n", tail.join("\n"));
            std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).ok();
            self.child.kill().ok();
            self.child.wait().ok();
        } else if !self.has_ended {
            self.terminate();
        }
    }
}

/// Reads `ready smtp/starttls=127.0.0.1:2525 …`.
fn addresses(line: &str) -> Vec<(String, SocketAddr)> {
    let rest = line.strip_prefix("ready").unwrap_or_else(|| panic!("not a ready line: {line}"));
    let pair = |word: &str| {
        let (label, address) = word.split_once('=')?;
        Some((label.to_owned(), address.parse().ok()?))
    };
    rest.split_whitespace()
        .map(|word| pair(word).unwrap_or_else(|| panic!("not LABEL=ADDRESS: {word}")))
        .collect()
}
