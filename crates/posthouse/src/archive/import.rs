//! `import`: an mbox file, or a Maildir.
//!
//! What is whole is taken in, the rest is told with its place. Nothing is followed out of the
//! tree that was named, and nothing is opened that is no plain file.
//!
//! Standards: RFC 4155 (mbox).
//! Not here: what is done with the pieces (`bring`).

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use envelope::Address;
use message::Message;
use message::mbox::{Found, Marks, Reader};
use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};
use store::{Flag, Flags, INBOX, Store, StoreError, UnixMillis};

use super::bring::{self, Brought, Find, Finds, Left, Writing};
use super::maildir;
use crate::control::Items;
use crate::engine::Engine;
use crate::failure::{Failure, of_file};

/// Larger messages are left out: they would be read into memory whole.
const MESSAGE_OCTETS_MAX: usize = 256 * 1024 * 1024;

/// What to take in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Import {
    /// For whom.
    pub(crate) account: Address,
    /// An mbox file or a Maildir.
    pub(crate) path: PathBuf,
    /// Where to; without it INBOX, and the Maildir's own folders.
    pub(crate) mailbox: Option<String>,
}

/// Takes messages in, as far as they are not there.
pub(crate) async fn import(
    import: Import,
    engine: &Engine,
    items: &Items,
) -> Result<Brought, Failure> {
    let account = engine.directory.account(&import.account).ok_or_else(|| {
        Failure::new(format!("there is no account {}", import.account))
            .remedy("see `posthouse account list`")
    })?;
    let store = Arc::clone(&engine.store);
    let finds = bring::walk(move |finds| {
        let Import { path, mailbox, .. } = import;
        let walk = Walk { store: store.as_ref(), finds };
        let metadata =
            std::fs::metadata(&path).map_err(|error| of_file("look at", &path, &error))?;
        if metadata.is_dir() {
            return walk.maildir(&path, mailbox.as_deref());
        }
        let file = open(&path).map_err(|error| of_file("read", &path, &error))?.0;
        walk.mbox(file, &path, mailbox.as_deref().unwrap_or(INBOX))
    });
    bring::bring(engine, account.id, finds, items).await
}

/// Opens a plain file, and nothing else.
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        Ok((file, metadata))
    } else {
        Err(io::Error::other("it is no plain file"))
    }
}

struct Walk<'a> {
    store: &'a dyn Store,
    finds: &'a Finds,
}

impl Walk<'_> {
    fn left(&self, place: String, reason: impl ToString) -> bool {
        self.finds.tell(Find::Left(Left { place, reason: reason.to_string() }))
    }

    fn mbox(&self, file: File, path: &Path, mailbox: &str) -> Result<(), Failure> {
        for found in Reader::new(BufReader::with_capacity(1 << 16, file), MESSAGE_OCTETS_MAX) {
            let wanted = match found.map_err(|error| of_file("read", path, &error))? {
                Found::Damaged(damage) => {
                    let place =
                        format!("{} message {} at {}", path.display(), damage.number, damage.at);
                    self.left(place, damage.reason)
                }
                Found::Message(entry) => {
                    let message = Message::parse(&entry.content);
                    let at = entry.delivered_at.or_else(|| message.date());
                    let at = at.map_or(0, |at| at.unix_seconds().saturating_mul(1000));
                    self.piece(&entry.content, mailbox, flags(&entry.marks), UnixMillis(at))?
                }
            };
            if !wanted {
                break;
            }
        }
        Ok(())
    }

    fn maildir(&self, path: &Path, mailbox: Option<&str>) -> Result<(), Failure> {
        let listing = |error: &_| of_file("list", path, error);
        let names = names(path).map_err(|error| listing(&error))?;
        if !names.iter().any(|name| matches!(name.as_str(), "cur" | "new")) {
            return Err(Failure::new("it is no Maildir: it has neither cur nor new")
                .in_path(path)
                .remedy("name an mbox file, or a folder with cur, new and tmp"));
        }
        if !self.messages(path, mailbox.unwrap_or(INBOX))? {
            return Ok(());
        }
        for name in &names {
            let folder = path.join(name);
            let Some(inner) = maildir::mailbox(name) else {
                if !matches!(name.as_str(), "cur" | "new" | "tmp") && is_folder(&folder) {
                    self.left(folder.display().to_string(), "it is no folder of a Maildir");
                }
                continue;
            };
            if !is_folder(&folder) {
                // Other programs keep files of their own here.
                if folder.is_symlink() {
                    self.left(folder.display().to_string(), "it is a link");
                }
                continue;
            }
            let name = mailbox.map_or(inner, str::to_owned);
            if mailbox.is_none()
                && !self.finds.tell(Find::Mailbox { name: name.clone(), role: None })
            {
                return Ok(());
            }
            if !self.messages(&folder, &name)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// All messages of one folder; false when nobody wants more.
    fn messages(&self, folder: &Path, mailbox: &str) -> Result<bool, Failure> {
        for part in ["cur", "new"] {
            let part = folder.join(part);
            if !is_folder(&part) {
                continue;
            }
            for name in names(&part).map_err(|error| of_file("list", &part, &error))? {
                let path = part.join(&name);
                let wanted = match whole(&path) {
                    Ok((content, at)) => {
                        self.piece(&content, mailbox, maildir::flags(&name), at)?
                    }
                    Err(error) => self.left(path.display().to_string(), error),
                };
                if !wanted {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Hands a message on; false when nobody wants more.
    fn piece(
        &self,
        content: &[u8],
        mailbox: &str,
        flags: Flags,
        at: UnixMillis,
    ) -> Result<bool, StoreError> {
        let message_id = Message::parse(content).message_id().map(|id| id.as_str().to_owned());
        let mut writing = Writing::new(self.store, Vec::new())?;
        writing.write(content)?;
        let piece = writing.end(mailbox, flags, at, message_id)?;
        Ok(self.finds.tell(Find::Piece(Box::new(piece))))
    }
}

/// The names in a folder that are text; others are nothing that a Maildir has.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// Whether it is a folder itself, and no link to one.
fn is_folder(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// A Maildir's file as a message, and when it came.
fn whole(path: &Path) -> io::Result<(Vec<u8>, UnixMillis)> {
    let (file, metadata) = open(path)?;
    let mut content = Vec::new();
    file.take(MESSAGE_OCTETS_MAX as u64 + 1).read_to_end(&mut content)?;
    if content.len() > MESSAGE_OCTETS_MAX {
        return Err(io::Error::other("it is longer than may be taken"));
    }
    if content.is_empty() {
        return Err(io::Error::other("it is empty"));
    }
    let at = metadata.modified().unwrap_or(UNIX_EPOCH);
    let at = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    Ok((with_crlf(content), UnixMillis(i64::try_from(at).unwrap_or(0))))
}

/// Files have LF at their line ends, unless somebody wrote them as they came: then they are kept
/// as they are.
fn with_crlf(content: Vec<u8>) -> Vec<u8> {
    if content.windows(2).any(|pair| pair == b"\r\n") {
        return content;
    }
    let mut lines = Vec::with_capacity(content.len() + content.len() / 32);
    for octet in content {
        if octet == b'\n' {
            lines.push(b'\r');
        }
        lines.push(octet);
    }
    lines
}

/// Flags of what mail readers note.
fn flags(marks: &Marks) -> Flags {
    let keywords = marks.keywords.iter().cloned().collect();
    let mut flags = Flags::from_bits(0, keywords);
    for (set, flag) in [
        (marks.seen, Flag::Seen),
        (marks.answered, Flag::Answered),
        (marks.flagged, Flag::Flagged),
        (marks.deleted, Flag::Deleted),
        (marks.draft, Flag::Draft),
    ] {
        if set {
            flags.insert(flag);
        }
    }
    flags
}

/// A time for a file's name and its modification.
pub(super) fn system_time(at: UnixMillis) -> SystemTime {
    UNIX_EPOCH + std::time::Duration::from_millis(u64::try_from(at.0).unwrap_or(0))
}
