//! `posthouse serve`: the server in the foreground.
//!
//! Standards: none of its own.
//! Not here: the server (`serve`).

use super::Options;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::serve::log::Log;

pub(super) async fn run(options: &Options) -> Result<Exit, Failure> {
    let config = Config::find(options.config.as_deref())?;
    let log = Log::begin(options);
    let ended = crate::serve::run(&config).await;
    log.end();
    ended
}
