//! Every parser takes time in proportion to its input, whatever the input is.
//!
//! A quadratic step costs minutes on these inputs, a linear one well under a second even in a
//! debug build, so a generous bound tells them apart on any machine.
#![expect(clippy::disallowed_methods, reason = "the time that a parser takes is what is tested")]

use std::time::{Duration, Instant};

use message::fuzz::{
    fuzz_address, fuzz_date, fuzz_header, fuzz_message, fuzz_parameters, fuzz_text, fuzz_transfer,
};

const OCTETS: usize = 256 << 10;
const TIME_MAX: Duration = Duration::from_secs(5);

/// A beginning, and a piece that is repeated.
type Pattern = (&'static str, &'static str);

fn check(what: &str, parse: fn(&[u8]), patterns: &[Pattern]) {
    for (start, piece) in patterns {
        let input = start.to_string() + &piece.repeat(OCTETS / piece.len());
        let begun = Instant::now();
        parse(input.as_bytes());
        let took = begun.elapsed();
        assert!(took < TIME_MAX, "{what} took {took:?} for {start:?} and {piece:?} repeated");
    }
}

#[test]
fn messages_are_linear() {
    const MIXED: &str = "Content-Type: multipart/mixed; boundary=a\n\n--a\n\n";
    check(
        "a message",
        fuzz_message,
        &[
            ("", "A: b\n"),
            ("A: b\n", " c\n"),
            ("", "x"),
            ("", "\n"),
            ("", "not a field\n"),
            ("A: b\n", "not a field\nC: d\n"),
            (MIXED, "--a\n"),
            (MIXED, "--b\n"),
            (MIXED, "--"),
            (MIXED, "\n--a--"),
            (MIXED, "--a\nContent-Type: text/html\n\n<a href=http://x>\n"),
            ("", "Content-Type: multipart/mixed; boundary=aaaa\n\n--aaaa\n"),
            ("", "Content-Type: message/rfc822\n\n"),
            ("Content-Transfer-Encoding: base64\n\n", "QUJD="),
            ("Content-Transfer-Encoding: quoted-printable\n\n", "= \t"),
            ("Content-Type: text/plain; format=flowed\n\n", "> > a \n"),
            ("Content-Type: text/plain; charset=utf-7\n\n", "+-+AAA"),
        ],
    );
}

#[test]
fn html_is_linear() {
    const HTML: &str = "Content-Type: text/html\n\n";
    let pieces = [
        "<",
        "<a ",
        "<a href='",
        "<!--",
        "<script>",
        "</",
        "<a href=http://x>y</a>",
        "&",
        "&#",
        "<a b=c d",
    ];
    let patterns: Vec<Pattern> = pieces.iter().map(|piece| (HTML, *piece)).collect();
    check("HTML", fuzz_message, &patterns);
}

#[test]
fn reports_are_linear() {
    const BOUNCE: &str = "From: mailer-daemon@a\nSubject: Returned mail\n\n";
    const REPORT: &str = "Content-Type: multipart/report; boundary=a\n\n--a\n\
        Content-Type: message/delivery-status\n\n";
    check(
        "a report",
        fuzz_message,
        &[
            (BOUNCE, "a@b.c\n"),
            (BOUNCE, "a@b.c "),
            (BOUNCE, "Final-Recipient: x;a@b\n\n"),
            (BOUNCE, "Final-Recipient: x;a@b\n"),
            (REPORT, "x"),
            (REPORT, "x\n"),
            (REPORT, "\n"),
            (REPORT, "Final-Recipient: x;a@b\n\n"),
            (REPORT, "A:\nx\n"),
        ],
    );
}

#[test]
fn fields_are_linear() {
    check("a header", fuzz_header, &[("", "A:\n"), ("", "A \t"), ("", "A\n"), ("", " \n")]);
    check(
        "an address list",
        fuzz_address,
        &[
            ("", "a@b,"),
            ("", "("),
            ("", "(a)"),
            ("", "\\"),
            ("", "\""),
            ("", "<"),
            ("", "<a"),
            ("", "<a@b"),
            ("", "a@b "),
            ("", "a@"),
            ("", "@a:"),
            ("", "a:"),
            ("", "a;"),
            ("", "["),
            ("", "a."),
            ("", "a ."),
            ("", "=?utf-8?q?"),
            ("", "=?utf-8?q?a?= "),
            ("a@b", " (c)"),
            ("a@b.", "(c)."),
        ],
    );
    check("a date", fuzz_date, &[("", "1 "), ("", "("), ("", "+"), ("1 Jan 2020 0:0:0 ", "+0")]);
    check(
        "text",
        fuzz_text,
        &[
            ("", "=?"),
            ("", "=?utf-8?q?"),
            ("", "=?utf-8?b?????"),
            ("", "=?utf-8?q?a?="),
            ("", "=?utf-8?q?a?= "),
            ("=?utf-8?q?a?=", " "),
            ("", "=?x?q?a?= "),
            ("=?utf-8?q?", "a"),
        ],
    );
    check(
        "parameters",
        fuzz_parameters,
        &[
            ("a/b", ";"),
            ("a/b", ";a=b"),
            ("a/b; ", "a=b "),
            ("a/b; ", "a=b c "),
            ("a/b; a=", "(c)"),
            ("a/b; a=", "x (c) "),
            ("a/b", ";a*0=b"),
            ("a/b", ";a*1*=%"),
            ("a/b; a=\"", "\\\""),
            ("", "("),
        ],
    );
}

#[test]
fn transfer_encodings_are_linear() {
    check(
        "an encoding",
        fuzz_transfer,
        &[("", "QUJD"), ("", "="), ("", "!"), ("", "Q=\n"), ("", " "), ("", "=\n"), ("", "=4")],
    );
}
