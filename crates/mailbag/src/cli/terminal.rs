//! What a terminal may be told: visible characters, progress, a question for the password.

use std::io::{self, BufRead, IsTerminal, Write};

use mailbag::account::secret;
pub(crate) use message::inspect::{visible, visible_line};
use nix::sys::termios::{self, LocalFlags, SetArg};
use sasl::Password;
use zeroize::Zeroizing;

use super::trouble::Trouble;

/// Talk on stderr: progress only for people who watch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Talk {
    quiet: bool,
    watched: bool,
}

impl Talk {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet, watched: io::stderr().is_terminal() && !quiet }
    }

    /// What is being done right now; overwritten by what comes next.
    pub(crate) fn progress(&self, text: &str) {
        if self.watched {
            write!(io::stderr(), "\r\u{1b}[K{}", visible_line(text)).ok();
            io::stderr().flush().ok();
        }
    }

    /// Takes the progress line away.
    pub(crate) fn clear(&self) {
        if self.watched {
            write!(io::stderr(), "\r\u{1b}[K").ok();
            io::stderr().flush().ok();
        }
    }

    /// A remark for whoever watches.
    pub(crate) fn remark(&self, text: &str) {
        if self.watched {
            self.say(text);
        }
    }

    /// Something that has to be known, also by whoever reads the log.
    pub(crate) fn say(&self, text: &str) {
        self.clear();
        if !self.quiet {
            writeln!(io::stderr(), "{}", visible_line(text)).ok();
        }
    }
}

/// Whether stdout is read by a person.
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Writes to stdout.
pub(crate) fn print(octets: &[u8]) -> Result<(), Trouble> {
    let mut out = io::stdout().lock();
    out.write_all(octets).and_then(|()| out.flush()).map_err(|error| Trouble::output(&error))
}

/// The password: from stdin when asked to, else typed without echo.
pub(crate) fn password(address: &str, source: PasswordFrom) -> Result<Password, Trouble> {
    let mut line = Zeroizing::new(String::new());
    let stdin = io::stdin();
    let read = |line: &mut String| {
        let result = stdin.lock().read_line(line);
        result.map_err(|error| Trouble::own(format!("cannot read the password: {error}")))
    };
    match source {
        PasswordFrom::Stdin => {
            read(&mut line)?;
        }
        PasswordFrom::Terminal if !stdin.is_terminal() => {
            return Err(Trouble::wrong_use(
                "there is no terminal to type the password at",
                "use --password-stdin or --password-command",
            ));
        }
        PasswordFrom::Terminal => {
            write!(io::stderr(), "Password for {address}: ").ok();
            io::stderr().flush().ok();
            let before = termios::tcgetattr(&stdin).ok();
            if let Some(before) = &before {
                let mut silent = before.clone();
                silent.local_flags.remove(LocalFlags::ECHO);
                termios::tcsetattr(&stdin, SetArg::TCSAFLUSH, &silent).ok();
            }
            let result = read(&mut line);
            if let Some(before) = &before {
                termios::tcsetattr(&stdin, SetArg::TCSAFLUSH, before).ok();
            }
            writeln!(io::stderr()).ok();
            result?;
        }
    }
    Ok(secret::from_input(line)?)
}

/// Where the password comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PasswordFrom {
    Stdin,
    Terminal,
}
