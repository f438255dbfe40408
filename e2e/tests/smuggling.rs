//! Octets that one server takes for the end of a message and another one does not, and commands
//! that slip under TLS.
//!
//! Standards: RFC 5321 §2.3.8 (only CRLF ends a line), §4.1.1.4 (end of content), RFC 3207 §4.2
//! and RFC 2595 §4 (nothing is carried over into TLS).
//! Not here: other bad input (`bad_input.rs`).

use e2e::letters::{assert_same_below_trace, header};
use e2e::{PASSWORD, Server, Site};

/// A second transaction, hidden behind what might be taken for the end of the first.
const HIDDEN: &[u8] = b"MAIL FROM:<evil@else.test>\r\nRCPT TO:<ada@home.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nhaha\r\n";

fn letter() -> Vec<u8> {
    [header("eve@else.test", "bob@home.test", "smuggling").as_slice(), b"\r\nfirst line"].concat()
}

/// Sends a letter, the octets in question, a hidden transaction and a true end; tells the codes
/// of all replies until QUIT.
fn codes_after(server: &Server, question: &[u8]) -> Vec<u16> {
    let mut dialog = server.smtp();
    dialog.say("MAIL FROM:<eve@else.test>", 250);
    dialog.say("RCPT TO:<bob@home.test>", 250);
    dialog.say("DATA", 354);
    dialog.send([letter().as_slice(), question, HIDDEN, b".\r\nQUIT\r\n"].concat());
    std::iter::from_fn(|| dialog.reply()).map(|reply| reply.code).collect()
}

#[test]
fn no_other_end_of_content_is_believed() {
    let site = Site::default();
    let server = site.start();
    #[rustfmt::skip]
    let rows: [(&[u8], &str); 8] = [
        (b"\n.\n", "S01"),
        (b"\n.\r\n", "S02"),
        (b"\r\n.\n", "S03"),
        (b"\r.\r", "S04"),
        (b"\r.\r\n", "S04"),
        (b"\r\n.\r", "S04: a CR that is not followed by LF"),
        (b"\r\n\n.\n\r\n", "bare LF in several places"),
        (b"\r\r\n.\r\r\n", "CR twice"),
    ];
    for (question, why) in rows {
        let codes = codes_after(&server, question);
        assert_eq!(codes, [550, 221], "{why}: one refusal, no second transaction");
    }
    assert_eq!(site.messages("bob@home.test"), 0, "refused as a whole");
    assert_eq!(site.messages("ada@home.test"), 0, "nothing was smuggled");
    site.verify();
}

#[test]
fn what_only_looks_like_an_end_is_content() {
    let site = Site::default();
    let server = site.start();
    #[rustfmt::skip]
    let rows: [(&[u8], &str); 4] = [
        (b"\r\n\0.\r\n", "S05: NUL before the dot"),
        (b"\r\n..\0\r\n", "S05: NUL behind the dot"),
        (b"\r\n.. \r\n", "S06: a blank behind the dot"),
        (b"\r\n...\r\n", "two dots, stuffed"),
    ];
    for (count, (question, why)) in (1..).zip(rows) {
        let codes = codes_after(&server, question);
        assert_eq!(codes, [250, 221], "{why}");
        let messages = server.fetch("bob@home.test");
        assert_eq!(messages.len(), count, "{why}");
        let unstuffed: Vec<u8> = match question {
            [b'\r', b'\n', b'.', rest @ ..] => [b"\r\n", rest].concat(),
            _ => question.to_vec(),
        };
        let whole = [letter().as_slice(), &unstuffed, HIDDEN].concat();
        assert_same_below_trace(messages.last().expect("one"), &whole);
    }
    assert_eq!(site.messages("ada@home.test"), 0, "nothing was smuggled");
}

#[test]
fn the_true_end_is_found_however_it_is_cut_into_packets() {
    let site = Site::default();
    let server = site.start();
    let mut dialog = server.smtp();
    dialog.say("MAIL FROM:<eve@else.test>", 250);
    dialog.say("RCPT TO:<bob@home.test>", 250);
    dialog.say("DATA", 354);
    let whole = [letter().as_slice(), b"\r\n"].concat();
    dialog.send(&whole);
    for octet in b".\r\n" {
        dialog.send([*octet]);
    }
    dialog.expect(250);
    // S08: the end and the next transaction in one packet.
    dialog.send(b"MAIL FROM:<eve@else.test>\r\nRCPT TO:<bob@home.test>\r\nDATA\r\n");
    for code in [250, 250, 354] {
        dialog.expect(code);
    }
    dialog.send(
        [whole.as_slice(), b".\r\nMAIL FROM:<>\r\nRCPT TO:<bob@home.test>\r\nDATA\r\n"].concat(),
    );
    for code in [250, 250, 250, 354] {
        dialog.expect(code);
    }
    dialog.send([whole.as_slice(), b".\r\n"].concat());
    dialog.expect(250);
    let messages = server.fetch("bob@home.test");
    assert_eq!(messages.len(), 3);
    for message in &messages {
        assert_same_below_trace(message, &whole);
    }
}

#[test]
fn nothing_that_came_before_tls_counts_in_it() {
    let site = Site::default();
    let server = site.start();
    for label in ["smtp/starttls", "submission/starttls"] {
        let mut dialog = server.dial(label);
        dialog.say("EHLO client.test", 250);
        dialog.send(b"STARTTLS\r\nNOOP\r\nMAIL FROM:<evil@else.test>\r\n");
        let reply = dialog.reply().expect("a reply");
        if reply.code == 220 {
            dialog.enter_tls(&site.ca());
            let reply = dialog.say("EHLO client.test", 250);
            assert_eq!(
                reply.lines.first().map(|line| line.starts_with("mx.home.test")),
                Some(true),
                "{label}: {reply}"
            );
            // T02: the transaction has gone as well.
            dialog.say("RCPT TO:<bob@home.test>", 503);
        } else {
            assert_eq!(reply.code, 501, "{label}: T01 allows to refuse");
        }
    }
    let mut dialog = server.smtp();
    dialog.say("MAIL FROM:<eve@else.test>", 250);
    dialog.start_tls(&site.ca());
    dialog.say("RCPT TO:<bob@home.test>", 503);
    // T03: TLS in TLS is neither done nor offered, and the session goes on.
    dialog.say("STARTTLS", 503);
    let offered = dialog.say("EHLO client.test", 250);
    assert!(!offered.lines.iter().any(|line| line == "STARTTLS"), "T03: {offered}");
}

#[test]
fn pop3_forgets_what_came_before_tls() {
    let site = Site::default();
    let server = site.start();
    let mut dialog = server.dial("pop3/starttls");
    dialog.command("USER bob@home.test");
    dialog.send(b"STLS\r\nCAPA\r\n");
    let first = dialog.line().expect("a response");
    if first.starts_with("+OK") {
        dialog.enter_tls(&site.ca());
        // P09: USER is forgotten, and P08: CAPA has not run in TLS.
        dialog.refused(&format!("PASS {PASSWORD}"));
        dialog.command("USER bob@home.test");
        dialog.command(&format!("PASS {PASSWORD}"));
    }
}

#[test]
fn only_crlf_ends_a_command() {
    let site = Site::default();
    let server = site.start();
    let mut dialog = server.smtp();
    // S10 and S11: only CRLF ends a command.
    dialog.send(b"NOOP\rRSET\r\n");
    dialog.expect(500);
    dialog.send(b"NOOP\n");
    dialog.expect(500);
    dialog.say("NOOP", 250);
    // S12: NUL in a command.
    dialog.send(b"NO\0OP\r\n");
    let reply = dialog.reply().expect("a reply");
    assert!([500, 501].contains(&reply.code), "{reply}");
    dialog.say("NOOP", 250);
}
