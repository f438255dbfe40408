//! How messages and letters look: a table for people, JSON for programs, a pattern for scripts.

use mailbag::local::Letter;
use mailbag::moment;
use mailbag::track::{Recipient, Tracked};
use message::{DateTime, Mailbox};
use serde_json::{Value, json};
use store::{Flag, Flags, SubmissionId, UnixMillis};

use super::terminal::visible_line;
use super::trouble::Trouble;

/// Characters of a short id: enough to be the only one.
const SHORT_ID: usize = 8;
/// Width of the author's column.
const FROM_WIDTH: usize = 24;
/// Narrowest subject column.
const SUBJECT_WIDTH_MIN: usize = 20;

/// The end of an id, which names a message as well as all of it.
pub(crate) fn short(id: SubmissionId) -> String {
    let whole = id.to_string();
    whole.get(whole.len().saturating_sub(SHORT_ID)..).unwrap_or(&whole).to_owned()
}

/// A message as one JSON object.
pub(crate) fn letter_json(letter: &Letter) -> Value {
    json!({
        "id": letter.entry.submission.to_string(),
        "account": letter.account.to_string(),
        "mailbox": letter.mailbox,
        "date": date_of(letter).to_rfc3339(),
        "from": letter.card.from,
        "to": letter.card.to,
        "subject": letter.card.subject,
        "flags": flag_names(&letter.entry.flags),
        "size": letter.entry.octets,
        "attachments": letter.card.attachments,
    })
}

/// The Date field, or when it came here.
fn date_of(letter: &Letter) -> DateTime {
    letter
        .card
        .date
        .unwrap_or_else(|| DateTime::from_unix(letter.entry.delivered_at.0.div_euclid(1000)))
}

fn flag_names(flags: &Flags) -> Vec<String> {
    let set = Flag::ALL.iter().filter(|flag| flags.contains(**flag));
    let names = set.map(|flag| flag.name().to_owned());
    names.chain(flags.keywords.iter().cloned()).collect()
}

/// A message as one row of a table that is `width` wide.
pub(crate) fn letter_row(letter: &Letter, width: usize) -> String {
    let unread = if letter.entry.flags.contains(Flag::Seen) { ' ' } else { 'N' };
    let answered = if letter.entry.flags.contains(Flag::Answered) { 'r' } else { ' ' };
    let attached = if letter.card.attachments.is_empty() { ' ' } else { '@' };
    let who = match letter.mailbox == mailbag::local::SENT {
        true => format!("To {}", names(&letter.card.to)),
        false => names(&letter.card.from),
    };
    let start = format!(
        "{} {unread}{answered}{attached} {}  {}  ",
        short(letter.entry.submission),
        moment::minute(date_of(letter).unix_seconds()),
        fitted(&visible_line(&who), FROM_WIDTH),
    );
    let room = width.saturating_sub(columns(&start)).max(SUBJECT_WIDTH_MIN);
    let subject = cut(&visible_line(&letter.card.subject), room);
    format!("{start}{subject}\n")
}

/// Names of people, or their addresses.
pub(crate) fn names(people: &[Mailbox]) -> String {
    let name = |person: &Mailbox| {
        person
            .name
            .clone()
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| person.address.clone())
    };
    people.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// A pattern such as `{date} {from} {subject}`.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Field(Field),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Id,
    Short,
    Account,
    Mailbox,
    Date,
    From,
    To,
    Subject,
    Flags,
    Size,
    Attachments,
}

const FIELDS: [(&str, Field); 11] = [
    ("id", Field::Id),
    ("short", Field::Short),
    ("account", Field::Account),
    ("mailbox", Field::Mailbox),
    ("date", Field::Date),
    ("from", Field::From),
    ("to", Field::To),
    ("subject", Field::Subject),
    ("flags", Field::Flags),
    ("size", Field::Size),
    ("attachments", Field::Attachments),
];

impl Pattern {
    /// Reads a pattern. `{{` is a brace; `\t` and `\n` are what they usually are.
    pub(crate) fn parse(text: &str) -> Result<Self, Trouble> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            match (character, rest.peek()) {
                ('{', Some('{')) | ('}', Some('}')) => {
                    rest.next();
                    plain.push(character);
                }
                ('\\', Some('t')) => {
                    rest.next();
                    plain.push('\t');
                }
                ('\\', Some('n')) => {
                    rest.next();
                    plain.push('\n');
                }
                ('{', _) => {
                    let name: String = rest.by_ref().take_while(|next| *next != '}').collect();
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    pieces.push(Piece::Field(field(&name)?));
                }
                _ => plain.push(character),
            }
        }
        pieces.push(Piece::Text(plain));
        Ok(Self(pieces))
    }

    /// A message by this pattern, with a line end.
    pub(crate) fn apply(&self, letter: &Letter) -> String {
        let mut line = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => line.push_str(text),
                Piece::Field(field) => line.push_str(&visible_line(&field.of(letter))),
            }
        }
        line.push('\n');
        line
    }
}

fn field(name: &str) -> Result<Field, Trouble> {
    let found = FIELDS.iter().find(|(known, _)| *known == name).map(|(_, field)| *field);
    found.ok_or_else(|| {
        let known: Vec<&str> = FIELDS.iter().map(|(known, _)| *known).collect();
        Trouble::wrong_use(
            format!("--format knows no {{{name}}}"),
            format!("there is {{{}}}", known.join("} {")),
        )
    })
}

impl Field {
    fn of(self, letter: &Letter) -> String {
        match self {
            Self::Id => letter.entry.submission.to_string(),
            Self::Short => short(letter.entry.submission),
            Self::Account => letter.account.to_string(),
            Self::Mailbox => letter.mailbox.clone(),
            Self::Date => date_of(letter).to_rfc3339(),
            Self::From => people(&letter.card.from),
            Self::To => people(&letter.card.to),
            Self::Subject => letter.card.subject.clone(),
            Self::Flags => flag_names(&letter.entry.flags).join(","),
            Self::Size => letter.entry.octets.to_string(),
            Self::Attachments => letter.card.attachments.join(","),
        }
    }
}

fn people(list: &[Mailbox]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A tracked letter for people, several lines.
pub(crate) fn tracked(letter: &Tracked, at: UnixMillis) -> String {
    let subject = match letter.subject.as_str() {
        "" => "(no subject)",
        subject => subject,
    };
    let count = match letter.recipients.len() {
        1 => "1 recipient".to_owned(),
        more => format!("{more} recipients"),
    };
    let mut text = visible_line(&format!(
        "{subject}   sent {} · {count}",
        moment::second(at.0.div_euclid(1000))
    ));
    text.push('\n');
    text.push_str(&format!("   id {}\n", letter.id));
    let width = letter.recipients.iter().map(|one| columns(&one.address)).max().unwrap_or(0);
    for recipient in &letter.recipients {
        text.push_str(&fate_lines(recipient, width));
    }
    text
}

/// One recipient's fate, and the server's own words where they say more.
fn fate_lines(recipient: &Recipient, width: usize) -> String {
    let (mark, word) = mark(recipient.state);
    let address = fitted(&visible_line(&recipient.address), width);
    let plain = visible_line(&recipient.plain);
    let mut text = format!("{mark} {word:<9}  {address}  {plain}\n");
    if let Some(reply) = said(recipient) {
        let who = recipient.host.as_deref().unwrap_or("the server");
        text.push_str(&format!("   {} said: {}\n", visible_line(who), visible_line(reply)));
    }
    text
}

/// One recipient's fate in one line.
pub(crate) fn fate_line(recipient: &Recipient, width: usize) -> String {
    let (_, word) = mark(recipient.state);
    let address = fitted(&visible_line(&recipient.address), width);
    let plain = visible_line(&recipient.plain);
    let reply = said(recipient).map(|reply| format!(" ({})", visible_line(reply)));
    format!("{word:<9}  {address}  {plain}{}\n", reply.unwrap_or_default())
}

/// The server's words, unless the sentence has them.
fn said(recipient: &Recipient) -> Option<&str> {
    recipient.reply.as_deref().filter(|reply| !recipient.plain.contains(reply))
}

fn mark(state: &str) -> (&'static str, &'static str) {
    match state {
        "queued" => (" ⇡", "queued"),
        "deferred" => (" ◔", "delayed"),
        "accepted" => (" ✓", "accepted"),
        "delivered" => ("✓✓", "delivered"),
        "relayed" => (" ⤳", "handed on"),
        "expanded" => (" ⤳", "expanded"),
        "failed" => (" ✗", "failed"),
        "cancelled" => (" ∅", "cancelled"),
        _ => (" ?", "unknown"),
    }
}

/// How many columns of a terminal a text takes; wide letters take two.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(column_width).sum()
}

/// A rough measure: marks that stand on others take none, East Asian letters and pictures two.
fn column_width(character: char) -> usize {
    match u32::from(character) {
        0x0300..=0x036f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// A text of at most `width` columns, cut with `…`.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut used = 1;
    for character in text.chars() {
        used += column_width(character);
        if used > width {
            break;
        }
        shown.push(character);
    }
    shown.push('…');
    shown
}

/// A text of exactly `width` columns, cut or filled with spaces.
fn fitted(text: &str, width: usize) -> String {
    let mut shown = cut(text, width);
    let missing = width.saturating_sub(columns(&shown));
    shown.extend(std::iter::repeat_n(' ', missing));
    shown
}

#[cfg(test)]
mod tests {
    use mailbag::card::Card;
    use store::{AccountId, Entry, MailboxId, MessageId, Modseq, Uid};

    use super::*;

    fn letter() -> Letter {
        let content = "From: =?utf-8?q?Bj=C3=B6rn?= <bjorn@example.net>\r\n\
            To: ada@example.org\r\nDate: Wed, 25 Nov 2026 03:04:05 +0100\r\n\
            Subject: x\r\n\r\nHello\r\n";
        let card = Card::of_content(content.as_bytes());
        Letter {
            account: "ada@example.org".parse().unwrap(),
            account_id: AccountId(1),
            mailbox: "INBOX".to_owned(),
            entry: Entry {
                mailbox: MailboxId(1),
                uid: Uid::FIRST,
                message: MessageId(1),
                submission: "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap(),
                prefix: Vec::new(),
                octets: 1234,
                delivered_at: UnixMillis(0),
                modseq: Modseq(1),
                flags: Flags::default(),
            },
            card: Card { subject: "Grüße\u{1b}[31m".to_owned(), ..card },
        }
    }

    #[test]
    fn json_has_the_promised_fields() {
        let wanted = json!({
            "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "account": "ada@example.org",
            "mailbox": "INBOX",
            "date": "2026-11-25T03:04:05+01:00",
            "from": [{"name": "Björn", "address": "bjorn@example.net"}],
            "to": [{"name": null, "address": "ada@example.org"}],
            "subject": "Grüße\u{1b}[31m",
            "flags": [],
            "size": 1234,
            "attachments": [],
        });
        assert_eq!(letter_json(&letter()), wanted);
    }

    #[test]
    fn patterns_show_what_they_name() {
        let table = [
            ("{short}|{from}|{size}", Some("Q69G5FAV|Björn <bjorn@example.net>|1234\n")),
            ("{{{mailbox}}}\\t", Some("{INBOX}\t\n")),
            ("{subject}", Some("Grüße\u{241b}[31m\n")),
            ("{colour}", None),
            ("{subject", Some("Grüße\u{241b}[31m\n")),
            ("plain", Some("plain\n")),
        ];
        for (pattern, wanted) in table {
            let found = Pattern::parse(pattern).ok().map(|pattern| pattern.apply(&letter()));
            assert_eq!(found.as_deref(), wanted, "{pattern}");
        }
    }

    #[test]
    fn rows_fit_the_terminal() {
        let row = letter_row(&letter(), 80);
        assert!(row.starts_with("Q69G5FAV N"), "{row}");
        assert!(columns(row.trim_end()) <= 80, "{row}");
        assert!(!row.contains('\u{1b}'), "{row}");
    }

    #[test]
    fn texts_are_cut_at_columns() {
        let table =
            [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("山田太郎", 5, "山田…"), ("山田", 2, "…")];
        for (text, width, wanted) in table {
            assert_eq!(cut(text, width), wanted, "{text} {width}");
        }
        assert_eq!(fitted("山", 4), "山  ");
    }
}
