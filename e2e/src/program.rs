//! Running programs: ours, built once, and foreign ones from Debian.
//!
//! Standards: none of its own.
//! Not here: which Debian packages are installed (`cargo xtask test`).

use std::env;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::geteuid;

/// A foreign program that runs for longer hangs.
const RUN_MAX: Duration = Duration::from_secs(60);

/// A folder with `posthouse` and `mailbag`; what is in it is tested instead of a build of ours.
const PROGRAMS_VARIABLE: &str = "POSTHOUSE_E2E_PROGRAMS";

/// Where Debian keeps programs; a user's PATH often lacks the `sbin` folders.
const SYSTEM_FOLDERS: &[&str] = &["/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"];

/// One of our programs, built if it is not up to date.
pub fn ours(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(programs_folder).join(name)
}

fn programs_folder() -> PathBuf {
    if let Some(folder) = env::var_os(PROGRAMS_VARIABLE) {
        return PathBuf::from(folder);
    }
    // TARGET/PROFILE/deps/TEST-HASH: what is tested lies beside the tests.
    let test = env::current_exe().expect("the path of this test");
    let profile = test.ancestors().nth(2).expect("cargo's folder of this profile");
    let target = profile.parent().expect("cargo's target folder");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // The same selection as `cargo xtask test` builds, so that nothing is built twice.
    command.args(["build", "--workspace", "--bins", "--locked", "--quiet", "--target-dir"]);
    command.arg(target).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    if profile.file_name() == Some(OsStr::new("release")) {
        command.arg("--release");
    }
    let status = command.status().expect("cargo starts");
    assert!(status.success(), "our programs do not build");
    profile.to_path_buf()
}

/// Whether a program is missing, so that a test cannot run: it says so and passes, but fails in CI.
pub fn lacks(programs: &[&str]) -> bool {
    let missing: Vec<_> =
        programs.iter().copied().filter(|program| find(program).is_none()).collect();
    if missing.is_empty() {
        return false;
    }
    skip(&format!("{} not installed", missing.join(", ")));
    true
}

/// Whether we are not root, who alone may make namespaces: the test says so and passes, but fails
/// in CI.
pub fn lacks_root() -> bool {
    if geteuid().is_root() {
        return false;
    }
    skip("only root may make namespaces");
    true
}

fn skip(reason: &str) {
    let is_ci = env::var("CI").is_ok_and(|value| value == "true" || value == "1");
    assert!(!is_ci, "this test cannot run: {reason}");
    let thread = thread::current();
    // Written past the test's captured output, so that it is seen.
    let line = format!("SKIPPED {}: {reason}\n", thread.name().unwrap_or("a test"));
    std::io::stderr().write_all(line.as_bytes()).ok();
}

/// Where a program is.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = SYSTEM_FOLDERS.iter().map(PathBuf::from);
    // Debian's own first: a Python from elsewhere may lack what we need.
    system.chain(env::split_paths(&path)).map(|at| at.join(program)).find(|file| file.is_file())
}

/// A command that is about to run.
#[derive(Debug)]
pub struct Run {
    command: Command,
    input: Vec<u8>,
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Run {
    /// A foreign program.
    ///
    /// # Panics
    ///
    /// When it is not installed: ask [`lacks`] first.
    pub fn new(program: &str) -> Self {
        let file = find(program).unwrap_or_else(|| panic!("{program} is not installed"));
        Self::command(Command::new(file))
    }

    /// Any command.
    pub fn command(mut command: Command) -> Self {
        command.env("LC_ALL", "C.UTF-8").stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command, input: Vec::new() }
    }

    /// Adds arguments.
    pub fn args<I: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = I>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// What it reads from standard input.
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    ///
    /// When it cannot be started or does not end in time.
    pub fn finish(mut self) -> Finished {
        let name = format!("{:?}", self.command);
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut stdin = child.stdin.take().expect("piped");
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let input = self.input;
        thread::scope(|scope| {
            // A program may end without having read everything.
            scope.spawn(move || stdin.write_all(&input).ok());
            let stdout = scope.spawn(|| whole(stdout));
            let stderr = scope.spawn(|| whole(stderr));
            let code = end(&mut child, &name);
            let stdout = stdout.join().expect("the reader does not panic");
            let stderr = stderr.join().expect("the reader does not panic");
            Finished { code, stdout, stderr }
        })
    }

    /// Runs it and demands that it ends with 0.
    ///
    /// # Panics
    ///
    /// When it ends otherwise, with all that it said.
    pub fn succeed(self) -> Finished {
        let name = format!("{:?}", self.command);
        let finished = self.finish();
        assert_eq!(finished.code, Some(0), "{name}\n{}", finished.words());
        finished
    }
}

impl Finished {
    /// Standard output as text.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// All that it said, as text.
    pub fn words(&self) -> String {
        format!("{}{}", self.output(), String::from_utf8_lossy(&self.stderr))
    }
}

fn whole(pipe: Option<impl Read>) -> Vec<u8> {
    let mut octets = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut octets).ok();
    }
    octets
}

fn end(child: &mut Child, name: &str) -> Option<i32> {
    let deadline = Instant::now() + RUN_MAX;
    loop {
        if let Some(status) = child.try_wait().expect("our own child") {
            return status.code();
        }
        if Instant::now() > deadline {
            child.kill().ok();
            child.wait().ok();
            panic!("{name} did not end within {RUN_MAX:?}");
        }
        thread::sleep(Duration::from_millis(10));
    }
}
