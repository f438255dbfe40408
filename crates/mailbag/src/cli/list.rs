//! `list`: messages of the local store.

use mailbag::Exit;
use mailbag::local::REPORTS;
use mailbag::query::Query;
use store::INBOX;

use super::Context;
use super::format::{self, Pattern};
use super::terminal::{print, stdout_is_terminal};
use super::trouble::Trouble;

/// Messages shown at a terminal when nobody says how many.
const LIMIT_AT_TERMINAL: usize = 50;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
QUERY: words that stand in the subject, a name or an address; from:W to:W subject:W
mailbox:NAME account:A is:unread|read|flagged|answered has:attachment; all must hold.
Without a QUERY the new and old mail of every INBOX; with one, every mailbox but Reports.
The short id in the first column is enough for `show`, `save` and `track`.
Marks: N not read, r answered, @ attachments.")]
pub(crate) struct Options {
    /// What to list.
    query: Vec<String>,
    /// One JSON object a line: id, account, mailbox, date, from, to, subject, flags, size, attachments.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// A pattern for each message, such as '{date} {from} {subject}'.
    #[arg(long, value_name = "F")]
    format: Option<String>,
    /// At most so many, the newest ones; 0 for all (at a terminal 50 otherwise).
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
}

pub(crate) async fn run(context: &Context, options: Options) -> Result<Exit, Trouble> {
    let query = Query::parse(&options.query)
        .map_err(|error| Trouble::wrong_use(error.what, error.remedy))?;
    let pattern = options.format.as_deref().map(Pattern::parse).transpose()?;
    let store = context.store().await?;
    let mut letters = store
        .letters(|_, mailbox| match (query.is_empty(), query.names_mailbox()) {
            (true, _) => mailbox.name == INBOX,
            (false, true) => true,
            (false, false) => mailbox.name != REPORTS,
        })
        .await?;
    drop(store);
    letters.retain(|letter| query.fits(letter));
    if letters.is_empty() {
        context.talk.remark("no message; `mailbag sync` fetches new ones");
        return Ok(match query.is_empty() {
            true => Exit::Done,
            false => Exit::NothingFound,
        });
    }
    let found = letters.len();
    let for_people = !options.json && pattern.is_none() && stdout_is_terminal();
    let limit = match options.limit {
        Some(0) => found,
        Some(limit) => limit,
        None if for_people => LIMIT_AT_TERMINAL,
        None => found,
    };
    let hidden = found.saturating_sub(limit);
    let width = if for_people { terminal_width() } else { usize::MAX };
    let mut text = String::new();
    for letter in letters.iter().skip(hidden) {
        if options.json {
            text.push_str(&format::letter_json(letter).to_string());
            text.push('\n');
        } else if let Some(pattern) = &pattern {
            text.push_str(&pattern.apply(letter));
        } else {
            text.push_str(&format::letter_row(letter, width));
        }
    }
    print(text.as_bytes())?;
    if hidden > 0 {
        context.talk.say(&format!("the newest {limit} of {found}; -n 0 lists all"));
    }
    Ok(Exit::Done)
}

/// Columns of the terminal.
fn terminal_width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    columns
        .or_else(|| terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)))
        .unwrap_or(80)
}
