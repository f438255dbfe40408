//! A real `posthouse`, built, set up and started for a chore.
//!
//! It listens on loopback at ports that the system chooses, and takes passwords without TLS, so
//! that a chore measures mail and not cryptography.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::letter::DOMAIN;
use crate::repository::{root, target_folder};

/// The password of every account.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A server that is not ready by then will never be.
const START_MAX: Duration = Duration::from_secs(60);

/// Which program to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// What ships.
    Faithful,
    /// One that acknowledges without a sync: what finds no fault in it proves nothing.
    WithoutSync,
}

/// Builds `posthouse` in release mode and says where it is.
pub(crate) fn build(build: Build) -> Result<PathBuf> {
    let folder = match build {
        Build::Faithful => target_folder(),
        Build::WithoutSync => target_folder().join("fault-no-sync"),
    };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--locked", "--package", "posthouse", "--target-dir"]);
    command.arg(&folder).current_dir(root());
    if build == Build::WithoutSync {
        command.args(["--features", "fault-no-sync"]);
    }
    if !command.status().context("cannot start cargo")?.success() {
        bail!("posthouse does not build");
    }
    Ok(folder.join("release").join("posthouse"))
}

/// A server's folder: its configuration, its data, its log.
#[derive(Debug)]
pub(crate) struct Site {
    program: PathBuf,
    folder: PathBuf,
}

impl Site {
    /// Writes a configuration into an empty folder and makes the accounts. Mail for the domains
    /// of `routes` is taken from anybody on loopback, and goes to these hosts.
    pub(crate) fn prepare(
        program: &Path,
        folder: &Path,
        addresses: &[String],
        routes: &[(&str, SocketAddr)],
    ) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let site = Self { program: program.to_path_buf(), folder: folder.to_path_buf() };
        fs::write(site.configuration(), configuration(routes))?;
        site.command(&["domain", "add", DOMAIN], "")?;
        for some in addresses.chunks(200) {
            let mut arguments = vec!["account", "add", "--password-stdin"];
            arguments.extend(some.iter().map(String::as_str));
            site.command(&arguments, PASSWORD)?;
        }
        Ok(site)
    }

    /// The folder that holds everything durable.
    pub(crate) fn data_folder(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Starts the server, by a command that `wrap` may put something around, and waits until it
    /// is ready.
    pub(crate) fn start(&self, wrap: impl FnOnce(&Path) -> Command) -> Result<Server> {
        let log = File::options().create(true).append(true).open(self.log())?;
        let mut command = wrap(&self.program);
        command.arg("--config").arg(self.configuration()).arg("serve");
        let begun = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn();
        let mut child =
            child.with_context(|| format!("cannot start {}", self.program.display()))?;
        let ready = read_ready_line(&mut child);
        let server = ready.and_then(|line| {
            let smtp = address_in(&line, "smtp/none=")?;
            let pop3 = address_in(&line, "pop3/none=")?;
            Ok((smtp, pop3))
        });
        match server {
            Ok((smtp, pop3)) => Ok(Server { child, smtp, pop3, start_took: begun.elapsed() }),
            Err(error) => {
                drop(child.kill());
                drop(child.wait());
                let log = fs::read_to_string(self.log()).unwrap_or_default();
                let tail = log.lines().rev().take(5).collect::<Vec<_>>().join("\n  ");
                Err(error.context(format!("posthouse did not start; its last words:\n  {tail}")))
            }
        }
    }

    /// `posthouse verify`; an error with what it said, when it found anything.
    pub(crate) fn verify(&self) -> Result<()> {
        self.command(&["verify"], "").map(drop)
    }

    fn configuration(&self) -> PathBuf {
        self.folder.join("posthouse.toml")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("posthouse.log")
    }

    fn command(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut child = Command::new(&self.program)
            .arg("--config")
            .arg(self.configuration())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that does not ask for input may be gone already.
            drop(writeln!(stdin, "{input}"));
        }
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        let name = arguments.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        bail!("posthouse {name}: {}: {said}{complaint}", output.status)
    }
}

fn configuration(routes: &[(&str, SocketAddr)]) -> String {
    let (mut relay_from, mut outbound) = ("", String::new());
    if !routes.is_empty() {
        relay_from = "relay_from = [\"127.0.0.0/8\"]\n";
        "[outbound]\nallow_private = true\n\n[outbound.routes]\n".clone_into(&mut outbound);
    }
    for (domain, host) in routes {
        let _ = writeln!(outbound, "{domain:?} = \"{host}\"");
    }
    format!(
        r#"hostname = "mx.load.test"
data_dir = "data"

[[listener]]
protocol = "smtp"
bind = ["127.0.0.1:0"]
tls = "none"
{relay_from}
[[listener]]
protocol = "pop3"
bind = ["127.0.0.1:0"]
tls = "none"

[auth]
allow_cleartext = true

[limits]
connections = 50000
connections_per_ip = 50000

{outbound}"#
    )
}

fn read_ready_line(child: &mut Child) -> Result<String> {
    let output = child.stdout.take().ok_or_else(|| anyhow!("no standard output"))?;
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            drop(sender.send(line)); // nobody waits any more once it is ready
        }
    });
    let deadline = Instant::now() + START_MAX;
    while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if line.starts_with("ready ") {
            return Ok(line);
        }
    }
    bail!("no line `ready …`");
}

fn address_in(ready: &str, label: &str) -> Result<SocketAddr> {
    ready
        .split(' ')
        .find_map(|word| word.strip_prefix(label)?.parse().ok())
        .ok_or_else(|| anyhow!("no `{label}` in {ready:?}"))
}

/// A running server. It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) smtp: SocketAddr,
    pub(crate) pop3: SocketAddr,
    /// From the start to the `ready` line.
    pub(crate) start_took: Duration,
}

impl Server {
    /// Ends it as a crash does: frozen first, so that nothing in it can react.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.signal(Signal::SIGSTOP)?;
        self.signal(Signal::SIGKILL)?;
        self.child.wait()?;
        Ok(())
    }

    /// Ends it as an administrator does; an error unless it ends with 0.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.signal(Signal::SIGTERM)?;
        let status = self.child.wait()?;
        if status.success() {
            return Ok(());
        }
        bail!("posthouse ended with {status} after SIGTERM");
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?);
        kill(pid, signal).with_context(|| format!("cannot send {signal}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
