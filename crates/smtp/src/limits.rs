//! Every maximum and every time limit of an SMTP session, with its reason.
//!
//! Sizes are enforced by the sessions. Time is not known here: a session says by `timeout()`
//! which limit holds and by `progress()` when it starts anew; whoever moves the octets keeps it.
//!
//! Standards: RFC 5321 §4.5.3.1 (sizes), §4.5.3.2 (timeouts), RFC 4954 §4 (AUTH lines).
//! Not here: limits of addresses (crate `envelope`), limits of connections (crate `platform`).

use std::time::Duration;

/// Longest command line with its CRLF, other than AUTH. RFC 5321 §4.5.3.1.4 says 512; its
/// extensions add 500 for ORCPT, 500 for MAIL's AUTH, 1007 for SOLICIT and some tens for the
/// others.
pub const COMMAND_OCTETS_MAX: usize = 3072;
/// Longest line of an AUTH exchange with its CRLF (RFC 4954 §4), and so the longest line that
/// the server's input keeps at all.
pub const AUTH_LINE_OCTETS_MAX: usize = 12_288;
/// An endless command line gets its 500 after so many octets, not only at its end.
pub const OVERLONG_REPLY_OCTETS: usize = 64 * 1024;
/// An endless command line ends the session after so many octets.
pub const OVERLONG_OCTETS_MAX: usize = 1024 * 1024;
/// Content that is already refused is read on so far, since the client only listens after its
/// end; then the session is closed.
pub const REFUSED_CONTENT_OCTETS_MAX: u64 = 256 * 1024 * 1024;

/// Wrong commands in a session after which replies are held back.
pub const ERRORS_BEFORE_DELAY: u32 = 10;
/// Wrong commands in a session that get their own reply; the next is answered by 421.
pub const ERRORS_MAX: u32 = 20;
/// Refused recipients in a session after which replies are held back: a list has some dead
/// addresses, a harvester has nothing else.
pub const REFUSED_RECIPIENTS_BEFORE_DELAY: u32 = 10;
/// Refused recipients in a session that get their own reply; the next is answered by 421.
pub const REFUSED_RECIPIENTS_MAX: u32 = 100;
/// Failed logins in a session; the last of them is answered by 421.
pub const FAILED_LOGINS_MAX: u32 = 5;
/// Longest time that one flush of replies is held back.
pub const DELAY_MAX: Duration = Duration::from_secs(10);

/// Longest reply line that the client takes, with its CRLF. RFC 5321 §4.5.3.1.5 says 512;
/// real servers put long explanations into one line.
pub const REPLY_LINE_OCTETS_MAX: usize = 2048;
/// Most lines of one reply that the client takes: the longest EHLO replies have about thirty.
pub const REPLY_LINES_MAX: usize = 100;
/// Most octets of one reply that the client takes.
pub const REPLY_OCTETS_MAX: usize = 64 * 1024;
/// Longest reply line that we write, with its CRLF (RFC 5321 §4.5.3.1.5).
pub const OWN_REPLY_LINE_OCTETS_MAX: usize = 512;
/// Most commands that the client has unanswered (RFC 2920 §3.1: neither side may block the other).
pub const PIPELINED_COMMANDS_MAX: usize = 100;
/// Most lines of a transcript; what comes later is counted, not kept.
pub const TRANSCRIPT_LINES_MAX: usize = 4096;

/// Client: until the 220 greeting (RFC 5321 §4.5.3.2.1).
pub const GREETING_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// Client: until the reply to EHLO, HELO, STARTTLS, AUTH or RSET, for which RFC 5321 gives no
/// value of their own.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// Client: until the reply to MAIL (RFC 5321 §4.5.3.2.2).
pub const MAIL_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// Client: until the reply to RCPT (RFC 5321 §4.5.3.2.3).
pub const RECIPIENT_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// Client: until the 354 (RFC 5321 §4.5.3.2.4).
pub const DATA_TIMEOUT: Duration = Duration::from_secs(2 * 60);
/// Client: until one block of content is written (RFC 5321 §4.5.3.2.5).
pub const CONTENT_TIMEOUT: Duration = Duration::from_secs(3 * 60);
/// Client: until the reply to the end of the content (RFC 5321 §4.5.3.2.6).
pub const CONTENT_END_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// Client: until the reply to QUIT; nothing depends on it any more.
pub const QUIT_TIMEOUT: Duration = Duration::from_secs(10);
/// Server: until the next command or block of content (RFC 5321 §4.5.3.2.7).
pub const SERVER_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// Server: content that has come so far counts as progress, so that a client which sends an
/// octet a minute does not hold its connection for ever.
pub const CONTENT_PROGRESS_OCTETS: u64 = 1024;
