//! `posthouse restore`: everything, or an account, mailbox or message of a backup.
//!
//! Standards: none of its own.
//! Not here: doing it (`archive`).

use std::path::PathBuf;

use clap::Args;
use envelope::Address;
use serde::Serialize;
use store_sqlite::{Generation, generations};

use super::table::count;
use super::{Office, Output, Talk, backup, transfer, verify};
use crate::archive::{Brought, Part, restore_all};
use crate::control::Request;
use crate::failure::{Exit, Failure};

/// What to bring back.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Options {
    /// The folder that `backup` wrote
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// List the backups in it, oldest first
    #[arg(long, conflicts_with_all = ["generation", "account", "mailbox", "message"])]
    list: bool,
    /// Which backup [default: the newest]
    #[arg(long, value_name = "NAME")]
    generation: Option<String>,
    /// Only this account's messages, into the running server; what is there stays
    #[arg(long, value_name = "ADDRESS")]
    account: Option<Address>,
    /// Only this mailbox
    #[arg(long, value_name = "NAME", requires = "account")]
    mailbox: Option<String>,
    /// Only the message with this id, or with this Message-ID
    #[arg(long, value_name = "ID", requires = "account")]
    message: Option<String>,
}

/// A backup, for scripts.
#[derive(Serialize)]
struct Listed<'a> {
    generation: &'a str,
    made: &'a str,
    messages: u64,
    accounts: u64,
    findings: usize,
}

pub(super) async fn run(
    options: Options,
    office: &Office,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    let folder = backup::absolute(&options.folder)?;
    if options.list {
        let all = generations(&folder).map_err(|error| Failure::from(error).in_path(&folder))?;
        for generation in &all {
            list(generation, output)?;
        }
        return Ok(Exit::Done);
    }
    let Options { generation, account, mailbox, message, .. } = options;
    match account {
        None => everything(folder, generation, office, output, talk).await,
        Some(account) => {
            let part = Part { folder, generation, account, mailbox, message };
            some(part, office, output, talk).await
        }
    }
}

fn list(generation: &Generation, output: &mut Output) -> Result<(), Failure> {
    let Generation { name, made, messages, accounts, findings } = generation;
    let (messages, accounts, findings) = (*messages, *accounts, findings.len());
    let listed = Listed { generation: name, made, messages, accounts, findings };
    output.tell(&listed, || {
        let damage = match findings {
            0 => String::new(),
            some => format!(", {} that could not be read", count(some as u64, "place")),
        };
        let (messages, accounts) = (count(messages, "message"), count(accounts, "account"));
        format!("{name}  {messages} of {accounts}{damage}")
    })
}

async fn everything(
    folder: PathBuf,
    generation: Option<String>,
    office: &Office,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    let restored = restore_all(&office.folder, folder, generation).await?;
    for finding in &restored.findings {
        output.tell(finding, || verify::line(finding))?;
    }
    if output.is_json() {
        output.object(&restored)?;
    }
    let (messages, accounts) =
        (count(restored.messages, "message"), count(restored.accounts, "account"));
    talk.say(format_args!("{messages} of {accounts} are back, as of {}", restored.generation));
    if restored.held > 0 {
        let waiting = count(restored.held, "recipient");
        talk.say(format_args!(
            "{waiting} of mail that waited then may have been served since, and is held: see \
             `queue list`, then `queue release` or `queue cancel`"
        ));
    }
    Ok(if restored.findings.is_empty() { Exit::Done } else { Exit::Failed })
}

async fn some(
    part: Part,
    office: &Office,
    output: &mut Output,
    talk: &Talk,
) -> Result<Exit, Failure> {
    let wanted = part.message.clone();
    let told = transfer::bring(Request::Restore(Box::new(part)), office, output).await?;
    if let Some(id) = wanted
        && told == Brought::default()
    {
        return Err(Failure::new(format!("no message {id} is in the backup"))
            .remedy("look for it in an older one (--generation), or leave --mailbox out"));
    }
    let brought = count(told.brought, "message");
    talk.say(format_args!("{brought} brought back, {} were there already", told.present));
    Ok(if told.left == 0 { Exit::Done } else { Exit::Failed })
}
