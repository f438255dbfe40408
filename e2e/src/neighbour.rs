//! Mail servers of other makes that Debian lets nobody install beside Postfix: Exim and OpenSMTPD.
//!
//! Their packages lie unpacked in folders of their own; what they expect at fixed places (users,
//! spools, sockets) is mounted into the network of the test. Mail to their own domain lies in one
//! Maildir for all names, as octets with LF; all other mail goes where MX records say.
//!
//! Standards: none of its own. See exim4(8), smtpd.conf(5).
//! Not here: who unpacks them (`cargo xtask test`), Postfix (`postfix`).

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use nix::unistd::{Gid, Uid, chown};

use crate::folder::Folder;
use crate::network::Network;
use crate::program::Run;
use crate::wait::until;

/// Where the packages are unpacked, each in a folder of its name.
const UNPACKED: &str = "/opt/mail-servers";

/// Where each of them listens, in its network.
pub const ADDRESS: &str = "127.0.0.3:25";

/// A make of mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    /// Exim 4, Debian's light build.
    Exim,
    /// The portable OpenSMTPD.
    OpenSmtpd,
}

/// Users that these programs want to run as, and that only their network knows.
const USERS: &[(&str, u32)] = &[("Debian-exim", 64001), ("opensmtpd", 64002), ("opensmtpq", 64003)];

/// The user to whom the mail belongs.
const EXIM: u32 = 64001;

/// Mounts the users, and empty folders at the places that are built into OpenSMTPD. `resolv.conf`
/// may be a link into `/run`, so it is put back.
const MOUNTS: &str = r#"
users=$(mktemp -d)
cp /etc/passwd /etc/group "$users"
printf '%s' "$passwd" >>"$users/passwd"
printf '%s' "$group" >>"$users/group"
mount --bind "$users/passwd" /etc/passwd
mount --bind "$users/group" /etc/group
names=$(readlink -f /etc/resolv.conf)
resolver=$(cat "$names")
for place in /run /var/spool /var/lib /usr/libexec; do mount -t tmpfs none "$place"; done
[ -e "$names" ] || { mkdir -p "${names%/*}"; echo "$resolver" >"$names"; }
mkdir -p /var/lib/opensmtpd/empty /var/spool/smtpd /usr/libexec/opensmtpd
chmod 711 /var/lib/opensmtpd /var/lib/opensmtpd/empty /var/spool/smtpd
mount --bind "$unpacked/opensmtpd/usr/libexec/opensmtpd" /usr/libexec/opensmtpd
rm -r "$users"
"#;

/// A running server. It ends with its network.
#[derive(Debug)]
pub struct Neighbour {
    folder: Folder,
    _network: Arc<Network>,
}

impl Make {
    fn program(self) -> PathBuf {
        PathBuf::from(UNPACKED).join(match self {
            Self::Exim => "exim4-daemon-light/usr/sbin/exim4",
            Self::OpenSmtpd => "opensmtpd/usr/sbin/smtpd",
        })
    }

    /// What [`crate::lacks`] is to be asked for.
    pub fn programs() -> Vec<String> {
        [Self::Exim, Self::OpenSmtpd].map(|make| make.program().display().to_string()).to_vec()
    }
}

/// A network in which these servers find what they expect.
pub fn network() -> Arc<Network> {
    let lines = |line: fn(&(&str, u32)) -> String| USERS.iter().map(line).collect::<String>();
    let passwd = lines(|(name, id)| format!("{name}:x:{id}:{id}::/nonexistent:/bin/false\n"));
    let group = lines(|(name, id)| format!("{name}:x:{id}:\n"));
    Network::with(&format!("unpacked={UNPACKED}\npasswd='{passwd}'\ngroup='{group}'\n{MOUNTS}"))
}

impl Neighbour {
    /// Starts one that is the MX `hostname` of this domain.
    pub fn start(network: &Arc<Network>, make: Make, hostname: &str, domain: &str) -> Self {
        let folder = Folder::new();
        for name in ["mail", "spool"] {
            folder.make(name);
        }
        folder.set_mode("", 0o755);
        let root = folder.root().to_str().expect("a UTF-8 path").to_owned();
        let (configuration, arguments) = match make {
            Make::Exim => (exim_conf(make, &root, hostname, domain), "-bdf -q1s -C"),
            Make::OpenSmtpd => (smtpd_conf(&root, hostname, domain), "-d -f"),
        };
        let file = folder.write("configuration", configuration);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("chmod");
        if make == Make::Exim {
            for name in ["mail", "spool"] {
                let (user, group) = (Uid::from_raw(EXIM), Gid::from_raw(EXIM));
                chown(&folder.path(name), Some(user), Some(group)).expect("root may chown");
            }
        } else {
            folder.give_to("mail", "nobody");
        }
        let program = make.program().display().to_string();
        let script = format!("{program} {arguments} {file} >{root}/log 2>&1 </dev/null &");
        let mut command = network.daemon("/bin/sh");
        command.args(["-c", &script]).stdin(Stdio::null());
        Run::command(command).succeed();
        let neighbour = Self { folder, _network: Arc::clone(network) };
        network.inside(|| {
            until(&format!("{make:?} to listen: {}", neighbour.log()), || {
                std::net::TcpStream::connect(neighbour.smtp()).ok()
            })
        });
        neighbour
    }

    /// Where it listens, in its network.
    pub fn smtp(&self) -> SocketAddr {
        ADDRESS.parse().expect("an address")
    }

    /// Messages that its own domain got, with LF.
    pub fn mail(&self) -> Vec<Vec<u8>> {
        self.folder.maildir("mail")
    }

    /// Waits until its domain has got so many messages.
    pub fn await_mail(&self, count: usize) -> Vec<Vec<u8>> {
        until(&format!("{count} messages there: {}", self.log()), || {
            let mail = self.mail();
            (mail.len() >= count).then_some(mail)
        })
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        let logs = ["log", "spool/log-main", "spool/log-reject", "spool/log-panic"];
        let logs = logs.iter().filter_map(|name| self.folder.find(name));
        logs.map(|log| String::from_utf8_lossy(&log).into_owned()).collect()
    }
}

fn exim_conf(make: Make, root: &str, hostname: &str, domain: &str) -> String {
    let program = make.program().display().to_string();
    format!(
        "keep_environment =
exim_path = {program}
exim_user = Debian-exim
exim_group = Debian-exim
deliver_drop_privilege = true
primary_hostname = {hostname}
spool_directory = {root}/spool
log_file_path = {root}/spool/log-%s
pid_file_path = {root}/spool/pid
local_interfaces = 127.0.0.3
daemon_smtp_ports = 25
tls_advertise_hosts =
accept_8bitmime = true
smtputf8_advertise_hosts = *
domainlist local_domains = {domain}
acl_smtp_rcpt = accept
acl_smtp_data = accept
begin routers
here:
  driver = accept
  domains = +local_domains
  transport = maildir
away:
  driver = dnslookup
  transport = smtp
begin transports
maildir:
  driver = appendfile
  directory = {root}/mail
  maildir_format
smtp:
  driver = smtp
  interface = 127.0.0.3
begin retry
* * F,1d,1s
"
    )
}

fn smtpd_conf(root: &str, hostname: &str, domain: &str) -> String {
    format!(
        "listen on 127.0.0.3 port 25 hostname {hostname}
action keep maildir \"{root}/mail\" virtual {{ \"@\" = nobody }}
action away relay src 127.0.0.3 helo {hostname}
match from any for domain {domain} action keep
match from any for any action away
"
    )
}
