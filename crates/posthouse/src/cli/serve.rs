//! `posthouse serve`: the server in the foreground.
//!
//! Standards: none of its own.
//! Not here: the server (`serve`).

use clap::Args;

use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::serve::Until;
use crate::serve::log::Log;

/// How it ends.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Options {
    /// End when standard input does, too: for a program that starts servers and may be killed
    #[arg(long, hide = true)]
    while_stdin: bool,
}

pub(super) async fn run(options: &Options, common: &super::Options) -> Result<Exit, Failure> {
    let config = Config::find(common.config.as_deref())?;
    let log = Log::begin(common);
    let until = if options.while_stdin { Until::InputEnds } else { Until::Signal };
    let ended = crate::serve::run(&config, until).await;
    log.end();
    ended
}
