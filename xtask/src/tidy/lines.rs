//! What may stand in a line, how long a file may be, and how it begins.

use crate::repository::TextFile;

/// A file that is longer than this is two files.
const FILE_LINES_MAX: usize = 800;

/// Crates that speak a standard: each of their source files says which.
const PROTOCOL_CRATES: &[&str] =
    &["envelope", "sasl", "smtp", "pop3", "message", "dns", "imap", "jmap", "sieve"];

/// What may not stand in Rust source: what it is (in two halves, so that this file is not found
/// itself), and what to do instead.
const BANNED_IN_RUST: &[(&str, &str, &str)] = &[
    ("#[", "ignore", "a test that does not run proves nothing: make it run or remove it"),
    ("#[", "allow(", "write #[expect(lint, reason = \"…\")], which ends when its reason does"),
    ("#![", "allow(", "write #![expect(lint, reason = \"…\")], which ends when its reason does"),
];

/// What may not stand in any file.
const BANNED_ANYWHERE: &[(&str, &str, &str)] = &[
    ("FIX", "ME", "fix it now, or write TODO with an issue's number"),
    ("/wo", "rk/", "a path of one machine: say it from the repository's root"),
    ("/ro", "ot/", "a path of one machine: say it from the repository's root"),
    ("\t", "", "indent by spaces"),
    ("\r", "", "end lines by LF"),
];

/// One complaint for every line, file length and header that breaks a rule.
pub(super) fn complaints(files: &[TextFile]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        let lines = file.text.lines().count();
        if file.is_rust() && lines > FILE_LINES_MAX {
            complaints.push(format!(
                "{}: {lines} lines; the most is {FILE_LINES_MAX}: it holds more than one thing",
                file.path
            ));
        }
        for (number, line) in (1..).zip(file.text.split('\n')) {
            for fault in line_faults(file, line) {
                complaints.push(format!("{}:{number}: {fault}", file.path));
            }
        }
        complaints.extend(header_fault(file).map(|fault| format!("{}: {fault}", file.path)));
    }
    complaints
}

fn line_faults(file: &TextFile, line: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let rust_only = BANNED_IN_RUST.iter().filter(|_| file.is_rust());
    for (half, other, remedy) in rust_only.chain(BANNED_ANYWHERE) {
        let banned = format!("{half}{other}");
        if line.contains(&banned) {
            faults.push(format!("{banned:?}: {remedy}"));
        }
    }
    if line.ends_with(' ') {
        faults.push("space at the end of the line".to_owned());
    }
    if file.is_rust() && has_todo_without_issue(line) {
        faults.push("TODO needs an issue's number: `TODO(#12)`".to_owned());
    }
    faults
}

fn has_todo_without_issue(line: &str) -> bool {
    line.split_once(concat!("// TO", "DO")).is_some_and(|(_, rest)| !rest.starts_with("(#"))
}

fn header_fault(file: &TextFile) -> Option<&'static str> {
    if !file.is_rust() || file.path.ends_with("tests.rs") {
        return None; // `foo/tests.rs` is a part of `foo.rs`, and that has one
    }
    if !file.text.starts_with("//!") {
        return Some("has no header: begin with `//!` and one sentence that says what this is");
    }
    let speaks_standard = file.crate_name().is_some_and(|name| PROTOCOL_CRATES.contains(&name));
    let is_source = file.path.contains("/src/");
    let mut header = file.text.lines().take_while(|line| line.starts_with("//!"));
    if speaks_standard && is_source && !header.any(|line| line.contains("Standards:")) {
        return Some("the header of a protocol's file names its `Standards:`");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{FILE_LINES_MAX, complaints};
    use crate::tidy::file;

    #[test]
    fn faults_in_lines_are_found() {
        let halves = |half: &str, other: &str| format!("//! Is.\n{half}{other}\n");
        let long = "//! Is.\n".repeat(FILE_LINES_MAX + 1);
        #[rustfmt::skip]
        let table = [
            // path, text, complaints, why
            ("a.rs", "//! Is.\nfn a() {}\n".to_owned(), 0, "nothing wrong"),
            ("a.rs", halves("#[", "ignore = \"slow\"]"), 1, "a test that does not run"),
            ("a.rs", halves("#[", "allow(dead_code)]"), 1, "a lint that is silenced for ever"),
            ("a.md", halves("#[", "allow(dead_code)]"), 0, "text may speak of it"),
            ("a.rs", halves("FIX", "ME"), 1, "never reaches main"),
            ("a.rs", halves("\"/wo", "rk/x\""), 1, "nobody else has that folder"),
            ("a.rs", halves("// TO", "DO later"), 1, "nobody will know why"),
            ("a.rs", halves("// TO", "DO(#12): later"), 0, "the issue knows why"),
            ("a.md", "text \n".to_owned(), 1, "a space that nobody sees"),
            ("a.rs", "fn a() {}\n".to_owned(), 1, "no header"),
            ("a.rs", long, 1, "too long"),
            ("crates/smtp/src/a.rs", "//! Is.\n".to_owned(), 1, "which standard?"),
            ("crates/smtp/src/a.rs", "//! Is.\n//!\n//! Standards: X.\n".to_owned(), 0, "this one"),
            ("crates/smtp/src/a/tests.rs", "//! Is.\n".to_owned(), 0, "tests follow their code"),
            ("crates/mta/src/a.rs", "//! Is.\n".to_owned(), 0, "the mta speaks no protocol"),
        ];
        for (path, text, expected, why) in table {
            let found = complaints(&[file(path, &text)]);
            assert_eq!(found.len(), expected, "{path} {text:?}: {why}: {found:?}");
        }
    }
}
