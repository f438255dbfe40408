//! Every `RFC NNNN §x` that the code and the documents cite exists.

use crate::repository::TextFile;
use crate::rfc::{Index, citations};

/// Files that list RFCs instead of citing them.
const LISTS: &[&str] = &["rfc/index.toml"];

/// One complaint for every citation that `rfc/index.toml` does not know.
pub(super) fn complaints(files: &[TextFile], index: &Index) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| !LISTS.contains(&file.path.as_str())) {
        for (number, line) in (1..).zip(file.text.lines()) {
            for citation in citations(line) {
                if let Some(fault) = index.fault_of(&citation) {
                    complaints.push(format!("{}:{number}: {fault}", file.path));
                }
            }
        }
    }
    complaints
}
