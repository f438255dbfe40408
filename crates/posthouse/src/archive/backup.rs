//! `backup`: what is copied beside the store itself.
//!
//! Standards: none of its own.
//! Not here: the store's own files (crate `store-sqlite`).

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use platform::{Disk, RealDisk};
use store_sqlite::{BackupOptions, BackupReport};

use crate::engine::Engine;
use crate::failure::{Failure, of_file};
use crate::folder::Folder;

/// The largest of those files; certificates are much smaller.
const FILE_OCTETS_MAX: usize = 1024 * 1024;

/// Copies the store and what belongs to it into a new generation of the backup in `folder`.
pub(crate) async fn back_up(
    engine: &Engine,
    folder: PathBuf,
    keep: Option<NonZeroU32>,
) -> Result<BackupReport, Failure> {
    let files = belongings(engine.folder())?;
    let at = engine.clock.now();
    let options = BackupOptions { folder: folder.clone(), keep, files, at };
    engine.back_up(options).await.map_err(|error| Failure::from(error).in_path(&folder))
}

/// The server's secret and the certificates of its own making.
fn belongings(folder: &Folder) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut files = vec![read(folder.path(), "secret")?];
    let tls = folder.tls();
    let listing = |error: &_| of_file("list the certificates", &tls, error);
    if RealDisk.exists(&tls).map_err(|error| listing(&error))? {
        for name in RealDisk.list(&tls).map_err(|error| listing(&error))? {
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            files.push(read(folder.path(), &format!("tls/{name}"))?);
        }
    }
    Ok(files)
}

fn read(folder: &Path, name: &str) -> Result<(String, Vec<u8>), Failure> {
    let path = folder.join(name);
    let content = RealDisk
        .read_whole(&path, FILE_OCTETS_MAX)
        .map_err(|error| of_file("read what belongs to the backup", &path, &error))?;
    Ok((name.to_owned(), content))
}
