//! `export`: an account's messages as a Maildir, or as mbox files.
//!
//! Standards: RFC 4155 (mbox).
//! Not here: names and flags of a Maildir (`maildir`).

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use envelope::Address;
use message::DateTime;
use message::Message;
use message::mbox::{Marks, Writer};
use platform::{Disk, RealDisk};
use serde::{Deserialize, Serialize};
use store::{AccountId, Entry, Flag, Mailbox, StoreError};

use super::import::system_time;
use super::{Left, maildir};
use crate::control::{Item, Items};
use crate::engine::Engine;
use crate::failure::{Failure, of_file};

/// Octets of a message that are read at once.
const READ_OCTETS: usize = 1024 * 1024;

/// What to take out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Export {
    /// Whose.
    pub(crate) account: Address,
    /// The folder to make.
    pub(crate) path: PathBuf,
    /// Only this mailbox.
    pub(crate) mailbox: Option<String>,
    /// As what.
    pub(crate) form: ExportForm,
}

/// In which form messages are taken out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ExportForm {
    /// A folder with a file for each message
    #[default]
    Maildir,
    /// A file for each mailbox
    Mbox,
}

/// How much was taken out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exported {
    /// Messages that were written.
    pub(crate) messages: u64,
    /// Mailboxes that they are from.
    pub(crate) mailboxes: u64,
    /// Messages that could not be read.
    pub(crate) left: u64,
}

/// Writes an account's messages into a new folder.
pub(crate) async fn export(
    export: Export,
    engine: &Engine,
    items: &Items,
) -> Result<Exported, Failure> {
    let Export { account, path, mailbox, form } = export;
    let found = engine.directory.account(&account).ok_or_else(|| {
        Failure::new(format!("there is no account {account}"))
            .remedy("see `posthouse account list`")
    })?;
    if RealDisk.exists(&path).map_err(|error| of_file("look at", &path, &error))? {
        return Err(Failure::new("something of that name is there already")
            .in_path(&path)
            .remedy("name a folder that export can make"));
    }
    let wanted = |one: &Mailbox| mailbox.as_ref().is_none_or(|name| *name == one.name);
    let mut mailboxes = engine.store.mailboxes(found.id).await?;
    mailboxes.retain(wanted);
    if let (Some(name), true) = (&mailbox, mailboxes.is_empty()) {
        return Err(Failure::new(format!("{account} has no mailbox {name}"))
            .remedy("leave --mailbox out: all of them are taken out then"));
    }
    RealDisk.make_dir(&path).map_err(|error| of_file("make", &path, &error))?;
    let mut out = Out { engine, account: found.id, path, number: 0, exported: Exported::default() };
    for mailbox in &mailboxes {
        out.exported.mailboxes += 1;
        match form {
            ExportForm::Maildir => out.maildir(mailbox, items).await?,
            ExportForm::Mbox => out.mbox(mailbox, items).await?,
        }
    }
    Ok(out.exported)
}

struct Out<'a> {
    engine: &'a Engine,
    account: AccountId,
    path: PathBuf,
    /// Of the last message: its file's unique name.
    number: u64,
    exported: Exported,
}

impl Out<'_> {
    async fn maildir(&mut self, mailbox: &Mailbox, items: &Items) -> Result<(), Failure> {
        let folder = self.path.join(maildir::folder(&mailbox.name));
        for part in ["cur", "new", "tmp"] {
            let part = folder.join(part);
            RealDisk.make_dir(&part).map_err(|error| of_file("make", &part, &error))?;
        }
        for entry in self.entries(mailbox).await? {
            let Some(content) = self.content(mailbox, &entry, items).await? else { continue };
            self.number += 1;
            let name = format!(
                "{}.P{}.posthouse{}",
                entry.delivered_at.0.div_euclid(1000),
                self.number,
                maildir::suffix(&entry.flags)
            );
            let path = folder.join("cur").join(name);
            write_file(&path, &with_lf(content), &entry)
                .map_err(|error| of_file("write", &path, &error))?;
            self.exported.messages += 1;
        }
        Ok(())
    }

    async fn mbox(&mut self, mailbox: &Mailbox, items: &Items) -> Result<(), Failure> {
        let folder = maildir::folder(&mailbox.name);
        let name = folder.strip_prefix('.').unwrap_or(store::INBOX);
        let path = self.path.join(format!("{name}.mbox"));
        let failed = |error: &io::Error| of_file("write", &path, error);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let mut writer = Writer::new(BufWriter::new(file.map_err(|error| failed(&error))?));
        for entry in self.entries(mailbox).await? {
            let Some(content) = self.content(mailbox, &entry, items).await? else { continue };
            let at = DateTime::from_unix(entry.delivered_at.0.div_euclid(1000));
            writer
                .add(&sender(&content), at, &marks(&entry), &content)
                .map_err(|error| failed(&error))?;
            self.exported.messages += 1;
        }
        writer.into_inner().flush().map_err(|error| failed(&error))
    }

    async fn entries(&self, mailbox: &Mailbox) -> Result<Vec<Entry>, StoreError> {
        self.engine.store.entries(self.account, mailbox.id).await
    }

    /// A message as its reader sees it; what cannot be read is told.
    async fn content(
        &mut self,
        mailbox: &Mailbox,
        entry: &Entry,
        items: &Items,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let mut content = entry.prefix.clone();
        let mut offset = 0;
        loop {
            match self.engine.store.read(entry.message, offset, READ_OCTETS).await {
                Ok(octets) if octets.is_empty() => return Ok(Some(content)),
                Ok(octets) => {
                    content.extend_from_slice(&octets);
                    offset = offset.saturating_add(octets.len() as u64);
                }
                Err(error) => {
                    self.exported.left += 1;
                    let place = format!("{} {}", mailbox.name, entry.uid.get());
                    items.tell(Item::Left(Left { place, reason: error.to_string() })).await?;
                    return Ok(None);
                }
            }
        }
    }
}

/// Writes a message's file, with its delivery as the time of its last change.
fn write_file(path: &Path, content: &[u8], entry: &Entry) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.set_modified(system_time(entry.delivered_at))
}

/// With LF at its line ends, as a Maildir's readers expect, where CRLF can be made of it again;
/// else as it is.
fn with_lf(content: Vec<u8>) -> Vec<u8> {
    let lines = content.split(|octet| *octet == b'\n');
    let count = lines.clone().count();
    let regular = lines.enumerate().all(|(number, line)| {
        let bare = if number + 1 == count { Some(line) } else { line.strip_suffix(b"\r") };
        bare.is_some_and(|bare| !bare.contains(&b'\r'))
    });
    if !regular {
        return content;
    }
    content.into_iter().filter(|octet| *octet != b'\r').collect()
}

/// The sender of the envelope, as the delivery noted it.
fn sender(content: &[u8]) -> String {
    let message = Message::parse(content);
    let path = message.header().field("Return-Path").map(|field| field.value().into_owned());
    path.unwrap_or_default().trim().trim_matches(['<', '>']).to_owned()
}

fn marks(entry: &Entry) -> Marks {
    let has = |flag| entry.flags.contains(flag);
    Marks {
        seen: has(Flag::Seen),
        answered: has(Flag::Answered),
        flagged: has(Flag::Flagged),
        deleted: has(Flag::Deleted),
        draft: has(Flag::Draft),
        keywords: entry.flags.keywords.iter().cloned().collect(),
    }
}
