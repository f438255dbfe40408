//! Every public type shows in its documentation how it is used, or where that is shown.

use std::fs;
use std::path::{Path, PathBuf};

/// What a type's documentation says where another one has the example.
const ELSEWHERE: &str = "Example: [`";

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the sources are here") {
        let path = entry.expect("a folder can be read").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The types of a file that have neither an example nor a link to one.
fn without_example(text: &str) -> Vec<String> {
    let mut missing = Vec::new();
    let mut docs = String::new();
    for line in text.lines().map(str::trim_start) {
        let keyword = ["pub struct ", "pub enum ", "pub trait "]
            .into_iter()
            .find_map(|keyword| line.strip_prefix(keyword));
        if let Some(rest) = keyword {
            let name = rest.split(|sign: char| !sign.is_alphanumeric()).next().unwrap_or_default();
            // The names that a macro makes are judged where it is used.
            if !name.is_empty() && !docs.contains("```") && !docs.contains(ELSEWHERE) {
                missing.push(name.to_owned());
            }
        }
        match line.strip_prefix("///") {
            Some(doc) => docs.push_str(doc),
            None if line.starts_with("#[") => {}
            None => docs.clear(),
        }
    }
    missing
}

#[test]
fn every_public_type_has_an_example() {
    let mut files = Vec::new();
    rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 30, "the sources are here");
    let missing: Vec<String> = files
        .iter()
        .flat_map(|path| {
            let text = fs::read_to_string(path).expect("a source is text");
            let name = path.display().to_string();
            without_example(&text).into_iter().map(move |one| format!("{name}: {one}"))
        })
        .collect();
    assert!(missing.is_empty(), "no example in the documentation of\n{}", missing.join("\n"));
}

#[test]
fn a_missing_example_is_noticed() {
    let table = [
        ("/// A.\npub struct A;", vec!["A"], "no example"),
        ("/// ```\n/// ```\n#[derive(Debug)]\npub struct A;", vec![], "an example"),
        ("/// Example: [`B`].\npub enum A {}", vec![], "elsewhere"),
        ("/// ```\n/// ```\nfn f() {}\n\npub struct A;", vec!["A"], "that of something else"),
        ("pub(crate) struct A;", vec![], "not public"),
    ];
    for (text, expected, why) in table {
        assert_eq!(without_example(text), expected, "{why}");
    }
}
