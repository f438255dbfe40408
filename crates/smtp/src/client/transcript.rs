//! What was said, line by line, for those who ask what happened to a message.
//!
//! Content and credentials cannot get in: whoever writes an entry chooses its words, and
//! for those two there are only words that stand in their place.
//!
//! Standards: none.
//! Not here: when it was said, and how long it is kept (crates `mta` and `store`).

use crate::limits::TRANSCRIPT_LINES_MAX;

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// We did.
    Client,
    /// The server did.
    Server,
    /// Nobody: a remark, such as that TLS began.
    Note,
}

/// One line of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who said it.
    pub speaker: Speaker,
    /// What was said, without CRLF; control characters are escaped.
    pub text: String,
}

/// The lines since they were last taken.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    entries: Vec<Entry>,
    kept: usize,
}

impl Transcript {
    pub(super) fn add(&mut self, speaker: Speaker, text: &str) {
        self.kept = self.kept.saturating_add(1);
        let text = match self.kept {
            ..=TRANSCRIPT_LINES_MAX => escape(text),
            over if over == TRANSCRIPT_LINES_MAX + 1 => "(the rest is not kept)".to_owned(),
            _ => return,
        };
        self.entries.push(Entry { speaker, text });
    }

    pub(super) fn take(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.entries)
    }
}

fn escape(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    text.chars()
        .map(|character| match character.is_control() {
            true => character.escape_default().to_string(),
            false => character.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transcript_is_bounded_and_says_so() {
        let mut transcript = Transcript::default();
        for _ in 0..TRANSCRIPT_LINES_MAX + 10 {
            transcript.add(Speaker::Server, "250 Ok");
        }
        let entries = transcript.take();
        assert_eq!(entries.len(), TRANSCRIPT_LINES_MAX + 1);
        assert_eq!(entries.last().unwrap().text, "(the rest is not kept)");
    }

    #[test]
    fn control_characters_are_shown() {
        let mut transcript = Transcript::default();
        transcript.add(Speaker::Server, "250 \u{1b}[2Jx\n250 y");
        assert_eq!(transcript.take()[0].text, "250 \\u{1b}[2Jx\\n250 y");
    }
}
