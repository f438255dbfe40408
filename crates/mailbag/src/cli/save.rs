//! `save`: a message or a part of it as a file, which is never written over another one.

use std::io;
use std::path::{Path, PathBuf};

use mailbag::{Exit, Fault};
use message::{Message, safe_file_name};
use platform::Disk;

use super::show::piece;
use super::terminal::{print, visible_line};
use super::trouble::Trouble;
use super::{Context, PathArgument};

/// Names that are tried: `a.pdf`, `a (2).pdf`, …
const NAMES_MAX: u32 = 1000;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The message's id, or the end of it.
    id: String,
    /// Only this part, or file in a text, decoded; `mailbag show ID` lists them.
    #[arg(long, value_name = "N")]
    part: Option<String>,
    /// The folder, which must be there.
    #[arg(long, value_name = "DIR")]
    to: PathArgument,
}

pub(crate) async fn run(context: &Context, options: Options) -> Result<Exit, Trouble> {
    let store = context.store().await?;
    let letter = store.find(&options.id).await?;
    let content = store.content(letter.entry.message).await?;
    drop(store);
    let message = Message::parse(&content);
    let path = match &options.part {
        None => {
            let subject = match letter.card.subject.trim() {
                "" => letter.entry.submission.to_string(),
                subject => subject.to_owned(),
            };
            let name = safe_file_name(&format!("{}.eml", subject.replace(['/', '\\'], "-")));
            save(&*context.world.disk, &options.to, &name, &content)?
        }
        Some(id) => {
            let piece = piece(&message, id)?;
            let name = piece.file_name().unwrap_or_else(|| format!("part-{id}"));
            save(&*context.world.disk, &options.to, &name, &piece.octets())?
        }
    };
    print(format!("{}\n", visible_line(&path.display().to_string())).as_bytes())?;
    Ok(Exit::Done)
}

/// Writes a new file under `name` or, where there is one, under the next name.
fn save(disk: &dyn Disk, folder: &Path, name: &str, octets: &[u8]) -> Result<PathBuf, Fault> {
    for number in 1..=NAMES_MAX {
        let path = folder.join(numbered(name, number));
        let failed = |error: io::Error| Fault::File {
            action: "write",
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        let file = match disk.create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            created => created.map_err(failed)?,
        };
        let written = file.write_at(0, octets).and_then(|()| file.sync());
        if let Err(error) = written {
            // Half a file would look like the whole one.
            disk.remove(&path).ok();
            return Err(failed(error));
        }
        disk.sync_dir(folder).map_err(failed)?;
        return Ok(path);
    }
    Err(Fault::File {
        action: "write",
        path: folder.join(name).display().to_string(),
        reason: format!("there are {NAMES_MAX} files of this name already"),
    })
}

fn numbered(name: &str, number: u32) -> String {
    match (number, name.rsplit_once('.')) {
        (..=1, _) => name.to_owned(),
        (_, Some((stem, ending))) => format!("{stem} ({number}).{ending}"),
        (_, None) => format!("{name} ({number})"),
    }
}

#[cfg(test)]
mod tests {
    use platform::RealDisk;

    use super::*;

    #[test]
    fn files_are_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let first = save(&RealDisk, dir.path(), "a.b.pdf", b"one").unwrap();
        let second = save(&RealDisk, dir.path(), "a.b.pdf", b"two").unwrap();
        assert_eq!(first.file_name().unwrap(), "a.b.pdf");
        assert_eq!(second.file_name().unwrap(), "a.b (2).pdf");
        assert_eq!(RealDisk.read_whole(&first, 10).unwrap(), b"one");
        assert_eq!(RealDisk.read_whole(&second, 10).unwrap(), b"two");
        let missing = save(&RealDisk, &dir.path().join("no"), "a", b"x").unwrap_err();
        assert!(matches!(missing, Fault::File { .. }), "{missing}");
    }
}
