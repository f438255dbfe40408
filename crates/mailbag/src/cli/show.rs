//! `show`: one message, made visible.

use mailbag::card::Card;
use mailbag::local::Letter;
use mailbag::moment;
use mailbag::{Exit, Fault};
use message::{DateTime, Mailbox, Message, Piece};
use store::{Flag, FlagChange, Flags};

use super::Context;
use super::terminal::{print, stdout_is_terminal, visible, visible_line};
use super::trouble::Trouble;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The message's id, or the end of it.
    id: String,
    #[command(flatten)]
    what: What,
}

#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct What {
    /// All of its octets as they came.
    #[arg(long)]
    raw: bool,
    /// Only the text.
    #[arg(long)]
    text: bool,
    /// Only the HTML, as it came.
    #[arg(long)]
    html: bool,
    /// Only the header, as it came.
    #[arg(long)]
    headers: bool,
    /// Only one part, decoded; `show` without options lists them.
    #[arg(long, value_name = "N")]
    part: Option<String>,
}

pub(crate) async fn run(context: &Context, options: Options) -> Result<Exit, Trouble> {
    let store = context.store().await?;
    let letter = store.find(&options.id).await?;
    let content = store.content(letter.entry.message).await?;
    let message = Message::parse(&content);
    let what = &options.what;
    if what.raw {
        return octets(&content);
    }
    if what.headers {
        return octets(content.get(message.root().header_range()).unwrap_or_default());
    }
    if let Some(id) = &what.part {
        return octets(&piece(&message, id)?.octets());
    }
    if what.html {
        let html = message
            .html()
            .ok_or(Fault::NoSuchPart { part: "HTML".to_owned(), parts: message.piece_ids() })?;
        return octets(html.as_bytes());
    }
    let text = visible(&message.text_to_show());
    let shown = match what.text {
        true => text,
        false => format!("{}\n{text}", summary(&letter, &message)),
    };
    print(with_line_end(shown).as_bytes())?;
    if !letter.entry.flags.contains(Flag::Seen) {
        let mut seen = Flags::default();
        seen.insert(Flag::Seen);
        let change = FlagChange::Add(seen);
        let (mailbox, uids) = (letter.entry.mailbox, vec![letter.entry.uid]);
        store.store().set_flags(letter.account_id, mailbox, uids, change).await?;
    }
    Ok(Exit::Done)
}

/// Octets as they are; at a terminal only such as can be seen.
pub(crate) fn octets(octets: &[u8]) -> Result<Exit, Trouble> {
    match stdout_is_terminal() {
        true => print(with_line_end(visible(&String::from_utf8_lossy(octets))).as_bytes())?,
        false => print(octets)?,
    }
    Ok(Exit::Done)
}

fn with_line_end(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// A part, or a file in a text, by its number.
pub(crate) fn piece<'m>(message: &'m Message<'_>, id: &str) -> Result<Piece<'m>, Fault> {
    message
        .piece(id)
        .ok_or_else(|| Fault::NoSuchPart { part: id.to_owned(), parts: message.piece_ids() })
}

/// The fields that people look at, and the attachments.
fn summary(letter: &Letter, message: &Message<'_>) -> String {
    let Card { from, to, cc, subject, .. } = &letter.card;
    let mut text = String::new();
    let mut field = |name: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("{:<10}{}\n", format!("{name}:"), visible_line(value)));
        }
    };
    let people =
        |list: &[Mailbox]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    field("From", &people(from));
    field("To", &people(to));
    field("Cc", &people(cc));
    let bcc: Vec<Mailbox> = message.bcc().mailboxes().cloned().collect();
    field("Bcc", &people(&bcc));
    field("Date", &letter.card.date.map(dated).unwrap_or_default());
    field("Subject", subject);
    field("Mailbox", &format!("{} of {}", letter.mailbox, letter.account));
    field("Id", &letter.entry.submission.to_string());
    for piece in message.attached() {
        let form = piece.form();
        let name = piece.file_name().map(|name| format!("{name}, ")).unwrap_or_default();
        let size = piece.octets().len();
        field("Attached", &format!("part {}: {name}{form}, {size} octets", piece.id()));
    }
    text
}

/// The author's date, and what time that was here where it looks different.
fn dated(date: DateTime) -> String {
    let here = moment::minute(date.unix_seconds());
    let there = date.to_rfc3339().replace('T', " ");
    match there.starts_with(&here) {
        true => date.to_string(),
        false => format!("{date} ({here} here)"),
    }
}
