//! Which RFCs the repository cites, which sections they have, and how far we follow them.
//!
//! ```text
//!   texts of RFCs ─┐
//!   citations ─────┴→ `cargo xtask rfc --from DIR` → rfc/index.toml → `tidy`: does §x exist?
//!                                                                   → tables in README and docs
//! ```
//!
//! The index holds numbers and titles only, so that nobody needs the texts to run the tests.
//! What `support` and `topic` say is kept by hand and survives a new run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::repository::{TextFile, root, text_files};

mod sections;

/// The index, from the root.
const INDEX_PATH: &str = "rfc/index.toml";

/// What a document shows of the index.
type Table = fn(&Index) -> String;

/// Documents with a table that is made from the index.
const TABLES: &[(&str, Table)] =
    &[("README.md", Index::table_by_topic), ("docs/reference/rfc.md", Index::table_of_all)];

const TABLE_BEGIN: &str = "<!-- made by `cargo xtask docs` from rfc/index.toml -->";
const TABLE_END: &str = "<!-- end -->";

/// All RFCs that we cite.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Index {
    #[serde(default)]
    rfc: Vec<Entry>,
}

/// One RFC.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    number: u32,
    title: String,
    /// What the README lists it under; absent where we only refer to it.
    topic: Option<String>,
    /// How much of it we do: `whole`, `most` or `part`. Goes with `topic`.
    support: Option<String>,
    /// Its sections, `4.5.2` or `A.1`.
    sections: Vec<String>,
}

/// `RFC 5321 §4.5.2`, as it stands in a comment; without a section when the whole is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Citation {
    number: u32,
    section: Option<String>,
}

impl Index {
    /// Reads `rfc/index.toml`; an absent file is an empty index.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let path = root.join(INDEX_PATH);
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(&path).context(INDEX_PATH)?;
        toml::from_str(&text).context(INDEX_PATH)
    }

    /// What is wrong with a citation, if anything.
    pub(crate) fn fault_of(&self, citation: &Citation) -> Option<String> {
        let number = citation.number;
        let Some(entry) = self.rfc.iter().find(|entry| entry.number == number) else {
            return Some(format!(
                "RFC {number} is not in {INDEX_PATH}: run `cargo xtask rfc --from DIR`, where \
                 DIR holds the texts as rfcNNNN.txt"
            ));
        };
        let section = citation.section.as_ref()?;
        (!entry.sections.contains(section))
            .then(|| format!("RFC {number} ({}) has no §{section}", entry.title))
    }

    fn table_by_topic(&self) -> String {
        let mut topics: Vec<(&str, Vec<String>)> = Vec::new();
        for entry in &self.rfc {
            let (Some(topic), Some(support)) = (&entry.topic, &entry.support) else { continue };
            let word = format!("{} {support}", entry.number);
            match topics.iter_mut().find(|(known, _)| known == topic) {
                Some((_, words)) => words.push(word),
                None => topics.push((topic, vec![word])),
            }
        }
        let mut table = "| topic | RFCs that work |\n|---|---|\n".to_owned();
        for (topic, words) in topics {
            let _ = writeln!(table, "| {topic} | {} |", words.join(" · "));
        }
        table
    }

    fn table_of_all(&self) -> String {
        let mut table = "| RFC | title | support |\n|---|---|---|\n".to_owned();
        for entry in &self.rfc {
            let support = entry.support.as_deref().unwrap_or("referred to");
            let _ = writeln!(
                table,
                "| [{0}](https://www.rfc-editor.org/rfc/rfc{0}) | {1} | {support} |",
                entry.number, entry.title
            );
        }
        table
    }

    fn print(&self) -> String {
        let mut text =
            "# The RFCs that this repository cites, with the numbers of their sections.\n\
             # Written by `cargo xtask rfc --from DIR`; `topic` and `support` (whole, most, part)\n\
             # are kept by hand. `cargo xtask tidy` checks every citation against it.\n"
                .to_owned();
        for entry in &self.rfc {
            let _ =
                write!(text, "\n[[rfc]]\nnumber = {}\ntitle = {:?}\n", entry.number, entry.title);
            for (key, value) in [("topic", &entry.topic), ("support", &entry.support)] {
                if let Some(value) = value {
                    let _ = writeln!(text, "{key} = {value:?}");
                }
            }
            text.push_str("sections = [\n");
            for line in wrapped(&entry.sections) {
                let _ = writeln!(text, "    {line}");
            }
            text.push_str("]\n");
        }
        text
    }
}

/// Quoted words in lines of at most 92 signs.
fn wrapped(words: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in words {
        let quoted = format!("{word:?},");
        if !line.is_empty() && line.len() + quoted.len() >= 92 {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&quoted);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// All citations in one line. A section belongs to the RFC named before it in the line, so
/// `RFC 1939 §4 and §6` are two citations; a section without an RFC in its line is none.
pub(crate) fn citations(line: &str) -> Vec<Citation> {
    let mut found: Vec<Citation> = Vec::new();
    for part in line.split("RFC ").skip(1) {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        let Ok(number) = digits.parse() else { continue };
        let sections: Vec<_> = part.split('§').skip(1).filter_map(section_at_start).collect();
        if sections.is_empty() {
            found.push(Citation { number, section: None });
        }
        found.extend(
            sections.into_iter().map(|section| Citation { number, section: Some(section) }),
        );
    }
    found
}

/// `4.5.2` of `4.5.2: text`, `A.1` of `A.1)`; nothing of `x`.
fn section_at_start(text: &str) -> Option<String> {
    let end = text.find(|sign: char| !sign.is_ascii_alphanumeric() && sign != '.');
    let word = text.get(..end.unwrap_or(text.len()))?.trim_end_matches('.');
    let is_section = word.split('.').enumerate().all(|(depth, part)| {
        let is_letter = depth == 0 && part.len() == 1 && part.starts_with(char::is_uppercase);
        is_letter || (!part.is_empty() && part.chars().all(|sign| sign.is_ascii_digit()))
    });
    is_section.then(|| word.to_owned())
}

/// `cargo xtask rfc --from DIR`: writes the index anew for what the repository cites today.
pub(crate) fn write_index(folder: &Path) -> Result<()> {
    let root = root();
    let known = Index::read(&root)?;
    let cited: BTreeSet<u32> = text_files(&root)?
        .iter()
        .filter(|file| file.path != INDEX_PATH && file.path != "docs/reference/rfc.md")
        .flat_map(|file| file.text.lines().flat_map(citations))
        .map(|citation| citation.number)
        .collect();
    let mut entries: BTreeMap<u32, Entry> = known
        .rfc
        .into_iter()
        .filter(|entry| cited.contains(&entry.number) || entry.support.is_some())
        .map(|entry| (entry.number, entry))
        .collect();
    let titles = titles(folder)?;
    let mut without_text = Vec::new();
    let wanted: BTreeSet<u32> = entries.keys().copied().chain(cited).collect();
    for number in wanted {
        let Ok(text) = fs::read(folder.join(format!("rfc{number}.txt"))) else {
            if !entries.contains_key(&number) {
                without_text.push(number.to_string());
            }
            continue;
        };
        let sections = sections::of_text(&String::from_utf8_lossy(&text));
        let title = titles.get(&number).cloned().unwrap_or_default();
        let old = entries.remove(&number);
        let (topic, support) = old.map_or((None, None), |old| (old.topic, old.support));
        entries.insert(number, Entry { number, title, topic, support, sections });
    }
    let index = Index { rfc: entries.into_values().collect() };
    fs::create_dir_all(root.join("rfc"))?;
    fs::write(root.join(INDEX_PATH), index.print())?;
    println!("{INDEX_PATH}: {} RFCs", index.rfc.len());
    write_tables()?;
    if !without_text.is_empty() {
        bail!(
            "no text of RFC {} in {}: add them to {INDEX_PATH} by hand",
            without_text.join(", "),
            folder.display()
        );
    }
    Ok(())
}

/// Titles by number, from the folder's INDEX.tsv.
fn titles(folder: &Path) -> Result<BTreeMap<u32, String>> {
    let path = folder.join("INDEX.tsv");
    let text = fs::read_to_string(&path)
        .with_context(|| format!("cannot read {} (number, tab, title)", path.display()))?;
    Ok(text
        .lines()
        .filter_map(|line| {
            let mut columns = line.split('\t');
            Some((columns.next()?.parse().ok()?, columns.next()?.trim().to_owned()))
        })
        .collect())
}

/// `cargo xtask docs`: puts the tables that are made from the index into their documents.
pub(crate) fn write_tables() -> Result<()> {
    let root = root();
    let index = Index::read(&root)?;
    for (path, table) in TABLES {
        let text = fs::read_to_string(root.join(path)).with_context(|| (*path).to_owned())?;
        let Some(fresh) = with_table(&text, &table(&index)) else {
            bail!("{path}: no lines `{TABLE_BEGIN}` and `{TABLE_END}` to put the table between");
        };
        if fresh != text {
            fs::write(root.join(path), fresh)?;
            println!("{path}: written");
        }
    }
    Ok(())
}

/// One complaint for every document whose table is not what the index says.
pub(crate) fn stale_tables(files: &[TextFile], index: &Index) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, table) in TABLES {
        let text = files.iter().find(|file| file.path == *path).map(|file| &file.text);
        let fresh = text.and_then(|text| with_table(text, &table(index)));
        if fresh.as_ref() != text || text.is_none() {
            complaints.push(format!("{path}: its table of RFCs is stale: run `cargo xtask docs`"));
        }
    }
    complaints
}

fn with_table(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(TABLE_BEGIN)?;
    let (_, after) = rest.split_once(TABLE_END)?;
    Some(format!("{before}{TABLE_BEGIN}\n{table}{TABLE_END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::{Citation, Entry, Index, citations};

    fn cited(number: u32, section: &str) -> Citation {
        let section = (!section.is_empty()).then(|| section.to_owned());
        Citation { number, section }
    }

    // The sign of a section is written \u{a7} here, or the repository would cite these.
    #[test]
    fn citations_are_found_as_people_write_them() {
        #[rustfmt::skip]
        let table = [
            // line, citations, why
            ("/// RFC\u{20}5321 \u{a7}4.5.2: text", vec![cited(5321, "4.5.2")], "the usual way"),
            ("(RFC\u{20}1939 \u{a7}4 and \u{a7}6).", vec![cited(1939, "4"), cited(1939, "6")], "two sections"),
            ("RFC\u{20}2920, RFC\u{20}3461 \u{a7}4.", vec![cited(2920, ""), cited(3461, "4")], "a whole one"),
            ("RFC\u{20}5322 \u{a7}A.1.1", vec![cited(5322, "A.1.1")], "an appendix"),
            ("RFC\u{20}5321 \u{a7}x", vec![cited(5321, "")], "no section"),
            ("RFC editor, \u{a7}4", vec![], "no number"),
        ];
        for (line, expected, why) in table {
            assert_eq!(citations(line), expected, "{line:?}: {why}");
        }
    }

    #[test]
    fn unknown_numbers_and_sections_are_faults() {
        let sections = vec!["4".to_owned(), "4.5".to_owned()];
        let title = "Simple Mail Transfer Protocol".to_owned();
        let entry = Entry { number: 5321, title, topic: None, support: None, sections };
        let index = Index { rfc: vec![entry] };
        assert_eq!(index.fault_of(&cited(5321, "")), None);
        assert_eq!(index.fault_of(&cited(5321, "4.5")), None);
        assert!(index.fault_of(&cited(5321, "4.6")).is_some());
        assert!(index.fault_of(&cited(821, "")).is_some());
    }

    #[test]
    fn the_index_reads_what_it_prints() {
        let sections = (1..200).map(|number| format!("4.{number}")).collect();
        let title = "Says \"quoted\"".to_owned();
        let topic = Some("SMTP".to_owned());
        let entry = Entry { number: 1, title, topic, support: Some("most".to_owned()), sections };
        let printed = Index { rfc: vec![entry] }.print();
        let read: Index = toml::from_str(&printed).expect("what we print is TOML");
        assert_eq!(read.print(), printed);
    }
}
