//! `message`: message files, whatever is in them.
//!
//! Standards: RFC 5322, RFC 2045 to RFC 2049.
//! Not here: what a message is and how it looks (crate `message`).

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use mailbag::{Exit, Fault};
use message::Message;
use message::inspect::{self, Inspection, Paint, Shown, View};

use super::show::octets;
use super::terminal::{Talk, print, stdout_is_terminal, visible_line};
use super::trouble::Trouble;

/// What to do with message files.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show what is in message files.
    Show(Show),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// Message files; `-` is stdin.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    side: Side,
}

#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Side {
    /// Only its parts, with sizes, encodings and names.
    #[arg(long)]
    tree: bool,
    /// Everything, one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Only its text.
    #[arg(long)]
    text: bool,
    /// Only one part, decoded: a number that `--tree` shows.
    #[arg(long, value_name = "N")]
    part: Option<String>,
    /// Only what is wrong with it, a line each.
    #[arg(long)]
    defects: bool,
    /// The parsed message printed again: the same octets.
    #[arg(long)]
    reprint: bool,
}

impl Side {
    /// What to show; `None` for JSON.
    fn view(self) -> Option<View> {
        Some(match self {
            Self { json: true, .. } => return None,
            Self { part: Some(id), .. } => View::Part(id),
            Self { tree: true, .. } => View::Tree,
            Self { text: true, .. } => View::Text,
            Self { defects: true, .. } => View::Defects,
            Self { reprint: true, .. } => View::Reprint,
            _ => View::Overview,
        })
    }
}

pub(crate) fn run(command: Command, talk: Talk) -> Result<Exit, Trouble> {
    let Command::Show(Show { files, side }) = command;
    let view = side.view();
    let mut exit = Exit::Done;
    for file in &files {
        match show(file, view.as_ref(), files.len() == 1, talk) {
            // Others can still be shown, but nobody reads them where this one was not read.
            Err(trouble) if !trouble.is_of_output() => {
                trouble.print();
                exit = trouble.exit();
            }
            other => other?,
        }
    }
    Ok(exit)
}

fn show(file: &Path, view: Option<&View>, is_alone: bool, talk: Talk) -> Result<(), Trouble> {
    let name = file.to_string_lossy();
    let content = read(file).map_err(|error| Fault::File {
        action: "read the message",
        path: name.clone().into_owned(),
        reason: error.to_string(),
    })?;
    let message = Message::parse(&content);
    let Some(view) = view else {
        let mut line = serde_json::to_vec(&Inspection::new(&name, &message))
            .map_err(|error| Trouble::own(format!("the answer is no JSON: {error}")))?;
        line.push(b'\n');
        return print(&line);
    };
    let shown = inspect::show(&message, view, paint()).map_err(|error| {
        Trouble::from(Fault::NoSuchPart { part: error.part, parts: error.parts }).in_file(file)
    })?;
    match shown {
        Shown::Lines(lines) if is_alone => {
            if lines.is_empty() && *view == View::Defects {
                talk.say("no defects");
            }
            print(lines.as_bytes())
        }
        Shown::Lines(lines) if lines.is_empty() => Ok(()),
        Shown::Lines(lines) => print(format!("{}:\n{lines}\n", visible_line(&name)).as_bytes()),
        Shown::Octets(decoded) => octets(&decoded).map(|_| ()),
    }
}

fn paint() -> Paint {
    let is_wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if stdout_is_terminal() && is_wanted { Paint::Coloured } else { Paint::Plain }
}

#[expect(clippy::disallowed_methods, reason = "a file that the user names, or a pipe")]
fn read(file: &Path) -> io::Result<Vec<u8>> {
    if file != Path::new("-") {
        return std::fs::read(file);
    }
    let mut content = Vec::new();
    io::stdin().lock().read_to_end(&mut content)?;
    Ok(content)
}
