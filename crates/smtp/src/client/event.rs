//! What a client session tells, and what became of each recipient.
//!
//! Every recipient has an [`Outcome`] of its own: how far we came, and the server's words or
//! our reason. One refused recipient says nothing about the others.
//!
//! Standards: RFC 5321 §4.2.1 (reply classes), §4.3.2 (replies by command), RFC 3463.
//! Not here: when to try again (crate `mta`).

use envelope::EnhancedStatus;

use super::replies::ReplyError;
use crate::reply::Reply;

/// What a session gives out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The server is ready for TLS: shake hands, then call
    /// [`Session::enter_tls`](super::Session::enter_tls).
    TlsNeeded,
    /// The session is ready: [`authenticate`](super::Session::authenticate),
    /// [`send`](super::Session::send) or [`quit`](super::Session::quit). Comes again behind
    /// each transaction and login, unless the caller went on before it heard it.
    Ready,
    /// The server's challenge, decoded: [`respond`](super::Session::respond) to it.
    Challenge(Vec<u8>),
    /// The login succeeded.
    Authenticated(Reply),
    /// The login failed. The session can still be used.
    AuthRefused(Verdict),
    /// The server's reply to one recipient; the final outcome comes later.
    RecipientAnswered {
        /// Which recipient of the envelope.
        index: usize,
        /// What the server said.
        reply: Reply,
    },
    /// At least one recipient was accepted: give the [`content`](super::Session::content).
    ContentWanted,
    /// The transaction is over: one outcome for each recipient of the envelope, in its order.
    TransactionDone(Vec<Outcome>),
    /// The session is over: send the output, then close.
    Closed(Ending),
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By our QUIT.
    Quit,
    /// Otherwise; a transaction that was open has told its outcomes before.
    Failed(Outcome),
}

/// How far we came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// Before the greeting, for whoever connects.
    Connect,
    /// Waiting for the 220.
    Greeting,
    /// EHLO, HELO or LHLO.
    Hello,
    /// STARTTLS, and the handshake.
    StartTls,
    /// AUTH.
    Auth,
    /// Between transactions.
    Idle,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA; with BDAT there is no such stage.
    Data,
    /// While the content was sent.
    Content,
    /// After the final dot or chunk. When the connection is lost here, the server may have the message.
    ContentEnd,
    /// QUIT.
    Quit,
}

impl Stage {
    /// The stage in lower case, as events and reports show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Greeting => "greeting",
            Self::Hello => "ehlo",
            Self::StartTls => "starttls",
            Self::Auth => "auth",
            Self::Idle => "idle",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::Content => "content",
            Self::ContentEnd => "content-end",
            Self::Quit => "quit",
        }
    }
}

/// What became of one recipient, or of a whole session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How far we came.
    pub stage: Stage,
    /// How it went there.
    pub verdict: Verdict,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server has taken responsibility.
    Accepted(Reply),
    /// The server refused, for now (4yz) or for good (5yz).
    Refused(Reply),
    /// There was no usable reply.
    Failed(Fault),
}

impl Verdict {
    /// Whether the server has taken responsibility.
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted(_))
    }

    /// Whether trying again later may help.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Accepted(_) => false,
            Self::Refused(reply) => reply.is_temporary(),
            Self::Failed(fault) => fault.status().is_temporary(),
        }
    }

    /// The server's words, when there are any.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Accepted(reply)
            | Self::Refused(reply)
            | Self::Failed(Fault::Unexpected(reply) | Fault::TlsRefused(reply)) => Some(reply),
            Self::Failed(_) => None,
        }
    }

    /// The enhanced status code for reports: the server's, or the general one of its class.
    pub fn status(&self) -> EnhancedStatus {
        match self {
            Self::Failed(fault) => fault.status(),
            Self::Accepted(reply) | Self::Refused(reply) => {
                reply.status().unwrap_or_else(|| match reply.code() {
                    ..400 => EnhancedStatus::new(2, 0, 0),
                    400..500 => EnhancedStatus::new(4, 0, 0),
                    _ => EnhancedStatus::new(5, 0, 0),
                })
            }
        }
    }
}

/// Why there was no usable reply. All but [`BareLineEnd`](Self::BareLineEnd) and
/// [`NotEncrypted`](Self::NotEncrypted) may go away by themselves.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The connection broke or was closed without a reply.
    #[error("the server closed the connection without a reply")]
    Lost,
    /// The server took longer than RFC 5321 §4.5.3.2 allows.
    #[error("the server did not reply in time")]
    TimedOut,
    /// We stopped by ourselves, as at a shutdown.
    #[error("we stopped before the server replied")]
    Abandoned,
    /// A reply that does not fit the command, such as 250 to DATA.
    #[error("the server's reply does not fit our command: {0}")]
    Unexpected(Reply),
    /// Octets that are no reply.
    #[error("the server sent something that is no SMTP reply: {0}")]
    Malformed(#[from] ReplyError),
    /// Octets behind the reply to STARTTLS, which somebody may have put there.
    #[error("the server sent more before the TLS handshake, which somebody may have injected")]
    Injected,
    /// TLS is required and not offered.
    #[error("the server does not offer STARTTLS, which is required")]
    TlsNotOffered,
    /// TLS is required and was refused.
    #[error("the server refused STARTTLS, which is required: {0}")]
    TlsRefused(Reply),
    /// A login was asked for on a connection without TLS.
    #[error("the connection is not encrypted, so we do not log in")]
    NotEncrypted,
    /// The content is not as large as it was said to be. The server has not taken it.
    #[error("the content has another size than was announced")]
    WrongSize,
    /// The content has a bare CR or LF, which must never be sent.
    #[error("{0}")]
    BareLineEnd(#[from] crate::BareLineEnd),
}

impl Fault {
    /// The enhanced status code for reports (RFC 3463 §3).
    pub fn status(&self) -> EnhancedStatus {
        match self {
            Self::Lost | Self::Abandoned => EnhancedStatus::new(4, 4, 2),
            Self::TimedOut => EnhancedStatus::new(4, 4, 1),
            Self::Unexpected(_) | Self::Malformed(_) => EnhancedStatus::new(4, 5, 0),
            Self::WrongSize => EnhancedStatus::new(4, 3, 0),
            Self::Injected => EnhancedStatus::new(4, 7, 0),
            Self::TlsNotOffered | Self::TlsRefused(_) => EnhancedStatus::new(4, 7, 4),
            Self::NotEncrypted => EnhancedStatus::new(5, 7, 11),
            Self::BareLineEnd(_) => EnhancedStatus::new(5, 6, 0),
        }
    }
}

/// What the caller knows about the connection and the session does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interrupt {
    /// The connection broke or was closed.
    Lost,
    /// [`timeout`](super::Session::timeout) has passed.
    TimedOut,
    /// We stop.
    Abandoned,
}

impl From<Interrupt> for Fault {
    fn from(interrupt: Interrupt) -> Self {
        match interrupt {
            Interrupt::Lost => Self::Lost,
            Interrupt::TimedOut => Self::TimedOut,
            Interrupt::Abandoned => Self::Abandoned,
        }
    }
}
