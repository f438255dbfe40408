//! The commands of POP3 as the server reads them.
//!
//! Strict where it matters (digits only, no stray arguments, no control characters),
//! and patient with spaces at the end of a line, which real clients send.
//!
//! Standards: RFC 1939 §5 to §7, RFC 2449 §5, RFC 2595 §4, RFC 5034 §4, RFC 6856 §2.1.

/// One command line.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) enum Command<'a> {
    User(&'a str),
    Pass(&'a str),
    Apop,
    Auth { mechanism: &'a str, initial: Option<&'a str> },
    Capa,
    Stls,
    Utf8,
    Stat,
    List(Option<u32>),
    Uidl(Option<u32>),
    Retr(u32),
    Top { message: u32, lines: u32 },
    Dele(u32),
    Noop,
    Rset,
    Quit,
}

/// Why a line is not a command; each variant is a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommandFault {
    /// There is no such command.
    Unknown,
    /// The arguments are wrong; this is how they should be.
    Usage(&'static str),
    /// There are octets that do not belong into a command.
    Octets,
    /// The peer speaks HTTP or TLS.
    OtherProtocol,
}

/// Verbs of HTTP: a browser made to talk to us must not get far (bad-inputs S38).
const HTTP_VERBS: [&str; 7] = ["GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "DELETE"];

impl<'a> Command<'a> {
    /// Reads one line without its CRLF.
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, CommandFault> {
        if line.starts_with(b"\x16\x03") {
            return Err(CommandFault::OtherProtocol); // a TLS ClientHello
        }
        let text = std::str::from_utf8(line).map_err(|_| CommandFault::Octets)?;
        if text.chars().any(char::is_control) {
            return Err(CommandFault::Octets);
        }
        let (verb, argument) = match text.split_once(' ') {
            Some((verb, argument)) => (verb, argument),
            None => (text, ""),
        };
        let verb = verb.to_ascii_uppercase();
        match verb.as_str() {
            "USER" if !argument.is_empty() => Ok(Self::User(argument)),
            "USER" => Err(CommandFault::Usage("USER name")),
            // The only argument, so that spaces belong to it (RFC 1939 §7).
            "PASS" if !argument.is_empty() => Ok(Self::Pass(argument)),
            "PASS" => Err(CommandFault::Usage("PASS password")),
            _ if HTTP_VERBS.contains(&verb.as_str()) => Err(CommandFault::OtherProtocol),
            _ if !text.is_ascii() => Err(CommandFault::Octets),
            _ => Self::with_words(&verb, argument.trim_end_matches(' ')),
        }
    }

    fn with_words(verb: &str, argument: &'a str) -> Result<Self, CommandFault> {
        let mut words = argument.split(' ').filter(|_| !argument.is_empty());
        let words = (words.next(), words.next(), words.next());
        let usage = CommandFault::Usage;
        match (verb, words) {
            ("CAPA", (None, ..)) => Ok(Self::Capa),
            ("CAPA", _) => Err(usage("CAPA without arguments")),
            ("STLS", (None, ..)) => Ok(Self::Stls),
            ("STLS", _) => Err(usage("STLS without arguments")),
            ("UTF8", (None, ..)) => Ok(Self::Utf8),
            ("UTF8", _) => Err(usage("UTF8 without arguments")),
            ("STAT", (None, ..)) => Ok(Self::Stat),
            ("STAT", _) => Err(usage("STAT without arguments")),
            ("NOOP", (None, ..)) => Ok(Self::Noop),
            ("NOOP", _) => Err(usage("NOOP without arguments")),
            ("RSET", (None, ..)) => Ok(Self::Rset),
            ("RSET", _) => Err(usage("RSET without arguments")),
            ("QUIT", (None, ..)) => Ok(Self::Quit),
            ("QUIT", _) => Err(usage("QUIT without arguments")),
            ("LIST", (None, ..)) => Ok(Self::List(None)),
            ("LIST", (Some(message), None, _)) => {
                Ok(Self::List(Some(number(message).ok_or(usage("LIST [message number]"))?)))
            }
            ("LIST", _) => Err(usage("LIST [message number]")),
            ("UIDL", (None, ..)) => Ok(Self::Uidl(None)),
            ("UIDL", (Some(message), None, _)) => {
                Ok(Self::Uidl(Some(number(message).ok_or(usage("UIDL [message number]"))?)))
            }
            ("UIDL", _) => Err(usage("UIDL [message number]")),
            ("RETR", (Some(message), None, _)) => {
                number(message).map(Self::Retr).ok_or(usage("RETR message number"))
            }
            ("RETR", _) => Err(usage("RETR message number")),
            ("DELE", (Some(message), None, _)) => {
                number(message).map(Self::Dele).ok_or(usage("DELE message number"))
            }
            ("DELE", _) => Err(usage("DELE message number")),
            ("TOP", (Some(message), Some(lines), None)) => number(message)
                .zip(number(lines))
                .map(|(message, lines)| Self::Top { message, lines })
                .ok_or(usage("TOP message number, number of lines")),
            ("TOP", _) => Err(usage("TOP message number, number of lines")),
            ("AUTH", (Some(mechanism), initial, None)) => Ok(Self::Auth { mechanism, initial }),
            ("AUTH", _) => Err(usage("AUTH mechanism [initial response]")),
            ("APOP", _) => Ok(Self::Apop),
            _ => Err(CommandFault::Unknown),
        }
    }
}

/// Digits only: no sign, no spaces, no overflow.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_commands() {
        use CommandFault::{Octets, OtherProtocol, Unknown, Usage};
        let top = Usage("TOP message number, number of lines");
        #[rustfmt::skip]
        let table: [(&[u8], Result<Command<'_>, CommandFault>, &str); 36] = [
            (b"STAT", Ok(Command::Stat), "no argument"),
            (b"stat", Ok(Command::Stat), "RFC 1939 §3: keywords in any case"),
            (b"STAT  ", Ok(Command::Stat), "real clients send spaces at the end"),
            (b"STAT x", Err(Usage("STAT without arguments")), "stray argument"),
            (b"USER alice", Ok(Command::User("alice")), "a name"),
            (b"USER al ice", Ok(Command::User("al ice")), "spaces are the directory's affair"),
            ("USER größe".as_bytes(), Ok(Command::User("größe")), "RFC 6856 §2.2"),
            (b"USER", Err(Usage("USER name")), "no name"),
            (b"USER \xff", Err(Octets), "RFC 6856 §2.2: not UTF-8"),
            (b"PASS  two words ", Ok(Command::Pass(" two words ")), "RFC 1939 §7: spaces belong to it"),
            (b"PASS a\0b", Err(Octets), "NUL"),
            (b"LIST", Ok(Command::List(None)), "all"),
            (b"LIST 7", Ok(Command::List(Some(7))), "one"),
            (b"LIST 7 8", Err(Usage("LIST [message number]")), "one at most"),
            (b"RETR 0", Ok(Command::Retr(0)), "P01: a number, but of no message"),
            (b"RETR -1", Err(Usage("RETR message number")), "P01"),
            (b"RETR +1", Err(Usage("RETR message number")), "P01: sign"),
            (b"RETR abc", Err(Usage("RETR message number")), "P01"),
            (b"RETR 1x", Err(Usage("RETR message number")), "P01"),
            (b"RETR 999999", Ok(Command::Retr(999_999)), "P01: the session knows"),
            (b"RETR 4294967297", Err(Usage("RETR message number")), "P01: must not become 1"),
            (b"RETR  1", Err(Usage("RETR message number")), "RFC 1939 §3: a single space"),
            (b"TOP 1", Err(top), "P02"),
            (b"TOP 1 -1", Err(top), "P02"),
            (b"TOP 1 x", Err(top), "P02"),
            (b"TOP 1 0", Ok(Command::Top { message: 1, lines: 0 }), "the header only"),
            (b"AUTH PLAIN", Ok(Command::Auth { mechanism: "PLAIN", initial: None }), "RFC 5034"),
            (b"AUTH PLAIN =", Ok(Command::Auth { mechanism: "PLAIN", initial: Some("=") }), "empty initial response"),
            (b"AUTH", Err(Usage("AUTH mechanism [initial response]")), "no mechanism"),
            (b"APOP alice 0123", Ok(Command::Apop), "known, to be refused with its reason"),
            (b"", Err(Unknown), "an empty line"),
            (b"XYZZY", Err(Unknown), "no command"),
            (b"NOOP\rRSET", Err(Octets), "CR alone ends nothing"),
            ("NOOP ä".as_bytes(), Err(Octets), "P13: 8-bit octets"),
            (b"GET / HTTP/1.1", Err(OtherProtocol), "a browser"),
            (b"\x16\x03\x01\x02\x00\x01", Err(OtherProtocol), "TLS on a clear port"),
        ];
        for (line, expected, why) in table {
            assert_eq!(
                Command::parse(line),
                expected,
                "{:?}: {why}",
                String::from_utf8_lossy(line)
            );
        }
    }
}
