//! Plays the conversations in `tests/dialogs/*.md`, each with the words that a reader sees.
//!
//! In a dialog `C:` is what the client sends, with CRLF behind it, `S:` is what the server
//! answers, and `--` is what happens beside the octets. Lines of any other form are prose.
//! The server's lines must be the same, to the letter.
//!
//! Standards: RFC 5321 appendix D has such scenarios.
//! Not here: the client's side (`client_dialogs`).

use std::path::Path;

use smtp::server::{Config, Kind};

use crate::converse::{Peer, mta, submission, willing};

/// Plays the lines of one dialog and gives the dialog as it really went.
fn play(dialog: &str) -> String {
    let mut went = String::new();
    let mut peer: Option<Peer> = None;
    for line in dialog.lines() {
        let mut output = String::new();
        if let Some(config) = line.strip_prefix("-- connect to ") {
            let mut connected = Peer::new(config_of(config));
            output = connected.say("");
            peer = Some(connected);
        } else if line.starts_with("S:") {
            continue;
        } else if let Some(peer) = &mut peer {
            if line == "-- TLS" {
                peer.session.enter_tls();
            } else if let Some(said) = line.strip_prefix("C:") {
                let said = said.strip_prefix(' ').unwrap_or(said);
                output = peer.say(format!("{said}\r\n"));
            }
        }
        went.push_str(line);
        went.push('\n');
        for reply in output.lines() {
            went.push_str(format!("S: {reply}").trim_end());
            went.push('\n');
        }
        if line != "-- closed" && peer.as_ref().is_some_and(|peer| peer.session.is_closed()) {
            went.push_str("-- closed\n");
            peer = None;
        }
    }
    went
}

fn config_of(name: &str) -> Config {
    match name {
        "mta" => mta(),
        "submission" => submission(),
        "willing mta" => willing(Kind::Mta),
        "willing submission" => willing(Kind::Submission),
        other => panic!("no such server: {other}"),
    }
}

/// With `POSTHOUSE_BLESS` set, the dialogs are written anew as they went: look at the
/// difference before you commit it.
#[test]
#[expect(clippy::disallowed_methods, reason = "writes the repository's own files when asked to")]
fn dialogs_go_as_they_are_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogs");
    let mut played = 0;
    for entry in std::fs::read_dir(&folder).expect("tests/dialogs is a folder") {
        played += 1;
        let path = entry.expect("a folder can be listed").path();
        let written = std::fs::read_to_string(&path).expect("a dialog is a text file");
        let went = play(&written.replace("-- closed\n", ""));
        if std::env::var_os("POSTHOUSE_BLESS").is_some() {
            std::fs::write(&path, &went).expect("a dialog can be written");
            continue;
        }
        assert!(went == written, "{} went otherwise:\n{went}", path.display());
    }
    assert!(played >= 5, "the dialogs are there");
}
