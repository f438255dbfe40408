//! The foreign programs that the end-to-end tests talk to, and the Debian packages they are in.
//!
//! Nothing is installed when all programs are there. A mail server that a package brings along
//! must not start on its own, so for the time of the installation `policy-rc.d` forbids it,
//! unless the machine has a policy already.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// A program that the tests start, or a file by its whole path, and the package that has it.
const PROGRAMS: &[(&str, &str)] = &[
    ("swaks", "swaks"),
    ("/usr/share/doc/libnet-ssleay-perl/copyright", "libnet-ssleay-perl"), // swaks' TLS
    ("msmtp", "msmtp"),
    ("fetchmail", "fetchmail"),
    ("mpop", "mpop"),
    ("getmail", "getmail6"),
    ("postfix", "postfix"),
    ("curl", "curl"),
    ("python3", "python3"),
    ("openssl", "openssl"),
    ("ip", "iproute2"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("fallocate", "util-linux"),
    ("mount", "mount"),
    ("ps", "procps"),
    ("mkfs.ext4", "e2fsprogs"),
];

/// Where Debian keeps programs; a user's PATH often lacks the `sbin` folders.
const SYSTEM_FOLDERS: &[&str] = &["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/// Says at installation time whether a service may start (invoke-rc.d; 101 is "forbidden").
const POLICY_PATH: &str = "/usr/sbin/policy-rc.d";

/// Postfix asks how it shall be set up; our tests bring their own configuration.
const POSTFIX_ANSWER: &str = "postfix postfix/main_mailer_type select No configuration\n";

/// Makes sure that every program is there, or says which package is missing.
pub(crate) fn provide(is_ci: bool) -> Result<()> {
    let missing = missing_packages();
    if missing.is_empty() {
        println!("all programs are there");
        return Ok(());
    }
    let missing: Vec<_> = missing.into_iter().collect();
    let list = missing.join(" ");
    if !nix::unistd::geteuid().is_root() {
        println!("missing: {list}\nas root: apt-get install --no-install-recommends {list}");
        if is_ci {
            bail!("the end-to-end tests cannot run without {list}");
        }
        return Ok(());
    }
    install(&missing)?;
    let still_missing = missing_packages();
    if still_missing.is_empty() {
        return Ok(());
    }
    bail!("still missing after the installation: {still_missing:?}");
}

fn missing_packages() -> BTreeSet<&'static str> {
    let folders = folders();
    PROGRAMS
        .iter()
        .filter(|(program, _)| !folders.iter().any(|folder| folder.join(program).is_file()))
        .map(|(_, package)| *package)
        .collect()
}

fn folders() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).chain(SYSTEM_FOLDERS.iter().map(PathBuf::from)).collect()
}

/// Installs packages; services that they bring do not start.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let _policy = NoServices::forbid()?;
    println!("apt-get install {}", packages.join(" "));
    if packages.contains(&"postfix") {
        answer_beforehand(POSTFIX_ANSWER)?;
    }
    apt(&["update", "-q"])?;
    let mut arguments = vec!["install", "-q", "-y", "--no-install-recommends"];
    arguments.extend(packages);
    apt(&arguments)
}

fn apt(arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .context("cannot start apt-get; on a system without it install the packages yourself")?;
    if status.success() {
        return Ok(());
    }
    bail!("apt-get {} failed ({status})", arguments.join(" "));
}

fn answer_beforehand(answer: &str) -> Result<()> {
    let mut child = Command::new("debconf-set-selections")
        .stdin(std::process::Stdio::piped())
        .spawn()
        .context("cannot start debconf-set-selections")?;
    if let Some(mut input) = child.stdin.take() {
        std::io::Write::write_all(&mut input, answer.as_bytes())?;
    }
    child.wait()?;
    Ok(())
}

/// As long as this lives, no service starts by itself.
struct NoServices {
    is_ours: bool,
}

impl NoServices {
    fn forbid() -> Result<Self> {
        if Path::new(POLICY_PATH).exists() {
            return Ok(Self { is_ours: false });
        }
        fs::write(POLICY_PATH, "#!/bin/sh\nexit 101\n").context(POLICY_PATH)?;
        fs::set_permissions(POLICY_PATH, fs::Permissions::from_mode(0o755))?;
        Ok(Self { is_ours: true })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.is_ours
            && let Err(error) = fs::remove_file(POLICY_PATH)
        {
            eprintln!("cannot remove {POLICY_PATH}: {error}; remove it yourself");
        }
    }
}
