//! A real Postfix in a network of its own, set up by a few lines.
//!
//! It finds its way by MX records alone: there is no transport map. Mail to its own domain lies
//! in one Maildir for all names, as octets with LF.
//!
//! Standards: none of its own. See postconf(5), master(5).
//! Not here: Postfix as a peer to compare speeds with (`cargo xtask bench`).

use std::net::SocketAddr;
use std::sync::Arc;

use crate::folder::Folder;
use crate::network::Network;
use crate::program::{Run, find};
use crate::wait::until;

/// A running Postfix. It ends with its network.
#[derive(Debug)]
pub struct Postfix {
    /// Its configuration, queue, log and mail.
    pub folder: Folder,
    network: Arc<Network>,
    address: &'static str,
}

impl Postfix {
    /// Starts one that has this address and is the MX of this domain. `settings` are more lines
    /// for `main.cf`.
    pub fn start(
        network: &Arc<Network>,
        address: &'static str,
        hostname: &str,
        domain: &str,
        settings: &str,
    ) -> Self {
        let folder = Folder::new();
        for name in ["etc", "spool", "lib", "mail"] {
            folder.make(name);
        }
        folder.give_to("lib", "postfix");
        folder.give_to("mail", "nobody");
        let root = folder.root().to_str().expect("a UTF-8 path").to_owned();
        let main = main_cf(&root, address, hostname, domain);
        folder.write("etc/main.cf", format!("{main}{settings}\n"));
        folder.write("etc/master.cf", MASTER_CF);
        let postfix = Self { folder, network: Arc::clone(network), address };
        postfix.control("start");
        postfix
    }

    /// Where it listens, in its network.
    pub fn smtp(&self) -> SocketAddr {
        format!("{}:25", self.address).parse().expect("an address")
    }

    /// Tries everything in its queue now.
    pub fn flush(&self) {
        self.control("flush");
    }

    /// Messages that its own domain got, with LF.
    pub fn mail(&self) -> Vec<Vec<u8>> {
        self.folder.maildir("mail/all")
    }

    /// Waits until its domain has got so many messages.
    pub fn await_mail(&self, count: usize) -> Vec<Vec<u8>> {
        until(&format!("{count} messages in Postfix: {}", self.log()), || {
            let mail = self.mail();
            (mail.len() >= count).then_some(mail)
        })
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        let log = self.folder.find("log").unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    fn control(&self, verb: &str) {
        let program = find("postfix").expect("postfix is installed");
        let run = Run::command(self.network.daemon(program));
        let finished = run.args(["-c", &self.folder.text_path("etc"), verb]).finish();
        assert_eq!(finished.code, Some(0), "{verb}: {}{}", finished.words(), self.log());
    }
}

fn main_cf(root: &str, address: &str, hostname: &str, domain: &str) -> String {
    let nobody = nix::unistd::User::from_name("nobody").ok().flatten().expect("user nobody");
    let (uid, gid) = (nobody.uid, nobody.gid);
    format!(
        "compatibility_level = 3.6
queue_directory = {root}/spool
data_directory = {root}/lib
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = /etc/postfix
shlib_directory = /usr/lib/postfix
mail_owner = postfix
setgid_group = postdrop
maillog_file = {root}/log
maillog_file_prefixes = {root}
myhostname = {hostname}
mydestination =
inet_interfaces = {address}
inet_protocols = ipv4
smtp_bind_address = {address}
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
local_header_rewrite_clients =
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {root}/mail
virtual_mailbox_maps = inline:{{@{domain}=all/}}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
"
    )
}

const MASTER_CF: &str = "\
smtp inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";
