//! `posthouse import` and `posthouse export`: mailboxes from and to files.
//!
//! Standards: RFC 4155 (mbox).
//! Not here: doing it (`archive`).

use std::path::PathBuf;

use clap::Args;
use envelope::Address;

use super::table::count;
use super::{Office, Output, Talk, backup, visible};
use crate::archive::{Brought, Export, ExportForm, Exported, Import, Left};
use crate::control::{Item, Request};
use crate::failure::{Exit, Failure};

/// What to take in.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct ImportOptions {
    /// For whom
    #[arg(value_name = "ADDRESS")]
    account: Address,
    /// An mbox file, or a Maildir
    path: PathBuf,
    /// Where to [default: INBOX, and a Maildir's own folders]
    #[arg(long, value_name = "NAME")]
    mailbox: Option<String>,
}

/// What to take out.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct ExportOptions {
    /// Whose
    #[arg(value_name = "ADDRESS")]
    account: Address,
    /// The folder to make
    path: PathBuf,
    /// Only this mailbox
    #[arg(long, value_name = "NAME")]
    mailbox: Option<String>,
    /// As what
    #[arg(long, value_enum, default_value_t)]
    format: ExportForm,
}

pub(super) async fn import(
    options: ImportOptions,
    office: &Office,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    let ImportOptions { account, path, mailbox } = options;
    let import = Import { account, path: backup::absolute(&path)?, mailbox };
    let brought = bring(Request::Import(Box::new(import)), office, output).await?;
    let Brought { brought: taken, present, left } = brought;
    let taken = count(taken, "message");
    talk.say(format_args!("{taken} taken in, {present} were there already, {left} left out"));
    Ok(if left == 0 { Exit::Done } else { Exit::Failed })
}

/// Asks for messages to be put into mailboxes, and shows what is left out.
pub(super) async fn bring(
    request: Request,
    office: &Office,
    output: &mut Output,
) -> Result<Brought, Failure> {
    let mut told = Brought::default();
    let show = |item| match item {
        Item::Left(left) => output.tell(&left, || line(&left)),
        Item::Brought(brought) => {
            told = brought;
            if output.is_json() { output.object(&brought) } else { Ok(()) }
        }
        _ => Ok(()),
    };
    office.list(request, show).await?;
    Ok(told)
}

pub(super) async fn export(
    options: ExportOptions,
    office: &Office,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    let ExportOptions { account, path, mailbox, format } = options;
    let export = Export { account, path: backup::absolute(&path)?, mailbox, form: format };
    let mut told = Exported::default();
    let show = |item| match item {
        Item::Left(left) => output.tell(&left, || line(&left)),
        Item::Exported(exported) => {
            told = exported;
            if output.is_json() { output.object(&exported) } else { Ok(()) }
        }
        _ => Ok(()),
    };
    office.list(Request::Export(Box::new(export)), show).await?;
    let Exported { messages, mailboxes, left } = told;
    let mailboxes =
        if mailboxes == 1 { "1 mailbox".to_owned() } else { format!("{mailboxes} mailboxes") };
    talk.say(format_args!(
        "{} of {mailboxes} taken out, {left} left out",
        count(messages, "message")
    ));
    Ok(if left == 0 { Exit::Done } else { Exit::Failed })
}

fn line(left: &Left) -> String {
    format!("{}: left out: {}", visible(&left.place), visible(&left.reason))
}
