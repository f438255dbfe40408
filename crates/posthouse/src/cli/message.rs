//! `posthouse message`: message files, whatever is in them.
//!
//! Standards: RFC 5322, RFC 2045 to RFC 2049.
//! Not here: what a message is and how it looks (crate `message`).

use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use message::Message;
use message::inspect::{self, Inspection, Paint, Shown, View};

use super::{Output, Talk};
use crate::failure::{Exit, Failure, of_file};

/// What to do with message files.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what is in message files; with --json everything, one object a line
    Show(Show),
}

#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Show {
    /// Message files; - is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    side: Side,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct Side {
    /// Only its parts, with sizes, encodings and names
    #[arg(long)]
    tree: bool,
    /// Only its text
    #[arg(long)]
    text: bool,
    /// Only one part, decoded: a number that --tree shows
    #[arg(long, value_name = "N")]
    part: Option<String>,
    /// Only what is wrong with it, a line each
    #[arg(long)]
    defects: bool,
    /// The parsed message printed again: the same octets
    #[arg(long)]
    reprint: bool,
}

impl Side {
    fn view(self) -> View {
        match self {
            Self { part: Some(id), .. } => View::Part(id),
            Self { tree: true, .. } => View::Tree,
            Self { text: true, .. } => View::Text,
            Self { defects: true, .. } => View::Defects,
            Self { reprint: true, .. } => View::Reprint,
            _ => View::Overview,
        }
    }
}

pub(super) fn run(command: Command, output: &mut Output, talk: &Talk) -> Result<Exit, Failure> {
    let Command::Show(Show { files, side }) = command;
    let view = side.view();
    if output.is_json() && view != View::Overview {
        return Err(Failure::wrong_use("--json shows everything, the other option one thing")
            .remedy("use one of them"));
    }
    let mut exit = Exit::Done;
    for file in &files {
        let shown = Shower { view: &view, is_alone: files.len() == 1, output, talk }.show(file);
        match shown {
            // Others can still be shown, but nobody reads them where this one was not read.
            Err(failure) if !failure.is_silent() => {
                talk.error(&failure);
                exit = failure.exit();
            }
            other => other?,
        }
    }
    Ok(exit)
}

/// Shows one file after the other.
struct Shower<'a> {
    view: &'a View,
    is_alone: bool,
    output: &'a mut Output,
    talk: &'a Talk,
}

impl Shower<'_> {
    fn show(&mut self, file: &Path) -> Result<(), Failure> {
        let content = read(file).map_err(|error| of_file("read the message", file, &error))?;
        let message = Message::parse(&content);
        let name = file.to_string_lossy();
        if self.output.is_json() {
            return self.output.object(&Inspection::new(&name, &message));
        }
        let paint = if self.output.is_coloured() { Paint::Coloured } else { Paint::Plain };
        let shown = inspect::show(&message, self.view, paint).map_err(|error| {
            Failure::new(error.to_string())
                .in_path(file)
                .remedy(format!("it has {}", error.parts.join(", ")))
        })?;
        match shown {
            Shown::Lines(lines) if self.is_alone => {
                if lines.is_empty() && *self.view == View::Defects {
                    self.talk.say("no defects");
                }
                self.output.text(&lines)
            }
            Shown::Lines(lines) if lines.is_empty() => Ok(()),
            Shown::Lines(lines) => {
                self.output.text(&format!("{}:\n{lines}\n", inspect::visible_line(&name)))
            }
            Shown::Octets(octets) if io::stdout().is_terminal() => {
                self.output.line(inspect::visible(&String::from_utf8_lossy(&octets)))
            }
            Shown::Octets(octets) => self.output.octets(&octets),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a file that the user names, or a pipe")]
pub(super) fn read(file: &Path) -> io::Result<Vec<u8>> {
    if file != Path::new("-") {
        return std::fs::read(file);
    }
    let mut content = Vec::new();
    io::stdin().lock().read_to_end(&mut content)?;
    Ok(content)
}
