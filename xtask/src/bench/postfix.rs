//! Postfix as it would be set up for this load: its own queue, `virtual` into maildirs, `smtp` to
//! the sink, and `retry` for what shall wait.
//!
//! Its configuration, spool and mail are in a folder of the series; the machine's own Postfix, if
//! there is one, is not touched. The settings give it what a fair rival gets: no limits on
//! clients, no flow delay, twenty deliveries at a time.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::bench::meter::Group;
use crate::bench::series::{BEYOND, WAITING};
use crate::letter::{DOMAIN, Form};
use crate::suite::packages;

/// The owner of the maildirs: nobody.
const MAIL_OWNER: u32 = 65534;

const PROGRAM: &str = "/usr/sbin/postfix";

/// The spool's folders with mail that is under way.
const QUEUES: &[&str] = &["maildrop", "incoming", "active"];

/// The folder with mail that waits.
const DEFERRED: &str = "deferred";

/// Installs Postfix if it is missing.
pub(super) fn provide() -> Result<()> {
    if Path::new(PROGRAM).exists() {
        return Ok(());
    }
    packages::install(&["postfix"])
}

/// A running Postfix. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Postfix {
    settings: PathBuf,
    spool: PathBuf,
    pub(super) smtp: SocketAddr,
}

impl Postfix {
    /// Sets it up in `folder` and starts it as a member of the group; it relays to `beyond`.
    pub(super) fn start(
        folder: &Path,
        form: Form,
        group: &Group,
        beyond: SocketAddr,
    ) -> Result<Self> {
        let (settings, spool) = (folder.join("etc"), folder.join("spool"));
        let (library, mail) = (folder.join("lib"), folder.join("mail"));
        for part in [&settings, &spool, &library, &mail] {
            fs::create_dir_all(part)?;
        }
        let user = nix::unistd::User::from_name("postfix")?;
        let user = user.ok_or_else(|| anyhow!("there is no user postfix"))?;
        chown(&library, Some(user.uid.as_raw()), None)?;
        chown(&mail, Some(MAIL_OWNER), Some(MAIL_OWNER))?;
        let smtp = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        fs::write(settings.join("main.cf"), main_settings(folder, &settings))?;
        fs::write(settings.join("master.cf"), services(smtp))?;
        fs::write(settings.join("mailboxes"), mailboxes(form))?;
        fs::write(settings.join("transports"), transports(beyond))?;
        let status = group
            .command(Path::new(PROGRAM))
            .arg("-c")
            .arg(&settings)
            .arg("start")
            .status()
            .context("cannot start postfix")?;
        if !status.success() {
            bail!("postfix start: {status}");
        }
        let postfix = Self { settings, spool, smtp };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(smtp).is_err() {
            if Instant::now() > deadline {
                bail!("postfix does not listen at {smtp}");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(postfix)
    }

    /// Messages that are accepted, neither where they belong nor put off.
    pub(super) fn queue_length(&self) -> Result<usize> {
        QUEUES.iter().map(|name| count_files(&self.spool.join(name))).sum()
    }

    /// An error unless exactly so many messages are put off.
    pub(super) fn check_deferred(&self, expected: u32) -> Result<()> {
        let found = count_files(&self.spool.join(DEFERRED))?;
        if found == usize::try_from(expected)? {
            return Ok(());
        }
        bail!("{found} messages are put off, but {expected} should be: see postfix.log");
    }
}

fn count_files(folder: &Path) -> Result<usize> {
    let mut folders = vec![folder.to_path_buf()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let entry = entry?;
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(_) => files += 1,
                Err(_) => {} // delivered between the listing and the look
            }
        }
    }
    Ok(files)
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let stopped = Command::new(PROGRAM).arg("-c").arg(&self.settings).arg("stop").output();
        if let Err(error) = stopped {
            eprintln!("cannot stop postfix: {error}");
        }
    }
}

fn main_settings(folder: &Path, settings: &Path) -> String {
    format!(
        "compatibility_level = 3.6
queue_directory = {0}/spool
data_directory = {0}/lib
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = /etc/postfix
shlib_directory = /usr/lib/postfix
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.{DOMAIN}
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
alias_maps =
alias_database =
local_recipient_maps =
virtual_transport = virtual
virtual_mailbox_domains = {DOMAIN}
virtual_mailbox_base = {0}/mail
virtual_mailbox_maps = texthash:{1}/mailboxes
virtual_uid_maps = static:{MAIL_OWNER}
virtual_gid_maps = static:{MAIL_OWNER}
virtual_minimum_uid = 100
relay_domains = {BEYOND} {WAITING}
transport_maps = texthash:{1}/transports
queue_run_delay = 1d
minimal_backoff_time = 1d
maximal_backoff_time = 1d
maillog_file = {0}/postfix.log
maillog_file_prefixes = {0}
in_flow_delay = 0
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_event_limit_exceptions = static:all
default_process_limit = 250
default_destination_concurrency_limit = 20
virtual_destination_concurrency_limit = 20
initial_destination_concurrency = 20
qmgr_message_active_limit = 50000
",
        folder.display(),
        settings.display()
    )
}

fn services(smtp: SocketAddr) -> String {
    // One process for each connection of the largest case.
    let mut text = format!("{smtp} inet n - n - 500 smtpd\n");
    #[rustfmt::skip]
    let internal = [
        "pickup unix n - n 60 1 pickup",
        "cleanup unix n - n - 0 cleanup",
        "qmgr unix n - n 300 1 qmgr",
        "rewrite unix - - n - - trivial-rewrite",
        "bounce unix - - n - 0 bounce",
        "defer unix - - n - 0 bounce",
        "trace unix - - n - 0 bounce",
        "verify unix - - n - 1 verify",
        "flush unix n - n 1000? 0 flush",
        "proxymap unix - - n - - proxymap",
        "showq unix n - n - - showq",
        "error unix - - n - - error",
        "retry unix - - n - - error",
        "virtual unix - n n - - virtual",
        "smtp unix - - n - - smtp",
        "anvil unix - - n - 1 anvil",
        "postlog unix-dgram n - n - 1 postlogd",
    ];
    for line in internal {
        let _ = writeln!(text, "{line}");
    }
    text
}

fn transports(beyond: SocketAddr) -> String {
    format!("{BEYOND} smtp:[{}]:{}\n{WAITING} retry:4.0.0 it waits\n", beyond.ip(), beyond.port())
}

fn mailboxes(form: Form) -> String {
    let mut text = String::new();
    for address in form.addresses() {
        let name = address.split('@').next().unwrap_or_default();
        let _ = writeln!(text, "{address} {name}/");
    }
    text
}
