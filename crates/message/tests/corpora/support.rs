//! What the corpus tests share: the corpora, and the disagreements that the documentation lists.
//!
//! `POSTHOUSE_CORPORA` names the folder; without it the tests say so and pass.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const CONFORMANCE: &str = include_str!("../../../../docs/conformance-message.md");

/// The folder of the corpora.
pub(crate) fn corpora() -> Option<PathBuf> {
    let folder = std::env::var_os("POSTHOUSE_CORPORA").map(PathBuf::from);
    if folder.is_none() {
        println!("POSTHOUSE_CORPORA is not set: the corpora are not tested");
    }
    folder
}

/// All files under a folder, in order.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the corpora can be read") {
            let path = entry.expect("a folder entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Compares with what one set expects: whatever differs must stand in that section of
/// `docs/conformance-message.md` with its reason, and whatever stands there must differ.
#[derive(Debug)]
pub(crate) struct Comparison {
    section: &'static str,
    /// Case and reason.
    listed: BTreeMap<&'static str, &'static str>,
    faults: Vec<String>,
    count: usize,
}

impl Comparison {
    /// Reads the rows `| case | reason |` below the heading `## section`.
    pub(crate) fn new(section: &'static str) -> Self {
        let heading = format!("\n## {section}\n");
        let (_, text) = CONFORMANCE.split_once(&heading).expect("a section of the document");
        let text = text.split("\n## ").next().unwrap_or_default();
        let rows = text.lines().filter_map(|line| {
            let (case, reason) = line.strip_prefix("| `")?.split_once("` | ")?;
            Some((case, reason.strip_suffix(" |")?))
        });
        let mut listed = BTreeMap::new();
        for (case, reason) in rows {
            assert!(reason.len() > 10, "{section}: {case} needs a reason");
            assert_eq!(listed.insert(case, reason), None, "{section}: {case} stands there twice");
        }
        Self { section, listed, faults: Vec::new(), count: 0 }
    }

    /// One case: `differences` is empty where both agree.
    pub(crate) fn case(&mut self, name: &str, differences: &[String]) {
        self.count += 1;
        match (self.listed.remove(name), differences) {
            (Some(_), []) => self.faults.push(format!("{name}: listed, but both agree")),
            (None, [_, ..]) => self.faults.push(format!("{name}: {}", differences.join("; "))),
            _ => {}
        }
    }

    /// Fails if the document and the comparison disagree, or if too few cases were compared.
    pub(crate) fn finish(mut self, least: usize) {
        let unknown = self.listed.keys().map(|case| format!("{case}: listed, but there is none"));
        self.faults.extend(unknown);
        let faults = self.faults.join("\n");
        assert!(faults.is_empty(), "docs/conformance-message.md, {}:\n{faults}", self.section);
        assert!(self.count >= least, "{}: only {} cases", self.section, self.count);
    }
}
