//! The reference of defects and limits says what the crate does.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use message::DefectCode;

fn reference() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/message.md");
    fs::read_to_string(path).expect("the reference is here")
}

/// The first cells of the table under a heading.
fn names(text: &str, heading: &str) -> Vec<String> {
    let section = text.split("\n## ").find(|section| section.starts_with(heading));
    let rows = section.expect("the heading is there").lines().filter_map(|line| {
        let cell = line.strip_prefix("| `")?;
        cell.split_once('`').map(|(name, _)| name.to_owned())
    });
    rows.collect()
}

#[test]
fn every_defect_is_told_in_the_order_of_the_crate() {
    let codes: Vec<_> = DefectCode::ALL.iter().map(|code| code.code().to_owned()).collect();
    assert_eq!(names(&reference(), "Defects"), codes);
}

fn limits(folder: &Path, found: &mut BTreeSet<String>) {
    let entries = fs::read_dir(folder).expect("the sources are here");
    let paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    for path in paths {
        if path.is_dir() {
            limits(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(path).expect("a source is text");
            let lines = text.lines().filter_map(|line| line.strip_prefix("pub const "));
            let names = lines.filter_map(|line| line.split_once(':')).map(|(name, _)| name);
            found.extend(names.filter(|name| name.ends_with("_MAX")).map(str::to_owned));
        }
    }
}

#[test]
fn every_limit_is_told() {
    let mut found = BTreeSet::new();
    limits(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.contains("DEPTH_MAX"), "the sources are read");
    let told: BTreeSet<_> = names(&reference(), "Limits").into_iter().collect();
    assert_eq!(told, found);
}
