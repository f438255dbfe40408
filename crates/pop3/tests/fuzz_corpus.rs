//! Replays the corpora of the fuzz targets, also those that no fuzzer runs with.
#![expect(clippy::disallowed_methods, reason = "the corpora are files of the repository")]

use std::fs;
use std::path::Path;

use pop3::fuzz;

/// A target and its entry point.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 2] =
    [("pop3_server", fuzz::fuzz_server), ("pop3_client", fuzz::fuzz_client)];

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
            // One octet is another one, at each place.
            for at in 0..content.len() {
                for octet in [0, b'\r', b'\n'] {
                    let mut changed = content.clone();
                    changed[at] = octet;
                    entry(&changed);
                }
            }
            count += 1;
        }
        assert!(count > 0, "{target} has no corpus");
    }
}
