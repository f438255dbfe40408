//! What `list` is asked for: words, and words that look in one place.
//!
//! `invoice from:bob is:unread mailbox:Sent "two words"`: all of it must hold. Letters are
//! compared without regard to case.
//!
//! Standards: none.
//! Not here: searching in bodies (an index will do that).

use store::Flag;

use crate::local::Letter;

/// A query that was understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    /// In the subject or a name or address.
    Anywhere(String),
    From(String),
    To(String),
    Subject(String),
    Mailbox(String),
    Account(String),
    Is(Mark),
    HasAttachment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Unread,
    Set(Flag),
}

/// A query that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct BadQuery {
    /// What is wrong.
    pub what: String,
    /// What can be written instead.
    pub remedy: String,
}

impl Query {
    /// Reads the words of a query.
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self, BadQuery> {
        let mut terms = Vec::new();
        for text in words.iter().flat_map(|text| split(text.as_ref())) {
            terms.push(term(&text)?);
        }
        Ok(Self { terms })
    }

    /// Whether it says in which mailbox to look.
    pub fn names_mailbox(&self) -> bool {
        self.terms.iter().any(|term| matches!(term, Term::Mailbox(_)))
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether a letter is one of those asked for.
    pub fn fits(&self, letter: &Letter) -> bool {
        self.terms.iter().all(|term| term.fits(letter))
    }
}

impl Term {
    fn fits(&self, letter: &Letter) -> bool {
        let card = &letter.card;
        let within = |place: &str, wanted: &str| place.to_lowercase().contains(wanted);
        let from = |wanted| card.from.iter().any(|person| mentions(person, wanted));
        let to = |wanted| card.to.iter().chain(&card.cc).any(|person| mentions(person, wanted));
        match self {
            Self::Anywhere(wanted) => within(&card.subject, wanted) || from(wanted) || to(wanted),
            Self::From(wanted) => from(wanted),
            Self::To(wanted) => to(wanted),
            Self::Subject(wanted) => within(&card.subject, wanted),
            Self::Mailbox(wanted) => letter.mailbox.to_lowercase() == *wanted,
            Self::Account(wanted) => within(&letter.account.to_string(), wanted),
            Self::Is(Mark::Unread) => !letter.entry.flags.contains(Flag::Seen),
            Self::Is(Mark::Set(flag)) => letter.entry.flags.contains(*flag),
            Self::HasAttachment => !card.attachments.is_empty(),
        }
    }
}

/// Whether a name or address has the wanted letters, which are in lower case.
fn mentions(person: &message::Mailbox, wanted: &str) -> bool {
    let name = person.name.as_deref().unwrap_or_default();
    name.to_lowercase().contains(wanted) || person.address.to_lowercase().contains(wanted)
}

fn term(text: &str) -> Result<Term, BadQuery> {
    let lower = text.to_lowercase();
    let Some((field, value)) = lower.split_once(':') else { return Ok(Term::Anywhere(lower)) };
    let value = value.to_owned();
    let empty = |field: &str| BadQuery {
        what: format!("{field}: has nothing behind it"),
        remedy: format!("write {field}:WORD without a space"),
    };
    let known = ["from", "to", "subject", "mailbox", "account", "is", "has"];
    if known.contains(&field) && value.is_empty() {
        return Err(empty(field));
    }
    Ok(match field {
        "from" => Term::From(value),
        "to" => Term::To(value),
        "subject" => Term::Subject(value),
        "mailbox" => Term::Mailbox(value),
        "account" => Term::Account(value),
        "is" => Term::Is(mark(&value)?),
        "has" if value == "attachment" => Term::HasAttachment,
        "has" => {
            return Err(BadQuery {
                what: format!("has:{value} is unknown"),
                remedy: "there is has:attachment".to_owned(),
            });
        }
        _ => Term::Anywhere(lower),
    })
}

fn mark(word: &str) -> Result<Mark, BadQuery> {
    Ok(match word {
        "unread" | "new" => Mark::Unread,
        "read" => Mark::Set(Flag::Seen),
        "flagged" => Mark::Set(Flag::Flagged),
        "answered" => Mark::Set(Flag::Answered),
        "draft" => Mark::Set(Flag::Draft),
        other => {
            return Err(BadQuery {
                what: format!("is:{other} is unknown"),
                remedy: "there is is:unread, is:read, is:flagged, is:answered, is:draft".to_owned(),
            });
        }
    })
}

/// Splits at spaces outside of double quotes, which go.
fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            space if space.is_whitespace() && !quoted => {
                words.push(std::mem::take(&mut word));
            }
            other => word.push(other),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use store::{
        AccountId, Entry, Flags, MailboxId, MessageId, Modseq, SubmissionId, Uid, UnixMillis,
    };

    use super::*;
    use crate::card::Card;

    fn letter(mailbox: &str, seen: bool) -> Letter {
        let mut flags = Flags::from_bits(0, BTreeSet::new());
        if seen {
            flags.insert(Flag::Seen);
        }
        let person = |name: &str, address: &str| message::Mailbox {
            name: Some(name.to_owned()),
            address: address.to_owned(),
        };
        Letter {
            account: "ada@example.org".parse().unwrap(),
            account_id: AccountId(1),
            mailbox: mailbox.to_owned(),
            entry: Entry {
                mailbox: MailboxId(1),
                uid: Uid::FIRST,
                message: MessageId(1),
                submission: SubmissionId::from_octets([1; 16]),
                prefix: Vec::new(),
                octets: 1,
                delivered_at: UnixMillis(0),
                modseq: Modseq(1),
                flags,
            },
            card: Card {
                subject: "Grüße aus Zürich".to_owned(),
                from: vec![person("Bob Éclair", "bob@example.net")],
                to: vec![person("Ada", "ada@example.org")],
                cc: vec![person("Carol", "carol@example.com")],
                attachments: vec!["2".to_owned()],
                ..Card::default()
            },
        }
    }

    #[test]
    fn queries_find_what_they_say() {
        let table: [(&[&str], bool, &str); 17] = [
            (&[], true, "nothing asked: everything"),
            (&["zürich"], true, "a word of the subject, in any case"),
            (&["ZÜRICH"], true, "in capitals"),
            (&["from:éclair"], true, "a name"),
            (&["from:bob@example.net"], true, "an address"),
            (&["from:ada"], false, "she is an addressee"),
            (&["to:ada"], true, "an addressee"),
            (&["to:carol"], true, "Cc counts as to"),
            (&["subject:bob"], false, "only the subject"),
            (&["subject:\"aus zürich\""], true, "quotes keep words together"),
            (&["aus", "zürich", "is:unread"], true, "all of it holds"),
            (&["aus nirgendwo"], false, "one word is missing"),
            (&["is:read"], false, "it is not"),
            (&["mailbox:inbox"], true, "mailbox names ignore case"),
            (&["mailbox:in"], false, "and are whole"),
            (&["has:attachment", "account:ada"], true, "an attachment"),
            (&["re:bob"], false, "an unknown field is a word"),
        ];
        for (words, wanted, why) in table {
            let query = Query::parse(words).unwrap();
            assert_eq!(query.fits(&letter("INBOX", false)), wanted, "{words:?}: {why}");
        }
        assert!(Query::parse(&["is:read"]).unwrap().fits(&letter("INBOX", true)));
    }

    #[test]
    fn senseless_queries_are_refused() {
        for words in ["is:purple", "from:", "has:wings"] {
            assert!(Query::parse(&[words]).is_err(), "{words}");
        }
    }
}
