//! DATA, and the content behind it or in the chunks of BDAT.
//!
//! Content is handed on as it comes. A fault refuses the message, but only where the client
//! listens: at the end of DATA, or of a chunk. Until then its octets are read and dropped.
//!
//! Standards: RFC 5321 §4.1.1.4 (DATA), §3.3 (no valid recipients), RFC 1870 §6.3 (size),
//! RFC 3030 §3 (BINARYMIME).
//! Not here: dots (`dots`), the counting of chunks (`bdat`).

use envelope::{BodyType, EnhancedStatus};

use super::bdat::{Chunk, LineEndCheck};
use super::{Event, Fault, Interrupt, Kind, Phase, Question, Session};
use crate::dots::Unstuffer;
use crate::limits::{CONTENT_PROGRESS_OCTETS, REFUSED_CONTENT_OCTETS_MAX};
use crate::reply::Reply;

/// Content that is coming in.
#[derive(Debug)]
pub(super) struct Content {
    framing: Framing,
    /// Octets so far, without dots.
    octets: u64,
    fault: Option<Fault>,
    /// Octets read and dropped since there is a fault.
    dropped: u64,
}

/// How the end of the content is found.
#[derive(Debug)]
enum Framing {
    /// By the line with one dot.
    Dots { unstuffer: Unstuffer, ended: bool },
    /// By counting.
    Chunks { chunk: Chunk, check: LineEndCheck, lines: Lines },
}

/// What content is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Lines {
    /// Lines, which end in CRLF.
    #[default]
    All,
    /// Any octets, in chunks only (RFC 3030 §3).
    Binary,
}

impl Lines {
    pub(super) fn of(body: BodyType) -> Self {
        match body {
            BodyType::BinaryMime => Self::Binary,
            _ => Self::All,
        }
    }
}

impl Content {
    /// Content as DATA carries it.
    pub(super) fn with_dots() -> Self {
        Self::new(Framing::Dots { unstuffer: Unstuffer::new(), ended: false })
    }

    /// Content as BDAT carries it.
    pub(super) fn in_chunks(chunk: Chunk, lines: Lines) -> Self {
        Self::new(Framing::Chunks { chunk, check: LineEndCheck::default(), lines })
    }

    fn new(framing: Framing) -> Self {
        Self { framing, octets: 0, fault: None, dropped: 0 }
    }

    pub(super) fn next_chunk(&mut self, next: Chunk) {
        if let Framing::Chunks { chunk, .. } = &mut self.framing {
            *chunk = next;
        }
    }

    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// Whether the next octet is a command's.
    fn is_at_command(&self) -> bool {
        match &self.framing {
            Framing::Dots { ended, .. } => *ended,
            Framing::Chunks { chunk, .. } => chunk.left == 0,
        }
    }

    /// Whether a further chunk is expected.
    fn goes_on(&self) -> bool {
        matches!(&self.framing, Framing::Chunks { chunk, .. } if !chunk.is_last)
    }

    /// What refuses the content, now that it or a chunk has ended.
    fn fault(&self) -> Option<Fault> {
        let is_cut = match &self.framing {
            Framing::Dots { .. } => false,
            // Not in `read`, which an empty last chunk does not reach.
            Framing::Chunks { chunk, check, .. } => chunk.is_last && check.awaits_lf(),
        };
        self.fault.or(is_cut.then_some(Fault::BareLineEnd))
    }

    /// Reads from `input`; gives how much was used up and what it means.
    fn read(&mut self, input: &[u8], octets_max: u64) -> (usize, Vec<u8>) {
        let mut content;
        let consumed;
        let is_bare;
        match &mut self.framing {
            Framing::Dots { unstuffer, ended } => {
                content = Vec::with_capacity(input.len());
                let fed = unstuffer.feed(input, &mut content);
                *ended = fed.ended;
                (consumed, is_bare) = (fed.consumed, unstuffer.has_bare_line_end());
            }
            Framing::Chunks { chunk, check, lines } => {
                let octets = chunk.take(input);
                if *lines == Lines::All {
                    check.feed(octets);
                }
                content = octets.to_vec();
                (consumed, is_bare) = (octets.len(), check.found_one());
            }
        }
        let octets = u64::try_from(content.len()).unwrap_or(u64::MAX);
        self.octets = self.octets.saturating_add(octets);
        if is_bare {
            self.fault = Some(Fault::BareLineEnd);
        } else if self.octets > octets_max {
            self.fault = Some(Fault::TooBig);
        }
        if self.fault.is_some() {
            self.dropped = self.dropped.saturating_add(octets);
            content = Vec::new();
        }
        (consumed, content)
    }
}

impl Session {
    pub(super) fn data(&mut self) -> Option<Event> {
        let Some(transaction) = &self.transaction else {
            return self.out_of_order("Send MAIL and RCPT first");
        };
        if transaction.lines == Lines::Binary {
            return self.out_of_order("Content of BODY=BINARYMIME comes by BDAT only");
        }
        if transaction.accepted > 0 {
            return Some(self.ask(Question::ContentBegins, Event::ContentBegins));
        }
        if transaction.refused == 0 {
            return self.out_of_order("Send RCPT first");
        }
        // Not counted as an error: a pipelining client cannot know (RFC 2920 §3.1).
        let text = "No valid recipients, nothing to send";
        // RFC 2033 §4.2 has a code of its own.
        let code = if self.config.kind == Kind::Lmtp { 503 } else { 554 };
        self.say(&Reply::new(code, EnhancedStatus::new(5, 5, 1), text))
    }

    /// Reads content. `None` when the input ran dry.
    pub(super) fn content(&mut self) -> Option<Option<Event>> {
        let content = self.transaction.as_mut()?.content.as_mut()?;
        if content.is_at_command() {
            return Some(self.content_pauses());
        }
        if self.input.is_empty() {
            return None;
        }
        let before = content.octets;
        let (consumed, piece) = content.read(self.input.rest(), self.config.message_size_max);
        self.input.consume(consumed);
        // Ends, and each whole KiB on the way.
        let passed = content.octets / CONTENT_PROGRESS_OCTETS != before / CONTENT_PROGRESS_OCTETS;
        if passed || content.is_at_command() {
            self.progress = self.progress.wrapping_add(1);
        }
        if content.dropped > REFUSED_CONTENT_OCTETS_MAX {
            self.interrupt(Interrupt::TooMuch);
            return Some(None);
        }
        Some((!piece.is_empty()).then_some(Event::Content(piece)))
    }

    /// The content, or one chunk of it, has ended.
    fn content_pauses(&mut self) -> Option<Event> {
        let content = self.transaction.as_ref()?.content.as_ref()?;
        let fault = content.fault();
        let goes_on = content.goes_on();
        if fault.is_none() && goes_on {
            return self.chunk_ends();
        }
        self.phase = Phase::Command;
        let event = Event::ContentEnds { fault };
        let Some(fault) = fault else { return Some(self.ask(Question::ContentEnds, event)) };
        if goes_on {
            // In LMTP too a chunk in the middle has one reply (RFC 2033 §4.3).
            self.transaction = None;
            self.say(&fault.reply());
        } else {
            self.end_transaction(&fault.reply());
        }
        Some(event)
    }
}
