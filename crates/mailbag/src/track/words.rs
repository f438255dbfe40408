//! Plain sentences for what servers say.
//!
//! The enhanced status code decides; where there is none, well-known words do. What we do not
//! know we do not make up: then the server's own words stand alone.
//!
//! Standards: RFC 3463 §3, RFC 7505 §4 (null MX), RFC 7372 (authentication failures).
//! Not here: the codes themselves (crate `envelope`).

use envelope::EnhancedStatus;
use store::RecipientState;

/// What is known when a sentence is to be found.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// Where the recipient stands.
    pub state: RecipientState,
    /// The recipient's domain.
    pub domain: &'a str,
    /// The server that spoke last.
    pub host: Option<&'a str>,
    /// What was said last, in one line.
    pub words: Option<&'a str>,
    /// Whether the last report says that it is late.
    pub delayed: bool,
    /// Whether our server tells nothing after it took the letter.
    pub no_more_news: bool,
    /// What happened where nobody said anything.
    pub trouble: Option<&'a str>,
    /// When it is tried next.
    pub next_attempt: Option<&'a str>,
}

/// What that means, for people.
pub fn sentence(said: &Said<'_>) -> String {
    let host = said.host.unwrap_or("the server");
    match said.state {
        RecipientState::Queued => "Waits in your outbox.".to_owned(),
        RecipientState::Held => format!(
            "It was handed to {host}, but no answer came, so nobody knows whether it was taken. \
             It is not sent again by itself."
        ),
        RecipientState::Deferred => deferred(said, host),
        RecipientState::Accepted if said.delayed => format!(
            "{host} has it but could not deliver it yet, and goes on trying.{}",
            because(said)
        ),
        RecipientState::Accepted if said.no_more_news => {
            format!("Your server {host} took it. It will not tell more unless it fails.")
        }
        RecipientState::Accepted => {
            format!("Your server {host} took it. A report will tell how it went on.")
        }
        RecipientState::Delivered => "It is in the mailbox.".to_owned(),
        RecipientState::Relayed => {
            format!("{host} handed it on to a server that will not tell us more.")
        }
        RecipientState::Expanded => {
            "It went to a mailing list or alias, which sends its own copies.".to_owned()
        }
        RecipientState::Failed => failed(said),
        RecipientState::Cancelled => "You took it back before it was sent.".to_owned(),
        _ => "Its state has no words in this version.".to_owned(),
    }
}

fn deferred(said: &Said<'_>, host: &str) -> String {
    let meaning = said.words.and_then(|words| meaning(said, words));
    let why = match (meaning, said.words, said.trouble) {
        (Some(meaning), ..) => meaning,
        (None, Some(_), _) => format!("{host} asks to try again later."),
        (None, None, Some(trouble)) => format!("It could not be sent: {trouble}."),
        (None, None, None) => format!("We could not reach {host}."),
    };
    match said.next_attempt {
        Some(next) => format!("{why} Next try at {next}."),
        None => why,
    }
}

fn failed(said: &Said<'_>) -> String {
    let Some(words) = said.words else {
        return match said.trouble {
            Some(trouble) => format!("It cannot be sent: {trouble}."),
            None => "It will not arrive; nobody said why.".to_owned(),
        };
    };
    meaning(said, words)
        .unwrap_or_else(|| format!("They refused it without a clear reason. Their words: {words}"))
}

fn because(said: &Said<'_>) -> String {
    let meaning = said.words.and_then(|words| meaning(said, words));
    meaning.map(|meaning| format!(" {meaning}")).unwrap_or_default()
}

/// What a refusal or delay means, when that can be known.
fn meaning(said: &Said<'_>, words: &str) -> Option<String> {
    let domain = said.domain;
    let host = said.host.unwrap_or("their server");
    let lower = words.to_lowercase();
    let has = |wanted: &[&str]| wanted.iter().any(|word| lower.contains(word));
    let (class, subject, detail) = status(words)?;
    let sentence = match (class, subject, detail) {
        (5, 1, 1 | 6) => format!("This address does not exist at {domain}."),
        (5, 1, 10) => format!("{domain} does not receive e-mail."),
        (5, 1, 2) => format!("{domain} does not exist or does not receive e-mail."),
        (5, 2, 1) => "The mailbox is switched off.".to_owned(),
        (_, 2, 2) => "The mailbox is full.".to_owned(),
        (5, 3, 4) | (5, 2, 3) => "The message is larger than they allow.".to_owned(),
        (5, 4, 7) | (4, 4, 7) => "After days of trying the server gave up.".to_owned(),
        (_, 4, 1 | 2) => format!("{host} could not be reached."),
        (5, 4, 6) => "The mail went round in circles between their servers.".to_owned(),
        (_, 5, 3) => "Too many recipients at once; the others are sent separately.".to_owned(),
        (5, 6, 7) => format!("{host} cannot handle addresses with non-Latin letters."),
        (5, 7, 10) => format!("A safe connection to {host} could not be made, so it was not sent."),
        (5, 7, 23 | 25 | 26) => {
            "They could not verify that your server may send for your domain.".to_owned()
        }
        (5, 7, 30) => format!("You asked for encryption all the way, and {host} cannot."),
        (_, 7, _) if has(&["block", "spamhaus", "blacklist", "rbl", "dnsbl"]) => {
            "They refuse mail from your server, which is on a block list.".to_owned()
        }
        (4, 7, 28) => "Their server is slowing us down.".to_owned(),
        (4, ..) if has(&["greylist", "grey-list", "graylist"]) => {
            "Their server asks everybody new to try again later; that is normal.".to_owned()
        }
        (4, 7, 0) if has(&["rate", "too many", "slow"]) => {
            "Their server is slowing us down.".to_owned()
        }
        (5, 7, 1) if has(&["relay", "sender", "from"]) => {
            "Your server does not let you send this.".to_owned()
        }
        (5, ..) if has(&["user unknown", "no such user", "unknown user", "does not exist"]) => {
            format!("This address does not exist at {domain}.")
        }
        (5, ..) if has(&["quota", "mailbox full", "mailbox is full"]) => {
            "The mailbox is full.".to_owned()
        }
        (4, 3, 1) => format!("{host} has no room at the moment."),
        (4, 4, _) => format!("{host} could not be reached."),
        _ => return None,
    };
    Some(sentence)
}

/// The enhanced status code in a server's words, or what its reply code says of it.
fn status(words: &str) -> Option<(u8, u16, u16)> {
    let mut first = words.split([' ', '-']).take(3);
    if let Some(status) = first.find_map(|word| word.parse::<EnhancedStatus>().ok()) {
        return Some((status.class(), status.subject(), status.detail()));
    }
    let code = words.split([' ', '-']).find_map(|word| word.parse::<u16>().ok());
    let code = code.filter(|code| (400..600).contains(code))?;
    Some((u8::try_from(code / 100).ok()?, 0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(state: RecipientState, words: Option<&str>) -> Said<'_> {
        Said {
            state,
            domain: "x.test",
            host: Some("mx.x.test"),
            words,
            delayed: false,
            no_more_news: false,
            trouble: None,
            next_attempt: None,
        }
    }

    #[test]
    fn refusals_become_sentences() {
        let table = [
            ("550 5.1.1 <bad@x.test>: User unknown", "This address does not exist at x.test."),
            ("550 no such user here", "This address does not exist at x.test."),
            ("556 5.1.10 null MX", "x.test does not receive e-mail."),
            ("552 5.2.2 over quota", "The mailbox is full."),
            ("552 5.3.4 too big", "The message is larger than they allow."),
            (
                "554 5.7.1 listed by zen.spamhaus.org",
                "They refuse mail from your server, which is on a block list.",
            ),
            ("5.1.1 (delivery report without a reply)", "This address does not exist at x.test."),
            (
                "554 computer says no",
                "They refused it without a clear reason. Their words: 554 computer says no",
            ),
        ];
        for (words, wanted) in table {
            assert_eq!(sentence(&said(RecipientState::Failed, Some(words))), wanted, "{words}");
        }
    }

    #[test]
    fn honest_about_what_is_not_known() {
        let text = sentence(&said(RecipientState::Held, None));
        assert!(text.contains("nobody knows"), "{text}");
        let accepted = said(RecipientState::Accepted, Some("250 2.0.0 Ok"));
        assert!(sentence(&accepted).contains("A report will tell"));
        let silent = sentence(&Said { no_more_news: true, ..accepted });
        assert!(silent.contains("will not tell more unless it fails"), "{silent}");
        let late = sentence(&Said {
            delayed: true,
            words: Some("4.4.1 (connection refused)"),
            ..accepted
        });
        assert!(late.contains("could not deliver it yet"), "{late}");
        for state in [RecipientState::Accepted, RecipientState::Relayed, RecipientState::Expanded] {
            let text = sentence(&said(state, None));
            assert!(!text.contains("mailbox"), "only a report says delivered: {text}");
        }
    }

    #[test]
    fn delays_tell_the_next_try() {
        let mut late = said(RecipientState::Deferred, Some("450 4.7.1 Greylisted, come back"));
        late.next_attempt = Some("2026-11-25T12:00:00Z");
        let text = sentence(&late);
        assert_eq!(
            text,
            "Their server asks everybody new to try again later; that is normal. Next try at 2026-11-25T12:00:00Z."
        );
        let mut offline = said(RecipientState::Deferred, None);
        offline.trouble = Some("cannot connect: connection refused");
        assert_eq!(sentence(&offline), "It could not be sent: cannot connect: connection refused.");
    }
}
