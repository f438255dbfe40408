//! OpenSMTPD, unpacked beside the machine's own mail server, with queue and mail on our disk.
//!
//! Places are built into it, so it runs in a mount namespace of its own, in which they are folders
//! of the series. It gets its own defaults, but for what would keep it waiting: a hundred messages for
//! each connection, and five seconds between two connections to a host.
//!
//! Not here: who unpacks it (`suite::packages`).

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::bench::meter::Group;
use crate::letter::DOMAIN;
use crate::suite::packages;

const PACKAGE: &str = "opensmtpd";

/// The owner of the maildirs: nobody.
const MAIL_OWNER: u32 = 65534;

/// `$1` is the unpacked package, `$2` the folder of the series.
const SCRIPT: &str = r#"
set -e
users=$(mktemp -d)
cp /etc/passwd /etc/group "$users"
for user in opensmtpd:64002 opensmtpq:64003; do
    id=${user#*:}
    echo "${user%:*}:x:$id:$id::/nonexistent:/bin/false" >>"$users/passwd"
    echo "${user%:*}:x:$id:" >>"$users/group"
done
mount --bind "$users/passwd" /etc/passwd
mount --bind "$users/group" /etc/group
for place in /run /var/lib /usr/libexec; do mount -t tmpfs none "$place"; done
mkdir -p /var/lib/opensmtpd/empty /var/spool/smtpd /usr/libexec/opensmtpd
chmod 711 /var/lib/opensmtpd /var/lib/opensmtpd/empty
mount --bind "$2/spool" /var/spool/smtpd
mount --bind "$1/usr/libexec/opensmtpd" /usr/libexec/opensmtpd
exec "$1/usr/sbin/smtpd" -d -f "$2/configuration"
"#;

/// Installs what it needs and unpacks it, as far as that is missing.
pub(super) fn provide() -> Result<()> {
    packages::provide(true)
}

/// A running OpenSMTPD. Dropping it ends it.
#[derive(Debug)]
pub(super) struct OpenSmtpd {
    child: Child,
    spool: PathBuf,
    pub(super) smtp: SocketAddr,
}

impl OpenSmtpd {
    /// Sets it up in `folder` and starts it as a member of the group; it relays to `beyond`.
    pub(super) fn start(folder: &Path, group: &Group, beyond: SocketAddr) -> Result<Self> {
        let (spool, mail) = (folder.join("spool"), folder.join("mail"));
        for part in [&spool, &mail] {
            fs::create_dir_all(part)?;
            fs::set_permissions(part, fs::Permissions::from_mode(0o711))?;
        }
        chown(&mail, Some(MAIL_OWNER), Some(MAIL_OWNER))?;
        let smtp = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let configuration = folder.join("configuration");
        fs::write(&configuration, settings(folder, smtp, beyond))?;
        fs::set_permissions(&configuration, fs::Permissions::from_mode(0o644))?;
        let log = fs::File::create(folder.join("log"))?;
        let child = group
            .command(Path::new("unshare"))
            .args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", SCRIPT, "sh"])
            .arg(packages::unpacked_folder(PACKAGE))
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start unshare")?;
        let server = Self { child, spool, smtp };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(smtp).is_err() {
            if Instant::now() > deadline {
                let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
                bail!("OpenSMTPD does not listen at {smtp}:\n{log}");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Messages in its queue, which lie in folders of their own, 256 to share them.
    pub(super) fn queue_length(&self) -> Result<usize> {
        let mut messages = 0;
        for part in fs::read_dir(self.spool.join("queue"))? {
            messages += fs::read_dir(part?.path())?.count();
        }
        Ok(messages)
    }
}

impl Drop for OpenSmtpd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn settings(folder: &Path, smtp: SocketAddr, beyond: SocketAddr) -> String {
    format!(
        "smtp limit max-mails 1000000000
mta limit conn-delay-route 0
mta limit max-conn-per-route 20
mta limit max-conn-per-host 20
listen on {} port {} hostname mx.{DOMAIN}
action keep maildir \"{}/mail/%{{rcpt.user}}\" virtual {{ \"@\" = nobody }}
action away relay host smtp://{beyond}
match from any for domain {DOMAIN} action keep
match from any for any action away
",
        smtp.ip(),
        smtp.port(),
        folder.display()
    )
}
