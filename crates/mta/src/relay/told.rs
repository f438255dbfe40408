//! What a recipient's next server said, or why it said nothing.
//!
//! Standards: RFC 5321 §4.2.1 (reply classes), §5.1 (which failures let us try another host),
//! RFC 3463 (codes).
//! Not here: what becomes of the recipient (`queue`).

use std::time::Duration;

use envelope::EnhancedStatus;
use smtp::client::{Capabilities, DeliverByOffer, Outcome, Stage, Verdict};
use store::RemoteReply;

/// Most of a reply's text that is kept: a hundred lines of RFC 5321's length would be one reply
/// for each of a thousand recipients.
const REPLY_TEXT_OCTETS_MAX: usize = 4096;

/// The stage at which no server had a part: our own routing, store or limits.
const STAGE_OURS: &str = "queue";

/// What a recipient's next server said, or why it said nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// How far it went.
    pub(crate) stage: &'static str,
    pub(crate) kind: Kind,
    pub(crate) status: EnhancedStatus,
    /// Who said it.
    pub(crate) host: Option<String>,
    pub(crate) reply: Option<RemoteReply>,
    /// The reply, or our own sentence.
    pub(crate) text: String,
    /// When it should come again, where that is known better than the schedule does.
    pub(crate) pause: Option<Duration>,
    /// Whether the server knows DELIVERBY, and minds the time itself (RFC 2852 §4.1.4).
    pub(crate) knows_deliver_by: bool,
}

/// What it comes down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The server took it, and tells the sender of success itself (RFC 3461 §5.2.1).
    TakenAndTold,
    /// The server took it, and tells the sender nothing (RFC 3461 §5.2.2).
    Taken,
    /// It is ours after all, and went on as another submission.
    CameBack,
    /// Not taken, after a try.
    NotTaken,
    /// Nothing was tried.
    NotTried,
}

impl Told {
    /// What a session told.
    pub(crate) fn of(outcome: &Outcome, host: &str, server: &Capabilities) -> Self {
        let text = match &outcome.verdict {
            Verdict::Accepted(reply) | Verdict::Refused(reply) => reply.to_string(),
            Verdict::Failed(fault) => fault.to_string(),
        };
        Self {
            stage: outcome.stage.as_str(),
            kind: match (outcome.verdict.is_accepted(), server.dsn) {
                (true, true) => Kind::TakenAndTold,
                (true, false) => Kind::Taken,
                (false, _) => Kind::NotTaken,
            },
            status: outcome.verdict.status(),
            host: Some(host.to_owned()),
            reply: outcome.verdict.reply().map(remote_reply),
            text: cut(&text),
            pause: None,
            knows_deliver_by: server.deliver_by != DeliverByOffer::NotOffered,
        }
    }

    /// A server said nothing, or was not let speak.
    pub(crate) fn silent(stage: Stage, host: &str, status: EnhancedStatus, text: String) -> Self {
        let host = Some(host.to_owned());
        Self {
            stage: stage.as_str(),
            kind: Kind::NotTaken,
            status,
            host,
            reply: None,
            text,
            pause: None,
            knows_deliver_by: false,
        }
    }

    /// The reason is ours, and no server's.
    pub(crate) fn ours(kind: Kind, status: EnhancedStatus, text: String) -> Self {
        Self {
            stage: STAGE_OURS,
            kind,
            status,
            host: None,
            reply: None,
            text,
            pause: None,
            knows_deliver_by: false,
        }
    }

    /// The server said beforehand that it takes fewer recipients at a time (RFC 9422 §4.2).
    pub(crate) fn one_too_many(host: &str, text: String) -> Self {
        Self::silent(Stage::Rcpt, host, EnhancedStatus::new(4, 5, 3), text)
    }

    /// Whether the next server has it.
    pub(crate) fn is_taken(&self) -> bool {
        matches!(self.kind, Kind::Taken | Kind::TakenAndTold)
    }

    /// Whether the server may have the message although it did not say so.
    pub(crate) fn may_be_duplicate(&self) -> bool {
        !self.is_taken() && self.stage == Stage::ContentEnd.as_str() && self.reply.is_none()
    }

    /// Whether it is what a connection does that was closed while it waited: silence before the
    /// content, or a 421 instead of an answer to MAIL (RFC 5321 §3.8).
    pub(crate) fn is_of_closed_connection(&self) -> bool {
        let before_content = [Stage::Idle, Stage::Mail, Stage::Rcpt, Stage::Data];
        let early = before_content.iter().any(|stage| stage.as_str() == self.stage);
        let instead = |reply: &RemoteReply| reply.code == 421 && self.stage == Stage::Mail.as_str();
        self.kind == Kind::NotTaken && early && self.reply.as_ref().is_none_or(instead)
    }

    /// Whether the server wants less from us, whatever the message: 421, or 4.7.x where no
    /// recipient was named yet. At RCPT that would be greylisting (RFC 6647 §5).
    pub(crate) fn wants_fewer(&self) -> bool {
        let Some(reply) = &self.reply else { return false };
        let security = reply.status.is_some_and(|s| s.is_temporary() && s.subject() == 7);
        reply.code == 421 || (security && self.stage != Stage::Rcpt.as_str())
    }

    /// Whether no server had a part in it.
    pub(crate) fn is_ours(&self) -> bool {
        self.stage == STAGE_OURS
    }

    /// Whether there was not even a connection.
    pub(crate) fn is_without_connection(&self) -> bool {
        self.stage == Stage::Connect.as_str() && self.reply.is_none()
    }

    /// Whether the server has nothing against this recipient, only too many at a time (RFC 5321
    /// §4.5.3.1.10).
    pub(crate) fn is_one_too_many(&self) -> bool {
        let code = self.reply.as_ref().map(|reply| reply.code);
        let said_before = self.reply.is_none() && self.status == EnhancedStatus::new(4, 5, 3);
        self.stage == Stage::Rcpt.as_str() && (code == Some(452) || said_before)
    }

    /// Whether it is about the host as such, and not about this message.
    fn is_about_host(&self) -> bool {
        let early = [Stage::Connect, Stage::Greeting, Stage::Hello, Stage::StartTls];
        early.iter().any(|stage| stage.as_str() == self.stage)
    }

    /// Whether another host of the domain may do better now (RFC 5321 §5.1). Not when the
    /// reason is ours, and not when this one may have the message already.
    pub(crate) fn is_worth_another_host(&self) -> bool {
        let not_taken = matches!(self.kind, Kind::NotTaken | Kind::NotTried);
        let own = self.is_ours() || self.stage == Stage::Auth.as_str();
        let may_pass = self.status.is_temporary() || self.is_about_host();
        not_taken && !own && may_pass && !self.may_be_duplicate()
    }

    /// What counts after a further host told `later`: its words, unless it had none and this one
    /// did, or turned us away for good while this one did not.
    pub(crate) fn and_then(self, later: Self) -> Self {
        let turned_away = later.is_about_host() && later.status.is_permanent();
        let wordless = later.is_about_host() && later.reply.is_none() && self.reply.is_some();
        let keep = self.status.is_temporary() && (turned_away || wordless);
        if keep { self } else { later }
    }
}

fn remote_reply(reply: &smtp::Reply) -> RemoteReply {
    RemoteReply { code: reply.code(), status: reply.status(), text: cut(reply.text()) }
}

/// Text that a peer wrote, not longer than we want to keep.
fn cut(text: &str) -> String {
    if text.len() <= REPLY_TEXT_OCTETS_MAX {
        return text.to_owned();
    }
    let end = (0..=REPLY_TEXT_OCTETS_MAX).rev().find(|end| text.is_char_boundary(*end));
    format!("{} [cut]", text.get(..end.unwrap_or(0)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use smtp::client::Fault;

    use super::*;

    fn silent(stage: Stage, status: (u8, u16, u16)) -> Told {
        let (class, subject, detail) = status;
        Told::silent(stage, "mx", EnhancedStatus::new(class, subject, detail), String::new())
    }

    fn said(stage: Stage, code: u16) -> Told {
        let status = EnhancedStatus::new(if code < 500 { 4 } else { 5 }, 0, 0);
        let reply = RemoteReply { code, status: None, text: "no".to_owned() };
        Told { reply: Some(reply), ..Told::silent(stage, "mx", status, "no".to_owned()) }
    }

    #[test]
    fn another_host_is_tried_only_when_it_may_do_better() {
        let ours = Told::ours(Kind::NotTaken, EnhancedStatus::new(4, 3, 0), String::new());
        let lost = Outcome { stage: Stage::ContentEnd, verdict: Verdict::Failed(Fault::Lost) };
        let lost = Told::of(&lost, "mx", &Capabilities::default());
        assert!(lost.status.is_temporary(), "kept and tried again");
        assert!(lost.may_be_duplicate());
        #[rustfmt::skip]
        let rows = [
            (silent(Stage::Connect, (4, 4, 1)), true, "not reached"),
            (said(Stage::Greeting, 421), true, "busy"),
            (said(Stage::Greeting, 554), true, "RFC 5321 §3.1: no mail service at this host"),
            (said(Stage::Mail, 451), true, "RFC 5321 §5.1: until an attempt succeeds"),
            (said(Stage::Rcpt, 450), true, "likewise"),
            (said(Stage::Rcpt, 550), false, "the last word"),
            (said(Stage::Data, 421), true, "nothing was sent"),
            (silent(Stage::Content, (4, 4, 2)), true, "without the final dot it has nothing"),
            (said(Stage::ContentEnd, 451), true, "it says that it has nothing"),
            (lost, false, "it may have the message"),
            (said(Stage::Auth, 535), false, "a wrong password is wrong everywhere"),
            (ours, false, "the reason is ours"),
        ];
        for (told, wanted, why) in rows {
            assert_eq!(told.is_worth_another_host(), wanted, "{why}: {told:?}");
        }
    }

    #[test]
    fn the_telling_word_is_kept() {
        let greylisted = said(Stage::Rcpt, 451);
        let gone = silent(Stage::Connect, (4, 4, 1));
        let no_service = said(Stage::Greeting, 554);
        let unknown = said(Stage::Rcpt, 550);
        #[rustfmt::skip]
        let rows = [
            (&greylisted, &gone, &greylisted, "words before silence"),
            (&gone, &greylisted, &greylisted, "words after silence"),
            (&gone, &no_service, &gone, "the first one may be back later"),
            (&no_service, &gone, &gone, "the second one may be back later"),
            (&gone, &unknown, &unknown, "an answer about the recipient"),
            (&no_service, &unknown, &unknown, "an answer about the recipient"),
        ];
        for (before, later, wanted, why) in rows {
            assert_eq!(&before.clone().and_then(later.clone()), wanted, "{why}");
        }
    }

    #[test]
    fn a_reply_is_kept_up_to_its_limit() {
        assert_eq!(cut("No such user"), "No such user");
        let long = cut(&"é".repeat(REPLY_TEXT_OCTETS_MAX));
        assert!(long.len() <= REPLY_TEXT_OCTETS_MAX + " [cut]".len());
        assert!(long.ends_with("é [cut]"));
    }
}
