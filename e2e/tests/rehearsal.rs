//! `posthouse try`: what somebody who has just cloned the repository runs first.
//!
//! Standards: none of its own.
//! Not here: each step by itself (crates `mta`, `posthouse`).

use std::process::Command;

use e2e::program::ours;
use e2e::{Folder, Run};

fn rehearse(arguments: &[&str]) -> Run {
    Run::command(Command::new(ours("posthouse"))).args(["try", "--once"]).args(arguments)
}

#[test]
fn the_whole_way_of_a_letter_is_shown() {
    let folder = Folder::new();
    let finished = rehearse(&["--dir", &folder.text_path("rehearsal")]).succeed();
    let output = finished.output();
    for word in ["MX", "TLS", "MAIL FROM", "RCPT TO", "250", "delivered"] {
        assert!(output.contains(word), "{word} is not in: {}", finished.words());
    }
    assert!(!output.contains('\u{1b}'), "no colours in a pipe");
}

#[test]
fn two_rehearsals_do_not_disturb_each_other() {
    std::thread::scope(|scope| {
        let runs = [0, 1].map(|_| scope.spawn(|| rehearse(&[]).finish()));
        for run in runs {
            let finished = run.join().expect("it ends");
            assert_eq!(finished.code, Some(0), "{}", finished.words());
        }
    });
}
