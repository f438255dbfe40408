//! `posthouse trace`: everything that is known of one message.
//!
//! Standards: none of its own.
//! Not here: finding it (`control`), laying it out (`timeline`).

use clap::Args;

use super::timeline::Timeline;
use super::{Office, Output};
use crate::control::{Follow, Request};
use crate::failure::{Exit, Failure};

/// Which message, and for how long.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Options {
    /// The id in our 250 reply, a queue id or a Message-ID
    id: String,
    /// Go on telling what happens, until every recipient is settled
    #[arg(long)]
    follow: bool,
}

pub(super) async fn run(
    options: Options,
    office: &Office,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let follow = if options.follow { Follow::UntilSettled } else { Follow::No };
    let mut answer = office.ask(Request::Trace { key: options.id, follow }).await?;
    let mut timeline = if options.follow { Timeline::following() } else { Timeline::new() };
    while let Some(item) = answer.next().await? {
        timeline.take(item, output)?;
    }
    timeline.end(output)?;
    Ok(Exit::Done)
}
