//! The architecture as a table: which crate may use which.
//!
//! ```text
//!   Cargo.toml of each crate → arrows found ─┐
//!                              ALLOWED ──────┴→ complaints
//! ```
//!
//! The same table stands in ARCHITECTURE.md; a row that differs is a complaint too.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::repository::TextFile;

/// One line of the table: a crate, its layer, and all crates of ours that it may use.
struct Row {
    layer: u8,
    name: &'static str,
    may_use: &'static [&'static str],
}

/// Who may depend on whom. A new crate or arrow is an architectural change: an ADR, a line here
/// and a line in ARCHITECTURE.md. Crates that do not exist yet have their place already.
#[rustfmt::skip]
const ALLOWED: &[Row] = &[
    Row { layer: 1, name: "envelope", may_use: &[] },
    Row { layer: 1, name: "sasl", may_use: &[] },
    Row { layer: 1, name: "imap", may_use: &[] },
    Row { layer: 1, name: "pop3", may_use: &[] },
    Row { layer: 1, name: "jmap", may_use: &[] },
    Row { layer: 1, name: "platform", may_use: &[] },
    Row { layer: 2, name: "message", may_use: &["envelope"] },
    Row { layer: 2, name: "smtp", may_use: &["envelope"] },
    Row { layer: 2, name: "dns", may_use: &["envelope", "platform"] },
    Row { layer: 3, name: "sieve", may_use: &["envelope", "message"] },
    Row { layer: 3, name: "store", may_use: &["envelope", "message"] },
    Row { layer: 4, name: "store-sqlite", may_use: &["envelope", "store", "platform"] },
    Row { layer: 4, name: "store-postgres", may_use: &["envelope", "store", "platform"] },
    Row { layer: 4, name: "directory", may_use: &["envelope", "sasl", "store", "platform"] },
    Row { layer: 4, name: "verdict", may_use: &["envelope", "message", "dns", "store"] },
    Row { layer: 4, name: "sim", may_use: &["platform", "dns", "store"] },
    Row { layer: 4, name: "faultvfs", may_use: &["platform"] },
    Row { layer: 5, name: "mta", may_use: &["envelope", "message", "smtp", "sasl", "sieve", "dns", "verdict", "directory", "store", "platform"] },
    Row { layer: 5, name: "mailbag", may_use: &["envelope", "message", "sasl", "smtp", "imap", "pop3", "jmap", "sieve", "dns", "store", "store-sqlite", "platform"] },
    Row { layer: 6, name: "access", may_use: &["envelope", "message", "imap", "pop3", "jmap", "sieve", "sasl", "directory", "store", "mta", "platform"] },
    Row { layer: 7, name: "web", may_use: &["envelope", "message", "jmap", "directory", "store", "mta", "access", "platform"] },
    Row { layer: 8, name: "posthouse", may_use: &["envelope", "message", "sasl", "smtp", "imap", "pop3", "jmap", "sieve", "dns", "verdict", "directory", "store", "store-sqlite", "store-postgres", "mta", "access", "web", "platform"] },
];

/// What any crate may use in its tests, whatever its row says.
const TEST_TOOLS: &[&str] = &["sim", "faultvfs", "store-sqlite"];

/// Whose tests are the scenarios of the whole system, and so may use every crate.
const SCENARIOS: &str = "sim";

/// Members of the workspace that stand beside the crates and may use anything.
const UNBOUND: &[&str] = &["xtask", "e2e", "fuzz"];

/// One complaint for every arrow that the table does not have, every crate without a row, and
/// every row that ARCHITECTURE.md does not show.
pub(super) fn complaints(files: &[TextFile]) -> Vec<String> {
    let manifests: BTreeMap<&str, &TextFile> = files
        .iter()
        .filter_map(|file| {
            let rest = file.path.strip_prefix("crates/")?;
            Some((rest.strip_suffix("/Cargo.toml")?, file))
        })
        .filter(|(folder, _)| !folder.contains('/'))
        .collect();
    let mut complaints = Vec::new();
    for (name, manifest) in &manifests {
        complaints.extend(judge_crate(name, manifest, &manifests));
    }
    complaints.extend(rows_missing_in_print(files));
    complaints
}

fn judge_crate(name: &str, manifest: &TextFile, ours: &BTreeMap<&str, &TextFile>) -> Vec<String> {
    let path = &manifest.path;
    let table: Table = match manifest.text.parse() {
        Ok(table) => table,
        Err(error) => return vec![format!("{path}: cannot be read: {error}")],
    };
    let package = table.get("package").and_then(|package| package.get("name"));
    if package.and_then(Value::as_str) != Some(name) {
        return vec![format!("{path}: the package is not named as its folder, `{name}`")];
    }
    let Some(row) = ALLOWED.iter().find(|row| row.name == name) else {
        return vec![format!(
            "{path}: `{name}` is a new crate: write an ADR, and give it a row in \
             xtask/src/tidy/arrows.rs and in ARCHITECTURE.md"
        )];
    };
    let mut complaints = Vec::new();
    for (kind, target) in arrows(&table) {
        let is_ours = ours.contains_key(target.as_str()) || UNBOUND.contains(&target.as_str());
        let is_for_tests = TEST_TOOLS.contains(&target.as_str()) || name == SCENARIOS;
        let allowed =
            row.may_use.contains(&target.as_str()) || (kind == Kind::Test && is_for_tests);
        if is_ours && !allowed {
            complaints.push(format!(
                "{path}: {name} → {target} is not an allowed arrow (docs/adr/0001-architecture-is-a-test.md)"
            ));
        }
    }
    complaints
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    Test,
}

/// All dependencies of a manifest, those of single platforms included.
fn arrows(manifest: &Table) -> Vec<(Kind, String)> {
    let mut found = Vec::new();
    let platforms = manifest.get("target").and_then(Value::as_table);
    let per_platform = platforms.into_iter().flat_map(|table| table.values());
    let tables = per_platform.filter_map(Value::as_table).chain([manifest]);
    for table in tables {
        for (section, kind) in [
            ("dependencies", Kind::Normal),
            ("build-dependencies", Kind::Normal),
            ("dev-dependencies", Kind::Test),
        ] {
            let Some(list) = table.get(section).and_then(Value::as_table) else { continue };
            for (key, value) in list {
                let renamed = value.get("package").and_then(Value::as_str);
                found.push((kind, renamed.unwrap_or(key).to_owned()));
            }
        }
    }
    found
}

fn rows_missing_in_print(files: &[TextFile]) -> Vec<String> {
    let Some(print) = files.iter().find(|file| file.path == "ARCHITECTURE.md") else {
        return Vec::new(); // `architecture` complains of that
    };
    let missing = |line: &String| !print.text.lines().any(|printed| printed == line);
    ALLOWED
        .iter()
        .map(printed_row)
        .filter(missing)
        .map(|line| format!("ARCHITECTURE.md: the table of arrows lacks this row: {line}"))
        .collect()
}

fn printed_row(row: &Row) -> String {
    let uses = if row.may_use.is_empty() { "–".to_owned() } else { row.may_use.join(" ") };
    format!("| {} | `{}` | {} |", row.layer, row.name, uses)
}

#[cfg(test)]
mod tests {
    use super::{ALLOWED, complaints};
    use crate::tidy::file;

    #[test]
    fn arrows_outside_the_table_are_found() {
        #[rustfmt::skip]
        let table = [
            // crate, section and dependency, allowed, why
            ("smtp", "[dependencies]\nenvelope = {}", true, "in the table"),
            ("smtp", "[dependencies]\nstore = {}", false, "a protocol does not know the store"),
            ("smtp", "[dependencies]\nserde = {}", true, "not a crate of ours"),
            ("smtp", "[dev-dependencies]\nstore-sqlite = {}", true, "tests may use an engine"),
            ("smtp", "[dev-dependencies]\nmta = {}", false, "but not what lies above them"),
            ("sim", "[dev-dependencies]\nmta = {}", true, "its tests are scenarios of the whole"),
            ("sim", "[dependencies]\nmta = {}", false, "it itself is below"),
            ("smtp", "[build-dependencies]\nstore = {}", false, "a build script is no back door"),
            ("smtp", "[target.'cfg(unix)'.dependencies]\nstore = {}", false, "nor is a platform"),
            ("smtp", "[dependencies]\nx = { package = \"store\" }", false, "nor is another name"),
            ("posthouse", "[dependencies]\nxtask = {}", false, "chores do not ship"),
            ("novelty", "", false, "a crate without a row"),
        ];
        for (name, dependencies, allowed, why) in table {
            let mut files = vec![file(
                &format!("crates/{name}/Cargo.toml"),
                &format!("[package]\nname = \"{name}\"\n{dependencies}"),
            )];
            for other in ["envelope", "store", "store-sqlite", "mta"] {
                files.push(file(
                    &format!("crates/{other}/Cargo.toml"),
                    &format!("[package]\nname = \"{other}\""),
                ));
            }
            let found = complaints(&files);
            assert_eq!(found.is_empty(), allowed, "{name} with {dependencies:?}: {why}: {found:?}");
        }
    }

    #[test]
    fn every_arrow_points_down() {
        for row in ALLOWED {
            for target in row.may_use {
                let below = ALLOWED.iter().find(|other| other.name == *target);
                let below = below.unwrap_or_else(|| panic!("{target} has no row"));
                assert!(below.layer < row.layer, "{} → {target} does not point down", row.name);
            }
        }
    }
}
