//! Every file of the corpora, whole, cut and flipped: nothing panics, nothing is lost.

use std::fs;
use std::path::Path;
use std::time::Duration;

use message::fuzz::{fuzz_message, fuzz_tnef};
use nix::time::{ClockId, clock_gettime};

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

/// Folders of messages.
const MESSAGES: [&str; 6] = ["dsn", "jmap", "mime", "quote", "spam", "store"];
/// Places at which each message is cut.
const CUTS: usize = 64;
/// What one reading may take: so much for each octet, and a start. In an unoptimised build on a
/// slow machine all readings take less than a quarter of it.
const TIME_PER_OCTET: Duration = Duration::from_micros(20);
const TIME_TO_START: Duration = Duration::from_millis(200);

#[test]
fn cut_and_flipped_files_are_read_in_linear_time() {
    let Some(folder) = corpora() else { return };
    let mut count = 0;
    for path in MESSAGES.iter().flat_map(|name| files(&folder.join(name))) {
        let mut content = fs::read(&path).expect("a corpus file");
        if content.len() > CUT_OCTETS_MAX {
            continue;
        }
        count += 1;
        for part in 0..CUTS {
            timed(&path, &content[..content.len() * part / CUTS]);
        }
        for (index, octet) in content.iter_mut().enumerate().step_by(97) {
            *octet ^= 1 << (index % 8);
        }
        timed(&path, &content);
    }
    assert!(count > 1000, "only {count} files");
}

/// Reads a message through every view; time is that of this thread on a processor.
fn timed(path: &Path, content: &[u8]) {
    let spent = || -> Duration {
        clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every thread has this clock").into()
    };
    let begun = spent();
    fuzz_message(content);
    let octets = u32::try_from(content.len()).expect("a short file");
    let (taken, most) = (spent() - begun, TIME_TO_START + TIME_PER_OCTET * octets);
    assert!(taken <= most, "{} took {taken:?} for {octets} octets", path.display());
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
