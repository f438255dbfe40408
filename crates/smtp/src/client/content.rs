//! The content on its way out: with dots behind DATA, or counted in one chunk.
//!
//! A chunk is only used where dots would not do: for content that is not made of lines. It is
//! one, of a size that is known before, so that no reply to a chunk can be overlooked.
//!
//! Standards: RFC 5321 §4.1.1.4 (DATA), RFC 3030 §2 (BDAT), §3 (BINARYMIME), RFC 2033 §4.2 and
//! §4.3 (replies in LMTP).
//! Not here: dots (`dots`), the envelope (`transaction`).

use super::{Fault, Phase, Protocol, Session, Speaker, Stage};
use crate::dots::{BareLineEnd, LineEnds, Stuffer};
use crate::reply::Reply;

/// How the server finds the end of the content.
#[derive(Debug)]
pub(super) enum Framing {
    /// By the line with one dot.
    Dots(Stuffer),
    /// By counting; so many octets are still to be given.
    Chunk { left: u64 },
}

impl Framing {
    pub(super) fn dots(line_ends: LineEnds) -> Self {
        Self::Dots(Stuffer::new(line_ends))
    }
}

impl Session {
    /// Gives a piece of the content, cut anywhere, after [`Event::ContentWanted`].
    ///
    /// [`Event::ContentWanted`]: super::Event::ContentWanted
    ///
    /// # Errors
    ///
    /// [`BareLineEnd`] when a CR or LF stands alone and the configuration says to refuse it, or
    /// the content is binary and the server takes lines only. The session then is closed without
    /// the final dot, and the outcomes say why.
    ///
    /// # Panics
    ///
    /// When no content is wanted and the session is not closed: that is a bug in the caller.
    pub fn content(&mut self, piece: &[u8]) -> Result<(), BareLineEnd> {
        let octets = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        match &mut self.phase {
            Phase::Closed => return Ok(()),
            Phase::Content(Framing::Dots(stuffer)) => stuffer.feed(piece, &mut self.output),
            Phase::Content(Framing::Chunk { left }) => match left.checked_sub(octets) {
                Some(rest) => {
                    *left = rest;
                    self.output.extend_from_slice(piece);
                    Ok(())
                }
                None => {
                    self.fail(Fault::WrongSize);
                    return Ok(());
                }
            },
            _ => panic!("content() without Event::ContentWanted"),
        }
        .inspect_err(|error| self.fail((*error).into()))?;
        self.progress = self.progress.wrapping_add(1);
        if let Some(transaction) = &mut self.transaction {
            transaction.octets = transaction.octets.saturating_add(octets);
        }
        Ok(())
    }

    /// Ends the content. A last line without CRLF gets it, where the content is made of lines.
    ///
    /// # Errors
    ///
    /// As for [`content`](Self::content).
    ///
    /// # Panics
    ///
    /// As for [`content`](Self::content).
    pub fn content_end(&mut self) -> Result<(), BareLineEnd> {
        let is_dot = match &mut self.phase {
            Phase::Closed => return Ok(()),
            Phase::Content(Framing::Dots(stuffer)) => {
                let ended = stuffer.end(&mut self.output);
                ended.inspect_err(|error| self.fail((*error).into()))?;
                true
            }
            Phase::Content(Framing::Chunk { left: 0 }) => false,
            // The server waits for the rest of the chunk, and gets none.
            Phase::Content(Framing::Chunk { .. }) => {
                self.fail(Fault::WrongSize);
                return Ok(());
            }
            _ => panic!("content_end() without Event::ContentWanted"),
        };
        let octets = self.transaction.as_ref().map_or(0, |transaction| transaction.octets);
        self.transcript.add(Speaker::Client, &format!("({octets} octets of content)"));
        if is_dot {
            self.transcript.add(Speaker::Client, ".");
        }
        self.phase = Phase::ContentEnd;
        Ok(())
    }

    /// A reply to the end of the content: for all, or in LMTP for the next recipient.
    pub(super) fn content_end_reply(&mut self, reply: Reply) {
        if (300..400).contains(&reply.code()) {
            self.fail(Fault::Unexpected(reply));
            return;
        }
        let Some(mut transaction) = self.transaction.take() else { return };
        match self.config.protocol {
            Protocol::Smtp => transaction.settle_all(Stage::ContentEnd, &reply),
            Protocol::Lmtp => {
                transaction.settle_next(Stage::ContentEnd, &reply);
                if !transaction.is_settled() {
                    self.transaction = Some(transaction);
                    return;
                }
            }
        }
        self.done(transaction);
        self.ready();
    }
}
