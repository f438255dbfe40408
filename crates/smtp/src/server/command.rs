//! A command line: its verb and its argument, and the replies to lines that are none.
//!
//! Standards: RFC 5321 §2.4 (syntax), §4.1.1 (verbs), §4.2.4 (unknown and unimplemented verbs).
//! Not here: what a command does (`server`), arguments (one file each).

use envelope::EnhancedStatus;

use crate::limits::COMMAND_OCTETS_MAX;
use crate::reply::Reply;

/// The verbs that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Helo,
    Ehlo,
    Lhlo,
    Mail,
    Rcpt,
    Data,
    Bdat,
    Rset,
    Noop,
    Quit,
    Vrfy,
    Expn,
    Help,
    StartTls,
    Auth,
    XClient,
    Etrn,
    /// A verb of HTTP: somebody has a browser send mail for him.
    Foreign,
}

/// Every verb as it is written.
const VERBS: [(&str, Verb); 26] = [
    ("HELO", Verb::Helo),
    ("EHLO", Verb::Ehlo),
    ("LHLO", Verb::Lhlo),
    ("MAIL", Verb::Mail),
    ("RCPT", Verb::Rcpt),
    ("DATA", Verb::Data),
    ("BDAT", Verb::Bdat),
    ("RSET", Verb::Rset),
    ("NOOP", Verb::Noop),
    ("QUIT", Verb::Quit),
    ("VRFY", Verb::Vrfy),
    ("EXPN", Verb::Expn),
    ("HELP", Verb::Help),
    ("STARTTLS", Verb::StartTls),
    ("AUTH", Verb::Auth),
    ("XCLIENT", Verb::XClient),
    ("ETRN", Verb::Etrn),
    ("GET", Verb::Foreign),
    ("HEAD", Verb::Foreign),
    ("POST", Verb::Foreign),
    ("PUT", Verb::Foreign),
    ("PATCH", Verb::Foreign),
    ("DELETE", Verb::Foreign),
    ("OPTIONS", Verb::Foreign),
    ("CONNECT", Verb::Foreign),
    ("PRI", Verb::Foreign),
];

/// Cuts a line into verb and argument. The argument has no spaces around it.
pub(super) fn split(line: &[u8]) -> Result<(Verb, &str), Reply> {
    let syntax = |text| Reply::new(500, EnhancedStatus::new(5, 5, 2), text);
    if line.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)) {
        return Err(syntax("Line has a bare CR or a NUL; end each command with CRLF"));
    }
    let verb_octets = line.iter().position(|octet| *octet == b' ').unwrap_or(line.len());
    let (verb, argument) = line.split_at(verb_octets);
    let verb = VERBS.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(verb));
    let may_be_long = matches!(verb, Some((_, Verb::Auth)));
    if !may_be_long && line.len() + "\r\n".len() > COMMAND_OCTETS_MAX {
        return Err(overlong());
    }
    let Some((name, verb)) = verb else {
        return Err(Reply::new(500, EnhancedStatus::new(5, 5, 1), "Unknown command; try HELP"));
    };
    let argument = std::str::from_utf8(argument).map_err(|_| {
        let text = format!("Argument of {name} is not valid UTF-8");
        Reply::new(501, EnhancedStatus::new(5, 5, 2), text)
    })?;
    Ok((*verb, argument.trim_matches(' ')))
}

/// How a TLS handshake begins: a record of type 22, version 3.x (RFC 8446 §5.1).
pub(super) const TLS_HELLO: [u8; 2] = [22, 3];

/// RFC 2033 §4.1: each of the two protocols has a greeting of its own.
pub(super) fn other_greeting(wanted: &str) -> Reply {
    Reply::new(500, EnhancedStatus::new(5, 5, 1), format!("Send {wanted} here"))
}

pub(super) fn foreign_protocol() -> Reply {
    Reply::new(421, EnhancedStatus::new(5, 5, 1), "This is SMTP without implicit TLS, not HTTP")
}

pub(super) fn bare_lf() -> Reply {
    let text = "Line ended by LF alone; end each command with CRLF";
    Reply::new(500, EnhancedStatus::new(5, 5, 2), text)
}

pub(super) fn overlong() -> Reply {
    Reply::new(500, EnhancedStatus::new(5, 5, 6), "Line too long")
}

pub(super) fn needs_argument(verb: &str) -> Reply {
    Reply::new(501, EnhancedStatus::new(5, 5, 4), format!("{verb} needs an argument"))
}

pub(super) fn no_argument(verb: Verb) -> Reply {
    let name = VERBS.iter().find(|(_, known)| *known == verb).map_or("This", |(name, _)| name);
    Reply::new(501, EnhancedStatus::new(5, 5, 4), format!("{name} takes no argument"))
}

pub(super) fn not_implemented(name: &str) -> Reply {
    Reply::new(502, EnhancedStatus::new(5, 5, 1), format!("{name} is not available here"))
}

/// RFC 5321 §3.5.3: neither yes nor no, the same for every name.
pub(super) fn cannot_verify() -> Reply {
    let text = "Cannot verify; send your message and see whether its recipient is accepted";
    Reply::new(252, EnhancedStatus::new(2, 5, 2), text)
}

pub(super) fn help() -> Reply {
    Reply::new(
        214,
        EnhancedStatus::new(2, 0, 0),
        "Commands: EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP STARTTLS AUTH\n\
         See RFC 5321. Trouble? Write to postmaster here",
    )
}
