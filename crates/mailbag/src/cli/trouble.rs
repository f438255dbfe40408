//! An error on its way to the user: `error: WHAT (WHERE): REMEDY`.

use std::io::{self, Write};
use std::path::Path;

use mailbag::{Exit, Fault};

use super::terminal::visible_line;

/// Why a command ends without its result.
#[derive(Debug)]
pub(crate) struct Trouble {
    what: String,
    place: String,
    remedy: String,
    exit: Exit,
}

impl Trouble {
    /// The user asked for something impossible.
    pub(crate) fn wrong_use(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (what, remedy) = (what.into(), remedy.into());
        Self { what, place: String::new(), remedy, exit: Exit::WrongUse }
    }

    /// The message is here, but nobody here sent it.
    pub(crate) fn not_sent(id: &str) -> Self {
        Self {
            what: "the message was received, not sent".to_owned(),
            place: id.to_owned(),
            remedy: "see `mailbag track` for sent letters".to_owned(),
            exit: Exit::NothingFound,
        }
    }

    /// Something of our own does not work.
    pub(crate) fn own(what: impl Into<String>) -> Self {
        let remedy = "try again; if it stays, report it".to_owned();
        Self { what: what.into(), place: String::new(), remedy, exit: Exit::Failed }
    }

    /// Nothing can be written to stdout.
    pub(crate) fn output(error: &io::Error) -> Self {
        Self {
            what: format!("cannot write the output: {error}"),
            place: "stdout".to_owned(),
            remedy: "check where it goes".to_owned(),
            exit: Exit::Failed,
        }
    }

    /// It concerns this file.
    pub(crate) fn in_file(self, file: &Path) -> Self {
        Self { place: file.display().to_string(), ..self }
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Whether nobody reads the output any more, or it cannot be written.
    pub(crate) fn is_of_output(&self) -> bool {
        self.place == "stdout"
    }

    /// The whole line. What servers and files said cannot move the cursor.
    pub(crate) fn line(&self) -> String {
        let place = match self.place.as_str() {
            "" => String::new(),
            place => format!(" ({place})"),
        };
        visible_line(&format!("error: {}{place}: {}", self.what, self.remedy))
    }

    pub(crate) fn print(&self) {
        // A reader that went away, as `head` does, needs no explanation.
        if !self.is_of_output() || !self.what.contains("Broken pipe") {
            writeln!(io::stderr(), "{}", self.line()).ok();
        }
    }
}

/// Tells trouble that lasts only once.
#[derive(Debug, Default)]
pub(crate) struct Once {
    last: String,
}

impl Once {
    /// Tells it, unless it was told last.
    pub(crate) fn tell(&mut self, trouble: &Trouble) {
        let line = trouble.line();
        if line != self.last {
            trouble.print();
            self.last = line;
        }
    }
}

impl<E: Into<Fault>> From<E> for Trouble {
    fn from(error: E) -> Self {
        let fault = error.into();
        Self {
            what: mailbag::fault::whole(&fault),
            place: fault.place(),
            remedy: fault.remedy(),
            exit: fault.exit(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_where_and_what_to_do() {
        let nothing = Trouble::from(Fault::NothingFound { what: "ABCD".to_owned() });
        assert_eq!(
            nothing.line(),
            "error: nothing found (ABCD): see `mailbag list` and `mailbag track` for the ids there are"
        );
        assert_eq!(nothing.exit(), Exit::NothingFound);
        let nasty = Trouble::wrong_use("\u{1b}[31mred\r\n", "no");
        assert!(!nasty.line().contains(['\u{1b}', '\r', '\n']), "{}", nasty.line());
    }
}
