use std::io::{BufReader, Read};

use super::*;

/// All that is found, read in pieces of `piece` octets.
fn read(file: &[u8], piece: usize, octets_max: usize) -> Vec<Found> {
    Reader::new(BufReader::with_capacity(piece, file), octets_max).map(|one| one.unwrap()).collect()
}

/// What is found, in short: contents, or what is wrong where.
fn short(found: &[Found]) -> Vec<String> {
    let one = |found: &Found| match found {
        Found::Message(entry) => String::from_utf8_lossy(&entry.content).into_owned(),
        Found::Damaged(Damage { number, at, reason }) => format!("{number} at {at}: {reason:?}"),
    };
    found.iter().map(one).collect()
}

const FROM: &str = "From a@b Thu Jan  1 00:00:10 1970\n";

#[test]
fn what_is_a_message() {
    #[rustfmt::skip]
    let table: [(&str, &[&str], &str); 16] = [
        ("", &[], "nothing"),
        ("FA: 1\n\nx\n\nFB: 2\n\ny\n", &["A: 1\r\n\r\nx\r\n", "B: 2\r\n\r\ny\r\n"], "two, the last without an empty line"),
        ("FA: 1\n\nx\n\n\nFB: 2\n\n", &["A: 1\r\n\r\nx\r\n\r\n", "B: 2\r\n\r\n"], "only one empty line is the file's"),
        ("FA: 1\r\n\r\nx\n\r\nFB: 2\n\ny\n\n", &["A: 1\r\n\r\nx\r\n", "B: 2\r\n\r\ny\r\n"], "C09: CRLF and LF mixed"),
        ("FA: 1\n\n>From x\n>>From y\n> From z\n\n", &["A: 1\r\n\r\nFrom x\r\n>From y\r\n> From z\r\n"], "mboxrd quotes are undone once"),
        ("FA: 1\n\nx\n\nFrom here on it is mine\n\n", &["A: 1\r\n\r\nx\r\n\r\nFrom here on it is mine\r\n"], "C09: a sentence is none"),
        ("FA: 1\n\nx\nFB: 2\n\n", &["A: 1\r\n\r\nx\r\n", "B: 2\r\n\r\n"], "without an empty line before it"),
        ("FA: 1\nStatus: RO\nX-Status: AF\nX-Keywords: one two\n\nStatus: R\n", &["A: 1\r\n\r\nStatus: R\r\n"], "marks are taken out of the header"),
        ("FStatus: open\n\nx\n", &["Status: open\r\n\r\nx\r\n"], "a field of that name that is none of marks"),
        ("FA: a\rb\n\nx\ry\n", &["A: a\rb\r\n\r\nx\ry\r\n"], "M22: a bare CR is kept"),
        ("hello\n", &["0 at 0: NoFromLine"], "C09: no From line at all"),
        ("junk\n\nFA: 1\n\nx\n", &["0 at 0: NoFromLine", "A: 1\r\n\r\nx\r\n"], "C09: junk before the first"),
        ("\n\nFA: 1\n\nx\n", &["A: 1\r\n\r\nx\r\n"], "only empty lines before the first"),
        ("FA: 1\n\nx\n\nFB: 2\n\nhal", &["A: 1\r\n\r\nx\r\n", "2 at 43: CutOff"], "C09: cut in the middle"),
        ("F\n\nFA: 1\n\nx\n", &["1 at 0: Empty", "A: 1\r\n\r\nx\r\n"], "nothing is no message"),
        ("FA: 1\n\n0123456789012345678901234567890\n\nFB: 2\n\ny\n", &["1 at 0: TooLong", "B: 2\r\n\r\ny\r\n"], "one that is too long hides no other"),
    ];
    for (file, wanted, why) in table {
        let file = file.replace("FA", &format!("{FROM}A")).replace("FB", &format!("{FROM}B"));
        let file = file.replace("FStatus", &format!("{FROM}Status"));
        let file = file.strip_prefix("F\n").map_or(file.clone(), |rest| format!("{FROM}{rest}"));
        for piece in [1, 7, 4096] {
            let found =
                read(file.as_bytes(), piece, if why.contains("too long") { 30 } else { 4096 });
            assert_eq!(short(&found), wanted, "{why}, in pieces of {piece}");
        }
    }
}

#[test]
fn marks_and_times() {
    let file = format!("{FROM}Status: RO\nX-Status: AFDT\nX-Keywords: work\n later\nA: 1\n\nx\n");
    let Found::Message(entry) = read(file.as_bytes(), 64, 4096).remove(0) else {
        panic!("damaged")
    };
    let keywords = vec!["work".to_owned()];
    let all =
        Marks { seen: true, answered: true, flagged: true, deleted: true, draft: true, keywords };
    assert_eq!((entry.marks, entry.number, entry.at), (all, 1, 0));
    assert_eq!(entry.content, b"A: 1\r\n\r\nx\r\n", "the keywords' continuation goes with them");
    #[rustfmt::skip]
    let table = [
        ("From a@b Thu Jan  1 00:00:10 1970", Some(10), "RFC 4155"),
        ("From a@b Thu Jan 01 00:00:10 1970", Some(10), "two digits"),
        ("From a@b Thu Jan  1 01:00:10 1970 +0100", Some(10), "with a zone"),
        ("From MAILER_DAEMON Thu Jan  1 00:00 1970", Some(0), "without seconds"),
        ("From Ada L. Thu Jan  1 00:00:10 1970", Some(10), "a sender with spaces"),
        ("From a@b Xxx 99:00:00 1970 1 2", None, "no date"),
    ];
    for (line, wanted, why) in table {
        assert!(is_from_line(line.as_bytes()), "{why}");
        assert_eq!(delivery_time(line.as_bytes()).map(DateTime::unix_seconds), wanted, "{why}");
    }
    for line in [
        "From here to 1970",
        "From: a@b Thu Jan  1 00:00:10 1970",
        "From the 10:30 train",
        "from a@b Thu Jan  1 00:00:10 1970",
    ] {
        assert!(!is_from_line(line.as_bytes()), "{line}");
    }
}

#[test]
fn a_file_without_line_ends_takes_no_more_memory_than_a_message_may() {
    let file = io::repeat(b'x').take(8 << 20);
    let start = io::Cursor::new(format!("{FROM}A: 1\n\n")).chain(file);
    let found: Vec<_> =
        Reader::new(BufReader::new(start), 100_000).map(|one| one.unwrap()).collect();
    assert_eq!(short(&found), ["1 at 0: TooLong"]);
}

proptest::proptest! {
    /// What is written comes back, whatever lines it has.
    #[test]
    fn what_is_written_is_read_again(
        bodies in proptest::collection::vec("((>{0,2}From |x|)[ -~]{0,12}\r\n){0,6}", 1..5),
        seen: bool, answered: bool, flagged: bool, deleted: bool, draft: bool,
    ) {
        let marks = Marks { seen, answered, flagged, deleted, draft, keywords: vec!["k".to_owned()] };
        let mut writer = Writer::new(Vec::new());
        let contents: Vec<_> =
            bodies.iter().map(|body| format!("A: 1\r\n\r\n{body}").into_bytes()).collect();
        for content in &contents {
            writer.add("", DateTime::from_unix(1_000_000_000), &marks, content).unwrap();
        }
        let found = read(&writer.into_inner(), 16, 100_000);
        proptest::prop_assert_eq!(found.len(), contents.len());
        for (found, content) in found.iter().zip(&contents) {
            let Found::Message(entry) = found else { panic!("{found:?}") };
            proptest::prop_assert_eq!(&entry.content, content);
            proptest::prop_assert_eq!(&entry.marks, &marks);
            proptest::prop_assert_eq!(entry.delivered_at.map(DateTime::unix_seconds), Some(1_000_000_000));
        }
    }
}
