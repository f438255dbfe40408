//! Texts with and without files.

use crate::{DefectCode, Message};

const UU: &str = "begin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\n";
const YENC: &[u8] =
    b"=ybegin line=128 size=3 name=a cat.txt\r\nm\x8b\x9e\r\n=yend size=3 crc32=a6130548\r\n";

#[test]
fn files_are_found_where_they_are() {
    let uu = UU.as_bytes();
    type File<'t> = (&'t str, &'t str, &'t [u8]);
    type Row<'t> = (&'t [&'t [u8]], &'t [File<'t>], &'t str);
    #[rustfmt::skip]
    let table: [Row<'_>; 17] = [
        (&[uu], &[("1/1", "cat.txt", b"Cat")], "alone"),
        (&[b"Hi!\r\n", uu, b"Bye\r\n", YENC, b"."], &[("1/1", "cat.txt", b"Cat"), ("1/2", "a cat.txt", b"Cat")], "among words"),
        (&[b"begin 644 ../../etc/x\n#0V%T\nend\n"], &[("1/1", "x", b"Cat")], "a name of a path"),
        (&[b"begin 644 x\n#0V%T\nand so on\n"], &[("1/1", "x", b"Cat")], "not ended"),
        (&[b"begin 644 x\n`\nend\n"], &[("1/1", "x", b"")], "an empty file"),
        (&[YENC, YENC], &[("1/1", "a cat.txt", b"Cat"), ("1/2", "a cat.txt", b"Cat")], "two"),
        (&[&YENC[..45], YENC], &[("1/1", "a cat.txt", b"Cat"), ("1/2", "a cat.txt", b"Cat")], "the first has no end"),
        (&[b"begin-base64 644 x y\nQ2F0\n====\n"], &[("1/1", "x y", b"Cat")], "base64"),
        (&[b"begin-base64 644 x\nQ2F0\nand so on\n"], &[("1/1", "x", b"Cat")], "base64 not ended"),
        (&[b"begin-base64 644 x\n====\n"], &[("1/1", "x", b"")], "an empty file in base64"),
        (&[b"begin 644 x\nwith words\nend\n"], &[], "words are no octets"),
        (&[b"begin 644 x\n\nWe begin again.\n"], &[], "an empty line is no file"),
        (&[b"begin the day\n#0V%T\nend\n"], &[], "no mode"),
        (&[b"begin 644\n#0V%T\nend\n"], &[], "no name"),
        (&[b"> begin 644 x\n> #0V%T\n> end\n"], &[], "what is quoted is not attached"),
        (&[b"=ybegin line=x size=3 name=a\nm\n=yend size=3\n"], &[], "no number"),
        (&[b"x =ybegin line=1 size=3 name=a\nm\n=yend size=3\n"], &[], "not at a line's start"),
    ];
    for (pieces, wanted, why) in table {
        let content = [b"Subject: x\r\n\r\n".as_slice(), &pieces.concat()].concat();
        let message = Message::parse(&content);
        let files = message.embedded_files();
        let found: Vec<_> =
            files.iter().map(|one| (one.id(), one.file_name(), one.decoded().octets)).collect();
        let wanted: Vec<_> = wanted
            .iter()
            .map(|(id, name, octets)| (*id, (*name).to_owned(), octets.to_vec()))
            .collect();
        assert_eq!(found, wanted, "{why}");
        assert_eq!(message.parts().count(), 1, "{why}: the tree stays as it is");
        for file in &files {
            assert_eq!(message.embedded_file(file.id()).as_ref(), Some(file), "{why}");
            let text = message.root().decoded();
            assert_eq!(text.get(file.range()), Some(file.encoded()), "{why}");
        }
    }
}

#[test]
fn only_texts_of_the_message_itself_are_searched() {
    let encoded = UU.replace('`', "=60").replace("#0V", "=230V");
    #[rustfmt::skip]
    let table = [
        ("text/plain\r\nContent-Transfer-Encoding: quoted-printable", encoded.as_str(), 1, 1, "decoded first"),
        ("text/html", UU, 0, 0, "HTML"),
        ("application/octet-stream", UU, 0, 0, "no text"),
        ("text/plain\r\nContent-Transfer-Encoding: x-uuencode", UU, 0, 0, "decoded already"),
        ("text/plain\r\nContent-Disposition: attachment", UU, 0, 1, "attached"),
    ];
    for (fields, body, listed, in_part, why) in table {
        let content = format!("Content-Type: {fields}\r\n\r\n{body}");
        let message = Message::parse(content.as_bytes());
        let found = (message.embedded_files().len(), message.root().embedded_files().len());
        assert_eq!(found, (listed, in_part), "{why}");
    }
    let content = format!("Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n{UU}");
    let message = Message::parse(content.as_bytes());
    assert_eq!(message.embedded_files(), [], "in an enclosed message");
    let enclosed: usize = message.parts().map(|part| part.embedded_files().len()).sum();
    assert_eq!(enclosed, 1, "which has it");
}

#[test]
fn damage_is_a_defect_with_its_place() {
    let from = "From: a@b\r\nDate: Mon, 23 Nov 2026 10:00:00 +0100\r\n";
    type Row<'t> = (&'t str, &'t [u8], &'t [(DefectCode, usize)], &'t str);
    #[rustfmt::skip]
    let table: [Row<'_>; 6] = [
        ("", UU.as_bytes(), &[], "whole"),
        ("", b"begin 644 x\r\n#0V%T\r\nwords\r\n", &[(DefectCode::TruncatedUuencode, 20)], "no end"),
        ("", b"begin 644 x\r\n&0V%T\r\n`\r\nend\r\n", &[(DefectCode::BadUuencode, 13)], "short"),
        ("", b"begin-base64 644 x\r\nQ2F0\r\n", &[(DefectCode::TruncatedBase64, 26)], "no end of base64"),
        ("Content-Transfer-Encoding: 8bit\r\n", b"=ybegin line=1 size=3 name=a\r\nm\r\n=yend size=3\r\n",
            &[(DefectCode::WrongYencSize, 33)], "the place of the last line"),
        ("Content-Transfer-Encoding: base64\r\n", b"YmVnaW4gNjQ0IHgKIzBWJVQK", &[(DefectCode::TruncatedUuencode, 0)], "the place of the part"),
    ];
    for (fields, body, wanted, why) in table {
        let header = format!("{from}{fields}Content-Type: text/plain; charset=iso-8859-1\r\n\r\n");
        let content = [header.as_bytes(), body].concat();
        let defects = Message::parse(&content).examine();
        let found: Vec<_> =
            defects.iter().map(|one| (one.code, one.offset - header.len())).collect();
        assert_eq!(found, wanted, "{why}");
    }
}
