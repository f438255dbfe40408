//! Passwords: read from standard input, or made up; never taken from the command line, which
//! everybody on the machine can read.
//!
//! Standards: NIST SP 800-63B §5.1.1 (memorised secrets).
//! Not here: what is stored of them (crate `directory`).

use std::io::{self, BufRead, Read};

use clap::Args;
use platform::Random;

use crate::control::Secret;
use crate::failure::Failure;

/// Longest line that is read, in octets (`sasl` takes passwords of 1024).
const LINE_OCTETS_MAX: u64 = 1100;

/// How a password is given.
#[derive(Clone, Debug, Default, Args)]
#[group(skip)]
pub(crate) struct Options {
    /// Read the password from the first line of standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// Refused: everybody on the machine can read it there.
    #[arg(long = "password", hide = true, num_args = 0..=1, value_name = "SECRET")]
    password: Option<Option<String>>,
}

impl Options {
    /// The password that was given; `None` when there was none.
    pub(crate) fn read(&self) -> Result<Option<Secret>, Failure> {
        if self.password.is_some() {
            return Err(on_the_command_line());
        }
        if !self.password_stdin {
            return Ok(None);
        }
        first_line(&mut io::stdin().lock()).map(Some)
    }
}

/// A password stands where everybody can read it.
pub(crate) fn on_the_command_line() -> Failure {
    Failure::wrong_use("a password on the command line can be read by everybody on this machine")
        .remedy("give it on standard input with --password-stdin, and choose another one now")
}

fn first_line(input: &mut impl BufRead) -> Result<Secret, Failure> {
    let mut line = String::new();
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::new(format!("the password cannot be read: {error}")).at("standard input")
    };
    input.take(LINE_OCTETS_MAX).read_line(&mut line).map_err(|error| unreadable(&error))?;
    let password = line.trim_end_matches('\n').trim_end_matches('\r');
    if password.is_empty() {
        return Err(unreadable(&"it is empty").remedy("write it on the first line"));
    }
    Ok(Secret(password.to_owned()))
}

/// A password that nobody guesses: 100 bits, without letters that look alike.
pub(crate) fn make_up(random: &dyn Random) -> Secret {
    const SIGNS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    const GROUPS: usize = 4;
    const GROUP_SIGNS: usize = 5;
    let mut groups = Vec::with_capacity(GROUPS);
    for _ in 0..GROUPS {
        let mut octets = [0; GROUP_SIGNS];
        random.fill(&mut octets);
        let sign = |octet: u8| SIGNS.get(usize::from(octet % 32)).copied().map_or('a', char::from);
        groups.push(octets.map(sign).iter().collect::<String>());
    }
    Secret(groups.join("-"))
}

#[cfg(test)]
mod tests {
    use platform::SystemRandom;

    use super::*;

    #[test]
    fn the_first_line_is_the_password() {
        let long = "x".repeat(5000);
        let table = [
            ("secret word\n", Some("secret word"), "a line"),
            ("secret\r\nmore\n", Some("secret"), "only the first, CRLF"),
            ("secret", Some("secret"), "no line end"),
            (" spaces count ", Some(" spaces count "), "as it is"),
            ("\n", None, "an empty line"),
            ("", None, "closed"),
        ];
        for (input, password, why) in table {
            let found = first_line(&mut input.as_bytes()).ok().map(|secret| secret.0);
            assert_eq!(found.as_deref(), password, "{why}");
        }
        let found = first_line(&mut long.as_bytes()).expect("read").0;
        assert_eq!(found.len(), 1100, "no more is kept than can be used");
    }

    #[test]
    fn made_up_ones_differ() {
        let (one, two) = (make_up(&SystemRandom), make_up(&SystemRandom));
        assert_ne!(one, two);
        assert_eq!(one.0.len(), 23);
    }
}
