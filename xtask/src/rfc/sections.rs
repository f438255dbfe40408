//! The section numbers of an RFC, from its text.
//!
//! Headings stand at the start of a line (`4.5.2.  Transparency`); in old RFCs they are
//! indented, but then the table of contents lists them (`   3.1.  General . . . . 12`).

use std::collections::BTreeSet;

/// All sections and appendices, in order.
pub(super) fn of_text(text: &str) -> Vec<String> {
    let found: BTreeSet<Vec<Part>> = text.lines().filter_map(section_of_line).collect();
    found.iter().map(|parts| print(parts)).collect()
}

/// One step of a section's number: letters of appendices come after numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u32),
    Letter(char),
}

fn print(parts: &[Part]) -> String {
    let words: Vec<String> = parts
        .iter()
        .map(|part| match part {
            Part::Number(number) => number.to_string(),
            Part::Letter(letter) => letter.to_string(),
        })
        .collect();
    words.join(".")
}

fn section_of_line(line: &str) -> Option<Vec<Part>> {
    let text = line.trim_start();
    let is_heading = text.len() == line.len();
    if !is_heading && !is_line_of_contents(text) {
        return None;
    }
    let (text, is_appendix) = match text.strip_prefix("Appendix ") {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let (word, title) = text.split_once([' ', ':']).unwrap_or((text, ""));
    let bare = word.trim_end_matches('.');
    let is_bare_letter = bare.len() == 1 && bare == word && !is_appendix;
    if is_bare_letter && bare.starts_with(char::is_alphabetic) {
        return None; // a sentence that begins with "A"
    }
    if title.trim().is_empty() && !is_appendix {
        return None; // a number alone in its line
    }
    parts_of(bare)
}

fn parts_of(word: &str) -> Option<Vec<Part>> {
    word.split('.')
        .enumerate()
        .map(|(depth, part)| {
            if depth == 0 && part.len() == 1 && part.starts_with(|sign: char| sign.is_uppercase()) {
                return part.chars().next().map(Part::Letter);
            }
            let is_short = part.len() <= 3 && part.chars().all(|sign| sign.is_ascii_digit());
            is_short.then(|| part.parse().ok().map(Part::Number)).flatten()
        })
        .collect()
}

/// `3.1.  General . . . . 12`: dots, then a page.
fn is_line_of_contents(text: &str) -> bool {
    let before_page = text.trim_end().trim_end_matches(|sign: char| sign.is_ascii_digit());
    before_page.len() < text.trim_end().len()
        && (before_page.ends_with(". ")
            || before_page.ends_with("..")
            || before_page.ends_with("  "))
}

#[cfg(test)]
mod tests {
    use super::of_text;

    #[test]
    fn headings_of_new_and_old_rfcs_are_found() {
        #[rustfmt::skip]
        let table = [
            // line, section, why
            ("4.5.2.  Transparency", "4.5.2", "of today"),
            ("5. The TRANSACTION State", "5", "of 1996"),
            ("2.1 Mail From", "2.1", "without a dot"),
            ("   3.1.  GENERAL DESCRIPTION . . . . . . 12", "3.1", "contents of an old one"),
            ("Appendix A.  Examples", "A", "an appendix"),
            ("A.1.  Addressing Examples", "A.1", "a part of one"),
            ("Appendix A.1.1.  A Message", "A.1.1", "the same, in long"),
            ("Appendix B", "B", "without a title"),
            ("   4.5.2 says otherwise", "", "a sentence"),
            ("A mail server is", "", "another one"),
            ("2008", "", "a year"),
            ("Klensin                     Standards Track                    [Page 12]", "", "a footer"),
        ];
        for (line, section, why) in table {
            let found = of_text(line).join(" ");
            assert_eq!(found, section, "{line:?}: {why}");
        }
    }
}
