//! BDAT: content in counted chunks, without dots.
//!
//! The octets of a chunk follow their command at once, whatever we think of it. So a chunk
//! that is refused is read and dropped to its last octet before the refusal is said, and a
//! command whose count cannot be read ends the session: what follows it might be content.
//!
//! Standards: RFC 3030 §2 (CHUNKING), §3 (BINARYMIME: without it chunks are text, whose lines end
//! in CRLF).
//! Not here: the content as such (`content`).

use envelope::EnhancedStatus;
use memchr::memchr2;

use super::content::Content;
use super::{Event, Phase, Question, Session};
use crate::limits::REFUSED_CONTENT_OCTETS_MAX;
use crate::reply::Reply;

/// The command's argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Octets of the chunk that are still to come.
    pub(super) left: u64,
    /// No chunk follows this one.
    pub(super) is_last: bool,
}

/// A chunk that nobody wants.
#[derive(Debug)]
pub(super) struct Unwanted {
    left: u64,
    /// What is said at its end.
    reply: Reply,
}

impl Chunk {
    /// Reads `size [LAST]`.
    fn parse(argument: &str) -> Option<Self> {
        let (size, last) = match argument.split_once(' ') {
            Some((size, last)) => (size, last.trim_start_matches(' ')),
            None => (argument, ""),
        };
        let is_last = last.eq_ignore_ascii_case("LAST");
        let digits = !size.is_empty() && size.bytes().all(|octet| octet.is_ascii_digit());
        let left = size.parse().ok().filter(|_| digits && (is_last || last.is_empty()))?;
        Some(Self { left, is_last })
    }

    /// The part of `input` that belongs to this chunk; counts it as read.
    pub(super) fn take<'a>(&mut self, input: &'a [u8]) -> &'a [u8] {
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len());
        self.left = self.left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
        input.get(..count).unwrap_or_default()
    }
}

/// Looks for a CR or LF that stands alone, over the borders of chunks.
#[derive(Debug, Default)]
pub(super) struct LineEndCheck {
    after_cr: bool,
    bare: bool,
}

impl LineEndCheck {
    pub(super) fn feed(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while !self.bare && !rest.is_empty() {
            if std::mem::take(&mut self.after_cr) {
                match rest.split_first() {
                    Some((b'\n', behind)) => rest = behind,
                    _ => self.bare = true,
                }
                continue;
            }
            let Some(found) = memchr2(b'\r', b'\n', rest) else { return };
            self.after_cr = rest.get(found) == Some(&b'\r');
            self.bare = !self.after_cr;
            rest = rest.get(found + 1..).unwrap_or_default();
        }
    }

    pub(super) fn found_one(&self) -> bool {
        self.bare
    }

    /// Whether the last octet was a CR, so that the next one decides.
    pub(super) fn awaits_lf(&self) -> bool {
        self.after_cr
    }
}

impl Session {
    pub(super) fn bdat(&mut self, argument: &str) -> Option<Event> {
        let Some(chunk) = Chunk::parse(argument) else {
            let text = "Use BDAT with a number of octets and LAST at the end; closing";
            return self.close(&Reply::new(501, EnhancedStatus::new(5, 5, 4), text));
        };
        if chunk.left > REFUSED_CONTENT_OCTETS_MAX.max(self.config.message_size_max) {
            let text = "Chunk is far too big; closing";
            return self.close(&Reply::new(552, EnhancedStatus::new(5, 3, 4), text));
        }
        let order = |text| Reply::new(503, EnhancedStatus::new(5, 5, 1), text);
        // None of these counts as an error: a pipelining client cannot know (RFC 3030 §2).
        let reply = match &mut self.transaction {
            None => order("Send MAIL and RCPT first"),
            Some(transaction) => match &mut transaction.content {
                Some(content) => {
                    content.next_chunk(chunk);
                    self.phase = Phase::Content;
                    return None;
                }
                None if transaction.accepted > 0 => {
                    transaction.first_chunk = Some(chunk);
                    return Some(self.ask(Question::ContentBegins, Event::ContentBegins));
                }
                None if transaction.refused == 0 => order("Send RCPT first"),
                None => {
                    let text = "No valid recipients, nothing to send";
                    Reply::new(554, EnhancedStatus::new(5, 5, 1), text)
                }
            },
        };
        self.drop_chunk(chunk, reply);
        None
    }

    /// Whether a chunk was taken, so that DATA, MAIL and RCPT are out of order (RFC 3030 §2).
    pub(super) fn is_between_chunks(&self) -> bool {
        self.transaction.as_ref().is_some_and(|transaction| transaction.content.is_some())
    }

    /// Reads a chunk's octets and says `reply` then.
    pub(super) fn drop_chunk(&mut self, chunk: Chunk, reply: Reply) {
        self.phase = Phase::Unwanted(Unwanted { left: chunk.left, reply });
    }

    /// Reads on in an unwanted chunk. `None` when the input ran dry.
    pub(super) fn unwanted(&mut self) -> Option<Option<Event>> {
        let Phase::Unwanted(unwanted) = &mut self.phase else { return None };
        if unwanted.left > 0 {
            if self.input.is_empty() {
                return None;
            }
            let mut chunk = Chunk { left: unwanted.left, is_last: false };
            let count = chunk.take(self.input.rest()).len();
            unwanted.left = chunk.left;
            self.input.consume(count);
            return Some(None);
        }
        let reply = unwanted.reply.clone();
        self.phase = Phase::Command;
        self.progress = self.progress.wrapping_add(1);
        Some(match reply.code() {
            421 => self.close(&reply),
            _ => self.say(&reply),
        })
    }

    /// A chunk has ended and others follow.
    pub(super) fn chunk_ends(&mut self) -> Option<Event> {
        self.phase = Phase::Command;
        let octets = self.transaction.as_ref().and_then(|transaction| transaction.content.as_ref());
        let octets = octets.map_or(0, Content::octets);
        let text = format!("{octets} octets so far");
        self.say(&Reply::new(250, EnhancedStatus::new(2, 0, 0), text))
    }
}
