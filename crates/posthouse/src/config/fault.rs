//! What is wrong with a configuration, where, and what to do about it.
//!
//! Standards: none of its own.
//! Not here: what is wrong with the machine (`check`).

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::nearest::nearest;

/// Why a configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} ({place}): {remedy}")]
pub(crate) struct Fault {
    /// What is wrong, with the value.
    pub(crate) what: String,
    /// `file:line:column`.
    pub(crate) place: String,
    /// What to do.
    pub(crate) remedy: String,
}

impl Fault {
    /// There is no configuration.
    pub(super) fn nowhere(places: &[&str]) -> Self {
        Self {
            what: "there is no configuration".to_owned(),
            place: format!("looked for {}", places.join(" and ")),
            remedy: "make one with `posthouse init`, or name one with --config FILE".to_owned(),
        }
    }

    /// The file cannot be read.
    pub(super) fn unreadable(file: &Path, error: &io::Error) -> Self {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => "make one with `posthouse init`, or name another one",
            io::ErrorKind::PermissionDenied => "run as the user who owns it",
            _ => "name a configuration file with --config FILE",
        };
        Self {
            what: format!("the configuration cannot be read: {error}"),
            place: file.display().to_string(),
            remedy: remedy.to_owned(),
        }
    }
}

/// The text that a value came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    /// Its file.
    pub(super) file: &'a Path,
    /// Its text.
    pub(super) text: &'a str,
}

impl Source<'_> {
    /// A value is wrong.
    pub(super) fn fault<T>(
        &self,
        at: &Spanned<T>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Fault {
        self.fault_in(at.span(), what, remedy)
    }

    /// Something in this range of the text is wrong.
    pub(super) fn fault_in(
        &self,
        range: Range<usize>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Fault {
        let place = format!("{}:{}", self.file.display(), Position::of(self.text, range.start));
        Fault { what: what.into(), place, remedy: remedy.into() }
    }

    /// A value names a part that does not exist yet.
    pub(super) fn later<T>(&self, at: &Spanned<T>, what: impl fmt::Display, now: &str) -> Fault {
        self.fault(at, format!("{what} is not available in this version"), now)
    }

    /// The file is no TOML, or has other keys and types than it may.
    pub(super) fn syntax(&self, error: &toml::de::Error) -> Fault {
        let message = error.message().lines().next().unwrap_or_default();
        let (what, remedy) = explain(message);
        match error.span() {
            // What is missing is missing in the whole file: its range says nothing.
            Some(range) if range != (0..self.text.len()) => self.fault_in(range, what, remedy),
            _ => Fault { what, place: self.file.display().to_string(), remedy },
        }
    }

    /// A path; relative ones count from the folder of the file.
    pub(super) fn path(&self, written: &Spanned<String>) -> Result<PathBuf, Fault> {
        let text = written.get_ref();
        if text.is_empty() || text.contains('\0') {
            let what = format!("{text:?} is not a path");
            return Err(self.fault(written, what, "write the path of a file or folder"));
        }
        Ok(self.file.parent().unwrap_or(Path::new("")).join(text))
    }
}

/// Line and column, counted from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    line: usize,
    column: usize,
}

impl Position {
    fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let column = before.get(line_start..).map_or(0, |rest| rest.chars().count());
        Self {
            line: before.matches('\n').count().saturating_add(1),
            column: column.saturating_add(1),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What serde's words mean to an administrator, and what to do.
fn explain(message: &str) -> (String, String) {
    let mut names = message.split('`').skip(1).step_by(2);
    let subject = names.next().unwrap_or_default().to_owned();
    let known: Vec<&str> = names.collect();
    if message.starts_with("unknown field") {
        return (format!("unknown key {subject:?}"), suggest("keys", &subject, &known));
    }
    if message.starts_with("unknown variant") {
        return (format!("unknown value {subject:?}"), suggest("values", &subject, &known));
    }
    if message.starts_with("missing field") {
        return (format!("the key {subject:?} is missing"), format!("add `{subject} = …`"));
    }
    let misfit = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|kind| message.strip_prefix(kind)?.split_once(", expected "));
    if let Some((found, expected)) = misfit {
        let (expected, remedy) = match expected {
            "a string" => ("a text", "write it in quotes"),
            "a boolean" => ("true or false", "write it without quotes"),
            "a sequence" => ("a list", "write it in brackets: […]"),
            "u16" => ("a whole number up to 65535", "write it without quotes"),
            "u32" => ("a whole number", "write it without quotes or sign"),
            other => (other, "write that"),
        };
        return (format!("{found} does not fit here: expected {expected}"), remedy.to_owned());
    }
    if message == "duplicate key" {
        return ("the same key stands here twice".to_owned(), "keep one of them".to_owned());
    }
    (format!("this is not TOML: {message}"), "correct what stands here".to_owned())
}

/// The nearest of what there is, and all of it.
fn suggest(kind: &str, subject: &str, known: &[&str]) -> String {
    let all = format!("the {kind} here are {}", known.join(", "));
    match nearest(subject, known) {
        Some(near) => format!("did you mean {near:?}? {all}"),
        None => all,
    }
}
