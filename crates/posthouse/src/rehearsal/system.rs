//! One of the two mail systems: a `posthouse serve` of its own.
//!
//! Standards: none of its own.
//! Not here: what it does.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use envelope::{Address, Domain};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use platform::clock::within;
use platform::{Clock, Disk, RealDisk, SystemClock};
use tokio::sync::oneshot;

use super::PATIENCE;
use super::author::Account;
use super::place::{POP3, POP3S, Place, Plan, SMTP, SUBMISSION, SUBMISSIONS};
use crate::control::{self, Answer, Item, Request, Secret};
use crate::failure::{Failure, of_file};
use crate::folder::Folder;

/// How much of a server's log is shown when it fails.
const LOG_LINES_SHOWN: usize = 10;

/// A running server.
#[derive(Debug)]
pub(super) struct System {
    /// What it is.
    pub(super) plan: &'static Plan,
    /// Where everything is.
    pub(super) place: Place,
    /// Its data folder.
    pub(super) folder: Folder,
    /// What it said when it was ready.
    pub(super) ready: String,
    /// The address of its account.
    pub(super) account: String,
    /// The certificate of its authority.
    authority: PathBuf,
    process: ServerChild,
}

impl System {
    /// Writes its configuration, starts it, and makes its account.
    pub(super) async fn start(
        plan: &'static Plan,
        place: &Place,
        folder: &Path,
        password: &Secret,
    ) -> Result<Self, Failure> {
        let folder = folder.join(plan.folder);
        RealDisk.make_dir(&folder).map_err(|error| of_file("make the folder", &folder, &error))?;
        let file = folder.join("posthouse.toml");
        RealDisk
            .write_whole(&file, configuration(plan, *place).as_bytes())
            .map_err(|error| of_file("write the configuration", &file, &error))?;
        let log = folder.join("log");
        let mut process = ServerChild(spawn(&file, &log)?);
        let ready = ready(&mut process.0, &log).await?;
        let data = Folder::new(&folder.join("data"));
        let account = format!("{}@{}", plan.user, plan.domain);
        let authority = data.tls().join("ca.pem");
        let system = Self { plan, place: *place, folder: data, ready, account, authority, process };
        system.furnish(password).await?;
        Ok(system)
    }

    /// How its user's clients log in.
    pub(super) fn login<'a>(&'a self, service: u16, password: &'a Secret) -> Account<'a> {
        Account {
            server: self.place.of(self.plan, service),
            hostname: self.plan.hostname,
            authority: &self.authority,
            user: &self.account,
            password,
        }
    }

    /// Asks its control socket.
    pub(super) async fn ask(&self, request: Request) -> Result<Answer, Failure> {
        control::ask(&self.folder, request).await
    }

    /// Its domain and its account, unless an earlier rehearsal made them.
    async fn furnish(&self, password: &Secret) -> Result<(), Failure> {
        let wrong = |error: envelope::AddressError| Failure::new(error.to_string());
        let domain = Domain::parse(self.plan.domain).map_err(wrong)?;
        let address = Address::parse(&self.account).map_err(wrong)?;
        let mut accounts = self.ask(Request::AccountList).await?;
        let mut there = false;
        while let Some(item) = accounts.next().await? {
            there |= matches!(&item, Item::Account(found) if found.address == self.account);
        }
        if there {
            return Ok(());
        }
        self.ask(Request::DomainAdd { domain, relay: None }).await?.done().await?;
        let request = Request::AccountAdd {
            addresses: vec![address],
            password: Some(password.clone()),
            name: None,
            quota_octets: None,
        };
        self.ask(request).await?.done().await
    }

    /// Tells it to end, and waits until it has.
    pub(super) async fn stop(mut self) {
        const POLL: Duration = Duration::from_millis(20);
        terminate(&self.process.0);
        let give_up = SystemClock.monotonic().saturating_add(PATIENCE);
        while matches!(self.process.0.try_wait(), Ok(None)) && SystemClock.monotonic() < give_up {
            SystemClock.sleep(POLL).await;
        }
    }
}

/// A server's process, ready or not.
#[derive(Debug)]
struct ServerChild(Child);

impl Drop for ServerChild {
    /// Nothing is left running, however we end. Where something failed nothing is to be saved.
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.0.kill().and_then(|()| self.0.wait()).ok();
        }
    }
}

fn terminate(child: &Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // One that has ended already cannot be told anything.
        kill(Pid::from_raw(pid), Signal::SIGTERM).ok();
    }
}

/// Starts our own program as a server. It ends when its standard input does, so that it does
/// not outlive us even if we are killed.
fn spawn(file: &Path, log: &Path) -> Result<Child, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(format!("our own program cannot be found: {error}")))?;
    let log_file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .map_err(|error| of_file("write the log", log, &error))?;
    Command::new(&program)
        .arg("--config")
        .arg(file)
        .args(["serve", "--while-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log_file)
        .spawn()
        .map_err(|error| of_file("start", &program, &error))
}

/// Waits for the line that says that it is ready.
async fn ready(child: &mut Child, log: &Path) -> Result<String, Failure> {
    let (told, line) = oneshot::channel();
    if let Some(output) = child.stdout.take() {
        // It reads until the server ends, so that the server never waits for a reader.
        std::thread::spawn(move || {
            let mut lines = BufReader::new(output).lines();
            if let Some(Ok(line)) = lines.next() {
                told.send(line).ok();
            }
            lines.for_each(drop);
        });
    }
    match within(&SystemClock, PATIENCE, line).await {
        Ok(Ok(line)) => Ok(line.trim_start_matches("ready ").to_owned()),
        Ok(Err(_)) => Err(Failure::new(format!("a server did not start:\n{}", end_of(log)))),
        Err(_) => Err(Failure::new(format!("a server is not ready in time:\n{}", end_of(log)))),
    }
}

/// The last lines of a log.
fn end_of(log: &Path) -> String {
    const LOG_OCTETS_MAX: usize = 16 * 1024 * 1024;
    let octets = RealDisk.read_whole(log, LOG_OCTETS_MAX).unwrap_or_default();
    let text = String::from_utf8_lossy(&octets).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(LOG_LINES_SHOWN);
    lines.get(first..).unwrap_or_default().join("\n")
}

/// What an administrator would have written.
///
/// It sends from loopback addresses only, so that the system itself keeps everything inside
/// that should ever want to leave this machine.
fn configuration(plan: &Plan, place: Place) -> String {
    let Plan { hostname, address, .. } = plan;
    let listener = |protocol: &str, offset: u16, tls: &str| {
        let at = place.of(plan, offset);
        format!("[[listener]]\nprotocol = \"{protocol}\"\nbind = [\"{at}\"]\ntls = \"{tls}\"\n")
    };
    [
        format!("# Written by `posthouse try`.\nhostname = \"{hostname}\"\ndata_dir = \"data\"\n"),
        listener("smtp", SMTP, "starttls"),
        listener("submission", SUBMISSION, "starttls"),
        listener("submission", SUBMISSIONS, "implicit"),
        listener("pop3", POP3, "starttls"),
        listener("pop3", POP3S, "implicit"),
        format!("[dns]\nservers = [\"{}\"]\n", place.dns()),
        format!(
            "[outbound]\nport = {}\nallow_private = true\nbind = [\"{address}\", \"::1\"]\n",
            place.port(SMTP)
        ),
        "[queue]\nretry = [\"1s\", \"2s\", \"5s\", \"10s\", \"1m\"]\n".to_owned(),
    ]
    .join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::place::{SYSTEMS, Wish};
    use super::*;
    use crate::config::Config;

    #[tokio::test]
    async fn what_it_writes_can_be_read_and_stays_on_loopback() {
        let place = Place::find(Wish::Any).await.expect("free ports");
        for plan in &SYSTEMS {
            let text = configuration(plan, place);
            let config = Config::parse(Path::new("/tmp/posthouse.toml"), &text).expect("good");
            let bound = config.listeners.iter().flat_map(|listener| &listener.bind);
            assert!(bound.clone().count() == 5 && bound.clone().all(|at| at.ip().is_loopback()));
            assert_eq!(config.outbound.bind.len(), 2, "one of each family");
            assert!(config.outbound.bind.iter().all(std::net::IpAddr::is_loopback));
        }
    }
}
