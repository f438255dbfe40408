//! A folder with a configuration, what the program says there, and a server that runs in it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// A folder with a configuration.
pub(crate) struct Site {
    pub(crate) folder: TempDir,
}

pub(crate) const CONFIGURATION: &str = r#"
hostname = "mx.example.org"
data_dir = "data"
[[listener]]
protocol = "smtp"
bind = ["127.0.0.1:0"]
tls = "starttls"
[[listener]]
protocol = "pop3"
bind = ["127.0.0.1:0"]
tls = "implicit"
"#;

impl Site {
    pub(crate) fn new(configuration: &str) -> Self {
        let site = Self { folder: TempDir::new().expect("a folder") };
        site.write("posthouse.toml", configuration);
        site
    }

    /// Writes a file, whatever was there.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(self.path(name))
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .expect("written");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_posthouse"));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs a command with this on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Said {
        let mut child = self
            .command()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let mut stdin = child.stdin.take().expect("piped");
        // A command that does not read may be gone already.
        stdin.write_all(input.as_bytes()).ok();
        drop(stdin);
        Said::of(&child.wait_with_output().expect("ended"))
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, "")
    }

    pub(crate) fn serve(&self) -> Server {
        let stderr = fs::OpenOptions::new().create(true).append(true).open(self.path("log"));
        let mut child = self
            .command()
            .arg("serve")
            .stdout(Stdio::piped())
            .stderr(stderr.expect("a log"))
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let ready = lines.next().expect("a line").expect("text");
        assert!(ready.starts_with("ready "), "{ready}");
        Server { child, ready }
    }
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    #[track_caller]
    pub(crate) fn fails_with(&self, code: i32, words: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.err.starts_with("error: ") && self.err.contains(words), "{self:?}");
        assert!(self.out.is_empty(), "data of a failure: {self:?}");
    }
}

/// A server that is killed when the test fails.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) ready: String,
}

impl Server {
    pub(crate) fn address(&self, label: &str) -> &str {
        let found = self.ready.split(' ').find_map(|word| word.strip_prefix(label));
        found.and_then(|rest| rest.strip_prefix('=')).expect(label)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("sent");
    }

    pub(crate) fn end(mut self) -> Option<i32> {
        self.signal(Signal::SIGTERM);
        self.child.wait().expect("ended").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Says these lines to a server, each after the reply to the one before. The last reply.
pub(crate) fn converse(address: &str, lines: &[&str]) -> String {
    #[expect(clippy::disallowed_methods, reason = "a client from outside")]
    let stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    let mut replies = BufReader::new(stream.try_clone().expect("cloned")).lines();
    let mut reply = || loop {
        let line = replies.next().expect("a reply").expect("text");
        if line.as_bytes().get(3) != Some(&b'-') {
            return line;
        }
    };
    let mut last = reply();
    for line in lines {
        (&stream).write_all(format!("{line}\r\n").as_bytes()).expect("sent");
        last = reply();
    }
    last
}
