//! Messages that break careless programs, and the comparison of what arrived with what was sent.
//!
//! Standards: RFC 5321 §4.5.2 (transparency), §4.5.3.1.6 (line length), §4.4 (trace fields).
//! Not here: bad messages that must be refused (`tests/smuggling.rs`).

/// Fields that servers write above a message on its way, and clients when they fetch it.
const TRACE_FIELDS: &[&str] =
    &["return-path", "delivered-to", "received", "x-original-to", "envelope-to"];

/// A message with lines that begin with dots, 8-bit text, empty lines at both ends and the
/// longest line that is allowed.
pub fn odd(to: &str) -> Vec<u8> {
    let header = header("ada@home.test", to, "dots, eights and a long line");
    let longest = "x".repeat(998);
    let body = format!(
        "MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\
         \r\n\
         \r\n\
         .\r\n\
         ..\r\n\
         .leading dot\r\n\
         From the beginning of a line\r\n\
         +OK 1 octets\r\n\
         250 2.0.0 Ok\r\n\
         smørrebrød, Ωμέγα, 漢字, 🐎\r\n\
         trailing blanks \t \r\n\
         {longest}\r\n\
         \r\n\
         ...\r\n\
         .\r\n\
         \r\n"
    );
    [header, body.into_bytes()].concat()
}

/// A message whose body is empty.
pub fn without_body(to: &str) -> Vec<u8> {
    [header("ada@home.test", to, "nothing below").as_slice(), b"\r\n"].concat()
}

/// A plain little message.
pub fn plain(from: &str, to: &str, subject: &str) -> Vec<u8> {
    [header(from, to, subject).as_slice(), b"\r\nA line of text.\r\n"].concat()
}

/// The fields that every message has, without the empty line.
pub fn header(from: &str, to: &str, subject: &str) -> Vec<u8> {
    let mark: String = subject.chars().filter(char::is_ascii_alphanumeric).collect();
    format!(
        "Date: Wed, 25 Nov 2026 03:00:00 +0000\r\n\
         From: <{from}>\r\n\
         To: <{to}>\r\n\
         Subject: {subject}\r\n\
         Message-ID: <{mark}@client.test>\r\n"
    )
    .into_bytes()
}

/// With LF instead of CRLF, as files have it.
pub fn with_lf(message: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(message.len());
    let mut rest = message.iter().copied().peekable();
    while let Some(octet) = rest.next() {
        if octet != b'\r' || rest.peek() != Some(&b'\n') {
            lines.push(octet);
        }
    }
    lines
}

/// With CRLF instead of LF. A CRLF stays.
pub fn with_crlf(message: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(message.len());
    for line in with_lf(message).split_inclusive(|octet| *octet == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => lines.extend_from_slice(&[line, b"\r\n"].concat()),
            None => lines.extend_from_slice(line),
        }
    }
    lines
}

/// Demands that a message arrived as it was sent, octet for octet, with nothing but trace fields
/// above.
///
/// # Panics
///
/// When it did not.
pub fn assert_same_below_trace(arrived: &[u8], sent: &[u8]) {
    let Some(above) = arrived.strip_suffix(sent) else {
        let (arrived, sent) = (arrived.escape_ascii(), sent.escape_ascii());
        panic!("sent:\n{sent}\narrived:\n{arrived}");
    };
    let above = String::from_utf8_lossy(above);
    for line in above.lines().filter(|line| !line.starts_with([' ', '\t'])) {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        assert!(TRACE_FIELDS.contains(&name.as_str()), "not a trace field: {line}");
    }
}

/// The value of a header field, unfolded; the first one of that name.
pub fn field(message: &[u8], name: &str) -> Option<String> {
    fields(message, name).into_iter().next()
}

/// The values of all header fields of a name, unfolded.
pub fn fields(message: &[u8], name: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(message).replace("\r\n", "\n");
    let header = text.split("\n\n").next().unwrap_or_default();
    let unfolded = header.replace("\n\t", " ").replace("\n ", " ");
    unfolded
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_changed_and_nothing_else() {
        let crlf = b"a\r\n\r\nb\rc\r\n";
        assert_eq!(with_lf(crlf), b"a\n\nb\rc\n");
        assert_eq!(with_crlf(&with_lf(crlf)), crlf);
        assert_eq!(with_crlf(b"no end"), b"no end");
    }

    #[test]
    fn trace_fields_may_stand_above() {
        let sent = b"Subject: x\r\n\r\n.\r\n";
        let above = b"Return-Path: <>\r\nReceived: from a\r\n\tby b\r\n";
        assert_same_below_trace(&[above.as_slice(), sent].concat(), sent);
    }

    #[test]
    #[should_panic(expected = "not a trace field")]
    fn nothing_else_may() {
        assert_same_below_trace(b"X-Spam: no\r\nSubject: x\r\n", b"Subject: x\r\n");
    }

    #[test]
    #[should_panic(expected = "arrived:")]
    fn a_changed_octet_is_found() {
        assert_same_below_trace(b"Received: x\r\nSubject: y\r\n", b"Subject: x\r\n");
    }

    #[test]
    fn fields_are_unfolded_and_those_of_the_body_are_not_fields() {
        let message = b"To: a\r\n b\r\nTO: c\r\n\r\nTo: body\r\n";
        assert_eq!(fields(message, "to"), ["a b", "c"]);
    }
}
