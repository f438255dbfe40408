//! ARCHITECTURE.md tells of every crate, and no document points to what is not there.

use std::collections::BTreeSet;
use std::path::Path;

use crate::repository::TextFile;

/// Folders of the repository: a word in code type that begins so is a path.
const FOLDERS: &[&str] = &["crates/", "docs/", "xtask/", "e2e/", "rfc/", ".ci/", ".cargo/"];

/// One complaint for every crate without its paragraph and every path that leads nowhere.
pub(super) fn complaints(root: &Path, files: &[TextFile]) -> Vec<String> {
    let Some(architecture) = files.iter().find(|file| file.path == "ARCHITECTURE.md") else {
        return vec!["ARCHITECTURE.md: is missing".to_owned()];
    };
    let crates: BTreeSet<&str> = files.iter().filter_map(TextFile::crate_name).collect();
    let mut complaints = Vec::new();
    for name in crates {
        let heading = format!("### `{name}`");
        if !architecture.text.lines().any(|line| line.starts_with(&heading)) {
            complaints.push(format!("ARCHITECTURE.md: no paragraph `{heading}`"));
        }
    }
    for document in files.iter().filter(|file| file.path.ends_with(".md")) {
        for target in targets(&document.text) {
            if !exists(root, &document.path, &target) {
                complaints.push(format!("{}: `{target}` does not exist", document.path));
            }
        }
    }
    complaints
}

/// Paths in code type and relative links, fenced blocks left out.
fn targets(markdown: &str) -> Vec<Target> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for code in line.split('`').skip(1).step_by(2) {
            if FOLDERS.iter().any(|folder| code.starts_with(folder)) && is_path(code) {
                found.push(Target::FromRoot(code.to_owned()));
            }
        }
        for rest in line.split("](").skip(1) {
            let link = rest.split([')', '#', ' ']).next().unwrap_or_default();
            if !link.is_empty() && !link.contains("://") && !link.starts_with("mailto:") {
                found.push(Target::FromDocument(link.to_owned()));
            }
        }
    }
    found
}

/// Where a document points to.
enum Target {
    FromRoot(String),
    FromDocument(String),
}

impl std::fmt::Display for Target {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::FromRoot(path) | Self::FromDocument(path) => out.write_str(path),
        }
    }
}

/// Patterns such as `crates/*/src` and commands stand in code type too.
fn is_path(code: &str) -> bool {
    !code.contains(|sign: char| sign.is_whitespace() || "*<>{}…".contains(sign))
}

fn exists(root: &Path, document: &str, target: &Target) -> bool {
    match target {
        Target::FromRoot(path) => root.join(path).exists(),
        Target::FromDocument(link) => {
            let folder = Path::new(document).parent().unwrap_or(Path::new(""));
            root.join(folder).join(link).exists()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::complaints;
    use crate::repository::root;
    use crate::tidy::file;

    #[test]
    fn missing_paragraphs_and_dead_paths_are_found() {
        #[rustfmt::skip]
        let table = [
            // ARCHITECTURE.md, complaints, why
            ("### `smtp`: sessions\n", 0, "the one crate has its paragraph"),
            ("about `smtp`\n", 1, "mentioned is not described"),
            ("### `smtp`\nsee `xtask/src/main.rs`\n", 0, "this file exists"),
            ("### `smtp`\nsee `xtask/src/nothing.rs`\n", 1, "this one does not"),
            ("### `smtp`\nsee `crates/*/src`\n", 0, "a pattern is no path"),
            ("### `smtp`\n[here](xtask/nothing.md)\n", 1, "a dead link"),
            ("### `smtp`\n[here](https://example.org/)\n", 0, "somebody else's"),
            ("### `smtp`\n```\n[a](b)\n```\n", 0, "an example"),
        ];
        for (text, expected, why) in table {
            let files = [file("ARCHITECTURE.md", text), file("crates/smtp/Cargo.toml", "")];
            let found = complaints(&root(), &files);
            assert_eq!(found.len(), expected, "{text:?}: {why}: {found:?}");
        }
    }
}
