//! DATA and the content behind it.
//!
//! Content is handed on as it comes. A fault refuses the message, but only at its end, since
//! the client does not listen before; until then its octets are read and dropped.
//!
//! Standards: RFC 5321 §4.1.1.4 (DATA), §3.3 (no valid recipients), RFC 1870 §6.3 (size).
//! Not here: dots (`dots`), BDAT, which will be a second way into the same phase.

use envelope::EnhancedStatus;

use super::{Event, Fault, Interrupt, Phase, Question, Session};
use crate::dots::Unstuffer;
use crate::limits::{CONTENT_PROGRESS_OCTETS, REFUSED_CONTENT_OCTETS_MAX};
use crate::reply::Reply;

/// Content that is coming in.
#[derive(Debug)]
pub(super) struct Content {
    unstuffer: Unstuffer,
    /// Octets so far, without dots.
    octets: u64,
    fault: Option<Fault>,
    /// Octets read and dropped since there is a fault.
    dropped: u64,
    ended: bool,
}

impl Content {
    pub(super) fn new() -> Self {
        Self { unstuffer: Unstuffer::new(), octets: 0, fault: None, dropped: 0, ended: false }
    }

    /// Reads from `input`; gives how much was used up and what it means.
    fn read(&mut self, input: &[u8], octets_max: u64) -> (usize, Vec<u8>) {
        let mut content = Vec::with_capacity(input.len());
        let fed = self.unstuffer.feed(input, &mut content);
        let octets = u64::try_from(content.len()).unwrap_or(u64::MAX);
        self.octets = self.octets.saturating_add(octets);
        self.ended = fed.ended;
        if self.unstuffer.has_bare_line_end() {
            self.fault = Some(Fault::BareLineEnd);
        } else if self.octets > octets_max {
            self.fault = Some(Fault::TooBig);
        }
        if self.fault.is_some() {
            self.dropped = self.dropped.saturating_add(octets);
            content = Vec::new();
        }
        (fed.consumed, content)
    }
}

impl Session {
    pub(super) fn data(&mut self) -> Option<Event> {
        match self.transaction {
            None => self.out_of_order("Send MAIL and RCPT first"),
            Some(transaction) if transaction.accepted > 0 => {
                Some(self.ask(Question::ContentBegins, Event::ContentBegins))
            }
            Some(transaction) if transaction.refused == 0 => self.out_of_order("Send RCPT first"),
            // Not counted as an error: a pipelining client cannot know (RFC 2920 §3.1).
            Some(_) => {
                let text = "No valid recipients, nothing to send";
                self.say(&Reply::new(554, EnhancedStatus::new(5, 5, 1), text))
            }
        }
    }

    /// Reads content. `None` when the input ran dry.
    pub(super) fn content(&mut self) -> Option<Option<Event>> {
        let Phase::Content(content) = &mut self.phase else { return None };
        if content.ended {
            return Some(Some(self.content_ends()));
        }
        if self.input.is_empty() {
            return None;
        }
        let before = content.octets;
        let (consumed, piece) = content.read(self.input.rest(), self.config.message_size_max);
        self.input.consume(consumed);
        // Ends, and each whole KiB on the way.
        let passed = content.octets / CONTENT_PROGRESS_OCTETS != before / CONTENT_PROGRESS_OCTETS;
        if passed || content.ended {
            self.progress = self.progress.wrapping_add(1);
        }
        if content.dropped > REFUSED_CONTENT_OCTETS_MAX {
            self.interrupt(Interrupt::TooMuch);
            return Some(None);
        }
        Some((!piece.is_empty()).then_some(Event::Content(piece)))
    }

    fn content_ends(&mut self) -> Event {
        let phase = std::mem::replace(&mut self.phase, Phase::Command);
        let fault = match phase {
            Phase::Content(content) => content.fault,
            _ => None,
        };
        let event = Event::ContentEnds { fault };
        match fault {
            Some(fault) => {
                self.transaction = None;
                self.say(&fault.reply());
                event
            }
            None => self.ask(Question::ContentEnds, event),
        }
    }
}
