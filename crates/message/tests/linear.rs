//! Every parser takes time in proportion to its input, whatever the input is.
//!
//! Time is that of this thread on a processor, so that what else the machine does hardly
//! counts: an input is parsed, and one that is eight times as long. Linear parsers take eight
//! times as long, quadratic ones sixty-four times. Only the shortest of several runs counts,
//! since a run can be disturbed but never helped.

use std::time::Duration;

use message::fuzz::{
    fuzz_address, fuzz_authentication, fuzz_date, fuzz_downgrade, fuzz_embedded, fuzz_encoded_word,
    fuzz_header, fuzz_letter, fuzz_list, fuzz_markdown, fuzz_message, fuzz_message_id,
    fuzz_parameters, fuzz_report, fuzz_resent, fuzz_text, fuzz_transfer,
};
use nix::time::{ClockId, clock_gettime};

const OCTETS: usize = 32 << 10;
const TIMES: usize = 8;
/// For what reads, writes and reads again, which takes many times as long as a parser.
const FEW_OCTETS: usize = 4 << 10;
/// Three times what is linear, nearly three times less than what is quadratic.
const GROWTH_MAX: u32 = 24;
/// What a page fault or a cache that was emptied may cost; a quadratic step over the longer
/// input costs more even at the speed of `memchr`.
const SLACK: Duration = Duration::from_millis(5);
const RUNS_MAX: usize = 10;

/// A beginning, and a piece that is repeated.
type Pattern = (&'static str, &'static str);

fn check(what: &str, parse: fn(&[u8]), patterns: &[Pattern]) {
    check_with(OCTETS, what, parse, patterns);
}

fn check_with(octets: usize, what: &str, parse: fn(&[u8]), patterns: &[Pattern]) {
    for pattern in patterns {
        if let Err((short, long)) = grows_linearly(octets, parse, *pattern) {
            panic!("{what} took {short:?}, then {long:?} for {TIMES} times {pattern:?}");
        }
    }
}

/// The shortest times of both lengths, if the longer input takes too long in every run.
fn grows_linearly(
    octets: usize,
    parse: fn(&[u8]),
    (start, piece): Pattern,
) -> Result<(), (Duration, Duration)> {
    let input = |octets| start.to_owned() + &piece.repeat(octets / piece.len());
    let (short_input, long_input) = (input(octets), input(octets * TIMES));
    let (mut short, mut long) = (Duration::MAX, Duration::MAX);
    for _ in 0..RUNS_MAX {
        short = short.min(time_of(parse, short_input.as_bytes()));
        long = long.min(time_of(parse, long_input.as_bytes()));
        if long <= short * GROWTH_MAX + SLACK {
            return Ok(());
        }
    }
    Err((short, long))
}

fn time_of(parse: fn(&[u8]), input: &[u8]) -> Duration {
    let begun = spent();
    parse(input);
    spent() - begun
}

/// What this thread has had of a processor.
fn spent() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every thread has this clock").into()
}

#[test]
fn a_quadratic_parser_is_noticed() {
    fn quadratic(input: &[u8]) {
        for end in (0..input.len()).step_by(8) {
            assert!(!input[..end].contains(&b'!'));
        }
    }
    fn linear(input: &[u8]) {
        assert!(!input.contains(&b'!'));
    }
    assert!(grows_linearly(OCTETS, quadratic, ("", "a")).is_err(), "even at the speed of memchr");
    assert_eq!(grows_linearly(OCTETS, linear, ("", "a")), Ok(()));
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
            ("\n", "begin 644 x\n"),
            ("\n", "begin 644 x\n#0V%T\n"),
            ("\nbegin 644 x\n", "#0V%T\n"),
            ("\n", "begin 644 x\n\n\n"),
            ("\n", "> begin 644 x\n> #0V%T\n"),
            ("\n> begin 644 x\n", "> #0V%T\n"),
            ("\n", "> begin-base64 644 x\n>\n"),
            ("\n", ">begin"),
            ("\n", "begin-base64 644 x\nQ2F0\n"),
            ("\nbegin-base64 644 x\n", "Q2F0\n"),
            ("Content-Transfer-Encoding: quoted-printable\n\n", "begin 644 x\n#0V%T\nend\n"),
            ("\n", "=ybegin line=1 size=1 name=x\n"),
            ("\n=ybegin line=1 size=1 name=x\n", "=ypart\n"),
            ("\n", "=ybegin line=1 name=\n"),
            ("Content-Type: text/plain; charset=utf-7\n\n", "+-+AAA"),
            ("Content-Type: text/enriched\n\n", "<param></"),
            ("Content-Type: text/enriched\n\n", "<\n\n"),
            ("Content-Type: text/richtext\n\n", "a <nl> \n"),
            ("Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==\n\n", "a\n"),
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

/// A fuzz target, and what tires it.
type Tiring = (&'static str, fn(&[u8]), &'static [Pattern]);

#[test]
fn what_the_fuzzers_check_is_linear() {
    const RESENT: &str = "Resent-From: a@b\nResent-Date: 1 Jan 2020 0:0 GMT\nResent-To: ";
    const MIXED: &str = "Content-Type: multipart/mixed; boundary=a\n\n--a\n\n";
    #[rustfmt::skip]
    let table: [Tiring; 10] = [
        ("authentication", fuzz_authentication, &[("a", ";x=y"), ("a; b=c", " d.e=f"), ("a; b=c reason=", "\""), ("a; b", "(")]),
        ("resent", fuzz_resent, &[("", "Resent-To: a@b\n"), (RESENT, "a@b, ")]),
        ("embedded", fuzz_embedded, &[("", "begin 644 x\n#0V%T\n"), ("", "=ybegin line=1 size=1 part=1 name=x\n"), ("", ">begin\n")]),
        ("letter", fuzz_letter, &[("", "On x wrote:\n"), ("", "> a\n"), ("", "--\n"), ("", "From: a\n"), ("", "\n"), ("", ">")]),
        ("list", fuzz_list, &[("List-Help: ", "<"), ("List-Help: ", "<a:b>"), ("List-Id: ", "<"), ("", "List-Id:\n")]),
        ("markdown", fuzz_markdown, &[("", "> "), ("", "["), ("", "*a"), ("", "-- \n"), ("", "| a "), ("", "<")]),
        ("report", fuzz_report, &[("a@b\n", "x"), ("a@b\n", "x "), ("", "\n"), ("", "<a@b>")]),
        ("message ids", fuzz_message_id, &[("", "<a@b>"), ("", "<\""), ("", "<"), ("", "a@b "), ("<\"", "<a>\"")]),
        ("encoded words", fuzz_encoded_word, &[("", "=?utf-8?q?=C3?= "), ("", "=?iso-2022-jp?b?GyRCJUYbKEI=?="), ("", "\u{e4} a "), ("", " ")]),
        ("downgrade", fuzz_downgrade, &[("\n", "\u{e4}\n"), (MIXED, "\u{e4}\n--a\n\n"), ("", "\u{e4}"), ("\n", "\0")]),
    ];
    for (what, parse, patterns) in table {
        check_with(FEW_OCTETS, what, parse, patterns);
    }
}
