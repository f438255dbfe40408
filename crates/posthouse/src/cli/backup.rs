//! `posthouse backup`: a copy of everything while the server serves.
//!
//! Standards: none of its own.
//! Not here: what is copied (`archive`), how it is laid out (crate `store-sqlite`).

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use clap::Args;
use store_sqlite::{BackupReport, check_backup};

use super::table::{count, size};
use super::verify;
use super::{Office, Output, Talk};
use crate::control::{Item, Request};
use crate::failure::{Exit, Failure, of_file};

/// What to copy where.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Options {
    /// The folder for all backups of this server; only what is new is copied
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Remove all but the newest N backups
    #[arg(long, value_name = "N")]
    keep: Option<NonZeroU32>,
    /// Read the new backup again and prove that it can be brought back
    #[arg(long)]
    check: bool,
}

pub(super) async fn run(
    options: Options,
    office: &Office,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    let folder = absolute(&options.folder)?;
    let request = Request::Backup { folder: folder.clone(), keep: options.keep };
    let mut made = None;
    office
        .list(request, |item| {
            if let Item::BackedUp(report) = item {
                made = Some(report);
            }
            Ok(())
        })
        .await?;
    let report = made.ok_or_else(|| Failure::new("the server did not say what it copied"))?;
    talk.say(summary(&report));
    let mut exit = Exit::Done;
    for finding in &report.findings {
        output.tell(finding, || verify::line(finding))?;
        exit = Exit::Failed;
    }
    if output.is_json() {
        output.object(&report)?;
    }
    if options.check && prove(&folder, &report.generation, output, talk)? == Exit::Failed {
        exit = Exit::Failed;
    }
    Ok(exit)
}

/// Reads a generation and tells what is wrong with it.
fn prove(
    folder: &Path,
    generation: &str,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    let report = check_backup(folder, Some(generation))
        .map_err(|error| Failure::from(error).in_path(folder))?;
    for finding in &report.findings {
        output.tell(finding, || verify::line(finding))?;
    }
    talk.say(verify::summary(&report));
    if output.is_json() {
        output.object(&report)?;
    }
    Ok(if report.findings.is_empty() { Exit::Done } else { Exit::Failed })
}

fn summary(report: &BackupReport) -> String {
    let BackupReport { generation, messages, octets, copied, removed, .. } = report;
    let removed = match removed.len() as u64 {
        0 => String::new(),
        some => format!("; removed {}", count(some, "older one")),
    };
    let messages = count(*messages, "message");
    format!("{generation}: {messages}, {}, {} of it new{removed}", size(*octets), size(*copied))
}

/// A path as the server understands it, whose folder is another one.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| of_file("find the folder", path, &error))
}
