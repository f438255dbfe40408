//! `posthouse verify`: is everything on the disk as it should be?
//!
//! Standards: none of its own.
//! Not here: how an engine finds out (crate `store-sqlite`).

use clap::Args;
use store::{Finding, VerifyReport};

use super::table::{count, size};
use super::{Office, Output, Talk, visible};
use crate::control::{Item, Request};
use crate::failure::{Exit, Failure};

/// Whether to repair.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Options {
    /// Rebuild what can be rebuilt; what cannot is listed
    #[arg(long)]
    repair: bool,
    /// With --repair: remove content that no mailbox, no queue entry refers to
    #[arg(long, requires = "repair")]
    remove: bool,
}

pub(super) async fn run(
    options: &Options,
    office: &Office,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    let show = |item| match item {
        Item::Finding(finding) => {
            if !finding.repaired {
                exit = Exit::Failed;
            }
            output.tell(&finding, || line(&finding))
        }
        Item::Verified(report) => {
            talk.say(summary(&report));
            if output.is_json() { output.object(&report) } else { Ok(()) }
        }
        _ => Ok(()),
    };
    office.list(Request::Verify { repair: options.repair, remove: options.remove }, show).await?;
    Ok(exit)
}

pub(super) fn line(finding: &Finding) -> String {
    let Finding { rule, place, found, repaired } = finding;
    let end = if *repaired { " (repaired)" } else { "" };
    format!("{}: {} [{rule}]{end}", visible(place), visible(found))
}

pub(super) fn summary(report: &VerifyReport) -> String {
    format!(
        "read {} ({}) in {}, {} and {}",
        count(report.messages, "message"),
        size(report.octets),
        count(report.files, "file"),
        if report.entries == 1 {
            "1 entry".to_owned()
        } else {
            format!("{} entries", report.entries)
        },
        count(report.submissions, "submission"),
    )
}
