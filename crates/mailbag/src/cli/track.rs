//! `track`: what became of sent letters.

use std::time::Duration;

use mailbag::local::{Letter, SENT};
use mailbag::track::Tracked;
use mailbag::{Exit, Fault, LocalStore};
use message::HeaderSection;
use store::{SubmissionId, SubmissionKey, SubmissionView, UnixMillis};

use super::Context;
use super::format;
use super::sync::receive_all;
use super::terminal::print;
use super::trouble::{Once, Trouble};

/// Letters that are shown when none is named.
const LETTERS: usize = 10;
/// Octets of a letter in which its subject is looked for.
const HEADER_OCTETS: usize = 64 * 1024;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
accepted: a server took it; delivered: a report says so; unknown: it was handed over and no answer
came. Nobody is asked whether a reader has read it.")]
pub(crate) struct Options {
    /// The letter's id, the end of it, or its Message-ID; without it the newest letters.
    id: Option<String>,
    /// Look for reports until everybody's fate is known, and tell each change.
    #[arg(long)]
    follow: bool,
    /// One JSON object for each letter: id, message_id, subject, recipients.
    #[arg(long)]
    json: bool,
    /// How often --follow looks.
    #[arg(long, value_name = "TIME", value_parser = super::duration, default_value = "10s")]
    interval: Duration,
}

pub(crate) async fn run(context: &Context, options: Options) -> Result<Exit, Trouble> {
    let store = context.store().await?;
    let ids = wanted(&store, options.id.as_deref()).await?;
    let mut letters = Vec::new();
    for id in &ids {
        letters.push(tracked_with_time(&store, *id).await?);
    }
    drop(store);
    if letters.is_empty() {
        context.talk.remark("nothing was sent yet");
    }
    show(&letters, options.json)?;
    if !options.follow {
        return Ok(Exit::Done);
    }
    follow(context, letters, &options).await
}

/// Looks for reports until everybody's fate is known. Others may use the store in between.
async fn follow(
    context: &Context,
    mut letters: Vec<(Tracked, UnixMillis)>,
    options: &Options,
) -> Result<Exit, Trouble> {
    let mut told = Once::default();
    while letters.iter().any(|(letter, _)| !letter.is_settled()) {
        context.talk.progress("waiting for news…");
        context.world.clock.sleep(options.interval).await;
        let mut bag = context.bag();
        for trouble in receive_all(context, &mut bag, None).await? {
            told.tell(&trouble);
        }
        let store = match bag.store().await {
            Ok(store) => store,
            Err(error) => {
                told.tell(&error.into());
                continue;
            }
        };
        for shown in &mut letters {
            let Ok(id) = shown.0.id.parse() else { continue };
            let now = tracked_with_time(store, id).await?;
            if now.0 != shown.0 {
                *shown = now;
                context.talk.clear();
                show(std::slice::from_ref(shown), options.json)?;
            }
        }
    }
    context.talk.clear();
    Ok(Exit::Done)
}

fn show(letters: &[(Tracked, UnixMillis)], json: bool) -> Result<(), Trouble> {
    let mut text = String::new();
    for (place, (letter, at)) in letters.iter().enumerate() {
        if json {
            let line =
                serde_json::to_string(letter).map_err(|error| Trouble::own(error.to_string()))?;
            text.push_str(&line);
            text.push('\n');
            continue;
        }
        if place > 0 {
            text.push('\n');
        }
        text.push_str(&format::tracked(letter, *at));
    }
    print(text.as_bytes())
}

/// The letters that are meant, the oldest first.
async fn wanted(store: &LocalStore, id: Option<&str>) -> Result<Vec<SubmissionId>, Trouble> {
    let Some(given) = id else {
        let sent = store.letters(|_, mailbox| mailbox.name == SENT).await?;
        let skipped = sent.len().saturating_sub(LETTERS);
        return Ok(sent.iter().skip(skipped).map(|letter| letter.entry.submission).collect());
    };
    if given.contains('@') {
        let message_id = given.trim_start_matches('<').trim_end_matches('>').to_owned();
        let key = SubmissionKey::MessageId(message_id);
        for id in store.store().find_submissions(key).await? {
            if is_sent(store, id).await? {
                return Ok(vec![id]);
            }
        }
        return Err(Fault::NothingFound { what: given.to_owned() }.into());
    }
    let letter: Letter = store.find(given).await?;
    match is_sent(store, letter.entry.submission).await? {
        true => Ok(vec![letter.entry.submission]),
        false => Err(Trouble::not_sent(given)),
    }
}

async fn is_sent(store: &LocalStore, id: SubmissionId) -> Result<bool, Trouble> {
    let view = store.store().submission(id).await?;
    Ok(view.is_some_and(|view| view.summary.origin.kind == store::OriginKind::Composed))
}

/// A letter and where it stands.
pub(crate) async fn tracked(store: &LocalStore, id: SubmissionId) -> Result<Tracked, Trouble> {
    Ok(tracked_with_time(store, id).await?.0)
}

async fn tracked_with_time(
    store: &LocalStore,
    id: SubmissionId,
) -> Result<(Tracked, UnixMillis), Trouble> {
    let view = store.store().submission(id).await?;
    let view = view.ok_or(Fault::NothingFound { what: id.to_string() })?;
    let subject = subject(store, &view).await?;
    Ok((Tracked::of(&view, &subject), view.summary.accepted_at))
}

async fn subject(store: &LocalStore, view: &SubmissionView) -> Result<String, Trouble> {
    let Some(message) = view.summary.message else { return Ok(String::new()) };
    let start = store.store().read(message, 0, HEADER_OCTETS).await?;
    Ok(HeaderSection::parse(&start).subject().unwrap_or_default().into_owned())
}
