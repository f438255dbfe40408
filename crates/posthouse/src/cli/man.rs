//! `posthouse man`: the manual pages, made from the very options that are parsed.
//!
//! Standards: man(7).
//! Not here: what the options mean (each command's file).

use std::path::PathBuf;

use clap::{Args, Command};

use crate::failure::{Exit, Failure};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The folder, which must be there
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

/// Writes `posthouse.1` and a page for each command.
pub(crate) fn run(command: Command, options: &Options) -> Result<Exit, Failure> {
    clap_mangen::generate_to(command, &options.to).map_err(|error| {
        Failure::new(format!("the manual pages cannot be written: {error}"))
            .in_path(&options.to)
            .remedy("name a folder that is there and may be written")
    })?;
    Ok(Exit::Done)
}
