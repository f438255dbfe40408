//! Standard output for data, standard error for talk.
//!
//! Standards: <https://no-color.org>.
//! Not here: what is printed.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::Options;
use crate::failure::Failure;

/// Where data goes. A reader that has gone ends the program without a word.
pub(crate) struct Output {
    writer: Box<dyn Write + Send>,
    form: Form,
    colour: bool,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("form", &self.form).finish_non_exhaustive()
    }
}

impl Output {
    /// Standard output.
    pub(crate) fn stdout(form: Form) -> Self {
        let terminal = io::stdout().is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let writer: Box<dyn Write + Send> = if terminal {
            Box::new(io::stdout())
        } else {
            Box::new(io::BufWriter::new(io::stdout()))
        };
        Self { writer, form, colour }
    }

    /// Into another place, without colour.
    #[cfg(test)]
    pub(crate) fn into_writer(writer: Box<dyn Write + Send>, form: Form) -> Self {
        Self { writer, form, colour: false }
    }

    /// Whether objects are wanted instead of text.
    pub(crate) fn is_json(&self) -> bool {
        self.form == Form::Json
    }

    /// Whether styles can be seen.
    pub(crate) fn is_coloured(&self) -> bool {
        self.colour
    }

    /// One line of text. It must have been made visible where it is not ours.
    pub(crate) fn line(&mut self, line: impl fmt::Display) -> Result<(), Failure> {
        writeln!(self.writer, "{line}").map_err(|error| unread(&error))
    }

    /// Text as it is.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.writer.write_all(text.as_bytes()).map_err(|error| unread(&error))
    }

    /// Octets as they are.
    pub(crate) fn octets(&mut self, octets: &[u8]) -> Result<(), Failure> {
        self.writer.write_all(octets).map_err(|error| unread(&error))
    }

    /// One object on a line of its own.
    pub(crate) fn object(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::new(format!("the answer is no JSON: {error}")))?;
        self.line(text)
    }

    /// An object, or the text for it.
    pub(crate) fn tell(
        &mut self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if self.is_json() { self.object(value) } else { self.line(text()) }
    }

    /// Sends everything on its way.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.writer.flush().map_err(|error| unread(&error))
    }

    /// Text in a style, where styles can be seen.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        if self.colour { format!("\x1b[{}m{text}\x1b[0m", style.code()) } else { text.to_owned() }
    }
}

/// The form of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// For scripts.
    Json,
}

/// How a piece of text stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// As the rest.
    Plain,
    /// Headings.
    Strong,
    /// Less important.
    Faint,
    /// All is well.
    Good,
    /// Something to look at.
    Doubtful,
    /// Something failed.
    Bad,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Good => "32",
            Self::Doubtful => "33",
            Self::Bad => "31",
        }
    }
}

fn unread(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::unread();
    }
    Failure::new(format!("the output cannot be written: {error}"))
}

/// Standard error: progress for people. Whether anybody hears it does not matter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Talk {
    quiet: bool,
}

impl Talk {
    /// As the options have it.
    pub(crate) fn new(options: &Options) -> Self {
        Self { quiet: options.quiet }
    }

    /// Says what was done.
    pub(crate) fn say(&self, words: impl fmt::Display) {
        if !self.quiet {
            writeln!(io::stderr(), "{words}").ok();
        }
    }

    /// Says why something was not done.
    pub(crate) fn error(&self, failure: &Failure) {
        writeln!(io::stderr(), "error: {failure}").ok();
    }
}
