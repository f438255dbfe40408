//! `outbox`: what is not sent yet.

use mailbag::outbox;
use mailbag::{Exit, LocalStore};
use store::SubmissionId;

use super::Context;
use super::format;
use super::terminal::print;
use super::track::tracked;
use super::trouble::Trouble;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Option<Action>,
    /// One JSON object for each letter, as `track --json`.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// What is not sent yet.
    List {
        /// One JSON object for each letter, as `track --json`.
        #[arg(long)]
        json: bool,
    },
    /// Let it be tried again at the next `mailbag sync`, also where nobody knows whether it was
    /// taken: it may then arrive twice.
    Retry {
        /// The letter's id, or the end of it.
        id: String,
    },
    /// Take back what is not sent yet.
    Cancel {
        /// The letter's id, or the end of it.
        id: String,
    },
}

pub(crate) async fn run(context: &Context, options: Options) -> Result<Exit, Trouble> {
    let mut bag = context.bag();
    match options.action {
        None => list(context, bag.store().await?, options.json).await,
        Some(Action::List { json }) => list(context, bag.store().await?, json).await,
        Some(Action::Retry { id }) => {
            let id = find(bag.store().await?, &id).await?;
            let recipients = outbox::retry(&mut bag, id).await?;
            told(context, id, recipients, "tried again at the next `mailbag sync`")
        }
        Some(Action::Cancel { id }) => {
            let id = find(bag.store().await?, &id).await?;
            let recipients = outbox::cancel(&mut bag, id).await?;
            told(context, id, recipients, "taken back")
        }
    }
}

fn told(
    context: &Context,
    id: SubmissionId,
    recipients: usize,
    what: &str,
) -> Result<Exit, Trouble> {
    match recipients {
        0 => {
            context.talk.say(&format!("nothing of {id} waits any more"));
            Ok(Exit::NothingFound)
        }
        _ => {
            context.talk.say(&format!("{id}: {what} for {recipients} recipient(s)"));
            Ok(Exit::Done)
        }
    }
}

async fn find(store: &LocalStore, given: &str) -> Result<SubmissionId, Trouble> {
    Ok(store.find(given).await?.entry.submission)
}

async fn list(context: &Context, store: &LocalStore, json: bool) -> Result<Exit, Trouble> {
    let mut text = String::new();
    for account in store.accounts().await? {
        for summary in outbox::waiting(store, account.id).await? {
            let mut letter = tracked(store, summary.id).await?;
            if json {
                let line = serde_json::to_string(&letter)
                    .map_err(|error| Trouble::own(error.to_string()))?;
                text.push_str(&line);
                text.push('\n');
                continue;
            }
            let recipients = summary.recipients.iter().map(|recipient| recipient.state.is_open());
            let mut open = recipients.collect::<Vec<_>>().into_iter();
            letter.recipients.retain(|_| open.next().unwrap_or(true));
            text.push_str(&format::tracked(&letter, summary.accepted_at));
        }
    }
    if text.is_empty() {
        context.talk.remark("nothing waits");
    }
    print(text.as_bytes())?;
    Ok(Exit::Done)
}
