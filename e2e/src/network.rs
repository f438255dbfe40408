//! A network of a test's own: namespaces with a loopback, a resolver file and room for mounts.
//!
//! The addresses 127.0.0.1 to 127.0.0.5 are interfaces of its own, ports 25 and 53 are free, and nothing outside can be
//! reached. Whatever runs in it as a daemon ends with it.
//!
//! ```text
//!   unshare --net --mount --pid ─▶ sh: lo up, resolv.conf, mounts; then waits for our end
//!        ▲ nsenter: programs            ▲ setns: a thread of ours (sockets only)
//! ```
//!
//! Standards: none of its own. See namespaces(7), setns(2).
//! Not here: what runs in it (`site`, `postfix`, `names`).

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::thread;

use nix::sched::{CloneFlags, setns};

use crate::folder::Folder;
use crate::program::find;

/// Where the network's DNS server is expected.
pub const RESOLVER: &str = "127.0.0.1:53";

/// A network of a test's own.
#[derive(Debug)]
pub struct Network {
    child: Child,
    /// The first process inside; it ends when this is closed, and everything with it.
    _lifeline: ChildStdin,
    init: u32,
    _folder: Folder,
}

/// What the first process inside does. `$1` is our resolver file.
const SETUP: &str = r#"
set -e
ip link set lo up
for last in 2 3 4 5; do ip address add "127.0.0.$last/8" dev lo; done
mount --bind "$1" "$(readlink -f /etc/resolv.conf)"
eval "$2"
echo ready
exec cat
"#;

impl Network {
    /// A network with nothing in it. Root only: ask [`crate::lacks_root`] first.
    pub fn new() -> Arc<Self> {
        Self::with("")
    }

    /// The same, after these shell commands ran in it; such as to mount something.
    pub fn with(commands: &str) -> Arc<Self> {
        let folder = Folder::new();
        let resolver = folder.write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:2\n");
        let mut child = Command::new(find("unshare").expect("unshare is installed"))
            .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", SETUP, "sh"])
            .args([resolver.as_str(), commands])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare starts");
        let lifeline = child.stdin.take().expect("piped");
        let mut said = String::new();
        let output = child.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut said).expect("a line");
        assert_eq!(said, "ready\n", "the namespaces could not be set up");
        let init = only_child(child.id());
        Arc::new(Self { child, _lifeline: lifeline, init, _folder: folder })
    }

    /// A command for a program in this network. It is the program's own process.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        self.enter(&["--net", "--mount"], program.as_ref())
    }

    /// The same for a program that leaves daemons behind: they end with the network.
    pub fn daemon(&self, program: impl AsRef<Path>) -> Command {
        self.enter(&["--net", "--mount", "--pid"], program.as_ref())
    }

    fn enter(&self, spaces: &[&str], program: &Path) -> Command {
        let mut command = Command::new(find("nsenter").expect("nsenter is installed"));
        command.arg0("nsenter").args(["--target", &self.init.to_string()]).args(spaces);
        command.arg("--").arg(program);
        command
    }

    /// Does something with sockets in this network: it runs in a thread that is inside.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                self.enter_thread();
                work()
            });
            // A failed assertion in there is one out here.
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Moves the calling thread, and it alone, into this network.
    pub(crate) fn enter_thread(&self) {
        let space = File::open(format!("/proc/{}/ns/net", self.init)).expect("its namespace");
        setns(space, CloneFlags::CLONE_NEWNET).expect("root may enter a namespace");
    }

    /// The path by which we see a path inside, mounts included.
    pub fn seen_from_outside(&self, path: &str) -> String {
        format!("/proc/{}/root{path}", self.init)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // With `--kill-child` the first process goes too, and with it all of its namespace.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn only_child(pid: u32) -> u32 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.expect("the system tells children");
    children.trim().parse().expect("one child")
}
