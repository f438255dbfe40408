//! Which known word somebody meant.
//!
//! Standards: none of its own.
//! Not here: what is said about it.

/// Longest word that is compared, in characters; keys are shorter.
const WORD_CHARS_MAX: usize = 40;

/// The known word that needs the fewest changes to become `word`, if they are few.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().take(WORD_CHARS_MAX).collect();
    known
        .iter()
        .map(|candidate| (distance(&word, candidate), *candidate))
        .filter(|(changes, candidate)| *changes <= candidate.len().min(word.len()) / 3 + 1)
        .min_by_key(|(changes, _)| *changes)
        .map(|(_, candidate)| candidate)
}

/// Insertions, removals and replacements that turn one word into the other.
fn distance(word: &[char], candidate: &str) -> usize {
    let mut row: Vec<usize> = (0..=word.len()).collect();
    for (line, wanted) in candidate.chars().enumerate() {
        let mut next = vec![line + 1];
        for ((found, pair), left) in word.iter().zip(row.windows(2)).zip(0..) {
            let &[above_left, above] = pair else { continue };
            let replaced = above_left + usize::from(*found != wanted);
            let left: usize = next.get::<usize>(left).copied().unwrap_or(usize::MAX - 1);
            next.push(replaced.min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let known = ["retry", "expire", "delay_notice"];
        let table = [
            ("retyr", Some("retry"), "two letters swapped"),
            ("expires", Some("expire"), "one too many"),
            ("delaynotice", Some("delay_notice"), "one missing"),
            ("RETRY", Some("retry"), "case"),
            ("hostname", None, "something else"),
            ("", None, "nothing"),
        ];
        for (word, meant, why) in table {
            assert_eq!(nearest(word, &known), meant, "{word}: {why}");
        }
    }
}
