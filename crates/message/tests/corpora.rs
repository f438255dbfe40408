//! Messages that others wrote, and what is known of them.
//!
//! `POSTHOUSE_CORPORA` names the folder; without it these tests say so and pass.
#![expect(clippy::disallowed_methods, reason = "test input lies on the developer's disk")]
#![expect(clippy::print_stdout, reason = "a test that tests nothing says so")]

use std::fs;
use std::path::{Path, PathBuf};

use message::fuzz::fuzz_message;

/// Files larger than this are read once only: cutting them up takes too long for a test.
const CUT_OCTETS_MAX: usize = 20_000;

fn corpora() -> Option<PathBuf> {
    let folder = std::env::var_os("POSTHOUSE_CORPORA").map(PathBuf::from);
    if folder.is_none() {
        println!("POSTHOUSE_CORPORA is not set: the corpora are not tested");
    }
    folder
}

/// All files under a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the corpora can be read") {
            let path = entry.expect("a folder entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_file_is_read_and_its_ranges_are_the_file() {
    let Some(folder) = corpora() else { return };
    let mut count = 0;
    for path in files(&folder) {
        let content = fs::read(&path).expect("a corpus file");
        fuzz_message(&content);
        count += 1;
    }
    assert!(count > 1000, "only {count} files");
}

#[test]
fn cut_and_flipped_files_are_read_too() {
    let Some(folder) = corpora() else { return };
    for path in files(&folder.join("mime")) {
        let mut content = fs::read(&path).expect("a corpus file");
        if content.len() > CUT_OCTETS_MAX {
            continue;
        }
        for part in 0..4 {
            fuzz_message(&content[..content.len() * part / 4]);
        }
        for (index, octet) in content.iter_mut().enumerate().step_by(97) {
            *octet ^= 1 << (index % 8);
        }
        fuzz_message(&content);
    }
}
