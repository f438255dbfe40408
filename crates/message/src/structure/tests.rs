//! Trees and defects of good and bad messages.

use crate::{DEPTH_MAX, DefectCode, Message, PARTS_MAX, PartKind};

/// One line per part: its number, type, and body where it is a leaf.
fn show(content: &[u8]) -> String {
    let message = Message::parse(content);
    let pieces: Vec<u8> =
        message.ranges().into_iter().flat_map(|range| &content[range]).copied().collect();
    assert_eq!(pieces, content, "the ranges are the message");
    let lines = message.parts().map(|part| {
        let body = match part.kind() {
            PartKind::Leaf => format!(" {:?}", String::from_utf8_lossy(part.body())),
            _ => String::new(),
        };
        format!("{} {}{body}", part.id(), part.content_type())
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn codes(content: &[u8]) -> Vec<(&'static str, String)> {
    let message = Message::parse(content);
    message.defects().iter().map(|defect| (defect.code.code(), defect.part.clone())).collect()
}

/// Content, tree, defects with their parts, and why.
type Row = (String, &'static str, &'static [(&'static str, &'static str)], &'static str);

const NESTED: &str = "\
Content-Type: multipart/mixed; boundary=a

preamble
--a

one
--a
Content-Type: multipart/alternative; boundary=\"a b\"

--a b
Content-Type: text/plain

two
--a b
Content-Type: text/html

<p>three
--a b--
epilogue
--a
Content-Type: message/rfc822

Subject: x
Content-Type: multipart/mixed; boundary=c

--c

four
--c--
--a
Content-Type: message/rfc822

Subject: y

five
--a--
end
";

#[test]
fn parts_get_their_section_numbers() {
    let expected = " multipart/mixed
1 text/plain \"one\"
2 multipart/alternative
2.1 text/plain \"two\"
2.2 text/html \"<p>three\"
3 message/rfc822
3 multipart/mixed
3.1 text/plain \"four\"
4 message/rfc822
4.1 text/plain \"five\"";
    assert_eq!(show(NESTED.as_bytes()), expected);
    let with_crlf = NESTED.replace('\n', "\r\n");
    assert_eq!(show(with_crlf.as_bytes()), expected);
    assert_eq!(codes(with_crlf.as_bytes()), []);
    assert_eq!(show(b"Subject: x\r\n\r\nbody"), "1 text/plain \"body\"");
}

#[test]
fn defects_are_found_and_read_over() {
    let mixed = |body: &str| format!("Content-Type: multipart/mixed; boundary=a\n\n{body}");
    #[rustfmt::skip]
    let table: [Row; 15] = [
        (mixed("--a\none\n--a: b\n\ntwo\n--a--\n"), " multipart/mixed\n1 text/plain \"one\"\n2 text/plain \"two\"", &[("missing-header-end", "1")], "a delimiter that looks like a field"),
        (mixed("--a\n\none\n"), " multipart/mixed\n1 text/plain \"one\\n\"", &[("unclosed-multipart", "")], "no end"),
        (mixed("no parts\n"), " multipart/mixed", &[("no-parts", "")], "no delimiter"),
        (mixed("--a\n--a\nX: y\n--a--\n"), " multipart/mixed\n1 text/plain \"\"\n2 text/plain \"\"", &[("missing-header-end", "1"), ("missing-header-end", "2")], "headers that delimiters end"),
        (mixed("--a\n\n--a--\n"), " multipart/mixed\n1 text/plain \"\"", &[], "an empty part"),
        (mixed("--a \t\n\none\n--a-- \n"), " multipart/mixed\n1 text/plain \"one\"", &[], "white space after delimiters"),
        (mixed("--a\n\none\n--a--\n--a\n\ntwo\n"), " multipart/mixed\n1 text/plain \"one\"", &[], "the epilogue has no parts"),
        ("Content-Type: multipart/mixed\n\n--a\n".to_owned(), " multipart/mixed", &[("missing-boundary", "")], "no boundary"),
        ("Content-Type: multipart/mixed; boundary=a\nContent-Transfer-Encoding: base64\n\n--a\n\none\n--a--".to_owned(), " multipart/mixed\n1 text/plain \"one\"", &[("encoded-container", "")], "an encoded multipart"),
        ("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nAAAA\n".to_owned(), "1 message/rfc822 \"AAAA\\n\"", &[("encoded-container", "1")], "an encoded message"),
        ("A: b\nnot a field\nC: d\n\nbody".to_owned(), "1 text/plain \"body\"", &[("not-a-field", "1")], "a strange line"),
        ("A: b\nthis is the body\nand more\n".to_owned(), "1 text/plain \"this is the body\\nand more\\n\"", &[("missing-header-end", "1")], "no empty line"),
        ("From a@b Mon Jan 1\nA: b\n\nbody".to_owned(), "1 text/plain \"body\"", &[("not-a-field", "1")], "an mbox line"),
        ("just text\n".to_owned(), "1 text/plain \"just text\\n\"", &[("missing-header-end", "1")], "no header"),
        (String::new(), "1 text/plain \"\"", &[], "nothing"),
    ];
    for (content, tree, defects, why) in table {
        assert_eq!(show(content.as_bytes()), tree, "{why}");
        let expected: Vec<_> =
            defects.iter().map(|(code, part)| (*code, (*part).to_owned())).collect();
        assert_eq!(codes(content.as_bytes()), expected, "{why}");
    }
}

#[test]
fn boundaries_may_begin_with_each_other() {
    let content = b"Content-Type: multipart/mixed; boundary=ab\n\n--ab\n\
        Content-Type: multipart/mixed; boundary=abc\n\n--abc\n\none\n--abc--\n--ab\n\ntwo\n--ab--\n";
    let tree = " multipart/mixed\n1 multipart/mixed\n1.1 text/plain \"one\"\n2 text/plain \"two\"";
    assert_eq!(show(content), tree);
    assert_eq!(codes(content), []);
}

#[test]
fn a_delimiter_of_an_outer_multipart_ends_all_inside() {
    let content = b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\
        Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--a\n\ntwo\n--a--\n";
    let tree = " multipart/mixed\n1 multipart/mixed\n1.1 text/plain \"one\"\n2 text/plain \"two\"";
    assert_eq!(show(content), tree);
    assert_eq!(codes(content), [("unclosed-multipart", "1".to_owned())]);
}

#[test]
fn parts_of_a_digest_are_messages() {
    let content = b"Content-Type: multipart/digest; boundary=a\n\n--a\n\nSubject: x\n\none\n--a\n\
        Content-Type: text/plain\n\ntwo\n--a--\n";
    let tree = " multipart/digest\n1 message/rfc822\n1.1 text/plain \"one\"\n2 text/plain \"two\"";
    assert_eq!(show(content), tree);
}

#[test]
fn bombs_are_bounded() {
    let deep = |count: usize| {
        let open = |depth: usize| {
            format!("Content-Type: multipart/mixed; boundary=b{depth}-\n\n--b{depth}-\n")
        };
        (0..count).map(open).collect::<String>().into_bytes()
    };
    let content = deep(10_000);
    let message = Message::parse(&content);
    assert_eq!(message.parts().count(), DEPTH_MAX + 1);
    assert!(message.defects().iter().any(|defect| defect.code == DefectCode::TooDeep));
    let messages = b"Content-Type: message/rfc822\n\n".repeat(20_000);
    assert_eq!(Message::parse(&messages).parts().count(), DEPTH_MAX + 1);
    let wide =
        [b"Content-Type: multipart/mixed; boundary=a\n\n".to_vec(), b"--a\n".repeat(200_000)]
            .concat();
    let message = Message::parse(&wide);
    assert_eq!(message.parts().count(), PARTS_MAX);
    assert!(message.defects().iter().any(|defect| defect.code == DefectCode::TooManyParts));
    let fields = b"A: b\n".repeat(300_000);
    let message = Message::parse(&fields);
    assert_eq!(message.header().fields().count(), crate::FIELDS_MAX + 1);
    assert_eq!(message.ranges().last().map(|range| range.end), Some(fields.len()));
}
