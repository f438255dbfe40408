//! Replays the corpora of the fuzz targets, also those that no fuzzer runs with.
#![expect(clippy::disallowed_methods, reason = "the corpora are files of the repository")]

use std::fs;
use std::path::Path;

use message::fuzz;

/// A target and its entry point.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 19] = [
    ("message", fuzz::fuzz_message),
    ("tnef", fuzz::fuzz_tnef),
    ("structure", fuzz::fuzz_structure),
    ("header", fuzz::fuzz_header),
    ("address", fuzz::fuzz_address),
    ("date", fuzz::fuzz_date),
    ("text", fuzz::fuzz_text),
    ("parameters", fuzz::fuzz_parameters),
    ("transfer", fuzz::fuzz_transfer),
    ("authentication", fuzz::fuzz_authentication),
    ("resent", fuzz::fuzz_resent),
    ("embedded", fuzz::fuzz_embedded),
    ("letter", fuzz::fuzz_letter),
    ("list", fuzz::fuzz_list),
    ("markdown", fuzz::fuzz_markdown),
    ("report", fuzz::fuzz_report),
    ("message_id", fuzz::fuzz_message_id),
    ("encoded_word", fuzz::fuzz_encoded_word),
    ("downgrade", fuzz::fuzz_downgrade),
];

#[test]
fn corpora_of_the_fuzz_targets_are_replayed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    for (target, entry) in TARGETS {
        assert!(folder.join("targets").join(target).with_extension("rs").exists(), "{target}");
        let files = fs::read_dir(folder.join("corpus").join(target)).expect("a corpus");
        let mut count = 0;
        for file in files {
            let content = fs::read(file.expect("a folder entry").path()).expect("a file");
            for end in 0..=content.len() {
                entry(content.get(..end).unwrap_or_default());
            }
            count += 1;
        }
        assert!(count > 0, "{target} has no corpus");
    }
}
