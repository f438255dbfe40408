//! Rules of this repository that no compiler knows, checked as a test.
//!
//! Every rule is a function from files to complaints; a complaint names the file, the line and
//! the remedy. `cargo xtask tidy` prints them all, and the test below fails on the first run
//! that has any.
//!
//! Not here: formatting (rustfmt) and lints (clippy).

mod architecture;
mod arrows;
mod lines;
mod names;
mod reference;
mod standards;

use std::path::Path;

use anyhow::Result;

use crate::repository::{TextFile, root, text_files};
use crate::rfc::Index;

/// Everything that is wrong with the repository; empty when it is tidy.
pub(crate) fn complaints() -> Result<Vec<String>> {
    let root = root();
    let files = text_files(&root)?;
    let index = Index::read(&root)?;
    Ok(judge(&root, &files, &index))
}

fn judge(root: &Path, files: &[TextFile], index: &Index) -> Vec<String> {
    let mut complaints = Vec::new();
    complaints.extend(arrows::complaints(files));
    complaints.extend(names::complaints(files));
    complaints.extend(lines::complaints(files));
    complaints.extend(standards::complaints(files, index));
    complaints.extend(reference::complaints(files));
    complaints.extend(architecture::complaints(root, files));
    complaints.extend(crate::rfc::stale_tables(files, index));
    complaints
}

/// Reads one hand-made file in a test.
#[cfg(test)]
fn file(path: &str, text: &str) -> TextFile {
    TextFile { path: path.to_owned(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::complaints;

    #[test]
    fn the_repository_is_tidy() {
        let complaints = complaints().expect("the repository can be read");
        assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
    }
}
