//! `posthouse message show`: what stands on which stream, and exit codes.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const LETTER: &[u8] = b"From: a@b\r\nDate: Mon, 23 Nov 2026 10:00:00 +0100\r\n\
    Subject: \x1b[2J\r\nContent-Transfer-Encoding: base64\r\n\r\nSGkhDQo=\r\n";
const OLD: &[u8] = b"\nSee\nbegin 644 ../cat.txt\n#0V%T\n`\nend\n";
const ODD: &[u8] = b"no field\n\r\xff\0\r\n\r\n";

fn run(folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_posthouse"))
        .args(["message", "show"])
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    // A command that does not read its input may close it first.
    child.stdin.take().expect("piped").write_all(input).ok();
    child.wait_with_output().expect("ended")
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in [("a.eml", LETTER), ("odd.eml", ODD), ("old.eml", OLD)] {
        let path = folder.path().join(name);
        let file = fs::OpenOptions::new().write(true).create_new(true).open(path);
        file.and_then(|mut file| file.write_all(content)).expect("written");
    }
    folder
}

#[test]
fn each_option_has_its_answer() {
    let folder = folder();
    type Row<'t> = (&'t [&'t str], i32, &'t [u8], &'t str, &'t str);
    let table: [Row<'_>; 16] = [
        (&["a.eml", "--text"], 0, b"Hi!\n", "", "text"),
        (&["a.eml", "--part", "1"], 0, b"Hi!\r\n", "", "decoded octets"),
        (&["old.eml", "--part", "1/1"], 0, b"Cat", "", "a file in a text"),
        (&["old.eml", "--text"], 0, b"See\n[cat.txt]\n", "", "its name in the text"),
        (&["a.eml", "--tree"], 0, b"1 text/plain  5 B  base64\n", "", "no colour in a pipe"),
        (&["a.eml", "--defects"], 0, b"", "no defects", "nothing wrong"),
        (&["-q", "a.eml", "--defects"], 0, b"", "", "nothing said"),
        (&["a.eml", "--reprint"], 0, LETTER, "", "the same octets"),
        (&["odd.eml", "--reprint"], 0, ODD, "", "whatever they are"),
        (&["-", "--reprint"], 0, b"x: y\n", "", "standard input"),
        (&["a.eml", "a.eml", "--text"], 0, b"a.eml:\nHi!\n\na.eml:\nHi!\n\n", "", "whose text"),
        (
            &["none", "a.eml", "--part", "1"],
            1,
            b"Hi!\r\n",
            "error: cannot read the message",
            "others are shown",
        ),
        (&["a.eml", "--part", "2"], 1, b"", "no part \"2\" (a.eml): it has 1", "no part"),
        (&["a.eml", "--json", "--tree"], 2, b"", "use one of them", "two views"),
        (&["a.eml", "--text", "--tree"], 2, b"", "cannot be used with", "two views"),
        (&[], 2, b"", "<FILE>", "no file"),
    ];
    for (arguments, code, out, err, why) in table {
        let said = run(folder.path(), arguments, b"x: y\n");
        let talk = String::from_utf8_lossy(&said.stderr);
        assert_eq!(said.status.code(), Some(code), "{why}: {talk}");
        assert_eq!(said.stdout, out, "{why}");
        assert!(talk.contains(err) && (err.is_empty() == talk.is_empty()), "{why}: {talk}");
    }
}

#[test]
fn json_is_one_object_a_line() {
    let folder = folder();
    let said = run(folder.path(), &["--json", "a.eml", "none", "odd.eml", "-"], b"Subject: in\n\n");
    assert_eq!(said.status.code(), Some(1), "one was not there");
    let text = String::from_utf8(said.stdout).unwrap();
    let found: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let files: Vec<_> = found.iter().map(|one| one["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["a.eml", "odd.eml", "-"]);
    assert_eq!(found[0]["date"], "2026-11-23T10:00:00+01:00");
    assert_eq!(found[0]["root"]["decoded_size"], 5);
    assert_eq!(found[1]["size"], ODD.len());
    assert_eq!(found[2]["subject"], "in");
}

#[test]
fn nothing_in_a_message_moves_the_cursor() {
    let folder = folder();
    let said = run(folder.path(), &["-"], b"Subject: \x1b[2J\n\n\x1b[2Jtext\x07\n");
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(text.contains("\n\u{241b}[2Jtext\u{2407}\n"), "{text:?}");
    assert!(!text.contains(|sign: char| sign.is_control() && sign != '\n'), "{text:?}");
}
