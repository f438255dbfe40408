//! Kinds of temporary failures, each of which may have a retry schedule of its own.
//!
//! Who is greylisted gets in within minutes (RFC 6647 §5), a dead network or a full mailbox
//! takes hours: the same pauses for all would be too long for the first or a nuisance to the
//! others.
//!
//! Standards: RFC 5321 §4.5.4.1 (the strategy depends on why it failed), RFC 3463 §3.3 (X.2.2),
//! §3.5 (X.4.1, X.4.2), §3.8 (X.7.1).
//! Not here: the pauses themselves (`schedule`).

use envelope::EnhancedStatus;

use crate::relay::Told;

/// Why a try failed for now, as far as the schedule cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// They ask everybody new to come again soon (RFC 6647).
    Greylisted,
    /// No server of the domain could be spoken to.
    Unreachable,
    /// The mailbox is full.
    Full,
    /// Anything else.
    Other,
}

/// Words by which greylisting is known whatever its code: those of Postgrey, milter-greylist,
/// Exim's and Exchange's rules.
const GREYLISTING_WORDS: [&str; 4] = ["greylist", "graylist", "grey-list", "gray-list"];

impl FailureClass {
    /// What a server's answer, or its silence, belongs to.
    pub(crate) fn of(told: &Told) -> Self {
        let status = told.status;
        match (status.subject(), status.detail()) {
            (2, 2) => Self::Full,
            _ if is_greylisting(told, status) => Self::Greylisted,
            (4, 1..=4 | 6) if told.reply.is_none() => Self::Unreachable,
            _ => Self::Other,
        }
    }
}

fn is_greylisting(told: &Told, status: EnhancedStatus) -> bool {
    let Some(reply) = &told.reply else { return false };
    // RFC 6647 §5: 450 or 451 with 4.7.1, at RCPT or the end of content; 421 is about load.
    let asks = matches!(reply.code, 450 | 451);
    let text = reply.text.to_ascii_lowercase();
    let says = GREYLISTING_WORDS.iter().any(|word| text.contains(word));
    asks && (says || (status.subject(), status.detail()) == (7, 1))
}

#[cfg(test)]
mod tests {
    use store::RemoteReply;

    use super::*;
    use crate::relay::Kind;

    fn told(status: (u8, u16, u16), reply: Option<(u16, &str)>) -> Told {
        let status = EnhancedStatus::new(status.0, status.1, status.2);
        let mut told = Told::ours(Kind::NotTaken, status, String::new());
        told.reply = reply.map(|(code, text)| RemoteReply {
            code,
            status: Some(status),
            text: text.to_owned(),
        });
        told
    }

    #[test]
    fn each_failure_has_its_class() {
        use FailureClass::{Full, Greylisted, Other, Unreachable};
        #[rustfmt::skip]
        let rows = [
            ((4, 7, 1), Some((450, "try again later")), Greylisted, "RFC 6647 §5: 450 4.7.1"),
            ((4, 7, 1), Some((451, "please wait")), Greylisted, "RFC 6647 §5: 451 4.7.1"),
            ((4, 2, 0), Some((450, "Greylisted, see http://…")), Greylisted, "Postgrey says 4.2.0"),
            ((4, 7, 1), Some((421, "too many connections")), Other, "RFC 5321 §3.8: 421 is load"),
            ((4, 7, 0), Some((451, "not now")), Other, "policy, but nobody says come again soon"),
            ((4, 2, 2), Some((452, "mailbox full")), Full, "RFC 3463 §3.3: X.2.2"),
            ((4, 2, 2), None, Full, "a mailbox of ours is full"),
            ((4, 4, 1), None, Unreachable, "RFC 3463 §3.5: no answer from host"),
            ((4, 4, 3), None, Unreachable, "RFC 3463 §3.5: DNS did not answer"),
            ((4, 4, 1), Some((451, "backend down")), Other, "they are there, and speak"),
            ((4, 4, 5), None, Other, "RFC 3463 §3.5: congestion of our own"),
            ((4, 3, 1), Some((452, "disk full")), Other, "their system, not the mailbox"),
        ];
        for (status, reply, wanted, why) in rows {
            assert_eq!(FailureClass::of(&told(status, reply)), wanted, "{why}");
        }
    }
}
