//! `posthouse try`
use crate::cli::{Output, Talk};
use crate::failure::{Exit, Failure};
use clap::Args;
/// opts
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Options {
    /// once
    #[arg(long)]
    once: bool,
}
pub(crate) async fn run(_: Options, _: &mut Output, _: &Talk) -> Result<Exit, Failure> {
    Err(Failure::new("later"))
}
