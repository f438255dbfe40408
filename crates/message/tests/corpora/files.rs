//! Every file of the corpora, whole, cut and flipped: nothing panics, nothing is lost.

use std::fs;

use message::fuzz::{fuzz_message, fuzz_tnef};

use crate::support::{corpora, files};

/// Files larger than this are read once only: cutting them up takes too long for a test.
const CUT_OCTETS_MAX: usize = 20_000;

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

#[test]
fn files_in_winmail_containers_are_found() {
    let Some(folder) = corpora() else { return };
    let mut count = 0;
    for path in files(&folder.join("tnef/ytnef")) {
        let content = fs::read(&path).expect("a corpus file");
        fuzz_tnef(&content);
        count += message::tnef::files(&content).map_or(0, |files| files.len());
    }
    assert!(count >= 5, "{count} files");
}
