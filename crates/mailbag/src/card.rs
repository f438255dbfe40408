//! What a list shows of a message, kept as a note beside it so that a list need not read
//! every message anew.
//!
//! A note that is missing or of another version is made again from the content: it is a
//! convenience, never the truth.
//!
//! Standards: RFC 5322 §3.6 (the fields shown).
//! Not here: flags and sizes, which the store has.

use std::collections::BTreeMap;

use message::{DateTime, Mailbox, Message};
use serde::{Deserialize, Serialize};
use store::{AccountId, Note, Store, StoreError, SubmissionId};

/// Notes with cards have keys that begin so.
const KEY: &str = "card/";
/// The form of the note. Another one is not read.
const VERSION: u32 = 2;

/// A message in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// The Date field; `None` where there is none that can be read.
    pub date: Option<DateTime>,
    /// The authors.
    pub from: Vec<Mailbox>,
    /// The addressees of To.
    pub to: Vec<Mailbox>,
    /// The addressees of Cc.
    pub cc: Vec<Mailbox>,
    /// The Subject, decoded; empty where there is none.
    pub subject: String,
    /// Numbers of the attachments: parts, and files in texts.
    pub attachments: Vec<String>,
}

impl Card {
    /// The card of a parsed message.
    pub fn of(message: &Message<'_>) -> Self {
        let header = message.header();
        let all = |list: message::AddressList| list.mailboxes().cloned().collect();
        Self {
            date: header.date(),
            from: all(header.from()),
            to: all(header.to()),
            cc: all(header.cc()),
            subject: header.subject().unwrap_or_default().to_string(),
            attachments: message.attached().iter().map(message::Piece::id).collect(),
        }
    }

    /// The card of a message that is not parsed yet.
    pub fn of_content(content: &[u8]) -> Self {
        Self::of(&Message::parse(content))
    }

    /// The note to write in the commit that brings the message in.
    pub fn note(&self, account: AccountId, id: SubmissionId) -> Note {
        Note { account, key: format!("{KEY}{id}"), value: written(self) }
    }

    /// All cards of an account.
    pub(crate) async fn of_account(
        store: &dyn Store,
        account: AccountId,
    ) -> Result<BTreeMap<SubmissionId, Self>, StoreError> {
        let notes = store.notes(account, KEY).await?;
        Ok(notes.iter().filter_map(read).collect())
    }
}

/// A card as the note has it.
#[derive(Serialize, Deserialize)]
struct Kept<C> {
    version: u32,
    card: C,
}

fn written(card: &Card) -> Option<String> {
    serde_json::to_string(&Kept { version: VERSION, card }).ok()
}

fn read(note: &Note) -> Option<(SubmissionId, Card)> {
    let id = note.key.strip_prefix(KEY)?.parse().ok()?;
    let kept: Kept<Card> = serde_json::from_str(note.value.as_deref()?).ok()?;
    (kept.version == VERSION).then_some((id, kept.card))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_come_back_and_other_versions_are_not_read() {
        let content = "From: Ada <ada@example.org>\r\nTo: b@c, d@e\r\nSubject: x\r\n\
            Date: Wed, 25 Nov 2026 03:04:05 +0100\r\n\r\n\
            text\r\nbegin 644 x\r\n#0V%T\r\nend\r\n";
        let card = Card::of_content(content.as_bytes());
        assert_eq!(card.attachments, ["1/1"], "files in texts are attached");
        let id: SubmissionId = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
        let mut note = card.note(AccountId(1), id);
        assert_eq!(read(&note), Some((id, card)));
        note.value = note.value.map(|text| text.replace("\"version\":2", "\"version\":3"));
        assert_eq!(read(&note), None);
    }
}
