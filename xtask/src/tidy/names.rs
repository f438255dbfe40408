//! Names that say nothing are not used.
//!
//! A module called `util` or a type called `SessionManager` hides what it is for. The rule looks
//! at what a reader navigates by: files, folders, types, and the few words that are empty in a
//! function's name as well.

use crate::repository::TextFile;

/// Words that say nothing in the name of a file or a type.
const EMPTY_WORDS: &[&str] = &[
    "manager", "handler", "helper", "helpers", "util", "utils", "common", "data", "info", "process",
];

/// Words that say nothing in the name of a function either. `data` and `info` may stand there:
/// DATA is a command of SMTP, and a function may return `data_folder`.
const EMPTY_VERBS: &[&str] =
    &["manager", "handler", "helper", "helpers", "util", "utils", "common", "process"];

/// Names with one of these words where the word is the field's own.
const THE_FIELDS_OWN: &[(&str, &str)] = &[
    ("crates/smtp/", "data"), // RFC 5321 §4.1.1.4: the command DATA
    ("crates/dns/", "data"),  // RFC 1035 §3.2.1: RDATA
];

/// What introduces a type in Rust source.
const TYPE_KEYWORDS: &[&str] = &["struct", "enum", "trait", "type", "union", "mod"];

/// One complaint for every empty name.
pub(super) fn complaints(files: &[TextFile]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        for part in file.path.trim_end_matches(".rs").split('/') {
            if let Some(word) = empty_word(part, EMPTY_WORDS, &file.path) {
                complaints.push(format!("{}: `{word}` in a path says nothing", file.path));
            }
        }
        for (number, line) in (1..).zip(file.text.lines()) {
            let Some((name, words)) = defined_name(line) else { continue };
            if let Some(word) = empty_word(name, words, &file.path) {
                complaints.push(format!(
                    "{}:{number}: `{word}` in `{name}` says nothing; name what it is",
                    file.path
                ));
            }
        }
    }
    complaints
}

/// The name that a line defines, with the words that are banned in it.
fn defined_name(line: &str) -> Option<(&str, &'static [&'static str])> {
    let code = line.trim_start();
    if code.starts_with("//") {
        return None;
    }
    let mut words = code.split_whitespace().skip_while(|word| {
        word.starts_with("pub") || matches!(*word, "async" | "const" | "unsafe" | "in")
    });
    let keyword = words.next()?;
    let banned = match keyword {
        "fn" => EMPTY_VERBS,
        _ if TYPE_KEYWORDS.contains(&keyword) => EMPTY_WORDS,
        _ => return None,
    };
    let rest = words.next()?;
    let end = rest.find(|sign: char| !sign.is_alphanumeric() && sign != '_').unwrap_or(rest.len());
    Some((rest.get(..end)?, banned))
}

fn empty_word(name: &str, banned: &'static [&'static str], path: &str) -> Option<&'static str> {
    let words = split_words(name);
    banned.iter().copied().find(|word| {
        let own =
            THE_FIELDS_OWN.iter().any(|(place, term)| path.starts_with(place) && term == word);
        !own && words.iter().any(|found| found == word)
    })
}

/// The words of `snake_case`, `kebab-case` and `CamelCase`, in lower case.
fn split_words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for sign in name.chars() {
        let starts_word = sign.is_uppercase() && after_lower;
        if starts_word || !sign.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| sign.is_alphanumeric()) {
            word.extend(sign.to_lowercase());
        }
        after_lower = sign.is_lowercase() || sign.is_ascii_digit();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::complaints;
    use crate::tidy::file;

    #[test]
    fn empty_names_are_found_and_the_fields_own_words_are_not() {
        #[rustfmt::skip]
        let table = [
            // path, line, complaints, why
            ("crates/mta/src/util.rs", "", 1, "an empty file name"),
            ("crates/mta/src/queue.rs", "pub struct QueueManager;", 1, "an empty type name"),
            ("crates/mta/src/queue.rs", "pub(crate) enum SessionData {", 1, "private ones too"),
            ("crates/mta/src/queue.rs", "mod helpers;", 1, "and modules"),
            ("crates/mta/src/queue.rs", "async fn process_message(", 1, "and empty verbs"),
            ("crates/mta/src/queue.rs", "fn data_folder(", 0, "a noun that somebody configures"),
            ("crates/mta/src/queue.rs", "/// fn process_message(", 0, "a comment defines nothing"),
            ("crates/mta/src/queue.rs", "struct Database;", 0, "a part of a word is no word"),
            ("crates/mta/src/queue.rs", "struct Metadata;", 0, "nor here"),
            ("crates/smtp/src/server/data.rs", "struct DataEnd;", 0, "the command DATA"),
            ("crates/smtp/src/server/info.rs", "", 1, "but no other word"),
        ];
        for (path, line, expected, why) in table {
            let found = complaints(&[file(path, line)]);
            assert_eq!(found.len(), expected, "{path} {line:?}: {why}: {found:?}");
        }
    }
}
