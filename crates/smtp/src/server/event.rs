//! What a server session asks and tells, and what it may be told.
//!
//! Standards: RFC 5321 §4.1 (commands), RFC 3030 §2 (BDAT), RFC 3461 §4 (DSN parameters), RFC 4954 (AUTH),
//! RFC 6531 §3.4 (SMTPUTF8).
//! Not here: when which event comes (`server::Session::poll`).

use envelope::{
    Address, BodyType, Domain, EnhancedStatus, EnvelopeId, Moment, Notify, OriginalRecipient,
    Requests, Return, ReversePath,
};

use super::trust::ProxiedClient;
use crate::reply::Reply;

/// What a session gives out. Those marked *asks* wait for [`Session::answer`](super::Session::answer);
/// the others only tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// *Asks* once, first: do we talk to this peer? `Accept` sends the greeting.
    Connect,
    /// *Asks*: HELO or EHLO. Whatever transaction was open is gone.
    Hello(Hello),
    /// *Asks*: AUTH begins; an exchange that went before is void.
    Auth {
        /// Mechanism in upper case, one of those configured.
        mechanism: String,
        /// The initial response, decoded.
        initial_response: Option<Vec<u8>>,
    },
    /// *Asks*: the client's response to our last challenge, decoded.
    AuthResponse(Vec<u8>),
    /// *Asks*: MAIL. A new transaction begins, whatever was open before is gone.
    Sender(Sender),
    /// *Asks*: RCPT.
    Recipient(Recipient),
    /// *Asks*: DATA or the first BDAT, with at least one recipient accepted. `Accept` lets the
    /// content come.
    ContentBegins,
    /// The next piece of content, dots removed; never empty. Pieces are cut anywhere.
    Content(Vec<u8>),
    /// The content has ended. Without a fault it *asks*, and the reply must be given by the
    /// caller: a positive one takes responsibility for the message. With a fault the session
    /// has refused the message itself, and whatever was collected must be dropped.
    ContentEnds {
        /// Why the message was refused.
        fault: Option<Fault>,
    },
    /// *Asks*: XCLIENT. With `Accept` all that was known of the client is void, and
    /// [`Connect`](Self::Connect) follows; below 400 a reply is not sent.
    Proxied(Box<ProxiedClient>),
    /// *Asks*: ETRN for a domain; the reply must be given by the caller.
    QueueStart(Domain),
    /// RSET: whatever transaction was open is gone.
    Reset,
    /// STARTTLS: 220 is in the output. Send the output, shake hands,
    /// call [`Session::enter_tls`](super::Session::enter_tls).
    StartTls,
    /// QUIT: 221 is in the output and the session is closed.
    Quit,
}

/// A HELO or EHLO command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The name that the client gave itself: a domain or an address literal, as written.
    pub name: String,
    /// EHLO, so that extensions may be used.
    pub extended: bool,
}

/// A MAIL command (RFC 5321 §4.1.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// Where notices go.
    pub reverse_path: ReversePath,
    /// The size that the client declared, in octets (RFC 1870).
    pub size: Option<u64>,
    /// What the content may contain.
    pub body: BodyType,
    /// How much a failure notice returns.
    pub ret: Option<Return>,
    /// The sender's name for this submission.
    pub envelope_id: Option<EnvelopeId>,
    /// The AUTH parameter, decoded (RFC 4954 §5); `<>` for "unknown".
    pub auth: Option<String>,
    /// SMTPUTF8: addresses and header may have UTF-8 (RFC 6531 §3.4).
    pub smtputf8: bool,
    /// What the client asks of the transfer besides.
    pub requests: Requests,
}

/// A RCPT command (RFC 5321 §4.1.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Where the message goes; a source route is dropped.
    pub forward_path: ForwardPath,
    /// Which notices the sender asked for.
    pub notify: Option<Notify>,
    /// The address that the sender first wrote.
    pub original: Option<OriginalRecipient>,
}

/// The path of a RCPT command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForwardPath {
    /// `<postmaster>`, without a domain, in any case: always ours (RFC 5321 §4.5.1).
    Postmaster,
    /// An address.
    Address(Address),
}

/// Why content was refused by the session itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A CR or LF that is not part of a CRLF (RFC 5321 §2.3.8).
    BareLineEnd,
    /// More octets than the limit for messages.
    TooBig,
}

impl Fault {
    /// What the client hears at the end of its content.
    pub(super) fn reply(self) -> Reply {
        match self {
            Self::BareLineEnd => Reply::new(
                550,
                EnhancedStatus::new(5, 6, 0),
                "Message refused: it has a bare CR or LF; lines must end in CRLF (RFC 5321 2.3.8)",
            ),
            Self::TooBig => Reply::new(
                552,
                EnhancedStatus::new(5, 3, 4),
                "Message refused: it is larger than our limit, see SIZE in our EHLO reply",
            ),
        }
    }
}

/// What the caller decided about the open question.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// Yes, with the usual reply. Not for the end of content: its reply names an id.
    Accept,
    /// Yes to HELO or EHLO, and it is now this moment: so the limit of FUTURERELEASE can be told.
    AcceptAt(Moment),
    /// This reply: below 400 yes, otherwise no. 421 also closes the session.
    Reply(Reply),
    /// AUTH goes on with this challenge, not encoded.
    Challenge(Vec<u8>),
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// Why we end a session in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interrupt {
    /// We shut down.
    Shutdown,
    /// The client was silent for longer than [`timeout`](super::Session::timeout).
    Idle,
    /// The client used more than its share: connections, time, or memory.
    TooMuch,
    /// Something of ours broke.
    Internal,
}

impl Interrupt {
    pub(super) fn reply(self) -> Reply {
        let (status, text) = match self {
            Self::Shutdown => {
                (EnhancedStatus::new(4, 3, 2), "Shutting down, please try again soon")
            }
            Self::Idle => (EnhancedStatus::new(4, 4, 2), "Timed out waiting for you, closing"),
            Self::TooMuch => {
                (EnhancedStatus::new(4, 7, 0), "Too much from your side, please try again later")
            }
            Self::Internal => {
                (EnhancedStatus::new(4, 3, 0), "Internal error, please try again later")
            }
        };
        Reply::new(421, status, text)
    }
}
