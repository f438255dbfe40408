//! `mailbag man`: the manual pages, made from the very options that are parsed.
//!
//! Not here: what the options mean (each command's file).

use std::path::PathBuf;

use clap::{Args, Command};
use mailbag::Exit;

use super::trouble::Trouble;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The folder, which must be there.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

/// Writes `mailbag.1` and a page for each command.
pub(crate) fn write(command: Command, options: &Options) -> Result<Exit, Trouble> {
    clap_mangen::generate_to(command, &options.to).map_err(|error| {
        let what = format!("cannot write manual pages to {}: {error}", options.to.display());
        Trouble::wrong_use(what, "name a folder that is there and may be written")
    })?;
    Ok(Exit::Done)
}
