//! The foreign programs that the end-to-end tests talk to, and the Debian packages they are in.
//!
//! Nothing is installed when all programs are there. A mail server that a package brings along
//! must not start on its own, so for the time of the installation `policy-rc.d` forbids it,
//! unless the machine has a policy already. What cannot be installed beside Postfix is unpacked only.

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
    // Libraries of the mail servers below.
    ("/usr/share/doc/libdb5.3/copyright", "libdb5.3"),
    ("/usr/share/doc/libgnutls-dane0/copyright", "libgnutls-dane0"),
    ("/usr/share/doc/libidn12/copyright", "libidn12"),
    ("/usr/share/doc/libnsl2/copyright", "libnsl2"),
    ("/usr/share/doc/libevent-2.1-7/copyright", "libevent-2.1-7"),
];

/// Mail servers that Debian installs only instead of Postfix, by a file of theirs: their packages
/// are unpacked into a folder of their own below [`UNPACKED_PATH`].
const UNPACKED: &[(&str, &str)] =
    &[("usr/sbin/exim4", "exim4-daemon-light"), ("usr/sbin/smtpd", "opensmtpd")];

/// The end-to-end tests look for them here (`e2e::neighbour`).
const UNPACKED_PATH: &str = "/opt/mail-servers";

/// Where Debian keeps programs; a user's PATH often lacks the `sbin` folders.
const SYSTEM_FOLDERS: &[&str] = &["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/// Says at installation time whether a service may start (invoke-rc.d; 101 is "forbidden").
const POLICY_PATH: &str = "/usr/sbin/policy-rc.d";

/// Postfix asks how it shall be set up; our tests bring their own configuration.
const POSTFIX_ANSWER: &str = "postfix postfix/main_mailer_type select No configuration\n";

/// Makes sure that every program is there, or says which package is missing.
pub(crate) fn provide(is_ci: bool) -> Result<()> {
    provide_installed(is_ci)?;
    provide_unpacked(is_ci)
}

fn provide_installed(is_ci: bool) -> Result<()> {
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

fn provide_unpacked(is_ci: bool) -> Result<()> {
    let mut is_list_fresh = false;
    for (file, package) in UNPACKED {
        let folder = unpacked_folder(package);
        let program = folder.join(file);
        if program.is_file() {
            continue;
        }
        if !nix::unistd::geteuid().is_root() {
            println!("missing: {}, which root unpacks from {package}", program.display());
            if is_ci {
                bail!("the end-to-end tests cannot run without {}", program.display());
            }
            continue;
        }
        if !is_list_fresh {
            apt(&["update", "-q"])?;
            is_list_fresh = true;
        }
        unpack(package, &folder)?;
        // Exim's program comes with set-user-ID, which our tests have no need of.
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))
            .with_context(|| program.display().to_string())?;
    }
    Ok(())
}

/// Where a package is unpacked.
pub(crate) fn unpacked_folder(package: &str) -> PathBuf {
    Path::new(UNPACKED_PATH).join(package)
}

/// Downloads a package and unpacks its files; nothing of it is installed or started.
fn unpack(package: &str, folder: &Path) -> Result<()> {
    println!("apt-get download {package}, into {}", folder.display());
    let archive_folder = folder.with_extension("archive");
    fs::create_dir_all(&archive_folder)?;
    fs::create_dir_all(folder)?;
    run(Command::new("apt-get")
        .args(["download", "-q", "-o", "APT::Sandbox::User=root", package])
        .current_dir(&archive_folder))?;
    let archive = fs::read_dir(&archive_folder)?.next().context("apt-get downloaded nothing")??;
    run(Command::new("dpkg-deb").arg("--extract").arg(archive.path()).arg(folder))?;
    Ok(fs::remove_dir_all(archive_folder)?)
}

fn run(command: &mut Command) -> Result<()> {
    let name = format!("{command:?}");
    let status = command.status().with_context(|| name.clone())?;
    if status.success() {
        return Ok(());
    }
    bail!("{name} failed ({status})");
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
